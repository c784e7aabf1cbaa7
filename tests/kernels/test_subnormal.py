"""Subnormal numbers count as 0 inside of a kernel on x86, and outside of it as ever."""

import numpy as np
import pytest
from numba import njit, prange

import neurofa as nf
from neurofa.kernels.subnormal import X86, flush_subnormals, restore


@njit
def halved(x, flush):
    out = np.empty_like(x)
    if flush:
        before = flush_subnormals()
    for i in range(x.size):
        out[i] = x[i] * x.dtype.type(0.5)
    if flush:
        restore(before)
    return out


@njit(parallel=True)
def halved_in_parallel(x):
    out = np.empty_like(x)
    for c in prange(4):
        before = flush_subnormals()
        for i in range(c * x.size // 4, (c + 1) * x.size // 4):
            out[i] = x[i] * x.dtype.type(0.5)
        restore(before)
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_they_are_flushed_between_the_two_calls_and_nowhere_else(dtype):
    smallest = np.finfo(dtype).tiny
    x = np.repeat(np.array([1.5 * smallest, 4 * smallest, smallest / 8, -1.5 * smallest, 0.75], dtype), 8)
    exact = x / 2
    flushed = np.where(np.abs(exact) < smallest, 0, exact) if X86 else exact
    np.testing.assert_array_equal(halved(x, False), exact)
    np.testing.assert_array_equal(halved(x, True), flushed)
    np.testing.assert_array_equal(halved_in_parallel(x), flushed)
    np.testing.assert_array_equal(halved(x, False), exact)
    assert x[0] / 2 > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_training_leaves_the_arithmetic_of_others_alone(threads):
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 600), np.float32), rng.integers(2, size=60)
    network = nf.Network.dense((600, 400, 2))  # large enough for threads
    nf.train(network, nf.rules.DFA, nf.Data(x, y, x, y), epochs=1, threads=threads)
    smallest = np.full(4096, np.finfo(np.float32).tiny)
    assert (smallest * np.float32(0.5) > 0).all()
    assert (halved(smallest, False) > 0).all()


def test_moments_fade_to_zero_and_no_further():
    """Where the input is 0 after the first batch, Adam's moments fade; none of them stays between 0 and 1e-38."""
    x = np.zeros((1200, 4), np.float32)
    x[0, 0], x[1:, 1] = 1.0, 1.0
    data = nf.Data(x, np.arange(1200) % 2, x[:2], np.arange(2))
    network = nf.Network.dense((4, 3, 2))
    from neurofa.engines.rate import RateEngine
    from neurofa.rules import DFA, lower

    engine = RateEngine(lower(network, DFA), batch_size=1, optimiser="adam", threads=1)
    engine.train(data.x_train, data.y_train, np.arange(1200), 0, 1200, (1e-3, 1e-3))
    moment = engine.state()["moment1"]
    if X86:
        assert not ((moment != 0) & (np.abs(moment) < np.finfo(np.float32).tiny)).any()
    assert (moment[engine.params["layers.0.W"].shape[1] :][:3] != 0).all()  # of the input that is on


@pytest.mark.parametrize("model", ["lif", "cuba_lif"])
def test_membranes_of_silent_neurons_decay_to_zero(model):
    """In a population that one busy neuron keeps awake; the smallest number would be rounded to itself for ever."""
    cell = nf.Population("cell", 40, nf.Neuron(model, tau_m_ms=5.0, tau_syn_ms=3.0), v_init=0.5)
    first = nf.Sparse(np.array([0, 1]), np.array([0]), np.array([0.3]))
    every = nf.Sparse(np.array([0, 40]), np.arange(40), np.full(40, 0.01))
    inputs = (nf.Population("busy", 1), nf.Population("once", 1))
    connections = (nf.Connection("busy", "cell", first), nf.Connection("once", "cell", every))
    simulation = nf.Simulation(nf.Circuit((*inputs, cell), connections))
    times = np.arange(1500)
    simulation.run(1500.0, {"busy": (times, 0 * times), "once": ([3], [0])})
    v, current = simulation.state()["cells.v"][2:], simulation.state()["cells.current"][2:]
    assert v[0] > 0
    if X86:
        assert (v[1:] == 0).all()
        assert (current[1:] == 0).all()
