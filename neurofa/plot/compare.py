"""The picture of a comparison: errors, angles to backpropagation, final errors and costs of several rules."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..spec.errors import InputError
from .alignment import alignment_by_rule, angled_layers
from .common import PAGE, axis_values, legend_columns, rule_lines, seeds_text, spread_out, styled, variable
from .curves import COSTS, cost_by_rule, final_errors, final_values, learning_curves, log_ticks, spans_decades

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec

MOST_LAYERS = 4
LONGEST_LABEL = 24  # letters below the narrowest panel
COST_TITLES = {"synops_per_sample": "Synaptic operations per sample", "seconds": "Wall time"}


def compare_figure(results: "xarray.Dataset", *, band: str = "range", last: int = 1) -> Figure:
    """Draw test errors over epochs, angles to backpropagation over updates, and final errors, a row for each mode.

    Below them is a row for all modes: synaptic operations for a sample, and wall time, by rule.
    Results of a regression (attribute ``task``) are drawn by their ``test_loss`` instead, in its own unit.

    Parameters
    ----------
    results
        Dimensions rule, mode, seed, epoch, and probe, layer where probed; variables ``test_error``
        (rule, mode, seed, epoch), a fraction, and ``alignment_deg`` (rule, mode, seed, probe, layer);
        coordinates rule and mode (names), seed, epoch, probe (updates), layer. Optional are
        ``final_test_error`` (rule, mode, seed), which is what the last column then shows, ``synops_per_sample`` and
        ``seconds`` (rule, mode, seed), without which the last row lacks a panel or is left out, and the attributes
        ``title``, ``data``, ``task``, ``chance_error`` (error of guessing, a fraction) and ``final`` (which epochs
        the final errors come from, in words). What was not run or has no angle is NaN.
        Without any angle the middle column is left out; of more than four layers, four are shown.
    band
        Over seeds, as for `learning_curves`; the legend says which.
    last
        Without ``final_test_error``, final errors are means over this many last epochs.

    Returns
    -------
    matplotlib.figure.Figure
        One page wide. Save it with `save_figure`.

    Raises
    ------
    InputError
        If a variable or a dimension is missing.
    """
    regression = results.attrs.get("task") == "regression"
    what, name = ("loss", "test_loss") if regression else ("error", "test_error")
    if name not in results.data_vars or "rule" not in results.dims:
        raise InputError(f"a comparison needs {name} over rule, mode, seed and epoch; give results of a comparison")
    if "mode" not in results.dims:
        results = results.expand_dims("mode")
    modes = [str(mode) for mode in axis_values(results[name], "mode")]
    rules = [str(rule) for rule in axis_values(results[name], "rule")]
    tables = [
        {rule: results.isel(rule=i, mode=j, drop=True) for i, rule in enumerate(rules)} for j in range(len(modes))
    ]
    layers = _shown_layers([dataset for table in tables for dataset in table.values()])
    given = results.attrs.get("chance_error")
    chance = None if given is None else float(given)
    final_tables = [_ends(table, name, last) for table in tables]
    log = all(spans_decades(table, name, chance) for table in tables)
    log_ends = all(spans_decades(final, name) for final in final_tables)
    averaged = str(results.attrs.get("final") or (f"mean of last {last} epochs" if last > 1 else ""))
    final_label = (averaged if 0 < len(averaged) <= LONGEST_LABEL else f"test {what}") + ("" if regression else " (%)")
    with styled():
        columns = legend_columns(rules, PAGE)
        panels, legend_height = max(len(layers), 1), 0.16 * (1 + -(-len(rules) // columns)) + 0.1
        height = max(2.2, 0.75 + 0.95 * panels, 0.75 + 0.14 * len(rules))
        costs = [cost for cost in COSTS if cost in results.data_vars]
        below = [0.6 + max(0.7, 0.17 * len(rules))] if costs else []
        figure = Figure(figsize=(PAGE, len(modes) * height + sum(below) + legend_height + 0.25))
        widths = [1.35, 1.15, 0.8] if layers else [1.3, 1.0]
        # grids of their own, so that the names of rules in one take no room from the other
        parts = figure.add_gridspec(1 + len(below), 1, height_ratios=[len(modes) * height, *below])
        grid = parts[0].subgridspec(len(modes) * panels, len(widths), width_ratios=widths)
        curves: list[Axes] = []
        ends: list[Axes] = []
        for row, (mode, table) in enumerate(zip(modes, tables, strict=True)):
            suffix, rows = f", {mode}" if len(modes) > 1 else "", slice(row * panels, (row + 1) * panels)
            curves.append(figure.add_subplot(grid[rows, 0]))
            learning_curves(curves[-1], table, name, band=band, log=log, chance=chance, legend=False)
            curves[-1].set_title(f"Test {what}{suffix}")
            if layers:
                places = [grid[row * panels + index, 1] for index in range(panels)]
                stack = _angles(figure, places, table, layers, band)
                stack[0].set_title(f"Angle to BP{suffix}" if suffix else "Angle to backpropagation")
            ends.append(figure.add_subplot(grid[rows, -1]))
            final_errors(ends[-1], final_tables[row], name, log=log_ends)
            ends[-1].set_title(f"Final{suffix}" if suffix else f"Final {what}")
            ends[-1].set_xlabel(final_label)
        if costs:
            _costs(figure, parts[1], dict(zip(modes, tables, strict=True)), costs)
        _same_limits(curves, horizontal=False)
        _same_limits(ends, horizontal=True)
        figure.suptitle(_title(results))
        handles = [Line2D([], [], label=rule, **line) for rule, line in rule_lines(rules).items()]
        title = seeds_text([count for table in tables for count in _seeds(table, name)], band)
        figure.legend(handles=handles, title=title, loc="outside lower center", ncols=columns)
    return figure


def _angles(
    figure: Figure,
    places: Sequence["SubplotSpec"],
    table: Mapping[str, "xarray.Dataset"],
    layers: list[int],
    band: str,
) -> list["Axes"]:
    """A stack of angles over updates, the first layer on top."""
    stack: list[Axes] = []
    for place, layer in zip(places, layers, strict=True):
        stack.append(figure.add_subplot(place, sharex=stack[0] if stack else None))
        alignment_by_rule(stack[-1], table, layer, band=band, legend=False)
        stack[-1].set_ylabel(f"layer {layer} (°)")
    for ax in stack[:-1]:
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    return stack


def _costs(
    figure: Figure,
    place: "SubplotSpec",
    tables: Mapping[str, Mapping[str, "xarray.Dataset"]],
    costs: list[str],
) -> None:
    """A panel for each cost in one row of rules; the modes are named once, over the last, whose title is short."""
    grid = place.subgridspec(1, len(costs))
    row: list[Axes] = []
    for index, cost in enumerate(costs):
        row.append(figure.add_subplot(grid[index], sharey=row[0] if row else None))
        cost_by_rule(row[-1], tables, cost, legend=index == len(costs) - 1)
        row[-1].set_title(COST_TITLES[cost])
        row[-1].tick_params(labelleft=index == 0)


def _same_limits(axes: list["Axes"], *, horizontal: bool) -> None:
    """Give the panels of all modes one scale, so that they can be compared by eye."""
    limits = np.array([ax.get_xlim() if horizontal else ax.get_ylim() for ax in axes])
    for ax in axes:
        (ax.set_xlim if horizontal else ax.set_ylim)(limits[:, 0].min(), limits[:, 1].max())
        if (ax.get_xscale() if horizontal else ax.get_yscale()) == "log":
            log_ticks(ax, horizontal=horizontal)


def _shown_layers(datasets: list["xarray.Dataset"]) -> list[int]:
    """Layers with an angle; of many, some from the first to the last."""
    if "alignment_deg" not in datasets[0].data_vars:
        return []
    return spread_out(angled_layers(datasets), MOST_LAYERS)


def _seeds(table: Mapping[str, "xarray.Dataset"], name: str) -> list[int]:
    """Seeds with a finite value by rule, of the rules that were run."""
    finite = [np.isfinite(variable(dataset, name, "epoch").values) for dataset in table.values()]
    return [int(values.any(axis=1).sum()) for values in finite if values.any()]


def _ends(table: Mapping[str, "xarray.Dataset"], name: str, last: int) -> dict[str, "xarray.Dataset"]:
    """The table with nothing but the final value of each seed: the runs' own, where they have one."""
    ends = {}
    for rule, dataset in table.items():
        array = variable(dataset, name, "epoch")
        if "final_test_error" in dataset.data_vars:  # with early stopping it is of another epoch than the last ones
            values = variable(dataset, "final_test_error").values.astype(float)
        else:
            values = final_values(array.values.astype(float), last)
        ends[rule] = array.isel(epoch=[-1]).copy(data=values[:, None]).to_dataset(name=name)
    return ends


def _title(results: "xarray.Dataset") -> str:
    """Title and data of the comparison, the data only if the title does not name them."""
    title, data = (str(results.attrs.get(key) or "") for key in ("title", "data"))
    return title if data.lower() in title.lower() else f"{title} on {data}" if title else data
