"""Settings that all tests share."""

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
