"""Time in whole ticks."""

import math
from typing import TYPE_CHECKING, overload

from .errors import require, require_number

if TYPE_CHECKING:
    import numpy as np


def require_dt(dt_ms: float) -> None:
    """Raise `InputError` unless a tick has a length."""
    require_number("dt_ms", dt_ms)
    require(0 < dt_ms < math.inf, f"dt_ms is {dt_ms}; the length of a tick must be positive and finite")


@overload
def nearest_ticks(duration_ms: float, dt_ms: float) -> int: ...
@overload
def nearest_ticks(duration_ms: "np.ndarray", dt_ms: float) -> "np.ndarray": ...
def nearest_ticks(duration_ms: "float | np.ndarray", dt_ms: float) -> "int | np.ndarray":
    """Durations, or times, as the nearest whole number of ticks, of two that are as near the later.

    Parameters
    ----------
    duration_ms
        A finite number, or an array with dimensions.
    dt_ms
        Length of a tick.

    Returns
    -------
    int or numpy.ndarray
        Of an array floating-point numbers, since they can be more than an integer holds.
    """
    if getattr(duration_ms, "ndim", 0) == 0:
        return math.floor(duration_ms / dt_ms + 0.5)
    import numpy as np  # descriptions, which have numbers alone, do without it

    return np.asarray(np.floor(duration_ms / dt_ms + 0.5))
