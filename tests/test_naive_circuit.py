"""The oracle of spiking mode against closed forms: neurons, delays, sparse and recurrent connections, plasticity."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from naive_circuit import simulate_circuit
from scipy import sparse
from scipy.integrate import solve_ivp

from neurofa.spec import Neuron, PostFactor

HIGH = 1e9  # a threshold that is never reached


def population(name, size=1, neuron=None, drive=0.0, post=None, v_init=None):
    """What a circuit's population has."""
    post = PostFactor("membrane_window", low=-math.inf) if post is None else post
    return SimpleNamespace(name=name, size=size, neuron=neuron, post=post, drive=drive, v_init=v_init)


def connection(pre, post, weights, delay_ms=None, learning_rate=None, name=None):
    """What a circuit's connection has."""
    fields = {"delay_ms": delay_ms, "learning_rate": learning_rate, "name": name}
    return SimpleNamespace(pre=pre, post=post, weights=weights, **fields)


def circuit(*parts, dt_ms=1.0):
    """A circuit of populations and connections."""
    populations = tuple(part for part in parts if hasattr(part, "size"))
    connections = tuple(part for part in parts if hasattr(part, "pre"))
    return SimpleNamespace(populations=populations, connections=connections, dt_ms=dt_ms)


def one_neuron(neuron, ticks=(), n_ticks=100, *, w=1.0, dt_ms=1.0, **options):
    """A neuron that receives events of weight w at some ticks: its membrane (n_ticks,) and the ticks of its spikes."""
    parts = population("in"), population("n", 1, neuron, **options), connection("in", "n", [[w]])
    out = simulate_circuit(circuit(*parts, dt_ms=dt_ms), {"in": (list(ticks), [0] * len(ticks))}, n_ticks)
    return out.membranes["n"][:, 0], [tick for tick, _ in out.spikes["n"]]


# ---------------------------------------------------------------------------- membranes


def test_lif_answers_an_event_with_an_exponential():
    neuron = Neuron("lif", tau_m_ms=7.0, r=3.0, v_leak=-0.5, v_threshold=HIGH)
    v, _ = one_neuron(neuron, [4], w=0.3, dt_ms=0.25)
    t = np.arange(100)
    np.testing.assert_allclose(v, -0.5 + np.where(t >= 4, 0.9 * np.exp(-(t - 4) * 0.25 / 7), 0), rtol=1e-12)
    v, _ = one_neuron(neuron, v_init=2.0, dt_ms=0.25)
    np.testing.assert_allclose(v, -0.5 + 2.5 * np.exp(-(t + 1) * 0.25 / 7), rtol=1e-12)


@pytest.mark.parametrize(("tau_m", "tau_s"), [(20.0, 5.0), (4.0, 9.0), (6.0, 6.0)])
def test_cuba_lif_answers_an_event_with_two_exponentials(tau_m, tau_s):
    neuron = Neuron("cuba_lif", tau_m_ms=tau_m, tau_syn_ms=tau_s, r=3.0, v_threshold=HIGH)
    v, _ = one_neuron(neuron, [4], w=0.3, dt_ms=0.5)
    since = np.maximum(np.arange(100) + 1 - 4, 0) * 0.5  # the membrane at the end of a tick
    if tau_m == tau_s:
        expected = 0.9 * since / tau_m * np.exp(-since / tau_m)
    else:
        expected = 0.9 * tau_s / (tau_s - tau_m) * (np.exp(-since / tau_s) - np.exp(-since / tau_m))
    np.testing.assert_allclose(v, expected, rtol=1e-11, atol=1e-14)


def test_cuba_lif_is_the_solution_of_its_equations():
    """tau_m v' = -(v - v_leak) + r i, tau_s i' = -i between events, stepped finely."""
    tau_m, tau_s, r, leak, dt = 11.0, 3.0, 2.0, -0.25, 1.0
    neuron = Neuron("cuba_lif", tau_m_ms=tau_m, tau_syn_ms=tau_s, r=r, v_leak=leak, v_threshold=HIGH)
    events = [0, 3, 4, 9, 9, 20]
    v, _ = one_neuron(neuron, events, 30, w=0.7, dt_ms=dt)
    state, fine = np.array([leak, 0.0]), []
    for tick in range(30):
        state[1] += 0.7 * events.count(tick)
        slope = lambda _, s: [(-(s[0] - leak) + r * s[1]) / tau_m, -s[1] / tau_s]  # noqa: E731
        state = solve_ivp(slope, (0, dt), state, rtol=1e-11, atol=1e-13).y[:, -1]
        fine.append(state[0])
    np.testing.assert_allclose(v, fine, rtol=1e-8, atol=1e-10)


