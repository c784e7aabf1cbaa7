"""`nf.train` in rate mode against the oracle's loop, float64, batches in order."""

import naive
import naive_training
import numpy as np
import pytest
from support import ACTIVATIONS, FITS, assert_same, data_for, network_for, protocol, with_layer

import neurofa as nf
from neurofa.rules import BP, DFA, DRTP, FA, MATCHING, MDFA, NP_FA, PRESETS, lower
from neurofa.spec import Feedback, InputError, Optimiser, Perturbation, Rule

OPTIMISERS = {
    "sgd": Optimiser("sgd"),
    "momentum": Optimiser("momentum", momentum=0.8),
    "nesterov": Optimiser("nesterov", momentum=0.7),
    "adam": Optimiser("adam", beta1=0.8, beta2=0.95),
    "rmsprop": Optimiser("rmsprop", alpha=0.9, epsilon=1e-6),
}
RATES = {"sgd": 0.3, "momentum": 0.1, "nesterov": 0.1, "adam": 0.01, "rmsprop": 0.01}
BY_HAND = {
    "sign_sequential_sign": Rule("error_sign", "sequential", "sign_transpose"),
    "target_sequential": Rule("target", "sequential", "random"),
    "unit_sign": Rule("error", "sequential", Feedback("sign_transpose", magnitude="unit")),
    "fixed_random_sign": Rule("error", "sequential", Feedback("sign_transpose", magnitude="fixed_random")),
    "direct_transpose": Rule("error", "direct", "transpose"),
    "direct_initial_transpose": Rule("error", "direct", "initial_transpose"),
    "direct_sign": Rule("error", "direct", "sign_transpose"),
    "direct_pseudoinverse": Rule("error", "direct", "pseudoinverse"),
    "pseudoinverse_every_3": Rule("error", "sequential", Feedback("pseudoinverse", every=3)),
    "monotone_transpose": Rule("error", "sequential", "transpose", "monotone"),
    "ridge_sequential": Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.05, "ridge")),
    "ridge_direct": Rule("error", "direct", "perturbation", perturbation=Perturbation(0.05, "ridge", ridge=0.5)),
    "gradient_fast": Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.1, learning_rate=0.3)),
}
RULES = {**PRESETS, **BY_HAND}


def both(network, rule, training, *, seed=4, data=None):
    """The engine's run, the oracle's parameters and the initial ones."""
    data = data_for(network) if data is None else data
    plan = lower(network, rule, seed, precision="float64")
    magnitudes = {route.layer: route.basis for route in plan.feedback if route.basis is not None}
    expected = naive_training.train(
        network, training, rule, plan.params, data.x_train, data.y_train, seed, magnitudes=magnitudes
    )
    return nf.train(network, rule, data, seed=seed, training=training), expected, plan.params


def changed(new, old):
    """Keys whose values moved."""
    return {key for key in old if np.abs(new[key] - old[key]).max() > 1e-6}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_every_rule(name, kind):
    rule = RULES[name]
    network = network_for(rule, (6, 7, 5, 3), "tanh", "sigmoid", "bce")
    training = protocol(learning_rate=RATES[kind], optimiser=Optimiser(kind, weight_decay=0.01))
    run, expected, initial = both(network, rule, training)
    assert set(run.params) == set(expected)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)
    learning = {"layers.2.W", "layers.2.b"} if rule.signal == "none" else {k for k in initial if not k.endswith(".B")}
    assert {key for key in changed(run.params, initial) if not key.endswith(".B")} == learning


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("rates", ["one", "each"])
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_every_optimiser(kind, rates, decay):
    network = network_for(BP, (6, 7, 5, 3), "tanh", "softmax", "cce")
    rate = RATES[kind] if rates == "one" else (RATES[kind], 0.0, RATES[kind] / 3)
    options = {field: getattr(OPTIMISERS[kind], field) for field in ("momentum", "beta1", "beta2", "alpha", "epsilon")}
    training = protocol(learning_rate=rate, optimiser=Optimiser(kind, weight_decay=decay, **options))
    run, expected, initial = both(network, BP, training)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)
    assert ("layers.1.W" in changed(run.params, initial)) == (rates == "one")


