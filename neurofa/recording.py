"""What a run in spiking mode leaves behind: spikes, error events, and traces of chosen neurons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .spec.errors import InputError, require, require_choice

VARIABLES = ("v", "modulator", "drive", "threshold", "current", "weights")


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """A variable of some units over time.

    Parameters
    ----------
    ticks
        When it was taken, ascending, shape (m,), int64.
    units
        Of which units, shape (k,), int64.
    values
        Shape (m, k).

    Raises
    ------
    InputError
        If shapes or kinds of numbers do not fit together, or the ticks do not ascend.
    """

    ticks: np.ndarray
    units: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "ticks", _integers("trace ticks", self.ticks))
        object.__setattr__(self, "units", _integers("trace units", self.units))
        values = np.asarray(self.values)
        object.__setattr__(self, "values", values)
        shape = (len(self.ticks), len(self.units))
        require(values.shape == shape, f"trace values have shape {values.shape}; ticks and units need {shape}")
        require(values.dtype.kind in "fiu", f"trace values are of type {values.dtype}; give real numbers")
        require(not len(self.units) or self.units.min() >= 0, "trace units hold a negative index; count units from 0")
        require(bool((np.diff(self.ticks) > 0).all()), "trace ticks do not ascend; give each tick once, in order")

    def __repr__(self) -> str:
        return f"Trace({len(self.ticks)} ticks, {len(self.units)} units)"


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """Events and traces of a run. A tick t is the time t * dt_ms since the recording began.

    Lists and other integers are taken too, and kept as int64.

    Parameters
    ----------
    dt_ms
        Length of a tick.
    ticks
        Length of the run; all ticks below are at least 0 and less than this.
    spikes
        (ticks, units) by population, both of shape (n,), int64. A population that was recorded and
        stayed silent has two empty arrays.
    errors
        (ticks, units, counts) of the error neurons by layer name, of shape (n,), int64; counts have a sign.
        Empty for a circuit.
    traces
        By variable (one of `VARIABLES`) and population, or for ``weights`` connection.
    onsets
        First tick of each presentation, ascending, shape (n_presentations,). Empty for a circuit.
    labels
        Class of each presentation, shape (n_presentations,), or empty where there are none.
    sizes
        Number of units by population, where known: without it, units above the last that spiked cannot be shown.

    Raises
    ------
    InputError
        If shapes do not fit together, numbers are not whole, or an event is outside the run or its population.
    """

    dt_ms: float
    ticks: int
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    errors: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    traces: Mapping[tuple[str, str], Trace] = field(default_factory=dict)
    onsets: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(0 < self.dt_ms < np.inf, f"recording dt_ms is {self.dt_ms}; it must be positive and finite")
        require(self.ticks >= 0, f"recording ticks is {self.ticks}; it must be at least 0")
        spikes = {name: self._events(f"spikes of {name!r}", name, events, 2) for name, events in self.spikes.items()}
        errors = {name: self._events(f"errors of {name!r}", name, events, 3) for name, events in self.errors.items()}
        object.__setattr__(self, "spikes", spikes)
        object.__setattr__(self, "errors", errors)
        for (variable, population), trace in self.traces.items():
            require_choice("recorded variable", variable, VARIABLES)
            what = f"trace {variable!r} of {population!r}"
            self._inside(what, trace.ticks)
            if population in self.sizes:
                self._below(what, trace.units, self.sizes[population])
        object.__setattr__(self, "onsets", _integers("recording onsets", self.onsets))
        object.__setattr__(self, "labels", _integers("recording labels", self.labels))
        self._inside("recording onsets", self.onsets)
        require(
            bool((np.diff(self.onsets) > 0).all()), "recording onsets do not ascend; give presentations in their order"
        )
        require(
            len(self.labels) in (0, len(self.onsets)),
            f"recording has {len(self.labels)} labels for {len(self.onsets)} onsets; give one for each, or none",
        )

    def __repr__(self) -> str:
        events = [f"{len(ticks)} spikes of {name!r}" for name, (ticks, _) in self.spikes.items()]
        events += [f"{len(ticks)} error events of {name!r}" for name, (ticks, _, _) in self.errors.items()]
        events += [f"{variable} of {name!r}" for variable, name in self.traces]
        return f"Recording({self.duration_ms:g} ms: {', '.join(events) or 'nothing'})"

    @property
    def duration_ms(self) -> float:
        """Length of the run."""
        return self.ticks * self.dt_ms

    def size(self, population: str) -> int:
        """Number of units of a population.

        Parameters
        ----------
        population
            Where `sizes` does not have it, the number is one more than the highest unit that left an event or a trace,
            and 0 if none did.
        """
        if population in self.sizes:
            return int(self.sizes[population])
        events = [table[population][1] for table in (self.spikes, self.errors) if population in table]
        events += [trace.units for (_, name), trace in self.traces.items() if name == population]
        return 1 + max((int(units.max()) for units in events if len(units)), default=-1)

    def rates_hz(self, population: str) -> np.ndarray:
        """Mean rate of each unit of a population over the whole recording.

        Parameters
        ----------
        population
            Whose spikes were recorded.

        Returns
        -------
        numpy.ndarray
            (size,), in spikes a second.

        Raises
        ------
        InputError
            If its spikes were not recorded, or the recording has no length.
        """
        require_choice("population with recorded spikes", population, self.spikes)
        require(self.ticks > 0, "the recording has no length, so there are no rates")
        counts = np.bincount(self.spikes[population][1], minlength=self.size(population))
        rates: np.ndarray = 1000 * counts / self.duration_ms
        return rates

    def intervals_ms(self, population: str) -> list[np.ndarray]:
        """Times from each spike of a unit to its next, by unit.

        Parameters
        ----------
        population
            Whose spikes were recorded.

        Returns
        -------
        list of numpy.ndarray
            One for each unit: (spikes - 1,) milliseconds, empty for fewer than two spikes.

        Raises
        ------
        InputError
            If its spikes were not recorded.
        """
        require_choice("population with recorded spikes", population, self.spikes)
        ticks, units = self.spikes[population]
        order = np.lexsort((ticks, units))
        ends = np.searchsorted(units[order], np.arange(1, self.size(population)))
        return [self.dt_ms * np.diff(mine) for mine in np.split(ticks[order], ends)]

    def _events(self, what: str, population: str, events: tuple[np.ndarray, ...], columns: int) -> tuple:
        """Events as int64, of equal length, inside the run and the population."""
        names = ("ticks", "units", "counts")[:columns]
        require(len(events) == columns, f"{what} have {len(events)} columns; give {', '.join(names)}")
        arrays = tuple(_integers(f"{what}: {name}", array) for name, array in zip(names, events, strict=True))
        lengths = [len(array) for array in arrays]
        require(len(set(lengths)) == 1, f"{what} have {', '.join(names)} of lengths {lengths}; make them equal")
        self._inside(what, arrays[0])
        self._below(what, arrays[1], self.sizes.get(population, np.iinfo(np.int64).max))
        return arrays

    def _inside(self, what: str, ticks: np.ndarray) -> None:
        outside = len(ticks) and (ticks.min() < 0 or ticks.max() >= self.ticks)
        require(not outside, f"{what}: a tick is not from 0 to below {self.ticks}, the length of the recording")

    def _below(self, what: str, units: np.ndarray, size: int) -> None:
        outside = len(units) and (units.min() < 0 or units.max() >= size)
        require(not outside, f"{what}: a unit is negative or not below the population's size; count units from 0")


def chosen_units(units: Sequence[int], population: str, size: int | None) -> np.ndarray:
    """Chosen units as an array, each of them once."""
    chosen = np.asarray(units)
    require(
        chosen.ndim == 1 and len(chosen) > 0 and chosen.dtype.kind in "iu",
        f"units of {population!r} are no list of whole numbers; name at least one unit",
    )
    require(len(np.unique(chosen)) == len(chosen), f"a unit of {population!r} was chosen twice; name each once")
    wrong = chosen[(chosen < 0) | (chosen >= (np.inf if size is None else size))]
    if len(wrong):
        has = "" if size is None else f"; it has the units 0 to {size - 1}"
        raise InputError(f"there is no unit {wrong[0]} in {population!r}{has}")
    return chosen.astype(np.int64, copy=False)


def _integers(what: str, values: np.ndarray) -> np.ndarray:
    """Values as one-dimensional int64; an empty list is one too."""
    array = np.asarray(values)
    require(array.ndim == 1, f"{what} have {array.ndim} dimensions; give one")
    require(array.dtype.kind in "iu" or not len(array), f"{what} are of type {array.dtype}; give whole numbers")
    return array.astype(np.int64, copy=False)
