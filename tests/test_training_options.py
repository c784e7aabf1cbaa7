"""Dropout, early stopping, label noise and batches, as a run uses them."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from running import SIZES, assert_equal_runs, with_validation
from support import assert_same, data_for, network_for, protocol, with_layer

import neurofa as nf
from neurofa.engines.rate import RateEngine
from neurofa.kernels.masks import drop
from neurofa.rules import BP, DFA, FA, NODE_PERTURBATION, NP_FA, lower
from neurofa.spec import InputError, Layer, Network
from neurofa.spec.seeds import streams

# ---------------------------------------------------------------------------- dropout


def mask(rate, shape, *, key=5, step=0, layer=0, dtype=np.float64):
    """Factors of the activities, (n_neurons, batch)."""
    a = np.ones(shape, dtype)
    drop(a, rate, key, step, layer, a, False)
    return a


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_the_expected_share_is_silenced_and_the_mean_is_kept(rate, dtype):
    factors = mask(rate, (400, 250), dtype=dtype)
    assert set(np.unique(factors)) == {0, dtype(1 / (1 - rate))}
    silenced, deviation = factors == 0, np.sqrt(rate * (1 - rate) / factors.size)
    assert abs(silenced.mean() - rate) < 4 * deviation
    assert abs(factors.mean(dtype=np.float64) - 1) < 4 * deviation / (1 - rate)
    for axis, n in ((0, 400), (1, 250)):  # no neuron and no sample fares otherwise than the rest
        assert np.abs(silenced.mean(axis) - rate).max() < 5 * np.sqrt(rate * (1 - rate) / n)


def test_masks_of_other_updates_layers_and_seeds_are_independent():
    reference = mask(0.5, (200, 100)) > 0
    for other in ({"step": 1}, {"step": 2}, {"layer": 1}, {"key": 6}):
        agreement = np.mean((mask(0.5, (200, 100), **other) > 0) == reference)
        assert abs(agreement - 0.5) < 4 * 0.5 / np.sqrt(reference.size), other
    shifted = np.mean(reference[1:] == reference[:-1])
    assert abs(shifted - 0.5) < 4 * 0.5 / np.sqrt(reference.size)


def test_a_signal_that_comes_back_meets_the_same_mask():
    a, other = np.full((40, 7), 3.0), np.full((40, 7), -2.0)
    drop(a, 0.3, 5, 0, 0, other, True)
    np.testing.assert_array_equal(other / -2.0, a / 3.0)
    assert (other == 0).any()


def test_dropout_keeps_the_mean_of_a_layers_input():
    """A linear neuron that averages its inputs, all of them 1: its bias moves by the mean output of a full batch."""
    n, inputs, rate = 300, 200, 0.4
    network = Network(inputs, (Layer(1, "identity", dropout=rate),), "half_sse", task="regression")
    data = nf.Data(np.ones((n, inputs)), np.zeros((n, 1)), np.ones((1, inputs)), np.zeros((1, 1)), task="regression")
    given = {"layers.0.W": np.full((inputs, 1), 1 / inputs), "layers.0.b": np.zeros(1)}
    training = protocol(epochs=1, batch_size=0, learning_rate=1.0)
    run = nf.train(network, BP, data, training=training, params=given)
    deviation = np.sqrt(rate / (1 - rate) / (n * inputs))
    mean = -run.params["layers.0.b"][0]
    assert mean != 1
    assert abs(mean - 1) < 4 * deviation
    # the loss of a batch is half the mean square of 1 + noise of variance rate / (1 - rate) / inputs
    assert float(run.history.train_loss[0]) == pytest.approx((1 + rate / (1 - rate) / inputs) / 2, rel=0.01)


@pytest.mark.parametrize("hidden", ["tanh", "relu", "identity"])
def test_backpropagation_under_dropout_is_the_gradient_for_its_masks(hidden):
    """One update against central differences of the loss that the same masks give."""
    network, rate = network_for(BP, (8, 9, 7, 3), hidden, dropout=0.3), 0.1
    data, n = data_for(network, 6), 6
    before = lower(network, BP, 4, precision="float64").params
    training = protocol(epochs=1, batch_size=0, learning_rate=rate)
    run = nf.train(network, BP, data, seed=4, training=training)
    key = int(streams(4).dropout.integers(2**63))
    masks = [mask(0.3, (size, n), key=key, layer=layer).T for layer, size in enumerate(network.sizes[:-1])]
    assert all((factors == 0).any() for factors in masks)

    def loss(params):
        a, z = data.x_train.astype(np.float64), None
        for index, layer in enumerate(network.layers):
            z = (a * masks[index]) @ params[f"layers.{index}.W"] + params[f"layers.{index}.b"]
            a = np.array([naive.activate(layer, row) for row in z])
        targets = [naive.target_of(network, label) for label in data.y_train]
        return np.mean([naive.sample_loss(network, *row) for row in zip(z, a, targets, strict=True)])

    assert float(run.history.train_loss[0]) == pytest.approx(loss(before), rel=1e-12)
    step, gradient = 1e-5, {}
    for name in (key for key in before if not key.endswith(".B")):
        gradient[name] = np.zeros_like(before[name])
        for place in np.ndindex(*before[name].shape):
            above, below = before[name].copy(), before[name].copy()
            above[place] += step
            below[place] -= step
            gradient[name][place] = (loss({**before, name: above}) - loss({**before, name: below})) / (2 * step)
    change = {name: (before[name] - run.params[name]) / rate for name in gradient}
    assert_same(change, gradient, 1e-6, absolute=1e-9)


@pytest.mark.parametrize("rule", [BP, DFA, NP_FA, NODE_PERTURBATION], ids=lambda rule: rule.name)
def test_dropout_does_not_act_in_evaluation_probes_and_single_updates(rule):
    plain, dropped = network_for(rule, SIZES), network_for(rule, SIZES, dropout=0.5)
    data, training = data_for(plain), protocol(epochs=1, learning_rate=0.0)
    runs = [nf.train(network, rule, data, seed=4, training=training) for network in (plain, dropped)]
    for name in ("test_loss", "test_error", "weight_norm", "activation_histogram"):
        np.testing.assert_array_equal(runs[1].history[name], runs[0].history[name], err_msg=name)
    for name in ("alignment_deg", "update_angle_deg"):  # before the first update, since feedback may learn
        np.testing.assert_array_equal(runs[1].history[name][0], runs[0].history[name][0], err_msg=name)
    assert float(runs[1].history.train_loss[0]) != float(runs[0].history.train_loss[0])
    updates = [nf.updates(network, rule, runs[0].params, data.x_train, data.y_train) for network in (plain, dropped)]
    assert_same(updates[1], updates[0], 0, absolute=0)


def test_each_layer_has_its_own_dropout():
    """Only the inputs of the layer that has it are silenced: rows of dW are zero there alone."""
    network = with_layer(network_for(FA, (40, 30, 3)), 1, dropout=0.5)
    before = lower(network, FA, 4, precision="float64").params
    training = protocol(epochs=1, batch_size=1, learning_rate=0.5)
    run = nf.train(network, FA, data_for(network, 1), seed=4, training=training)
    silent = [np.all(run.params[f"layers.{layer}.W"] == before[f"layers.{layer}.W"], axis=1) for layer in (0, 1)]
    assert not silent[0].any()
    assert 5 <= silent[1].sum() <= 25


def test_a_dropout_mask_depends_on_the_seed_and_on_the_update():
    network = network_for(FA, SIZES, dropout=0.5)
    keys = {RateEngine(lower(network, FA), batch_size=1, seed=seed).dropout_key for seed in range(20)}
    assert len(keys) == 20
    data = data_for(network)
    training = protocol(epochs=4, batch_size=0, learning_rate=0.0)
    losses = nf.train(network, FA, data, training=training).history.train_loss.values
    assert len(set(losses)) == 4


# ---------------------------------------------------------------------------- early stopping


@pytest.mark.parametrize(("patience", "seed"), [(1, 0), (2, 3), (4, 2)])
def test_early_stopping_keeps_the_best_epoch(patience, seed):
    network = network_for(BP, SIZES)
    data = with_validation(network)
    options = {"optimiser": "adam", "learning_rate": 0.3}
    training = protocol(epochs=60, early_stopping=patience, **options)
    run = nf.train(network, BP, data, seed=seed, training=training, probe_every=0)
    errors = run.history.validation_error.values
    best = int(np.argmin(errors))  # the first of equals
    assert len(errors) == best + 1 + patience < 60
    plain = nf.train(network, BP, data, seed=seed, training=protocol(epochs=best + 1, **options), probe_every=0)
    assert_same(run.params, plain.params, 0, absolute=0)
    later = nf.train(network, BP, data, seed=seed, training=protocol(epochs=len(errors), **options), probe_every=0)
    assert np.abs(later.params["layers.0.W"] - run.params["layers.0.W"]).max() > 1e-3
    assert run.test_error == float(run.history.test_error[best])
    np.testing.assert_array_equal(run.history.validation_error, later.history.validation_error)


def test_early_stopping_with_patience_to_spare_runs_to_the_end():
    network = network_for(BP, SIZES)
    data = with_validation(network)
    run = nf.train(network, BP, data, training=protocol(epochs=5, early_stopping=50))
    assert run.history.sizes["epoch"] == 5


def test_early_stopping_without_a_validation_set_is_refused():
    network = network_for(BP, SIZES)
    with pytest.raises(InputError, match="validation") as caught:
        nf.train(network, BP, data_for(network), training=protocol(early_stopping=2))
    assert "\n" not in str(caught.value)


def test_the_validation_set_does_not_train():
    network = network_for(BP, SIZES)
    data = with_validation(network)
    other = replace(data, x_validation=-data.x_validation)
    first, second = (nf.train(network, BP, each, seed=4, training=protocol()) for each in (data, other))
    assert_same(first.params, second.params, 0, absolute=0)
    assert (first.history.validation_loss != second.history.validation_loss).all()


# ---------------------------------------------------------------------------- label noise


def test_label_noise_reaches_training_labels_only():
    clean, noisy = (nf.load_data("digits", seed=3, validation=0.2, label_noise=noise) for noise in (0.0, 0.3))
    np.testing.assert_array_equal(noisy.x_train, clean.x_train)
    for part in ("y_test", "y_validation"):
        np.testing.assert_array_equal(getattr(noisy, part), getattr(clean, part))
    assert np.mean(noisy.y_train != clean.y_train) == pytest.approx(0.3, abs=1e-3)


def test_a_run_on_noisy_labels_is_judged_by_true_ones():
    network = Network.dense((64, 40, 10), "tanh", "softmax", "cce")
    data = nf.load_data("digits", label_noise=0.4)
    run = nf.train(network, BP, data, training=protocol(epochs=6, batch_size=20, optimiser="adam", learning_rate=3e-3))
    assert run.test_error < 0.25
    assert float(run.history.train_error[-1]) > 0.35


# ---------------------------------------------------------------------------- batches


@pytest.mark.parametrize("batch_size", [0, 23])
def test_a_full_batch_is_one_update_an_epoch(batch_size):
    network = network_for(FA, SIZES)
    training = protocol(epochs=3, batch_size=batch_size)
    run = nf.train(network, FA, data_for(network), training=training, probe_every=1)
    assert list(run.history.probe) == [0, 1, 2, 3]
    assert_equal_runs(run, nf.train(network, FA, data_for(network), training=protocol(epochs=3, batch_size=0)))


def test_single_samples_are_an_update_each():
    network = network_for(FA, SIZES)
    run = nf.train(network, FA, data_for(network), training=protocol(epochs=1, batch_size=1))
    assert list(run.history.probe) == [0, 23]


def test_a_data_set_of_one_sample_trains():
    network = network_for(FA, SIZES)
    data = data_for(network, 1, 1)
    run = nf.train(network, FA, data, seed=4, training=protocol(batch_size=1, epochs=30, learning_rate=1.0))
    assert float(run.history.train_loss[-1]) < 0.5 * float(run.history.train_loss[0])


def test_a_single_output_learns_two_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    data = nf.Data(x[:150], y[:150], x[150:], y[150:], name="quadrants")
    network = Network.dense((2, 30, 1), "tanh", "sigmoid", "bce")
    training = protocol(epochs=60, batch_size=10, optimiser="adam", learning_rate=0.02, shuffle=True)
    run = nf.train(network, BP, data, training=training, probe_every=0)
    assert run.test_error < 0.1
    z, _ = naive.forward(network, run.params, data.x_test)
    assert run.test_error == np.mean((z[-1][:, 0] > 0) != data.y_test)


# ---------------------------------------------------------------------------- augmentation of one's own


ONLINE = nf.Training(epochs=2, batch_size=1, learning_rate=1e-4, optimiser="sgd")


def in_unit_interval(network):
    """Data that spikes can take."""
    data = data_for(network, 24)
    x = np.abs(data.x_train) / np.abs(data.x_train).max()
    return nf.Data(x, data.y_train, x, data.y_train)


def test_what_an_augmentation_returns_is_trained_on():
    network = network_for(DFA, SIZES)
    data = data_for(network, 24)
    training = protocol(epochs=2, batch_size=6)
    halved = replace(data, x_train=data.x_train / 2)
    run = nf.train(network, DFA, data, training=training, augment=lambda x, rng: x / 2)
    assert_same(run.params, nf.train(network, DFA, halved, training=training).params, 0)


@pytest.mark.parametrize("mode", ["rate", "spiking"])
@pytest.mark.parametrize(
    ("augment", "part"),
    [
        (lambda x, rng: None, "returned None"),
        (lambda x, rng: x[:-1], f"shape (23, {SIZES[0]})"),
        (lambda x, rng: x[:, :2], "shape (24, 2)"),
        (lambda x, rng: x.astype(str), "type <U32"),
        (lambda x, rng: x * np.nan, "NaN"),
    ],
)
def test_an_augmentation_that_returns_something_else(augment, part, mode):
    network = network_for(DFA, SIZES)
    with pytest.raises(InputError) as caught:
        nf.train(network, DFA, in_unit_interval(network), mode, training=ONLINE, augment=augment)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_augmentation_that_writes_the_same_array_again_is_looked_at_again():
    network, calls = network_for(DFA, SIZES), []
    data = in_unit_interval(network)
    buffer = np.zeros_like(data.x_train)

    def augment(x, rng):
        buffer[:] = x * (1 + 9 * len(calls))
        calls.append(1)
        return buffer

    with pytest.raises(InputError, match=r"inputs .*\[0, 1\]"):
        nf.train(network, DFA, data, "spiking", training=ONLINE, augment=augment)
    assert len(calls) == 2
