"""Losses of the output layer where numbers are large."""

import numpy as np
import pytest

import neurofa as nf


def losses(gap: float, precision: str) -> tuple[float, float]:
    """Of a sample that is taken for the other class with certainty: while training, and in a test."""
    net = nf.Network.dense((1, 2), output="softmax", loss="cce", bias=False)
    params, x, y = {"layers.0.W": np.array([[gap, 0.0]], precision)}, np.ones((4, 1)), np.ones(4, int)
    still = nf.Training(epochs=1, batch_size=4, learning_rate=0.0, optimiser="sgd", precision=precision)
    run = nf.train(net, nf.rules.BP, nf.Data(x, y, x, y, n_outputs=2), params=params, training=still, probe_every=0)
    return run.history.train_loss.item(), run.history.test_loss.item()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("gap", [-300.0, 0.0, 3.0, 50.0, 95.0, 110.0, 300.0, 3000.0])
def test_cross_entropy_of_a_softmax(gap, precision):
    """It is log(1 + exp(gap)), also where the class has a probability that its precision cannot hold."""
    expected = np.logaddexp(0.0, gap)
    np.testing.assert_allclose(losses(gap, precision), expected, rtol=1e-6, atol=1e-7)


def test_cross_entropy_of_more_outputs_than_a_product_holds():
    """Each of them multiplies by 2, and 2^1024 is no number of double precision."""
    net = nf.Network(1, (nf.Layer(1200, "sigmoid", init="zeros", bias=False),), "bce")
    found = nf.evaluate(net, nf.rules.BP, {"layers.0.W": np.zeros((1, 1200))}, np.ones((3, 1)), np.array([0, 5, 9]))
    assert found.loss == pytest.approx(np.log(2), rel=1e-6)
