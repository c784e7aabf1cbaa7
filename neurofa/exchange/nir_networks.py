"""Networks that learn, in NIR: the forward graph for any reader, and all the rest for neurofa.

docs/exchange.md has the formulas, and what NIR has no words for.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import nir
import numpy as np

from ..io.descriptions import as_text, read_texts
from ..rules import Params, require_all, shapes_of
from ..spec import InputError, Model, Network, Neuron, Rule, Spiking, settings_for
from ..spec.errors import require
from ..spec.hardware import Hardware
from .nir_graphs import load_graph, write_graph
from .nir_neurons import node_of

FORMAT = "neurofa 1"


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What a NIR file of neurofa holds.

    Parameters
    ----------
    network, rule, spiking
        As they were written; `rule` is None if none was given.
    hardware
        The description, or its name, or None.
    params
        ``layers.l.W``, ``.b`` and ``.B``, shapes as in docs/conventions.md.
    """

    network: Network
    rule: Rule | None
    spiking: Spiking
    hardware: Hardware | str | None
    params: Params


def to_nir(
    model_or_network: Model | Network,
    params: Mapping[str, np.ndarray],
    *,
    rule: Rule | None = None,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> nir.NIRGraph:
    """A network as a graph of NIR: Input, then Affine (or Linear) and neurons for each layer, then Output.

    Parameters
    ----------
    model_or_network
        Of a model, the network and spiking mode are those for `rule`.
    params
        ``layers.l.W`` (n_pre, n_post), ``layers.l.b``, ``layers.l.B``, as in `Run.params`.
    rule
        What the network learns by; kept beside the graph.
    spiking
        How it runs on spikes; the model's if None, and neurofa's defaults for a bare network.
    hardware
        A description or its name; kept beside the graph.

    Returns
    -------
    nir.NIRGraph
        Weights are (n_post, n_pre), times are in seconds. Its metadata hold B and all descriptions, so that
        `read_nir` gives everything back exactly.

    Raises
    ------
    InputError
        For parameters that are missing, unknown or of another shape.
    """
    network, rule, spiking = _parts(model_or_network, rule, spiking)
    values = _checked(network, params)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([network.inputs]))}
    delays = spiking.delays(len(network.layers))
    kept = {key.replace(".", "_"): value for key, value in values.items() if not key.endswith(".W")}
    for index, layer in enumerate(network.layers):
        if delays[index] > 1:  # the first tick is the one that every projection takes
            seconds = (delays[index] - 1) * spiking.dt_ms / 1000
            nodes[f"delay_{index}"] = nir.Delay(np.full(network.sizes[index], seconds))
        weight = np.ascontiguousarray(values[f"layers.{index}.W"].T)
        nodes[f"weight_{index}"] = (
            nir.Affine(weight, _current(values[f"layers.{index}.b"], spiking)) if layer.bias else nir.Linear(weight)
        )
        last = index == len(network.layers) - 1
        neuron = spiking.output_neuron if last and spiking.output_neuron is not None else spiking.neuron
        nodes[f"layer_{index}"] = node_of(neuron, layer.units, spiking.dt_ms)
    nodes["output"] = nir.Output(np.array([network.sizes[-1]]))
    given = {"network": network, "rule": rule, "spiking": spiking, "hardware": hardware}
    described = {name: as_text(name, value) for name, value in given.items() if value is not None}
    names = list(nodes)
    metadata = {"format": FORMAT, **described, **({"params": kept} if kept else {})}
    return nir.NIRGraph(nodes, list(pairwise(names)), metadata=metadata)


def write_nir(
    path: str | os.PathLike[str],
    model_or_network: Model | Network,
    params: Mapping[str, np.ndarray],
    *,
    rule: Rule | None = None,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> None:
    """Write `to_nir`'s graph to a file, completely or not at all.

    Parameters
    ----------
    path
        Of the file (HDF5, whatever its suffix); missing folders are made.
    model_or_network, params, rule, spiking, hardware
        As for `to_nir`.

    Raises
    ------
    InputError
        As `to_nir`, and where the file cannot be written.
    """
    graph = to_nir(model_or_network, params, rule=rule, spiking=spiking, hardware=hardware)
    write_graph(path, graph)


def read_nir(graph_or_path: nir.NIRGraph | str | os.PathLike[str]) -> Exchanged:
    """Give back what `to_nir` or `write_nir` was given.

    Parameters
    ----------
    graph_or_path
        The graph, or its file.

    Returns
    -------
    Exchanged
        W is read from the forward graph, so that weights that another tool has changed arrive; so is b, unless it is
        as it was written.

    Raises
    ------
    InputError
        For a file that cannot be read, and a graph that neurofa did not write.
    """
    graph = load_graph(graph_or_path)
    label = "the graph" if isinstance(graph_or_path, nir.NIRNode) else os.fspath(graph_or_path)
    metadata = graph.metadata
    require(
        metadata.get("format") == FORMAT,
        f"{label} has no description of neurofa in it; neurofa.exchange.from_nir runs graphs of other simulators",
    )
    require("circuit" not in metadata, f"{label} is a circuit; neurofa.exchange.read_circuit gives it back")
    found = read_texts(metadata, str(label))
    for name in ("network", "spiking"):
        require(found[name] is not None, f"{label}: {name} is missing from the description; write the file again")
    network, spiking = found["network"], found["spiking"]
    try:
        params = _read_params(graph, network, spiking)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{label}: the graph does not fit its description ({type(error).__name__} {error}); write the file again"
        ) from error
    return Exchanged(network, found["rule"], spiking, found["hardware"], _checked(network, params))


