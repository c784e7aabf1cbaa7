"""Initialisers: how W, b and B are drawn."""

import numpy as np

from ..spec import Init


def draw(init: Init | str, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the values of W, b or B.

    Parameters
    ----------
    init
        The initialiser; its formulas are in `neurofa.Init`.
    shape
        Shape of the result.
    fan_in, fan_out
        Of the matrix that the values belong to.
    rng
        Advanced by one draw, and not at all for ``zeros``.

    Returns
    -------
    numpy.ndarray
        Of that shape, float64.

    Raises
    ------
    InputError
        For the name of an initialiser that is unknown, or needs bounds or a standard deviation.
    """
    init = Init.of(init)
    if init.kind == "zeros":
        return np.zeros(shape)
    low, high, std = distribution(init, fan_in, fan_out)
    if std is None:
        return rng.uniform(low, high, shape)
    values = rng.normal(0.0, std, shape)
    return np.abs(values) if init.kind == "abs_normal" else values


def distribution(init: Init, fan_in: int, fan_out: int) -> tuple[float, float, float | None]:
    """Bounds of a uniform distribution, or the standard deviation of a normal one."""
    bounds = {
        "he_uniform": np.sqrt(6 / fan_in),
        "xavier_uniform": np.sqrt(6 / (fan_in + fan_out)),
        "scaled_uniform": 1 / np.sqrt(fan_in),
        "zeros": 0.0,
    }
    deviations = {
        "he_normal": np.sqrt(2 / fan_in),
        "xavier_normal": np.sqrt(2 / (fan_in + fan_out)),
        "normal": init.std,
        "abs_normal": init.std,
    }
    if init.kind == "uniform":
        assert init.low is not None
        assert init.high is not None
        return init.low, init.high, None
    if init.kind in bounds:
        return -bounds[init.kind], bounds[init.kind], None
    return 0.0, 0.0, deviations[init.kind]


def reach(init: Init | str, fan_in: int, fan_out: int) -> float:
    """How large a drawn weight can be: a bound, or three standard deviations; 1/sqrt(fan_in) where all are zero."""
    low, high, std = distribution(Init.of(init), fan_in, fan_out)
    largest = float(max(abs(low), abs(high)) if std is None else 3 * std)
    return largest if largest > 0 else fan_in**-0.5
