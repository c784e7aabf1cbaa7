"""Events from files: which unit spikes when, in milliseconds, as .csv or .npz."""

import csv
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ..spec import InputError
from ..spec.errors import first_line, require
from ..spec.ticks import nearest_ticks, require_dt
from .archives import read_arrays
from .atomic import atomic_path

COLUMNS = ("time_ms", "unit")
SUFFIXES = (".csv", ".npz")
MOST_UNITS = 2**31  # units are 32-bit integers in the engines
MOST_TICKS = 2**53  # up to here the nearest tick of a time is known


@dataclass(frozen=True, eq=False)
class Events:
    """Events of an external population, in any order.

    Two events of one unit may have the same time, which a simulation refuses in one tick: `neurofa.exchange.in_ticks`
    joins those that fall into one.

    Parameters
    ----------
    times_ms
        (n,) when, at least 0; stored as float64.
    units
        (n,) which unit, from 0; whole numbers, stored as int64.
    name
        What the events are called in messages, such as the path of their file.

    Raises
    ------
    InputError
        For times or units that are negative, not finite or not numbers, units that are not whole, and for arrays of
        another shape.
    """

    times_ms: np.ndarray
    units: np.ndarray
    name: str = "events"

    def __post_init__(self) -> None:
        times, units = self._numbers("times_ms"), self._numbers("units")
        require(
            times.shape == units.shape,
            f"{self.name}: {times.size} times but {units.size} units; give one unit for each time",
        )
        times = times.astype(np.float64)
        self._check(np.isfinite(times), times, "time", "it must be finite")
        self._check(times >= 0, times, "time", "it must be at least 0")
        # NaN fails here as well, and what is whole and in range becomes an integer without loss
        self._check((units >= 0) & (units < MOST_UNITS), units, "unit", f"units are 0 to {MOST_UNITS - 1}")
        self._check(units == np.floor(units), units, "unit", "it must be a whole number")
        object.__setattr__(self, "times_ms", times)
        object.__setattr__(self, "units", units.astype(np.int64))

    def in_ticks(self, dt_ms: float) -> tuple[np.ndarray, np.ndarray]:
        """Ticks and units of the events.

        Parameters
        ----------
        dt_ms
            Length of a tick. A time belongs to the nearest tick, floor(time / dt + 1/2), as durations do.

        Returns
        -------
        ticks, units : numpy.ndarray
            (n,) int64 each, in the order of the events.

        Raises
        ------
        InputError
            For a tick that is not positive, or too short for these times.
        """
        require_dt(dt_ms)
        with np.errstate(over="ignore"):
            ticks = nearest_ticks(self.times_ms, dt_ms)
        last = ticks.max(initial=0)
        require(
            last < MOST_TICKS,
            f"{self.name}: the last time is {last:g} ticks of {dt_ms:g} ms, too many to count; "
            "check that times are in milliseconds",
        )
        return ticks.astype(np.int64), self.units

    def _numbers(self, name: str) -> np.ndarray:
        values = np.asarray(getattr(self, name))
        if values.size == 0 and values.ndim == 1:
            return np.zeros(0)
        require(
            values.ndim == 1 and values.dtype.kind in "iuf",
            f"{self.name}: {name} is an array of {values.dtype} with shape {values.shape}; give a row of numbers",
        )
        return values.astype(np.float64) if values.dtype.kind == "f" else values

    def _check(self, good: np.ndarray, values: np.ndarray, what: str, remedy: str) -> None:
        """Raise with the first event that is not `good`, counted from 1."""
        if not good.all():
            at = int(np.argmin(good))
            raise InputError(f"{self.name}: {what} of event {at + 1} is {values[at]:.17g}; {remedy}")


