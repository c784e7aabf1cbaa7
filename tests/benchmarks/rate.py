"""The speed table of the rate mode, paired with PyTorch: writes docs/speed.md and docs/speed_rate.csv.

    python tests/benchmarks/rate.py            # all rows, some ten minutes on two cores
    python tests/benchmarks/rate.py --pairs 3  # a quick look

Every row is a process of its own, `neurofa bench rate`; the machine should have nothing else to do.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
NETWORKS = ("784-500-10", "784-1000-10", "784-500-500-10", "784-10x1000-10")
SMALL = "784-50-20-10"
LEAST = {  # the ratios aimed at: eager, and PyTorch's fastest setting
    ("784-500-10", 2): (4.0, 1.8),
    ("784-1000-10", 2): (4.0, 1.8),
    ("784-500-500-10", 2): (None, 1.8),
    ("784-10x1000-10", 2): (None, 1.2),
    (SMALL, 2): (9.0, None),
    (SMALL, 1): (4.0, None),
}
HEAD = """# Speed

Training in rate mode, paired with PyTorch in a process beside it; medians of {pairs} pairs, and timings during which
other processes used more than 8 % of the processors are made again. Made by `python tests/benchmarks/rate.py`, which
runs `neurofa bench rate` for each row.

PyTorch makes the same updates on the same number of threads, from batches indexed out of a tensor in memory (no
`DataLoader`, which would make it slower): `eager` is the optimiser's default, `fused` is `fused=True`. Roofline
is the share of the time that the machine would need at its BLAS peak for the products and at its bandwidth for the
optimiser's pass over the parameters, both measured in the same run.

{machine}

| network | rule | batch | optimiser | threads | samples/s | us/update | roofline | x eager | x fused | aim |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def measure(network: str, batch: int, optimiser: str, threads: int, pairs: int, folder: Path) -> list[dict]:
    """Rows of one network under backpropagation and DRTP."""
    out = folder / f"{network}-{threads}.csv"
    command = [sys.executable, "-m", "neurofa.cli", "bench", "rate", "--network", network, "--batch", str(batch)]
    command += ["--optimiser", optimiser, "--threads", str(threads), "--pairs", str(pairs), "--out", str(out)]
    subprocess.run(command, check=True, env=os.environ | {"NUMBA_NUM_THREADS": str(threads)})
    with out.open() as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    from neurofa.io.results import environment, write_table

    cases = [(network, 60, "adam", options.threads) for network in NETWORKS]
    cases += [(SMALL, 32, "sgd", threads) for threads in (options.threads, 1)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for network, batch, optimiser, threads in cases:
            rows += measure(network, batch, optimiser, threads, options.pairs, Path(folder))
    about = environment()
    kernels = os.environ.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")
    machine = (
        f"{rows[0]['cpu']}, {about['processors']} cores; {about['date'][:10]}; neurofa {about['neurofa']}, numpy "
        f"{about['numpy']}, numba {about['numba']}, {about['blas']} (kernels: {kernels}), PyTorch {rows[0]['torch']}."
    )
    lines = []
    for row in rows:
        aims = LEAST.get((row["network"], int(row["threads"])), (None, None))
        names = zip(aims, ("eager", "fused"), strict=True)
        aim = ", ".join(f"{value:g}x {name}" for value, name in names if value)
        keys = ("network", "rule", "batch", "optimiser", "threads", "samples_per_s", "us_per_update")
        shown = [row[key] for key in keys] + [f"{100 * float(row['roofline']):.0f} %", row["x_eager"], row["x_fused"]]
        lines.append("| " + " | ".join([*shown, aim]) + " |")
    text = HEAD.format(pairs=options.pairs, machine=machine, rows="\n".join(lines))
    (ROOT / "docs" / "speed.md").write_text(text, encoding="utf-8")
    write_table(ROOT / "docs" / "speed_rate.csv", rows)
    print(text)


if __name__ == "__main__":
    main()
