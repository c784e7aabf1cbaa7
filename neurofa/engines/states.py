"""The state of a circuit: neurons at rest, and synapses that can learn."""

import numpy as np

from ..kernels import circuit as columns
from ..kernels.circuit import Cells
from ..kernels.plasticity import NEVER, Synapses
from ..kernels.splitmix import mix
from ..kernels.storing import DRAW_COLUMNS, EXACT, KEY, LEVEL_COLUMNS, SEND_KEY
from .layout import Built
from .memory import aligned


def new_draw(key: int, stream: int = 1) -> np.ndarray:
    """What random numbers are drawn from: those that round, and a `stream` of those that choose what is sent."""
    draw = np.zeros(DRAW_COLUMNS, np.uint64)
    # keys that differ in their last bits alone would give the same numbers in another order of presentations
    draw[KEY], draw[SEND_KEY] = key, mix(np.uint64(key + stream))
    return draw


def new_cells(built: Built, draw: np.ndarray | None = None) -> Cells:
    """All neurons at rest."""
    n, dtype, populations = len(built.resting), built.resting.dtype, len(built.tables.populations)
    ring, largest = built.tables.ring, int(built.tables.populations[:, columns.SIZE].max())
    v = aligned(n, dtype)
    v[:] = built.resting
    return Cells(
        v=v,
        current=aligned(n, dtype),
        threshold_increment=aligned(n, dtype),
        drive=aligned(n, dtype),
        post=aligned(n, dtype),
        inputs=aligned(n, dtype),
        refractory=aligned(n, np.int32),
        reached=aligned(largest + columns.BLOCK, np.uint8),
        spikes=np.zeros(n * ring, np.int32),
        n_spikes=np.zeros((populations, ring), np.int64),
        clock=np.zeros((populations, 2), np.int64),
        touched=np.zeros(populations, np.bool_),
        operations=np.zeros(3, np.int64),
        emitted=aligned(n, np.int64),
        draw=np.zeros(0, np.uint64) if draw is None else draw,
    )


def new_synapses(
    built: Built,
    weights: np.ndarray,
    changes: np.ndarray | None = None,
    *,
    minimum: np.ndarray | None = None,
    rate: np.ndarray | None = None,
    fading: np.ndarray | None = None,
    levels: np.ndarray | None = None,
    rounding: int = EXACT,
    shadow: np.ndarray | None = None,
    trace_levels: np.ndarray | None = None,
    trace_rounding: int = EXACT,
) -> Synapses:
    """Plastic synapses that change `weights` themselves (or their `shadow`), or add their changes up in `changes`."""
    n, dtype, q = len(built.resting), built.resting.dtype, len(built.tables.projections)
    plastic = built.tables.projections[built.tables.projections[:, columns.PLASTIC] != columns.STATIC]
    traced = sum(int(built.tables.populations[row[columns.PRE], columns.SIZE]) for row in plastic)
    return Synapses(
        weights=weights,
        changes=changes if changes is not None else weights if shadow is None else shadow,
        bounded=changes is None,
        minimum=np.full(q, -np.inf, dtype) if minimum is None else minimum,
        rate=np.zeros(q, dtype) if rate is None else rate,
        modulator=aligned(n, dtype),
        factor=aligned(n, dtype),
        trace=np.zeros(traced, dtype),
        seen=np.full(traced, NEVER, np.int64),
        active=np.zeros(traced, np.int32),
        n_active=np.zeros(q, np.int64),
        amount=np.zeros(max((p[columns.SIZE] for p in built.tables.populations), default=0), dtype),
        fading=np.zeros(0, dtype) if fading is None else fading,
        levels=np.zeros((q, LEVEL_COLUMNS)) if levels is None else levels,
        rounding=rounding,
        shadow=shadow is not None,
        trace_levels=np.zeros(LEVEL_COLUMNS) if trace_levels is None else trace_levels,
        trace_rounding=trace_rounding,
    )
