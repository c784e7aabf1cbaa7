"""Updates of spiking mode to weights that stay: against the slow oracle, and against rate mode on the same batch."""

import numpy as np
import pytest
from naive_spiking import cut, simulate
from spiking_problems import events_of, spiking_for
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import PRESETS, lower

SETTINGS = {
    "events, at spikes": {
        "update": "spike", "tau_mod_ms": 12.0, "encoder": nf.Encoder("poisson", 400.0),
        "neuron": nf.Neuron("lif", tau_m_ms=15.0, refractory_ms=1.0), "post": nf.PostFactor("surrogate", slope=2.0),
    },
    "events, by traces": {
        "update": "error", "tau_pre_ms": 9.0, "encoder": nf.Encoder("regular", 400.0, "random"), "delay_ms": 3.0,
        "neuron": nf.Neuron("cuba_lif", r=6.0, threshold_step=0.1), "learning_starts_ms": 4.0, "error_threshold": 0.5,
        "post": nf.PostFactor("membrane_window", low=-0.5, high=1.5),
    },
    "integrating": {"update": "error", "post": nf.PostFactor(tau_ms=5.0), "reset_state": False},
}  # fmt: skip


def everything(engine):
    """Parameters and state, as copies."""
    return {key: np.array(value) for key, value in (engine.params | engine.state()).items()}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_updates_are_those_of_the_oracle(name, setting):
    rule, seed, n = PRESETS[name], 5, 6
    plan = lower(network_for(rule, (5, 6, 4, 3)), rule, seed, precision="float64")
    for key, value in plan.params.items():
        value *= 2.0 if key.endswith(".W") else 1.0
    spiking = spiking_for(sample_ms=16.0, **SETTINGS[setting])
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, 5)), rng.integers(3, size=n)
    engine = SpikingEngine(plan, spiking, seed=seed, threads=1)
    engine.noise = np.random.default_rng(9)
    noise = np.random.default_rng(9).standard_normal((n, sum(plan.sizes[1:-1])))
    before, draws = everything(engine), engine.noise.bit_generator.state
    found = engine.updates(x, y)
    told = simulate(plan, spiking, events_of(engine, x), y, rates=[1.0] * 3, noise=noise, frozen=True)
    close = {"rtol": 1e-9, "atol": 1e-10}
    for layer in range(3):
        np.testing.assert_allclose(found[f"layers.{layer}.dW"], told.dW[layer], **close)
        np.testing.assert_allclose(found[f"layers.{layer}.db"], told.db[layer], **close)
        np.testing.assert_allclose(found[f"layers.{layer}.M"], told.M[layer], **close)
    assert np.abs(told.dW[2]).max() > 0
    learned = [route for route in plan.feedback if route.follow == "learned"]
    assert len([key for key in found if key.endswith(".dB")]) == len(learned)
    for route in learned:  # E (E B - lambda) of each sample, from clean presentations and noisy ones
        B, expected = plan.params[f"layers.{route.layer}.B"], np.zeros(plan.params[f"layers.{route.layer}.B"].shape)
        for shown, row in zip(told.shown, noise, strict=True):
            E = shown.net[route.source]
            wanted = (shown.noisy.loss - shown.loss) * cut(plan, row)[route.layer] / plan.perturbation.noise_std
            expected += np.outer(E, E @ B - wanted) / n
        np.testing.assert_allclose(found[f"layers.{route.layer}.dB"], expected, **close)
        assert np.abs(expected).max() > 0
    after = everything(engine)
    assert set(before) == set(after)
    for key, value in before.items():
        np.testing.assert_array_equal(after[key], value, err_msg=key)
    assert engine.noise.bit_generator.state == draws
    again = engine.updates(x, y)
    for key, value in found.items():
        np.testing.assert_array_equal(again[key], value, err_msg=key)


@pytest.mark.parametrize("update", ["spike", "error"])
def test_a_batch_learns_by_its_updates(update):
    """One step of a batch is the learning rate times the batch's size times the mean update, for every parameter."""
    rule = PRESETS["fa"]
    network = network_for(rule, (5, 6, 4, 3))
    rng = np.random.default_rng(0)
    x, y = rng.random((7, 5)), rng.integers(3, size=7)
    engine = SpikingEngine(
        lower(network, rule, precision="float64"), spiking_for(update=update), batch_size=7, threads=1
    )
    before = {key: value.copy() for key, value in engine.params.items()}
    updates = engine.updates(x, y)
    engine.train(x, y, np.arange(7), 0, 1, (0.5, 0.25, 0.125))
    for layer, rate in enumerate((0.5, 0.25, 0.125)):
        for name in "W", "b":
            key = f"layers.{layer}.{name}"
            expected = before[key] - rate * 7 * updates[f"layers.{layer}.d{name}"]
            np.testing.assert_allclose(engine.params[key], expected, rtol=1e-12, atol=1e-12)
    assert (before["layers.0.W"] != engine.params["layers.0.W"]).any()


# measured with 100 ticks of 1 ms: correlation with rate mode of the hidden layer's dW and the output's
MEASURED = {
    ("bp", "error"): (0.955, 0.961),
    ("fa", "error"): (0.976, 0.961),
    ("dfa", "error"): (0.976, 0.961),
    ("drtp", "error"): (0.988, 0.961),
    ("bp", "spike"): (0.872, 0.927),
    ("fa", "spike"): (0.929, 0.927),
    ("dfa", "spike"): (0.929, 0.927),
    ("drtp", "spike"): (0.993, 0.927),
}


@pytest.mark.parametrize(("name", "update"), MEASURED)
def test_updates_correlate_with_those_of_rate_mode(name, update):
    """64-100-10 on 100 samples of digits, 250 Hz regular, integrate and fire: both modes from the same W and B.

    The columns of DRTP's B are centred here: spiking mode takes the mean over classes off the target.
    """
    data, rule = nf.load_data("digits"), PRESETS[name]
    x, y = data.x_train[:100], data.y_train[:100]
    network = nf.Network(64, (nf.Layer(100, "relu"), nf.Layer(10, "hard_tanh")), "half_sse", (0.0, 1.0))
    plan = lower(network, rule)
    if name == "drtp":
        B = plan.params["layers.0.B"]
        B -= B.mean(axis=0)
    post = nf.PostFactor("current_window", low=0.0)
    spiking = spiking_for(sample_ms=100.0, update=update, error_threshold=0.25, post=post)
    found = SpikingEngine(plan, spiking, threads=1).updates(x, y)
    rate = nf.updates(network, rule, plan.params, x, y)
    for layer, measured in enumerate(MEASURED[name, update]):
        dW, M = (
            np.corrcoef(found[f"layers.{layer}.{part}"].ravel(), rate[f"layers.{layer}.{part}"].ravel())[0, 1]
            for part in ("dW", "M")
        )
        assert dW > measured - 0.02
        assert M > 0.97  # measured 0.986 and more
