"""The spiking engine against the slow oracle: weights, spikes, errors, operations, for random networks and settings."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_spiking import simulate
from spiking_problems import events_of, neurons, posts
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import PRESETS, lower
from neurofa.spec import Encoder, Feedback, Homeostasis, Perturbation, Rule, Spiking

COMPOSED = (
    Rule("error_sign", "sequential", "sign_transpose", name="sequential-sign"),
    Rule("target", "sequential", "random", name="sequential-target"),
    Rule("error", "direct", "transpose", name="direct-transpose"),
    Rule("error", "sequential", Feedback("sign_transpose", "fixed_random"), name="fixed-random-sign"),
    Rule("error", "direct", Feedback("pseudoinverse", every=3), name="direct-pseudoinverse"),
    Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.3, "ridge"), name="ridge-sequential"),
    Rule("error", "direct", "perturbation", perturbation=Perturbation(0.3, "ridge"), name="ridge-direct"),
)
RULES = {rule.name: rule for rule in (*PRESETS.values(), *COMPOSED)}


@st.composite
def problems(draw, rule):
    """Network, settings, samples: everything that a run depends on."""
    hidden = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    n_out = draw(st.integers(1, 4))
    sizes = (draw(st.integers(1, 6)), *hidden, n_out)
    batch = draw(st.sampled_from([1, 1, 3]))
    fresh = batch > 1 or draw(st.booleans())
    n_layers = len(sizes) - 1
    baseline = draw(st.sampled_from(["running", "clean"])) if fresh else "running"
    spiking = Spiking(
        dt_ms=draw(st.sampled_from([0.5, 1.0])),
        sample_ms=draw(st.sampled_from([6.0, 11.0])),
        encoder=Encoder(
            draw(st.sampled_from(["poisson", "regular", "latency"])), 400.0, draw(st.sampled_from(["fixed", "random"]))
        ),
        neuron=draw(neurons),
        output_neuron=draw(st.one_of(st.none(), neurons)),
        delay_ms=tuple(draw(st.sampled_from([1.0, 2.0, 5.0])) for _ in range(n_layers)),
        post=draw(posts),
        target_activity=draw(st.sampled_from([(0.0, 1.0), (0.1, 0.8)])),
        error_threshold=draw(st.sampled_from([0.5, 1.0, 2.0])),
        hidden_error_threshold=draw(st.sampled_from([0.3, 1.0])),
        tau_mod_ms=draw(st.sampled_from([math.inf, 0.4, 10.0])),
        learning_starts_ms=draw(st.sampled_from([0.0, 2.0])),
        update=draw(st.sampled_from(["spike", "error"])),
        tau_pre_ms=draw(st.sampled_from([math.inf, 0.4, 8.0])),
        reset_state=fresh,
        baseline=baseline,
        baseline_rate=0.3,
        homeostasis=draw(st.sampled_from([None, Homeostasis(20.0, 1e-3, 2.0)])),
    )
    bias = spiking.homeostasis is not None or draw(st.booleans())
    network = network_for(rule, sizes, bias=bias)
    if draw(st.integers(0, 5)) == 0:
        layers = list(network.layers)
        at = draw(st.integers(0, len(layers) - 1))
        layers[at] = replace(layers[at], plastic=False)
        network = replace(network, layers=tuple(layers))
    return network, spiking, batch, draw(st.integers(0, 10_000))


def close(found, expected, what):
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-9, atol=1e-11, err_msg=f"{what}: {key}")


def compare_training(rule, network, spiking, batch, seed, n=7):
    """Train both for a few samples, and compare all that can be seen of them."""
    rng = np.random.default_rng(seed)
    plan = lower(network, rule, seed, precision="float64")
    for key, value in plan.params.items():  # enough drive for spikes
        if key.endswith(".W"):
            value *= 1.5
    engine = SpikingEngine(
        plan, spiking, batch_size=batch, optimiser=nf.Optimiser("sgd", weight_decay=1e-3), seed=seed, threads=1
    )
    x, n_out = rng.random((n, plan.sizes[0])), plan.sizes[-1]
    y = rng.integers(max(2, n_out), size=n)
    rates = tuple(rng.uniform(0.01, 0.1, plan.n_layers))
    noise = np.random.default_rng(seed).standard_normal((n, sum(plan.sizes[1:-1])))
    engine.noise = np.random.default_rng(seed)
    loss, wrong = engine.train(x, y, np.arange(n), 0, -(-n // batch), rates)
    told = simulate(
        plan, spiking, events_of(engine, x), y, rates=rates, weight_decay=1e-3, noise=noise, batch_size=batch
    )
    close(engine.params, told.params, "params")
    assert engine.operations.tolist() == [told.forward, told.feedback, told.update]
    np.testing.assert_allclose(loss, sum(shown.loss for shown in told.shown), rtol=1e-9)
    assert wrong == sum(shown.predicted != label for shown, label in zip(told.shown, y, strict=True))
    return told


@pytest.mark.parametrize("name", RULES)
def test_training_agrees_with_the_oracle(name):
    seen = []

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def run(data):
        network, spiking, batch, seed = data.draw(problems(RULES[name]))
        told = compare_training(RULES[name], network, spiking, batch, seed)
        seen.append(told.update)

    run()
    assert max(seen) > 0  # something learned in at least one of the problems
