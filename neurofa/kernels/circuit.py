"""Populations, projections and the delivery of spikes: what is simulated, and step 1 of docs/spiking.md.

Weights of all projections lie in one vector, states of all populations in others; integer tables say where. Spikes
are kept in a ring of ticks for each population until the longest delay has passed. A population that received nothing
and cannot spike sleeps: its state is brought up to date in closed form when something arrives.
"""

from typing import NamedTuple

import numpy as np

from .compiling import tick_kernel

MODELS = {"if": 0, "lif": 1, "cuba_lif": 2}
IF, LIF, CUBA_LIF = range(3)
POSTS = {"membrane_window": 1, "current_window": 2, "surrogate": 3}
NO_POST, MEMBRANE, CURRENT, SURROGATE, ONE = range(5)
STATIC, AT_SPIKE, AT_ERROR = range(3)

# columns of Circuit.populations
FIRST, SIZE, MODEL, EXTERNAL, SUBTRACT, REFRACTORY, ADAPTS, POST, SLEEPS = range(9)
POPULATION_COLUMNS = 9
# columns of Circuit.reals
D_M, D_S, KAPPA, R, V_LEAK, THRESHOLD, V_RESET, STEP, D_A, D_Q, LOW, HIGH, SLOPE, DRIVE = range(14)
REAL_COLUMNS = 14
# columns of Circuit.projections; PTR_AT is -1 where the projection is all-to-all
PRE, TARGET, W_AT, PTR_AT, INDEX_AT, DELAY, PLASTIC, TRACE_AT = range(8)
PROJECTION_COLUMNS = 8
# columns of Cells.clock: ticks made before the population's last integration + 1, and whether it sleeps
UPDATED, ASLEEP = range(2)
# entries of Cells.operations
FORWARD, FEEDBACK, UPDATE = range(3)
BLOCK = 64  # neurons that are looked at together for spikes


class Circuit(NamedTuple):
    """What is simulated. Reals are in the precision of the state."""

    populations: np.ndarray  # (P, POPULATION_COLUMNS) int64
    reals: np.ndarray  # (P, REAL_COLUMNS)
    projections: np.ndarray  # (Q, PROJECTION_COLUMNS) int64
    indptr: np.ndarray  # of all sparse projections, int64
    index: np.ndarray  # targets of their synapses, int32
    ring: int  # ticks that spikes are kept for


class Cells(NamedTuple):
    """The state of all neurons, by unit: populations one after the other."""

    v: np.ndarray
    current: np.ndarray
    raised: np.ndarray  # threshold increment of an adaptive threshold
    drive: np.ndarray  # low-passed
    post: np.ndarray  # post factor of the last integration
    inputs: np.ndarray  # what has arrived in this tick
    rest: np.ndarray  # ticks left of the refractory period, int32
    spikes: np.ndarray  # ring: spikes[ring * FIRST + slot * SIZE + n], units within the population, int32
    n_spikes: np.ndarray  # (P, ring) int64
    clock: np.ndarray  # (P, 2) int64
    touched: np.ndarray  # (P,) bool: something arrived in this tick
    operations: np.ndarray  # (3,) int64
    emitted: np.ndarray  # spikes of each unit since they were last set to 0, int64


@tick_kernel
def add_row(inputs, row):
    """One spike arrives at all neurons of a population."""
    for j in range(inputs.size):
        inputs[j] += row[j]


@tick_kernel
def add_four_rows(inputs, first, second, third, fourth):
    """Four spikes arrive; the inputs are read and written once."""
    for j in range(inputs.size):
        inputs[j] += (first[j] + second[j]) + (third[j] + fourth[j])


@tick_kernel
def add_sparse(inputs, weights, targets):
    """One spike arrives at the targets of a sparse row."""
    for k in range(targets.size):
        inputs[targets[k]] += weights[k]


@tick_kernel
def arriving(circuit, cells, q, tick):
    """Where in `cells.spikes` the presynaptic units stand whose spikes arrive through projection `q` in this tick."""
    row = circuit.projections[q]
    pre = row[PRE]
    slot = (tick - row[DELAY]) % circuit.ring
    start = circuit.ring * circuit.populations[pre, FIRST] + slot * circuit.populations[pre, SIZE]
    return start, start + cells.n_spikes[pre, slot]


@tick_kernel
def deliver(circuit, cells, weights, tick):
    """Step 1: every arriving spike adds its row to the inputs of its targets."""
    for q in range(circuit.projections.shape[0]):
        start, stop = arriving(circuit, cells, q, tick)
        if start == stop:
            continue
        units = cells.spikes[start:stop]
        n = units.size
        row = circuit.projections[q]
        target, at = row[TARGET], row[W_AT]
        first, size = circuit.populations[target, FIRST], circuit.populations[target, SIZE]
        inputs = cells.inputs[first : first + size]
        cells.touched[target] = True
        if row[PTR_AT] < 0:
            k = 0
            while k + 4 <= n:
                a, b = at + units[k] * size, at + units[k + 1] * size
                c, d = at + units[k + 2] * size, at + units[k + 3] * size
                add_four_rows(
                    inputs, weights[a : a + size], weights[b : b + size], weights[c : c + size], weights[d : d + size]
                )
                k += 4
            while k < n:
                a = at + units[k] * size
                add_row(inputs, weights[a : a + size])
                k += 1
            cells.operations[FORWARD] += n * size
        else:
            indptr = circuit.indptr[row[PTR_AT] :]
            shift = row[INDEX_AT]
            for k in range(n):
                lo, hi = indptr[units[k]], indptr[units[k] + 1]
                add_sparse(inputs, weights[at + lo : at + hi], circuit.index[shift + lo : shift + hi])
                cells.operations[FORWARD] += hi - lo
