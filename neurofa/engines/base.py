"""What every engine offers, and what it is asked to run."""

from typing import Protocol

import numpy as np

from ..rules import Params


class Engine(Protocol):
    """A network under a rule that can learn and be evaluated. Arrays are NumPy's; state stays in the engine."""

    params: Params

    def train(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, first: int, last: int, rates: tuple[float, ...]
    ) -> tuple[float, float]:
        """Learn from batches first..last of an epoch in the given order.

        Returns the sums over samples of the loss and of the errors, before each update.
        """

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Mean loss, and fraction of samples classified wrongly (the loss again for a regression)."""

    def state(self) -> dict[str, np.ndarray]:
        """All arrays that a run needs to go on from here, parameters apart."""

    def restore(self, params: Params, state: dict[str, np.ndarray]) -> None:
        """Go on from saved parameters and state."""
