"""Figures: what is drawn is what the data say, nothing overlaps, and no global state changes."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurofa.io.results import read_results, write_results
from neurofa.plot import (
    STYLE,
    activation_histograms,
    alignment_angles,
    alignment_by_rule,
    compare_figure,
    cost_by_rule,
    final_errors,
    learning_curves,
    rule_lines,
    save_figure,
    styled,
    weight_alignment,
)
from neurofa.plot.common import mean_and_band, seeds_text
from neurofa.plot.curves import final_values
from neurofa.rules.presets import PRESETS
from neurofa.spec import InputError


def comparison(rules=("bp", "fa", "dfa", "shallow"), modes=("rate",), seeds=3, epochs=8, layers=3, probes=6):
    """Results as of a comparison; the output layer is the last, ``shallow`` has no angle."""
    rng = np.random.default_rng(0)
    shape = (len(rules), len(modes), seeds)
    errors = 0.02 + 0.2 * np.exp(-np.arange(epochs)) + 0.005 * rng.random((*shape, epochs))
    angles = rng.uniform(20, 95, (*shape, probes, layers))
    angles[..., -1] = 0
    for index, rule in enumerate(rules):
        if rule in ("bp", "shallow"):
            angles[index] = 0 if rule == "bp" else np.nan
    return xarray.Dataset(
        {
            "synops_per_sample": (("rule", "mode", "seed"), rng.uniform(1e5, 3e5, shape)),
            "seconds": (("rule", "mode", "seed"), rng.uniform(1, 50, shape)),
            "test_error": (("rule", "mode", "seed", "epoch"), errors),
            "alignment_deg": (("rule", "mode", "seed", "probe", "layer"), angles),
        },
        coords={
            "rule": list(rules),
            "mode": list(modes),
            "seed": range(seeds),
            "epoch": range(1, epochs + 1),
            "probe": np.arange(probes) * 100,
            "layer": range(layers),
        },
        attrs={"title": "64-50-50-10", "data": "digits", "chance_error": 0.9},
    )


def by_rule(results, mode="rate"):
    return {str(rule): results.sel(rule=rule, mode=mode) for rule in results.rule.values}


@pytest.fixture
def ax():
    with styled():
        return Figure().subplots()


@pytest.fixture
def probed():
    rng = np.random.default_rng(1)
    dims, shape = ("seed", "probe", "layer"), (2, 5, 3)
    names = ("alignment_deg", "update_angle_deg", "relative_error", "sign_congruence", "weight_cosine")
    values = {name: (dims, rng.random(shape)) for name in names}
    for name in names[2:]:
        values[name][1][..., -1] = np.nan  # the output layer has no feedback
    for name in names[:2]:
        values[name][1][..., -1] = 0
    values["activation_histogram"] = (("probe", "layer", "bin"), rng.integers(1, 9, (5, 3, 11)))
    coords = {"probe": [0, 10, 20, 30, 40], "layer": [0, 1, 2], "bin_centre": ("bin", np.linspace(-1, 1, 11))}
    return xarray.Dataset(values, coords=coords)


def texts_of(figure):
    """All visible, non-empty texts of a figure after layout, with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    beyond = set()  # labels of ticks outside the limits exist, but are not drawn
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {id(tick.label1) for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and id(text) not in beyond]
    renderer = canvas.get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text().strip()]


def test_mean_and_band_by_hand():
    values = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan], [8.0, 4.0, np.inf]])
    mean, low, high = mean_and_band(values, "range")
    np.testing.assert_array_equal(mean, [4, 3, np.nan])
    np.testing.assert_array_equal(low, [1, 2, np.nan])
    np.testing.assert_array_equal(high, [8, 4, np.nan])
    mean, low, high = mean_and_band(values[:, :2], "sd")
    np.testing.assert_allclose(high - mean, [np.std([1, 3, 8], ddof=1), np.std([2, 4], ddof=1)])
    np.testing.assert_allclose(mean - low, high - mean)
    assert mean_and_band(values[:1], "range")[1:] == (None, None)
    assert mean_and_band(values, "none")[1:] == (None, None)


