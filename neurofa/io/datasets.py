"""Data sets by name or path: loaded and prepared, listed, fetched."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ..spec import DataSpec, InputError
from ..spec.errors import require, require_choice, require_kind
from ..spec.seeds import streams
from . import synthetic
from .data import Data
from .formats import read_cifar, read_idx, read_npz, read_svhn
from .preparation import prepare
from .sources import SOURCES, download, locate, remedy, verify

DIGITS_TEST = 360
COLOUR = (3, 32, 32)
Pixels = tuple[np.ndarray, np.ndarray]  # images and labels, both bytes


@dataclass(frozen=True)
class DatasetInfo:
    """A row of `available`: a data set, its size, and where it is.

    `where` is ``bundled``, ``generated``, the folder that holds the files, or empty if they were not found.
    """

    name: str
    description: str
    train: int
    test: int
    features: int
    outputs: int
    task: str
    found: bool
    where: str


def load_data(data: str | os.PathLike[str] | DataSpec = "digits", *, seed: int = 0, **options: object) -> Data:
    """Load a data set and prepare it.

    Files are looked for in ``$NEUROFA_DATA`` and in the user's cache, and downloaded to the cache if
    they are in neither. Pixels are in [0, 1].

    Parameters
    ----------
    data
        A name of `available`, the path of an ``.npz`` file with ``x_train``, ``y_train``, ``x_test`` and
        ``y_test``, or a `DataSpec`. In an ``.npz`` file whole numbers in ``y_train`` are class labels and
        floats are regression targets; unsigned bytes in ``x_train`` above 1 are pixels, divided by 255.
    seed
        Of everything that is drawn: synthetic tasks, subsets, the validation split, label noise.
    **options
        Fields of `DataSpec`, such as ``classes=2`` or ``normalisation="zscore"``.

    Returns
    -------
    Data
        Inputs (n, ...) float32; labels (n,) int64, or targets of a regression.

    Raises
    ------
    InputError
        For an unknown name or option, absent or damaged files, and data that cannot be used.

    Examples
    --------
    >>> import neurofa as nf
    >>> nf.load_data("digits", validation=0.1)
    Data('digits', classification, 64 features, 10 outputs, 1293 train, 144 validation, 360 test)
    """
    allowed = [entry.name for entry in fields(DataSpec) if entry.name != "name"]
    for option in options:
        require_choice("data option", option, allowed)
    require_kind("data", data, str | os.PathLike | DataSpec, hint="a name of `neurofa data list`, or an .npz file")
    spec = data if isinstance(data, DataSpec) else DataSpec(os.fspath(data))
    if options:
        spec = replace(spec, **options)  # type: ignore[arg-type]
    streams(seed)  # refuses what is not a seed before any file is read
    return prepare(_read(spec.name, seed), spec, seed, copy=False)


def available() -> list[DatasetInfo]:
    """All named data sets, with their size and where they are on this machine."""
    rows = []
    for name, source in SOURCES.items():
        where = source.place
        if source.files:
            located, absent = locate(source)
            where = "" if absent else str(located[source.files[0].name].parent)
        size = (source.train, source.test, source.features, source.outputs)
        rows.append(DatasetInfo(name, source.description, *size, source.task, bool(where), where))
    return rows


def fetch(name: str) -> str:
    """Make sure that a data set is on this machine and intact; download what is missing to the user's cache.

    Returns
    -------
    str
        One line that says where it is.

    Raises
    ------
    InputError
        For an unknown name, a damaged file, or files that cannot be downloaded.
    """
    require_choice("data", name, SOURCES)
    source = SOURCES[name]
    if not source.files:
        kind = "bundled with scikit-learn" if source.place == "bundled" else "drawn from the seed"
        return f"{name} is {kind}; there is nothing to fetch"
    located = _intact_files(name, with_optional=True)
    folders = sorted({str(path.parent) for path in located.values()})
    return f"{name}: {len(located)} files in {' and '.join(folders)}, checked"


def _intact_files(name: str, *, with_optional: bool = False) -> dict[str, Path]:
    """The paths of a data set's files, which are downloaded where they are absent, and checked."""
    source = SOURCES[name]
    located, required = locate(source)
    if required or with_optional:
        absent = [file for file in source.files if file.name not in located]
        if absent:
            download(name, source, absent)
            located, _ = locate(source)
    for file in source.files:
        if file.name in located:
            verify(name, located[file.name], file)
    return located


def _read(name: str, seed: int) -> Data:
    """The data set `name` as published."""
    if name.endswith(".npz"):
        return _read_npz(Path(name).expanduser())
    try:
        require_choice("data", name, SOURCES)
    except InputError as error:
        raise InputError(f"{error}; or give the path of an .npz file") from None
    source = SOURCES[name]
    if source.place == "generated":
        return GENERATED[name](seed)
    if source.place == "bundled":
        return _read_digits()
    located = _intact_files(name)
    try:
        return READERS[name](name, located)
    except InputError as error:
        folder = located[SOURCES[name].files[0].name].parent
        raise InputError(f"{error}; {remedy(name, f'the damaged file in {folder}')}") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error}); check the files in its folder") from error


