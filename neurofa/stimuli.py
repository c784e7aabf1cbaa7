"""What circuits are given: values over ticks and units, and events that are drawn."""

from collections.abc import Sequence

import numpy as np

from .io.data import as_array
from .spec.errors import require, require_positive
from .spec.seeds import streams
from .spec.ticks import nearest_ticks

Values = float | Sequence[float] | np.ndarray

DRAWS = 1 << 20  # at once


def over_time(what: str, given: Values, n_ticks: int, n_units: int) -> np.ndarray:
    """Values (1, n_units) for all ticks or (n_ticks, n_units), of a number, a row, a column or all of them."""
    values = np.atleast_2d(as_array(given, what))
    fits = values.ndim == 2 and values.shape[0] in (1, n_ticks) and values.shape[1] in (1, n_units)
    require(
        fits and values.dtype.kind in "iuf",
        f"{what} has shape {np.shape(values if fits else given)} and type {values.dtype}; give a number, ({n_units},) "
        f"numbers for the units, ({n_ticks}, 1) for the ticks, or ({n_ticks}, {n_units})",
    )
    require(bool(np.isfinite(values).all()), f"{what} is NaN or infinite somewhere; give finite numbers")
    return np.broadcast_to(values, (len(values), n_units))


def poisson_events(
    rates_hz: Values, duration_ms: float, dt_ms: float = 1.0, *, units: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson spike trains as events for `Simulation.run`: in each tick an event with probability rate times `dt_ms`.

    Parameters
    ----------
    rates_hz
        One number for all, (units,) for each unit, (ticks, 1) over time, or (ticks, units).
    duration_ms
        The nearest whole number of ticks.
    dt_ms
        Length of a tick, as the circuit's.
    units
        How many there are; as many as `rates_hz` has columns unless given.
    seed
        Another one draws other events.

    Returns
    -------
    ticks, units : numpy.ndarray
        Of the events, in order of time, int64.

    Raises
    ------
    InputError
        For rates that are negative, not finite, of another shape, or above one event a tick.

    Examples
    --------
    >>> import neurofa as nf
    >>> ticks, units = nf.poisson_events([0.0, 40.0], 1000.0, seed=1)
    >>> sorted(set(units.tolist()))
    [1]
    """
    require_positive("dt_ms", dt_ms)
    require_positive("duration_ms", duration_ms)
    n_ticks, shape = nearest_ticks(duration_ms, dt_ms), np.shape(as_array(rates_hz, "rates_hz"))
    n_units = units or (shape[-1] if shape else 1)
    chance = over_time("rates_hz", rates_hz, n_ticks, n_units) * (dt_ms / 1000)
    lowest, highest = float(chance.min(initial=0.0)), float(chance.max(initial=0.0))
    require(lowest >= 0, f"rates_hz go down to {1000 * lowest / dt_ms:g}; give rates of at least 0")
    require(highest <= 1, f"a rate of {1000 * highest / dt_ms:g} Hz is above one event a tick; give a shorter dt_ms")
    found, random, rows = [], streams(seed).encoder, max(1, DRAWS // n_units)
    for start in range(0, n_ticks, rows):
        here = chance if len(chance) == 1 else chance[start : start + rows]
        ticks, which = np.nonzero(random.random((min(rows, n_ticks - start), n_units)) < here)
        found.append((ticks + start, which))
    ticks, which = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return ticks, which
