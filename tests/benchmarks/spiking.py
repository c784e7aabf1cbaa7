"""The speed table of spiking mode, paired with Brian2: writes docs/speed_spiking.csv, and docs/speed.md anew.

    python tests/benchmarks/spiking.py            # all rows, some minutes on a core
    python tests/benchmarks/spiking.py --pairs 3  # a quick look
    python tests/benchmarks/spiking.py --large    # and W1 with 100,000 neurons and 10^8 synapses, in about 2 GiB

Every row is made by `neurofa bench spiking`'s function in a process of its own, on one thread; the machine should have
nothing else to do. Aims: W1 2.5 and W2 8 times Brian2, the loop 2,000 samples a second, 12 bytes for a static synapse
and 16 for a plastic one.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from page import SPIKING, SPIKING_AIMS, meets, write_page

ROOT = Path(__file__).parents[2]
ONE = {f"{name}_NUM_THREADS": "1" for name in ("NUMBA", "OPENBLAS", "OMP", "MKL")}
LARGE = 100_000
LEAST_PAIRS = 7


def measure(workload: str, folder: Path, **options: object) -> list[dict]:
    """Rows of a workload, made in a process of its own."""
    out = folder / f"{workload}.csv"
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    code = (
        "from pathlib import Path; from neurofa.bench.spiking import run_spiking_benchmark; "
        f"run_spiking_benchmark({workload!r}, out=Path({str(out)!r}), {given})"
    )
    environment = os.environ | ONE | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def verdict(row: dict) -> str:
    """How a row stands to its aim."""
    key, aim, how = SPIKING_AIMS[row["workload"]]
    said = f"{row['workload']}, size {row['size']}: {key} {float(row[key]):.4g}, {how} {aim:g}"
    return f"{said}: {'met' if meets(row) else 'MISSED'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=LEAST_PAIRS)
    parser.add_argument("--large", action="store_true", help="also W1 with 100,000 neurons")
    parser.add_argument("--out", type=Path, default=SPIKING)
    options = parser.parse_args()
    from neurofa.io.results import write_table

    with tempfile.TemporaryDirectory() as folder:
        rows = measure("w1", Path(folder), pairs=options.pairs, peer=True)
        rows += measure("w2", Path(folder), pairs=options.pairs, peer=True)
        rows += measure("loop", Path(folder), pairs=options.pairs)
        rows += measure("memory", Path(folder))
        if options.large:
            rows += measure("memory", Path(folder), size=LARGE)
    write_table(options.out, rows)
    print("\n".join(verdict(row) for row in rows))
    if options.out == SPIKING:
        print(write_page())


if __name__ == "__main__":
    main()
