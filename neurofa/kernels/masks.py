"""Dropout masks from a counter: the same for any number of threads, and nothing to store."""

import numpy as np
from numba import njit

# SplitMix64 (Steele, Lea & Flood 2014): the increment, and the two multipliers of its finaliser
INCREMENT = np.uint64(0x9E3779B97F4A7C15)
MIX1, MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S27, S30, S31, S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)


@njit(cache=True)
def mix(x):
    """SplitMix64's output for the state `x` (uint64)."""
    x = x + INCREMENT
    x = (x ^ (x >> S30)) * MIX1
    x = (x ^ (x >> S27)) * MIX2
    return x ^ (x >> S31)


@njit(cache=True, error_model="numpy")
def drop(a, rate, key, step, layer, lo, hi, other, scale_other):
    """Silence a share `rate` of the activities ``a[lo:hi]`` (neuron-major) and scale up the rest.

    Where `scale_other`, the same mask multiplies ``other[lo:hi]``: a signal that comes back through the mask.
    """
    keep = a.dtype.type(1.0 / (1.0 - rate))
    zero = a.dtype.type(0)
    threshold = np.uint64(rate * 2.0**53)
    stream = mix(mix(np.uint64(key) ^ np.uint64(step)) ^ np.uint64(layer))
    batch = a.shape[1]
    for j in range(lo, hi):
        for n in range(batch):
            drawn = mix(stream + np.uint64(j * batch + n) * INCREMENT) >> S11
            factor = keep if drawn >= threshold else zero
            a[j, n] *= factor
            if scale_other:
                other[j, n] *= factor
