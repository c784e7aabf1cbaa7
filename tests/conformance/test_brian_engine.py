"""The Brian2 engine against the spiking engine and the slow oracle: weights, losses, spikes, tests."""

import math
from dataclasses import replace

import numpy as np
import pytest
from naive_spiking import simulate
from spiking_problems import events_of
from support import network_for

import neurofa as nf
from neurofa.engines import new_engine
from neurofa.engines.brian import BrianEngine
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import DFA, FA, NP_DFA, PRESETS, lower
from neurofa.spec import Encoder, Feedback, Homeostasis, Neuron, Perturbation, PostFactor, Rule, Spiking
from neurofa.spec.errors import InputError

DECAY = 1e-3
COMPOSED = (
    Rule("error_sign", "sequential", "sign_transpose", name="sequential-sign"),
    Rule("target", "sequential", "matching", name="sequential-target"),
    Rule("error", "direct", "transpose", name="direct-transpose"),
    Rule("error", "direct", Feedback("sign_transpose", "fixed_random"), name="direct-sign"),
    Rule("error", "direct", Feedback("pseudoinverse", every=3), name="direct-pseudoinverse"),
)
NEURONS = (
    Neuron("if", r=1.5),
    Neuron("lif", v_leak=0.3, r=2.5, refractory_ms=2.0),
    Neuron("cuba_lif", r=15.0, tau_m_ms=20.0, tau_syn_ms=2.0, reset="zero", v_reset=-0.2),
    Neuron("lif", r=2.0, threshold_step=0.2, tau_threshold_ms=5.0, reset="zero"),
    Neuron("cuba_lif", r=8.0, tau_m_ms=20.0, tau_syn_ms=20.0, threshold_step=0.2, refractory_ms=1.5),
)
SPIKING_SEEDS = (0, 1, 7, 3, 4)  # with which three presentations make every layer of these spike
POSTS = (
    PostFactor("membrane_window", low=-1.0, high=1.3),
    PostFactor("current_window", low=0.0, tau_ms=7.0),
    PostFactor("surrogate", slope=2.0),
)
# a modulator or a trace is cut off after 16 time constants here, and not in Brian2: no presentation is that long
SETTINGS = Spiking(
    sample_ms=12.0,
    encoder=Encoder("poisson", 400.0),
    neuron=Neuron("lif"),
    post=POSTS[0],
    error_threshold=0.5,
    hidden_error_threshold=0.3,
    baseline_rate=0.3,
    update="spike",
)


