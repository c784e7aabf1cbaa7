"""The oracle of spiking mode against mathematics and examples reckoned by hand: a presentation of a network."""

import math

import numpy as np
import pytest
from naive_spiking import simulate
from spiking_problems import by_hand, random_problem, spiking_for

from neurofa.rules import DFA, DRTP, FA, SDFA, SHALLOW, freeze
from neurofa.spec import Layer, Network


def test_bias_neuron_at_a_quarter_spikes_every_fourth_tick():
    network = Network(1, (Layer(1, "sigmoid"),))
    params = {"layers.0.W": np.zeros((1, 1)), "layers.0.b": np.array([0.125])}
    out = simulate(freeze(network, SHALLOW, params), spiking_for(), [[]], [0], rates=[0.0], learn=False)
    arrivals = np.flatnonzero(np.diff(out.shown[0].membranes[0][:, 0], prepend=0.0))
    assert arrivals.tolist() == [2, 6, 10, 14, 18]  # spikes in ticks 1, 5, 9, 13, 17, one tick on their way
    assert out.forward == 5


def test_example_by_hand():
    """One input, two hidden neurons, one output; input events in ticks 0, 1, 2; K = 4 and target 1: rho = 1/4."""
    plan = by_hand([[1.0, 0.5]], [[1.0], [0.5]], [[2.0, -4.0]])
    spiking, events = spiking_for(sample_ms=4.0, error_threshold=0.5), [(0, 0), (1, 0), (2, 0)]
    out = simulate(plan, spiking, [events], [[1.0]], rates=[0.125, 0.0625])
    shown = out.shown[0]
    # tick 0: hidden 0 spikes, hidden 1 at 1/2; u = -1/4
    # tick 1: hidden 0 spikes at W = 1, hidden 1 at 1, spikes; output receives 1 and spikes: u = 1/2, n = 1, u = 0;
    #   M = (2, -4), output M = 1; W0 -> (1 - 1/4, 1/2 + 1/2) by the event of tick 1, W1[0] -> 1 - 1/16
    # tick 2: hidden 0 receives 3/4, hidden 1 receives 1 and spikes; output receives 15/16 + 1/2, spikes, keeps 7/16;
    #   u = 3/4, n = 1, u = 1/4; M = (4, -8), output M = 2; W0 -> (3/4 - 1/2, 1 + 1); W1 -> (15/16 - 1/8, 1/2 - 1/8)
    # tick 3: hidden rest; output receives the spike of hidden 1, 3/8, and keeps 13/16; u = 0; M stays;
    #   W1[1] -> 3/8 - 1/8
    assert shown.spikes == [[(0, 0), (1, 0), (1, 1), (2, 1)], [(1, 0), (2, 0)]]
    assert shown.errors == [(1, 1, 0, 1), (2, 1, 0, 1)]
    assert shown.membranes[0].tolist() == [[0, 0.5], [0, 0], [0.75, 0], [0.75, 0]]
    assert shown.membranes[1][:, 0].tolist() == [0, 0, 7 / 16, 13 / 16]
    assert shown.modulators[0].tolist() == [[0, 0], [2, -4], [4, -8], [4, -8]]
    assert out.params["layers.0.W"].tolist() == [[0.25, 2.0]]
    assert out.params["layers.1.W"].tolist() == [[13 / 16], [0.25]]
    assert out.forward == 3 * 2 + 4
    assert out.feedback == 2 * 2
    assert out.update == 2 * 2 + (1 + 2 + 1)
    assert shown.loss == 0.5 * (2 / (0.25 * 4) - 1) ** 2


