"""Samples shown one after the other, learning at once or adding changes up, and what follows each of them."""

from typing import NamedTuple

import numpy as np

from .circuit import PLASTIC, PRE, SIZE, STATIC, TARGET
from .compiling import presentation_kernel, source_kernel
from .encoders import encode
from .neurons import wake
from .plasticity import learn_by_traces, raise_to, row_of, store_changes
from .presenting import Show, present
from .storing import DECAY, EXACT, HOMEOSTASIS, SUMMED, begin_draws, tick_draws
from .teaching import LAYER_B_AT, LAYER_SOURCE, POPULATION, UNITS, WIDTH, store_modulator

DECAY_EVERY = 100  # presentations between two weight decays


class Samples(NamedTuple):
    """The data, and the targets as activities."""

    x: np.ndarray  # (n, inputs)
    labels: np.ndarray  # (n,) int64; empty for a regression
    values: np.ndarray  # (n, n_out); empty for a classification
    low: float
    high: float
    targets: np.ndarray  # (n_out,) of the present sample


class Perturbed(NamedTuple):
    """Learning from the change of the loss under noise."""

    on: bool
    from_loss: bool  # the change is the hidden layers' signal
    learns_feedback: bool
    ridge: bool
    clean: bool  # the baseline is the loss without noise
    std: float
    rate: float  # of B
    baseline: np.ndarray  # (2,): value, and whether there is one
    baseline_rate: float
    scale: np.ndarray  # by unit: what a noise of 1 adds to the inputs; 0 outside the hidden layers
    noise: np.ndarray  # (m, units) standard normal, a row for each presentation
    injected: np.ndarray  # (units,) scratch
    inverse: np.ndarray  # P of each hidden layer, one after the other, float64
    inverse_at: np.ndarray  # (L - 1,)


class After(NamedTuple):
    """What happens after a presentation."""

    homeostasis: bool
    target: float  # spikes in a presentation
    rate: float  # of bias for each spike too many
    share: float  # of a presentation in the mean
    mean: np.ndarray  # (units,) float64
    ticks: int  # of a presentation
    bias: np.ndarray  # by layer, the bias's projection; -1 where it does not learn
    decay: np.ndarray  # (Q,) factor by which weights shrink every DECAY_EVERY presentations
    span: np.ndarray  # (Q, 2) offsets of each projection's weights


class Shown(NamedTuple):
    """What presentations leave, a row for each."""

    loss: np.ndarray  # float64
    named: np.ndarray  # class, int64
    change: np.ndarray  # of the loss over the noise's deviation
    spikes: np.ndarray  # (n, units), int64
    net_events: np.ndarray  # (n, units) signed events, int64
    received: np.ndarray  # (n, units) modulators


@presentation_kernel
def set_targets(samples, n):
    """Target activities of a sample into `samples.targets`; returns its label, 0 for a regression."""
    targets = samples.targets
    if samples.labels.size == 0:
        targets[:] = samples.values[n]
        return 0
    label = samples.labels[n]
    if targets.size == 1:
        targets[0] = samples.high if label > 0 else samples.low
    else:
        targets[:] = samples.low
        targets[label] = samples.high
    return label


@source_kernel
def show_one(net, show, samples, perturbed, shown, row, n, m, number, tick):
    """Show sample `n` with the noise of row `m`; returns loss, whether it was wrong, and the ticks it took."""
    cells, teaching, inputs = net.cells, net.teaching, net.inputs
    label = set_targets(samples, n)
    if cells.draw.size:
        begin_draws(cells.draw, number)
    encode(
        samples.x[n], inputs.kind, inputs.peak, show.n_ticks, inputs.random_phase, inputs.key, number,
        inputs.ptr, inputs.units, inputs.scratch,
    )  # fmt: skip
    middle = 0.5 * (samples.low + samples.high)
    quiet, noise, took = perturbed.injected[:0], perturbed.injected[:0], show.n_ticks
    noisy = perturbed.on and (show.learns or show.traces)
    if noisy:
        for j in range(perturbed.injected.size):
            perturbed.injected[j] = perturbed.scale[j] * perturbed.noise[m, j]
        noise = perturbed.injected
    first = quiet if perturbed.clean else noise
    loss, named = present(net, show, first, samples.targets, label, middle, tick)
    shown.spikes[row] = cells.emitted
    shown.net_events[row] = teaching.net_events
    shown.received[row] = teaching.received
    change = 0.0
    if noisy and perturbed.clean:
        again = Show(show.n_ticks, False, True, True)
        moved, _ = present(net, again, noise, samples.targets, label, middle, tick + took)
        took += show.n_ticks
        change = (moved - loss) / perturbed.std
    elif noisy and perturbed.baseline[1] > 0:
        change = (loss - perturbed.baseline[0]) / perturbed.std
    if noisy and perturbed.from_loss:
        learn_from_loss(net, perturbed.noise[m], change, tick + took - 1)
        for layer in range(teaching.layers.shape[0] - 1):
            lo = teaching.layers[layer, UNITS]
            hi = lo + teaching.layers[layer, WIDTH]
            shown.received[row, lo:hi] = teaching.received[lo:hi]
    shown.loss[row], shown.named[row] = loss, named
    shown.change[row] = change
    return loss, named != label, took


