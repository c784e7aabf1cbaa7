"""Curves over epochs, and the errors that they end in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from ..spec.errors import require, require_choice
from .common import (
    BLACK,
    GREY,
    axis_values,
    band_opacity,
    draw_line,
    each_is_dataset,
    mean_and_band,
    note_if_empty,
    rule_legend,
    rule_lines,
    seeds_text,
    styled,
    variable,
)

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

COSTS = ("synops_per_sample", "seconds")
UNITS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"))  # of the first that the largest reaches


def learning_curves(
    ax: "Axes",
    histories: Mapping[str, "xarray.Dataset"],
    variable_name: str = "test_error",
    *,
    band: str = "range",
    log: bool = False,
    chance: float | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw an error or a loss over epochs: a line for each rule, the mean over seeds, with a band.

    Parameters
    ----------
    ax
        Axes to draw into.
    histories
        Dataset by rule, dimensions seed (may be missing) and epoch. Values that are not finite leave gaps.
    variable_name
        Which variable. One whose name ends in ``error`` is a fraction and is shown in percent, unless a dataset's
        attribute ``task`` is ``regression``.
    band
        ``range`` (smallest to largest seed), ``sd`` (sample standard deviation) or ``none``. One seed has no band.
    log
        Logarithmic vertical axis.
    chance
        Error of guessing, in the unit of the variable (a fraction): a dashed line.
    legend
        Whether to draw one; its title says what line and band are.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no rule, or a dataset lacks the variable or its dimensions.
    """
    with styled():
        lines, counts = rule_lines(each_is_dataset(histories)), []
        percent = in_percent(variable_name, histories)
        for name, dataset in histories.items():
            array = variable(dataset, variable_name, "epoch")
            values = array.values.astype(float) * (100 if percent else 1)
            x, pale = axis_values(array, "epoch", 1), band_opacity(len(lines))
            if draw_line(ax, x, values, band=band, label=name, opacity=pale, **lines[name]):
                counts.append(len(values))
        guess = None if chance is None else chance * (100 if percent else 1)
        if guess is not None:
            _chance_line(ax, guess)
        ax.set_xlabel("epoch")
        ax.set_ylabel(variable_name.replace("_", " ") + (" (%)" if percent else ""))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        if log and np.isfinite(ax.dataLim.minposy):
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
        if guess is not None:  # room for the word above the line
            ax.set_ylim(top=max(ax.get_ylim()[1], guess * (1.6 if log else 1.1)))
        if log:
            log_ticks(ax)
        note_if_empty(ax, bool(counts), "not run")
        if legend:
            rule_legend(ax, seeds_text(counts, band))
    return ax


def in_percent(variable_name: str, histories: Mapping[str, "xarray.Dataset"]) -> bool:
    """Whether a variable holds fractions of samples; the error of a regression is a loss."""
    losses = any(dataset.attrs.get("task") == "regression" for dataset in histories.values())
    return variable_name.endswith("error") and not losses


