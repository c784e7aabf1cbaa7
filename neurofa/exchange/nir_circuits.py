"""Graphs of other simulators, in NIR, as circuits that `neurofa.Simulation` runs; docs/exchange.md says how."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from scipy import sparse

from ..engines.circuits import Circuit, Connection, Population
from ..spec import InputError, Neuron
from ..spec.errors import require_choice
from ..spec.neurons import RESETS
from ..spec.spiking import MAX_DELAY_TICKS
from ..spec.ticks import nearest_ticks, require_dt
from .nir_graphs import Graph, Signal, load_graph, loops
from .nir_neurons import METHODS, Group, groups_of, memoryless

DENSE = 0.25  # fraction of synapses from which a matrix is all-to-all


@dataclass(frozen=True, eq=False)
class ImportedCircuit:
    """A graph as a circuit.

    Parameters
    ----------
    circuit
        For `neurofa.Simulation`. Input nodes are external populations.
    nodes
        For each node that became populations: their names, and which of its values (flattened) each of them has.
    outputs
        By Output node, the name of the node in `nodes` that it shows.
    lags
        By population, ticks that it is behind a simulator that carries a spike through all nodes within one tick.
    """

    circuit: Circuit
    nodes: Mapping[str, tuple[tuple[str, np.ndarray], ...]]
    outputs: Mapping[str, str]
    lags: Mapping[str, int]


def from_nir(
    graph_or_path: nir.NIRGraph | str | os.PathLike[str],
    dt_ms: float = 1.0,
    *,
    reset: str | None = None,
    method: str = "exact",
) -> Circuit:
    """A graph of NIR as a circuit: `import_nir` without what it tells beside.

    Parameters
    ----------
    graph_or_path, dt_ms, reset, method
        As for `import_nir`.

    Returns
    -------
    Circuit
        For `neurofa.Simulation`; Input nodes are external populations.

    Raises
    ------
    InputError
        As `import_nir`.

    Examples
    --------
    >>> import nir
    >>> import numpy as np
    >>> import neurofa as nf
    >>> one = np.ones(1)
    >>> cell = nir.LIF(tau=0.02 * one, r=30 * one, v_leak=0 * one, v_threshold=one)
    >>> graph = nir.NIRGraph.from_list(nir.Input([2]), nir.Linear(np.array([[0.4, 0.9]])), cell, nir.Output([1]))
    >>> recording = nf.Simulation(from_nir(graph)).run(10.0, {"input": ([3], [1])}, (nf.Record("spikes", "lif"),))
    >>> recording.spikes["lif"][0].tolist()
    [3]
    """
    return import_nir(graph_or_path, dt_ms, reset=reset, method=method).circuit


def import_nir(
    graph_or_path: nir.NIRGraph | str | os.PathLike[str],
    dt_ms: float = 1.0,
    *,
    reset: str | None = None,
    method: str = "exact",
) -> ImportedCircuit:
    """A graph of NIR as a circuit, and where its nodes are in it.

    Parameters
    ----------
    graph_or_path
        The graph, or its file.
    dt_ms
        Length of a tick. (Exporters that count time in steps mean one step by NIR's second: 1000.)
    reset
        After a spike: ``zero`` (to `v_reset`, which is NIR's definition) or ``subtract`` (the threshold). None: as a
        node's metadata have it under ``reset``, and ``zero`` where they do not.
    method
        ``exact`` solves NIR's equations over a tick; ``euler`` makes the steps of simulators that use the forward Euler
        method, by neurons that decay as much.

    Returns
    -------
    ImportedCircuit

    Raises
    ------
    InputError
        For a file that cannot be read, and for nodes that have no equal here: names the node and its type.

    Notes
    -----
    NIR: Pedersen et al. 2024, Nature Communications 15:8122.
    """
    require_dt(dt_ms)
    require_choice("method", method, METHODS)
    if reset is not None:
        require_choice("reset", reset, RESETS)
    return _Importer(Graph(load_graph(graph_or_path)), dt_ms, reset, method).build()


class _Importer:
    """Populations and connections of one graph."""

    def __init__(self, graph: Graph, dt_ms: float, reset: str | None, method: str) -> None:
        self.graph, self.dt_ms, self.reset, self.method = graph, dt_ms, reset, method
        self.groups: dict[str, list[Group]] = {}
        self.into: dict[str, Signal] = {}
        self.outputs: dict[str, str] = {}

    def build(self) -> ImportedCircuit:
        """The circuit."""
        for name in self.graph.neurons:
            self.into[name] = self.graph.of_spikes(name, self.graph.into(name))
            size = self.into[name].size
            node = self.graph.nodes[name]
            self.groups[name] = groups_of(name, node, size, self.dt_ms, self.reset, self.method)
        for name in self.graph.outputs:
            self._show(name)
        self._find_lags()
        populations = [Population(name, math.prod(self.graph.shape(name))) for name in self.graph.inputs]
        self.places: dict[str, tuple[tuple[str, np.ndarray], ...]] = {}
        self.places |= {p.name: ((p.name, np.arange(p.size)),) for p in populations}
        lags = {p.name: 0 for p in populations}
        connections: list[Connection] = []
        biased: list[tuple[str, np.ndarray, int]] = []
        for name, groups in self.groups.items():
            names = [name] if len(groups) == 1 else [f"{name}[{k}]" for k in range(len(groups))]
            self.places[name] = tuple((own, group.units) for own, group in zip(names, groups, strict=True))
            for own, group in zip(names, groups, strict=True):
                bias = self.into[name].bias[group.units] * (1.0 if group.gain is None else group.gain)
                late = self.lags[name] > 0  # a drive would act before anything else can
                drive = 0.0 if late else float(bias[0]) if (bias == bias[0]).all() else bias
                populations.append(Population(own, len(group.units), group.neuron, drive=drive))
                lags[own] = self.lags[name]
                if late and bias.any():
                    biased.append((own, bias, self.lags[name]))
        for name in self.groups:
            connections += self._connections(name)
        if biased:
            taken = {p.name for p in populations}
            constant = next(n for n in ("bias", *(f"bias_{k}" for k in range(1 + len(taken)))) if n not in taken)
            every_tick = Neuron("if", v_threshold=0.5, reset="zero")
            populations.append(Population(constant, 1, every_tick, drive=1.0))
            connections += [Connection(constant, own, bias[None], ticks * self.dt_ms) for own, bias, ticks in biased]
            lags[constant] = 0
        circuit = Circuit(tuple(populations), tuple(connections), self.dt_ms)
        return ImportedCircuit(circuit, self.places, self.outputs, lags)

    def _show(self, name: str) -> None:
        """Find what an Output node shows, or make a population for it."""
        signal = self.graph.into(name)
        sources = list(signal.terms.items())
        if len(sources) == 1 and sources[0][1] is None and sources[0][0][1] == 0 and not signal.bias.any():
            self.outputs[name] = sources[0][0][0]
            return
        self.into[name] = self.graph.of_spikes(name, signal)
        self.groups[name] = [Group(np.arange(signal.size), memoryless(self.dt_ms), None)]
        self.outputs[name] = name

    def _find_lags(self) -> None:
        """Ticks that each population is behind, so that what meets in another simulator meets here too."""
        names = list(self.groups)
        edges = [(source, name) for name in names for source, _ in self.into[name].terms if source in self.groups]
        self.loop = loops(names, edges)
        behind = np.zeros(len(names), np.int64)  # by loop
        changed = True
        while changed:
            changed = False
            for pre, post in edges:
                a, b = self.loop[pre], self.loop[post]
                if a != b and behind[b] <= behind[a]:
                    behind[b], changed = behind[a] + 1, True
        self.lags = {name: int(behind[self.loop[name]]) for name in names}

    def _ticks(self, source: str, name: str, delay_s: float) -> int:
        """Delay of a projection."""
        extra = nearest_ticks(1000 * delay_s, self.dt_ms)
        if source in self.graph.inputs:
            ticks = self.lags[name] + 1 + extra
        elif self.loop[source] == self.loop[name]:
            ticks = max(1, extra)
        else:
            ticks = self.lags[name] - self.lags[source] + extra
        if ticks > MAX_DELAY_TICKS:
            raise InputError(
                f"from {source!r} to {self.graph.who(name)} there are {ticks} ticks of delay; at most "
                f"{MAX_DELAY_TICKS} are possible, so give a longer dt_ms"
            )
        return ticks

    def _connections(self, name: str) -> list[Connection]:
        """Everything that arrives at a node's populations."""
        matrices: dict[tuple[str, int], Any] = {}
        signal = self.into[name]
        for (source, delay_s), matrix in signal.terms.items():
            key = source, self._ticks(source, name, delay_s)
            whole = sparse.eye_array(signal.size).tocsr() if matrix is None else matrix
            matrices[key] = matrices[key] + whole if key in matrices else whole
        found = []
        several = {source for source, _ in matrices if sum(source == other for other, _ in matrices) > 1}
        for (source, ticks), matrix in matrices.items():
            for pre, rows in self.places[source]:
                for (post, columns), group in zip(self.places[name], self.groups[name], strict=True):
                    weights = _as_weights(_part(matrix, rows, columns), group.gain)
                    if weights is not None:
                        label = f"{pre}->{post}" + (f" after {ticks} ticks" if source in several else "")
                        found.append(Connection(pre, post, weights, ticks * self.dt_ms, name=label))
        return found


def _part(matrix: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """Some rows and columns, which ascend."""
    if len(rows) == matrix.shape[0] and len(columns) == matrix.shape[1]:
        return matrix
    return matrix[rows][:, columns]


def _as_weights(matrix: Any, gain: np.ndarray | None) -> Any:
    """A matrix as a dense or a sparse connection takes it; None if there is no synapse."""
    if gain is not None:
        matrix = matrix @ sparse.diags_array(gain) if sparse.issparse(matrix) else matrix * gain
    if sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix)
        matrix.eliminate_zeros()
        n = matrix.nnz
    else:
        n = int(np.count_nonzero(matrix))
    if n == 0:
        return None
    if n >= DENSE * math.prod(matrix.shape):
        return matrix.toarray() if sparse.issparse(matrix) else np.ascontiguousarray(matrix)
    return matrix if sparse.issparse(matrix) else sparse.csr_array(matrix)
