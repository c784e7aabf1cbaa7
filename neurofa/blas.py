"""BLAS with one thread: for kernels that bring their own, and so that results do not hang on how many it has."""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def blas() -> Any:
    """The BLAS libraries in this process, to be limited."""
    import_module("scipy.linalg.cython_blas")  # the one that Numba calls must be loaded to be found
    return import_module("threadpoolctl").ThreadpoolController()


def one_blas_thread() -> Any:
    """A context in which BLAS has one thread: the kernels bring their own, and the two together collapse."""
    return blas().limit(limits=1, user_api="blas")
