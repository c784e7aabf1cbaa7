"""Pictures of spiking mode: every event, trace and weight is drawn where the data have it."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from neurofa.plot import (
    raster,
    raster_figure,
    receptive_fields,
    save_figure,
    styled,
    three_factor_scatter,
    trace,
    traces_figure,
    weight_feedback_scatter,
)
from neurofa.recording import Recording, Trace
from neurofa.spec import InputError

NONE = np.zeros(0, np.int64)


def recording(dt_ms=0.5, presentations=4, length=20, hidden=120, **changes):
    """Random events and traces of a network of 30 inputs, a hidden layer and 5 outputs."""
    rng = np.random.default_rng(3)
    ticks = presentations * length
    sizes = {"input": 30, "layers.0": hidden, "layers.1": 5}
    spikes = {}
    for name, size in sizes.items():
        at, units = np.nonzero(rng.random((ticks, size)) < 0.1)
        spikes[name] = (at, units)
    at, units = np.nonzero(rng.random((ticks, 5)) < 0.1)
    errors = {"layers.1": (at, units, rng.choice([-2, -1, 1, 3], len(at)))}
    whole = np.arange(ticks)
    traces = {
        ("v", "layers.0"): Trace(whole, [4, 7, 11], rng.normal(size=(ticks, 3))),
        ("threshold", "layers.0"): Trace(whole, [4, 7, 11], 1 + rng.random((ticks, 3))),
        ("modulator", "layers.0"): Trace(whole[::4], [4, 7, 11], rng.normal(size=(len(whole[::4]), 3))),
        ("weights", "input->layers.0"): Trace(whole[::20], [0, 9], rng.normal(size=(presentations, 2))),
    }
    parts = {
        "spikes": spikes,
        "errors": errors,
        "traces": traces,
        "onsets": np.arange(presentations) * length,
        "labels": np.arange(presentations) % 5,
        "sizes": sizes,
    }
    return Recording(dt_ms, ticks, **(parts | changes))


@pytest.fixture
def ax():
    with styled():
        return Figure().subplots()


def lines_of(ax, label):
    return [line for line in ax.lines if line.get_label() == label]


def points(line):
    return {(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)}


def words(ax):
    return [text.get_text() for text in ax.texts]


def overlaps(figure):
    """Pairs of visible texts that overlap, and texts that leave the page, after layout."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    beyond = set()  # labels of ticks outside the limits exist, but are not drawn
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {id(tick.label1) for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts if id(t) not in beyond]
    width, height = figure.bbox.width, figure.bbox.height
    bad = [name for name, b in boxes if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]
    for index, (name, a) in enumerate(boxes):
        for other, b in boxes[index + 1 :]:
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1:
                bad.append((name, other))
    return bad


# recordings


def test_a_recording_keeps_whole_numbers_as_int64():
    made = Recording(1.0, 5, {"a": ([0, 4], np.array([1, 2], np.uint8)), "b": ([], [])})
    assert [array.dtype for events in made.spikes.values() for array in events] == [np.int64] * 4
    assert made.duration_ms == 5.0
    assert made.errors == {}


