"""Recordings of event cameras as events of an external population."""

import os
from pathlib import Path

import numpy as np

from ..io.events import Events
from ..spec import InputError
from ..spec.errors import require, require_choice

NMNIST_SIDE = 34  # pixels
AEDAT2_END = b"#End Of ASCII Header"
TAB, SPACE, TILDE = 9, 32, 126  # what a line of text has
AEDAT3_END, POLARITY_EVENT = b"#!END-HEADER\r\n", 1
OVERFLOW_ROW, OVERFLOW_US = 240, 2**13  # an event that says that the clock has gone round, and by how much


def read_nmnist(path: str | os.PathLike[str]) -> Events:
    """Read a ``.bin`` file of N-MNIST.

    Parameters
    ----------
    path
        One recording, such as ``Train/0/00002.bin``. Each event has 5 bytes: x, y, then polarity (1 bit) and time in
        microseconds (23 bits).

    Returns
    -------
    Events
        Units are ``(polarity * 34 + y) * 34 + x``, 2312 in all.

    Raises
    ------
    InputError
        For a file that cannot be read, or is not of this format.

    Notes
    -----
    N-MNIST: Orchard et al. 2015, Frontiers in Neuroscience 9:437.
    """
    path = Path(path)
    data = _bytes_of(path)
    require(len(data) % 5 == 0, f"{path} has {len(data)} bytes, which are no events of 5; it is damaged or not N-MNIST")
    columns = np.frombuffer(data, np.uint8).reshape(-1, 5).astype(np.int64).T
    x, y, polarity = columns[0], columns[1], columns[2] >> 7
    time_us = ((columns[2] & 127) << 16) | (columns[3] << 8) | columns[4]
    overflow = y == OVERFLOW_ROW
    time_us = time_us + OVERFLOW_US * np.cumsum(overflow)
    x, y, polarity, time_us = (column[~overflow] for column in (x, y, polarity, time_us))
    inside = (x < NMNIST_SIDE) & (y < NMNIST_SIDE)
    require(
        bool(inside.all()), f"{path} has an event outside of {NMNIST_SIDE} x {NMNIST_SIDE} pixels; it is not N-MNIST"
    )
    return Events(time_us / 1000, (polarity * NMNIST_SIDE + y) * NMNIST_SIDE + x, str(path))


