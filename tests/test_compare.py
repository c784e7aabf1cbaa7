"""Comparisons: the same start for every rule, one table, one dataset, one figure; resuming; nothing overwritten."""

import csv
import os
import re
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from running import SIZES, recorded_epochs, with_validation
from support import data_for, network_for, protocol

import neurofa as nf
from neurofa import cli
from neurofa.compare import AGREEMENT_SAMPLES, COLUMNS, compare, one_run, with_data
from neurofa.engines import OWN_MODES as MODES
from neurofa.engines.base import macs_per_sample
from neurofa.io.results import read_results
from neurofa.rules import BP, DFA, DRTP, FA, MDFA, NODE_PERTURBATION, SHALLOW
from neurofa.run import CHECKPOINT
from neurofa.spec import DataSpec, InputError, Layer, Model, Network, Override, Spiking, Training

HEADER = "rule,mode,seed,test_error,alignment_deg,synops_per_sample,seconds"


def on_spikes(**training):
    """Online, of strong events."""
    return Spiking(sample_ms=20.0, error_threshold=0.25, training=protocol(batch_size=1, **training))


def small_model(**training):
    network = network_for(BP, SIZES)
    return Model(network, protocol(**training), title="small", source="a test", spiking=on_spikes(**training))


def as_rates(data):
    """The data with inputs, and the targets of a regression, in [0, 1], which both modes take."""
    parts = {name: getattr(data, name) for name in ("x_train", "x_test", "x_validation")}
    if data.task == "regression":
        parts |= {name: getattr(data, name) for name in ("y_train", "y_test", "y_validation")}
    return replace(data, **{name: (1 / (1 + np.exp(-2 * part))).astype("f4") for name, part in parts.items()})


def small_data(model):
    return lambda seed: as_rates(data_for(model.network, seed=seed))


def compared(rules=(BP, FA, SHALLOW), seeds=(0, 1), model=None, **options):
    model = small_model() if model is None else model
    return compare(model, rules, small_data(model), seeds=seeds, **options)


