"""`neurofa bench rate`: training in rate mode, samples a second, share of the roofline, ratio to PyTorch."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..engines.rate import RateEngine
from ..engines.threads import available_threads
from ..io.results import environment, write_table
from ..rules import Plan, lower, named
from ..spec import Network, Optimiser
from ..spec.errors import InputError, require
from ..terminal import show_table
from .roofline import ForeignLoad, bound_samples_per_s

SAMPLES = 12_000
WARM_UP = 10  # updates
TARGET_S = 0.5  # of one timing
SETTLE_S = 0.3  # between two timings: threads of the one before wait busily for more work for a while
MAX_FOREIGN = 0.08  # share of the processors beyond which a timing is made again
MAX_RETRIES = 60
RATE = 1.5e-4
STANDARD = (
    ("784-500-10", 60, "adam"),
    ("784-1000-10", 60, "adam"),
    ("784-500-500-10", 60, "adam"),
    ("784-10x1000-10", 60, "adam"),
    ("784-50-20-10", 32, "sgd"),
)


@dataclass
class Case:
    """One row of the table."""

    name: str
    sizes: tuple[int, ...]
    rule: str
    batch: int
    optimiser: str
    threads: int


def samples(case: Case) -> int:
    """Samples to draw batches from: at least as many as the warm-up needs."""
    return max(SAMPLES, WARM_UP * case.batch)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Widths from ``784-10x1000-10``.

    Raises
    ------
    InputError
        If it is something else.
    """
    sizes: list[int] = []
    for part in text.split("-"):
        times, _, width = part.rpartition("x")
        if not width.isdigit() or not (times or "1").isdigit() or int(width) < 1:
            raise InputError(f"network {text!r} is no list of widths; write it like 784-1000-10 or 784-3x500-10")
        sizes += [int(width)] * int(times or 1)
    require(len(sizes) >= 2, f"network {text!r} has {len(sizes)} width; give at least the input and the output")
    return tuple(sizes)


class Neurofa:
    """Times our own training of a case."""

    def __init__(self, case: Case) -> None:
        self.case, network = case, Network.dense(case.sizes)
        self.plan: Plan = lower(network, named(case.rule))
        self.engine = RateEngine(
            self.plan, batch_size=case.batch, optimiser=Optimiser(case.optimiser), threads=case.threads
        )
        self.rng, self.samples = np.random.default_rng(0), samples(case)
        self.x = self.rng.random((self.samples, case.sizes[0]), dtype=np.float32)
        self.y = self.rng.integers(case.sizes[-1], size=self.samples)
        self.rates = (RATE,) * self.plan.n_layers

    def seconds(self, n_updates: int) -> float:
        """Wall time of that many updates."""
        order, epoch = self.rng.permutation(self.samples), self.samples // self.case.batch
        began = time.perf_counter()
        for done in range(0, n_updates, epoch):
            self.engine.train(self.x, self.y, order, 0, min(epoch, n_updates - done), self.rates)
        return time.perf_counter() - began


