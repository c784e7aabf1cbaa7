"""Optimisers and schedules against the published formulas, on a linear regression whose gradient is written out."""

from dataclasses import replace

import numpy as np
import pytest
from naive_training import Optimiser as OracleOptimiser
from support import assert_same

import neurofa as nf
from neurofa.kernels import codes
from neurofa.kernels.optimisers import descend
from neurofa.rules import BP, MDFA, lower
from neurofa.spec import Layer, Network, Optimiser, Schedule, Training

N, INPUTS, OUTPUTS = 6, 3, 2
DRAWS = np.random.default_rng(7)
X = DRAWS.normal(size=(N, INPUTS)).astype(np.float32)
T = DRAWS.normal(size=(N, OUTPUTS)).astype(np.float32)
DATA = nf.Data(X, T, X, T, task="regression", name="a line")
LINEAR = Network(INPUTS, (Layer(OUTPUTS, "identity"),), "half_sse", task="regression")
DEEP = Network(INPUTS, (Layer(4, "identity"), Layer(OUTPUTS, "identity")), "half_sse", task="regression")
EPOCHS = 7  # of one update each
BETA1, BETA2, ALPHA, MU, EPSILON = 0.85, 0.9, 0.8, 0.7, 1e-3  # far from the defaults, and epsilon large enough to show


def gradients(params):
    """dL/dW and dL/db of half the mean squared error of a linear network with one or two layers."""
    x, t = X.astype(np.float64), T.astype(np.float64)
    last = len([key for key in params if key.endswith(".W")]) - 1
    a = [x]
    for layer in range(last + 1):
        a.append(a[-1] @ params[f"layers.{layer}.W"] + params[f"layers.{layer}.b"])
    delta, result = (a[-1] - t) / N, {}
    for layer in reversed(range(last + 1)):
        result[f"layers.{layer}.W"], result[f"layers.{layer}.b"] = a[layer].T @ delta, delta.sum(axis=0)
        delta = delta @ params[f"layers.{layer}.W"].T
    return result


def start(network, seed=3):
    params = lower(network, BP, seed, precision="float64").params
    return {key: value.copy() for key, value in params.items() if not key.endswith(".B")}


def trained(network, optimiser, learning_rate, epochs=EPOCHS, schedule=None):
    """The engine's W and b, float64, full batch in order: an update an epoch."""
    training = Training(epochs, 0, learning_rate, optimiser, schedule, shuffle=False, precision="float64")
    return nf.train(network, BP, DATA, seed=3, training=training, probe_every=0)


def descended(network, rates, step, decay=0.0, epochs=EPOCHS):
    """W and b after `step(memory, gradient, t) -> direction` was followed; `rates(epoch)` has a rate for each layer."""
    params, memory = start(network), {}
    for epoch in range(epochs):
        found = gradients(params)
        for key, value in params.items():
            rate = rates(epoch)[int(key.split(".")[1])]
            g = found[key] + decay * value
            params[key] = value - rate * step(memory.setdefault(key, {}), g, epoch + 1)
    return params


def sgd(memory, g, t):
    return g


def momentum(memory, g, t):
    """Polyak 1964: v <- mu v + g."""
    memory["v"] = MU * memory.get("v", 0.0) + g
    return memory["v"]


def adam(memory, g, t):
    """Kingma & Ba 2015, algorithm 1."""
    memory["m"] = BETA1 * memory.get("m", 0.0) + (1 - BETA1) * g
    memory["v"] = BETA2 * memory.get("v", 0.0) + (1 - BETA2) * g**2
    m_hat, v_hat = memory["m"] / (1 - BETA1**t), memory["v"] / (1 - BETA2**t)
    return m_hat / (np.sqrt(v_hat) + EPSILON)


def rmsprop(memory, g, t):
    """Tieleman & Hinton 2012: divide by the root of a running average of g squared."""
    memory["s"] = ALPHA * memory.get("s", 0.0) + (1 - ALPHA) * g**2
    return g / (np.sqrt(memory["s"]) + EPSILON)


