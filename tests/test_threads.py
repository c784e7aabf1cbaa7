"""Threads: how they are started, and that results do not hang on those of BLAS."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import neurofa as nf
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


def test_feedback_that_follows_from_w_is_the_same_for_any_threads_of_blas():
    """Bit for bit: a pseudoinverse, and a product of several layers' weights."""
    net, found = nf.Network.dense((4, 1000, 500, 200)), []
    rules = nf.rules.named("pseudo_bp"), nf.Rule(signal="error", route="direct", feedback="transpose")
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            found.append([nf.lower(net, rule).params["layers.0.B"] for rule in rules])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
