"""Single-precision tanh and sigmoid: accurate, also where they saturate."""

import numpy as np
import pytest
from numba import njit

from neurofa.kernels.activations import activate, sigmoid, tanh
from neurofa.kernels.codes import SIGMOID, TANH


@njit
def both(z, t, s):
    for i in range(z.size):
        t[i] = tanh(z[i])
        s[i] = sigmoid(z[i])


def ulps(values, exact):
    """Difference in units in the last place of the exact value, where it is no subnormal."""
    normal = np.abs(exact) > np.finfo(np.float32).tiny
    unit = np.spacing(np.abs(exact[normal]).astype(np.float32)).astype(np.float64)
    return np.abs(values[normal] - exact[normal]) / unit


def test_accuracy():
    exponents = 10.0 ** np.linspace(-30, 1.9, 4001)
    z = np.concatenate([np.linspace(-80, 80, 40_001), np.linspace(-2, 2, 40_001), exponents, -exponents])
    z = z.astype(np.float32)
    t, s = np.empty_like(z), np.empty_like(z)
    both(z, t, s)
    exact = z.astype(np.float64)
    assert ulps(t, np.tanh(exact)).max() < 2
    assert ulps(s, 1 / (1 + np.exp(-exact))).max() < 3


def test_limits():
    z = np.array([0, -0.0, 1e4, -1e4, np.inf, -np.inf, np.nan], np.float32)
    t, s = np.empty_like(z), np.empty_like(z)
    both(z, t, s)
    np.testing.assert_array_equal(t, np.array([0, 0, 1, -1, 1, -1, np.nan], np.float32))
    np.testing.assert_array_equal(s, np.array([0.5, 0.5, 1, 0, 1, 0, np.nan], np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_neuron_does_not_learn(dtype):
    """The derivative is 0 exactly once the activity is 1: a remainder would grow under Adam, which normalises it."""
    z = np.array([-40, -20, 20, 40], dtype)
    a, d = np.empty_like(z), np.empty_like(z)
    activate(TANH, dtype(0), dtype(0), z, a, d)
    np.testing.assert_array_equal(a, [-1, -1, 1, 1])
    np.testing.assert_array_equal(d, 0)
    activate(SIGMOID, dtype(0), dtype(0), z, a, d)
    np.testing.assert_array_equal(d[2:], 0 if dtype == np.float32 else a[2:] * (1 - a[2:]))
