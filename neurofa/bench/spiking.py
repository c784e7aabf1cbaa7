"""`neurofa bench spiking`: events, updates and samples a second of processor time, the ratio to Brian2, and memory.

Compilation is left out: a short run comes first. Times are those of the processor, on one thread, so that what
other processes do acts on them through caches alone; the wall's is beside it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..blas import one_blas_thread
from ..engines.spiking import SpikingEngine
from ..io.results import environment, write_table
from ..rules import lower, named
from ..simulation import Simulation
from ..spec import Network
from ..spec.errors import InputError, require, require_choice
from ..terminal import show_table
from .brian2_peer import Peer
from .roofline import ForeignLoad
from .workloads import W1, W2, Loop, PoissonEvents, result_line

WORKLOADS = ("w1", "w2", "loop", "memory")
SIZES = {"w1": 2000, "w2": 2000, "loop": 1000, "memory": 10_000}  # ms; samples; samples; neurons
CHUNK = 25  # samples of W2 that are encoded and simulated together
MAX_FOREIGN = 0.08  # share of the processors beyond which a timing is made again
MAX_REPEATS = 5
MEMORY_MS = 100.0
COLUMNS = (
    "workload", "data", "size", "rate_hz", "hidden_hz", "events", "updates", "synops_per_sample", "cpu_s", "wall_s",
    "events_per_s", "updates_per_s", "samples_per_s", "ms_per_sample", "peer_rate_hz", "peer_per_s", "ratio",
    "ratio_low", "ratio_high", "pairs", "disturbed", "synapses", "bytes_per_synapse", "peak_gib", "build_s",
)  # fmt: skip


class Clock:
    """Seconds of this process's processor, and of the wall, in a block."""

    def __enter__(self) -> "Clock":
        self.wall_s, self.cpu_s = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *raised: object) -> None:
        self.cpu_s += time.process_time()
        self.wall_s += time.perf_counter()

    def with_rates(self, **amounts: float) -> dict[str, float]:
        """Both, and amounts for each second of the processor between them, as fields of a row."""
        rates = {name: float(amount) / self.cpu_s for name, amount in amounts.items()}
        return {"cpu_s": self.cpu_s, **rates, "wall_s": self.wall_s}


class RecurrentRun:
    """W1 for `size` milliseconds, always from the same state."""

    def __init__(self, work: W1, size: int) -> None:
        self.work, self.size = work, size
        self.simulation = Simulation(work.circuit(), precision="float32")
        self.start = self.simulation.state()
        self.simulation.run(2 * work.delay_ms)

    def measure(self) -> dict[str, Any]:
        """A row of one run."""
        self.simulation.restore(self.start)
        events, spikes = self.simulation.synops["forward"], self.simulation.spike_counts["neurons"].sum()
        with Clock() as clock:
            self.simulation.run(float(self.size))
        events = self.simulation.synops["forward"] - events
        spikes = self.simulation.spike_counts["neurons"].sum() - spikes
        rate = float(spikes) / self.work.neurons / self.size * 1000
        return {"rate_hz": rate, "events": int(events)} | clock.with_rates(events_per_s=events)


class PlasticRun:
    """W2 for `size` samples, always from the same state; encoding is part of the time."""

    def __init__(self, work: W2, size: int) -> None:
        self.work, self.size, self.x = work, size, work.samples(size)
        self.events = PoissonEvents(work, min(CHUNK, size))
        self.simulation = Simulation(work.circuit(), precision="float32")
        _, _, self.simulation.modulators["hidden"][:], self.simulation.modulators["output"][:] = work.weights()
        self.start = self.simulation.state()
        self.show(0)

    def show(self, first: int) -> None:
        """Encode and simulate the chunk of samples that begins with `first`."""
        x = self.x[first : first + CHUNK]
        duration_ms = len(x) * self.work.ticks * self.work.dt_ms
        self.simulation.run(duration_ms, events={"input": self.events.of(x, first)})

    def measure(self) -> dict[str, Any]:
        """A row of one run; each synapse of an arriving spike is an update, whether the window is open or not."""
        self.simulation.restore(self.start)
        updates, spikes = self.simulation.synops["forward"], self.simulation.spike_counts["hidden"].sum()
        with Clock() as clock:
            for first in range(0, self.size, CHUNK):
                self.show(first)
        updates = self.simulation.synops["forward"] - updates
        spikes = self.simulation.spike_counts["hidden"].sum() - spikes
        seconds = self.size * self.work.ticks * self.work.dt_ms / 1000
        done = {"updates": int(updates), "hidden_hz": float(spikes) / self.work.hidden / seconds}
        return done | clock.with_rates(updates_per_s=updates, samples_per_s=self.size)


