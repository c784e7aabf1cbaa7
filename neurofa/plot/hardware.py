"""Networks under the constraints of a chip: accuracy by weight bits, membranes in integers, memory and operations."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ..recording import Recording
from ..spec.errors import require
from .common import BLACK, BLUE, DASHED, GREY, LINES, PURPLE, VERMILLION, rule_lines, styled
from .spiking import legend_above, shown_window, time_axis
from .traces import DASHES, found_trace, spike_row, values_within

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..hardware import Costs

ACCURACIES = (99.9, 99.8, 99.5, 99.0, 98.0, 97.0, 95.0, 90.0, 80.0, 70.0, 50.0, 30.0, 10.0)  # that an axis may name
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
COLORS = (BLUE, VERMILLION, PURPLE, BLACK)  # of membranes, the first of full precision
MEMORY = {
    "weights": ("weights", "biases", "shadows"),
    "feedback": ("feedback",),
    "neurons": ("membranes", "currents", "refractory", "thresholds", "post_factors", "delays"),
    "traces": ("traces",),
    "modulators": ("modulators",),
    "error neurons": ("error_neurons",),
}
LOCKED = "kept for the error"
OPERATIONS = {"forward": "spikes at synapses", "feedback": "feedback events", "update": "weight updates"}


def accuracy_by_bits(
    ax: "Axes",
    errors: Mapping[str, Mapping[int, Sequence[float]]],
    full: Mapping[str, Sequence[float]] | None = None,
    *,
    legend: bool = True,
) -> "Axes":
    """Draw test accuracy against the bits of a weight, a line for each rule; full precision is a dashed line.

    The axis is logarithmic in the error, so that what is near to full precision can be told apart. Over several seeds
    lines go through means, and bars from the smallest to the largest.

    Parameters
    ----------
    ax
        Axes to draw into.
    errors
        By rule and bits: test errors of all seeds, fractions.
    full
        By rule: test errors in full precision.
    legend
        Whether to name the rules above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is nothing to draw, bits are below 1, or an error is not a fraction above 0.
    """
    full = {} if full is None else full
    require(
        any(len(by_bits) for by_bits in errors.values()), "there are no errors to plot; give those of a rule by bits"
    )
    bits = sorted({int(n) for by_bits in errors.values() for n in by_bits})
    require(bits[0] >= 1, f"weights of {bits[0]} bits do not exist; give at least 1")
    with styled():
        lines = rule_lines(dict.fromkeys([*errors, *full]))
        offsets = np.linspace(-0.06, 0.06, len(errors)) if len(errors) > 1 else [0.0]
        for offset, (rule, by_bits) in zip(offsets, errors.items(), strict=True):
            if not by_bits:
                continue
            found = [_fractions(by_bits[n], f"{rule} with {n} bits") for n in sorted(by_bits)]
            means = np.array([values.mean() for values in found])
            ends = np.array([[m - v.min(), v.max() - m] for m, v in zip(means, found, strict=True)]).T
            x = np.array([bits.index(n) for n in sorted(by_bits)]) + offset
            ax.errorbar(
                x, means, yerr=ends if ends.any() else None, label=rule, marker=_marker(rule), markersize=3.5,
                 capsize=1.5, elinewidth=0.8, zorder=3, **lines[rule],
            )  # fmt: skip
        for rule, values in full.items():
            level = _fractions(values, f"{rule} in full precision").mean()
            ax.axhline(level, color=lines[rule]["color"], linewidth=0.8, linestyle=DASHED, zorder=2, label="_full")
        ax.set_xticks(range(len(bits)), [str(n) for n in bits])
        ax.set_xlim(-0.35, len(bits) - 0.65)
        ax.set_xlabel("bits of a weight")
        _accuracy_axis(ax, "test accuracy (%)")
        if legend:
            style: dict[str, Any] = {"markersize": 3.5}
            handles = [Line2D([], [], label=rule, marker=_marker(rule), **style, **lines[rule]) for rule in errors]
            if full:
                handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DASHED, label="32-bit float"))
            legend_above(ax, handles, raised=False)
    return ax


def membranes(
    ax: "Axes",
    recordings: Mapping[str, Recording],
    population: str,
    unit: int,
    *,
    thresholds: Mapping[str, float] | None = None,
    window_ms: tuple[float, float] | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw the membrane of one neuron under several number formats, with thresholds (dashed) and spikes at the top.

    A membrane keeps its value for a tick. The first recording is a broad and pale line, the others lie over it.

    Parameters
    ----------
    ax
        Axes to draw into.
    recordings
        By name, as `neurofa.Simulation.run` leaves them: traces ``v`` of the population; spikes where they were
        recorded. All of the same ticks.
    population, unit
        Which neuron.
    thresholds
        By name of a recording.
    window_ms
        Begin and end, in milliseconds, the end not included; the whole run unless given.
    legend
        Whether to name the recordings above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no recording or more than four, one lacks the trace or the unit, or their lengths differ.
    """
    require(
        1 <= len(recordings) <= len(COLORS),
        f"there are {len(recordings)} recordings; give 1 to {len(COLORS)}, to tell them apart",
    )
    lengths = {recording.duration_ms for recording in recordings.values()}
    require(len(lengths) == 1, "the recordings differ in length; record the same ticks of each")
    thresholds, handles, first = thresholds or {}, [], next(iter(recordings.values()))
    window = shown_window(first, window_ms)
    with styled():
        for place, (name, recording) in enumerate(recordings.items()):
            trace, what = found_trace(recording, "v", population), f"'v' of {population!r}"
            x, values = values_within(trace, unit, what, recording.dt_ms, window)
            width: dict[str, Any] = {"linewidth": 0.8} if place else {"linewidth": 2.2, "alpha": 0.45}
            handles += ax.plot(
                x, values, color=COLORS[place], drawstyle="steps-post", label=name, zorder=3 + place, **width
            )
        # one dashed line for thresholds that lie on top of each other
        for place, name in enumerate(recordings):
            if name in thresholds:
                alone = sum(np.isclose(thresholds[name], other) for other in thresholds.values()) == 1
                color = COLORS[place] if alone else GREY
                ax.axhline(thresholds[name], color=color, linestyle=DASHES, linewidth=0.7, zorder=2, label="_threshold")
        step, (low, high) = 0.08, ax.get_ylim()
        ax.set_ylim(low, low + (high - low) / (1 - step * len(recordings)))
        for place, recording in enumerate(recordings.values()):
            if population in recording.spikes:
                spike_row(ax, recording, population, unit, COLORS[place], window, 1 - step * (place + 0.5))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        ax.set_ylabel("membrane (a.u.)")
        time_axis(ax, first, window, True)
        if legend:
            if thresholds:
                handles.append(Line2D([], [], color=GREY, linestyle=DASHES, linewidth=0.7, label="threshold"))
            legend_above(ax, handles, raised=len(first.labels) > 0)
    return ax


