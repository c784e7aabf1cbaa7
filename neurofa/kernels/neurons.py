"""Neurons: exact integration over ticks, post factors, thresholds and resets (docs/spiking.md, steps 2 and 3)."""

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from .circuit import (
    ABOVE,
    ADAPTS,
    ASLEEP,
    BLOCK,
    CUBA_LIF,
    CURRENT,
    D_A,
    D_M,
    D_Q,
    D_S,
    EXTERNAL,
    FIRST,
    HIGH,
    I_END,
    I_STEP,
    IF,
    INTEGER,
    KAPPA,
    LOW,
    MEMBRANE,
    MODEL,
    NO_POST,
    ONE,
    POST,
    REFRACTORY,
    SIZE,
    SLEEPS,
    SLOPE,
    STEP,
    SUBTRACT,
    SURROGATE,
    THRESHOLD,
    UPDATED,
    V_END,
    V_LEAK,
    V_RESET,
    V_STEP,
    WRAPS,
    R,
)
from .compiling import inline_kernel, tick_kernel

UNIT, GATHER = np.uint64(1), np.uint64(0x0102040810204080)


@tick_kernel
def with_delta(v, inputs, refractory, reached, leak, decay, r, threshold):
    """Delta synapses: the membrane decays towards `leak`, and what arrives is added, unless it is refractory.

    Everything that is done with each neuron is done in one pass: inputs are used up, refractory periods go by, and
    `reached` says which membranes are at the threshold.
    """
    zero = v.dtype.type(0)
    for j in range(v.size):
        new = leak + (v[j] - leak) * decay + r * inputs[j]
        v[j] = v[j] if refractory[j] > 1 else new
        reached[j] = new >= threshold
        refractory[j] -= refractory[j] > 0
        inputs[j] = zero


@tick_kernel
def with_current(v, current, inputs, refractory, reached, leak, decay, gain, decay_s, threshold):
    """The same for exponential currents: arrivals, then both equations over one tick."""
    zero = v.dtype.type(0)
    for j in range(v.size):
        i = current[j] + inputs[j]
        new = leak + (v[j] - leak) * decay + gain * i
        v[j] = v[j] if refractory[j] > 1 else new
        reached[j] = new >= threshold
        current[j] = i * decay_s
        refractory[j] -= refractory[j] > 0
        inputs[j] = zero


@tick_kernel
def in_integers(v, inputs, refractory, reached, decay, gain, step, end, threshold):
    """`with_delta` on a chip: a membrane of whole steps within its ends, whose decay is cut towards zero.

    Float64 holds all products of 24 bits exactly.
    """
    for j in range(v.size):
        kept = step * np.trunc(v[j] / step * decay)
        new = min(max(kept + step * np.rint(gain * inputs[j] / step), -end), end)
        v[j] = v[j] if refractory[j] > 1 else new
        reached[j] = new >= threshold
        refractory[j] -= refractory[j] > 0
        inputs[j] = 0


@tick_kernel
def currents_in_integers(current, inputs, decay, step, end, wraps):
    """A chip's synaptic currents: they decay, then take what arrives."""
    width = 2.0 * (end + step)
    for j in range(current.size):
        i = step * np.trunc(current[j] / step * decay) + step * np.rint(inputs[j] / step)
        if wraps:
            current[j] = i - width * np.floor((i + 0.5 * width) / width)
        else:
            current[j] = min(max(i, -end), end)
        inputs[j] = current[j]


@inline_kernel
def integrate_in_integers(population, reals, v, current, inputs, refractory, reached):
    """Step 2 of a population with integer state."""
    if population[MODEL] == CUBA_LIF:
        step, end = np.float64(reals[I_STEP]), np.float64(reals[I_END])
        currents_in_integers(current, inputs, np.float64(reals[D_S]), step, end, population[WRAPS])
    step, end = np.float64(reals[V_STEP]), np.float64(reals[V_END])
    gain = step / reals[I_STEP]  # r times kappa in float32 is off by more than half of a step in 24 bits
    in_integers(v, inputs, refractory, reached, np.float64(reals[D_M]), gain, step, end, np.float64(reals[THRESHOLD]))


@tick_kernel
def low_pass(drive, inputs, decay, gain):
    """Low-pass filter of the input."""
    for j in range(drive.size):
        drive[j] = drive[j] * decay + gain * inputs[j]


@tick_kernel
def low_pass_current(drive, inputs, current, decay, gain):
    """Follow the synaptic current, new arrivals included."""
    for j in range(drive.size):
        drive[j] = drive[j] * decay + gain * (inputs[j] + current[j])


@tick_kernel
def copy_to(target, source):
    """Element by element: a slice that is assigned to might have to be copied first, as far as Numba knows."""
    for j in range(target.size):
        target[j] = source[j]


