"""The Plan: a network under a rule, in the only form that engines see."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..spec import Feedback, Init, Perturbation
from ..spec.errors import require_kind
from .on_chip import OnChip

Params = dict[str, np.ndarray]


def require_params(params: object) -> None:
    """Refuse what holds no parameters by name, such as the run that has them."""
    require_kind("params", params, Mapping, hint="arrays by name, such as run.params")


def without_feedback(params: Mapping[str, np.ndarray]) -> Params:
    """W and b of all layers, without any B.

    Parameters
    ----------
    params
        As in `Plan`.

    Returns
    -------
    dict
        The same arrays, fewer of them.

    Raises
    ------
    InputError
        If `params` has no names.
    """
    require_params(params)
    return {key: value for key, value in params.items() if not key.endswith(".B")}


def precision_of(params: Mapping[str, np.ndarray]) -> str:
    """The precision that an update in these parameters has.

    Parameters
    ----------
    params
        As in `Plan`.

    Returns
    -------
    str
        ``float64`` if all are of it, otherwise ``float32``.
    """
    return "float64" if all(np.asarray(value).dtype == np.float64 for value in params.values()) else "float32"


@dataclass(frozen=True)
class Projection:
    """A feedforward projection and the neurons it ends on.

    Parameters
    ----------
    n_pre, n_post
        Widths of the layer it comes from, and of the layer it ends on.
    activation, slope
        Of the layer it ends on, as in `neurofa.Layer`.
    bias
        Whether that layer has one.
    dropout
        Probability that an input of the projection is silenced in training.
    plastic
        Whether W and b change: False also for hidden layers of a rule without a signal.
    minimum
        Lower bound of every weight after each update; -inf: none.
    reach
        How large the initialiser's weights can be (three standard deviations of a normal distribution), by which a
        chip's units are chosen.
    """

    n_pre: int
    n_post: int
    activation: str
    slope: float
    bias: bool
    dropout: float
    plastic: bool
    minimum: float
    reach: float


@dataclass(frozen=True)
class FeedbackProjection:
    """A feedback projection: carries the signal of layer `source` to hidden layer `layer`.

    Parameters
    ----------
    source, layer
        Indices of projections; `source` is the output layer on a direct route and
        ``layer + 1`` on a sequential one.
    follow
        What B does when W changes: ``fixed`` (nothing), ``transpose`` (is W transposed),
        ``sign`` (is `basis` times the sign of W transposed), ``offset`` (is W transposed plus `basis`),
        ``derived`` (computed anew from all W every `Plan.refresh_every` updates) or ``learned``.
    basis
        Magnitude (``sign``) or offset (``offset``), shape (n_source, n_layer).
    feedback
        What a ``derived`` B is computed by.
    redraw
        What the magnitudes are drawn from anew before each update, or None.
    """

    source: int
    layer: int
    follow: str
    basis: np.ndarray | None = None
    feedback: Feedback | None = None
    redraw: Init | None = None

    @property
    def elementwise(self) -> bool:
        """Whether each element of B follows one of W, by way of the basis."""
        return self.basis is not None and self.follow in ("sign", "offset")


@dataclass(frozen=True, repr=False)
class Plan:
    """A network under a rule: projections, feedback, signal, refresh policy, initial parameters.

    Parameters
    ----------
    projections
        Feedforward, from the input to the output.
    feedback
        One for each hidden layer that receives a signal through a matrix.
    signal
        One of `neurofa.spec.rule.SIGNALS`.
    route
        One of `neurofa.spec.rule.ROUTES`.
    refresh_every
        Updates between two renewals of B from outside the update itself; 0 for never.
    perturbation
        Noise for learned feedback or for a loss change, or None.
    loss, targets, task
        As in `neurofa.Network`.
    params
        ``layers.l.W`` (n_pre, n_post), ``layers.l.b`` (n_post,), ``layers.l.B`` (n_source, n_post)
        as initialised, in the plan's precision.
    on_chip
        What the numbers can be on a chip; None: full precision.
    """

    projections: tuple[Projection, ...]
    feedback: tuple[FeedbackProjection, ...]
    signal: str
    route: str
    refresh_every: int
    perturbation: Perturbation | None
    loss: str
    targets: tuple[float, float]
    task: str
    params: Params
    on_chip: OnChip | None = None

    def __repr__(self) -> str:
        under = f", on {self.on_chip.hardware.label}" if self.on_chip else ""
        return f"Plan({'-'.join(map(str, self.sizes))}, {self.signal}/{self.route}, {self.dtype}{under})"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from the input to the output."""
        return (self.projections[0].n_pre, *(p.n_post for p in self.projections))

    @property
    def dtype(self) -> np.dtype:
        """Precision of the parameters."""
        return self.params["layers.0.W"].dtype

    def stored_feedback(self, layer: int, B: np.ndarray) -> np.ndarray:
        """Feedback to a layer as it can be stored: B itself without a chip.

        Parameters
        ----------
        layer
            Index of the hidden layer.
        B
            Feedback, shape (n_source, n_layer).
        """
        return B if self.on_chip is None else self.on_chip.on_levels(layer, B)

    def units(self) -> dict[str, tuple[float, int]]:
        """By parameter that is on levels: what a level of 1 stands for, and the lowest level.

        Feedback that is W plus an offset is a sum of two, of which each has levels of its own.
        """
        sums = {f"layers.{route.layer}.B" for route in self.feedback if route.follow == "offset"}
        units = {} if self.on_chip is None else self.on_chip.units()
        return {key: unit for key, unit in units.items() if key not in sums}

    @property
    def learns_feedback(self) -> bool:
        """Whether a B is learned from perturbations."""
        return any(route.follow == "learned" for route in self.feedback)

    @property
    def by_regression(self) -> bool:
        """Whether it is learned by ridge regression on all that was seen."""
        return self.learns_feedback and self.perturbation is not None and self.perturbation.estimator == "ridge"

    @property
    def n_layers(self) -> int:
        """Number of feedforward projections."""
        return len(self.projections)
