"""Populations, projections and the delivery of spikes: what is simulated, and step 1 of docs/spiking.md.

Weights of all projections lie in one vector, states of all populations in others; integer tables say where. Spikes
are kept in a ring of ticks for each population until the longest delay has passed. A population that received nothing
and cannot spike sleeps: its state is brought up to date in closed form when something arrives.
"""

from typing import NamedTuple

import numpy as np

from .compiling import inline_kernel, tick_kernel
from .prefetching import LINE, fetch
from .storing import SEND_TICK, row_seed, uniform

MODELS = {"if": 0, "lif": 1, "cuba_lif": 2}
IF, LIF, CUBA_LIF = range(3)
POSTS = {"membrane_window": 1, "current_window": 2, "surrogate": 3}
NO_POST, MEMBRANE, CURRENT, SURROGATE, ONE = range(5)
STATIC, AT_SPIKE, AT_ERROR, AT_EPOCH = range(4)

# columns of Tables.populations
FIRST, SIZE, MODEL, EXTERNAL, SUBTRACT, REFRACTORY, ADAPTS, POST, SLEEPS, INTEGER, ABOVE, WRAPS = range(12)
POPULATION_COLUMNS = 12
# columns of Tables.reals
(
    D_M,
    D_S,
    KAPPA,
    R,
    V_LEAK,
    THRESHOLD,
    V_RESET,
    STEP,
    D_A,
    D_Q,
    LOW,
    HIGH,
    SLOPE,
    V_STEP,
    V_END,
    I_STEP,
    I_END,
) = range(17)
REAL_COLUMNS = 17
# columns of Tables.projections; PTR_AT is -1 where the projection is all-to-all
PRE, TARGET, W_AT, PTR_AT, INDEX_AT, DELAY, PLASTIC, TRACE_AT, SENDS_ALL = range(9)
PROJECTION_COLUMNS = 9
# columns of Cells.clock: the first tick that the state does not include yet, and whether the population is skipped
UPDATED, ASLEEP = range(2)
# entries of Cells.operations
FORWARD, FEEDBACK, UPDATE = range(3)
BLOCK = 64  # neurons that are looked at together for spikes: the bits of a word


class Tables(NamedTuple):
    """A circuit in flat arrays. Reals are in the precision of the state."""

    populations: np.ndarray  # (P, POPULATION_COLUMNS) int64
    reals: np.ndarray  # (P, REAL_COLUMNS)
    constant: np.ndarray  # (units,) added to the inputs in every tick; 0 in populations that sleep
    projections: np.ndarray  # (Q, PROJECTION_COLUMNS) int64
    indptr: np.ndarray  # of all sparse projections, int64
    targets: np.ndarray  # of their synapses, uint32: what cannot be negative is faster to index with
    ring: int  # ticks that spikes are kept for
    transmission: float  # probability that a synapse passes a spike on, where the projection does not send all


class Cells(NamedTuple):
    """The state of all neurons, by unit: populations one after the other."""

    v: np.ndarray
    current: np.ndarray
    threshold_increment: np.ndarray  # of an adaptive threshold
    drive: np.ndarray  # low-passed
    post: np.ndarray  # post factor of the last integration
    inputs: np.ndarray  # what has arrived in this tick
    refractory: np.ndarray  # ticks left of the refractory period, that of the spike included, int32
    reached: np.ndarray  # whether a membrane is at the threshold, for one population after the other, uint8
    spikes: np.ndarray  # ring: spikes[ring * FIRST + slot * SIZE + n], units within the population, int32
    n_spikes: np.ndarray  # (P, ring) int64
    clock: np.ndarray  # (P, 2) int64
    touched: np.ndarray  # (P,) bool: something arrived in this tick
    operations: np.ndarray  # (3,) int64
    emitted: np.ndarray  # spikes of each unit since they were last set to 0, int64
    draw: np.ndarray  # (DRAW_COLUMNS,) uint64: see storing.py; empty where nothing is drawn


