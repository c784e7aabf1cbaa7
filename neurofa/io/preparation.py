"""What is done to a data set before training: subsets, a validation split, label noise, normalisation."""

from dataclasses import replace

import numpy as np

from ..spec import DataSpec, InputError
from ..spec.errors import require, require_choice
from ..spec.seeds import streams
from ..spec.training import NORMALISATIONS
from .data import ROWS, Data


def prepare(data: Data, spec: DataSpec, seed: int = 0, *, copy: bool = True) -> Data:
    """Prepare `data` as `spec` says, in this order.

    Classes are chosen, then training samples, then the validation set is split off; label noise reaches
    the remaining training samples only, so that validation and test labels stay true; the statistics of a
    normalisation are those of the remaining training samples.

    Parameters
    ----------
    data
        The data set as published.
    spec
        Its fields other than `name` and `augment` are used here.
    seed
        Subsets and the split use its ``subset`` stream, label noise its ``label_noise`` stream.
    copy
        False lets a normalisation overwrite the arrays of `data`.

    Raises
    ------
    InputError
        For more classes or samples than there are, and for steps that the data do not allow.
    """
    draws = streams(seed)
    if spec.augment:
        require_augmentable(spec.augment, data)
    if spec.classes is not None:
        data = class_subset(data, spec.classes, draws.subset)
    if spec.train_samples is not None:
        data = sample_subset(data, spec.train_samples, draws.subset)
    if spec.validation > 0:
        data = validation_split(data, spec.validation, draws.subset)
    if spec.label_noise > 0:
        data = label_noise(data, spec.label_noise, draws.label_noise)
    if spec.normalisation != "none":
        data = normalise(data, spec.normalisation, copy=copy)
    if spec.scale is not None:
        data = rescale(data, spec.scale, copy=copy)
    return data


def require_images(names: tuple[str, ...], image_shape: tuple[int, ...], what: str = "the data") -> None:
    """Refuse an augmentation of data that are not images (channels, height, width)."""
    require(
        len(image_shape) == 3,
        f"augment {', '.join(names)} needs images, and {what} has no image shape (channels, height, width); "
        "leave augment out",
    )


def require_augmentable(names: tuple[str, ...], data: Data) -> None:
    """Refuse an augmentation of data that are not images, or whose targets are the images themselves."""
    require_images(names, data.image_shape, data.name)
    require(
        not _reconstructs(data, "train"),
        f"augment {', '.join(names)} alters inputs only, and the targets of {data.name} are its inputs; "
        "leave augment out",
    )


def class_subset(data: Data, classes: int, rng: np.random.Generator) -> Data:
    """Keep `classes` classes, drawn at random and relabelled from 0 in their old order."""
    if data.task != "classification":
        raise InputError(f"data classes needs class labels, and {data.name} is a regression; leave classes out")
    require(
        classes <= data.n_outputs,
        f"data classes is {classes}, but {data.name} has {data.n_outputs} classes; ask for at most that many",
    )
    kept = np.sort(rng.choice(data.n_outputs, classes, replace=False))
    new_label = np.full(data.n_outputs, -1)
    new_label[kept] = np.arange(classes)
    parts = {}
    for part in ("train", "validation", "test"):
        x, y = getattr(data, f"x_{part}"), new_label[getattr(data, f"y_{part}")]
        rows = np.flatnonzero(y >= 0)
        require(part == "validation" or len(rows) > 0, f"no {part} sample of {data.name} is in classes {kept.tolist()}")
        parts[f"x_{part}"], parts[f"y_{part}"] = x[rows], y[rows]
    return replace(data, **parts, n_outputs=classes, note=_note(data, f"classes {', '.join(map(str, kept))} only"))


def sample_subset(data: Data, samples: int, rng: np.random.Generator) -> Data:
    """Keep `samples` training samples, drawn at random, in their old order."""
    count = len(data.x_train)
    require(
        samples <= count,
        f"data train_samples is {samples}, but {data.name} has {count} training samples; ask for at most that many",
    )
    if samples == count:
        return data
    rows = np.sort(rng.choice(count, samples, replace=False))
    x, y = _train_rows(data, rows)
    return replace(data, x_train=x, y_train=y, note=_note(data, f"{samples} of {count} training samples"))


def validation_split(data: Data, fraction: float, rng: np.random.Generator) -> Data:
    """Move round(`fraction` * n) training samples, drawn at random, to the validation set."""
    require(
        len(data.x_validation) == 0,
        f"{data.name} has a validation set of its own; leave data validation out, which is {fraction}",
    )
    count = len(data.x_train)
    held = round(fraction * count)
    require(
        0 < held < count,
        f"data validation is {fraction}, which leaves {held} validation and {count - held} training samples of "
        f"{data.name}; both need at least one",
    )
    order = rng.permutation(count)
    (x_validation, y_validation), (x, y) = (_train_rows(data, np.sort(part)) for part in (order[:held], order[held:]))
    return replace(data, x_train=x, y_train=y, x_validation=x_validation, y_validation=y_validation)


def label_noise(data: Data, fraction: float, rng: np.random.Generator) -> Data:
    """Replace the labels of round(`fraction` * n) training samples, each by another class, uniformly."""
    if data.task != "classification":
        raise InputError(f"data label_noise needs class labels, and {data.name} is a regression; leave label_noise out")
    require(data.n_outputs >= 2, f"data label_noise needs two classes at least, and {data.name} has one; leave it out")
    count = len(data.y_train)
    noisy = round(fraction * count)
    rows = rng.permutation(count)[:noisy]
    labels = data.y_train.copy()
    labels[rows] = (labels[rows] + rng.integers(1, data.n_outputs, noisy)) % data.n_outputs
    return replace(data, y_train=labels, note=_note(data, f"{noisy} of {count} training labels replaced"))


