"""Training in rate mode beside busy programs: writes docs/speed_busy.csv, and docs/speed.md anew.

    python tests/benchmarks/busy.py           # some ten minutes on two cores
    python tests/benchmarks/busy.py --runs 1  # a quick look

Each run is a process of its own; beyond the busy programs that are started here, the machine should have nothing to do.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from page import BUSY, write_page

from neurofa.engines.threads import SETTINGS, TURNS
from neurofa.io.results import environment, write_table

USUAL = "300000"  # of GNU OpenMP
TRAINING = """
import numpy as np
import neurofa as nf
if {wide}:
    rng = np.random.default_rng(0)
    x, y = rng.random((12_000, 784), np.float32), rng.integers(10, size=12_000)
    network, protocol = nf.Network.dense((784, 500, 10)), nf.Training(epochs={epochs}, batch_size=60)
    run = nf.train(network, nf.rules.DFA, nf.Data(x, y, x[:1000], y[:1000], n_outputs=10), training=protocol)
else:
    run = nf.train(nf.load_model("digits"), nf.rules.DFA, nf.load_data("digits"), epochs=8 * {epochs})
print(run.seconds)
"""
MODELS = {"digits, 64-200-200-10": False, "784-500-10, batches of 60": True}


def seconds(wide: bool, turns: str | None, epochs: int = 5) -> float:
    """Of a training in a process of its own."""
    variables = {key: value for key, value in os.environ.items() if key not in (*SETTINGS, "NUMBA_NUM_THREADS")}
    if turns:
        variables[SETTINGS[0]] = turns
    command = [sys.executable, "-c", TRAINING.format(wide=wide, epochs=epochs)]
    return float(subprocess.run(command, check=True, env=variables, capture_output=True, text=True).stdout)


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """As many programs that do nothing but compute."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    about = environment()
    keys = ("cpu", "processors", "date", "neurofa")
    rows = []
    for model, wide in MODELS.items():
        seconds(wide, None)  # compiles
        for programs in (0, 1, 2):
            with busy(programs):
                pairs = [(seconds(wide, None), seconds(wide, USUAL)) for _ in range(options.runs)]
            ours, usual = (median(times) for times in zip(*pairs, strict=True))
            ratio = f"{median(b / a for a, b in pairs):.1f}"
            rows.append(
                {"model": model, "beside": programs, "ours_s": ours, "usual_s": usual, "ratio": ratio}
                | {"runs": options.runs, "turns": TURNS}
                | {key: about[key] for key in keys}
            )
            print(rows[-1], flush=True)
    write_table(BUSY, rows)
    print(write_page())


if __name__ == "__main__":
    main()
