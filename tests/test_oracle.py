"""The oracle against mathematics: it is what the engines are compared with, so it is tested on its own."""

import naive
import numpy as np
import pytest
from naive_training import Optimiser as OracleOptimiser
from naive_training import batches, train
from support import ACTIVATIONS, FITS, assert_same, away_from_kinks, batch_for, network_for

from neurofa.rules import BP, FA, MATCHING, MDFA, NP_DFA, NP_FA, PSEUDO_BP, SDFA, SHALLOW, SIGN_FA, lower
from neurofa.spec import Feedback, Layer, Network, Optimiser, Perturbation, Rule, Training


def problem_away_from_kinks(network, rule=BP, n_samples=5):
    for seed in range(200):
        params = lower(network, rule, seed, precision="float64").params
        x, y = batch_for(network, n_samples, seed)
        if away_from_kinks(network, naive.forward(network, params, x)[0], 1e-3):
            return params, x, y
    raise AssertionError("no seed keeps all neurons away from the corners of their activation")


@pytest.mark.parametrize(("loss", "output"), FITS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_bp_is_the_gradient(loss, output, hidden):
    network = network_for(BP, (4, 5, 3), hidden, output, loss)
    params, x, y = problem_away_from_kinks(network)
    gradient = naive.central_differences(network, params, x, y)
    assert_same(naive.updates(network, BP, params, x, y), gradient, 1e-7, absolute=1e-10, keys=gradient)


def test_bp_is_the_gradient_in_a_regression():
    network = network_for(BP, (4, 5, 3), "tanh", "identity", "mse", task="regression")
    params, x, y = problem_away_from_kinks(network)
    gradient = naive.central_differences(network, params, x, y)
    assert_same(naive.updates(network, BP, params, x, y), gradient, 1e-7, absolute=1e-10, keys=gradient)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "softmax"])
def test_activations_at_known_points(activation):
    z = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    known = {
        "identity": z,
        "tanh": [-0.9640275800758169, -0.46211715726000973, 0, 0.46211715726000973, 0.9640275800758169],
        "sigmoid": [0.11920292202211755, 0.3775406687981454, 0.5, 0.6224593312018546, 0.8807970779778823],
        "hard_tanh": [-1, -0.5, 0, 0.5, 1],
        "relu": [0, 0, 0, 0.5, 2],
        "leaky_relu": [-0.2, -0.05, 0, 0.5, 2],
        "softmax": np.exp(z) / (np.exp(-2.0) + np.exp(-0.5) + 1 + np.exp(0.5) + np.exp(2.0)),
    }
    np.testing.assert_allclose(naive.activate(Layer(5, activation, slope=0.1), z), known[activation], rtol=1e-14)


def test_derivatives_at_the_corners_are_those_of_the_left_or_flat_side():
    assert naive.derivative(Layer(1, "relu"), np.zeros(1)) == 0
    assert naive.derivative(Layer(1, "leaky_relu", slope=0.3), np.zeros(1)) == 0.3
    assert list(naive.derivative(Layer(2, "hard_tanh"), np.array([-1.0, 1.0]))) == [0, 0]


@pytest.mark.parametrize(
    ("loss", "output", "expected"),
    [
        ("bce", "sigmoid", -(np.log(0.25) + np.log(1 - 0.8)) / 2),
        ("mse", "sigmoid", (0.75**2 + 0.8**2) / 2),
        ("half_sse", "sigmoid", (0.75**2 + 0.8**2) / 2),
        ("exponential", "sigmoid", np.exp(-0.25) + np.exp(0.8)),
        ("cce", "softmax", -np.log((1 / 3) / (1 / 3 + 4))),
    ],
)
def test_losses_of_one_sample_by_hand(loss, output, expected):
    network = Network.dense((1, 2), output=output, loss=loss)
    logits = np.log([0.25 / 0.75, 0.8 / 0.2])  # a sigmoid makes 0.25 and 0.8 of these; the label is 0
    params = {"layers.0.W": np.zeros((1, 2)), "layers.0.b": logits}
    assert naive.loss(network, params, np.zeros((1, 1)), np.array([0])) == pytest.approx(expected, rel=1e-14)