FORMULAS = {"sgd": sgd, "momentum": momentum, "adam": adam, "rmsprop": rmsprop}
RATES = {"sgd": 0.2, "momentum": 0.1, "nesterov": 0.1, "adam": 0.05, "rmsprop": 0.05}


def options(kind, decay=0.0):
    return Optimiser(kind, MU, BETA1, BETA2, ALPHA, EPSILON, decay)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", FORMULAS)
def test_steps_follow_the_published_formula(kind, decay):
    run = trained(LINEAR, options(kind, decay), RATES[kind])
    expected = descended(LINEAR, lambda epoch: (RATES[kind],), FORMULAS[kind], decay)
    assert_same(run.params, expected, 1e-12)
    without = descended(LINEAR, lambda epoch: (RATES[kind],), FORMULAS[kind], 0.3 - decay)
    assert max(np.abs(without[key] - expected[key]).max() for key in expected) > 1e-3  # W and b alike decay


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_each_layer_has_its_own_epsilon(kind):
    epsilons = EPSILON, 30 * EPSILON
    several = replace(options(kind), epsilon=epsilons)
    run, params = trained(DEEP, several, RATES[kind]), start(DEEP)
    own = {
        key: OracleOptimiser(replace(several, epsilon=epsilons[int(key.split(".")[1])]), value.shape)
        for key, value in params.items()
    }
    for _ in range(EPOCHS):
        found = gradients(params)
        params = {key: own[key].step(value, found[key], RATES[kind]) for key, value in params.items()}
    assert_same(run.params, params, 1e-11, keys=params)


def test_nesterov_takes_the_gradient_where_the_momentum_leads():
    """Sutskever et al. 2013, equations 3 and 4: the optimiser's parameters are theta + mu v."""
    rate, theta = 0.1, start(LINEAR)
    v = {key: np.zeros_like(value) for key, value in theta.items()}
    for _ in range(EPOCHS):
        ahead = gradients({key: theta[key] + MU * v[key] for key in theta})
        v = {key: MU * v[key] - rate * ahead[key] for key in theta}
        theta = {key: theta[key] + v[key] for key in theta}
    expected = {key: theta[key] + MU * v[key] for key in theta}
    assert_same(trained(LINEAR, options("nesterov"), rate).params, expected, 1e-12)


