"""Graphs that other simulators exported do here what their networks did there (make_nir_reference.py)."""

import json
from pathlib import Path

import nir
import numpy as np
import pytest

import neurofa as nf
from neurofa.exchange import import_nir

GRAPHS = Path(__file__).parent / "graphs"
SNNTORCH = {"dt_ms": 0.1, "method": "euler"}
NORSE = {"dt_ms": 0.001, "method": "euler"}
STEPS = {"dt_ms": 1000}


def exported(simulator, name, tmp_path):
    """A network's file, its input (ticks, n), and by node what the simulator's layer gave: spikes (or None) and v."""
    with np.load(GRAPHS / f"{simulator}.npz") as arrays:
        own = {key.removeprefix(f"{name}."): arrays[key] for key in arrays if key.startswith(f"{name}.")}
    path = tmp_path / f"{name}.nir"
    path.write_bytes(own.pop("nir").tobytes())
    table = own.pop("input")
    rows = {key: values.reshape(len(table), -1) for key, values in own.items()}
    nodes = {key.removesuffix(".v"): v for key, v in rows.items() if key.endswith(".v")}
    return path, table.reshape(len(table), -1), {node: (rows.get(f"{node}.spikes"), v) for node, v in nodes.items()}


def run(imported, table):
    """By node, spikes and membranes (ticks, n) in the ticks of a simulator without lags."""
    n_ticks, dt_ms, most = len(table), imported.circuit.dt_ms, max(imported.lags.values())
    own = [p.name for p in imported.circuit.populations if p.neuron is not None]
    recording = nf.Simulation(imported.circuit, "float64").run(
        (n_ticks + most) * dt_ms,
        {"input": np.nonzero(table)},
        [nf.Record(variable, name) for variable in ("spikes", "v") for name in own],
    )
    found = {}
    for node, places in imported.nodes.items():
        if places[0][0] not in own:
            continue
        size = sum(len(units) for _, units in places)
        spikes, v = np.zeros((n_ticks + most, size)), np.zeros((n_ticks, size))
        for population, units in places:
            lag = imported.lags[population]
            ticks, which = recording.spikes[population]
            spikes[ticks, units[which]] = 1
            v[:, units] = recording.traces["v", population].values[lag : lag + n_ticks]
        found[node] = spikes[lag : lag + n_ticks], v
    return found


def compare(imported, table, expected, only_silent=False):
    """The same spikes, and membranes within single precision, `only_silent`: of neurons that did not spike."""
    found = run(imported, table)
    assert expected.keys() == found.keys() - imported.outputs.keys()
    for node, (spikes, v) in expected.items():
        if spikes is None:
            assert not found[node][0].any()
        else:
            np.testing.assert_array_equal(found[node][0], spikes, err_msg=node)
            assert spikes.sum() > 20
        ours = np.where(spikes == 0, found[node][1], v) if only_silent else found[node][1]
        np.testing.assert_allclose(ours, v, rtol=0, atol=1e-6 * abs(v).max(), err_msg=node)


@pytest.mark.parametrize(
    ("simulator", "name", "options"),
    [
        ("snntorch", "leaky", SNNTORCH),
        ("snntorch", "leaky_subtract", {**SNNTORCH, "reset": "subtract"}),
        ("snntorch", "synaptic", SNNTORCH),
        ("snntorch", "rleaky", SNNTORCH),
        ("snntorch", "rsynaptic", SNNTORCH),
        ("snntorch", "convolution", SNNTORCH),
        ("norse", "box", NORSE),
        ("norse", "box_convolution", NORSE),
        ("norse", "iaf", STEPS),
        ("sinabs", "convolution", {**STEPS, "reset": "subtract"}),
        ("sinabs", "lif", STEPS),
        ("sinabs", "lif_subtract", {**STEPS, "reset": "subtract"}),
    ],
)
def test_exported_networks_do_here_what_they_did_there(simulator, name, options, tmp_path):
    path, table, expected = exported(simulator, name, tmp_path)
    compare(import_nir(path, **options), table, expected)


def test_a_delayed_reset_of_snntorch_to_zero_gives_the_same_spikes(tmp_path):
    path, table, expected = exported("snntorch", "leaky_delayed", tmp_path)
    compare(import_nir(path, **SNNTORCH), table, expected, only_silent=True)


def test_a_subtraction_in_snntorch_is_ours_while_one_is_enough(tmp_path):
    # with a membrane of two thresholds or more it subtracts the second at the next step
    _, _, expected = exported("snntorch", "leaky_subtract", tmp_path)
    assert all(v.max() < 1 for _, v in expected.values())


def current_gain(node, dt):
    """What a unit of w_in adds to the membrane in the tick of a spike: the exact solution of CubaLIF."""
    d_m, d_s = np.exp(-dt / node.tau_mem), np.exp(-dt / node.tau_syn)
    return node.r * dt * (d_m - d_s) / (node.tau_mem - node.tau_syn)


@pytest.mark.parametrize(
    ("simulator", "options", "w_in"),
    [
        ("norse", NORSE, lambda node: node.tau_syn / 1e-6),
        (
            "rockpool",
            {"dt_ms": 1.0, "reset": "subtract"},
            lambda node: np.exp(-1e-3 / node.tau_syn) / current_gain(node, 1e-3),
        ),
    ],
)
def test_graphs_without_the_gain_of_the_current_are_equal_once_it_is_set(simulator, options, w_in, tmp_path):
    path, table, expected = exported(simulator, "lif", tmp_path)
    graph = nir.read(path, type_check=False)
    unset = run(import_nir(graph, **options), table)
    for name, node in graph.nodes.items():
        if isinstance(node, nir.CubaLIF):
            assert (node.w_in == 1).all()
            assert not np.allclose(unset[name][1], expected[name][1], atol=0.1)
            for field in ("tau_mem", "tau_syn", "r"):
                setattr(node, field, getattr(node, field).astype(np.float64))
            node.w_in = w_in(node)
    compare(import_nir(graph, **options), table, expected)


def test_a_sample_with_its_batch_gives_the_input_a_dimension_more(tmp_path):
    # Norse writes the shape of the sample that it was given, which is often a batch of one
    path, table, expected = exported("norse", "box_convolution", tmp_path)
    graph = nir.read(path, type_check=False)
    graph.nodes["input"] = nir.Input(np.array([1, 1, 6, 6]))
    compare(import_nir(graph, **NORSE), table, expected)
    graph.nodes["input"] = nir.Input(np.array([2, 1, 6, 6]))
    with pytest.raises(nf.InputError, match=r"node '0' \(Conv2d\) takes signals of shape \(channels, y, x\)"):
        import_nir(graph, **NORSE)


def test_a_layer_that_the_exporter_left_out_is_named(tmp_path):
    # exporters put None for what they do not know, as Norse's and snnTorch's do
    path, _, _ = exported("norse", "box", tmp_path)
    graph = nir.read(path, type_check=False)
    graph.nodes["1"] = None
    with pytest.raises(nf.InputError, match="node '1' is of type NoneType, which neurofa cannot run") as caught:
        import_nir(graph, **NORSE)
    assert "\n" not in str(caught.value)


def test_the_references_tell_the_versions_that_made_them():
    for simulator in ("snntorch", "norse", "sinabs", "rockpool"):
        with np.load(GRAPHS / f"{simulator}.npz") as arrays:
            assert {simulator, "nir", "nirtorch", "torch"} == json.loads(str(arrays["versions"])).keys()
