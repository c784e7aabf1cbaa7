"""Measures of alignment and conserved quantities, on cases that can be worked out by hand."""

import subprocess
import sys

import numpy as np
import pytest

from neurofa.analysis import alignment, conservation
from neurofa.analysis.alignment import (
    activation_histogram,
    angle_deg,
    angle_of_rows_deg,
    bin_centres,
    cosine,
    layer_norms,
    relative_error,
    sign_congruence,
    slope_at,
)
from neurofa.analysis.conservation import matrix_invariant, neuron_potential, potential
from neurofa.spec import InputError


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 0.0], [2.0, 0.0], 0.0),
        ([1.0, 0.0], [1.0, 1.0], 45.0),
        ([1.0, 0.0], [0.0, 3.0], 90.0),
        ([1.0, 0.0], [-1.0, 1.0], 135.0),
        ([1.0, 2.0], [-2.0, -4.0], 180.0),
    ],
)
def test_angle_is_not_folded_at_90_degrees(a, b, expected):
    assert angle_deg(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-12)
    assert cosine(np.array(a), np.array(b)) == pytest.approx(np.cos(np.radians(expected)), abs=1e-15)


def test_angle_of_rows_counts_every_sample_the_same_and_leaves_out_silent_ones():
    a = np.array([[100.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, np.inf]])
    b = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert angle_of_rows_deg(a, b) == pytest.approx(45)
    assert np.isnan(angle_of_rows_deg(a[2:], b[2:]))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("identity", lambda z: z),
        ("tanh", np.tanh),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("hard_tanh", lambda z: np.clip(z, -1, 1)),
        ("relu", lambda z: np.maximum(z, 0)),
        ("leaky_relu", lambda z: np.where(z > 0, z, 0.1 * z)),
    ],
)
def test_slope_is_the_derivative(name, f):
    z, h = np.array([-1.7, -0.4, 0.3, 2.2]), 1e-6
    np.testing.assert_allclose(slope_at(f(z), name, 0.1), (f(z + h) - f(z - h)) / (2 * h), atol=1e-8)


def test_angle_flattens_and_keeps_small_angles():
    a = np.ones((3, 4))
    b = a.copy()
    b[0, 0] += 1e-9  # an arccosine in double precision gives 0 here
    assert angle_deg(a, b) == pytest.approx(np.degrees(1e-9 * np.sqrt(11 / 144)), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e300])
def test_angle_of_very_small_and_very_large_vectors(scale):
    assert angle_deg(scale * np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(45.0)


@pytest.mark.parametrize("bad", [np.zeros(3), np.array([1.0, np.nan, 0.0]), np.array([np.inf, 0.0, 0.0])])
def test_no_direction_is_nan(bad):
    good = np.array([1.0, 2.0, 3.0])
    for measure in (angle_deg, cosine):
        assert np.isnan(measure(good, bad))
        assert np.isnan(measure(bad, good))


def test_cosine_of_float32_is_taken_in_float64():
    a = np.full(10_000_000, 0.1, dtype=np.float32)
    assert cosine(a, a) == pytest.approx(1.0, abs=1e-9)  # ten million roundings; a sum in float32 is off by 1e-4


def test_relative_error():
    W = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])  # norm 5, shape (n_layer=3, n_source=2)
    assert relative_error(W, W.T) == 0
    B = W.T.copy()
    B[0, 2] = 1.0
    assert relative_error(W, B) == pytest.approx(1 / 5)
    assert relative_error(W, np.zeros((2, 3))) == pytest.approx(1)
    assert np.isnan(relative_error(np.zeros((3, 2)), B))


def test_sign_congruence():
    W = np.array([[1.0, -2.0], [0.0, 3.0], [4.0, -5.0]])
    assert sign_congruence(W, 7 * W.T) == 1
    assert sign_congruence(W, -W.T) == pytest.approx(1 / 6)  # the zero still agrees with itself
    B = W.T.copy()
    B[1, 0] = 2.0
    assert sign_congruence(W, B) == pytest.approx(5 / 6)


def test_histogram_counts_every_value_once():
    edges = np.array([-1.0, 0.0, 1.0])
    values = np.array([[-9.0, -0.5], [0.5, 9.0], [0.0, 1.0]])
    assert activation_histogram(values, edges).tolist() == pytest.approx([2 / 6, 4 / 6])
    assert bin_centres(edges).tolist() == [-0.5, 0.5]
    rng = np.random.default_rng(0)
    default = activation_histogram(rng.normal(size=(50, 20)))
    assert default.shape == bin_centres().shape
    assert default.sum() == pytest.approx(1)
    assert activation_histogram(np.zeros((0, 3))).sum() == 0
    assert activation_histogram(np.array([0.5, np.nan]), edges).tolist() == [0, 0.5]


def test_layer_norms():
    params = {
        "layers.0.W": np.full((2, 2), 2.0),
        "layers.1.W": np.array([[3.0], [4.0]]),
        "layers.1.b": np.array([-6.0]),
    }
    assert layer_norms(params).tolist() == [4, 5]
    norms = layer_norms(params, "b")
    assert np.isnan(norms[0])
    assert norms[1] == 6


def hidden_layer():
    rng = np.random.default_rng(1)
    return rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(2, 3)), rng.normal(size=3)


def test_potential_is_the_written_formula():
    W, W_next, B, b = hidden_layer()
    for j in range(3):
        outgoing = sum(W_next[j, k] * B[k, j] for k in range(2))
        incoming = sum(W[i, j] ** 2 for i in range(4)) / 2
        assert neuron_potential(W, W_next, B)[j] == pytest.approx(outgoing - incoming)
        assert neuron_potential(W, W_next, B, b)[j] == pytest.approx(outgoing - incoming - b[j] ** 2 / 2)
    assert potential(W, W_next, B) == pytest.approx(np.sum(W_next.T * B) - np.sum(W**2) / 2)


def test_potential_of_backpropagation_is_the_balance_of_layers():
    W, W_next, _, _ = hidden_layer()
    balance = (np.sum(W_next**2) - np.sum(W**2)) / 2
    assert potential(W, W_next, W_next.T, follow="transpose") == pytest.approx(balance)


def test_potential_of_sign_feedback_is_a_one_norm():
    W, W_next, _, _ = hidden_layer()
    expected = np.abs(W_next).sum() - np.sum(W**2) / 2
    assert potential(W, W_next, np.sign(W_next.T), follow="sign") == pytest.approx(expected)


@pytest.mark.parametrize("follow", ["derived", "learned"])
def test_no_potential_where_nothing_is_conserved(follow):
    W, W_next, B, _ = hidden_layer()
    assert np.isnan(potential(W, W_next, B, follow=follow))


def test_unknown_follow_is_refused():
    W, W_next, B, _ = hidden_layer()
    with pytest.raises(InputError, match="follow 'fixd' is unknown"):
        neuron_potential(W, W_next, B, follow="fixd")


def test_matrix_invariant_in_the_papers_column_convention():
    W, W_next, B, _ = hidden_layer()
    A, W_paper, B_paper = W.T, W_next.T, B.T
    expected = B_paper @ W_paper + W_paper.T @ B_paper.T - A @ A.T
    np.testing.assert_allclose(matrix_invariant(W, W_next, B), expected, atol=1e-14)
    np.testing.assert_allclose(np.diag(expected), 2 * neuron_potential(W, W_next, B), atol=1e-14)


def test_measures_import_neither_xarray_nor_matplotlib():
    code = (
        f"import sys, {alignment.__name__}, {conservation.__name__}; "
        "print([name for name in ('xarray', 'matplotlib', 'brian2', 'sklearn', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
