"""Numba functions on arrays and integers: all that both engines compute. Imports nothing of neurofa's."""

from .freshness import forget_stale

forget_stale()
