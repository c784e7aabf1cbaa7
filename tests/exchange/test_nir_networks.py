"""Networks that learn, written as NIR: nothing is lost, and other simulators can run the forward graph."""

import math
from dataclasses import replace

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nir import run as run_naively
from naive_nir import spike_table

import neurofa as nf
from neurofa.engines.learner import circuit_of
from neurofa.exchange import beyond_nir, from_nir, import_nir, read_nir, to_nir, write_nir
from neurofa.rules import DFA, DRTP, FA, NP_DFA
from neurofa.spec.hardware import Hardware, Levels

N_TICKS = 50


def network(sizes=(6, 5, 4, 3), **layer):
    return nf.Network.dense(sizes, **layer)


def drawn(net, rule=DFA, seed=0, precision="float32"):
    return nf.lower(net, rule, seed, precision=precision).params


NEURONS = {
    "if": nf.Neuron("if", r=0.7, v_threshold=0.5, v_reset=-0.1, reset="zero"),
    "lif": nf.Neuron("lif", tau_m_ms=9.0, r=1.3, v_leak=0.1, v_threshold=0.6, v_reset=0.05, reset="zero"),
    "cuba_lif": nf.Neuron("cuba_lif", tau_m_ms=9.0, tau_syn_ms=4.0, r=3.0, v_leak=0.1, v_threshold=0.6, reset="zero"),
    "subtract": nf.Neuron("lif", v_threshold=0.6),
}


@pytest.mark.parametrize("delay_ms", [1.0, (2.0, 1.5, 0.5)])
@pytest.mark.parametrize("kind", NEURONS)
def test_a_reader_that_solves_nir_exactly_has_our_membranes(kind, delay_ms):
    net, spiking = network(bias=False), nf.Spiking(dt_ms=0.5, neuron=NEURONS[kind], delay_ms=delay_ms)
    plan = nf.lower(net, DFA, 3, precision="float64")
    for key in plan.params:
        plan.params[key][...] += 0.2
    graph = to_nir(net, plan.params, spiking=spiking)
    table, events = spike_table(np.random.default_rng(1), N_TICKS, 6, 0.5)
    out, membranes = run_naively(graph, {"input": table}, 0.0005, reset=spiking.neuron.reset)
    names = [f"layers.{index}" for index in range(3)]
    recording = nf.Simulation(circuit_of(plan, spiking), "float64").run(
        (N_TICKS + 2) * 0.5, {"input": events}, [nf.Record(what, name) for what in ("v", "spikes") for name in names]
    )
    for lag, name in enumerate(names):
        values = recording.traces["v", name].values[lag : lag + N_TICKS]
        np.testing.assert_allclose(values, membranes[f"layer_{lag}"], atol=1e-7)
        ticks, units = recording.spikes[name]
        spikes = np.zeros((N_TICKS + 2, len(values[0])))
        spikes[ticks, units] = 1
        np.testing.assert_array_equal(spikes[lag : lag + N_TICKS], out[f"layer_{lag}"])
        assert spikes.sum() > 5


def test_the_forward_graph_comes_back_as_a_circuit():
    net, spiking = network(), nf.Spiking(neuron=NEURONS["cuba_lif"], output_neuron=NEURONS["subtract"])
    params = drawn(net)
    graph = to_nir(net, params, spiking=spiking)
    circuit = from_nir(graph)
    for index in range(3):
        name = f"layer_{index}"
        got, put = circuit.population(name).neuron, NEURONS["subtract" if index == 2 else "cuba_lif"]
        assert (got.model, got.reset) == (put.model, put.reset)
        assert np.float32(got.v_threshold) == np.float32(put.v_threshold)
        for field in ("tau_m_ms", "r", "v_leak") + (("tau_syn_ms",) if put.model == "cuba_lif" else ()):
            assert getattr(got, field) == pytest.approx(getattr(put, field), rel=1e-14)
        biases = {c.post: c.weights[0] for c in circuit.connections if c.pre == "bias"}
        bias = biases[name] if index else circuit.population(name).drive  # a drive where it acts from the first tick
        np.testing.assert_allclose(bias, 0.25 * params[f"layers.{index}.b"], rtol=1e-6)
        assert import_nir(graph).lags[name] == index
    np.testing.assert_array_equal(circuit.connections[0].weights, params["layers.0.W"])


def test_shapes_and_types_are_those_of_nir():
    net = network()
    graph = to_nir(net, drawn(net), spiking=nf.Spiking(delay_ms=(1.0, 3.0, 1.0)))
    kinds = ["Input", "Affine", "LIF", "Delay", "Affine", "LIF", "Affine", "LIF", "Output"]
    assert [type(node).__name__ for node in graph.nodes.values()] == kinds
    assert graph.nodes["weight_1"].weight.shape == (4, 5)
    assert graph.nodes["delay_1"].delay.tolist() == [0.002] * 5
    assert graph.check_types()
    assert graph.nodes["layer_0"].tau.tolist() == [0.02] * 5
    assert graph.nodes["layer_0"].r[0] == pytest.approx(1 / (1 - math.exp(-1 / 20)))


def same(got, net, rule, spiking, hardware, params):
    assert (got.network, got.rule, got.spiking, got.hardware) == (net, rule, spiking, hardware)
    assert set(got.params) == set(params)
    for key, value in params.items():
        assert got.params[key].dtype == value.dtype
        np.testing.assert_array_equal(got.params[key], value)


positive = st.floats(1e-3, 1e3, allow_subnormal=False)


