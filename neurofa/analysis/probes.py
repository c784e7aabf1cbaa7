"""What is measured while a network learns: one dict of arrays for each probe."""

from collections.abc import Mapping

import numpy as np

from ..rules import Params, Plan, path_weights
from .alignment import (
    activation_histogram,
    angle_deg,
    angle_of_rows_deg,
    cosine,
    layer_norms,
    relative_error,
    sign_congruence,
    slope_at,
)
from .conservation import potential

BY_LAYER = (
    "alignment_deg",
    "sample_alignment_deg",
    "sample_angle_deg",
    "update_angle_deg",
    "weight_cosine",
    "relative_error",
    "sign_congruence",
    "conservation",
    "weight_norm",
    "bias_norm",
)
SCALARS = ("total_update_angle_deg",)


def measure(
    plan: Plan,
    params: Params,
    updates: Mapping[str, np.ndarray],
    reference: Mapping[str, np.ndarray],
    activities: list[np.ndarray],
) -> dict[str, np.ndarray]:
    """Compare a rule's update of one batch with backpropagation's, and its feedback with the weights.

    Parameters
    ----------
    plan
        Of the rule.
    params
        W, b and B as they are.
    updates, reference
        ``layers.l.dW``, ``.db``, ``.M`` of the rule and of backpropagation, for the same parameters and batch.
    activities
        Of each layer, (n_samples, n_post).

    Returns
    -------
    dict
        By name of `BY_LAYER`, (n_layers,), nan where a layer has no such thing; by name of `SCALARS`, 0-d; and
        ``activation_histogram`` (n_layers, n_bins).
    """
    n = plan.n_layers
    values = {name: np.full(n, np.nan) for name in BY_LAYER}
    for layer in range(n):
        pair = (updates[f"layers.{layer}.M"], reference[f"layers.{layer}.M"])
        values["alignment_deg"][layer] = angle_deg(*pair)
        values["sample_alignment_deg"][layer] = angle_of_rows_deg(*pair)
        own = plan.projections[layer]  # M of the output layer is dL/dz already
        post = slope_at(activities[layer], own.activation, own.slope) if layer < n - 1 else 1.0
        values["sample_angle_deg"][layer] = angle_of_rows_deg(*(M * post for M in pair))
        values["update_angle_deg"][layer] = angle_deg(_joined(updates, layer), _joined(reference, layer))
    for route in plan.feedback:
        layer = route.layer
        W, B = path_weights(params, route.source, layer), params[f"layers.{layer}.B"]
        values["weight_cosine"][layer] = cosine(W.T, B)
        values["relative_error"][layer] = relative_error(W, B)
        values["sign_congruence"][layer] = sign_congruence(W, B)
        # nothing is conserved where the signal comes from further away or is not what the next layer learns from, or
        # where the magnitudes of B are drawn anew
        same = plan.signal == "error" or route.source < n - 1
        if route.source == layer + 1 and same and route.redraw is None:
            values["conservation"][layer] = potential(
                params[f"layers.{layer}.W"], W, B, params.get(f"layers.{layer}.b"), follow=route.follow
            )
    values["weight_norm"][:] = layer_norms(params, "W")
    values["bias_norm"][:] = layer_norms(params, "b")
    values["total_update_angle_deg"] = np.array(
        angle_deg(
            np.concatenate([_joined(updates, layer) for layer in range(n)]),
            np.concatenate([_joined(reference, layer) for layer in range(n)]),
        )
    )
    values["activation_histogram"] = np.stack([activation_histogram(a) for a in activities])
    return values


def _joined(updates: Mapping[str, np.ndarray], layer: int) -> np.ndarray:
    """The whole update of a layer as one vector."""
    parts = [updates[f"layers.{layer}.dW"].ravel()]
    if f"layers.{layer}.db" in updates:
        parts.append(updates[f"layers.{layer}.db"])
    return np.concatenate(parts)