def test_the_size_of_a_population_is_given_or_the_highest_unit_seen():
    made = Recording(
        1.0, 5, {"a": ([0], [2]), "c": ([], [])}, {"a": ([1], [6], [-1])}, {("v", "b"): Trace([0], [3], [[0.0]])},
        sizes={"given": 9},
    )  # fmt: skip
    assert [made.size(name) for name in ("a", "b", "c", "given")] == [7, 4, 0, 9]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Trace([0, 1], [0], np.zeros((1, 2))), r"shape \(1, 2\); ticks and units need \(2, 1\)"),
        (lambda: Trace([1, 1], [0], np.zeros((2, 1))), "do not ascend"),
        (lambda: Trace([0], [-1], np.zeros((1, 1))), "negative index"),
        (lambda: Trace([0.5], [0], np.zeros((1, 1))), "whole numbers"),
        (lambda: Trace([0], [0], np.zeros((1, 1), complex)), "real numbers"),
        (lambda: Recording(0.0, 5), "dt_ms is 0"),
        (lambda: Recording(1.0, -1), "ticks is -1"),
        (lambda: Recording(1.0, 5, {"a": ([0, 1], [0])}), r"spikes of 'a'.*lengths \[2, 1\]"),
        (lambda: Recording(1.0, 5, {"a": ([0], [0], [1])}), "3 columns; give ticks, units"),
        (lambda: Recording(1.0, 5, {"a": ([5], [0])}), "spikes of 'a': a tick"),
        (lambda: Recording(1.0, 5, {"a": ([-1], [0])}), "spikes of 'a': a tick"),
        (lambda: Recording(1.0, 5, {"a": ([0], [-1])}), "spikes of 'a': a unit"),
        (lambda: Recording(1.0, 5, {"a": ([0], [3])}, sizes={"a": 3}), "spikes of 'a': a unit"),
        (lambda: Recording(1.0, 5, {"a": ([[0]], [[3]])}), "2 dimensions"),
        (lambda: Recording(1.0, 5, errors={"a": ([0], [3], [0.5])}), "errors of 'a': counts"),
        (lambda: Recording(1.0, 5, traces={("u", "a"): Trace([0], [0], [[0.0]])}), "variable 'u' is unknown"),
        (lambda: Recording(1.0, 5, traces={("v", "a"): Trace([5], [0], [[0.0]])}), "trace 'v' of 'a': a tick"),
        (lambda: Recording(1.0, 5, onsets=[3, 0]), "onsets do not ascend"),
        (lambda: Recording(1.0, 5, onsets=[0, 9]), "onsets: a tick"),
        (lambda: Recording(1.0, 5, onsets=[0, 3], labels=[1]), "1 labels for 2 onsets"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused(make, match):
    with pytest.raises(InputError, match=match) as error:
        make()
    assert "\n" not in str(error.value)


# rasters


def test_a_raster_has_every_spike_at_its_time_and_unit(ax):
    data = recording()
    assert raster(ax, data, "layers.1") is ax
    ticks, units = data.spikes["layers.1"]
    assert points(lines_of(ax, "_spikes")[0]) == set(zip(ticks * 0.5, units, strict=True))
    assert ax.get_xlim() == (0, 40)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "layer 1 unit")
    assert ax.get_legend() is None


def test_chosen_units_are_rows_in_the_given_order(ax):
    data = recording()
    raster(ax, data, "layers.0", units=[70, 3, 8], window_ms=(10, 20))
    ticks, units = data.spikes["layers.0"]
    rows = {70: 0, 3: 1, 8: 2}
    expected = {(t * 0.5, rows[u]) for t, u in zip(ticks, units, strict=True) if u in rows and 20 <= t < 40}
    assert expected
    assert points(lines_of(ax, "_spikes")[0]) == expected
    assert [label.get_text() for label in ax.get_yticklabels()] == ["70", "3", "8"]
    assert ax.get_ylabel() == "layer 0 unit\n(3 of 120)"
    assert ax.get_xlim() == (10, 20)


def test_rows_that_do_not_start_at_zero_have_the_units_numbers(ax):
    raster(ax, recording(), "layers.0", units=range(40, 60))
    ax.figure.draw_without_rendering()
    ticks = {tick: label.get_text() for tick, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)}
    assert ticks[0.0] == "40"
    assert ticks[10.0] == "50"


def test_error_events_have_a_colour_and_a_direction_for_each_sign(ax):
    data = recording()
    raster(ax, data, "layers.1", errors="layers.1")
    ticks, units, counts = data.errors["layers.1"]
    drawn = {c.get_label(): c for c in ax.collections if str(c.get_label()).endswith("error event")}
    for name, sign in (("positive error event", 1), ("negative error event", -1)):
        mine = np.sign(counts) == sign
        np.testing.assert_array_equal(drawn[name].get_offsets(), np.c_[ticks[mine] * 0.5, units[mine]])
        np.testing.assert_allclose(drawn[name].get_sizes() / 7, np.abs(counts[mine]))
    colors = {name: to_hex(c.get_facecolor()[0]) for name, c in drawn.items()}
    assert len(set(colors.values())) == 2
    legend = {text.get_text() for text in ax.get_legend().get_texts()}
    assert legend == set(drawn)


def test_error_events_follow_chosen_units(ax):
    data = recording(errors={"layers.1": ([3, 5, 6], [4, 1, 4], [1, 1, -1])})
    raster(ax, data, "layers.1", units=[4], errors="layers.1")
    drawn = [c.get_offsets().tolist() for c in ax.collections if str(c.get_label()).endswith("error event")]
    assert drawn == [[[1.5, 0]], [[3.0, 0]]]


