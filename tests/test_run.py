"""Runs from start to end: one seed one result, losses and errors, divergence."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from running import ADAM, RIDGE, SIZES, assert_equal_runs, recorded_epochs, with_validation
from support import assert_same, data_for, network_for, protocol

import neurofa as nf
from neurofa.io.checkpoint import load_checkpoint
from neurofa.kernels.dense import chunks_for
from neurofa.rules import BP, DFA, FA, MDFA, NP_FA, PRESETS, SHALLOW, lower
from neurofa.run import CHECKPOINT, Diverged
from neurofa.spec import Init, InputError, Layer, Network

# ---------------------------------------------------------------------------- one seed, one result


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_bits(name):
    network = network_for(PRESETS[name], SIZES, dropout=0.1)
    options = {"data": data_for(network), "training": protocol(precision="float32", **ADAM)}
    first, again, other = (nf.train(network, PRESETS[name], seed=seed, **options) for seed in (1, 1, 2))
    assert_equal_runs(again, first)
    assert np.abs(first.params["layers.0.W"] - other.params["layers.0.W"]).max() > 1e-3


def test_every_rule_starts_from_the_same_weights():
    network = Network.dense(SIZES, init=Init("abs_normal", std=0.3))  # not negative: the monotone rule takes it too
    data = data_for(network)
    runs = [nf.train(network, rule, data, seed=4, training=protocol(epochs=0)).params for rule in PRESETS.values()]
    forward = [key for key in runs[0] if not key.endswith(".B")]
    assert len(forward) == 6
    for params in runs[1:]:
        for key in forward:
            np.testing.assert_array_equal(params[key], runs[0][key])


def test_every_rule_sees_the_samples_in_the_same_order():
    """A shallow network has no hidden layer that rules could differ in."""
    network = network_for(BP, (6, 3))
    data, training = data_for(network), protocol(**ADAM)
    runs = [nf.train(network, rule, data, seed=4, training=training).params for rule in (BP, DFA, NP_FA, SHALLOW)]
    for params in runs[1:]:
        np.testing.assert_array_equal(params["layers.0.W"], runs[0]["layers.0.W"])


@pytest.mark.parametrize("rule", [BP, DFA, RIDGE], ids=lambda rule: rule.name)
def test_threads_change_the_last_bits_at_most(rule):
    sizes, batch = (300, 200, 90, 10), 100
    assert chunks_for(batch * sizes[0] * sizes[1], sizes[0], 2) == 2  # large enough to be split
    network = network_for(rule, sizes)
    options = {"data": data_for(network, 200), "seed": 4, "probe_every": 0}
    training = protocol(epochs=2, batch_size=batch, precision="float32", learning_rate=0.05, shuffle=True)
    one, two, again = (nf.train(network, rule, training=training, threads=n, **options) for n in (1, 2, 2))
    assert_equal_runs(again, two)
    assert (one.history.attrs["threads"], two.history.attrs["threads"]) == (1, 2)
    assert_same(two.params, one.params, 1e-5)


# ---------------------------------------------------------------------------- losses and errors


def trained_by_hand(network, data, rate, batch_size, epochs):
    """Losses and errors by epoch, of plain gradient descent by the oracle; training's are taken before each update."""
    params = lower(network, BP, 4, precision="float64").params
    size, rows = batch_size or len(data.x_train), []
    wrong = naive.test_error if network.task == "classification" else naive.loss
    for _ in range(epochs):
        loss = error = 0.0
        for first in range(0, len(data.x_train), size):
            x, y = data.x_train[first : first + size], data.y_train[first : first + size]
            loss += len(x) * naive.loss(network, params, x, y)
            error += len(x) * wrong(network, params, x, y)
            change = naive.updates(network, BP, params, x, y)
            for key in params:
                params[key] = (
                    params[key] - rate * change[key.replace(".W", ".dW").replace(".b", ".db")]
                    if (not key.endswith(".B"))
                    else params[key]
                )
        row = {"train_loss": loss / len(data.x_train), "train_error": error / len(data.x_train)}
        for part in ("validation", "test"):
            x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
            row |= {f"{part}_loss": naive.loss(network, params, x, y), f"{part}_error": wrong(network, params, x, y)}
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


REPORTED = {
    "bce": network_for(BP, SIZES),
    "cce": network_for(BP, SIZES, "relu", "softmax", "cce"),
    "exponential": network_for(BP, SIZES, "tanh", "tanh", "exponential"),
    "one output": network_for(BP, (6, 7, 1)),
    "one output of -1 and 1": network_for(BP, (6, 7, 1), "tanh", "tanh", "mse", targets=(-1.0, 1.0)),
    "regression": network_for(BP, (6, 7, 2), "tanh", "identity", "mse", task="regression"),
    "half_sse": network_for(BP, (6, 7, 2), "tanh", "identity", "half_sse", task="regression"),
}


@pytest.mark.parametrize("batch_size", [0, 1, 5], ids=["full batch", "single samples", "ragged last batch"])
@pytest.mark.parametrize("name", REPORTED)
def test_losses_and_errors_are_those_of_the_oracle(name, batch_size):
    network, rate = REPORTED[name], 0.1
    data = with_validation(network)
    training = protocol(batch_size=batch_size, learning_rate=rate, report_last=2)
    run = nf.train(network, BP, data, seed=4, training=training, probe_every=0)
    expected = trained_by_hand(network, data, rate, batch_size, 3)
    for variable, values in expected.items():
        np.testing.assert_allclose(run.history[variable].values, values, rtol=1e-9, err_msg=variable)
    assert run.test_error == pytest.approx(np.mean(expected["test_error"][-2:]), rel=1e-9)


