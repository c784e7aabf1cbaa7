"""Recordings as Neo's objects, and Neo's spike trains as events."""

import sys

import numpy as np
import pytest

import neurofa as nf
from neurofa.exchange import from_neo, to_neo

neo = pytest.importorskip("neo")


def recording(dt_ms=0.5):
    spikes = {
        "a": (np.array([7, 0, 3, 3]), np.array([1, 0, 0, 2])),
        "b": (np.zeros(0, np.int64), np.zeros(0, np.int64)),
    }
    errors = {"layers.1": (np.array([4, 2]), np.array([1, 1]), np.array([-2, 1]))}
    traces = {
        ("v", "a"): nf.Trace([0, 2, 4], [0, 2], np.arange(6.0).reshape(3, 2)),
        ("weights", "a->b"): nf.Trace([0, 1, 5], [3], np.arange(3.0)[:, None]),
    }
    sizes = {"a": 4, "b": 2, "layers.1": 3}
    return nf.Recording(dt_ms, 10, spikes, errors, traces, [0, 5], [3, 1], sizes)


def test_every_neuron_has_a_spike_train():
    block = to_neo(recording(), "mine")
    (segment,) = block.segments
    trains = [train for train in segment.spiketrains if train.annotations["kind"] == "spikes"]
    assert [(t.annotations["population"], t.annotations["unit"]) for t in trains] == [
        *(("a", unit) for unit in range(4)),
        ("b", 0),
        ("b", 1),
    ]
    assert [t.magnitude.tolist() for t in trains[:4]] == [[0.0, 1.5], [3.5], [1.5], []]
    for train in trains:
        assert str(train.units.dimensionality) == "ms"
        assert (float(train.t_start), float(train.t_stop)) == (0.0, 5.0)


def test_errors_traces_and_presentations():
    (segment,) = to_neo(recording()).segments
    (errors,) = (train for train in segment.spiketrains if train.annotations["kind"] == "errors")
    assert (errors.annotations["population"], errors.annotations["unit"]) == ("layers.1", 1)
    assert errors.magnitude.tolist() == [1.0, 2.0]
    assert errors.array_annotations["count"].tolist() == [1, -2]
    (v,) = segment.analogsignals
    assert v.annotations["units_recorded"] == [0, 2]
    np.testing.assert_array_equal(v.magnitude, np.arange(6.0).reshape(3, 2))
    assert (float(v.sampling_period.rescale("ms")), float(v.t_start.rescale("ms"))) == (1.0, 0.0)
    (weights,) = segment.irregularlysampledsignals
    assert weights.times.magnitude.tolist() == [0.0, 0.5, 2.5]
    (onsets,) = segment.events
    assert (onsets.times.magnitude.tolist(), onsets.labels.tolist()) == ([0.0, 2.5], ["3", "1"])


def test_events_come_back():
    given = recording()
    for trains in (to_neo(given), to_neo(given).segments[0]):
        ticks, units = from_neo(trains, 0.5, duration_ms=5.0, population="a")
        assert (ticks.tolist(), units.tolist()) == ([0, 3, 3, 7], [0, 0, 2, 1])
        assert ticks.dtype == units.dtype == np.int64
    circuit = nf.Circuit((nf.Population("in", 4), nf.Population("cell", 1, nf.Neuron())), (), 0.5)
    played = nf.Simulation(circuit).run(5.0, {"in": (ticks, units)}, [nf.Record("spikes", "in")])
    assert sorted(zip(*played.spikes["in"], strict=True)) == sorted(zip(*given.spikes["a"], strict=True))


def train(times, units="ms", **annotations):
    return neo.SpikeTrain(times, units=units, t_stop=100.0, **annotations)


def test_units_times_and_places():
    trains = [train([0.0104, 0.002], "s"), train([3.0])]
    assert [part.tolist() for part in from_neo(trains, 1.0)] == [[2, 3, 10], [0, 1, 0]]
    assert [part.tolist() for part in from_neo(trains, 1.0, start_ms=2.0)] == [[0, 1, 8], [0, 1, 0]]
    numbered = [train([1.0], unit=5), train([2.0], unit=3)]
    assert [part.tolist() for part in from_neo(numbered, 1.0)] == [[1, 2], [5, 3]]
    assert [len(part) for part in from_neo([], 1.0)] == [0, 0]


def test_refusals(monkeypatch):
    inside = train([1.0, 9.6])
    for trains, options, match in (
        (
            [inside],
            {"duration_ms": 10.0},
            "unit 0 has a spike at 10 ms, outside of the run, which goes from 0 to 10 ms",
        ),
        ([inside], {"start_ms": 5.0}, "unit 0 has a spike at 1 ms, outside"),
        ([train([4.0]), train([2.0, 2.3])], {}, "unit 1 has two spikes in the tick at 2 ms"),
        ([np.array([1.0])], {}, "spike train 0 is a ndarray"),
        (inside, {}, "not as a SpikeTrain"),
        ([train([1.0], unit=1), train([2.0], unit=1)], {}, "annotated with the same unit"),
        ([inside], {"population": "x"}, "annotated with population 'x'"),
        ([inside], {"dt_ms": 0.0}, "dt_ms is 0"),
        ([inside], {"duration_ms": np.nan}, "duration_ms is nan"),
    ):
        with pytest.raises(nf.InputError, match=match):
            from_neo(trains, **{"dt_ms": 1.0, **options})

    lengths = train([1.0])
    monkeypatch.setattr(type(lengths), "rescale", lambda self, units: (_ for _ in ()).throw(ValueError("no time")))
    with pytest.raises(nf.InputError, match="no unit of time"):
        from_neo([lengths])


def test_without_neo_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "neo", None)
    for call in (lambda: to_neo(recording()), lambda: from_neo([])):
        with pytest.raises(nf.InputError, match=r"neo is not installed; install it with: pip install 'neurofa\[neo\]'"):
            call()
