"""`neurofa bench spiking`: what it simulates, its table and lines, alone and with Brian2; no timing is judged."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from neurofa.bench import brian2_peer, spiking
from neurofa.bench.spiking import run_spiking_benchmark
from neurofa.bench.workloads import W1, W2, Loop, PoissonEvents, result_line
from neurofa.spec import InputError

TINY_W1, TINY_W2 = W1(neurons=50, in_degree=10), W2(inputs=20, hidden=8, outputs=3, active=10, ticks=10)
TINY_LOOP = Loop(sizes=(20, 8, 3), active=10, sample_ms=10.0, random=True)
NUMBER = r"(\d[\d.]*(?:e[+-]\d+)?)"
LINES = {
    "w1": f"W1 neurofa rate_hz={NUMBER} events={NUMBER} cpu_s={NUMBER} events_per_s={NUMBER} wall_s={NUMBER}",
    "w2": f"W2 neurofa updates={NUMBER} hidden_hz={NUMBER} cpu_s={NUMBER} updates_per_s={NUMBER} "
    f"samples_per_s={NUMBER} wall_s={NUMBER}",
    "loop": f"loop neurofa samples_per_s={NUMBER} ms_per_sample={NUMBER} cpu_s={NUMBER} wall_s={NUMBER} "
    f"synops_per_sample={NUMBER} data=random",
}
CASES = [("w1", TINY_W1, 40), ("w2", TINY_W2, 30), ("loop", TINY_LOOP, 5)]


class Built:
    """Stands in for Brian2's program: a million events or updates a second."""

    def __init__(self, work, size):
        self.work, self.size, self.version, self.build_s, self.measured, self.closed = work, size, "9.9", 1.0, 0, False

    def measure(self):
        self.measured += 1
        if isinstance(self.work, W1):
            return {"rate_hz": 5.0, "events": 1e6, "cpu_s": 1.0, "events_per_s": 1e6}
        rates = {"updates_per_s": 1e6, "samples_per_s": 10.0}
        return {"updates": 1e6, "hidden_hz": 20.0, "cpu_s": 1.0} | rates

    def close(self):
        self.closed = True


@pytest.fixture
def built(monkeypatch):
    made = []
    monkeypatch.setattr(spiking, "Peer", lambda *given: made.append(Built(*given)) or made[-1])
    return made