@pytest.mark.parametrize("rule", [DFA, MDFA, MATCHING, NP_FA], ids=lambda rule: rule.name)
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_every_optimiser_with_other_rules(kind, rule):
    network = network_for(rule, (6, 7, 5, 3), "leaky_relu", "sigmoid", "mse")
    training = protocol(learning_rate=(RATES[kind], RATES[kind] / 2, RATES[kind] / 4), optimiser=OPTIMISERS[kind])
    run, expected, _ = both(network, rule, training)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("batch_size", [0, 1, 4, 22, 23])
@pytest.mark.parametrize("name", ["bp", "drtp", "np_dfa", "node_perturbation", "pseudo_bp"])
def test_every_batch_size(name, batch_size):
    network = network_for(PRESETS[name], (6, 7, 5, 3))
    run, expected, _ = both(network, PRESETS[name], protocol(batch_size=batch_size, optimiser="momentum"))
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("rule", [BP, DRTP], ids=lambda rule: rule.name)
def test_every_hidden_activation(rule, hidden):
    network = network_for(rule, (6, 7, 5, 3), hidden)
    run, expected, _ = both(network, rule, protocol())
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize(("loss", "output"), FITS)
def test_every_loss(loss, output):
    network = network_for(FA, (6, 7, 5, 3), "tanh", output, loss)
    run, expected, _ = both(network, FA, protocol(learning_rate=0.03))
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("rule", [BP, DFA, NP_FA], ids=lambda rule: rule.name)
def test_regression(rule):
    network = network_for(rule, (6, 7, 2), "tanh", "identity", "mse", task="regression")
    run, expected, _ = both(network, rule, protocol())
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


def test_targets_of_the_network_are_used():
    network = network_for(BP, (6, 7, 3), "tanh", "tanh", "mse", targets=(-0.9, 0.9))
    run, expected, _ = both(network, BP, protocol())
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 4, 4, 4, 3), (1, 1, 1)])
@pytest.mark.parametrize("rule", [BP, DFA, NP_FA], ids=lambda rule: rule.name)
def test_every_depth(rule, sizes):
    loss = ("sigmoid", "bce")
    run, expected, _ = both(network_for(rule, sizes, "tanh", *loss), rule, protocol())
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("rule", [BP, DRTP], ids=lambda rule: rule.name)
def test_a_network_that_an_engine_may_split_into_blocks(rule, kind, monkeypatch):
    monkeypatch.setattr("neurofa.engines.rate.BLOCK", 1000)  # rows of these layers then need several blocks
    network = network_for(rule, (203, 131, 67, 10))
    data = data_for(network, 127)
    training = protocol(epochs=2, batch_size=60, learning_rate=RATES[kind] / 10, optimiser=kind)
    run, expected, _ = both(network, rule, training, data=data)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


def test_each_epoch_has_an_order_of_its_own_from_the_seeds_stream():
    network = network_for(BP, (6, 7, 5, 3))
    data, shuffle = data_for(network), np.random.default_rng(np.random.SeedSequence(4).spawn(11)[2])
    run = nf.train(network, BP, data, seed=4, training=protocol(shuffle=True))
    params = lower(network, BP, 4, precision="float64").params
    for _ in range(protocol().epochs):
        order = shuffle.permutation(len(data.x_train))
        x, y = data.x_train[order], data.y_train[order]
        params = naive_training.train(network, protocol(), BP, params, x, y, epochs=1)  # without memory of the last one
    assert_same(run.params, params, 1e-9, absolute=1e-11)


@pytest.mark.parametrize(("output", "loss"), [("sigmoid", "bce"), ("tanh", "mse"), ("identity", "exponential")])
@pytest.mark.parametrize("name", ["bp", "sdfa", "drtp", "mdfa", "node_perturbation"])
def test_one_output_for_two_classes(name, output, loss):
    """Label 1 is the class for which the output should be high, as in Lechner 2020."""
    if name == "drtp" and output == "identity":
        return
    network = network_for(PRESETS[name], (6, 7, 1), "tanh", output, loss)
    data = data_for(network)
    assert set(data.y_train) == {0, 1}
    run, expected, _ = both(network, PRESETS[name], protocol(), data=data)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)
    assert run.test_error == pytest.approx(naive.test_error(network, expected, data.x_test, data.y_test))


