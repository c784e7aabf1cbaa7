"""Lechner 2020: in a mono-net with one output, mDFA's update has the sign of the gradient (theorem 2)."""

import numpy as np
import pytest

import neurofa as nf
from neurofa.analysis.alignment import angle_deg

MONOTONE = ("tanh", "sigmoid", "hard_tanh", "relu", "leaky_relu", "identity")
DRAWS = 5


def mono_net(sizes, activation, output="identity", loss="half_sse"):
    """A network that the monotone constraint admits."""
    init = nf.Init("abs_normal", std=0.5)
    hidden = (nf.Layer(n, activation, slope=0.05, init=init) for n in sizes[1:-1])
    return nf.Network(sizes[0], (*hidden, nf.Layer(sizes[-1], output, init=init)), loss=loss, task="regression")


def drawn(net, rng, *, monotone=True, feedback=np.abs):
    """W (non-negative from the second layer on if `monotone`), b and B of a direct route."""
    params = {}
    for i, (n_pre, n_post) in enumerate(zip(net.sizes[:-1], net.sizes[1:], strict=True)):
        W = rng.normal(size=(n_pre, n_post)) / np.sqrt(n_pre)
        params[f"layers.{i}.W"] = np.abs(W) if monotone and i > 0 else W
        params[f"layers.{i}.b"] = 0.3 * rng.normal(size=n_post)
        if i < len(net.layers) - 1:
            params[f"layers.{i}.B"] = feedback(rng.normal(size=(net.sizes[-1], n_post)))
    return params


def without_feedback(params):
    return {key: value for key, value in params.items() if not key.endswith(".B")}


def products(net, rule, params, x, y):
    """Update times gradient, for every coordinate of every W and b."""
    update = nf.updates(net, rule, params, x, y)
    gradient = nf.updates(net, nf.rules.BP, without_feedback(params), x, y)
    keys = [f"layers.{i}.{name}" for i in range(len(net.layers)) for name in ("dW", "db")]
    return {key: update[key] * gradient[key] for key in keys}


def random_case(n_layers, activation, draw, n_samples=1):
    rng = np.random.default_rng([n_layers, MONOTONE.index(activation), draw])
    sizes = (*rng.integers(2, 8, size=n_layers), 1)
    return rng, sizes, rng.normal(size=(n_samples, sizes[0])), rng.normal(size=(n_samples, 1))


@pytest.mark.parametrize("activation", MONOTONE)
@pytest.mark.parametrize("n_layers", [2, 3, 4, 5, 6])
def test_theorem_2_every_coordinate_has_the_gradients_sign(n_layers, activation):
    positive = 0
    for draw in range(DRAWS):
        rng, sizes, x, y = random_case(n_layers, activation, draw)
        net = mono_net(sizes, activation, *(("tanh", "mse") if draw % 2 else ("identity", "half_sse")))
        for key, product in products(net, nf.rules.MDFA, drawn(net, rng), x, y).items():
            assert (product >= 0).all(), f"{key} of {sizes} points against the gradient"
            positive += key == "layers.0.dW" and (product > 0).any()
    assert positive >= 1  # the first layer does learn, so the check is not one of zeros


@pytest.mark.parametrize("case", ["signed weights", "signed feedback"])
def test_theorem_2_needs_both_signs(case):
    against = 0
    for draw in range(DRAWS):
        rng, sizes, x, y = random_case(4, "tanh", draw)
        net = mono_net(sizes, "tanh")
        wrong = {"monotone": False} if case == "signed weights" else {"feedback": np.asarray}
        params = drawn(net, rng, **wrong)
        against += sum((product < 0).any() for product in products(net, nf.rules.DFA, params, x, y).values())
    assert against > 0


def test_theorem_2_is_about_a_single_sample():
    """Summed over a batch, the sign holds for the last hidden layer; below it, samples weigh differently."""
    below = 0
    for draw in range(10):
        rng, sizes, x, y = random_case(4, "tanh", draw, n_samples=16)
        net = mono_net(sizes, "tanh")
        result = products(net, nf.rules.MDFA, drawn(net, rng), 2 * x, y)
        for key in ("layers.2.dW", "layers.2.db", "layers.3.dW", "layers.3.db"):
            assert (result[key] >= 0).all()
        below += sum((result[f"layers.{i}.dW"] < 0).any() for i in (0, 1))
    assert below > 0


