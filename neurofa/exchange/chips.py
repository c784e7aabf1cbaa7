"""Weights for the tools of neuromorphic chips: .npz, a table of synapses, or a folder of matrices."""

import csv
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..io.archives import read_arrays
from ..io.atomic import atomic_path, remove
from ..io.config import dump_model
from ..rules import Params
from ..spec import InputError, Spiking
from ..spec.errors import first_line, require
from ..spec.hardware import Hardware

COLUMNS = ("array", "layer", "pre", "post", "weight", "level", "delay_ticks")
INDEX = "index.json"
KEY = re.compile(r"layers\.(\d+)\.([WbB])")
DIGITS = {"float32": 9, "float64": 17}  # after which the same number is read
DAMAGE = (  # what tables and an index that are not as they were written raise
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(OverflowError, MemoryError, RecursionError, csv.Error),
)
Grids = Mapping[str, tuple[float, int]]


def write_weights(
    path: str | os.PathLike[str],
    params: Mapping[str, np.ndarray],
    hardware: Hardware | str | None = None,
    *,
    grids: Grids | None = None,
    spiking: Spiking | None = None,
) -> None:
    """Write weights for other tools; `read_weights` gives them back exactly.

    Parameters
    ----------
    path
        ``.npz``: an array for each parameter, and for each that lies on a grid ``levels.NAME`` (int16, or int32 where
        they need it) and ``step.NAME``. ``.csv``: a row for each synapse with the columns `COLUMNS`; `array` is W, b or
        B, `pre` is -1 for a bias, `level` is empty without a grid. No suffix: a folder with a matrix ``NAME.csv``
        (n_pre rows of n_post numbers, a bias one row) for each parameter, ``NAME.levels.csv`` for those on a grid, and
        `INDEX` with shapes, steps and the hardware.
    params
        ``layers.l.W`` (n_pre, n_post), ``.b`` (n_post,), ``.B`` (n_source, n_post), float32 or float64.
    hardware
        What the weights are for: kept in ``.npz`` and in a folder.
    grids
        By parameter, (step, lowest level): every weight is a whole number, at least the lowest level, of steps.
    spiking
        Gives the delays of the synapses; one tick each if None. Feedback has no delay, 0.

    Raises
    ------
    InputError
        For other arrays than these, weights that are not on their grid, and where the file cannot be written.
    """
    path, values = Path(path), _checked(params)
    levels = {key: _levels(key, values, grid) for key, grid in (grids or {}).items()}
    about = _described(hardware)
    if path.suffix == ".npz":
        arrays = dict(values) | {f"levels.{key}": array for key, array in levels.items()}
        arrays |= {f"step.{key}": np.array(float(grid[0])) for key, grid in (grids or {}).items()}
        if about is not None:
            arrays["hardware"] = np.array(json.dumps(about))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # names are parameters', not options
    elif path.suffix == ".csv":
        n_layers = 1 + max(int(key.split(".")[1]) for key in values)
        delays = spiking.delays(n_layers) if spiking else (1,) * n_layers
        kinds = {array.dtype.name for array in values.values()}
        require(len(kinds) == 1, f"parameters are of types {', '.join(sorted(kinds))}; give them one, or write .npz")
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(COLUMNS) + "\n")
            for key, array in values.items():
                file.writelines(_rows(key, array, levels.get(key), delays))
    elif path.suffix == "":
        _write_folder(path, values, levels, grids or {}, about)
    else:
        raise InputError(f"{path} has the suffix {path.suffix!r}; weights are written as .npz, .csv, or to a folder")


def read_weights(path: str | os.PathLike[str]) -> Params:
    """Read what `write_weights` wrote.

    Parameters
    ----------
    path
        ``.npz``, ``.csv`` or folder.

    Returns
    -------
    params
        ``layers.l.W``, ``.b``, ``.B``, exact to the bit. (A table of numbers that are all exact in both precisions is
        read as float32.)

    Raises
    ------
    InputError
        For what is absent, damaged or of another format.
    """
    path = Path(path)
    require(path.exists(), f"{path} does not exist; check the path of the weights")
    if path.suffix == ".npz" and not path.is_dir():
        return _checked(read_arrays(path, KEY, "layers.0.W, layers.0.b and so on"))
    try:
        if path.is_dir():
            return _checked(_read_folder(path))
        require(path.suffix == ".csv", f"{path} has the suffix {path.suffix!r}; weights are read from .npz and .csv")
        return _checked(_read_table(path))
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path} is damaged or holds no weights ({first_line(error)}); write it again") from error


def _checked(params: Mapping[str, np.ndarray]) -> Params:
    """Parameters by name, in order; refused if they are something else."""
    require(len(params) > 0, "there are no weights; give layers.0.W and so on")
    matches = {key: KEY.fullmatch(str(key)) for key in params}
    unknown = [key for key, match in matches.items() if match is None]
    require(not unknown, f"{unknown[:1]} is no parameter; weights are called layers.0.W, layers.0.b, layers.0.B")
    names = {key: match for key, match in matches.items() if match is not None}
    values = {}
    for key, match in sorted(names.items(), key=lambda item: (int(item[1][1]), item[0])):
        array = np.asarray(params[key])
        n_dims = 1 if match[2] == "b" else 2
        require(array.ndim == n_dims and array.size > 0, f"{key} has shape {array.shape}; give {n_dims} dimension(s)")
        require(array.dtype.name in DIGITS, f"{key} is of type {array.dtype}; give float32 or float64")
        require(bool(np.isfinite(array).all()), f"{key} is NaN or infinite somewhere; give finite numbers")
        values[key] = array
    return values