def test_units_without_spikes_keep_their_rows(ax):
    data = recording(spikes={"layers.1": ([0], [1])}, errors={"layers.1": ([0], [3], [1])}, sizes={})
    raster(ax, data, "layers.1", errors="layers.1")
    assert ax.get_ylim() == (-0.7, 3.7)
    given = Figure().subplots()
    raster(given, recording(spikes={"layers.1": ([0], [1])}), "layers.1")
    assert given.get_ylim() == (-0.7, 4.7)


def test_presentations_have_lines_at_onsets_and_labels_between(ax):
    raster(ax, recording(), "input", window_ms=(5, 40))
    onsets = next(c for c in ax.collections if c.get_label() == "_onsets")
    assert [segment[0][0] for segment in onsets.get_segments()] == [10, 20, 30]
    centres = {text.get_text(): text.xy[0] for text in ax.texts}
    assert centres == {"0": 7.5, "1": 15, "2": 25, "3": 35, "label": 0}


def test_labels_of_many_presentations_are_thinned_out(ax):
    data = recording(presentations=300, length=20)
    raster(ax, data, "layers.1")
    assert 5 < len(ax.texts) < 60
    assert overlaps(ax.figure) == []


def test_a_recording_without_presentations_has_no_labels(ax):
    raster(ax, recording(onsets=NONE, labels=NONE), "input")
    assert words(ax) == []
    no_labels = Figure().subplots()
    raster(no_labels, recording(labels=NONE), "input")
    assert words(no_labels) == []


def test_a_silent_population_says_so(ax):
    raster(ax, recording(spikes={"quiet": (NONE, NONE)}), "quiet")
    assert "no spikes" in words(ax)
    chosen = Figure().subplots()
    raster(chosen, recording(spikes={"quiet": (NONE, NONE)}), "quiet", units=[2])
    assert "no spikes" in words(chosen)


def test_many_spikes_are_stored_as_pixels(ax):
    rng = np.random.default_rng(0)
    many = (rng.integers(0, 80, 30_000), rng.integers(0, 30, 30_000))
    raster(ax, recording(spikes={"input": many}), "input")
    assert lines_of(ax, "_spikes")[0].get_rasterized()


def test_a_raster_figure_stacks_all_populations_but_the_bias():
    data = recording()
    data = recording(spikes={**data.spikes, "bias": ([1], [0])})
    figure = raster_figure(data)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == ["input unit", "layer 0 unit\n(50 of 120)", "layer 1 unit"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "time (ms)"]
    assert ["label" in words(ax) for ax in figure.axes] == [True, False, False]
    events = [c for c in figure.axes[2].collections if str(c.get_label()).endswith("error event")]
    assert sum(len(c.get_offsets()) for c in events) == len(data.errors["layers.1"][0])
    assert not any(str(c.get_label()).endswith("error event") for c in figure.axes[1].collections)
    assert len(figure.legends) == 1


def test_a_raster_figure_shows_the_chosen_units():
    figure = raster_figure(recording(), ["layers.0"], units={"layers.0": [5, 99]})
    assert figure.axes[0].get_ylabel() == "layer 0 unit\n(2 of 120)"
    assert figure.legends == []


# traces


def test_a_membrane_is_drawn_with_its_threshold_and_its_spikes(ax):
    data = recording()
    assert trace(ax, data, "v", "layers.0", [7, 4]) is ax
    found = data.traces[("v", "layers.0")]
    thresholds = data.traces[("threshold", "layers.0")]
    ticks, units = data.spikes["layers.0"]
    for place, (unit, column) in enumerate(((7, 1), (4, 0))):
        line = lines_of(ax, f"unit {unit}")[0]
        np.testing.assert_array_equal(line.get_xdata(), found.ticks * 0.5)
        np.testing.assert_array_equal(line.get_ydata(), found.values[:, column])
        np.testing.assert_array_equal(lines_of(ax, "_threshold")[place].get_ydata(), thresholds.values[:, column])
        spikes = lines_of(ax, "_spikes")[place]
        np.testing.assert_array_equal(spikes.get_xdata(), ticks[units == unit] * 0.5)
        assert spikes.get_color() == line.get_color()
        row = ax.transData.inverted().transform(ax.transAxes.transform((0, spikes.get_ydata()[0])))[1]
        assert row > max(found.values.max(), thresholds.values.max()), "marks of spikes stand above all lines"
    assert ax.get_ylabel() == "membrane (a.u.)"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["unit 7", "unit 4", "threshold", "spike"]