def test_final_values_pass_over_early_stopping():
    values = np.array([[5.0, 4.0, 2.0, np.nan], [np.nan] * 4, [9.0, 8.0, 7.0, 6.0]])
    np.testing.assert_array_equal(final_values(values, 2), [3, np.nan, 6.5])
    np.testing.assert_array_equal(final_values(values), [2, np.nan, 6])


def test_learning_curves_draw_the_mean_in_percent(ax):
    results = comparison()
    assert learning_curves(ax, by_rule(results)) is ax
    lines = {line.get_label(): line for line in ax.lines}
    for rule, dataset in by_rule(results).items():
        np.testing.assert_allclose(lines[rule].get_ydata(), 100 * dataset.test_error.mean("seed"))
        np.testing.assert_array_equal(lines[rule].get_xdata(), dataset.epoch)
    assert len(ax.collections) == 4, "a band for each rule"
    assert "%" in ax.get_ylabel()
    assert ax.get_legend().get_title().get_text() == "mean of 3 seeds, band: min to max"


def test_a_band_shows_the_extremes(ax):
    dataset = by_rule(comparison(rules=("fa",)))["fa"]
    learning_curves(ax, {"fa": dataset})
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert corners.max() == pytest.approx(100 * float(dataset.test_error.max()))
    assert corners.min() == pytest.approx(100 * float(dataset.test_error.min()))


@pytest.mark.parametrize("drop", [True, False])
def test_one_seed_has_no_band_and_says_so(ax, drop):
    histories = {rule: data.isel(seed=0, drop=drop) for rule, data in by_rule(comparison(seeds=1)).items()}
    learning_curves(ax, histories)
    assert len(ax.collections) == 0
    assert ax.get_legend().get_title().get_text() == "one seed"


def test_a_loss_is_shown_as_it_is(ax):
    history = xarray.Dataset({"test_loss": (("epoch",), [3.0, 2.0])}, coords={"epoch": [1, 2]})
    learning_curves(ax, {"bp": history}, "test_loss")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [3, 2])
    assert ax.get_ylabel() == "test loss"


def test_one_epoch_is_visible(ax):
    learning_curves(ax, by_rule(comparison(epochs=1)))
    assert all(line.get_marker() == "o" for line in ax.lines)


def test_a_log_axis_has_plain_numbers_and_room_for_chance(ax):
    learning_curves(ax, by_rule(comparison()), log=True, chance=0.9, band="sd")
    ax.figure.draw_without_rendering()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert "10" in labels
    assert not any("^" in label for label in labels)
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[1] > 90
    assert "± s.d." in ax.get_legend().get_title().get_text()


def test_rules_that_were_not_run_leave_no_line(ax):
    results = comparison()
    results.test_error[1] = np.nan
    learning_curves(ax, by_rule(results))
    assert [line.get_label() for line in ax.lines] == ["bp", "dfa", "shallow"]


def test_final_errors_show_every_seed_and_the_mean(ax):
    results = comparison()
    results.test_error[2] = np.nan
    final_errors(ax, by_rule(results), last=2)
    dots = {line.get_ydata()[0]: line.get_xdata() for line in ax.lines if line.get_marker() == "o"}
    assert sorted(dots) == [0, 1, 3]
    expected = 100 * results.test_error.isel(rule=1, mode=0).values[:, -2:].mean(axis=1)
    np.testing.assert_allclose(dots[1], expected)
    texts = [text.get_text() for text in ax.texts]
    assert f"{expected.mean():.2f} ± {expected.std(ddof=1):.2f}" in texts
    assert "–" in texts, "the rule that was not run keeps its row"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bp", "fa", "dfa", "shallow"]


def test_angles_leave_out_the_output_layer(ax, probed):
    alignment_angles(ax, probed)
    assert [line.get_label() for line in ax.lines if not line.get_label().startswith("_")] == ["layer 0", "layer 1"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), probed.alignment_deg.isel(layer=0).mean("seed"))
    assert any(np.all(np.asarray(line.get_ydata()) == 90) for line in ax.lines), "the line at 90 degrees"