def final_errors(
    ax: "Axes",
    histories: Mapping[str, "xarray.Dataset"],
    variable_name: str = "test_error",
    *,
    last: int = 1,
    log: bool = False,
    numbers: bool = True,
) -> "Axes":
    """Draw the error at the end of training: a row for each rule, a dot for each seed, a bar at their mean.

    Parameters
    ----------
    ax
        Axes to draw into; rules run from top to bottom.
    histories
        As for `learning_curves`. A rule without any finite value keeps its row and shows a dash.
    variable_name
        Variable with the dimension epoch.
    last
        The error is the mean over this many last finite epochs of each seed.
    log
        Logarithmic horizontal axis.
    numbers
        Whether to print mean and sample standard deviation beside each row.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no rule, `last` is below 1, or a dataset lacks the variable or its dimensions.
    """
    require(last >= 1, f"last is {last}; average over at least 1 epoch")
    with styled():
        lines = rule_lines(each_is_dataset(histories))
        percent, many = in_percent(variable_name, histories), False
        for row, (name, dataset) in enumerate(histories.items()):
            values = variable(dataset, variable_name, "epoch").values.astype(float) * (100 if percent else 1)
            ends = final_values(values, last)
            ends = ends[np.isfinite(ends)]
            text, color = "–", lines[name]["color"]
            if len(ends):
                ax.plot(ends, np.full(len(ends), row), "o", color=color, mfc="none", mew=0.8, markersize=3.4)
                ax.plot([ends.mean()], [row], "|", color=color, markersize=9, markeredgewidth=1.6)
                text = f"{ends.mean():.2f}" if percent else f"{ends.mean():.3g}"
            if len(ends) > 1:
                many = True
                text += f" ± {ends.std(ddof=1):.2f}" if percent else f" ± {ends.std(ddof=1):.2g}"
            if numbers:
                ax.text(1.03, row, text, transform=ax.get_yaxis_transform(), va="center", ha="left", fontsize=6.5)
        ax.set_yticks(range(len(histories)), list(histories))
        ax.set_ylim(len(histories) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.grid(False, axis="y")
        ax.set_xlabel("final " + variable_name.replace("_", " ") + (" (%)" if percent else ""))
        if numbers:
            header = "mean ± s.d." if many else "one seed"
            ax.text(1.03, 1.0, header, transform=ax.transAxes, va="bottom", ha="left", fontsize=6.5, color="#555555")
        ax.margins(x=0.08)
        if log and np.isfinite(ax.dataLim.minposx):
            ax.set_xscale("log")
            log_ticks(ax, horizontal=True)
        else:
            ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    return ax


def cost_by_rule(
    ax: "Axes",
    tables: Mapping[str, Mapping[str, "xarray.Dataset"]],
    variable_name: str = "synops_per_sample",
    *,
    legend: bool = True,
) -> "Axes":
    """Draw what training costs: a row for each rule, a marker for each mode at the mean over seeds, with their range.

    Rate mode's marker is filled, that of any other mode is open. The axis begins at 0, or is logarithmic where the
    means differ by a factor above 8.

    Parameters
    ----------
    ax
        Axes to draw into; rules run from top to bottom.
    tables
        For each mode, a dataset by rule; the same rules in every mode. A rule without any finite value keeps its row
        and shows a dash.
    variable_name
        ``synops_per_sample`` or ``seconds``, whose only dimension is seed (may be missing).
    legend
        Whether to name the modes above the axes, if there are several.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no mode or no rule, or a dataset lacks the variable.
    """
    require_choice("cost", variable_name, COSTS)
    rules = list(each_is_dataset(next(iter(tables.values()), {})))
    with styled():
        lines = rule_lines(rules)
        costs = {
            mode: [variable(table[rule], variable_name).values.astype(float) for rule in rules]
            for mode, table in tables.items()
        }
        finite = np.concatenate([values[np.isfinite(values)] for rows in costs.values() for values in rows])
        largest = finite.max(initial=0.0)
        unit, words = 1.0, ""
        if variable_name == "synops_per_sample":
            unit, words = next(((u, w) for u, w in UNITS if largest >= u), (1.0, ""))
        shifts, means, several = np.linspace(-0.17, 0.17, len(costs)) if len(costs) > 1 else [0.0], [], False
        for shift, (mode, rows) in zip(shifts, costs.items(), strict=True):
            for row, (rule, found) in enumerate(zip(rules, rows, strict=True)):
                values, color = found[np.isfinite(found)] / unit, lines[rule]["color"]
                if not len(values):
                    continue
                means.append(values.mean())
                several |= len(values) > 1
                ax.plot([values.min(), values.max()], [row + shift] * 2, color=color, linewidth=1.0, zorder=2)
                face = color if mode == "rate" else "white"
                ax.plot([means[-1]], [row + shift], "o", color=color, mfc=face, mew=0.9, markersize=4, zorder=3)
        for row in range(len(rules)):
            if not any(np.isfinite(rows[row]).any() for rows in costs.values()):
                ax.text(0.02, row, "–", transform=ax.get_yaxis_transform(), va="center", ha="left", fontsize=6.5)
        ax.set_yticks(range(len(rules)), rules)
        ax.set_ylim(len(rules) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(_cost_label(variable_name, words, list(costs), several))
        if means and 0 < 8 * min(means) < max(means):
            ax.margins(x=0.08)
            ax.set_xscale("log")
            log_ticks(ax, horizontal=True)
        else:
            ax.set_xlim(0, 1.08 * largest / unit if largest else 1.0)
            ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        if legend and len(costs) > 1:
            marks: dict[str, Any] = {
                "color": BLACK,
                "marker": "o",
                "linestyle": "none",
                "markeredgewidth": 0.9,
                "markersize": 4,
            }
            handles = [Line2D([], [], label=m, mfc=BLACK if m == "rate" else "white", **marks) for m in costs]
            ax.legend(
                handles=handles, ncols=len(handles), loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0,
                handlelength=1.0, handletextpad=0.3,
            )  # fmt: skip
    return ax


def _cost_label(name: str, words: str, modes: list[str], several: bool) -> str:
    """What an axis of costs counts: rate mode's operations follow from the network, spiking mode's are counted."""
    if name == "seconds":
        return "seconds (mean, min to max)" if several else "seconds"
    if len(modes) == 1:
        counted = "multiply-accumulates" if modes == ["rate"] else "counted events"
        return f"{words} of {counted}" if words else counted
    return f"{words}; ".removeprefix("; ") + "rate: multiply-accumulates, spiking: counted"


def final_values(values: np.ndarray, last: int = 1) -> np.ndarray:
    """Mean over the `last` finite epochs of each seed: shape (seeds, epochs) to (seeds,), NaN where none is finite."""
    ends = np.full(len(values), np.nan)
    for seed, row in enumerate(values):
        finite = row[np.isfinite(row)]  # early stopping leaves NaN after the last epoch
        if len(finite):
            ends[seed] = finite[-last:].mean()
    return ends


def spans_decades(histories: Mapping[str, "xarray.Dataset"], variable_name: str, chance: float | None = None) -> bool:
    """Whether the means differ so much, and are all positive, that a logarithmic axis shows more."""
    found = [] if chance is None else [np.array([chance])]
    for dataset in histories.values():
        array = variable(dataset, variable_name, "epoch")
        finite = array.values[np.isfinite(array.values)]
        if len(finite) and finite.min() <= 0:
            return False
        found.append(mean_and_band(array.values.astype(float), "none")[0])
    means = np.concatenate(found)
    means = means[np.isfinite(means)]
    return bool(len(means)) and bool(means.max() > 8 * means.min())


def _chance_line(ax: "Axes", chance: float) -> None:
    """The error of guessing, with its name at the right end."""
    ax.axhline(chance, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    ax.annotate(
        "chance", (1, chance), xycoords=("axes fraction", "data"), xytext=(0, 1.5), textcoords="offset points",
        ha="right", va="bottom", fontsize=6.5, color="#555555",
    )  # fmt: skip


def log_ticks(ax: "Axes", *, horizontal: bool = False) -> None:
    """Plain numbers at round values of a logarithmic axis, as many as are legible within its present limits."""
    low, high = ax.get_xlim() if horizontal else ax.get_ylim()
    axis = ax.xaxis if horizontal else ax.yaxis
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(-6, 7) for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= (5 if horizontal else 8):
            break
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
