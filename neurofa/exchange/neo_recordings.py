"""Recordings as objects of Neo, and spike trains of Neo as events."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..recording import Recording, Trace
from ..spec import InputError
from ..spec.errors import require
from ..spec.ticks import nearest_ticks, require_dt


def to_neo(recording: Recording, name: str = "neurofa") -> Any:
    """A recording as a block of Neo with one segment.

    Parameters
    ----------
    recording
        Spikes, error events, traces and presentations of a run.
    name
        Of the block.

    Returns
    -------
    neo.Block
        Its segment has, in milliseconds from the beginning of the recording,

        * a `SpikeTrain` for each neuron whose spikes were recorded, silent ones included, annotated with
          ``population``, ``unit`` and ``kind`` = ``"spikes"``;
        * one for each error neuron that left an event, with ``kind`` = ``"errors"`` and the array annotation ``count``,
          the signed number of events in that tick;
        * an `AnalogSignal` (n_times, n_units) for each trace, annotated with ``population`` (or connection),
          ``variable`` and ``units_recorded``; an `IrregularlySampledSignal` if its ticks are not evenly spaced;
        * an `Event` named ``presentations`` with the onsets, labelled by class where classes are known.

    Raises
    ------
    InputError
        If neo is not installed.
    """
    neo, quantities = _modules()
    ms, stop = quantities.ms, recording.ticks * recording.dt_ms
    segment = neo.Segment(name="run", dt_ms=recording.dt_ms, ticks=recording.ticks)
    for population, (ticks, units) in recording.spikes.items():
        for unit, at in enumerate(_by_unit(units, recording.size(population))):
            train = neo.SpikeTrain(np.sort(ticks[at]) * recording.dt_ms, units=ms, t_start=0.0, t_stop=stop)
            segment.spiketrains.append(_annotated(train, "spikes", population, unit))
    for population, (ticks, units, counts) in recording.errors.items():
        for unit, at in enumerate(_by_unit(units, recording.size(population))):
            if len(at):
                at = at[np.argsort(ticks[at], kind="stable")]
                train = neo.SpikeTrain(
                    ticks[at] * recording.dt_ms,
                    units=ms,
                    t_start=0.0,
                    t_stop=stop,
                    array_annotations={"count": counts[at]},
                )
                segment.spiketrains.append(_annotated(train, "errors", population, unit))
    for (variable, of), trace in recording.traces.items():
        signal = _signal(neo, ms, trace, recording.dt_ms)
        if signal is not None:
            signal.name = f"{variable} of {of}"
            signal.annotate(population=of, variable=variable, units_recorded=trace.units.tolist())
            regular = isinstance(signal, neo.AnalogSignal)
            (segment.analogsignals if regular else segment.irregularlysampledsignals).append(signal)
    if len(recording.onsets):
        labels = recording.labels if len(recording.labels) else np.full(len(recording.onsets), "")
        segment.events.append(
            neo.Event(recording.onsets * recording.dt_ms * ms, labels=labels.astype(str), name="presentations")
        )
    block = neo.Block(name=name)
    block.segments.append(segment)
    return block


def from_neo(
    spiketrains: Any,
    dt_ms: float = 1.0,
    *,
    duration_ms: float | None = None,
    start_ms: float = 0.0,
    population: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Spike trains of Neo as events that `neurofa.Simulation.run` takes.

    Parameters
    ----------
    spiketrains
        `SpikeTrain` objects, or a `Segment`, or a `Block` with one segment. A train's unit is its annotation ``unit``
        if all have one, else its place in the list.
    dt_ms
        Length of a tick; a time belongs to the nearest tick.
    duration_ms
        Length of the run; None: not checked here.
    start_ms
        The time, on the clock of the trains, at which the run starts.
    population
        Takes only trains that are annotated with this population (those of `to_neo`: only their spikes).

    Returns
    -------
    ticks, units : numpy.ndarray
        (n,) int64, by tick, then by unit.

    Raises
    ------
    InputError
        For what is no spike train, times that are not times or outside of the run, and two spikes of a unit in a tick.
    """
    neo, _ = _modules()
    require_dt(dt_ms)
    require(duration_ms is None or duration_ms >= 0, f"duration_ms is {duration_ms}; it must be at least 0, or None")
    trains = _trains(neo, spiketrains)
    if population is not None:
        every = sorted({str(train.annotations.get("population")) for train in trains})
        trains = [
            train
            for train in trains
            if train.annotations.get("population") == population and train.annotations.get("kind") != "errors"
        ]
        require(len(trains) > 0, f"no spike train is annotated with population {population!r}; there are: {every}")
    n_ticks = np.inf if duration_ms is None or duration_ms == np.inf else nearest_ticks(duration_ms, dt_ms)
    ticks, units = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    given = [train.annotations.get("unit") for train in trains]
    numbered = all(isinstance(unit, int | np.integer) and unit >= 0 for unit in given)
    double = numbered and len(set(given)) < len(given)
    require(not double, "two spike trains are annotated with the same unit; give one population, or one segment")
    for place, train in enumerate(trains):
        unit = int(given[place]) if numbered else place
        own = np.sort(nearest_ticks(_times_ms(train, unit) - start_ms, dt_ms))
        outside = own[(own < 0) | (own >= n_ticks)]
        if len(outside):
            raise InputError(
                f"unit {unit} has a spike at {start_ms + outside[0] * dt_ms:g} ms, outside of the run, which goes "
                f"from {start_ms:g} to {start_ms + n_ticks * dt_ms:g} ms; cut the train with time_slice, or set "
                "start_ms"
            )
        again = own[1:][np.diff(own) == 0]
        if len(again):
            raise InputError(
                f"unit {unit} has two spikes in the tick at {start_ms + again[0] * dt_ms:g} ms; "
                f"shorten dt_ms, which is {dt_ms:g}"
            )
        ticks.append(own.astype(np.int64))
        units.append(np.full(len(own), unit, np.int64))
    when, which = np.concatenate(ticks), np.concatenate(units)
    order = np.lexsort((which, when))
    return when[order], which[order]