def test_a_constant_threshold_is_one_line(ax):
    trace(ax, recording(), "v", "layers.0", threshold=1.25)
    assert [list(line.get_ydata()) for line in lines_of(ax, "_threshold")] == [[1.25, 1.25]]


def test_a_membrane_alone_has_neither_threshold_nor_spikes(ax):
    data = recording(spikes={}, traces={("v", "layers.0"): Trace([0, 9], [2], [[0.0], [1.0]])})
    trace(ax, data, "v", "layers.0")
    assert [line.get_label() for line in ax.lines] == ["unit 2"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["unit 2"]


@pytest.mark.parametrize(
    ("variable", "population", "label", "names"),
    [
        ("modulator", "layers.0", "modulator (a.u.)", ["unit 4", "unit 7", "unit 11"]),
        ("threshold", "layers.0", "threshold (a.u.)", ["unit 4", "unit 7", "unit 11"]),
        ("weights", "input->layers.0", "weight (a.u.)", ["synapse 0", "synapse 9"]),
    ],
)
def test_other_variables_are_lines_within_the_window(ax, variable, population, label, names):
    data = recording()
    trace(ax, data, variable, population, window_ms=(10, 30))
    found = data.traces[(variable, population)]
    inside = (found.ticks >= 20) & (found.ticks < 60)
    for column, name in enumerate(names):
        line = lines_of(ax, name)[0]
        np.testing.assert_array_equal(line.get_xdata(), found.ticks[inside] * 0.5)
        np.testing.assert_array_equal(line.get_ydata(), found.values[inside, column])
    assert ax.get_ylabel() == label
    assert lines_of(ax, "_spikes") == []


def test_membranes_stand_above_the_modulator_on_one_time_axis():
    figure = traces_figure(recording(), "layers.0", [11, 4])
    assert [ax.get_ylabel() for ax in figure.axes] == ["membrane\n(a.u.)"] * 2 + ["modulator\n(a.u.)"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "time (ms)"]
    membranes, modulator = figure.axes[:2], figure.axes[2]
    for ax, unit in zip(membranes, (11, 4), strict=True):
        own, third = lines_of(ax, f"unit {unit}"), lines_of(modulator, f"unit {unit}")
        assert own[0].get_color() == third[0].get_color()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["unit 11", "unit 4", "threshold", "spike"]


def test_traces_of_one_variable_need_no_membrane():
    figure = traces_figure(recording(), "layers.0", variables=["modulator"])
    assert len(figure.axes) == 1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["unit 4", "unit 7", "unit 11"]


# synapses


@pytest.fixture
def factors():
    """Pre (6,), modulator (4,), post (4,) and the weight changes that they make."""
    rng = np.random.default_rng(5)
    pre, modulator, post = rng.random(6), rng.normal(size=4), rng.random(4)
    return -0.01 * np.outer(pre, post * modulator), pre, modulator, post


def test_three_factors_are_on_the_axis_and_the_third_in_colour(ax, factors):
    dw, pre, modulator, post = factors
    assert three_factor_scatter(ax, dw, pre, modulator, post) is ax
    dots = ax.collections[0]
    np.testing.assert_allclose(dots.get_offsets(), np.c_[np.outer(pre, post * modulator).ravel(), dw.ravel()])
    np.testing.assert_allclose(dots.get_array(), np.tile(modulator, 6))
    assert dots.norm.vmin == -dots.norm.vmax == -np.abs(modulator).max()
    assert words(ax) == ["$r$ = −1.000\n24 synapses"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pre × post × M (a.u.)", "weight change (a.u.)")
    assert [other.get_ylabel() for other in ax.figure.axes[1:]] == ["modulator M (a.u.)"]


def test_the_correlation_is_that_of_what_is_drawn(ax, factors):
    dw, pre, modulator, _ = factors
    three_factor_scatter(ax, dw, pre, modulator, against="pre", color_bar=False)
    x = np.repeat(pre, 4)
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 0], x)
    r = np.corrcoef(x, dw.ravel())[0, 1]
    assert words(ax) == [f"$r$ = {r:.3f}\n24 synapses".replace("-", "−")]
    assert len(ax.figure.axes) == 1


