"""The state of a circuit: neurons at rest, and synapses that can learn."""

import numpy as np

from ..kernels import circuit as codes
from ..kernels.circuit import Cells
from ..kernels.plasticity import NEVER, Synapses
from ..kernels.storing import DRAW_COLUMNS, EXACT, KEY, LEVEL_COLUMNS, SEND_KEY
from .circuits import Built
from .memory import aligned


def new_draw(key: int, send_key: int) -> np.ndarray:
    """What random numbers are drawn from."""
    draw = np.zeros(DRAW_COLUMNS, np.uint64)
    draw[KEY], draw[SEND_KEY] = key, send_key
    return draw


def new_cells(built: Built, draw: np.ndarray | None = None) -> Cells:
    """All neurons at rest."""
    n, dtype, populations = len(built.resting), built.resting.dtype, len(built.tables.populations)
    ring, largest = built.tables.ring, int(built.tables.populations[:, codes.SIZE].max())
    v = aligned(n, dtype)
    v[:] = built.resting
    return Cells(
        v=v,
        current=aligned(n, dtype),
        raised=aligned(n, dtype),
        drive=aligned(n, dtype),
        post=aligned(n, dtype),
        inputs=aligned(n, dtype),
        rest=aligned(n, np.int32),
        reached=aligned(largest + codes.BLOCK, np.uint8),
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
    plastic = built.tables.projections[built.tables.projections[:, codes.PLASTIC] != codes.STATIC]
    traced = sum(int(built.tables.populations[row[codes.PRE], codes.SIZE]) for row in plastic)
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
        amount=np.zeros(max((p[codes.SIZE] for p in built.tables.populations), default=0), dtype),
        fading=np.zeros(0, dtype) if fading is None else fading,
        levels=np.zeros((q, LEVEL_COLUMNS)) if levels is None else levels,
        rounding=rounding,
        shadow=shadow is not None,
        trace_levels=np.zeros(LEVEL_COLUMNS) if trace_levels is None else trace_levels,
        trace_rounding=trace_rounding,
    )
