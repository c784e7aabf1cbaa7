"""Hardware constraints in Brian2: deterministic ones against the spiking engine, random ones by their statistics."""

from dataclasses import replace

import numpy as np
import pytest
from hardware_problems import BITS, CUBA, EIGHT, FEATURES, FOUR, LIF, NARROW, PLAIN, drawn_plan, feature
from support import network_for
from test_brian_engine import samples, spikes_of

import neurofa as nf
from neurofa.engines.brian import BrianEngine
from neurofa.engines.spiking import SpikingEngine
from neurofa.hardware import constrain
from neurofa.rules import PRESETS
from neurofa.spec import Hardware, Homeostasis, Learning, Neuron, Spiking, TraceLevels
from neurofa.spec.errors import InputError

SIZES = (4, 5, 4, 3)
RATES = (0.11, 0.07, 0.15)
NEAREST, TRUNCATE = replace(EIGHT, rounding="nearest"), replace(EIGHT, rounding="truncate")
COARSE = replace(FOUR, rounding="nearest")

CASES = {
    "nearest, if": feature(Hardware(weights=NEAREST, state=BITS), neuron=Neuron("if"), rule="fa"),
    "truncate, lif, homeostasis, decay": feature(
        Hardware(weights=TRUNCATE, state=replace(BITS, spikes_above=True)),
        homeostasis=Homeostasis(20.0, 1e-2, 2.0),
        weight_decay=0.5,
        sample_ms=5.0,
        n=102,
    ),
    "wrapping currents, state kept, delays": feature(
        Hardware(weights=NEAREST, state=replace(NARROW, current_overflow="wrap")),
        neuron=CUBA,
        reset_state=False,
        delay_ms=3.0,
    ),
    "narrow, refractory, reset to zero": feature(
        Hardware(weights=COARSE, state=replace(BITS, membrane_bits=6, weight_shift=0)),
        neuron=replace(LIF, refractory_ms=2.0, reset="zero", v_reset=-0.11),
    ),
    "bounded weights": feature(Hardware(weights=COARSE, modulators=NEAREST), rule="mdfa"),
    "shadow, truncate": feature(Hardware(weights=TRUNCATE, learning=Learning(shadow=True)), weight_decay=0.05),
    "clean baseline": feature(
        Hardware(weights=NEAREST, modulators=NEAREST, state=BITS), rule="node_perturbation", baseline="clean"
    ),
    "epochs, signal held": feature(
        Hardware(weights=NEAREST, modulators=NEAREST, learning=Learning(every_ticks=4)), rule="drtp", tau_pre_ms=8.0
    ),
    "epochs, state kept, learning starts later": feature(
        Hardware(weights=NEAREST, learning=Learning(every_ticks=4, rate_power_of_two=True)),
        reset_state=False,
        delay_ms=3.0,
        learning_starts_ms=6.0,
    ),
    "feedback computed anew": feature(Hardware(weights=COARSE, feedback=COARSE), rule="adafa"),
    "few events of the output": FEATURES["modulators of output saturate"],
    "modulators decay": feature(Hardware(modulators=TRUNCATE), tau_mod_ms=5.0, rule="fa"),
    "traces": feature(Hardware(traces=TraceLevels(3, 2, "nearest")), tau_pre_ms=8.0),
}
UPDATES = {"epochs, state kept, learning starts later": ("spike", "error"), "traces": ("error",)}


def engines(case, update, sizes=SIZES, seed=0):
    """A spiking engine and a Brian2 engine of a network on a chip, with the same noise."""
    rule, spiking = PRESETS[case["rule"]], Spiking(**case["spiking"], update=update)
    plan = constrain(drawn_plan(network_for(rule, sizes), rule, seed), spiking, case["chip"], seed=seed)
    optimiser = nf.Optimiser("sgd", weight_decay=case["weight_decay"])
    found = (
        SpikingEngine(plan, spiking, optimiser=optimiser, seed=seed, threads=1),
        BrianEngine(plan, spiking, optimiser=optimiser, seed=seed, target="numpy", record=True),
    )
    for engine in found:
        engine.noise = np.random.default_rng(3)
    return found


