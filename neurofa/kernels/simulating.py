"""Ticks of a circuit whose modulators are given: no errors, no presentations."""

from typing import NamedTuple

import numpy as np

from .circuit import EXTERNAL, FIRST, SIZE, deliver
from .compiling import inline_kernel, tick_kernel
from .neurons import integrate
from .plasticity import plasticity
from .storing import tick_draws
from .subnormal import flush_subnormals, restore


class Events(NamedTuple):
    """External events of a run: those of tick k are ``[ptr[k]:ptr[k + 1]]``."""

    ptr: np.ndarray  # (ticks + 1,) int64
    population: np.ndarray  # int32
    unit: np.ndarray  # within the population, int32


class Currents(NamedTuple):
    """Currents of a run, beside what its circuit has."""

    values: np.ndarray  # (rows, n): a row for each tick, or one for all of them, or none
    units: np.ndarray  # (n,) int64, over all populations
    populations: np.ndarray  # those that the units belong to, int64


class Log(NamedTuple):
    """Spikes of the populations that are recorded."""

    wanted: np.ndarray  # (P,) bool
    tick: np.ndarray  # (room,) int64
    unit: np.ndarray  # (room,) int32, over all populations
    filled: np.ndarray  # (1,) int64
    reached: np.ndarray  # (1,) int64: ticks made


@tick_kernel
def offsets(when, place, unit, ptr):
    """Where the events of each tick begin; False if the events are not in order (or two are equal)."""
    tick = 0
    ptr[0] = 0
    for n in range(when.size):
        if n > 0 and when[n] == when[n - 1]:
            if place[n] < place[n - 1] or (place[n] == place[n - 1] and unit[n] <= unit[n - 1]):
                return False
        elif when[n] < tick:
            return False
        while tick < when[n]:
            tick += 1
            ptr[tick] = n
    while tick < ptr.size - 1:
        tick += 1
        ptr[tick] = when.size
    return True


@inline_kernel
def take_all_events(circuit, cells, events, k, tick):
    """Put the external events of this tick where spikes of the tick before are."""
    slot = (tick - 1) % circuit.ring
    for p in range(circuit.populations.shape[0]):
        if circuit.populations[p, EXTERNAL]:
            cells.n_spikes[p, slot] = 0
    for n in range(events.ptr[k], events.ptr[k + 1]):
        p = events.population[n]
        start = circuit.ring * circuit.populations[p, FIRST] + slot * circuit.populations[p, SIZE]
        cells.spikes[start + cells.n_spikes[p, slot]] = events.unit[n]
        cells.n_spikes[p, slot] += 1
        cells.emitted[circuit.populations[p, FIRST] + events.unit[n]] += 1


@inline_kernel
def inject(cells, currents, k):
    """Add the currents of this tick to the inputs."""
    rows = currents.values.shape[0]
    if rows == 0:
        return
    row = currents.values[k if rows > 1 else 0]
    for n in range(row.size):
        cells.inputs[currents.units[n]] += row[n]
    for p in currents.populations:
        cells.touched[p] = True


@inline_kernel
def log_spikes(circuit, cells, log, k, tick):
    """Note the spikes of this tick; external events are noted in their own tick."""
    for p in range(circuit.populations.shape[0]):
        if log.wanted[p]:
            slot = (tick - circuit.populations[p, EXTERNAL]) % circuit.ring
            first = circuit.populations[p, FIRST]
            start = circuit.ring * first + slot * circuit.populations[p, SIZE]
            for n in range(cells.n_spikes[p, slot]):
                log.tick[log.filled[0]] = k
                log.unit[log.filled[0]] = first + cells.spikes[start + n]
                log.filled[0] += 1


@tick_kernel
def advance(circuit, cells, synapses, events, currents, log, learning, first, last, tick, reserve):
    """Ticks first..last of a run whose tick 0 is at time `tick`; stops when the log may be too small for one more.

    `reserve` is the most spikes that a tick can leave. Returns the tick it came to.
    """
    before, reached = flush_subnormals(), last
    for k in range(first, last):
        if log.filled[0] + reserve > log.tick.size:
            reached = k
            break
        if cells.draw.size:
            tick_draws(cells.draw, tick + k)
        take_all_events(circuit, cells, events, k, tick + k)
        deliver(circuit, cells, synapses.weights, tick + k)
        inject(cells, currents, k)
        integrate(circuit, cells, tick + k, learning)
        if learning:
            plasticity(circuit, cells, synapses, tick + k)
        log_spikes(circuit, cells, log, k, tick + k)
        log.reached[0] = k + 1
    restore(before)
    return reached