def _unit_pixels(blocks: list[np.ndarray]) -> np.ndarray:
    """Bytes (n, ...) as one float32 array (n, pixels) in [0, 1], written once."""
    out = np.empty((sum(map(len, blocks)), blocks[0][0].size), np.float32)
    start = 0
    for block in blocks:
        part = out[start : start + len(block)].reshape(block.shape)
        np.divide(block, np.float32(255), out=part)
        start += len(block)
    return out


def _read_digits() -> Data:
    """scikit-learn's digits with every fifth sample of a class for the test, 1437 and 360.

    The samples are in the order of their writers, so that evenly spaced ones test all of them.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    by_class = np.argsort(y, kind="stable")
    # Evenly spaced along the samples sorted by class: a share of each class that differs by less than one.
    spaced = (np.arange(DIGITS_TEST) + 0.5) * len(y) / DIGITS_TEST
    test = np.zeros(len(y), bool)
    test[by_class[spaced.astype(int)]] = True
    return Data(x[~test], y[~test], x[test], y[test], name="digits", n_outputs=10, image_shape=(1, 8, 8))


def _images(
    train: list[Pixels], test: Pixels, name: str, outputs: int, image_shape: tuple[int, ...], note: str = ""
) -> Data:
    """Data of images and labels as bytes; the training set may come in parts."""
    return Data(
        _unit_pixels([pixels for pixels, _ in train]),
        np.concatenate([labels for _, labels in train]),
        _unit_pixels([test[0]]),
        test[1],
        name=name,
        n_outputs=outputs,
        image_shape=image_shape,
        note=note,
    )


def _read_idx_set(name: str, located: dict[str, Path]) -> Data:
    """MNIST and the sets that share its format."""
    train, test = (
        (read_idx(located[f"{part}-images-idx3-ubyte.gz"]), read_idx(located[f"{part}-labels-idx1-ubyte.gz"]))
        for part in ("train", "t10k")
    )
    return _images([train], test, name, 10, (1, *train[0].shape[1:]))


def _read_mnist_autoencoder(name: str, located: dict[str, Path]) -> Data:
    """MNIST's images as inputs and as targets, in the same memory."""
    mnist = _read_idx_set("mnist", located)
    x, test = mnist.x_train, mnist.x_test
    return Data(x, x, test, test, name=name, task="regression", image_shape=mnist.image_shape)


def _read_cifar10(name: str, located: dict[str, Path]) -> Data:
    """CIFAR-10; the fifth training batch takes the place of a test batch that is absent."""
    batches = [read_cifar(located[file]) for file in sorted(located)]
    note = ""
    if "test_batch.bin" not in located:
        note = "test_batch.bin is absent: trained on batches 1 to 4, and batch 5 is the test set"
    return _images(batches[:-1], batches[-1], name, 10, COLOUR, note)


def _read_cifar100(name: str, located: dict[str, Path]) -> Data:
    """CIFAR-100 with its fine labels."""
    train, test = (read_cifar(located[file], label_bytes=2) for file in ("train.bin", "test.bin"))
    return _images([train], test, name, 100, COLOUR)


def _read_svhn(name: str, located: dict[str, Path]) -> Data:
    """SVHN's cropped digits, without the extra set."""
    train, test = (read_svhn(located[file]) for file in ("train_32x32.mat", "test_32x32.mat"))
    return _images([train], test, name, 10, COLOUR)


def _read_npz(path: Path) -> Data:
    """The user's own data."""
    arrays = read_npz(path)
    note = ""
    inputs = [key for key in arrays if key.startswith("x_")]
    if all(arrays[key].dtype == np.uint8 for key in inputs) and arrays["x_train"].max(initial=0) > 1:
        for key in inputs:
            arrays[key] = arrays[key] / np.float32(255)
        note = "pixels 0..255 were divided by 255"
    task = "regression" if arrays["y_train"].dtype.kind == "f" else "classification"
    data = Data(name=str(path), task=task, note=note, **arrays)  # type: ignore[arg-type]
    require(
        task == "regression" or (data.y_train == 0).any() or (data.y_test == 0).any(),
        f"labels of {path} start at {data.y_train.min()}; number the classes from 0",
    )
    return data


GENERATED: dict[str, Callable[[int], Data]] = {
    "cosine_regression": synthetic.cosine_regression,
    "frenkel_classification": synthetic.frenkel_classification,
    "linear_teacher": synthetic.linear_teacher,
    "linear_teacher_100_20": synthetic.linear_teacher_100_20,
    "nonlinear_teacher": synthetic.nonlinear_teacher,
    "quadratic_teacher": synthetic.quadratic_teacher,
    "xor": synthetic.xor,
    "xor_scalar": synthetic.xor_scalar,
}
READERS: dict[str, Callable[[str, dict[str, Path]], Data]] = {
    "mnist": _read_idx_set,
    "mnist_autoencoder": _read_mnist_autoencoder,
    "fashion_mnist": _read_idx_set,
    "kmnist": _read_idx_set,
    "cifar10": _read_cifar10,
    "cifar100": _read_cifar100,
    "svhn": _read_svhn,
}
