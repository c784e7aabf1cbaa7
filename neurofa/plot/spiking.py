"""Rasters of a run on spikes, with error events, and the time axis that all pictures of a recording share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ..recording import Recording, chosen_units
from ..spec.errors import require, require_choice
from .common import BLACK, BLUE, COLUMN, GREY, VERMILLION, legend_columns, note_if_empty, spread_out, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERRORS = {1: (VERMILLION, "^", "positive error event"), -1: (BLUE, "v", "negative error event")}
POINTS: dict[str, Any] = {"handlelength": 0.8, "handletextpad": 0.5}  # in a legend of points, not of lines
MOST_ROWS = 50  # of a hidden layer in a figure
RASTERISED = 20_000  # more points than this make a vector file large and slow


def raster(
    ax: "Axes",
    recording: Recording,
    population: str,
    *,
    units: Sequence[int] | None = None,
    errors: str | None = None,
    window_ms: tuple[float, float] | None = None,
    labels: bool = True,
    legend: bool = True,
) -> "Axes":
    """Draw the spikes of a population over time, a row for each unit, with signed error events over them.

    Thin lines mark where presentations begin, the numbers on top are their labels. The area of an error
    event's triangle grows with its count.

    Parameters
    ----------
    ax
        Axes to draw into.
    recording
        With the spikes of the population.
    population
        Its name.
    units
        Which units, from the lowest row up; all unless given. Tick labels are the units' own numbers.
    errors
        Name of the layer whose error events are drawn too, at their unit; None for none.
    window_ms
        Begin and end, in milliseconds, the end not included; the whole run unless given.
    labels, legend
        Whether to print the presentations' labels, and a legend of error events.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the recording is empty or lacks the population, its error events or a unit, or the window is outside.
    """
    window = shown_window(recording, window_ms)
    require_choice("population with spikes", population, recording.spikes)
    if errors is not None:
        require_choice("layer with error events", errors, recording.errors)
    size = max(recording.size(population), 0 if errors is None else recording.size(errors))
    chosen = np.arange(size) if units is None else chosen_units(units, population, recording.sizes.get(population))
    ticks, fired = recording.spikes[population]
    shown, rows = _rows(ticks, fired, chosen, recording.dt_ms, window)
    x = ticks[shown] * recording.dt_ms
    with styled():
        # a mark is as high as its row, as far as it stays visible; the axes have about their final size already
        room = 72 * ax.bbox.height / ax.figure.dpi / max(len(chosen), 1)
        mark: dict[str, Any] = {"markersize": float(np.clip(0.75 * room, 1.1, 5)), "markeredgewidth": 0.6}
        mark["rasterized"] = len(x) > RASTERISED
        ax.plot(x, rows, linestyle="none", marker="|", color=BLACK, label="_spikes", zorder=2, **mark)
        if errors is not None:
            _draw_errors(ax, recording, errors, chosen, window)
        time_axis(ax, recording, window, labels)
        ax.set_ylim(-0.7, max(len(chosen), 1) - 0.3)
        _unit_axis(ax, chosen)
        part = f"\n({len(chosen)} of {size})" if 0 < len(chosen) < size else ""
        ax.set_ylabel(f"{in_words(population)} unit{part}")
        note_if_empty(ax, bool(len(x)) or errors is not None, "no spikes")
        if legend and errors is not None:
            legend_above(ax, _error_handles(), raised=labels and len(recording.labels) > 0, **POINTS)
    return ax


def raster_figure(
    recording: Recording,
    populations: Sequence[str] | None = None,
    *,
    units: Mapping[str, Sequence[int]] | None = None,
    window_ms: tuple[float, float] | None = None,
    width: float = COLUMN,
) -> Figure:
    """Draw rasters of several populations above each other, from the input down to the output with its errors.

    Parameters
    ----------
    recording
        With spikes of the populations.
    populations
        Their names from top to bottom; unless given, all that were recorded, without the bias neuron.
    units
        Units to show by population. Of hidden layers with more than 50 units, 50 are shown unless given,
        evenly from the first to the last; of the others all.
    window_ms
        As for `raster`.
    width
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    InputError
        As for `raster`, and if no spikes were recorded or units are given for a population that is not shown.
    """
    names = [name for name in recording.spikes if name != "bias"] if populations is None else list(populations)
    require(len(names) > 0, "the recording has no spikes of any population; record them, or name some populations")
    units = dict(units or {})
    for name in units:
        require_choice("population with chosen units", name, names)
    for name in [name for name in recording.spikes if name.startswith("layers.")][:-1]:
        if name in names and recording.size(name) > MOST_ROWS:
            units.setdefault(name, spread_out(range(recording.size(name)), MOST_ROWS))
    with styled():
        shown = [len(units[name]) if name in units else recording.size(name) for name in names]
        with_errors = any(name in recording.errors for name in names)
        heights = [
            1.25 if name in recording.errors else float(np.clip(0.022 * rows, 0.8, 1.15))
            for name, rows in zip(names, shown, strict=True)
        ]
        figure = Figure(figsize=(width, sum(heights) + 0.6 + 0.25 * with_errors))
        axes = figure.subplots(len(names), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for place, (ax, name) in enumerate(zip(axes, names, strict=True)):
            events = name if name in recording.errors else None
            raster(
                ax, recording, name, units=units.get(name), errors=events, window_ms=window_ms, labels=place == 0,
                legend=False,
            )  # fmt: skip
        stack(figure, list(axes))
        if with_errors:
            figure.legend(handles=_error_handles(), loc="outside lower center", ncols=2, **POINTS)
    return figure


def shown_window(recording: Recording, window_ms: tuple[float, float] | None) -> tuple[float, float]:
    """Begin and end of what is shown, in milliseconds."""
    length = recording.duration_ms
    require(recording.ticks > 0, "the recording is empty: it has 0 ticks; record a run of at least one")
    if window_ms is None:
        return 0.0, length
    low, high = (float(value) for value in window_ms)
    fits = 0 <= low < high and low < length
    require(fits, f"window_ms {low:g} to {high:g} has nothing to show; choose from the recording's 0 to {length:g}")
    return low, min(high, length)


def _rows(
    ticks: np.ndarray, units: np.ndarray, chosen: np.ndarray, dt_ms: float, window: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Which events are shown, as a mask of shape (n,), and the row of each of those."""
    order = np.argsort(chosen)
    places = np.searchsorted(chosen, units, sorter=order)
    rows = order[np.minimum(places, len(chosen) - 1)] if len(chosen) else np.zeros(len(units), int)
    shown = (ticks * dt_ms >= window[0]) & (ticks * dt_ms < window[1])
    shown &= (chosen[rows] == units) if len(chosen) else False
    return shown, rows[shown]


