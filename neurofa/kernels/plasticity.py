"""Three-factor plasticity: rows of synapses change at presynaptic spikes, or at errors by traces (step 6)."""

from typing import NamedTuple

import numpy as np

from .circuit import (
    AT_ERROR,
    AT_SPIKE,
    FIRST,
    INDEX_AT,
    PLASTIC,
    PTR_AT,
    SIZE,
    TARGET,
    TRACE_AT,
    UPDATE,
    W_AT,
    arriving,
)
from .compiling import inline_kernel, tick_kernel
from .storing import (
    EXACT,
    LEVEL_HIGH,
    TICK,
    TRACES,
    change_by_factor,
    change_row,
    rounded_value,
    row_seed,
    store_shadow,
)

NEVER = -1


class Synapses(NamedTuple):
    """What learns, and what it needs.

    `changes` is what changes are made to: `weights` itself, a shadow of it in full precision, or a sum that is applied
    later.
    """

    weights: np.ndarray
    changes: np.ndarray
    bounded: bool  # changes are made to the weights, or to their shadow, at once, and stop at the ends
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
    levels: np.ndarray  # (Q, LEVEL_COLUMNS) float64 of stored weights
    rounding: int  # of stored weights; EXACT where they have no levels
    shadow: bool  # `changes` is a shadow
    trace_levels: np.ndarray  # (LEVEL_COLUMNS,) float64
    trace_rounding: int


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
    """Raise values below `minimum` to it."""
    for j in range(row.size):
        row[j] = minimum if row[j] < minimum else row[j]


@tick_kernel
def change_on_levels(synapses, draw, at, size, units, factor, levels):
    """Rows of all-to-all synapses that are stored on levels. (No sparse synapses are.)"""
    for k in range(units.size):
        start = at + size * units[k]
        row, amount = synapses.weights[start : start + size], synapses.amount[k]
        if synapses.shadow:
            shadow = synapses.changes[start : start + size]
            for j in range(size):
                shadow[j] -= amount * factor[j]
            store_shadow(row, shadow, levels, synapses.rounding)
        else:
            change_by_factor(row, amount, factor, levels, synapses.rounding, row_seed(draw[TICK], start))


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
    stored = synapses.bounded and synapses.rounding != EXACT
    if row[PTR_AT] < 0:
        if stored:
            change_on_levels(synapses, cells.draw, at, factor.size, units, factor, synapses.levels[q])
        else:
            change_rows(synapses.changes, at, units, synapses.amount, factor, minimum)
        cells.operations[UPDATE] += units.size * n
        return
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
def faded(synapses, draw, q, i, at, tick, arrives):
    """Value of a trace in this tick; it ends with the last entry of `fading`, unless a spike arrives just then."""
    n = synapses.fading.size
    if n == 0:
        return synapses.trace[at]
    age = tick - synapses.seen[at]
    if age >= n or (age == n - 1 and not arrives):
        return synapses.trace.dtype.type(0)
    value = synapses.trace[at] * synapses.fading[age]
    if synapses.trace_rounding != EXACT and age > 0:
        seed = row_seed(draw[TICK], TRACES + q)
        return rounded_value(value, synapses.trace_levels, synapses.trace_rounding, seed, i)
    return value


@inline_kernel
def follow_spikes(circuit, cells, synapses, q, tick):
    """Traces of the neurons whose spikes arrived through `q` in this tick."""
    base, counts = circuit.projections[q, TRACE_AT], circuit.projections[q, PLASTIC] != AT_ERROR
    start, stop = arriving(circuit, cells, q, tick)
    for k in range(start, stop):
        i = cells.spikes[k]
        at = base + i
        if synapses.seen[at] == NEVER:
            synapses.active[base + synapses.n_active[q]] = i
            synapses.n_active[q] += 1
            synapses.trace[at] = 1
        elif counts:
            synapses.trace[at] += 1
        else:
            synapses.trace[at] = faded(synapses, cells.draw, q, i, at, tick, True) + 1
        if synapses.trace_rounding != EXACT and not counts:
            synapses.trace[at] = min(synapses.trace[at], synapses.trace_levels[LEVEL_HIGH])
        synapses.seen[at] = tick


@inline_kernel
def lives_on(synapses, at, tick):
    """Whether a trace that has just been rounded to 0 may be more when it is next used."""
    age = tick - synapses.seen[at]
    return synapses.trace_rounding != EXACT and age < synapses.fading.size - 1


@tick_kernel
def put_first(units, amounts):
    """Units whose amounts are not 0 before the others; returns how many they are."""
    n = 0
    for k in range(units.size):
        if amounts[k] != 0:
            units[n], units[k] = units[k], units[n]
            amounts[n], amounts[k] = amounts[k], amounts[n]
            n += 1
    return n


@inline_kernel
def learn_by_traces(circuit, cells, synapses, q, tick):
    """Every presynaptic trace that is not 0 changes its row."""
    n = set_factor(circuit, cells, synapses, q)
    if n == 0:
        return
    base, kept = circuit.projections[q, TRACE_AT], 0
    fades = circuit.projections[q, PLASTIC] == AT_ERROR
    for k in range(synapses.n_active[q]):
        i = synapses.active[base + k]
        amount = faded(synapses, cells.draw, q, i, base + i, tick, False) if fades else synapses.trace[base + i]
        if amount == 0 and not (fades and lives_on(synapses, base + i, tick)):
            synapses.seen[base + i] = NEVER
            continue
        synapses.active[base + kept], synapses.amount[kept] = i, amount
        kept += 1
    synapses.n_active[q] = kept
    if synapses.trace_rounding != EXACT:
        kept = put_first(synapses.active[base : base + kept], synapses.amount)
    change(circuit, cells, synapses, q, synapses.active[base : base + kept], n)


@tick_kernel
def forget(circuit, synapses, q):
    """Set the traces, or counts, of a projection to 0."""
    base = circuit.projections[q, TRACE_AT]
    for k in range(synapses.n_active[q]):
        synapses.seen[base + synapses.active[base + k]] = NEVER
    synapses.n_active[q] = 0


@tick_kernel
def forget_traces(circuit, synapses):
    """Set all traces to 0."""
    for q in range(circuit.projections.shape[0]):
        forget(circuit, synapses, q)


@tick_kernel
def store_changes(synapses, draw, q, at, wanted):
    """A row of synapses on levels, the first of which is at `at`, by changes that nothing has rounded yet."""
    row = synapses.weights[at : at + wanted.size]
    if synapses.shadow:
        shadow = synapses.changes[at : at + wanted.size]
        for j in range(wanted.size):
            shadow[j] += wanted[j]
        store_shadow(row, shadow, synapses.levels[q], synapses.rounding)
    else:
        change_row(row, wanted, synapses.levels[q], synapses.rounding, row_seed(draw[TICK], at))


@inline_kernel
def row_of(circuit, q, i):
    """Where the weights of presynaptic unit `i` of projection `q` begin, and how many they are."""
    row = circuit.projections[q]
    if row[PTR_AT] < 0:
        size = circuit.populations[row[TARGET], SIZE]
        return row[W_AT] + size * i, size
    lo = circuit.indptr[row[PTR_AT] + i]
    return row[W_AT] + lo, circuit.indptr[row[PTR_AT] + i + 1] - lo


@inline_kernel
def plasticity(circuit, cells, synapses, tick):
    """Step 6 for projections that learn at spikes, by modulators that nothing else changes."""
    for q in range(circuit.projections.shape[0]):
        if circuit.projections[q, PLASTIC] == AT_SPIKE:
            learn_at_spikes(circuit, cells, synapses, q, tick)
