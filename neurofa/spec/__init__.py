"""What is simulated: frozen dataclasses without numerics. Imports nothing of neurofa's."""

from .errors import InputError
from .hardware import Energy, Hardware, Learning, Levels, Limits, Neurons, State, TraceLevels
from .model import Model, Override, settings_for
from .network import Init, Layer, Network
from .neurons import Encoder, Homeostasis, Neuron, PostFactor
from .rule import Feedback, Perturbation, Rule
from .spiking import Spiking
from .training import DataSpec, Optimiser, Schedule, Training

__all__ = [
    "DataSpec",
    "Encoder",
    "Energy",
    "Feedback",
    "Hardware",
    "Homeostasis",
    "Init",
    "InputError",
    "Layer",
    "Learning",
    "Levels",
    "Limits",
    "Model",
    "Network",
    "Neuron",
    "Neurons",
    "Optimiser",
    "Override",
    "Perturbation",
    "PostFactor",
    "Rule",
    "Schedule",
    "Spiking",
    "State",
    "TraceLevels",
    "Training",
    "settings_for",
]
