"""What the Brian2 engine refuses."""

import math

from ..rules import Plan
from ..spec import Optimiser, Spiking
from ..spec.errors import require
from .base import require_spiking
from .brian_setting import Setting
from .learner import CUTOFF


def require_known(plan: Plan, spiking: Spiking, optimiser: Optimiser) -> None:
    """Refuse what the script has no part for."""
    _require_storable(plan, spiking)
    require_spiking("brian", plan, spiking, optimiser)
    require(
        not plan.by_regression,
        "the brian engine has no feedback learned by ridge regression; use perturbation estimator 'gradient'",
    )
    require(
        all(route.redraw is None for route in plan.feedback),
        "the brian engine draws no feedback magnitudes anew; use 'scaled', 'unit' or 'fixed_random'",
    )


def _require_storable(plan: Plan, spiking: Spiking) -> None:
    """Refuse constraints that the script has no part for."""
    if plan.on_chip is None:
        return
    setting, name = Setting(plan, spiking), plan.on_chip.hardware.name
    require(
        setting.trace is None
        or setting.trace.rounding != "stochastic"
        or not any(setting.rounds_traces(layer) for layer in setting.layers),
        f"hardware {name!r} rounds traces that decay by chance, once for all synapses of a neuron, which the brian "
        "engine cannot: its synapses have traces of their own; set tau_pre_ms to inf, or use mode 'spiking'",
    )
    ticks = CUTOFF * spiking.tau_mod_ms / spiking.dt_ms
    fades = not setting.at_error and not math.isinf(spiking.tau_mod_ms)
    stored = any(setting.modulator_grid(layer) is not None for layer in range(setting.last))
    require(
        not (fades and stored) or (spiking.reset_state and spiking.ticks <= ticks),
        f"hardware {name!r} rounds modulators, of which nothing is left {CUTOFF} time constants after the last event; "
        f"the brian engine has no such end, and needs reset_state and presentations of at most {ticks:g} ticks; set "
        "tau_mod_ms to inf, or use mode 'spiking'",
    )
