"""Numbers on levels and the random numbers that round them, straight from docs/hardware.md: part of the slow oracle."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

M64, M32 = 2**64 - 1, 2**32 - 1
INC = 0x9E3779B97F4A7C15
MODULATORS, TRACES = 2**40, 2**41

# ---------------------------------------------------------------------------- random numbers


def mix(x):
    """SplitMix64's output for a state."""
    x = (x + INC) & M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M64
    return x ^ (x >> 31)


def low(x):
    """The 32-bit hash of a number."""
    x ^= x >> 16
    x = (x * 0x7FEB352D) & M32
    x ^= x >> 15
    x = (x * 0x846CA68B) & M32
    return x ^ (x >> 16)


def uniform(key, m, k, a, j):
    """Xi of presentation m, tick k, row a and its place j, in (0, 1)."""
    P = mix(key ^ m)
    T = mix((P + k * INC) & M64)
    R = mix((T + a * INC) & M64)
    return ((low((R + j * 0x9E3779B9) & M32) >> 8) + 0.5) / 2**24


# ---------------------------------------------------------------------------- levels


def smallest_power(least):
    """The smallest power of two that is at least a positive number."""
    u = 1.0
    while u < least:
        u *= 2
    while u / 2 >= least:
        u /= 2
    return u


def nearest_power(x):
    """The power of two whose logarithm is nearest to that of x; 0 for 0."""
    return 0.0 if x == 0 else 2.0 ** round(math.log2(x))


def floor_of_sum(x, xi):
    """The floor of x + xi, where xi below 1 does not become 1 in the sum with a whole number."""
    below = math.floor(x)
    return below + int((x - below) + xi >= 1)


@dataclass(frozen=True)
class Grid:
    """Levels in the units of a network; `minimum` is the rule's own bound."""

    levels: object
    u: float
    minimum: float = -math.inf

    @property
    def s(self):
        """Distance of two levels."""
        return self.levels.step * self.u

    @cached_property
    def ends(self):
        """Lowest and highest level that is allowed."""
        first = self.levels.lowest
        while first * self.u < self.minimum:
            first += self.levels.step
        return first * self.u, self.levels.highest * self.u

    def holds(self, values):
        """Whether all of an array's numbers are levels within the ends."""
        index = (np.asarray(values, dtype=np.float64) / self.u - self.levels.lowest) / self.levels.step
        first, last = self.ends
        return bool(np.all((index == np.rint(index)) & (values >= first) & (values <= last)))

    def within(self, x):
        """A number, kept within the ends."""
        first, last = self.ends
        return min(max(x, first), last)

    def rounded(self, x, rounding, xi=None):
        """A real number taken to a level."""
        origin = self.levels.lowest * self.u
        index = (x - origin) / self.s
        if rounding == "nearest":
            level = origin + self.s * round(index)
        elif rounding == "stochastic":
            level = origin + self.s * floor_of_sum(index, xi)
        elif rounding == "truncate":
            level = self.s * math.trunc(x / self.s)
        else:
            raise ValueError(rounding)
        return self.within(level)

    def changed(self, w, change, xi=None):
        """A stored number after a change."""
        rounding = self.levels.rounding
        if rounding == "nearest":
            w = w + self.s * round(change / self.s)
        elif rounding == "stochastic":
            w = w + self.s * floor_of_sum(change / self.s, xi)
        else:
            w = self.s * math.trunc(w / self.s + change / self.s)
        return self.within(w)

    def array(self, values, rounding, xi=None):
        """An array taken to levels."""
        values = np.asarray(values, dtype=np.float64)
        draws = np.zeros(values.shape) if xi is None else xi
        result = np.zeros(values.shape)
        for place in np.ndindex(*values.shape):
            result[place] = self.rounded(float(values[place]), rounding, float(draws[place]))
        return result


def unit(levels, m):
    """Unit of an array whose largest magnitude is m; of one that is all zero as if it were 1."""
    return smallest_power((1 - 2.0**-20) * levels.headroom * (m or 1.0) / levels.highest)
