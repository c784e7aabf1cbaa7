"""What the runs of a sweep have left in its folder, as one dataset, one table and one figure."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from .compare import last_angle
from .history import averaged_over
from .io.atomic import atomic_path, remove
from .io.results import environment, write_results, write_table
from .protocol import finite_or_none
from .run import Run
from .trainer import RESULTS, Diverged

if TYPE_CHECKING:
    import xarray

TABLE, FIGURE, RUNS = "table.csv", "sweep.png", "runs"
ENDED = "ended.json"  # in the folder of a run: what it measured, or why it diverged; read faster than its results
MEASURED = ("test_error", "validation_error", "alignment_deg", "synops_per_sample", "seconds")


def collect(
    folder: Path, dims: Mapping[str, Sequence[Any]], runs: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]
) -> tuple["xarray.Dataset", list[dict[str, Any]], dict[str, str]]:
    """Read what has ended, and write ``results.nc``, ``table.csv`` and ``sweep.png``.

    Parameters
    ----------
    folder
        Of the sweep.
    dims
        Values by dim.
    runs
        Each run's place in the grid, a value for each dim, by its name.
    about
        Attributes of the dataset: ``mode``, ``task``, ``title``, and ``keys``, of the dims that are settings.

    Returns
    -------
    tuple
        The dataset over all of `dims`, a row for each run that has ended, and messages of those that diverged.
    """
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    with FileLock(folder / RUNS / ".lock"):  # another part of the sweep may end at the same time
        table: list[dict[str, Any]] = []
        diverged: dict[str, str] = {}
        for name, place in runs.items():
            if (told := what_ended(folder / RUNS / name)) is None:
                continue
            if "diverged" in told:
                diverged[name] = told["diverged"]
            measured = {column: nan if told.get(column) is None else told[column] for column in MEASURED}
            table.append({"mode": about["mode"], **place, **measured, "run": f"{RUNS}/{name}"})
        kept = [name for name in MEASURED if name != "validation_error" or any(row[name] == row[name] for row in table)]
        results = _dataset(dims, table, kept).assign_attrs({**environment(), **about})
        write_table(folder / TABLE, table, ["rule", "mode", *list(dims)[1:], *kept, "run"])
        write_results(folder / RESULTS, results)
        _draw(results, folder)
    return results, table, diverged


def what_ended(folder: Path) -> dict[str, Any] | None:
    """What a run has left in its folder; None if it has not ended, or has left what cannot be read."""
    try:
        told = json.loads((folder / ENDED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def leave(folder: Path, told: Run | Diverged) -> None:
    """Leave what a run has measured in its folder, or why it diverged."""
    row: dict[str, Any] = {"diverged": str(told)}
    if isinstance(told, Run):
        found = (
            told.test_error,
            _validation_error(told),
            last_angle(told.history),
            told.synops_per_sample,
            told.seconds,
        )
        row = {name: finite_or_none(value) for name, value in zip(MEASURED, found, strict=True)}
    with atomic_path(folder / ENDED) as temporary:
        temporary.write_text(json.dumps(row, indent=1), encoding="utf-8")


def _validation_error(run: Run) -> float:
    """The validation error of the epochs that the test error is of, the loss for a regression; nan without one."""
    history = run.history
    name = "validation_loss" if history.attrs["task"] == "regression" else "validation_error"
    if name not in history or not history.sizes["epoch"]:
        return nan
    values, report_last = history[name].values, int(history.attrs["report_last"])
    if not report_last:  # stopped early: the best epoch
        return float(values[np.argmin(history["validation_error"].values)])
    return float(values[-averaged_over(len(values), report_last) :].mean())


def _dataset(
    dims: Mapping[str, Sequence[Any]], table: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> "xarray.Dataset":
    """Rows as arrays over the grid; what is not there is nan."""
    import xarray

    arrays = {name: np.full([len(values) for values in dims.values()], nan) for name in names}
    for row in table:
        at = tuple(list(values).index(row[dim]) for dim, values in dims.items())
        for name, array in arrays.items():
            array[at] = row[name]
    coords = {dim: list(values) for dim, values in dims.items()}
    return xarray.Dataset({name: (tuple(dims), array) for name, array in arrays.items()}, coords)


def best(results: "xarray.Dataset") -> list[dict[str, Any]]:
    """The setting of each rule, on each chip, that the validation set chooses.

    Parameters
    ----------
    results
        Of a sweep.

    Returns
    -------
    list of dict
        Values by dim, ``validation_error`` and ``test_error``, means over seeds. A setting that has not ended for all
        seeds, or has diverged for one, is no candidate; without a validation set there is none.
    """
    if "validation_error" not in results:
        return []
    means = results[["validation_error", "test_error"]].mean("seed", skipna=False)
    outer = [dim for dim in ("rule", "hardware") if dim in means.sizes]
    inner = [dim for dim in means.sizes if dim not in outer]
    found = []
    for place in product(*(results[dim].values for dim in outer)):
        candidates = means.sel(dict(zip(outer, place, strict=True))).transpose(*inner)
        errors = candidates["validation_error"].values
        if np.isfinite(errors).any():
            chosen = candidates.isel(
                dict(zip(inner, np.unravel_index(np.nanargmin(errors), errors.shape), strict=True))
            )
            found.append({name: chosen[name].item() for name in (*outer, *inner, *means.data_vars)})
    return found


def _draw(results: "xarray.Dataset", folder: Path) -> None:
    """The figure, if there is anything to show and not too much."""
    from .plot import save_figure, sweep_figure

    figure = sweep_figure(results)
    if figure is None:
        remove(folder / FIGURE)  # one of other results
    else:
        save_figure(figure, folder / FIGURE)
