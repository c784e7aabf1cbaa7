"""Threads: how they are started."""

import os
import subprocess
import sys

import numba
import pytest

from neurofa.engines.threads import SETTINGS, TURNS, available_threads

STARTED = (
    "import os; from neurofa.engines.threads import available_threads; available_threads(); print(sorted(os.environ))"
)


def started(**settings: str) -> tuple[str, str]:
    """What OpenMP says of its settings when threads are started, and the names of the environment after it."""
    plain = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    variables = plain | {"OMP_DISPLAY_ENV": "verbose", "NUMBA_THREADING_LAYER": "omp"} | settings
    done = subprocess.run([sys.executable, "-c", STARTED], env=variables, capture_output=True, text=True, check=True)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("the threads here are not those of GNU OpenMP")
    return done.stderr, done.stdout


def test_waiting_threads_sleep_soon():
    said, names = started()
    assert f"GOMP_SPINCOUNT = '{TURNS}'" in said
    assert SETTINGS[0] not in names  # libraries that are loaded later have their own


@pytest.mark.parametrize(("name", "value"), [(SETTINGS[0], "77"), (SETTINGS[1], "active")])
def test_settings_of_the_user_stand(name, value):
    said, names = started(**{name: value})
    assert f"GOMP_SPINCOUNT = '{TURNS}'" not in said
    assert name in names


def test_number_of_threads():
    assert available_threads() == numba.get_num_threads()
