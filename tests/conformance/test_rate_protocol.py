"""The training protocol in rate mode: seeds, threads, dropout, schedules, resuming, and what the history says."""

import naive
import naive_training
import numpy as np
import pytest
from support import assert_same, data_for, network_for, protocol, with_layer

import neurofa as nf
from neurofa.rules import BP, DFA, FA, NP_FA, PRESETS, lower
from neurofa.spec import Perturbation, Rule, Schedule

RIDGE = Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.05, "ridge"))


def test_losses_and_errors_of_the_history_are_those_of_the_parameters():
    network = network_for(FA, (6, 7, 5, 3))
    data, training = data_for(network), protocol(optimiser="adam")
    params = lower(network, FA, 4, precision="float64").params
    history = nf.train(network, FA, data, seed=4, training=training).history
    assert list(history.epoch.values) == [1, 2, 3]
    for epoch in (1, 2, 3):
        after = naive_training.train(network, training, FA, params, data.x_train, data.y_train, 4, epochs=epoch)
        row = history.sel(epoch=epoch)
        assert float(row.test_loss) == pytest.approx(naive.loss(network, after, data.x_test, data.y_test), rel=1e-6)
        assert float(row.test_error) == pytest.approx(naive.test_error(network, after, data.x_test, data.y_test))


def test_probing_does_not_change_the_run():
    network = network_for(NP_FA, (6, 7, 5, 3))
    data = data_for(network)
    plain = nf.train(network, NP_FA, data, seed=4, training=protocol())
    probed = nf.train(network, NP_FA, data, seed=4, training=protocol(), probe_every=1)
    assert_same(probed.params, plain.params, 1e-12)


@pytest.mark.parametrize("rule", [BP, NP_FA], ids=lambda rule: rule.name)
def test_one_seed_one_result(rule):
    network = network_for(rule, (6, 7, 5, 3), dropout=0.2)
    data, training = data_for(network), protocol(shuffle=True)
    first, second, other = (nf.train(network, rule, data, seed=seed, training=training) for seed in (1, 1, 2))
    assert_same(first.params, second.params, 0, absolute=0)
    assert np.abs(first.params["layers.0.W"] - other.params["layers.0.W"]).max() > 1e-3


def test_shuffling_changes_the_order_only():
    """In one full batch the order of samples does not matter; in small batches it does."""
    network = network_for(BP, (6, 7, 5, 3))
    data = data_for(network)
    for size, same in ((0, True), (5, False)):
        runs = [
            nf.train(network, BP, data, seed=4, training=protocol(batch_size=size, shuffle=shuffle)).params
            for shuffle in (False, True)
        ]
        distance = np.abs(runs[0]["layers.0.W"] - runs[1]["layers.0.W"]).max()
        assert (distance < 1e-12) == same


@pytest.mark.parametrize("batch_size", [0, 5])
def test_training_loss_is_taken_before_each_update(batch_size):
    network = network_for(FA, (6, 7, 5, 3))
    data = data_for(network)
    params = lower(network, FA, 4, precision="float64").params
    training = protocol(batch_size=batch_size, learning_rate=0.0)
    history = nf.train(network, FA, data, seed=4, training=training).history
    loss = naive.loss(network, params, data.x_train, data.y_train)
    np.testing.assert_allclose(history.train_loss.values, loss, rtol=1e-6)
    error = naive.test_error(network, params, data.x_train, data.y_train)
    np.testing.assert_allclose(history.train_error.values, error, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rule", [BP, DFA, NP_FA], ids=lambda rule: rule.name)
def test_every_number_of_threads(rule, threads, monkeypatch):
    monkeypatch.setattr("neurofa.engines.rate.BLOCK", 1000)  # rows of these layers then need several blocks
    network = network_for(rule, (203, 131, 67, 10))
    data = data_for(network, 127)
    training = protocol(epochs=1, batch_size=60, optimiser="momentum")
    params = lower(network, rule, 4, precision="float64").params
    expected = naive_training.train(network, training, rule, params, data.x_train, data.y_train, 4)
    run = nf.train(network, rule, data, seed=4, training=training, threads=threads)
    assert_same(run.params, expected, 1e-9, absolute=1e-11)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Schedule("step", factor=0.5, every=2), [1, 1, 0.5, 0.5, 0.25]),
        (Schedule("step", factor=0.1, milestones=(1, 4)), [1, 0.1, 0.1, 0.1, 0.01]),
        (Schedule("plateau", factor=0.5, patience=1), None),
    ],
)
def test_schedules_multiply_the_rates(schedule, factors):
    network = network_for(FA, (6, 7, 3))
    data, rates = data_for(network), (8.0, 4.0)  # large, so that the loss also rises
    training = protocol(epochs=5, learning_rate=rates, schedule=schedule)
    run = nf.train(network, FA, data, seed=4, training=training)
    used = run.history.learning_rate.values
    if factors is None:
        losses, factors, falls, best = run.history.train_loss.values, [], 0, np.inf
        for loss in losses:
            factors.append(0.5**falls)
            falls, best = falls + (loss >= best), min(loss, best)
        assert falls > 0
    np.testing.assert_allclose(used, np.outer(factors, rates))
    expected = lower(network, FA, 4, precision="float64").params
    for row in used:
        one = protocol(epochs=1, learning_rate=tuple(float(rate) for rate in row))
        expected = naive_training.train(network, one, FA, expected, data.x_train, data.y_train, 4)
    assert_same(run.params, expected, 1e-9, absolute=1e-10)


