"""Sweeps: each run is the one that train makes, nothing runs twice, and the test set chooses nothing."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from running import SIZES, save_npz, with_validation
from support import network_for

import neurofa as nf
from neurofa import cli
from neurofa.io.results import read_results
from neurofa.io.settings import load_changed
from neurofa.rules import BP, DFA, DRTP
from neurofa.spec import InputError
from neurofa.sweep import sweep
from neurofa.swept import ENDED

MODEL = """
title = "small"
[network]
sizes = [6, 7, 5, 3]
[training]
epochs = 3
batch_size = 8
optimiser = "sgd"
learning_rate = 0.1
report_last = 2
[data]
name = "small.npz"
scale = [0, 1]
validation = 0.25
[rules.drtp.training]
learning_rate = 0.5
[spiking]
sample_ms = 10
[spiking.training]
epochs = 1
"""
RATES = "training.learning_rate"


@pytest.fixture
def model(tmp_path):
    """A model's file with its data beside it."""
    save_npz(tmp_path / "small.npz", with_validation(network_for(BP, SIZES)))
    (tmp_path / "small.toml").write_text(MODEL)
    return tmp_path / "small.toml"


@pytest.fixture
def ran(monkeypatch):
    """Jobs in this process, and the names of those that were run."""
    names = []

    def here(work, jobs, workers, watch=None):
        for place, job in enumerate(jobs):
            names.append(job[0].name)
            try:
                yield place, work(*job, lambda fraction: None), ""
            except InputError as error:
                yield place, None, str(error)
            watch(place + 1.0)

    monkeypatch.setattr("neurofa.sweep.side_by_side", here)
    monkeypatch.setattr("neurofa.swept._draw", lambda *_: None)  # takes longer than all else; it has tests of its own
    return names


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_each_row_is_the_run_that_train_makes(model, ran, tmp_path, mode):
    key = RATES if mode == "rate" else f"spiking.{RATES}"
    swept = sweep(model, [BP, DRTP], {key: [0.02, 0.2]}, mode=mode, seeds=[0, 3], out=tmp_path / "out")
    assert len(swept.table) == len(ran) == 8
    assert [row["seed"] for row in swept.table] == [0] * 4 + [3] * 4  # all settings of one seed first
    for row in swept.table:
        rule = getattr(nf.rules, row["rule"].upper())
        own = f"rules.drtp.{RATES}" if rule is DRTP and mode == "rate" else key  # the model has a rate of drtp's own
        changed = load_changed(model, [f"{own}={row['learning_rate']}"], ["bp", "drtp"], [mode])
        data = nf.load_data(changed.data, seed=row["seed"])
        run = nf.train(changed, rule, data, mode, row["seed"], threads=1)
        last = 2 if mode == "rate" else 1
        assert row["test_error"] == run.test_error == run.history.test_error.values[-last:].mean()
        assert row["validation_error"] == run.history.validation_error.values[-last:].mean()
        assert row["synops_per_sample"] == run.synops_per_sample
        assert row["alignment_deg"] == float(run.history.alignment_deg[-1, :-1].mean())
        left = nf.load_run(tmp_path / "out" / row["run"])
        np.testing.assert_equal(left.params, run.params)
        at = swept.results.sel(rule=row["rule"], learning_rate=row["learning_rate"], seed=row["seed"])
        assert at.test_error == row["test_error"]


def test_leaves_table_and_results(model, ran, tmp_path):
    swept = sweep(model, DFA, {RATES: [0.02, 0.2], "network.hidden": ["tanh", "relu"]}, seeds=2, out=tmp_path / "out")
    rows = read_table(tmp_path / "out" / "table.csv")
    assert list(rows[0]) == [
        "rule", "mode", "learning_rate", "hidden", "seed", "test_error", "validation_error", "alignment_deg",
        "synops_per_sample", "seconds", "run",
    ]  # fmt: skip
    assert rows == [{name: str(row[name]) for name in rows[0]} for row in swept.table]
    results = read_results(tmp_path / "out" / "results.nc")
    xr.testing.assert_equal(results, swept.results)
    assert dict(results.sizes) == {"rule": 1, "learning_rate": 2, "hidden": 2, "seed": 2}
    assert results.attrs["keys"] == [RATES, "network.hidden"]
    assert results.attrs["mode"] == "rate"


