"""A presentation: one sample shown from its first tick to its last, with or without learning, and judged."""

from typing import NamedTuple

import numpy as np

from .circuit import ASLEEP, FIRST, PLASTIC, SIZE, STATIC, UPDATED, Cells, Tables, deliver
from .compiling import inline_kernel, source_kernel, tick_kernel
from .neurons import copy_to, integrate, wake
from .plasticity import Synapses, follow_spikes, forget_traces
from .storing import tick_draws
from .subnormal import flush_subnormals, restore
from .teaching import LAYER_SOURCE, POPULATION, UNITS, WIDTH, Teaching, teach


class Inputs(NamedTuple):
    """The encoder, and room for the events of one presentation."""

    kind: int
    peak: float  # spikes a tick that stand for an activity of 1
    random_phase: bool
    key: int
    ptr: np.ndarray  # (ticks + 1,) int64: events of tick k are units[ptr[k] : ptr[k + 1]]
    units: np.ndarray  # inputs, int32
    scratch: np.ndarray


class Learner(NamedTuple):
    """A network that can be shown samples."""

    circuit: Tables
    cells: Cells
    synapses: Synapses
    teaching: Teaching
    layer_of: np.ndarray  # layer of a population, -1 for those that are none
    inputs: Inputs
    resting: np.ndarray  # initial membranes, by unit


class Show(NamedTuple):
    """What a presentation does."""

    n_ticks: int
    learns: bool  # errors, modulators, plasticity
    traces: bool  # presynaptic traces and post factors alone, for an update at the end
    fresh: bool  # begins from rest


@tick_kernel
def begin(circuit, cells, synapses, teaching, resting, fresh, tick):
    """Start a presentation: counts at 0, and the state at rest if `fresh`. `resting` holds initial membranes."""
    cells.emitted[:] = 0
    teaching.net_events[:] = 0
    teaching.total[:] = 0
    teaching.held_signal[:] = 0
    teaching.received[:] = 0
    if teaching.held:  # what is set begins at 0, whatever else is kept
        last = teaching.layers.shape[0] - 1
        for layer in range(last):
            row = teaching.layers[layer]
            if row[LAYER_SOURCE] == last:
                synapses.modulator[row[UNITS] : row[UNITS] + row[WIDTH]] = 0
                teaching.active[layer] = False
    if not fresh:
        return
    copy_to(cells.v, resting)
    cells.current[:] = 0
    cells.threshold_increment[:] = 0
    cells.drive[:] = 0
    cells.post[:] = 0
    cells.inputs[:] = 0
    synapses.modulator[:] = 0
    cells.refractory[:] = 0
    cells.n_spikes[:] = 0
    cells.clock[:, ASLEEP] = 0
    cells.clock[:, UPDATED] = tick
    teaching.level[:] = 0
    teaching.events[:] = 0
    teaching.active[:] = False
    teaching.fired[:] = False
    forget_traces(circuit, synapses)


@inline_kernel
def take_events(circuit, cells, events, tick):
    """Put the external events of this tick where spikes of the tick before are."""
    slot = (tick - 1) % circuit.ring
    start = circuit.ring * circuit.populations[0, FIRST] + slot * circuit.populations[0, SIZE]
    for n in range(events.size):
        cells.spikes[start + n] = events[n]
    cells.n_spikes[0, slot] = events.size


@inline_kernel
def add_noise(cells, noise):
    """Add to the inputs of all units; `noise` is empty for none."""
    if noise.size:
        for j in range(noise.size):
            cells.inputs[j] += noise[j]
        cells.touched[:] = True


@tick_kernel
def run_ticks(net, show, noise, targets, label, first, last, tick):
    """Ticks first..last of a presentation; `tick` is the time of tick 0."""
    circuit, cells, synapses, teaching, inputs = net.circuit, net.cells, net.synapses, net.teaching, net.inputs
    learning = show.learns or show.traces
    before = flush_subnormals()
    for k in range(first, last):
        if cells.draw.size:
            tick_draws(cells.draw, k)
        take_events(circuit, cells, inputs.units[inputs.ptr[k] : inputs.ptr[k + 1]], tick + k)
        deliver(circuit, cells, synapses.weights, tick + k)
        add_noise(cells, noise)
        integrate(circuit, cells, tick + k, learning)
        if show.learns:
            teach(
                circuit, cells, synapses, teaching, net.layer_of, k, show.n_ticks, targets, label, inputs.peak, tick + k
            )
        elif show.traces:
            for q in range(circuit.projections.shape[0]):
                if circuit.projections[q, PLASTIC] != STATIC:
                    follow_spikes(circuit, cells, synapses, q, tick + k)
    if last == show.n_ticks:  # a class hangs on the membranes of outputs, which may sleep
        output = teaching.layers[teaching.layers.shape[0] - 1, POPULATION]
        wake(circuit, cells, output, tick + last - 1, learning)
    restore(before)


@tick_kernel
def judge(circuit, cells, teaching, targets, peak, n_ticks):
    """Loss and class, from the output spikes of the presentation that just ended."""
    p = teaching.layers[teaching.layers.shape[0] - 1, POPULATION]
    lo, n = circuit.populations[p, FIRST], circuit.populations[p, SIZE]
    loss, best = 0.0, 0
    for k in range(n):
        difference = cells.emitted[lo + k] / (peak * n_ticks) - targets[k]
        loss += 0.5 * difference * difference
        more = cells.emitted[lo + k] - cells.emitted[lo + best]
        if more > 0 or (more == 0 and cells.v[lo + k] > cells.v[lo + best]):
            best = k
    return loss, best


@tick_kernel
def judge_single(cells, unit, middle, peak, n_ticks):
    """Which of two classes a single output names."""
    return 1 if cells.emitted[unit] / (peak * n_ticks) > middle else 0


@source_kernel
def present(net, show, noise, targets, label, middle, tick):
    """Show the encoded sample; returns its loss and the class that the output names."""
    circuit, cells, teaching, peak = net.circuit, net.cells, net.teaching, net.inputs.peak
    begin(circuit, cells, net.synapses, teaching, net.resting, show.fresh, tick)
    run_ticks(net, show, noise, targets, label, 0, show.n_ticks, tick)
    loss, named = judge(circuit, cells, teaching, targets, peak, show.n_ticks)
    if targets.size == 1:
        unit = circuit.populations[teaching.layers[teaching.layers.shape[0] - 1, POPULATION], FIRST]
        named = judge_single(cells, unit, middle, peak, show.n_ticks)
    return loss, named
