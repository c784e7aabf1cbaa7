"""Chips: profiles with the source of every number, what fits on them, and what a network costs there."""

from ..spec import Energy, Hardware, Learning, Levels, Limits, Neurons, State, TraceLevels
from .constrain import constrain
from .costs import Costs, Estimate, Memory, costs, costs_table
from .fit import Placement, PopulationPlacement, fit
from .profiles import Fact, Profile, load_profile, profile_names, provenance, read_profile

__all__ = [
    "Costs",
    "Energy",
    "Estimate",
    "Fact",
    "Hardware",
    "Learning",
    "Levels",
    "Limits",
    "Memory",
    "Neurons",
    "Placement",
    "PopulationPlacement",
    "Profile",
    "State",
    "TraceLevels",
    "constrain",
    "costs",
    "costs_table",
    "fit",
    "load_profile",
    "profile_names",
    "provenance",
    "read_profile",
]
