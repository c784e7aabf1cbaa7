"""Encoders: events against the formulas in plain Python, and Poisson events against their statistics."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurofa.kernels.encoders import ENCODERS, LATENCY, POISSON, REGULAR, capacity, encode
from neurofa.spec.neurons import ENCODERS as NAMES

MASK = 2**64 - 1
GUARD = 8  # elements behind the capacity, which no event may touch


def splitmix(state):
    """SplitMix64 of a state, on Python's integers."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def drawn(key, number, i, draw):
    """53 random bits: a function of key, presentation, input and index of the draw."""
    stream = splitmix(splitmix(splitmix(key & MASK) ^ (number & MASK)) ^ i)
    return splitmix((stream + draw * 0x9E3779B97F4A7C15) & MASK) >> 11


def unmixed(z):
    """State of which SplitMix64 makes `z`."""
    for shift, factor in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, 1)):
        unshifted = z
        for _ in range(64 // shift):
            unshifted = z ^ (unshifted >> shift)
        z = unshifted * pow(factor, -1, 2**64) & MASK
    return (z - 0x9E3779B97F4A7C15) & MASK


def key_that_draws(z):
    """Key with which the first draw of input 0 in presentation 0 is `z`."""
    return unmixed(unmixed(unmixed(unmixed(z))))


def poisson_ticks(rate, n_ticks, key, number, i):
    if rate == 1:
        return list(range(n_ticks))
    found, tick, draw = [], -1, 0
    while True:
        u = (drawn(key, number, i, draw) + 1) / 2**53
        tick += 1 + math.floor(math.log(u) / math.log1p(-rate))
        draw += 1
        if tick >= n_ticks:
            return found
        found.append(tick)


def regular_ticks(rate, n_ticks, phase):
    found, k = [], 1
    while True:
        after = (k - phase) / rate
        if after > n_ticks:
            return found
        tick = math.ceil(after) - 1
        if found and tick <= found[-1]:
            tick = found[-1] + 1
        if tick >= n_ticks:
            return found
        found.append(tick)
        k += 1


def expected(x, kind, p, n_ticks, random_phase, key, number):
    """Pairs of tick and input, sorted: the encoders as docs/spiking.md has them."""
    events = []
    for i, value in enumerate(float(v) for v in x):
        # a product that is too small for a float is no rate
        if value == 0 or (kind != LATENCY and p * value == 0):
            continue
        if kind == POISSON:
            ticks = poisson_ticks(p * value, n_ticks, key, number, i)
        elif kind == REGULAR:
            phase = drawn(key, number, i, 0) / 2**53 if random_phase else 0.5
            ticks = regular_ticks(p * value, n_ticks, phase)
        else:
            ticks = [math.floor((1 - value) * (n_ticks - 1) + 0.5)]
        events += [(tick, i) for tick in ticks]
    return sorted(events)


def encoded(x, kind, p=0.25, n_ticks=40, random_phase=False, key=1, number=0):
    """Events of the kernel as arrays of ticks and inputs, with everything checked that always holds."""
    most = capacity(len(x), n_ticks, p, kind)
    ptr = np.full(n_ticks + 1, -7, np.int64)
    index, scratch = np.full(most + GUARD, -7, np.int32), np.full((2, most + GUARD), -7, np.int32)
    n = encode(x, kind, p, n_ticks, random_phase, np.uint64(key & MASK), number, ptr, index, scratch)
    assert 0 <= n <= most
    assert ptr[0] == 0
    assert ptr[-1] == n
    assert (np.diff(ptr) >= 0).all()
    assert (index[n:] == -7).all()
    assert (scratch[:, most:] == -7).all()
    ticks, inputs = np.repeat(np.arange(n_ticks), np.diff(ptr)), index[:n]
    # sorted by tick, then input, and no pair twice
    assert (np.diff(ticks * len(x) + inputs) > 0).all()
    return ticks, inputs


def assert_as_expected(x, kind, p, n_ticks, random_phase, key, number):
    ticks, inputs = encoded(x, kind, p, n_ticks, random_phase, key, number)
    pairs = list(zip(ticks.tolist(), inputs.tolist(), strict=True))
    assert pairs == expected(x, kind, p, n_ticks, random_phase, key, number)


values = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 1e-300, 1 - 2**-53]), st.floats(0, 1))
samples = st.one_of(
    st.lists(values, max_size=12).map(lambda x: np.array(x, np.float64)),
    st.lists(st.floats(0, 1, width=32), max_size=12).map(lambda x: np.array(x, np.float32)),
)
peaks = st.one_of(st.sampled_from([1.0, 0.5, 0.25, 1 / 3]), st.floats(1e-3, 1))
keys = st.integers(-(2**63), 2**64 - 1)
numbers = st.integers(0, 2**62)


