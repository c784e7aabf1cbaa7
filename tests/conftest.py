"""Settings that all tests share."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings
from support import MNIST

quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("default_here", max_examples=20, deadline=None, suppress_health_check=quiet)
settings.register_profile(
    "ci", max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=quiet
)
settings.load_profile("ci" if os.environ.get("CI") else "default_here")


@pytest.fixture
def mnist_folder():
    """Folder with MNIST's published files; use together with `support.needs_mnist`."""
    return MNIST


@pytest.fixture(scope="module")
def little_to_collect():
    """Brian2 collects garbage at each run, a quarter of the time of a small one: leave out all that is there before."""
    import brian2  # noqa: F401, with all that it imports

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
