"""Arrays that begin on a cache line, so that vectors of them lie in one line each."""

import numpy as np

from ..kernels.prefetching import LINE


def aligned(n: int, dtype: np.dtype | type) -> np.ndarray:
    """Zeros that begin on a cache line."""
    size = n * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype)
