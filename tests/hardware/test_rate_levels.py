"""Rate mode on levels: each step of the optimiser is stored as it can be."""

from dataclasses import replace

import numpy as np
import pytest
from naive_levels import uniform

import neurofa as nf
from neurofa.engines.rate import RateEngine
from neurofa.hardware import constrain
from neurofa.rules import lower
from neurofa.spec import Hardware, Learning, Levels

NET = nf.Network.dense((6, 5, 4, 3))
RATES = (20.0, 10.0, 5.0)  # so large that steps are worth levels


def chip(rounding, shadow=False, lowest=-8, highest=7):
    levels = Levels(lowest, highest, rounding=rounding, headroom=2.0)
    return Hardware("test", weights=levels, feedback=replace(levels, headroom=1.0), learning=Learning(shadow=shadow))


def problem(seed=0, n=24):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)), rng.integers(0, 3, n)


def steps(rule, hardware, seed=1, batch=4):
    """Parameters before and after each update, and what the update would have been in full precision."""
    plan = constrain(lower(NET, rule, seed, precision="float64"), None, hardware, seed=seed)
    engine, (x, y) = RateEngine(plan, batch_size=batch, seed=seed, threads=1), problem()
    order = np.arange(len(x))
    for b in range(len(x) // batch):
        before = {key: np.array(value) for key, value in engine.params.items()}
        free = RateEngine(replace(plan, params=before, on_chip=None), batch_size=batch, seed=seed, threads=1)
        free.train(x, y, order, b, b + 1, RATES)
        engine.train(x, y, order, b, b + 1, RATES)
        yield plan, before, free.params, {key: np.array(value) for key, value in engine.params.items()}


def keys(plan):
    for layer in range(plan.n_layers):
        grid = plan.on_chip.weights[layer]
        yield f"layers.{layer}.W", grid
        yield f"layers.{layer}.b", replace(grid, low=grid.origin)


@pytest.mark.parametrize(
    "rule", [nf.rules.BP, nf.rules.DFA, nf.rules.DRTP, nf.rules.SIGN_FA], ids=lambda rule: rule.name
)
@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
def test_a_change_is_rounded_in_units_of_the_step(rule, rounding):
    moved = 0
    for plan, before, free, after in steps(rule, chip(rounding)):
        for key, grid in keys(plan):
            change = (free[key] - before[key]) / grid.step
            if rounding == "nearest":
                wanted = before[key] + grid.step * np.rint(change)
            else:
                wanted = grid.step * np.trunc(before[key] / grid.step + change)
            np.testing.assert_array_equal(after[key], np.clip(wanted, grid.low, grid.high), err_msg=key)
            moved += np.count_nonzero(after[key] != before[key])
    assert moved > 20


def test_stochastic_changes_lie_on_levels_and_are_unbiased():
    ratio = []
    for seed in range(40):
        for plan, _, free, after in steps(nf.rules.DFA, chip("stochastic", lowest=-128, highest=127), seed=seed):
            for key, grid in keys(plan):
                np.testing.assert_array_equal(np.rint(after[key] / grid.step) * grid.step, after[key])
                inside = (free[key] > grid.low + grid.step) & (free[key] < grid.high - grid.step)
                error = ((after[key] - free[key]) / grid.step)[inside]
                assert np.abs(error).max(initial=0.0) < 1
                ratio.append(error)
    errors = np.concatenate(ratio)
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(errors.size)
    assert errors.std() > 0.1


def test_stochastic_changes_are_drawn_as_documented():
    """By the number of the update, and the place of a weight in the vector of all (docs/hardware.md)."""
    moved = 0
    for m, (plan, before, free, after) in enumerate(steps(nf.rules.DFA, chip("stochastic", lowest=-128, highest=127))):
        first = 0
        for key, grid in keys(plan):
            rows, wide = np.atleast_2d(before[key]).shape
            xi = [[uniform(plan.on_chip.key, m, 0, first + i * wide, j) for j in range(wide)] for i in range(rows)]
            change = np.floor((free[key] - before[key]) / grid.step + np.reshape(xi, before[key].shape))
            wanted = np.clip(before[key] + grid.step * change, grid.low, grid.high)
            np.testing.assert_allclose(after[key], wanted, atol=1e-12, err_msg=key)
            first += before[key].size
            moved += np.count_nonzero(change)
    assert moved > 20


@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "truncate"])
def test_a_shadow_keeps_what_rounding_would_lose(rounding):
    """It is stored at the nearest level where changes are rounded by chance."""
    shadow = None
    for plan, before, free, after in steps(nf.rules.DFA, chip(rounding, shadow=True)):
        shadow = dict(before) if shadow is None else shadow
        for key, grid in keys(plan):
            shadow[key] = np.clip(shadow[key] + (free[key] - before[key]), grid.low, grid.high)
            truncated = grid.step * np.trunc(shadow[key] / grid.step)
            wanted = truncated if rounding == "truncate" else grid.rounded(shadow[key])
            np.testing.assert_allclose(after[key], wanted, atol=1e-12, err_msg=key)


def test_feedback_follows_the_stored_weights():
    for _, _, _, after in steps(nf.rules.SIGN_FA, chip("stochastic")):
        for layer in (0, 1):
            B, W = after[f"layers.{layer}.B"], after[f"layers.{layer + 1}.W"].T
            np.testing.assert_array_equal(np.sign(B), np.sign(W) * (B != 0))
            assert np.array_equal(B == 0, W == 0)


@pytest.mark.parametrize("shadow", [False, True])
def test_a_run_is_resumed_bit_for_bit(tmp_path, shadow):
    data, net = nf.load_data("digits"), nf.Network.dense((64, 20, 10))
    hardware = chip("stochastic", shadow, -128, 127)

    def run(epochs, **more):
        protocol = nf.Training(epochs=epochs, batch_size=50, learning_rate=1e-2)
        return nf.train(net, nf.rules.DFA, data, hardware=hardware, training=protocol, probe_every=0, **more)

    whole = run(4)
    run(2, out=tmp_path)
    resumed = run(4, out=tmp_path, resume=True)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(resumed.params[key], value, err_msg=key)
    assert whole.hardware == ("test+shadow" if shadow else "test")


def test_what_has_no_levels_is_refused():
    with pytest.raises(nf.InputError, match="no levels for weights or feedback"):
        nf.train(NET, nf.rules.DFA, nf.load_data("digits"), hardware="spinnaker2")
