"""One seed for a run, and an independent random stream for each purpose."""

from typing import NamedTuple

import numpy as np

from .errors import require

MOST = 2**63  # the files of results hold a seed as a signed integer of 64 bits


class Streams(NamedTuple):
    """Independent random streams of one run; the order of the fields is part of the file format."""

    weights: np.random.Generator
    feedback: np.random.Generator
    shuffle: np.random.Generator
    dropout: np.random.Generator
    noise: np.random.Generator
    subset: np.random.Generator
    label_noise: np.random.Generator
    augment: np.random.Generator
    synthetic: np.random.Generator
    encoder: np.random.Generator
    rounding: np.random.Generator


def streams(seed: int) -> Streams:
    """The streams of `seed`: the same W for every rule, the same order of samples for every engine."""
    fits = isinstance(seed, int | np.integer) and 0 <= seed < MOST
    require(fits, f"seed is {seed!r}; it must be an integer of at least 0 and below 2^63")
    children = np.random.SeedSequence(int(seed)).spawn(len(Streams._fields))
    return Streams(*(np.random.default_rng(child) for child in children))