def test_codes_have_the_names_of_the_description():
    assert tuple(ENCODERS) == NAMES
    assert [ENCODERS[name] for name in ("poisson", "regular", "latency")] == [POISSON, REGULAR, LATENCY]


def test_reference_is_splitmix64():
    # the first outputs of the published generator from seed 0
    assert splitmix(0) == 0xE220A8397B1DCDAF
    assert splitmix(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4


@given(samples, peaks, st.integers(1, 120), st.booleans(), keys, numbers)
def test_regular_is_the_formula(x, p, n_ticks, random_phase, key, number):
    assert_as_expected(x, REGULAR, p, n_ticks, random_phase, key, number)


@given(samples, st.integers(1, 120))
def test_latency_is_the_formula(x, n_ticks):
    assert_as_expected(x, LATENCY, 0.25, n_ticks, False, 1, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.003, 0.05, 0.25, 0.9, 1.0])
def test_poisson_draws_are_those_of_the_reference(p, dtype):
    x = np.random.default_rng(8).random(60).astype(dtype)
    x[::3] = 0
    x[1] = 1
    for key, number in [(0, 0), (1, 2), (2**64 - 1, 5), (-3, 2**40)]:
        assert_as_expected(x, POISSON, p, 300, False, key, number)


def test_regular_ticks_by_hand():
    # at a quarter of a spike a tick, half a period and then every fourth tick; at 0.1, ticks 5 - 1 and 15 - 1
    ticks, inputs = encoded(np.array([1.0, 0.0, 0.4]), REGULAR, 0.25, 16)
    assert ticks[inputs == 0].tolist() == [1, 5, 9, 13]
    assert ticks[inputs == 2].tolist() == [4, 14]
    assert not (inputs == 1).any()


def test_latency_ticks_by_hand():
    ticks, inputs = encoded(np.array([0.5, 1.0, 0.0, 0.01, 0.75]), LATENCY, n_ticks=5)
    assert list(zip(ticks, inputs, strict=True)) == [(0, 1), (1, 4), (2, 0), (4, 3)]


@pytest.mark.parametrize("kind", [POISSON, REGULAR])
@pytest.mark.parametrize("random_phase", [False, True])
def test_full_rate_is_one_event_in_every_tick(kind, random_phase):
    for number in range(20):
        ticks, inputs = encoded(np.ones(30), kind, 1.0, 17, random_phase, number=number)
        np.testing.assert_array_equal(ticks, np.repeat(np.arange(17), 30))
        np.testing.assert_array_equal(inputs, np.tile(np.arange(30), 17))


def test_the_largest_phase_has_one_event_in_a_tick():
    key = key_that_draws(MASK)
    assert drawn(key, 0, 0, 0) == 2**53 - 1
    # 2 - phase is rounded to 1, as 1 - phase is below 1: both would go into tick 0
    assert encoded(np.ones(1), REGULAR, 1.0, 50, True, key)[0].tolist() == list(range(50))
    # the same rounding, from the second event on, makes as many events as the capacity has room for
    assert encoded(np.ones(1), REGULAR, 0.5, 50, True, key)[0].tolist() == [0, *range(1, 50, 2)]
    assert capacity(1, 50, 0.5, REGULAR) == 26
    assert encoded(np.ones(1), REGULAR, 0.25, 1, True, key)[0].tolist() == [0]


def test_the_least_phase_has_its_event_at_the_end_of_a_period():
    key = key_that_draws(0)
    assert encoded(np.ones(1), REGULAR, 0.25, 16, True, key)[0].tolist() == [3, 7, 11, 15]
    assert encoded(np.ones(1), REGULAR, 1.0, 16, True, key)[0].tolist() == list(range(16))


