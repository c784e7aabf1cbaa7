"""What surrounds a circuit: drawn events, rates and intervals, matrices, comparison, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

import neurofa as nf

CELLS = nf.Population("cells", 3, nf.Neuron("lif", tau_m_ms=10.0))
W = np.arange(6.0).reshape(2, 3)


def circuit(weights=W, **options):
    return nf.Circuit((nf.Population("in", 2), CELLS), (nf.Connection("in", "cells", weights, **options),))


# ---------------------------------------------------------------------------- events that are drawn


def test_poisson_events_have_their_rates_and_no_memory():
    rates = np.array([0.0, 20.0, 100.0, 1000.0])
    ticks, units = nf.poisson_events(rates, 50_000.0, 0.5, seed=3)
    assert (np.diff(ticks) >= 0).all()
    counts, chance = np.bincount(units, minlength=4), rates * 0.5 / 1000
    expected = 100_000 * chance
    assert (abs(counts - expected) <= 4 * np.sqrt(expected * (1 - chance))).all()
    gaps = np.diff(ticks[units == 2])  # geometric
    assert stats.kstest(gaps - 0.5, lambda n: 1 - (1 - chance[2]) ** np.floor(n + 0.5)).statistic < 0.06
    assert len(set(zip(ticks.tolist(), units.tolist(), strict=True))) == len(ticks)


def test_poisson_rates_may_change_over_time_and_a_number_is_for_all_units():
    rates = np.where(np.arange(4000) < 2000, 0.0, 400.0)[:, None]
    ticks, units = nf.poisson_events(rates, 4000.0, units=5, seed=1)
    assert ticks.min() >= 2000
    assert set(units) == set(range(5))
    one = nf.poisson_events(100.0, 1000.0, units=5, seed=1)
    each = nf.poisson_events([100.0] * 5, 1000.0, seed=1)
    for a, b in zip(one, each, strict=True):
        np.testing.assert_array_equal(a, b)
    other = nf.poisson_events(100.0, 1000.0, units=5, seed=2)
    assert len(other[0]) != len(one[0]) or (other[0] != one[0]).any()


def test_poisson_events_run_a_circuit():
    simulation = nf.Simulation(circuit())
    out = simulation.run(100.0, {"in": nf.poisson_events(200.0, 100.0, units=2)}, nf.Record("spikes", "in"))
    assert out.rates_hz("in").mean() == pytest.approx(200, abs=100)


# ---------------------------------------------------------------------------- rates, intervals, matrices


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 49), st.integers(0, 3)), unique=True), st.sampled_from([0.5, 1.0]))
def test_rates_and_intervals_are_those_of_the_spikes(events, dt_ms):
    events = sorted(events)
    ticks, units = ([event[k] for event in events] for k in (0, 1))
    recording = nf.Recording(dt_ms, 50, {"cells": (ticks, units)}, sizes={"cells": 4})
    for unit in range(4):
        mine = [tick for tick, of in events if of == unit]
        assert recording.rates_hz("cells")[unit] == pytest.approx(len(mine) / (50 * dt_ms / 1000))
        expected = [dt_ms * (b - a) for a, b in pairwise(mine)]
        np.testing.assert_allclose(recording.intervals_ms("cells")[unit], expected)


def test_rates_of_what_was_not_recorded_are_refused():
    with pytest.raises(nf.InputError, match="'cells' is unknown"):
        nf.Recording(1.0, 5, {"other": ([], [])}).rates_hz("cells")
    with pytest.raises(nf.InputError, match="no length"):
        nf.Recording(1.0, 0, {"cells": ([], [])}).rates_hz("cells")


def test_matrices_are_copies_and_several_synapses_of_a_pair_are_added():
    simulation = nf.Simulation(circuit(), "float64")
    matrix = simulation.matrix("in->cells")
    np.testing.assert_array_equal(matrix, W)
    matrix[:] = 9
    np.testing.assert_array_equal(simulation.weights["in->cells"], W)
    twice = nf.Sparse(np.array([0, 3, 4]), np.array([2, 0, 2, 1]), np.array([1.0, 2.0, 4.0, 8.0]))
    simulation = nf.Simulation(circuit(twice), "float64")
    np.testing.assert_array_equal(simulation.matrix("in->cells").toarray(), [[2, 0, 5], [0, 8, 0]])
    assert twice.indices.tolist() == [2, 0, 2, 1]
    with pytest.raises(nf.InputError, match="connection 'in' is unknown"):
        simulation.matrix("in")


def test_assigning_to_a_name_writes_into_its_array():
    simulation = nf.Simulation(circuit(np.full((2, 3), 0.25), learning_rate=0.5), "float64")
    simulation.modulators["cells"] = [1.0, 0.0, -1.0]
    simulation.run(1.0, {"in": ([0], [0])})
    np.testing.assert_allclose(simulation.weights["in->cells"], [[-0.25, 0.25, 0.75], [0.25, 0.25, 0.25]])
    simulation.weights["in->cells"] = 0.25
    assert (simulation.built.weights == 0.25).all()
    for wrong, said in ((np.ones(2), "shape"), ("a", "cannot be set")):
        with pytest.raises(nf.InputError, match=said):
            simulation.modulators["cells"] = wrong
    with pytest.raises(nf.InputError, match="'cell' is unknown"):
        simulation.modulators["cell"] = 1.0
    with pytest.raises(nf.InputError, match="read-only"):
        nf.Simulation(circuit()).weights["in->cells"] = 1.0


# ---------------------------------------------------------------------------- comparison


def test_circuits_are_equal_where_all_their_parts_are():
    one, other = circuit(W), circuit(W.copy())
    assert one == other
    assert circuit(sparse.csr_array(W)) == circuit(sparse.csc_array(W))
    for different in (W + 1, W[:, :2], sparse.csr_array(W)):
        assert one.connections[0] != replace(one.connections[0], weights=different)
    assert one != replace(one, dt_ms=0.5)
    driven = replace(CELLS, drive=np.array([0.1, 0.2, 0.3]))
    assert driven == replace(CELLS, drive=np.array([0.1, 0.2, 0.3]))
    assert driven != CELLS
    assert driven != replace(CELLS, drive=0.1)
    assert one != "circuit"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nf.Population("in", 2, drive=1.0), "'in' is external: drive and v_init have no effect"),
        (lambda: nf.Population("in", 2, v_init=0.0), "'in' is external"),
        (lambda: nf.Population(3, 2), "population name is 3"),
        (lambda: nf.Connection(CELLS, "cells", W), "connection pre is .*; give the name of a population"),
        (lambda: nf.Simulation(circuit()).run(0.4), "less than half of a tick of 1 ms"),
        (lambda: circuit(delay_ms=0.2), "0 ticks of 1 ms.*dt_ms"),
        (lambda: nf.poisson_events(-1.0, 10.0), "go down to -1"),
        (lambda: nf.poisson_events(1001.0, 10.0), "1001 Hz is above one event a tick"),
        (lambda: nf.poisson_events(np.nan, 10.0), "NaN"),
        (lambda: nf.poisson_events("a", 10.0), "give a number"),
        (lambda: nf.poisson_events([1.0, 2.0], 10.0, units=3), r"\(3,\) numbers for the units"),
        (lambda: nf.poisson_events(1.0, 0.0), "duration_ms"),
        (lambda: nf.poisson_events(1.0, 10.0, seed=-1), "seed"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_refused(make, message):
    with pytest.raises(nf.InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
