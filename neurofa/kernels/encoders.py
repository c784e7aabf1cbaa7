"""Inputs in [0, 1] as events: Poisson, regular or latency, from counters and with nothing to store between samples.

What is drawn depends on (key, number of the presentation, input, index of the draw) alone, by SplitMix64, so that
events are the same whatever thread makes them and in whatever order presentations come.
"""

import math

import numpy as np
from numba import njit

from .splitmix import INCREMENT, S11, mix

ENCODERS = {"poisson": 0, "regular": 1, "latency": 2}
POISSON, REGULAR, LATENCY = range(3)

UNIT = 2.0**-53  # distance of neighbours among the numbers that 53 random bits make


@njit(cache=True, error_model="numpy")
def capacity(n_inputs, n_ticks, p, kind):
    """Most events that a presentation can have; `index` of `encode` is that long, `scratch` (2, that).

    `p` counts spikes a tick of an input of 1. For Poisson it is one event for each input and tick; memory from
    ``numpy.empty`` is taken up only as far as there are events.
    """
    if kind == LATENCY:
        return n_inputs
    if kind == REGULAR:
        # k - phase <= p n_ticks with phase < 1 leaves ceil(p n_ticks) events; one more where k - phase is rounded down
        return n_inputs * min(n_ticks, math.ceil(p * n_ticks) + 1)
    return n_inputs * n_ticks


@njit(cache=True, error_model="numpy")
def base_of(key, number):
    """State that the streams of all inputs of presentation `number` begin from."""
    return mix(mix(np.uint64(key)) ^ np.uint64(number))


@njit(cache=True, error_model="numpy")
def draw_poisson(x, p, n_ticks, base, ticks, inputs):
    """Events with probability p x in each tick, by the gaps between them, input after input; returns their number.

    The number of silent ticks before an event is geometric: floor(log(u) / log(1 - p x)) with u uniform in (0, 1].
    """
    n = 0
    for i in range(x.shape[0]):
        q = p * min(np.float64(x[i]), 1.0)
        if not q > 0.0:
            continue
        if q >= 1.0:
            for tick in range(n_ticks):
                ticks[n], inputs[n] = tick, i
                n += 1
            continue
        scale = 1.0 / math.log1p(-q)
        state = mix(base ^ np.uint64(i))
        t = 0.0
        while True:
            u = (np.float64(mix(state) >> S11) + 1.0) * UNIT
            state += INCREMENT
            t += np.floor(math.log(u) * scale)
            # in floating point, and negated: a gap may be as large as infinite, or not a number, for the least of x
            if not t < n_ticks:
                break
            ticks[n], inputs[n] = np.int32(t), i
            n += 1
            t += 1.0
    return n


@njit(cache=True, error_model="numpy")
def place_regular(x, p, n_ticks, random_phase, base, ticks, inputs):
    """The k-th event of an input in tick ceil((k - phase) / (p x)) - 1, input after input; returns their number."""
    n = 0
    for i in range(x.shape[0]):
        q = p * min(np.float64(x[i]), 1.0)
        if not q > 0.0:
            continue
        phase = 0.5
        if random_phase:
            phase = np.float64(mix(mix(base ^ np.uint64(i))) >> S11) * UNIT
        k, t = 1.0, -1.0
        while True:
            # rounding could put two events into one tick where p x is close to 1
            t = max(np.ceil((k - phase) / q) - 1.0, t + 1.0)
            if not t < n_ticks:
                break
            ticks[n], inputs[n] = np.int32(t), i
            n += 1
            k += 1.0
    return n


@njit(cache=True, error_model="numpy")
def place_latency(x, n_ticks, ticks, inputs):
    """One event in tick floor((1 - x) (n_ticks - 1) + 1/2) for each input above 0; returns their number."""
    n = 0
    for i in range(x.shape[0]):
        if x[i] > 0:
            value = min(np.float64(x[i]), 1.0)
            ticks[n], inputs[n] = np.int32(np.floor((1.0 - value) * (n_ticks - 1) + 0.5)), i
            n += 1
    return n


@njit(cache=True, error_model="numpy")
def sort_by_tick(ticks, units, n, ptr, index):
    """Counting sort of the first `n` events: units of tick t into ``index[ptr[t]:ptr[t + 1]]``, in the given order.

    `ticks` are below ``ptr.shape[0] - 1`` and not negative.
    """
    ptr[:] = 0
    for event in range(n):
        ptr[ticks[event]] += 1
    start = 0
    for t in range(ptr.shape[0]):
        count = ptr[t]
        ptr[t] = start
        start += count
    for event in range(n):
        t = ticks[event]
        index[ptr[t]] = units[event]
        ptr[t] += 1
    # each offset has moved to where its tick ends, which is where the next one begins
    for t in range(ptr.shape[0] - 1, 0, -1):
        ptr[t] = ptr[t - 1]
    ptr[0] = 0


@njit(cache=True, error_model="numpy")
def encode(x, kind, p, n_ticks, random_phase, key, number, ptr, index, scratch):
    """Make the events of one presentation, sorted by tick and within a tick by input.

    Parameters
    ----------
    x
        (n_inputs,) float32 or float64 in [0, 1]. What is above 1 counts as 1; NaN and what is below 0 as 0.
    kind
        POISSON, REGULAR or LATENCY.
    p
        Spikes a tick of an input of 1, in (0, 1]; no part of LATENCY.
    n_ticks
        Ticks of the presentation.
    random_phase
        Of REGULAR: a phase drawn for each input and presentation in place of 1/2.
    key, number
        Integers: the stream of random numbers, and the presentation.
    ptr
        (n_ticks + 1,) int64, written: events of tick t are ``index[ptr[t]:ptr[t + 1]]``.
    index
        (capacity,) int32, written: inputs.
    scratch
        (2, capacity) int32.

    Returns
    -------
    int
        Number of events; an input has at most one in a tick.
    """
    ticks, inputs = scratch[0], scratch[1]
    if kind == POISSON:
        n = draw_poisson(x, p, n_ticks, base_of(key, number), ticks, inputs)
    elif kind == REGULAR:
        n = place_regular(x, p, n_ticks, random_phase, base_of(key, number), ticks, inputs)
    else:
        n = place_latency(x, n_ticks, ticks, inputs)
    sort_by_tick(ticks, inputs, n, ptr, index)
    return n