def read_events(path: str | os.PathLike[str], dt_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Read events for a simulation with ticks of `dt_ms`.

    Parameters
    ----------
    path
        ``.csv`` with a header that names the columns ``time_ms`` and ``unit``, or ``.npz`` with arrays of these
        names. Other columns and arrays are not read; pickled objects are never loaded.
    dt_ms
        Length of a tick; a time belongs to the nearest tick.

    Returns
    -------
    ticks, units : numpy.ndarray
        (n,) int64 each, in the order of the file.

    Raises
    ------
    InputError
        For a file that is absent, damaged, of another format or without these columns, for times and units that are
        none, and a tick that is not positive or too short for these times.

    Examples
    --------
    >>> ticks, units = read_events("spikes.csv", dt_ms=0.5)  # doctest: +SKIP
    """
    require_dt(dt_ms)
    path = Path(path)
    read = _reader_of(path)
    try:
        times, units = read(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path of the events") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); check the file") from error
    return Events(times, units, str(path)).in_ticks(dt_ms)


def write_events(path: str | os.PathLike[str], ticks: np.ndarray, units: np.ndarray, dt_ms: float) -> None:
    """Write events so that `read_events` with the same `dt_ms` gives them back, in the same order.

    Parameters
    ----------
    path
        ``.csv`` or ``.npz``; written completely or not at all.
    ticks, units
        (n,) whole numbers, at least 0.
    dt_ms
        Length of a tick; the file has times in milliseconds.

    Raises
    ------
    InputError
        For events that are none, an unknown suffix, or where the file cannot be written.
    """
    path = Path(path)
    _reader_of(path)
    require_dt(dt_ms)
    ticks = np.asarray(ticks)
    whole = ticks.dtype.kind in "iu" or ticks.size == 0
    require(whole, f"ticks for {path} are of type {ticks.dtype}; give integers")
    events = Events(ticks * float(dt_ms), units, f"events for {path}")
    events.in_ticks(dt_ms)
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".npz":
            with temporary.open("wb") as file:
                np.savez(file, time_ms=events.times_ms, unit=events.units)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                file.write(",".join(COLUMNS) + "\n")
                # the shortest digits that give the same number when they are read
                rows = zip(events.times_ms.tolist(), events.units.tolist(), strict=True)
                file.writelines(f"{time!r},{unit}\n" for time, unit in rows)


def _reader_of(path: Path) -> Callable[[Path], tuple[np.ndarray, np.ndarray]]:
    """How a file is read, by its suffix."""
    suffix = path.suffix.lower()
    known = ", ".join(SUFFIXES)
    require(suffix in SUFFIXES, f"{path} has the suffix {path.suffix!r}; events are read and written as {known}")
    return _read_csv if suffix == ".csv" else _read_npz


def _require_columns(names: list[str], path: Path) -> None:
    absent = [column for column in COLUMNS if column not in names]
    require(not absent, f"{path} has no {' and no '.join(absent)}; events need {' and '.join(COLUMNS)}")


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Columns `time_ms` and `unit` of a file with comma-separated values."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            header = next(csv.reader([file.readline()]), [])
            names = [name.strip() for name in header]
            _require_columns(names, path)
            values = _parse(file, [names.index(column) for column in COLUMNS])
        except InputError:
            raise
        except (ValueError, csv.Error) as error:
            raise InputError(
                f"{path} is not a table of numbers ({first_line(error).rstrip('.')}, rows counted from 0 after the "
                "header); give a time and a unit in each line"
            ) from error
    return values[:, 0], values[:, 1]


def _parse(file: IO[str], columns: list[int]) -> np.ndarray:
    """The rest of an open file as float64 (n, columns); blank lines are left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data", UserWarning)
        values = np.loadtxt(file, delimiter=",", usecols=columns, comments=None, quotechar='"', ndmin=2)
    return values.reshape(-1, len(columns))


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Arrays `time_ms` and `unit` of an archive."""
    arrays = read_arrays(path, COLUMNS, " and ".join(COLUMNS))
    return arrays["time_ms"], arrays["unit"]