def normalise(data: Data, kind: str, *, copy: bool = True) -> Data:
    """Shift and scale inputs to mean 0 and deviation 1 with the training set's statistics.

    Parameters
    ----------
    data
        Its `input_mean` and `input_deviation` are set in the result.
    kind
        ``zscore`` for each feature, ``channel`` for each image channel, ``centred`` with each feature's mean and
        one deviation of all features from their means, or ``none``.
    copy
        False overwrites the arrays of `data`.

    Notes
    -----
    The deviation is that of the population (divided by n). Where a feature or channel (or under ``centred``, every
    feature) is constant in the training set, it is only shifted. Targets stay as they are, those of an autoencoder
    too, which then no longer share the memory of the inputs.
    """
    require_choice("data normalisation", kind, NORMALISATIONS)
    if kind == "none":
        return data
    x = data.x_train
    mean, variance = _moments(x)
    lowest, highest = x.min(axis=0), x.max(axis=0)
    if kind == "channel":
        require(
            len(data.image_shape) == 3,
            f"data normalisation 'channel' needs images, and {data.name} has no image shape; use 'zscore'",
        )
        channels = data.image_shape[0]
        means = mean.reshape(channels, -1)
        pooled = means.mean(axis=1, keepdims=True)
        spread = (variance.reshape(channels, -1) + (means - pooled) ** 2).mean(axis=1, keepdims=True)
        mean, variance = (np.broadcast_to(values, means.shape).reshape(-1) for values in (pooled, spread))
        lowest = np.broadcast_to(lowest.reshape(channels, -1).min(axis=1, keepdims=True), means.shape).reshape(-1)
        highest = np.broadcast_to(highest.reshape(channels, -1).max(axis=1, keepdims=True), means.shape).reshape(-1)
    constant = lowest == highest  # a constant feature may have a variance of rounding errors, so its extremes decide
    mean = np.where(constant, lowest, mean).astype(np.float32)
    if kind == "centred":
        variance = np.full_like(variance, variance[~constant].sum() / variance.size)
        constant = np.full_like(constant, constant.all())
    deviation = np.where(constant, 1.0, np.sqrt(variance)).astype(np.float32)
    parts = {}
    for part in ("train", "validation", "test"):
        values = getattr(data, f"x_{part}")
        if copy or np.may_share_memory(values, getattr(data, f"y_{part}")):
            values = values.copy()
        values -= mean
        values /= deviation
        parts[f"x_{part}"] = values
    return replace(data, **parts, input_mean=mean, input_deviation=deviation)


def rescale(data: Data, scale: tuple[float, float], *, copy: bool = True) -> Data:
    """Map the smallest and the largest input of the training set to two values, and all others in proportion.

    What lies beyond these two in the other sets is clipped, as the note of the result says.

    Parameters
    ----------
    data
        What is scaled; the targets of an autoencoder, which are its inputs, with them.
    scale
        The two values.
    copy
        False overwrites the arrays of `data`.
    """
    lowest, highest = float(data.x_train.min()), float(data.x_train.max())
    require(lowest < highest, f"all inputs of {data.name} are {lowest:g}, which no scale can spread; leave scale out")
    factor = (scale[1] - scale[0]) / (highest - lowest)
    parts, beyond = {}, 0
    for part in ("train", "validation", "test"):
        values = getattr(data, f"x_{part}")
        beyond += int(np.count_nonzero((values < lowest) | (values > highest)))
        if copy:
            values = values.copy()
        values -= np.float32(lowest)
        values *= np.float32(factor)
        values += np.float32(scale[0])
        np.clip(values, np.float32(scale[0]), np.float32(scale[1]), out=values)  # the last bit of the ends, too
        parts[f"x_{part}"] = values
        if _reconstructs(data, part):
            parts[f"y_{part}"] = values
    deviation = np.full(data.features, 1 / factor, np.float32)
    mean = np.full(data.features, lowest - scale[0] / factor, np.float32)
    note = _note(data, f"{beyond} test and validation inputs clipped to {scale[0]:g} ... {scale[1]:g}")
    return replace(data, **parts, input_mean=mean, input_deviation=deviation, note=note if beyond else data.note)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each feature in float64, without a float64 copy of the data."""
    mean = x.mean(axis=0, dtype=np.float64)
    total = np.zeros_like(mean)
    for start in range(0, len(x), ROWS):
        centred = x[start : start + ROWS] - mean
        total += np.einsum("ij,ij->j", centred, centred)
    return mean, total / len(x)


def _reconstructs(data: Data, part: str) -> bool:
    """Whether the targets of a part are its inputs, in the same memory."""
    x, y = (getattr(data, f"{kind}_{part}") for kind in "xy")
    return (x.ctypes.data, x.shape, x.dtype) == (y.ctypes.data, y.shape, y.dtype)


def _train_rows(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some training samples; what shares memory still does, so that an autoencoder's images are not held twice."""
    x = data.x_train[rows]
    return x, x if _reconstructs(data, "train") else data.y_train[rows]


def _note(data: Data, text: str) -> str:
    """The data set's note with one more remark."""
    return f"{data.note}; {text}" if data.note else text
