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

SIZES = (6, 7, 5, 4)
K = 24
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
    same = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-5}
    assert out.onsets.tolist() == [K * n for n in range(len(y))]
    assert out.labels.tolist() == list(y)
    assert out.ticks == K * len(y)
    given = [(K * n + tick, unit) for n, row in enumerate(events) for tick, unit in row]
    assert sorted(zip(*(column.tolist() for column in out.spikes["input"]), strict=True)) == sorted(given)
    for layer in range(3):
        name = f"layers.{layer}"
        spikes = [(K * n + t, j) for n, shown in enumerate(told.shown) for t, j in shown.spikes[layer]]
        assert sorted(zip(*(column.tolist() for column in out.spikes[name]), strict=True)) == sorted(spikes)
        errors = [
            (K * n + t, k, e) for n, shown in enumerate(told.shown) for t, at, k, e in shown.errors if at == layer
        ]
        found = out.errors.get(name, (np.zeros(0, int),) * 3)
        assert sorted(zip(*(column.tolist() for column in found), strict=True)) == sorted(errors)
        for variable, of in (("v", "membranes"), ("modulator", "modulators")):
            expected = np.concatenate([getattr(shown, of)[layer] for shown in told.shown])
            found = out.traces[variable, name].values
            np.testing.assert_allclose(found, expected, **same, err_msg=f"{variable} of {name}")
        W = out.traces["weights", f"{name}.W"].values[-1].reshape(told.params[f"{name}.W"].shape)
        np.testing.assert_allclose(W, told.params[f"{name}.W"], **same)


