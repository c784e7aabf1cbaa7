"""Training-set augmentation, renewed each epoch: horizontal flip, elastic deformation, Gaussian noise."""

import zlib
from collections.abc import Callable

import numpy as np

from ..spec.errors import require, require_choice
from ..spec.seeds import streams
from ..spec.training import AUGMENTATIONS
from .data import Data
from .preparation import require_augmentable, require_images

CHUNK = 256  # images deformed together: their displacement fields stay in the cache
SIDE_PX, SIGMA_PX, ALPHA_PX = 28, 4.0, 34.0

Augmenter = Callable[..., np.ndarray]


def augmenter(
    names: tuple[str, ...],
    image_shape: tuple[int, ...],
    seed: int = 0,
    *,
    mean: np.ndarray | None = None,
    deviation: np.ndarray | None = None,
    sigma_px: float | None = None,
    alpha_px: float | None = None,
) -> Augmenter:
    """Make a function that returns altered images.

    Parameters
    ----------
    names
        ``flip``: each image is mirrored left to right with probability 1/2. ``elastic``: each image is
        deformed by its own smooth random displacement field. With both, the flip comes first.
    image_shape
        (channels, height, width).
    seed
        Its ``augment`` stream is used by calls without `rng`.
    mean, deviation
        (features,) of a normalisation per feature: images are altered in their original units, since
        neighbouring pixels were scaled differently.
    sigma_px
        Deviation of the Gaussian that smooths the displacements, in pixels.
    alpha_px
        Factor of the smoothed displacements, which are drawn from U(-1, 1) pixels before.

    Returns
    -------
    callable
        ``augment(x, rng=None)`` with x (n, features), float32, which is not changed. The result has the shape
        of x and lies in a buffer that the next call writes again.

    Raises
    ------
    InputError
        For data that are not images, and for an unknown name.

    Notes
    -----
    Elastic deformation follows Simard, Steinkraus and Platt (ICDAR 2003), with bilinear interpolation and
    the customary sigma = 4 and alpha = 34 pixels for images of 28 pixels; the displacement then has a
    deviation of about 1.4 pixels in the middle of the image and less towards its edges. For other sizes the
    defaults change so that the deformation looks the same: sigma with the side, alpha with its square. What
    is drawn in from outside the image has the value of the nearest edge pixel.
    """
    names = tuple(names)
    for name in names:
        require_choice("data augment", name, AUGMENTATIONS)
    require(bool(names), "augment is empty; name flip or elastic")
    require_images(names, image_shape)
    channels, height, width = image_shape
    features = channels * height * width
    scale = min(height, width) / SIDE_PX
    sigma = SIGMA_PX * scale if sigma_px is None else sigma_px
    alpha = ALPHA_PX * scale**2 if alpha_px is None else alpha_px
    require(sigma > 0 and alpha >= 0, f"augment elastic has sigma {sigma} and alpha {alpha}; both must be positive")
    deform = _elastic(height, width, sigma, alpha) if "elastic" in names else None
    scaling = (mean, deviation) if mean is not None and deviation is not None and len(mean) > 0 else None
    own_rng = streams(seed).augment
    buffer = np.empty((0, features), np.float32)

    def augment(x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        nonlocal buffer
        require(
            x.ndim == 2 and x.shape[1] == features,
            f"augment got an array of shape {x.shape}; it must be (n, {features})",
        )
        draws = own_rng if rng is None else rng
        if len(buffer) < len(x):
            buffer = np.empty(x.shape, np.float32)
        out = buffer[: len(x)]
        for start in range(0, len(x), CHUNK):
            block = out[start : start + CHUNK]
            block[...] = x[start : start + CHUNK]
            if scaling is not None:
                block *= scaling[1]
                block += scaling[0]
            images = block.reshape(-1, channels, height, width)
            if "flip" in names:
                mirrored = np.flatnonzero(draws.random(len(images)) < 0.5)
                images[mirrored] = images[mirrored][..., ::-1]
            if deform is not None:
                deform(images, draws)
            if scaling is not None:
                block -= scaling[0]
                block /= scaling[1]
        return out

    scales = () if scaling is None else tuple(zlib.crc32(np.ascontiguousarray(part).data) for part in scaling)
    augment.__qualname__ = f"augmenter{(names, image_shape, seed, sigma, alpha, *scales)}"  # known to checkpoints by it
    return augment


def augmenter_for(data: Data, names: tuple[str, ...], seed: int = 0) -> Augmenter:
    """The `augmenter` of a data set, which undoes and redoes the normalisation of `data` where it has one."""
    require_augmentable(tuple(names), data)
    return augmenter(names, data.image_shape, seed, mean=data.input_mean, deviation=data.input_deviation)


def gaussian_noise(std: float) -> Augmenter:
    """Make a function that adds Gaussian noise to inputs, as a denoising autoencoder has it: targets stay clean.

    It is given to `neurofa.train` as `augment`; the noise is drawn anew for each epoch.

    Parameters
    ----------
    std
        Standard deviation of the noise, in units of the inputs.
    """
    require(0 <= std < float("inf"), f"augment gaussian_noise has std {std}; it must be finite and not negative")

    def augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noisy = rng.standard_normal(x.shape, np.float32)
        noisy *= np.float32(std)
        noisy += x
        return noisy

    augment.__qualname__ = f"gaussian_noise({std!r})"  # by which a checkpoint knows it
    return augment


def _elastic(height: int, width: int, sigma: float, alpha: float) -> Callable[[np.ndarray, np.random.Generator], None]:
    """A function that deforms images (n, channels, height, width) in place."""
    from scipy.ndimage import gaussian_filter1d

    # A separable filter on small images is two matrix products, many times faster than a filter for each image.
    smooth_rows, smooth_columns = (
        gaussian_filter1d(np.eye(side), sigma, axis=0, mode="constant").astype(np.float32) for side in (height, width)
    )
    smooth_rows *= np.float32(alpha)
    row, column = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (height, width)), indexing="ij")

    def deform(images: np.ndarray, rng: np.random.Generator) -> None:
        count, channels = images.shape[:2]
        noise = rng.random((2, count, height, width), np.float32)
        noise *= 2
        noise -= 1
        noise = (noise.reshape(-1, width) @ smooth_columns.T).reshape(noise.shape)  # one large product
        shift = smooth_rows @ noise
        rows = np.clip(row + shift[0], 0, height - 1)
        columns = np.clip(column + shift[1], 0, width - 1)
        top = np.minimum(rows.astype(np.int32), max(height - 2, 0))
        left = np.minimum(columns.astype(np.int32), max(width - 2, 0))
        down, right = rows - top, columns - left
        corner = top * np.int32(width) + left
        corner += np.arange(count, dtype=np.int32)[:, None, None] * np.int32(channels * height * width)
        to_right, to_bottom = int(width > 1), width * int(height > 1)
        flat = images.reshape(-1)
        deformed = np.empty_like(images)
        for channel in range(channels):
            first = corner + np.int32(channel * height * width)
            upper = flat[first]
            upper += right * (flat[first + to_right] - upper)
            first += np.int32(to_bottom)
            lower = flat[first]
            lower += right * (flat[first + to_right] - lower)
            lower -= upper
            lower *= down
            np.add(upper, lower, out=deformed[:, channel])
        images[...] = deformed

    return deform