def memory_by_kind(ax: "Axes", costs: Mapping[str, "Costs"], *, legend: bool = True) -> "Axes":
    """Draw the memory of a network on a chip by kind, a marker for each rule, on a logarithmic axis.

    The last row is what hidden layers must keep until the error is known; a kind of which a rule has none shows no
    marker for it.

    Parameters
    ----------
    ax
        Axes to draw into; kinds run from top to bottom.
    costs
        By rule, from `neurofa.hardware.costs`.
    legend
        Whether to name the rules above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no rule.
    """
    rows: dict[str, dict[str, float]] = {}
    for rule, cost in costs.items():
        for row, kinds in MEMORY.items():
            rows.setdefault(row, {})[rule] = sum(getattr(cost.memory, kind) for kind in kinds) / 8 / 1024
        rows.setdefault(LOCKED, {})[rule] = cost.update_locked_bits / 8 / 1024
    _dots(ax, costs, {name: row for name, row in rows.items() if any(row.values())}, "memory (KiB)", legend)
    return ax


def operations_by_kind(ax: "Axes", operations: Mapping[str, Mapping[str, float]], *, legend: bool = True) -> "Axes":
    """Draw counted operations of a sample by kind, a marker for each rule, on a logarithmic axis.

    Parameters
    ----------
    ax
        Axes to draw into; kinds run from top to bottom.
    operations
        By rule: ``forward``, ``feedback`` and ``update`` synaptic operations of a sample.
    legend
        Whether to name the rules above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no rule, or one lacks a kind.
    """
    for rule, found in operations.items():
        missing = [kind for kind in OPERATIONS if kind not in found]
        require(not missing, f"operations of {rule!r} lack {', '.join(missing)}; give {', '.join(OPERATIONS)}")
    rows = {
        words: {rule: float(found[kind]) for rule, found in operations.items()} for kind, words in OPERATIONS.items()
    }
    _dots(ax, operations, rows, "synaptic operations a sample", legend)
    return ax


def _dots(
    ax: "Axes", rules: Mapping[str, object], rows: Mapping[str, Mapping[str, float]], what: str, legend: bool
) -> None:
    """A row of markers for each kind."""
    require(len(rules) > 0, "there is nothing to plot; give at least one rule")
    with styled():
        lines = rule_lines(rules)
        handles: list[Line2D] = []
        gap = min(0.17, 0.7 / len(rules))
        for place, rule in enumerate(rules):
            shift = gap * (place - (len(rules) - 1) / 2)
            found = [(row[rule], at + shift) for at, row in enumerate(rows.values()) if row[rule] > 0]
            x, y = zip(*found, strict=True) if found else ((), ())
            handles += ax.plot(
                x, y, linestyle="none", marker=_marker(rule), markersize=3.5, color=lines[rule]["color"],
                label=rule, zorder=3,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_yticks(range(len(rows)), list(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(what)
        ax.margins(x=0.08)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(_plain))
        if legend:
            legend_above(ax, handles, raised=False, handlelength=0.8, handletextpad=0.5)


def _marker(rule: str) -> str:
    """The same for a rule in every figure, as its colour is; rules of the user's own share one."""
    return MARKERS[list(LINES).index(rule) % len(MARKERS)] if rule in LINES else "o"


def _plain(value: float, _: object = None) -> str:
    """A power of ten in as few letters as are read at once."""
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{word}"
    return f"{value:g}"


def _fractions(values: Sequence[float], who: str) -> np.ndarray:
    """Errors of all seeds, which a logarithmic axis can hold."""
    found = np.asarray(values, float)
    good = found.ndim == 1 and len(found) > 0 and bool((np.isfinite(found) & (found > 0) & (found <= 1)).all())
    require(good, f"errors of {who} are {values!r}; give at least one fraction above 0 and at most 1")
    return found


def _accuracy_axis(ax: "Axes", label: str) -> None:
    """Accuracy upwards on an axis that is logarithmic in the error, with as many round numbers as are legible."""
    ax.set_yscale("log")
    ax.autoscale(axis="y")  # anew, since axes that are shared have been fixed to what the first of them holds
    low, high = sorted(ax.get_ylim())
    ax.set_ylim(min(high, 1.0), low)
    room = 72 * ax.bbox.height / ax.figure.dpi / np.log(high / low)  # points for each e-fold
    ticks: list[float] = []
    for error in sorted(1 - accuracy / 100 for accuracy in ACCURACIES):
        if low <= error <= high and (not ticks or room * np.log(error / ticks[-1]) > 9):
            ticks.append(error)
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - 100 * error:.4g}"))
    ax.set_ylabel(label)
