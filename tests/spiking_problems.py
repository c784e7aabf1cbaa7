"""Small problems for the tests of spiking mode."""

import math

import numpy as np
from hypothesis import strategies as st
from support import network_for

from neurofa.kernels.encoders import encode
from neurofa.rules import DFA, freeze, lower
from neurofa.spec import Encoder, Layer, Network, Neuron, PostFactor, Spiking

ALWAYS = PostFactor("membrane_window", low=-math.inf)  # a post factor of 1
INTEGRATE = Neuron("if")

neurons = st.builds(
    Neuron,
    model=st.sampled_from(["if", "lif", "cuba_lif"]),
    tau_m_ms=st.sampled_from([3.0, 20.0]),
    tau_syn_ms=st.sampled_from([2.0, 20.0]),
    r=st.sampled_from([1.0, 1.7]),
    v_leak=st.sampled_from([0.0, 0.3, 1.2]),
    v_threshold=st.sampled_from([0.5, 1.0]),
    v_reset=st.sampled_from([0.0, -0.2]),
    reset=st.sampled_from(["subtract", "zero"]),
    refractory_ms=st.sampled_from([0.0, 2.0]),
    threshold_step=st.sampled_from([0.0, 0.2]),
    tau_threshold_ms=st.sampled_from([5.0, 100.0]),
)
posts = st.one_of(
    st.builds(PostFactor, kind=st.just("membrane_window"), low=st.sampled_from([-1.0, 0.1]), high=st.just(1.3)),
    st.builds(PostFactor, kind=st.just("current_window"), low=st.sampled_from([-1.0, 0.0]), tau_ms=st.just(7.0)),
    st.builds(PostFactor, kind=st.just("surrogate"), slope=st.just(2.0)),
)


def spiking_for(**options):
    """A quarter spike a tick, integrate and fire, no window, whole error events; `options` replace what is given."""
    defaults = {"sample_ms": 20.0, "encoder": Encoder(max_rate_hz=250.0), "neuron": INTEGRATE, "post": ALWAYS}
    return Spiking(**{**defaults, "update": "spike", "hidden_error_threshold": 1.0, **options})


def random_problem(rule, sizes=(3, 4, 5, 2), n=6, K=20, seed=0):
    """A plan in float64, events of n presentations of K ticks, their labels, and noise."""
    rng = np.random.default_rng(seed)
    plan = lower(network_for(rule, sizes), rule, seed, precision="float64")
    events = [[(t, i) for t in range(K) for i in range(sizes[0]) if rng.random() < 0.4] for _ in range(n)]
    labels = rng.integers(max(2, sizes[-1]), size=n)
    return plan, events, labels, rng.standard_normal((n, sum(sizes[1:-1])))


def by_hand(W0, W1, B, rule=DFA):
    """A plan of two layers without bias, a regression, with given weights."""
    network = Network(
        len(W0), (Layer(len(W1), bias=False), Layer(len(W1[0]), bias=False)), "half_sse", task="regression"
    )
    params = {"layers.0.W": np.array(W0, float), "layers.1.W": np.array(W1, float), "layers.0.B": np.array(B, float)}
    return freeze(network, rule, params)


def events_of(engine, x, first=0, key=None):
    """The events that the engine's encoder makes of samples, as pairs of tick and input."""
    inputs, n_ticks, result = engine.learner.inputs, engine.spiking.ticks, []
    for number, row in enumerate(x, start=first):
        encode(
            row, inputs.kind, inputs.peak, n_ticks, inputs.random_phase, inputs.key if key is None else key,
            number, inputs.ptr, inputs.units, inputs.scratch,
        )  # fmt: skip
        result.append([(k, int(i)) for k in range(n_ticks) for i in inputs.units[inputs.ptr[k] : inputs.ptr[k + 1]]])
    return result