def without_time(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_is_the_run_that_train_makes():
    model, comparison = small_model(), compared()
    assert MODES == ("rate", "spiking")
    assert [(row["rule"], row["mode"], row["seed"]) for row in comparison.table] == [
        (rule, mode, seed) for seed in (0, 1) for mode in MODES for rule in ("bp", "fa", "shallow")
    ]
    for row in comparison.table:
        assert tuple(row) == COLUMNS == tuple(HEADER.split(","))
        rule = getattr(nf.rules, row["rule"].upper())
        run = nf.train(model, rule, small_data(model)(row["seed"]), row["mode"], row["seed"])
        assert row["test_error"] == run.test_error
        assert row["synops_per_sample"] == run.synops_per_sample
        angle = float(run.history.alignment_deg[-1, :-1].mean())  # of the hidden layers' signals, after the last update
        np.testing.assert_equal(row["alignment_deg"], angle)
        mine = comparison.results.sel(rule=row["rule"], seed=row["seed"], mode=row["mode"], drop=True)
        assert np.isnan(mine.weight_norm.drop_sel(probe=run.history.probe)).all()  # the probes of the other mode
        mine = mine.sel(probe=run.history.probe)
        assert float(mine.final_test_error) == run.test_error
        assert float(mine.synops_per_sample) == run.synops_per_sample
        assert mine.identity == run.history.attrs["identity"]
        for name in ("train_loss", "test_loss", "test_error", "learning_rate", "alignment_deg", "weight_norm"):
            np.testing.assert_array_equal(mine[name], run.history[name], err_msg=name)
    angles = {(row["rule"], row["mode"]): row["alignment_deg"] for row in comparison.table}
    for mode in MODES:
        assert angles["bp", mode] == 0
        assert angles["fa", mode] > 1
        assert np.isnan(angles["shallow", mode])
    assert len(np.unique(comparison.results.identity)) == 12


def test_operations_follow_from_the_network_in_rate_mode_and_are_counted_on_spikes():
    model = small_model()
    results = compared().results
    assert results.synops_per_sample.dims == results.seconds.dims == ("rule", "mode", "seed")
    assert "synops_per_sample" not in results.attrs
    for rule in (BP, FA, SHALLOW):
        macs = macs_per_sample(nf.lower(model.network, rule))
        operations = results.synops_per_sample.sel(rule=rule.name)
        assert (operations.sel(mode="rate") == macs).all()
        first, second = operations.sel(mode="spiking").values
        assert 0 < first != second > 0  # other samples, other spikes
        presented = 3 * 23
        assert round(first * presented) == pytest.approx(first * presented, abs=1e-6)


def test_results_have_the_agreement_of_both_modes_where_rate_mode_ended():
    model, results = small_model(), compared().results
    data = small_data(model)(1)
    assert len(data.x_train) < AGREEMENT_SAMPLES == 256
    for rule in (FA, SHALLOW):
        params = nf.train(model, rule, data, "rate", 1).params
        expected = nf.agreement(model, rule, params, data.x_train, data.y_train, seed=1)
        for name in ("activity_correlation", "update_correlation", "update_angle_between_modes_deg"):
            assert results[name].dims == ("rule", "seed", "layer")
            np.testing.assert_array_equal(results[name].sel(rule=rule.name, seed=1), expected[name], err_msg=name)
            assert np.isfinite(results[name].sel(rule=rule.name, layer=2)).all()
    for mode in MODES:
        assert "update_correlation" not in compared((BP,), (0,), modes=(mode,)).results


def test_the_agreement_is_of_the_first_samples(monkeypatch):
    model = small_model()
    monkeypatch.setattr("neurofa.compare.AGREEMENT_SAMPLES", 7)
    data = small_data(model)(0)
    expected = nf.agreement(model, FA, nf.train(model, FA, data).params, data.x_train[:7], data.y_train[:7])
    found = compared((FA,), (0,)).results.update_correlation.sel(rule="fa", seed=0)
    np.testing.assert_array_equal(found, expected.update_correlation)


def test_results_have_a_place_for_each_run():
    results = compared().results
    assert list(results["mode"].values) == ["rate", "spiking"]
    assert list(results.seed.values) == [0, 1]
    assert results.test_error.dims == ("rule", "mode", "seed", "epoch")
    assert results.alignment_deg.dims == ("rule", "mode", "seed", "probe", "layer")
    assert list(results.rule.values) == ["bp", "fa", "shallow"]  # in the order they were asked for
    assert list(compared((SHALLOW, BP, FA), (0,)).results.rule.values) == ["shallow", "bp", "fa"]
    assert results.attrs["title"] == "small"
    assert results.attrs["data"] == "random"
    assert results.attrs["epochs"] == 3
    assert list(results.probe.values) == [0, 5, 10, 15, 23, 46, 69]
    both = [small_data(small_model())(seed) for seed in (0, 1)]
    wrong = [np.mean(data.y_test != np.bincount(data.y_train).argmax()) for data in both]
    assert wrong[0] != wrong[1]
    assert results.attrs["chance_error"] == pytest.approx(np.mean(wrong))


def test_all_rules_start_from_the_same_weights():
    model = small_model()
    network = replace(model.network, layers=tuple(replace(layer, init="zeros") for layer in model.network.layers))
    model = replace(model, rules={"mdfa": Override(network=network)})
    results = compared((BP, FA, DFA, DRTP, NODE_PERTURBATION), model=model, epochs=0).results
    for name in ("weight_norm", "bias_norm"):
        norms = results[name].isel(probe=0)
        assert (norms == norms.sel(rule="bp", mode="rate")).all()
        assert (norms.isel(seed=0) != norms.isel(seed=1)).all()
    own = compared((BP, MDFA), (0,), model=model, epochs=0).results.weight_norm.isel(probe=0, seed=0)
    assert (own.sel(rule="mdfa") != own.sel(rule="bp")).all()  # unless the model says otherwise for one rule


def test_files_hold_what_is_returned(tmp_path):
    comparison = compared(out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compare.png", "results.nc", "runs", "table.csv"]
    assert (tmp_path / "table.csv").read_text().splitlines()[0] == HEADER
    rows = read_table(tmp_path / "table.csv")
    assert {(row["rule"], row["mode"], row["seed"]) for row in rows} == {
        (rule, mode, seed) for rule in ("bp", "fa", "shallow") for mode in MODES for seed in ("0", "1")
    }
    assert len(rows) == 12
    for row, mine in zip(rows, comparison.table, strict=True):
        assert (row["rule"], row["mode"]) == (mine["rule"], mine["mode"])
        assert float(row["synops_per_sample"]) > 0
        for key in ("test_error", "alignment_deg", "synops_per_sample", "seconds"):
            np.testing.assert_equal(float(row[key]), mine[key])
    back = read_results(tmp_path / "results.nc")
    xr.testing.assert_equal(back, comparison.results)
    assert back.attrs["title"] == "small"
    assert back.attrs["numpy"] == np.__version__
    assert (back.attrs["task"], back.attrs["final"]) == ("classification", "last epoch")
    assert back.attrs["threads"] == nf.train(small_model(), BP, small_data(small_model())(0)).history.attrs["threads"]
    np.testing.assert_array_equal(back.identity, comparison.results.identity)
    picture = (tmp_path / "compare.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height > 300) == (1440, True)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"{rule}-{mode}-{seed}" for rule in ("bp", "fa", "shallow") for mode in MODES for seed in (0, 1)
    ]


def test_without_epochs_there_are_results_and_no_figure(tmp_path):
    comparison = compared(epochs=0, out=tmp_path)
    assert comparison.results.sizes["epoch"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.nc", "runs", "table.csv"]
    assert all(0 <= row["test_error"] <= 1 for row in comparison.table)


def test_a_comparison_that_was_interrupted_goes_on(tmp_path):
    whole = compared(epochs=4)

    def interrupt(finished, name, progress):
        if finished == 1 and progress.epoch == 2:
            assert name == "fa-rate-0"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compared(epochs=4, out=tmp_path, progress=interrupt)
    assert {path.name: recorded_epochs(path) for path in (tmp_path / "runs").iterdir()} == {
        "bp-rate-0": 4,
        "fa-rate-0": 1,
    }
    assert not (tmp_path / "table.csv").exists()
    told = []
    rest = compared(epochs=4, out=tmp_path, resume=True, progress=lambda n, name, p: told.append((n, name, p.epoch)))
    assert told[0] == (1, "fa-rate-0", 1)  # what was finished is not trained again, nor its first epoch
    assert without_time(rest.table) == without_time(whole.table)
    xr.testing.assert_equal(rest.results.drop_vars("seconds"), whole.results.drop_vars("seconds"))


def test_rules_with_other_epochs_and_batches_leave_gaps(tmp_path):
    """As with early stopping, or a model that trains one rule otherwise."""
    own = {"fa": Override(training=protocol(epochs=2)), "dfa": Override(training=protocol(batch_size=4))}
    model = replace(small_model(), rules=own)
    results = compared((BP, FA, DFA), model=model, out=tmp_path, modes=("rate",)).results
    assert results.test_error.dims == ("rule", "mode", "seed", "epoch")
    finite = np.isfinite(results.test_error.isel(mode=0, seed=1))
    np.testing.assert_array_equal(finite, [[True] * 3, [True, True, False], [True] * 3])
    assert list(results.probe.values) == [0, 5, 6, 10, 12, 15, 18]
    for rule, updates in (("bp", [0, 5, 10, 15]), ("fa", [0, 5, 10]), ("dfa", [0, 6, 12, 18])):
        angles = results.alignment_deg.sel(rule=rule, layer=0).isel(mode=0, seed=0)
        assert list(results.probe.values[np.isfinite(angles)]) == updates, rule
    assert (tmp_path / "compare.png").exists()


def test_a_regression_is_compared_by_its_loss(tmp_path):
    network = network_for(BP, (6, 7, 2), "tanh", "identity", "mse", task="regression")
    comparison = compared((BP, DFA), (0,), Model(network, protocol(), spiking=on_spikes()), out=tmp_path)
    assert np.isfinite(comparison.results.test_loss).all()
    assert "chance_error" not in comparison.results.attrs
    assert comparison.table[0]["test_error"] == comparison.results.test_loss.sel(rule="bp", mode="rate", epoch=3).item()
    assert (tmp_path / "compare.png").exists()


def test_refuses_before_anything_runs(tmp_path):
    regression = Model(network_for(BP, (6, 7, 2), "tanh", "identity", "mse", task="regression"), protocol())
    cases = {
        "same name": {"rules": (BP, FA, BP)},
        "nothing to compare": {"rules": ()},
        "drtp": {"rules": (BP, DRTP), "model": regression},  # has no target of its own in a regression
    }
    for message, options in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            compared(**options, out=tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="nothing to compare"):
        compared(seeds=())
    for modes in ((), ("rate", "rate"), ("rate", "dense")):
        with pytest.raises(InputError, match=r"modes are|mode 'dense' is unknown"):
            compared(modes=modes, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_one_mode_cannot_do_before_the_other_has_run(tmp_path):
    model, told = small_model(), []
    layers = tuple(replace(layer, dropout=0.5) for layer in model.network.layers)
    dropout = Override(network=replace(model.network, layers=layers))
    cases = {
        "rates stand for numbers": (model, lambda seed: data_for(model.network, seed=seed)),
        "no dropout": (replace(model, rules={"fa": dropout}), small_data(model)),
        "features": (model, small_data(Model(network_for(BP, (5, 4, 3))))),
    }
    for message, (described, load) in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            compare(described, (BP, FA), load, seeds=(0,), out=tmp_path, progress=lambda *what: told.append(what))
        assert "\n" not in str(caught.value)
    assert not told
    assert list(tmp_path.iterdir()) == []


def wild_model():
    """One that diverges under FA in rate mode only."""
    layers = (Layer(8, "identity"), Layer(2, "identity"))
    network = Network(6, layers, "mse", task="regression")
    wild = Override(training=protocol(epochs=200, learning_rate=9.0))
    return Model(network, protocol(learning_rate=0.01), rules={"fa": wild}, spiking=on_spikes(learning_rate=0.01))


def test_a_run_that_diverges_leaves_the_others_and_a_gap(tmp_path):
    comparison = compared((FA, BP), (0, 1), wild_model(), out=tmp_path)
    assert list(comparison.diverged) == ["fa-rate-0", "fa-rate-1"]
    assert all("learning rate 9" in message for message in comparison.diverged.values())
    assert [(row["rule"], row["mode"]) for row in comparison.table] == [
        (rule, mode) for _ in range(2) for mode in MODES for rule in ("fa", "bp")
    ]
    for row, mine in zip(read_table(tmp_path / "table.csv"), comparison.table, strict=True):
        lost = (row["rule"], row["mode"]) == ("fa", "rate")
        assert np.isnan(float(row["test_error"])) == np.isnan(mine["seconds"]) == lost
    results = read_results(tmp_path / "results.nc")
    assert list(results.rule.values) == ["fa", "bp"]
    lost = results.sel(rule="fa", mode="rate")
    names = ["test_loss", "alignment_deg", "final_test_error", "synops_per_sample", "update_correlation"]
    assert np.isnan(lost[names].to_array()).all()
    assert (lost.identity == "").all()
    assert np.isfinite(results.sel(rule="bp").final_test_error).all()
    assert np.isfinite(results.sel(rule="bp").update_correlation).all()
    assert np.isfinite(results.sel(rule="fa", mode="spiking").final_test_error).all()
    assert (tmp_path / "compare.png").exists()
    alone = compared((BP,), (0, 1), wild_model())
    assert without_time([row for row in comparison.table if row["rule"] == "bp"]) == without_time(alone.table)


def test_where_every_run_diverges_there_is_a_table_and_no_figure(tmp_path):
    (tmp_path / "compare.png").write_text("of another comparison")
    comparison = compared((FA,), (0, 1), wild_model(), out=tmp_path, modes=("rate",))
    assert len(comparison.diverged) == len(comparison.table) == 2
    assert dict(comparison.results.sizes) == {"rule": 1, "mode": 1, "seed": 2, "epoch": 0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.nc", "runs", "table.csv"]


def test_chance_where_the_commonest_class_is_not_in_the_test_set():
    data = small_data(small_model())(0)
    data = replace(data, y_train=np.full_like(data.y_train, 2), y_test=np.zeros_like(data.y_test))
    comparison = compare(small_model(), (SHALLOW,), lambda seed: data, seeds=(0,))
    assert comparison.results.attrs["chance_error"] == 1


@pytest.mark.parametrize(
    ("training", "note"),
    [
        ({"report_last": 10}, "last epoch"),
        ({"report_last": 3}, "mean of last 3 epochs"),
        ({"report_last": 2}, "mean of last 2 epochs"),
        ({}, "last epoch"),
        ({"epochs": 0}, ""),
        ({"early_stopping": 2, "report_last": 2}, "best epoch"),
    ],
)
def test_results_say_which_epochs_the_error_is_of(training, note):
    model = small_model(**training)
    data = as_rates(with_validation(model.network))
    comparison = compare(model, (BP,), lambda seed: data, seeds=(0,))
    assert comparison.results.attrs["final"] == note


def test_rules_whose_errors_are_of_other_epochs_are_both_named():
    own = {"fa": Override(training=protocol(report_last=2))}
    assert compared(model=replace(small_model(), rules=own)).results.attrs["final"] == (
        "last epoch or mean of last 2 epochs"
    )


def test_what_differs_for_each_seed_is_not_said_of_all():
    model = small_model(epochs=1)
    given = small_data(model)
    several = compare(model, [BP], lambda seed: replace(given(seed), note=f"subset {seed}"), modes="rate", seeds=2)
    assert several.results.attrs["data_note"] == "seed 0: subset 0; seed 1: subset 1"
    same = compare(model, [BP], lambda seed: replace(given(seed), note="a subset"), modes="rate", seeds=2)
    assert same.results.attrs["data_note"] == "a subset"


def test_networks_without_hidden_layers_have_no_angle():
    model = Model(network_for(BP, (6, 3)), protocol(), spiking=on_spikes())
    assert [np.isnan(row["alignment_deg"]) for row in compared((BP,), (0,), model).table] == [True, True]


@pytest.mark.parametrize("mode", MODES)
def test_a_single_run_is_drawn_like_a_comparison(mode):
    model = small_model()
    run = nf.train(model, FA, small_data(model)(2), mode, 2)
    history = run.history
    dataset = one_run(history, "fa")
    assert dict(dataset.sizes) | {"rule": 1, "mode": 1, "seed": 1} == dict(dataset.sizes)
    assert list(dataset.seed.values) == [2]
    assert list(dataset["mode"].values) == [mode]
    assert dataset.final_test_error.item() == history.attrs["test_error"]
    assert dataset.synops_per_sample.item() == run.synops_per_sample
    assert dataset.seconds.item() == run.seconds


def test_data_named_on_the_command_line_take_the_models_place_and_keep_its_preparation():
    model = Model(network_for(BP, SIZES), data=DataSpec("digits", normalisation="zscore"))
    assert with_data(model, None) is model
    assert with_data(model, "mnist").data == DataSpec("mnist", normalisation="zscore")


# ---------------------------------------------------------------------------- on the command line


def neurofa(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    return caught.value.code


def test_compare_from_another_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert neurofa("compare", "--epochs", 1, "--seeds", 1) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "neurofa-compare"
    assert sorted(path.name for path in folder.iterdir()) == ["compare.png", "results.nc", "runs", "table.csv"]
    rows = read_table(folder / "table.csv")
    assert [(row["rule"], row["mode"], row["seed"]) for row in rows] == [
        (rule, mode, "0") for mode in MODES for rule in ("bp", "fa", "dfa", "drtp")
    ]
    assert all(float(row["synops_per_sample"]) > 1000 for row in rows)
    for name in ("bp", "fa", "dfa", "drtp", "angle to bp, deg", "synops/sample"):
        assert name in out
    assert out.splitlines()[-1].startswith("neurofa-compare: table.csv, results.nc, compare.png")
    kept = (folder / "table.csv").read_bytes()
    assert neurofa("compare", "--rules", "bp", "--epochs", 1, "--seeds", 1) == 0  # another folder, not the same again
    assert (tmp_path / "neurofa-compare-2" / "table.csv").exists()
    assert (folder / "table.csv").read_bytes() == kept


def test_compare_as_a_process_in_an_empty_folder(tmp_path):
    """No folder of the source tree is near, and nothing is written elsewhere than in the working folder."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(nf.__file__)))
    environment = os.environ | {"PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "neurofa.cli", "compare", "--epochs", "1", "--seeds", "1", "--rules", "bp,drtp"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "writing to neurofa-compare\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["neurofa-compare"]


def few_digits(folder):
    """Some of the digits as a file of the user's own: what is learned from them does not matter."""
    digits, path = nf.load_data("digits"), folder / "few.npz"
    few = {"x_train": digits.x_train[:60], "y_train": digits.y_train[:60]}
    np.savez(path, x_test=digits.x_test[:50], y_test=digits.y_test[:50], **few)
    return path


def test_all_rules_run(tmp_path):
    command = ["compare", "digits", "--data", few_digits(tmp_path), "--rules", "all", "--epochs", 1, "--seeds", 1]
    out = tmp_path / "all"
    assert neurofa(*command, "--out", out) == 0
    rows = read_table(out / "table.csv")
    assert [(row["rule"], row["mode"]) for row in rows] == [(rule, mode) for mode in MODES for rule in nf.rules.PRESETS]
    for row in rows:
        assert 0 < float(row["test_error"]) < 1, row["rule"]
        angle = float(row["alignment_deg"])
        assert np.isnan(angle) if row["rule"] == "shallow" else 0 <= angle <= 180, row["rule"]
    norms = read_results(out / "results.nc").weight_norm.isel(probe=0, seed=0)
    others = [name for name in nf.rules.PRESETS if name != "mdfa"]  # which digits.toml starts at zero
    assert (norms.sel(rule=others) == norms.sel(rule="bp", mode="rate")).all()


def test_compare_does_not_overwrite_and_goes_on_when_told_to(tmp_path, capsys):
    command = ["compare", "digits", "--rules", "bp,shallow", "--seeds", 1, "--out", tmp_path]
    assert neurofa(*command, "--epochs", 1) == 0
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(kept) == 7
    capsys.readouterr()
    assert neurofa(*command, "--epochs", 2) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in (str(tmp_path), "--resume", "--overwrite", "--out"):
        assert word in message
    assert neurofa(*command, "--epochs", 2, "--resume", "--overwrite") == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept
    assert neurofa(*command, "--epochs", 2, "--resume") == 0
    resumed = read_results(tmp_path / "results.nc")
    assert neurofa(*command, "--epochs", 2, "--overwrite") == 0
    afresh = read_results(tmp_path / "results.nc")
    xr.testing.assert_equal(resumed.drop_vars("seconds"), afresh.drop_vars("seconds"))


def test_an_interrupted_comparison_is_not_overwritten(tmp_path, capsys, monkeypatch):
    """It has no table yet, but its runs are worth keeping."""
    command = ["compare", "digits", "--rules", "bp,shallow", "--seeds", 1, "--epochs", 2, "--out", tmp_path]

    def interrupt(self, done, text):
        if done > 1.5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("neurofa.terminal.Reporter.show", interrupt)
        assert neurofa(*command) == 130
    checkpoint = tmp_path / "runs" / "bp-rate-0" / CHECKPOINT
    kept = checkpoint.read_bytes()
    capsys.readouterr()
    assert neurofa(*command) == 2
    assert "--resume" in capsys.readouterr().err
    assert checkpoint.read_bytes() == kept
    assert neurofa(*command, "--resume") == 0
    assert len(read_table(tmp_path / "table.csv")) == 4


def test_resuming_without_a_folder_takes_the_newest_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["compare", "digits", "--rules", "shallow", "--seeds", 1, "--epochs"]
    assert neurofa(*command, 1, "--resume") == 2
    message = capsys.readouterr().err
    assert "neurofa-compare holds nothing to resume (runs is missing)" in message
    assert message.count("\n") == 1
    for _ in range(2):
        assert neurofa(*command, 1) == 0
    assert capsys.readouterr().err == "writing to neurofa-compare\nwriting to neurofa-compare-2\n"
    (tmp_path / "neurofa-compare-of-mine").mkdir()
    assert neurofa(*command, 2, "--resume") == 0
    assert recorded_epochs(tmp_path / "neurofa-compare" / "runs" / "shallow-rate-0") == 1
    assert recorded_epochs(tmp_path / "neurofa-compare-2" / "runs" / "shallow-rate-0") == 2


WILD = """
[network]
sizes = [1, 8, 1]
hidden = "identity"
output = "identity"
loss = "mse"
task = "regression"
[training]
epochs = 3
batch_size = 5
optimiser = "sgd"
learning_rate = 0.01
report_last = 3
[rules.fa.training]
epochs = 200
learning_rate = 9.0
"""


def regression_files(folder):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 1)).astype("f4"), rng.normal(size=(30, 1)).astype("f4")
    np.savez(folder / "d.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    (folder / "wild.toml").write_text(WILD)


def test_a_divergence_is_reported_and_exits_with_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    regression_files(tmp_path)
    command = ["compare", "wild.toml", "--data", "d.npz", "--modes", "rate", "--seeds", 2, "--out"]
    assert neurofa(*command, "some", "--rules", "bp,fa,shallow") == 2
    printed = capsys.readouterr()
    for line, seed in zip(printed.err.splitlines(), (0, 1), strict=True):
        assert line.startswith(f"neurofa: fa-rate-{seed}: training diverged in epoch ")
    rows = {line.split()[0]: line for line in printed.out.splitlines()}
    assert re.search(r"diverged +– +– +– +0 of 2", rows["fa"])
    assert re.search(r"rate +\S+ ± \S+ +0\.0 ", rows["bp"])
    assert re.search(r"rate +\S+ ± \S+ +– ", rows["shallow"])
    assert "test loss: mean of last 3 epochs" in printed.out
    assert "%" not in printed.out
    assert (tmp_path / "some" / "compare.png").exists()
    assert neurofa(*command, "none", "--rules", "fa") == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 2
    assert not (tmp_path / "none" / "compare.png").exists()


def test_a_rule_that_no_paper_has_learns_digits():
    """Sign of the error, layer by layer, through the signs of W: small steps in front of a fast output layer."""
    rule = nf.Rule("error_sign", "sequential", "sign_transpose", name="mine")
    network = Network.dense((64, 100, 10), "tanh", "softmax", "cce")
    training = Training(epochs=5, batch_size=20, learning_rate=(1e-4, 1e-2))
    run = nf.train(network, rule, nf.load_data("digits"), training=training)
    assert run.test_error < 0.1
    initial = nf.train(network, rule, nf.load_data("digits"), training=training, epochs=0)
    assert np.abs(run.params["layers.0.W"] - initial.params["layers.0.W"]).mean() > 1e-3
    B, W = run.params["layers.0.B"], run.params["layers.1.W"]
    np.testing.assert_array_equal(np.sign(B), np.sign(W.T))
    assert run.history.attrs["rule"] == "mine"