def _draw_errors(ax: "Axes", recording: Recording, layer: str, chosen: np.ndarray, window: tuple[float, float]) -> None:
    """Triangles at the units of a layer, a colour and a direction for each sign."""
    ticks, units, counts = recording.errors[layer]
    for sign, (color, marker, label) in ERRORS.items():
        mine = np.sign(counts) == sign
        shown, rows = _rows(ticks[mine], units[mine], chosen, recording.dt_ms, window)
        sizes = 7.0 * np.minimum(np.abs(counts[mine][shown]), 4)
        x = ticks[mine][shown] * recording.dt_ms
        ax.scatter(x, rows, s=sizes, c=color, marker=marker, linewidths=0, label=label, zorder=3)


def _error_handles() -> list[Line2D]:
    """Entries of a legend for the two signs of error events."""
    return [
        Line2D([], [], linestyle="none", marker=marker, color=color, markeredgewidth=0, markersize=3.5, label=label)
        for color, marker, label in ERRORS.values()
    ]


def time_axis(ax: "Axes", recording: Recording, window: tuple[float, float], labels: bool) -> None:
    """Milliseconds from end to end of the window, with a line at each presentation's onset and its label above."""
    ax.set_xlim(window)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    ax.set_xlabel("time (ms)")
    ax.grid(False, axis="x")  # the lines of onsets are enough
    starts = recording.onsets * recording.dt_ms
    ends = np.append(starts[1:], recording.duration_ms)
    inside = (starts >= window[0]) & (starts < window[1])
    ax.vlines(
        starts[inside], 0, 1, transform=ax.get_xaxis_transform(), color=GREY, linewidth=0.4, zorder=1, label="_onsets"
    )
    if not labels or not len(recording.labels):
        return
    shown = np.flatnonzero((ends > window[0]) & (starts < window[1]))
    if not len(shown):
        return
    letters = max(len(str(label)) for label in recording.labels[shown])
    fitting = int(72 * ax.bbox.width / ax.figure.dpi / (4.2 * letters + 4))
    for place in shown[:: -(-len(shown) // max(fitting, 1))]:
        middle = (max(starts[place], window[0]) + min(ends[place], window[1])) / 2
        ax.annotate(
            str(recording.labels[place]), (middle, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", ha="center", va="bottom", fontsize=6.5, color="#555555",
        )  # fmt: skip
    ax.annotate(
        "label", (0, 1), xycoords="axes fraction", xytext=(-4, 2), textcoords="offset points", ha="right", va="bottom",
        fontsize=6.5, color="#555555",
    )  # fmt: skip


def legend_above(ax: "Axes", handles: Sequence[Line2D], *, raised: bool, **layout: Any) -> None:
    """A legend above the axes, and above the labels of presentations if there are any."""
    columns = legend_columns([str(handle.get_label()) for handle in handles], ax.bbox.width / ax.figure.dpi)
    lift = ScaledTranslation(0, (10 if raised else 0) / 72, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), bbox_transform=ax.transAxes + lift,
        ncols=columns, borderaxespad=0.0, **layout,
    )  # fmt: skip


def stack(figure: Figure, axes: Sequence["Axes"]) -> None:
    """Axes above each other over one time axis, which only the last one names."""
    for ax in axes[:-1]:
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    figure.align_ylabels(axes)


def in_words(population: str) -> str:
    """A population's name on an axis: layers as in other figures, all others as they are called."""
    kind, _, number = population.partition(".")
    return f"layer {number}" if kind == "layers" and number.isdecimal() else population


def _unit_axis(ax: "Axes", chosen: np.ndarray) -> None:
    """A few ticks with the units' own numbers, all of them if they are few."""
    if 0 < len(chosen) <= 5:
        ax.set_yticks(range(len(chosen)), [str(unit) for unit in chosen])
    elif (np.diff(chosen) == 1).all():
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
        first = int(chosen[0]) if len(chosen) else 0
        ax.yaxis.set_major_formatter(FuncFormatter(lambda row, _: f"{row + first:g}"))
    else:
        rows = spread_out(range(len(chosen)), 4)
        ax.set_yticks(rows, [str(chosen[row]) for row in rows])
    ax.grid(False, axis="y")