class LearningRun:
    """The learning loop for `size` samples, always from the same weights."""

    def __init__(self, work: Loop, size: int) -> None:
        self.work, self.size = work, size
        plan = lower(Network.dense(work.sizes), named("dfa"))
        self.engine = SpikingEngine(plan, work.spiking(), threads=1)
        self.x, self.y = work.samples(size)
        self.order, self.rates = np.arange(size), (work.learning_rate,) * plan.n_layers
        self.start = tuple(
            {name: value.copy() for name, value in part.items()} for part in (self.engine.params, self.engine.state())
        )
        self.engine.train(self.x, self.y, self.order, 0, 1, self.rates)

    def measure(self) -> dict[str, Any]:
        """A row of one run."""
        self.engine.restore(*self.start)
        before = self.engine.operations.sum()
        with Clock() as clock:
            self.engine.train(self.x, self.y, self.order, 0, self.size, self.rates)
        operations = float(self.engine.operations.sum() - before) / self.size
        rates = {"samples_per_s": self.size / clock.cpu_s, "ms_per_sample": 1000 * clock.cpu_s / self.size}
        return rates | clock.with_rates() | {"synops_per_sample": operations, "data": self.work.data}


RUNS: Mapping[str, tuple[type, type]] = {
    "w1": (W1, RecurrentRun),
    "w2": (W2, PlasticRun),
    "loop": (Loop, LearningRun),
}
PER_S = {"w1": "events_per_s", "w2": "updates_per_s"}


def attempt(measure: Callable[[], dict[str, Any]], load: ForeignLoad) -> tuple[dict[str, Any], bool]:
    """A row, made again a few times if other processes were at work; and whether they still were at last."""
    for _ in range(MAX_REPEATS):
        before = os.times()
        load.share()
        row = measure()
        after = os.times()
        child_s = after.children_user + after.children_system - before.children_user - before.children_system
        share = load.share(child_s)
        if share is None or share <= MAX_FOREIGN:
            return row, False
    return row, True


