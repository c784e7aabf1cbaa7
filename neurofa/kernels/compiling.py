"""How the kernels of spiking mode are compiled."""

from collections.abc import Callable
from typing import Any

import numba

njit: Any = numba.njit  # whose annotation does not know `_nrt`


def tick_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that runs in every tick: it may make views of arrays, but neither make nor return arrays.

    Numba counts references to every array of a tuple that is handed on, by atomic instructions: more than a whole tick
    of a small network costs. What allocates nothing needs no counting (`_nrt`, Numba's switch for it).
    """
    return njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)


def inline_kernel(function: Callable[..., Any]) -> Any:
    """Compile a part of a tick into whatever calls it.

    An array is handed on as seven words, and all that is simulated as some 250: a call would copy them.
    """
    return njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)(function)


def source_kernel(function: Callable[..., Any]) -> Any:
    """Make a part of a kernel part of its caller's source.

    What a kernel calls is compiled again with it; what has become part of its source is compiled once.
    """
    return njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")(function)


def presentation_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that runs once a presentation or less often, and may allocate."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)
