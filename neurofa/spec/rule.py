"""What a three-factor learning rule is: a signal, a route, a feedback source, a constraint.

Every synapse changes by ``dw_ij = -eta * pre_i * post_j * M_j``. A rule says where the
modulatory signal ``M`` comes from; the activity and the derivative belong to the network.
"""

from dataclasses import dataclass
from typing import Any

from .errors import InputError, require, require_choice, require_fields

SIGNALS = ("error", "error_sign", "target", "loss_change", "none")
ROUTES = ("sequential", "direct", "broadcast", "none")
SOURCES = (
    "transpose",
    "random",
    "random_nonnegative",
    "initial_transpose",
    "sign_transpose",
    "pseudoinverse",
    "perturbation",
    "matching",
    "none",
)
MAGNITUDES = ("scaled", "unit", "batchwise_random", "fixed_random")
ESTIMATORS = ("gradient", "ridge")
CONSTRAINTS = ("monotone",)

MATRIX_ROUTES = ("sequential", "direct")
STRICT = {"extra": "forbid", "strict": False}


@dataclass(frozen=True)
class Feedback:
    """Where the feedback matrices B come from, and when they are renewed.

    Parameters
    ----------
    source
        ``transpose`` (of W, always up to date: backpropagation), ``random`` (drawn once from
        the layer's `feedback_init`), ``random_nonnegative`` (its absolute value),
        ``initial_transpose`` (of W as initialised), ``sign_transpose`` (sign of W transposed,
        renewed at each update), ``pseudoinverse`` (of W, renewed every `every` updates),
        ``perturbation`` (learned from injected noise), ``matching`` (starts random and makes
        every change that W makes) or ``none``.
    magnitude
        Of a sign feedback: ``scaled`` (every entry sqrt(2 / (fan_in + fan_out)), BioTorch's),
        ``unit`` (1, as in the theory of Robertson 2024), ``batchwise_random`` or
        ``fixed_random`` (absolute values drawn from `feedback_init`, anew for each update or once).
    every
        Updates between two renewals of the pseudoinverse.

    Raises
    ------
    InputError
        For an unknown name, or an option that the source does not have.
    """

    source: str
    magnitude: str | None = None
    every: int | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("feedback", self)
        require_choice("feedback source", self.source, SOURCES)
        if self.source == "sign_transpose":
            if self.magnitude is None:
                object.__setattr__(self, "magnitude", "scaled")
            require_choice("feedback magnitude", self.magnitude, MAGNITUDES)
        elif self.magnitude is not None:
            raise InputError(f"feedback magnitude belongs to 'sign_transpose', not to {self.source!r}; leave it out")
        if self.source == "pseudoinverse":
            if self.every is None:
                object.__setattr__(self, "every", 1)
            require(self.every is not None and self.every >= 1, "feedback every must be at least 1 update")
        elif self.every is not None:
            raise InputError(f"feedback every belongs to 'pseudoinverse', not to {self.source!r}; leave it out")

    @staticmethod
    def of(value: "Feedback | str") -> "Feedback":
        """Take a source by its name, or a `Feedback` as it is.

        Parameters
        ----------
        value
            A source, for that feedback with its defaults, or a `Feedback`.

        Raises
        ------
        InputError
            For an unknown source.
        """
        return value if isinstance(value, Feedback) else Feedback(value)


@dataclass(frozen=True)
class Perturbation:
    """Noise injected into all hidden activities at once, and what is learned from the change of the loss.

    Parameters
    ----------
    noise_std
        Standard deviation of the Gaussian noise, in units of the activity.
    estimator
        How B is learned (Lansdell 2020): ``gradient`` (B <- B - learning_rate * mean e (eB - lambda), down the gradient
        of eq. 3) or ``ridge`` (cumulative ridge regression, eqs. 5 and 6 with the penalty of eq. 18, as in the authors'
        code).
    learning_rate
        Of the gradient estimator.
    ridge
        Regularisation gamma of the ridge estimator.
    """

    noise_std: float = 0.01
    estimator: str = "gradient"
    learning_rate: float = 5e-4
    ridge: float = 0.1

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("perturbation", self)
        require_choice("perturbation estimator", self.estimator, ESTIMATORS)
        for name in ("noise_std", "learning_rate", "ridge"):
            value = getattr(self, name)
            require(0 < value < float("inf"), f"perturbation {name} is {value}; it must be positive and finite")


