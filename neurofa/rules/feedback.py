"""Feedback matrices: how each source makes B from a draw or from W."""

from collections.abc import Iterator, Mapping

import numpy as np

from ..blas import one_blas_thread
from ..spec import Feedback, Init, InputError, Network
from .initialise import draw
from .plan import Plan

FOLLOWS = {
    "transpose": "transpose",
    "random": "fixed",
    "random_nonnegative": "fixed",
    "initial_transpose": "fixed",
    "sign_transpose": "sign",
    "pseudoinverse": "derived",
    "perturbation": "learned",
    "matching": "offset",
}


def path_weights(params: Mapping[str, np.ndarray], source: int, layer: int) -> np.ndarray:
    """The linear path from a hidden layer to the layer that its signal comes from.

    Parameters
    ----------
    params
        The weights, ``layers.l.W`` (n_pre, n_post).
    source, layer
        Index of the layer that the signal comes from, and of the hidden layer below it.

    Returns
    -------
    numpy.ndarray
        Product W_{layer+1} ... W_{source}, shape (n_layer, n_source): where `source` is ``layer + 1``,
        that W itself and no copy.
    """
    path: np.ndarray = params[f"layers.{layer + 1}.W"]
    if source > layer + 1:
        with one_blas_thread():
            for index in range(layer + 2, source + 1):
                path = np.matmul(path, params[f"layers.{index}.W"])
    return path


def magnitude(feedback: Feedback, init: Init, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Absolute values of a sign feedback, shape (n_source, n_layer)."""
    n_source, n_layer = shape
    if feedback.magnitude == "unit":
        return np.ones(shape)
    if feedback.magnitude == "scaled":  # BioTorch's: the standard deviation of a Xavier initialisation
        return np.full(shape, np.sqrt(2 / (n_source + n_layer)))
    drawn: np.ndarray = np.abs(draw(init, shape, n_layer, n_source, rng))
    return drawn


def following(how: str, W: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """B that follows W elementwise.

    Parameters
    ----------
    how
        ``sign`` (`basis` times the sign of W transposed) or ``offset`` (W transposed plus `basis`).
    W
        (n_layer, n_source).
    basis
        Magnitude or offset, (n_source, n_layer).

    Returns
    -------
    numpy.ndarray
        (n_source, n_layer).
    """
    B: np.ndarray = (basis * np.sign(W.T)).astype(W.dtype) if how == "sign" else W.T + basis
    return B


def derive(
    feedback: Feedback, params: Mapping[str, np.ndarray], source: int, layer: int, basis: np.ndarray | None = None
) -> np.ndarray:
    """B of a source that computes it from W.

    Parameters
    ----------
    feedback
        With source ``transpose``, ``initial_transpose``, ``sign_transpose``, ``pseudoinverse`` or ``matching``.
    params
        The weights, ``layers.l.W``.
    source, layer
        Where the signal comes from and the hidden layer it reaches.
    basis
        Magnitude of a sign feedback (None: ``unit`` and ``scaled`` have their own), offset of ``matching``, shape
        (n_source, n_layer).

    Returns
    -------
    numpy.ndarray
        B, shape (n_source, n_layer), in the precision of W.

    Raises
    ------
    InputError
        If W alone does not determine this B.
    """
    path = path_weights(params, source, layer)
    if feedback.source in ("transpose", "initial_transpose"):
        return path.T.copy()
    if feedback.source == "pseudoinverse":
        if not np.isfinite(path).all():  # a run that has diverged, which is reported where it is seen
            return np.full(path.shape[::-1], np.nan, path.dtype)
        # singular values that are rounding alone count as zero, in single precision too
        with one_blas_thread():
            inverse: np.ndarray = np.linalg.pinv(path, rcond=max(path.shape) * np.finfo(path.dtype).eps)
        return inverse
    if feedback.source == "sign_transpose" and (basis is not None or feedback.magnitude in ("unit", "scaled")):
        if basis is None:
            shape = (path.shape[1], path.shape[0])
            basis = magnitude(feedback, Init("zeros"), shape, np.random.default_rng(0))
        return following("sign", path, basis)
    if feedback.source == "matching" and basis is not None:
        return following("offset", path, basis)
    raise InputError(
        f"feedback {feedback.source!r} does not follow from W: give layers.{layer}.B with shape "
        f"({path.shape[1]}, {path.shape[0]})"
    )


def initial(
    feedback: Feedback,
    network: Network,
    params: Mapping[str, np.ndarray],
    source: int,
    layer: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None]:
    """B as a training run begins, shape (n_source, n_layer), and the basis it will follow W with."""
    sizes = network.sizes
    shape = (sizes[source + 1], sizes[layer + 1])
    init = Init.of(network.layers[layer].feedback_init)
    if feedback.source == "sign_transpose":
        basis = magnitude(feedback, init, shape, rng)
        return derive(feedback, params, source, layer, basis), basis
    if feedback.source in ("random", "random_nonnegative", "matching", "perturbation"):
        drawn = draw(init, shape, shape[1], shape[0], rng)
        if feedback.source == "random_nonnegative":
            drawn = np.abs(drawn)
        if feedback.source == "matching":
            return drawn, drawn - path_weights(params, source, layer).T
        return drawn, None
    return derive(feedback, params, source, layer), None


def renewed(
    plan: Plan, params: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray | None, np.ndarray | None]]:
    """What the update itself does not follow W with, made anew as it can be stored.

    Parameters
    ----------
    plan
        The network under its rule.
    params
        ``layers.l.W`` as they are now.
    rng
        Of the magnitudes.

    Yields
    ------
    int, array or None, array or None
        Layer that the feedback reaches; magnitudes that were drawn anew; B that was computed anew. Both (n_source,
        n_layer).
    """
    for route in plan.feedback:
        basis, drawn, B = route.basis, None, None
        if route.redraw is not None:
            shape = (plan.sizes[route.source + 1], plan.sizes[route.layer + 1])
            basis = magnitude(Feedback("sign_transpose", "batchwise_random"), route.redraw, shape, rng)
            drawn = plan.stored_feedback(route.layer, basis)
        if route.follow == "derived" and route.feedback is not None:
            made = derive(route.feedback, params, route.source, route.layer, basis)
            B = plan.stored_feedback(route.layer, made)
        yield route.layer, drawn, B
