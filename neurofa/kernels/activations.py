"""Activations with their derivatives, elementwise and fused.

Single precision has its own hyperbolic tangent, since the C library's does not vectorise; double precision takes
the library's.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from .codes import HARD_TANH, LEAKY_RELU, RELU, SIGMOID, TANH

# tanh(x) = x P(x^2) / Q(x^2) on |x| <= 9: minimax fit in the relative error (2e-8; 4e-7 with the rounding of float32)
TANH_RANGE = np.float32(9.0)
P0, P1, P2, P3, P4 = (
    np.float32(c)
    for c in (
        0.9999999796279174,
        0.13380980363122472,
        0.0034955336001638504,
        2.060816939179018e-05,
        1.3353391820840506e-08,
    )
)
Q1, Q2, Q3, Q4 = (
    np.float32(c) for c in (0.46714296021221896, 0.025876776525862653, 0.0003285544792870629, 7.776038439034459e-07)
)
ONE, HALF = np.float32(1.0), np.float32(0.5)


def tanh(x):
    """Hyperbolic tangent in the precision of `x`."""
    return np.tanh(x)


@overload(tanh)
def _tanh(x):
    if x == types.float32:

        def single(x):
            c = min(max(x, -TANH_RANGE), TANH_RANGE)
            u = c * c
            p = c * (P0 + u * (P1 + u * (P2 + u * (P3 + u * P4))))
            q = ONE + u * (Q1 + u * (Q2 + u * (Q3 + u * Q4)))
            t = min(max(p / q, -ONE), ONE)
            return t if x == x else x  # NaN stays NaN

        return single
    return lambda x: math.tanh(x)


def sigmoid(x):
    """Logistic function in the precision of `x`."""
    return 1 / (1 + np.exp(-x))


@overload(sigmoid)
def _sigmoid(x):
    if x == types.float32:
        return lambda x: HALF + HALF * tanh(HALF * x)
    return lambda x: 1.0 / (1.0 + math.exp(-x))


@njit(cache=True, error_model="numpy")
def activate(code, slope, bias, z, a, d):
    """One neuron over a batch: a = f(z + bias), d = f'(z + bias).

    Parameters
    ----------
    code
        Of `codes.ACTIVATIONS`, softmax excepted.
    slope, bias
        Scalars of the arrays' precision.
    z, a, d
        Arrays (batch,); `a` may be `z`.
    """
    one = z.dtype.type(1)
    zero = z.dtype.type(0)
    if code == TANH:
        for n in range(z.size):
            t = tanh(z[n] + bias)
            a[n] = t
            d[n] = one - t * t
    elif code == SIGMOID:
        for n in range(z.size):
            t = sigmoid(z[n] + bias)
            a[n] = t
            d[n] = t * (one - t)
    elif code == HARD_TANH:
        for n in range(z.size):
            t = z[n] + bias
            a[n] = min(max(t, -one), one) if t == t else t
            d[n] = one if abs(t) < one else zero
    elif code == RELU:
        for n in range(z.size):
            t = z[n] + bias
            a[n] = zero if t <= zero else t
            d[n] = one if t > zero else zero
    elif code == LEAKY_RELU:
        for n in range(z.size):
            t = z[n] + bias
            a[n] = slope * t if t <= zero else t
            d[n] = one if t > zero else slope
    else:
        for n in range(z.size):
            a[n] = z[n] + bias
            d[n] = one
