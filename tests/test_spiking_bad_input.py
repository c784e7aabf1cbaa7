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


def test_a_clean_baseline_needs_fresh_states():
    spiking = nf.Spiking(baseline="clean", reset_state=False)
    data = nf.load_data("digits")
    with pytest.raises(nf.InputError, match="reset_state"):
        nf.train(nf.Network.dense((64, 5, 10)), nf.rules.NODE_PERTURBATION, data, "spiking", spiking=spiking, epochs=1)


def test_time_constants_that_are_almost_equal():
    """The drive of a membrane by a current must not cancel away where the two time constants differ by rounding."""
    spikes = []
    for tau_syn_ms in (3.3, 1.1 * 3, 3.3001):
        cell = nf.Population("n", 1, nf.Neuron("cuba_lif", tau_m_ms=3.3, tau_syn_ms=tau_syn_ms, v_threshold=0.5))
        circuit = nf.Circuit((nf.Population("in", 1), cell), (nf.Connection("in", "n", np.array([[1.0]])),))
        out = nf.Simulation(circuit, "float64").run(50.0, {"in": (range(50), [0] * 50)}, (nf.Record("spikes", "n"),))
        spikes.append(len(out.spikes["n"][0]))
    assert spikes[0] > 10
    assert len(set(spikes)) == 1


@pytest.mark.parametrize(
    "options", [{"learning_starts_ms": 39.6}, {"tau_pre_ms": 1e9}, {"neuron": nf.Neuron(refractory_ms=3e9)}]
)
def test_times_beyond_a_presentation_or_all_counting(options):
    with pytest.raises(nf.InputError, match=next(iter(options)).split("_")[0]):
        nf.Spiking(**options)


def test_a_network_that_does_not_learn_has_no_low_passed_drive():
    x, y = np.full((1, 4), 0.5), np.zeros(1, int)
    with pytest.raises(nf.InputError, match="learn=True"):
        nf.observe(NET, nf.rules.DFA, None, x, y, learn=False, record=(nf.Record("drive", "layers.0"),))


def test_what_training_leaves_can_be_watched():
    rule = nf.rules.NP_FA
    ridge = nf.Rule(
        "error", "sequential", "perturbation", perturbation=nf.Perturbation(estimator="ridge"), name="ridge"
    )
    for one in (rule, ridge):
        params = nf.lower(NET, one).params
        params["layers.0.B"] = np.ones_like(params["layers.0.B"])
        out = nf.observe(NET, one, params, np.full((1, 4), 0.5), np.zeros(1, int), learn=False)
        assert out.ticks == 40


def test_a_state_of_another_circuit_is_refused():
    def of(first, second):
        cells = nf.Population("a", first, nf.Neuron()), nf.Population("b", second, nf.Neuron())
        return nf.Simulation(nf.Circuit(cells))

    with pytest.raises(nf.InputError, match="another circuit"):
        of(4, 6).restore(of(6, 4).state())
