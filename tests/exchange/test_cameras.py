"""Recordings of event cameras."""

import pytest

import neurofa as nf
from neurofa.exchange import in_ticks, nmnist_files, read_nmnist


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
