"""Subsets, splits, label noise and normalisation: what is kept, what is drawn, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.io.data import Data
from neurofa.io.preparation import normalise, prepare
from neurofa.spec import DataSpec, InputError


def make(samples=60, classes=5, features=4, **options):
    """Data whose first feature is the number of the sample, so that every row can be traced."""
    rng = np.random.default_rng(samples)
    x = rng.normal(2, 3, (samples, features))
    x[:, 0] = np.arange(samples)
    x_test = rng.normal(2, 3, (20, features))
    y = np.arange(samples) % classes
    return Data(x, y, x_test, np.arange(20) % classes, n_outputs=classes, **options)


def regression():
    return Data(np.ones((4, 2)), np.ones((4, 3)), np.ones((1, 2)), np.ones((1, 3)), task="regression")


def traced(x, data):
    """Labels that the rows of x had in `data`."""
    return data.y_train[x[:, 0].astype(int)]


@settings(deadline=None)
@given(classes=st.integers(2, 6), kept=st.integers(2, 6), seed=st.integers(0, 1000))
def test_class_subset(classes, kept, seed):
    data = make(classes=classes)
    if kept > classes:
        with pytest.raises(InputError, match=f"has {classes} classes"):
            prepare(data, DataSpec(classes=kept), seed)
        return
    subset = prepare(data, DataSpec(classes=kept), seed)
    old = traced(subset.x_train, data)
    assert subset.n_outputs == kept
    assert set(subset.y_train) == set(range(kept))
    chosen = sorted(set(old.tolist()))
    assert len(chosen) == kept
    np.testing.assert_array_equal(subset.y_train, np.searchsorted(chosen, old))
    assert len(subset.x_train) == np.isin(data.y_train, chosen).sum()
    assert len(subset.x_test) == np.isin(data.y_test, chosen).sum()


def test_class_subset_depends_on_the_seed_and_is_noted():
    data = make(classes=10)
    notes = {prepare(data, DataSpec(classes=2), seed).note for seed in range(12)}
    assert len(notes) > 3
    assert prepare(data, DataSpec(classes=2), 5).note == prepare(data, DataSpec(classes=2), 5).note


@settings(deadline=None)
@given(
    samples=st.integers(2, 80),
    kept=st.none() | st.integers(1, 80),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 1000),
)
def test_validation_split_and_sample_subset(samples, kept, fraction, seed):
    data = make(samples=samples, classes=2)
    spec = DataSpec(train_samples=kept, validation=fraction)
    left = samples if kept is None else kept
    held = round(fraction * left)
    if left > samples or (fraction > 0 and not 0 < held < left):
        with pytest.raises(InputError):
            prepare(data, spec, seed)
        return
    split = prepare(data, spec, seed)
    assert (len(split.x_train), len(split.x_validation)) == (left - held, held)
    numbers = np.concatenate([split.x_train[:, 0], split.x_validation[:, 0]])
    assert len(set(numbers)) == left  # no sample twice, none in both
    assert (np.diff(split.x_train[:, 0]) > 0).all()  # the old order
    np.testing.assert_array_equal(split.y_train, traced(split.x_train, data))
    np.testing.assert_array_equal(split.y_validation, traced(split.x_validation, data))
    again = prepare(data, spec, seed)
    np.testing.assert_array_equal(split.x_train, again.x_train)


def test_nothing_asked_copies_nothing():
    data = make()
    assert prepare(data, DataSpec()) is data


@settings(deadline=None)
@given(fraction=st.floats(0.001, 1), classes=st.integers(2, 7), seed=st.integers(0, 1000))
def test_label_noise(fraction, classes, seed):
    data = make(samples=70, classes=classes)
    before = data.y_train.copy()
    noisy = prepare(data, DataSpec(label_noise=fraction, validation=0.2), seed)
    changed = noisy.y_train != traced(noisy.x_train, data)
    assert changed.sum() == round(fraction * 56)  # always by another class
    assert set(noisy.y_train) <= set(range(classes))
    np.testing.assert_array_equal(noisy.y_validation, traced(noisy.x_validation, data))
    np.testing.assert_array_equal(noisy.y_test, data.y_test)
    np.testing.assert_array_equal(data.y_train, before)


def test_label_noise_is_uniform_over_the_other_classes():
    data = Data(np.zeros((9000, 1)), np.zeros(9000, int), np.zeros((1, 1)), [0], n_outputs=4)
    counts = np.bincount(prepare(data, DataSpec(label_noise=1.0), 1).y_train, minlength=4)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 3000).max() < 200


def test_label_noise_is_its_own_stream():
    data = make(samples=80)
    plain, noisy = (prepare(data, DataSpec(validation=0.25, label_noise=p), 3) for p in (0.0, 0.5))
    np.testing.assert_array_equal(plain.x_train, noisy.x_train)


def test_zscore_with_training_statistics():
    data = make(samples=3000)
    scaled = prepare(data, DataSpec(normalisation="zscore", validation=0.1), 0)
    np.testing.assert_allclose(scaled.x_train.mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.x_train.std(axis=0, dtype=np.float64), 1, atol=1e-5)
    raw = prepare(data, DataSpec(validation=0.1), 0)
    for part in ("x_test", "x_validation"):
        expected = (getattr(raw, part) - raw.x_train.mean(axis=0)) / raw.x_train.std(axis=0)
        np.testing.assert_allclose(getattr(scaled, part), expected, rtol=1e-3, atol=1e-4)
    restored = scaled.x_test * scaled.input_deviation + scaled.input_mean
    np.testing.assert_allclose(restored, data.x_test, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6])
def test_zscore_of_a_constant_feature(value):
    x, x_test = np.random.default_rng(0).random((501, 3)), np.zeros((2, 3))
    x[:, 1], x_test[:, 1] = value, value + 2
    scaled = normalise(Data(x, np.arange(501) % 2, x_test, [0, 1]), "zscore")
    assert (scaled.x_train[:, 1] == 0).all()
    np.testing.assert_allclose(scaled.x_test[:, 1], 2, rtol=1e-6)
    assert scaled.input_deviation[1] == 1


def test_channel_normalisation():
    rng = np.random.default_rng(0)
    x = rng.normal([[[[1]], [[5]], [[-2]]]], [[[[2]], [[0]], [[0.5]]]], (400, 3, 4, 5))
    scaled = normalise(Data(x, np.arange(400) % 2, x[:7], np.arange(7) % 2), "channel")
    images = scaled.x_train.reshape(-1, 3, 4, 5).astype(np.float64)
    np.testing.assert_allclose(images.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(0, 2, 3)), [1, 0, 1], atol=1e-5)
    assert scaled.image_shape == (3, 4, 5)


def test_centred_inputs_share_one_deviation():
    x = np.random.default_rng(0).normal([3, -2, 0], [1, 5, 0], (400, 3))
    x_test = np.array([[4.0, 3.0, 7.0]])
    scaled = normalise(Data(x, np.arange(400) % 2, x_test, [0]), "centred")
    deviation = np.sqrt(x.var(axis=0).mean())
    np.testing.assert_allclose(scaled.x_train, (x - x.mean(axis=0)) / deviation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaled.x_test, (x_test - x.mean(axis=0)) / deviation, rtol=1e-5)
    np.testing.assert_allclose(scaled.x_train.std(dtype=np.float64), 1, rtol=1e-5)
    same = normalise(Data(np.full((4, 2), 0.1), [0, 1, 0, 1], np.zeros((1, 2)), [0]), "centred")
    assert (same.x_train == 0).all()
    np.testing.assert_allclose(same.x_test, -0.1, rtol=1e-6)


def test_normalisation_copies_unless_told():
    data = make()
    before = data.x_train.copy()
    normalise(data, "zscore")
    np.testing.assert_array_equal(data.x_train, before)
    assert np.shares_memory(normalise(data, "zscore", copy=False).x_train, data.x_train)


@pytest.mark.parametrize(
    ("data", "spec", "culprit"),
    [
        (make(), DataSpec(normalisation="channel"), "image shape"),
        (make(), DataSpec(augment=("flip",)), "augment flip"),
        (regression(), DataSpec(classes=2), "classes"),
        (regression(), DataSpec(label_noise=0.1), "label_noise"),
        (make(), DataSpec(train_samples=61), "60 training samples"),
        (make(), DataSpec(validation=0.001), "validation"),
        (
            Data(np.zeros((4, 1)), [0, 1, 2, 3], np.zeros((1, 1)), [0], n_outputs=50),
            DataSpec(classes=2),
            r"no (train|test) sample of data is in classes",
        ),
    ],
)
def test_what_the_data_do_not_allow_is_refused(data, spec, culprit):
    with pytest.raises(InputError, match=culprit) as caught:
        prepare(data, spec, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("copy", [True, False])
def test_scale_maps_the_extremes_of_the_training_set(copy):
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 3), dtype=np.float32), rng.integers(2, size=20)
    data = Data(x.copy(), y, 2 * x, y, n_outputs=2)
    scaled = prepare(data, DataSpec(scale=(-0.9, 0.9)), copy=copy)
    expected = (x - x.min()) / (x.max() - x.min()) * 1.8 - 0.9
    np.testing.assert_allclose(scaled.x_train, expected, atol=1e-6)
    proportional = (2 * x - x.min()) / (x.max() - x.min()) * 1.8 - 0.9
    np.testing.assert_allclose(scaled.x_test, np.minimum(proportional, 0.9), atol=1e-6)
    assert scaled.x_train.max() <= np.float32(0.9)
    assert f"{(2 * x > x.max()).sum()} test and validation inputs clipped to -0.9 ... 0.9" in scaled.note
    np.testing.assert_allclose(scaled.x_train * scaled.input_deviation + scaled.input_mean, x, atol=1e-6)
    assert (data.x_train is scaled.x_train) != copy
    assert copy == bool((data.x_train == x).all())


@pytest.mark.parametrize("copy", [True, False])
def test_scale_takes_an_autoencoders_targets_along(copy):
    x = np.random.default_rng(0).random((20, 3), dtype=np.float32)
    few = x[:5].copy()
    data = Data(x, x, few, few, task="regression")
    scaled = prepare(data, DataSpec(scale=(-1, 1)), copy=copy)
    for part in ("train", "test"):
        assert np.shares_memory(getattr(scaled, f"x_{part}"), getattr(scaled, f"y_{part}"))
    assert (scaled.x_train.min(), scaled.y_train.max()) == pytest.approx((-1, 1))


def test_scale_refusals():
    flat = np.ones((4, 2), np.float32)
    with pytest.raises(InputError, match="no scale can spread"):
        prepare(Data(flat, [0, 1, 0, 1], flat, [0, 1, 0, 1]), DataSpec(scale=(0, 1)))
    with pytest.raises(InputError, match="a smaller and a larger"):
        DataSpec(scale=(1, 0))
    with pytest.raises(InputError, match="choose one"):
        DataSpec(scale=(0, 1), normalisation="zscore")
