"""A circuit as the flat arrays that the kernels take."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..kernels import circuit as columns
from ..kernels.circuit import Tables
from ..spec import Neuron
from ..spec.errors import InputError, require
from .circuits import Circuit, Connection, Population, Sparse
from .memory import aligned


class Built(NamedTuple):
    """A circuit as arrays. `spans` are the offsets of each connection's weights, `first` of each population's units."""

    tables: Tables
    weights: np.ndarray
    resting: np.ndarray
    spans: np.ndarray
    first: dict[str, int]


def _reals(population: Population, dt_ms: float) -> list[float]:
    """A row of `Tables.reals`."""
    n, post = population.neuron or Neuron("if"), population.post
    d_m = 1.0 if n.model == "if" else math.exp(-dt_ms / n.tau_m_ms)
    d_s = math.exp(-dt_ms / n.tau_syn_ms)
    row = [0.0] * columns.REAL_COLUMNS
    row[columns.D_M], row[columns.D_S], row[columns.KAPPA] = d_m, d_s, n.kappa(dt_ms) if n.model == "cuba_lif" else 1.0
    row[columns.R], row[columns.V_LEAK] = n.r, n.v_leak
    row[columns.THRESHOLD], row[columns.V_RESET], row[columns.STEP] = n.v_threshold, n.v_reset, n.threshold_step
    row[columns.D_A], row[columns.D_Q] = math.exp(-dt_ms / n.tau_threshold_ms), math.exp(-dt_ms / post.tau_ms)
    row[columns.LOW], row[columns.HIGH], row[columns.SLOPE] = post.low, post.high, post.slope
    if (own := population.integers) is not None:
        row[columns.D_M], row[columns.D_S], row[columns.KAPPA] = own.decay_m, own.decay_s, own.gain / n.r
        row[columns.THRESHOLD], row[columns.V_RESET] = own.threshold, own.v_reset
        row[columns.V_STEP], row[columns.V_END] = own.step, own.end
        row[columns.I_STEP], row[columns.I_END] = own.current_step, own.current_end
    return row


def _integers(population: Population, first: int, dt_ms: float, gated: bool, post_one: bool) -> list[int]:
    """A row of `Tables.populations`."""
    n = population.neuron or Neuron("if")
    row = [0] * columns.POPULATION_COLUMNS
    row[columns.FIRST], row[columns.SIZE], row[columns.MODEL] = first, population.size, columns.MODELS[n.model]
    row[columns.EXTERNAL], row[columns.SUBTRACT] = population.neuron is None, n.reset == "subtract"
    row[columns.REFRACTORY] = n.refractory_ticks(dt_ms)
    row[columns.ADAPTS] = n.threshold_step > 0
    row[columns.POST] = (columns.ONE if post_one else columns.POSTS[population.post.kind]) if gated else columns.NO_POST
    row[columns.SLEEPS] = not np.any(population.drive)
    if (own := population.integers) is not None:
        row[columns.INTEGER], row[columns.ABOVE], row[columns.WRAPS] = 1, own.above, own.wraps
    return row


def joined(parts: Sequence[np.ndarray], dtype: np.dtype | type) -> np.ndarray:
    """Arrays one after the other; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, dtype)])


def as_sparse(connection: Connection, shape: tuple[int, int]) -> Sparse | None:
    """The synapses of a connection by presynaptic unit, checked; None if it is all-to-all."""
    given, who = connection.weights, f"connection {connection.name!r}"
    if hasattr(given, "tocsr"):
        matrix = given.tocsr()
        require(matrix.shape == shape, f"{who} has weights of shape {matrix.shape}; its populations need {shape}")
        given = Sparse(matrix.indptr, matrix.indices, matrix.data)
    if not isinstance(given, Sparse):
        dense = np.asarray(given)
        require(dense.dtype.kind in "biuf", f"{who} has weights of type {dense.dtype}; give real numbers")
        require(dense.shape == shape, f"{who} has weights of shape {dense.shape}; its populations need {shape}")
        return None
    indptr, indices, weights = np.asarray(given.indptr), np.asarray(given.indices), given.weights
    for name, array in (("indptr", indptr), ("indices", indices), ("weights", np.asarray(weights))):
        require(array.ndim == 1, f"{who}: {name} has shape {array.shape}; give a row")
    for name, array in (("indptr", indptr), ("indices", indices)):
        require(array.dtype.kind in "iu" or not array.size, f"{who}: {name} are of type {array.dtype}; give integers")
    fits = len(indptr) == shape[0] + 1 and indptr[0] == 0 and indptr[-1] == len(indices) == len(weights)
    require(fits and bool(np.all(indptr[:-1] <= indptr[1:])), f"{who}: indptr, indices and weights do not fit together")
    inside = len(indices) == 0 or (int(np.min(indices)) >= 0 and int(np.max(indices)) < shape[1])
    require(inside, f"{who} has a target outside of population {connection.post!r}, which has {shape[1]} neurons")
    return given


