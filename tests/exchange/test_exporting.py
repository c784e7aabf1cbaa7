"""From a run's folder to a file for another tool."""

from dataclasses import replace

import numpy as np
import pytest

import neurofa as nf
from neurofa.exchange import export, read_nir, read_weights
from neurofa.io.checkpoint import save_checkpoint

CHIP = "int8_stochastic"


@pytest.fixture(scope="module")
def data():
    return nf.load_data("digits")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A run of the digits model, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return nf.train(nf.load_model("digits"), nf.rules.DFA, data, epochs=1, out=folder, probe_every=0), folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory, data):
    """The same on a chip's levels."""
    folder, model = tmp_path_factory.mktemp("stored"), nf.load_model("digits")
    run = nf.train(model, nf.rules.SIGN_FA, data, "spiking", hardware=CHIP, epochs=1, out=folder, probe_every=0)
    return run, folder


def test_a_run_is_exported(trained, tmp_path):
    run, folder = trained
    said = export(folder, tmp_path / "net.nir")
    assert any("subtracts" in line for line in said)
    got = read_nir(tmp_path / "net.nir")
    assert (got.rule, got.network, got.hardware) == (nf.rules.DFA, nf.load_model("digits").network, None)
    assert export(folder / "checkpoint.safetensors", tmp_path / "w.npz", "npz") == []
    export(folder, tmp_path / "w.csv", "csv")
    export(folder, tmp_path / "matrices", "csv")
    for params in (got.params, *(read_weights(tmp_path / name) for name in ("w.npz", "w.csv", "matrices"))):
        assert set(params) == set(run.params)
        for key, value in run.params.items():
            np.testing.assert_array_equal(params[key], value)


def test_a_run_on_levels_is_exported_with_them(stored, tmp_path):
    run, folder = stored
    export(folder, tmp_path / "w.npz", "npz")
    arrays = np.load(tmp_path / "w.npz")
    for name in ("W", "b"):
        levels, step = arrays[f"levels.layers.0.{name}"], arrays[f"step.layers.0.{name}"]
        assert levels.dtype == np.int16
        assert -128 <= levels.min() <= levels.max() <= 127
        np.testing.assert_array_equal(levels * step, run.params[f"layers.0.{name}"])
    export(folder, tmp_path / "net.nir")
    got = read_nir(tmp_path / "net.nir")
    assert got.hardware == nf.hardware.load_profile(CHIP)
    for key, value in run.params.items():
        np.testing.assert_array_equal(got.params[key], value)


def test_a_run_that_was_stopped_early_gives_its_best_epoch(trained, tmp_path):
    from neurofa.io.checkpoint import load_checkpoint

    _, folder = trained
    _, metadata = load_checkpoint(folder / "checkpoint.safetensors")
    network, _, rule = nf.load_model("digits").for_rule(nf.rules.DFA)
    last, best = (nf.lower(network, rule, seed).params for seed in (1, 2))
    arrays = last | {f"best.{key}": value for key, value in best.items()} | {"engine.steps": np.array(3)}
    save_checkpoint(tmp_path / "checkpoint.safetensors", arrays, metadata)
    export(tmp_path, tmp_path / "w.npz", "npz")
    got = read_weights(tmp_path / "w.npz")
    assert set(got) == set(best)
    np.testing.assert_array_equal(got["layers.0.W"], best["layers.0.W"])


def test_a_model_is_exported_as_drawn(tmp_path):
    model = nf.load_model("digits")
    export("digits", tmp_path / "net.nir", rule="drtp", seed=3)
    network, _, rule = model.for_rule(nf.rules.DRTP)
    np.testing.assert_array_equal(
        read_nir(tmp_path / "net.nir").params["layers.0.W"], nf.lower(network, rule, 3).params["layers.0.W"]
    )
    export("digits", tmp_path / "w.npz", "npz", rule="drtp", seed=3, hardware="int4")
    levels = np.load(tmp_path / "w.npz")["levels.layers.0.W"]
    assert -8 <= levels.min() < levels.max() <= 7


def test_a_script_begins_from_what_a_run_has_learned(trained, data, tmp_path):
    run, folder = trained
    export(folder, tmp_path / "net.py", "brian", data=data, samples=2)
    arrays = np.load(tmp_path / "net_data.npz")
    assert any(np.array_equal(arrays[name], run.params["layers.0.W"]) for name in arrays.files)
    compile((tmp_path / "net.py").read_text(), "net.py", "exec")


