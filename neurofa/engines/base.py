"""What every engine offers, and how it refuses what it cannot run."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..kernels import codes
from ..rules import Params, Plan
from ..spec import Optimiser, Spiking
from ..spec.errors import InputError, require
from ..spec.network import ACTIVATIONS

FOLLOWS = {  # what the kernels do with B at each update, by what the plan says of it
    "fixed": codes.FIXED,
    "derived": codes.FIXED,
    "learned": codes.FIXED,
    "transpose": codes.TRANSPOSE,
    "sign": codes.SIGN,
    "offset": codes.OFFSET,
}


@dataclass(frozen=True)
class Capabilities:
    """What an engine can run: names of activations, losses and signals, and what B does when W changes."""

    activations: frozenset[str]
    losses: frozenset[str]
    signals: frozenset[str]
    follows: frozenset[str]


ON_SPIKES = Capabilities(
    activations=frozenset(ACTIVATIONS),  # none acts: the neuron model takes their place
    losses=frozenset({"bce", "cce", "mse", "half_sse"}),  # errors are output minus target, as these give
    signals=frozenset(codes.SIGNALS),
    follows=frozenset(FOLLOWS),
)


def require_supported(engine: str, can: Capabilities, plan: Plan) -> None:
    """Refuse a plan that an engine cannot run, before anything runs.

    Raises
    ------
    InputError
        Names the engine, what it lacks, and what it has.
    """
    asked = (
        ("activation", {p.activation for p in plan.projections}, can.activations),
        ("loss", {plan.loss}, can.losses),
        ("signal", {plan.signal}, can.signals),
        ("feedback that is", {route.follow for route in plan.feedback}, can.follows),
    )
    for what, names, known in asked:
        for name in sorted(names - known):
            raise InputError(f"the {engine} engine has no {what} {name!r}; it has {', '.join(sorted(known))}")


def require_spiking(engine: str, plan: Plan, spiking: Spiking, optimiser: Optimiser) -> None:
    """Refuse what no engine on spikes can do.

    Raises
    ------
    InputError
        Names what cannot be done, and what can.
    """
    require(optimiser.kind == "sgd", f"the {engine} engine has no optimiser {optimiser.kind!r}; use 'sgd'")
    require(
        spiking.reset_state or plan.perturbation is None or spiking.baseline != "clean",
        "baseline 'clean' shows each sample twice, each time from rest; set reset_state, or baseline = 'running'",
    )
    for index, projection in enumerate(plan.projections):
        require(
            projection.dropout == 0,
            f"the {engine} engine has no dropout, but layer {index} has {projection.dropout:g}; set it to 0",
        )
        require(
            spiking.homeostasis is None or projection.bias or index == plan.n_layers - 1,
            f"homeostasis lowers the bias of busy neurons, but layer {index} has none; give it one",
        )


def require_sizes(batch_size: int, threads: int | None) -> None:
    """Refuse an empty batch, or no thread."""
    require(batch_size >= 1, f"batch_size is {batch_size}; an engine needs at least 1 sample")
    require(threads is None or threads >= 1, f"threads is {threads}; give at least 1, or None for all")


def require_batches(first: int, last: int, samples: int, batch_size: int) -> None:
    """Refuse a range of batches that an epoch of so many samples does not have."""
    batches = -(-samples // batch_size)
    require(0 <= first <= last <= batches, f"batches {first} to {last} are not among the {batches} of this epoch")


def put_back(what: str, mine: dict[str, np.ndarray], saved: dict[str, np.ndarray]) -> None:
    """Write saved arrays into an engine's own; refuses a missing name or another shape."""
    for key, value in mine.items():
        fits = key in saved and saved[key].shape == value.shape
        require(fits, f"{what} {key!r} is missing from the checkpoint or has another shape; start afresh")
        value[...] = saved[key]


class Engine(Protocol):
    """A network under a rule that can learn, be evaluated and be looked at. The state stays in the engine."""

    params: Params
    steps: int
    threads: int
    noise: np.random.Generator

    def warm_up(self) -> None:
        """Do what is done once, such as compiling, before anything is timed."""

    def train(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, first: int, last: int, rates: tuple[float, ...]
    ) -> tuple[float, float]:
        """Learn from batches first..last of an epoch in the given order.

        Returns the sums over samples of the loss and of the errors, before each update.
        """

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Mean loss, and fraction of samples classified wrongly (the loss again for a regression)."""

    def updates(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """The raw update for one batch; changes nothing."""

    def activities(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Activity of every layer for one batch."""

    def check_samples(self, x: np.ndarray, y: np.ndarray) -> None:
        """Refuse samples that the engine cannot take, before anything runs."""

    def synops_per_sample(self) -> float:
        """Synaptic operations (multiply-accumulates, where none are counted) for one training sample."""

    def operations_per_sample(self) -> np.ndarray | None:
        """Synaptic operations for one training sample, forward, feedback, update; None where none are counted."""

    def state(self) -> dict[str, np.ndarray]:
        """All arrays that a run needs to go on from here, parameters apart."""

    def restore(self, params: Params, state: dict[str, np.ndarray]) -> None:
        """Go on from saved parameters and state."""


def macs_per_sample(plan: Plan) -> float:
    """Multiply-accumulates of a dense network for one training sample.

    Forward, feedback, update; a noisy pass and B's own update where there are such.
    """
    forward = sum(p.n_pre * p.n_post for p in plan.projections)
    through = sum(plan.sizes[r.source + 1] * plan.sizes[r.layer + 1] for r in plan.feedback)
    learned = sum(plan.sizes[r.source + 1] * plan.sizes[r.layer + 1] for r in plan.feedback if r.follow == "learned")
    passes = 1 if plan.perturbation is None else 2
    return passes * forward + through + 2 * learned + sum(p.n_pre * p.n_post for p in plan.projections if p.plastic)
