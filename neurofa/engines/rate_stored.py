"""Parameters of rate mode on the levels of a chip: each step of an optimiser is stored as it can be."""

from typing import NamedTuple

import numpy as np

from ..kernels.storing import EXACT, begin_draws, store_matrix, tick_draws
from ..rules import Params, Plan
from .states import new_draw
from .stored import levels_of, rounding_of


class StoredParams(NamedTuple):
    """W and b as stored; `kept` is what changes are added to: a copy of them, or weights in full precision."""

    names: tuple[str, ...]
    first: np.ndarray  # number of each array's first synapse among all
    levels: np.ndarray  # (n, LEVEL_COLUMNS)
    rounding: int
    shadow: bool
    kept: Params
    draw: np.ndarray


def stored_params(plan: Plan, params: Params, key: int) -> StoredParams | None:
    """What rate mode needs to store parameters on levels; None if they are in full precision."""
    on_chip = plan.on_chip
    if on_chip is None or rounding_of(on_chip.weights) == EXACT:
        return None
    names = tuple(f"layers.{layer}.{name}" for layer in range(plan.n_layers) for name in "Wb")
    names = tuple(name for name in names if name in params)
    return StoredParams(
        names=names,
        first=np.cumsum([0, *(params[name].size for name in names)])[:-1],
        levels=levels_of(on_chip, names),
        rounding=rounding_of(on_chip.weights),
        shadow=on_chip.hardware.learning.shadow,
        kept={name: params[name].copy() for name in names},
        draw=new_draw(key),
    )


def store(stored: StoredParams, params: Params, step: int, rows: int | None = None) -> None:
    """Put parameters on levels after update number `step`, which began from what is stored.

    Of each array the first `rows` alone where that is given: 0 for none, which only compiles.
    """
    begin_draws(stored.draw, step)
    tick_draws(stored.draw, 0)
    for name, first, levels in zip(stored.names, stored.first, stored.levels, strict=True):
        now, kept = (np.atleast_2d(part) for part in (params[name], stored.kept[name]))
        store_matrix(now[:rows], kept[:rows], levels, stored.rounding, stored.shadow, stored.draw, first)