def test_angles_above_ninety_stay_in_the_picture(ax, probed):
    probed.alignment_deg[:, 0, 0] = 170
    alignment_angles(ax, probed, layers=[0])
    assert ax.get_ylim()[1] > 170


def test_angles_by_rule_leave_out_rules_without_one(ax):
    alignment_by_rule(ax, by_rule(comparison()), 1)
    assert ax.get_legend_handles_labels()[1] == ["bp", "fa", "dfa"]


def test_a_line_goes_through_its_own_probes(ax):
    """Results that were joined have the probes of all: what no seed has is no gap, what one seed lacks is."""
    results = comparison(rules=("fa", "dfa"), layers=2)
    results.alignment_deg[0, :, :, ::2] = np.nan  # fa has probes 100, 300, 500
    results.alignment_deg[1, :, :, 5] = np.nan  # dfa has 0 to 400, and one seed broke off
    results.alignment_deg[1, 0, 1, 3:] = np.nan
    alignment_by_rule(ax, by_rule(results), 0)
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["fa"].get_xdata(), [100, 300, 500])
    assert np.isfinite(lines["fa"].get_ydata()).all()
    np.testing.assert_array_equal(lines["dfa"].get_xdata(), [0, 100, 200, 300, 400])
    both = results.alignment_deg[1, 0, [0, 2], 3, 0].mean()
    assert lines["dfa"].get_ydata()[3] == pytest.approx(float(both))
    with styled():
        other = Figure().subplots()
    alignment_angles(other, by_rule(results)["fa"])
    np.testing.assert_array_equal(other.lines[0].get_xdata(), [100, 300, 500])


def test_the_axis_of_updates_is_that_of_the_drawn_probes(ax):
    results = comparison(rules=("fa",), layers=2).assign_coords(probe=np.arange(6) * 10_000)
    results.alignment_deg[:, :, :, 1:] = np.nan  # another mode's
    alignment_by_rule(ax, by_rule(results), 0)
    assert ax.get_xlabel() == "updates"
    assert ax.lines[0].get_marker() == "o"


def by_mode(results):
    return {str(mode): by_rule(results, mode) for mode in results.mode.values}


def marks_of(ax):
    """Markers by row, as pairs of value and whether they are filled, from left to right."""
    rows = {}
    for line in ax.lines:
        if line.get_marker() == "o":
            filled = line.get_markerfacecolor() == line.get_color()
            rows.setdefault(round(line.get_ydata()[0]), []).append((line.get_xdata()[0], filled))
    return {row: sorted(marks) for row, marks in rows.items()}


def test_costs_are_means_filled_in_rate_mode_and_open_on_spikes(ax):
    results = comparison(rules=("bp", "fa"), modes=("rate", "spiking"), seeds=2)
    results["seconds"] = ("rule", "mode", "seed"), [[[1, 3], [5, 6]], [[4, 4], [2, np.nan]]]
    assert cost_by_rule(ax, by_mode(results), "seconds") is ax
    assert marks_of(ax) == {0: [(2, True), (5.5, False)], 1: [(2, False), (4, True)]}
    ranges = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"]
    assert ranges == [(1, 3), (4, 4), (5, 6), (2, 2)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rate", "spiking"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bp", "fa"]
    assert (ax.get_xscale(), ax.get_xlim()[0]) == ("linear", 0)
    assert ax.get_xlabel() == "seconds (mean, min to max)"


def test_costs_over_decades_have_a_log_axis_and_round_units(ax):
    results = comparison(rules=("bp", "fa"), modes=("rate", "spiking"), seeds=1)
    results["synops_per_sample"] = ("rule", "mode", "seed"), [[[2e6], [9e6]], [[np.nan], [1e6]]]
    cost_by_rule(ax, by_mode(results))
    assert marks_of(ax) == {0: [(2, True), (9, False)], 1: [(1, False)]}
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "millions; rate: multiply-accumulates, spiking: counted"
    ax.figure.draw_without_rendering()
    assert {"1", "2", "5"} <= {label.get_text() for label in ax.get_xticklabels()}