def test_errors_with_which_updates_scale_in_a_two_output_network():
    network = Network.dense((1, 1, 2), "identity", "sigmoid", "bce", bias=False)
    params = {
        "layers.0.W": np.ones((1, 1)),
        "layers.1.W": np.zeros((1, 2)),
        "layers.0.B": np.array([[1.0], [10.0]]),
    }
    x, y = np.array([[1.0], [2.0]]), np.array([0, 1])
    error = naive.updates(network, FA, params, x, y)  # e = (y - t) / (N C) = -+0.5 / 4
    np.testing.assert_allclose(error["layers.1.M"], [[-0.125, 0.125], [0.125, -0.125]])
    np.testing.assert_allclose(error["layers.0.M"], [[1.125], [-1.125]])
    np.testing.assert_allclose(error["layers.0.dW"], [[1.125 - 2.25]])
    sign = naive.updates(network, SDFA, params, x, y)  # sign / (N C)
    np.testing.assert_allclose(sign["layers.0.M"], [[9 / 4], [-9 / 4]])
    target = naive.updates(network, Rule("target", "direct", "random"), params, x, y)  # one-hot / N
    np.testing.assert_allclose(target["layers.0.M"], [[1 / 2], [10 / 2]])
    none = naive.updates(network, SHALLOW, params, x, y)
    assert not none["layers.0.dW"].any()
    assert none["layers.1.dW"].any()


def test_perturbation_estimates_the_gradient_on_average():
    """Fiete & Seung 2006: node perturbation follows the gradient in expectation."""
    rule = Rule("loss_change", "broadcast", "none", perturbation=Perturbation(noise_std=1e-4))
    network = network_for(rule, (3, 4, 3, 2), "tanh", "softmax", "cce")
    params = lower(network, rule, 3, precision="float64").params
    x, y = batch_for(network, 2, 3)
    rng, mean, repeats = np.random.default_rng(0), {}, 1500
    for _ in range(repeats):
        noise = naive.draw_noise(network, len(x), rng)
        for key, value in naive.updates(network, rule, params, x, y, noise=noise).items():
            mean[key] = mean.get(key, 0) + value / repeats
    gradient = naive.updates(network, BP, params, x, y)
    for key in ("layers.0.M", "layers.1.M"):
        cosine = np.sum(mean[key] * gradient[key]) / np.linalg.norm(mean[key]) / np.linalg.norm(gradient[key])
        assert cosine > 0.97
        assert np.linalg.norm(mean[key]) == pytest.approx(np.linalg.norm(gradient[key]), rel=0.2)


@pytest.mark.parametrize("rule", [NP_FA, NP_DFA])
def test_learned_feedback_stands_still_on_average_where_it_carries_the_gradient(rule):
    """Lansdell 2020: in a linear network the backward weights of backpropagation are the regression's solution."""
    network = network_for(rule, (3, 4, 3, 2), "identity", "identity", "half_sse", task="regression")
    params = lower(network, rule, 1, precision="float64").params
    for layer in range(2):
        params[f"layers.{layer}.B"] = naive.weight_path(params, naive.source_of(network, rule, layer), layer).T
    x, y = batch_for(network, 4, 1)
    rng, repeats = np.random.default_rng(0), 800
    drift = {0: 0.0, 1: 0.0}
    for _ in range(repeats):
        noise = naive.draw_noise(network, len(x), rng)
        change = naive.updates(network, rule, params, x, y, noise=noise)
        drift = {layer: total + change[f"layers.{layer}.dB"] / repeats for layer, total in drift.items()}
    for layer, mean in drift.items():
        key = f"layers.{layer}.B"
        away = naive.updates(network, rule, {**params, key: np.zeros_like(params[key])}, x, y, noise=noise)
        assert np.linalg.norm(mean) < 0.3 * np.linalg.norm(away[f"layers.{layer}.dB"])


