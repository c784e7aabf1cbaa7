"""Errors as signed events, and the modulators that they leave in every layer (docs/spiking.md, steps 4 and 5)."""

from typing import NamedTuple

import numpy as np

from .circuit import AT_EPOCH, AT_ERROR, FEEDBACK, FIRST, PLASTIC, SIZE, STATIC, TARGET
from .codes import ERROR_SIGN, FIXED, OFFSET, SIGN, TRANSPOSE
from .compiling import inline_kernel, tick_kernel
from .neurons import copy_to, wake
from .plasticity import follow_spikes, forget, learn_at_spikes, learn_by_traces
from .storing import EXACT, LEVEL_HIGH, LEVEL_LOW, MODULATORS, TICK, keep_within, round_values, row_seed

# columns of Teaching.layers
POPULATION, UNITS, WIDTH, LAYER_SOURCE, LAYER_FOLLOW, LAYER_B_AT, W_SOURCE, OWN_ERRORS = range(8)
LAYER_COLUMNS = 8
NO_SOURCE = -1


class Teaching(NamedTuple):
    """Error neurons, feedback and modulators of a learning network."""

    layers: np.ndarray  # (L, LAYER_COLUMNS) int64
    signal: int
    held: bool  # the signal is set, not made of events
    at_error: bool  # modulators have no memory, synapses change at errors
    threshold: float
    hidden_threshold: float
    decay: float  # of a modulator in a tick
    forgotten: int  # ticks without an event after which a modulator is set to 0
    start: int  # tick of a presentation at which errors begin
    every: int  # synapses change at the end of each epoch of that many ticks
    levels: np.ndarray  # (L, LEVEL_COLUMNS) float64, of modulators
    rounding: int  # of modulators; EXACT where they have no levels
    feedback: np.ndarray  # B, (n_source, n_layer) one after the other
    basis: np.ndarray  # magnitude or offset that B follows W with, laid out as `feedback`
    level: np.ndarray  # u by unit, float64
    events: np.ndarray  # n by unit, of this tick, int64
    net_events: np.ndarray  # E by unit, int64
    total: np.ndarray  # C, (n_out,) float64
    held_signal: np.ndarray  # s, (n_out,) float64
    received: np.ndarray  # by unit: sum of what a modulator received, or the value last set
    quiet: np.ndarray  # (L,) int64: ticks since the modulator received something
    active: np.ndarray  # (L,) bool: the modulator may be other than 0
    fired: np.ndarray  # (L,) bool: the layer's error neurons emitted events in this tick


@tick_kernel
def send(teaching, weights, layer, k, amount, modulator):
    """Add `amount` times row `k` of the layer's feedback matrix to `modulator`."""
    row = teaching.layers[layer]
    n, follow = row[WIDTH], row[LAYER_FOLLOW]
    at = row[LAYER_B_AT] + k * n
    if follow == FIXED:
        feedback = teaching.feedback[at : at + n]
        for j in range(n):
            modulator[j] += amount * feedback[j]
        return
    n_source = teaching.layers[row[LAYER_SOURCE], WIDTH]
    forward = weights[row[W_SOURCE] + k :]  # column k of W, every n_source-th element
    if follow == TRANSPOSE:
        for j in range(n):
            modulator[j] += amount * forward[j * n_source]
    elif follow == SIGN:
        basis = teaching.basis[at : at + n]
        for j in range(n):
            modulator[j] += amount * basis[j] * np.sign(forward[j * n_source])
    elif follow == OFFSET:
        basis = teaching.basis[at : at + n]
        for j in range(n):
            modulator[j] += amount * (forward[j * n_source] + basis[j])


@tick_kernel
def count_errors(cells, teaching, slot_start, n_spikes, targets, peak):
    """Step 4: error neurons of the outputs."""
    row = teaching.layers[teaching.layers.shape[0] - 1]
    level = teaching.level[row[UNITS] : row[UNITS] + row[WIDTH]]
    events = teaching.events[row[UNITS] : row[UNITS] + row[WIDTH]]
    for n in range(n_spikes):
        k = cells.spikes[slot_start + n]
        level[k] += 1.0
        teaching.total[k] += 1.0
    for k in range(row[WIDTH]):
        expected = peak * targets[k]
        level[k] -= expected
        teaching.total[k] -= expected
    emit(teaching, teaching.layers.shape[0] - 1, level, events, teaching.threshold)