def beyond_nir(network: Network, spiking: Spiking, hardware: Hardware | str | None = None) -> list[str]:
    """What a forward graph does not tell other simulators; neurofa itself reads everything back.

    Parameters
    ----------
    network, spiking, hardware
        What the graph was made of, as for `to_nir`.

    Returns
    -------
    list of str
        A clause each; empty if the graph tells everything.
    """
    said = beyond_neurons([spiking.neuron, spiking.output_neuron or spiking.neuron], spiking.transmission)
    if any(layer.bias for layer in network.layers):
        said.append("a bias is a constant current and not a neuron that spikes at the encoder's peak rate")
    if hardware is not None:
        said.append("neurons work in full precision; the hardware's levels are in the weights alone")
    return said


def beyond_neurons(neurons: Sequence[Neuron], transmission: float) -> list[str]:
    """What the nodes of neurons, and of synapses with a probability of transmission, do not tell other simulators."""
    said = []
    if any(n.reset == "subtract" for n in neurons):
        said.append("a spike subtracts the threshold; NIR has a reset to v_reset alone (the node's metadata say which)")
    if any(n.refractory_ms > 0 for n in neurons):
        said.append("the refractory period is left out, which NIR does not have")
    if any(n.threshold_step > 0 for n in neurons):
        said.append("thresholds do not adapt, which NIR does not have")
    if any(n.model == "cuba_lif" for n in neurons):
        said.append("a spike's current is due at the beginning of its tick, which readers may spread over the tick")
    if transmission < 1:
        said.append("every synapse passes on every spike; NIR has no probability of transmission")
    return said


def _parts(given: Model | Network, rule: Rule | None, spiking: Spiking | None) -> tuple[Network, Rule | None, Spiking]:
    """Network, rule and spiking mode, a model's own settings for the rule in place."""
    if isinstance(given, Network):
        return given, rule, spiking or Spiking()
    require(isinstance(given, Model), f"to_nir takes a Model or a Network, not a {type(given).__name__}")
    if rule is None:
        return given.network, None, spiking or given.spiking
    network, _, rule, chosen = settings_for(given, rule, spiking)
    return network, rule, chosen


def _checked(network: Network, params: Mapping[str, np.ndarray]) -> Params:
    """Parameters of the shapes that the network needs, as they are."""
    require_all(network, params)
    values = {key: np.asarray(params[key]) for key in shapes_of(network)}
    for key, shape in shapes_of(network).items():
        require(values[key].shape == shape, f"{key} has shape {values[key].shape}; the network needs {shape}")
    for index, layer in enumerate(network.layers[:-1]):
        key = f"layers.{index}.B"
        if key in params:
            values[key] = np.asarray(params[key])
            sources = network.sizes[index + 2 :]
            fits = values[key].ndim == 2 and values[key].shape[1] == layer.units and len(values[key]) in sources
            require(fits, f"{key} has shape {values[key].shape}; the network needs (n_source, {layer.units})")
    unknown = sorted(set(params) - set(values))
    if unknown:
        raise InputError(f"parameter {unknown[0]!r} is none of this network's; leave it out")
    for key, value in values.items():
        require(value.dtype.kind == "f", f"{key} is of type {value.dtype}; give floating-point numbers")
        require(bool(np.isfinite(value).all()), f"{key} is NaN or infinite somewhere; give finite numbers")
    return values


def _current(b: np.ndarray, spiking: Spiking) -> np.ndarray:
    """A bias as a constant current: times the spikes a tick of the bias neuron."""
    return (b * b.dtype.type(spiking.peak)).astype(b.dtype)


def _read_params(graph: nir.NIRGraph, network: Network, spiking: Spiking) -> Params:
    kept = graph.metadata.get("params", {})
    params = {}
    for index, layer in enumerate(network.layers):
        node = graph.nodes[f"weight_{index}"]
        params[f"layers.{index}.W"] = np.ascontiguousarray(np.asarray(node.weight).T)
        if layer.bias:
            b, bias = kept[f"layers_{index}_b"], np.asarray(node.bias)
            params[f"layers.{index}.b"] = b if np.array_equal(bias, _current(b, spiking)) else bias / spiking.peak
        if f"layers_{index}_B" in kept:
            params[f"layers.{index}.B"] = kept[f"layers_{index}_B"]
    return params