@pytest.mark.parametrize("last", [1, 3, 5, 6])
def test_the_result_is_the_mean_over_the_last_epochs(last):
    network = network_for(BP, SIZES)
    training = protocol(epochs=5, report_last=last, learning_rate=5.0)
    run = nf.train(network, BP, data_for(network, n_test=40), seed=4, training=training)
    errors = run.history.test_error.values
    assert len(set(errors)) > 2
    over = last if last <= 5 else 1  # a run of fewer epochs than are asked for reports the last one
    assert run.test_error == pytest.approx(errors[-over:].mean(), rel=1e-12)
    assert run.history.attrs["report_last"] == last
    assert run.history.attrs["test_error"] == run.test_error


def test_without_epochs_the_untrained_network_is_evaluated(tmp_path):
    network = network_for(FA, SIZES)
    data = data_for(network)
    run = nf.train(network, FA, data, seed=4, training=protocol(epochs=0), out=tmp_path)
    start = lower(network, FA, 4, precision="float64").params
    assert_same(run.params, start, 0, absolute=0)
    assert run.test_error == naive.test_error(network, start, data.x_test, data.y_test)
    assert run.history.sizes["epoch"] == 0
    assert list(run.history.probe) == [0]
    rest = nf.train(network, FA, data, seed=4, training=protocol(epochs=2), out=tmp_path, resume=True)
    assert_equal_runs(rest, nf.train(network, FA, data, seed=4, training=protocol(epochs=2)))


def test_synops_are_the_multiply_accumulates_of_a_sample():
    """6-7-5-3: forward 42 + 35 + 15 = 92, the update as many; feedback 5x7 + 3x5 in sequence, 3x7 + 3x5 direct."""
    expected = {"bp": 92 + 92 + 50, "dfa": 92 + 92 + 36, "shallow": 92 + 15, "node_perturbation": 2 * 92 + 92}
    expected["np_fa"] = 2 * 92 + 92 + 50 + 2 * 50  # E B and the gradient of B
    for name, synops in expected.items():
        network = network_for(PRESETS[name], SIZES)
        run = nf.train(network, PRESETS[name], data_for(network), training=protocol(epochs=0))
        assert run.synops_per_sample == synops, name


# ---------------------------------------------------------------------------- divergence


def explosive(activation="relu", layers=2):
    hidden = tuple(Layer(8, activation) for _ in range(layers))
    return Network(6, (*hidden, Layer(2, "identity")), "mse", task="regression")


@pytest.mark.parametrize("rule", [BP, DFA, NP_FA], ids=lambda rule: rule.name)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_a_rate_that_is_too_large_is_named(activation, precision, rule):
    network = explosive(activation)
    data = data_for(network)
    training = protocol(epochs=400, learning_rate=(30.0, 30.0, 20.0), precision=precision)
    with pytest.raises(Diverged) as caught:
        nf.train(network, rule, data, seed=4, training=training)
    message = str(caught.value)
    assert isinstance(caught.value, InputError)
    assert "\n" not in message
    assert "epoch" in message
    assert "layer" in message
    output = "layer 2" in message or "layers.2" in message
    assert f"learning rate {20 if output else 30};" in message
    assert "lower the learning rate" in message


def test_divergence_keeps_the_last_good_epoch(tmp_path):
    """The rate is right for two epochs; given parameters then make the loss overflow in the third."""
    network = explosive()
    data = data_for(network)
    gentle = protocol(epochs=2, learning_rate=0.2)
    nf.train(network, BP, data, seed=4, training=gentle, out=tmp_path)
    kept = load_checkpoint(tmp_path / CHECKPOINT)[0]
    wild = protocol(epochs=400, learning_rate=30.0)
    other = tmp_path / "wild"
    with pytest.raises(Diverged) as caught:
        nf.train(network, BP, data, seed=4, training=wild, out=other)
    assert str(other / CHECKPOINT) in str(caught.value)
    epochs = recorded_epochs(other)
    assert f"epoch {epochs + 1}:" in str(caught.value)
    assert f"the state after epoch {epochs} is in" in str(caught.value)
    arrays, _ = load_checkpoint(other / CHECKPOINT)
    assert all(np.isfinite(value).all() for key, value in arrays.items() if key.startswith("layers."))
    assert all(np.isfinite(value).all() for key, value in kept.items() if key.startswith("layers."))
    again = replace(wild, epochs=epochs)
    whole = nf.train(network, BP, data, seed=4, training=again)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(arrays[key], value)


def test_a_weight_that_overflows_is_named_with_its_layer():
    """The last update of an epoch can do it: the loss before it was still finite."""
    network = explosive("identity", 1)
    data = data_for(network, 1)
    params = lower(network, BP, 0, precision="float32").params
    params["layers.1.W"] = np.full((8, 2), 1e18, np.float32)
    given = {key: params[key] for key in params if not key.endswith(".B")}
    training = protocol(epochs=1, batch_size=1, learning_rate=(1e10, 0.0), precision="float32")
    with pytest.raises(Diverged, match=r"epoch 1: layers\.0\.(W|b) is no longer finite with learning rate 1e\+10"):
        nf.train(network, BP, data, training=training, params=given)


@pytest.mark.parametrize("rule", [BP, MDFA], ids=lambda rule: rule.name)
def test_a_rate_that_only_saturates_is_no_divergence(rule):
    network = network_for(rule, SIZES)
    run = nf.train(network, rule, data_for(network), training=protocol(learning_rate=100.0))
    assert np.isfinite(run.test_error)
