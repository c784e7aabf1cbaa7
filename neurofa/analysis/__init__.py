"""Measures of alignment, conservation and activity, in NumPy, on arrays that any engine gives.

`measure` takes a Plan beside arrays: it makes all measures of a training step, by which `Run.history` is filled.
"""

from .alignment import (
    HISTOGRAM_EDGES,
    activation_histogram,
    angle_deg,
    angle_of_rows_deg,
    bin_centres,
    cosine,
    layer_norms,
    relative_error,
    sign_congruence,
    slope_at,
)
from .conservation import matrix_invariant, neuron_potential, potential
from .linear import alignment_traces, hidden_error, lyapunov, scalar_jacobian
from .modes import ActivityAgreement, UpdateAgreement, activity_correlation, correlation, update_correlation
from .probes import BY_LAYER, SCALARS, measure

__all__ = [
    "BY_LAYER",
    "HISTOGRAM_EDGES",
    "SCALARS",
    "ActivityAgreement",
    "UpdateAgreement",
    "activation_histogram",
    "activity_correlation",
    "alignment_traces",
    "angle_deg",
    "angle_of_rows_deg",
    "bin_centres",
    "correlation",
    "cosine",
    "hidden_error",
    "layer_norms",
    "lyapunov",
    "matrix_invariant",
    "measure",
    "neuron_potential",
    "potential",
    "relative_error",
    "scalar_jacobian",
    "sign_congruence",
    "slope_at",
    "update_correlation",
]
