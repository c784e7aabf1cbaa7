"""Kernels of a mode, compiled by a process of its own while this one has other work."""

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .engines import new_engine
from .io.results import processors
from .rules import DFA, lower
from .spec import Network, Spiking


def compile_kernels(mode: str, precision: str) -> None:
    """Compile what training in a mode calls, into Numba's cache."""
    engine = new_engine(mode, lower(Network.dense((2, 2, 2)), DFA, precision=precision), Spiking(), batch_size=1)
    engine.warm_up()
    engine.updates(np.zeros((1, 2)), np.zeros(1, np.int64))


def is_compiled(mode: str) -> bool:
    """Whether Numba's cache has kernels of a mode, of some precision."""
    if mode == "spiking":
        from .kernels.online import show_samples as kernel
    else:
        from .kernels.network import advance as kernel
    return any(Path(kernel.stats.cache_path).glob(f"*.{kernel.__name__}-*.nbi"))


@contextmanager
def compiled_beside(precisions: Mapping[str, str]) -> Generator[dict[str, "subprocess.Popen[bytes]"], None, None]:
    """Compile the kernels of modes that are needed later, a process each; to be waited for before they are used.

    `precisions` names the precision of each mode. A process that fails costs nothing but its time: kernels that are not
    there are compiled when they are called.
    """
    several = processors() > 1
    needed = {mode: precision for mode, precision in precisions.items() if several and not is_compiled(mode)}
    started = {mode: _start(mode, precision) for mode, precision in needed.items()}
    try:
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def _start(mode: str, precision: str) -> "subprocess.Popen[bytes]":
    call = f"from neurofa.ahead import compile_kernels; compile_kernels({mode!r}, {precision!r})"
    nowhere = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", call], stdin=nowhere, stdout=nowhere, stderr=nowhere)
