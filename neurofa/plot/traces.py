"""Traces of single neurons over time: membranes with threshold and spikes, modulators, drives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..recording import VARIABLES, Recording, Trace
from ..spec.errors import InputError, require, require_choice
from .common import BLACK, COLUMN, GREY, legend_columns, spread_out, styled
from .spiking import in_words, legend_above, shown_window, stack, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "v": "membrane (a.u.)",
    "modulator": "modulator (a.u.)",
    "drive": "drive (a.u.)",
    "threshold": "threshold (a.u.)",
    "current": "current (a.u.)",
    "weights": "weight (a.u.)",
}
STEPPED = ("v", "modulator", "weights")  # what they are at the end of a tick stands until the next
MOST_LINES = 8  # colours of the style
SHOWN_UNITS = 3  # unless chosen
DASHES = (0, (3, 1.5))


def trace(
    ax: "Axes",
    recording: Recording,
    variable: str,
    population: str,
    units: Sequence[int] | None = None,
    *,
    threshold: float | None = None,
    colors: Sequence[str] | None = None,
    window_ms: tuple[float, float] | None = None,
    labels: bool = True,
    legend: bool = True,
) -> "Axes":
    """Draw a variable of some units over time, a line for each.

    With a membrane come its threshold (dashed) and, in a row for each unit at the top, its spikes, as far
    as they were recorded.

    Parameters
    ----------
    ax
        Axes to draw into.
    recording
        With the trace.
    variable
        ``v`` (membrane), ``modulator``, ``drive``, ``threshold``, ``current`` or ``weights``.
    population
        Name of the population, or of the connection for ``weights``.
    units
        Which of the recorded units, 8 at most; up to 3 of them unless given.
    threshold
        Of the membrane, where it is constant; unless given, the recorded threshold is drawn if there is one.
    colors
        One for each unit; the style's unless given.
    window_ms, labels
        As for `raster`.
    legend
        Whether to name units, threshold and spikes.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the recording is empty or lacks the trace or a unit, or there are more units than colours.
    """
    window = shown_window(recording, window_ms)
    found = found_trace(recording, variable, population)
    units = spread_out(found.units.tolist(), SHOWN_UNITS) if units is None else [int(unit) for unit in units]
    require(
        1 <= len(units) <= MOST_LINES,
        f"{len(units)} units were chosen; give 1 to {MOST_LINES}, to tell them apart",
    )
    with styled():
        colors = rcParams["axes.prop_cycle"].by_key()["color"] if colors is None else list(colors)
        require(len(colors) >= len(units), f"there are {len(colors)} colors for {len(units)} units; give one for each")
        style: dict[str, Any] = {"drawstyle": "steps-post"} if variable in STEPPED else {}
        handles, name = [], "synapse" if variable == "weights" else "unit"
        for unit, color in zip(units, colors, strict=False):
            x, values = values_within(found, unit, f"{variable!r} of {population!r}", recording.dt_ms, window)
            handles += ax.plot(x, values, color=color, linewidth=0.9, label=f"{name} {unit}", zorder=3, **style)
        if variable == "v":
            _draw_threshold(ax, recording, population, units, colors, threshold, window)
            _draw_spikes(ax, recording, population, units, colors, window)
            handles += _membrane_handles(recording, population, threshold)
        elif variable in ("modulator", "drive", "weights"):
            ax.axhline(0, color=GREY, linewidth=0.5, zorder=1)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        ax.set_ylabel(LABELS[variable])
        time_axis(ax, recording, window, labels)
        if legend and handles:
            legend_above(ax, handles, raised=labels and len(recording.labels) > 0)
    return ax


def traces_figure(
    recording: Recording,
    population: str,
    units: Sequence[int] | None = None,
    *,
    variables: Sequence[str] | None = None,
    threshold: float | None = None,
    window_ms: tuple[float, float] | None = None,
    width: float = COLUMN,
) -> Figure:
    """Draw membranes, a panel for each unit, above their modulators and drives in a panel each, over one time axis.

    Parameters
    ----------
    recording
        With traces of the population.
    population
        Its name.
    units
        Units to show, 8 at most, each with a colour of its own; up to 3 of the recorded ones unless given.
    variables
        As for `trace`, from top to bottom; unless given, those of membrane, modulator and drive that were recorded.
    threshold, window_ms
        As for `trace`.
    width
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    InputError
        As for `trace`, and if the population has no trace.
    """
    if variables is None:
        variables = [name for name in ("v", "modulator", "drive") if (name, population) in recording.traces]
    if not variables:
        found_trace(recording, "v", population)
        raise InputError("there are no variables to draw; name at least one")
    first = found_trace(recording, variables[0], population)
    units = spread_out(first.units.tolist(), SHOWN_UNITS) if units is None else [int(unit) for unit in units]
    require(len(units) > 0, f"no units were chosen; give 1 to {MOST_LINES}")
    panels = [(name, [unit]) for name in variables if name == "v" for unit in units]
    panels += [(name, list(units)) for name in variables if name != "v"]
    with styled():
        cycle = rcParams["axes.prop_cycle"].by_key()["color"]
        colors = {unit: cycle[place % len(cycle)] for place, unit in enumerate(units)}
        figure = Figure(figsize=(width, 0.95 * len(panels) + 0.75))
        axes = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
        for place, (ax, (name, shown)) in enumerate(zip(axes, panels, strict=True)):
            trace(
                ax, recording, name, population, shown, threshold=threshold, window_ms=window_ms, legend=False,
                colors=[colors[unit] for unit in shown], labels=place == 0,
            )  # fmt: skip
        membranes = [ax for ax, (name, _) in zip(axes, panels, strict=True) if name == "v"]
        if membranes:  # one scale, so that they can be compared by eye
            limits = np.array([ax.get_ylim() for ax in membranes])
            for ax in membranes:
                ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        for ax in axes:  # panels are lower than a label is long
            ax.set_ylabel(ax.get_ylabel().replace(" (", "\n("))
        stack(figure, axes)
        handles = [Line2D([], [], color=color, linewidth=0.9, label=f"unit {unit}") for unit, color in colors.items()]
        if membranes:
            handles += _membrane_handles(recording, population, threshold)
        columns = legend_columns([str(handle.get_label()) for handle in handles], width)
        figure.legend(
            handles=handles, title=in_words(population), alignment="left", loc="outside lower center", ncols=columns
        )
    return figure


def found_trace(recording: Recording, variable: str, population: str) -> Trace:
    """A trace of a recording, if it is there and has something in it."""
    require_choice("recorded variable", variable, VARIABLES)
    found = recording.traces.get((variable, population))
    if found is None:
        has = ", ".join(f"{name!r} of {where!r}" for name, where in recording.traces) or "none"
        raise InputError(f"there is no trace of {variable!r} of {population!r}; the recording has: {has}")
    require(found.values.size > 0, f"the trace of {variable!r} of {population!r} is empty; record at least one tick")
    return found


def values_within(
    found: Trace, unit: int, what: str, dt_ms: float, window: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Times in milliseconds and values of one unit within the window."""
    has = ", ".join(map(str, found.units[:12])) + (", ..." if len(found.units) > 12 else "")
    require(unit in found.units, f"the trace of {what} has no unit {unit}; it has {has}")
    x = found.ticks * dt_ms
    shown = (x >= window[0]) & (x < window[1])
    return x[shown], found.values[shown, int(np.flatnonzero(found.units == unit)[0])].astype(float)


