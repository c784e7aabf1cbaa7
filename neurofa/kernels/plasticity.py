"""Three-factor plasticity: rows of synapses change at presynaptic spikes, or at errors by traces (step 6)."""

from typing import NamedTuple

import numpy as np

from .circuit import AT_SPIKE, FIRST, INDEX_AT, PLASTIC, PTR_AT, SIZE, TARGET, TRACE_AT, UPDATE, W_AT, arriving
from .compiling import tick_kernel

NEVER = -1


class Synapses(NamedTuple):
    """What learns, and what it needs. `changes` is `weights` itself, or a sum that is applied later."""

    weights: np.ndarray
    changes: np.ndarray
    bounded: bool  # changes are made to the weights themselves, and stop at `minimum`
    minimum: np.ndarray  # (Q,)
    rate: np.ndarray  # (Q,) learning rates
    modulator: np.ndarray  # M by unit
    factor: np.ndarray  # eta psi M by unit, of this tick
    trace: np.ndarray  # of each presynaptic neuron, by projection
    seen: np.ndarray  # tick of a trace's last spike, NEVER if it is 0
    active: np.ndarray  # presynaptic neurons whose trace is not 0, by projection, int32
    n_active: np.ndarray  # (Q,) int64
    fading: np.ndarray  # decay of a trace by its age in ticks; empty where traces do not decay


@tick_kernel
def third_factor(factor, post, modulator, rate):
    """eta psi M of a population; returns how many neurons will change."""
    n = 0
    for j in range(factor.size):
        gated = post[j] * modulator[j]
        factor[j] = rate * gated
        n += gated != 0
    return n


@tick_kernel
def change_row(row, factor):
    """The synapses of one presynaptic spike."""
    for j in range(row.size):
        row[j] -= factor[j]


@tick_kernel
def change_row_above(row, factor, minimum):
    """The same with a lower bound."""
    for j in range(row.size):
        new = row[j] - factor[j]
        row[j] = new if new > minimum else minimum


@tick_kernel
def change_row_by(row, factor, amount):
    """The synapses of one presynaptic trace."""
    for j in range(row.size):
        row[j] -= amount * factor[j]


@tick_kernel
def raise_to(row, minimum):
    """Lower bound."""
    for j in range(row.size):
        row[j] = row[j] if row[j] > minimum else minimum


@tick_kernel
def change_unit(circuit, cells, synapses, q, i, amount):
    """All synapses of presynaptic unit `i` in projection `q`, by `amount` times the third factor."""
    row = circuit.projections[q]
    target, at = row[TARGET], row[W_AT]
    first, size = circuit.populations[target, FIRST], circuit.populations[target, SIZE]
    factor = synapses.factor[first : first + size]
    minimum = synapses.minimum[q]
    bounded = synapses.bounded and minimum > -np.inf
    if row[PTR_AT] < 0:
        changed = synapses.changes[at + i * size : at + (i + 1) * size]
        if amount != 1:
            change_row_by(changed, factor, amount)
            if bounded:
                raise_to(changed, minimum)
        elif bounded:
            change_row_above(changed, factor, minimum)
        else:
            change_row(changed, factor)
        return
    lo, hi = circuit.indptr[row[PTR_AT] + i], circuit.indptr[row[PTR_AT] + i + 1]
    targets = circuit.index[row[INDEX_AT] + lo : row[INDEX_AT] + hi]
    changed = synapses.changes[at + lo : at + hi]
    for k in range(targets.size):
        changed[k] -= amount * factor[targets[k]]
        cells.operations[UPDATE] += factor[targets[k]] != 0
    if bounded:
        raise_to(changed, minimum)


@tick_kernel
def learn_at_spikes(circuit, cells, synapses, q, tick):
    """Every spike that arrived through `q` in this tick changes its row."""
    row = circuit.projections[q]
    start, stop = arriving(circuit, cells, q, tick)
    if start == stop:
        return
    first, size = circuit.populations[row[TARGET], FIRST], circuit.populations[row[TARGET], SIZE]
    part = slice(first, first + size)
    n = third_factor(synapses.factor[part], cells.post[part], synapses.modulator[part], synapses.rate[q])
    if n == 0:
        return
    one = synapses.factor.dtype.type(1)
    for k in range(start, stop):
        change_unit(circuit, cells, synapses, q, cells.spikes[k], one)
    if row[PTR_AT] < 0:
        cells.operations[UPDATE] += (stop - start) * n


@tick_kernel
def faded(synapses, at, tick, arrives):
    """Value of a trace in this tick; it ends with the last entry of `fading`, unless a spike arrives just then."""
    n = synapses.fading.size
    if n == 0:
        return synapses.trace[at]
    age = tick - synapses.seen[at]
    if age >= n or (age == n - 1 and not arrives):
        return synapses.trace.dtype.type(0)
    return synapses.trace[at] * synapses.fading[age]


@tick_kernel
def follow_spikes(circuit, cells, synapses, q, tick):
    """Traces of the neurons whose spikes arrived through `q` in this tick."""
    base = circuit.projections[q, TRACE_AT]
    start, stop = arriving(circuit, cells, q, tick)
    for k in range(start, stop):
        i = cells.spikes[k]
        at = base + i
        if synapses.seen[at] == NEVER:
            synapses.active[base + synapses.n_active[q]] = i
            synapses.n_active[q] += 1
            synapses.trace[at] = 1
        else:
            synapses.trace[at] = faded(synapses, at, tick, True) + 1
        synapses.seen[at] = tick


@tick_kernel
def learn_by_traces(circuit, cells, synapses, q, tick):
    """Every presynaptic trace that is not 0 changes its row."""
    row = circuit.projections[q]
    base, kept, first = row[TRACE_AT], 0, circuit.populations[row[TARGET], FIRST]
    part = slice(first, first + circuit.populations[row[TARGET], SIZE])
    n = third_factor(synapses.factor[part], cells.post[part], synapses.modulator[part], synapses.rate[q])
    if n == 0:
        return
    for k in range(synapses.n_active[q]):
        i = synapses.active[base + k]
        amount = faded(synapses, base + i, tick, False)
        if amount == 0:
            synapses.seen[base + i] = NEVER
            continue
        synapses.active[base + kept] = i
        kept += 1
        change_unit(circuit, cells, synapses, q, i, amount)
    if row[PTR_AT] < 0:
        cells.operations[UPDATE] += kept * n
    synapses.n_active[q] = kept


@tick_kernel
def forget_traces(circuit, synapses):
    """Set all traces to 0."""
    for q in range(circuit.projections.shape[0]):
        base = circuit.projections[q, TRACE_AT]
        for k in range(synapses.n_active[q]):
            synapses.seen[base + synapses.active[base + k]] = NEVER
        synapses.n_active[q] = 0


@tick_kernel
def plasticity(circuit, cells, synapses, tick):
    """Step 6 for projections that learn at spikes, by modulators that nothing else changes."""
    for q in range(circuit.projections.shape[0]):
        if circuit.projections[q, PLASTIC] == AT_SPIKE:
            learn_at_spikes(circuit, cells, synapses, q, tick)
