"""Arrays as kernels want them: beginning on a cache line, or of a type that is compiled already."""

from typing import Any

import numpy as np

from ..kernels.prefetching import LINE


def aligned(n: int, dtype: np.dtype | type) -> np.ndarray:
    """Zeros that begin on a cache line."""
    size = n * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype)


class _Lent:
    """An array that may be read, offered as one that may be written."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array  # lives as long as what is made of this
        self.__array_interface__: dict[str, Any] = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def for_reading(values: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Values for a kernel that writes none of them, contiguous; copies only what is of another type.

    To Numba an array that can only be read, such as a memory map, is of another type, for which it would compile all
    kernels anew: it gets a view that looks as if it could be written.
    """
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.writeable else np.asarray(_Lent(array))
