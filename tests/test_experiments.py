"""Experiments: what is shared by their scripts, on a toy script, and what each bundled script must have."""

import csv
import os
import signal
import subprocess
import sys
import time
from math import isnan, nan
from pathlib import Path

import pytest

import neurofa as nf
from neurofa.experiments import bundled_scripts, compare, finding, load_script, mean_of, running, where
from neurofa.experiments.report import COLUMNS, judged, protocol, report
from neurofa.experiments.rows import compute_seconds, read_rows, thinned
from neurofa.experiments.running import run_script
from neurofa.experiments.scripts import MODES, Script, key
from neurofa.experiments.verdicts import lines_of
from neurofa.io.datasets import available
from neurofa.spec.training import DataSpec

TOY = '''"""Nobody et al. 2026, Table 1: a toy.

Protocol: none.
"""
import sys, time
from neurofa.experiments import compare, finding, panels, run_script, where

SEEDS = {"quick": 1, "default": 2, "full": 3}
PROTOCOL = {"quick": "short", "default": "that of the paper", "full": "that of the paper"}
MEASURED = ("error",)
WORTH = {"a": 1.0, "b": 2.0}

def jobs(mode, seed):
    return [{"rule": rule, "seed": seed, "epochs": 1 if mode == "quick" else 5} for rule in WORTH]

def describe(job):
    return (WORTH[job["rule"]],)

def one(job, folder):
    folder.mkdir(parents=True, exist_ok=True)
    return [{"error": WORTH[job["rule"]] + 0.5 * job["seed"]}]

def verdicts(rows, paper):
    a, b = where(rows, rule="a"), where(rows, rule="b")
    holds = bool(a and b) and a[0]["error"] < b[0]["error"]
    return [*(compare(f"error of {r}", where(rows, rule=r), "error", v) for r, v in paper.items()),
            finding("a is better", holds, rows)]

def draw(rows, paper):
    figure, (ax,) = panels()
    ax.plot([row["error"] for row in rows])
    return figure

if __name__ == "__main__":
    sys.exit(run_script(__file__))
'''
AS_A_COMMAND = "lillicrap_2016_xor"  # the others' quick runs are made in the process of the tests
FIRST = ("rule", "seed", "epochs", "error", "seconds", "date", "cpu", "neurofa", "threads", "spec")
OURS = bundled_scripts()


def toy(folder, *changes):
    """The toy script in a folder, with changes to its text."""
    text = TOY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "nobody_2026_table1.py"
    path.write_text(text)
    path.with_suffix(".toml").write_text("a = 1.2\nb = 9.0\n")
    return path


def run(path, *options):
    """Run a script with results beside it; returns its exit code and its rows."""
    results = path.parent / "results"
    code = run_script(path, ["--results", str(results), "--workers", "1", *options])
    folder = path.parent / "runs" / "quick" if "--quick" in options else results
    return code, read_rows(folder / f"{path.stem}.csv")


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_script_leaves_rows_verdicts_a_page_and_a_figure(tmp_path, capsys):
    code, rows = run(toy(tmp_path))
    assert code == 0
    assert tuple(rows[0]) == FIRST
    assert [(row["rule"], row["seed"], row["error"]) for row in rows] == [
        ("a", 0, 1.0), ("a", 1, 1.5), ("b", 0, 2.0), ("b", 1, 2.5),
    ]  # fmt: skip
    assert {row["neurofa"] for row in rows} == {nf.__version__}
    stem = tmp_path / "results" / "nobody_2026_table1"
    verdicts = table(stem.with_name(f"{stem.name}_verdicts.csv"))
    assert tuple(verdicts[0]) == COLUMNS
    assert [(v["item"], v["within"]) for v in verdicts] == [
        ("error of a", "yes"), ("error of b", "no"), ("a is better", "yes"),
    ]  # fmt: skip
    assert verdicts[0]["ours"] == "1.25"
    assert verdicts[0]["seeds"] == "2"
    assert verdicts[0]["command"] == "neurofa experiments run nobody_2026_table1"
    assert verdicts[0]["protocol"] == "that of the paper; 2 of 3 seeds"
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    page, printed = stem.with_suffix(".md").read_text(), capsys.readouterr().out
    for text in (page, printed):
        assert "| error of b | 9.0 | 2.2 ± 0.4 | 2 | -6.8 | 0.7 | **no** |" in text.replace("2.3 ±", "2.2 ±")
    assert page.startswith("# Nobody et al. 2026, Table 1: a toy\n")


