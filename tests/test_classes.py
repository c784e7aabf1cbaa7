"""Classes that a network names, in both modes, with ties."""

import numpy as np
import pytest

import neurofa as nf
from neurofa.rules import DFA


@pytest.mark.parametrize("mode", ["rate", "spiking"])
@pytest.mark.parametrize("n_out", [1, 3])
def test_classes_are_those_by_which_errors_are_counted(mode, n_out):
    """With every label in turn, so that each sample's class is seen; whole numbers make outputs that are equal."""
    network = nf.Network.dense((6, 20, n_out), hidden="relu", output="hard_tanh", loss="mse")
    rng = np.random.default_rng(4)
    x, n_classes = rng.integers(0, 2, (300, 6)), max(2, n_out)
    params = {
        "layers.0.W": rng.integers(-1, 2, (6, 20)), "layers.0.b": np.zeros(20),
        "layers.1.W": rng.integers(-1, 2, (20, n_out)) / 4, "layers.1.b": np.zeros(n_out),
    }  # fmt: skip
    spiking = nf.Spiking(encoder="poisson", sample_ms=30.0) if mode == "spiking" else None
    named = nf.classify(network, DFA, params, x, mode, 5, spiking=spiking)
    assert named.shape == (300,)
    assert named.dtype == np.int64
    assert len(np.unique(named)) == n_classes
    out = np.sort(nf.predict(network, DFA, params, x, mode, 5, spiking=spiking), axis=1)
    if n_out > 1:
        assert (out[:, -1] == out[:, -2]).mean() > 0.1  # ties
    for label in range(n_classes):
        error = nf.evaluate(network, DFA, params, x, np.full(300, label), mode, 5, spiking=spiking).error
        assert error == (named != label).mean()
    assert nf.evaluate(network, DFA, params, x, named, mode, 5, spiking=spiking).error == 0


def test_a_regression_has_no_classes():
    network = nf.Network.dense((4, 3, 2), output="identity", loss="mse", task="regression")
    with pytest.raises(nf.InputError, match=r"regression and has no classes; use nf\.predict"):
        nf.classify(network, DFA, nf.lower(network, DFA).params, np.ones((2, 4)))
