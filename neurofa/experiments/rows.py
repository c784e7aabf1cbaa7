"""Tidy rows of experiments: reading and choosing them, keeping those that would be made again, curves over seeds."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..spec.errors import require
from .scripts import MODES, Job, Row, Script, key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROVENANCE = ("seconds", "date", "cpu", "neurofa", "threads", "spec")
OVER_SEEDS = "over seeds"  # what lines of `mean_curves` are called in a figure
TEXT = ("date", "cpu", "neurofa", "spec")  # columns that are never numbers


def read_rows(path: Path) -> list[Row]:
    """Rows of a CSV file, numbers as numbers; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader, rows = csv.DictReader(file), []
        for row in reader:
            whole = None not in row and None not in row.values()
            require(whole, f"{path}, line {reader.line_num}: not as many fields as columns; remove the line")
            rows.append({name: _number(name, text) for name, text in row.items()})
        return rows


def _number(name: str, text: str) -> Any:
    for kind in () if name in TEXT or "_" in text else (int, float):  # Python reads 2_2_1 as a number
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def as_text(row: Row) -> tuple[str, ...]:
    """What a row has in a table: the same for the same row read again, not-a-number too."""
    return tuple(map(str, row.values()))


def where(rows: Iterable[Row], **values: object) -> list[Row]:
    """The rows whose columns have these values.

    Examples
    --------
    >>> where([{"rule": "fa", "seed": 0}, {"rule": "bp", "seed": 0}], rule="bp")
    [{'rule': 'bp', 'seed': 0}]
    """
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def of_jobs(rows: Sequence[Row], jobs: Sequence[Job]) -> list[Row]:
    """The rows that belong to one of the jobs, in the order of `rows`."""
    wanted = {key(job) for job in jobs}
    names = list(jobs[0]) if jobs else []
    return [row for row in rows if key({name: row.get(name) for name in names}) in wanted]


def not_run(rows: Sequence[Row], jobs: Sequence[Job]) -> list[Job]:
    """The jobs that have no rows."""
    names = list(jobs[0]) if jobs else []
    there = {key({name: row.get(name) for name in names}) for row in rows}
    return [job for job in jobs if key(job) not in there]


def reusable(script: Script, rows: Sequence[Row], version: str) -> list[Row]:
    """The rows that this version would make again: of a job, from the same description, with all columns."""
    seeds = sorted({int(row["seed"]) for row in rows})
    kept: dict[int, Row] = {}
    specs: dict[tuple[tuple[str, object], ...], str] = {}
    for mode in MODES[1:]:
        jobs = script.jobs(mode, seeds)
        columns = (*jobs[0], *script.module.MEASURED, *PROVENANCE) if jobs else ()
        by_key = {key(job): job for job in jobs}
        for place, row in enumerate(rows):
            job = by_key.get(key({name: row.get(name) for name in jobs[0]})) if jobs else None
            if job is None or not set(columns) <= set(row) or row["neurofa"] != version:
                continue
            unseeded = tuple((name, value) for name, value in job.items() if name != "seed")
            if unseeded not in specs:
                specs[unseeded] = script.spec(job)
            if row["spec"] == specs[unseeded]:
                kept[place] = row
    return [kept[place] for place in sorted(kept)]


def in_order(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Rows sorted by the columns that tell jobs apart; those of one job stay in their order."""
    return sorted(rows, key=lambda row: [(isinstance(row[name], str), row[name]) for name in names])


def by_seed(rows: Iterable[Row], column: str) -> list[float]:
    """A value for each seed: the mean over a seed's rows of a column of numbers."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(int(row["seed"]), []).append(float(row[column]))
    return [float(np.mean(values)) for _, values in sorted(found.items())]


def mean_of(rows: Iterable[Row], column: str) -> float:
    """Mean over seeds of a column; nan if there are no rows, with which every comparison fails."""
    values = by_seed(rows, column)
    return float(np.mean(values)) if values else float("nan")


def compute_seconds(rows: Iterable[Row]) -> float:
    """What the jobs of the rows took together; a job's seconds stand in each of its rows."""
    return sum(seconds for _, _, seconds in {(row["spec"], row["seed"], row["seconds"]) for row in rows})


def thinned(count: int, points: int = 50) -> list[int]:
    """Places of at most so many of `count` values, evenly from the first to the last."""
    from ..plot.common import spread_out

    return spread_out(range(count), points)


def panels(columns: int = 1, rows: int = 1, width: float = 7.2, height: float = 2.6) -> "tuple[Figure, list[Axes]]":
    """A figure of so many inches in the style of all figures, and its Axes, row by row."""
    from matplotlib.figure import Figure

    from ..plot import styled

    with styled():
        figure = Figure(figsize=(width, height))
        return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def mean_curves(
    ax: "Axes",
    rows: Sequence[Row],
    by: str,
    *,
    x: str = "x",
    y: str = "value",
    lines: Mapping[Any, Mapping[str, Any]] | None = None,
    log: bool = False,
    legend: bool = True,
    band: str = "range",
) -> "Axes":
    """Draw `y` over `x`: a line for each value of `by`, which is the mean over seeds, on a logarithmic axis the median.

    A mean of values that differ by orders of magnitude would be the largest one's.

    Parameters
    ----------
    ax
        Axes to draw into.
    rows
        Tidy rows with the columns `by`, `x`, `y` and ``seed``.
    by
        Column that the lines differ in, such as ``rule``.
    lines
        Look of each line; those of the rules unless given.
    log, legend
        Whether the vertical axis is logarithmic; whether to draw a legend.
    band
        ``range``, from the smallest to the largest, or ``none``.
    """
    from matplotlib.ticker import MaxNLocator

    from ..plot import rule_lines, styled
    from ..plot.common import LINES, NAMES, draw_line

    order = list(LINES)
    names = sorted(  # rules as they are listed everywhere, all else as it comes
        dict.fromkeys(row[by] for row in rows), key=lambda name: order.index(name) if name in LINES else len(order)
    )
    looks: Mapping[Any, Mapping[str, Any]] = lines or rule_lines(names)
    with styled():
        for name in names:
            mine = where(rows, **{by: name})
            xs = sorted({row[x] for row in mine})
            curves = {seed: {r[x]: float(r[y]) for r in where(mine, seed=seed)} for seed in {r["seed"] for r in mine}}
            values = np.array([[curve.get(place, np.nan) for place in xs] for curve in curves.values()])
            centre = _median(values) if log else None
            label = NAMES.get(name, str(name))
            draw_line(ax, np.array(xs), values, band=band, label=label, centre=centre, gid=OVER_SEEDS, **looks[name])
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        if log:
            ax.set_yscale("log")
        if legend and ax.get_legend_handles_labels()[1]:
            ax.legend()
    return ax


def _median(values: np.ndarray) -> np.ndarray:
    """Median over seeds, of those that have a value; nan where none has."""
    there = np.isfinite(values).any(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[there] = np.nanmedian(np.where(np.isfinite(values), values, np.nan)[:, there], axis=0)
    return found
