"""What a Plan keeps on a chip, as the arrays that the spiking kernels take (docs/hardware.md)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.storing import EXACT, LEVEL_COLUMNS, LEVEL_LOW, ROUNDINGS
from ..rules import Grid, OnChip, Plan
from .circuits import Circuit


class Stored(NamedTuple):
    """Levels of everything that is stored; `EXACT` roundings where there are none."""

    levels: np.ndarray  # of weights, by connection
    rounding: int
    shadow: bool
    modulator_levels: np.ndarray  # by layer
    modulator_rounding: int
    trace_levels: np.ndarray
    trace_rounding: int
    every: int


def row_of_grid(grid: Grid | None) -> tuple[float, float, float, float]:
    """A grid as a row of levels; without one, a row that leaves values as they are but for the step."""
    return (0.0, 1.0, -math.inf, math.inf) if grid is None else (grid.origin, grid.step, grid.low, grid.high)


def rounding_of(grids: tuple[Grid | None, ...]) -> int:
    """The code of the rounding that grids have in common."""
    return next((ROUNDINGS[grid.rounding] for grid in grids if grid is not None), EXACT)


def levels_of(on_chip: OnChip, names: Sequence[str]) -> np.ndarray:
    """Levels of ``layers.l.W`` and ``.b``, a row each; a rule's bound is for W alone."""
    rows = np.zeros((len(names), LEVEL_COLUMNS))
    for row, name in zip(rows, names, strict=True):
        grid = on_chip.weights[int(name.split(".")[1])]
        row[:] = row_of_grid(grid)
        if grid is not None and name.endswith(".b"):
            row[LEVEL_LOW] = grid.origin
    return rows


def stored_of(plan: Plan, circuit: Circuit) -> Stored:
    """What the chip of a plan asks of the kernels."""
    levels, nothing = np.zeros((len(circuit.connections), LEVEL_COLUMNS)), np.zeros(LEVEL_COLUMNS)
    on_chip = plan.on_chip
    if on_chip is None:
        return Stored(levels, EXACT, False, np.zeros((plan.n_layers, LEVEL_COLUMNS)), EXACT, nothing, EXACT, 1)
    hardware = on_chip.hardware
    levels = levels_of(on_chip, [connection.name for connection in circuit.connections])
    trace_levels, trace_rounding = nothing, EXACT
    if (trace := hardware.traces) is not None:
        trace_levels = np.array([0.0, 1 / trace.impulse, 0.0, (2**trace.bits - 1) / trace.impulse])
        trace_rounding = ROUNDINGS[trace.rounding]
    return Stored(
        levels=levels,
        rounding=rounding_of(on_chip.weights),
        shadow=hardware.learning.shadow,
        modulator_levels=np.array([row_of_grid(grid) for grid in on_chip.modulators]),
        modulator_rounding=rounding_of(on_chip.modulators),
        trace_levels=trace_levels,
        trace_rounding=trace_rounding,
        every=hardware.learning.every_ticks or 1,
    )