class Torch:
    """Times the peer of a case, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "neurofa.bench.torch_peer"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version, self.cpu_s = "", 0.0

    def seconds(self, case: Case, fused: bool, n_updates: int) -> float:
        """Wall time of that many updates."""
        described = {"sizes": list(case.sizes), "rule": case.rule, "optimiser": case.optimiser, "rate": RATE}
        ask = {"case": described | {"fused": fused}, "threads": case.threads, "samples": samples(case)}
        ask |= {"batch": case.batch, "updates": n_updates}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        require(bool(answer), "PyTorch's process ended; run `python -m neurofa.bench.torch_peer` to see why")
        found = json.loads(answer)
        self.version, self.cpu_s = found["torch"], found["cpu_s"]
        return float(found["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def quiet(measure: Any, load: ForeignLoad, peer: Torch | None, discarded: list[float]) -> float:
    """A timing made while others left the processors alone, as far as that can be had."""
    for _ in range(MAX_RETRIES):
        time.sleep(SETTLE_S)
        load.share()
        if peer is not None:
            peer.cpu_s = 0.0
        seconds = float(measure())
        share = load.share(peer.cpu_s if peer is not None else 0.0)
        if share is None or share <= MAX_FOREIGN:
            return seconds
        discarded.append(seconds)
    raise InputError(f"other processes use the processors all the time ({MAX_RETRIES} timings lost); stop them first")


def time_case(case: Case, pairs: int, peer: Torch | None, load: ForeignLoad, discarded: list[float]) -> dict[str, Any]:
    """The row of a case: medians over `pairs` timings, each next to the peer's."""
    ours = Neurofa(case)
    ours.seconds(3)
    n = max(5, int(TARGET_S / (ours.seconds(WARM_UP) / WARM_UP)))
    paired = peer is not None and case.rule in ("bp", "drtp") and case.optimiser in ("adam", "sgd")
    variants = {"eager": False, "fused": True} if paired else {}
    counts = {}
    for name, fused in variants.items():
        assert peer is not None
        peer.seconds(case, fused, 3)
        counts[name] = max(5, int(TARGET_S / (peer.seconds(case, fused, 5) / 5)))
    mine: list[float] = []
    ratios: dict[str, list[float]] = {name: [] for name in variants}
    for name, fused in variants.items() or {"": False}.items():
        for _ in range(pairs):
            per_update = quiet(lambda: ours.seconds(n), load, None, discarded) / n
            mine.append(per_update)
            if name:
                assert peer is not None
                theirs = quiet(lambda f=fused, k=counts[name]: peer.seconds(case, f, k), load, peer, discarded)
                ratios[name].append(theirs / counts[name] / per_update)
    moments = {"adam": 2, "momentum": 1, "nesterov": 1, "rmsprop": 1}.get(case.optimiser, 0)
    feedback = sum(case.sizes[r.source + 1] * case.sizes[r.layer + 1] for r in ours.plan.feedback)
    bound = bound_samples_per_s(case.sizes, feedback, case.batch, moments, case.threads)
    samples_per_s = case.batch / median(mine)
    return {
        "network": case.name,
        "rule": case.rule,
        "batch": case.batch,
        "optimiser": case.optimiser,
        "threads": case.threads,
        "samples_per_s": round(samples_per_s),
        "us_per_update": round(1e6 * median(mine), 1),
        "roofline": round(samples_per_s / bound, 3),
        "x_eager": round(median(ratios["eager"]), 2) if "eager" in ratios else None,
        "x_fused": round(median(ratios["fused"]), 2) if "fused" in ratios else None,
    }


def run_benchmark(
    network: str | None,
    rules: Sequence[str],
    batch: int | None,
    optimiser: str | None,
    pairs: int,
    threads: int | None,
    out: Path | None,
) -> list[dict[str, Any]]:
    """Time the given network, or the standard set, under each rule; print the table and a line for each row."""
    chosen = [(network, 60, "adam")] if network else list(STANDARD)
    workers = threads or min(8, available_threads())
    cases = [
        Case(name, parse_sizes(name), named(rule.strip()).name, batch or size, optimiser or kind, workers)
        for name, size, kind in chosen
        for rule in rules
    ]
    peer = Torch() if importlib.util.find_spec("torch") else None
    load = ForeignLoad()
    rows: list[dict[str, Any]] = []
    discarded: list[float] = []
    try:
        for case in cases:
            rows.append(time_case(case, pairs, peer, load, discarded))
            print(f"{case.name} {case.rule}: {rows[-1]['samples_per_s']} samples/s", file=sys.stderr, flush=True)
    finally:
        if peer is not None:
            peer.close()
    about = environment()
    versions = ", ".join(f"{name} {about[name]}" for name in ("neurofa", "numpy", "numba"))
    versions += f", torch {peer.version}" if peer is not None else ", without PyTorch"
    title = f"{about['cpu']}, {workers} threads; {versions}; medians of {pairs} pairs, {len(discarded)} discarded"
    show_table([{k: "" if v is None else v for k, v in row.items()} for row in rows], title, right=list(rows[0])[2:])
    if out is not None:
        stamp = {"cpu": about["cpu"], "date": about["date"], "torch": peer.version if peer else ""}
        write_table(out, [row | stamp for row in rows])
    for row in rows:
        print(
            f"rate {row['network']} rule={row['rule']} batch={row['batch']} optimiser={row['optimiser']} "
            f"threads={row['threads']} samples_per_s={row['samples_per_s']} roofline={row['roofline']}"
        )
    return rows
