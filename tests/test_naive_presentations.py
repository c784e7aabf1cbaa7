"""The oracle of spiking mode against mathematics: what stays from one presentation to the next, and follows them."""

import numpy as np
import pytest
from naive_spiking import simulate
from spiking_problems import by_hand, random_problem, spiking_for

from neurofa.rules import BP, DFA, DRTP, FA, MATCHING, MDFA, NP_DFA, NP_FA, PRESETS, PSEUDO_BP, SIGN_FA, freeze
from neurofa.spec import Homeostasis, Layer, Network, Neuron, Perturbation, PostFactor, Rule


def test_a_presentation_can_be_cut_in_two_where_state_is_kept():
    for rule, update in (FA, "spike"), (FA, "error"), (DRTP, "spike"):
        plan, _, _, _ = random_problem(rule)
        whole = [(t, i) for t in range(20) for i in range(3) if (t * 7 + i * 3) % 5 < 3]
        halves = [[(t % 10, i) for t, i in whole if t // 10 == half] for half in range(2)]
        options = {"reset_state": False, "delay_ms": 4.0, "update": update, "tau_mod_ms": 5.0, "tau_pre_ms": 7.0}
        one = simulate(plan, spiking_for(sample_ms=20.0, **options), [whole], [1], rates=[0.05] * 3)
        two = simulate(plan, spiking_for(sample_ms=10.0, **options), halves, [1, 1], rates=[0.05] * 3)
        for layer in range(3):
            joined = np.concatenate([shown.membranes[layer] for shown in two.shown])
            assert (joined == one.shown[0].membranes[layer]).all()
            assert (one.params[f"layers.{layer}.W"] == two.params[f"layers.{layer}.W"]).all()
        assert (one.forward, one.update) == (two.forward, two.update)
        assert (one.params["layers.2.W"] != plan.params["layers.2.W"]).any()


@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"np_fa", "np_dfa", "node_perturbation"}))
def test_a_batch_is_the_sum_of_frozen_updates(name, update):
    plan, events, y, _ = random_problem(PRESETS[name])
    spiking, rates = spiking_for(update=update, post=PostFactor("surrogate")), [0.01, 0.02, 0.03]
    frozen = simulate(plan, spiking, events, y, rates=rates, frozen=True)
    batch = simulate(plan, spiking, events, y, rates=rates, batch_size=6)
    for layer in range(3):
        W, b = plan.params[f"layers.{layer}.W"], plan.params[f"layers.{layer}.b"]
        expected = np.maximum(W - rates[layer] * 6 * frozen.dW[layer], plan.projections[layer].minimum)
        np.testing.assert_allclose(batch.params[f"layers.{layer}.W"], expected, rtol=1e-12, atol=1e-14)
        expected = b - rates[layer] * 6 * frozen.db[layer]
        np.testing.assert_allclose(batch.params[f"layers.{layer}.b"], expected, rtol=1e-12, atol=1e-14)
    assert (batch.forward, batch.feedback, batch.update) == (frozen.forward, frozen.feedback, frozen.update)
    assert batch.update > 0


def test_feedback_that_follows_weights():
    for rule in (BP, SIGN_FA, MATCHING, PSEUDO_BP, FA):
        plan, events, y, _ = random_problem(rule)
        out = simulate(plan, spiking_for(), events, y, rates=[0.02] * 3).params
        for layer in range(2):
            W0, W = plan.params[f"layers.{layer + 1}.W"], out[f"layers.{layer + 1}.W"]
            B0, B = plan.params[f"layers.{layer}.B"], out[f"layers.{layer}.B"]
            expected = {
                "bp": W.T,
                "sign_fa": np.sqrt(2 / sum(W.shape)) * np.sign(W.T),
                "matching": B0 + (W - W0).T,
                "pseudo_bp": np.linalg.pinv(W),
                "fa": B0,
            }[rule.name]
            np.testing.assert_allclose(B, expected, rtol=1e-9, atol=1e-12)
            assert (W0 != W).any()


def test_bounds_hold_and_bind():
    plan, events, y, _ = random_problem(MDFA)
    out = simulate(plan, spiking_for(), events, y, rates=[0.05] * 3).params
    assert out["layers.1.W"].min() == out["layers.2.W"].min() == 1e-6
    assert out["layers.0.W"].min() < 0


def test_weight_decay_after_every_hundredth_presentation():
    plan = by_hand([[0.5]], [[0.5]], [[1.0]])
    for n, times in (99, 0), (100, 1), (201, 2):
        for batch_size in (1, 7):
            options = {"rates": [0.1, 0.2], "weight_decay": 0.01, "ticks": 1, "batch_size": batch_size}
            out = simulate(plan, spiking_for(), [[]] * n, [[0.0]] * n, **options)
            assert out.params["layers.0.W"][0, 0] == pytest.approx(0.5 * 0.999 ** (100 * times), rel=1e-12)
            assert out.params["layers.1.W"][0, 0] == pytest.approx(0.5 * 0.998 ** (100 * times), rel=1e-12)