def test_ridge_solves_the_regression_over_all_updates():
    rule = Rule("error", "direct", "perturbation", perturbation=Perturbation(estimator="ridge", ridge=0.1))
    network = network_for(rule, (3, 4, 2))
    params = lower(network, rule, 1, precision="float64").params
    x, y = batch_for(network, 6, 1)
    training = Training(epochs=1, batch_size=2, learning_rate=0.0, optimiser="sgd")  # W stands still
    B = train(network, training, rule, params, x, y, seed=5)["layers.0.B"]
    rng, E, estimates = np.random.default_rng(np.random.SeedSequence(5).spawn(9)[4]), [], []
    for batch in batches(6, 2):
        noise = naive.draw_noise(network, 2, rng)
        e, estimate = naive.learned_feedback(network, rule, params, x[batch], y[batch], noise)[0]
        E.append(e)
        estimates.append(estimate)
    E, estimates = np.vstack(E), np.vstack(estimates)
    stacked = np.vstack([E, np.sqrt(0.1) * np.eye(2)])  # ridge as ordinary least squares with extra rows
    expected = np.linalg.lstsq(stacked, np.vstack([estimates, np.zeros((2, 4))]), rcond=None)[0]
    np.testing.assert_allclose(B, expected, rtol=1e-9)


# Six steps of PyTorch 2.13's optimisers in float64: learning rate 0.05, weight decay 0.1, w = (0.5, -0.3) at first,
# gradient (cos k, 0.2 k - w_1) in step k = 0, 1, ...; momentum 0.8, betas 0.85 and 0.95, alpha 0.9, epsilon 1e-8.
PYTORCH = {
    "sgd": (0.4977832818446916, -0.5499872959605047),
    "momentum": (0.4199440941599033, -0.8474622415942548),
    "nesterov": (0.4372916658756922, -1.036083326336288),
    "adam": (0.40303758401126305, -0.5936961607292593),
    "rmsprop": (0.4483115630461274, -1.0724245083014161),
}


@pytest.mark.parametrize("kind", PYTORCH)
def test_optimisers_follow_pytorch(kind):
    options = Optimiser(kind, momentum=0.8, beta1=0.85, beta2=0.95, alpha=0.9, weight_decay=0.1)
    optimiser, w = OracleOptimiser(options, (2,)), np.array([0.5, -0.3])
    for k in range(6):
        w = optimiser.step(w, np.array([np.cos(k), 0.2 * k - w[1]]), 0.05)
    np.testing.assert_allclose(w, PYTORCH[kind], rtol=1e-12)


def test_batches_cover_the_data_in_order():
    assert batches(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert batches(7, 0) == [slice(0, 7)]
    assert batches(2, 1) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize(("rule", "property_holds"), [
    (MATCHING, lambda new, old: new["layers.0.B"] - new["layers.1.W"].T - old["layers.0.B"] + old["layers.1.W"].T),
    (SIGN_FA, lambda new, old: new["layers.0.B"] - np.sqrt(2 / 7) * np.sign(new["layers.1.W"].T)),
    (PSEUDO_BP, lambda new, old: new["layers.0.B"] @ new["layers.1.W"] - np.eye(3)),
    (FA, lambda new, old: new["layers.0.B"] - old["layers.0.B"]),
    (BP, lambda new, old: new["layers.0.B"] - new["layers.1.W"].T),
    (MDFA, lambda new, old: np.minimum(new["layers.1.W"] - 1e-6, 0)),
])  # fmt: skip
def test_feedback_after_training(rule, property_holds):
    network = network_for(rule, (5, 4, 3))
    old = lower(network, rule, 2, precision="float64").params
    x, y = batch_for(network, 9, 2)
    new = train(network, Training(epochs=2, batch_size=4, learning_rate=0.1), rule, old, x, y)
    assert np.abs(new["layers.1.W"] - old["layers.1.W"]).max() > 0.01
    np.testing.assert_allclose(property_holds(new, old), 0, atol=1e-12)


def test_pseudoinverse_waits_for_its_interval():
    rule = Rule("error", "sequential", Feedback("pseudoinverse", every=3))
    network = network_for(rule, (5, 4, 3))
    old = lower(network, rule, 2, precision="float64").params
    x, y = batch_for(network, 8, 2)
    training = Training(epochs=1, batch_size=4, learning_rate=0.1)
    after = [train(network, training, rule, old, x, y, epochs=epochs) for epochs in (1, 2)]  # 2 and 4 updates
    np.testing.assert_array_equal(after[0]["layers.0.B"], old["layers.0.B"])
    assert np.abs(after[1]["layers.0.B"] - old["layers.0.B"]).max() > 1e-3