def test_update_at_errors_by_hand():
    """The same with a trace: it holds 1, 3/2, 7/4 and 7/8 in ticks 0 to 3, and changes come with the events alone."""
    plan = by_hand([[1.0, 0.5]], [[1.0], [0.5]], [[2.0, -4.0]])
    spiking = spiking_for(sample_ms=4.0, error_threshold=0.5, update="error", tau_pre_ms=1 / math.log(2))
    out = simulate(plan, spiking, [[(0, 0), (1, 0), (2, 0)]], [[1.0]], rates=[0.125, 0.0])
    # tick 1 as above, n = 1: W0 -> (1 - 3/8, 1/2 + 3/4); tick 2: hidden 1 receives 5/4 and spikes; output as above
    # with W1 unchanged, 1 + 1/2; n = 1 again and M is (2, -4) again: W0 -> (5/8 - 7/16, 5/4 + 7/8); u = 1/4
    # tick 3: output at 1/2 receives 1/2 and spikes: u = 1, two events; W0 -> (3/16 - 7/16, 17/8 + 7/8)
    assert out.shown[0].errors == [(1, 1, 0, 1), (2, 1, 0, 1), (3, 1, 0, 2)]
    assert out.shown[0].modulators[0].tolist() == [[0, 0], [2, -4], [2, -4], [4, -8]]
    np.testing.assert_allclose(out.params["layers.0.W"], [[-0.25, 3.0]], rtol=1e-14)
    assert out.feedback == 2 + 2 + 4
    # rates of 0 change nothing and count as any: W0 in ticks 1 to 3; W1 from one trace, then twice from two
    assert out.update == 3 * 2 + (1 + 2 + 2)


def test_stale_traces_are_forgotten():
    plan = by_hand([[0.0]], [[0.0]], [[1.0]])
    spiking = spiking_for(sample_ms=20.0, update="error", tau_pre_ms=0.5)  # 8 ticks
    for K, expected in ((8, math.exp(-2 * 7)), (9, 0.0)):
        out = simulate(plan, spiking, [[(0, 0)]], [[1.0]], rates=[0, 0], ticks=K)
        assert out.shown[0].traces[0][0][0] == pytest.approx(expected, rel=1e-12)


def test_modulators_decay_and_are_forgotten():
    """Target 1 and no spikes: an error event of -1 in ticks 3, 7 and 11, and 3 times that in the hidden neuron."""
    plan = by_hand([[0.0]], [[0.0]], [[3.0]])
    out = simulate(plan, spiking_for(tau_mod_ms=0.25), [[]], [[1.0]], rates=[0, 0], ticks=12)  # 4 ticks of patience
    M = out.shown[0].modulators[0][:, 0]
    event = [sum(-3 * math.exp(-4 * (t - start)) for start in (3, 7, 11) if start <= t) for t in range(12)]
    np.testing.assert_allclose(M, event, rtol=1e-12)  # the next event comes before the last one is forgotten
    out = simulate(plan, spiking_for(tau_mod_ms=0.125), [[]], [[1.0]], rates=[0, 0], ticks=12)  # 2 ticks
    np.testing.assert_allclose(out.shown[0].modulators[0][3:7, 0], [-3, -3 * math.exp(-8), 0, 0], rtol=1e-12)


def test_delayed_layers():
    plan = by_hand([[1.0]], [[1.0]], [[1.0]])
    out = simulate(plan, spiking_for(delay_ms=(3.0, 5.0)), [[(4, 0)]], [[0.0]], rates=[0, 0], learn=False)
    assert out.shown[0].spikes == [[(6, 0)], [(11, 0)]]  # the event counts as emitted in tick 3
    assert out.feedback == out.update == 0


def test_predicted_class():
    network = Network(1, (Layer(3, "tanh", bias=False),), "half_sse")
    plan = freeze(network, SHALLOW, {"layers.0.W": np.array([[0.25, 0.5, 0.5]])})
    for events, expected in ([], 0), ([(0, 0)], 1), ([(t, 0) for t in range(4)], 1), ([(t, 0) for t in range(5)], 1):
        assert simulate(plan, spiking_for(), [events], [0], rates=[0], learn=False).shown[0].predicted == expected
    one = freeze(Network(1, (Layer(1, "sigmoid", bias=False),)), SHALLOW, {"layers.0.W": np.ones((1, 1))})
    for n_events, expected in (2, 0), (3, 1):  # the middle of the targets is 1/2: 2.5 of 5 spikes
        out = simulate(one, spiking_for(), [[(t, 0) for t in range(n_events)]], [1], rates=[0], learn=False)
        assert out.shown[0].predicted == expected