def test_early_stopping_reports_the_best_epoch(model, ran, tmp_path):
    stopping = ["training.early_stopping=2", "training.epochs=12"]
    swept = sweep(model, DFA, {RATES: [0.5]}, settings=stopping, seeds=1, out=tmp_path / "out")
    history = nf.load_run(tmp_path / "out" / swept.table[0]["run"]).history
    best = int(history.validation_error.argmin())
    assert swept.table[0]["validation_error"] == history.validation_error[best]
    assert swept.table[0]["test_error"] == history.test_error[best]


def test_nothing_runs_twice_and_a_larger_grid_adds(model, ran, tmp_path):
    out = tmp_path / "out"
    first = sweep(model, DFA, {RATES: [0.02]}, seeds=2, out=out)
    assert len(ran) == 2
    again = sweep(model, DFA, {RATES: [0.02]}, seeds=2, out=out)
    assert len(ran) == 2
    assert again.table == first.table  # seconds, too
    larger = sweep(model, [DFA, BP], {RATES: [0.2, 0.02]}, seeds=2, out=out)
    assert len(ran) == len(set(ran)) == 8
    assert [row for row in larger.table if row["rule"] == "dfa" and row["learning_rate"] == 0.02] == first.table
    sweep(model, DFA, {RATES: [0.02]}, seeds=2, out=out, overwrite=True)
    assert ran[8:] == ran[:2]


def test_what_was_described_otherwise_runs_anew(model, ran, tmp_path):
    def names(**options):
        before = len(ran)
        sweep(model, DFA, {RATES: [0.02]}, **{"seeds": 1, "out": tmp_path / "out"} | options)
        return ran[before:]

    first = names()
    assert names() == []
    model.write_text(MODEL.replace("batch_size = 8", "batch_size = 4"))
    second = names()
    save_npz(tmp_path / "small.npz", with_validation(network_for(BP, SIZES), seed=5))
    found = [first, second, names(), names(epochs=2), names(probe_every=0), names(settings=["network.loss='mse'"])]
    assert len({name for one in found for name in one}) == len(found)


def test_parts_make_the_whole(model, ran, tmp_path):
    grid = {"rules": [BP, DFA], "vary": {RATES: [0.02, 0.2]}, "seeds": 2}
    whole = sweep(model, **grid, out=tmp_path / "whole")
    count = len(ran)
    second = sweep(model, **grid, part=(2, 3), out=tmp_path / "parts")
    assert ran[count:] == ran[:count][1::3]
    assert np.isnan(second.results.test_error).sum() == count - len(ran[count:])
    for part in ((3, 3), (1, 3)):
        last = sweep(model, **grid, part=part, out=tmp_path / "parts")
    assert sorted(ran[count:]) == sorted(ran[:count])
    assert without_time(last.table) == without_time(whole.table)