@pytest.mark.parametrize("bias", [(False, False, False), (True, False, True), (False, True, False)])
def test_layers_without_a_bias(bias):
    network = network_for(BP, (6, 7, 5, 3))
    for index, value in enumerate(bias):
        network = with_layer(network, index, bias=value)
    run, expected, _ = both(network, BP, protocol(optimiser="adam"))
    assert set(run.params) == set(expected)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("rule", [BP, DFA, MATCHING], ids=lambda rule: rule.name)
def test_a_layer_that_is_not_plastic_stays(rule, index):
    network = with_layer(network_for(rule, (6, 7, 5, 3)), index, plastic=False)
    training = protocol(optimiser=Optimiser("momentum", weight_decay=0.1))
    run, expected, initial = both(network, rule, training)
    for name in "Wb":
        np.testing.assert_array_equal(run.params[f"layers.{index}.{name}"], initial[f"layers.{index}.{name}"])
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize("name", PRESETS)
def test_float32_follows_the_oracle(name):
    rule = PRESETS[name]
    if rule.perturbation is not None:  # float32 loses digits in a difference of losses that small noise divides
        rule = Rule(rule.signal, rule.route, rule.feedback, perturbation=Perturbation(0.5))
    network = network_for(rule, (6, 7, 5, 3))
    data = data_for(network)
    training = protocol(precision="float32", learning_rate=0.05)
    start = {key: value.astype(np.float64) for key, value in lower(network, rule, 4).params.items()}
    expected = naive_training.train(network, training, rule, start, data.x_train, data.y_train, 4)
    run = nf.train(network, rule, data, seed=4, training=training)
    assert all(value.dtype == np.float32 for value in run.params.values())
    assert_same(run.params, expected, 1e-4, absolute=1e-5)


def test_weights_under_the_monotone_constraint_reach_its_bound_and_no_lower():
    network = network_for(MDFA, (6, 7, 5, 3))
    run, expected, _ = both(network, MDFA, protocol(epochs=6, learning_rate=2.0))
    for index in (1, 2):
        assert run.params[f"layers.{index}.W"].min() == pytest.approx(1e-6, rel=1e-9)
    assert run.params["layers.0.W"].min() < 0
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


def test_initial_parameters_can_be_given_and_are_left_alone():
    network = network_for(FA, (6, 7, 5, 3))
    data, params = data_for(network), lower(network, FA, 11, precision="float64").params
    kept = {key: value.copy() for key, value in params.items()}
    run = nf.train(network, FA, data, seed=4, training=protocol(), params=params)
    expected = naive_training.train(network, protocol(), FA, params, data.x_train, data.y_train, 4)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)
    assert_same(params, kept, 0, absolute=0)


def test_no_epochs_leave_the_initial_parameters():
    network = network_for(FA, (6, 7, 5, 3))
    data = data_for(network)
    run = nf.train(network, FA, data, seed=4, training=protocol(), epochs=0)
    params = lower(network, FA, 4, precision="float64").params
    assert_same(run.params, params, 0, absolute=0)
    assert run.test_error == pytest.approx(naive.test_error(network, params, data.x_test, data.y_test))


def test_epochs_given_to_train_replace_the_protocols():
    network = network_for(FA, (6, 7, 5, 3))
    data = data_for(network)
    run = nf.train(network, FA, data, seed=4, training=protocol(), epochs=1)
    params = lower(network, FA, 4, precision="float64").params
    expected = naive_training.train(network, protocol(), FA, params, data.x_train, data.y_train, 4, epochs=1)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


def test_refuses_a_batch_larger_than_the_data():
    network = network_for(BP, (6, 7, 3))
    with pytest.raises(InputError, match="24") as caught:
        nf.train(network, BP, data_for(network), training=protocol(batch_size=24))
    assert "\n" not in str(caught.value)
