"""Recordings of event cameras."""

import struct

import pytest

import neurofa as nf
from neurofa.exchange import in_ticks, nmnist_files, read_aedat, read_nmnist


def packed(*events):
    """Events (x, y, polarity, microseconds) in the five bytes of N-MNIST."""
    data = bytearray()
    for x, y, polarity, time_us in events:
        word = (x << 32) | (y << 24) | (polarity << 23) | time_us
        data += word.to_bytes(5, "big")
    return bytes(data)


def test_nmnist_events(tmp_path):
    path = tmp_path / "00002.bin"
    path.write_bytes(packed((1, 2, 0, 937), (33, 33, 1, 0x7FFFFF), (0, 0, 1, 1000)))
    events = read_nmnist(path)
    assert events.times_ms.tolist() == [0.937, 8388.607, 1.0]
    assert events.units.tolist() == [2 * 34 + 1, 2311, 34 * 34]
    path.write_bytes(packed((1, 2, 0, 100), (0, 240, 0, 0), (1, 2, 0, 100)))
    assert read_nmnist(path).times_ms.tolist() == [0.1, 8.292]  # the clock went round after 2^13 microseconds


def test_events_run_in_a_simulation(tmp_path):
    (tmp_path / "Train" / "7").mkdir(parents=True)
    (tmp_path / "Train" / "0").mkdir()
    for place in ("7/00001.bin", "0/00009.bin", "0/00003.bin"):
        (tmp_path / "Train" / place).write_bytes(
            packed((5, 0, 0, 1200), (5, 0, 0, 1300), (5, 0, 0, 2600), (3, 0, 0, 900))
        )
    files = nmnist_files(tmp_path / "Train")
    assert [(path.name, digit) for path, digit in files] == [("00003.bin", 0), ("00009.bin", 0), ("00001.bin", 7)]
    events = in_ticks(read_nmnist(files[0][0]), 1.0)
    assert [part.tolist() for part in events] == [[1, 1, 3], [3, 5, 5]]
    circuit = nf.Circuit((nf.Population("retina", 2312), nf.Population("cell", 1, nf.Neuron())))
    recording = nf.Simulation(circuit).run(10.0, {"retina": events}, [nf.Record("spikes", "retina")])
    assert recording.spikes["retina"][0].tolist() == [1, 1, 3]


def test_refusals(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"123456")
    with pytest.raises(nf.InputError, match="6 bytes"):
        read_nmnist(path)
    path.write_bytes(packed((34, 0, 0, 5)))
    with pytest.raises(nf.InputError, match="outside of 34 x 34"):
        read_nmnist(path)
    with pytest.raises(nf.InputError, match="cannot be read"):
        read_nmnist(tmp_path / "b.bin")
    with pytest.raises(nf.InputError, match="no folders 0 to 9"):
        nmnist_files(tmp_path)


def aedat2(*words):
    """A file of version 2.0 with pairs of address and time."""
    return b"#!AER-DAT2.0\r\n# made by hand\r\n" + b"".join(struct.pack(">II", *pair) for pair in words)


def aedat3(*packets):
    """A file of version 3.1; a packet is its type, the overflow of its times, and pairs of data and time."""
    data = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    for kind, overflow, pairs in packets:
        data += struct.pack("<hhiiiiii", kind, 0, 8, 4, overflow, len(pairs), len(pairs), len(pairs))
        data += b"".join(struct.pack("<Ii", *pair) for pair in pairs)
    return data


def test_aedat_2_of_both_cameras(tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2(((5 << 8) | (3 << 1) | 1, 1500), (1 << 15, 1600), ((127 << 8) | (127 << 1), 2000)))
    events = read_aedat(path)
    assert events.times_ms.tolist() == [1.5, 2.0]
    assert events.units.tolist() == [(128 + 5) * 128 + 3, 127 * 128 + 127]
    path.write_bytes(aedat2(((7 << 22) | (200 << 12) | (1 << 11), 10), ((1 << 31) | 5, 20), (1 << 10, 30)))
    events = read_aedat(path, "davis", width=240, height=180)
    assert events.units.tolist() == [(180 + 7) * 240 + 200]


def test_aedat_2_whose_first_event_begins_like_a_line_of_its_header(tmp_path):
    """A davis event of row 140 has # as its first byte, and may have the end of a line in it."""
    path = tmp_path / "a.aedat"
    words = [((140 << 22) | (x << 12) | (1 << 11), 10 * x) for x in range(1, 200)]
    path.write_bytes(aedat2(*words))
    events = read_aedat(path, "davis", width=240, height=180)
    assert events.units.tolist() == [(180 + 140) * 240 + x for x in range(1, 200)]
    path.write_bytes(b"#!AER-DAT2.0\r\n#End Of ASCII Header\r\n" + b"".join(struct.pack(">II", *w) for w in words))
    assert len(read_aedat(path, "davis", width=240, height=180).units) == 199


def test_aedat_3(tmp_path):
    path = tmp_path / "a.aedat"
    on, off, invalid = (9 << 17) | (4 << 2) | 3, (1 << 17) | (2 << 2) | 1, (1 << 17) | (2 << 2)
    path.write_bytes(aedat3((1, 0, [(on, 1000), (invalid, 1500)]), (0, 0, [(0, 1600)]), (1, 1, [(off, 2000)])))
    events = read_aedat(path)
    assert events.times_ms.tolist() == [1.0, (2**31 + 2000) / 1000]
    assert events.units.tolist() == [(128 + 4) * 128 + 9, 2 * 128 + 1]


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (b"#!AER-DAT4.0\r\n", {}, "2.0 and 3.1 are read"),
        (b"hello", {}, "begins with 'hello'"),
        (aedat2((0, 0))[:-3], {}, "within an event"),
        (b"#!AER-DAT2.0 and no end", {}, "begins with|within its header"),
        (aedat3((1, 0, [(1, 1)]))[:-2], {}, "within a packet"),
        (aedat3((1, 0, []))[:-2], {}, "header of a packet"),
        (b"#!AER-DAT3.1\r\n", {}, "no end of its header"),
        (aedat3((1, 0, [((500 << 17) | 1, 1)])), {}, "outside of 128 x 128"),
        (aedat2(), {"camera": "davis"}, "give width and height"),
        (aedat2(), {"camera": "dvs"}, "camera 'dvs'"),
    ],
)
def test_aedat_files_that_cannot_be_read(data, options, said, tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(data)
    with pytest.raises(nf.InputError, match=said):
        read_aedat(path, **options)
