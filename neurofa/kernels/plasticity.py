"""Three-factor plasticity: rows of synapses change at presynaptic spikes, or at errors by traces (step 6)."""

from typing import NamedTuple

import numpy as np

from .circuit import AT_SPIKE, FIRST, INDEX_AT, PLASTIC, PTR_AT, SIZE, TARGET, TRACE_AT, UPDATE, W_AT, arriving
from .compiling import inline_kernel, tick_kernel

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
    amount: np.ndarray  # by which the rows of a projection change that are changing now, in units of the third factor
    fading: np.ndarray  # decay of a trace by its age in ticks; empty where traces do not decay


@tick_kernel
def third_factor(factor, post, modulator, rate):
    """eta psi M of a population; returns how many neurons will change."""
    n = np.int32(0)
    for j in range(factor.size):
        gated = post[j] * modulator[j]
        factor[j] = rate * gated
        n = np.int32(n + np.int32(gated != 0))  # as narrow as the values, for the sake of vectors
    return np.int64(n)


@tick_kernel
def change_rows(changes, at, units, amounts, factor, minimum):
    """Rows of all-to-all synapses, the first of which begins at `at`, by their amounts times the third factor."""
    size = factor.size
    for k in range(units.size):
        start, amount = at + size * units[k], amounts[k]
        row = changes[start : start + size]
        for j in range(size):
            new = row[j] - amount * factor[j]
            row[j] = minimum if new < minimum else new


@tick_kernel
def change_sparse_rows(changes, targets, indptr, units, amounts, factor, minimum):
    """The same for rows of sparse synapses; returns how many of these are changed."""
    n = 0
    for k in range(units.size):
        lo, hi = indptr[units[k]], indptr[units[k] + 1]
        row, to, amount = changes[lo:hi], targets[lo:hi], amounts[k]
        for s in range(row.size):
            change = factor[to[s]]
            new = row[s] - amount * change
            row[s] = minimum if new < minimum else new
            n += change != 0
    return n


@tick_kernel
def raise_to(row, minimum):
    """Lower bound."""
    for j in range(row.size):
        row[j] = minimum if row[j] < minimum else row[j]


@inline_kernel
def set_factor(circuit, cells, synapses, q):
    """The third factor of the neurons that projection `q` ends on; returns how many will change."""
    lo = circuit.populations[circuit.projections[q, TARGET], FIRST]
    hi = lo + circuit.populations[circuit.projections[q, TARGET], SIZE]
    return third_factor(synapses.factor[lo:hi], cells.post[lo:hi], synapses.modulator[lo:hi], synapses.rate[q])


@inline_kernel
def change(circuit, cells, synapses, q, units, n):
    """All synapses of presynaptic `units` in projection `q`, by their amounts times the third factor of `n` neurons."""
    row = circuit.projections[q]
    lo, at = circuit.populations[row[TARGET], FIRST], row[W_AT]
    factor = synapses.factor[lo : lo + circuit.populations[row[TARGET], SIZE]]
    minimum = synapses.minimum[q] if synapses.bounded else -synapses.minimum.dtype.type(np.inf)
    if row[PTR_AT] < 0:
        change_rows(synapses.changes, at, units, synapses.amount, factor, minimum)
        cells.operations[UPDATE] += units.size * n
    else:
        indptr, targets = circuit.indptr[row[PTR_AT] :], circuit.targets[row[INDEX_AT] :]
        cells.operations[UPDATE] += change_sparse_rows(
            synapses.changes[at:], targets, indptr, units, synapses.amount, factor, minimum
        )


@inline_kernel
def learn_at_spikes(circuit, cells, synapses, q, tick):
    """Every spike that arrived through `q` in this tick changes its row."""
    start, stop = arriving(circuit, cells, q, tick)
    if start == stop:
        return
    n = set_factor(circuit, cells, synapses, q)
    if n == 0:
        return
    synapses.amount[: stop - start] = 1
    change(circuit, cells, synapses, q, cells.spikes[start:stop], n)


@inline_kernel
def faded(synapses, at, tick, arrives):
    """Value of a trace in this tick; it ends with the last entry of `fading`, unless a spike arrives just then."""
    n = synapses.fading.size
    if n == 0:
        return synapses.trace[at]
    age = tick - synapses.seen[at]
    if age >= n or (age == n - 1 and not arrives):
        return synapses.trace.dtype.type(0)
    return synapses.trace[at] * synapses.fading[age]


@inline_kernel
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


@inline_kernel
def learn_by_traces(circuit, cells, synapses, q, tick):
    """Every presynaptic trace that is not 0 changes its row."""
    n = set_factor(circuit, cells, synapses, q)
    if n == 0:
        return
    base, kept = circuit.projections[q, TRACE_AT], 0
    for k in range(synapses.n_active[q]):
        i = synapses.active[base + k]
        amount = faded(synapses, base + i, tick, False)
        if amount == 0:
            synapses.seen[base + i] = NEVER
            continue
        synapses.active[base + kept], synapses.amount[kept] = i, amount
        kept += 1
    synapses.n_active[q] = kept
    change(circuit, cells, synapses, q, synapses.active[base : base + kept], n)


@tick_kernel
def forget_traces(circuit, synapses):
    """Set all traces to 0."""
    for q in range(circuit.projections.shape[0]):
        base = circuit.projections[q, TRACE_AT]
        for k in range(synapses.n_active[q]):
            synapses.seen[base + synapses.active[base + k]] = NEVER
        synapses.n_active[q] = 0


@inline_kernel
def plasticity(circuit, cells, synapses, tick):
    """Step 6 for projections that learn at spikes, by modulators that nothing else changes."""
    for q in range(circuit.projections.shape[0]):
        if circuit.projections[q, PLASTIC] == AT_SPIKE:
            learn_at_spikes(circuit, cells, synapses, q, tick)