def test_training_keeps_a_mono_net_and_with_it_the_theorem():
    rng = np.random.default_rng(7)
    net = mono_net((5, 8, 6, 1), "tanh")
    x = rng.normal(size=(200, 5)).astype(np.float32)
    y = np.sign(x[:, :1] * x[:, 1:2]).astype(np.float32)  # not monotone: gradients keep pushing W below zero
    nothing = {"x_validation": x[:0], "y_validation": y[:0]}
    data = nf.Data(x, y, x[:8], y[:8], **nothing, name="products", task="regression", n_outputs=1, image_shape=())
    training = nf.Training(
        epochs=20, batch_size=10, learning_rate=0.1, optimiser="sgd", shuffle=False, precision="float64"
    )
    params = nf.train(net, nf.rules.MDFA, data, training=training).params
    at_bound = 0
    for i in (1, 2):
        W = params[f"layers.{i}.W"]
        assert W.min() >= 1e-6
        at_bound += np.sum(W == 1e-6)
    assert at_bound > 0  # the constraint did something
    for n in range(20):
        sample = x[n : n + 1].astype(np.float64), y[n : n + 1].astype(np.float64)
        assert all((product >= 0).all() for product in products(net, nf.rules.MDFA, params, *sample).values())


def test_two_outputs_can_turn_the_update_against_the_gradient():
    """Appendix A.3 with the error read as the vector (1, -1): each hidden neuron gets the other one's error."""
    net = mono_net((1, 2, 2), "tanh")
    swap, one = np.array([[0.0, 1.0], [1.0, 0.0]]), np.eye(2)
    params = {"layers.0.W": np.full((1, 2), 0.5), "layers.0.b": np.zeros(2), "layers.0.B": one}
    params |= {"layers.1.W": swap, "layers.1.b": np.zeros(2)}
    x = np.ones((1, 1))
    output = np.full((1, 2), np.tanh(0.5))
    target = output - np.array([[1.0, -1.0]])
    update = nf.updates(net, nf.rules.MDFA, params, x, target)
    gradient = nf.updates(net, nf.rules.BP, without_feedback(params), x, target)
    np.testing.assert_allclose(update["layers.0.M"], [[1.0, -1.0]], atol=1e-5)  # W >= 1e-6 may have been applied
    np.testing.assert_allclose(gradient["layers.0.M"], [[-1.0, 1.0]], atol=1e-5)
    for name in ("dW", "db"):
        assert (update[f"layers.0.{name}"] * gradient[f"layers.0.{name}"] < 0).all()
        assert angle_deg(update[f"layers.0.{name}"], gradient[f"layers.0.{name}"]) > 179.9
    np.testing.assert_allclose(update["layers.1.dW"], gradient["layers.1.dW"], atol=1e-5)


def test_from_zero_weights_dfa_with_one_output_learns_what_positive_feedback_learns():
    """An odd activation leaves the signs of hidden neurons free: each takes that of its feedback."""
    rng = np.random.default_rng(11)
    net = mono_net((5, 8, 6, 1), "tanh")
    x = rng.normal(size=(100, 5)).astype(np.float32)
    y = np.sign(x[:, :1] * x[:, 1:2]).astype(np.float32)
    data = nf.Data(x, y, x[:8], y[:8], name="products", task="regression", n_outputs=1)
    training = nf.Training(epochs=5, batch_size=10, learning_rate=0.1, optimiser="sgd", precision="float64")
    signed = {key: value if key.endswith(".B") else np.zeros_like(value) for key, value in drawn(net, rng).items()}
    signed |= {f"layers.{i}.B": rng.normal(size=(1, n)) for i, n in enumerate((8, 6))}
    positive = {key: np.abs(value) for key, value in signed.items()}
    rule = nf.Rule("error", "direct", "random_nonnegative", name="positive")
    one = nf.train(net, nf.rules.DFA, data, training=training, params=signed).params
    other = nf.train(net, rule, data, training=training, params=positive).params
    signs = [np.ones(5), *(np.sign(signed[f"layers.{i}.B"][0]) for i in (0, 1)), np.ones(1)]
    for i in range(3):
        assert np.abs(one[f"layers.{i}.W"]).max() > 0.01
        np.testing.assert_allclose(one[f"layers.{i}.W"], np.outer(signs[i], signs[i + 1]) * other[f"layers.{i}.W"],
                                   atol=1e-12)  # fmt: skip