def test_homeostasis_lowers_the_bias_of_busy_neurons():
    network = Network(1, (Layer(2), Layer(1, "tanh")), "half_sse", task="regression")
    params = {"layers.0.W": np.array([[2.0, 0.0]]), "layers.1.W": np.zeros((2, 1)), "layers.0.B": np.zeros((1, 2))}
    plan = freeze(network, DFA, params | {"layers.0.b": np.zeros(2), "layers.1.b": np.zeros(1)})
    homeostasis = Homeostasis(target_rate_hz=10.0, rate=1e-3, presentations=4.0)
    spiking = spiking_for(neuron=Neuron("if", reset="zero"), homeostasis=homeostasis)
    events = [(0, 0), (7, 0)]  # 2 spikes in 20 ms: 100 Hz; the mean is 25, then 43.75
    out = simulate(plan, spiking, [events] * 2, [[0.0]] * 2, rates=[0, 0])
    np.testing.assert_allclose(out.params["layers.0.b"], [-1e-3 * (15 + 33.75), 0], rtol=1e-12)


@pytest.mark.parametrize("baseline", ["running", "clean"])
@pytest.mark.parametrize("rule", [NP_FA, NP_DFA])
def test_feedback_learned_by_ridge_regression_is_least_squares(rule, baseline):
    rule = Rule("error", rule.route, "perturbation", perturbation=Perturbation(0.7, "ridge", ridge=0.3))
    plan, events, y, noise = random_problem(rule, n=12)
    spiking = spiking_for(baseline=baseline, baseline_rate=0.25, hidden_error_threshold=0.01)
    out = simulate(plan, spiking, events, y, rates=[0.002] * 3, noise=noise)
    changes, beta = [], out.shown[0].loss
    for shown in out.shown:
        if baseline == "clean":
            beta = shown.loss
        changes.append((shown.loss if shown.noisy is None else shown.noisy.loss) - beta)
        beta += 0.25 * changes[-1]
    assert np.count_nonzero(changes) > 5
    cuts = {0: slice(0, 4), 1: slice(4, 9)}
    for layer in range(2):
        source = layer + 1 if rule.route == "sequential" else 2
        E = np.zeros((12, plan.sizes[source + 1]))
        for m, shown in enumerate(out.shown):
            for _, where, k, count in shown.errors:
                if where == source:
                    E[m, k] += count
        targets = np.array(changes)[:, None] * noise[:, cuts[layer]] / 0.7
        expected = np.linalg.solve(E.T @ E + 0.3 * np.eye(E.shape[1]), E.T @ targets)
        np.testing.assert_allclose(out.params[f"layers.{layer}.B"], expected, rtol=1e-9, atol=1e-11)
        assert np.abs(expected).max() > 1e-3


def test_feedback_learned_by_the_gradient():
    plan, events, y, noise = random_problem(NP_DFA, (3, 4, 2), n=1)
    out = simulate(plan, spiking_for(baseline="clean"), events, y, rates=[0.0] * 2, noise=noise * 10)
    shown, B, rule = out.shown[0], plan.params["layers.0.B"], plan.perturbation
    E, estimate = shown.modulators[1][-1], (shown.noisy.loss - shown.loss) * noise[0] * 10 / rule.noise_std
    expected = B - rule.learning_rate * np.outer(E, E @ B - estimate)
    np.testing.assert_allclose(out.params["layers.0.B"], expected, rtol=1e-12)
    assert E.any()


def test_loss_change_moves_weights_by_noise_and_traces():
    rule = Rule("loss_change", "broadcast", "none", perturbation=Perturbation(noise_std=0.8))
    plan, events, y, noise = random_problem(rule, (3, 4, 2), n=1)
    out = simulate(plan, spiking_for(baseline="clean"), events, y, rates=[0.5, 0.0], noise=noise)
    shown = out.shown[0]
    change = shown.noisy.loss - shown.loss
    arrived = np.array([sum(1 for _, i in events[0] if i == k) for k in range(3)])
    expected = plan.params["layers.0.W"] - 0.5 * np.outer(arrived, change * noise[0] / 0.8)
    np.testing.assert_allclose(out.params["layers.0.W"], expected, rtol=1e-12)
    assert change != 0
    both = np.vstack([noise, -noise])
    frozen = simulate(plan, spiking_for(), events * 2, [*y, *y], rates=[0, 0], noise=both, frozen=True)
    changes = [s.noisy.loss - s.loss for s in frozen.shown]  # frozen weights have no running baseline
    np.testing.assert_allclose(frozen.M[0], [c * xi / 0.8 / 2 for c, xi in zip(changes, both, strict=True)], rtol=1e-12)
    assert any(changes)


def test_noise_of_an_integrating_neuron_is_worth_its_activity():
    rule, sigma = Rule("loss_change", "broadcast", "none", perturbation=Perturbation(noise_std=0.5)), 0.5
    plan, _, _, _ = random_problem(rule, (1, 2, 1))
    neuron = Neuron("if", r=3.0, v_threshold=2.0)
    for key in plan.params:
        plan.params[key][:] = 0
    noise = np.array([[1.0, 0.5]])
    out = simulate(plan, spiking_for(neuron=neuron, sample_ms=800.0), [[]], [0], rates=[0, 0], noise=noise)
    activity = [sum(1 for _, j in out.shown[0].spikes[0] if j == k) / (0.25 * 800) for k in range(2)]
    np.testing.assert_allclose(activity, sigma * noise[0], atol=1 / 200)


def test_nothing_learns_where_nothing_may():
    plan, events, y, _ = random_problem(DFA)
    for options in {"learn": False}, {"frozen": True}:
        out = simulate(plan, spiking_for(), events, y, rates=[0.1] * 3, **options)
        assert all((out.params[key] == plan.params[key]).all() for key in plan.params)