def test_samples_are_added_up(ax, factors):
    dw, pre, modulator, post = factors
    pre, modulator, post = (np.stack([array, 3 * array]) for array in (pre, modulator, post))
    three_factor_scatter(ax, dw, pre, modulator, post)
    dots = ax.collections[0]
    expected = sum(np.outer(a, b * c) for a, b, c in zip(pre, modulator, post, strict=True))
    np.testing.assert_allclose(dots.get_offsets()[:, 0], expected.ravel())
    np.testing.assert_allclose(dots.get_array(), np.tile(modulator.mean(axis=0), 6))


def test_many_synapses_become_hexagons_of_mean_modulator(ax):
    pre, modulator = np.ones(3000), np.array([-2.0, 4.0])
    three_factor_scatter(ax, np.outer(pre, modulator), pre, modulator)
    hexagons = ax.collections[0]
    assert sorted(hexagons.get_array()) == [-2, 4]
    assert words(ax) == ["$r$ = 1.000\n6,000 synapses"]
    assert ax.get_xlabel() == "pre × M (a.u.)"
    assert ax.figure.axes[1].get_ylabel() == "mean modulator M (a.u.)"


def test_changes_of_zero_have_no_correlation(ax, factors):
    _, pre, modulator, _ = factors
    three_factor_scatter(ax, np.zeros((6, 4)), pre, modulator)
    assert words(ax) == ["no correlation\n24 synapses"]


def test_weights_are_drawn_against_feedback_before_and_after(ax):
    rng = np.random.default_rng(2)
    before, B = rng.normal(size=(7, 3)), rng.normal(size=(3, 7))
    after = 2 * B.T
    assert weight_feedback_scatter(ax, after, B, before) is ax
    shown = [line for line in ax.lines if line.get_marker() == "o"]
    for line, W in zip(shown, (before, after), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), B.ravel())
        np.testing.assert_array_equal(line.get_ydata(), W.T.ravel())
    assert shown[0].get_color() != shown[1].get_color()
    fits = [line.get_ydata()[1] / line.get_xdata()[1] for line in lines_of(ax, "_fit")]
    np.testing.assert_allclose(fits, [np.linalg.lstsq(B.reshape(-1, 1), before.T.ravel(), rcond=None)[0][0], 2])
    cosine = np.sum(before.T * B) / np.linalg.norm(before) / np.linalg.norm(B)
    first, second = [text.get_text() for text in ax.get_legend().get_texts()]
    assert first == f"before: cosine {cosine:.2f}, {np.degrees(np.arccos(cosine)):.0f}°".replace("-", "−")
    assert second == "after: cosine 1.00, 0°"
    assert ax.get_legend().get_title().get_text() == "21 entries"


def test_learned_feedback_has_its_own_beginning(ax):
    W, B, B0 = np.ones((2, 2)), np.full((2, 2), 3.0), np.full((2, 2), -1.0)
    weight_feedback_scatter(ax, W, B, W, B0)
    shown = [line for line in ax.lines if line.get_marker() == "o"]
    assert [set(line.get_xdata()) for line in shown] == [{-1}, {3}]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "before: cosine −1.00, 180°",
        "after: cosine 1.00, 0°",
    ]


def test_of_many_weights_some_are_drawn_and_all_are_counted(ax):
    rng = np.random.default_rng(2)
    W = rng.normal(size=(200, 100))
    weight_feedback_scatter(ax, W, W.T)
    assert len(ax.lines[0].get_xdata()) == 5000
    assert ax.get_legend().get_title().get_text() == "5,000 of 20,000 entries"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["cosine 1.00, 0°"]


def test_weights_of_zero_have_no_angle(ax):
    weight_feedback_scatter(ax, np.zeros((2, 3)), np.ones((3, 2)))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["no angle"]
    assert lines_of(ax, "_fit") == []


