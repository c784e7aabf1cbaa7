"""Bad input to circuits and to networks that are watched: refused in one line, and nothing of the user's is changed."""

import numpy as np
import pytest

import neurofa as nf

NET = nf.Network.dense((4, 5, 3))
POPULATIONS = nf.Population("in", 1), nf.Population("n", 1, nf.Neuron("if", v_threshold=9.0))


def simulated(W=None, precision="float64", **options):
    W = np.ones((1, 1)) if W is None else W
    return nf.Simulation(nf.Circuit(POPULATIONS, (nf.Connection("in", "n", W, **options),)), precision)


@pytest.mark.parametrize(
    ("features", "y"), [(3, [0, 1]), (6, [0, 1]), (4, [0]), (4, [0, 7]), (4, [0, -1]), (4, [0.5, 1.2])]
)
def test_observe_checks_its_data(features, y):
    """The kernels trust widths and labels."""
    with pytest.raises(nf.InputError) as caught:
        nf.observe(NET, nf.rules.DFA, None, np.full((2, features), 0.5), np.array(y))
    assert "recording" not in str(caught.value)


def test_observe_of_nothing():
    with pytest.raises(nf.InputError):
        nf.observe(NET, nf.rules.DFA, None, np.zeros((0, 4)), np.zeros(0, int))


def test_a_plastic_connection_needs_a_learning_rate():
    with pytest.raises(nf.InputError, match="None for static"):
        simulated(learning_rate=0.0)


def test_restore_and_read_only_weights():
    W = np.ones((1, 1))
    W.setflags(write=False)
    state = simulated(W).state()
    simulated(W).restore(state)


def test_restore_leaves_the_users_weights_alone():
    W = np.full((1, 1), 5.0)
    simulated(W).restore(simulated(np.ones((1, 1))).state())
    assert W.item() == 5.0


@pytest.mark.parametrize("duration", [float("nan"), float("inf")])
def test_durations_that_are_no_numbers(duration):
    with pytest.raises(nf.InputError):
        simulated().run(duration)


def test_no_events_as_empty_lists():
    simulated().run(3.0, {"in": ([], [])})


def test_two_records_of_one_variable_are_not_lost():
    """The second replaces the first in silence; refuse, or merge."""
    two = nf.Circuit((nf.Population("n", 2, nf.Neuron("if"), drive=0.1),))
    with pytest.raises(nf.InputError):
        nf.Simulation(two).run(3.0, record=(nf.Record("v", "n", units=(0,)), nf.Record("v", "n", units=(1,))))


@pytest.mark.parametrize("record", [("v", "in"), ("drive", "n")])
def test_records_that_mean_nothing(record):
    """External populations have no membrane; the drive is not followed without plastic synapses: all zeros now."""
    with pytest.raises(nf.InputError):
        simulated().run(3.0, {"in": ([0], [0])}, (nf.Record(*record),))


def test_units_of_spike_records_are_not_ignored():
    s = nf.Simulation(nf.Circuit((nf.Population("n", 3, nf.Neuron("if"), drive=1.0),)))
    out = s.run(3.0, record=(nf.Record("spikes", "n", units=(1,)),))
    assert set(out.spikes["n"][1].tolist()) == {1}


def test_sizes_are_whole_numbers():
    with pytest.raises(nf.InputError):
        nf.Population("n", 2.5)