@presentation_kernel
def learn_from_loss(net, xi, change, tick):
    """The signal of all hidden layers is the change of the loss times their noise: one update by traces."""
    circuit, cells, synapses, teaching = net.circuit, net.cells, net.synapses, net.teaching
    hidden = teaching.layers.shape[0] - 1
    for layer in range(hidden):
        row = teaching.layers[layer]
        wake(circuit, cells, row[POPULATION], tick, True)
        for j in range(row[UNITS], row[UNITS] + row[WIDTH]):
            synapses.modulator[j] = change * xi[j]
            teaching.received[j] = synapses.modulator[j]
        if teaching.rounding != EXACT:
            store_modulator(cells.draw, teaching, layer, synapses.modulator[row[UNITS] : row[UNITS] + row[WIDTH]])
    for q in range(circuit.projections.shape[0]):
        if circuit.projections[q, PLASTIC] != STATIC and net.layer_of[circuit.projections[q, TARGET]] < hidden:
            learn_by_traces(circuit, cells, synapses, q, tick)
    for layer in range(hidden):
        row = teaching.layers[layer]
        synapses.modulator[row[UNITS] : row[UNITS] + row[WIDTH]] = 0


@presentation_kernel
def learn_feedback(teaching, layer, wanted, net_events, rate, inverse, ridge):
    """B of a layer learns from one presentation: a step down the gradient, or recursive least squares."""
    row = teaching.layers[layer]
    source = teaching.layers[row[LAYER_SOURCE]]
    n, n_source = row[WIDTH], source[WIDTH]
    B = teaching.feedback[row[LAYER_B_AT] : row[LAYER_B_AT] + n * n_source].reshape(n_source, n)
    E = net_events[source[UNITS] : source[UNITS] + n_source]
    gain = np.zeros(n_source)
    norm = 1.0
    if ridge:
        for k in range(n_source):
            for i in range(n_source):
                gain[k] += inverse[k, i] * E[i]
            norm += gain[k] * E[k]
        for k in range(n_source):
            for i in range(n_source):
                inverse[k, i] -= gain[k] * gain[i] / norm
        for k in range(n_source):
            gain[k] /= norm
    else:
        for k in range(n_source):
            gain[k] = rate * E[k]
    for j in range(n):
        error = -wanted[j]
        for k in range(n_source):
            error += E[k] * B[k, j]
        for k in range(n_source):
            B[k, j] -= gain[k] * error


@source_kernel
def draw_after(net, after, number, what):
    """Random numbers of what follows presentation `number`."""
    if net.cells.draw.size:
        begin_draws(net.cells.draw, number)
        tick_draws(net.cells.draw, after.ticks + what)


