"""The picture of a sweep: what is on which axis, in which panel, and when there is none."""

import numpy as np
import pytest
import xarray as xr

from neurofa.plot import sweep_figure
from neurofa.spec import InputError


def results(name="test_error", seeds=2, **dims):
    """Errors that tell rule, settings and seed apart."""
    sizes = {"rule": ["bp", "dfa"], **dims, "seed": list(range(seeds))}
    shape = [len(values) for values in sizes.values()]
    values = 0.01 + 0.001 * np.arange(np.prod(shape)).reshape(shape)
    return xr.Dataset({name: (tuple(sizes), values)}, sizes)


def lines_of(ax):
    """Lines that join points, by their label."""
    return {line.get_label(): line for line in ax.lines if not str(line.get_label()).startswith("_")}


def test_a_line_is_the_mean_over_seeds_in_percent():
    swept = results(learning_rate=[0.3, 0.1, 0.2])
    (ax,) = sweep_figure(swept).axes
    assert set(lines_of(ax)) == {"bp", "dfa"}
    for rule, line in lines_of(ax).items():
        np.testing.assert_allclose(line.get_xdata(), [0.1, 0.2, 0.3])  # in the order of the axis, not of the grid
        means = 100 * swept.test_error.sel(rule=rule).mean("seed").sortby("learning_rate")
        np.testing.assert_allclose(line.get_ydata(), means)
    assert ax.get_xlabel() == "learning rate"
    assert ax.get_ylabel() == "test error (%)"
    assert ax.get_xscale() == "linear"
    assert list(ax.get_xticks()) == pytest.approx([0.1, 0.2, 0.3])


def test_settings_are_chosen_by_the_validation_error_so_that_is_drawn():
    swept = results(learning_rate=[1, 2]).merge(results("validation_error", learning_rate=[1, 2]) * 2)
    (ax,) = sweep_figure(swept).axes
    assert ax.get_ylabel() == "validation error (%)"
    regression = results(learning_rate=[1, 2]).assign_attrs(task="regression")
    (ax,) = sweep_figure(regression).axes
    assert ax.get_ylabel() == "test loss"
    np.testing.assert_allclose(lines_of(ax)["bp"].get_ydata(), regression.test_error.sel(rule="bp").mean("seed"))


def test_axes_over_decades_are_logarithmic():
    swept = results(learning_rate=[1e-4, 1e-3, 1e-2])
    swept["test_error"] = swept.test_error * xr.DataArray([1, 10, 100], dims="learning_rate")
    (ax,) = sweep_figure(swept).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_names_have_points_and_bars_but_no_line():
    swept = results(hidden=["tanh", "relu", "sigmoid"])
    (ax,) = sweep_figure(swept).axes
    assert lines_of(ax) == {}
    assert [text.get_text() for text in ax.get_xticklabels()] == ["tanh", "relu", "sigmoid"]
    assert len(ax.collections) == 2
    low, high = ax.collections[0].get_segments()[0][:, 1]
    first = 100 * swept.test_error.sel(rule="bp", hidden="tanh")
    assert (low, high) == (first.min(), first.max())


def test_other_settings_and_chips_have_panels():
    swept = results(hardware=["none", "int4"], learning_rate=[0.1, 0.2], batch_size=[8, 16, 32])
    figure = sweep_figure(swept)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert titles == [f"hardware {chip}\nbatch size {n}" for chip in ("none", "int4") for n in (8, 16, 32)]
    line = lines_of(figure.axes[4])["dfa"]
    means = 100 * swept.test_error.sel(rule="dfa", hardware="int4", batch_size=16).mean("seed")
    np.testing.assert_allclose(line.get_ydata(), means)


def test_what_has_not_run_leaves_a_gap_or_says_so():
    swept = results(learning_rate=[1, 2], batch_size=[8, 16])
    swept.test_error.loc[{"batch_size": 16}] = np.nan
    swept.test_error.loc[{"batch_size": 8, "learning_rate": 2, "rule": "bp"}] = np.nan
    full, empty = sweep_figure(swept).axes
    assert [text.get_text() for text in empty.texts] == ["not run, or diverged"]
    assert np.isnan(lines_of(full)["bp"].get_ydata()).tolist() == [False, True]


def test_no_figure_of_nothing_and_none_of_too_many_panels():
    swept = results(learning_rate=[1, 2])
    assert sweep_figure(swept * np.nan) is None
    assert sweep_figure(results(learning_rate=[1, 2], batch_size=list(range(25)))) is None
    for wrong in (xr.Dataset(), results()):
        with pytest.raises(InputError, match="give the results of one"):
            sweep_figure(wrong)


def test_seeds_are_counted_where_they_are():
    swept = results(learning_rate=[1, 2], seeds=3)
    swept.test_error.loc[{"learning_rate": 2, "seed": [1, 2]}] = np.nan  # diverged
    assert sweep_figure(swept).legends[0].get_title().get_text() == "mean of 1 to 3 seeds, band: min to max"


def test_infinity_is_a_name_and_long_names_are_cut():
    (ax,) = sweep_figure(results(tau_mod_ms=[10.0, np.inf])).axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10.0", "inf"]
    (ax,) = sweep_figure(results(optimiser=["sgd", '{kind = "momentum", momentum = 0.5}'])).axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["sgd", '{kind = "momentum",…']


def test_names_that_cannot_be_told_apart_in_short_are_written_out():
    rates = ["[0.0012, 0.0012, 0.0001]", "[0.0012, 0.0012, 0.0004]"]
    (ax,) = sweep_figure(results(learning_rate=rates)).axes
    shown = [text.get_text() for text in ax.get_xticklabels()]
    assert shown == [rate.replace("2, 0.000", "2,\n0.000") for rate in rates]


def test_rules_of_one_colour_have_points_of_their_own():
    swept = results(hidden=["tanh", "relu"]).assign_coords(rule=["sdfa", "mdfa"])
    figure = sweep_figure(swept)
    (ax,) = figure.axes
    drawn = [(line.get_color(), line.get_markerfacecolor()) for line in ax.lines]
    shown = [(line.get_color(), line.get_markerfacecolor()) for line in figure.legends[0].get_lines()]
    assert drawn == shown == [("#E69F00", "#E69F00"), ("#E69F00", "white")]