def test_receptive_fields_are_images_in_a_grid(ax):
    W = np.random.default_rng(4).normal(size=(6, 8))
    assert receptive_fields(ax, W, (2, 3), units=[7, 0, 3, 5, 1], limit=2.0) is ax
    mosaic = ax.images[0].get_array()
    assert mosaic.shape == (2 * 2 + 1, 3 * 3 + 2)
    for place, unit in enumerate([7, 0, 3, 5, 1]):
        top, left = place // 3 * 3, place % 3 * 4
        np.testing.assert_array_equal(mosaic[top : top + 2, left : left + 3], W[:, unit].reshape(2, 3))
    assert np.ma.getmaskarray(mosaic).sum() == mosaic.size - 5 * 6, "gaps and the sixth place are empty"
    assert words(ax) == ["7", "0", "3", "5", "1"]
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (-2, 2)
    assert [other.get_ylabel() for other in ax.figure.axes[1:]] == ["weight (a.u.)"]


def test_receptive_fields_are_chosen_evenly_on_a_symmetric_scale(ax):
    W = np.random.default_rng(4).normal(size=(64, 500)) + 0.3
    receptive_fields(ax, W, (1, 8, 8), n=9)
    assert words(ax)[0] == "0"
    assert words(ax)[-1] == "499"
    assert len(words(ax)) == 9
    norm = ax.images[0].norm
    shown = np.abs(W[:, [int(word) for word in words(ax)]])
    assert norm.vmin == -norm.vmax
    assert (shown <= norm.vmax).mean() == pytest.approx(0.995, abs=0.003)


def test_weights_of_zero_are_white(ax):
    receptive_fields(ax, np.zeros((4, 2)), (2, 2))
    assert to_hex(ax.images[0].to_rgba(0.0)) == "#ffffff"
    assert ax.images[0].norm.vmax == 1


# all of them

DRAWN = [
    lambda ax: raster(ax, recording(), "layers.1", errors="layers.1"),
    lambda ax: raster(ax, recording(), "layers.0", units=[1, 5, 9, 20, 3, 77]),
    lambda ax: trace(ax, recording(), "v", "layers.0"),
    lambda ax: trace(ax, recording(), "modulator", "layers.0"),
    lambda ax: three_factor_scatter(ax, 1e-4 * np.outer(range(5), range(-3, 4)), np.arange(5), np.arange(-3, 4)),
    lambda ax: weight_feedback_scatter(ax, np.eye(9), 100 * np.eye(9), np.ones((9, 9))),
    lambda ax: receptive_fields(ax, np.random.default_rng(0).normal(size=(64, 30)), (8, 8)),
]