@pytest.mark.parametrize(("neurons", "in_degree"), [(50, 10), (7, 5), (33, 40)])
def test_connections_are_rows_of_sources_drawn_by_each_neuron(neurons, in_degree):
    work = W1(neurons, in_degree)
    indptr, indices, weights = work.connections(seed=4)
    assert (indptr.dtype, indices.dtype, weights.dtype) == (np.int64, np.int32, np.float32)
    assert len(indptr) == neurons + 1
    assert indptr[0] == 0
    assert indptr[-1] == len(indices) == len(weights) == neurons * in_degree
    pre = np.repeat(np.arange(neurons), np.diff(indptr))
    assert (np.bincount(indices, minlength=neurons) == in_degree).all()
    exc = pre < work.n_exc
    assert (np.bincount(indices[~exc], minlength=neurons) == in_degree // 5).all()
    np.testing.assert_array_equal(weights, np.where(exc, work.w_exc, work.w_inh).astype(np.float32))
    for row in np.split(indices, indptr[1:-1]):
        assert (np.diff(row) >= 0).all()
    again = work.connections(seed=4)
    assert all(np.array_equal(a, b) for a, b in zip((indptr, indices, weights), again, strict=True))
    assert not np.array_equal(indices, work.connections(seed=5)[1])


def test_sources_are_drawn_uniformly():
    """Out-degrees are binomial: 1000 draws of each neuron among 400 excitatory and 100 inhibitory ones."""
    work = W1(neurons=500, in_degree=1000)
    degree = np.diff(work.connections()[0])
    for part, n in ((degree[:400], 400), (degree[400:], 100)):
        draws = part.sum()
        assert draws == 500 * (800 if n == 400 else 200)
        chi2 = ((part - draws / n) ** 2 / (draws / n)).sum()
        assert abs(chi2 - (n - 1)) < 5 * np.sqrt(2 * (n - 1))


def test_samples_have_the_given_number_of_active_inputs():
    x = TINY_W2.samples(40)
    assert x.shape == (40, 20)
    assert set(np.unique(x)) == {0.0, 1.0}
    assert (x.sum(axis=1) == 10).all()
    assert len(np.unique(x, axis=0)) > 30
    x, y = TINY_LOOP.samples(40)
    assert ((x > 0).sum(axis=1) == 10).all()
    assert x.max() <= 1
    for label in np.unique(y):
        assert len(np.unique(x[y == label] > 0, axis=0)) == 1


def test_events_of_samples_are_poisson_and_one_after_the_other():
    work = W2(inputs=20, hidden=8, outputs=3, active=10, ticks=100)
    x, events = work.samples(50), PoissonEvents(work, 25)
    first, second = ([part.copy() for part in events.of(x[at : at + 25], at)] for at in (0, 25))
    for at, (ticks, units) in ((0, first), (25, second)):
        assert (np.diff(ticks) >= 0).all()
        assert ticks.max() < 2500
        assert (x[at + ticks // 100, units] == 1).all()
    n, expected = len(first[0]) + len(second[0]), 50 * 10 * 100 * 0.05
    assert abs(n - expected) < 5 * np.sqrt(expected)
    again = events.of(x[25:], 25)
    assert all(np.array_equal(a, b) for a, b in zip(again, second, strict=True))


@pytest.mark.parametrize(("workload", "work", "size"), CASES)
def test_a_workload_ends_in_its_line(workload, work, size, tmp_path, capsys):
    out = tmp_path / "bench.csv"
    (row,) = run_spiking_benchmark(workload, size=size, pairs=3, out=out, work=work)
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(LINES[workload], last), last
    per_s = row[{"w1": "events_per_s", "w2": "updates_per_s", "loop": "samples_per_s"}[workload]]
    assert per_s > 0
    assert "ratio" not in row
    with out.open(newline="") as file:
        (written,) = csv.DictReader(file)
    assert list(written) == [*spiking.COLUMNS, "cpu", "date", "neurofa", "brian2"]
    assert (written["workload"], written["size"], written["pairs"]) == (workload, str(size), "3")
    assert written["ratio"] == written["brian2"] == ""


@pytest.mark.parametrize(("workload", "work", "size"), CASES[:2])
def test_with_a_peer_ratios_are_paired(workload, work, size, built, capsys, monkeypatch):
    monkeypatch.setattr(spiking, "MAX_FOREIGN", np.inf)
    (row,) = run_spiking_benchmark(workload, size=size, pairs=3, peer=True, work=work)
    (peer,) = built
    assert (peer.work, peer.size, peer.measured, peer.closed) == (work, size, 3, True)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert row["ratio"] == pytest.approx(row[spiking.PER_S[workload]] / 1e6)
    assert row["peer_per_s"] == 1e6
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(LINES[workload], printed[-1])
    assert printed[-2].startswith(f"{workload.upper()} brian2 ")
    assert any("brian2 9.9" in line for line in printed)


def test_every_timing_is_of_the_same_run():
    for workload, work, size in CASES:
        run = spiking.RUNS[workload][1](work, size)
        timings = {"cpu_s", "wall_s", "events_per_s", "updates_per_s", "samples_per_s", "ms_per_sample"}
        first, second = ({k: v for k, v in run.measure().items() if k not in timings} for _ in range(2))
        assert first == second
        assert first.get("events", first.get("updates", first.get("synops_per_sample"))) > 0


def test_all_synapses_of_arriving_spikes_count_as_updates():
    """With every membrane in its window each of them does change; the weights show it."""
    run = spiking.PlasticRun(TINY_W2, 30)
    before = {name: np.array(run.simulation.weights[name]) for name in ("input->hidden", "hidden->output")}
    row = run.measure()
    assert row["updates"] >= 8 * len(PoissonEvents(TINY_W2, 30).of(run.x, 0)[0]) * 0.99  # the last tick's are to come
    assert any(np.abs(run.simulation.weights[name] - before[name]).max() > 0 for name in before)


def test_a_disturbed_timing_is_made_again(monkeypatch):
    shares = [0.0, 0.5, 0.0, 0.4, 0.0, 0.05]  # before and after each

    class Load:
        def share(self, own_too=0.0):
            return shares.pop(0)

    timings = [{"cpu_s": 3.0}, {"cpu_s": 2.0}, {"cpu_s": 1.0}]
    assert spiking.attempt(lambda: timings.pop(0), Load()) == ({"cpu_s": 1.0}, False)
    busy = Load()
    busy.share = lambda own_too=0.0: 0.9
    assert spiking.attempt(lambda: {"cpu_s": 1.0}, busy) == ({"cpu_s": 1.0}, True)


def test_memory_is_measured_in_processes_of_their_own(capsys):
    rows = run_spiking_benchmark("memory", work=W1(neurons=50, in_degree=10))
    assert [row["workload"] for row in rows] == ["memory static", "memory plastic"]
    for row, line in zip(rows, capsys.readouterr().out.splitlines()[-2:], strict=True):
        assert row["synapses"] == 500
        assert row["peak_gib"] > 0.01  # the interpreter alone
        assert re.match(rf"{row['workload']} neurofa synapses=5.00e\+02 bytes_per_synapse=", line)


def test_memory_is_what_arrays_take():
    """Fifty million bytes, touched: resident now, and in the peak after they are gone."""
    code = (
        "import numpy as np; from neurofa.bench.spiking import resident; a = resident(); "
        "b = np.ones(50_000_000, np.int8); c = resident(); del b; d = resident(); print(c[0] - a[0], d[1] - a[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    now, peak = (int(word) for word in done.stdout.split())
    assert 49e6 < now < 60e6
    assert 49e6 < peak < 60e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run_spiking_benchmark("w3"), "w3"),
        (lambda: run_spiking_benchmark("w1", size=0), "size is 0"),
        (lambda: run_spiking_benchmark("w1", pairs=0), "pairs is 0"),
        (lambda: run_spiking_benchmark("loop", peer=True), "no peer"),
        (lambda: run_spiking_benchmark("w1", work=TINY_W2), "needs a W1"),
        (lambda: W1(neurons=4), "neurons is 4"),
        (lambda: W2(inputs=10), "active is 157"),
        (lambda: W2(hidden=0), "hidden is 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_program_that_cannot_be_built_is_explained(monkeypatch):
    monkeypatch.setattr(brian2_peer.sys, "executable", "false")
    with pytest.raises(InputError, match="C\\+\\+ compiler") as caught:
        brian2_peer.Peer(TINY_W1, 10)
    assert "\n" not in str(caught.value)


def test_numbers_are_written_in_the_order_of_the_row():
    row = {"size": 3, "updates": 2.017e8, "hidden_hz": 22.31, "cpu_s": 0.5461, "updates_per_s": 3.693e8}
    line = "W2 brian2 updates=2.017e+08 hidden_hz=22.3 cpu_s=0.546 updates_per_s=3.693e+08"
    assert result_line("W2", "brian2", row) == line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "size", "rate", "amount"),
    [
        (W1(neurons=500, in_degree=100), 300, "rate_hz", "events"),
        (W2(inputs=300, hidden=20, outputs=3, active=200), 50, "hidden_hz", "updates"),
    ],
)
def test_brian2_does_the_same_work(work, size, rate, amount):
    """Built once and run twice; rates agree with ours within a few per cent, as other Poisson events would."""
    kind = spiking.RUNS["w1" if isinstance(work, W1) else "w2"][1]
    ours = kind(work, size).measure()
    peer = brian2_peer.Peer(work, size)
    try:
        rows = [peer.measure() for _ in range(2)]
        assert json.loads((peer.folder / brian2_peer.BUILT).read_text())["build_s"] > 0
    finally:
        peer.close()
    assert not peer.folder.exists()
    for row in rows:
        assert row["cpu_s"] > 0
        assert ours[rate] > 0
        assert row[rate] == pytest.approx(ours[rate], rel=0.1)
        assert row[amount] == pytest.approx(ours[amount], rel=0.1)