@tick_kernel
def scale(values, factor):
    """Multiply all values."""
    for j in range(values.size):
        values[j] *= factor


@tick_kernel
def within(post, values, low, high):
    """Window: 1 inside, 0 outside."""
    one, zero = post.dtype.type(1), post.dtype.type(0)
    for j in range(post.size):
        post[j] = one if (values[j] > low) & (values[j] < high) else zero


@tick_kernel
def surrogate(post, v, increment, threshold, slope):
    """Smooth post factor, largest at the threshold."""
    one = post.dtype.type(1)
    for j in range(post.size):
        root = one + slope * abs(v[j] - (threshold + increment[j]))
        post[j] = one / (root * root)


@tick_kernel
def set_post(circuit, cells, p):
    """Post factor of a population from its present state."""
    lo, reals = circuit.populations[p, FIRST], circuit.reals[p]
    hi, kind = lo + circuit.populations[p, SIZE], circuit.populations[p, POST]
    post = cells.post[lo:hi]
    if kind == MEMBRANE:
        within(post, cells.v[lo:hi], reals[LOW], reals[HIGH])
    elif kind == CURRENT:
        within(post, cells.drive[lo:hi], reals[LOW], reals[HIGH])
    elif kind == SURROGATE:
        surrogate(post, cells.v[lo:hi], cells.threshold_increment[lo:hi], reals[THRESHOLD], reals[SLOPE])
    elif kind == ONE:
        post[:] = 1


@tick_kernel
def response(decay, decay_s, ticks):
    """Sum over n of decay_s**n decay**(ticks - 1 - n): what a decaying current does in `ticks` ticks."""
    if ticks <= 0:
        return 0.0
    if abs(decay - decay_s) <= 1e-7 * decay:
        return ticks * decay ** (ticks - 1.0)
    return (decay**ticks - decay_s**ticks) / (decay - decay_s)


@tick_kernel
def catch_up(circuit, cells, p, ticks):
    """Closed form of `ticks` ticks in which nothing arrived and nothing could spike; no neuron is refractory."""
    if ticks <= 0:
        return
    lo, reals = circuit.populations[p, FIRST], circuit.reals[p]
    hi = lo + circuit.populations[p, SIZE]
    kind = cells.v.dtype.type
    v, current, drive = cells.v[lo:hi], cells.current[lo:hi], cells.drive[lo:hi]
    decay, leak = np.float64(reals[D_M]), reals[V_LEAK]
    power = kind(decay**ticks)
    for j in range(v.size):
        v[j] = leak + (v[j] - leak) * power
    follows = circuit.populations[p, POST] == CURRENT
    if follows:
        scale(drive, kind(np.float64(reals[D_Q]) ** ticks))
    if circuit.populations[p, MODEL] == CUBA_LIF:
        decay_s = np.float64(reals[D_S])
        gain = kind(np.float64(reals[R]) * reals[KAPPA] * response(decay, decay_s, ticks))
        for j in range(v.size):
            v[j] += gain * current[j]
        if follows:
            decay_q = np.float64(reals[D_Q])
            into = kind((1.0 - decay_q) * reals[R] * response(decay_q, decay_s, ticks))
            for j in range(v.size):
                drive[j] += into * current[j]
        scale(current, kind(decay_s**ticks))
    if circuit.populations[p, ADAPTS]:
        scale(cells.threshold_increment[lo:hi], kind(np.float64(reals[D_A]) ** ticks))


@tick_kernel
def can_rest(circuit, cells, p):
    """Whether no neuron of the population will spike before something arrives, and none is refractory."""
    if not circuit.populations[p, SLEEPS]:
        return False
    lo, reals = circuit.populations[p, FIRST], circuit.reals[p]
    model, reach = circuit.populations[p, MODEL], 0.0
    cut = circuit.populations[p, INTEGER] and model != IF  # decays have no closed form unless there is nothing left
    for j in range(lo, lo + circuit.populations[p, SIZE]):
        if model == CUBA_LIF:  # no more than if the current came at once and nothing leaked
            reach = max(0.0, cells.current[j]) * reals[R] * reals[KAPPA] / (1.0 - reals[D_S])
        if max(cells.v[j], reals[V_LEAK]) + reach >= reals[THRESHOLD] or cells.refractory[j] > 0:
            return False
        if cut and (cells.v[j] != 0 or cells.current[j] != 0):
            return False
    return True


@tick_kernel
def wake(circuit, cells, p, tick, learning):
    """Bring a sleeping population's state to the end of this tick, in which it did not spike."""
    if cells.clock[p, UPDATED] <= tick:
        catch_up(circuit, cells, p, tick + 1 - cells.clock[p, UPDATED])
        cells.clock[p, UPDATED] = tick + 1
        if learning:
            set_post(circuit, cells, p)