@pytest.mark.parametrize("draw", DRAWN)
def test_no_text_overlaps_another_or_leaves_a_column(ax, draw):
    draw(ax)
    assert overlaps(ax.figure) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: raster_figure(recording()),
        lambda: raster_figure(recording(presentations=30)),
        lambda: traces_figure(recording(), "layers.0"),
        lambda: traces_figure(recording(), "layers.0", [4], variables=["v", "modulator", "threshold"]),
    ],
)
def test_no_text_of_a_figure_overlaps_another_and_files_are_alike(make, tmp_path):
    before = dict(mpl.rcParams)
    figure = make()
    assert dict(mpl.rcParams) == before
    assert overlaps(figure) == []
    save_figure(make(), tmp_path / "a.png")
    save_figure(make(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


EMPTY = Recording(1.0, 0, {"a": ([], [])})


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (lambda ax: raster(ax, recording(), "layer.1"), "population with spikes 'layer.1' is unknown.*'layers.1'"),
        (lambda ax: raster(ax, recording(), "input", errors="input"), "layer with error events 'input' is unknown"),
        (lambda ax: raster(ax, recording(), "input", units=[30]), "no unit 30 in 'input'; it has the units 0 to 29"),
        (lambda ax: raster(ax, recording(), "input", units=[]), "units of 'input' are no list"),
        (lambda ax: raster(ax, recording(), "input", units=[0.5]), "units of 'input' are no list"),
        (lambda ax: raster(ax, recording(), "input", units=[1, 1]), "chosen twice"),
        (lambda ax: raster(ax, recording(), "input", window_ms=(40, 50)), "window_ms 40 to 50"),
        (lambda ax: raster(ax, recording(), "input", window_ms=(5, 5)), "window_ms 5 to 5"),
        (lambda ax: raster(ax, EMPTY, "a"), "recording is empty"),
        (lambda ax: raster_figure(Recording(1.0, 5)), "no spikes of any population"),
        (lambda ax: raster_figure(EMPTY), "recording is empty"),
        (lambda ax: raster_figure(recording(), ["x"]), "population with spikes 'x' is unknown"),
        (lambda ax: raster_figure(recording(), units={"x": [1]}), "population with chosen units 'x' is unknown"),
        (lambda ax: trace(ax, EMPTY, "v", "a"), "recording is empty"),
        (lambda ax: trace(ax, recording(), "voltage", "layers.0"), "recorded variable 'voltage' is unknown"),
        (
            lambda ax: trace(ax, recording(), "drive", "layers.0"),
            "no trace of 'drive' of 'layers.0'.*'v' of 'layers.0'",
        ),
        (lambda ax: trace(ax, recording(), "v", "layers.0", [5]), "no unit 5; it has 4, 7, 11"),
        (lambda ax: trace(ax, recording(), "v", "layers.0", []), "0 units were chosen"),
        (lambda ax: trace(ax, recording(), "v", "layers.0", [4] * 9), "9 units were chosen"),
        (lambda ax: trace(ax, recording(), "v", "layers.0", [4, 7], colors=["red"]), "1 colors for 2 units"),
        (
            lambda ax: trace(ax, recording(traces={("v", "a"): Trace([], [0], np.zeros((0, 1)))}), "v", "a"),
            "trace of 'v' of 'a' is empty",
        ),
        (lambda ax: traces_figure(recording(), "input"), "no trace of 'v' of 'input'"),
        (lambda ax: traces_figure(recording(), "layers.0", []), "no units were chosen"),
        (lambda ax: traces_figure(recording(), "layers.0", variables=[]), "no variables"),
        (lambda ax: three_factor_scatter(ax, np.zeros(3), [1], [1]), r"dw has shape \(3,\)"),
        (lambda ax: three_factor_scatter(ax, np.zeros((0, 3)), [], [1, 1, 1]), r"dw has shape \(0, 3\)"),
        (lambda ax: three_factor_scatter(ax, np.zeros((2, 3)), [1], [1, 1, 1]), r"pre has shape \(1,\)"),
        (lambda ax: three_factor_scatter(ax, np.zeros((2, 3)), [1, 2], [1]), r"modulator has shape \(1,\)"),
        (lambda ax: three_factor_scatter(ax, np.zeros((2, 3)), [1, 2], [1] * 3, [1]), r"post has shape \(1,\)"),
        (lambda ax: three_factor_scatter(ax, np.zeros((2, 1)), np.ones((4, 2)), [1]), "4, 1 and 1 samples"),
        (lambda ax: three_factor_scatter(ax, np.zeros((1, 1)), [1], [1], against="post"), "against 'post' is unknown"),
        (lambda ax: weight_feedback_scatter(ax, np.ones((2, 3)), np.ones((2, 3))), r"W has shape \(2, 3\) and B"),
        (
            lambda ax: weight_feedback_scatter(ax, np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 3))),
            r"W_before has shape \(3, 3\) and B_before",
        ),
        (
            lambda ax: weight_feedback_scatter(ax, np.ones((2, 3)), np.ones((3, 2)), B_before=np.ones((3, 2))),
            "B_before was given without W_before",
        ),
        (
            lambda ax: weight_feedback_scatter(ax, np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 3)), np.ones((3, 3))),
            r"W_before has shape \(3, 3\), W \(2, 3\)",
        ),
        (lambda ax: receptive_fields(ax, np.ones((6, 2)), (2, 2)), "2 x 2 do not fit 6 weights"),
        (lambda ax: receptive_fields(ax, np.ones((12, 2)), (3, 2, 2)), "single channel"),
        (lambda ax: receptive_fields(ax, np.ones(6), (2, 3)), r"W has shape \(6,\)"),
        (lambda ax: receptive_fields(ax, np.ones((6, 2)), (2, 3), [2]), "no unit 2 in W; it has the units 0 to 1"),
        (lambda ax: receptive_fields(ax, np.ones((6, 2)), (2, 3), []), "no units were chosen"),
        (lambda ax: receptive_fields(ax, np.ones((6, 2)), (2, 3), n=0), "n is 0"),
        (lambda ax: receptive_fields(ax, np.ones((6, 2)), (2, 3), limit=0.0), "limit is 0"),
    ],
)
def test_bad_input_is_named_in_one_line(ax, draw, match):
    with pytest.raises(InputError, match=match) as error:
        draw(ax)
    assert "\n" not in str(error.value)