@tick_kernel
def emit(teaching, layer, level, events, threshold):
    """Signed events of a layer's error neurons: as many as the threshold fits into the level."""
    row = teaching.layers[layer]
    net_events = teaching.net_events[row[UNITS] : row[UNITS] + row[WIDTH]]
    found = False
    for k in range(level.size):
        n = np.int64(level[k] / threshold)
        events[k] = n
        if n != 0:
            level[k] -= n * threshold
            net_events[k] += n
            found = True
    teaching.fired[layer] = found


@tick_kernel
def set_signal(teaching, label):
    """The held signal of this tick; returns how many of its components changed."""
    held = teaching.held_signal
    n_out, changed = held.size, 0
    for k in range(n_out):
        if teaching.signal == ERROR_SIGN:
            value = np.sign(teaching.total[k]) if abs(teaching.total[k]) >= teaching.threshold else 0.0
        elif n_out == 1:
            value = label - 0.5
        else:
            value = (1.0 if k == label else 0.0) - 1.0 / n_out
        changed += value != held[k]
        held[k] = value
    return changed


@tick_kernel
def fade(teaching, layer, modulator):
    """Decay of a modulator."""
    if not teaching.active[layer]:
        return
    teaching.quiet[layer] += 1
    if teaching.at_error:
        modulator[:] = 0
        teaching.active[layer] = False
    elif teaching.decay != 1.0:
        factor = modulator.dtype.type(teaching.decay)
        for j in range(modulator.size):
            modulator[j] *= factor


@tick_kernel
def receive_events(cells, synapses, teaching, layer, modulator):
    """A hidden layer's modulator receives the events of its source; returns whether there were any."""
    row = teaching.layers[layer]
    if not teaching.fired[row[LAYER_SOURCE]]:
        return False
    source = teaching.layers[row[LAYER_SOURCE]]
    events = teaching.events[source[UNITS] : source[UNITS] + source[WIDTH]]
    received = teaching.received[row[UNITS] : row[UNITS] + row[WIDTH]]
    for k in range(events.size):
        if events[k] != 0:
            amount = modulator.dtype.type(events[k])
            send(teaching, synapses.weights, layer, k, amount, modulator)
            send(teaching, synapses.weights, layer, k, amount, received)
            cells.operations[FEEDBACK] += abs(events[k]) * row[WIDTH]
    return True


@tick_kernel
def take_held(cells, synapses, teaching, layer, modulator, changed):
    """A hidden layer's modulator is set to the held signal through its feedback; returns whether it is other than 0."""
    row = teaching.layers[layer]
    if changed == 0 and row[LAYER_FOLLOW] == FIXED and not teaching.at_error and teaching.rounding == EXACT:
        return teaching.active[layer]
    modulator[:] = 0
    found = False
    for k in range(teaching.held_signal.size):
        if teaching.held_signal[k] != 0:
            amount = modulator.dtype.type(teaching.held_signal[k])
            send(teaching, synapses.weights, layer, k, amount, modulator)
            found = True
    cells.operations[FEEDBACK] += changed * row[WIDTH]
    received = teaching.received[row[UNITS] : row[UNITS] + row[WIDTH]]
    copy_to(received, modulator)
    return found


@tick_kernel
def store_modulator(draw, teaching, layer, modulator):
    """Put a layer's modulators on their levels; those of the output, which count events, within the ends alone."""
    levels = teaching.levels[layer]
    if layer == teaching.layers.shape[0] - 1:
        keep_within(modulator, levels[LEVEL_LOW], levels[LEVEL_HIGH])
    else:
        round_values(modulator, levels, teaching.rounding, row_seed(draw[TICK], MODULATORS + layer))


@tick_kernel
def pass_on_errors(circuit, cells, synapses, teaching, layer, tick):
    """Error neurons of a hidden layer integrate psi M and emit events."""
    row = teaching.layers[layer]
    units = slice(row[UNITS], row[UNITS] + row[WIDTH])
    events = teaching.events[units]
    events[:] = 0
    teaching.fired[layer] = False
    if teaching.active[layer]:
        wake(circuit, cells, row[POPULATION], tick, True)
        level, post, modulator = teaching.level[units], cells.post[units], synapses.modulator[units]
        for j in range(level.size):
            level[j] += post[j] * modulator[j]
        emit(teaching, layer, level, events, teaching.hidden_threshold)


