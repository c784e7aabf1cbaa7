"""docs/speed.md, from the tables that the benchmarks beside leave in docs/: no number of it is typed by hand.

python tests/benchmarks/page.py
"""

import csv
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
RATE, SPIKING, BUSY = (DOCS / f"speed_{name}.csv" for name in ("rate", "spiking", "busy"))
RATE_AIMS = {  # ratios aimed at, by network and threads: to PyTorch's default, and to its fastest setting
    ("784-500-10", 2): (4.0, 1.8),
    ("784-1000-10", 2): (4.0, 1.8),
    ("784-500-500-10", 2): (None, 1.8),
    ("784-10x1000-10", 2): (None, 1.2),
    ("784-50-20-10", 2): (9.0, None),
    ("784-50-20-10", 1): (4.0, None),
}
SPIKING_AIMS = {  # column, value, and how it is meant
    "w1": ("ratio", 2.5, "at least"),
    "w2": ("ratio", 8.0, "at least"),
    "loop": ("samples_per_s", 2000.0, "at least"),
    "memory static": ("bytes_per_synapse", 12.0, "at most"),
    "memory plastic": ("bytes_per_synapse", 16.0, "at most"),
}
Row = dict[str, str]

RATE_TEXT = """## Rate mode

Training in rate mode, paired with PyTorch in a process beside it; medians of {pairs} pairs, and timings during which
other processes used more than 8 % of the processors are made again. Made by `python tests/benchmarks/rate.py`, which
runs `neurofa bench rate` for each row.

PyTorch makes the same updates on the same number of threads, from batches indexed out of a tensor in memory (no
`DataLoader`, which would make it slower): `eager` is the optimiser's default, `fused` is `fused=True`, and `x eager`
and `x fused` are PyTorch's time over neurofa's. Aims are the project's own (`tests/benchmarks/page.py`). Roofline: the
least time that the machine would need (products at its BLAS peak, the optimiser's pass at memory bandwidth, both
measured in the same run), as a share of the time taken.

{machine}

{table}"""

SPIKING_TEXT = """## Spiking mode

One core, single precision, against Brian2's C++ standalone mode (`-O3 -ffast-math -march=native`) doing the same work
in a program of its own, in turn; medians of {pairs} pairs of CPU time, building and compiling apart. Made by
`python tests/benchmarks/spiking.py --large`; `neurofa bench spiking --workload w1` (w2, loop, memory) times neurofa
alone, and with `--peer` Brian2 too.

* W1: 10,000 LIF neurons with delta synapses, in-degree 1,000, 0.1 ms ticks, about 5.3 Hz, static.
* W2: 784-500-10 LIF, 157 inputs at 50 Hz Poisson, 100 ticks of 1 ms a sample; every synapse changes at every
  presynaptic spike by a third factor that is given. Encoding is part of the time on both sides.
* loop: online learning of 784-500-10 by DFA, 100 ticks a sample, encoder, error events and updates included; the first
  samples of MNIST, with the default settings of `nf.Spiking`.

{machine}

{table}

{memory}"""

BUSY_TEXT = """## On a processor that others use too

Training in rate mode on all cores while other programs compute beside it: seconds, medians of {runs} runs in turn.
Threads that have no work wait {turns} turns of a loop before they sleep; `usual` is GNU OpenMP's own 300,000, as with
`GOMP_SPINCOUNT=300000`. (Linux; other threading layers of Numba's have settings of their own.) Made by
`python tests/benchmarks/busy.py`.

{machine}

{table}"""