def _modules() -> tuple[Any, Any]:
    """Neo and its units, or one line that says how to get them."""
    try:
        import neo
        import quantities
    except ImportError as error:
        raise InputError("neo is not installed; install it with: pip install 'neurofa[neo]'") from error
    return neo, quantities


def _by_unit(units: np.ndarray, size: int) -> list[np.ndarray]:
    """Positions of each unit's events."""
    order = np.argsort(units, kind="stable")
    return np.split(order, np.searchsorted(units[order], np.arange(1, size))) if size else []


def _annotated(train: Any, kind: str, population: str, unit: int) -> Any:
    train.name = f"{population} {unit}"
    train.annotate(kind=kind, population=population, unit=unit)
    return train


def _signal(neo: Any, ms: Any, trace: Trace, dt_ms: float) -> Any:
    """A trace, without a unit: membranes and weights have the user's."""
    if not len(trace.ticks):
        return None
    steps = np.diff(trace.ticks)
    if (steps == steps[:1]).all():
        every = int(steps[0]) if len(steps) else 1
        return neo.AnalogSignal(
            trace.values,
            units="dimensionless",
            t_start=int(trace.ticks[0]) * dt_ms * ms,
            sampling_period=every * dt_ms * ms,
        )
    return neo.IrregularlySampledSignal(trace.ticks * dt_ms, trace.values, units="dimensionless", time_units="ms")


def _trains(neo: Any, given: Any) -> list[Any]:
    """Spike trains of a list, a segment or a block."""
    if isinstance(given, neo.Block):
        require(len(given.segments) == 1, f"the block has {len(given.segments)} segments; give one of them")
        given = given.segments[0]
    if isinstance(given, neo.Segment):
        given = given.spiketrains
    require(
        isinstance(given, Iterable) and not isinstance(given, neo.SpikeTrain | np.ndarray | str),
        f"spike trains are given as a list, a Segment or a Block, not as a {type(given).__name__}",
    )
    trains = list(given)
    for place, train in enumerate(trains):
        good = isinstance(train, neo.SpikeTrain)
        require(good, f"spike train {place} is a {type(train).__name__}; give neo.SpikeTrain objects")
    return trains


def _times_ms(train: Any, unit: int) -> np.ndarray:
    """Spike times in milliseconds."""
    try:
        times = np.asarray(train.rescale("ms").magnitude, np.float64)
    except ValueError as error:
        raise InputError(f"spike times of unit {unit} are in {train.units}, which is no unit of time") from error
    require(bool(np.isfinite(times).all()), f"unit {unit} has a spike time that is NaN or infinite")
    return times
