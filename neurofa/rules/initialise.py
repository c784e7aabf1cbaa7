"""Initialisers: how W, b and B are drawn."""

import numpy as np

from ..spec import Init


def draw(init: Init | str, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Draw an array, float64.

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
    """
    init = Init.of(init)
    bounds = {
        "he_uniform": np.sqrt(6 / fan_in),
        "xavier_uniform": np.sqrt(6 / (fan_in + fan_out)),
        "scaled_uniform": 1 / np.sqrt(fan_in),
    }
    deviations = {
        "he_normal": np.sqrt(2 / fan_in),
        "xavier_normal": np.sqrt(2 / (fan_in + fan_out)),
        "normal": init.std,
        "abs_normal": init.std,
    }
    if init.kind == "zeros":
        return np.zeros(shape)
    if init.kind == "uniform":
        assert init.low is not None
        assert init.high is not None
        return rng.uniform(init.low, init.high, shape)
    if init.kind in bounds:
        return rng.uniform(-bounds[init.kind], bounds[init.kind], shape)
    values = rng.normal(0.0, deviations[init.kind], shape)
    return np.abs(values) if init.kind == "abs_normal" else values
