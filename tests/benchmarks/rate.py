"""The speed table of the rate mode, paired with PyTorch: writes docs/speed_rate.csv, and docs/speed.md anew.

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

from page import RATE, write_page

NETWORKS = ("784-500-10", "784-1000-10", "784-500-500-10", "784-10x1000-10")
SMALL = "784-50-20-10"


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
    about = environment() | {"kernels": os.environ.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")}
    more = {key: about[key] for key in ("processors", "neurofa", "numpy", "numba", "blas", "kernels")} | {
        "pairs": options.pairs
    }
    write_table(RATE, [row | more for row in rows])
    print(write_page())


if __name__ == "__main__":
    main()