def batch(n=5, seed=0):
    """Inputs and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, SIZES[0])).astype(np.float32), rng.integers(SIZES[-1], size=n)


@pytest.mark.parametrize("reset_state", [True, False])
@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("name", ["fa", "adafa", "dfa", "sdfa", "drtp", "shallow"])
def test_integrating_networks_are_observed_exactly(name, update, reset_state):
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
    assert (told.params["layers.2.W"] != params["layers.2.W"]).any()


@pytest.mark.parametrize("model", ["lif", "cuba_lif"])
@pytest.mark.parametrize("name", ["fa", "dfa", "bp", "sdfa", "drtp", "mdfa", "sign_fa", "matching", "held"])
def test_leaky_networks_are_observed_closely(name, model):
    rule, (x, y) = RULES[name], batch(4, seed=1)
    network = network_for(rule, SIZES)
    params = {key: value * (2 if key.endswith(".W") else 1) for key, value in lower(network, rule, 3).params.items()}
    spiking = spiking_for(
        sample_ms=K, update="spike" if model == "lif" else "error", training=CLOSE, tau_mod_ms=15.0, tau_pre_ms=12.0,
        encoder=nf.Encoder("regular", 400.0, "random"), post=nf.PostFactor("surrogate"), hidden_error_threshold=0.3,
        neuron=nf.Neuron(model, r=1.0 if model == "lif" else 8.0, refractory_ms=1.0, threshold_step=0.1),
        learning_starts_ms=3.0,
    )  # fmt: skip
    out = nf.observe(network, rule, params, x, y, spiking=spiking, record=records(), seed=3)
    events, told = told_by_the_oracle(network, rule, params, spiking, x, y, seed=3)
    assert_as_told(out, events, told, y, exact=False)
    assert sum(len(shown.errors) for shown in told.shown) > 10


@pytest.mark.parametrize("name", ["fa", "np_dfa", "node_perturbation", "pseudo_bp"])
def test_without_learning_only_the_forward_pass_runs(name):
    rule, (x, y) = RULES[name], batch()
    network, params = dyadic(rule)
    spiking = spiking_for(sample_ms=K, training=EXACT)
    out = nf.observe(network, rule, params, x, y, spiking=spiking, learn=False, record=records())
    events, told = told_by_the_oracle(network, rule, params, spiking, x, y, learn=False)
    assert_as_told(out, events, told, y, exact=True)
    assert all(len(ticks) == 0 for ticks, _, _ in out.errors.values())
    for layer in range(3):
        key = f"layers.{layer}.W"
        assert (out.traces["weights", key].values == params[key].ravel()).all()


def test_all_spikes_are_recorded_unless_told_otherwise():
    network, (x, y) = network_for(PRESETS["fa"], SIZES), batch(2)
    out = nf.observe(network, PRESETS["fa"], None, x, y, spiking=spiking_for(sample_ms=K))
    assert set(out.spikes) == {"input", "layers.0", "layers.1", "layers.2", "bias"}
    assert set(out.errors) == {"layers.1", "layers.2"}  # a sequential route has an error population for each source
    assert out.traces == {}
    bias = [tick + K * n for n in range(2) for tick in range(1, K, 4)]  # 1/2, then a quarter in each tick
    assert out.spikes["bias"][0].tolist() == bias
    direct = nf.observe(network, PRESETS["dfa"], None, x, y, spiking=spiking_for(sample_ms=K))
    assert set(direct.errors) == {"layers.2"}


# ---------------------------------------------------------------------------- modulators are what errors make them


def accumulated(out, layer, width):
    """Net error events of a layer up to each tick, (ticks, width)."""
    table = np.zeros((out.ticks, width), np.int64)
    ticks, units, counts = out.errors[f"layers.{layer}"]
    np.add.at(table, (ticks, units), counts)
    return np.cumsum(table, axis=0)


@pytest.mark.parametrize("name", ["fa", "dfa"])
def test_accumulated_modulators_are_feedback_times_accumulated_errors(name):
    """Without decay M(t) is B^T times all error events up to t, exactly, since all numbers are whole multiples of 1/16;
    on a sequential route with the events of the layer above, whose own modulator drives its error neurons.
    """
    rule = RULES[name]
    network, params = dyadic(rule, seed=4)
    spiking = spiking_for(
        sample_ms=400, training=EXACT, tau_mod_ms=math.inf, error_threshold=0.75, hidden_error_threshold=8.0
    )
    x, y = batch(1, seed=2)
    names = [f"layers.{layer}" for layer in range(3)]
    out = nf.observe(network, rule, params, x, y, spiking=spiking, record=[nf.Record("modulator", of) for of in names])
    M = [out.traces["modulator", of].values for of in names]
    np.testing.assert_array_equal(M[2], accumulated(out, 2, SIZES[3]))
    for layer in (1, 0):
        source = 2 if name == "dfa" else layer + 1
        e = accumulated(out, source, SIZES[source + 1])
        np.testing.assert_array_equal(M[layer], e @ params[f"layers.{layer}.B"])
        assert len(np.unique(e, axis=0)) > 50
        assert e.min() < 0 < e.max()


def test_error_events_keep_account_of_output_and_target():
    """Events times their threshold differ from the sum of output minus target by less than one threshold, ever."""
    rule, (x, y) = RULES["dfa"], batch(1, seed=2)
    network, params = dyadic(rule, seed=4)
    spiking = spiking_for(sample_ms=400, training=EXACT, error_threshold=2.0, target_activity=(0.125, 0.75))
    out = nf.observe(network, rule, params, x, y, spiking=spiking)
    spikes = np.zeros((400, SIZES[3]))
    spikes[out.spikes["layers.2"]] = 1
    target = 0.25 * np.where(np.arange(SIZES[3]) == y[0], 0.75, 0.125)
    total = np.cumsum(spikes - target, axis=0)
    left = total - 2.0 * accumulated(out, 2, SIZES[3])
    assert np.abs(left).max() < 2.0
    assert len(out.errors["layers.2"][0]) > 10


@pytest.mark.parametrize("update", ["spike", "error"])
def test_target_modulators_have_no_mean_over_classes(update):
    """A sample of class k is sent row k of B with the mean of all rows taken off: over the classes they add up to 0."""
    rule, (x, _) = RULES["drtp"], batch(1)
    network, params = dyadic(rule)
    x, y = np.repeat(x, SIZES[3], axis=0), np.arange(SIZES[3])
    spiking = spiking_for(sample_ms=K, training=EXACT, update=update)
    names = ["layers.0", "layers.1"]
    out = nf.observe(network, rule, params, x, y, spiking=spiking, record=[nf.Record("modulator", of) for of in names])
    for of in names:
        B, M = params[f"{of}.B"], out.traces["modulator", of].values.reshape(len(y), K, -1)
        np.testing.assert_array_equal(M[:, -1], B - B.mean(axis=0))
        assert not M[:, -1].sum(axis=0).any()
        assert M[:, -1].any()
        for k in range(K - 1):  # set once for all, or in the last tick alone where modulators have no memory
            np.testing.assert_array_equal(M[:, k], M[:, -1] if update == "spike" else 0 * M[:, -1])


def test_a_recorder_changes_nothing_of_what_is_learned():
    rule, (x, y) = RULES["fa"], batch()
    network = network_for(rule, SIZES)
    spiking = spiking_for(sample_ms=K, neuron=nf.Neuron("lif"), training=CLOSE)
    last = nf.Record("weights", "layers.0.W", every_ms=K * len(x) - 1.0)
    alone = nf.observe(network, rule, None, x, y, spiking=spiking, record=[last])
    watched = nf.observe(network, rule, None, x, y, spiking=spiking, record=[*records()[:-3], last])
    a, b = (out.traces["weights", "layers.0.W"].values for out in (alone, watched))
    np.testing.assert_array_equal(a, b)
    assert (a[0] != a[-1]).any()


def test_what_follows_a_presentation_follows_it_when_watched():
    """Homeostasis, weight decay after 100 presentations, and feedback that is computed anew."""
    rule, (x, y), ticks, shown = RULES["pseudo_bp"], batch(102), 8, 101
    network = network_for(rule, SIZES)
    training = nf.Training(batch_size=1, learning_rate=0.01, optimiser=nf.Optimiser("sgd", weight_decay=0.5))
    spiking = spiking_for(
        sample_ms=ticks, neuron=nf.Neuron("lif"), error_threshold=0.5, training=training,
        homeostasis=nf.Homeostasis(20.0, 1e-3, 2.0),
    )  # fmt: skip
    keys = ("layers.0.W", "layers.0.b", "layers.1.W")
    out = nf.observe(network, rule, None, x, y, spiking=spiking, record=[nf.Record("weights", k) for k in keys], seed=2)
    engine = SpikingEngine(lower(network, rule, 2), spiking, optimiser=training.optimiser, seed=2, threads=1)
    engine.train(x, y, np.arange(102), 0, shown, training.rates(3))
    for key in keys:  # nothing has changed yet in the first tick of the next presentation
        np.testing.assert_array_equal(out.traces["weights", key].values[shown * ticks], engine.params[key].ravel())


@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("name", ["fa", "adafa", "sign_fa", "dfa", "sdfa", "drtp", "mdfa", "bp", "matching", "shallow"])
def test_what_is_watched_is_training(name, update):
    """The weights at the end are those that the engine has after the same samples, bit for bit."""
    rule, (x, y) = RULES[name], batch(6)
    network = network_for(rule, SIZES)
    spiking = spiking_for(sample_ms=K, update=update, neuron=nf.Neuron("lif"), reset_state=False, training=CLOSE)
    out = nf.observe(network, rule, None, x, y, spiking=spiking, record=records()[-3:], seed=2)
    engine = SpikingEngine(lower(network, rule, 2), spiking, seed=2, threads=1)
    engine.train(x, y, np.arange(6), 0, 6, spiking.training.rates(3))
    for layer in range(3):
        key = f"layers.{layer}.W"
        np.testing.assert_array_equal(out.traces["weights", key].values[-1], engine.params[key].ravel())