def time_workload(workload: str, work: Any, size: int, pairs: int, peer: Peer | None) -> dict[str, Any]:
    """Medians over `pairs` timings; with a peer each is next to one of its, and the ratio is the median of ratios."""
    load, rows, theirs, disturbed = ForeignLoad(), [], [], 0
    with one_blas_thread():
        run = RUNS[workload][1](work, size)
        for _ in range(pairs):
            row, was = attempt(run.measure, load)
            rows.append(row)
            disturbed += was
            if peer is not None:
                row, was = attempt(peer.measure, load)
                theirs.append(row)
                disturbed += was
    found: dict[str, Any] = {"workload": workload, "size": size, "pairs": pairs, "disturbed": disturbed}
    found |= {key: value if isinstance(value, str) else median(r[key] for r in rows) for key, value in rows[0].items()}
    if theirs:
        key = PER_S[workload]
        ratios = [a[key] / b[key] for a, b in zip(rows, theirs, strict=True)]
        shown = "rate_hz" if workload == "w1" else "hidden_hz"
        found |= {"peer_rate_hz": median(row[shown] for row in theirs), "peer_per_s": median(r[key] for r in theirs)}
        found |= {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        found["peer"] = {name: median(row[name] for row in theirs) for name in theirs[0]}
    return found


def resident() -> tuple[int, int]:
    """Memory of this process in bytes: now, and the most so far (of its predecessor before `exec` too, off Linux)."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return 1024 * int(found["VmRSS"]), 1024 * int(found["VmHWM"])
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak, peak


def memory_here(work: W1, plastic: bool, duration_ms: float) -> dict[str, Any]:
    """Memory that building W1 and running it takes in this process, which should have done nothing else before."""
    eta = 1e-9 if plastic else None
    Simulation(W1(neurons=20, in_degree=5).circuit(eta), precision="float32").run(5.0)  # compiles
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, without the compiler's
    before, _ = resident()
    with Clock() as building:
        simulation = Simulation(work.circuit(eta), precision="float32")
        if plastic:
            simulation.modulators["neurons"][:] = 1
    with Clock() as clock:
        simulation.run(duration_ms)
    peak = resident()[1]
    rate = float(simulation.spike_counts["neurons"].sum()) / work.neurons / duration_ms * 1000
    events = int(simulation.synops["forward"])
    return {
        "workload": "memory plastic" if plastic else "memory static",
        "size": work.neurons,
        "synapses": work.synapses,
        "bytes_per_synapse": (peak - before) / work.synapses,
        "peak_gib": peak / 2**30,
        "rate_hz": rate,
        "events": events,
        **clock.with_rates(events_per_s=events),
        "build_s": building.cpu_s,
    }


def memory_of(work: W1, plastic: bool, duration_ms: float = MEMORY_MS) -> dict[str, Any]:
    """`memory_here` in a process of its own."""
    ask = json.dumps({"work": vars(work), "plastic": plastic, "duration_ms": duration_ms})
    command = [sys.executable, "-m", "neurofa.bench.spiking", ask]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise InputError(f"{work.synapses} synapses could not be simulated ({reason}); take fewer neurons")
    return json.loads(done.stdout.splitlines()[-1])


def run_spiking_benchmark(
    workload: str,
    *,
    size: int | None = None,
    pairs: int = 7,
    peer: bool = False,
    out: Path | None = None,
    work: W1 | W2 | Loop | None = None,
) -> list[dict[str, Any]]:
    """Time a workload, print its table and a line for each row, that of neurofa last.

    Parameters
    ----------
    workload
        ``w1``, ``w2``, ``loop``, or ``memory`` (of W1 with static and with plastic synapses).
    size
        Milliseconds of W1, samples of W2 and the loop, neurons of ``memory``.
    pairs
        Timings; medians are reported.
    peer
        Whether each timing is followed by one of Brian2's. The loop and ``memory`` have no peer.
    out
        CSV file for the rows.
    work
        What is simulated, in place of the standard network.

    Returns
    -------
    list of dict
        A row, or two of ``memory``.

    Raises
    ------
    InputError
        If there is no such workload, or its peer cannot be built.
    """
    require_choice("workload", workload, WORKLOADS)
    size = SIZES[workload] if size is None else size
    require(size >= 1, f"size is {size}; it must be at least 1")
    require(pairs >= 1, f"pairs is {pairs}; it must be at least 1")
    version = ""
    if workload == "memory":
        network = work if isinstance(work, W1) else W1(neurons=size)
        rows = [memory_of(network, plastic) for plastic in (False, True)]
    else:
        require(not peer or workload in PER_S, f"workload {workload!r} has no peer; time neurofa alone")
        kind = RUNS[workload][0]
        chosen = kind() if work is None else work
        require(isinstance(chosen, kind), f"work is {chosen!r}; workload {workload!r} needs a {kind.__name__}")
        other = Peer(chosen, size) if peer else None  # type: ignore[arg-type]
        try:
            rows = [time_workload(workload, chosen, size, pairs, other)]
        finally:
            if other is not None:
                other.close()
                version = other.version
                print(f"Brian2's program was built in {other.build_s:.1f} s", file=sys.stderr, flush=True)
    report(rows, version, out)
    return rows


def report(rows: Sequence[dict[str, Any]], version: str, out: Path | None) -> None:
    """Print rows as a table and as lines, and write them."""
    about = environment()
    versions = ", ".join(f"{name} {about[name]}" for name in ("neurofa", "numpy", "numba"))
    title = f"{about['cpu']}, one thread; {versions}" + (f", brian2 {version}" if version else "")
    if "pairs" in rows[0]:
        title += f"; medians of {rows[0]['pairs']}, {rows[0]['disturbed']} timings made beside other processes"
    columns = [name for name in COLUMNS if rows[0].get(name) is not None]
    shown = [{name: rounded(row[name]) for name in columns} for row in rows]
    show_table(shown, title, right=columns[1:])
    if out is not None:
        stamp = {"cpu": about["cpu"], "date": about["date"], "neurofa": about["neurofa"], "brian2": version}
        write_table(out, [{name: row.get(name) for name in COLUMNS} | stamp for row in rows])
    for row in rows:
        name = row["workload"]
        head = name.upper() if name in PER_S else name
        if "peer" in row:
            print(result_line(head, "brian2", row["peer"]))
        print(result_line(head, "neurofa", row))


def rounded(value: Any) -> Any:
    """A number as the table shows it: four digits."""
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(memory_here(W1(**asked["work"]), asked["plastic"], asked["duration_ms"])))
