"""The threads that Numba's kernels run on."""

import os

import numba

# Turns that GNU OpenMP's threads wait before they sleep, a millisecond or less. Its own 300,000 take the processor from
# threads that have work, as soon as another program runs beside: `docs/speed.md` has timings.
TURNS = "10000"
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def available_threads() -> int:
    """Number of Numba's threads, started here if they are not yet: a cached parallel kernel takes that for granted.

    How long they wait for each other is left to the user's environment where that says it.
    """
    if any(name in os.environ for name in SETTINGS):
        return int(numba.get_num_threads())
    os.environ[SETTINGS[0]] = TURNS  # read when OpenMP's library is loaded, and no business of other libraries
    try:
        return int(numba.get_num_threads())
    finally:
        del os.environ[SETTINGS[0]]
