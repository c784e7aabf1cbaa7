"""Graphs of NIR: reading, flattening, and what each neuron receives as a sum over sources."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import nir
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..io.atomic import atomic_path
from ..spec import InputError
from ..spec.errors import first_line, require, require_kind
from .nir_linear import LINEAR, Shape, compose, transform
from .nir_neurons import GRADED, NEURONS, parameter_shape

POSSIBLE = (nir.Input, nir.Output, *NEURONS, *LINEAR, nir.Delay)
Terms = dict[tuple[str, float], Any]  # matrix (n_source, n) by source and delay in seconds; None: the identity


@dataclass(frozen=True)
class Signal:
    """What arrives somewhere: a sum over sources, each through a delay and a matrix, and a constant."""

    shape: Shape
    terms: Terms
    bias: np.ndarray  # (n,)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def write_graph(path: str | os.PathLike[str], graph: nir.NIRGraph) -> None:
    """Write a graph, atomically; by way of memory, since HDF5 crashes where there is no room left."""
    content = BytesIO()
    nir.write(content, graph)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_graph(graph_or_path: nir.NIRGraph | str | os.PathLike[str]) -> nir.NIRGraph:
    """A graph as it is, or from a file.

    Raises
    ------
    InputError
        For a file that is absent, damaged or no graph.
    """
    if isinstance(graph_or_path, nir.NIRNode):
        graph = graph_or_path
    else:
        require_kind("the graph", graph_or_path, str | os.PathLike, hint="a nir.NIRGraph, or its file")
        path = os.fspath(graph_or_path)
        require(os.path.isfile(path), f"there is no file {path!r}; give the path of a NIR graph")
        try:
            graph = nir.read(path, type_check=False)
        except Exception as error:  # h5py and nir raise whatever comes to hand on damaged files
            raise InputError(
                f"{path!r} is damaged or no NIR graph ({first_line(error)}); write it again with nir.write"
            ) from error
    require(isinstance(graph, nir.NIRGraph), f"{type(graph).__name__} is a single node; give a NIRGraph with an Input")
    return graph


def loops(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """For each node the number of the loop that it is in; a node that is in none has a number of its own."""
    index = {name: k for k, name in enumerate(names)}
    rows, columns = [index[pre] for pre, _ in edges], [index[post] for _, post in edges]
    joined = sparse.coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    _, loop = connected_components(joined, directed=True, connection="strong")
    return {name: int(loop[k]) for name, k in index.items()}


class Graph:
    """A graph without subgraphs.

    Attributes
    ----------
    nodes
        By name; those of a subgraph have its name and a dot in front.
    before
        Names of the nodes that lead to each node.
    neurons, inputs, outputs
        Names of the nodes that are populations, and of the graph's own Input and Output nodes.

    Raises
    ------
    InputError
        For nodes that neurofa has no equal of, and for edges that lead nowhere.
    """

    def __init__(self, graph: nir.NIRGraph) -> None:
        self.nodes: dict[str, nir.NIRNode] = {}
        self.before: dict[str, list[str]] = {}
        ends = self._add(graph, "")
        self.inputs, self.outputs = ends
        self.neurons = [name for name, node in self.nodes.items() if isinstance(node, NEURONS)]
        require(len(self.inputs) > 0, "the graph has no Input node; give one")
        require(len(self.neurons) + len(self.outputs) > 0, "the graph has neither neurons nor an Output node")
        self._shapes: dict[str, Shape] = {}
        self._signals: dict[str, Signal] = {}

    def _add(self, graph: nir.NIRGraph, prefix: str) -> tuple[list[str], list[str]]:
        """Add a graph's nodes and edges; names of its inputs and outputs."""
        entries: dict[str, list[str]] = {}
        exits: dict[str, list[str]] = {}
        inputs, outputs = [], []
        for own, node in graph.nodes.items():
            name = prefix + own
            if isinstance(node, nir.NIRGraph):
                entries[own], exits[own] = self._add(node, f"{name}.")
                continue
            if not isinstance(node, POSSIBLE):
                raise InputError(
                    f"node {name!r} is of type {type(node).__name__}, which neurofa cannot run; possible are "
                    f"{', '.join(kind.__name__ for kind in POSSIBLE)} and subgraphs of them"
                )
            require(name not in self.nodes, f"two nodes are called {name!r}; rename one")
            self.nodes[name], self.before[name] = node, []
            inputs += [name] if isinstance(node, nir.Input) else []
            outputs += [name] if isinstance(node, nir.Output) else []
            entries[own], exits[own] = [name], [name]
        for pre, post in dict.fromkeys((str(a), str(b)) for a, b in graph.edges):
            for end in (pre, post):
                require(end in entries, f"edge {pre!r} to {post!r}: there is no node {prefix + end!r}")
            for what, ports in (("outputs", exits[pre]), ("inputs", entries[post])):
                require(
                    len(ports) == 1,
                    f"edge {pre!r} to {post!r}: a subgraph has {len(ports)} {what}, and an edge does not say which; "
                    "give it one",
                )
            self.before[entries[post][0]].append(exits[pre][0])
        return inputs, outputs

    def who(self, name: str) -> str:
        """A node in messages."""
        return f"node {name!r} ({type(self.nodes[name]).__name__})"

    def shape(self, name: str) -> Shape:
        """Shape of what a node gives."""
        found = self._shape(name, ())
        require(
            found is not None,
            f"the number of values of {self.who(name)} cannot be found; give its parameters one value for each neuron",
        )
        assert found is not None
        return found

    def _shape(self, name: str, visiting: tuple[str, ...]) -> Shape | None:
        if name in self._shapes:
            return self._shapes[name]
        if name in visiting:
            return None
        node, found = self.nodes[name], None
        if name in self.inputs:
            given = np.asarray(next(iter(node.input_type.values())))
            require(given.dtype.kind in "iuf" and given.size > 0, f"{self.who(name)} has no shape; give one")
            found = tuple(int(n) for n in given.ravel())
            require(min(found) >= 1, f"{self.who(name)} has shape {found}; give positive numbers")
        elif isinstance(node, NEURONS) and math.prod(parameter_shape(name, node)) > 1:
            found = parameter_shape(name, node)
        else:
            shapes = (self._shape(pre, (*visiting, name)) for pre in self.before[name])
            into = next((shape for shape in shapes if shape is not None), None)
            if into is None and isinstance(node, nir.Affine | nir.Linear):
                found = (int(np.asarray(node.weight).shape[0]),)
            elif into is not None:
                found = transform(name, node, into).shape if isinstance(node, LINEAR) else into
        if found is not None:
            self._shapes[name] = found
        return found

    def into(self, name: str) -> Signal:
        """What arrives at a node: the sum of what its predecessors give."""
        before = self.before[name]
        require(len(before) > 0, f"nothing leads to {self.who(name)}; connect it, or leave it out")
        parts = [self.signal(pre) for pre in before]
        for pre, part in zip(before, parts, strict=True):
            require(
                part.size == parts[0].size,
                f"{self.who(name)} receives {part.size} values from {pre!r} and {parts[0].size} from {before[0]!r}",
            )
        if len(parts) == 1:
            return parts[0]
        terms: Terms = {}
        for part in parts:
            for key, matrix in part.terms.items():
                terms[key] = added(terms[key], matrix, part.size) if key in terms else matrix
        return Signal(parts[0].shape, terms, np.sum([part.bias for part in parts], axis=0))

    def of_spikes(self, name: str, arriving: Signal) -> Signal:
        """What arrives at a node, if it is made of spikes alone."""
        for source, _ in arriving.terms:
            if isinstance(self.nodes[source], GRADED):
                raise InputError(
                    f"{self.who(name)} takes the membrane of {source!r}, and populations of neurofa send spikes; "
                    "a node without a threshold can lead to an Output alone"
                )
        return arriving

    def signal(self, name: str, visiting: tuple[str, ...] = ()) -> Signal:
        """What a node gives."""
        if name not in self._signals:
            require(
                name not in visiting,
                f"{self.who(name)} is in a loop without neurons; put a neuron or take out an edge",
            )
            self._signals[name] = self._signal(name, (*visiting, name))
        return self._signals[name]

    def _signal(self, name: str, visiting: tuple[str, ...]) -> Signal:
        node = self.nodes[name]
        if name in self.inputs or isinstance(node, NEURONS):
            shape = self.shape(name)
            return Signal(shape, {(name, 0.0): None}, np.zeros(math.prod(shape)))
        for pre in self.before[name]:  # so that a loop is seen
            self.signal(pre, visiting)
        given = self.into(name)
        if isinstance(node, nir.Input | nir.Output):
            return given
        if isinstance(node, nir.Delay):
            return self._delayed(name, node, given)
        given = self.of_spikes(name, given)
        change = transform(name, node, given.shape)
        bias = given.bias if change.matrix is None else given.bias @ change.matrix
        if change.bias is not None:
            bias = bias + change.bias
        terms = {key: compose(matrix, change.matrix) for key, matrix in given.terms.items()}
        return Signal(change.shape, terms, np.asarray(bias, np.float64))

    def _delayed(self, name: str, node: nir.Delay, given: Signal) -> Signal:
        delays = np.asarray(node.delay, np.float64).ravel()
        good = delays.size in (1, given.size)
        require(good, f"{self.who(name)} has {delays.size} delays and receives {given.size} values")
        fits = bool(np.isfinite(delays).all()) and bool((delays >= 0).all())
        require(fits, f"{self.who(name)} has a delay that is negative or not finite")
        terms: Terms = {}
        for delay in np.unique(delays):
            passes = None
            if delays.size > 1 and (delays != delay).any():
                passes = sparse.diags_array((delays == delay).astype(np.float64)).tocsr()
            for (source, before), matrix in given.terms.items():
                terms[source, before + float(delay)] = compose(matrix, passes)
        return Signal(given.shape, terms, given.bias)


def added(first: Any, second: Any, size: int) -> Any:
    """The sum of two matrices; None is the identity of `size`."""
    first, second = (sparse.eye_array(size).tocsr() if matrix is None else matrix for matrix in (first, second))
    return first + second
