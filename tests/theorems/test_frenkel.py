"""Frenkel 2021, supplementary note 1: DRTP and backpropagation agree in networks of linear hidden layers.

The paper writes columns and e = y* - y; here rows, and e = dL/dz of the output, which has the opposite sign. One
sample, no biases, all weights zero at the start.
"""

import numpy as np
import pytest

import neurofa as nf
from neurofa.analysis.alignment import angle_deg

CLASSES = 4
STEPS = 25
ETA = 0.02  # hidden weights of DRTP grow without bound, and with them the error vanishes


def linear_net(n_hidden, loss="bce", hidden="identity"):
    output = {"bce": "sigmoid", "cce": "softmax"}[loss]
    sizes = (6, *(5, 7, 3)[:n_hidden], CLASSES)
    return nf.Network.dense(sizes, hidden, output, loss, bias=False, init="zeros")


def start(net, rng, scale=0.0):
    params = {f"layers.{i}.W": scale * rng.normal(size=net.sizes[i : i + 2]) for i in range(len(net.layers))}
    return params | {
        f"layers.{i}.B": rng.uniform(-1, 1, size=(CLASSES, net.sizes[i + 1])) for i in range(len(net.layers) - 1)
    }


def without_feedback(params):
    return {key: value for key, value in params.items() if not key.endswith(".B")}


def trajectory(net, rng, scale=0.0, label=2):
    """(step, parameters, x, label) of DRTP on one sample, from before the first update on."""
    params, x, y = start(net, rng, scale), rng.normal(size=(1, net.inputs)), np.array([label])
    for step in range(STEPS):
        yield step, params, x, y
        update = nf.updates(net, nf.rules.DRTP, params, x, y)
        params = params | {
            f"layers.{i}.W": params[f"layers.{i}.W"] - ETA * update[f"layers.{i}.dW"] for i in range(len(net.layers))
        }


def scale_along(matrix, direction):
    """The number s of matrix = s * direction, after checking that there is one."""
    s = np.sum(matrix * direction) / np.sum(direction**2)
    np.testing.assert_allclose(matrix, s * direction, atol=1e-12 * np.abs(matrix).max())
    return s


@pytest.mark.parametrize("loss", ["bce", "cce"])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_lemma_directions_of_weights_and_activities(n_hidden, loss):
    net, rng = linear_net(n_hidden, loss), np.random.default_rng(n_hidden)
    for step, params, x, y in trajectory(net, rng):
        broadcast = [params[f"layers.{i}.B"][y] for i in range(n_hidden)]  # (B_k^T y*)^T, shape (1, n_k)
        activity = x
        for i in range(n_hidden):
            W = params[f"layers.{i}.W"]
            s_W = -scale_along(W, x.T @ broadcast[0]) if i == 0 else scale_along(W, broadcast[i - 1].T @ broadcast[i])
            activity = activity @ W
            s_y = -scale_along(activity, broadcast[i])
            # the paper says strictly positive from the first update on; layer k has to wait for k updates
            for s in (s_W, s_y):
                assert s > 0 if step > i else s == 0
        W = params[f"layers.{n_hidden}.W"]
        s_out = -(broadcast[-1] @ W / np.sum(broadcast[-1] ** 2)).ravel()
        np.testing.assert_allclose(W, -np.outer(broadcast[-1], s_out), atol=1e-12 * np.abs(W).max())
        if step > n_hidden:
            assert np.array_equal(np.sign(s_out), np.where(np.arange(CLASSES) == y, 1, -1))


@pytest.mark.parametrize("loss", ["bce", "cce"])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_theorem_signal_is_a_negative_multiple_of_the_pseudoinverse(n_hidden, loss):
    """M of DRTP = -(1/s_k) (product of W)^+ e with s_k > 0, where the printed s_k lacks 1/|B_k^T y*|^2."""
    net, rng = linear_net(n_hidden, loss), np.random.default_rng(10 + n_hidden)
    checked = 0
    for step, params, x, y in trajectory(net, rng):
        if step <= n_hidden:
            continue
        drtp = nf.updates(net, nf.rules.DRTP, params, x, y)
        error = -drtp[f"layers.{n_hidden}.M"]  # the paper's e, up to 1/C
        for k in range(n_hidden):
            path = nf.rules.path_weights(params, n_hidden, k)
            pseudo = error @ np.linalg.pinv(path, rcond=1e-10)
            broadcast = drtp[f"layers.{k}.M"]
            s_k = -(pseudo @ broadcast.T).item() / np.sum(broadcast**2)
            assert s_k > 0
            np.testing.assert_allclose(pseudo, -s_k * broadcast, rtol=1e-8, atol=1e-12 * s_k)
            # path = -c (B_k^T y*) s_out^T with c > 0, so s_k = s_out . e / (c |s_out|^2 |B_k^T y*|^2)
            c_s_out = -(broadcast @ path).ravel() / np.sum(broadcast**2)
            expected = c_s_out @ error.ravel() / (c_s_out @ c_s_out * np.sum(broadcast**2))
            assert s_k == pytest.approx(expected, rel=1e-8)
            checked += 1
    assert checked == n_hidden * (STEPS - n_hidden - 1)


@pytest.mark.parametrize("loss", ["bce", "cce"])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_alignment_of_drtp_and_backpropagation(n_hidden, loss):
    """Within 90 degrees, says the paper; in this setting the two signals are even parallel."""
    net, rng = linear_net(n_hidden, loss), np.random.default_rng(20 + n_hidden)
    for step, params, x, y in trajectory(net, rng):
        drtp = nf.updates(net, nf.rules.DRTP, params, x, y)
        bp = nf.updates(net, nf.rules.BP, without_feedback(params), x, y)
        for k in range(n_hidden):
            if step <= n_hidden:  # the output layer has not learned yet, and backpropagation sends nothing
                assert not np.any(bp[f"layers.{k}.M"])
            else:
                assert np.sum(drtp[f"layers.{k}.M"] * bp[f"layers.{k}.M"]) > 0
                assert angle_deg(drtp[f"layers.{k}.M"], bp[f"layers.{k}.M"]) < 1e-5


def test_alignment_needs_the_zero_start():
    angles = []
    for seed in range(10):
        net, rng = linear_net(2), np.random.default_rng(seed)
        for _, params, x, y in trajectory(net, rng, scale=0.5):
            drtp = nf.updates(net, nf.rules.DRTP, params, x, y)
            bp = nf.updates(net, nf.rules.BP, without_feedback(params), x, y)
            angles.append(angle_deg(drtp["layers.0.M"], bp["layers.0.M"]))
    assert max(angles) > 90
    assert min(angles) > 1e-3


def test_lemma_needs_linear_hidden_layers():
    net, rng = linear_net(2, hidden="tanh"), np.random.default_rng(0)
    *_, (_, params, _, y) = trajectory(net, rng)
    direction = params["layers.0.B"][y].T @ params["layers.1.B"][y]
    with pytest.raises(AssertionError):
        scale_along(params["layers.1.W"], direction)
