"""Checkpoints: a flat dict of arrays and a description of it, in one safetensors file. No pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..spec import InputError
from ..spec.errors import first_line
from .atomic import atomic_path

DTYPES = ("float32", "float64", "int32", "int64", "uint32", "uint64", "uint8", "bool")

# One entry only: safetensors writes several in random order, and equal checkpoints shall be equal files.
ENTRY = "neurofa"


def save_checkpoint(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write arrays and metadata to a safetensors file, atomically.

    Parameters
    ----------
    path
        File to write; what is there is replaced only by a complete new file.
    arrays
        By name, such as ``layers.0.W``; any shape, 0-d included. One of the dtypes in `DTYPES`.
    metadata
        What JSON can hold: strings, numbers, booleans, None, lists and dicts with string keys; NumPy
        scalars and arrays become numbers and lists. Integers keep all digits (a state of PCG64 has 128 bits).

    Raises
    ------
    InputError
        If an array or an entry of the metadata cannot be stored, or the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # safetensors reads the memory as it lies there, so a transposed view must become a copy
    contiguous = {_checked_name(name): np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in contiguous.items():
        if array.dtype.name not in DTYPES:
            raise InputError(
                f"array {name!r} has dtype {array.dtype}, which a checkpoint does not hold; "
                f"convert it to one of: {', '.join(DTYPES)}"
            )
    header = {ENTRY: _to_json(metadata or {})}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=header)
        except SafetensorError as error:
            raise OSError(0, str(error)) from error


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path
        A safetensors file.

    Returns
    -------
    arrays
        By name, sorted; writable and independent of the file.
    metadata
        As it was saved; tuples come back as lists.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not a checkpoint of neurofa.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no checkpoint {str(path)!r}; check the path, or train first to write one")
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            if ENTRY not in header:
                raise InputError(
                    f"{str(path)!r} is a safetensors file but not a checkpoint of neurofa; give one that neurofa wrote"
                )
            metadata = json.loads(header[ENTRY])
            arrays = {name: np.array(file.get_tensor(name)) for name in sorted(file.keys())}
    except (SafetensorError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is truncated or no checkpoint ({first_line(error)}); restore it from a copy, or train again"
        ) from error
    return arrays, metadata


def _checked_name(name: str) -> str:
    """The name of an array, if safetensors can use it."""
    if not isinstance(name, str) or name in ("", "__metadata__"):
        raise InputError(f"array name {name!r} cannot be stored in a checkpoint; use a name such as 'layers.0.W'")
    return name


def _to_json(metadata: Mapping[str, Any]) -> str:
    """The metadata as one JSON string."""

    def plain(value: object) -> object:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        raise TypeError(f"{type(value).__name__} is no JSON value")

    _check_keys(metadata, "metadata")
    try:
        return json.dumps(dict(metadata), default=plain, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metadata of a checkpoint cannot be stored: {error}; use strings, numbers, lists and dicts"
        ) from error


def _check_keys(value: object, where: str) -> None:
    """Refuse keys that JSON would silently turn into strings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"{where} of a checkpoint has the key {key!r}; use strings as keys")
            _check_keys(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_keys(item, f"{where}[{index}]")