@dataclass(frozen=True)
class Rule:
    """A learning rule as a composition that every engine can run.

    Parameters
    ----------
    signal
        What is broadcast: ``error`` (dL/dz of the output), ``error_sign``, ``target`` (the
        label itself; hidden layers only), ``loss_change`` (under injected noise) or ``none``.
        The output layer always learns from its true error.
    route
        ``sequential`` (layer by layer through B and the activation's derivative), ``direct``
        (from the output to each hidden layer), ``broadcast`` (one number for all) or ``none``.
    feedback
        A `Feedback`, or just the name of its source.
    constraint
        ``monotone``: W >= 1e-6 from the second layer on, the output included (Lechner 2020; the bound is of its
        code).
    perturbation
        The injected noise, for rules that need it.
    name, title, source
        How results call the rule, what it is in a few words, and where it was published.

    Raises
    ------
    InputError
        For an unknown name or a combination that makes no sense.

    Examples
    --------
    >>> import neurofa as nf
    >>> nf.Rule(signal="error_sign", route="sequential", feedback="sign_transpose", name="mine").route
    'sequential'
    """

    signal: str
    route: str
    feedback: Feedback | str
    constraint: str | None = None
    perturbation: Perturbation | None = None
    name: str = "custom"
    title: str = ""
    source: str = ""

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("rule", self, "arrays go into params, as params={'layers.0.B': B}")
        require_choice("rule signal", self.signal, SIGNALS)
        require_choice("rule route", self.route, ROUTES)
        feedback = Feedback.of(self.feedback)
        object.__setattr__(self, "feedback", feedback)
        if self.constraint is not None:
            require_choice("rule constraint", self.constraint, CONSTRAINTS)
        if self.perturbation is None and (self.signal == "loss_change" or feedback.source == "perturbation"):
            object.__setattr__(self, "perturbation", Perturbation())
        self._refuse_nonsense(feedback)

    def _refuse_nonsense(self, feedback: Feedback) -> None:
        who, matrix = f"rule {self.name!r}", feedback.source != "none"
        if self.signal == "loss_change":
            require(not matrix, f"{who}: a loss change is one number and passes through no matrix; use feedback='none'")
            require(self.route == "broadcast", f"{who}: a loss change reaches all neurons alike; use route='broadcast'")
        elif self.signal == "none":
            require(
                self.route == "none" and not matrix and self.constraint is None,
                f"{who}: without a signal nothing is fed back; use route='none', feedback='none', constraint=None",
            )
        else:
            require(
                self.route in MATRIX_ROUTES,
                f"{who}: signal {self.signal!r} is a vector; use route='sequential' or 'direct', not {self.route!r}",
            )
            require(matrix, f"{who}: route {self.route!r} needs a feedback source, such as feedback='random'")
        if feedback.source == "matching":
            require(
                self.route == "sequential",
                f"{who}: 'matching' follows the updates of one W, so it needs route='sequential'",
            )
        if feedback.source == "perturbation":
            require(
                self.signal == "error",
                f"{who}: learned feedback regresses the loss gradient on the error; use signal='error'",
            )
        if self.perturbation is not None:
            require(
                self.signal == "loss_change" or feedback.source == "perturbation",
                f"{who}: nothing uses the perturbation; use signal='loss_change' or feedback='perturbation', "
                "or leave it out",
            )
        if self.constraint == "monotone":
            require(
                feedback.source in ("random_nonnegative", "transpose", "initial_transpose"),
                f"{who}: the monotone constraint needs a feedback that is never negative; "
                "use feedback='random_nonnegative'",
            )

    @property
    def feedback_source(self) -> Feedback:
        """The feedback, never as a bare name."""
        return Feedback.of(self.feedback)

    def describe(self) -> dict[str, Any]:
        """The row of `neurofa rules`: plain strings by column."""
        feedback = self.feedback_source
        refresh = {
            "transpose": "each update",
            "sign_transpose": "each update",
            "pseudoinverse": f"every {feedback.every} update(s)",
            "perturbation": "learned",
            "matching": "learned",
            "none": "",
        }.get(feedback.source, "never")
        kind = feedback.source.replace("_", " ")
        if feedback.magnitude:
            kind += f" ({feedback.magnitude.replace('_', ' ')})"
        return {
            "rule": self.name,
            "signal": self.signal.replace("_", " "),
            "route": self.route,
            "feedback B": kind,
            "refresh of B": refresh,
            "constraint": self.constraint or "",
            "source": self.source,
        }
