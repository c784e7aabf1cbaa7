"""Networks that were trained elsewhere, or before, on a chip that does not change them."""

import numpy as np
import pytest

import neurofa as nf


@pytest.fixture(scope="module")
def model():
    return nf.load_model("digits")


@pytest.fixture(scope="module")
def data():
    return nf.load_data("digits")


@pytest.mark.parametrize("name", ["int8_stochastic", "int4", "binary_stochastic"])
def test_weights_that_were_learned_on_levels_stay_as_they_are(model, data, name):
    run = nf.train(model, nf.rules.DRTP, data, mode="spiking", hardware=name, epochs=1, probe_every=0)
    for params, kind in ((run.params, np.float32), ({k: v.astype(float) for k, v in run.params.items()}, float)):
        again = nf.train(
            model, nf.rules.DRTP, data, mode="spiking", hardware=name, params=params, epochs=0, probe_every=0
        )
        for key, value in params.items():
            np.testing.assert_array_equal(again.params[key].astype(kind), value, err_msg=key)
    assert again.test_error == pytest.approx(run.history.test_error.values[-1])


def test_full_precision_put_on_eight_bits_loses_little(model, data):
    run = nf.train(model, nf.rules.DFA, data, mode="spiking", epochs=5, probe_every=0)
    chip = nf.hardware.load_profile("int8")
    on_chip = nf.train(model, nf.rules.DFA, data, mode="spiking", hardware=chip, params=run.params, epochs=0)
    W, stored = run.params["layers.0.W"], on_chip.params["layers.0.W"]
    step = 2.0 ** np.ceil(np.log2(8 * (1 / 64) ** 0.5 / 127))  # of a headroom of 8 over what the initialiser draws
    assert np.abs(stored - W).max() <= step / 2 + 1e-9
    np.testing.assert_array_equal(np.rint(stored / step), stored / step)
    assert on_chip.test_error < run.history.test_error.values[-1] + 0.02


def test_a_chip_without_plasticity_runs_what_was_trained_elsewhere(model, data):
    chip = nf.hardware.load_profile("dynapse2")
    with pytest.raises(nf.InputError, match="no plasticity"):
        nf.train(model, nf.rules.DFA, data, mode="spiking", hardware=chip, epochs=1)


def test_observed_weights_are_the_chips(model, data):
    run = nf.train(model, nf.rules.DFA, data, mode="spiking", hardware="int4_stochastic", epochs=1, probe_every=0)
    record = (nf.Record("weights", "layers.0.W", units=(0, 1, 2)),)
    seen = nf.observe(
        model, nf.rules.DFA, run.params, data.x_test[:2], data.y_test[:2],
        hardware="int4_stochastic", record=record, learn=False,
    )  # fmt: skip
    np.testing.assert_array_equal(seen.traces["weights", "layers.0.W"].values[0], run.params["layers.0.W"].ravel()[:3])


def test_an_update_in_rate_mode_is_that_of_the_stored_weights():
    rng = np.random.default_rng(0)
    net = nf.Network.dense((4, 3, 2))
    params = {
        f"layers.{i}.{n}": rng.normal(size=s) for i, n, s in ((0, "W", (4, 3)), (1, "W", (3, 2)), (0, "B", (2, 3)))
    }
    params |= {"layers.0.b": np.zeros(3), "layers.1.b": np.zeros(2)}
    x, y = rng.normal(size=(5, 4)), np.array([0, 1, 1, 0, 1])
    data = nf.Data(x_train=x, y_train=y, x_test=x, y_test=y, name="x", task="classification", n_outputs=2)
    stored = nf.train(
        net, nf.rules.DFA, data,
        hardware="int4", params=params, epochs=0, training=nf.Training(precision="float64", batch_size=5),
    ).params  # fmt: skip
    assert not np.array_equal(stored["layers.0.W"], params["layers.0.W"])
    got, wanted = (
        nf.updates(net, nf.rules.DFA, params, x, y, hardware="int4"),
        nf.updates(net, nf.rules.DFA, stored, x, y),
    )
    for key in wanted:
        np.testing.assert_array_equal(got[key], wanted[key])


def test_an_update_in_spiking_mode_is_that_of_the_stored_weights():
    net, rng = nf.Network.dense((4, 3, 2)), np.random.default_rng(0)
    params = nf.lower(net, nf.rules.DFA, precision="float64").params
    x, y = rng.random((5, 4)), np.array([0, 1, 1, 0, 1])
    chip, spiking = (
        nf.Hardware("weights", weights=nf.spec.Levels(-8, 7)),
        nf.Spiking(sample_ms=20.0, error_threshold=0.25),
    )
    plan = nf.hardware.constrain(nf.rules.freeze(net, nf.rules.DFA, params), spiking, chip)
    stored = nf.updates(net, nf.rules.DFA, params, x, y, "spiking", spiking=spiking, hardware=chip)
    wanted = nf.updates(net, nf.rules.DFA, plan.params, x, y, "spiking", spiking=spiking)
    free = nf.updates(net, nf.rules.DFA, params, x, y, "spiking", spiking=spiking)
    for key in wanted:
        np.testing.assert_array_equal(stored[key], wanted[key])
    assert any((stored[key] != free[key]).any() for key in stored)


def test_weights_beyond_the_ends_have_a_unit_that_holds_them():
    net = nf.Network.dense((4, 3, 2))
    rng = np.random.default_rng(0)
    params = {"layers.0.W": 40 * rng.uniform(-1, 1, (4, 3)), "layers.1.W": 0.01 * rng.uniform(-1, 1, (3, 2))}
    plan = nf.lower(net, nf.rules.DFA, params=params, precision="float64")
    stored = nf.hardware.constrain(plan, nf.Spiking(), nf.hardware.load_profile("int4"), seed=0, given=params)
    grid = stored.on_chip.weights[0]
    assert np.abs(stored.params["layers.0.W"] - params["layers.0.W"]).max() <= grid.step / 2
    assert grid.high / 2 < params["layers.0.W"].max() or grid.origin / 2 > params["layers.0.W"].min()
    usual = nf.hardware.constrain(nf.lower(net, nf.rules.DFA), nf.Spiking(), nf.hardware.load_profile("int4"), seed=0)
    assert stored.on_chip.weights[1] == usual.on_chip.weights[1]
