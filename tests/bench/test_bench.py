"""`neurofa bench rate`: its table and lines, with PyTorch and without; no timing is judged."""

import csv
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from neurofa import cli
from neurofa.bench import rate, roofline
from neurofa.bench.rate import Case, Neurofa, parse_sizes, quiet, run_benchmark
from neurofa.spec import InputError

LINE = re.compile(
    r"rate (\S+) rule=(\S+) batch=(\d+) optimiser=(\S+) threads=(\d+) samples_per_s=(\d+) roofline=(\d+\.\d+)"
)
COLUMNS = ["network", "rule", "batch", "optimiser", "threads", "samples_per_s", "us_per_update", "roofline"]
COLUMNS += ["x_eager", "x_fused", "cpu", "date", "torch"]


class Peer:
    """Stands in for PyTorch's process: takes a known time for an update."""

    def __init__(self):
        self.version, self.cpu_s, self.asked, self.closed = "9.9", 0.0, [], False

    def seconds(self, case, fused, n_updates):
        self.asked.append((case.rule, fused))
        return (2e6 if fused else 1e6) * n_updates

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Short timings, whatever else the machine does."""
    monkeypatch.setattr(rate, "TARGET_S", 1e-4)
    monkeypatch.setattr(rate, "SAMPLES", 64)
    monkeypatch.setattr(rate, "SETTLE_S", 0.0)
    monkeypatch.setattr(rate, "MAX_FOREIGN", np.inf)
    monkeypatch.setattr(rate, "bound_samples_per_s", lambda *case: 1e9)


@pytest.fixture
def without_torch(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more))


@pytest.fixture
def with_peer(monkeypatch):
    find, peers = importlib.util.find_spec, []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: find("math" if name == "torch" else name))
    monkeypatch.setattr(rate, "Torch", lambda: peers.append(Peer()) or peers[-1])
    return peers


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("784-1000-10", (784, 1000, 10)),
        ("784-3x500-10", (784, 500, 500, 500, 10)),
        ("4-2", (4, 2)),
        ("2x3", (3, 3)),
        ("784-10x1000-10", (784, *[1000] * 10, 10)),
    ],
)
def test_widths(text, sizes):
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "784", "784-", "784--10", "784-a-10", "784-0-10", "784-x5-1.5", "784,10", "-3-4"])
def test_what_is_no_list_of_widths_is_refused(text):
    with pytest.raises(InputError, match=r"784-1000-10|at least the input") as caught:
        parse_sizes(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)


def test_without_torch_neurofa_is_timed_alone(without_torch, tmp_path, capsys):
    out = tmp_path / "bench.csv"
    rows = run_benchmark("8-6-3", ["bp", " drtp"], 4, "sgd", 3, 1, out)
    printed = capsys.readouterr()
    lines = [LINE.fullmatch(line) for line in printed.out.splitlines()[-2:]]
    assert [line.groups()[:5] for line in lines] == [
        ("8-6-3", "bp", "4", "sgd", "1"),
        ("8-6-3", "drtp", "4", "sgd", "1"),
    ]
    assert [int(line[6]) for line in lines] == [row["samples_per_s"] for row in rows]
    assert all(row["samples_per_s"] > 0 for row in rows)
    assert all(row["x_eager"] is None and row["x_fused"] is None for row in rows)
    assert "without PyTorch" in printed.out
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == COLUMNS
    assert [row["rule"] for row in table] == ["bp", "drtp"]
    assert [row["samples_per_s"] for row in table] == [str(row["samples_per_s"]) for row in rows]
    assert table[0]["x_eager"] == table[0]["torch"] == ""


def test_with_a_peer_ratios_are_paired(with_peer, capsys, monkeypatch):
    monkeypatch.setattr(rate.Neurofa, "seconds", lambda self, n_updates: 1e-3 * n_updates)
    rows = run_benchmark("8-6-3", ["bp", "fa"], 4, "adam", 3, 1, None)
    (peer,) = with_peer
    assert peer.closed
    assert {rule for rule, _ in peer.asked} == {"bp"}  # what it can run
    assert rows[0]["samples_per_s"] == pytest.approx(4000)  # batches of 4
    assert rows[0]["x_eager"] == pytest.approx(1e9)
    assert rows[0]["x_fused"] == pytest.approx(2e9)
    assert rows[1]["x_eager"] is None
    printed = capsys.readouterr().out
    assert "torch 9.9" in printed
    assert len([line for line in printed.splitlines() if LINE.fullmatch(line)]) == 2


def test_the_peer_is_ended_when_a_case_fails(with_peer):
    with pytest.raises(InputError, match="optimiser 'newton'"):
        run_benchmark("8-6-3", ["bp"], 4, "newton", 3, 1, None)
    assert with_peer[0].closed


def test_the_standard_set_is_timed_unless_a_network_is_named(without_torch, monkeypatch):
    timed = []

    def note(case, *more):
        timed.append(case)
        values = (case.name, case.rule, case.batch, case.optimiser, case.threads, 1, 1.0, 0.1, None, None)
        return dict(zip(COLUMNS, values, strict=False))

    monkeypatch.setattr(rate, "time_case", note)
    run_benchmark(None, ["bp", "drtp"], None, None, 7, 2, None)
    assert len(timed) == 2 * len(rate.STANDARD)
    assert timed[0] == Case("784-500-10", (784, 500, 10), "bp", 60, "adam", 2)
    assert timed[-1] == Case("784-50-20-10", (784, 50, 20, 10), "drtp", 32, "sgd", 2)


def test_what_is_timed_learns():
    ours = Neurofa(Case("8-6-3", (8, 6, 3), "bp", 4, "adam", 1))
    before = ours.engine.params["layers.0.W"].copy()
    assert ours.seconds(3) > 0
    assert ours.engine.steps == 3
    assert np.abs(ours.engine.params["layers.0.W"] - before).max() > 0


def test_a_timing_that_others_disturbed_is_made_again(monkeypatch):
    monkeypatch.setattr(rate, "MAX_FOREIGN", 0.1)

    shares = [0.0, 0.5, 0.0, 0.4, 0.0, 0.05]  # before and after each timing

    class Load:
        def share(self, own_too=0.0):
            return shares.pop(0)

    timings, discarded = [3.0, 2.0, 1.0], []
    assert quiet(lambda: timings.pop(0), Load(), None, discarded) == 1.0
    assert discarded == [3.0, 2.0]
    busy = Load()
    busy.share = lambda own_too=0.0: 0.9
    with pytest.raises(InputError, match="other processes"):
        quiet(lambda: 1.0, busy, None, [])


def test_the_bound_adds_products_and_the_optimisers_pass(monkeypatch):
    """784-1000-10: at 1 Gflop/s and 1 GB/s, by hand."""
    monkeypatch.setattr(roofline, "gemm_flops_per_s", lambda threads: 1e9 * threads)
    monkeypatch.setattr(roofline, "bytes_per_s", lambda n, threads: 1e9)
    weights, feedback = 784 * 1000 + 1000 * 10, 1000 * 10
    products_s = 2 * (2 * weights + feedback) / 2e9
    pass_s = 4 * 2 * 3 * weights / 1e9 / 60  # W and two moments, read and written, four bytes each
    bound = roofline.bound_samples_per_s((784, 1000, 10), feedback, 60, 2, 2)
    assert bound == pytest.approx(1 / (products_s + pass_s))


def test_the_machine_is_measured(monkeypatch):
    monkeypatch.setattr(roofline, "GEMM_SIZE", 32)
    monkeypatch.setattr(roofline, "MEASUREMENTS", 1)
    assert roofline.gemm_flops_per_s(1) > 0
    assert roofline.bytes_per_s(1_000_000, 1) > 0
    share = roofline.ForeignLoad().share()
    assert share is None or share >= 0


def test_on_the_command_line(without_torch, tmp_path, capsys):
    out: Path = tmp_path / "table.csv"
    with pytest.raises(SystemExit) as caught:
        cli.main(f"bench rate --network 8-2x6-3 --rule dfa --batch 4 --pairs 3 --threads 1 --out {out}".split())
    assert caught.value.code == 0
    line = LINE.fullmatch(capsys.readouterr().out.splitlines()[-1])
    assert line.groups()[:5] == ("8-2x6-3", "dfa", "4", "adam", "1")
    assert out.exists()
