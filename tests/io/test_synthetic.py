"""Tasks drawn from a seed: their defining formulas, sizes, and that the seed decides everything."""

import numpy as np
import pytest

from neurofa.io import synthetic
from neurofa.io.datasets import GENERATED
from neurofa.io.sources import SOURCES
from neurofa.spec import InputError

SMALL = {"train": 400, "test": 50}
SIZED = sorted(set(GENERATED) - {"xor", "xor_scalar"})


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_sizes_are_those_listed(name):
    data, source = GENERATED[name](0), SOURCES[name]
    assert (len(data.x_train), len(data.x_test)) == (source.train, source.test)
    assert (data.features, data.n_outputs, data.task) == (source.features, source.outputs, source.task)
    assert data.name == name
    assert data.x_train.dtype == np.float32


@pytest.mark.parametrize("name", SIZED)
def test_the_seed_decides(name):
    draw = getattr(synthetic, name)
    first, again, other = draw(3, **SMALL), draw(3, **SMALL), draw(4, **SMALL)
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
    assert not np.array_equal(first.x_train, other.x_train)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_what_is_not_a_seed_is_refused(name):
    with pytest.raises(InputError, match="seed"):
        GENERATED[name](-1)


def test_cosines_follow_their_formula():
    data = synthetic.cosine_regression(1)
    mean = data.x_train.astype(np.float64).mean(axis=1)
    for j in range(10):
        np.testing.assert_allclose(data.y_train[:, j], np.cos(mean - np.pi / 2 + j * np.pi / 9), atol=1e-5)


def test_cosine_inputs_have_uniform_means_and_unit_deviation():
    x = synthetic.cosine_regression(2).x_train.astype(np.float64)
    means = x.mean(axis=1)
    assert np.abs(means).max() < np.pi + 5 / 16
    assert abs(means.var() - np.pi**2 / 3 - 1 / 256) < 0.15  # 3 standard errors of 5000 uniform draws
    assert abs((x - means[:, None]).var() - 255 / 256) < 0.01


def test_classification_is_balanced_and_learnable():
    data = synthetic.frenkel_classification(0)
    counts = np.bincount(data.y_train, minlength=10)
    assert np.abs(counts - 2500).max() < 150
    # 1 % of labels are random; a nearest-class-mean rule is far above chance but the clusters are not linear
    centres = np.stack([data.x_train[data.y_train == label].mean(axis=0) for label in range(10)])
    distances = ((data.x_test[:, None] - centres) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == data.y_test).mean() > 0.3


@pytest.mark.parametrize(("name", "shape"), [("linear_teacher", (30, 10)), ("linear_teacher_100_20", (100, 20))])
def test_linear_teachers_are_linear_with_bounded_entries(name, shape):
    data = GENERATED[name](0)
    matrix, *_ = np.linalg.lstsq(data.x_train.astype(np.float64), data.y_train.astype(np.float64), rcond=None)
    np.testing.assert_allclose(data.x_test @ matrix, data.y_test, atol=1e-4)
    assert matrix.shape == shape
    assert np.abs(matrix).max() <= 1 + 1e-6
    assert abs(matrix.var() - 1 / 3) < 0.06
    assert abs(data.x_train.mean()) < 0.01
    assert abs(data.x_train.std() - 1) < 0.01


def test_nonlinear_teacher_is_not_linear():
    data = synthetic.nonlinear_teacher(0)
    x = np.column_stack([data.x_train, np.ones(len(data.x_train))]).astype(np.float64)
    residual = data.y_train - x @ np.linalg.lstsq(x, data.y_train.astype(np.float64), rcond=None)[0]
    share = residual.var() / data.y_train.var()
    assert 0.1 < share < 0.9


def test_quadratic_teacher_is_quadratic_and_standardised():
    data = synthetic.quadratic_teacher(0)
    upper = np.triu_indices(20)

    def monomials(x):
        x = x.astype(np.float64)
        return np.column_stack([(x[:, :, None] * x[:, None, :])[:, *upper], np.ones(len(x))])

    coefficients = np.linalg.lstsq(monomials(data.x_train), data.y_train.astype(np.float64), rcond=None)[0]
    np.testing.assert_allclose(monomials(data.x_test) @ coefficients, data.y_test, atol=1e-5)
    # The mean of x_i^2 is 1 and that of x_i x_j is 0: the constant is minus the sum of the squares' coefficients.
    np.testing.assert_allclose(coefficients[-1], -coefficients[:-1][upper[0] == upper[1]].sum(axis=0), atol=1e-5)
    # Squares have variance 2 and products of two entries 1, all uncorrelated.
    weights = np.where(upper[0] == upper[1], 2.0, 1.0)
    np.testing.assert_allclose(weights @ coefficients[:-1] ** 2, 1, atol=1e-5)


def test_xor_in_both_forms():
    data, scalar = synthetic.xor(), synthetic.xor_scalar()
    for row, label, value in zip(data.x_train, data.y_train, scalar.y_train[:, 0], strict=True):
        assert label == value == (row[0] != row[1])
    assert not np.shares_memory(data.x_train, data.x_test)
