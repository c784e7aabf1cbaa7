"""What holds of any network that learns on a chip: unbiased rounding, one seed one result."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hardware_problems import EIGHT, FOUR, ROUNDINGS, drawn_plan
from running import assert_equal_runs
from spiking_problems import ALWAYS
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.hardware import constrain
from neurofa.rules import PRESETS, SHALLOW, freeze
from neurofa.spec import Encoder, Hardware, Init, Layer, Learning, Levels, Network, Neuron, Spiking, State, TraceLevels

CHIP = Hardware(
    weights=FOUR,
    feedback=FOUR,
    modulators=EIGHT,
    traces=TraceLevels(7, 4),
    state=State(16, 16, 12, weight_shift=4, exponent_min=-8, exponent_max=8),
)


def engine_of(plan, spiking, chip, *, seed=0, batch=1, threads=1, given=False):
    """An engine on a chip."""
    constrained = constrain(plan, spiking, chip, seed=None if given else seed)
    optimiser = nf.Optimiser("sgd", weight_decay=1e-3)
    return SpikingEngine(constrained, spiking, batch_size=batch, optimiser=optimiser, seed=seed, threads=threads)


# ---------------------------------------------------------------------------- rounding of many equal changes

N_IN, N_OUT = 200, 60


def changes(rounding, share, *, seed=0, n=1, start=0.0, shadow=False):
    """Changes, in steps, of N_IN x N_OUT weights that each should make one of `share` steps, after each of n samples.

    Every input spikes in the single tick of a presentation, and every output makes one error event in it.
    """
    drawn = Init("uniform", low=-4.0, high=4.0)  # which sets the unit
    network = Network(N_IN, (Layer(N_OUT, bias=False, init=drawn),), "half_sse", task="regression")
    W = np.full((N_IN, N_OUT), start)
    plan = freeze(network, SHALLOW, {"layers.0.W": W})
    spiking = Spiking(
        sample_ms=1.0,
        encoder=Encoder("regular", 1000.0),
        neuron=Neuron("if", v_threshold=1e6),
        post=ALWAYS,
        update="spike",
    )
    chip = Hardware(weights=Levels(-128, 127, rounding=rounding), learning=Learning(shadow=shadow))
    engine = engine_of(plan, spiking, chip, seed=seed, given=True)
    step, seen = 2.0**-4, []  # 127 / 16 > 4 and 127 / 32 < 4
    for _ in range(n):
        before = engine.params["layers.0.W"].copy()
        engine.train(np.ones((1, N_IN)), np.ones((1, N_OUT)), np.arange(1), 0, 1, (share * step,))
        seen.append(((engine.params["layers.0.W"] - before) / step).copy())
    return np.array(seen)


@pytest.mark.parametrize("share", [0.03, 0.25, 0.5, 0.77, 2.4])
def test_stochastic_rounding_is_unbiased(share):
    found = changes("stochastic", share)[0]
    f = share % 1
    assert set(np.unique(found)) == {math.floor(share), math.ceil(share)}
    assert abs(found.mean() - share) < 4 * math.sqrt(f * (1 - f) / found.size)


def test_draws_of_synapses_ticks_and_seeds_are_independent():
    """The four outcomes of each pair of draws are equally frequent, and no row or column is rounded one way."""
    first, second = changes("stochastic", 0.5, n=2)
    other = changes("stochastic", 0.5, seed=1)[0]
    pairs = {
        "presentations": (first, second),
        "seeds": (first, other),
        "neighbours in a row": (first[:, :-1], first[:, 1:]),
        "neighbouring rows": (first[:-1], first[1:]),
        "two rows apart": (first[:-2], first[2:]),
        "two places apart": (first[:, :-2], first[:, 2:]),
    }
    for name, (a, b) in pairs.items():
        counts = np.array([[np.sum((a == p) & (b == q)) for q in (0, 1)] for p in (0, 1)])
        expected = a.size / 4
        assert ((counts - expected) ** 2 / expected).sum() < 16.3, name  # 0.1 % of chi-square with 3 degrees of freedom
    runs = 1 + np.sum(np.diff(first.ravel()) != 0)
    n = first.size
    assert abs(runs - (n + 1) / 2) < 4 * math.sqrt(n) / 2
    for axis in (0, 1):  # no row and no column that is rounded one way
        size = first.shape[axis]
        means = first.mean(axis=axis)
        assert np.abs(means - 0.5).max() < 5 * 0.5 / math.sqrt(size)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 1.5, 2.4])
def test_nearest_is_at_most_half_a_step_off(share):
    found = changes("nearest", share)[0]
    assert (found == round(share)).all()


@pytest.mark.parametrize(("start", "expected"), [(1.0, 1.0), (-4.0, 2.0)])
def test_truncation_goes_towards_zero(start, expected):
    """1.6 steps up: from a positive weight one step, from a negative one two."""
    assert (changes("truncate", 1.6, start=4.0 if start > 0 else start)[0] == expected).all()


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_whole_steps_are_made_exactly_and_no_change_is_none(rounding):
    assert (changes(rounding, 3.0)[0] == 3).all()
    assert (changes(rounding, 0.0)[0] == 0).all()


def test_a_shadow_is_never_far_from_what_is_stored():
    found = changes("stochastic", 0.3, n=10, shadow=True).cumsum(axis=0)
    exact = 0.3 * np.arange(1, 11)[:, None, None]
    assert np.abs(found - exact).max() <= 0.5 + 1e-9
    assert (found[-1] == 3).all()


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_given_levels_stay_as_they_are(rounding):
    drawn = Init("uniform", low=-2.0, high=2.0)
    network = Network(2, (Layer(3, bias=False, init=drawn),), "half_sse", task="regression")
    W = np.array([[0.5, -1.0, 0.25], [1.75, 0.0, -2.0]])  # quarters within -8 to 7
    plan = freeze(network, SHALLOW, {"layers.0.W": W})
    chip = Hardware(weights=Levels(-8, 8, rounding=rounding))
    for seed in (None, 0, 1):
        np.testing.assert_array_equal(constrain(plan, Spiking(), chip, seed=seed).params["layers.0.W"], W)


# ---------------------------------------------------------------------------- one seed, one result

SIZES = (8, 7, 6, 3)


def spiking_on(update, **options):
    """Settings under which the small network spikes."""
    defaults = {"sample_ms": 12.0, "encoder": Encoder("poisson", 400.0), "neuron": Neuron("lif"), "tau_pre_ms": 8.0}
    return Spiking(**{**defaults, "update": update, "post": ALWAYS, "transmission": 0.8, **options})


def after(name, update, chip=CHIP, *, seed=0, cuts=(), batch=1, threads=1, n=20):
    """Parameters, state and operations after n samples; at `cuts` (batches) the engine is saved into a new one."""
    rng = np.random.default_rng(0)
    x, y = rng.random((n, SIZES[0])), rng.integers(SIZES[-1], size=n)
    rule, spiking = PRESETS[name], spiking_on(update, reset_state=batch > 1)
    plan = drawn_plan(network_for(rule, SIZES), rule, 0)
    engine = engine_of(plan, spiking, chip, seed=seed, batch=batch, threads=threads)
    ends = (*cuts, -(-n // batch))
    for first, last in zip((0, *cuts), ends, strict=True):
        if first:
            old = engine
            engine = engine_of(plan, spiking, chip, seed=seed, batch=batch, threads=threads)
            engine.restore(
                {k: v.copy() for k, v in old.params.items()}, {k: np.array(v) for k, v in old.state().items()}
            )
            engine.noise.bit_generator.state = old.noise.bit_generator.state
        engine.train(x, y, np.arange(n), first, last, (0.05, 0.06, 0.07))
    return {k: np.array(v) for k, v in (engine.params | engine.state()).items()}


def assert_same_bits(a, b):
    assert set(a) == set(b)
    for key, value in a.items():
        np.testing.assert_array_equal(value, b[key], err_msg=key)


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("name", ["dfa", "drtp", "node_perturbation"])
@pytest.mark.parametrize("update", ["spike", "error"])
def test_threads_change_nothing(name, update, shadow):
    chip = replace(CHIP, learning=Learning(shadow=shadow))
    assert_same_bits(after(name, update, chip, batch=5), after(name, update, chip, batch=5, threads=3))


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", ["dfa", "sdfa", "matching", "node_perturbation"])
@pytest.mark.parametrize("update", ["spike", "error"])
def test_a_run_may_be_cut_anywhere(name, update, batch, shadow):
    epochs = None if name == "matching" and update == "error" else 5
    chip = replace(CHIP, learning=Learning(every_ticks=epochs, shadow=shadow))
    whole = after(name, update, chip, batch=batch)
    assert_same_bits(whole, after(name, update, chip, batch=batch))
    for cut in (1, 3):
        assert_same_bits(whole, after(name, update, chip, batch=batch, cuts=(cut,)))


def test_seeds_differ():
    a, b = (after("dfa", "spike", seed=seed) for seed in (0, 1))
    assert (a["layers.0.W"] != b["layers.0.W"]).any()


@pytest.mark.parametrize("shadow", [False, True])
def test_a_run_that_is_broken_off_goes_on_from_its_checkpoint(tmp_path, shadow):
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 6)).astype(np.float32), rng.integers(3, size=20)
    data = nf.Data(
        x_train=x[:14], y_train=y[:14], x_test=x[14:17], y_test=y[14:17], x_validation=x[17:], y_validation=y[17:],
        name="small", task="classification", n_outputs=3,
    )  # fmt: skip
    training = replace(nf.Spiking().training, epochs=4, learning_rate=0.05)
    chip = replace(CHIP, learning=Learning(shadow=shadow))

    def train(folder, **options):
        spiking = spiking_on("error", training=training)
        network = Network.dense((6, 5, 3), init="he_normal")
        return nf.train(
            network, PRESETS["dfa"], data, "spiking", 3, spiking=spiking, hardware=chip, out=folder, **options
        )

    whole = train(tmp_path / "whole")
    train(tmp_path / "cut", epochs=2)
    assert_equal_runs(train(tmp_path / "cut", resume=True), whole)
