"""Circuits written as NIR: nothing is lost, and a reader of the graph has the same spikes."""

import os
from dataclasses import fields, replace

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nir import run as run_naively
from naive_nir import spike_table
from scipy import sparse

import neurofa as nf
from neurofa.exchange import (
    beyond_circuit,
    circuit_to_nir,
    from_nir,
    import_nir,
    read_circuit,
    read_nir,
    to_nir,
    write_circuit,
)
from neurofa.rules import DFA, Integers
from neurofa.spec.neurons import RESETS

N_TICKS = 40
NEURONS = (
    nf.Neuron("if", r=0.7, v_threshold=0.5, v_reset=-0.125, reset="zero"),
    nf.Neuron("lif", tau_m_ms=9.0, r=1.3, v_leak=0.1, v_threshold=0.625, reset="zero"),
    nf.Neuron("lif", tau_m_ms=15.0, v_threshold=0.5, reset="subtract"),
    nf.Neuron("cuba_lif", tau_m_ms=9.0, tau_syn_ms=4.0, r=3.0, v_leak=0.1, v_threshold=0.625, reset="zero"),
)
INTEGERS = Integers(0.5, 2.0**23, 1.0, float("inf"), 0.5, 0.75, 0.5, 64.0, 0.0, True, True)


# ---------------------------------------------------------------------------- what a reader of the graph computes