def test_rows_that_would_be_made_again_are_kept_and_others_made_anew(tmp_path, capsys):
    path = toy(tmp_path)
    run(path)
    capsys.readouterr()
    run(path, "--full")
    made = [line for line in capsys.readouterr().out.splitlines() if "seed=" in line]
    assert [line.partition(":")[0] for line in made] == ["a seed=2 epochs=5", "b seed=2 epochs=5"]
    run(toy(tmp_path, ('"b": 2.0', '"b": 3.0')))  # its description is another one now
    said = capsys.readouterr()
    assert said.err.startswith("note: 3 stored rows are of another version or description, left out\n")
    (aside,) = (tmp_path / "runs").glob("nobody_2026_table1_left_out_*.csv")
    assert f"they are in {aside} from now on" in said.err
    assert [(r["rule"], r["seed"], r["error"]) for r in read_rows(aside)] == [("b", n, 2 + n / 2) for n in range(3)]
    made = [line for line in said.out.splitlines() if "seed=" in line]
    assert [line.partition(":")[0] for line in made] == ["b seed=0 epochs=5", "b seed=1 epochs=5"]
    stored = tmp_path / "results" / "nobody_2026_table1.csv"
    stored.write_text(stored.read_text().replace(f",{nf.__version__},", ",0.0.1,"))
    _, rows = run(path)
    assert len([line for line in capsys.readouterr().out.splitlines() if "seed=" in line]) == 4
    assert len(rows) == 4


def test_only_the_chosen_jobs_run_and_the_list_says_which_have(tmp_path, capsys):
    path = toy(tmp_path)
    code, rows = run(path, "--only", "rule=a", "--only", "seed=1")
    assert (code, [(row["rule"], row["seed"]) for row in rows]) == (0, [("a", 1)])
    capsys.readouterr()
    assert run(path, "--only", "rule=b,a", "--list")[0] == 0
    assert capsys.readouterr().out.splitlines() == [
        "a seed=0 epochs=5: to run", "b seed=0 epochs=5: to run",
        "a seed=1 epochs=5: has run", "b seed=1 epochs=5: to run",
    ]  # fmt: skip
    _, rows = run(path, "--only", "seed=0")
    assert [(row["rule"], row["seed"]) for row in rows] == [("a", 0), ("a", 1), ("b", 0)]


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (["rule"], "--only 'rule' has no value; give COLUMN=VALUE, such as seed=0"),
        (["rules=a"], "column 'rules' is unknown (did you mean 'rule'?); choose one of: rule, seed, epochs"),
        (["rule=c"], "rule 'c' is unknown; choose one of: a, b"),
        (["rule=a", "rule=b"], "no job has all of: rule=a rule=b; --list shows the jobs"),
    ],
)
def test_a_choice_of_jobs_that_there_are_not_is_one_line(tmp_path, capsys, only, said):
    code, rows = run(toy(tmp_path), *(word for condition in only for word in ("--only", condition)))
    assert (code, rows) == (2, [])
    assert capsys.readouterr().err == f"nobody_2026_table1: {said}\n"


