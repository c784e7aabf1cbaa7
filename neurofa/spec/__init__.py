"""What is simulated: frozen dataclasses without numerics. Imports nothing of neurofa's."""

from .errors import InputError
from .model import Model, Override
from .network import Init, Layer, Network
from .rule import Feedback, Perturbation, Rule
from .spiking import Encoder, Homeostasis, Neuron, PostFactor, Spiking
from .training import DataSpec, Optimiser, Schedule, Training

__all__ = [
    "DataSpec",
    "Encoder",
    "Feedback",
    "Homeostasis",
    "Init",
    "InputError",
    "Layer",
    "Model",
    "Network",
    "Neuron",
    "Optimiser",
    "Override",
    "Perturbation",
    "PostFactor",
    "Rule",
    "Schedule",
    "Spiking",
    "Training",
]