@st.composite
def descriptions(draw):
    n_layers = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.integers(1, 5), min_size=n_layers + 1, max_size=n_layers + 1))
    layers = tuple(
        nf.Layer(
            n, "tanh" if k < n_layers - 1 else "sigmoid", bias=draw(st.booleans()), dropout=draw(st.floats(0, 0.9))
        )
        for k, n in enumerate(sizes[1:])
    )
    net = nf.Network(sizes[0], layers)
    neuron = nf.Neuron(
        draw(st.sampled_from(["if", "lif", "cuba_lif"])),
        tau_m_ms=draw(positive),
        tau_syn_ms=draw(positive),
        r=draw(positive),
        v_leak=draw(st.floats(-1, 0)),
        v_threshold=draw(positive),
        v_reset=draw(st.floats(-5, -1)),
        reset=draw(st.sampled_from(["zero", "subtract"])),
        refractory_ms=draw(st.floats(0, 5)),
        threshold_step=draw(st.floats(0, 5)),
    )
    spiking = nf.Spiking(
        neuron=neuron,
        output_neuron=draw(st.sampled_from([None, nf.Neuron("if")])),
        delay_ms=draw(st.sampled_from([1.0, 4.0, tuple(1.0 + k for k in range(n_layers))])),
        encoder=nf.Encoder("poisson", max_rate_hz=draw(st.floats(1, 1000))),
        tau_pre_ms=draw(st.sampled_from([math.inf, 12.5])),
        homeostasis=draw(st.sampled_from([None, nf.Homeostasis(20.0)])),
    )
    rule = draw(st.sampled_from([None, FA, DRTP, NP_DFA, replace(FA, name="inf")]))
    hardware = draw(st.sampled_from([None, "loihi", Hardware("mine", weights=Levels(-8, 7, rounding="stochastic"))]))
    params = drawn(net, rule or FA, draw(st.integers(0, 99)), draw(st.sampled_from(["float32", "float64"])))
    return net, rule, spiking, hardware, params


@given(descriptions())
@settings(max_examples=30)
def test_a_round_trip_loses_nothing(tmp_path_factory, description):
    net, rule, spiking, hardware, params = description
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    write_nir(path, net, params, rule=rule, spiking=spiking, hardware=hardware)
    same(read_nir(path), *description)
    same(read_nir(to_nir(net, params, rule=rule, spiking=spiking, hardware=hardware)), *description)
    nir.read(path)  # which checks all types


def test_a_model_gives_what_it_has_for_the_rule(tmp_path):
    model = nf.load_model("digits")
    net, _, rule = model.for_rule(DRTP)
    params = drawn(net, rule)
    write_nir(tmp_path / "digits.nir", model, params, rule=DRTP)
    same(read_nir(tmp_path / "digits.nir"), net, rule, model.spiking_for(DRTP), None, params)
    assert read_nir(to_nir(model, params)).spiking == model.spiking


def test_what_another_tool_changed_arrives():
    net = network()
    params = drawn(net)
    graph = to_nir(net, params)
    graph.nodes["weight_0"].weight = graph.nodes["weight_0"].weight + np.float32(0.5)
    graph.nodes["weight_1"].bias = graph.nodes["weight_1"].bias * np.float32(2)
    got = read_nir(graph).params
    np.testing.assert_array_equal(got["layers.0.W"], params["layers.0.W"] + np.float32(0.5))
    np.testing.assert_allclose(got["layers.1.b"], 2 * params["layers.1.b"], rtol=1e-6)
    np.testing.assert_array_equal(got["layers.2.b"], params["layers.2.b"])


def test_what_nir_cannot_say_is_told():
    plain = nf.Spiking(neuron=nf.Neuron("lif", reset="zero"))
    assert beyond_nir(network(bias=False), plain) == []
    fancy = replace(plain, neuron=nf.Neuron("cuba_lif", refractory_ms=2.0, threshold_step=0.1), transmission=0.5)
    said = " ".join(beyond_nir(network(), fancy, "loihi"))
    for word in ("subtracts", "refractory", "adapt", "bias", "transmission", "hardware", "beginning of its tick"):
        assert word in said


def test_refusals(tmp_path):
    net = network()
    params = drawn(net)
    for broken, match in (
        ({k: v for k, v in params.items() if k != "layers.1.W"}, "layers.1.W is missing"),
        (params | {"layers.0.b": np.zeros(2)}, "layers.0.b has shape"),
        (params | {"layers.7.W": np.zeros((2, 2))}, "'layers.7.W' is none"),
        (params | {"layers.0.W": np.full((6, 5), np.nan)}, "layers.0.W is NaN"),
        (params | {"layers.0.B": np.zeros((9, 5))}, "layers.0.B has shape"),
    ):
        with pytest.raises(nf.InputError, match=match):
            to_nir(net, broken)
    with pytest.raises(nf.InputError, match="hardware is a dict"):
        to_nir(net, params, hardware={"name": "x"})
    foreign = nir.NIRGraph.from_list(nir.Input([1]), nir.Linear(np.ones((1, 1))), nir.Output([1]))
    with pytest.raises(nf.InputError, match="from_nir runs graphs"):
        read_nir(foreign)
    damaged = to_nir(net, params)
    del damaged.nodes["weight_1"]
    with pytest.raises(nf.InputError, match="does not fit its description"):
        read_nir(damaged)
    damaged = to_nir(net, params)
    damaged.metadata["network"] = damaged.metadata["network"].replace('"units":5', '"units":0')
    with pytest.raises(nf.InputError, match=r"network\.layers"):
        read_nir(damaged)
    target = tmp_path / "kept.nir"
    write_nir(target, net, params)
    before = target.read_bytes()
    with pytest.raises(nf.InputError):
        write_nir(target, net, {})
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]
    target.write_bytes(before[: len(before) // 2])
    with pytest.raises(nf.InputError, match="damaged or no NIR graph"):
        read_nir(target)
