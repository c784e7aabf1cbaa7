"""Probes over updates: angles to backpropagation, agreement of W and B, activity."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import FixedLocator, MaxNLocator

from ..spec.errors import InputError, require, require_choice
from .common import (
    GREY,
    SOLID,
    axis_values,
    band_opacity,
    draw_line,
    each_is_dataset,
    label_updates,
    note_if_empty,
    own_points,
    rule_legend,
    rule_lines,
    seeds_text,
    spread_out,
    styled,
    variable,
)

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

ANGLES = {
    "alignment_deg": "angle to backpropagation (°)",
    "sample_alignment_deg": "angle to backpropagation, mean of samples (°)",
    "sample_angle_deg": "angle to backpropagation after f', mean of samples (°)",
    "update_angle_deg": "angle of update to backpropagation (°)",
}
# name: (label of the axis, factor, value of unrelated matrices)
AGREEMENT: dict[str, tuple[str, float, float | None]] = {
    "relative_error": (r"relative error $\Vert W-B^{\mathsf{T}}\Vert\,/\,\Vert W\Vert$", 1.0, None),
    "sign_congruence": ("equal signs of W and B (%)", 100.0, 50.0),
    "weight_cosine": ("cosine of W and B", 1.0, 0.0),
}


def alignment_angles(
    ax: "Axes",
    dataset: "xarray.Dataset",
    variable_name: str = "alignment_deg",
    *,
    layers: Sequence[int] | None = None,
    band: str = "range",
    legend: bool = True,
) -> "Axes":
    """Draw the angle between a rule's and backpropagation's signals over updates, a line for each layer.

    Below 90 degrees (dashed) the rule goes downhill. Layers without any finite angle are left out.

    Parameters
    ----------
    ax
        Axes to draw into.
    dataset
        One rule's: dimensions seed (may be missing), probe and layer; coordinate probe in updates.
    variable_name
        ``alignment_deg`` (modulatory signals), ``sample_alignment_deg`` (the same, mean over samples),
        ``sample_angle_deg`` (that times the derivative) or ``update_angle_deg`` (whole updates), in degrees.
    layers
        Which layers; all that have an angle of their own unless given, see `angled_layers`.
    band, legend
        As for `learning_curves`.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the variable, a dimension or a layer is missing.
    """
    require_choice("angle", variable_name, ANGLES)
    with styled():
        if layers is None:
            layers = angled_layers([dataset], variable_name)
        _by_layer(ax, dataset, variable_name, layers, 1.0, band)
        _angle_axis(ax, ANGLES[variable_name])
        if legend:
            _legend(ax, dataset, variable_name, band)
    return ax


def alignment_by_rule(
    ax: "Axes",
    histories: Mapping[str, "xarray.Dataset"],
    layer: int,
    variable_name: str = "alignment_deg",
    *,
    band: str = "range",
    legend: bool = True,
) -> "Axes":
    """Draw the angle to backpropagation over updates in one layer, a line for each rule.

    Parameters
    ----------
    ax
        Axes to draw into.
    histories
        Dataset by rule, as for `alignment_angles`. A rule without a finite angle (one without a signal, such
        as ``shallow``) is left out. A line goes through the probes where its rule has an angle in some seed.
    layer
        Which layer, by its coordinate.
    variable_name, band, legend
        As for `alignment_angles`.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If there is no rule, or a dataset lacks the variable, a dimension or the layer.
    """
    require_choice("angle", variable_name, ANGLES)
    with styled():
        lines, counts, largest = rule_lines(each_is_dataset(histories)), [], 0.0
        for name, dataset in histories.items():
            array = _layer(variable(dataset, variable_name, "probe", "layer"), layer)
            x, values = own_points(axis_values(array, "probe"), array.values.astype(float))
            pale = band_opacity(len(lines))
            if draw_line(ax, x, values, band=band, label=name, opacity=pale, **lines[name]):
                counts.append(array.sizes["seed"])
                largest = max(largest, float(x.max()))
        label_updates(ax, largest)
        _angle_axis(ax, ANGLES[variable_name])
        note_if_empty(ax, bool(counts), "no angle")
        if legend:
            rule_legend(ax, seeds_text(counts, band))
    return ax


def angled_layers(datasets: Sequence["xarray.Dataset"], variable_name: str = "alignment_deg") -> list[int]:
    """Layers whose angle tells something: some value is finite, and not the output, which has its true error.

    The output is the last layer, and is left out if its angle is 0 for all rules; an only layer is kept.
    """
    arrays = [variable(dataset, variable_name, "probe", "layer") for dataset in datasets]
    layers = [int(layer) for layer in axis_values(arrays[0], "layer")]
    values = [np.concatenate([np.ravel(_layer(array, layer).values) for array in arrays]) for layer in layers]
    values = [value[np.isfinite(value)] for value in values]
    if len(layers) > 1 and not values[-1].any():
        layers, values = layers[:-1], values[:-1]
    return [layer for layer, value in zip(layers, values, strict=True) if len(value)]


def weight_alignment(
    ax: "Axes",
    dataset: "xarray.Dataset",
    variable_name: str = "relative_error",
    *,
    layers: Sequence[int] | None = None,
    band: str = "range",
    legend: bool = True,
) -> "Axes":
    """Draw how far W and B agree over updates, a line for each layer.

    Parameters
    ----------
    ax
        Axes to draw into.
    dataset
        As for `alignment_angles`.
    variable_name
        ``relative_error`` (of norms, from 0), ``sign_congruence`` (a fraction, shown in percent) or
        ``weight_cosine``. A dashed line marks what unrelated matrices have.
    layers, band, legend
        As for `alignment_angles`; layers without feedback have no finite value and are left out.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the variable, a dimension or a layer is missing.
    """
    require_choice("weight alignment", variable_name, AGREEMENT)
    label, factor, unrelated = AGREEMENT[variable_name]
    with styled():
        _by_layer(ax, dataset, variable_name, layers, factor, band)
        if unrelated is not None:
            ax.axhline(unrelated, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        if variable_name == "relative_error":
            ax.set_ylim(bottom=0)
        ax.set_ylabel(label)
        if legend:
            _legend(ax, dataset, variable_name, band)
    return ax


def activation_histograms(
    ax: "Axes",
    dataset: "xarray.Dataset",
    layer: int = 0,
    *,
    probes: Sequence[int] | None = None,
    variable_name: str = "activation_histogram",
    legend: bool = True,
) -> "Axes":
    """Draw histograms of a layer's activity, a line for each probe from early (dark) to late (light).

    Parameters
    ----------
    ax
        Axes to draw into.
    dataset
        Dimensions seed (may be missing; summed over), probe, layer and bin, with a coordinate ``bin_centre``
        over bin, or over layer and bin. Counts or shares: each histogram is scaled to a sum of 100 %.
    layer
        Which layer, by its coordinate.
    probes
        Which probes, by their coordinate (updates); up to five over the whole training unless given.
    variable_name
        Variable with the histograms.
    legend
        Whether to name the updates.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.

    Raises
    ------
    InputError
        If the variable, a dimension, the layer, a probe or ``bin_centre`` is missing.
    """
    with styled():
        array = _layer(variable(dataset, variable_name, "probe", "layer", "bin"), layer)
        if "bin_centre" not in array.coords:
            raise InputError(f"{variable_name!r} has no coordinate 'bin_centre'; add the centres of its bins")
        centres, found = np.ravel(array["bin_centre"].values), list(axis_values(array, "probe"))
        if probes is None:
            probes = spread_out(found, 5)
        for position, probe in enumerate(probes):
            require(probe in found, f"there is no probe at update {probe}; choose from {', '.join(map(str, found))}")
            counts = np.nansum(array.values[:, found.index(probe)].astype(float), axis=0)
            color = colormaps["viridis"](0.88 * position / max(len(probes) - 1, 1))
            if counts.sum() > 0:
                ax.plot(centres, 100 * counts / counts.sum(), drawstyle="steps-mid", color=color, label=f"{probe:,}")
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.set_xlabel(f"activity in layer {layer}")
        ax.set_ylabel("share of neurons and samples (%)")
        if legend and ax.get_legend_handles_labels()[0]:
            ax.legend(title="updates", alignment="left")
    return ax


def _layer(array: "xarray.DataArray", layer: int) -> "xarray.DataArray":
    """One layer of an array, by its coordinate."""
    layers = [int(value) for value in axis_values(array, "layer")]
    if layer not in layers:
        raise InputError(f"there is no layer {layer} in {array.name!r}; it has {', '.join(map(str, layers))}")
    return array.isel(layer=layers.index(layer))


def _by_layer(
    ax: "Axes", dataset: "xarray.Dataset", name: str, layers: Sequence[int] | None, factor: float, band: str
) -> None:
    """A line for each layer over updates; deeper layers are lighter."""
    array = variable(dataset, name, "probe", "layer")
    every = [int(value) for value in axis_values(array, "layer")]
    probes, largest = axis_values(array, "probe"), 0.0
    for layer in every if layers is None else layers:
        # by its place in the network, so that a layer has the same colour in every figure
        shade = every.index(layer) / max(len(every) - 1, 1) if layer in every else 0.0
        line: dict[str, Any] = {"linestyle": SOLID, "color": colormaps["viridis"](0.8 * shade)}
        x, values = own_points(probes, _layer(array, layer).values.astype(float) * factor)
        if draw_line(ax, x, values, band=band, label=f"layer {layer}", **line):
            largest = max(largest, float(x.max()))
    label_updates(ax, largest)


def _legend(ax: "Axes", dataset: "xarray.Dataset", name: str, band: str) -> None:
    """A legend whose title says what line and band are, if anything was drawn."""
    if ax.get_legend_handles_labels()[0]:
        seeds = variable(dataset, name, "probe", "layer").sizes["seed"]
        ax.legend(title=seeds_text([seeds], band), alignment="left")


def _angle_axis(ax: "Axes", label: str) -> None:
    """Degrees from 0 to 180 in steps of 30 as far as needed, with the line where a rule stops going downhill."""
    highest = ax.dataLim.y1 if np.isfinite(ax.dataLim.y1) else 0.0
    ax.set_ylim(-4, min(184, max(98, highest + 5)))
    ax.yaxis.set_major_locator(FixedLocator(range(0, 181, 30)))
    ax.axhline(90, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    ax.set_ylabel(label)
