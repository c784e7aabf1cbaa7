"""Dropout masks from a counter: the same for any number of threads, and nothing to store."""

import numpy as np
from numba import njit

from .splitmix import INCREMENT, S11, mix


@njit(cache=True, error_model="numpy")
def drop(a, rate, key, step, layer, other, scale_other):
    """Silence a share `rate` of the activities `a` (neuron-major) and scale up the rest.

    Where `scale_other`, the same mask multiplies `other`: a signal that comes back through the mask.
    """
    keep = a.dtype.type(1.0 / (1.0 - rate))
    zero = a.dtype.type(0)
    threshold = np.uint64(rate * 2.0**53)
    stream = mix(mix(np.uint64(key) ^ np.uint64(step)) ^ np.uint64(layer))
    batch = a.shape[1]
    for j in range(a.shape[0]):
        for n in range(batch):
            drawn = mix(stream + np.uint64(j * batch + n) * INCREMENT) >> S11
            factor = keep if drawn >= threshold else zero
            a[j, n] *= factor
            if scale_other:
                other[j, n] *= factor
