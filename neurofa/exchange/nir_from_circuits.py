"""Circuits of neurofa in NIR, recurrent ones too: a graph for any reader, and all the rest for neurofa.

docs/exchange.md has the formulas, and what NIR has no words for.
"""

import math
import os
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import nir
import numpy as np

from ..engines.circuits import Circuit, Connection, Population, Sparse
from ..engines.layout import as_sparse
from ..io.config import dump_model
from ..io.descriptions import read_text
from ..rules import Integers
from ..spec import InputError, Neuron, PostFactor
from ..spec.errors import require
from .nir_graphs import load_graph, loops, write_graph
from .nir_networks import FORMAT, beyond_neurons
from .nir_neurons import node_of

MAX_VALUES = 10**8  # of one matrix: NIR has dense ones alone


@dataclass(frozen=True)
class _Population:
    """A population as a file has it."""

    name: str
    size: int
    neuron: Neuron | None
    post: PostFactor
    drive: float | tuple[float, ...]
    v_init: float | tuple[float, ...] | None
    integers: Integers | None


@dataclass(frozen=True)
class _Connection:
    """A connection without its weights, which are in a node."""

    pre: str
    post: str
    delay_ms: float | None
    learning_rate: float | None
    name: str
    sends_all: bool
    node: str


@dataclass(frozen=True)
class _Circuit:
    populations: tuple[_Population, ...]
    connections: tuple[_Connection, ...]
    dt_ms: float
    transmission: float


def circuit_to_nir(circuit: Circuit) -> nir.NIRGraph:
    """A circuit as a graph of NIR.

    Parameters
    ----------
    circuit
        Any; external populations become Input nodes, and an Output shows each population that leads nowhere (all
        populations of neurons if there is none).

    Returns
    -------
    nir.NIRGraph
        Populations have their own names; weights are (n_post, n_pre), times are in seconds. Its metadata describe the
        circuit, so that `read_circuit` gives it back exactly.

    Raises
    ------
    InputError
        For weights that do not fit, names that a file cannot have, and matrices of more than 10^8 values.

    Notes
    -----
    NIR: Pedersen et al. 2024, Nature Communications 15:8122. Delays are those of docs/exchange.md, "Circuits".

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> cells = nf.Population("cells", 2, nf.Neuron("lif"))
    >>> circuit = nf.Circuit((cells,), (nf.Connection("cells", "cells", np.eye(2), delay_ms=3.0),))
    >>> sorted(circuit_to_nir(circuit).nodes)
    ['cells', 'delay_0', 'input_cells', 'output_cells', 'rest_cells', 'weight_0']
    """
    require(isinstance(circuit, Circuit), f"circuit_to_nir takes a Circuit, not a {type(circuit).__name__}")
    return _Writer(circuit).build()


def write_circuit(path: str | os.PathLike[str], circuit: Circuit) -> None:
    """Write `circuit_to_nir`'s graph to a file, completely or not at all.

    Parameters
    ----------
    path
        Of the file (HDF5, whatever its suffix); missing folders are made.
    circuit
        As for `circuit_to_nir`.

    Raises
    ------
    InputError
        As `circuit_to_nir`, and where the file cannot be written.
    """
    graph = circuit_to_nir(circuit)
    write_graph(path, graph)


def read_circuit(graph_or_path: nir.NIRGraph | str | os.PathLike[str]) -> Circuit:
    """Give back the circuit that `circuit_to_nir` or `write_circuit` was given.

    Parameters
    ----------
    graph_or_path
        The graph, or its file.

    Returns
    -------
    Circuit
        Weights are read from the graph, so that those that another tool has changed arrive; sparse ones come back as
        `Sparse`, with the synapses that they had unless the matrix was changed.

    Raises
    ------
    InputError
        For a file that cannot be read, and a graph that `write_circuit` did not write.
    """
    graph = load_graph(graph_or_path)
    label = "the graph" if isinstance(graph_or_path, nir.NIRNode) else os.fspath(graph_or_path)
    described = graph.metadata.get("circuit")
    require(
        graph.metadata.get("format") == FORMAT and described is not None,
        f"{label} has no circuit of neurofa in it; neurofa.exchange.from_nir runs graphs of other simulators",
    )
    found = read_text(_Circuit, str(described), "circuit", str(label))
    kept = graph.metadata.get("synapses", {})
    try:
        connections = [_connection(own, graph, kept) for own in found.connections]
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{label}: the graph does not fit its description ({type(error).__name__} {error}); write the file again"
        ) from error
    populations = [Population(**_fields(own, Population)) for own in found.populations]
    try:
        circuit = Circuit(tuple(populations), tuple(connections), found.dt_ms, found.transmission)
        for connection in connections:
            as_sparse(connection, _shape(circuit, connection))
    except InputError as error:
        raise InputError(f"{label}: {error}") from error
    return circuit


