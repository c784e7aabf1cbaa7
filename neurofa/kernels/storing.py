"""Numbers on levels, and the random numbers that round them (docs/hardware.md)."""

import numpy as np

from .compiling import presentation_kernel, tick_kernel
from .splitmix import INCREMENT, mix

ROUNDINGS = {"nearest": 1, "stochastic": 2, "truncate": 3}
EXACT, NEAREST, STOCHASTIC, TRUNCATE = range(4)

# columns of levels, a row for each array
LEVEL_ORIGIN, LEVEL_STEP, LEVEL_LOW, LEVEL_HIGH = range(4)
LEVEL_COLUMNS = 4

# what is drawn from in Cells.draw: keys, their hashes with the presentation, and those with the tick
KEY, SEND_KEY, SHOWN, SEND_SHOWN, TICK, SEND_TICK = range(6)
DRAW_COLUMNS = 6
MODULATORS, TRACES = 1 << 40, 1 << 41  # rows that are no rows of synapses
# after a presentation of K ticks, these are added to K
SUMMED, HOMEOSTASIS, DECAY = range(3)

# Weyl increment and a hash of 32 bits (Wellons 2018, lowbias32): a row of them is vectorised, and 24 bits are used
GOLDEN, FIRST_FACTOR, SECOND_FACTOR = np.uint32(0x9E3779B9), np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
S16, S15, S8 = np.uint32(16), np.uint32(15), np.uint32(8)
HALF, UNIT = 0.5, 2.0**-24


@tick_kernel
def begin_draws(draw, number):
    """Random numbers of presentation `number`."""
    draw[SHOWN] = mix(draw[KEY] ^ np.uint64(number))
    draw[SEND_SHOWN] = mix(draw[SEND_KEY] ^ np.uint64(number))


@tick_kernel
def tick_draws(draw, k):
    """Random numbers of tick `k` of the presentation."""
    draw[TICK] = mix(draw[SHOWN] + np.uint64(k) * INCREMENT)
    draw[SEND_TICK] = mix(draw[SEND_SHOWN] + np.uint64(k) * INCREMENT)


@tick_kernel
def row_seed(tick, row):
    """What the random numbers of a row begin from; `row` is the place of its first synapse."""
    return np.uint32(mix(tick + np.uint64(row) * INCREMENT) & np.uint64(0xFFFFFFFF))


@tick_kernel
def uniform(seed, j):
    """In (0, 1), of member `j` of a row."""
    x = np.uint32(seed + np.uint32(np.uint32(j) * GOLDEN))
    x = np.uint32(x ^ np.uint32(x >> S16))
    x = np.uint32(x * FIRST_FACTOR)
    x = np.uint32(x ^ np.uint32(x >> S15))
    x = np.uint32(x * SECOND_FACTOR)
    x = np.uint32(x ^ np.uint32(x >> S16))
    return (np.float64(np.int32(x >> S8)) + HALF) * UNIT


@tick_kernel
def rounded_change(stored, change, step, rounding, seed, j):
    """`stored`, which is on a level, after a change, before the ends hold."""
    steps = change / step
    if rounding == NEAREST:
        steps = np.rint(steps)
    elif rounding == STOCHASTIC:
        steps = np.floor(steps + uniform(seed, j))
    else:
        at = stored / step
        steps = np.trunc(at + steps) - at
    return stored + step * steps


@tick_kernel
def rounded_value(value, levels, rounding, seed, j):
    """A value on its levels, within their ends."""
    index = (np.float64(value) - levels[LEVEL_ORIGIN]) / levels[LEVEL_STEP]
    if rounding == NEAREST:
        index = np.rint(index)
    elif rounding == STOCHASTIC:
        index = np.floor(index + uniform(seed, j))
    else:
        index = np.trunc(np.float64(value) / levels[LEVEL_STEP]) - levels[LEVEL_ORIGIN] / levels[LEVEL_STEP]
    return min(max(levels[LEVEL_ORIGIN] + levels[LEVEL_STEP] * index, levels[LEVEL_LOW]), levels[LEVEL_HIGH])


@tick_kernel
def round_values(values, levels, rounding, seed):
    """Put all values on their levels."""
    for j in range(values.size):
        values[j] = rounded_value(values[j], levels, rounding, seed, j)


@tick_kernel
def change_by_factor(row, amount, factor, levels, rounding, seed):
    """A row of stored synapses, by `amount` times the third factor: a loop for each rounding, so that each is fast."""
    low, high, step = levels[LEVEL_LOW], levels[LEVEL_HIGH], levels[LEVEL_STEP]
    per_step = np.float64(amount) / step  # exact: a step is a power of two
    if rounding == STOCHASTIC:
        for j in range(row.size):
            steps = np.floor(uniform(seed, j) - per_step * factor[j])
            row[j] = min(max(row[j] + step * steps, low), high)
    elif rounding == NEAREST:
        for j in range(row.size):
            steps = np.rint(-per_step * factor[j])
            row[j] = min(max(row[j] + step * steps, low), high)
    else:
        for j in range(row.size):
            new = step * np.trunc(row[j] / step - per_step * factor[j])
            row[j] = min(max(new, low), high)


@tick_kernel
def change_row(row, changes, levels, rounding, seed):
    """A row of stored synapses, by changes that are rounded."""
    for j in range(row.size):
        if changes[j] != 0:
            new = rounded_change(np.float64(row[j]), np.float64(changes[j]), levels[LEVEL_STEP], rounding, seed, j)
            row[j] = min(max(new, levels[LEVEL_LOW]), levels[LEVEL_HIGH])


@tick_kernel
def keep_within(values, low, high):
    """Clip to [low, high]."""
    for j in range(values.size):
        values[j] = min(max(values[j], low), high)


@tick_kernel
def store_shadow(row, shadow, levels, rounding):
    """Stored synapses from their weights in full precision, which are kept within the ends."""
    keep_within(shadow, levels[LEVEL_LOW], levels[LEVEL_HIGH])
    kind = NEAREST if rounding == STOCHASTIC else rounding
    for j in range(row.size):
        row[j] = rounded_value(shadow[j], levels, kind, np.uint32(0), j)


@presentation_kernel
def store_matrix(stored, kept, levels, rounding, shadow, draw, first):
    """Put a matrix on its levels after a step in full precision.

    `stored` holds the result of a step that began from what was stored; `kept` is that beginning, or where `shadow` the
    weights in full precision; both are brought up to date. `first` is the number of the first synapse.
    """
    n = stored.shape[1]
    before = np.empty(n, stored.dtype)
    for i in range(stored.shape[0]):
        row, own = stored[i], kept[i]
        if shadow:
            for j in range(n):
                before[j] = rounded_value(own[j], levels, NEAREST if rounding == STOCHASTIC else rounding, 0, j)
                own[j] += row[j] - before[j]
            store_shadow(row, own, levels, rounding)
        else:
            for j in range(n):
                row[j] -= own[j]
            change_row(own, row, levels, rounding, row_seed(draw[TICK], first + i * n))
            row[:] = own
