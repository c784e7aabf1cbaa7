"""What a run measures on its way, and how it is recorded."""

import naive
import numpy as np
import pytest
import xarray as xr
from running import ADAM, SIZES, with_validation
from support import data_for, network_for, protocol

import neurofa as nf
from neurofa.analysis import angle_deg
from neurofa.io.results import read_results, write_results
from neurofa.rules import BP, FA, PRESETS, SHALLOW, without_feedback

# ---------------------------------------------------------------------------- probes


def probed(rule, sizes=SIZES, *, probe_every=None, epochs=3, **options):
    network = network_for(rule, sizes)
    training = protocol(epochs=epochs, learning_rate=0.3, **options)
    return nf.train(network, rule, data_for(network), seed=4, training=training, probe_every=probe_every)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_backpropagation_agrees_with_itself(precision):
    history = probed(BP, precision=precision).history
    for name in (
        "alignment_deg",
        "sample_alignment_deg",
        "sample_angle_deg",
        "update_angle_deg",
        "total_update_angle_deg",
    ):
        assert (history[name] == 0).all(), name
    hidden = history.isel(layer=slice(0, 2))
    np.testing.assert_allclose(hidden.weight_cosine, 1, rtol=1e-6)
    np.testing.assert_allclose(hidden.relative_error, 0, atol=1e-7)
    assert (hidden.sign_congruence == 1).all()


def test_probes_of_random_feedback_are_those_of_its_matrices():
    """Measured again from the parameters that the run ended with."""
    run = probed(FA)
    last = run.history.isel(probe=-1)
    for layer in (0, 1):
        W, B = run.params[f"layers.{layer + 1}.W"], run.params[f"layers.{layer}.B"]
        here = last.sel(layer=layer)
        cosine = np.sum(W.T * B) / np.linalg.norm(W) / np.linalg.norm(B)
        assert float(here.weight_cosine) == pytest.approx(cosine)
        assert float(here.relative_error) == pytest.approx(np.linalg.norm(W.T - B) / np.linalg.norm(W))
        assert float(here.sign_congruence) == pytest.approx(np.mean(np.sign(W.T) == np.sign(B)))
        assert np.isfinite(float(here.conservation))
    for name in ("weight_cosine", "relative_error", "sign_congruence", "conservation"):
        assert np.isnan(float(last[name].sel(layer=2))), name
    for layer in range(3):
        assert float(last.weight_norm.sel(layer=layer)) == pytest.approx(
            np.linalg.norm(run.params[f"layers.{layer}.W"])
        )
        assert float(last.bias_norm.sel(layer=layer)) == pytest.approx(np.linalg.norm(run.params[f"layers.{layer}.b"]))


@pytest.mark.parametrize("name", ["fa", "dfa", "sdfa", "drtp", "np_dfa", "node_perturbation"])
def test_angles_are_those_of_the_oracles_signals(name):
    """After the last update, on the training samples (there are fewer than a probe takes)."""
    rule = PRESETS[name]
    network = network_for(rule, SIZES)
    data = data_for(network)
    run = nf.train(network, rule, data, seed=4, training=protocol(learning_rate=0.3))
    last = run.history.isel(probe=-1)
    assert ((run.history.alignment_deg >= 0) & (run.history.alignment_deg <= 180)).all()
    theirs = naive.updates(network, BP, run.params, data.x_train, data.y_train)
    assert float(last.alignment_deg.sel(layer=2)) == pytest.approx(0, abs=1e-5)
    assert (last.alignment_deg.sel(layer=[0, 1]) > 1).all()
    if rule.signal == "loss_change":  # of other noise than the oracle's
        return
    mine = naive.updates(network, rule, run.params, data.x_train, data.y_train)
    for layer in (0, 1):
        for variable, keys in (("alignment_deg", ["M"]), ("update_angle_deg", ["dW", "db"])):
            u, v = (np.concatenate([a[f"layers.{layer}.{key}"].ravel() for key in keys]) for a in (mine, theirs))
            angle = np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))
            assert float(last[variable].sel(layer=layer)) == pytest.approx(angle, abs=1e-4), variable
        _, a = naive.forward(network, run.params, data.x_train)
        for variable, post in (("sample_alignment_deg", 1.0), ("sample_angle_deg", 1 - a[layer + 1] ** 2)):
            signals = [updates[f"layers.{layer}.M"] * post for updates in (mine, theirs)]
            u, v = (d / np.linalg.norm(d, axis=1, keepdims=True) for d in signals)
            angle = np.degrees(np.arccos(np.sum(u * v, axis=1))).mean()
            assert float(last[variable].sel(layer=layer)) == pytest.approx(angle, abs=1e-3), variable


