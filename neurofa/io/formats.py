"""Readers of the file formats in which data sets are published; each returns arrays as they are in the file."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from ..spec import InputError
from ..spec.errors import require, require_choice
from .archives import read_arrays

CIFAR_PIXELS = 3 * 32 * 32
IDX_UNSIGNED_BYTE = 8
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION_KEYS = ("x_validation", "y_validation")


def read_idx(path: Path) -> np.ndarray:
    """Read a gzip-compressed IDX file of unsigned bytes (MNIST and its kin).

    The header is two zero bytes, the type, the number of dimensions and each dimension as a
    big-endian 32-bit integer; the values follow in row-major order.

    Parameters
    ----------
    path
        The ``.gz`` file.

    Returns
    -------
    numpy.ndarray
        uint8, read-only, with the shape in the header.

    Raises
    ------
    InputError
        For a file that is truncated, not gzip, or not IDX of unsigned bytes.
    """
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is truncated or not a gzip file ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_UNSIGNED_BYTE:
        raise InputError(f"{path} is not an IDX file of unsigned bytes")
    start = 4 + 4 * content[3]
    require(len(content) >= start, f"{path} is truncated within the IDX header")
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", content[3], 4))
    held, expected = len(content) - start, math.prod(shape)
    require(held == expected, f"{path} holds {held} values but its header promises {expected}: it is damaged")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_cifar(path: Path, label_bytes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Read a batch of CIFAR's binary version.

    A record is `label_bytes` labels (CIFAR-100: coarse, then fine) and 3072 pixels, channel by
    channel in row-major order.

    Returns
    -------
    pixels : numpy.ndarray
        uint8 (n, 3072).
    labels : numpy.ndarray
        uint8 (n,), the last label of each record.

    Raises
    ------
    InputError
        For a file that does not consist of whole records.
    """
    record = label_bytes + CIFAR_PIXELS
    content = np.fromfile(path, np.uint8)
    require(
        content.size > 0 and content.size % record == 0,
        f"{path} has {content.size} bytes, not a multiple of the {record} bytes of a record: it is truncated",
    )
    records = content.reshape(-1, record)
    return records[:, label_bytes:], records[:, label_bytes - 1]


def read_svhn(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a cropped-digits file of SVHN (MATLAB 5).

    The file has X (32, 32, 3, n) and y (n, 1) in which the digit 0 has the label 10.

    Returns
    -------
    pixels : numpy.ndarray
        uint8 (n, 3, 32, 32).
    labels : numpy.ndarray
        uint8 (n,), the digit.

    Raises
    ------
    InputError
        For a file that cannot be read, or lacks X or y.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["X", "y"])
    # scipy raises NotImplementedError for files of MATLAB 7.3, and the others for damaged ones
    except (MatReadError, ValueError, TypeError, EOFError, OSError, zlib.error, NotImplementedError) as error:
        raise InputError(f"{path} is truncated or not a MATLAB 5 file ({error or type(error).__name__})") from error
    for key, dimensions in (("X", 4), ("y", 2)):
        require(
            key in content and content[key].ndim == dimensions and content[key].dtype == np.uint8,
            f"{path} has no array {key} of unsigned bytes in {dimensions} dimensions: it is not an SVHN file",
        )
    return content["X"].transpose(3, 2, 0, 1), content["y"].reshape(-1) % 10


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the user's own data: ``x_train``, ``y_train``, ``x_test``, ``y_test``, and a validation set if there is one.

    Pickled objects are never loaded. Arrays of other names are not read, unless they begin with ``x_`` or ``y_``.

    Raises
    ------
    InputError
        For a file that is absent or damaged, lacks one of the four arrays, holds one of Python objects, or an ``x_`` or
        ``y_`` that is not known.
    """
    wanted = ", ".join(NPZ_KEYS)
    arrays = read_arrays(path, re.compile("[xy]_.*"), wanted)
    absent = [key for key in NPZ_KEYS if key not in arrays]
    require(not absent, f"{path} has no {' and no '.join(absent)}; write {wanted} with numpy.savez")
    for name in arrays:
        require_choice(f"{path}: array", name, (*NPZ_KEYS, *VALIDATION_KEYS))
    return arrays
