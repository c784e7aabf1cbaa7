"""Lillicrap 2016, supplementary notes 11, 14 and 16: feedback alignment in linear networks.

The paper writes y = W A x with columns; here y = x W_0 W_1, so A is W_0 transposed, W is W_1 transposed and the
paper's B is B transposed.
"""

import numpy as np
import pytest

import neurofa as nf
from neurofa.analysis.alignment import angle_deg
from neurofa.analysis.conservation import matrix_invariant
from neurofa.analysis.linear import alignment_traces, lyapunov, scalar_jacobian

LINEAR = nf.Network.dense((6, 5, 3), "identity", "identity", "half_sse", task="regression", bias=False)


def drawn(rng, scale=0.7, net=LINEAR):
    n_in, n_hidden, n_out = net.sizes
    return {
        "layers.0.W": scale * rng.normal(size=(n_in, n_hidden)),
        "layers.1.W": scale * rng.normal(size=(n_hidden, n_out)),
        "layers.0.B": rng.normal(size=(n_out, n_hidden)),
    }


def zeros(rng, net=LINEAR):
    return drawn(rng, 0.0, net)


def invariant(params):
    return matrix_invariant(params["layers.0.W"], params["layers.1.W"], params["layers.0.B"])


def full_batch(x, y, n_updates):
    """Data whose one epoch is `n_updates` times the same batch."""
    x32, y32 = np.tile(x, (n_updates, 1)).astype(np.float32), np.tile(y, (n_updates, 1)).astype(np.float32)
    few = {"x_test": x32[:2], "y_test": y32[:2], "x_validation": x32[:0], "y_validation": y32[:0]}
    return nf.Data(x32, y32, **few, name="linear", task="regression", n_outputs=y.shape[1], image_shape=())


def flow(rule, params, x, y, eta, n_updates, net=LINEAR):
    """Parameters after `n_updates` full-batch steps of plain gradient descent."""
    training = nf.Training(
        epochs=1, batch_size=len(x), learning_rate=eta, optimiser="sgd", shuffle=False, precision="float64"
    )
    return nf.train(net, rule, full_batch(x, y, n_updates), training=training, params=params).params


def teacher(rng, net=LINEAR, n_samples=12):
    """Inputs and the targets of a random linear map T."""
    x = rng.normal(size=(n_samples, net.inputs))
    return x, x @ rng.normal(size=(net.inputs, net.sizes[-1]))


# --- Note 11, equation 10: BW + W^T B^T - A A^T is constant ------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_invariant_has_zero_velocity(seed):
    """Exact for any inputs, not only for those with unit covariance, which the paper assumes."""
    rng = np.random.default_rng(seed)
    params, (x, y) = drawn(rng), teacher(rng)

    def velocity(params):
        update = nf.updates(LINEAR, nf.rules.FA, params, x, y)
        W0, B = params["layers.0.W"], params["layers.0.B"]
        dW0, dW1 = update["layers.0.dW"], update["layers.1.dW"]
        half = dW1 @ B - W0.T @ dW0
        return half + half.T, np.abs(dW1 @ B).max()

    change, size = velocity(params)
    assert np.abs(change).max() < 1e-13 * max(size, 1)
    assert size > 0.1  # each term alone does move


def test_invariant_is_constant_in_the_limit_of_small_steps():
    rng = np.random.default_rng(0)
    params, (x, y) = drawn(rng, 0.3), teacher(rng)
    drift = {}
    for n_updates in (200, 400, 800):
        end = flow(nf.rules.FA, params, x, y, 1.0 / n_updates, n_updates)
        drift[n_updates] = np.abs(invariant(end) - invariant(params)).max()
        moved = np.abs(end["layers.0.W"].T @ end["layers.0.W"] - params["layers.0.W"].T @ params["layers.0.W"]).max()
        assert moved > 1  # A A^T changes a lot while the invariant stays
    assert drift[800] < 0.02 * moved
    assert drift[400] / drift[200] == pytest.approx(0.5, abs=0.05)  # first order in the step
    assert drift[800] / drift[400] == pytest.approx(0.5, abs=0.05)


def test_invariant_is_feedback_alignments_own():
    """Backpropagation from the same weights changes the quantity by as much as its terms change."""
    rng = np.random.default_rng(0)
    params, (x, y) = drawn(rng, 0.3), teacher(rng)
    start = {key: value for key, value in params.items() if not key.endswith("B")}
    end = flow(nf.rules.BP, start, x, y, 1.0 / 800, 800) | {"layers.0.B": params["layers.0.B"]}
    assert np.abs(invariant(end) - invariant(params)).max() > 0.5


