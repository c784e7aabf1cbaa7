"""neurofa: three-factor plasticity, from feedback alignment to target projection.

Every learning rule is a composition of a signal, a route and a feedback source; see `neurofa.Rule`.

Examples
--------
>>> import neurofa as nf
>>> nf.rules.DRTP.signal
'target'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import analysis, exchange, hardware, plot, rules, spec
    from .conversion import Conversion, convert, normalised
    from .estimator import ThreeFactorClassifier, ThreeFactorRegressor
    from .evaluation import Score, classify, evaluate, predict
    from .gathering import gather
    from .io.config import load_model
    from .io.data import Data
    from .io.datasets import load_data
    from .mode_agreement import agreement
    from .observation import observe
    from .recorder import Record
    from .recording import Recording, Trace
    from .rules import Plan, lower
    from .run import Run, train, updates
    from .simulation import Circuit, Connection, Population, Simulation, Sparse
    from .spec import (
        DataSpec,
        Encoder,
        Feedback,
        Hardware,
        Homeostasis,
        Init,
        InputError,
        Layer,
        Model,
        Network,
        Neuron,
        Optimiser,
        Override,
        Perturbation,
        PostFactor,
        Rule,
        Schedule,
        Spiking,
        Training,
    )
    from .stimuli import poisson_events
    from .stored_runs import load_run

__version__ = "0.1.0"

# a name is imported when it is first asked for, so that `import neurofa` and `neurofa --help` start at once
_HOME = {
    **dict.fromkeys(("DataSpec", "Feedback", "Init", "InputError", "Layer", "Model", "Network", "Optimiser"), "spec"),
    **dict.fromkeys(("Override", "Perturbation", "Rule", "Schedule", "Training"), "spec"),
    **dict.fromkeys(("Encoder", "Hardware", "Homeostasis", "Neuron", "PostFactor", "Spiking"), "spec"),
    **dict.fromkeys(("Plan", "lower"), "rules"),
    **dict.fromkeys(("Run", "train", "updates"), "run"),
    **dict.fromkeys(("Circuit", "Connection", "Population", "Simulation", "Sparse"), "simulation"),
    **dict.fromkeys(("Conversion", "convert", "normalised"), "conversion"),
    **dict.fromkeys(("Score", "classify", "evaluate", "predict"), "evaluation"),
    **dict.fromkeys(("ThreeFactorClassifier", "ThreeFactorRegressor"), "estimator"),
    "load_run": "stored_runs",
    "agreement": "mode_agreement",  # a module named like the function would take its place once it is imported
    "gather": "gathering",
    "observe": "observation",
    "Record": "recorder",
    **dict.fromkeys(("Recording", "Trace"), "recording"),
    "poisson_events": "stimuli",
    "Data": "io.data",
    "load_data": "io.datasets",
    "load_model": "io.config",
}
_MODULES = ("analysis", "exchange", "hardware", "plot", "rules", "spec")

__all__ = [
    "Circuit",
    "Connection",
    "Conversion",
    "Data",
    "DataSpec",
    "Encoder",
    "Feedback",
    "Hardware",
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
    "Plan",
    "Population",
    "PostFactor",
    "Record",
    "Recording",
    "Rule",
    "Run",
    "Schedule",
    "Score",
    "Simulation",
    "Sparse",
    "Spiking",
    "ThreeFactorClassifier",
    "ThreeFactorRegressor",
    "Trace",
    "Training",
    "agreement",
    "analysis",
    "classify",
    "convert",
    "evaluate",
    "exchange",
    "gather",
    "hardware",
    "load_data",
    "load_model",
    "load_run",
    "lower",
    "normalised",
    "observe",
    "plot",
    "poisson_events",
    "predict",
    "rules",
    "spec",
    "train",
    "updates",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in ("compare", "sweep"):  # its module has the name, and takes its place once it is imported
        raise AttributeError(f"module 'neurofa' has no attribute {name!r}; use: from neurofa.{name} import {name}")
    raise AttributeError(f"module 'neurofa' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
