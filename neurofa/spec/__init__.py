"""What is simulated: frozen dataclasses without numerics. Imports nothing of neurofa's."""

from .errors import InputError
from .network import Init, Layer, Network
from .rule import Feedback, Perturbation, Rule
from .training import DataSpec, Model, Optimiser, Override, Schedule, Training

__all__ = [
    "DataSpec",
    "Feedback",
    "Init",
    "InputError",
    "Layer",
    "Model",
    "Network",
    "Optimiser",
    "Override",
    "Perturbation",
    "Rule",
    "Schedule",
    "Training",
]
