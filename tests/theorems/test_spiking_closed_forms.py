"""Spiking neurons of the kernels against what can be written down for them: rates, responses, statistics.

A membrane is read at the end of a tick, after its reset; in float64.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, sparse

import neurofa as nf
from neurofa.kernels.encoders import ENCODERS, capacity, encode

HIGH = 1e9  # a threshold that is never reached


def one_neuron(neuron, ticks=(), n_ticks=100, *, w=1.0, dt_ms=1.0, record=("v",), **options):
    """A neuron that receives events of weight w at some ticks: ticks of its spikes, and traces (n_ticks,)."""
    populations = nf.Population("in", 1), nf.Population("n", 1, neuron, **options)
    circuit = nf.Circuit(populations, (nf.Connection("in", "n", np.array([[w]])),), dt_ms)
    records = [nf.Record("spikes", "n"), *(nf.Record(variable, "n") for variable in record)]
    given = {"in": (np.array(ticks, np.int64), np.zeros(len(ticks), np.int64))}
    out = nf.Simulation(circuit, "float64").run(n_ticks * dt_ms, given, records)
    return (out.spikes["n"][0].tolist(), *(out.traces[variable, "n"].values[:, 0] for variable in record))


# ---------------------------------------------------------------------------- rates


@given(st.integers(1, 64), st.sampled_from([1.0, 1.25, 2.5]))
def test_rate_of_an_integrating_neuron_under_a_drive(numerator, threshold):
    """Subtraction loses nothing: floor(drive t / threshold) spikes after t ticks, while it is at most one a tick."""
    drive = numerator / 64
    spikes, v = one_neuron(nf.Neuron("if", v_threshold=threshold), n_ticks=500, drive=drive)
    t = np.arange(1, 501)
    counts = np.searchsorted(spikes, t - 1, side="right")
    np.testing.assert_array_equal(counts, np.floor(drive * t / threshold))
    np.testing.assert_array_equal(v, drive * t - threshold * counts)


@given(st.integers(1, 9), st.integers(1, 48), st.integers(1, 3))
def test_rate_of_an_integrating_neuron_under_regular_input(gap, sixteenths, r):
    """An event in every gap-th tick: floor(r w n / threshold) spikes after n events."""
    w = sixteenths / 16
    assume(r * w <= 1.5)
    ticks = range(0, 400, gap)
    spikes, _ = one_neuron(nf.Neuron("if", v_threshold=1.5, r=float(r)), ticks, 400, w=w)
    counts = np.searchsorted(spikes, ticks, side="right")
    np.testing.assert_array_equal(counts, np.floor(r * w * np.arange(1, len(ticks) + 1) / 1.5))
    assert set(spikes) <= set(ticks)


@given(
    st.floats(2.0, 50.0), st.floats(1.02, 8.0), st.floats(-0.9, 0.8), st.sampled_from([0.25, 1.0]), st.integers(0, 4)
)
def test_interval_of_a_leaky_neuron_under_a_drive(tau, v_inf, v_reset, dt, R):
    """R dt + tau ln((v_inf - v_reset) / (v_inf - threshold)), up to the end of the tick, from spike to spike."""
    exact = tau / dt * math.log((v_inf - v_reset) / (v_inf - 1))
    first = tau / dt * math.log(v_inf / (v_inf - 1))
    assume(all(abs(ticks - round(ticks)) > 1e-6 for ticks in (exact, first)))
    neuron = nf.Neuron("lif", tau_m_ms=tau, reset="zero", v_reset=v_reset, refractory_ms=R * dt, r=2.0)
    drive = v_inf * -math.expm1(-dt / tau) / 2.0
    n_ticks = math.ceil(first) + 3 * (math.ceil(exact) + R) + 1
    spikes, _ = one_neuron(neuron, n_ticks=n_ticks, dt_ms=dt, drive=drive)
    assert spikes[:4] == [math.ceil(first) - 1 + k * (math.ceil(exact) + R) for k in range(4)]


def test_a_leaky_neuron_below_its_rheobase_is_silent():
    for v_inf, silent in ((0.999, True), (1.001, False)):
        neuron = nf.Neuron("lif", tau_m_ms=10.0, reset="zero")
        spikes, v = one_neuron(neuron, n_ticks=400, drive=v_inf * -math.expm1(-0.1))
        assert (not spikes) == silent
        if silent:
            assert v[-1] == pytest.approx(v_inf, rel=1e-12)


@pytest.mark.parametrize("gap", [1, 3, 8])
def test_interval_of_a_leaky_neuron_under_regular_input(gap):
    """Events g apart are a drive with the decay of g ticks: after k of them v = w (1 - d^(g k)) / (1 - d^g)."""
    tau, w = 12.0, 0.7
    d = math.exp(-gap / tau)
    k = math.ceil(math.log(1 - (1 - d) / w) / math.log(d))
    spikes, _ = one_neuron(nf.Neuron("lif", tau_m_ms=tau, reset="zero"), range(0, 400, gap), 400, w=w)
    assert spikes == list(range((k - 1) * gap, 400, k * gap))


@pytest.mark.parametrize(("tau_m", "tau_s"), [(20.0, 5.0), (4.0, 9.0), (6.0, 6.0)])
def test_interval_of_a_neuron_with_a_current_that_has_settled(tau_m, tau_s):
    """The current settles at D / (1 - d_s) before its decay; then the neuron is as one with delta synapses."""
    dm, ds = math.exp(-1 / tau_m), math.exp(-1 / tau_s)
    kappa = dm / tau_m if tau_m == tau_s else tau_s / (tau_s - tau_m) * (ds - dm)
    v_inf = 3.0 * kappa * 0.4 / (1 - ds) / (1 - dm)
    neuron = nf.Neuron("cuba_lif", tau_m_ms=tau_m, tau_syn_ms=tau_s, r=3.0, reset="zero", v_reset=-0.3)
    spikes, current = one_neuron(neuron, n_ticks=600, drive=0.4, record=("current",))
    assert current[-1] == pytest.approx(0.4 * ds / (1 - ds), rel=1e-12)
    period = math.ceil(tau_m * math.log((v_inf + 0.3) / (v_inf - 1)))
    assert set(np.diff(spikes)[-10:]) == {period}


@given(st.floats(0.0, 9.0), st.sampled_from([0.5, 1.0, 2.0]))
def test_refractory_period(refractory, dt):
    """Driven in every tick it spikes once in R + 1 ticks, and keeps what the reset left; what arrives is lost."""
    R = math.ceil(refractory / dt - 1e-9)
    neuron = nf.Neuron("lif", refractory_ms=refractory, reset="zero", v_reset=-0.25)
    spikes, v = one_neuron(neuron, range(80), 80, w=1.5, dt_ms=dt)
    assert spikes == list(range(0, 80, R + 1))
    assert (v == -0.25).all()


# ---------------------------------------------------------------------------- responses

times = st.lists(st.integers(0, 119), max_size=12, unique=True)


@given(times, st.floats(1.0, 60.0), st.floats(-1.5, 1.5), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_lif_answers_events_with_exponentials(ticks, tau, w, leak, start):
    neuron = nf.Neuron("lif", tau_m_ms=tau, r=3.0, v_leak=leak, v_threshold=HIGH)
    _, v = one_neuron(neuron, ticks, 120, w=w, dt_ms=0.25, v_init=start)
    t = np.arange(120)
    expected = leak + (start - leak) * np.exp(-(t + 1) * 0.25 / tau)
    for tick in ticks:
        expected += np.where(t >= tick, 3.0 * w * np.exp(-np.maximum(t - tick, 0) * 0.25 / tau), 0)
    np.testing.assert_allclose(v, expected, rtol=1e-11, atol=1e-12)


def two_exponentials(since_ms, tau_m, tau_s):
    """Membrane after one event on an exponential current, r = 1: the solution of both equations."""
    since_ms = np.maximum(since_ms, 0.0)
    if tau_m == tau_s:
        return since_ms / tau_m * np.exp(-since_ms / tau_m)
    return tau_s / (tau_s - tau_m) * (np.exp(-since_ms / tau_s) - np.exp(-since_ms / tau_m))


@given(
    times,
    st.sampled_from([(20.0, 5.0), (4.0, 9.0), (6.0, 6.0), (1.0, 30.0)]),
    st.floats(-1.5, 1.5),
    st.floats(-1.0, 1.0),
)
def test_cuba_lif_answers_events_with_two_exponentials(ticks, taus, w, leak):
    tau_m, tau_s = taus
    neuron = nf.Neuron("cuba_lif", tau_m_ms=tau_m, tau_syn_ms=tau_s, r=3.0, v_leak=leak, v_threshold=HIGH)
    _, v, current = one_neuron(neuron, ticks, 120, w=w, dt_ms=0.5, record=("v", "current"))
    since = (np.arange(120)[:, None] + 1 - np.array(ticks, dtype=float)) * 0.5  # at the end of the tick
    np.testing.assert_allclose(
        v, leak + 3.0 * w * two_exponentials(since, tau_m, tau_s).sum(axis=1), rtol=1e-10, atol=1e-12
    )
    arrived = np.where(since > 0, np.exp(-np.maximum(since, 0) / tau_s), 0)
    np.testing.assert_allclose(current, w * arrived.sum(axis=1), rtol=1e-10, atol=1e-13)


def test_low_passed_drive_of_a_plastic_population():
    """A jump of w (1 - d_q) with each event, which decays with the post factor's time constant; asleep as well."""
    post = nf.PostFactor("current_window", tau_ms=7.0)
    populations = nf.Population("in", 1), nf.Population("n", 1, nf.Neuron("if", v_threshold=HIGH, r=2.0), post)
    circuit = nf.Circuit(populations, (nf.Connection("in", "n", np.array([[0.3]]), learning_rate=1.0),))
    out = nf.Simulation(circuit, "float64").run(60.0, {"in": ([4, 30], [0, 0])}, (nf.Record("drive", "n"),))
    t, d = np.arange(60), math.exp(-1 / 7)
    expected = sum(np.where(t >= s, 0.6 * (1 - d) * d ** np.maximum(t - s, 0), 0) for s in (4, 30))
    np.testing.assert_allclose(out.traces["drive", "n"].values[:, 0], expected, rtol=1e-12, atol=1e-15)


