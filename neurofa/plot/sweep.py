"""The picture of a sweep: the error of each rule over the values of a setting."""

from itertools import product
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from ..spec.errors import require
from .common import (
    DASHDOT,
    DASHED,
    DOTTED,
    NAMES,
    PAGE,
    SOLID,
    band_opacity,
    draw_line,
    legend_columns,
    mean_and_band,
    note_if_empty,
    rule_lines,
    seeds_text,
    styled,
)
from .curves import log_ticks

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

COLUMNS, MOST_PANELS = 4, 24
LONGEST_LABEL = 20  # letters
MARKS: dict[Any, dict[str, Any]] = {  # where no line tells rules of one colour apart
    SOLID: {"marker": "o"},
    DASHED: {"marker": "o", "markerfacecolor": "white"},
    DASHDOT: {"marker": "s"},
    DOTTED: {"marker": "^"},
}
DECADE = 8.0  # ratio of the largest value to the smallest from which an axis is logarithmic


def sweep_figure(results: "xarray.Dataset") -> Figure | None:
    """Draw error over the first setting that varies: a line for each rule, a panel for each of the other values.

    Parameters
    ----------
    results
        Of `neurofa.sweep.sweep`: dims rule, settings and seed, perhaps hardware; ``test_error`` and perhaps
        ``validation_error``, which is what is drawn if it is there, since settings are to be chosen by it. What has not
        run, or diverged, is NaN and leaves a gap.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if nothing is finite, or more than 24 panels would be needed: select from the results then.

    Raises
    ------
    InputError
        If there is no error in the results, or no setting varies.
    """
    name = next((name for name in ("validation_error", "test_error") if name in results), "")
    dims = [str(dim) for dim in results[name].dims if dim not in ("rule", "seed")] if name else []
    settings = [dim for dim in dims if dim != "hardware"]
    require(len(settings) > 0, "a sweep has an error over rule, settings and seed; give the results of one")
    along, apart = settings[0], [dim for dim in dims if dim != settings[0]]
    places = [dict(zip(apart, values, strict=True)) for values in product(*(results[dim].values for dim in apart))]
    error = results[name].transpose("rule", *apart, "seed", along)
    if len(places) > MOST_PANELS or not np.isfinite(error.values).any():
        return None
    regression = results.attrs.get("task") == "regression"
    factor, unit = (1, "") if regression else (100, " (%)")
    rules = [str(rule) for rule in results["rule"].values]
    with styled():
        columns = min(results.sizes[apart[-1]] if apart else 1, COLUMNS)
        rows = -(-len(places) // columns)
        width = PAGE if columns > 1 else 0.6 * PAGE
        across = legend_columns([NAMES.get(rule, rule) for rule in rules], width)
        names = max((len(line) for label in _labels(results[along]) for line in label.splitlines()), default=0)
        below = 0.16 * (1 + -(-len(rules) // across)) + (0 if _is_numeric(results[along]) else 0.04 * names)
        figure = Figure(figsize=(width, (1.5 + 0.13 * len(apart)) * rows + 0.65 + below), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        counts: list[int] = []
        for ax, place in zip(axes, places, strict=False):
            counts += _panel(ax, error.sel(place) * factor, along, rules)
            ax.set_title("\n".join(f"{_words(dim)} {_short(value)}" for dim, value in place.items()))
        for ax in axes[len(places) :]:
            ax.remove()
        _scale(axes[0], error.mean("seed").values * factor)
        what = name.replace("_error", " loss" if regression else " error")
        for index, ax in enumerate(axes[: len(places)]):
            ax.set_xlabel(_words(along) if index + columns >= len(places) else "")
            ax.tick_params(labelbottom=index + columns >= len(places))
            ax.set_ylabel(what + unit if index % columns == 0 else "")
        figure.suptitle(str(results.attrs.get("title") or ""))
        looks = {rule: line if _is_numeric(results[along]) else _mark(line) for rule, line in rule_lines(rules).items()}
        handles = [Line2D([], [], label=NAMES.get(rule, rule), **look) for rule, look in looks.items()]
        spread = seeds_text(counts, "range").replace("band", "band" if _is_numeric(results[along]) else "bar")
        figure.legend(handles=handles, title=spread, loc="outside lower center", ncols=across)
    return figure


def _panel(ax: "Axes", error: "xarray.DataArray", along: str, rules: list[str]) -> list[int]:
    """Lines of all rules; returns how many seeds each has."""
    values, numeric = error[along].values, _is_numeric(error[along])
    x = values.astype(float) if numeric else np.arange(len(values), dtype=float)
    order, counts = np.argsort(x), []
    shifts = np.zeros(len(rules)) if numeric else np.linspace(-0.2, 0.2, len(rules) + 2)[1:-1]
    for shift, (rule, line) in zip(shifts, rule_lines(rules).items(), strict=True):
        found = error.sel(rule=rule).transpose("seed", along).values[:, order]
        mean, low, high = mean_and_band(found, "range")
        if not np.isfinite(mean).any():
            continue
        places, color = x[order] + shift, line["color"]
        if numeric:
            draw_line(ax, places, found, band="range", label=rule, opacity=band_opacity(len(rules)), **line)
        elif low is not None and high is not None:  # names have no order that a line could follow
            ax.vlines(places, low, high, color=color, linewidth=1.0)
        ax.plot(places, mean, **_mark(line | {"linestyle": SOLID} if numeric else line))
        counts += [int(count) for count in np.isfinite(found).sum(axis=0) if count]
    if not numeric:
        ax.set_xticks(x, _labels(error[along]), rotation=30, ha="right", rotation_mode="anchor")
        ax.set_xlim(-0.5, len(x) - 0.5)
        ax.grid(False, axis="x")
    elif x.min() > 0 and x.max() > DECADE * x.min():
        ax.set_xscale("log")
    elif len(x) <= 8:
        ax.xaxis.set_major_locator(FixedLocator(sorted(x)))
        ax.xaxis.set_minor_locator(NullLocator())
    note_if_empty(ax, bool(counts), "not run, or diverged")
    return counts


def _is_numeric(values: "xarray.DataArray") -> bool:
    return bool(np.issubdtype(values.dtype, np.number) and np.isfinite(values.values).all())


def _scale(ax: "Axes", means: np.ndarray) -> None:
    """The vertical axis of all panels."""
    finite = means[np.isfinite(means)]
    if len(finite) and finite.min() > 0 and finite.max() > DECADE * finite.min():
        ax.set_yscale("log")
        log_ticks(ax)
    else:
        ax.set_ylim(bottom=0)


def _mark(line: dict[str, Any]) -> dict[str, Any]:
    """Points alone, in the colour of a rule's line and a shape for its pattern."""
    return {"color": line["color"], "linestyle": "", "markersize": 2.6, **MARKS[line["linestyle"]]}


def _labels(values: "xarray.DataArray") -> list[str]:
    """The values in short; in several lines where they cannot be told apart in short."""
    short = [_short(value) for value in values.values]
    if len(set(short)) == len(short):
        return short
    return [fill(str(value), LONGEST_LABEL) for value in values.values]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _words(dim: str) -> str:
    return dim.rsplit(".", 1)[-1].replace("_", " ")
