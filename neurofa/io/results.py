"""Results: labelled arrays as netCDF, tables as tidy CSV, and the environment that they were made in."""

import csv
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..spec import InputError
from .atomic import atomic_path

if TYPE_CHECKING:
    import xarray

PACKAGES = ("neurofa", "numpy", "numba", "scipy", "xarray")


def write_results(path: str | os.PathLike[str], dataset: "xarray.Dataset") -> None:
    """Write a dataset as netCDF 4, atomically.

    Parameters
    ----------
    path
        File to write, usually ``results.nc``.
    dataset
        Any dataset of numbers and strings. Attributes that netCDF does not know are stored as what comes
        closest: True and False as 1 and 0, None as an empty string, dicts and nested lists as JSON.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    stored = dataset.copy()
    stored.attrs = _attributes(dataset.attrs)
    for name in stored.variables:
        stored.variables[name].attrs = _attributes(dataset.variables[name].attrs)
    content = BytesIO()  # HDF5 crashes where there is no room left, and Python does not
    with h5netcdf.File(content, "w") as file:
        stored.dump_to_store(H5NetCDFStore(file))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_results(path: str | os.PathLike[str]) -> "xarray.Dataset":
    """Read a dataset of `write_results` into memory and close the file.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not netCDF 4.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there are no results {str(path)!r}; check the path, or run a comparison first")
    import xarray

    try:
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            return file.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{str(path)!r} is truncated or not a netCDF 4 file; restore it from a copy, or run the experiment again"
        ) from error


def write_table(
    path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Write rows as a tidy CSV file, atomically: one observation a line, one variable a column.

    Parameters
    ----------
    path
        File to write, usually ``table.csv``; UTF-8, lines end in a newline.
    rows
        In the order of the file. A floating-point number is written with the digits that give the same
        number back in its precision; None as an empty field, not-a-number as ``nan``.
    columns
        Keys of the rows in the order of the columns; other keys are left out. Without it, the keys of
        the first row.

    Raises
    ------
    InputError
        If a row lacks a column, or the file cannot be written.
    """
    rows = list(rows)
    names = list(columns) if columns is not None else list(rows[0]) if rows else []
    lines = [[_field(row, name, number) for name in names] for number, row in enumerate(rows)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(lines)


def environment() -> dict[str, str | int]:
    """What a result depends on apart from its description, as attributes for a dataset.

    Returns
    -------
    dict
        Versions of neurofa, its numerical packages and Python (``absent`` if not installed); ``platform``,
        ``cpu``; ``processors`` (that this process may use), ``numba_threads`` and ``blas_threads`` (0 if not
        loaded), ``blas`` (library and version); ``date`` (UTC, ISO 8601, seconds).
    """
    found: dict[str, str | int] = {name: _version(name) for name in PACKAGES}
    library, blas_threads = _blas()
    return found | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "processors": processors(),
        "numba_threads": sys.modules["numba"].config.NUMBA_NUM_THREADS if "numba" in sys.modules else 0,
        "blas": library,
        "blas_threads": blas_threads,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processors() -> int:
    """How many processors this process may use, which under a batch system can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes in the types that netCDF has."""

    def plain(value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, bool | np.bool_):
            return int(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        flat = isinstance(value, list | tuple) and (
            all(isinstance(item, str) for item in value)
            or all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
        )
        if isinstance(value, Mapping) or (isinstance(value, list | tuple) and not (flat and value)):
            return json.dumps(value, default=str, ensure_ascii=False)
        return value

    return {str(name): plain(value) for name, value in attributes.items()}


def _field(row: Mapping[str, Any], name: str, number: int) -> str:
    """One field of a table as text."""
    if name not in row:
        raise InputError(f"row {number} of the table has no {name!r}; it has {', '.join(map(str, row))}")
    value = row[name]
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.floating):
        return str(value)  # the shortest digits in the value's own precision
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else str(value)


@cache
def _version(package: str) -> str:
    """The version of an installed package, without importing it; looked up once, as that takes milliseconds."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _cpu_name() -> str:
    """The model of the processor, as far as the system tells."""
    with_names = Path("/proc/cpuinfo")
    if with_names.is_file():
        for line in with_names.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _blas() -> tuple[str, int]:
    """Name and threads of the BLAS library that NumPy has loaded."""
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library.get("user_api") == "blas":
            return f"{library['internal_api']} {library.get('version') or ''}".strip(), int(library["num_threads"])
    return "unknown", 0
