"""Pictures of synapses: weight changes against their three factors, weights against feedback, receptive fields."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from ..analysis.alignment import angle_deg, cosine
from ..analysis.modes import correlation
from ..spec.errors import InputError, require, require_choice
from .common import BLUE, GREY, ORANGE, VERMILLION, note_if_empty, spread_out, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DARKER = {BLUE: "#003F66", VERMILLION: "#8A3A00"}  # for lines over dots
AGAINST = ("product", "pre")
MOST_DOTS = 5_000  # more than that on a plane of a column's width hide each other
HEXAGONS = 60
# from below to above zero, as dark at both ends; zero is white in images, and grey where it must be seen on white
IMAGES = LinearSegmentedColormap.from_list("weights", ["#003351", BLUE, "#FFFFFF", VERMILLION, "#5E2A00"], N=257)
DOTS = LinearSegmentedColormap.from_list("modulator", ["#004B76", BLUE, "#C4C4C4", ORANGE, "#A84300"], N=257)


def three_factor_scatter(
    ax: "Axes",
    dw: np.ndarray,
    pre: np.ndarray,
    modulator: np.ndarray,
    post: np.ndarray | None = None,
    *,
    against: str = "product",
    color_bar: bool = True,
) -> "Axes":
    """Draw each synapse's weight change against the product of its factors, or against the presynaptic one.

    The colour is the modulator of its postsynaptic neuron. A synapse is a dot; where there are more than
    5,000, the plane is divided into hexagons, in the colour of their synapses' mean modulator. In the corner
    stands the correlation of what the axes show, over all synapses.

    Parameters
    ----------
    ax
        Axes to draw into.
    dw
        Weight changes of a projection, shape (n_pre, n_post).
    pre
        Presynaptic factor (spikes, a trace or activity), shape (n_pre,), or (n_samples, n_pre).
    modulator
        Third factor, shape (n_post,), or (n_samples, n_post).
    post
        Postsynaptic factor, in the shape of `modulator`; 1 unless given. With samples, products are added up
        over them, and the colour (and `pre` on the axis) is the mean.
    against
        ``product`` (of pre, post and modulator) or ``pre``.
    color_bar
        Whether to draw one.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If shapes do not fit, or there is no synapse.
    """
    require_choice("weight change against", against, AGAINST)
    dw, pre, modulator = (np.asarray(array, dtype=float) for array in (dw, pre, modulator))
    require(dw.ndim == 2 and dw.size > 0, f"dw has shape {dw.shape}; give (n_pre, n_post), with at least one synapse")
    pre, modulator = _factor("pre", pre, dw.shape[0]), _factor("modulator", modulator, dw.shape[1])
    gate = np.ones_like(modulator) if post is None else _factor("post", np.asarray(post, dtype=float), dw.shape[1])
    require(
        len(pre) == len(modulator) == len(gate) > 0,
        f"factors have {len(pre)}, {len(modulator)} and {len(gate)} samples (pre, modulator, post); make them equal",
    )
    if against == "product":
        x, label = pre.T @ (gate * modulator), "pre × M (a.u.)" if post is None else "pre × post × M (a.u.)"
    else:
        x, label = np.broadcast_to(pre.mean(axis=0)[:, None], dw.shape), "presynaptic factor (a.u.)"
    shade = np.broadcast_to(modulator.mean(axis=0), dw.shape).ravel()
    x, y = x.ravel(), dw.ravel()
    limit = float(np.abs(shade).max()) or 1.0
    look: dict[str, Any] = {"cmap": DOTS, "norm": Normalize(-limit, limit), "linewidths": 0, "zorder": 2}
    with styled():
        if len(x) <= MOST_DOTS:
            drawn: Any = ax.scatter(x, y, c=shade, s=5, **look)
        else:
            drawn = ax.hexbin(x, y, C=shade, reduce_C_function=np.mean, gridsize=HEXAGONS, mincnt=1, **look)
        ax.axhline(0, color=GREY, linewidth=0.5, zorder=1)
        if against == "product":
            ax.axvline(0, color=GREY, linewidth=0.5, zorder=1)
        r = correlation(x, y)
        right = against == "product" and r < 0  # the corner that a falling line leaves free
        ax.text(
            0.98 if right else 0.02, 0.98, f"{_correlation_text(r)}\n{len(x):,} synapses", transform=ax.transAxes,
            ha="right" if right else "left", va="top", fontsize=6.5, zorder=4,
        )  # fmt: skip
        ax.set_xlabel(label)
        ax.set_ylabel("weight change (a.u.)")
        for axis in (ax.xaxis, ax.yaxis):
            _plain_numbers(axis)
        if color_bar:
            bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.9, aspect=22, pad=0.03)
            bar.set_label("modulator M (a.u.)" if len(x) <= MOST_DOTS else "mean modulator M (a.u.)")
            bar.outline.set_visible(False)
            _plain_numbers(bar.ax.yaxis)
    return ax


def weight_feedback_scatter(
    ax: "Axes",
    W: np.ndarray,
    B: np.ndarray,
    W_before: np.ndarray | None = None,
    B_before: np.ndarray | None = None,
    *,
    legend: bool = True,
) -> "Axes":
    """Draw the entries of W transposed against those of B, before and after learning.

    The lines are least squares through the origin, and the legend has cosine and angle, both over all entries;
    of more than 5,000 entries, so many are drawn as dots, evenly from the first to the last.

    Parameters
    ----------
    ax
        Axes to draw into.
    W
        Forward path from a layer to the source of its feedback, after learning, shape (n_layer, n_source). On a
        direct route to a layer further down it is the product of the weights on the way.
    B
        Feedback, shape (n_source, n_layer).
    W_before, B_before
        Before learning, if they are to be shown too; `B_before` is `B` unless given.
    legend
        Whether to draw one.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If shapes do not fit, there is no entry, or `B_before` is given without `W_before`.
    """
    W, B = _pair("W", W, "B", B)
    states = [("after" if W_before is not None else "", VERMILLION, W, B)]
    if W_before is not None:
        W0, B0 = _pair("W_before", W_before, "B_before", B if B_before is None else B_before)
        require(W0.shape == W.shape, f"W_before has shape {W0.shape}, W {W.shape}; give the same layer twice")
        states.insert(0, ("before", BLUE, W0, B0))
    require(B_before is None or W_before is not None, "B_before was given without W_before; give both")
    places = np.array(spread_out(range(W.size), MOST_DOTS))
    with styled():
        for place, (name, color, forward, back) in enumerate(states):
            angle = angle_deg(forward.T, back)
            agreement = f"cosine {_number(cosine(forward.T, back), 2)}, {angle:.0f}°"
            measure = agreement if np.isfinite(angle) else "no angle"
            ax.plot(
                back.ravel()[places], forward.T.ravel()[places], linestyle="none", marker="o", markersize=2.0,
                markeredgewidth=0, color=color, alpha=float(np.clip(300 / len(places), 0.3, 0.8)), zorder=2 + place,
                rasterized=len(places) > 2000, label=f"{name}: {measure}" if name else measure,
            )  # fmt: skip
            if np.isfinite(angle):
                ends = np.array([back.min(), back.max()])
                slope = (forward.T * back).sum() / (back * back).sum()
                ax.plot(ends, slope * ends, color=DARKER[color], linewidth=1.1, label="_fit", zorder=4)
        for line in (ax.axhline, ax.axvline):
            line(0, color=GREY, linewidth=0.5, zorder=1)
        ax.set_xlabel(r"feedback $B$ (a.u.)")
        ax.set_ylabel(r"weight $W^{\mathsf{T}}$ (a.u.)")
        for axis in (ax.xaxis, ax.yaxis):
            _plain_numbers(axis)
        if legend:
            part = f"{len(places):,} of {W.size:,} entries" if len(places) < W.size else f"{W.size:,} entries"
            made = ax.legend(
                title=part, alignment="left", loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.0,
                ncols=len(states), handlelength=0.8, handletextpad=0.4, columnspacing=1.0, markerscale=1.6,
            )  # fmt: skip
            for handle in made.legend_handles:
                if handle is not None:
                    handle.set_alpha(1.0)
    return ax


def receptive_fields(
    ax: "Axes",
    W: np.ndarray,
    image_shape: tuple[int, ...],
    units: Sequence[int] | None = None,
    n: int = 25,
    *,
    limit: float | None = None,
    numbers: bool = True,
    color_bar: bool = True,
) -> "Axes":
    """Draw the incoming weights of some neurons as images, side by side in a grid, on one symmetric colour scale.

    Parameters
    ----------
    ax
        Axes to draw into.
    W
        Weights from the image, shape (n_pre, n_post).
    image_shape
        Height and width, with a leading 1 or without; their product is n_pre.
    units
        Which neurons, row by row; unless given, `n` of them, evenly from the first to the last.
    n
        How many neurons without `units`.
    limit
        Weight at the ends of the scale; unless given, 99.5 % of the shown weights are within it.
    numbers
        Whether to print each neuron's number into the corner of its image.
    color_bar
        Whether to draw one.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If shapes do not fit, a unit does not exist, or there is nothing to show.
    """
    W = np.asarray(W, dtype=float)
    require(W.ndim == 2 and W.size > 0, f"W has shape {W.shape}; give (n_pre, n_post), with at least one weight")
    shape = tuple(int(length) for length in image_shape)
    shape = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    require(len(shape) == 2, f"image_shape is {tuple(image_shape)}; give the height and width of a single channel")
    require(
        min(shape) > 0 and shape[0] * shape[1] == len(W),
        f"images of {shape[0]} x {shape[1]} do not fit {len(W)} weights a neuron; height times width must be {len(W)}",
    )
    require(n >= 1, f"n is {n}; show at least 1 neuron")
    require(limit is None or 0 < limit < np.inf, f"limit is {limit}; it must be positive and finite")
    chosen = spread_out(range(W.shape[1]), n) if units is None else list(units)
    require(len(chosen) > 0, "no units were chosen; name at least one")
    for unit in chosen:
        require(0 <= unit < W.shape[1], f"there is no unit {unit} in W; it has the units 0 to {W.shape[1] - 1}")
    columns = int(np.ceil(np.sqrt(len(chosen))))
    gap = max(1, round(0.06 * max(shape)))
    high, wide = shape[0] + gap, shape[1] + gap
    mosaic = np.full((-(-len(chosen) // columns) * high - gap, columns * wide - gap), np.nan)
    corners = [(place // columns * high, place % columns * wide) for place in range(len(chosen))]
    for unit, (top, left) in zip(chosen, corners, strict=True):
        mosaic[top : top + shape[0], left : left + shape[1]] = W[:, unit].reshape(shape)
    sizes = np.abs(W[:, chosen][np.isfinite(W[:, chosen])])
    scale = limit or (float(np.quantile(sizes, 0.995)) if len(sizes) else 0.0) or float(sizes.max(initial=0.0)) or 1.0
    with styled():
        image = ax.imshow(mosaic, cmap=IMAGES, norm=Normalize(-scale, scale), interpolation="nearest")
        ax.set_axis_off()
        note_if_empty(ax, bool(len(sizes)), "no finite weights")
        for top, left in corners:
            edge: dict[str, Any] = {"fill": False, "edgecolor": "#BBBBBB", "linewidth": 0.4, "clip_on": False}
            ax.add_patch(Rectangle((left - 0.5, top - 0.5), shape[1], shape[0], **edge))
        if numbers:
            for unit, (top, left) in zip(chosen, corners, strict=True):
                ax.annotate(
                    str(unit), (left - 0.5, top - 0.5), xytext=(1, -1), textcoords="offset points", ha="left", va="top",
                    fontsize=5, color="#333333",
                )  # fmt: skip
        if color_bar:
            beyond = "both" if (sizes > scale).any() else "neither"
            bar = ax.figure.colorbar(image, ax=ax, shrink=0.9, aspect=22, pad=0.03, extend=beyond)
            bar.set_label("weight (a.u.)")
            bar.outline.set_linewidth(0.4)
            _plain_numbers(bar.ax.yaxis)
    return ax


def _factor(what: str, values: np.ndarray, units: int) -> np.ndarray:
    """A factor as (n_samples, n_units)."""
    fits = values.ndim in (1, 2) and values.shape[-1] == units
    require(fits, f"{what} has shape {values.shape}; dw needs ({units},) or (n_samples, {units})")
    return np.atleast_2d(values)


def _pair(name: str, W: np.ndarray, back_name: str, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A forward and a feedback matrix that belong together."""
    W, B = np.asarray(W, dtype=float), np.asarray(B, dtype=float)
    if W.ndim != 2 or W.size == 0 or B.shape != W.T.shape:
        raise InputError(
            f"{name} has shape {W.shape} and {back_name} {B.shape}; give (n_layer, n_source) and (n_source, n_layer)"
        )
    return W, B


def _correlation_text(r: float) -> str:
    return f"$r$ = {_number(r, 3)}" if np.isfinite(r) else "no correlation"


def _number(value: float, digits: int) -> str:
    """A number with a minus sign instead of a hyphen, and none before zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _plain_numbers(axis: "Axis") -> None:
    """Few ticks, and a power of ten at the end of the axis instead of many digits."""
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    formatter = ScalarFormatter(useMathText=True)
    formatter.set_powerlimits((-2, 4))
    axis.set_major_formatter(formatter)
    axis.get_offset_text().set_fontsize(6.5)
