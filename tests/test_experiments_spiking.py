"""The search and the pictures of MNIST in spiking mode: quick runs, and what they do when something is missing."""

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs_mnist

import neurofa as nf
from neurofa.run import Diverged

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
SEARCH, PICTURES = "neurofa_2026_spiking_search", "neurofa_2026_spiking_pictures"
FIGURES = ("alignment", "raster", "receptive_fields", "three_factors", "traces", "weights_and_feedback")
NETWORK = '[network]\nsizes = [784, 500, 10]\nhidden = "tanh"\noutput = "sigmoid"\nloss = "bce"\n'


def script(name):
    """An experiment as a module."""
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def run(name, *options, code=0):
    """Run an experiment as a user does, and return what it prints."""
    command = [sys.executable, EXPERIMENTS / f"{name}.py", "--quick", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def table(folder, name):
    with (folder / "quick" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def one_line(text):
    return text.strip() != "" and "\n" not in text.strip() and "Traceback" not in text


@needs_mnist
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not(tmp_path):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    run(SEARCH, "--rule", "drtp", "--workers", 1, "--runs", stopped, "--trials", 1)
    assert {row["trial"] for row in table(stopped, SEARCH)} == {"0"}
    printed = run(SEARCH, "--rule", "drtp", "--workers", 1, "--runs", stopped)
    assert "trial 0:" not in printed  # it was not run again
    run(SEARCH, "--rule", "drtp", "--workers", 1, "--runs", whole)
    rows = [[{**row, "seconds": ""} for row in table(folder, SEARCH)] for folder in (stopped, whole)]
    assert rows[0] == rows[1]
    assert [(row["trial"], row["epoch"]) for row in rows[0]] == [(t, e) for t in "012" for e in "12"]
    assert len({row["hidden_rate"] for row in rows[0]}) == 3
    assert all(0 <= float(row["validation_error_percent"]) < 90 for row in rows[0] if row["trial"] == "0")

    lines = printed[printed.index("[rules.drtp") :]
    (tmp_path / "found.toml").write_text(NETWORK + lines)
    found = nf.load_model(tmp_path / "found.toml").spiking_for(nf.rules.DRTP)
    last = [row for row in rows[0] if row["epoch"] == "2"]
    best = min(last, key=lambda row: float(row["validation_error_percent"]))
    wanted = [float(best[name]) for name in ("hidden_rate", "output_rate", "window_high")]
    assert [*found.training.learning_rate, found.post.high] == pytest.approx(wanted, rel=5e-3)
    assert found.error_threshold == float(best["error_threshold"])
    assert found.training.optimiser.weight_decay == pytest.approx(float(best["weight_decay"]), rel=5e-3)


@needs_mnist
def test_the_search_never_sees_the_test_set():
    data, published = script(SEARCH).split(None, None), nf.load_data("mnist")
    assert (len(data.x_train), len(data.x_test), len(data.x_validation)) == (50_000, 10_000, 0)
    trained, held, tested = ({row.tobytes() for row in x} for x in (data.x_train, data.x_test, published.x_test))
    assert not held & trained
    assert not (held | trained) & tested
    assert held | trained == {row.tobytes() for row in published.x_train}


def test_the_first_trial_is_the_model_as_it_is():
    search = script(SEARCH)
    spiking = nf.load_model("mnist").spiking_for(nf.rules.DFA)
    epochs = spiking.training.epochs
    point = search.present(nf.rules.DFA, epochs)
    again = search.settings(spiking, point, epochs, 2)
    assert again.training.rates(2) == spiking.training.rates(2)
    assert again.training.optimiser.weight_decay == spiking.training.optimiser.weight_decay
    assert set(point) - {"decays"} <= set(search.SEARCHED)


def test_a_trial_that_diverges_is_on_record_and_never_the_best(monkeypatch, tmp_path):
    def diverge(*arguments, **options):
        raise Diverged("training diverged")

    module, rule = script(SEARCH), nf.rules.DFA
    monkeypatch.setattr(module, "split", lambda *sizes: None)
    monkeypatch.setattr(nf, "train", diverge)
    search = module.Search(str(tmp_path / "journal"), epochs=2, samples=10, held_out=10, seed=0, workers=1)
    assert module.prepare(rule, search) == 0
    assert "diverged" in module.one("dfa", 0, search)
    assert module.prepare(rule, search) == 1
    study = module.study_of(rule, search)
    for _ in range(2):  # written again it stands there once
        module.write(module.rows_of(study, rule, search), tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [(row["state"], row["epoch"], row["validation_error_percent"]) for row in rows] == [("diverged", "1", "nan")]
    assert "no trial was completed" in module.best(study, rule, search)


def test_without_optuna_the_search_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert script(SEARCH).main(["--quick"]) == 2
    said = capsys.readouterr().err
    assert one_line(said)
    assert "[experiments]" in said


def test_an_unknown_rule_is_refused_in_one_line(tmp_path, capsys):
    assert script(SEARCH).main(["--rule", "dfa,nonsense", "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert one_line(said)
    assert "nonsense" in said
    assert not list(tmp_path.iterdir())


@needs_mnist
def test_the_pictures_are_drawn(tmp_path):
    printed = run(PICTURES, "--runs", tmp_path)
    drawn = sorted((tmp_path / "quick" / PICTURES / "figures").iterdir())
    assert [path.name for path in drawn] == [f"spiking_{name}.png" for name in FIGURES]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000 for path in drawn)
    assert all(str(path) in printed for path in drawn)


@needs_mnist
def test_the_changes_of_weights_are_their_three_factors(monkeypatch):
    module, seen = script(PICTURES), {}
    monkeypatch.setattr(
        nf.plot, "three_factor_scatter", lambda ax, dw, *factors, **how: seen.setdefault("args", (dw, *factors))
    )
    model, rule, data = nf.load_model("mnist"), nf.rules.DFA, module.load(True)
    module.three_factors(model, rule, nf.lower(model.network, rule, 0).params, data)
    dw, pre, modulator, post = seen["args"]
    product = pre.T @ (modulator * post)
    rate = model.spiking_for(rule).training.rates(2)[0]
    assert abs(dw).max() > 1e-4
    assert abs(dw + rate * product).max() < 1e-3 * abs(dw).max()
