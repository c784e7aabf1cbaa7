"""Numba functions on arrays and integers: all dense mathematics of the rate engine. Imports nothing of neurofa's."""

from .freshness import forget_stale

forget_stale()