def same(found, expected, chip):
    """Weights that are stored on levels are equal, everything else is close."""
    assert set(found) == set(expected)
    for key, value in expected.items():
        if key[-1] in "Wb" and chip.weights is not None:
            np.testing.assert_array_equal(found[key], value, err_msg=key)
        np.testing.assert_allclose(found[key], value, rtol=1e-9, atol=1e-11, err_msg=key)


@pytest.mark.parametrize(
    ("name", "update"),
    [(name, u) for i, name in enumerate(CASES) for u in UPDATES.get(name, (("spike", "error")[i % 2],))],
)
def test_training_on_a_chip_agrees_with_the_spiking_engine(name, update):
    case = CASES[name]
    spiking_engine, brian = engines(case, update)
    x, y = samples(brian.plan, case["n"])
    order, spikes = np.arange(len(x)), 0
    before = {key: value.copy() for key, value in brian.params.items()}
    expected = [np.zeros(size, int) for size in SIZES[1:]]
    loss = np.zeros(2)
    for m in order:  # one by one, to see how often each neuron spikes
        loss += spiking_engine.train(x, y, order, m, m + 1, RATES)
        for layer, total in enumerate(expected):
            shown = spiking_engine.shown.spikes[0, spiking_engine.units(layer)]
            total += shown
            spikes += shown.sum()
    np.testing.assert_allclose(brian.train(x, y, order, 0, len(x), RATES), loss, rtol=1e-9)
    same(brian.params, spiking_engine.params, case["chip"])
    assert any((brian.params[key] != value).any() for key, value in before.items() if key[-1] in "Wb")
    assert spikes > 0
    if not brian.setting.clean:  # whose monitors see both presentations
        for found, total, size in zip(spikes_of(brian), expected, SIZES[1:], strict=True):
            np.testing.assert_array_equal(np.bincount([j for _, j in found], minlength=size), total)
    if brian.plan.on_chip.hardware.state is not None:
        assert brian.evaluate(x[:3], y[:3]) == pytest.approx(spiking_engine.evaluate(x[:3], y[:3]), rel=1e-9)


def test_shadows_are_saved():
    case = CASES["shadow, truncate"]
    spiking_engine, brian = engines(case, "spike")
    x, y = samples(brian.plan, 6)
    order = np.arange(6)
    spiking_engine.train(x, y, order, 0, 6, RATES)
    brian.train(x, y, order, 0, 3, RATES)
    _, other = engines(case, "spike")
    params = {key: value.copy() for key, value in brian.params.items()}
    other.restore(params, {key: np.array(value) for key, value in brian.state().items()})
    other.train(x, y, order, 3, 6, RATES)
    same(other.params, spiking_engine.params, case["chip"])


# ---------------------------------------------------------------------------- by chance

# hidden layers change once, in the last tick of a presentation, and by nothing that other changes have a part in
ONCE = feature(Hardware(weights=EIGHT), rule="drtp")
WIDE = (100, 120, 3)


def changes(engine, rates):
    """Change of the first layer in one presentation."""
    x, y = samples(engine.plan, 1)
    before = engine.params["layers.0.W"].copy()
    engine.train(x, y, np.arange(1), 0, 1, rates)
    return engine.params["layers.0.W"] - before


def test_stochastic_rounding_has_no_bias():
    _, brian = engines(ONCE, "error", WIDE)
    grid = brian.plan.on_chip.weights[0]
    full = replace(brian.plan, on_chip=replace(brian.plan.on_chip, weights=(None, None)))
    exact = changes(SpikingEngine(full, brian.spiking, threads=1), (0.01, 0.0))
    found = changes(brian, (0.01, 0.0))
    W = brian.params["layers.0.W"]
    part = exact / grid.step
    assert np.abs(part).max() > 0.2
    assert W.min() > grid.low  # so that no end has a part in it
    assert W.max() < grid.high
    np.testing.assert_array_equal(W / grid.step, np.rint(W / grid.step))
    assert (np.abs(found / grid.step - part) < 1).all()  # one of the levels around
    left = part - np.floor(part)
    error = np.sqrt((left * (1 - left)).sum())
    assert error > 20
    assert abs((found / grid.step - part).sum()) < 4 * error
    assert (found[part == 0] == 0).all()


