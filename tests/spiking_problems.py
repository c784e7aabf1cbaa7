"""Small problems for the tests of spiking mode."""

import math

import numpy as np
from support import network_for

from neurofa.rules import DFA, freeze, lower
from neurofa.spec import Encoder, Layer, Network, Neuron, PostFactor, Spiking

ALWAYS = PostFactor("membrane_window", low=-math.inf)  # a post factor of 1
INTEGRATE = Neuron("if")


def spiking_for(**options):
    """A quarter spike a tick, integrate and fire, no window; `options` replace what is given."""
    defaults = {"sample_ms": 20.0, "encoder": Encoder(max_rate_hz=250.0), "neuron": INTEGRATE, "post": ALWAYS}
    return Spiking(**{**defaults, "update": "spike", **options})


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
