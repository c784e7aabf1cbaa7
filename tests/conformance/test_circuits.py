"""Circuits against the slow oracle: spikes, membranes, weights, operations, for random circuits and pieces of time."""

import numpy as np
import pytest
from circuit_problems import bursts, circuits, pairs, piece_of
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_circuit import simulate_circuit
from naive_levels import mix, uniform
from scipy import sparse

import neurofa as nf
from neurofa.spec.seeds import streams


def currents_of(population, n_ticks, rng):
    """A current for a population: of every shape, and silent for a while so that the population may sleep."""
    shape = (n_ticks if rng.random() < 0.5 else 1), (population.size if rng.random() < 0.5 else 1)
    return rng.normal(0.02, 0.1, shape) * (rng.random(shape) < 0.5)


def test_circuits_agree_with_the_oracle():
    seen = []

    @settings(max_examples=80)
    @given(circuits(), st.integers(1, 420), st.integers(0, 420))
    def run(problem, n_ticks, cut):
        circuit, rng = problem
        cut = min(cut, n_ticks)
        events = bursts(circuit, n_ticks, rng)
        inner = [p for p in circuit.populations if p.neuron is not None]
        M = {p.name: np.zeros((n_ticks, p.size)) for p in inner}
        currents = {p.name: currents_of(p, n_ticks, rng) for p in inner if rng.random() < 0.3}
        simulation = nf.Simulation(circuit, precision="float64")
        spikes, membranes = {p.name: [] for p in circuit.populations}, {p.name: [] for p in inner}
        record = [nf.Record("spikes", p.name) for p in circuit.populations] + [nf.Record("v", p.name) for p in inner]
        for start, stop in (0, cut), (cut, n_ticks):
            for p in inner:  # one neuron's modulator is 0, and costs nothing
                simulation.modulators[p.name][:] = rng.normal(size=p.size) * (np.arange(p.size) > 0)
                M[p.name][start:stop] = simulation.modulators[p.name]
            now = {name: given if len(given) == 1 else given[start:stop] for name, given in currents.items()}
            out = simulation.run(0.5 * (stop - start), piece_of(events, start, stop), record, currents=now)
            for p in circuit.populations:
                spikes[p.name] += pairs(out, p.name, start)
            for p in inner:
                membranes[p.name].append(out.traces["v", p.name].values)
        told = simulate_circuit(circuit, events, n_ticks, M, currents)
        for p in circuit.populations:
            assert spikes[p.name] == sorted(told.spikes[p.name])
            counts = np.bincount([unit for _, unit in told.spikes[p.name]], minlength=p.size)
            np.testing.assert_array_equal(simulation.spike_counts[p.name], counts)
        for p in inner:
            found = np.concatenate(membranes[p.name])
            np.testing.assert_allclose(found, told.membranes[p.name], rtol=1e-9, atol=1e-10, err_msg=p.name)
        for c in circuit.connections:
            np.testing.assert_allclose(simulation.weights[c.name], told.weights[c.name], rtol=1e-9, atol=1e-10)
        assert simulation.synops == {"forward": told.forward, "feedback": 0, "update": told.update}
        moved = sum(len(told.spikes[p.name]) for p in inner)
        seen.append((moved, told.update))

    run()
    assert max(moved for moved, _ in seen) > 10
    assert max(update for _, update in seen) > 10


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("model", ["if", "lif", "cuba_lif"])
def test_a_population_that_sleeps_long_wakes_as_if_it_had_not(model, precision):
    """Two bursts with 2,000 silent ticks between them; membrane, current, threshold and post factor decay meanwhile."""
    taus = {"tau_m_ms": 700.0, "tau_syn_ms": 90.0, "tau_threshold_ms": 900.0}
    neuron = nf.Neuron(model, r=20.0 if model == "cuba_lif" else 1.0, v_leak=-0.2, threshold_step=0.7, **taus)
    post = nf.PostFactor("current_window", low=1e-3, tau_ms=200.0)
    W = np.full((2, 3), 0.4) * [1.0, 1.3, -1.7]
    circuit = nf.Circuit(
        (nf.Population("in", 2), nf.Population("n", 3, neuron, post)),
        (nf.Connection("in", "n", W, delay_ms=3.0, learning_rate=0.02),),
    )
    ticks = [*range(0, 40, 3), *range(2040, 2080, 3)]
    events = {"in": (ticks, [tick % 2 for tick in ticks])}
    simulation = nf.Simulation(circuit, precision)
    simulation.modulators["n"][:] = 1.0, -1.0, 0.5
    record = [nf.Record("spikes", "n"), nf.Record("v", "n")]
    out = simulation.run(2100.0, events, record)
    told = simulate_circuit(circuit, events, 2100, {"n": [1.0, -1.0, 0.5]})
    assert pairs(out, "n") == told.spikes["n"]
    assert any(tick > 2040 for tick, _ in told.spikes["n"])
    close = {"rtol": 1e-9, "atol": 1e-11} if precision == "float64" else {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(out.traces["v", "n"].values, told.membranes["n"], **close)
    np.testing.assert_allclose(simulation.weights["in->n"], told.weights["in->n"], **close)
    assert simulation.synops["update"] == told.update > 0


def test_neurons_whose_leak_is_above_their_threshold_never_sleep():
    """Without any input, v reaches the threshold from 0 after tau ln(leak / (leak - threshold)), again and again."""
    neuron = nf.Neuron("lif", tau_m_ms=10.0, v_leak=1.5, reset="zero")
    circuit = nf.Circuit((nf.Population("n", 2, neuron, v_init=np.array([0.0, 0.9])),))
    simulation = nf.Simulation(circuit, "float64")
    out = simulation.run(60.0, record=(nf.Record("spikes", "n"),))
    assert pairs(out, "n") == sorted(simulate_circuit(circuit, {}, 60).spikes["n"])
    period = int(np.ceil(10 * np.log(1.5 / 0.5)))
    assert [tick for tick, unit in pairs(out, "n") if unit == 0] == list(range(period - 1, 60, period))


def test_a_current_that_is_on_its_way_keeps_a_population_awake():
    """A strong event now, and a spike only when the current has charged the membrane."""
    neuron = nf.Neuron("cuba_lif", tau_m_ms=50.0, tau_syn_ms=20.0)
    circuit = nf.Circuit(
        (nf.Population("in", 1), nf.Population("n", 1, neuron)), (nf.Connection("in", "n", np.array([[5.0]])),)
    )
    out = nf.Simulation(circuit, "float64").run(100.0, {"in": ([0], [0])}, (nf.Record("spikes", "n"),))
    told = simulate_circuit(circuit, {"in": ([0], [0])}, 100).spikes["n"]
    assert pairs(out, "n") == told
    assert told[0][0] > 5


@pytest.mark.parametrize("how", ["drive", "current", "current over time"])
def test_rates_under_a_constant_current_follow_the_closed_form(how):
    """From 0, v_inf (1 - d^n) after n ticks: a spike as soon as that reaches the threshold, again and again."""
    neuron = nf.Neuron("lif", tau_m_ms=20.0, reset="zero", refractory_ms=3.0)
    steady = np.array([0.5, 0.99, 1.2, 2.0, 5.0, 25.0])  # membrane that the current would lead to
    d = np.exp(-0.5 / 20.0)
    current = steady * (1 - d)
    cells = nf.Population("cells", 6, neuron, drive=current if how == "drive" else 0.0)
    currents = {
        "drive": {},
        "current": {"cells": current},
        "current over time": {"cells": np.tile(current, (4000, 1))},
    }[how]
    simulation = nf.Simulation(nf.Circuit((cells,), dt_ms=0.5), "float64")
    out = simulation.run(2000.0, record=nf.Record("spikes", "cells"), currents=currents)
    rises = np.ceil(np.log(1 - 1 / steady[2:]) / np.log(d))  # ticks from reset to threshold
    expected = np.floor((4000 - rises) / (rises + 6)) + 1
    counts = np.bincount(out.spikes["cells"][1], minlength=6)
    assert counts.tolist() == [0, 0, *expected.tolist()]


def test_a_current_wakes_none_but_its_own_population():
    neuron = nf.Neuron("lif", tau_m_ms=20.0)
    circuit = nf.Circuit(tuple(nf.Population(name, 2, neuron, v_init=0.5) for name in "ab"))
    simulation, current = nf.Simulation(circuit, "float64"), np.zeros((100, 1))
    current[40] = 0.97
    out = simulation.run(100.0, record=nf.Record("spikes", "a"), currents={"a": current})
    told = simulate_circuit(circuit, {}, 100, currents={"a": current})
    assert pairs(out, "a") == told.spikes["a"] == [(40, 0), (40, 1)]
    assert simulation.cells.clock[:, 1].tolist() == [0, 1]  # the other one sleeps


def test_static_connections_of_a_learning_circuit_stay():
    W = np.ones((2, 2))
    circuit = nf.Circuit(
        (nf.Population("in", 2), nf.Population("n", 2, nf.Neuron("if", v_threshold=100.0))),
        (nf.Connection("in", "n", W, name="static"), nf.Connection("in", "n", W, learning_rate=0.1, name="plastic")),
    )
    simulation = nf.Simulation(circuit, "float64")
    simulation.modulators["n"][:] = 1.0, 0.0
    simulation.run(3.0, {"in": ([0, 1, 2], [0, 0, 1])})
    assert simulation.weights["static"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    np.testing.assert_allclose(simulation.weights["plastic"], [[0.8, 1.0], [0.9, 1.0]], rtol=1e-15)
    assert simulation.synops == {"forward": 12, "feedback": 0, "update": 3}
    assert W.tolist() == [[1.0, 1.0], [1.0, 1.0]]  # the user's array is not written to


def test_the_weights_that_were_given_are_never_written_to():
    """A single connection without plasticity is used as it is, to save memory; a plastic one is copied."""
    W = np.full((1, 1), 0.5)
    populations = nf.Population("in", 1), nf.Population("n", 1, nf.Neuron("if", v_threshold=100.0))
    simulation = nf.Simulation(nf.Circuit(populations, (nf.Connection("in", "n", W, learning_rate=0.1),)), "float64")
    simulation.modulators["n"][:] = 1.0
    simulation.run(2.0, {"in": ([0], [0])})
    assert simulation.weights["in->n"].tolist() == [[0.4]]
    assert W.tolist() == [[0.5]]


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_synapses_of_a_circuit_pass_spikes_by_chance(kind):
    """Each synapse by its own draw, but for those of a neuron that sends to all."""
    rng = np.random.default_rng(0)
    W = rng.integers(1, 9, (20, 30)) / 8 * (rng.random((20, 30)) < 0.5)
    certain = np.full((20, 30), 0.125)
    weights = sparse.csr_array(W) if kind == "csr" else W
    populations = nf.Population("in", 20), nf.Population("n", 30, nf.Neuron("if", v_threshold=1e9))
    connections = nf.Connection("in", "n", certain, name="all", sends_all=True), nf.Connection("in", "n", weights)
    simulation = nf.Simulation(nf.Circuit(populations, connections, transmission=0.6), "float64", seed=3)
    events = {"in": (np.repeat(np.arange(10), 20), np.tile(np.arange(20), 10))}
    out = simulation.run(10.0, events, nf.Record("v", "n"))
    key, v, told = mix(int(streams(3).rounding.integers(2**63)) + 1), np.zeros(30), []
    for t in range(10):
        for i in range(20):
            v = v + certain[i]
            first = certain.size + (int(weights.indptr[i]) if kind == "csr" else 30 * i)
            for place, j in enumerate(np.flatnonzero(W[i]) if kind == "csr" else range(30)):
                v[j] += W[i, j] * (uniform(key, 0, t, first, place) < 0.6)
        told.append(v.copy())
    np.testing.assert_array_equal(out.traces["v", "n"].values, told)
    assert simulation.synops["forward"] == 10 * (certain.size + (weights.nnz if kind == "csr" else W.size))
