"""Durations in ticks: the nearest, of two that are as near the later, for numbers and arrays alike."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurofa.spec import InputError
from neurofa.spec.ticks import nearest_ticks, require_dt


def test_the_nearest_tick():
    times = [0, 0.49, 0.5, 1.49, 1.5, 2.0, -0.5, -0.51, 1e6]
    expected = [0, 0, 1, 1, 2, 2, 0, -1, 10**6]
    assert [nearest_ticks(time, 1.0) for time in times] == expected
    assert nearest_ticks(np.array(times), 1.0).tolist() == expected
    assert nearest_ticks(0.3, 0.1) == 3  # the quotient is a little less
    for scalar in (np.float64(1.5), np.float32(1.5), np.array(1.5)):
        assert isinstance(nearest_ticks(scalar, 1.0), int)
        assert nearest_ticks(scalar, 1.0) == 2


@given(st.floats(0, 1e9), st.sampled_from([1.0, 0.1, 0.3, 1 / 3, 7.3]))
def test_numbers_and_arrays_are_treated_alike(duration_ms, dt_ms):
    ticks = nearest_ticks(duration_ms, dt_ms)
    assert isinstance(ticks, int)
    assert ticks == math.floor(duration_ms / dt_ms + 0.5)
    array = nearest_ticks(np.full((2, 1), duration_ms), dt_ms)
    assert (array.shape, array.dtype) == ((2, 1), np.float64)
    assert (array == ticks).all()


@pytest.mark.parametrize("dt_ms", [0, -1.0, math.nan, math.inf])
def test_a_tick_has_a_length(dt_ms):
    with pytest.raises(InputError, match=r"^dt_ms is .*; the length of a tick must be positive and finite$"):
        require_dt(dt_ms)
    require_dt(1e-3)
