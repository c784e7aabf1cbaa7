"""The experiment under constraints of hardware: its settings, a quick run of it, and what it refuses."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs_mnist

import neurofa as nf

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
TABLE, SEARCH = "neurofa_2026_hardware", "neurofa_2026_hardware_search"


@pytest.fixture
def table(monkeypatch):
    """The experiment as a module; its neighbours are found as when it is run."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import neurofa_2026_hardware

    return neurofa_2026_hardware


def run(name, *options, code=0):
    """Run an experiment as a user does, and return what it prints."""
    command = [sys.executable, EXPERIMENTS / f"{name}.py", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_combination_of_the_table_has_settings_that_fit(table):
    for name in table.RULES.split(","):
        rule = nf.rules.named(name)
        for format_name in (*table.FORMATS.split(","), *([table.CHIP] if name in table.CHIP_RULES else [])):
            model, values = table.model_of(format_name), table.settings_of(rule, format_name)
            spiking, chip = table.spiking_of(model, rule, values, 10), table.chip_of(format_name, values)
            assert (chip is None) == (format_name == "float")
            if chip is not None:
                network, _, own = model.for_rule(rule)
                plan = nf.hardware.constrain(nf.lower(network, own, 0), spiking, chip, seed=0)
                assert plan.constraint.hardware.weights.headroom == values["headroom"]
                assert spiking.training.rates(2) == (values["hidden_rate"], values["output_rate"])
                assert not chip.learning.shadow


def test_the_rate_falls_by_the_same_factor_over_any_number_of_epochs(table):
    model, values = table.model_of("float"), table.settings({"fall": 0.25})
    for epochs in (1, 4, 10):
        schedule = table.spiking_of(model, nf.rules.DFA, values, epochs).training.schedule
        assert schedule.factor**epochs == pytest.approx(0.25)


def test_verdicts_compare_with_full_precision_and_with_the_aim(table):
    def row(rule, format_name, rounding, error, seed=0):
        return {"rule": rule, "format": format_name, "rounding": rounding, "seed": seed, "test_error_percent": error}

    rows = [row("dfa", "float", "", 2.0), row("dfa", "int8", "stochastic", 2.9), row("dfa", "loihi", "stochastic", 9.0)]
    rows += [row("drtp", "float", "", 4.0), row("drtp", "int8", "stochastic", 5.5), row("drtp", "int8", "nearest", 4.0)]
    dfa, drtp, chip = table.verdicts(rows)
    for line, words in (
        (dfa, ("+0.90 points", "Reached")),
        (drtp, ("+1.50 points", "Missed")),
        (chip, ("9.00", "Missed")),
    ):
        assert all(word in line for word in words)
    assert "| int8, stochastic | 2.90 | 5.50 |" in table.report(rows)


@needs_mnist
@pytest.mark.slow
def test_a_quick_run_learns_under_eight_bits_and_goes_on_where_it_was(tmp_path):
    printed = run(TABLE, "--quick", "--workers", 1, "--runs", tmp_path)
    rows = rows_of(tmp_path / "quick" / f"{TABLE}.csv")
    assert [(row["format"], row["rounding"], row["bits"]) for row in rows] == [
        ("float", "", "32"), ("int8", "stochastic", "8"), ("int2", "stochastic", "2"),
    ]  # fmt: skip
    assert all(int(row["update_per_sample"]) > 0 for row in rows)
    assert "32-bit float" in printed
    again = run(TABLE, "--quick", "--workers", 1, "--runs", tmp_path)
    assert printed.splitlines()[-8:] == again.splitlines()[-8:]


@needs_mnist
def test_a_search_that_was_stopped_goes_on(tmp_path):
    pytest.importorskip("optuna")
    options = ("--quick", "--formats", "int8_stochastic", "--rules", "dfa", "--runs", tmp_path)
    run(SEARCH, *options, "--trials", 1)
    printed = run(SEARCH, *options)
    assert "trial 0:" not in printed
    assert "trial 1:" in printed
    rows = rows_of(tmp_path / "quick" / f"{SEARCH}.csv")
    assert [row["trial"] for row in rows] == ["0", "1"]
    assert rows[0]["hidden_rate"] != rows[1]["hidden_rate"]
    assert "[settings.dfa.int8_stochastic]" in printed


def test_what_is_unknown_is_named_and_leaves_the_table_alone(tmp_path):
    table = EXPERIMENTS / "results" / "neurofa_2026_hardware.csv"
    before = table.stat()
    message = run(TABLE, "--rules", "dfa", "--formats", "int9", "--workers", 1, "--runs", tmp_path, code=2)
    assert "settings.dfa.int9" in message
    assert "Traceback" not in message
    assert table.stat().st_mtime_ns == before.st_mtime_ns
