"""What a run is asked to do, against the data that it gets; and how it follows that, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .io.data import Data
from .spec import Network, Training
from .spec.errors import require


def check_data(network: Network, data: Data) -> None:
    """Refuse data that do not fit the network.

    Raises
    ------
    InputError
        Names the two sizes or tasks and what to change.
    """
    n_out = network.layers[-1].units
    require(
        data.task == network.task,
        f"{data.name} is for {data.task} and the network for {network.task}; change network task"
        + (", or save classes as whole numbers: floats are targets" if data.task == "regression" else ""),
    )
    require(
        data.features == network.inputs,
        f"{data.name} has {data.features} features and the network {network.inputs} inputs; "
        f"set network inputs to {data.features} or choose other data",
    )
    fits = data.n_outputs == n_out or (network.task == "classification" and n_out == 1 and data.n_outputs == 2)
    require(
        fits,
        f"{data.name} has {data.n_outputs} {'classes' if network.task == 'classification' else 'outputs'} and the "
        f"network {n_out} outputs; give the last layer {data.n_outputs} units or choose other data",
    )


def check_protocol(training: Training, data: Data, probe_every: int | None) -> None:
    """Refuse a protocol that does not fit the data.

    Raises
    ------
    InputError
        Names the setting and what to change.
    """
    n = len(data.x_train)
    require(
        training.batch_size <= n,
        f"batch_size {training.batch_size} is larger than the {n} training samples of {data.name}; "
        f"use at most {n}, or 0 for all",
    )
    require(
        training.early_stopping is None or len(data.x_validation) > 0,
        "early_stopping needs a validation set; set data validation to a fraction such as 0.15",
    )
    require(
        probe_every is None or probe_every >= 0,
        f"probe_every is {probe_every}; give updates between two probes, 0 for never, or None for each epoch",
    )


class Rates:
    """Learning rates by epoch, under a schedule that may look at the losses."""

    def __init__(self, training: Training, n_layers: int) -> None:
        self.base, self.schedule = training.rates(n_layers), training.schedule
        self.falls, self.best, self.waited = 0, math.inf, 0

    def at(self, epoch: int) -> tuple[float, ...]:
        """The rates of an epoch, counted from 0."""
        falls, schedule = self.falls, self.schedule
        if schedule is not None and schedule.kind == "step":
            falls = epoch // schedule.every if schedule.every else sum(epoch >= m for m in schedule.milestones)
        return tuple(rate * (schedule.factor**falls if schedule else 1.0) for rate in self.base)

    def see(self, loss: float) -> None:
        """Take note of an epoch's loss."""
        if self.schedule is None or self.schedule.kind != "plateau":
            return
        if loss < self.best:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
            if self.waited >= self.schedule.patience:
                self.falls, self.waited = self.falls + 1, 0

    def state(self) -> list[float | None]:
        """What `restore` takes: numbers that JSON can hold."""
        return [self.falls, finite_or_none(self.best), self.waited]

    def restore(self, state: Sequence[float | None]) -> None:
        """Go on from a `state`."""
        falls, best, waited = state
        self.falls, self.best, self.waited = int(falls or 0), math.inf if best is None else best, int(waited or 0)


class EarlyStopping:
    """The best epoch so far on the validation set: its error, its parameters, and how many epochs ago it was.

    Without a patience nothing is kept and nothing stopped.
    """

    def __init__(self, patience: int | None, params: Mapping[str, np.ndarray]) -> None:
        self.patience, self.error, self.since = patience, math.inf, 0
        self.params = copied(params) if patience is not None else {}

    @property
    def due(self) -> bool:
        """Whether the run has waited for a better epoch as long as it may."""
        return self.patience is not None and self.since >= self.patience

    def see(self, error: float, params: Mapping[str, np.ndarray]) -> None:
        """Take note of an epoch's validation error, and of its parameters if it is the best."""
        if self.patience is None:
            return
        if error < self.error:
            self.error, self.since, self.params = error, 0, copied(params)
        else:
            self.since += 1

    def state(self) -> list[float | None]:
        """What `restore` takes beside the parameters: numbers that JSON can hold."""
        return [finite_or_none(self.error), self.since]

    def restore(self, state: Sequence[float | None], params: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state` and the parameters of the best epoch."""
        error, since = state
        self.error, self.since = math.inf if error is None else error, int(since or 0)
        self.params = dict(params) or self.params


def finite_or_none(value: float) -> float | None:
    """A number that JSON can hold: None stands for infinity."""
    return value if math.isfinite(value) else None


def copied(params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters, detached from the engine that changes them."""
    return {key: np.array(value) for key, value in params.items()}
