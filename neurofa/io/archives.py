"""Arrays of .npz files, and every way in which such a file can be damaged."""

import os
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..spec import InputError
from ..spec.errors import first_line, require

try:
    from lzma import LZMAError
except ImportError:  # Python can be built without it, and then zipfile raises RuntimeError
    LZMAError = RuntimeError  # type: ignore[assignment,misc]

DAMAGE = (  # what zipfile, its decompressors and NumPy raise for files that are not as they were written
    OSError,
    EOFError,
    ValueError,  # Python objects too
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    OverflowError,
    MemoryError,  # a shape that nobody wrote
    RuntimeError,  # encrypted members
    NotImplementedError,  # compression that zipfile does not know
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
)


def read_arrays(path: Path, names: Sequence[str] | re.Pattern[str], called: str) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file; others in it are not read, and pickled objects are never loaded.

    Parameters
    ----------
    path
        The file.
    names
        Which arrays: these, each of which must be there, or those whose names fit a pattern, at least one.
    called
        How they are called, in messages.

    Returns
    -------
    dict
        Arrays by name.

    Raises
    ------
    InputError
        For a file that is absent or damaged, lacks one of the arrays, or holds one of Python objects.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{os.path.abspath(path)} does not exist; check the path of the .npz file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); check the file") from error
    with file:  # not opened by np.load, which leaves it open where the archive is damaged
        try:
            archive = np.load(file, allow_pickle=False)
        except DAMAGE as error:
            raise InputError(f"{path} is truncated or not an .npz file; write it again with numpy.savez") from error
        if isinstance(archive, np.ndarray):
            raise InputError(f"{path} holds a single array; write {called} with numpy.savez")
        with archive:
            if isinstance(names, re.Pattern):
                names = [name for name in archive.files if names.fullmatch(name)]
                require(len(names) > 0, f"{path} has no arrays with such names; write {called} with numpy.savez")
            absent = [name for name in names if name not in archive.files]
            require(not absent, f"{path} has no {' and no '.join(absent)}; write {called} with numpy.savez")
            return {name: _member(archive, name, path) for name in names}


def _member(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    """One array of an archive."""
    try:
        array = archive[name]
    except DAMAGE as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise InputError(
                f"{name} in {path} holds Python objects, which are not loaded; save it as an array of numbers"
            ) from error
        raise InputError(
            f"{name} in {path} is damaged ({first_line(error)}); write it again with numpy.savez"
        ) from error
    if not isinstance(array, np.ndarray):  # np.load gives the bytes of what does not begin as an array
        raise InputError(f"{name} in {path} is no array; write it again with numpy.savez")
    return array