def test_modulator_is_the_feedback_of_all_error_events():
    plan, events, y, _ = random_problem(DFA)
    B = np.round(plan.params["layers.0.B"] * 64) / 64  # sums of multiples of 1/64 are exact
    plan.params["layers.0.B"][:] = B
    out = simulate(plan, spiking_for(learning_starts_ms=5.0), events, y, rates=[0.01] * 3)
    for shown, label in zip(out.shown, y, strict=True):
        n = np.zeros(2, dtype=int)
        for tick, layer, k, count in shown.errors:
            assert tick >= 5
            assert layer == 2
            n[k] += count
        assert shown.modulators[0][-1].tolist() == (n @ B).tolist() == shown.received[0].tolist()
        assert shown.modulators[2][-1].tolist() == n.tolist()
        counted = [sum(1 for t, k in shown.spikes[2] if t >= 5 and k == j) for j in range(2)]
        total = np.array(counted) - 15 * 0.25 * (np.arange(2) == label)
        assert (np.abs(total - n) < 1).all()  # what is left is less than one event
    assert out.feedback == (4 + 5) * sum(abs(c) for shown in out.shown for *_, c in shown.errors)
    assert any(shown.errors for shown in out.shown)


def test_target_has_zero_mean():
    plan, events, y, _ = random_problem(DRTP, (3, 4, 3))
    constant = np.ones((3, 1)) * plan.params["layers.0.B"][0]
    centred = plan.params["layers.0.B"] - plan.params["layers.0.B"].mean(axis=0)
    out = simulate(plan, spiking_for(learning_starts_ms=2.0), events, y, rates=[0, 0])
    for shown, label in zip(out.shown, y, strict=True):
        assert not shown.modulators[0][:2].any()
        np.testing.assert_allclose(shown.modulators[0][2:], np.tile(centred[label], (18, 1)), rtol=1e-12)
    assert out.feedback == len(y) * 3 * 4  # set once a presentation
    plan.params["layers.0.B"][:] = constant
    out = simulate(plan, spiking_for(), events, y, rates=[0, 0])
    assert max(np.abs(shown.modulators[0]).max() for shown in out.shown) < 1e-15


def test_error_sign_follows_the_total_error():
    plan, events, y, _ = random_problem(SDFA, (3, 4, 2))
    for update in ("spike", "error"):
        out = simulate(plan, spiking_for(update=update), events, y, rates=[0, 0])
        changes = 0
        for shown, label in zip(out.shown, y, strict=True):
            before = np.zeros(2)
            for t in range(20):
                spiked = [sum(1 for tick, k in shown.spikes[1] if tick <= t and k == j) for j in range(2)]
                C = np.array(spiked) - (t + 1) * 0.25 * (np.arange(2) == label)
                s = np.sign(C) * (np.abs(C) >= 1) * (update == "spike" or t == 19)
                np.testing.assert_allclose(shown.modulators[0][t], s @ plan.params["layers.0.B"], atol=1e-15)
                changes += 4 * np.count_nonzero(s != before)
                before = s
        assert out.feedback == changes > 0


def test_sequential_errors_by_hand():
    """A chain that never spikes: u of the output falls by 1/4 a tick, so it sends -1 in ticks 3 and 7."""
    network = Network(1, tuple(Layer(1, "tanh", bias=False) for _ in range(3)), "half_sse", task="regression")
    params = {f"layers.{i}.W": np.zeros((1, 1)) for i in range(3)}
    params |= {"layers.1.B": np.array([[0.5]]), "layers.0.B": np.array([[3.0]])}
    plan = freeze(network, FA, params)
    out = simulate(plan, spiking_for(sample_ms=9.0), [[]], [[1.0]], rates=[0] * 3)
    # M of layer 1: -1/2 from tick 3 on, -1 from 7 on; its u: -1/2, event in 4, -1/2, event in 6, then one a tick
    assert [(t, n) for t, layer, _, n in out.shown[0].errors if layer == 2] == [(3, -1), (7, -1)]
    assert [(t, n) for t, layer, _, n in out.shown[0].errors if layer == 1] == [(4, -1), (6, -1), (7, -1), (8, -1)]
    assert out.shown[0].modulators[0][:, 0].tolist() == [0, 0, 0, 0, -3, -3, -6, -9, -12]
    out = simulate(plan, spiking_for(sample_ms=9.0, update="error"), [[]], [[1.0]], rates=[0] * 3)
    assert out.shown[0].errors == [(3, 2, 0, -1), (7, 2, 0, -1), (7, 1, 0, -1)]
    assert out.feedback == 3