def _draw_threshold(
    ax: "Axes",
    recording: Recording,
    population: str,
    units: Sequence[int],
    colors: Sequence[str],
    threshold: float | None,
    window: tuple[float, float],
) -> None:
    """One line where the threshold is constant, otherwise the recorded one of each unit."""
    dashes: dict[str, Any] = {"linestyle": DASHES, "linewidth": 0.7, "zorder": 2, "label": "_threshold"}
    found = recording.traces.get(("threshold", population))
    if threshold is not None:
        ax.axhline(threshold, color=GREY, **dashes)
    elif found is not None:
        for unit, color in zip(units, colors, strict=False):
            x, values = values_within(found, unit, f"'threshold' of {population!r}", recording.dt_ms, window)
            ax.plot(x, values, color=color if len(units) > 1 else GREY, **dashes)


def _draw_spikes(
    ax: "Axes",
    recording: Recording,
    population: str,
    units: Sequence[int],
    colors: Sequence[str],
    window: tuple[float, float],
) -> None:
    """Spikes as ticks at the top of the axes, a row for each unit, with room made for them."""
    if population not in recording.spikes:
        return
    step = min(0.1, 0.4 / len(units))
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - step * len(units)))
    for row, (unit, color) in enumerate(zip(units, colors, strict=False)):
        spike_row(ax, recording, population, unit, color, window, 1 - step * (row + 0.5))


def spike_row(
    ax: "Axes",
    recording: Recording,
    population: str,
    unit: int,
    color: str,
    window: tuple[float, float],
    height: float,
) -> None:
    """Spikes of one unit as ticks at a height, a fraction of the axes."""
    ticks, fired = recording.spikes[population]
    x = ticks * recording.dt_ms
    mine = x[(fired == unit) & (x >= window[0]) & (x < window[1])]
    ax.plot(
        mine, np.full(len(mine), height), linestyle="none", marker="|", color=color, markersize=4.5,
        markeredgewidth=0.8, transform=ax.get_xaxis_transform(), label="_spikes", zorder=3,
    )  # fmt: skip


def _membrane_handles(recording: Recording, population: str, threshold: float | None) -> list[Line2D]:
    """Entries of a legend for what is drawn beside a membrane."""
    handles = []
    if threshold is not None or ("threshold", population) in recording.traces:
        handles.append(Line2D([], [], color=GREY, linestyle=DASHES, linewidth=0.7, label="threshold"))
    if population in recording.spikes:
        tick: dict[str, Any] = {"marker": "|", "markersize": 5, "markeredgewidth": 0.8, "linestyle": "none"}
        handles.append(Line2D([], [], color=BLACK, label="spike", **tick))
    return handles