def read_aedat(
    path: str | os.PathLike[str], camera: str = "dvs128", *, width: int | None = None, height: int | None = None
) -> Events:
    """Read polarity events of an ``.aedat`` file, version 2.0 or 3.1.

    Parameters
    ----------
    path
        The recording.
    camera
        Of version 2.0, whose addresses depend on it: ``dvs128`` or ``davis`` (240, 346 and 640). Version 3.1 says
        where a pixel is in the same way for all.
    width, height
        Pixels of the camera; 128 each for ``dvs128`` unless given.

    Returns
    -------
    Events
        Units are ``(polarity * height + y) * width + x``; x and y as the file has them, whose origin depends on the
        version. Times in milliseconds.

    Raises
    ------
    InputError
        For a file that cannot be read, is damaged, or of another version (4 needs the camera maker's own library).

    Notes
    -----
    iniVation's descriptions of AEDAT 2.0 and 3.1.
    """
    path = Path(path)
    require_choice("camera", camera, ("dvs128", "davis"))
    side = 128 if camera == "dvs128" else None
    width, height = width or side, height or side
    require(width is not None and height is not None, f"the size of a {camera} camera differs; give width and height")
    data = _bytes_of(path)
    version = data[:14].decode("ascii", "replace").strip()
    if version == "#!AER-DAT2.0":
        x, y, polarity, time_us = _aedat2(data, camera, path)
    elif version == "#!AER-DAT3.1":
        x, y, polarity, time_us = _aedat3(data, path)
    else:
        raise InputError(
            f"{path} begins with {version!r}; AEDAT 2.0 and 3.1 are read: convert it, or write its events as .csv or "
            ".npz with neurofa.exchange.write_events"
        )
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    require(
        bool(inside.all()),
        f"{path} has an event outside of {width} x {height} pixels; give the camera, width and height",
    )
    return Events(time_us / 1000, (polarity * height + y) * width + x, str(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path of the recording") from error


def _aedat2(data: bytes, camera: str, path: Path) -> tuple[np.ndarray, ...]:
    """Pairs of address and time, big-endian, after lines of text that begin with #, as the first event may, too."""
    at = 0
    while data[at : at + 1] == b"#":
        end = data.find(b"\n", at)
        line = data[at : end if end >= 0 else None].rstrip(b"\r")
        if not all(byte == TAB or SPACE <= byte <= TILDE for byte in line):
            break
        require(end >= 0, f"{path} ends within its header; it is damaged")
        at = end + 1
        if line == AEDAT2_END:
            break
    require((len(data) - at) % 8 == 0, f"{path} ends within an event of 8 bytes; it is damaged")
    address, time_us = np.frombuffer(data, ">u4", offset=at).astype(np.int64).reshape(-1, 2).T
    if camera == "dvs128":
        kept = address & (1 << 15) == 0  # the rest are signals from outside
        parts = (address >> 1) & 127, (address >> 8) & 127, address & 1, time_us
    else:
        kept = address & ((1 << 31) | (1 << 10)) == 0  # the rest are pixels of frames, and signals from outside
        parts = (address >> 12) & 1023, (address >> 22) & 511, (address >> 11) & 1, time_us
    return tuple(part[kept] for part in parts)


def _aedat3(data: bytes, path: Path) -> tuple[np.ndarray, ...]:
    """Packets of events of one type each, little-endian, after a header with an end of its own."""
    end = data.find(AEDAT3_END)
    require(end >= 0, f"{path} has no end of its header; it is damaged")
    at, words, times = end + len(AEDAT3_END), [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while at < len(data):
        require(at + 28 <= len(data), f"{path} ends within the header of a packet; it is damaged")
        kind, _ = np.frombuffer(data, "<i2", 2, at)
        size, _, overflow, _, number, _ = np.frombuffer(data, "<i4", 6, at + 4).astype(np.int64)
        at += 28
        stop = at + size * number
        require(size >= 0 and number >= 0 and stop <= len(data), f"{path} ends within a packet; it is damaged")
        if kind == POLARITY_EVENT:
            require(size == 8, f"{path} has polarity events of {size} bytes, and not of 8; it is damaged")
            pairs = np.frombuffer(data, "<u4", 2 * number, at).astype(np.int64).reshape(-1, 2)
            words.append(pairs[:, 0])
            times.append(pairs[:, 1] + (overflow << 31))
        at = stop
    word, time_us = np.concatenate(words), np.concatenate(times)
    parts = (word >> 17) & 0x7FFF, (word >> 2) & 0x7FFF, (word >> 1) & 1, time_us
    return tuple(part[word & 1 == 1] for part in parts)


def nmnist_files(folder: str | os.PathLike[str]) -> list[tuple[Path, int]]:
    """The recordings in a folder of N-MNIST, and their digits.

    Parameters
    ----------
    folder
        With folders ``0`` to ``9``, such as ``Train``.

    Returns
    -------
    list of (pathlib.Path, int)
        By digit, then by name.

    Raises
    ------
    InputError
        If none of these folders has ``.bin`` files.
    """
    folder = Path(folder)
    found = [(path, digit) for digit in range(10) for path in sorted((folder / str(digit)).glob("*.bin"))]
    require(len(found) > 0, f"{folder} has no folders 0 to 9 with .bin files; give N-MNIST's Train or Test")
    return found


def in_ticks(events: Events, dt_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Events for `neurofa.Simulation.run`: a unit that has several in a tick keeps one.

    Parameters
    ----------
    events
        From `read_nmnist`, `read_aedat` or a file of one's own.
    dt_ms
        Length of a tick; a time belongs to the nearest tick.

    Returns
    -------
    ticks, units : numpy.ndarray
        (n,) int64, by tick, then by unit.

    Raises
    ------
    InputError
        For a tick that is not positive, or too short for these times.
    """
    pairs = np.unique(np.stack(events.in_ticks(dt_ms)), axis=1)
    return pairs[0], pairs[1]