def test_the_angle_of_the_whole_update_is_that_of_all_layers():
    network = network_for(FA, SIZES)
    data = data_for(network)
    run = nf.train(network, FA, data, seed=4, training=protocol(learning_rate=0.3))
    found = [naive.updates(network, rule, run.params, data.x_train, data.y_train) for rule in (FA, BP)]
    mine, theirs = (
        np.concatenate([update[f"layers.{layer}.{name}"].ravel() for layer in range(3) for name in ("dW", "db")])
        for update in found
    )
    angle = np.degrees(np.arccos(mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs)))
    assert float(run.history.total_update_angle_deg[-1]) == pytest.approx(angle, abs=1e-4)


def test_angles_of_a_spiking_run_are_those_of_its_updates_on_spikes():
    network, rng = nf.Network.dense((6, 8, 5, 3), init="he_normal"), np.random.default_rng(0)
    x, y = rng.random((24, 6)).astype(np.float32), rng.integers(3, size=24)
    spiking = nf.Spiking(sample_ms=20.0, error_threshold=0.25, training=nf.Training(1, 1, 0.01, "sgd"))
    run = nf.train(network, FA, nf.Data(x, y, x[:5], y[:5], n_outputs=3), "spiking", 2, spiking=spiking)
    last, pairs = run.history.isel(probe=-1), ((FA, run.params), (BP, without_feedback(run.params)))
    on_spikes = [nf.updates(network, rule, params, x, y, "spiking", spiking=spiking) for rule, params in pairs]
    of_rates = [nf.updates(network, rule, params, x, y) for rule, params in pairs]
    for layer in (0, 1):
        angle, other = (angle_deg(*(update[f"layers.{layer}.M"] for update in both)) for both in (on_spikes, of_rates))
        assert float(last.alignment_deg.sel(layer=layer)) == pytest.approx(angle, abs=1e-4)
        assert abs(other - angle) > 0.1  # otherwise this shows nothing


@pytest.mark.parametrize(("name", "layers"), [("fa", (0, 1)), ("dfa", (1,)), ("sdfa", ()), ("drtp", ())])
def test_a_potential_is_conserved_only_where_the_next_layer_learns_from_what_it_sends(name, layers):
    last = probed(PRESETS[name]).history.isel(probe=-1)
    assert tuple(np.flatnonzero(np.isfinite(last.conservation))) == layers


def test_a_potential_below_the_last_hidden_layer_is_conserved_for_any_signal():
    rule = nf.Rule("error_sign", "sequential", "random", name="signs")
    last = probed(rule).history.isel(probe=-1)
    assert np.isfinite(last.conservation).values.tolist() == [True, False, False]


def test_a_rule_without_a_signal_has_no_angle_in_hidden_layers():
    history = probed(SHALLOW).history
    assert np.isnan(history.alignment_deg.isel(layer=slice(0, 2))).all()
    assert (history.alignment_deg.isel(layer=2) == 0).all()
    assert np.isnan(history.weight_cosine).all()


