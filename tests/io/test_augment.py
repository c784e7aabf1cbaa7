"""Flip and elastic deformation: what is kept, how large displacements are, and the seed."""

import numpy as np
import pytest

from neurofa.io.augment import CHUNK, augmenter, augmenter_for, gaussian_noise
from neurofa.io.data import Data
from neurofa.io.preparation import normalise
from neurofa.spec import InputError


def images(count=20, shape=(1, 28, 28), seed=0):
    """Random smooth-free images, flattened."""
    return np.random.default_rng(seed).random((count, int(np.prod(shape))), np.float32)


def test_flip_mirrors_half_of_the_images():
    shape = (3, 4, 5)
    x = images(4000, shape)
    out = augmenter(("flip",), shape, 0)(x).reshape(-1, *shape)
    x = x.reshape(-1, *shape)
    kept, mirrored = (out == x).all(axis=(1, 2, 3)), (out == x[..., ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_input_is_untouched_and_the_buffer_reused():
    x = images(CHUNK + 10)
    before = x.copy()
    augment = augmenter(("flip", "elastic"), (1, 28, 28), 0)
    first = augment(x)
    assert first.dtype == np.float32
    assert first.shape == x.shape
    assert np.shares_memory(first, augment(x))
    assert np.shares_memory(first, augment(x[:3]))
    np.testing.assert_array_equal(x, before)


def test_each_call_differs_and_the_seed_decides():
    x = images()
    run = [augmenter(("elastic", "flip"), (1, 28, 28), 7) for _ in range(2)]
    first = run[0](x).copy()
    np.testing.assert_array_equal(first, run[1](x))
    assert not np.array_equal(first, run[0](x))
    with_rng = [run[0](x, np.random.default_rng(5)).copy() for _ in range(2)]
    np.testing.assert_array_equal(*with_rng)


def test_constant_images_stay_and_values_stay_in_range():
    augment = augmenter(("elastic",), (2, 12, 9), 0)
    np.testing.assert_allclose(augment(np.full((5, 216), 0.7, np.float32)), 0.7, rtol=1e-6)
    out = augment(images(50, (2, 12, 9)))
    assert out.min() >= 0
    assert out.max() <= 1


def test_without_displacement_nothing_changes():
    for shape in [(1, 28, 28), (3, 5, 7), (1, 1, 6), (1, 6, 1)]:
        x = images(6, shape)
        np.testing.assert_allclose(augmenter(("elastic",), shape, 0, alpha_px=0)(x), x, rtol=1e-6)


def test_displacements_against_scipy():
    """Images of the coordinates show the displacement; smoothing and interpolation are redone by scipy."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    side, count = 28, 3
    x = images(count, (1, side, side))
    out = augmenter(("elastic",), (1, side, side), 0)(x, np.random.default_rng(3)).reshape(-1, side, side)
    noise = np.random.default_rng(3).random((2, count, side, side), np.float32) * 2 - 1
    grid = np.mgrid[:side, :side].astype(float)
    for index in range(count):
        shift = [34 * gaussian_filter(field[index], 4.0, mode="constant") for field in noise]
        where = [np.clip(axis + move, 0, side - 1) for axis, move in zip(grid, shift, strict=True)]
        expected = map_coordinates(x[index].reshape(side, side), where, order=1, mode="nearest")
        np.testing.assert_allclose(out[index], expected, atol=2e-4)


@pytest.mark.parametrize("side", [28, 56])
def test_default_displacement_scales_with_the_image(side):
    """The middle moves by alpha / (sigma sqrt(12 pi)) = 1.38 pixels of 28, whatever the size."""
    columns = np.tile(np.arange(side, dtype=np.float32), (side, 1)).reshape(1, -1)
    out = augmenter(("elastic",), (1, side, side), 0)(np.repeat(columns, 1500, axis=0))
    middle = (out - columns).reshape(-1, side, side)[:, side // 2, side // 2]
    assert middle.std() * 28 / side == pytest.approx(34 / (4 * np.sqrt(12 * np.pi)), rel=0.08)


def test_channels_move_together():
    one = images(8, (1, 16, 16))
    out = augmenter(("elastic",), (3, 16, 16), 0)(np.tile(one, (1, 3))).reshape(8, 3, 256)
    np.testing.assert_array_equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize("names", [("flip",), ("elastic",), ("flip", "elastic")])
def test_normalised_images_are_altered_in_their_own_units(names):
    x = images(30, (1, 8, 8)) * np.linspace(0.1, 9, 64, dtype=np.float32)
    data = Data(x, np.arange(30) % 2, x, np.arange(30) % 2, image_shape=(1, 8, 8))
    scaled = normalise(data, "zscore")
    plain, altered = augmenter_for(data, names, 1)(x), augmenter_for(scaled, names, 1)(scaled.x_train)
    np.testing.assert_allclose(altered * scaled.input_deviation + scaled.input_mean, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "shape", "culprit"),
    [
        (("flip",), (), "image shape"),
        (("flip",), (28, 28), "image shape"),
        (("mirror",), (1, 8, 8), "'mirror' is unknown"),
        ((), (1, 8, 8), "empty"),
    ],
)
def test_what_cannot_be_augmented_is_refused(names, shape, culprit):
    with pytest.raises(InputError, match=culprit):
        augmenter(names, shape, 0)


def test_other_shapes_and_parameters_are_refused():
    with pytest.raises(InputError, match="must be \\(n, 64\\)"):
        augmenter(("flip",), (1, 8, 8), 0)(images(3, (1, 9, 9)))
    with pytest.raises(InputError, match="sigma"):
        augmenter(("elastic",), (1, 8, 8), 0, sigma_px=0)


def test_gaussian_noise_has_its_deviation_and_leaves_the_data_alone():
    x = np.zeros((200, 500), np.float32)
    noisy = gaussian_noise(0.3)(x, np.random.default_rng(5))
    assert noisy.dtype == np.float32
    assert abs(noisy.mean()) < 0.005
    assert abs(noisy.std() - 0.3) < 0.005
    assert not x.any()
    with pytest.raises(InputError, match="std -1"):
        gaussian_noise(-1)
