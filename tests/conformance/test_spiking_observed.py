"""A learning network as it is watched: spikes, error events, membranes and modulators against the slow oracle.

`neurofa.observe` computes in float32. Integrating neurons with weights, targets and rates that are small multiples of
powers of two make no rounding there, so that everything must be equal; for the others it must be close.
"""

import math

import numpy as np
import pytest
from naive_spiking import simulate
from spiking_problems import events_of, spiking_for
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import PRESETS, lower
from neurofa.rules.feedback import FOLLOWS
from neurofa.spec import Rule

SIZES = (6, 7, 5, 3)
K = 24
WATCHED = ["fa", "dfa", "bp", "mdfa", "sign_fa", "drtp", "matching", "shallow", "monotone", "held"]
RULES = {**PRESETS, "held": Rule("error_sign", "sequential", "sign_transpose", name="held")}
EXACT = nf.Training(batch_size=1, learning_rate=2.0**-7, optimiser="sgd")
CLOSE = nf.Training(batch_size=1, learning_rate=0.01, optimiser="sgd")


def dyadic(rule, seed=0):
    """A network without bias, and parameters that are multiples of 1/16."""
    network, rng = network_for(rule, SIZES, bias=False), np.random.default_rng(seed)
    params = lower(network, rule, seed).params
    for key, value in params.items():
        low = 1 if rule.constraint == "monotone" and key in ("layers.1.W", "layers.2.W") else -6
        value[...] = rng.integers(low, 11, value.shape) / 16
    return network, params


def told_by_the_oracle(network, rule, params, spiking, x, y, *, learn=True, seed=0):
    """The oracle on the plan and the events that `observe` has."""
    own = {k: v for k, v in params.items() if not k.endswith(".B") or follow_of(rule) in ("fixed", "offset", "learned")}
    plan = lower(network, rule, seed, params=own)
    events = events_of(SpikingEngine(plan, spiking, seed=seed, threads=1), x)
    rates = spiking.training.rates(plan.n_layers)
    return events, simulate(plan, spiking, events, y, rates=rates, learn=learn)


def follow_of(rule):
    """What B does when W changes."""
    return FOLLOWS.get(rule.feedback_source.source)


def records():
    """All spikes, membranes and modulators of the layers, and all weights, once a presentation."""
    layers = [f"layers.{layer}" for layer in range(3)]
    result = [nf.Record("spikes", name) for name in ("input", *layers)]
    result += [nf.Record(variable, name) for variable in ("v", "modulator") for name in layers]
    return [*result, *(nf.Record("weights", f"{name}.W") for name in layers)]


def assert_as_told(out, events, told, y, *, exact):
    """A recording against the oracle's presentations."""
    assert out.onsets.tolist() == [K * n for n in range(len(y))]
    assert out.labels.tolist() == list(y)
    assert out.ticks == K * len(y)
    given = [(K * n + tick, unit) for n, row in enumerate(events) for tick, unit in row]
    assert sorted(zip(*(column.tolist() for column in out.spikes["input"]), strict=True)) == sorted(given)
    for layer in range(3):
        name = f"layers.{layer}"
        spikes = [(K * n + t, j) for n, shown in enumerate(told.shown) for t, j in shown.spikes[layer]]
        assert sorted(zip(*(column.tolist() for column in out.spikes[name]), strict=True)) == sorted(spikes)
        errors = [(K * n + t, k, e) for n, shown in enumerate(told.shown) for t, where, k, e in shown.errors if where == layer]
        if name in out.errors:
            assert sorted(zip(*(column.tolist() for column in out.errors[name]), strict=True)) == sorted(errors)
        else:
            assert not errors
        for variable, of in (("v", "membranes"), ("modulator", "modulators")):
            expected = np.concatenate([getattr(shown, of)[layer] for shown in told.shown])
            found = out.traces[variable, name].values
            np.testing.assert_allclose(found, expected, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-5, err_msg=name)
        W = out.traces["weights", f"{name}.W"].values[-1].reshape(told.params[f"{name}.W"].shape)
        np.testing.assert_allclose(W, told.params[f"{name}.W"], rtol=0 if exact else 1e-4, atol=0 if exact else 1e-6)


def batch(n=5, seed=0):
    """Inputs and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, SIZES[0])).astype(np.float32), rng.integers(SIZES[-1], size=n)


@pytest.mark.parametrize("reset_state", [True, False])
@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("name", ["fa", "dfa", "bp", "matching", "shallow", "monotone_dfa", "initial_transpose"])
def test_integrating_networks_are_observed_exactly(name, update, reset_state):
    if name not in RULES:
        pytest.fail(f"no rule {name}")
    rule, (x, y) = RULES[name], batch()
    network, params = dyadic(rule)
    spiking = spiking_for(
        sample_ms=K, update=update, reset_state=reset_state, delay_ms=2.0, training=EXACT, error_threshold=0.5,
        encoder=nf.Encoder("poisson", 250.0), post=nf.PostFactor("membrane_window", low=-0.5, high=2.5),
    )  # fmt: skip
    out = nf.observe(network, rule, params, x, y, spiking=spiking, record=records())
    events, told = told_by_the_oracle(network, rule, params, spiking, x, y)
    assert_as_told(out, events, told, y, exact=True)
    assert sum(len(shown.spikes[2]) for shown in told.shown) > 3
    assert sum(len(shown.errors) for shown in told.shown) > 10