def test_steady_states_of_a_constant_drive():
    """Delta synapses take the drive in each tick, so that v = r D / (1 - d); a current settles at D / (1 - d_s)."""
    v, _ = one_neuron(Neuron("lif", tau_m_ms=5.0, r=2.0, v_threshold=HIGH), n_ticks=300, drive=0.1)
    assert v[-1] == pytest.approx(0.2 / (1 - math.exp(-1 / 5)), rel=1e-12)
    neuron = Neuron("cuba_lif", tau_m_ms=5.0, tau_syn_ms=2.0, r=2.0, v_threshold=HIGH)
    v, _ = one_neuron(neuron, n_ticks=300, drive=0.1)
    dm, ds = math.exp(-1 / 5), math.exp(-1 / 2)
    assert v[-1] == pytest.approx(2.0 * (2 / -3) * (ds - dm) * 0.1 / (1 - ds) / (1 - dm), rel=1e-12)


# ---------------------------------------------------------------------------- spikes


@pytest.mark.parametrize("drive", [1 / 64, 3 / 16, 5 / 8, 1.0])
def test_rate_of_an_integrating_neuron(drive):
    """With reset by subtraction nothing is lost: floor(drive t / threshold) spikes after t ticks."""
    v, spikes = one_neuron(Neuron("if", v_threshold=1.25), n_ticks=640, drive=drive)
    counts = np.searchsorted(spikes, np.arange(640), side="right")
    assert counts.tolist() == [math.floor(drive * (t + 1) / 1.25) for t in range(640)]
    np.testing.assert_array_equal(v, drive * np.arange(1, 641) - 1.25 * counts)


@pytest.mark.parametrize("drive", [0.07, 0.3, 2.0])
def test_reset_to_zero_loses_what_is_above(drive):
    """From v_reset the threshold is reached after ceil((threshold - v_reset) / drive) ticks."""
    neuron = Neuron("if", reset="zero", v_reset=-0.5)
    v, spikes = one_neuron(neuron, n_ticks=300, drive=drive)
    assert spikes[0] == math.ceil(1 / drive) - 1
    assert (np.diff(spikes) == math.ceil(1.5 / drive)).all()
    assert (v[spikes] == -0.5).all()


def test_rate_of_a_leaky_neuron():
    """From 0, v after k ticks is D (1 - d^k) / (1 - d): the period is the first k where that is the threshold."""
    for drive in 0.06, 0.1, 0.4:
        _, spikes = one_neuron(Neuron("lif", reset="zero"), n_ticks=400, drive=drive)
        d = math.exp(-1 / 20)
        period = math.ceil(-20 * math.log(1 - (1 - d) / drive))
        assert spikes == list(range(period - 1, 400, period))


@pytest.mark.parametrize(("refractory_ms", "dt_ms", "R"), [(0.0, 1.0, 0), (3.0, 1.0, 3), (2.5, 1.0, 3), (0.3, 0.1, 3)])
def test_refractory_period(refractory_ms, dt_ms, R):
    neuron = Neuron("if", refractory_ms=refractory_ms)
    v, spikes = one_neuron(neuron, n_ticks=60, dt_ms=dt_ms, drive=1.0)
    assert spikes == list(range(0, 60, R + 1))
    assert not v.any()


def test_refractory_neurons_lose_delta_input_but_keep_their_current():
    v, _ = one_neuron(Neuron("if", refractory_ms=3.0), [0, 2, 3, 4], 6, w=1.5)
    assert v.tolist() == [0.5, 0.5, 0.5, 0.5, 1.0, 1.0]  # 0.5 + 1.5 - 1 in tick 4, then refractory again
    neuron = Neuron("cuba_lif", tau_m_ms=10.0, tau_syn_ms=4.0, refractory_ms=5.0, v_threshold=0.1, reset="zero")
    v, spikes = one_neuron(neuron, [0], 7, w=2.0)
    dm, ds = math.exp(-0.1), math.exp(-0.25)
    assert spikes == [0]
    assert not v[:6].any()
    assert v[6] == pytest.approx(4 / -6 * (ds - dm) * 2 * ds**6, rel=1e-12)


def test_adaptive_threshold():
    """Every spike adds 0.6 to the threshold of later ticks, which decays with 15 ms."""
    neuron = Neuron("if", reset="zero", threshold_step=0.6, tau_threshold_ms=15.0)
    _, spikes = one_neuron(neuron, n_ticks=400, drive=0.11)
    expected, ticks = [], 0
    for t in range(400):
        ticks += 1
        if ticks * 0.11 >= 1 + sum(0.6 * math.exp(-(t - s) / 15) for s in expected):
            expected.append(t)
            ticks = 0
    assert spikes == expected
    assert np.diff(spikes)[0] > spikes[0] + 1


def test_subtraction_takes_the_raised_threshold():
    v, spikes = one_neuron(Neuron("if", threshold_step=0.5, tau_threshold_ms=10.0), [0, 1, 2], 3, w=1.25)
    a = 0.5 * math.exp(-0.1)  # in tick 1
    np.testing.assert_allclose(v, [0.25, 1.5 - (1 + a), 2.75 - (1 + a)], rtol=1e-12)
    assert spikes == [0, 1]


# ---------------------------------------------------------------------------- connections