@pytest.mark.parametrize("rule", [PRESETS["pseudo_bp"], NP_FA, RIDGE], ids=["pseudo_bp", "np_fa", "ridge"])
def test_a_resumed_run_ends_where_an_unbroken_one_does(rule, tmp_path):
    network = network_for(rule, (6, 7, 5, 3), dropout=0.1)
    data = data_for(network)
    options = {"shuffle": True, "optimiser": "adam", "learning_rate": 0.01}
    whole = nf.train(network, rule, data, seed=4, training=protocol(epochs=4, **options))
    nf.train(network, rule, data, seed=4, training=protocol(epochs=2, **options), out=tmp_path)
    rest = nf.train(network, rule, data, seed=4, training=protocol(epochs=4, **options), out=tmp_path, resume=True)
    assert_same(rest.params, whole.params, 0, absolute=0)
    np.testing.assert_array_equal(rest.history.test_loss.values, whole.history.test_loss.values)


@pytest.mark.parametrize("rule", [BP, FA, DFA], ids=lambda rule: rule.name)
def test_dropout_silences_inputs_and_scales_the_others(rule):
    """One update from one sample: each row of dW tells whether its input was silenced.

    Dropout stands before a layer. An error that goes back through a layer passes its dropout; a direct signal
    enters at the activity, before the dropout.
    """
    p, rate = 0.25, 0.5
    network = network_for(rule, (300, 200, 3), "tanh", "sigmoid", "bce", dropout=p)
    data = data_for(network, 1)
    before = lower(network, rule, 4, precision="float64").params
    run = nf.train(network, rule, data, seed=4, training=protocol(epochs=1, batch_size=1, learning_rate=rate))
    change = {key: (before[key] - run.params[key]) / rate for key in before}
    a, factors = data.x_train[0].astype(np.float64), []
    for index in (0, 1):
        dW, delta = change[f"layers.{index}.W"], change[f"layers.{index}.b"]
        factor = dW @ delta / (delta @ delta) / a  # dW is the outer product of (a times the factor) and delta
        kept = np.abs(factor) > 0.5
        np.testing.assert_allclose(factor[kept], 1 / (1 - p), rtol=1e-6)
        np.testing.assert_allclose(factor[~kept], 0, atol=1e-6)
        assert 0.6 < kept.mean() < 0.9
        factors.append(np.where(kept, 1 / (1 - p), 0))
        z = (a * factors[-1]) @ before[f"layers.{index}.W"] + before[f"layers.{index}.b"]
        a = np.tanh(z)
        if index == 0:
            slope = 1 - a**2
    e = change["layers.1.b"]
    np.testing.assert_allclose(e, (1 / (1 + np.exp(-z)) - np.eye(3)[data.y_train[0]]) / 3, rtol=1e-9)
    B = before["layers.1.W"].T if rule is BP else before["layers.0.B"]
    gate = 1 if rule is DFA else factors[1]
    np.testing.assert_allclose(change["layers.0.b"], e @ B * gate * slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dropped", [(0,), (1,), (2,), (0, 1, 2)])
def test_both_passes_of_node_perturbation_drop_the_same(dropped):
    """Losses of the two passes then differ by about the noise; anything else would be divided by it."""
    noise_std = 1e-6
    rule = Rule("loss_change", "broadcast", "none", perturbation=Perturbation(noise_std))
    network = network_for(rule, (6, 7, 5, 3), "tanh", "sigmoid", "bce")
    for index in dropped:
        network = with_layer(network, index, dropout=0.4)
    data = data_for(network)
    before = lower(network, rule, 4, precision="float64").params
    after = nf.train(network, rule, data, seed=4, training=protocol(learning_rate=1.0, epochs=1)).params
    change = np.abs(after["layers.0.W"] - before["layers.0.W"])
    assert 1e-3 < change.max() < 100


def test_no_dropout_in_evaluation():
    network = network_for(BP, (6, 7, 3), dropout=0.5)
    data = data_for(network)
    run = nf.train(network, BP, data, seed=4, training=protocol(learning_rate=0.0, epochs=1))
    params = lower(network, BP, 4, precision="float64").params
    loss = naive.loss(network, params, data.x_test, data.y_test)
    assert float(run.history.test_loss[-1]) == pytest.approx(loss, rel=1e-6)
