"""From a run's folder to a file for another tool."""

import numpy as np
import pytest

import neurofa as nf
from neurofa.exchange import export, read_nir, read_weights
from neurofa.io.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the digits model, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    model = nf.load_model("digits")
    return nf.train(model, nf.rules.DFA, nf.load_data("digits"), epochs=1, out=folder, probe_every=0), folder


def test_a_run_is_exported(trained, tmp_path):
    run, folder = trained
    said = export(folder, tmp_path / "net.nir", model="digits", hardware="loihi")
    assert any("subtracts" in line for line in said)
    got = read_nir(tmp_path / "net.nir")
    assert (got.rule.name, got.hardware) == ("dfa", "loihi")
    assert export(folder / "checkpoint.safetensors", tmp_path / "w.npz", "npz", model="digits") == []
    export(folder, tmp_path / "w.csv", "csv", model="digits")
    export(folder, tmp_path / "matrices", "csv", model="digits")
    for params in (got.params, *(read_weights(tmp_path / name) for name in ("w.npz", "w.csv", "matrices"))):
        assert set(params) == set(run.params)
        for key, value in run.params.items():
            np.testing.assert_array_equal(params[key], value)


def test_a_run_that_was_stopped_early_gives_its_best_epoch(tmp_path):
    network, _, rule = nf.load_model("digits").for_rule(nf.rules.DFA)
    last, best = (nf.lower(network, rule, seed).params for seed in (1, 2))
    arrays = last | {f"best.{key}": value for key, value in best.items()} | {"engine.steps": np.array(3)}
    save_checkpoint(tmp_path / "checkpoint.safetensors", arrays, {"rule": "dfa"})
    export(tmp_path, tmp_path / "w.npz", "npz", model="digits")
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


def test_refusals(trained, tmp_path):
    _, folder = trained
    for source, options, match in (
        (folder, {}, "knows its rule"),
        (folder, {"model": "digits", "to": "hdf"}, "export format 'hdf'"),
        (folder, {"model": "digits", "to": "npz"}, "suffix of npz; call it x.npz"),
        (tmp_path, {"model": "digits"}, "no checkpoint"),
        ("digits", {}, "give a rule"),
        ("digits", {"rule": "dfaa"}, "did you mean"),
        (folder, {"model": "frenkel_2021_mnist_fc1_500"}, "layers.0"),
    ):
        with pytest.raises(nf.InputError, match=match):
            export(source, tmp_path / "x.nir", **options)