def read(path: Path) -> list[Row]:
    """Rows of a table; none if it has not been made."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rate_section(rows: list[Row]) -> str:
    first = rows[0]
    versions = [f"{name} {first[name]}" for name in ("neurofa", "numpy", "numba")]
    about = ", ".join([*versions, f"{first['blas']} (kernels: {first['kernels']})", f"PyTorch {first['torch']}"])
    plain = ("network", "rule", "batch", "optimiser", "threads", "samples_per_s", "us_per_update")
    shown = []
    for row in rows:
        aims = zip(RATE_AIMS.get((row["network"], int(row["threads"])), (None, None)), ("eager", "fused"), strict=True)
        aim = ", ".join(
            f"{value:g}x {name}" + ("" if float(row[f"x_{name}"]) >= value else " (missed)")
            for value, name in aims if value
        )  # fmt: skip
        roofline = f"{100 * float(row['roofline']):.0f} %"
        shown.append([*(row[key] for key in plain), roofline, row["x_eager"], row["x_fused"], aim])
    heads = ("network", "rule", "batch", "optimiser", "threads", "samples/s", "us/update", "roofline", "x eager")
    return RATE_TEXT.format(
        pairs=first["pairs"],
        machine=f"{first['cpu']}, {first['processors']} cores; {first['date'][:10]}; {about}.",
        table=markdown([*heads, "x fused", "aim"], shown),
    )


def spiking_section(rows: list[Row]) -> str:
    of = {name: list(found) for name, found in groupby(rows, lambda row: row["workload"])}
    timed = [row for name in ("w1", "w2", "loop") for row in of.get(name, [])]
    disturbed = [f"{row['disturbed']} of {row['workload'].upper()}'s" for row in timed if int(row["disturbed"] or 0)]
    others = ", ".join(disturbed)
    apart = f" Timings during which others used the machine, in spite of five attempts: {others}." if others else ""
    brian2 = next(row["brian2"] for row in timed if row["brian2"])
    units = {"w1": ("events_per_s", "events/s", "ms"), "w2": ("updates_per_s", "updates/s", "samples")}

    def line(row: Row) -> list[str]:
        name, aim = row["workload"], SPIKING_AIMS[row["workload"]]
        missed = "" if meets(row) else ", missed"
        if name == "loop":
            speed = f"{float(row['samples_per_s']):,.0f} samples/s"
            return [
                name,
                f"{row['size']} samples of {row['data']}",
                speed,
                "–",
                "–",
                f"{aim[1]:,.0f} samples/s{missed}",
            ]
        key, unit, size = units[name]
        ratio = f"{float(row['ratio']):.2f} ({float(row['ratio_low']):.2f} to {float(row['ratio_high']):.2f})"
        speeds = [f"{float(row[part]):.3g} {unit}" for part in (key, "peer_per_s")]
        return [name.upper(), f"{row['size']} {size}", *speeds, ratio, f"{aim[1]:g}{missed}"]

    memory = [row for row in rows if row["workload"].startswith("memory")]
    lines = [
        [
            f"{int(row['synapses']):.0e}".replace("e+0", "e"),
            row["workload"].removeprefix("memory "),
            f"{float(row['bytes_per_synapse']):.2f}",
            f"{float(row['peak_gib']):.2f} GiB",
            f"{float(row['build_s']):.1f} s",
            f"{SPIKING_AIMS[row['workload']][1]:g}" + ("" if meets(row) else ", missed"),
        ]
        for row in memory
    ]
    first = rows[0]
    return SPIKING_TEXT.format(
        pairs=first["pairs"],
        machine=f"{first['cpu']}; {first['date'][:10]}; neurofa {first['neurofa']}, Brian2 {brian2}.{apart}",
        table=markdown(
            ("workload", "size", "neurofa", "Brian2", "ratio (range over pairs)", "aim"), [line(row) for row in timed]
        ),
        memory=markdown(
            ("synapses", "", "bytes a synapse", "peak memory of the process", "built in", "aim at most"), lines
        ),
    )


def meets(row: Row) -> bool:
    """Whether a row of the spiking table reaches its aim."""
    key, aim, how = SPIKING_AIMS[row["workload"]]
    return float(row[key]) >= aim if how == "at least" else float(row[key]) <= aim


def busy_section(rows: list[Row]) -> str:
    first = rows[0]
    shown = [
        [row["model"], row["beside"], f"{float(row['ours_s']):.2f}", f"{float(row['usual_s']):.2f}", row["ratio"]]
        for row in rows
    ]
    return BUSY_TEXT.format(
        runs=first["runs"],
        turns=f"{int(first['turns']):,}",
        machine=f"{first['cpu']}, {first['processors']} cores; {first['date'][:10]}; neurofa {first['neurofa']}.",
        table=markdown(("training", "busy programs beside", "neurofa, s", "usual, s", "ratio"), shown),
    )


def write_page() -> Path:
    """Write docs/speed.md from whatever tables there are."""
    parts: list[tuple[Path, Callable[[list[Row]], str]]] = [
        (RATE, rate_section), (SPIKING, spiking_section), (BUSY, busy_section)
    ]  # fmt: skip
    sections = [section(rows) for path, section in parts if (rows := read(path))]
    page = DOCS / "speed.md"
    page.write_text("\n\n".join(["# Speed", *sections]) + "\n", encoding="utf-8")
    return page


if __name__ == "__main__":
    print(write_page())