@pytest.mark.parametrize(
    ("mode", "label"), [("rate", "thousands of multiply-accumulates"), ("spiking", "thousands of counted events")]
)
def test_costs_of_one_mode_need_no_legend_and_a_rule_without_any_has_a_dash(ax, mode, label):
    results = comparison(rules=("bp", "fa"), modes=(mode,))
    results.synops_per_sample[1] = np.nan
    cost_by_rule(ax, by_mode(results))
    assert ax.get_legend() is None
    assert ax.get_xlabel() == label
    assert list(marks_of(ax)) == [0]
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts] == [("–", 1)]


@pytest.mark.parametrize(("name", "factor"), [("relative_error", 1), ("sign_congruence", 100), ("weight_cosine", 1)])
def test_weight_alignment_draws_layers_with_feedback(ax, probed, name, factor):
    assert weight_alignment(ax, probed, name) is ax
    assert ax.get_legend_handles_labels()[1] == ["layer 0", "layer 1"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), factor * probed[name].isel(layer=1).mean("seed"))


def test_histograms_sum_to_one_hundred_percent(ax, probed):
    activation_histograms(ax, probed, 1, probes=[0, 40])
    assert [line.get_label() for line in ax.lines] == ["0", "40"]
    for line in ax.lines:
        assert np.sum(line.get_ydata()) == pytest.approx(100)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), probed.bin_centre)


def test_histograms_choose_five_probes_from_first_to_last(ax):
    counts = np.ones((40, 1, 3))
    coords = {"probe": np.arange(40), "layer": [0], "bin_centre": ("bin", [0.0, 1.0, 2.0])}
    activation_histograms(ax, xarray.Dataset({"activation_histogram": (("probe", "layer", "bin"), counts)}, coords))
    labels = [line.get_label() for line in ax.lines]
    assert len(labels) == 5
    assert (labels[0], labels[-1]) == ("0", "39")


def test_long_trainings_count_updates_in_thousands(ax, probed):
    alignment_angles(ax, probed.assign_coords(probe=np.arange(5) * 10_000))
    ax.figure.draw_without_rendering()
    assert ax.get_xlabel() == "updates (thousands)"
    assert "40" in [label.get_text() for label in ax.get_xticklabels()]


def test_every_preset_has_a_look_of_its_own():
    names = [*PRESETS, "mine", "yours"]
    looks = [(line["color"], str(line["linestyle"])) for line in rule_lines(names).values()]
    assert len(set(looks)) == len(names)
    assert rule_lines(["dfa"])["dfa"] == rule_lines(names)["dfa"], "the same in every figure"