def test_ends_hold_under_large_changes():
    _, brian = engines(feature(Hardware(weights=FOUR, modulators=FOUR), rule="dfa"), "spike")
    x, y = samples(brian.plan, 4)
    brian.train(x, y, np.arange(4), 0, 4, (30.0, 30.0, 30.0))
    at_end = 0
    for layer, grid in enumerate(brian.plan.on_chip.weights):
        W = brian.params[f"layers.{layer}.W"]
        np.testing.assert_array_equal((W - grid.origin) / grid.step, np.rint((W - grid.origin) / grid.step))
        assert W.min() >= grid.low
        assert W.max() <= grid.high
        at_end += np.isin(W, (grid.low, grid.high)).sum()
    assert at_end > 0
    for layer in (0, 1):
        grid = brian.plan.on_chip.modulators[layer]
        level = np.asarray(brian._loaded.parts[f"hidden_{layer}"].M[:]) / grid.step
        np.testing.assert_array_equal(level, np.rint(level))


def test_transmission():
    """Membranes that never spike sum up what is transmitted."""
    case = feature(transmission=0.6, neuron=Neuron("if", v_threshold=1e9))
    rule, spiking = PRESETS["dfa"], Spiking(**case["spiking"])
    plan = drawn_plan(network_for(rule, (20, 200), bias=False), rule, 0)
    plan.params["layers.0.W"][...] = np.abs(plan.params["layers.0.W"])  # so that losses do not cancel
    brian = BrianEngine(plan, spiking, target="numpy", record=True)
    x, y = samples(plan, 1)
    brian.train(x, y, np.arange(1), 0, 1, (0.0,))
    monitor = brian._loaded.parts["inputs"]
    events = np.bincount(np.asarray(monitor._neuron_index), minlength=20)
    W = plan.params["layers.0.W"]
    expected = 0.6 * events @ W
    error = np.sqrt(0.24 * events @ W**2)
    z = (np.asarray(brian._loaded.parts["output"].v[:]) - expected) / error
    assert abs(z.mean()) * np.sqrt(len(z)) < 4
    assert 0.7 < z.std() < 1.3


def test_what_is_drawn_depends_on_the_seed_alone():
    case = feature(Hardware(weights=FOUR), transmission=0.6)
    np.random.seed(3)  # noqa: NPY002, Brian2 draws from it
    expected, found = np.random.RandomState(3).random(2), []
    for seed in (0, 0, 1):
        _, brian = engines(case, "spike")
        brian.rounding_key += seed
        x, y = samples(brian.plan, 3)
        brian.train(x, y, np.arange(3), 0, 3, RATES)
        found.append(brian.params["layers.0.W"].copy())
    assert brian.evaluate(x, y) == brian.evaluate(x, y)  # a test says the same whenever it is made
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    np.testing.assert_array_equal(np.random.random(2), expected)  # noqa: NPY002


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (feature(Hardware(traces=TraceLevels(7, 4)), tau_pre_ms=8.0), "rounds traces that decay by chance"),
        (feature(Hardware(modulators=NEAREST), tau_mod_ms=0.5), "rounds, and nothing is left of modulators"),
        (
            feature(Hardware(modulators=NEAREST), tau_mod_ms=5.0, reset_state=False),
            "rounds, and nothing is left of modulators",
        ),
        (
            feature(Hardware(weights=replace(NEAREST, rounding="truncate")), tau_mod_ms=0.5),
            "nothing is left of modulators.*set tau_mod_ms to inf",
        ),
    ],
)
def test_refusals(case, said):
    update = "error" if case["chip"].traces else "spike"
    with pytest.raises(InputError, match=said) as caught:
        engines(case, update)
    assert "\n" not in str(caught.value)
    assert "mode 'spiking'" in str(caught.value)
    if case["chip"].traces:  # traces that do not decay are not rounded
        engines({**case, "spiking": PLAIN}, update)