def beyond_circuit(circuit: Circuit) -> list[str]:
    """What a circuit's graph does not tell other simulators; neurofa itself reads everything back.

    Parameters
    ----------
    circuit
        As for `circuit_to_nir`.

    Returns
    -------
    list of str
        A clause each; empty if the graph tells everything.
    """
    populations, connections = circuit.populations, circuit.connections
    said = beyond_neurons([p.neuron for p in populations if p.neuron is not None], circuit.transmission)
    if any(c.learning_rate is not None for c in connections):
        said.append("synapses do not learn; NIR has no learning rates and post factors")
    if any(p.integers is not None for p in populations):
        said.append("neurons work in full precision; NIR has no integer state")
    if any(p.v_init is not None for p in populations):
        said.append("membranes begin at v_leak, whatever v_init is")
    return said


class _Writer:
    """Nodes and edges of one circuit."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.synapses: dict[str, np.ndarray] = {}

    def build(self) -> nir.NIRGraph:
        """The graph."""
        self._find_depths()
        dt_ms = self.circuit.dt_ms
        for population in self.circuit.populations:
            name, size = population.name, population.size
            fits = "/" not in name and name not in ("", ".", "..")
            require(fits, f"population {name!r} cannot be a name in a NIR file; use a name without a slash")
            neuron = population.neuron
            self.nodes[name] = nir.Input(np.array([size])) if neuron is None else node_of(neuron, size, dt_ms)
        connections = [self._connect(k, connection) for k, connection in enumerate(self.circuit.connections)]
        self._rest()
        self._show()
        described: Any = _Circuit(
            tuple(_Population(**_fields(p, _Population)) for p in self.circuit.populations),
            tuple(connections), dt_ms, self.circuit.transmission,
        )  # fmt: skip
        metadata: dict[str, Any] = {"format": FORMAT, "circuit": dump_model(described)}
        if self.synapses:
            metadata["synapses"] = self.synapses
        return nir.NIRGraph(self.nodes, self.edges, metadata=metadata)

    def _find_depths(self) -> None:
        """Ticks that each population is behind a simulator that carries a spike through all nodes within one tick."""
        names = self.circuit.names
        edges = [(c.pre, c.post) for c in self.circuit.connections]
        self.loop = loops(names, edges)
        between = [(self.loop[a], self.loop[b]) for a, b in edges if self.loop[a] != self.loop[b]]
        external = {self.loop[p.name] for p in self.circuit.populations if p.neuron is None}
        reached = {b for _, b in between}
        # by the shortest way, so that no delay is negative; a spike of an Input arrives in its own tick
        depth = {loop: -1 if loop in external else math.inf if loop in reached else 0 for loop in self.loop.values()}
        changed = True
        while changed:
            changed = False
            for a, b in between:
                if depth[a] + 1 < depth[b]:
                    depth[b], changed = depth[a] + 1, True
        self.depth = {name: int(depth[self.loop[name]]) for name in names}

    def _new(self, name: str, node: nir.NIRNode) -> str:
        """Add a node by a name that no other has."""
        while name in self.nodes:
            name += "_"
        self.nodes[name] = node
        return name

    def _delay(self, connection: Connection) -> int:
        """Ticks of the graph's own delay."""
        ticks, pre, post = self.circuit.delay_ticks(connection), connection.pre, connection.post
        if self.loop[pre] == self.loop[post]:
            return ticks if ticks > 1 else 0
        return ticks - (self.depth[post] - self.depth[pre])

    def _connect(self, index: int, connection: Connection) -> _Connection:
        """Nodes from one population to another: a delay, and the weights, the first with the drive."""
        post, shape = self.circuit.population(connection.post), _shape(self.circuit, connection)
        require(
            math.prod(shape) <= MAX_VALUES,
            f"connection {connection.name!r} has {math.prod(shape):,} pairs of neurons, and NIR has dense matrices "
            f"alone; at most {MAX_VALUES:,} are written, so divide its populations",
        )
        sparse = as_sparse(connection, shape)
        if sparse is not None:
            sparse = Sparse(np.asarray(sparse.indptr), np.asarray(sparse.indices), _floats(sparse.weights))
        matrix = _floats(connection.weights) if sparse is None else _dense(sparse, shape)
        finite = bool(np.isfinite(matrix).all())
        require(finite, f"connection {connection.name!r} has weights that are NaN or infinite; give finite numbers")
        weight, first = np.ascontiguousarray(matrix.T), all(b != post.name for _, b in self.edges)
        driven = first and np.any(post.drive)
        node = nir.Affine(weight, np.full(post.size, post.drive)) if driven else nir.Linear(weight)
        way = [connection.pre]
        if ticks := self._delay(connection):
            seconds = np.full(shape[0], ticks * self.circuit.dt_ms / 1000)
            way.append(self._new(f"delay_{index}", nir.Delay(seconds)))
        own = self._new(f"weight_{index}", node)
        if sparse is not None:
            self.synapses |= {f"{own}_{what}": array for what, array in sparse._asdict().items()}
        way += [own, post.name]
        self.edges += pairwise(way)
        return _Connection(**_fields(connection, _Connection, without="node"), node=own)

    def _rest(self) -> None:
        """A silent Input where nothing leads to a population, or to a loop of them: NIR's nodes need a source."""
        reached = {c.post for c in self.circuit.connections}
        led_to = {self.loop[c.post] for c in self.circuit.connections if self.loop[c.pre] != self.loop[c.post]}
        for population in self.circuit.populations:
            name, loop = population.name, self.loop[population.name]
            if population.neuron is None or loop in led_to:
                continue
            led_to.add(loop)
            drive = np.full(population.size, 0.0 if name in reached else population.drive)
            source = self._new(f"input_{name}", nir.Input(np.array([1])))
            own = self._new(f"rest_{name}", nir.Affine(np.zeros((population.size, 1)), drive))
            self.edges += [(source, own), (own, name)]

    def _show(self) -> None:
        """Output nodes."""
        leads = {c.pre for c in self.circuit.connections}
        ends = [p for p in self.circuit.populations if p.name not in leads]
        for population in ends or [p for p in self.circuit.populations if p.neuron is not None]:
            own = self._new(f"output_{population.name}", nir.Output(np.array([population.size])))
            self.edges.append((population.name, own))