# ---------------------------------------------------------------------------- adaptive threshold


@given(st.floats(0.05, 1.5), st.floats(2.0, 60.0), st.floats(0.05, 0.4))
def test_adaptive_threshold_is_a_sum_of_exponentials(step, tau, drive):
    neuron = nf.Neuron("if", reset="zero", threshold_step=step, tau_threshold_ms=tau)
    spikes, v, threshold = one_neuron(neuron, n_ticks=300, drive=drive, record=("v", "threshold"))
    t = np.arange(300)
    raised = sum(
        (np.where(t >= s, step * np.exp(-np.maximum(t - s, 0) / tau), 0) for s in spikes), np.zeros(300)
    )  # a spike's own step included
    np.testing.assert_allclose(threshold, 1 + raised, rtol=1e-11)
    quiet = np.setdiff1d(t, spikes)
    assert (v[quiet] < threshold[quiet]).all()
    at = np.array(spikes, int)
    reached = drive * np.diff([-1, *spikes])  # what the membrane was before its reset
    assert (reached >= threshold[at] - step - 1e-9).all()
    assert (reached - drive < 1 + (threshold[at] - step - 1) * np.exp(1 / tau) + 1e-9).all()  # not a tick before


def test_rate_of_an_adapting_neuron_settles():
    """In the limit of short ticks the interval T solves g T = threshold + step / (exp(T / tau) - 1)."""
    step, tau, gain, dt = 0.4, 50.0, 0.05, 0.01
    exact = optimize.brentq(lambda T: gain * T - 1 - step / math.expm1(T / tau), 1.0, 500.0)
    neuron = nf.Neuron("if", reset="zero", threshold_step=step, tau_threshold_ms=tau)
    spikes, _ = one_neuron(neuron, n_ticks=100_000, dt_ms=dt, drive=gain * dt)
    intervals = np.diff(spikes) * dt
    assert intervals[0] < exact - 1  # it has still to adapt
    assert np.abs(intervals[-10:] - exact).max() < 2 * dt


