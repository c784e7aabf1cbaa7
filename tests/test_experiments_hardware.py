"""The experiment under constraints of hardware: its settings, its findings and table, and the search for settings."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs_mnist

import neurofa as nf
from neurofa.experiments import load_script

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
SEARCH = "neurofa_2026_hardware_search"
SCRIPT = load_script("neurofa_2026_hardware")


@pytest.fixture(scope="module")
def table():
    """The experiment as a module."""
    return SCRIPT.module


def search(*options):
    """Run the search as a user does, and return what it prints."""
    command = [sys.executable, EXPERIMENTS / f"{SEARCH}.py", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_combination_of_the_table_has_settings_that_fit(table):
    for job in SCRIPT.jobs("full", [0]):
        model, rule, spiking, chip = table.described(job)
        values = table.settings_of(job["rule"], job["format"])
        assert set(values) == set(table.SETTINGS)
        assert (chip is None) == (job["format"] == "float")
        if chip is not None:
            network, _, own = model.for_rule(rule)
            plan = nf.hardware.constrain(nf.lower(network, own, 0), spiking, chip, seed=0)
            assert plan.on_chip.hardware.weights.headroom == values["headroom"]
            assert spiking.training.rates(2) == (values["hidden_rate"], values["output_rate"])
            assert not chip.learning.shadow


def test_the_rate_falls_by_the_same_factor_over_any_number_of_epochs(table):
    model, values = table.model_of("float"), table.settings({"fall": 0.25})
    for epochs in (1, 4, 10):
        schedule = table.spiking_of(model, nf.rules.DFA, values, epochs).training.schedule
        assert schedule.factor**epochs == pytest.approx(0.25)


def made_up(**errors):
    """Rows of all jobs with one seed: the error in percent by format, the same for all rules unless it is a mapping."""
    rows = []
    for job in SCRIPT.jobs("default", [0]):
        error = errors[job["format"]]
        of_levels = "nearest" if job["format"] in ("int8", "int4", "int2") else "stochastic"
        rounding = "" if job["format"] == "float" else of_levels
        percent = error[job["rule"]] if isinstance(error, dict) else error
        rows.append(job | {"rounding": rounding, "test_error_percent": percent, "seconds": 1.0, "spec": str(job),
                           "date": "2026-01-02", "cpu": "c"})  # fmt: skip
    return rows


def test_findings_compare_with_full_precision_with_the_limit_and_between_formats(table):
    rows = made_up(
        float={"dfa": 2.0, "drtp": 4.0, "sign_fa": 1.0}, int8=6.0, int4=7.0, int2=20.0, loihi=9.0,
        int8_stochastic={"dfa": 2.9, "drtp": 5.5, "sign_fa": 1.5}, int4_stochastic=6.5, int2_stochastic=6.5,
    )  # fmt: skip
    within = {verdict.item: verdict.within for verdict in table.verdicts(rows, SCRIPT.paper)}
    assert within == {
        "dfa, 8 bits, stochastic rounding: test error at most 1.0 points above float": True,
        "drtp, 8 bits, stochastic rounding: test error at most 1.0 points above float": False,
        "dfa on loihi: test error at most 3.7 %": False,
        "rounding nearest: errors grow from 8 to 4 to 2 bits, by all rules": True,
        "rounding stochastic: errors grow from 8 to 4 to 2 bits, by all rules": False,
        "stochastic rounding is better than rounding to the nearest, with all bits and by all rules": True,
        "check: 2 bits, rounding nearest, so that the hidden layer does not change: all rules have one error": True,
    }
    assert "| int8_stochastic | 2.90 | 5.50 | 1.50 |" in table.table(rows)
    assert "| loihi | 9.00 |  |  |" in table.table(rows)


@needs_mnist
def test_a_search_that_was_stopped_goes_on(tmp_path):
    pytest.importorskip("optuna")
    options = ("--quick", "--formats", "int8_stochastic", "--rules", "dfa", "--runs", tmp_path)
    search(*options, "--trials", 1)
    printed = search(*options)
    assert "trial 0:" not in printed
    assert "trial 1:" in printed
    with (tmp_path / "quick" / f"{SEARCH}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1"]
    assert rows[0]["hidden_rate"] != rows[1]["hidden_rate"]
    assert "[settings.dfa.int8_stochastic]" in printed
