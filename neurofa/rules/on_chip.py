"""What a network's numbers can be on a chip: the part of a Plan that hardware adds (docs/hardware.md)."""

from dataclasses import dataclass

import numpy as np

from ..spec import Hardware
from ..spec.errors import require


@dataclass(frozen=True)
class Grid:
    """Levels in the network's own units.

    Parameters
    ----------
    origin, step
        The lowest level of the format, and the distance of two.
    low, high
        Ends; `low` may lie above `origin` where a rule has a bound.
    rounding
        One of `neurofa.spec.hardware.ROUNDINGS`.
    """

    origin: float
    step: float
    low: float
    high: float
    rounding: str

    def rounded(self, values: np.ndarray, draws: np.ndarray | None = None) -> np.ndarray:
        """Values on levels, in their precision; those beyond `low` and `high` become these.

        Parameters
        ----------
        values
            Any shape, in the network's units.
        draws
            Uniform in [0, 1), of the shape of `values`, to round stochastically; None: to the nearest level.
        """
        index = (np.asarray(values, np.float64) - self.origin) / self.step
        below = np.floor(index)
        index = np.rint(index) if draws is None else below + np.floor(index - below + draws)  # what is a level stays
        on_levels: np.ndarray = np.clip(self.origin + self.step * index, self.low, self.high).astype(values.dtype)
        return on_levels


@dataclass(frozen=True)
class Integers:
    """Integer state of a population, in its own units.

    Parameters
    ----------
    step, end
        Of the membrane: the distance of two levels, and the largest.
    current_step, current_end
        Of the synaptic current.
    gain
        What a unit of input (or of current) does to the membrane: `step` / `current_step`.
    decay_m, decay_s
        What is left of membrane and current after a tick.
    threshold, v_reset
        In place of the neuron's.
    above
        Whether a membrane must be above its threshold to spike.
    wraps
        Whether a current wraps around at its end; else it saturates.
    """

    step: float
    end: float
    current_step: float
    current_end: float
    gain: float
    decay_m: float
    decay_s: float
    threshold: float
    v_reset: float
    above: bool
    wraps: bool

    def __post_init__(self) -> None:
        for name in ("step", "end", "current_step", "current_end", "gain", "threshold"):
            require(getattr(self, name) > 0, f"integers {name} is {getattr(self, name)}; it must be positive")
        for name in ("decay_m", "decay_s"):
            require(0 <= getattr(self, name) <= 1, f"integers {name} is {getattr(self, name)}; it must be in [0, 1]")
        require(
            self.gain * self.current_step == self.step,
            f"integers gain is {self.gain}; it must be step / current_step, {self.step / self.current_step}",
        )
        require(
            self.v_reset < self.threshold, f"integers v_reset {self.v_reset} is not below threshold {self.threshold}"
        )


@dataclass(frozen=True)
class OnChip:
    """A network on a chip.

    Parameters
    ----------
    hardware
        Where it comes from.
    weights, feedback, modulators
        Levels by layer; None where there is full precision (or no feedback).
    neurons
        Integer state by layer, or None.
    key
        Of random numbers; None: the first of the seed's stream `rounding`.
    """

    hardware: Hardware
    weights: tuple[Grid | None, ...]
    feedback: tuple[Grid | None, ...]
    modulators: tuple[Grid | None, ...]
    neurons: tuple[Integers | None, ...]
    key: int | None

    def units(self) -> dict[str, tuple[float, int]]:
        """By parameter that has levels: what a level of 1 stands for, and the lowest level."""
        found: dict[str, tuple[float, int]] = {}
        for names, levels, grids in (
            ("Wb", self.hardware.weights, self.weights),
            ("B", self.hardware.feedback, self.feedback),
        ):
            for layer, grid in enumerate(grids):
                if levels is not None and grid is not None:
                    found |= {f"layers.{layer}.{name}": (grid.step / levels.step, levels.lowest) for name in names}
        return found

    def on_levels(self, layer: int, B: np.ndarray) -> np.ndarray:
        """Feedback to a layer as it can be stored: each value on the nearest level.

        Parameters
        ----------
        layer
            Index of the hidden layer.
        B
            Feedback, shape (n_source, n_layer).
        """
        grid = self.feedback[layer]
        return B if grid is None else grid.rounded(B)