def test_the_extreme_draws_of_poisson():
    # u = 1 is an event in the first tick, whatever the rate; u = 2^-53 the longest gap
    assert encoded(np.ones(1), POISSON, 1e-6, 50, key=key_that_draws(MASK))[0][0] == 0
    # but for a rate whose inverse is infinite, where the gap is not a number
    assert encoded(np.array([5e-324]), POISSON, 1.0, 50, key=key_that_draws(MASK))[0].size == 0
    ticks, _ = encoded(np.ones(1), POISSON, 0.25, 200, key=key_that_draws(0))
    assert ticks[0] == math.floor(53 * math.log(2) / -math.log(0.75))


@pytest.mark.parametrize("kind", [POISSON, REGULAR, LATENCY])
def test_silent_inputs_and_no_inputs(kind):
    assert encoded(np.zeros(5), kind)[0].size == 0
    assert encoded(np.zeros(0), kind)[0].size == 0
    # values that are no activity are silent too, whatever made them
    assert encoded(np.array([np.nan, -0.5, -np.inf]), kind)[0].size == 0


@pytest.mark.parametrize("kind", [POISSON, REGULAR])
def test_the_least_of_inputs_stays_silent(kind):
    # the gap of a Poisson input is infinite here
    assert encoded(np.array([5e-324, 1e-310, 1e-300]), kind, 1.0, 1000, True)[0].size == 0


@pytest.mark.parametrize("kind", [POISSON, REGULAR, LATENCY])
def test_above_one_counts_as_one(kind):
    high, ones = np.array([2.0, np.inf, 1 + 2**-52]), np.ones(3)
    np.testing.assert_array_equal(encoded(high, kind, 0.9), encoded(ones, kind, 0.9))


@pytest.mark.parametrize("kind", [POISSON, REGULAR, LATENCY])
def test_float32_and_float64_of_equal_values_agree(kind):
    x = np.random.default_rng(4).random(50).astype(np.float32)
    np.testing.assert_array_equal(encoded(x, kind), encoded(x.astype(np.float64), kind))


@pytest.mark.parametrize(("kind", "random_phase"), [(POISSON, False), (REGULAR, True)])
def test_an_input_draws_for_itself(kind, random_phase):
    x = np.random.default_rng(5).random(40)
    alone = np.zeros(40)
    alone[17] = x[17]
    for number in (3, 0, 3):
        ticks, inputs = encoded(x, kind, 0.5, 60, random_phase, 9, number)
        np.testing.assert_array_equal(ticks[inputs == 17], encoded(alone, kind, 0.5, 60, random_phase, 9, number)[0])
        again = encoded(x, kind, 0.5, 60, random_phase, 9, number)
        np.testing.assert_array_equal(again, (ticks, inputs))


def test_a_longer_presentation_begins_like_a_shorter_one():
    x = np.random.default_rng(5).random(40)
    for kind, random_phase in [(POISSON, False), (REGULAR, False), (REGULAR, True)]:
        ticks, inputs = encoded(x, kind, 0.5, 90, random_phase)
        short = encoded(x, kind, 0.5, 50, random_phase)
        np.testing.assert_array_equal((ticks[ticks < 50], inputs[ticks < 50]), short)


@pytest.mark.parametrize(("kind", "random_phase"), [(POISSON, False), (REGULAR, True)])
def test_key_and_number_are_not_interchangeable(kind, random_phase):
    x = np.full(40, 0.7)
    found = [encoded(x, kind, 0.1, 60, random_phase, *pair) for pair in [(1, 2), (2, 1), (3, 0), (0, 3), (1, 1)]]
    as_text = {str((ticks.tolist(), inputs.tolist())) for ticks, inputs in found}
    assert len(as_text) == len(found)


def test_fixed_phase_needs_no_random_numbers():
    x = np.random.default_rng(5).random(40)
    np.testing.assert_array_equal(encoded(x, REGULAR, key=1, number=2), encoded(x, REGULAR, key=8, number=5))


