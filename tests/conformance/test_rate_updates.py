"""`nf.updates` in rate mode against the oracle, for every preset and for rules composed by hand."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import (
    ACTIVATIONS,
    FITS,
    assert_same,
    away_from_kinks,
    batch_for,
    network_for,
    problems,
    with_layer,
    without_feedback,
)

import neurofa as nf
from neurofa.engines.memory import for_reading
from neurofa.io.data import Data
from neurofa.kernels.network import advance
from neurofa.kernels.online import show_samples
from neurofa.rules import ADAFA, BP, DFA, FA, NP_FA, PRESETS, SDFA, lower
from neurofa.spec import Feedback, InputError, Model, Perturbation, Rule, Spiking, Training

BY_HAND = {
    "sign_sequential_sign": Rule("error_sign", "sequential", "sign_transpose"),
    "sign_sequential_transpose": Rule("error_sign", "sequential", "transpose"),
    "target_sequential": Rule("target", "sequential", "random"),
    "target_sequential_transpose": Rule("target", "sequential", "transpose"),
    "target_direct_transpose": Rule("target", "direct", "transpose"),
    "direct_transpose": Rule("error", "direct", "transpose"),
    "direct_initial_transpose": Rule("error", "direct", "initial_transpose"),
    "direct_pseudoinverse": Rule("error", "direct", "pseudoinverse"),
    "direct_sign": Rule("error", "direct", "sign_transpose"),
    "unit_sign": Rule("error", "sequential", Feedback("sign_transpose", magnitude="unit")),
    "fixed_random_sign": Rule("error", "sequential", Feedback("sign_transpose", magnitude="fixed_random")),
    "batchwise_random_sign": Rule("error", "sequential", Feedback("sign_transpose", magnitude="batchwise_random")),
    "nonnegative_sequential": Rule("error", "sequential", "random_nonnegative"),
    "monotone_transpose": Rule("error", "sequential", "transpose", "monotone"),
    "ridge_direct": Rule("error", "direct", "perturbation", perturbation=Perturbation(0.05, "ridge")),
    "ridge_sequential": Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.05, "ridge")),
}
RULES = {**PRESETS, **BY_HAND}
FROM_WEIGHTS = ("transpose", "initial_transpose", "sign_transpose", "pseudoinverse")
LINEAR_IN_SAMPLES = [name for name, rule in RULES.items() if rule.perturbation is None]


def copies(params):
    return {key: value.copy() for key, value in params.items()}


def rounding(rule):
    """Rounding that is allowed where terms cancel; a difference of two losses is divided by the noise."""
    return 1e-14 if rule.perturbation is None else 1e-15 / rule.perturbation.noise_std


@pytest.mark.parametrize("name", RULES)
@given(st.data(), st.integers(0, 1000))
def test_updates_are_the_oracles(name, data, seed):
    rule = RULES[name]
    network, params, x, y = data.draw(problems(rule))
    before = copies(params), x.copy(), y.copy()
    expected = naive.updates(network, rule, params, x, y, seed)
    actual = nf.updates(network, rule, params, x, y, seed=seed)
    assert set(actual) == set(expected)
    assert all(value.dtype == np.float64 for value in actual.values())
    assert_same(actual, expected, 1e-12, absolute=rounding(rule))
    assert all(np.array_equal(before[0][key], params[key]) for key in before[0])
    np.testing.assert_array_equal(before[1], x)
    np.testing.assert_array_equal(before[2], y)
    again = nf.updates(network, rule, params, x, y, seed=seed)
    assert all(np.array_equal(actual[key], again[key]) for key in actual)


@pytest.mark.parametrize("name", RULES)
@given(st.data())
def test_float32_is_near_float64(name, data):
    rule = RULES[name]
    if rule.perturbation is not None:  # a difference of losses loses digits when it is divided by a small noise
        rule = replace(rule, perturbation=replace(rule.perturbation, noise_std=1.0))
    network, params, x, y = data.draw(problems(rule))
    single = {key: value.astype(np.float32) for key, value in params.items()}
    double = {key: value.astype(np.float64) for key, value in single.items()}
    z, _ = naive.forward(network, double, x)
    assume(away_from_kinks(network, z, 1e-4))
    if rule.signal == "error_sign":
        e = naive.updates(network, BP, double, x, y)[f"layers.{len(z) - 1}.M"]
        assume(np.min(np.abs(e)) > 1e-5)
    if rule.feedback_source.source == "sign_transpose":
        matrices = [key for key in single if key.endswith(".W")]
        assume(all(np.min(np.abs(double[key])) > 1e-6 for key in matrices))
    expected = nf.updates(network, rule, double, x, y)
    actual = nf.updates(network, rule, single, x, y)
    assert all(value.dtype == np.float32 for value in actual.values())
    assert_same(actual, expected, 1e-5, absolute=3e-6)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.feedback_source.source in FROM_WEIGHTS])
@given(st.data())
def test_feedback_that_follows_from_the_weights_need_not_be_given(name, data):
    rule = RULES[name]
    network, params, x, y = data.draw(problems(rule))
    bare = without_feedback(params)
    if len(bare) == len(params):  # no hidden layer
        return
    if rule.feedback_source.magnitude in ("batchwise_random", "fixed_random"):
        with pytest.raises(InputError, match=r"layers\.\d\.B"):
            nf.updates(network, rule, bare, x, y)
    else:
        assert_same(nf.updates(network, rule, bare, x, y), naive.updates(network, rule, bare, x, y), 1e-12)


@given(st.data())
def test_backpropagation_ignores_given_feedback(data):
    network, params, x, y = data.draw(problems(BP))
    wrong = {key: value + 1 if key.endswith(".B") else value for key, value in params.items()}
    right = nf.updates(network, BP, params, x, y)
    assert_same(nf.updates(network, BP, wrong, x, y), right, 0, absolute=0)


@given(st.data())
def test_feedback_alignment_with_the_transpose_is_backpropagation(data):
    network, params, x, y = data.draw(problems(FA))
    for layer in range(len(network.layers) - 1):
        params[f"layers.{layer}.B"] = params[f"layers.{layer + 1}.W"].T
    assert_same(nf.updates(network, FA, params, x, y), nf.updates(network, BP, params, x, y), 1e-14)


@given(st.data())
def test_adaptive_feedback_alignment_starts_as_backpropagation(data):
    network, params, x, y = data.draw(problems(ADAFA))
    assert_same(nf.updates(network, ADAFA, params, x, y), nf.updates(network, BP, params, x, y), 1e-14)


@given(st.data())
def test_with_one_hidden_layer_direct_is_sequential(data):
    network, params, x, y = data.draw(problems(FA))
    assume(len(network.layers) == 2)
    assert_same(nf.updates(network, DFA, params, x, y), nf.updates(network, FA, params, x, y), 1e-14)


@pytest.mark.parametrize("name", LINEAR_IN_SAMPLES)
@given(st.data())
def test_a_batch_is_the_mean_of_its_samples(name, data):
    rule = RULES[name]
    network, params, x, y = data.draw(problems(rule))
    whole = nf.updates(network, rule, params, x, y)
    one_by_one = [nf.updates(network, rule, params, x[n : n + 1], y[n : n + 1]) for n in range(len(x))]
    for layer in range(len(network.layers)):
        names = ("dW", "db") if network.layers[layer].bias else ("dW",)
        for key in (f"layers.{layer}.{name}" for name in names):
            mean = sum(single[key] for single in one_by_one) / len(x)
            assert_same({key: mean}, whole, 1e-12, keys=[key])
        rows = np.vstack([single[f"layers.{layer}.M"] for single in one_by_one]) / len(x)
        np.testing.assert_allclose(rows, whole[f"layers.{layer}.M"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("loss", "output"), FITS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_backpropagation_is_the_gradient(loss, output, hidden):
    network = network_for(BP, (4, 5, 4, 3), hidden, output, loss)
    for seed in range(300):
        params = lower(network, BP, seed, precision="float64").params
        x, y = batch_for(network, 4, seed)
        if away_from_kinks(network, naive.forward(network, params, x)[0], 1e-3):
            break
    else:
        raise AssertionError("no seed keeps all neurons away from the corners of their activation")
    gradient = naive.central_differences(network, params, x, y)
    assert max(np.max(np.abs(value)) for value in gradient.values()) > 1e-3
    assert_same(nf.updates(network, BP, params, x, y), gradient, 1e-7, absolute=1e-10, keys=gradient)


@pytest.mark.parametrize("loss", ["mse", "half_sse"])
def test_backpropagation_is_the_gradient_in_a_regression(loss):
    network = network_for(BP, (4, 5, 4, 3), "tanh", "identity", loss, task="regression")
    params = lower(network, BP, 0, precision="float64").params
    x, y = batch_for(network, 4)
    gradient = naive.central_differences(network, params, x, y)
    assert_same(nf.updates(network, BP, params, x, y), gradient, 1e-7, absolute=1e-10, keys=gradient)


def test_a_wide_batch_and_network():
    """Sizes at which an engine may work in blocks, none of them a multiple of a block."""
    network = network_for(DFA, (203, 131, 67, 10), "leaky_relu", "softmax", "cce")
    params = lower(network, DFA, 1, precision="float64").params
    x, y = batch_for(network, 97, 1)
    assert_same(nf.updates(network, DFA, params, x, y), naive.updates(network, DFA, params, x, y), 1e-12)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_labels_of_any_integer_type(dtype):
    network = network_for(SDFA, (3, 4, 2))
    params = lower(network, SDFA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    expected = nf.updates(network, SDFA, params, x, y)
    assert_same(nf.updates(network, SDFA, params, x, y.astype(dtype)), expected, 0, absolute=0)


def test_inputs_in_any_memory_order():
    network = network_for(FA, (3, 4, 2))
    params = lower(network, FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    expected = nf.updates(network, FA, params, x, y)
    strided = {key: np.asfortranarray(value) for key, value in params.items()}
    actual = nf.updates(network, FA, strided, np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2)[::2])
    assert_same(actual, expected, 1e-14)


@pytest.mark.parametrize("rule", [FA, NP_FA], ids=lambda rule: rule.name)
def test_an_update_that_overflows_says_so(rule):
    network = network_for(rule, (3, 4, 2), "relu", "identity", "mse")
    params = lower(network, rule, 1, precision="float64").params
    params = {key: 1e200 * value if key.endswith("W") else value for key, value in params.items()}
    x, y = batch_for(network, 5, 1)
    update = nf.updates(network, rule, params, x, y)
    assert not np.isfinite(update["layers.1.dW"]).all()


def test_read_only_inputs_are_accepted():
    network = network_for(NP_FA, (3, 4, 2))
    params = lower(network, NP_FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    for array in (*params.values(), x, y):
        array.flags.writeable = False
    assert_same(nf.updates(network, NP_FA, params, x, y), naive.updates(network, NP_FA, params, x, y), 1e-12)


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_data_that_can_only_be_read_are_neither_copied_nor_compiled_for(mode, tmp_path):
    network = network_for(FA, (3, 4, 2))
    x, y = (np.abs(part) / 10 if part.dtype.kind == "f" else part for part in batch_for(network, 12, 1))
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    labels = y.copy()
    labels.flags.writeable = False
    seen = for_reading(mapped, np.float32)
    assert np.shares_memory(seen, mapped)
    training = Training(epochs=2, batch_size=4, optimiser="sgd")
    spiking = {"spiking": Spiking(sample_ms=10.0, training=training)} if mode == "spiking" else {"training": training}
    usual = nf.train(network, FA, Data(x, y, x, y), mode, **spiking)
    compiled = [len(kernel.signatures) for kernel in (advance, show_samples)]
    run = nf.train(network, FA, Data(mapped, labels, mapped, labels), mode, **spiking)
    assert_same(run.params, usual.params, 0, absolute=0)
    assert [len(kernel.signatures) for kernel in (advance, show_samples)] == compiled
    np.testing.assert_array_equal(mapped, x.astype(np.float32))


def test_results_are_the_callers_own():
    network = network_for(FA, (3, 4, 2))
    params = lower(network, FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    first = nf.updates(network, FA, params, x, y)
    kept = copies(first)
    nf.updates(network, FA, params, x + 1, y)
    assert_same(first, kept, 0, absolute=0)


def test_a_model_stands_for_its_network():
    network = network_for(FA, (3, 4, 2))
    params = lower(network, FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    expected = nf.updates(network, FA, params, x, y)
    assert_same(nf.updates(Model(network), FA, params, x, y), expected, 0, absolute=0)


def test_seed_decides_the_noise():
    network = network_for(NP_FA, (3, 4, 2))
    params = lower(network, NP_FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    first, second = (nf.updates(network, NP_FA, params, x, y, seed=seed) for seed in (1, 2))
    assert np.abs(first["layers.0.dB"] - second["layers.0.dB"]).max() > 1e-6
    np.testing.assert_array_equal(first["layers.0.dW"], second["layers.0.dW"])


def refusals():
    network = network_for(FA, (3, 4, 2))
    params = lower(network, FA, 1, precision="float64").params
    x, y = batch_for(network, 5, 1)
    nan = x.copy()
    nan[2, 1] = np.nan
    given = {"network": network, "params": params, "x": x, "y": y}
    bias_free = with_layer(network, 0, bias=False)
    return {
        "B missing": ({**given, "params": without_feedback(params)}, r"layers\.0\.B"),
        "W missing": ({**given, "params": {k: v for k, v in params.items() if k != "layers.1.W"}}, r"layers\.1\.W"),
        "b missing": ({**given, "params": {k: v for k, v in params.items() if k != "layers.0.b"}}, r"layers\.0\.b"),
        "b too many": ({**given, "network": bias_free}, r"layers\.0\.b"),
        "W of another shape": ({**given, "params": {**params, "layers.0.W": np.zeros((4, 3))}}, r"layers\.0\.W"),
        "B of another shape": ({**given, "params": {**params, "layers.0.B": np.zeros((4, 2))}}, r"layers\.0\.B"),
        "W with NaN": ({**given, "params": {**params, "layers.0.W": np.full((3, 4), np.nan)}}, r"layers\.0\.W"),
        "label too large": ({**given, "y": np.array([0, 1, 2, 0, 1])}, "label"),
        "label negative": ({**given, "y": np.array([0, 1, -1, 0, 1])}, "label"),
        "input too narrow": ({**given, "x": x[:, :2]}, "3"),
        "NaN input": ({**given, "x": nan}, "NaN"),
        "lengths differ": ({**given, "y": y[:4]}, "5|4"),
    }


@pytest.mark.parametrize("case", refusals())
def test_refuses_what_it_cannot_use_in_one_line(case):
    given, culprit = refusals()[case]
    with pytest.raises(InputError, match=culprit) as caught:
        nf.updates(given["network"], FA, given["params"], given["x"], given["y"])
    assert "\n" not in str(caught.value)


def test_refuses_an_unknown_mode():
    network = network_for(FA, (3, 4, 2))
    x, y = batch_for(network, 5, 1)
    with pytest.raises(InputError, match="mode"):
        nf.updates(network, FA, lower(network, FA).params, x, y, mode="analogue")