def test_a_script_has_the_weight_decay_and_says_what_it_leaves_out(data, tmp_path):
    model = nf.load_model("digits")
    training = replace(
        model.spiking.training, batch_size=8, optimiser=nf.Optimiser("sgd", weight_decay=0.25),
        schedule=nf.Schedule("step", every=2),
    )  # fmt: skip
    model = replace(model, spiking=replace(model.spiking, training=training), rules={})
    said = export(model, tmp_path / "net.py", rule="dfa", data=data, samples=1)
    assert "weight_decay = 0.25" in (tmp_path / "net.py").read_text()
    assert [line.partition(":")[0] for line in said] == ["batches of 8 samples", "the schedule"]
    plain = replace(model, spiking=replace(model.spiking, training=replace(training, batch_size=1, schedule=None)))
    assert export(plain, tmp_path / "net.py", rule="dfa", data=data, samples=1) == []


def test_the_script_of_a_run_on_a_chip_is_on_that_chip(stored, data, tmp_path):
    run, folder = stored
    export(folder, tmp_path / "net.py", data=data, samples=1)
    arrays, text = np.load(tmp_path / "net_data.npz"), (tmp_path / "net.py").read_text()
    assert any(np.array_equal(arrays[name], run.params["layers.0.W"]) for name in arrays.files)
    assert "round_" in text


def test_refusals(trained, data, tmp_path):
    _, folder = trained
    save_checkpoint(tmp_path / "checkpoint.safetensors", {"layers.0.W": np.zeros((2, 2))}, {"rule": "dfa"})
    (tmp_path / "empty").mkdir()
    for source, options, match in (
        (folder, {"rule": "dfa"}, "knows its rule"),
        (folder, {"hardware": "int8"}, "knows its rule and its hardware"),
        (folder, {"to": "hdf"}, "export format 'hdf'"),
        (folder, {"to": "npz"}, "suffix of npz; call it x.npz"),
        (folder, {"to": "csv"}, "suffix of csv"),
        (tmp_path / "empty", {}, "no checkpoint"),
        (tmp_path, {}, "does not say of which network it is"),
        ("digits", {}, "give a rule"),
        ("digits", {"rule": "dfaa"}, "did you mean"),
        ("digits", {"rule": "dfa", "hardware": "int9"}, "did you mean"),
        (folder, {"seed": 5}, "not drawn; leave the seed out"),
        (folder, {"samples": 4}, "for a script for Brian2"),
        (folder, {"data": data}, "for a script for Brian2"),
    ):
        with pytest.raises(nf.InputError, match=match):
            export(source, tmp_path / "x.nir", **options)
    with pytest.raises(nf.InputError, match="no suffix that says"):
        export(folder, tmp_path / "x.weights")
    for options, match in (({}, "give data"), ({"data": data, "samples": 0}, "samples is 0")):
        with pytest.raises(nf.InputError, match=match):
            export(folder, tmp_path / "x.py", "brian", **options)


def test_a_rate_run_on_a_chip_is_exported_although_its_neurons_are_not_the_chips(data, tmp_path):
    run = nf.train(nf.load_model("digits"), nf.rules.DFA, data, epochs=1, hardware="loihi", out=tmp_path, probe_every=0)
    export(tmp_path, tmp_path / "w.npz")
    arrays = np.load(tmp_path / "w.npz")
    np.testing.assert_array_equal(arrays["levels.layers.0.W"] * arrays["step.layers.0.W"], run.params["layers.0.W"])


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_feedback_that_is_a_sum_of_two_levels_is_exported_as_it_is(data, mode, tmp_path):
    network = nf.Network.dense((64, 20, 12, 10))
    run = nf.train(network, nf.rules.MATCHING, data, mode, epochs=1, hardware="binary", out=tmp_path, probe_every=0)
    export(tmp_path, tmp_path / "w.npz")
    arrays = np.load(tmp_path / "w.npz")
    np.testing.assert_array_equal(arrays["layers.0.B"], run.params["layers.0.B"])
    assert "levels.layers.0.W" in arrays
    assert "levels.layers.0.B" not in arrays


def test_a_script_that_cannot_be_written_leaves_the_old_one(trained, data, tmp_path, monkeypatch):
    _, folder = trained
    export(folder, tmp_path / "net.py", data=data, samples=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neurofa.engines.brian.np.savez", full)
    with pytest.raises(nf.InputError, match="No space left"):
        export(folder, tmp_path / "net.py", data=data, samples=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_of_weights_that_was_not_finished_is_none(tmp_path, monkeypatch):
    from neurofa.exchange import write_weights

    first = {"layers.0.W": np.ones((2, 2)), "layers.1.W": np.ones((2, 2))}
    write_weights(tmp_path / "w", first)
    monkeypatch.setattr("neurofa.exchange.chips._digits", lambda array: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_weights(tmp_path / "w", {key: 2 * value for key, value in first.items()})
    with pytest.raises(nf.InputError, match=r"has no index\.json"):
        read_weights(tmp_path / "w")
