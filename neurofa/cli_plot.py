"""The command that draws what a run or a comparison left."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .spec.errors import InputError, require, require_choice

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 2.4, 2.3  # of a panel, inches
PAGE = 3  # panels side by side


def plot(
    source: Annotated[Path, typer.Argument(help="Folder of a run or a comparison, or its results.nc.")],
    what: Annotated[
        str,
        typer.Option(
            help="curves (errors, angles, cost), angles (to backpropagation, by layer), weights (W against B), "
            "activity (histograms over training), fields (receptive fields of the first layer)."
        ),
    ] = "curves",
    out: Annotated[
        Path | None, typer.Option(help="A .png, .pdf or .svg; WHAT.png beside the results unless given.")
    ] = None,
) -> None:
    """Draw a run, or the runs of a comparison.

    Example: neurofa plot runs/drtp --what weights --out weights.pdf
    """
    from .plot import save_figure

    require_choice("picture", what, PICTURES)
    path = out or (source if source.is_dir() else source.parent) / f"{what}.png"
    save_figure(PICTURES[what](source), path)
    typer.echo(str(path))


def _results(source: Path) -> "xarray.Dataset":
    """Results of a comparison, or of a run, which get the dims of a comparison."""
    from .compare import one_run
    from .io.results import read_results
    from .stored_runs import load_run
    from .trainer import CHECKPOINT, RESULTS

    path = source / RESULTS if source.is_dir() else source
    saved = source.is_dir() and not path.exists() and (source / CHECKPOINT).exists()  # the library leaves that alone
    results = load_run(source).history if saved else read_results(path)
    if "rule" in results.dims:
        whole = {"mode", "epoch"} <= set(results.dims)
        require(whole, f"{path} is of a sweep, which has sweep.png; give a folder in its runs, or a comparison")
        return results
    known = {"rule", "mode", "seed", "test_error", "seconds", "synops_per_sample"} <= set(results.attrs)
    require(known, f"{path} is no result of a run or of a comparison; give the folder of one")
    return one_run(results, str(results.attrs["rule"]))


def _folder_of_run(source: Path) -> Path:
    """The folder with the checkpoint of a single run."""
    from .compare import RUNS

    folder = source if source.is_dir() else source.parent
    runs = sorted(path for path in (folder / RUNS).glob("*") if path.is_dir())
    require(not runs, f"{folder} is a comparison; give one of its runs, such as {runs[0] if runs else ''}")
    return folder


def _panels(n: int) -> "tuple[Figure, list]":
    """A figure with some panels, as many of them in a row as fit a page."""
    import numpy as np
    from matplotlib.figure import Figure

    require(n > 0, "there is nothing of this kind to draw: the run was not probed, or its rule has no such thing")
    columns = min(n, PAGE)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(columns * WIDTH, rows * HEIGHT), layout="constrained")
    axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for ax in axes[n:]:
        ax.set_axis_off()
    return figure, axes[:n]


def _name(ax: "Axes", text: str) -> None:
    """Say what a panel shows, beside the legend above it."""
    ax.annotate(
        text, (1, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", ha="right", fontsize="small"
    )


def _curves(source: Path) -> "Figure":
    from .plot import compare_figure

    return compare_figure(_results(source))


def _angles(source: Path) -> "Figure":
    """Of each layer with an angle of its own, a line for each rule; a row of panels for each mode."""
    from .plot import alignment_by_rule, styled
    from .plot.alignment import angled_layers

    results = _results(source)
    require("alignment_deg" in results, f"{source} has no angles: it was not probed")
    modes = [str(mode) for mode in results["mode"].values]
    tables = {mode: {str(rule): results.sel(rule=rule, mode=mode) for rule in results["rule"].values} for mode in modes}
    shown = [(mode, layer) for mode in modes for layer in angled_layers(list(tables[mode].values()))]
    with styled():
        figure, axes = _panels(len(shown))
        for ax, (mode, layer) in zip(axes, shown, strict=True):
            alignment_by_rule(ax, tables[mode], layer)
            _name(ax, f"layer {layer}" + (f", {mode}" if len(modes) > 1 else ""))
    return figure


def _weights(source: Path) -> "Figure":
    """W against B, of each hidden layer that has feedback, before and after."""
    from .io.checkpoint import load_checkpoint
    from .plot import styled, weight_feedback_scatter
    from .rules import path_weights
    from .stored_runs import checkpoint_of, of_checkpoint

    path = checkpoint_of(_folder_of_run(source))
    found = of_checkpoint(path, *load_checkpoint(path))
    routes = found.plan.feedback
    with styled():
        figure, axes = _panels(len(routes))
        for ax, route in zip(axes, routes, strict=True):
            W, B = path_weights(found.params, route.source, route.layer), found.params[f"layers.{route.layer}.B"]
            weight_feedback_scatter(ax, W, B)
            _name(ax, f"layer {route.layer} ← {route.source}")
    return figure


def _activity(source: Path) -> "Figure":
    from .plot import activation_histograms, styled

    results = _results(source)
    require("activation_histogram" in results, f"{source} has no histograms of activity: it was not probed")
    require(results.sizes["rule"] == results.sizes["mode"] == 1, f"{source} has several rules or modes; give one run")
    history, layers = results.isel(rule=0, mode=0), [int(layer) for layer in results["layer"].values]
    with styled():
        figure, axes = _panels(len(layers))
        for ax, layer in zip(axes, layers, strict=True):
            activation_histograms(ax, history, layer)
    return figure


def _fields(source: Path) -> "Figure":
    from .plot import receptive_fields, styled
    from .stored_runs import load_run

    W = load_run(_folder_of_run(source)).params["layers.0.W"]
    side = math.isqrt(len(W))
    if side**2 != len(W):
        raise InputError(f"{len(W)} inputs are no square image; draw them with nf.plot.receptive_fields and its shape")
    with styled():
        figure, (ax,) = _panels(1)
        figure.set_size_inches(1.6 * WIDTH, 1.6 * HEIGHT)
        receptive_fields(ax, W, (side, side))
    return figure


PICTURES: "dict[str, Callable[[Path], Figure]]" = {
    "curves": _curves, "angles": _angles, "weights": _weights, "activity": _activity, "fields": _fields
}  # fmt: skip