def _fields(source: Any, kind: type, without: str = "") -> dict[str, Any]:
    """The fields of a dataclass, from an object that has them."""
    values = {field.name: getattr(source, field.name) for field in fields(kind) if field.name != without}
    return {name: np.array(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _shape(circuit: Circuit, connection: Connection) -> tuple[int, int]:
    return circuit.population(connection.pre).size, circuit.population(connection.post).size


def _floats(values: Any) -> np.ndarray:
    """Weights as floating-point numbers, of the precision that they have."""
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _dense(synapses: Sparse, shape: tuple[int, int]) -> np.ndarray:
    """The sum of all synapses of each pair of neurons."""
    matrix = np.zeros(shape, synapses.weights.dtype)
    np.add.at(matrix, (np.repeat(np.arange(shape[0]), np.diff(synapses.indptr)), synapses.indices), synapses.weights)
    return matrix


def _connection(own: _Connection, graph: nir.NIRGraph, kept: dict[str, np.ndarray]) -> Connection:
    """A connection with the weights of its node."""
    weights: Any = np.ascontiguousarray(np.asarray(graph.nodes[own.node].weight).T)
    if f"{own.node}_indptr" in kept:
        synapses = Sparse(*(np.asarray(kept[f"{own.node}_{what}"]) for what in Sparse._fields))
        changed = not np.array_equal(_dense(synapses, weights.shape), weights)
        rows, columns = np.nonzero(weights)
        ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(weights)))])
        weights = Sparse(ends, columns, weights[rows, columns]) if changed else synapses
    return Connection(weights=weights, **_fields(own, Connection, without="weights"))
