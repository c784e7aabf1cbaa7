"""Agreement of two modes, on cases that can be worked out by hand and on a rule's own updates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import neurofa as nf
from neurofa.analysis.modes import activity_correlation, correlation, update_correlation
from neurofa.spec import InputError


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0], 1.0),
        ([1.0, 2.0, 3.0], [5.0, 4.0, 3.0], -1.0),
        ([0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0], 0.0),
        ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], 0.5),
        ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0], 0.5),
    ],
)
def test_correlation_by_hand(a, b, expected):
    assert correlation(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-15)


@given(st.integers(0, 2**32 - 1), array_shapes(max_dims=3, min_side=2, max_side=8))
def test_correlation_is_numpys(seed, shape):
    a, b = np.random.default_rng(seed).normal(size=(2, *shape))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.booleans())
def test_correlation_sees_neither_scale_nor_offset(scale, offset, negative):
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    sign = -1 if negative else 1
    assert correlation(a, sign * scale * b + offset) == pytest.approx(sign * correlation(a, b), abs=1e-8)


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e300, 1.7e308])
def test_correlation_of_very_small_and_very_large_numbers(scale):
    assert correlation(scale * np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])) == pytest.approx(0.5)


def test_correlation_of_float32_is_taken_in_float64():
    a = np.zeros(2_000_000, np.float32)
    a[: len(a) // 2] = 0.1
    assert correlation(a, -a) == pytest.approx(-1.0, abs=1e-12)


# the mean of three times 0.1 is not 0.1
@pytest.mark.parametrize("bad", [[0.1] * 3, [0.0] * 3, [1.0, np.nan, 0.0], [np.inf, 0.0, 1.0], [np.inf, -np.inf, 1.0]])
def test_what_does_not_vary_has_no_correlation(bad):
    good = np.array([1.0, 2.0, 4.0])
    assert np.isnan(correlation(np.array(bad), good))
    assert np.isnan(correlation(good, np.array(bad)))
    assert np.isnan(correlation(np.zeros(0), np.zeros(0)))


def test_shapes_must_be_the_same():
    with pytest.raises(InputError, match=r"\(2, 3\) and \(3, 2\) differ"):
        correlation(np.zeros((2, 3)), np.zeros((3, 2)))


def test_activities_by_layer_and_by_neuron():
    # neuron 0 agrees, neuron 1 is opposed, neuron 2 never spikes, neuron 3 has one activity for all samples
    rate = np.array([[0.0, 0.0, 0.0, 0.3], [0.5, 0.5, 0.2, 0.3], [1.0, 1.0, 0.4, 0.3]])
    counts = np.array([[0, 8, 0, 1], [4, 4, 0, 3], [8, 0, 0, 2]])
    found = activity_correlation([rate, rate[:, :1]], [counts, counts[:, :1]])
    np.testing.assert_allclose(found.by_neuron, [0.0, 1.0], atol=1e-15)
    np.testing.assert_array_equal(found.varying, [0.5, 1.0])
    np.testing.assert_allclose(found.overall, [np.corrcoef(rate.ravel(), counts.ravel())[0, 1], 1.0], atol=1e-15)


def test_neurons_with_different_means_correlate_overall_and_not_by_neuron():
    rng = np.random.default_rng(1)
    means = np.linspace(0, 1, 20)
    a, b = means + 0.01 * rng.normal(size=(2, 400, 20))
    found = activity_correlation([a], [b])
    assert found.overall[0] > 0.99
    assert abs(found.by_neuron[0]) < 0.05


def test_layers_without_a_neuron_that_varies_are_nan():
    found = activity_correlation([np.ones((3, 2)), np.ones((3, 0))], [np.zeros((3, 2)), np.zeros((3, 0))])
    assert np.isnan(found.overall).all()
    assert np.isnan(found.by_neuron).all()
    np.testing.assert_array_equal(found.varying, [0.0, np.nan])


@pytest.mark.parametrize(
    ("rate", "spikes", "message"),
    [
        ([np.zeros((2, 3))], [], "activities of 1 and of 0 layers"),
        ([np.zeros((2, 3))], [np.zeros((2, 4))], r"layer 0 have shapes \(2, 3\) and \(2, 4\)"),
        ([np.zeros(3)], [np.zeros(3)], r"must be \(n_samples, n_0\)"),
    ],
)
def test_activities_that_do_not_fit_are_refused(rate, spikes, message):
    with pytest.raises(InputError, match=message):
        activity_correlation(rate, spikes)


def test_updates_by_hand():
    rate = {"layers.0.dW": np.array([[1.0, 2.0], [3.0, 4.0]]), "layers.1.dW": np.array([[1.0], [0.0]])}
    rate["layers.1.db"] = np.array([1.0])
    spiking = {"layers.0.dW": np.array([[4.0, 3.0], [2.0, 1.0]]), "layers.1.dW": np.array([[0.0], [2.0]])}
    spiking["layers.1.db"] = np.array([-2.0])
    found = update_correlation(rate, spiking | {"layers.1.M": np.zeros((3, 1))})
    np.testing.assert_allclose(found.weights, [-1.0, -1.0])
    assert np.isnan(found.biases).all()  # none in layer 0, a single one in layer 1
    np.testing.assert_allclose(found.angle_deg, [np.degrees(np.arccos(20 / 30)), 120.0])


def test_updates_of_a_rule_agree_with_themselves_whatever_their_scale():
    rng = np.random.default_rng(2)
    net = nf.Network.dense((5, 4, 4, 3))
    params = dict(nf.lower(net, nf.rules.DFA, 0, precision="float64").params)
    found = nf.updates(net, nf.rules.DFA, params, rng.normal(size=(6, 5)), rng.integers(3, size=6))
    same = update_correlation(found, {key: 40 * value for key, value in found.items()})
    np.testing.assert_allclose(same.weights, 1.0)
    np.testing.assert_allclose(same.biases, 1.0)
    np.testing.assert_allclose(same.angle_deg, 0.0, atol=1e-6)
    opposed = update_correlation(found, {key: -value for key, value in found.items()})
    np.testing.assert_allclose(opposed.weights, -1.0)
    np.testing.assert_allclose(opposed.angle_deg, 180.0)


def test_more_than_ten_layers_stay_in_order():
    rng = np.random.default_rng(3)
    a = {f"layers.{layer}.dW": rng.normal(size=(3, 3)) for layer in range(12)}
    b = a | {"layers.10.dW": -a["layers.10.dW"]}
    np.testing.assert_allclose(update_correlation(a, b).weights, [1.0] * 10 + [-1.0, 1.0])


def test_updates_of_different_networks_are_refused():
    update = {"layers.0.dW": np.ones((2, 2)), "layers.0.db": np.ones(2)}
    with pytest.raises(InputError, match=r"layers\.0\.db stands in one mode's updates alone"):
        update_correlation(update, {"layers.0.dW": np.ones((2, 2))})
    with pytest.raises(InputError, match=r"layers\.0\.dW has shapes \(2, 2\) and \(2, 3\)"):
        update_correlation(update, update | {"layers.0.dW": np.ones((2, 3))})
