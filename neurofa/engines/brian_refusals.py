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
    # what fades is set to 0 after a while, which the script does not do: a truncated change shows what is left of it
    stored = any(setting.modulator_grid(layer) is not None for layer in range(setting.last))
    truncates = any(grid is not None and grid.rounding == "truncate" for grid in plan.on_chip.weights)
    for what, field, tau_ms, shows in (
        ("modulators", "tau_mod_ms", math.inf if setting.at_error else spiking.tau_mod_ms, stored or truncates),
        ("traces", "tau_pre_ms", spiking.tau_pre_ms if setting.at_error or setting.from_loss else math.inf, truncates),
    ):
        ticks = CUTOFF * tau_ms / spiking.dt_ms
        require(
            not shows or math.isinf(tau_ms) or (spiking.reset_state and spiking.ticks <= ticks),
            f"hardware {name!r} rounds, and nothing is left of {what} {CUTOFF} time constants after the last event, an "
            f"end that the brian engine lacks: it needs reset_state and presentations of at most {ticks:g} ticks; set "
            f"{field} to inf, or use mode 'spiking'",
        )