@tick_kernel
def candidates(reached, out):
    """Indices of the bytes that are 1, of which there are few; `reached` is whole blocks. Returns how many.

    The bytes of a block become bits of a word, so that few branches depend on what cannot be foreseen.
    """
    n, words = 0, reached.view(np.uint64)
    for block in range(words.size // 8):
        bits = np.uint64(0)
        for k in range(8):  # the product has the lowest bits of all bytes in its highest byte, in order
            bits |= ((words[block * 8 + k] * GATHER) >> np.uint64(56)) << np.uint64(8 * k)
        while bits:
            out[n] = block * BLOCK + trailing_zeros(bits)
            n += 1
            bits &= bits - UNIT
    return n


@inline_kernel
def integrate_population(circuit, cells, p, tick, learning):
    """Steps 2 and 3 for one population."""
    population, reals = circuit.populations[p], circuit.reals[p]
    slot = tick % circuit.ring
    if population[EXTERNAL]:
        return
    cells.n_spikes[p, slot] = 0
    if not cells.touched[p]:
        if cells.clock[p, ASLEEP] == 0 and can_rest(circuit, cells, p):
            cells.clock[p, ASLEEP] = 1
        if cells.clock[p, ASLEEP]:
            return
    if cells.clock[p, ASLEEP]:
        catch_up(circuit, cells, p, tick - cells.clock[p, UPDATED])
        cells.clock[p, ASLEEP] = 0
    cells.clock[p, UPDATED] = tick + 1
    lo, size = population[FIRST], population[SIZE]
    hi, whole = lo + size, (size + BLOCK - 1) // BLOCK * BLOCK
    v, inputs, refractory = cells.v[lo:hi], cells.inputs[lo:hi], cells.refractory[lo:hi]
    reached = cells.reached[:size]
    cells.reached[size:whole] = 0
    one = v.dtype.type(1)
    leak, decay, r, threshold = reals[V_LEAK], reals[D_M], reals[R], reals[THRESHOLD]
    if not population[SLEEPS]:
        constant = circuit.constant[lo:hi]
        for j in range(size):
            inputs[j] += constant[j]
    follows = learning and population[POST] == CURRENT
    if population[INTEGER]:
        if follows and population[MODEL] != CUBA_LIF:
            low_pass(cells.drive[lo:hi], inputs, reals[D_Q], (one - reals[D_Q]) * r)
        integrate_in_integers(population, reals, v, cells.current[lo:hi], inputs, refractory, reached)
        if follows and population[MODEL] == CUBA_LIF:
            low_pass(cells.drive[lo:hi], cells.current[lo:hi], reals[D_Q], (one - reals[D_Q]) * r)
    elif population[MODEL] == CUBA_LIF:
        current = cells.current[lo:hi]
        if follows:
            low_pass_current(cells.drive[lo:hi], inputs, current, reals[D_Q], (one - reals[D_Q]) * r)
        with_current(v, current, inputs, refractory, reached, leak, decay, r * reals[KAPPA], reals[D_S], threshold)
    else:
        if follows:
            low_pass(cells.drive[lo:hi], inputs, reals[D_Q], (one - reals[D_Q]) * r)
        with_delta(v, inputs, refractory, reached, leak, decay, r, threshold)
    if population[ADAPTS]:
        scale(cells.threshold_increment[lo:hi], reals[D_A])
    if learning and population[POST] != NO_POST:
        set_post(circuit, cells, p)
    start = circuit.ring * lo + slot * size
    out = cells.spikes[start : start + size]
    found = candidates(cells.reached[:whole], out)
    if found:
        cells.n_spikes[p, slot] = fire(circuit, cells, p, out[:found])


@inline_kernel
def fire(circuit, cells, p, out):
    """Step 3: those of the candidates `out` that spike, moved to its beginning; resets, refractory periods."""
    population, reals = circuit.populations[p], circuit.reals[p]
    lo, n = population[FIRST], 0
    threshold = reals[THRESHOLD]
    for k in range(out.size):
        j = lo + out[k]
        own = threshold + cells.threshold_increment[j]
        if cells.refractory[j] > 0 or not cells.v[j] >= own or (population[ABOVE] and cells.v[j] == own):
            continue
        out[n] = out[k]
        n += 1
        cells.emitted[j] += 1
        cells.v[j] = cells.v[j] - own if population[SUBTRACT] else reals[V_RESET]
        if population[ADAPTS]:
            cells.threshold_increment[j] += reals[STEP]
        if population[REFRACTORY] > 0:
            cells.refractory[j] = population[REFRACTORY] + 1
    return n


@inline_kernel
def integrate(circuit, cells, tick, learning):
    """Steps 2 and 3 for all populations."""
    for p in range(circuit.populations.shape[0]):
        integrate_population(circuit, cells, p, tick, learning)