def build(
    circuit: Circuit,
    dtype: np.dtype,
    update: int = columns.AT_SPIKE,
    *,
    ones: Sequence[str] = (),
    gates: Sequence[str] = (),
) -> Built:
    """Lay a circuit out in flat arrays.

    Parameters
    ----------
    circuit
        What to simulate.
    dtype
        Precision of weights and states.
    update
        Code of when plastic synapses change.
    ones
        Populations whose post factor is 1.
    gates
        Populations whose post factor is needed, beside those that plastic synapses end on.

    Raises
    ------
    InputError
        If weights do not fit the populations, or are not finite.
    """
    gated = {*gates, *(c.post for c in circuit.connections if c.learning_rate is not None)}
    first, at = {}, 0
    for population in circuit.populations:
        first[population.name], at = at, at + population.size
    integers = [
        _integers(p, first[p.name], circuit.dt_ms, p.name in gated, p.name in ones) for p in circuit.populations
    ]
    rows, spans, parts, indptrs, indices = [], [], [], [], []
    w_at = ptr_at = index_at = trace_at = 0
    for connection in circuit.connections:
        pre, post = circuit.names.index(connection.pre), circuit.names.index(connection.post)
        shape = circuit.populations[pre].size, circuit.populations[post].size
        sparse = as_sparse(connection, shape)
        values = np.asarray(connection.weights if sparse is None else sparse.weights, dtype).ravel()
        if not np.isfinite(values).all():
            raise InputError(
                f"connection {connection.name!r} has weights that are NaN or infinite; give finite numbers"
            )
        kind = columns.STATIC if connection.learning_rate is None else update
        row = [pre, post, w_at, -1, 0, circuit.delay_ticks(connection), kind, trace_at, connection.sends_all]
        trace_at += shape[0] if kind != columns.STATIC else 0
        if sparse is not None:
            row[columns.PTR_AT], row[columns.INDEX_AT] = ptr_at, index_at
            indptrs.append(np.asarray(sparse.indptr, np.int64))
            indices.append(np.asarray(sparse.indices, np.int32).view(np.uint32))
            ptr_at, index_at = ptr_at + len(sparse.indptr), index_at + len(sparse.indices)
        rows.append(row)
        parts.append(values)
        spans.append((w_at, w_at + len(values)))
        w_at += len(values)
    tables = Tables(
        populations=np.array(integers, np.int64),
        reals=np.array([_reals(p, circuit.dt_ms) for p in circuit.populations], dtype),
        constant=np.zeros(at, dtype),
        projections=np.array(rows, np.int64).reshape(-1, columns.PROJECTION_COLUMNS),
        indptr=joined(indptrs, np.int64),
        targets=joined(indices, np.uint32),
        ring=1 + max([row[columns.DELAY] for row in rows], default=1),
        transmission=float(circuit.transmission),
    )
    resting = np.zeros(at, dtype)
    for population in circuit.populations:
        neuron, lo = population.neuron or Neuron("if"), first[population.name]
        resting[lo : lo + population.size] = neuron.v_leak if population.v_init is None else population.v_init
        tables.constant[lo : lo + population.size] = population.drive
    # static weights of a single connection are taken as they are: a copy would double the memory of a large network
    alone = len(parts) == 1 and rows[0][columns.PLASTIC] == columns.STATIC
    weights = parts[0] if alone else aligned(w_at, dtype)
    for part, (lo, hi) in () if alone else zip(parts, spans, strict=True):
        weights[lo:hi] = part
    return Built(tables, weights, resting, np.array(spans, np.int64).reshape(-1, 2), first)