# --- Note 11, theorem 1: from zero, with B of full column rank, the error goes to zero ---------------------------


def whitened(rng, net):
    """Inputs with covariance exactly 1, and targets of a random T."""
    n_in = net.inputs
    x = np.sqrt(n_in) * np.linalg.qr(rng.normal(size=(n_in, n_in)))[0]
    return x, x @ rng.normal(size=(n_in, net.sizes[-1]))


def error(params, x, y):
    return x @ params["layers.0.W"] @ params["layers.1.W"] - y


@pytest.mark.parametrize("seed", range(3))
def test_theorem_1_error_vanishes_from_zero(seed):
    rng = np.random.default_rng(seed)
    params, (x, y) = zeros(rng), whitened(rng, LINEAR)
    assert np.linalg.matrix_rank(params["layers.0.B"]) == 3
    values, state = [], params
    for _ in range(12):  # V = |B E|^2 falls all the way
        values.append(np.sum((error(state, x, y) @ params["layers.0.B"]) ** 2))
        state = flow(nf.rules.FA, state, x, y, 0.002, 50)
    assert np.all(np.diff(values) < 0)
    end = flow(nf.rules.FA, state, x, y, 0.01, 1000)
    assert np.abs(error(end, x, y)).max() < 1e-5 * np.abs(y).max()  # the data are rounded to float32


def test_theorem_1_needs_columns_of_feedback_that_are_independent():
    """With more outputs than hidden neurons B^+ B is not 1, and an error that B does not see stays."""
    net = nf.Network.dense((6, 2, 3), "identity", "identity", "half_sse", task="regression", bias=False)
    rng = np.random.default_rng(0)
    params, (x, y) = zeros(rng, net), whitened(rng, net)
    end = flow(nf.rules.FA, params, x, y, 0.01, 6000, net)
    assert np.abs(error(end, x, y)).max() > 0.1 * np.abs(y).max()


def test_backpropagation_does_not_leave_zero():
    rng = np.random.default_rng(0)
    params, (x, y) = zeros(rng), whitened(rng, LINEAR)
    del params["layers.0.B"]
    end = flow(nf.rules.BP, params, x, y, 0.01, 100)
    assert not np.any(end["layers.0.W"])
    assert not np.any(end["layers.1.W"])


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_notes_11_and_12_are_those_of_the_updates(seed):
    """Equations 25, 27 and 18 against central differences along the library's own update."""
    rng = np.random.default_rng(seed)
    params, (x, y) = drawn(rng), whitened(rng, LINEAR)
    T = np.linalg.solve(x, y)
    # the invariant is 0 where B W + W^T B^T = A A^T: with W = (A A^T / 2) B^+ for square B
    square = nf.Network.dense((6, 3, 3), "identity", "identity", "half_sse", task="regression", bias=False)
    balanced = drawn(rng, 0.7, square)
    A = balanced["layers.0.W"].T
    balanced["layers.1.W"] = A @ A.T / 2 @ np.linalg.inv(balanced["layers.0.B"])
    np.testing.assert_allclose(invariant(balanced), 0, atol=1e-12)

    def rate(measure, net, params, step=1e-5):
        update = nf.updates(net, nf.rules.FA, params, x, y)
        moved = [
            params | {f"layers.{i}.W": params[f"layers.{i}.W"] - sign * step * update[f"layers.{i}.dW"] for i in (0, 1)}
            for sign in (1, -1)
        ]
        return (measure(moved[0]) - measure(moved[1])) / (2 * step)

    aligned = alignment_traces(params, T)[0]
    assert rate(lambda p: np.sum(p["layers.0.W"] ** 2) / 2, LINEAR, params) == pytest.approx(aligned, rel=1e-6)
    assert rate(lambda p: alignment_traces(p, T)[1], LINEAR, params) == pytest.approx(aligned, rel=1e-6)
    value, fall = lyapunov(balanced, T)
    assert fall < 0 < value
    assert rate(lambda p: lyapunov(p, T)[0], square, balanced) == pytest.approx(fall, rel=1e-6)
    assert rate(lambda p: lyapunov(p, T)[0], LINEAR, params) != pytest.approx(lyapunov(params, T)[1], rel=1e-2)


# --- Note 14, proof 2: from zero and with one sample, B e is a positive multiple of W^+ e -------------------------


