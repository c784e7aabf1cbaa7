"""Engines: each runs a Plan in its own way. `new_engine` chooses by mode."""

from typing import TYPE_CHECKING

from ..rules import Plan
from ..spec import Optimiser, Spiking
from ..spec.errors import require

if TYPE_CHECKING:
    from .base import Engine

OWN_MODES = ("rate", "spiking")  # which the kernels of neurofa run
MODES = (*OWN_MODES, "brian")


def new_engine(
    mode: str,
    plan: Plan,
    spiking: Spiking,
    *,
    batch_size: int,
    optimiser: Optimiser | str = "sgd",
    seed: int = 0,
    threads: int | None = None,
    brian_target: str = "auto",
) -> "Engine":
    """The engine of a mode; `spiking` says how the network runs on spikes, where it does."""
    require(
        mode == "brian" or brian_target == "auto",
        f"code generation target {brian_target!r} is for Brian2; leave it out, or use mode 'brian'",
    )
    if mode == "spiking":
        from .spiking import SpikingEngine

        return SpikingEngine(plan, spiking, batch_size=batch_size, optimiser=optimiser, seed=seed, threads=threads)
    if mode == "brian":
        from .brian import BrianEngine

        return BrianEngine(
            plan,
            spiking,
            batch_size=batch_size,
            optimiser=optimiser,
            seed=seed,
            threads=threads,
            target=brian_target,
        )
    from .rate import RateEngine

    return RateEngine(plan, batch_size=batch_size, optimiser=optimiser, seed=seed, threads=threads)
