"""Neurons: exact integration over ticks, post factors, thresholds and resets (docs/spiking.md, steps 2 and 3)."""

import numpy as np

from .circuit import (
    ADAPTS,
    ASLEEP,
    BLOCK,
    CUBA_LIF,
    CURRENT,
    D_A,
    D_M,
    D_Q,
    D_S,
    DRIVE,
    EXTERNAL,
    FIRST,
    HIGH,
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
    V_LEAK,
    V_RESET,
    R,
)
from .compiling import tick_kernel


@tick_kernel
def leak_and_add(v, inputs, leak, decay, r):
    """Delta synapses: the membrane decays towards `leak`, and what arrives is added."""
    for j in range(v.size):
        v[j] = leak + (v[j] - leak) * decay + r * inputs[j]


@tick_kernel
def leak_and_add_unless(v, inputs, rest, leak, decay, r):
    """The same for neurons that are not refractory; the others keep their membrane."""
    for j in range(v.size):
        new = leak + (v[j] - leak) * decay + r * inputs[j]
        v[j] = v[j] if rest[j] > 0 else new


@tick_kernel
def with_current(v, current, inputs, rest, leak, decay, gain, decay_s):
    """Exponential current: arrivals, then both equations over one tick."""
    for j in range(v.size):
        i = current[j] + inputs[j]
        new = leak + (v[j] - leak) * decay + gain * i
        v[j] = v[j] if rest[j] > 0 else new
        current[j] = i * decay_s


@tick_kernel
def low_pass(drive, inputs, decay, gain):
    """Follow what arrives."""
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
def surrogate(post, v, raised, threshold, slope):
    """Smooth post factor, largest at the threshold."""
    one = post.dtype.type(1)
    for j in range(post.size):
        root = one + slope * abs(v[j] - (threshold + raised[j]))
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
        surrogate(post, cells.v[lo:hi], cells.raised[lo:hi], reals[THRESHOLD], reals[SLOPE])
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
        scale(cells.raised[lo:hi], kind(np.float64(reals[D_A]) ** ticks))


@tick_kernel
def can_rest(circuit, cells, p):
    """Whether no neuron of the population will spike before something arrives, and none is refractory."""
    if not circuit.populations[p, SLEEPS]:
        return False
    lo, reals = circuit.populations[p, FIRST], circuit.reals[p]
    model, reach = circuit.populations[p, MODEL], 0.0
    for j in range(lo, lo + circuit.populations[p, SIZE]):
        if model == CUBA_LIF:  # no more than if the current came at once and nothing leaked
            reach = max(0.0, cells.current[j]) * reals[R] * reals[KAPPA] / (1.0 - reals[D_S])
        if max(cells.v[j], reals[V_LEAK]) + reach >= reals[THRESHOLD] or cells.rest[j] > 0:
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
def above(v, threshold, out):
    """Indices of the neurons at or above a common threshold; returns how many."""
    n = 0
    for start in range(0, v.size, BLOCK):
        block = v[start : start + BLOCK]
        found = np.int32(0)
        for j in range(block.size):
            found += np.int32(block[j] >= threshold)
        if found:
            for j in range(block.size):
                if block[j] >= threshold:
                    out[n] = start + j
                    n += 1
    return n


@tick_kernel
def above_own(v, threshold, raised, rest, out):
    """The same with each neuron's own threshold, refractory ones left out."""
    n = 0
    for j in range(v.size):
        if v[j] >= threshold + raised[j] and rest[j] == 0:
            out[n] = j
            n += 1
    return n


@tick_kernel
def integrate(circuit, cells, p, tick, learning):
    """Steps 2 and 3 for one population."""
    population, reals = circuit.populations[p], circuit.reals[p]
    slot = tick % circuit.ring
    if population[EXTERNAL]:
        return
    cells.n_spikes[p, slot] = 0
    touched = cells.touched[p]
    if not touched:
        if cells.clock[p, ASLEEP] == 0 and can_rest(circuit, cells, p):
            cells.clock[p, ASLEEP] = 1
        if cells.clock[p, ASLEEP]:
            return
    lo, size = population[FIRST], population[SIZE]
    hi = lo + size
    v, inputs, rest, raised = cells.v[lo:hi], cells.inputs[lo:hi], cells.rest[lo:hi], cells.raised[lo:hi]
    if cells.clock[p, ASLEEP]:
        catch_up(circuit, cells, p, tick - cells.clock[p, UPDATED])
        cells.clock[p, ASLEEP] = 0
    cells.clock[p, UPDATED] = tick + 1
    one = v.dtype.type(1)
    if reals[DRIVE] != 0:
        for j in range(size):
            inputs[j] += reals[DRIVE]
    follows = learning and population[POST] == CURRENT
    if population[MODEL] == CUBA_LIF:
        current = cells.current[lo:hi]
        if follows:
            low_pass_current(cells.drive[lo:hi], inputs, current, reals[D_Q], (one - reals[D_Q]) * reals[R])
        with_current(v, current, inputs, rest, reals[V_LEAK], reals[D_M], reals[R] * reals[KAPPA], reals[D_S])
    else:
        if follows:
            low_pass(cells.drive[lo:hi], inputs, reals[D_Q], (one - reals[D_Q]) * reals[R])
        if population[REFRACTORY] > 0:
            leak_and_add_unless(v, inputs, rest, reals[V_LEAK], reals[D_M], reals[R])
        else:
            leak_and_add(v, inputs, reals[V_LEAK], reals[D_M], reals[R])
    inputs[:] = 0
    if population[ADAPTS]:
        scale(raised, reals[D_A])
    if learning and population[POST] != NO_POST:
        set_post(circuit, cells, p)
    fire(circuit, cells, p, slot)


@tick_kernel
def fire(circuit, cells, p, slot):
    """Step 3: spikes into the ring, resets, refractory periods."""
    population, reals = circuit.populations[p], circuit.reals[p]
    lo, size = population[FIRST], population[SIZE]
    hi = lo + size
    v, rest, raised, emitted = cells.v[lo:hi], cells.rest[lo:hi], cells.raised[lo:hi], cells.emitted[lo:hi]
    start = circuit.ring * lo + slot * size
    out = cells.spikes[start : start + size]
    threshold = reals[THRESHOLD]
    if population[ADAPTS] or population[REFRACTORY] > 0:
        n = above_own(v, threshold, raised, rest, out)
    else:
        n = above(v, threshold, out)
    if population[REFRACTORY] > 0:
        for j in range(size):
            rest[j] = max(rest[j] - np.int32(1), np.int32(0))
    for k in range(n):
        j = out[k]
        emitted[j] += 1
        if population[SUBTRACT]:
            v[j] -= threshold + raised[j]
        else:
            v[j] = reals[V_RESET]
        if population[ADAPTS]:
            raised[j] += reals[STEP]
        rest[j] = population[REFRACTORY]
    cells.n_spikes[p, slot] = n
