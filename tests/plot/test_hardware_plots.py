"""Pictures of networks on chips: every error, membrane and number is drawn where the data have it."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import neurofa as nf
from neurofa.plot import accuracy_by_bits, membranes, memory_by_kind, operations_by_kind, styled
from neurofa.plot.common import LINES
from neurofa.plot.hardware import LOCKED
from neurofa.recording import Recording, Trace
from neurofa.spec import InputError

ERRORS = {"dfa": {2: [0.2, 0.3], 8: [0.02, 0.03]}, "drtp": {2: [0.4], 4: [0.1], 8: [0.05]}}
FULL = {"dfa": [0.015, 0.017], "drtp": [0.045]}
COUNTS = {
    "dfa": {"forward": 5e5, "feedback": 800.0, "update": 4e4},
    "drtp": {"forward": 6e5, "feedback": 5000.0, "update": 8e3},
}


@pytest.fixture
def ax():
    with styled():
        return Figure(figsize=(3.5, 2.6)).subplots()


def line_of(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


def series(ax, label):
    """The line of an error bar, or a line of its own."""
    found = [bars[0] for bars in ax.containers if bars.get_label() == label]
    return found[0] if found else line_of(ax, label)


def drawn_ticks(axis):
    low, high = sorted(axis.get_view_interval())
    return [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


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


def recording(shift=0.0, ticks=20, spikes=((3, 9), (1, 1)), unit=1):
    values = np.linspace(0, 0.9, ticks)[:, None] + shift
    fired = {} if spikes is None else {"hidden": tuple(np.array(part) for part in spikes)}
    return Recording(
        1.0, ticks, spikes=fired, errors={}, traces={("v", "hidden"): Trace(np.arange(ticks), [unit], values)},
        onsets=np.array([0, ticks // 2]), labels=np.array([7, 3]), sizes={"hidden": 4},
    )  # fmt: skip


def test_accuracy_goes_up_and_each_mean_stands_at_its_bits(ax):
    assert accuracy_by_bits(ax, ERRORS, FULL) is ax
    x, y = series(ax, "dfa").get_data()
    assert np.round(x).tolist() == [0, 2]  # the axis has 2, 4 and 8 bits
    np.testing.assert_allclose(y, [0.25, 0.025])
    np.testing.assert_allclose(series(ax, "drtp").get_ydata(), [0.4, 0.1, 0.05])
    low, high = ax.get_ylim()
    assert low > high > 0  # errors fall upwards
    assert drawn_ticks(ax.xaxis) == ["2", "4", "8"]
    assert series(ax, "dfa").get_color() == LINES["dfa"]["color"]
    bars = next(bars for bars in ax.containers if bars.get_label() == "dfa")
    ends = np.concatenate([segment[:, 1] for lines in bars[2] for segment in lines.get_segments()])
    np.testing.assert_allclose(sorted(ends), [0.02, 0.03, 0.2, 0.3])


def test_full_precision_is_a_dashed_line_in_the_rules_colour(ax):
    accuracy_by_bits(ax, ERRORS, FULL)
    dashed = {line.get_color(): line.get_ydata()[0] for line in ax.lines if line.get_label() == "_full"}
    assert dashed == {LINES["dfa"]["color"]: pytest.approx(0.016), LINES["drtp"]["color"]: pytest.approx(0.045)}
    assert "32-bit float" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_axis_names_accuracies(ax):
    accuracy_by_bits(ax, ERRORS, FULL)
    FigureCanvasAgg(ax.figure).draw()
    named = [float(text) for text in drawn_ticks(ax.yaxis)]
    assert {98.0, 90.0} <= set(named)
    np.testing.assert_allclose([100 - 100 * tick for tick in ax.get_yticks()], named)


def test_panels_that_share_an_axis_show_all_of_both():
    with styled():
        figure = Figure(figsize=(7.2, 2.6))
    left, right = figure.subplots(1, 2, sharey=True)
    accuracy_by_bits(left, {"dfa": {2: [0.05], 8: [0.04]}})
    accuracy_by_bits(right, {"dfa": {2: [0.6], 8: [0.01]}})
    assert left.get_ylim() == right.get_ylim()
    low, high = left.get_ylim()
    assert low > 0.6
    assert high < 0.01


def test_nothing_overlaps():
    for draw, given in ((accuracy_by_bits, (ERRORS, FULL)), (operations_by_kind, (COUNTS,))):
        with styled():
            figure = Figure(figsize=(3.5, 2.6))
        draw(figure.subplots(), *given)
        assert overlaps(figure) == []
    with styled():
        figure = Figure(figsize=(7.2, 2.2))
    membranes(figure.subplots(), {"float": recording(), "chip": recording(0.1)}, "hidden", 1, thresholds={"chip": 1.0})
    assert overlaps(figure) == []


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({}, "no errors to plot"),
        ({"dfa": {}}, "no errors to plot"),
        ({"dfa": {0: [0.1]}}, "weights of 0 bits"),
        ({"dfa": {8: []}}, "dfa with 8 bits"),
        ({"dfa": {8: [0.0]}}, "above 0"),
        ({"dfa": {8: [2.5]}}, "at most 1"),
    ],
)
def test_errors_that_cannot_be_drawn_are_refused(ax, errors, words):
    with pytest.raises(InputError, match=words):
        accuracy_by_bits(ax, errors)


def test_membranes_stand_where_they_were_recorded(ax):
    found = {"float": recording(), "chip": recording(0.1)}
    assert membranes(ax, found, "hidden", 1, thresholds={"float": 1.0, "chip": 1.1}) is ax
    for name, shift in (("float", 0.0), ("chip", 0.1)):
        x, y = line_of(ax, name).get_data()
        np.testing.assert_allclose(x, np.arange(20))
        np.testing.assert_allclose(y, np.linspace(0, 0.9, 20) + shift)
        assert line_of(ax, name).get_drawstyle() == "steps-post"
    rows = [line for line in ax.lines if line.get_label() == "_spikes"]
    assert [line.get_xdata().tolist() for line in rows] == [[3, 9], [3, 9]]
    assert rows[0].get_ydata()[0] > rows[1].get_ydata()[0]  # a row for each
    dashes = {line.get_ydata()[0]: line.get_color() for line in ax.lines if line.get_label() == "_threshold"}
    assert dashes == {1.0: line_of(ax, "float").get_color(), 1.1: line_of(ax, "chip").get_color()}


def test_membranes_without_spikes_and_within_a_window(ax):
    membranes(ax, {"float": recording(spikes=None)}, "hidden", 1, window_ms=(5, 10))
    assert line_of(ax, "float").get_xdata().tolist() == [5, 6, 7, 8, 9]
    assert not [line for line in ax.lines if line.get_label() in ("_spikes", "_threshold")]


@pytest.mark.parametrize(
    ("recordings", "unit", "words"),
    [
        ({}, 1, "0 recordings"),
        ({str(n): recording() for n in range(5)}, 1, "5 recordings"),
        ({"a": recording(), "b": recording(ticks=10)}, 1, "differ in length"),
        ({"a": recording()}, 2, "no unit 2"),
    ],
)
def test_membranes_that_cannot_be_compared_are_refused(ax, recordings, unit, words):
    with pytest.raises(InputError, match=words):
        membranes(ax, recordings, "hidden", unit)


def test_memory_is_that_of_the_costs(ax):
    network, found = nf.Network.dense((20, 15, 4)), {}
    for name in ("bp", "dfa", "drtp"):
        plan = nf.lower(network, nf.rules.named(name), 0)
        found[name] = nf.hardware.costs(plan, nf.hardware.load_profile("int8"), spiking=nf.Spiking())
    assert memory_by_kind(ax, found) is ax
    rows = [text.get_text() for text in ax.get_yticklabels()]

    def drawn(name, row):
        x, y = line_of(ax, name).get_data()
        return [kib for kib, at in zip(x, y, strict=True) if round(at) == rows.index(row)]

    weights = (20 * 15 + 15 * 4 + 15 + 4) * 8 / 8 / 1024
    assert drawn("dfa", "weights") == [pytest.approx(weights)]
    assert drawn("dfa", "feedback") == [pytest.approx(4 * 15 / 1024)]
    assert drawn("bp", "feedback") == []  # W transposed is not stored
    assert drawn("dfa", LOCKED) == [pytest.approx(found["dfa"].update_locked_bits / 8192)]
    assert drawn("drtp", LOCKED) == []
    total = sum(sum(drawn("drtp", row)) for row in rows if row != LOCKED)
    assert total == pytest.approx(found["drtp"].memory.total / 8192)  # nothing is left out


def test_operations_stand_at_their_counts(ax):
    assert operations_by_kind(ax, COUNTS) is ax
    x, y = line_of(ax, "drtp").get_data()
    assert list(x) == [6e5, 5e3, 8e3]
    assert np.round(y).tolist() == [0, 1, 2]
    markers = [line_of(ax, name).get_marker() for name in COUNTS]
    assert len(set(markers)) == 2


def test_operations_that_are_incomplete_are_refused(ax):
    with pytest.raises(InputError, match="'dfa' lack update"):
        operations_by_kind(ax, {"dfa": {"forward": 1.0, "feedback": 1.0}})
    with pytest.raises(InputError, match="at least one rule"):
        operations_by_kind(ax, {})
