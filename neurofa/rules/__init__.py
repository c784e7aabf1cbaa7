"""Rules: the published presets, feedback sources, and lowering to a Plan."""

from .constraint import Constraint, Grid, Integers
from .feedback import derive, path_weights
from .initialise import draw
from .lower import check, fitted, freeze, lower, with_basis
from .plan import FeedbackProjection, Params, Plan, Projection
from .presets import (
    ADAFA,
    BP,
    DFA,
    DRTP,
    FA,
    MATCHING,
    MDFA,
    NODE_PERTURBATION,
    NP_DFA,
    NP_FA,
    PRESETS,
    PSEUDO_BP,
    SDFA,
    SHALLOW,
    SIGN_FA,
    all_named,
    named,
)

__all__ = [
    "ADAFA",
    "BP",
    "DFA",
    "DRTP",
    "FA",
    "MATCHING",
    "MDFA",
    "NODE_PERTURBATION",
    "NP_DFA",
    "NP_FA",
    "PRESETS",
    "PSEUDO_BP",
    "SDFA",
    "SHALLOW",
    "SIGN_FA",
    "Constraint",
    "FeedbackProjection",
    "Grid",
    "Integers",
    "Params",
    "Plan",
    "Projection",
    "all_named",
    "check",
    "derive",
    "draw",
    "fitted",
    "freeze",
    "lower",
    "named",
    "path_weights",
    "with_basis",
]