def test_an_interrupted_run_goes_on_bit_for_bit(model, ran, tmp_path, monkeypatch):
    grid = {"rules": DFA, "vary": {RATES: [0.02, 0.2]}, "seeds": 1}
    whole = sweep(model, **grid, out=tmp_path / "whole")

    def interrupted(work, jobs, workers, watch=None):
        def stop(fraction):
            if fraction > 0.5:
                raise KeyboardInterrupt

        for place, (job, tell) in enumerate(zip(jobs, (lambda fraction: None, stop), strict=True)):
            yield place, work(*job, tell), ""

    with monkeypatch.context() as patch:
        patch.setattr("neurofa.sweep.side_by_side", interrupted)
        patch.setattr("neurofa.trainer.CHECKPOINT_EVERY_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            sweep(model, **grid, out=tmp_path / "parts")
    assert [row["learning_rate"] for row in read_table(tmp_path / "parts" / "table.csv")] == ["0.02"]
    begun = nf.load_run(tmp_path / "parts" / whole.table[1]["run"])
    assert 0 < begun.history.sizes["epoch"] < 3
    resumed = sweep(model, **grid, out=tmp_path / "parts")
    assert without_time(resumed.table) == without_time(whole.table)


def test_a_run_that_diverges_is_a_row_without_numbers_and_not_run_again(model, ran, tmp_path):
    grid = {"rules": DFA, "vary": {RATES: [0.02, 1e30]}, "seeds": 1, "settings": ["network.hidden='identity'"]}
    for _ in range(2):
        swept = sweep(model, **grid, out=tmp_path / "out")
        assert len(ran) == 2
        (message,) = swept.diverged.values()
        assert "diverged in epoch 1" in message
        finite = [np.isfinite(row["test_error"]) for row in swept.table]
        assert finite == [True, False]
        assert [found["learning_rate"] for found in swept.best] == [0.02]


def test_a_run_that_fails_leaves_the_others(model, ran, tmp_path, monkeypatch):
    def failing(work, jobs, workers, watch=None):
        yield 0, None, "a worker was killed"
        yield 1, work(*jobs[1], lambda fraction: None), ""

    monkeypatch.setattr("neurofa.sweep.side_by_side", failing)
    swept = sweep(model, DFA, {RATES: [0.02, 0.2]}, seeds=1, out=tmp_path / "out")
    assert list(swept.failed.values()) == ["a worker was killed"]
    assert [row["learning_rate"] for row in swept.table] == [0.2]


def test_the_validation_set_chooses(model, ran, tmp_path):
    swept = sweep(model, [BP, DFA], {RATES: [0.001, 0.2], "training.batch_size": [4, 8]}, seeds=2, out=tmp_path / "out")
    for found, rule in zip(swept.best, ("bp", "dfa"), strict=True):
        means = swept.results.sel(rule=rule).mean("seed")
        assert found["rule"] == rule
        assert found["validation_error"] == float(means.validation_error.min())
        place = {"learning_rate": found["learning_rate"], "batch_size": found["batch_size"]}
        assert float(means.validation_error.sel(place)) == found["validation_error"]
        assert float(means.test_error.sel(place)) == found["test_error"]
    lacking = swept.results.copy(deep=True)  # the best setting without one of its seeds is no candidate
    best = swept.best[0]
    lacking.validation_error.loc[
        {"rule": "bp", "learning_rate": best["learning_rate"], "batch_size": best["batch_size"], "seed": 1}
    ] = np.nan
    chosen = nf.sweep.Sweep(lacking, []).best[0]
    assert (chosen["learning_rate"], chosen["batch_size"]) != (best["learning_rate"], best["batch_size"])
    unvalidated = sweep(model, BP, {RATES: [0.02]}, seeds=1, settings=["data.validation=0"], out=tmp_path / "out")
    assert unvalidated.best == []
    assert "validation_error" not in unvalidated.results


def test_chips_are_swept(model, ran, tmp_path):
    swept = sweep(model, DFA, {RATES: [0.2]}, hardware=[None, "int2"], seeds=1, out=tmp_path / "out")
    assert [row["hardware"] for row in swept.table] == ["none", "int2"]
    assert swept.results.test_error.dims == ("rule", "hardware", "learning_rate", "seed")
    data = nf.load_data(nf.load_model(model).data, seed=0)
    changed = load_changed(model, [f"{RATES}=0.2"], ["dfa"], ["rate"])
    assert swept.table[1]["test_error"] == nf.train(changed, DFA, data, hardware="int2", threads=1).test_error
    assert len(swept.best) == 2


def test_values_of_every_kind(model, ran, tmp_path):
    vary = {
        "network.sizes": [[6, 3], [6, 4, 3]],
        "training.optimiser": ["sgd", {"kind": "momentum", "momentum": 0.5}],
        "training.shuffle": [np.bool_(True)],
        "training.learning_rate": np.array([0.25]),
    }
    swept = sweep(model, BP, vary, seeds=1, epochs=1, out=tmp_path / "out")
    assert list(swept.results.sizes) == ["rule", "sizes", "optimiser", "shuffle", "learning_rate", "seed"]
    assert list(swept.results.sizes.values()) == [1, 2, 2, 1, 1, 1]
    assert list(swept.results.sizes_) if hasattr(swept.results, "sizes_") else True
    assert [row["sizes"] for row in swept.table] == ["6-3", "6-3", "6-4-3", "6-4-3"]
    assert swept.table[1]["optimiser"] == '{kind = "momentum", momentum = 0.5}'
    assert swept.table[0]["shuffle"] == "true"
    assert len({row["test_error"] for row in swept.table}) > 1


def test_names_of_dims_are_told_apart(model, ran, tmp_path):
    vary = {"network.layer.bias": [True], "network.output_layer.bias": [True, False]}
    swept = sweep(model, BP, vary, seeds=1, epochs=1, out=tmp_path / "out")
    assert list(swept.results.sizes) == ["rule", "network.layer.bias", "network.output_layer.bias", "seed"]


def test_seeds_have_folders_of_their_own_however_long_the_values_are(model, ran, tmp_path):
    vary = {"network.sizes": [[6, *[4] * 60, 3]], "training.epochs": [1]}
    swept = sweep(model, BP, vary, seeds=3, out=tmp_path / "out")
    assert len({row["run"] for row in swept.table}) == len(swept.table) == 3
    assert len({row["validation_error"] for row in swept.table}) > 1


def test_a_regression_has_losses(tmp_path, ran):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 4)), rng.random((40, 2)).astype(np.float32)
    np.savez(
        tmp_path / "lines.npz",
        x_train=x,
        y_train=y,
        x_test=x[:9],
        y_test=y[:9],
        x_validation=x[9:15],
        y_validation=y[9:15],
    )
    text = """[network]
sizes = [4, 5, 2]
output = "identity"
loss = "mse"
task = "regression"
[training]
epochs = 2
batch_size = 8
[data]
name = "lines.npz"
"""
    (tmp_path / "lines.toml").write_text(text)
    swept = sweep(tmp_path / "lines.toml", BP, {RATES: [0.01]}, seeds=1, out=tmp_path / "out")
    history = nf.load_run(tmp_path / "out" / swept.table[0]["run"]).history
    assert swept.table[0]["validation_error"] == history.validation_loss[-1]
    assert swept.table[0]["test_error"] == history.test_loss[-1]
    assert swept.results.attrs["task"] == "regression"


