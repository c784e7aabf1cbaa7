"""Conversion of trained rate networks to spikes: exact scaling, and rates that approach activations as 1 / ticks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import neurofa as nf
from neurofa.analysis.modes import activity_correlation
from neurofa.conversion import convert, default_spiking, normalised
from neurofa.spec import InputError

RELU = {"hidden": "relu", "output": "softmax", "loss": "cce"}


def drawn(network, seed, scale=1.0):
    """Random W and b in float64."""
    rng, params = np.random.default_rng(seed), {}
    for index, (n_pre, n_post) in enumerate(zip(network.sizes[:-1], network.sizes[1:], strict=True)):
        params[f"layers.{index}.W"] = scale * rng.normal(size=(n_pre, n_post))
        if network.layers[index].bias:
            params[f"layers.{index}.b"] = scale * rng.normal(size=n_post)
    return params


def summed(params, x):
    """Summed inputs of each layer, with relu between."""
    found, layer, a = [], 0, np.asarray(x, np.float64)
    while f"layers.{layer}.W" in params:
        found.append(a @ params[f"layers.{layer}.W"] + params.get(f"layers.{layer}.b", 0.0))
        a, layer = np.maximum(found[-1], 0), layer + 1
    return found


def simulate(params, x, ticks, p=1.0, v0=0.5):
    """Counts of spikes and last membranes of each layer of integrate-and-fire neurons: all in one loop over ticks.

    Regular events and the bias neuron are their closed form: floor(p x (t + 1) + 1/2) events up to tick t.
    Layers, the bias included, reach the next one a tick later.
    """
    x = np.asarray(x, np.float64)
    n_layers = sum(key.endswith("W") for key in params)
    W = [np.asarray(params[f"layers.{index}.W"], np.float64) for index in range(n_layers)]
    b = [params.get(f"layers.{index}.b", np.zeros(w.shape[1])) for index, w in enumerate(W)]
    v = [np.full((len(x), w.shape[1]), float(v0)) for w in W]
    counts, last = [np.zeros_like(m) for m in v], [np.zeros_like(m) for m in v]
    for t in range(ticks):
        events = np.floor(p * x * (t + 1) + 0.5) - np.floor(p * x * t + 0.5)
        bias = np.floor(p * t + 0.5) - np.floor(p * (t - 1) + 0.5) if t > 0 else 0.0
        arriving = [events, *last[:-1]]
        for index in range(n_layers):
            v[index] = v[index] + arriving[index] @ W[index] + bias * b[index]
        last = [(m >= 1.0).astype(float) for m in v]
        v = [m - spikes for m, spikes in zip(v, last, strict=True)]
        counts = [count + spikes for count, spikes in zip(counts, last, strict=True)]
    return counts, v


def named(counts, membranes):
    """Predicted classes: the largest count, among equals the largest membrane."""
    return np.array(
        [max(range(len(c)), key=lambda k, c=c, v=v: (c[k], v[k])) for c, v in zip(counts, membranes, strict=True)]
    )


@pytest.fixture(scope="module")
def digits():
    return nf.load_data("digits")


@pytest.fixture(scope="module")
def trained(digits):
    """A small relu network on digits: the network, and its parameters in float64 after five epochs."""
    network = nf.Network.dense((64, 40, 40, 10), **RELU)
    training = nf.Training(epochs=5, batch_size=20, optimiser="adam", learning_rate=3e-3)
    run = nf.train(nf.Model(network, training), nf.rules.BP, digits, threads=1)
    assert run.test_error < 0.15
    return network, {key: value.astype(np.float64) for key, value in run.params.items() if not key.endswith("B")}


# --- scaling


@given(
    hidden=st.lists(st.integers(1, 9), max_size=3),
    inputs=st.integers(1, 6),
    outputs=st.integers(2, 5),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    n=st.integers(1, 30),
)
def test_scaling_divides_each_layer_by_its_largest_activation(hidden, inputs, outputs, bias, seed, scale, n):
    network = nf.Network.dense((inputs, *hidden, outputs), **RELU, bias=bias)
    params = drawn(network, seed, scale)
    x = np.random.default_rng(seed).uniform(size=(n, inputs))
    before = summed(params, x)
    assume(all((z > 0).any() for z in before))
    scaled = normalised(params, x, network, percentile=100)
    assert set(scaled) == set(params)
    after = summed(scaled, x)
    for z, z_scaled in zip(before, after, strict=True):
        np.testing.assert_allclose(z_scaled, z / z.max(), rtol=1e-9, atol=1e-11 * np.abs(z).max() / z.max())
        assert z_scaled.max() == pytest.approx(1.0, abs=1e-12)
    ordered = np.sort(before[-1], axis=1)
    apart = ordered[:, -1] - ordered[:, -2] > 1e-9 * np.abs(before[-1]).max()  # rounding may settle what is equal
    np.testing.assert_array_equal(after[-1].argmax(1)[apart], before[-1].argmax(1)[apart])


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.9, 100.0])
def test_the_percentile_of_positive_activations_becomes_1(percentile, digits, trained):
    network, params = trained
    x = digits.x_train[:500]
    for z in summed(normalised(params, x, network, percentile), x):
        assert np.percentile(z[z > 0], percentile) == pytest.approx(1.0, abs=1e-12)


def test_scaling_keeps_every_class_of_a_trained_network(digits, trained):
    network, params = trained
    scaled = normalised(params, digits.x_train[:300], network)
    np.testing.assert_array_equal(
        summed(scaled, digits.x_test)[-1].argmax(1), summed(params, digits.x_test)[-1].argmax(1)
    )


def test_scaling_is_pure_and_keeps_the_precision():
    network = nf.Network.dense((3, 4, 2), **RELU)
    params = {key: value.astype(np.float32) for key, value in drawn(network, 4).items()}
    copies = {key: value.copy() for key, value in params.items()}
    x = np.random.default_rng(0).uniform(size=(20, 3))
    scaled = normalised(params | {"layers.0.B": np.ones((2, 4), np.float32)}, x, network)
    assert set(scaled) == set(params)
    for key, value in scaled.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(params[key], copies[key])
        assert not np.shares_memory(value, params[key])


def test_a_silent_hidden_layer_is_refused():
    network = nf.Network.dense((3, 4, 5, 2), **RELU)
    params = {key: np.abs(value) for key, value in drawn(network, 0).items()}
    params["layers.1.W"], params["layers.1.b"] = -params["layers.1.W"], -params["layers.1.b"]
    with pytest.raises(InputError, match="layer 1 is silent for all 6 calibration samples"):
        normalised(params, np.full((6, 3), 0.5), network)


def test_outputs_below_zero_are_scaled_by_their_size():
    network = nf.Network.dense((2, 3), hidden="relu", bias=False)
    params = {"layers.0.W": -np.array([[4.0, 2.0, 1.0], [4.0, 2.0, 1.0]])}
    scaled = normalised(params, np.array([[0.5, 0.5], [1.0, 0.0]]), network, percentile=100)
    np.testing.assert_allclose(scaled["layers.0.W"], params["layers.0.W"] / 4)
    with pytest.raises(InputError, match="layer 0 is silent"):
        normalised({"layers.0.W": np.zeros((2, 3))}, np.ones((4, 2)), network)


# --- what is refused


@pytest.mark.parametrize("hidden", ["tanh", "sigmoid", "hard_tanh", "leaky_relu", "identity"])
def test_other_hidden_activations_are_refused(hidden):
    network = nf.Network.dense((3, 4, 4, 2), hidden=hidden)
    with pytest.raises(InputError, match=f"hidden layer 0 is '{hidden}'.*train the network with relu"):
        normalised(drawn(network, 0), np.ones((2, 3)), network)


@pytest.mark.parametrize("output", ["relu", "hard_tanh", "leaky_relu"])
def test_outputs_that_lose_the_order_are_refused(output):
    network = nf.Network.dense((3, 4, 2), hidden="relu", output=output, loss="mse")
    with pytest.raises(InputError, match=f"layer 1, the output, is '{output}'"):
        normalised(drawn(network, 0), np.ones((2, 3)), network)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nf.Network.dense((3, 4, 2), "relu", "identity", "mse", task="regression"), "regression needs their values"),
        (nf.Network.dense((3, 4, 1), "relu"), "this network has one output"),
    ],
)
def test_networks_without_a_largest_output_are_refused(network, message):
    with pytest.raises(InputError, match=message):
        normalised(drawn(network, 0), np.ones((2, 3)), network)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0.0, 1.5, 0.0]], r"lie in \[0, 1.5\]"),
        ([[0.0, 1.0, -0.25]], r"lie in \[-0.25, 1\]"),
        ([[0.0, np.nan, 0.0]], r"lie in \[nan, nan\]"),
        ([[0.0, 1.0]], "have 2 features; the network has 3"),
        (np.zeros((0, 3)), "give at least one sample"),
        ([0.0, 1.0, 0.0], "give at least one sample"),
    ],
)
def test_samples_that_events_cannot_stand_for_are_refused(x, message):
    network = nf.Network.dense((3, 4, 2), **RELU)
    with pytest.raises(InputError, match=message) as caught:
        normalised(drawn(network, 0), np.array(x), network)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("percentile", [0.0, -1.0, 100.1, float("nan")])
def test_percentiles_out_of_range_are_refused(percentile):
    network = nf.Network.dense((3, 4, 2), **RELU)
    with pytest.raises(InputError, match="percentile is"):
        normalised(drawn(network, 0), np.ones((2, 3)), network, percentile)


def test_parameters_that_do_not_fit_are_refused():
    network = nf.Network.dense((3, 4, 2), **RELU)
    params = drawn(network, 0)
    with pytest.raises(InputError, match=r"layers\.1\.b is missing"):
        normalised({key: value for key, value in params.items() if key != "layers.1.b"}, np.ones((2, 3)), network)
    with pytest.raises(InputError, match=r"layers\.1\.W has shape"):
        normalised(params | {"layers.1.W": np.ones((4, 3))}, np.ones((2, 3)), network)


# --- rates of integrate-and-fire neurons, simulated here


@pytest.mark.parametrize(("p", "v0"), [(1.0, 0.5), (1.0, 0.0), (0.25, 0.5), (0.2, 0.0)])
def test_the_rate_of_a_neuron_is_the_relu_of_its_input_up_to_one_over_ticks(p, v0):
    network = nf.Network.dense((8, 50, 2), **RELU)
    params = drawn(network, 1)
    x = np.random.default_rng(2).uniform(size=(40, 8))
    scaled = normalised(params, x, network, percentile=100)
    expected = np.maximum(summed(scaled, x)[0], 0)
    errors = []
    for ticks in (64, 256, 1024, 4096):
        counts, _ = simulate(scaled, x, ticks, p, v0)
        errors.append(p * ticks * np.abs(counts[0] / (p * ticks) - expected).mean())
    assert max(errors) < 0.4  # spikes: not growing with the duration, so the error of the rate falls as 1 / ticks
    assert errors[-1] < 1.3 * errors[0]


def test_activations_above_1_have_room_where_1_is_not_a_spike_in_every_tick():
    params = {"layers.0.W": np.array([[1.0, 3.0, 5.0]])}
    for p, expected in ((1.0, [1.0, 1.0, 1.0]), (0.25, [1.0, 3.0, 4.0])):
        counts, _ = simulate(params, np.ones((1, 1)), 4000, p)
        np.testing.assert_allclose(counts[0][0] / (p * 4000), expected, atol=2e-3)


def test_digits_on_simulated_spikes_come_to_what_the_rate_network_says(digits, trained):
    network, params = trained
    scaled = normalised(params, digits.x_train[:500], network)
    z = summed(scaled, digits.x_test)
    differ, distance = [], []
    for ticks in (8, 32, 128):
        counts, membranes = simulate(scaled, digits.x_test, ticks)
        differ.append(np.mean(named(counts[-1], membranes[-1]) != z[-1].argmax(1)))
        distance.append(np.abs(counts[1] / ticks - np.clip(z[1], 0, 1)).mean())
    assert differ[2] <= 0.02
    assert differ[2] <= differ[1] <= differ[0]
    assert distance[1] < distance[0] / 2
    assert distance[2] < distance[1] / 2


# --- on the engines


def test_conversion_agrees_with_the_simulation_spike_for_spike(digits, trained):
    network, params = trained
    found = convert(network, params, digits, ticks=24, samples=360, threads=1)
    counts, membranes = simulate(found.params, digits.x_test, 24)
    assert found.spiking_error == np.mean(named(counts[-1], membranes[-1]) != digits.y_test)
    assert found.rate_error == np.mean(summed(params, digits.x_test)[-1].argmax(1) != digits.y_test)
    assert found.samples == 360
    expected = activity_correlation([np.maximum(z, 0) for z in summed(found.params, digits.x_test)], counts)
    np.testing.assert_allclose(found.correlation.overall, expected.overall, rtol=1e-6)
    np.testing.assert_allclose(found.correlation.by_neuron, expected.by_neuron, rtol=1e-6)


def test_conversion_error_shrinks_with_ticks(digits, trained):
    network, params = trained
    found = [convert(network, params, digits, ticks=ticks, threads=1) for ticks in (4, 16, 64)]
    lost = [conversion.spiking_error - conversion.rate_error for conversion in found]
    assert lost[0] > 0.03
    assert lost[1] < lost[0]
    assert abs(lost[2]) <= 0.015
    distance = np.array([1 - conversion.correlation.overall for conversion in found])
    assert (distance[1] < distance[0] / 2).all()
    assert (distance[2] < distance[1] / 2).all()
    assert (found[2].correlation.overall > 0.99).all()
    assert found[2].spiking.ticks == found[2].spiking.test_ticks == 64


def test_threshold_and_resistance_change_the_weights_and_no_spike(digits, trained):
    network, params = trained
    few = replace(digits, x_test=digits.x_test[:50], y_test=digits.y_test[:50])
    plain = default_spiking(16)
    own = replace(
        plain,
        neuron=replace(plain.neuron, v_threshold=4.0, v_leak=2.0, r=2.0),
        output_neuron=replace(plain.neuron, v_threshold=0.5, v_leak=0.25),
    )
    expected, found = (convert(network, params, few, spiking=s, threads=1) for s in (plain, own))
    for layer, factor in enumerate((2.0, 2.0, 0.5)):
        key = f"layers.{layer}.W"
        np.testing.assert_array_equal(found.params[key], factor * expected.params[key])
    assert found.spiking_error == expected.spiking_error
    np.testing.assert_array_equal(found.correlation.overall, expected.correlation.overall)


def test_poisson_events_are_those_of_the_seed(digits, trained):
    network, params = trained
    few = replace(digits, x_test=digits.x_test[:60], y_test=digits.y_test[:60])
    spiking = replace(default_spiking(), encoder=nf.Encoder("poisson", 250.0), test_ms=100.0)
    a, b, c = (convert(network, params, few, spiking=spiking, seed=seed, threads=1) for seed in (0, 0, 1))
    assert a.spiking.ticks == 100
    np.testing.assert_array_equal(a.correlation.overall, b.correlation.overall)
    assert (a.correlation.overall != c.correlation.overall).all()
    assert (a.correlation.overall > 0.8).all()


def test_a_model_is_converted_as_its_network(digits, trained):
    network, params = trained
    few = replace(digits, x_test=digits.x_test[:20], y_test=digits.y_test[:20])
    a, b = (convert(net, params, few, ticks=8, threads=1) for net in (network, nf.Model(network)))
    assert (a.spiking, a.spiking_error) == (b.spiking, b.spiking_error)


@pytest.mark.parametrize(
    ("output", "loss"), [("sigmoid", "bce"), ("tanh", "exponential"), ("identity", "mse"), ("softmax", "cce")]
)
def test_output_loss_and_dropout_do_not_matter_on_spikes(output, loss, digits, trained):
    network, params = trained
    few = replace(digits, x_test=digits.x_test[:40], y_test=digits.y_test[:40])
    other = nf.Network.dense(network.sizes, hidden="relu", output=output, loss=loss, dropout=0.3)
    a, b = (convert(net, params, few, ticks=8, threads=1) for net in (network, other))
    assert (a.rate_error, a.spiking_error) == (b.rate_error, b.spiking_error)
    np.testing.assert_array_equal(a.correlation.overall, b.correlation.overall)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": nf.Neuron("lif")}, "neuron has model 'lif'"),
        ({"output_neuron": nf.Neuron("cuba_lif")}, "output_neuron has model 'cuba_lif'"),
        ({"neuron": nf.Neuron("if", reset="zero")}, "neuron has reset 'zero'.*convert with 'subtract'"),
        ({"neuron": nf.Neuron("if", refractory_ms=1.0)}, "neuron has refractory_ms 1.0"),
        ({"neuron": nf.Neuron("if", threshold_step=0.1)}, "neuron has threshold_step 0.1"),
        ({"transmission": 0.9}, "transmission is 0.9.*convert with 1"),
        ({"encoder": nf.Encoder("latency")}, "encoder 'latency'"),
    ],
)
def test_neurons_without_a_relu_are_refused(change, message, digits, trained):
    network, params = trained
    with pytest.raises(InputError, match=message):
        convert(network, params, digits, spiking=replace(default_spiking(), **change))


def test_data_and_durations_that_cannot_be_converted_are_refused(digits, trained):
    network, params = trained
    with pytest.raises(InputError, match=r"x_test of digits lie in \[-1, 1\]"):
        convert(network, params, replace(digits, x_test=2 * digits.x_test - 1))
    with pytest.raises(InputError, match="ticks is 0"):
        convert(network, params, digits, ticks=0)
    with pytest.raises(InputError, match="samples is 0"):
        convert(network, params, digits, samples=0)
    with pytest.raises(InputError, match=r"give nf\.load_data"):
        convert(network, params, "digits")