# ---------------------------------------------------------------------------- Poisson input


@pytest.mark.parametrize("model", ["lif", "cuba_lif"])
def test_poisson_input_has_the_mean_and_variance_of_shot_noise(model):
    """With probability q an event in each tick and response h(k) to it, the membrane has mean q sum h and variance
    q (1 - q) sum h^2; 2,000 independent neurons after many time constants, each moment within five of its deviations.
    """
    n, K, q, w, tau_m, tau_s = 2000, 150, 0.15, 0.3, 9.0, 4.0
    k = np.arange(K)
    h = w * (np.exp(-k / tau_m) if model == "lif" else two_exponentials(k + 1.0, tau_m, tau_s))
    room = capacity(n, K, q, ENCODERS["poisson"])
    ptr, index = np.zeros(K + 1, np.int64), np.empty(room, np.int32)
    encode(np.ones(n), ENCODERS["poisson"], q, K, False, 7, 0, ptr, index, np.empty((2, room), np.int32))
    ticks = np.repeat(k, np.diff(ptr))
    neuron = nf.Neuron(model, tau_m_ms=tau_m, tau_syn_ms=tau_s, v_threshold=HIGH)
    circuit = nf.Circuit(
        (nf.Population("in", n), nf.Population("n", n, neuron)),
        (nf.Connection("in", "n", w * sparse.eye_array(n, format="csr")),),
    )
    record = (nf.Record("v", "n", every_ms=K - 1.0),)
    out = nf.Simulation(circuit, "float64").run(float(K), {"in": (ticks, index[: len(ticks)].astype(np.int64))}, record)
    v = out.traces["v", "n"].values[-1]
    mean, variance = q * h.sum(), q * (1 - q) * (h**2).sum()
    fourth = q * (1 - q) * (1 - 6 * q * (1 - q)) * (h**4).sum()  # cumulant
    assert abs(v.mean() - mean) < 5 * math.sqrt(variance / n)
    assert abs(v.var(ddof=1) - variance) < 5 * math.sqrt(fourth / n + 2 * variance**2 / (n - 1))
    assert variance < 0.5 * mean**2  # so that a wrong moment would be seen