def test_where_the_files_lie_does_not_matter(model, ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source, data in ((model, None), ("small.toml", None), ("small.toml", "~/small.npz")):
        sweep(source, BP, {RATES: [0.02]}, seeds=1, data=data, out="out")
    assert len(ran) == 1
    save_npz(tmp_path / "small.npz", with_validation(network_for(BP, SIZES), seed=5))
    sweep("small.toml", BP, {RATES: [0.02]}, seeds=1, data="~/small.npz", out="out")
    assert len(ran) == 2


def test_what_a_run_has_left_and_cannot_be_read_is_made_again(model, ran, tmp_path):
    first = sweep(model, BP, {RATES: [0.02]}, seeds=1, out=tmp_path / "out")
    for text in ('{"test_error": 0.', "[]", ""):
        (tmp_path / "out" / first.table[0]["run"] / ENDED).write_text(text)
        again = sweep(model, BP, {RATES: [0.02]}, seeds=1, out=tmp_path / "out")
        assert without_time(again.table) == without_time(first.table)
    assert len(ran) == 4


def test_settings_of_one_rule_that_is_swept_alone(model, ran, tmp_path):
    swept = sweep(model, DRTP, {f"rules.drtp.{RATES}": [0.02, 0.2]}, seeds=1, out=tmp_path / "out")
    assert [row["learning_rate"] for row in swept.table] == [0.02, 0.2]
    weights = [nf.load_run(tmp_path / "out" / row["run"]).params["layers.0.W"] for row in swept.table]
    assert (weights[0] != weights[1]).any()


def test_chips_of_ones_own(model, ran, tmp_path):
    chip = nf.hardware.load_profile("int4")
    swept = sweep(model, BP, {RATES: [0.2]}, hardware=chip, seeds=1, out=tmp_path / "out")
    named = sweep(model, BP, {RATES: [0.2]}, hardware="int4", seeds=1, out=tmp_path / "out")
    assert without_time(swept.table) == without_time(named.table)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(Path(nf.hardware.__file__).parent / "profiles" / "int4.toml", tmp_path / folder / "chip.toml")
    with pytest.raises(InputError, match=r"hardware has \['chip'\] twice"):
        sweep(model, BP, {RATES: [0.2]}, hardware=[tmp_path / "a" / "chip.toml", tmp_path / "b" / "chip.toml"])


REFUSED = {
    "nothing varies": {"vary": {}},
    "vary is": {"vary": [1e-3]},
    "give a list of values": {"vary": {RATES: 1e-3}},
    "unknown key": {"vary": {"training.rate": [1]}},
    r"learning_rate has \[0.1\] twice": {"vary": {RATES: [0.1, 0.1]}},
    r"learning_rate has \[1.0\] twice": {"vary": {RATES: [1, 1.0]}},
    "learning_rate has no values": {"vary": {RATES: []}},
    "is of one rule": {"vary": {f"rules.bp.{RATES}": [0.1]}},
    f"{RATES} is None, which": {"vary": {RATES: [None]}},
    "optimiser and training.optimiser.kind say the same": {
        "vary": {"training.optimiser": ["sgd"], "training.optimiser.kind": ["adam"]}
    },
    "training.batch_size and training={batch_size=3} say the same": {
        "vary": {"training.batch_size": [4]},
        "settings": ["training={batch_size=3}"],
    },
    "epochs is -1": {"epochs": -1},
    "probe_every is -1": {"probe_every": -1},
    "seed is -1": {"seeds": [-1]},
    "workers is '2'": {"workers": "2"},
    "settings is 'training.epochs=2'": {"settings": "training.epochs=2"},
    "hardware is 5": {"hardware": 5},
    "vary training.learning_rate": {"vary": {f"spiking.{RATES}": [0.1]}},
    "vary spiking.training.learning_rate": {"vary": {RATES: [0.1]}, "mode": "spiking"},
    "say the same": {"settings": [f"{RATES}=0.1"]},
    "epochs are given": {"vary": {"training.epochs": [1]}, "epochs": 1},
    "data are given": {"vary": {"data.name": ["digits"]}, "data": "digits"},
    "part is": {"part": (3, 2)},
    "workers is 0": {"workers": 0},
    "mode 'dense'": {"mode": "dense"},
    "no such file": {"model": "smal.toml"},
    "hardware 'nope'": {"hardware": "nope"},
    "there is nothing to compare": {"rules": []},
    "rule is 'dfa'": {"rules": "dfa"},
    "seeds are": {"seeds": [0.5]},
    "batch_size 80": {"vary": {"training.batch_size": [4, 80]}},
    "with network.sizes=\\[7, 3\\]: .*features": {"vary": {"network.sizes": [[6, 3], [7, 3]]}},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refuses_before_anything_runs(model, ran, tmp_path, message):
    options = {"model": model, "rules": DFA, "vary": {RATES: [0.1]}, "out": tmp_path / "out"} | REFUSED[message]
    with pytest.raises(InputError, match=message) as caught:
        sweep(**options)
    assert "\n" not in str(caught.value)
    assert ran == []
    assert not (tmp_path / "out").exists()


def test_the_function_is_found_in_its_module():
    with pytest.raises(AttributeError, match=r"from neurofa\.sweep import sweep"):
        nf.__getattr__("sweep")


def command(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(["sweep", *map(str, arguments)])
    return caught.value.code


def test_the_command_runs_in_processes_and_goes_on(model, tmp_path, capsys):
    out = tmp_path / "out"
    line = [model, "--rules", "bp,drtp", "--vary", f"{RATES}=[0.02, 0.2]", "--seeds", "2", "--out", out]
    assert command(*line, "--part", "1/2", "--workers", "2") == 0
    capsys.readouterr()
    assert len(read_table(out / "table.csv")) == 4
    assert command(*line) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == f"{out}: table.csv, results.nc, sweep.png, runs"
    assert text.count(" *") == 2
    assert "*: the rule's lowest validation error" in text
    table = read_table(out / "table.csv")
    assert len(table) == 8
    assert (out / "sweep.png").stat().st_size > 0
    again = shutil.copytree(out, tmp_path / "again")
    assert command(*line[:-1], again) == 0
    assert read_table(again / "table.csv") == table


def test_the_command_says_why_nothing_is_called_the_best(model, ran, tmp_path, capsys):
    bare = [model, "--rules", "bp", "--vary", f"{RATES}=[0.02]", "--seeds", "1", "--out", tmp_path / "out"]
    assert command(*bare, "--set", "data.validation=0", "--hardware", "none,int4") == 0
    text = capsys.readouterr().out
    assert "without a validation set" in text
    assert "int4" in text


def test_the_command_takes_all_rules_that_the_model_can_have(model, ran, tmp_path, capsys):
    line = [model, "--rules", "all", "--vary", f"{RATES}=[0.02]", "--seeds", "1", "--out", tmp_path / "out"]
    assert command(*line, "--set", "training.epochs=1", "--set", "training.momentum=1") == 2
    assert "unknown key" in capsys.readouterr().err
    assert command(*line, "--set", "training.epochs=1") == 0
    rules = [row["rule"] for row in read_table(tmp_path / "out" / "table.csv")]
    assert rules == [name for name in nf.rules.PRESETS if name != "mdfa"]  # whose weights may not begin below 0
    assert "left out: rule 'mdfa'" in capsys.readouterr().err


def test_the_command_says_which_rules_a_setting_does_not_reach(model, ran, tmp_path, capsys):
    line = [model, "--rules", "bp,drtp", "--vary", "training.epochs=[1]", "--seeds", "1", "--out", tmp_path / "out"]
    assert command(*line, "--set", f"{RATES}=0.2") == 0
    assert "does not reach rule 'drtp'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    {
        "no list": (["--vary", f"{RATES}=1"], "give KEY=[VALUE, VALUE]"),
        "two keys": (["--vary", "training={epochs=[1], batch_size=[2]}"], "varies 2 keys"),
        "twice": (["--vary", f"{RATES}=[1.0]", "--vary", f"{RATES}=[2.0]"], "given twice"),
        "part": (["--vary", f"{RATES}=[1.0]", "--part", "2"], "give K/N"),
        "TOML": (["--vary", f"{RATES}=[1"], "not KEY=VALUE in TOML"),
    }.values(),
)
def test_the_command_refuses(model, tmp_path, capsys, arguments, words):
    assert command(model, *arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_keeps_what_has_ended(model, tmp_path):
    out = tmp_path / "out"
    arguments = ["sweep", model, "--rules", "bp", "--vary", "training.epochs=[1, 2, 1000000]", "--seeds", "1"]
    arguments += ["--out", out, "--workers", "2", "--probe-every", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "neurofa.cli", *map(str, arguments)], stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 120
    while len(list(out.glob(f"runs/*/{ENDED}"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)  # the third has begun, in a process that has its kernels
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith("interrupted; what has ended is saved")
    assert [row["epochs"] for row in read_table(out / "table.csv")] == ["1", "2"]
    (begun,) = (nf.load_run(folder) for folder in out.glob("runs/*epochs=1000000*"))
    assert begun.history.sizes["epoch"] > 2
