"""Activations with their derivatives, elementwise and fused.

Single precision has its own hyperbolic tangent, since the C library's does not vectorise; double precision takes
the library's.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from .codes import HARD_TANH, LEAKY_RELU, RELU, SIGMOID, TANH


def constants(*values):
    """Values in single precision."""
    return tuple(np.float32(value) for value in values)


ZERO, HALF, ONE, TWO = constants(0, 0.5, 1, 2)
# exp(x) = 2^k exp(r), with r = x - k ln 2 (ln 2 in two parts) and exp(r) = 1 + r + r^2 E(r): minimax fit, relative
# error 3e-9 on |r| <= ln(2) / 2
LOG2E, LN2_HIGH, LN2_LOW = constants(1.4426950408889634, 0.693359375, -2.12194440054690583e-4)
E0, E1, E2, E3, E4 = constants(
    0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.0083687175065279, 0.0013814596459269524
)
EXP_RANGE = np.float32(87.0)  # the smallest power of e that is not subnormal
MAGIC = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, which then stands in the last bits
MAGIC_BITS, EXPONENT_BIAS, MANTISSA_BITS = np.int32(0x4B400000), np.int32(127), np.int32(23)
# tanh(x) = x + x^3 T(x^2) on |x| <= 0.65: minimax fit, relative error 7e-9
T0, T1, T2, T3, T4 = constants(
    -0.3333325982093811, 0.1333083063364029, -0.05368800833821297, 0.02046937495470047, -0.005515109747648239
)
TANH_SMALL = np.float32(0.65)


@njit(cache=True, error_model="numpy")
def exp_negative(x):
    """exp(x) for x <= 0 in single precision, within two units in the last place; 0 below -87."""
    c = max(x, -EXP_RANGE)
    shifted = c * LOG2E + MAGIC
    k = shifted - MAGIC
    r = c - k * LN2_HIGH - k * LN2_LOW
    p = ONE + (r + r * r * (E0 + r * (E1 + r * (E2 + r * (E3 + r * E4)))))
    exponent = np.int32(np.float32(shifted).view(np.int32) - MAGIC_BITS + EXPONENT_BIAS)
    power = np.int32(exponent << MANTISSA_BITS).view(np.float32)
    return p * power if x >= -EXP_RANGE else ZERO


def tanh(x):
    """Hyperbolic tangent in the precision of `x`."""
    return np.tanh(x)


@overload(tanh)
def _tanh(x):
    if x == types.float32:

        def single(x):
            m = abs(x)
            e = exp_negative(-TWO * m)
            large = (ONE - e) / (ONE + e)
            u = x * x
            small = x + x * u * (T0 + u * (T1 + u * (T2 + u * (T3 + u * T4))))
            t = small if m < TANH_SMALL else (large if x > ZERO else -large)
            return t if x == x else x  # NaN stays NaN

        return single
    return lambda x: math.tanh(x)


def sigmoid(x):
    """Logistic function in the precision of `x`; its small values keep their relative accuracy."""
    return 1 / (1 + np.exp(-x))


@overload(sigmoid)
def _sigmoid(x):
    if x == types.float32:

        def single(x):
            e = exp_negative(-abs(x))
            s = (ONE if x >= ZERO else e) / (ONE + e)
            return s if x == x else x

        return single
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
        Arrays (batch,).
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