def trains(x, p, n_ticks, n_presentations, key=11):
    """0 or 1 for each presentation, tick and input, Poisson."""
    out = np.zeros((n_presentations, n_ticks, len(x)))
    for number in range(n_presentations):
        ticks, inputs = encoded(x, POISSON, p, n_ticks, key=key, number=number)
        out[number, ticks, inputs] = 1
    return out


def test_poisson_rates():
    x = np.array([1.0, 0.5, 0.1, 0.01, 0.9, 0.0])
    for p in (0.05, 0.8):
        n_trials = 400 * 100
        counts = trains(x, p, 100, 400).sum(axis=(0, 1))
        sigma = np.sqrt(n_trials * p * x * (1 - p * x))
        assert (np.abs(counts - n_trials * p * x) <= 5 * sigma).all()


def test_poisson_rate_is_the_same_in_every_tick():
    counts = trains(np.full(200, 0.6), 0.5, 20, 100).sum(axis=(0, 2))
    assert (np.abs(counts - 20000 * 0.3) < 5 * math.sqrt(20000 * 0.3 * 0.7)).all()


def test_poisson_counts_are_binomial():
    # a chi-square over the counts of 4000 trains of 30 ticks
    counts = trains(np.full(400, 0.4), 0.5, 30, 10, key=6).sum(axis=1).reshape(-1).astype(int)
    observed = np.bincount(np.clip(counts, 2, 11), minlength=12)[2:]
    law = stats.binom(30, 0.2)
    shares = np.array([law.cdf(2), *law.pmf(np.arange(3, 11)), law.sf(10)])
    assert stats.chisquare(observed, shares * counts.size).pvalue > 1e-3


def test_poisson_trains_are_independent():
    n_presentations, n_ticks = 100, 50
    found = trains(np.full(12, 0.8), 0.5, n_ticks, n_presentations)
    bound = 5 / math.sqrt(n_presentations * n_ticks)
    by_input = np.corrcoef(found.reshape(-1, 12).T)
    assert np.abs(by_input - np.eye(12)).max() < bound
    # between neighbours in time, and between presentations that follow each other
    for first, second in [(found[:, :-1], found[:, 1:]), (found[:-1], found[1:])]:
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / math.sqrt(first.size)
    # between keys that follow each other
    other = trains(np.full(12, 0.8), 0.5, n_ticks, n_presentations, key=12)
    assert abs(np.corrcoef(found.ravel(), other.ravel())[0, 1]) < 5 / math.sqrt(found.size)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.85])
def test_poisson_gaps_are_geometric(rate):
    # the first gaps of each train: among all in a window the short ones are too many, as long ones end after it
    gaps = []
    for number in range(40):
        ticks, inputs = encoded(np.ones(40), POISSON, rate, 2000, key=2, number=number)
        gaps += [np.diff(ticks[inputs == i][:10], prepend=-1) for i in range(40)]
    gaps = np.concatenate(gaps)
    assert gaps.size == 16000
    law = stats.geom(rate)
    # bins with about a tenth of the gaps each, at most
    edges = np.unique(law.ppf(np.linspace(0.1, 0.9, 9)).astype(int))
    shares = np.diff(np.concatenate([[0], law.cdf(edges), [1]]))
    observed = np.bincount(np.searchsorted(edges, gaps), minlength=edges.size + 1)
    assert stats.chisquare(observed, shares * gaps.size).pvalue > 1e-3


def test_random_phases_are_uniform():
    # with one event in a period of 20 ticks its tick is uniform
    counts = np.zeros(20)
    for number in range(40):
        ticks, _ = encoded(np.ones(100), REGULAR, 1 / 20, 20, True, number=number)
        assert ticks.size == 100
        counts += np.bincount(ticks, minlength=20)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_capacity_of_regular_and_latency_is_near_to_what_is_used():
    for n_ticks in (1, 7, 40, 100):
        for p in (0.05, 0.25, 1 / 3, 0.99, 1.0):
            most = max(encoded(np.ones(50), REGULAR, p, n_ticks, True, number=n)[0].size for n in range(20))
            assert capacity(50, n_ticks, p, REGULAR) <= most + 2 * 50
    assert capacity(784, 40, 0.25, REGULAR) == 784 * 11
    assert capacity(784, 40, 0.25, LATENCY) == 784
    assert capacity(784, 40, 0.25, POISSON) == 784 * 40
