"""What the machine can do, measured in the same run: BLAS peak, memory bandwidth, and who else is using it."""

import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit, prange

from ..blas import one_blas_thread

GEMM_SIZE = 768  # three matrices of it fit a core's L2 cache, and blocking is past its start-up
GEMM_REPEATS = 6
MEASUREMENTS = 5


@njit(parallel=True, cache=True)
def products(a, b, c, repeats):
    for thread in prange(a.shape[0]):
        for _ in range(repeats):
            np.dot(a[thread], b[thread], c[thread])


@njit(parallel=True, cache=True, error_model="numpy")
def triad(a, b, c, scale, chunks, repeats):
    for _ in range(repeats):
        for thread in prange(chunks):
            lo, hi = thread * a.size // chunks, (thread + 1) * a.size // chunks
            to, first, second = a[lo:hi], b[lo:hi], c[lo:hi]
            for i in range(to.size):
                to[i] = first[i] + scale * second[i]


def gemm_flops_per_s(threads: int) -> float:
    """Single-precision multiply-adds, counted twice, that `threads` single-threaded BLAS calls do in a second."""
    a, b, c = (np.ones((threads, GEMM_SIZE, GEMM_SIZE), np.float32) for _ in range(3))
    best = np.inf
    with one_blas_thread():
        products(a, b, c, 1)
        for _ in range(MEASUREMENTS):
            began = time.perf_counter()
            products(a, b, c, GEMM_REPEATS)
            best = min(best, time.perf_counter() - began)
    return 2 * GEMM_SIZE**3 * GEMM_REPEATS * threads / best


def bytes_per_s(n: int, threads: int) -> float:
    """Bandwidth of ``a = b + s c`` over three float32 arrays of `n` elements, as `threads` threads see it."""
    a, b, c = (np.ones(n, np.float32) for _ in range(3))
    repeats = min(2_000, max(1, 20_000_000 // n))
    triad(a, b, c, np.float32(0.5), threads, 1)
    best = np.inf
    for _ in range(MEASUREMENTS):
        began = time.perf_counter()
        triad(a, b, c, np.float32(0.5), threads, repeats)
        best = min(best, time.perf_counter() - began)
    return 12 * n * repeats / best


def bound_samples_per_s(sizes: Sequence[int], feedback: int, batch: int, moments: int, threads: int) -> float:
    """Samples a second at BLAS peak for all products, and at full bandwidth for the optimiser's pass.

    Parameters
    ----------
    sizes
        Widths of the network.
    feedback
        Multiply-adds a sample of the feedback.
    batch
        Samples an update.
    moments
        Arrays that the optimiser keeps for each parameter; W and each of them is read and written once.
    threads
        Threads in both.
    """
    weights = sum(a * b for a, b in pairwise(sizes))
    compute_s = 2 * (2 * weights + feedback) / gemm_flops_per_s(threads)
    memory_s = 8 * (1 + moments) * weights / bytes_per_s(weights, threads)
    return 1 / (compute_s + memory_s / batch)


class ForeignLoad:
    """Share of the processors that other processes used since the last look (Linux; None elsewhere)."""

    def __init__(self) -> None:
        self.last = self._look()

    def _look(self) -> tuple[float, float, float] | None:
        path = Path("/proc/stat")
        if not path.exists():
            return None
        values = [int(v) for v in path.read_text().splitlines()[0].split()[1:9]]
        busy = sum(values) - values[3] - values[4]  # neither idle nor waiting for input
        own = os.times()
        return busy / os.sysconf("SC_CLK_TCK"), own.user + own.system, time.monotonic()

    def share(self, own_too: float = 0.0) -> float | None:
        """Share since the last call; `own_too` are seconds of processors that a companion of ours used."""
        now, last = self._look(), self.last
        self.last = now
        if now is None or last is None:
            return None
        seconds = max(now[2] - last[2], 1e-9) * (os.cpu_count() or 1)
        return max(0.0, (now[0] - last[0] - (now[1] - last[1]) - own_too) / seconds)
