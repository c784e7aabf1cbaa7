"""SplitMix64 (Steele, Lea & Flood 2014): what kernels draw is a function of counters, for any number of threads."""

import numpy as np
from numba import njit

# the increment, and the two multipliers of the finaliser
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