@presentation_kernel
def follow_up(net, perturbed, after, shown, row, m, number):
    """What follows presentation `number`: baseline, learned feedback, homeostasis."""
    teaching = net.teaching
    if perturbed.on and not perturbed.clean:
        if perturbed.baseline[1] > 0:
            perturbed.baseline[0] += perturbed.baseline_rate * (shown.loss[row] - perturbed.baseline[0])
        else:
            perturbed.baseline[0], perturbed.baseline[1] = shown.loss[row], 1.0
    draw_after(net, after, number, HOMEOSTASIS)
    hidden = teaching.layers.shape[0] - 1
    for layer in range(hidden):
        lo, width = teaching.layers[layer, UNITS], teaching.layers[layer, WIDTH]
        if perturbed.learns_feedback:
            wanted = shown.change[row] * perturbed.noise[m, lo : lo + width]
            at, n = perturbed.inverse_at[layer], teaching.layers[teaching.layers[layer, LAYER_SOURCE], WIDTH]
            inverse = perturbed.inverse[at : at + (n * n if perturbed.ridge else 0)]
            square = inverse.reshape(n, n) if perturbed.ridge else inverse.reshape(0, 1)
            learn_feedback(teaching, layer, wanted, shown.net_events[row], perturbed.rate, square, perturbed.ridge)
        q = after.bias[layer]
        if after.homeostasis and q >= 0:
            wanted = np.zeros(width)
            for j in range(width):
                after.mean[lo + j] += (shown.spikes[row, lo + j] - after.mean[lo + j]) * after.share
                wanted[j] = -after.rate * max(0.0, after.mean[lo + j] - after.target)
            change_synapses(net, q, np.int64(0), wanted)  # a literal would have it compiled once more


@presentation_kernel
def change_synapses(net, q, i, changes):
    """Change the row of presynaptic unit `i` in projection `q`: at once, or as it can be stored."""
    at, size = row_of(net.circuit, q, i)
    if net.synapses.rounding != EXACT:
        store_changes(net.synapses, net.cells.draw, q, at, changes)
        return
    row = net.synapses.weights[at : at + size]
    for j in range(size):
        row[j] += changes[j]


@presentation_kernel
def decay_weights(net, after, number):
    """Weight decay, which is due once in `DECAY_EVERY` presentations; the last of them was `number`."""
    synapses = net.synapses
    draw_after(net, after, number, DECAY)
    for q in range(after.decay.size):
        if after.decay[q] == 1.0:
            continue
        part = synapses.weights[after.span[q, 0] : after.span[q, 1]]
        if synapses.rounding != EXACT:
            for i in range(net.circuit.populations[net.circuit.projections[q, PRE], SIZE]):
                at, size = row_of(net.circuit, q, i)
                kept = synapses.changes if synapses.shadow else synapses.weights
                change_synapses(net, q, i, kept[at : at + size] * (after.decay[q] - 1.0))
            continue
        factor = part.dtype.type(after.decay[q])
        for k in range(part.size):
            part[k] *= factor
        if synapses.minimum[q] > -np.inf:
            raise_to(part, synapses.minimum[q])


@presentation_kernel
def show_samples(net, show, samples, perturbed, after, shown, order, lane, lanes, online, tick, number):
    """Show every `lanes`-th sample of `order`, from the `lane`-th on; returns sums of losses and errors, and the time.

    If `online`, what follows each presentation follows at once, and time goes on; otherwise each begins at `tick`, from
    a fresh state, and what it leaves is kept in `shown` where there is a row for each.
    """
    total, errors, keep = 0.0, 0, not online and shown.loss.size >= order.size
    for m in range(lane, order.size, lanes):
        row = m if keep else 0
        loss, wrong, took = show_one(net, show, samples, perturbed, shown, row, order[m], m, number + m, tick)
        total, errors = total + loss, errors + wrong
        if online:
            follow_up(net, perturbed, after, shown, row, m, number + m)
            if (number + m + 1) % DECAY_EVERY == 0:
                decay_weights(net, after, number + m)
            tick += took
    return total, errors, tick


@presentation_kernel
def add_lanes(net, after, lanes, number):
    """Apply what the lanes have added up, in their order, and set it to 0; the batch's last sample was `number`."""
    synapses = net.synapses
    if synapses.rounding != EXACT:
        draw_after(net, after, number, SUMMED)
        summed = lanes[0].copy()
        for lane in range(1, lanes.shape[0]):
            summed += lanes[lane]
        lanes[:] = 0
        for q in range(after.span.shape[0]):
            for i in range(net.circuit.populations[net.circuit.projections[q, PRE], SIZE]):
                at, size = row_of(net.circuit, q, i)
                change_synapses(net, q, i, summed[at : at + size])
        return
    for lane in range(lanes.shape[0]):
        changes = lanes[lane]
        for k in range(changes.size):
            synapses.weights[k] += changes[k]
            changes[k] = 0
    for q in range(after.span.shape[0]):
        if synapses.minimum[q] > -np.inf:
            raise_to(synapses.weights[after.span[q, 0] : after.span[q, 1]], synapses.minimum[q])