@tick_kernel
def add_rows(inputs, weights, at, units):
    """Spikes arrive at all neurons of a population: a row of weights each, the first of which begins at `at`."""
    size, n, k = inputs.size, units.size, 0
    while k + 4 <= n:  # so that the inputs are read and written once for four rows
        a, b = at + size * units[k], at + size * units[k + 1]
        c, d = at + size * units[k + 2], at + size * units[k + 3]
        first, second = weights[a : a + size], weights[b : b + size]
        third, fourth = weights[c : c + size], weights[d : d + size]
        for j in range(size):
            inputs[j] += (first[j] + second[j]) + (third[j] + fourth[j])
        k += 4
    while k < n:
        a = at + size * units[k]
        row = weights[a : a + size]
        for j in range(size):
            inputs[j] += row[j]
        k += 1


@tick_kernel
def add_sparse_rows(inputs, weights, targets, indptr, units):
    """Spikes arrive at the targets of their rows; returns how many synapses those have.

    Rows of a large network lie in main memory: each is fetched while the one before is added.
    """
    n, step = 0, LINE // weights.itemsize
    for k in range(units.size):
        if k + 1 < units.size:
            for s in range(indptr[units[k + 1]], indptr[units[k + 1] + 1], step):
                fetch(weights, s)
                fetch(targets, s)
        lo, hi = indptr[units[k]], indptr[units[k] + 1]
        row, to = weights[lo:hi], targets[lo:hi]
        for s in range(row.size):
            inputs[to[s]] += row[s]
        n += hi - lo
    return n


@tick_kernel
def add_rows_by_chance(inputs, weights, at, units, probability, tick):
    """The same where each synapse passes a spike on with a probability."""
    for k in range(units.size):
        start = at + inputs.size * units[k]
        row, seed = weights[start : start + inputs.size], row_seed(tick, start)
        for j in range(inputs.size):
            inputs[j] += row[j] if uniform(seed, j) < probability else weights.dtype.type(0)


@tick_kernel
def add_sparse_rows_by_chance(inputs, weights, at, targets, indptr, units, probability, tick):
    """The same for sparse rows; returns how many synapses they have."""
    n = 0
    for k in range(units.size):
        lo, hi = indptr[units[k]], indptr[units[k] + 1]
        seed = row_seed(tick, at + lo)
        for s in range(lo, hi):
            if uniform(seed, s - lo) < probability:
                inputs[targets[s]] += weights[at + s]
        n += hi - lo
    return n


@inline_kernel
def arriving(circuit, cells, q, tick):
    """Where in `cells.spikes` the presynaptic units stand whose spikes arrive through projection `q` in this tick."""
    row = circuit.projections[q]
    pre = row[PRE]
    slot = (tick - row[DELAY]) % circuit.ring
    start = circuit.ring * circuit.populations[pre, FIRST] + slot * circuit.populations[pre, SIZE]
    return start, start + cells.n_spikes[pre, slot]


@inline_kernel
def deliver(circuit, cells, weights, tick):
    """Step 1: every arriving spike adds its row to the inputs of its targets."""
    cells.touched[:] = False
    for q in range(circuit.projections.shape[0]):
        start, stop = arriving(circuit, cells, q, tick)
        if start == stop:
            continue
        row = circuit.projections[q]
        target, at = row[TARGET], row[W_AT]
        first, size = circuit.populations[target, FIRST], circuit.populations[target, SIZE]
        inputs, units = cells.inputs[first : first + size], cells.spikes[start:stop]
        cells.touched[target] = True
        some = circuit.transmission < 1.0 and not row[SENDS_ALL]
        if row[PTR_AT] < 0:
            if some:
                add_rows_by_chance(inputs, weights, at, units, circuit.transmission, cells.draw[SEND_TICK])
            else:
                add_rows(inputs, weights, at, units)
            cells.operations[FORWARD] += units.size * size
            continue
        indptr, targets = circuit.indptr[row[PTR_AT] :], circuit.targets[row[INDEX_AT] :]
        if some:
            tick_seed = cells.draw[SEND_TICK]
            cells.operations[FORWARD] += add_sparse_rows_by_chance(
                inputs, weights, at, targets, indptr, units, circuit.transmission, tick_seed
            )
        else:
            cells.operations[FORWARD] += add_sparse_rows(inputs, weights[at:], targets, indptr, units)
