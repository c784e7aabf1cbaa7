"""Optimisers, a pass over a contiguous block of parameters each, with PyTorch's update formulas.

Adam: Kingma & Ba 2015; Nesterov's momentum in the form of Sutskever et al. 2013; RMSprop: Tieleman & Hinton 2012.
"""

import math

from numba import njit

from .codes import (
    ADAM,
    CORRECTION1,
    CORRECTION2,
    DECAY1,
    DECAY2,
    EPSILON,
    LEARNING_RATE,
    LOWER,
    MOMENTUM,
    NESTEROV,
    RMSPROP,
    WEIGHT_DECAY,
)


@njit(cache=True, error_model="numpy")
def descend(optimiser, hyper, w, first, second, g, bounded):
    """Change parameters by one step down the gradient `g`.

    Parameters
    ----------
    optimiser
        Of `codes.OPTIMISERS`.
    hyper
        Scalars by `codes.LEARNING_RATE` and the following, in the parameters' precision.
    w, first, second, g
        Parameters, first and second moment, gradient: (n,) each. `w` and the moments that the optimiser has are
        changed in place.
    bounded
        Whether values below ``hyper[LOWER]`` are raised to it.
    """
    one = w.dtype.type(1)
    rate, decay, eps = hyper[LEARNING_RATE], hyper[WEIGHT_DECAY], hyper[EPSILON]
    b1, b2 = hyper[DECAY1], hyper[DECAY2]
    if optimiser == ADAM:
        step = rate / hyper[CORRECTION1]
        root = one / math.sqrt(hyper[CORRECTION2])
        for i in range(w.size):
            d = g[i] + decay * w[i]
            m = b1 * first[i] + (one - b1) * d
            v = b2 * second[i] + (one - b2) * d * d
            first[i] = m
            second[i] = v
            w[i] -= step * m / (math.sqrt(v) * root + eps)
    elif optimiser == MOMENTUM:
        for i in range(w.size):
            m = b1 * first[i] + (g[i] + decay * w[i])
            first[i] = m
            w[i] -= rate * m
    elif optimiser == NESTEROV:
        for i in range(w.size):
            d = g[i] + decay * w[i]
            m = b1 * first[i] + d
            first[i] = m
            w[i] -= rate * (d + b1 * m)
    elif optimiser == RMSPROP:
        for i in range(w.size):
            d = g[i] + decay * w[i]
            v = b2 * second[i] + (one - b2) * d * d
            second[i] = v
            w[i] -= rate * d / (math.sqrt(v) + eps)
    else:
        for i in range(w.size):
            w[i] -= rate * (g[i] + decay * w[i])
    if bounded:
        lower = hyper[LOWER]
        for i in range(w.size):
            if w[i] < lower:  # a NaN stays, and is found
                w[i] = lower