def test_histograms_are_of_the_activities_on_record():
    run = probed(BP)
    histogram = run.history.activation_histogram
    assert histogram.dims == ("probe", "layer", "bin")
    np.testing.assert_allclose(histogram.sum("bin"), 1)
    network = network_for(BP, SIZES)
    _, a = naive.forward(network, run.params, data_for(network).x_train)
    centres = run.history.bin_centre.values
    edges = np.append(centres - 0.05, centres[-1] + 0.05)
    for layer in range(3):
        counts = np.histogram(np.clip(a[layer + 1], -2, 2), edges)[0] / a[layer + 1].size
        np.testing.assert_allclose(histogram.isel(probe=-1, layer=layer), counts, atol=1 / a[layer + 1].size + 1e-12)


@pytest.mark.parametrize(
    ("probe_every", "expected"),
    [(None, [0, 5, 10, 15]), (0, []), (1, list(range(16))), (2, list(range(0, 16, 2))), (7, [0, 7, 14]), (99, [0])],
)
def test_probes_come_every_so_many_updates(probe_every, expected):
    """23 samples in batches of 5 are 5 updates an epoch."""
    history = probed(FA, probe_every=probe_every).history
    assert list(history.probe.values) == expected
    assert ("alignment_deg" in history) == (probe_every != 0)


@pytest.mark.parametrize("name", PRESETS)
def test_probing_changes_nothing(name):
    network = network_for(PRESETS[name], SIZES, dropout=0.2)
    options = {"data": data_for(network), "seed": 4, "training": protocol(**ADAM)}
    plain, often = (nf.train(network, PRESETS[name], probe_every=every, **options) for every in (0, 1))
    for key, value in plain.params.items():
        np.testing.assert_array_equal(often.params[key], value, err_msg=key)
    for variable in ("train_loss", "test_loss", "train_error"):
        rtol = 1e-14 if variable == "train_loss" else 0  # a sum in other parts
        np.testing.assert_allclose(often.history[variable], plain.history[variable], rtol=rtol)


# ---------------------------------------------------------------------------- the history as a dataset


def test_the_history_says_what_it_holds(tmp_path):
    run = probed(FA, probe_every=4)
    history = run.history
    assert dict(history.sizes) == {"epoch": 3, "layer": 3, "probe": 4, "bin": 40}
    assert list(history.epoch.values) == [1, 2, 3]
    assert list(history.layer.values) == [0, 1, 2]
    for name in ("train_loss", "train_error", "test_loss", "test_error"):
        assert history[name].dims == ("epoch",)
    assert history.learning_rate.dims == ("epoch", "layer")
    for name in [
        "alignment_deg",
        "sample_alignment_deg",
        "sample_angle_deg",
        "update_angle_deg",
        "weight_cosine",
        "relative_error",
        "sign_congruence",
        "conservation",
        "weight_norm",
        "bias_norm",
    ]:
        assert history[name].dims == ("probe", "layer")
    assert history.total_update_angle_deg.dims == ("probe",)
    assert "validation_loss" not in history
    assert history.alignment_deg.attrs["units"] == "degree"
    assert history.update_angle_deg.attrs["units"] == "degree"
    assert history.probe.attrs["units"] == "updates"
    assert history.attrs["rule"] == "fa"
    assert history.attrs["mode"] == "rate"
    assert history.attrs["seed"] == 4
    assert history.attrs["data"] == "random"
    assert history.attrs["synops_per_sample"] == run.synops_per_sample
    write_results(tmp_path / "results.nc", history)
    back = read_results(tmp_path / "results.nc")
    xr.testing.assert_identical(back.drop_attrs(), history.drop_attrs())
    assert set(back.attrs) == set(history.attrs)
    for name, value in history.attrs.items():
        assert back.attrs[name] == value, name
    assert back.alignment_deg.attrs["units"] == "degree"


def test_a_validation_set_is_on_record():
    network = network_for(FA, SIZES)
    history = nf.train(network, FA, with_validation(network), training=protocol()).history
    assert history.validation_loss.dims == history.validation_error.dims == ("epoch",)
    assert np.isfinite(history.validation_loss).all()
