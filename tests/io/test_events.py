"""Events in files: what is written comes back, the nearest tick, and every way in which a file can be wrong."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurofa.exchange import read_events, write_events
from neurofa.io.events import Events
from neurofa.spec import InputError, Spiking

SUFFIXES = (".csv", ".npz")


def refused(action, *parts):
    """The message of an `InputError`, which has one line with all of `parts`."""
    with pytest.raises(InputError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


def csv_file(folder, text):
    path = folder / "spikes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def npz_file(folder, **arrays):
    path = folder / "spikes.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 2**31 - 1)), max_size=30),
    st.sampled_from([1.0, 0.1, 0.3, 0.05, 7.3, 1 / 3]),
)
def test_events_come_back(tmp_path_factory, suffix, events, dt_ms):
    path = tmp_path_factory.mktemp("events") / f"spikes{suffix}"
    ticks, units = np.array(events, np.int64).reshape(-1, 2).T
    write_events(path, ticks, units, dt_ms)
    found = read_events(path, dt_ms)
    for array, given_array in zip(found, (ticks, units), strict=True):
        assert array.dtype == np.int64
        np.testing.assert_array_equal(array, given_array)
    assert os.listdir(path.parent) == [path.name]


def test_both_formats_hold_the_same(tmp_path):
    ticks, units = np.array([5, 3, 3, 0]), np.array([1, 0, 0, 7])
    for suffix in SUFFIXES:
        write_events(tmp_path / f"a{suffix}", ticks, units, 0.5)
        found = read_events(tmp_path / f"a{suffix}", 0.25)
        np.testing.assert_array_equal(found, (2 * ticks, units))
    assert (tmp_path / "a.csv").read_text() == "time_ms,unit\n2.5,1\n1.5,0\n1.5,0\n0.0,7\n"
    with np.load(tmp_path / "a.npz") as archive:
        assert sorted(archive.files) == ["time_ms", "unit"]
        assert archive["time_ms"].dtype == np.float64


def test_missing_folders_are_made_and_lists_are_taken(tmp_path):
    path = tmp_path / "a" / "b.CSV"
    write_events(str(path), [2, 1], [0, 4], 1)
    ticks, units = read_events(str(path), 1)
    assert (ticks.tolist(), units.tolist()) == ([2, 1], [0, 4])


def test_a_time_belongs_to_the_nearest_tick(tmp_path):
    times = [0, 0.49, 0.5, 1.49, 1.5, 2.0, 1e6]
    path = npz_file(tmp_path, time_ms=np.array(times), unit=np.arange(7))
    assert read_events(path, 1.0)[0].tolist() == [0, 0, 1, 1, 2, 2, 10**6]
    for dt_ms in (1.0, 0.1, 0.25, 3.0):
        as_durations = [Spiking(dt_ms=dt_ms, sample_ms=30, delay_ms=dt_ms).in_ticks(time) for time in times]
        assert read_events(path, dt_ms)[0].tolist() == as_durations


@pytest.mark.parametrize(
    "text",
    [
        "time_ms,unit\n1.5,3\n0,2\n",
        "time_ms,unit\r\n1.5,3\r\n0,2\r\n",
        "time_ms,unit\n1.5,3\n\n0,2",
        "unit,time_ms\n3,1.5\n2,0\n",
        " unit , weight,time_ms \n 3 , 7, 1.5\n2.0,,0e0\n",
        '"time_ms","unit"\n"1.5","3"\n"0","2"\n',
        "\ufefftime_ms,unit\n1.5,3\n0,2\n",
    ],
)
def test_dialects_of_csv(tmp_path, text):
    if "weight" in text:
        # the column that is not read may hold anything
        text = text.replace(" 7,", " seven,")
    ticks, units = read_events(csv_file(tmp_path, text), 0.5)
    assert (ticks.tolist(), units.tolist()) == ([3, 0], [3, 2])


@pytest.mark.parametrize("text", ["time_ms,unit\n", "time_ms,unit", "time_ms,unit\n\n"])
def test_no_events_are_events(tmp_path, text, recwarn):
    for path in (csv_file(tmp_path, text), npz_file(tmp_path, time_ms=np.zeros(0), unit=np.zeros(0, int))):
        ticks, units = read_events(path, 1.0)
        assert ticks.shape == units.shape == (0,)
        assert ticks.dtype == units.dtype == np.int64
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["no time_ms and no unit"]),
        ("time_ms\n1\n", ["has no unit"]),
        ("time,unit\n1,2\n", ["has no time_ms", "need time_ms and unit"]),
        ("1.5,3\n0,2\n", ["has no time_ms"]),
        ("time_ms;unit\n1;2\n", ["has no time_ms"]),
        ("time_ms,unit\n1,2\n-0.5,2\n", ["time of event 2 is -0.5", "at least 0"]),
        ("time_ms,unit\nnan,2\n", ["time of event 1 is nan", "finite"]),
        ("time_ms,unit\n1,2\n1e400,2\n", ["time of event 2 is inf", "finite"]),
        ("time_ms,unit\n1,2\n1,2.5\n", ["unit of event 2 is 2.5", "whole"]),
        ("time_ms,unit\n1,-2\n", ["unit of event 1 is -2", "0 to 2147483647"]),
        ("time_ms,unit\n1,2147483648\n", ["unit of event 1 is 2147483648"]),
        ("time_ms,unit\n1,nan\n", ["unit of event 1 is nan"]),
        ("time_ms,unit\n1,2\n1,\n", ["not a table of numbers", "row 1"]),
        ("time_ms,unit\n1,2\n1\n", ["not a table of numbers", "row"]),
        ("time_ms,unit\n1,two\n", ["not a table of numbers", "two"]),
        ("time_ms,unit\n# 1,2\n", ["not a table of numbers"]),
        (b"time_ms,unit\n\xff\xfe,2\n", ["not a table of numbers"]),
        (b"\xff\xfe\x00time_ms,unit\n1,2\n", ["not a table of numbers"]),
    ],
)
def test_bad_csv(tmp_path, text, parts):
    path = csv_file(tmp_path, text)
    refused(lambda: read_events(path, 1.0), str(path), *parts)


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"time_ms": np.ones(2)}, ["has no unit"]),
        ({"unit": np.ones(2)}, ["has no time_ms"]),
        ({"time_ms": np.ones(2), "unit": np.ones(3)}, ["2 times but 3 units"]),
        ({"time_ms": np.ones((2, 2)), "unit": np.ones((2, 2))}, ["shape (2, 2)"]),
        ({"time_ms": np.float64(1), "unit": np.int64(1)}, ["shape ()"]),
        ({"time_ms": np.array(["1"]), "unit": np.ones(1)}, ["times_ms", "numbers"]),
        ({"time_ms": np.ones(1), "unit": np.array([True])}, ["units", "bool"]),
        ({"time_ms": np.ones(1, complex), "unit": np.ones(1)}, ["complex128"]),
        ({"time_ms": np.array([None]), "unit": np.ones(1)}, ["time_ms", "Python objects"]),
        ({"time_ms": np.array([1.0, -3]), "unit": np.ones(2)}, ["time of event 2 is -3"]),
        ({"time_ms": np.array([1.0, np.nan]), "unit": np.ones(2)}, ["time of event 2 is nan"]),
        ({"time_ms": np.ones(2), "unit": np.array([1, 0.5])}, ["unit of event 2 is 0.5"]),
        ({"time_ms": np.ones(1), "unit": np.array([2**64 - 1], np.uint64)}, ["unit of event 1"]),
    ],
)
def test_bad_npz(tmp_path, arrays, parts):
    path = npz_file(tmp_path, **arrays)
    refused(lambda: read_events(path, 1.0), str(path), *parts)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64, ">i4"])
def test_types_of_numbers(tmp_path, dtype):
    path = npz_file(tmp_path, time_ms=np.array([4, 2], dtype), unit=np.array([0, 9], dtype))
    ticks, units = read_events(path, 2.0)
    assert (ticks.tolist(), units.tolist()) == ([2, 1], [0, 9])


def test_every_truncation_of_an_npz_is_refused(tmp_path):
    path = npz_file(tmp_path, time_ms=np.arange(30.0), unit=np.arange(30))
    content = path.read_bytes()
    for length in [0, 1, 3, 4, 10, *range(30, len(content), 41), len(content) - 1]:
        path.write_bytes(content[:length])
        refused(lambda: read_events(path, 1.0), str(path))


def test_damage_within_an_npz_is_refused(tmp_path):
    path = npz_file(tmp_path, time_ms=np.arange(300.0), unit=np.arange(300))
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    refused(lambda: read_events(path, 1.0), str(path), "time_ms")


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("time_ms,unit\n1,2\n")
    refused(lambda: read_events(path, 1.0), str(path), "not an .npz")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(lambda: read_events(path, 1.0), str(path), "single array")
    path.rename(tmp_path / "a.csv")
    refused(lambda: read_events(tmp_path / "a.csv", 1.0), "a.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_not_there(tmp_path, suffix):
    path = tmp_path / f"nothing{suffix}"
    refused(lambda: read_events(path, 1.0), str(path), "does not exist")
    path.mkdir()
    refused(lambda: read_events(path, 1.0), str(path), "cannot be read")
    refused(lambda: write_events(path, [1], [1], 1.0), str(path), "cannot write")


@pytest.mark.parametrize("name", ["spikes.txt", "spikes", "spikes.npy", "spikes.csv.gz"])
def test_unknown_suffixes(tmp_path, name):
    path = tmp_path / name
    refused(lambda: read_events(path, 1.0), str(path), ".csv, .npz")
    refused(lambda: write_events(path, [1], [1], 1.0), str(path), ".csv, .npz")
    assert not path.exists()


@pytest.mark.parametrize("dt_ms", [0, -1.0, np.nan, np.inf])
def test_bad_ticks(tmp_path, dt_ms):
    path = npz_file(tmp_path, time_ms=np.ones(1), unit=np.ones(1))
    refused(lambda: read_events(path, dt_ms), "dt_ms")
    refused(lambda: Events([1.0], [1]).in_ticks(dt_ms), "dt_ms")
    refused(lambda: write_events(tmp_path / "b.csv", [1], [1], dt_ms), "dt_ms")


def test_times_of_too_many_ticks(tmp_path):
    path = npz_file(tmp_path, time_ms=np.array([1.0, 1e300]), unit=np.ones(2))
    refused(lambda: read_events(path, 1.0), str(path), "1e+300 ticks", "milliseconds")
    # where the quotient is infinite
    refused(lambda: read_events(path, 1e-300), str(path), "inf ticks", "milliseconds")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("ticks", "units", "parts"),
    [
        ([1.5], [1], ["integers"]),
        ([1, -1], [1, 1], ["time of event 2"]),
        ([1, 2], [1], ["2 times but 1 units"]),
        ([1], [-1], ["unit of event 1"]),
        ([1], [0.5], ["unit of event 1"]),
        ([[1]], [[1]], ["shape (1, 1)"]),
    ],
)
def test_what_is_no_events_is_not_written(tmp_path, suffix, ticks, units, parts):
    path = tmp_path / f"spikes{suffix}"
    path.write_text("before")
    refused(lambda: write_events(path, ticks, units, 1.0), str(path), *parts)
    assert path.read_text() == "before"


def test_events_keep_their_own_arrays():
    times, units = np.array([1.0, 2.0]), np.array([0, 1])
    events = Events(times, units)
    times[0] = units[0] = 9
    assert (events.times_ms.tolist(), events.units.tolist()) == ([1, 2], [0, 1])
    refused(lambda: Events([1.0], [0, 1]), "events: 1 times but 2 units")
