"""Lansdell 2020: feedback learned by node perturbation converges to the forward weights (theorems 1 and 2).

W stays as it is (learning rate 0), and B is the ridge regression of the loss gradient estimated from noise on the
error. The paper's B = W reads B = W transposed here, B being (n_source, n_layer).
"""

from dataclasses import replace

import numpy as np
import pytest

import neurofa as nf
from neurofa.analysis.alignment import angle_deg, relative_error

POOL = 500


def rule(base, noise_std, estimator="ridge"):
    return replace(base, perturbation=nf.Perturbation(noise_std, estimator, ridge=1e-3))


def drawn(net, rng):
    shapes = zip(net.sizes[:-1], net.sizes[1:], strict=True)
    return {f"layers.{i}.W": rng.normal(size=shape) / np.sqrt(shape[1]) for i, shape in enumerate(shapes)}


def samples(net, rng, n=POOL):
    x = rng.normal(size=(n, net.inputs)).astype(np.float32)
    return x, rng.normal(size=(n, net.sizes[-1])).astype(np.float32)


def learned(net, base, params, noise_std, n_updates=200, seed=0):
    """Parameters after B has seen `n_updates` batches of the same inputs, each with its own noise."""
    x, y = samples(net, np.random.default_rng(1))
    x, y = np.tile(x, (n_updates, 1)), np.tile(y, (n_updates, 1))
    few = {"x_test": x[:4], "y_test": y[:4], "x_validation": x[:0], "y_validation": y[:0]}
    data = nf.Data(x, y, **few, name="noise", task="regression", n_outputs=net.sizes[-1], image_shape=())
    training = nf.Training(
        epochs=1, batch_size=POOL, learning_rate=0.0, optimiser="sgd", shuffle=False, precision="float64"
    )
    run = nf.train(net, rule(base, noise_std), data, seed=seed, training=training, params=params)
    for key, W in params.items():
        np.testing.assert_array_equal(run.params[key], W)  # only B learns here
    return run.params


def error(params, layer, source=None):
    return relative_error(nf.rules.path_weights(params, source or layer + 1, layer), params[f"layers.{layer}.B"])


SHALLOW = nf.Network.dense((6, 5, 4), "tanh", "sigmoid", "mse", task="regression", bias=False)
# A3 needs errors that span every layer B starts from, so no layer above the first may be wider than the output
DEEP_LINEAR = nf.Network.dense((6, 3, 4, 5), "identity", "identity", "half_sse", task="regression", bias=False)


def test_theorem_1_shallow_nonlinear_network():
    params = drawn(SHALLOW, np.random.default_rng(0))
    errors = [error(learned(SHALLOW, nf.rules.NP_FA, params, c), 0) for c in (3.0, 1.0, 0.3, 0.01)]
    assert errors[-1] < 0.03
    assert np.all(np.diff(errors[:3]) < 0)  # less noise, less bias
    assert errors[0] > 5 * errors[-1]
    assert abs(errors[2] - errors[3]) < 0.5 * errors[2] + 0.01


def test_theorem_1_error_falls_with_the_number_of_samples():
    params = drawn(SHALLOW, np.random.default_rng(0))
    few, many = (
        np.mean([error(learned(SHALLOW, nf.rules.NP_FA, params, 0.01, n, seed), 0) for seed in range(5)])
        for n in (5, 80)
    )
    assert few / many == pytest.approx(4, rel=0.5)  # one over the root of 16


def test_theorem_1_bias_of_large_noise_does_not_average_out():
    params = drawn(SHALLOW, np.random.default_rng(0))
    biased = [error(learned(SHALLOW, nf.rules.NP_FA, params, 3.0, n), 0) for n in (100, 400)]
    assert biased[1] > 0.1
    assert biased[1] > 0.7 * biased[0]


def test_theorem_2_deep_linear_network():
    params = drawn(DEEP_LINEAR, np.random.default_rng(2))
    found = learned(DEEP_LINEAR, nf.rules.NP_FA, params, 0.01, 400)
    for layer in (0, 1):
        assert error(found, layer) < 0.05


def test_theorem_2_needs_errors_of_full_rank():
    """A hidden layer wider than the output gets errors that do not span it: B stays off W, yet its signal is right."""
    wide = nf.Network.dense((6, 5, 8, 2), "identity", "identity", "half_sse", task="regression", bias=False)
    params = drawn(wide, np.random.default_rng(2))
    found = learned(wide, nf.rules.NP_FA, params, 0.01, 400)
    assert error(found, 1) < 0.05
    assert error(found, 0) > 0.3
    x, y = samples(wide, np.random.default_rng(3), 50)
    given = {key: found[key] for key in (*params, "layers.0.B", "layers.1.B")}
    signal = nf.updates(wide, rule(nf.rules.NP_FA, 0.01), given, x.astype(np.float64), y)
    gradient = nf.updates(wide, nf.rules.BP, params, x.astype(np.float64), y)
    assert angle_deg(signal["layers.0.M"], gradient["layers.0.M"]) < 6


def test_corollary_1_direct_feedback_learns_the_product_of_weights():
    params = drawn(DEEP_LINEAR, np.random.default_rng(2))
    found = learned(DEEP_LINEAR, nf.rules.NP_DFA, params, 0.01, 400)
    for layer in (0, 1):
        assert error(found, layer, source=2) < 0.05
    other = learned(DEEP_LINEAR, nf.rules.NP_DFA, params, 0.01, 400) | {"layers.2.W": -params["layers.2.W"]}
    assert error(other, 0, source=2) > 1


def test_gradient_estimator_has_its_zero_at_the_weights():
    """Mean dB = E^T (E B - lambda) / N over very many samples: zero at W transposed, and towards it elsewhere."""
    rng = np.random.default_rng(5)
    x, y = samples(SHALLOW, rng, 100_000)
    x = x.astype(np.float64)
    params = drawn(SHALLOW, np.random.default_rng(0))
    target = params["layers.1.W"].T

    learning = rule(nf.rules.NP_FA, 0.01, "gradient")

    def velocity(B):
        return nf.updates(SHALLOW, learning, params | {"layers.0.B": B}, x, y)["layers.0.dB"]

    at_zero, at_target = velocity(np.zeros_like(target)), velocity(target)
    assert np.linalg.norm(at_target) < 0.03 * np.linalg.norm(at_zero)
    for _ in range(5):
        B = target + rng.normal(size=target.shape)
        assert np.sum(velocity(B) * (B - target)) > 0
    # dB is affine in B, so two evaluations give the least-squares B itself (equation 10)
    basis = np.eye(*target.shape)
    covariance = (velocity(basis) - at_zero)[:, : len(target)]
    np.testing.assert_allclose(np.linalg.solve(covariance, -at_zero), target, atol=0.05)
