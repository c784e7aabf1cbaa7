"""Rules: the published presets, feedback sources, and lowering to a Plan."""

from .feedback import derive, following, path_weights, renewed
from .given import fitted, on_route, require_all, shapes_of
from .initialise import draw
from .lower import check, freeze, lower, with_basis
from .on_chip import Grid, Integers, OnChip
from .plan import FeedbackProjection, Params, Plan, Projection, precision_of, without_feedback
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
    "FeedbackProjection",
    "Grid",
    "Integers",
    "OnChip",
    "Params",
    "Plan",
    "Projection",
    "all_named",
    "check",
    "derive",
    "draw",
    "fitted",
    "following",
    "freeze",
    "lower",
    "named",
    "on_route",
    "path_weights",
    "precision_of",
    "renewed",
    "require_all",
    "shapes_of",
    "with_basis",
    "without_feedback",
]