def test_commands_that_run_side_by_side_keep_each_others_rows(tmp_path):
    wait = ("    folder.mkdir", "    time.sleep(0.5)\n    folder.mkdir")
    path = toy(tmp_path, wait, ('WORTH = {"a": 1.0, "b": 2.0}', 'WORTH = {name: 1.0 for name in "abcd"}'))
    command = [sys.executable, str(path), "--results", str(tmp_path / "results"), "--workers", "1"]
    running = [
        subprocess.Popen([*command, "--only", f"rule={rules}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for rules in ("a,b", "c,d")
    ]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    rows = read_rows(tmp_path / "results" / "nobody_2026_table1.csv")
    assert [(row["rule"], row["seed"]) for row in rows] == [(rule, seed) for rule in "abcd" for seed in (0, 1)]


def test_a_folder_that_cannot_be_is_refused_before_any_job(tmp_path, capsys):
    path = toy(tmp_path, ("    folder.mkdir", "    (folder.parent / 'begun').touch()\n    folder.mkdir"))
    (tmp_path / "file").touch()
    assert run_script(path, ["--results", str(tmp_path / "file" / "results"), "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"nobody_2026_table1: cannot make the folder '{tmp_path}/file/results': Not a directory; choose another one\n"
    )
    assert not (tmp_path / "runs").exists()


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    words = [sys.executable, str(toy(tmp_path)), "--list", "--seeds", "3000"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert (process.wait(timeout=60), said) == (0, "")


def test_overwriting_makes_the_asked_rows_anew_and_keeps_the_others(tmp_path, capsys):
    path = toy(tmp_path)
    run(path, "--full")
    capsys.readouterr()
    _, rows = run(path, "--seeds", "1", "--overwrite")
    assert len([line for line in capsys.readouterr().out.splitlines() if "seed=" in line]) == 2
    assert len(rows) == 6


def test_a_quick_run_fails_where_a_finding_does_not_hold(tmp_path, capsys):
    assert run(toy(tmp_path), "--quick")[0] == 0
    code, rows = run(toy(tmp_path, ('"a": 1.0', '"a": 5.0')), "--quick")
    assert code == 1
    assert "a is better" in capsys.readouterr().err
    assert {row["epochs"] for row in rows} == {1}
    assert not (tmp_path / "results").exists()  # a quick run leaves the results alone


def test_a_job_that_cannot_be_done_is_said_and_the_others_are_kept(tmp_path, capsys):
    refuse = (
        "    folder.mkdir",
        '    from neurofa import InputError\n    if job["rule"] == "b": raise InputError("no b")\n    folder.mkdir',
    )
    code, rows = run(toy(tmp_path, refuse))
    assert code == 2
    said = capsys.readouterr().err
    assert "b seed=0 epochs=5: no b" in said
    assert "Traceback" not in said
    assert [row["rule"] for row in rows] == ["a", "a"]
    verdicts = table(tmp_path / "results" / "nobody_2026_table1_verdicts.csv")
    assert [v["item"] for v in verdicts] == ["error of a"]  # a finding compares jobs, and needs all
    assert "2 jobs of this protocol have not run yet" in verdicts[0]["protocol"]


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        (("SEEDS = ", "SEED = "), "SEEDS"),
        (('"default": 2, ', ""), "'default'"),
        (("def draw", "def paint"), "draw"),
        ((', "seed": seed', ""), "'seed'"),
        (('"error": WORTH', '"mistake": WORTH'), "error, mistake"),
        (("for rule in WORTH]", 'for rule in "aa"]'), "the same"),
    ],
)
def test_what_is_wrong_with_a_script_is_named(tmp_path, capsys, change, culprit):
    assert run(toy(tmp_path, change))[0] == 2
    said = capsys.readouterr().err
    assert culprit in said
    assert "Traceback" not in said


@pytest.mark.parametrize("words", [["--foo"], ["--seeds", "x"], ["--seeds", "0"], ["--quick", "--full"]])
def test_wrong_options_are_one_line(words, tmp_path, capsys):
    assert run(toy(tmp_path), *words)[0] == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words[0] in said
    assert "--help" in said


def test_ctrl_c_keeps_what_is_finished_and_the_command_goes_on(tmp_path):
    wait = ('    return [{"error"', '    time.sleep(60 if job["rule"] == "b" else 0)\n    return [{"error"')
    path = toy(tmp_path, wait)
    command = [sys.executable, str(path), "--results", str(tmp_path / "results"), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stored = tmp_path / "results" / "nobody_2026_table1.csv"
    deadline = time.monotonic() + 60
    while not stored.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 20
    assert "interrupted" in said
    assert "Traceback" not in said
    assert {row["rule"] for row in read_rows(stored)} == {"a"}


def row(seed, error, seconds=1.0, **more):
    return {"seed": seed, "error": error, "seconds": seconds, "spec": "s", "date": "2026-01-02", "cpu": "c"} | more


def test_a_number_is_within_two_combined_deviations_or_the_tolerance():
    rows = [row(0, 1.0), row(1, 3.0)]  # mean 2, deviation sqrt(2)
    verdict = compare("x", rows, "error", 4.0, paper_std=0.5)
    assert verdict.tolerance == pytest.approx(2 * (2 + 0.25) ** 0.5)
    assert verdict.within
    assert not compare("x", rows, "error", 2.0 + 2 * 2.25**0.5 + 1e-6, paper_std=0.5).within
    assert compare("x", rows, "error", 9.0, tolerance=7.0).within
    assert not compare("x", rows, "error", 9.1, tolerance=7.0).within
    assert not compare("x", rows, "error", 4.0, paper_std=0.5, tolerance=7.0, allowed=1.9).within
    assert compare("x", rows, "error", 4.0, allowed=2.0).within


def test_one_seed_has_no_deviation_of_its_own_and_several_rows_of_a_seed_are_one_value():
    verdict = compare("x", [row(0, 1.0), row(0, 3.0)], "error", 2.5, paper_std=0.2)
    assert (verdict.ours, verdict.seeds, verdict.tolerance) == (2.0, 1, 0.4)
    assert isnan(verdict.ours_std)
    assert not verdict.within
    assert verdict.seconds == 1.0  # both rows are of one job
    assert compare("x", [], "error", 1.0) is None
    assert finding("x", True, []) is None


def test_verdicts_are_written_with_the_digits_of_the_published_number():
    made = [compare("x", [row(0, 1.638, 130.0)], "error", 1.65, 0.06), finding("y", False, [row(0, nan)])]
    lines = lines_of(made)[2:]
    assert lines[0] == "| x | 1.65 ± 0.06 | 1.64 | 1 | -0.01 | 0.12 | yes | 2 min |"
    assert lines[1].startswith("| y | finding | does not hold | 1 |")
    assert "**no**" in lines[1]
    assert "+0.0 |" in lines_of([compare("x", [row(0, 89.99)], "error", 90.0, tolerance=1.0)])[2]


def test_rows_are_read_as_numbers_where_they_are_numbers(tmp_path):
    (tmp_path / "rows.csv").write_text("network,rule,x,spec\n2_2_1,fa,0.5,1234\n2_2_1,bp,7,5678\n")
    rows = read_rows(tmp_path / "rows.csv")
    assert rows[0] == {"network": "2_2_1", "rule": "fa", "x": 0.5, "spec": "1234"}
    assert where(rows, rule="bp", x=7) == rows[1:]
    assert isnan(mean_of([], "x"))
    assert read_rows(tmp_path / "absent.csv") == []


def test_a_fault_of_a_job_leaves_the_others(tmp_path, capsys):
    path = toy(tmp_path, ("    folder.mkdir(parents=True, exist_ok=True)\n", '    1 / (job["rule"] != "a")\n'))
    code, rows = run(path, "--seeds", "1")
    assert code == 2
    assert [row["rule"] for row in rows] == ["b"]
    assert "a seed=0 epochs=5: ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_rows_of_the_full_protocol_alone_are_judged_by_it(tmp_path):
    """Where it has jobs that the default has not."""
    path = toy(tmp_path, ("for rule in WORTH]", 'for rule in WORTH if (rule == "b") == (mode == "full")]'))
    code, rows = run(path, "--full", "--seeds", "1")
    assert code == 0
    mode, mine, words = protocol(Script(path), rows)
    assert (mode, len(mine)) == ("full", 1)
    assert words == "that of the paper; 1 of 3 seeds; 2 jobs of this protocol have not run yet"


@pytest.mark.parametrize("script", OURS, ids=lambda script: script.name)
def test_a_part_of_the_jobs_is_judged_as_far_as_it_goes(script):
    """As `--only` leaves it: the rows of one value of each column, judged by a protocol that has more."""
    rows = read_rows(Path(script.path.parent / "results" / f"{script.name}.csv"))
    names = list(script.jobs("default", [0])[0]) if rows else []
    for name in names:
        for value in list(dict.fromkeys(row[name] for row in rows))[:6]:
            mode, mine, _ = protocol(script, where(rows, **{name: value}))
            judged(script, mine, mode)


def test_a_figure_that_needs_more_jobs_is_left_out_and_the_page_says_so(tmp_path):
    path = toy(
        tmp_path, ("    figure, (ax,) = panels()\n", '    where(rows, rule="b")[0]\n    figure, (ax,) = panels()\n')
    )
    page, picture = (tmp_path / "results" / f"nobody_2026_table1.{end}" for end in ("md", "png"))
    code, _ = run(path, "--only", "rule=a")
    assert code == 0
    assert "Too few of its jobs have run for a figure." in page.read_text()
    assert not picture.exists()
    run(path)
    assert "nobody_2026_table1.png" in page.read_text()
    assert picture.exists()


def test_a_table_with_a_broken_line_is_refused_by_its_number(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("rule,seed\nfa,0\nbp\n")
    with pytest.raises(nf.InputError, match=r"a\.csv, line 3: not as many fields as columns"):
        read_rows(path)


def test_compute_counts_each_job_once():
    rows = [
        row(0, 1.0, 2.0, spec="p"),
        row(0, 2.0, 2.0, spec="p"),
        row(1, 1.0, 2.0, spec="p"),
        row(0, 1.0, 2.0, spec="q"),
    ]
    assert compute_seconds(rows) == 6.0


@pytest.mark.parametrize(("count", "points", "places"), [(5, 9, [0, 1, 2, 3, 4]), (101, 3, [0, 50, 100]), (0, 3, [])])
def test_thinning_keeps_the_first_and_the_last(count, points, places):
    assert thinned(count, points) == places


def test_the_scripts_are_there():
    names = {"frenkel_2021_table1", "frenkel_2021_figure3", "lillicrap_2016_xor", "neurofa_2026_hardware"}
    assert names <= {script.name for script in OURS}


@pytest.mark.parametrize("script", OURS, ids=lambda script: script.name)
def test_each_script_says_what_it_is_and_what_it_runs(script):
    assert script.title
    assert "Protocol:" in script.doc
    assert script.paper
    assert script.seeds("quick") <= script.seeds("default") <= script.seeds("full")
    for mode in MODES:
        jobs = script.jobs(mode, [0, 1])
        assert {job["seed"] for job in jobs} == {0, 1}
        assert len({key(job) for job in jobs}) == len(jobs)
    for job in script.jobs("default", [0]):
        assert len(script.spec(job)) == 64  # model, rule and data are known
        assert script.spec(job) == script.spec(job | {"seed": 1})
    rule_or_model = {script.spec(job) for job in script.jobs("default", [0])}
    assert len(rule_or_model) == len(script.jobs("default", [0]))


def test_the_columns_of_the_mnist_table_stay():
    names = ["network", "rule", "seed", "epochs", "test_error_percent", *FIRST[4:]]
    script = load_script("frenkel_2021_table1")
    assert list(read_rows(Path(script.path).parent / "results" / f"{script.name}.csv")[0]) == names
    assert [*script.jobs("full", [0])[0], *script.module.MEASURED] == names[:5]
    assert len(script.jobs("full", [0])) == 72


def test_a_report_judges_what_is_stored_and_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("neurofa.experiments.report.bundled_scripts", lambda: [Script(path)])
    path = toy(tmp_path)
    results, board, gallery = tmp_path / "results", tmp_path / "RESULTS.md", tmp_path / "docs" / "gallery.md"
    assert "no rows" in report(results, board, gallery)[0]
    assert "| not run | | `neurofa experiments run nobody_2026_table1` | |" in board.read_text()
    run(path, "--full")
    stored = (results / "nobody_2026_table1.csv").read_bytes()
    assert report(results, board, gallery) == []
    assert (results / "nobody_2026_table1.csv").read_bytes() == stored
    text = board.read_text()
    assert "1 of 2 published numbers are within, 1 of 1 findings hold" in text
    summary = (
        "[Nobody et al. 2026, Table 1: a toy](results/nobody_2026_table1.md) | 1 of 2 | 1 of 1 | that of the paper; 3"
    )
    assert summary in text
    assert "`neurofa experiments run nobody_2026_table1 --full`: that of the paper; 3 of 3 seeds" in text
    assert "../results/nobody_2026_table1.png" in gallery.read_text()
    run(toy(tmp_path, ('"b": 2.0', '"b": 3.0')), "--seeds", "1")
    monkeypatch.setattr("neurofa.experiments.report.bundled_scripts", lambda: [Script(path)])
    toy(tmp_path)  # rows of b are of another description again
    assert "left out" in report(results, board, gallery)[0]


def test_a_script_that_is_not_ready_ends_in_one_line_and_keeps_its_rows(tmp_path, capsys):
    path = toy(tmp_path)
    run(path, "--seeds", "1")
    refuse = (
        "def ready(mode):\n    from neurofa import InputError\n    raise InputError('no file')\n\ndef describe(job)"
    )
    path = toy(tmp_path, ("def describe(job)", refuse))
    capsys.readouterr()
    code, rows = run(path)
    assert (code, len(rows)) == (2, 2)
    assert capsys.readouterr().err == "nobody_2026_table1: no file\n"
    assert run(path, "--seeds", "1")[0] == 0  # nothing is missing, so nothing is asked for


def test_a_table_of_a_scripts_own_stands_on_its_page(tmp_path):
    own = "def table(rows):\n    return f'| {len(rows)} rows |\\n| --- |'\n\ndef draw("
    path = toy(tmp_path, ("def draw(", own))
    run(path, "--seeds", "1")
    page = (tmp_path / "results" / "nobody_2026_table1.md").read_text()
    assert "\n\n| 2 rows |\n| --- |\n\n![" in page


def test_verdicts_are_on_the_rows_of_one_protocol(tmp_path):
    shorter = ('1 if mode == "quick" else 5', '{"quick": 1, "default": 2, "full": 5}[mode]')
    path = toy(tmp_path, shorter)
    run(path)
    _, rows = run(path, "--full", "--seeds", "1")
    assert len(rows) == 6
    mode, mine, words = protocol(Script(path), rows)
    assert (mode, {r["epochs"] for r in mine}, words) == ("default", {2}, "that of the paper; 2 of 3 seeds")
    assert [verdict.seeds for verdict in judged(Script(path), mine, mode)] == [2, 2, 2]
    _, rows = run(path, "--full")
    assert protocol(Script(path), rows)[0] == "full"


def cli(*words, code=0):
    command = [sys.executable, "-m", "neurofa.cli", "experiments", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_commands_list_and_refuse():
    listed = cli("list")
    assert all(script.name in listed for script in bundled_scripts())
    said = cli("run", "frenkel_2021_tabel1", code=2)
    assert "frenkel_2021_tabel1" in said
    assert "frenkel_2021_table1" in said
    assert "Traceback" not in said


def quick_run(script):
    """A script to run, which is skipped where its data are not on this machine; quick runs need no file of a user's."""
    published = {entry.name for entry in available() if not entry.found}
    described = script.module.describe(script.jobs("quick", [0])[0])
    absent = [part.name for part in described if isinstance(part, DataSpec) and part.name in published]
    why = f"{', '.join(absent)} is absent; point NEUROFA_DATA at the folder that holds it"
    return pytest.param(script, marks=pytest.mark.skipif(bool(absent), reason=why), id=script.name)


def in_turn(script, jobs, folders, fresh, workers):
    """Jobs with their rows, without processes of their own."""
    for job in jobs:
        yield job, running._rows(script, job, folders, fresh), ""


@pytest.mark.slow
@pytest.mark.parametrize("script", [quick_run(script) for script in OURS])
def test_a_quick_run_finds_what_the_paper_found(script, tmp_path, capsys, monkeypatch):
    arguments = ["--quick", "--workers", "1", "--results", str(tmp_path / "results")]
    if script.name == AS_A_COMMAND:
        printed = cli("run", script.name, *arguments)
    else:  # in this process: to begin three takes longer than many of them do
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
        monkeypatch.setattr(running, "_results", in_turn)
        assert run_script(script.path, arguments) == 0, capsys.readouterr().err
        printed = capsys.readouterr().out
    assert "| finding | holds |" in printed