@pytest.mark.parametrize("kind", FORMULAS)
def test_each_layer_has_its_own_rate(kind):
    rates = (RATES[kind], RATES[kind] / 4)
    run = trained(DEEP, options(kind, 0.1), rates)
    assert_same(
        run.params,
        descended(DEEP, lambda epoch: rates, FORMULAS[kind], 0.1),
        1e-11,
        keys=[key for key in run.params if not key.endswith(".B")],
    )
    np.testing.assert_array_equal(run.history.learning_rate.values, [rates] * EPOCHS)


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_rate_of_zero_leaves_a_layer_alone(kind):
    run, initial = trained(DEEP, options(kind, 0.1), (0.0, RATES[kind])), start(DEEP)
    for name in "Wb":
        np.testing.assert_array_equal(run.params[f"layers.0.{name}"], initial[f"layers.0.{name}"])
        assert np.abs(run.params[f"layers.1.{name}"] - initial[f"layers.1.{name}"]).max() > 1e-3


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Schedule("step", factor=0.5, every=3), [1, 1, 1, 0.5, 0.5, 0.5, 0.25]),
        (Schedule("step", factor=0.1, milestones=(2, 5)), [1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        (Schedule("step", factor=0.5, milestones=(5, 2)), [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ],
)
@pytest.mark.parametrize("kind", FORMULAS)
def test_a_rate_that_falls_in_steps_scales_the_steps_and_not_the_moments(kind, schedule, factors):
    run = trained(DEEP, options(kind), RATES[kind], schedule=schedule)
    rates = np.outer(factors, [RATES[kind]] * 2)
    np.testing.assert_allclose(run.history.learning_rate.values, rates, rtol=1e-12)
    expected = descended(DEEP, lambda epoch: rates[epoch], FORMULAS[kind])
    assert_same(run.params, expected, 1e-11, keys=expected)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_plateau_is_patience_epochs_without_a_better_loss(patience):
    """A rate at which the loss soon rises with every epoch: from then on the rate falls every `patience` epochs."""
    highest = 2 / np.linalg.eigvalsh(np.hstack([X, np.ones((N, 1))]).T @ np.hstack([X, np.ones((N, 1))]) / N).max()
    rate = 1.4 * highest  # beyond what gradient descent is stable at
    schedule = Schedule("plateau", factor=0.99, patience=patience)
    run = trained(LINEAR, "sgd", rate, epochs=12, schedule=schedule)
    losses = run.history.train_loss.values
    best = int(np.argmin(losses))
    assert (np.diff(losses[best:]) > 0).all()
    waited = np.maximum(0, np.arange(12) - 1 - best)  # epochs that were worse, before each epoch begins
    np.testing.assert_allclose(run.history.learning_rate.values[:, 0], rate * 0.99 ** (waited // patience), rtol=1e-12)
    assert waited[-1] // patience >= 2


def test_a_plateau_looks_at_the_validation_loss_where_there_is_one():
    """Validation targets that training leads away from: their loss rises while the training loss falls."""
    worse = nf.Data(X, T, X, T, X, -T, task="regression", name="a line")
    schedule = Schedule("plateau", factor=0.5, patience=1)
    training = Training(5, 0, 0.05, "sgd", schedule, shuffle=False, precision="float64")
    history = nf.train(LINEAR, BP, worse, seed=3, training=training).history
    assert (np.diff(history.train_loss) < 0).all()
    assert (np.diff(history.validation_loss) > 0).all()
    np.testing.assert_allclose(history.learning_rate[:, 0], 0.05 * 0.5 ** np.array([0, 0, 1, 2, 3]))
    training = Training(5, 0, 0.05, "sgd", schedule, shuffle=False, precision="float64")
    assert (nf.train(LINEAR, BP, DATA, seed=3, training=training).history.learning_rate == 0.05).all()


@pytest.mark.parametrize("kind", codes.OPTIMISERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bound_is_kept_after_the_step_and_not_a_number_is_not_hidden(kind, dtype):
    hyper = np.array([0.5, 0.0, 0.9, 0.99, 1e-8, 0.1, 0.01, 1e-6], dtype)
    w, g = np.array([0.2, 0.2, np.nan], dtype), np.array([5.0, -5.0, 0.0], dtype)
    first, second = np.zeros(3, dtype), np.zeros(3, dtype)
    descend(codes.OPTIMISERS[kind], hyper, w, first, second, g, True)
    assert w[0] == dtype(1e-6)
    assert w[1] > 0.2
    assert np.isnan(w[2])


def test_a_bounded_rule_descends_and_then_raises_to_the_bound():
    layers = (Layer(4, "identity"), Layer(OUTPUTS, "identity", init="zeros"))
    network = Network(INPUTS, layers, "half_sse", task="regression")
    training = Training(1, 0, 0.5, "sgd", shuffle=False, precision="float64")
    run = nf.train(network, MDFA, DATA, seed=3, training=training)
    before = lower(network, MDFA, 3, precision="float64").params
    a = X @ before["layers.0.W"] + before["layers.0.b"]
    e = (a @ before["layers.1.W"] + before["layers.1.b"] - T) / N
    W = before["layers.1.W"] - 0.5 * a.T @ e
    assert (W < 0).any()
    assert (W > 1e-6).any()
    np.testing.assert_allclose(run.params["layers.1.W"], np.maximum(W, 1e-6), rtol=1e-9)
