"""What the Brian2 engine refuses."""

import math

from ..rules import Plan
from ..spec import Optimiser, Spiking
from ..spec.errors import require
from .brian_setting import Setting
from .learner import CUTOFF


def require_known(plan: Plan, spiking: Spiking, optimiser: Optimiser) -> None:
    """Refuse what the script has no part for."""
    _require_storable(plan, spiking)
    require(optimiser.kind == "sgd", f"the brian engine has no optimiser {optimiser.kind!r}; use 'sgd'")
    ridge = plan.perturbation is not None and plan.perturbation.estimator == "ridge"
    learned = any(route.follow == "learned" for route in plan.feedback)
    require(
        not (ridge and learned),
        "the brian engine has no feedback learned by ridge regression; use perturbation estimator 'gradient'",
    )
    require(
        all(route.redraw is None for route in plan.feedback),
        "the brian engine draws no feedback magnitudes anew; use 'scaled', 'unit' or 'fixed_random'",
    )
    require(
        spiking.reset_state or plan.perturbation is None or spiking.baseline != "clean",
        "baseline 'clean' shows each sample twice, each time from rest; set reset_state, or baseline = 'running'",
    )
    for index, projection in enumerate(plan.projections):
        require(
            projection.dropout == 0,
            f"the brian engine has no dropout, but layer {index} has {projection.dropout:g}; set it to 0",
        )
        require(
            spiking.homeostasis is None or projection.bias or index == plan.n_layers - 1,
            f"homeostasis lowers the bias of busy neurons, but layer {index} has none; give it one",
        )


def _require_storable(plan: Plan, spiking: Spiking) -> None:
    """Refuse constraints that the script has no part for."""
    if plan.constraint is None:
        return
    setting, name = Setting(plan, spiking), plan.constraint.hardware.name
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