@st.composite
def circuits(draw):
    """Populations joined at random, with loops, several ways between two and neurons that nothing leads to."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = [f"p{k}" for k in range(draw(st.integers(1, 5)))]
    sizes = [int(n) for n in rng.integers(1, 5, len(names))]
    populations = [nf.Population("in", 4)]
    populations += [nf.Population(name, n, NEURONS[rng.integers(4)]) for name, n in zip(names, sizes, strict=True)]
    ways = st.tuples(st.sampled_from(["in", *names]), st.sampled_from(names), st.integers(1, 4))
    connections = []
    for number, (pre, post, ticks) in enumerate(draw(st.lists(ways, min_size=1, max_size=9))):
        shape = next(p.size for p in populations if p.name == pre), next(p.size for p in populations if p.name == post)
        weights = rng.normal(0.2, 0.6, shape)
        if draw(st.booleans()):
            weights = sparse.csr_array(weights * (rng.random(shape) < 0.5))
        connections.append(nf.Connection(pre, post, weights, 0.5 * ticks, name=f"way {number}"))
    reached = {c.post for c in connections}
    populations = [
        replace(p, drive=draw(st.sampled_from([0.2, rng.uniform(0, 0.3, p.size)])))
        if p.neuron and (p.name not in reached) and draw(st.booleans())
        else p
        for p in populations
    ]
    return nf.Circuit(tuple(populations), tuple(connections), dt_ms=0.5)


def depths(circuit):
    """Ticks that populations are behind: the fewest projections from an Input or a source, loops counted as one."""
    reach = {n: {n} for n in circuit.names}
    for _ in circuit.names:
        for c in circuit.connections:
            reach[c.pre] |= reach[c.post]
    loop = {n: frozenset(m for m in reach[n] if n in reach[m]) for n in circuit.names}
    ways = {(loop[c.pre], loop[c.post]) for c in circuit.connections if loop[c.pre] != loop[c.post]}

    def depth(own):
        if any(circuit.population(n).neuron is None for n in own):
            return -1
        return min((depth(a) + 1 for a, b in ways if b == own), default=0)

    return {n: depth(loop[n]) for n in circuit.names}


def events(circuit, seed=0):
    return spike_table(np.random.default_rng(seed), N_TICKS, 4, 0.4)


def recorded(circuit, given, n_ticks, names):
    """Spikes (ticks, neurons) and membranes by population."""
    wanted = [nf.Record(what, name) for what in ("spikes", "v") for name in names]
    recording = nf.Simulation(circuit, "float64").run(n_ticks * circuit.dt_ms, given, wanted)
    found = {}
    for name in names:
        v = recording.traces["v", name].values
        spikes = np.zeros(v.shape)
        spikes[recording.spikes[name]] = 1
        found[name] = spikes, v
    return found


seen = []


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(circuits())
def compare_with_the_importer(circuit):
    _, given = events(circuit)
    names = [p.name for p in circuit.populations if p.neuron is not None]
    imported = import_nir(circuit_to_nir(circuit), circuit.dt_ms)
    depth, most = depths(circuit), 9
    ours = recorded(circuit, {"in": given}, N_TICKS + most, names)
    theirs = recorded(imported.circuit, {"in": given}, N_TICKS + 2 * most, names)
    for name in names:
        late = imported.lags[name] - depth[name]
        assert late >= 0
        for mine, other in zip(ours[name], theirs[name], strict=True):
            np.testing.assert_allclose(other[late : late + N_TICKS], mine[:N_TICKS], atol=1e-9, err_msg=name)
    looped = any(c.pre == c.post for c in circuit.connections)
    seen.append((looped, max(depth.values()), sum(spikes.sum() for spikes, _ in ours.values())))


def test_the_graph_of_any_circuit_gives_its_spikes_and_membranes():
    seen.clear()
    compare_with_the_importer()
    assert sum(looped for looped, _, _ in seen) > 10
    assert sum(depth > 0 for _, depth, _ in seen) > 10
    assert np.mean([n > 20 for _, _, n in seen]) > 0.4


def test_a_slow_reader_of_nir_has_the_same_spikes():
    rng = np.random.default_rng(4)
    populations = [nf.Population("in", 4)]
    populations += [
        nf.Population(name, 3, neuron) for name, neuron in zip("abc", (NEURONS[0], NEURONS[1], NEURONS[3]), strict=True)
    ]
    ways = (("in", "a", 1), ("in", "b", 3), ("a", "a", 1), ("a", "b", 2), ("a", "c", 1), ("b", "c", 1))
    connections = [
        nf.Connection(pre, post, rng.normal(0.3, 0.5, (4 if pre == "in" else 3, 3)), 0.5 * ticks)
        for pre, post, ticks in ways
    ]
    circuit = nf.Circuit(tuple(populations), tuple(connections), dt_ms=0.5)
    table, given = events(circuit)
    graph = circuit_to_nir(circuit)
    out, membranes = run_naively(graph, {"in": table}, 0.0005)
    for name, (spikes, v) in recorded(circuit, {"in": given}, N_TICKS + 3, "abc").items():
        late = depths(circuit)[name]
        np.testing.assert_array_equal(spikes[late : late + N_TICKS], out[name])
        np.testing.assert_allclose(v[late : late + N_TICKS], membranes[name], atol=1e-7)
        assert spikes.sum() > 5
    assert depths(circuit) == {"in": -1, "a": 0, "b": 0, "c": 1}
    assert {n: d.delay[0] for n, d in graph.nodes.items() if isinstance(d, nir.Delay)} == {
        "delay_1": 0.001,
        "delay_3": 0.001,
    }


def test_a_drive_is_in_the_graph():
    cells = nf.Population("cells", 2, NEURONS[0], drive=np.array([0.25, 0.5]))
    alone = circuit_to_nir(nf.Circuit((cells,)))
    assert alone.nodes["rest_cells"].bias.tolist() == [0.25, 0.5]
    assert recorded(from_nir(alone), {}, 9, ["cells"])["cells"][0][:, 0].tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0]
    twice = [nf.Connection("in", "cells", np.ones((1, 2)), name=name) for name in "xy"]
    graph = circuit_to_nir(nf.Circuit((nf.Population("in", 1), cells), tuple(twice)))
    assert [type(graph.nodes[f"weight_{k}"]).__name__ for k in range(2)] == ["Affine", "Linear"]
    assert from_nir(graph).population("cells").drive.tolist() == [0.25, 0.5]


# ---------------------------------------------------------------------------- round trip

positive = st.floats(1e-3, 1e3, allow_subnormal=False)
words = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["C"]), min_size=1, max_size=6)


@st.composite
def described(draw):
    """Circuits with everything that they can have."""
    names = draw(st.lists(words.filter(lambda word: word not in (".", "..")), min_size=1, max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations = []
    for name in names:
        size = draw(st.integers(1, 4))
        neuron = nf.Neuron(
            draw(st.sampled_from(["if", "lif", "cuba_lif"])),
            tau_m_ms=draw(positive),
            tau_syn_ms=draw(positive),
            r=draw(positive),
            v_leak=draw(st.floats(-1, 0)),
            v_threshold=draw(st.floats(0.5, 2)),
            v_reset=draw(st.floats(-1, 0)),
            reset=draw(st.sampled_from(RESETS)),
            refractory_ms=draw(st.floats(0, 5)),
            threshold_step=draw(st.floats(0, 1)),
        )
        v_init = draw(st.sampled_from([None, 0.1, "rows"]))
        populations.append(
            nf.Population(
                name,
                size,
                neuron,
                nf.PostFactor("surrogate", slope=draw(positive)),
                drive=draw(st.sampled_from([0.0, -0.3, rng.normal(size=size)])),
                v_init=rng.normal(size=size) if v_init == "rows" else v_init,
                integers=draw(st.sampled_from([None, INTEGERS])),
            )
        )
    if draw(st.booleans()):
        populations[0] = nf.Population(names[0], populations[0].size)
    ends = [p for p in populations if p.neuron is not None]
    connections = []
    for number in range(draw(st.integers(0, 4)) if ends else 0):
        pre, post = draw(st.sampled_from(populations)), draw(st.sampled_from(ends))
        weights = rng.normal(size=(pre.size, post.size)).astype(draw(st.sampled_from(["float32", "float64"])))
        if draw(st.booleans()):
            n = rng.integers(0, 4, pre.size)  # some targets twice
            values = rng.normal(size=n.sum()).astype(weights.dtype)
            weights = nf.Sparse(np.concatenate([[0], np.cumsum(n)]), rng.integers(0, post.size, n.sum()), values)
        connections.append(
            nf.Connection(
                pre.name,
                post.name,
                weights,
                draw(st.sampled_from([None, 0.5, 7.3])),
                draw(st.sampled_from([None, 0.01])),
                draw(words) + str(number),
                draw(st.booleans()),
            )
        )
    return nf.Circuit(tuple(populations), tuple(connections), 0.25, draw(st.floats(0.1, 1)))


def assert_same(got, put):
    assert type(got) is type(put)
    if isinstance(put, np.ndarray):
        assert got.dtype == put.dtype
        np.testing.assert_array_equal(got, put)
    elif isinstance(put, tuple):
        assert len(got) == len(put)
        for mine, theirs in zip(got, put, strict=True):
            assert_same(mine, theirs)
    elif hasattr(put, "__dataclass_fields__"):
        for field in fields(put):
            assert_same(getattr(got, field.name), getattr(put, field.name))
    else:
        assert got == put


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(described(), st.booleans())
def check_round_trip(folder, circuit, in_file):
    if in_file:
        path = os.path.join(folder, "circuit.nir")
        write_circuit(path, circuit)
        return assert_same(read_circuit(path), circuit)
    return assert_same(read_circuit(circuit_to_nir(circuit)), circuit)


def test_a_round_trip_is_exact(tmp_path):
    check_round_trip(tmp_path)


def test_weights_that_another_tool_has_changed_arrive():
    cells = nf.Population("cells", 3, NEURONS[1])
    synapses = nf.Sparse(np.array([0, 2, 2, 3]), np.array([1, 1, 0]), np.array([0.5, 0.25, 1.0]))
    circuit = nf.Circuit((cells,), (nf.Connection("cells", "cells", synapses),))
    graph = circuit_to_nir(circuit)
    assert graph.nodes["weight_0"].weight.tolist() == [[0, 0, 1], [0.75, 0, 0], [0, 0, 0]]
    graph.nodes["weight_0"].weight[2, 1] = -2.0
    changed = read_circuit(graph).connections[0].weights
    assert [part.tolist() for part in changed] == [[0, 1, 2, 3], [1, 2, 0], [0.75, -2.0, 1.0]]


def test_what_nir_has_no_words_for_is_said():
    neuron = nf.Neuron("cuba_lif", refractory_ms=2.0, threshold_step=0.1)
    cells = nf.Population("cells", 2, neuron, v_init=0.1, integers=INTEGERS)
    circuit = nf.Circuit((cells,), (nf.Connection("cells", "cells", np.eye(2), learning_rate=0.1),), transmission=0.5)
    said = " ".join(beyond_circuit(circuit))
    for word in ("subtracts", "refractory", "adapt", "beginning of its tick", "learn", "passes", "integer", "v_init"):
        assert word in said
    assert beyond_circuit(nf.Circuit((nf.Population("cells", 2, NEURONS[0]),))) == []


# ---------------------------------------------------------------------------- refusals


def test_refusals_name_what_is_wrong(tmp_path):
    def refused(match, function, *given):
        with pytest.raises(nf.InputError, match=match) as caught:
            function(*given)
        assert "\n" not in str(caught.value)

    cells = nf.Population("cells", 2, NEURONS[0])
    refused("'a/b' cannot be a name", circuit_to_nir, nf.Circuit((replace(cells, name="a/b"),)))
    nan = nf.Circuit((cells,), (nf.Connection("cells", "cells", np.full((2, 2), np.nan), name="loop"),))
    refused("connection 'loop' has weights that are NaN", circuit_to_nir, nan)
    wrong = nf.Circuit((cells,), (nf.Connection("cells", "cells", np.ones((2, 3)), name="loop"),))
    refused(r"connection 'loop'.*\(2, 3\)", circuit_to_nir, wrong)
    many = nf.Population("many", 20_000, NEURONS[0])
    huge = nf.Circuit((many,), (nf.Connection("many", "many", sparse.eye_array(20_000), name="loop"),))
    refused("connection 'loop' has 400,000,000 pairs.*at most 100,000,000", circuit_to_nir, huge)

    good = nf.Circuit((cells,), (nf.Connection("cells", "cells", np.eye(2)),))
    path = tmp_path / "circuit.nir"
    write_circuit(path, good)
    refused("circuit.nir is a circuit; .*read_circuit", read_nir, path)
    net = nf.Network.dense((3, 2))
    refused("takes a Circuit, not a Network", circuit_to_nir, net)
    refused("no circuit of neurofa", read_circuit, to_nir(net, nf.lower(net, DFA, 0).params))
    refused("absent.nir", read_circuit, tmp_path / "absent.nir")
    graph = circuit_to_nir(good)
    graph.metadata["circuit"] = graph.metadata["circuit"].replace('"sends_all":false', '"sends_all":1')
    refused(r"circuit.connections\[0\].sends_all", read_circuit, graph)
    graph = circuit_to_nir(good)
    graph.nodes["weight_0"].weight = np.ones((3, 2))
    refused("connection 'cells->cells' has weights of shape", read_circuit, graph)
    del graph.nodes["weight_0"]
    refused("does not fit its description", read_circuit, graph)