def hidden_signals(params, x, y):
    """FA's signal B e, pseudobackprop's W^+ e, and backpropagation's W^T e."""
    forward = {key: value for key, value in params.items() if not key.endswith("B")}
    rules = ((nf.rules.FA, params), (nf.rules.PSEUDO_BP, forward), (nf.rules.BP, forward))
    return tuple(nf.updates(LINEAR, rule, given, x, y)["layers.0.M"] for rule, given in rules)


@pytest.mark.parametrize("equal_rates", [False, True])
def test_proof_2_feedback_acts_like_the_pseudoinverse(equal_rates):
    rng = np.random.default_rng(3)
    params, x, y = zeros(rng), rng.normal(size=(1, 6)), rng.normal(size=(1, 3))
    # the paper divides A's rate by |x|^2; the statement does not need it
    eta = (0.01, 0.01) if equal_rates else (0.05 / np.sum(x**2), 0.05)
    B, target = params["layers.0.B"], y.ravel()
    back = target @ B  # the paper's B y*
    checked = 0
    for step in range(40):
        fa, pseudo, _ = hidden_signals(params, x, y)
        W1 = params["layers.1.W"]
        if step < 2:
            assert not np.any(pseudo)  # W has not moved yet: the multiple is zero, not positive
        else:
            assert angle_deg(fa, pseudo) < 1e-5
            s_w = back @ W1 @ target / (back @ back * (target @ target))  # lemma 5: W = s_w y* (B y*)^T
            np.testing.assert_allclose(W1, s_w * np.outer(back, target), atol=1e-12 * np.abs(W1).max())
            assert s_w > 0
            np.testing.assert_allclose(pseudo, fa / (s_w * (back @ back)), rtol=1e-7)
            checked += 1
        update = nf.updates(LINEAR, nf.rules.FA, params, x, y)
        for i in (0, 1):
            params[f"layers.{i}.W"] = params[f"layers.{i}.W"] - eta[i] * update[f"layers.{i}.dW"]
    assert checked == 38
    assert np.linalg.norm(x @ params["layers.0.W"] @ params["layers.1.W"] - y) < np.linalg.norm(y)


def test_proof_2_needs_the_zero_start():
    rng = np.random.default_rng(3)
    params, x, y = drawn(rng), rng.normal(size=(1, 6)), rng.normal(size=(1, 3))
    fa, pseudo, _ = hidden_signals(params, x, y)
    assert angle_deg(fa, pseudo) > 30


# --- Note 16: the dynamics of feedback alignment are the gradient of no function ---------------------------------

SCALAR = nf.Network.dense((1, 1, 1), "identity", "identity", "half_sse", task="regression")
ORDER = ("layers.1.W", "layers.1.b", "layers.0.W", "layers.0.b")  # the paper's W, b, A, c


def field(rule, theta, B, x, y):
    params = {key: np.full((1, 1) if key.endswith("W") else 1, value) for key, value in zip(ORDER, theta, strict=True)}
    if rule is nf.rules.FA:
        params["layers.0.B"] = np.full((1, 1), B)
    update = nf.updates(SCALAR, rule, params, np.full((1, 1), x), np.full((1, 1), y))
    return np.array([-update[f"{key[:-1]}d{key[-1]}"].item() for key in ORDER])


def jacobian(rule, theta, B, x, y, h=1e-5):
    columns = [(field(rule, theta + d, B, x, y) - field(rule, theta - d, B, x, y)) / (2 * h) for d in h * np.eye(4)]
    return np.stack(columns, axis=1)


def test_note_16_jacobian_is_not_symmetric():
    """Equation 79, with -h^2 for its first entry and -W h + e for its fourth, which it misprints."""
    rng = np.random.default_rng(5)
    for _ in range(5):
        W, b, A, c, B, x, y = rng.normal(size=7)
        e = y - (W * (A * x + c) + b)
        expected = scalar_jacobian(W, b, A, c, B, x, y)
        found = jacobian(nf.rules.FA, np.array([W, b, A, c]), B, x, y)
        np.testing.assert_allclose(found, expected, atol=1e-8)
        assert np.abs(found - found.T).max() > 1e-2
        # holding B at the value of W is not backpropagation: B does not change with W
        matched = jacobian(nf.rules.FA, np.array([W, b, A, c]), W, x, y)
        assert np.abs(matched - matched.T).max() == pytest.approx(max(abs(e * x), abs(e)), abs=1e-8)
        gradient = jacobian(nf.rules.BP, np.array([W, b, A, c]), None, x, y)
        np.testing.assert_allclose(gradient, gradient.T, atol=1e-8)