def _levels(key: str, values: Params, grid: tuple[float, int]) -> np.ndarray:
    """Whole numbers of steps."""
    require(key in values, f"grids name {key!r}, which is none of the parameters")
    step, lowest = grid
    require(0 < step < math.inf, f"the grid of {key} has step {step}; it must be positive and finite")
    array = values[key]
    with np.errstate(over="ignore"):
        levels = np.rint(array.astype(np.float64) / step)
        off = (levels * step).astype(array.dtype) != array
    if off.any():
        raise InputError(f"{key} has a weight of {array[off][0]:.9g}, which is no whole number of {step:g}")
    require(levels.min() >= lowest, f"{key} has level {levels.min():g}, below the lowest of its grid, {lowest}")
    require(bool(np.abs(levels).max() < 2**31), f"{key} has levels beyond 32 bits; give a larger step")
    return levels.astype(np.int16 if np.abs(levels).max() < 2**15 else np.int32)


def _described(hardware: Hardware | str | None) -> Any:
    """Hardware in the terms of JSON."""
    return hardware if hardware is None or isinstance(hardware, str) else json.loads(dump_model(hardware))  # type: ignore[arg-type]


def _digits(array: np.ndarray) -> list[str]:
    """Numbers as text that gives them back."""
    n = DIGITS[array.dtype.name]
    return [f"{value:.{n}g}" for value in array.ravel().tolist()]


def _rows(key: str, array: np.ndarray, levels: np.ndarray | None, delays: tuple[int, ...]) -> Iterator[str]:
    """Lines of the table."""
    _, layer, name = key.split(".")
    delay = {"W": delays[int(layer)], "b": 1, "B": 0}[name]
    matrix = np.atleast_2d(array)
    pre, post = np.divmod(np.arange(array.size), matrix.shape[1])
    shown = [""] * array.size if levels is None else [str(level) for level in levels.ravel().tolist()]
    for i, j, weight, level in zip(pre.tolist(), post.tolist(), _digits(matrix), shown, strict=True):
        yield f"{name},{layer},{-1 if name == 'b' else i},{j},{weight},{level},{delay}\n"


def _read_table(path: Path) -> Params:
    entries: dict[str, list[tuple[int, int, str]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        absent = [name for name in COLUMNS[:5] if name not in (rows.fieldnames or ())]
        require(not absent, f"{path} has no column {', '.join(absent)}; a table of weights has {', '.join(COLUMNS)}")
        for row in rows:
            key = f"layers.{int(row['layer'])}.{row['array']}"
            entries.setdefault(key, []).append((int(row["pre"]), int(row["post"]), row["weight"]))
    texts = [text for found in entries.values() for _, _, text in found]
    with np.errstate(over="ignore"):
        rounded = np.array(texts, np.float64).astype(np.float32).tolist()
    single = all(f"{value:.9g}" == text for value, text in zip(rounded, texts, strict=True))
    params = {}
    for key, found in entries.items():
        at = np.array([(max(i, 0), j) for i, j, _ in found])
        matrix = np.full(at.max(axis=0) + 1, np.nan)
        require(at.min() >= 0 and len(found) == matrix.size, f"{path}: {key} has synapses twice, or not all of them")
        matrix[at[:, 0], at[:, 1]] = np.array([text for _, _, text in found], np.float64)
        array = matrix.astype(np.float32) if single else matrix
        params[key] = array[0] if key.endswith(".b") else array
    return params


def _write_folder(folder: Path, values: Params, levels: Params, grids: Grids, about: Any) -> None:
    index: dict[str, Any] = {"arrays": {}, "hardware": about}
    remove(folder / INDEX)  # of other weights, some of which are overwritten before it is
    for key, array in values.items():
        entry: dict[str, Any] = {"file": f"{key}.csv", "shape": list(array.shape), "dtype": array.dtype.name}
        matrices = {entry["file"]: _digits(array)}
        if key in levels:
            entry |= {"levels": f"{key}.levels.csv", "step": float(grids[key][0]), "lowest": int(grids[key][1])}
            matrices[entry["levels"]] = [str(level) for level in levels[key].ravel().tolist()]
        for name, texts in matrices.items():
            width = array.shape[-1]
            with atomic_path(folder / name) as temporary, temporary.open("w", encoding="utf-8") as file:
                file.writelines(",".join(texts[at : at + width]) + "\n" for at in range(0, len(texts), width))
        index["arrays"][key] = entry
    with atomic_path(folder / INDEX) as temporary:  # last: without it the folder is no set of weights
        temporary.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _read_folder(folder: Path) -> Params:
    index = folder / INDEX
    require(index.is_file(), f"{folder} has no {INDEX}; give a folder that write_weights wrote")
    params = {}
    for key, entry in json.loads(index.read_text(encoding="utf-8"))["arrays"].items():
        matrix = np.loadtxt(folder / entry["file"], delimiter=",", dtype=entry["dtype"], ndmin=2)
        params[key] = matrix.reshape(entry["shape"])
    return params