def cases():
    """A list that has every rule with both updates, of which one is slow, and other choices with several rules."""
    found, number = [], 0
    for rule in (*PRESETS.values(), *COMPOSED):
        for update in ("spike", "error"):
            fresh = (number // 2 + number) % 2 == 0
            baseline = "clean" if fresh and number % 4 < 2 else "running"
            spiking = replace(
                SETTINGS,
                update=update,
                reset_state=fresh,
                baseline=baseline,
                neuron=NEURONS[number % 5],
                output_neuron=NEURONS[(number + 2) % 5] if number % 3 == 1 else None,
                post=POSTS[number % 3],
                delay_ms=((1.0, 2.0, 5.0), 1.0, (2.0, 1.0, 3.0))[number % 3],
                tau_mod_ms=(math.inf, 10.0)[number % 2],
                tau_pre_ms=(8.0, math.inf)[number % 4 // 2],
                learning_starts_ms=(0.0, 2.0)[number % 5 // 3],
                homeostasis=Homeostasis(20.0, 1e-3, 2.0) if number % 4 == 1 else None,
                target_activity=((0.0, 1.0), (0.1, 0.8))[number % 2],
            )
            kept = "fresh" if fresh else "kept"
            noise = f"-{baseline}" if rule.perturbation is not None else ""
            marks = [pytest.mark.slow] if number % 4 in (1, 2) else []
            found.append(pytest.param(rule, spiking, id=f"{rule.name}-{update}-{kept}{noise}", marks=marks))
            number += 1
    return found


def engines(rule, spiking, sizes=(4, 5, 4, 3), seed=0, network=None, decay=DECAY, **options):
    """A spiking engine and a Brian2 engine of the same network, with enough drive for spikes."""
    plan = lower(network or network_for(rule, sizes, **options), rule, seed, precision="float64")
    for key, value in plan.params.items():
        if key.endswith(".W"):
            value *= 1.5
    optimiser = nf.Optimiser("sgd", weight_decay=decay)
    return (
        SpikingEngine(plan, spiking, optimiser=optimiser, seed=seed, threads=1),
        BrianEngine(plan, spiking, optimiser=optimiser, seed=seed, target="numpy", record=True),
    )


def samples(plan, n, seed=0):
    """Inputs in [0, 1] and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, plan.sizes[0])), rng.integers(max(2, plan.sizes[-1]), size=n)


def same(found, expected, what="params"):
    """The same arrays by name."""
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-9, atol=1e-10, err_msg=f"{what}: {key}")


def spikes_of(engine):
    """Pairs of tick and neuron by layer, as Brian2's monitors have them."""
    found = []
    for layer in engine.setting.layers:
        monitor = engine._loaded.parts[f"spikes_of_{engine.setting.name(layer)}"]
        ticks = np.round(np.asarray(monitor.t_) * 1000 / engine.spiking.dt_ms).astype(int)
        found.append(sorted(zip(ticks.tolist(), np.asarray(monitor.i).tolist(), strict=True)))
    return found


def compare(rule, spiking, n=5, seed=0, **options):
    """Train both and the oracle, and compare all that can be seen of them."""
    spiking_engine, brian = engines(rule, spiking, seed=seed, **options)
    plan = brian.plan
    x, y = samples(plan, n, seed)
    if plan.task == "regression":
        y = np.random.default_rng(1).random((n, plan.sizes[-1]))
    rates = tuple(np.random.default_rng(2).uniform(0.01, 0.1, plan.n_layers))
    noise = np.random.default_rng(3).standard_normal((n, sum(plan.sizes[1:-1])))
    before = {key: np.array(value) for key, value in brian.params.items()}
    results = []
    for engine in (spiking_engine, brian):
        engine.noise = np.random.default_rng(3)
        results.append(engine.train(x, y, np.arange(n), 0, n, rates))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)
    same(brian.params, spiking_engine.params)
    assert any((brian.params[key] != value).any() for key, value in before.items()), "nothing is learned"
    told = simulate(
        plan,
        spiking,
        events_of(spiking_engine, x),
        y,
        rates=rates,
        weight_decay=options.get("decay", DECAY),
        noise=noise,
    )
    same(brian.params, told.params, "oracle")
    shown = list(told.shown)
    if brian.setting.clean:
        shown = [part for one in told.shown for part in (one, one.noisy)]
    for layer, found in enumerate(spikes_of(brian)):
        expected = [(m * spiking.ticks + t, j) for m, one in enumerate(shown) for t, j in one.spikes[layer]]
        assert found == sorted(expected), f"spikes of layer {layer}"
        assert layer > 0 or expected, "nothing spikes"
    return spiking_engine, brian, x, y


@pytest.mark.parametrize(("rule", "spiking"), cases())
def test_training_agrees_with_the_spiking_engine_and_the_oracle(rule, spiking):
    compare(rule, spiking)


def pairs_left():
    """Rules with the neuron models that `cases` does not have them with, and with either update in turn."""
    met = {(case.values[0].name, case.values[1].neuron) for case in cases()}
    return [
        pytest.param(rule, which, ("spike", "error")[(number + which) % 2], id=f"{rule.name}-{which}-{neuron.model}")
        for number, rule in enumerate((*PRESETS.values(), *COMPOSED))
        for which, neuron in enumerate(NEURONS)
        if (rule.name, neuron) not in met
    ]


@pytest.mark.parametrize(("rule", "which", "update"), pairs_left())
def test_every_rule_agrees_with_every_neuron_model(rule, which, update):
    spiking = replace(SETTINGS, neuron=NEURONS[which], update=update, post=POSTS[which % 3], tau_pre_ms=8.0)
    _, brian, _, _ = compare(rule, spiking, n=3, seed=SPIKING_SEEDS[which], decay=0.0)
    assert all(spikes_of(brian)), "a layer is silent"
    for layer in brian.setting.layers:
        W = f"layers.{layer}.W"
        taught = layer == brian.setting.last or layer in brian.setting.routes or brian.setting.from_loss
        assert (brian.params[W] != brian.plan.params[W]).any() == taught, f"layer {layer}"


SPECIAL = {
    "one output": (FA, {}, {"sizes": (4, 5, 1)}),
    "one output, targets": (PRESETS["drtp"], {}, {"sizes": (4, 5, 1)}),
    "one layer": (DFA, {}, {"sizes": (4, 3)}),
    "regression": (DFA, {}, {"loss": "half_sse", "output": "identity", "task": "regression"}),
    "no bias": (FA, {"update": "error"}, {"bias": False}),
    "half ticks, regular": (DFA, {"dt_ms": 0.5, "encoder": Encoder("regular", 500.0, "random")}, {}),
    "latency": (DFA, {"encoder": Encoder("latency", 400.0)}, {}),
    "late spikes are lost": (FA, {"delay_ms": (14.0, 1.0, 11.0), "sample_ms": 13.0, "neuron": NEURONS[0]}, {}),
    "late spikes are kept": (FA, {"delay_ms": (14.0, 1.0, 11.0), "sample_ms": 13.0, "reset_state": False}, {}),
    "weight decay": (PRESETS["mdfa"], {"sample_ms": 3.0}, {"n": 103, "decay": 0.05}),
    "almost equal time constants": (DFA, {"neuron": Neuron("cuba_lif", tau_m_ms=5.0, tau_syn_ms=5.0001)}, {}),
    "always open": (FA, {"post": PostFactor("membrane_window", low=-math.inf), "update": "error"}, {}),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_agree(name):
    rule, changes, options = SPECIAL[name]
    compare(rule, replace(SETTINGS, **changes), **options)


def test_a_frozen_layer_stays():
    network = network_for(FA, (4, 5, 4, 3))
    layers = list(network.layers)
    layers[1] = replace(layers[1], plastic=False)
    _, brian, _, _ = compare(FA, SETTINGS, network=replace(network, layers=tuple(layers)))
    np.testing.assert_array_equal(brian.params["layers.1.W"], brian.plan.params["layers.1.W"])


@pytest.mark.parametrize("fresh", [True, False])
def test_tests_and_pieces_of_a_run(fresh):
    """A run in pieces, with tests between, does what one call does; tests agree with the spiking engine's."""
    spiking = replace(SETTINGS, reset_state=fresh, test_ms=9.0, homeostasis=Homeostasis(20.0, 1e-3, 2.0))
    spiking_engine, brian = engines(FA, spiking)
    x, y = samples(brian.plan, 7)
    rates, order = (0.05, 0.05, 0.05), np.array([3, 1, 0, 2, 6, 4, 5])
    whole = spiking_engine.train(x, y, order, 0, 7, rates)
    parts = []
    for first, last in ((0, 2), (2, 3), (3, 3), (3, 7)):
        parts.append(brian.train(x, y, order, first, last, rates))
        brian.evaluate(x, y)
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-9)
    same(brian.params, spiking_engine.params)
    np.testing.assert_allclose(brian.evaluate(x, y), spiking_engine.evaluate(x, y), rtol=1e-9)
    for found, expected in zip(brian.activities(x, y), spiking_engine.activities(x, y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_going_on_from_a_state():
    """Baseline, mean rates and the number of presentations are carried over; weights decay at the 100th."""
    spiking = replace(SETTINGS, sample_ms=3.0, homeostasis=Homeostasis(20.0, 1e-2, 5.0))
    spiking_engine, brian = engines(NP_DFA, spiking, decay=0.5)
    x, y = samples(brian.plan, 104)
    rates, order = (0.05, 0.05, 0.05), np.arange(104)
    spiking_engine.train(x, y, order, 0, 104, rates)
    brian.train(x, y, order, 0, 98, rates)
    _, other = engines(NP_DFA, spiking, decay=0.5)
    params = {key: np.array(value) for key, value in brian.params.items()}
    other.restore(params, {key: np.array(value) for key, value in brian.state().items()})
    other.noise.bit_generator.state = brian.noise.bit_generator.state
    other.train(x, y, order, 98, 104, rates)
    same(other.params, spiking_engine.params)


def test_brian2_is_left_as_it_was_and_says_nothing(capfd):
    import brian2

    kept = brian2.prefs.codegen.target, brian2.defaultclock.dt_, brian2.prefs.codegen.cpp.extra_compile_args_gcc
    _, brian = engines(DFA, SETTINGS)
    x, y = samples(brian.plan, 2)
    brian.train(x, y, np.arange(2), 0, 2, (0.1, 0.1, 0.1))
    brian.evaluate(x, y)
    now = brian2.prefs.codegen.target, brian2.defaultclock.dt_, brian2.prefs.codegen.cpp.extra_compile_args_gcc
    assert now == kept
    assert capfd.readouterr() == ("", "")


REDRAWN = Rule("error", "sequential", Feedback("sign_transpose", "batchwise_random"), name="redrawn")
RIDGE = Rule("error", "direct", "perturbation", perturbation=Perturbation(0.3, "ridge"), name="ridge")


@pytest.mark.parametrize(
    ("rule", "options", "said"),
    [
        (DFA, {"batch_size": 2}, "batch_size is 2, but brian shows one sample at a time"),
        (DFA, {"optimiser": "adam"}, "no optimiser 'adam'"),
        (DFA, {"target": "cuda"}, "target of Brian2"),
        (REDRAWN, {}, "draws no feedback magnitudes anew"),
        (RIDGE, {}, "no feedback learned by ridge regression"),
    ],
)
def test_refusals(rule, options, said):
    plan = lower(network_for(rule, (4, 5, 3)), rule, 0)
    with pytest.raises(InputError, match=said) as caught:
        BrianEngine(plan, SETTINGS, **options)
    assert "\n" not in str(caught.value)


def test_refusals_of_settings_and_samples():
    network = network_for(DFA, (4, 5, 3), dropout=0.1)
    with pytest.raises(InputError, match="no dropout"):
        BrianEngine(lower(network, DFA, 0), SETTINGS)
    plan = lower(network_for(DFA, (4, 5, 3)), DFA, 0)
    engine = new_engine("brian", plan, replace(SETTINGS, reset_state=False), batch_size=1)
    with pytest.raises(InputError, match=r"inputs go from 0 to 2"):
        engine.check_samples(np.array([[0.0, 2.0, 0.0, 0.0]]), np.array([0]))
    with pytest.raises(InputError, match="set reset_state"):  # before anything is saved
        engine.state()
    with pytest.raises(InputError, match="no raw update"):
        engine.updates(np.zeros((1, 4)), np.array([0]))
    noisy = lower(network_for(NP_DFA, (4, 5, 3)), NP_DFA, 0)
    with pytest.raises(InputError, match="baseline 'clean'"):
        BrianEngine(noisy, replace(SETTINGS, reset_state=False, baseline="clean"))