@pytest.mark.parametrize("delay", [1, 2, 7, 255])
def test_spikes_arrive_after_their_delay(delay):
    parts = (
        population("in"),
        population("a", 1, Neuron("if")),
        population("b", 1, Neuron("if")),
        connection("in", "a", [[1.0]], 0.5 * delay),
        connection("a", "b", [[1.0]], 0.5 * delay),
    )
    out = simulate_circuit(circuit(*parts, dt_ms=0.5), {"in": ([3], [0])}, 3 + 2 * delay)
    assert out.spikes == {"in": [(3, 0)], "a": [(2 + delay, 0)], "b": [(2 + 2 * delay, 0)]}
    assert out.forward == 2


def test_a_ring_goes_round():
    ring = np.roll(np.eye(5), 1, axis=1)
    parts = population("in"), population("n", 5, Neuron("if")), connection("in", "n", [[1.0, 0, 0, 0, 0]])
    out = simulate_circuit(circuit(*parts, connection("n", "n", ring, 3.0)), {"in": ([0], [0])}, 40)
    assert out.spikes["n"] == [(3 * k, k % 5) for k in range(14)]
    assert out.forward == 5 + 13 * 5  # a matrix has all pairs, zeros too; the last spike is on its way


def test_sparse_is_dense_without_the_zeros():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(6, 4)) * (rng.random((6, 4)) < 0.5)
    ticks, units = rng.integers(0, 49, 120), rng.integers(0, 6, 120)
    events, M = {"in": ([*ticks, 48, 48], [*units, 1, 2])}, np.zeros((50, 4))
    M[-1] = -1.0  # earlier, it would make synapses of the zeros
    results = []
    for weights in W, sparse.csr_array(W), sparse.coo_matrix(W):
        parts = population("in", 6), population("n", 4, Neuron("lif"))
        plastic = connection("in", "n", weights, 2.0, learning_rate=0.01)
        results.append(simulate_circuit(circuit(*parts, plastic), events, 50, {"n": M}))
    dense, csr, coo = results
    assert dense.spikes == csr.spikes == coo.spikes
    np.testing.assert_array_equal(dense.weights["in->n"][W != 0], csr.weights["in->n"])
    last = sorted({unit for tick, unit in dense.spikes["in"] if tick == 48})
    assert dense.update == 4 * len(last)
    assert csr.update == np.count_nonzero(W[last]) == np.count_nonzero(csr.weights["in->n"] != sparse.csr_array(W).data)
    np.testing.assert_array_equal(csr.weights["in->n"], coo.weights["in->n"])
    arrived = [unit for tick, unit in dense.spikes["in"] if tick + 1 < 50]
    assert dense.forward == 4 * len(arrived)
    assert csr.forward == sum(np.count_nonzero(W[unit]) for unit in arrived)
    assert 0 < csr.update < dense.update


def test_weights_change_by_arrivals_post_factor_and_modulator():
    """Window open while 0 < v < 0.5: v = 0.2 t after tick t; events arrive in ticks 1, 2 and 4."""
    post = PostFactor("membrane_window", low=0.0, high=0.5)
    parts = population("in"), population("n", 2, Neuron("if", v_threshold=HIGH), post=post, drive=0.2, v_init=-0.2)
    plastic = connection("in", "n", [[0.0, 0.0]], learning_rate=0.5, name="w")
    M = np.array([[0.0, 0.0]] * 5)
    M[1], M[2], M[4] = [1.0, 0.0], [2.0, 1e-9], [4.0, 4.0]
    out = simulate_circuit(circuit(*parts, plastic), {"in": ([1, 2, 4], [0, 0, 0])}, 5, {"n": M})
    # neuron 0 is shut from tick 2 on by the weight of -0.5 that it has from tick 1; neuron 1 is above in tick 4
    assert out.weights["w"].tolist() == [[-0.5, -0.5e-9]]
    assert (out.forward, out.update) == (6, 2)
    np.testing.assert_allclose(out.membranes["n"][:, 0], [0, 0.2, -0.1, 0.1, -0.2], atol=1e-15)


def test_post_factors():
    """Drive of 0.3 a tick from rest: the low-pass of it is 0.3 (1 - d^k) after k ticks."""
    t, dt = np.arange(1, 31), 0.5
    d = math.exp(-dt / 8)
    for post, expected in (
        (PostFactor("current_window", low=0.05, high=0.2, tau_ms=8.0), lambda v, q: (q > 0.05) & (q < 0.2)),
        (PostFactor("membrane_window", low=0.5, high=2.5), lambda v, q: (v > 0.5) & (v < 2.5)),
        (PostFactor("surrogate", slope=3.0), lambda v, q: 1 / (1 + 3 * np.abs(v - 4)) ** 2),
    ):
        parts = circuit(population("n", 1, Neuron("if", v_threshold=4.0), drive=0.3, post=post), dt_ms=dt)
        out = simulate_circuit(parts, {}, 30)
        v = 0.3 * t - 4 * np.floor(0.3 * (t - 1) / 4)  # before the reset
        np.testing.assert_allclose(out.posts["n"][:, 0], expected(v, 0.3 * (1 - d**t)), rtol=1e-9)
        assert len(set(out.posts["n"][:, 0])) > 1