@pytest.mark.parametrize(
    ("rules", "modes", "layers", "last"),
    [
        (("bp", "fa", "dfa", "drtp", "sdfa", "shallow"), ("rate",), 3, 1),
        (tuple(PRESETS), ("rate",), 3, 1),
        (("bp", "mine"), ("rate", "spiking"), 2, 5),
        (tuple(PRESETS), ("rate", "spiking"), 6, 1),
    ],
)
def test_no_text_of_a_comparison_overlaps_another_or_leaves_the_page(rules, modes, layers, last):
    figure = compare_figure(comparison(rules, modes, layers=layers), last=last)
    texts = texts_of(figure)
    for name, box in texts:
        assert box.x0 >= -1, name
        assert box.y0 >= -1, name
        assert box.x1 <= figure.bbox.width + 1, name
        assert box.y1 <= figure.bbox.height + 1, name
    for index, (name, box) in enumerate(texts):
        for other, other_box in texts[index + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert width <= 1 or height <= 1, f"{name!r} overlaps {other!r}"


COSTS = {"Synaptic operations per sample", "Wall time"}


def panels_by_title(figure):
    return {ax.get_title(loc="left"): ax for ax in figure.axes}


def test_a_comparison_has_a_row_for_each_mode_on_one_scale():
    figure = compare_figure(comparison(modes=("rate", "spiking"), layers=2))
    panels = panels_by_title(figure)
    assert set(panels) == COSTS | {
        f"{what}, {mode}" for what in ("Test error", "Angle to BP", "Final") for mode in ("rate", "spiking")
    }
    assert panels["Test error, rate"].get_ylim() == panels["Test error, spiking"].get_ylim()
    assert panels["Final, rate"].get_xlim() == panels["Final, spiking"].get_xlim()
    assert figure.get_suptitle() == "64-50-50-10 on digits"


def test_a_comparison_without_probes_leaves_out_the_angles():
    results = comparison().drop_dims(["probe", "layer"])
    others = {"Test error", "Final error"} | COSTS
    assert set(panels_by_title(compare_figure(results))) == others
    empty = comparison()
    empty.alignment_deg[:] = np.nan
    assert set(panels_by_title(compare_figure(empty))) == others
    assert set(panels_by_title(compare_figure(comparison(probes=0)))) == others


@pytest.mark.parametrize("modes", [("rate",), ("rate", "spiking")])
def test_a_comparison_ends_in_a_row_of_costs(modes):
    results = comparison(modes=modes)
    figure = compare_figure(results)
    panels = panels_by_title(figure)
    for name, title in (("synops_per_sample", "Synaptic operations per sample"), ("seconds", "Wall time")):
        unit = 1000 if name == "synops_per_sample" else 1
        for rule, marks in marks_of(panels[title]).items():
            expected = [(float(results[name][rule, m].mean()) / unit, mode == "rate") for m, mode in enumerate(modes)]
            assert marks == [(pytest.approx(value), filled) for value, filled in sorted(expected)]
    assert panels["Synaptic operations per sample"].get_legend() is None
    assert (panels["Wall time"].get_legend() is None) == (len(modes) == 1)
    assert set(panels_by_title(compare_figure(results.drop_vars("seconds")))) == set(panels) - {"Wall time"}
    assert set(panels_by_title(compare_figure(results.drop_vars(["seconds", "synops_per_sample"])))) == (
        set(panels) - COSTS
    )


def test_a_comparison_shows_what_was_run():
    results = comparison(modes=("rate", "spiking"))
    results.test_error[2, 1] = np.nan
    results.alignment_deg[:, 1] = np.nan
    results.attrs = {}
    figure = compare_figure(results)
    notes = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "no angle" in notes
    assert "–" in notes
    assert "chance" not in notes


def test_the_last_column_shows_the_runs_own_final_errors():
    """With early stopping they are of another epoch than the last."""
    results = comparison()
    own = np.full((4, 1, 3), 0.0375)
    own[1] = np.nan
    results["final_test_error"] = (("rule", "mode", "seed"), own)
    results.attrs["final"] = "best epoch"
    panel = panels_by_title(compare_figure(results, last=3))["Final error"]
    dots = [line.get_xdata() for line in panel.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, np.full((3, 3), 3.75))
    texts = [text.get_text() for text in panel.texts]
    assert texts.count("3.75 ± 0.00") == 3
    assert "–" in texts
    assert panel.get_xlabel() == "best epoch (%)"
    results.attrs["final"] = "best epoch or mean of last 10 epochs"
    assert panels_by_title(compare_figure(results))["Final error"].get_xlabel() == "test error (%)"


def test_a_regression_is_drawn_by_its_loss():
    results = comparison().rename(test_error="test_loss")
    results.attrs |= {"task": "regression"}
    del results.attrs["chance_error"]
    figure = compare_figure(results, last=2)
    panels = panels_by_title(figure)
    assert set(panels) == {"Test loss", "Angle to backpropagation", "Final loss", ""} | COSTS
    np.testing.assert_allclose(panels["Test loss"].lines[0].get_ydata(), results.test_loss[0, 0].mean("seed"))
    assert panels["Test loss"].get_ylabel() == "test loss"
    assert panels["Final loss"].get_xlabel() == "mean of last 2 epochs"
    assert not any("%" in name for name, _ in texts_of(figure))


def test_an_error_of_zero_keeps_the_linear_axis():
    results = comparison()
    results.test_error[0, 0, 0, -1] = 0
    assert panels_by_title(compare_figure(results))["Test error"].get_yscale() == "linear"
    assert panels_by_title(compare_figure(comparison()))["Test error"].get_yscale() == "log"


def test_a_comparison_can_be_drawn_from_its_file(tmp_path):
    results = comparison()
    write_results(tmp_path / "results.nc", results)
    save_figure(compare_figure(results), tmp_path / "a.png")
    save_figure(compare_figure(read_results(tmp_path / "results.nc")), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_figures_are_saved_whole_and_alike(tmp_path, suffix, magic):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        save_figure(compare_figure(comparison(rules=("bp", "fa"), layers=2)), path)
    assert paths[0].read_bytes().startswith(magic)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_a_png_has_two_hundred_dots_per_inch(tmp_path):
    with styled():
        figure = Figure(figsize=(3.5, 2.0))
        figure.subplots()
    save_figure(figure, tmp_path / "a.png")
    header = (tmp_path / "a.png").read_bytes()[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == (700, 400)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"figure\.bmp.*\.png, \.pdf"):
        save_figure(Figure(), tmp_path / "figure.bmp")
    assert list(tmp_path.iterdir()) == []


def test_global_settings_stay(tmp_path):
    before = dict(mpl.rcParams)
    save_figure(compare_figure(comparison()), tmp_path / "a.png")
    assert dict(mpl.rcParams) == before
    assert STYLE.is_file()


def test_pyplot_is_not_imported_and_matplotlib_only_here():
    code = (
        "import sys, neurofa; print('matplotlib' in sys.modules); "
        "import neurofa.plot; print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (lambda ax, data: learning_curves(ax, {}), "nothing to plot"),
        (lambda ax, data: learning_curves(ax, {"bp": data}), "no variable 'test_error'.*alignment_deg"),
        (lambda ax, data: learning_curves(ax, by_rule(comparison()), band="iqr"), "band 'iqr' is unknown"),
        (lambda ax, data: learning_curves(ax, {"bp": comparison()}), "select one entry of each other dimension"),
        (lambda ax, data: final_errors(ax, by_rule(comparison()), last=0), "last is 0"),
        (lambda ax, data: alignment_angles(ax, data, layers=[7]), "no layer 7"),
        (lambda ax, data: alignment_angles(ax, data, "angle"), "angle 'angle' is unknown"),
        (lambda ax, data: weight_alignment(ax, data, "norm"), "weight alignment 'norm' is unknown"),
        (lambda ax, data: activation_histograms(ax, data, probes=[5]), "no probe at update 5"),
        (lambda ax, data: activation_histograms(ax, data.drop_vars("bin_centre")), "bin_centre"),
        (lambda ax, data: cost_by_rule(ax, {}), "nothing to plot"),
        (lambda ax, data: cost_by_rule(ax, {"rate": {"bp": data}}), "no variable 'synops_per_sample'"),
        (lambda ax, data: cost_by_rule(ax, {"rate": {"bp": data}}, "joules"), "cost 'joules' is unknown"),
        (lambda ax, data: compare_figure(data), "a comparison needs test_error"),
    ],
)
def test_bad_input_is_named_in_one_line(ax, probed, draw, match):
    with pytest.raises(InputError, match=match) as error:
        draw(ax, probed)
    assert "\n" not in str(error.value)


def test_captions_say_what_a_band_is():
    assert seeds_text([3, 3], "sd") == "mean of 3 seeds, band: ± s.d."
    assert seeds_text([2, 3], "range") == "mean of 2 to 3 seeds, band: min to max"
    assert seeds_text([3], "none") == "mean of 3 seeds"
    assert seeds_text([], "range") == ""
