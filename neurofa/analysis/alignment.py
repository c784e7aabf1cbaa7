"""How two signals, or the forward and the feedback weights, agree.

W stands for a forward path of shape (n_layer, n_source), from a hidden layer to the layer that its signal
comes from: W of the next layer on a sequential route, the product of all W above on a direct one
(`neurofa.rules.path_weights`). B is the feedback of that hidden layer, shape (n_source, n_layer), so that
B equal to W transposed is backpropagation.
"""

from collections.abc import Mapping

import numpy as np

HISTOGRAM_EDGES = np.arange(-20, 21) / 10
"""Default bins of `activation_histogram`: 0.1 wide, with bounds at the saturation of tanh and sigmoid."""


def _unit(a: np.ndarray) -> np.ndarray | None:
    """`a` flattened, float64, with norm 1; None where it has no direction."""
    vector: np.ndarray = np.asarray(a, dtype=np.float64).ravel()
    largest = np.abs(vector).max(initial=0.0)
    if not 0 < largest < np.inf:  # zero, empty, infinite or NaN
        return None
    vector = vector / largest  # squares of very large or very small numbers stay in range
    vector /= np.linalg.norm(vector)
    return vector


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two arrays taken as vectors.

    Parameters
    ----------
    a, b
        Arrays of the same size; flattened.

    Returns
    -------
    float
        In [-1, 1]; nan when either array is zero or not finite.

    Notes
    -----
    Weight alignment of Robertson 2024 (definition 4.1) is ``cosine(W.T, B)``.
    """
    u, v = _unit(a), _unit(b)
    if u is None or v is None:
        return float("nan")
    return float(np.clip(u @ v, -1.0, 1.0))


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in degrees between two arrays taken as vectors, as Frenkel 2021 plots for modulatory signals.

    Parameters
    ----------
    a, b
        Arrays of the same size; flattened.

    Returns
    -------
    float
        In [0, 180], never folded at 90, so that a signal that points the wrong way is seen;
        nan when either array is zero or not finite.

    Notes
    -----
    Computed as twice the arctangent of ``|u - v| / |u + v|`` for the unit vectors u and v, which stays exact
    near 0 and 180 degrees where an arccosine loses half of the digits.
    """
    u, v = _unit(a), _unit(b)
    if u is None or v is None:
        return float("nan")
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def angle_of_rows_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in degrees between the rows of two arrays, a row a sample: the mean over samples.

    Here every sample counts the same, while in `angle_deg` of the whole arrays one with a large signal counts more.

    Parameters
    ----------
    a, b
        Shape (n_samples, n).

    Returns
    -------
    float
        In [0, 180]; samples where either row is zero or not finite are left out, nan if none is left.
    """
    u, v = (np.asarray(rows, dtype=np.float64) for rows in (a, b))
    largest = [np.abs(rows).max(axis=1, initial=0.0) for rows in (u, v)]
    kept = np.all([(size > 0) & (size < np.inf) for size in largest], axis=0)
    if not kept.any():
        return float("nan")
    u, v = (rows[kept] / size[kept, None] for rows, size in zip((u, v), largest, strict=True))
    u, v = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (u, v))
    halves = np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))
    return float(np.degrees(2 * halves).mean())


def slope_at(activity: np.ndarray, activation: str, slope: float = 0.0) -> np.ndarray:
    """Derivative of a hidden layer's activation, from the activity rather than from what it came from.

    Parameters
    ----------
    activity
        f(z), any shape.
    activation
        Name of f, one of `neurofa.spec.network.ACTIVATIONS` without softmax.
    slope
        Of ``leaky_relu`` at and below 0.

    Returns
    -------
    np.ndarray
        f'(z), of the shape of `activity`, float64; 1 everywhere for ``identity``.
    """
    a = np.asarray(activity, dtype=np.float64)
    if activation == "tanh":
        return 1 - a * a
    if activation == "sigmoid":
        return a * (1 - a)
    if activation == "hard_tanh":
        return (np.abs(a) < 1).astype(np.float64)
    if activation in ("relu", "leaky_relu"):
        return np.where(a > 0, 1.0, slope if activation == "leaky_relu" else 0.0)
    return np.ones_like(a)


def relative_error(W: np.ndarray, B: np.ndarray) -> float:
    """Distance of the feedback from the transposed weights, ``||W^T - B||_F / ||W||_F`` (Lansdell 2020, figure 4A).

    Parameters
    ----------
    W
        Forward path, shape (n_layer, n_source).
    B
        Feedback, shape (n_source, n_layer).

    Returns
    -------
    float
        0 for equal matrices; nan when W is zero.
    """
    forward = np.asarray(W, dtype=np.float64)
    norm = np.linalg.norm(forward)
    if norm == 0:
        return float("nan")
    return float(np.linalg.norm(forward.T - np.asarray(B, dtype=np.float64)) / norm)


def sign_congruence(W: np.ndarray, B: np.ndarray) -> float:
    """Fraction of entries of W transposed and B that have the same sign (Lansdell 2020, figure 4C).

    Parameters
    ----------
    W
        Forward path, shape (n_layer, n_source).
    B
        Feedback, shape (n_source, n_layer).

    Returns
    -------
    float
        In [0, 1]; a zero agrees with a zero only.
    """
    return float(np.mean(np.sign(B) == np.sign(W).T))


def activation_histogram(values: np.ndarray, edges: np.ndarray = HISTOGRAM_EDGES) -> np.ndarray:
    """Fraction of activities in each of a fixed set of bins.

    Parameters
    ----------
    values
        Activities, any shape. NaN is left out of the counts, but not of the total.
    edges
        Ascending bounds of the bins, shape (n_bins + 1,). Activities outside fall into the first or
        the last bin, so a saturated or a growing layer shows there.

    Returns
    -------
    np.ndarray
        Shape (n_bins,); sums to 1 for finite activities, all zeros for none.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    counts, _ = np.histogram(np.clip(flat, edges[0], edges[-1]), bins=edges)
    fractions: np.ndarray = counts / max(flat.size, 1)
    return fractions


def bin_centres(edges: np.ndarray = HISTOGRAM_EDGES) -> np.ndarray:
    """Centres of the bins of `activation_histogram`.

    Parameters
    ----------
    edges
        Ascending bounds of the bins, shape (n_bins + 1,).

    Returns
    -------
    np.ndarray
        Shape (n_bins,).
    """
    centres: np.ndarray = (edges[:-1] + edges[1:]) / 2
    return centres


def layer_norms(params: Mapping[str, np.ndarray], kind: str = "W") -> np.ndarray:
    """Frobenius norm of each layer's parameters.

    Parameters
    ----------
    params
        Flat dictionary with ``layers.l.W`` and, where a layer has them, ``layers.l.b`` and ``layers.l.B``.
    kind
        ``W``, ``b`` or ``B``.

    Returns
    -------
    np.ndarray
        Shape (n_layers,); nan for a layer that has no such parameter.
    """
    n_layers = sum(key.startswith("layers.") and key.endswith(".W") for key in params)
    keys = [f"layers.{layer}.{kind}" for layer in range(n_layers)]
    return np.array([np.linalg.norm(params[key]) if key in params else np.nan for key in keys], dtype=np.float64)
