"""What all figures share: the style, a line for each rule, means and bands over seeds, saving."""

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import style as mpl_style
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..io.atomic import atomic_path
from ..spec.errors import InputError, described, require, require_choice

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

STYLE = Path(__file__).with_name("style.mplstyle")
COLUMN, PAGE = 3.5, 7.2  # widths of a printed column and a page, inches
FORMATS = (".png", ".pdf", ".svg")
BANDS = ("range", "sd", "none")

BLACK, GREY, BLUE, VERMILLION = "#000000", "#777777", "#0072B2", "#D55E00"
GREEN, ORANGE, SKY, PURPLE = "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
SOLID, DASHED, DOTTED, DASHDOT = "-", (0, (3.5, 1.4)), (0, (1.0, 1.3)), (0, (5, 1.3, 1, 1.3))

# A rule looks the same in every figure. Relatives share a colour: the dashed one learns or constrains its B.
LINES: dict[str, dict[str, Any]] = {
    "bp": {"color": BLACK, "linestyle": SOLID},
    "fa": {"color": BLUE, "linestyle": SOLID},
    "dfa": {"color": VERMILLION, "linestyle": SOLID},
    "drtp": {"color": GREEN, "linestyle": SOLID},
    "sdfa": {"color": ORANGE, "linestyle": SOLID},
    "sign_fa": {"color": SKY, "linestyle": SOLID},
    "adafa": {"color": PURPLE, "linestyle": SOLID},
    "shallow": {"color": GREY, "linestyle": SOLID},
    "pseudo_bp": {"color": BLACK, "linestyle": DASHED},
    "np_fa": {"color": BLUE, "linestyle": DASHED},
    "np_dfa": {"color": VERMILLION, "linestyle": DASHED},
    "mdfa": {"color": ORANGE, "linestyle": DASHED},
    "matching": {"color": SKY, "linestyle": DASHED},
    "node_perturbation": {"color": PURPLE, "linestyle": DASHED},
}
# Names in print; a rule without one here is called as in commands.
NAMES = {
    "bp": "BP", "fa": "FA", "dfa": "DFA", "drtp": "DRTP", "sdfa": "sDFA", "sign_fa": "sign-FA", "adafa": "adaFA",
    "pseudo_bp": "pseudo-BP", "mdfa": "mDFA", "node_perturbation": "node perturbation",
}  # fmt: skip
# Rules of the user's own take the patterns that no preset has.
SPARE = [
    {"color": color, "linestyle": pattern}
    for pattern in (DASHDOT, DOTTED)
    for color in (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
]


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style inside the block only; what the caller has set in matplotlib comes back after it."""
    with mpl_style.context(STYLE):
        yield


def rule_lines(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and line pattern for each rule.

    Parameters
    ----------
    names
        Of rules, each once.

    Returns
    -------
    dict
        By name, ``color`` and ``linestyle`` as `Axes.plot` takes them: the presets' own, and spare ones for all others
        in their order, which come again after the sixteenth.
    """
    lines: dict[str, dict[str, Any]] = {}
    for name in names:
        spare = sum(other not in LINES for other in lines)
        lines[name] = LINES.get(name) or SPARE[spare % len(SPARE)]
    return lines


def variable(dataset: "xarray.Dataset", name: str, *dims: Hashable) -> "xarray.DataArray":
    """A variable of a dataset with its dimensions in order, `seed` first (of length 1 if there was none).

    Raises
    ------
    InputError
        If the variable or one of the dimensions is missing.
    """
    if name not in dataset.data_vars:
        has = ", ".join(str(key) for key in dataset.data_vars) or "none"
        raise InputError(f"there is no variable {name!r} to plot; the dataset has: {has}")
    array = dataset[name]
    if "seed" not in array.dims:
        array = array.expand_dims("seed")
    if set(array.dims) != {"seed", *dims}:
        wanted, found = ", ".join(map(str, dims)), ", ".join(str(dim) for dim in array.dims if dim != "seed")
        raise InputError(f"{name!r} has the dimensions {found}, not {wanted}; select one entry of each other dimension")
    return array.transpose("seed", *dims)


def axis_values(array: "xarray.DataArray", dim: str, start: int = 0) -> np.ndarray:
    """The coordinate of a dimension, or its positions counted from `start`."""
    return np.asarray(array[dim].values) if dim in array.coords else np.arange(start, start + array.sizes[dim])


def mean_and_band(values: np.ndarray, band: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Mean over the first axis, and the edges of the band; values that are not finite do not count.

    Parameters
    ----------
    values
        Shape (seeds, n).
    band
        ``range`` (smallest to largest), ``sd`` (mean +- the sample standard deviation) or ``none``.

    Returns
    -------
    mean, low, high
        Shape (n,), NaN where no value is finite; `low` and `high` are None without a band or with one seed.
    """
    require_choice("band", band, BANDS)
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    filled = np.where(finite, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        if band == "none" or len(values) < 2:
            return mean, None, None
        if band == "range":
            low, high = np.where(finite, values, np.inf).min(axis=0), np.where(finite, values, -np.inf).max(axis=0)
        else:
            squares = np.where(finite, (values - mean) ** 2, 0.0).sum(axis=0)
            deviation = np.sqrt(squares / np.maximum(count - 1, 1))
            low, high = mean - deviation, mean + deviation
    return mean, np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def draw_line(
    ax: "Axes",
    x: np.ndarray,
    values: np.ndarray,
    *,
    band: str,
    label: str,
    opacity: float = 0.18,
    centre: np.ndarray | None = None,
    **line: Any,
) -> bool:
    """Draw the mean over seeds, or `centre`, and its band; False if nothing is finite and nothing was drawn."""
    mean, low, high = mean_and_band(values, band)
    mean = mean if centre is None else centre
    shown = np.isfinite(mean)
    if not shown.any():
        return False
    marker = "o" if shown.sum() == 1 else None  # a line of one point would be invisible
    ax.plot(x, mean, label=label, marker=marker, **line)
    if low is not None and high is not None:
        ax.fill_between(x, low, high, color=line["color"], alpha=opacity, linewidth=0, zorder=1)
    return True


def own_points(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values without the points where no seed has a finite value, so that a line has no gaps there.

    Datasets that were joined hold the positions of all of them.
    """
    own = np.isfinite(values).any(axis=0)
    return x[own], values[:, own]


def seeds_text(counts: Iterable[int], band: str) -> str:
    """What line and band are, in words, for a legend or a caption."""
    counts = sorted(set(counts))
    if not counts:
        return ""
    if counts[-1] <= 1:
        return "one seed"
    number = f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    return f"mean of {number}" + {"range": ", band: min to max", "sd": ", band: ± s.d.", "none": ""}[band]


def label_updates(ax: "Axes", largest: float) -> None:
    """Name the horizontal axis after updates, in thousands where the numbers would be long."""
    if largest >= 5000:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
        ax.set_xlabel("updates (thousands)")
    else:
        ax.set_xlabel("updates")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def band_opacity(n_lines: int) -> float:
    """Bands of many lines are paler, since they overlap."""
    return 0.18 if n_lines <= 8 else 0.1


def legend_columns(names: Sequence[str], width: float) -> int:
    """As many columns of a legend as fit into a width in inches: a letter takes 0.06, line and gaps 0.45."""
    for columns in range(len(names), 1, -1):
        parts = np.array_split(np.array([len(name) for name in names]), columns)
        if sum(0.45 + 0.06 * part.max() for part in parts) <= width:
            return columns
    return 1


def rule_legend(ax: "Axes", title: str) -> None:
    """A legend above the axes, where it hides no line however many rules there are."""
    names = ax.get_legend_handles_labels()[1]
    if not names:
        return
    columns = legend_columns(names, ax.bbox.width / ax.figure.dpi)
    ax.legend(
        title=title, ncols=columns, alignment="left", loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.0
    )


def note_if_empty(ax: "Axes", drawn: bool, text: str) -> None:
    """Say in the middle of the axes why nothing is there."""
    if not drawn:
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=6.5, color="#555555")


def each_is_dataset(histories: Mapping[str, "xarray.Dataset"]) -> Mapping[str, "xarray.Dataset"]:
    """The histories, if there is at least one rule."""
    if not isinstance(histories, Mapping) or hasattr(histories, "data_vars"):
        raise InputError(f"histories is {described(histories)}; give datasets by name, as in {{'dfa': run.history}}")
    require(len(histories) > 0, "there is nothing to plot; give at least one rule with its dataset")
    for name, history in histories.items():
        if not hasattr(history, "data_vars"):
            raise InputError(f"history {name!r} is {described(history)}; give a dataset, such as run.history")
    return histories


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a figure in the style, atomically: PNG at 200 dots per inch or PDF, by the suffix.

    The same figure gives the same bytes, since no date is written.

    Parameters
    ----------
    figure
        What to save.
    path
        Of the file, with the suffix ``.png``, ``.pdf`` or ``.svg``; missing folders are made.

    Raises
    ------
    InputError
        For another suffix, or if the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot save a figure as {str(path)!r}; end the name in one of: {', '.join(FORMATS)}")
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(suffix)
    with atomic_path(path) as temporary, styled():
        figure.savefig(temporary, format=suffix[1:], dpi=200, metadata=undated)


def spread_out(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, evenly from the first to the last."""
    places = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))
    return [values[place] for place in places]
