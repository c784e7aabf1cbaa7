"""Recordings of event cameras as events of an external population."""

import os
from pathlib import Path

import numpy as np

from ..io.events import Events
from ..spec import InputError
from ..spec.errors import require

NMNIST_SIDE = 34  # pixels
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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path of the recording") from error
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


def nmnist_files(folder: str | os.PathLike[str]) -> list[tuple[Path, int]]:
    """The recordings in a folder of N-MNIST, such as ``Train``, and their digits, in order.

    Raises
    ------
    InputError
        If there are no folders ``0`` to ``9`` with ``.bin`` files.
    """
    folder = Path(folder)
    found = [(path, digit) for digit in range(10) for path in sorted((folder / str(digit)).glob("*.bin"))]
    require(len(found) > 0, f"{folder} has no folders 0 to 9 with .bin files; give N-MNIST's Train or Test")
    return found


def in_ticks(events: Events, dt_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Events for `neurofa.Simulation.run`: a unit that has several in a tick keeps one.

    Returns
    -------
    ticks, units : numpy.ndarray
        (n,) int64, by tick, then by unit.
    """
    pairs = np.unique(np.stack(events.in_ticks(dt_ms)), axis=1)
    return pairs[0], pairs[1]