@tick_kernel
def modulate(circuit, cells, synapses, teaching, changed, acts, tick):
    """Step 5, from the output layer down. `acts` says whether a held signal is set in this tick."""
    last = teaching.layers.shape[0] - 1
    for layer in range(last, -1, -1):
        row = teaching.layers[layer]
        units = slice(row[UNITS], row[UNITS] + row[WIDTH])
        modulator, events = synapses.modulator[units], teaching.events[units]
        held = teaching.held and row[LAYER_SOURCE] == last
        found = False
        if layer == last:
            found = teaching.fired[last]
            if found:
                received = teaching.received[units]
                for k in range(events.size):
                    modulator[k] += events[k]
                    received[k] += events[k]
        elif row[LAYER_SOURCE] == NO_SOURCE:
            continue
        elif held:
            if acts:
                teaching.active[layer] = take_held(cells, synapses, teaching, layer, modulator, changed)
        else:
            found = receive_events(cells, synapses, teaching, layer, modulator)
        if found:
            teaching.active[layer] = True
            teaching.quiet[layer] = 0
        elif 0 < teaching.forgotten <= teaching.quiet[layer] and not held:
            modulator[:] = 0
            teaching.active[layer] = False
        if (
            teaching.rounding != EXACT
            and teaching.active[layer]
            and (found or teaching.decay != 1.0 or (held and acts))
        ):
            store_modulator(cells.draw, teaching, layer, modulator)
        if row[OWN_ERRORS]:
            pass_on_errors(circuit, cells, synapses, teaching, layer, tick)


@tick_kernel
def fade_all(synapses, teaching, k):
    """Decay of all modulators that events leave something in, at the beginning of tick `k` of a presentation."""
    if teaching.at_error and k % teaching.every != 0 and k != teaching.start:
        return  # what has no memory lasts one epoch
    last = teaching.layers.shape[0] - 1
    for layer in range(last + 1):
        row = teaching.layers[layer]
        if teaching.at_error or not (teaching.held and row[LAYER_SOURCE] == last):
            fade(teaching, layer, synapses.modulator[row[UNITS] : row[UNITS] + row[WIDTH]])


@inline_kernel
def learn(circuit, cells, synapses, teaching, layer_of, tick, allowed, due):
    """Step 6: every plastic projection to a layer with a modulator. `layer_of` gives the layer of a population.

    `due` says whether an epoch ends.
    """
    for q in range(circuit.projections.shape[0]):
        kind = circuit.projections[q, PLASTIC]
        if kind == STATIC:
            continue
        target = circuit.projections[q, TARGET]
        active = allowed and teaching.active[layer_of[target]]
        if kind in (AT_ERROR, AT_EPOCH):
            follow_spikes(circuit, cells, synapses, q, tick)
            if active and due:
                wake(circuit, cells, target, tick, True)
                learn_by_traces(circuit, cells, synapses, q, tick)
            if kind == AT_EPOCH and due:
                forget(circuit, synapses, q)
        elif active:
            learn_at_spikes(circuit, cells, synapses, q, tick)


@inline_kernel
def teach(circuit, cells, synapses, teaching, layer_of, k, n_ticks, targets, label, peak, tick):
    """Steps 4 to 6 of tick `k` of a presentation."""
    allowed = k >= teaching.start
    if allowed:
        fade_all(synapses, teaching, k)
        p = teaching.layers[teaching.layers.shape[0] - 1, POPULATION]
        slot = tick % circuit.ring
        at = circuit.ring * circuit.populations[p, FIRST] + slot * circuit.populations[p, SIZE]
        count_errors(cells, teaching, at, cells.n_spikes[p, slot], targets, peak)
        acts = teaching.held and (k == n_ticks - 1 or not teaching.at_error)
        changed = set_signal(teaching, label) if acts else 0
        modulate(circuit, cells, synapses, teaching, changed, acts, tick)
    due = (k + 1) % teaching.every == 0 or k == n_ticks - 1
    learn(circuit, cells, synapses, teaching, layer_of, tick, allowed, due)
