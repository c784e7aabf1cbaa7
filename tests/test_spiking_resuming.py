"""Training in spiking mode that is broken off goes on as if it had not been, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from running import assert_equal_runs

import neurofa as nf
from neurofa.rules import PRESETS

CASES = {
    "dfa": {},
    "sign_fa": {},
    "matching": {"reset_state": False},
    "node_perturbation": {"homeostasis": nf.Homeostasis(20.0, 1e-4)},
    "np_fa": {},
    "drtp": {"batch": 4},
    "pseudo_bp": {},
}


def data():
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 6)).astype(np.float32), rng.integers(3, size=30)
    return nf.Data(
        x_train=x[:20], y_train=y[:20], x_test=x[20:25], y_test=y[20:25], x_validation=x[25:], y_validation=y[25:],
        name="small", task="classification", n_outputs=3,
    )  # fmt: skip


def spiking_with(batch=1, **options):
    schedule = nf.Schedule("plateau", factor=0.5, patience=1)
    training = replace(
        nf.Spiking().training, epochs=4, batch_size=batch, learning_rate=0.01, schedule=schedule, report_last=2
    )
    encoder = nf.Encoder("poisson", max_rate_hz=400.0)
    return nf.Spiking(sample_ms=12.0, encoder=encoder, neuron=nf.Neuron("lif"), training=training, **options)


@pytest.mark.parametrize("name", CASES)
def test_two_epochs_and_two_more_are_four(name, tmp_path):
    network, rule, spiking = (
        nf.Network.dense((6, 5, 4, 3), init="he_normal"),
        PRESETS[name],
        spiking_with(**CASES[name]),
    )

    def train(folder, **options):
        return nf.train(network, rule, data(), "spiking", 3, spiking=spiking, out=folder, **options)

    whole = train(tmp_path / "whole")
    train(tmp_path / "cut", epochs=2)
    rest = train(tmp_path / "cut", resume=True)
    assert_equal_runs(rest, whole)
    assert rest.synops_per_sample == whole.synops_per_sample


def test_early_stopping_takes_the_best_epoch():
    spiking = spiking_with()
    spiking = replace(spiking, training=replace(spiking.training, epochs=30, early_stopping=2))
    network, rule = nf.Network.dense((6, 5, 3), init="he_normal"), PRESETS["sign_fa"]
    run = nf.train(network, rule, data(), "spiking", spiking=spiking)
    errors = run.history["validation_error"].values
    best = int(errors.argmin())
    assert len(errors) == best + 3 < 30
    short = replace(spiking.training, epochs=best + 1, early_stopping=None)
    until_then = nf.train(network, rule, data(), "spiking", spiking=replace(spiking, training=short))
    for key, value in until_then.params.items():
        np.testing.assert_array_equal(run.params[key], value)
    assert run.test_error == float(run.history.test_error[best])
