"""How a network is trained, and on which data."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .errors import FINITE, InputError, as_tuple, ascending_pair, described, require, require_choice, require_fields
from .rule import STRICT

OPTIMISERS = ("sgd", "momentum", "nesterov", "adam", "rmsprop")
SCHEDULES = ("step", "plateau")
PRECISIONS = ("float32", "float64")
NORMALISATIONS = ("none", "zscore", "channel", "centred")
AUGMENTATIONS = ("flip", "elastic")


def by_layer(what: str, value: float | Sequence[float]) -> float | tuple[float, ...]:
    """A value for all layers, or one for each as a tuple: a list or an array will do."""
    values: tuple[Any, ...] = (value,)
    if several := isinstance(value, Iterable) and not isinstance(value, str | Mapping | Set):
        values = tuple(value)
    fits = all(isinstance(one, Real) and not isinstance(one, bool) for one in values)
    require(fits, f"{what} is {described(value)}; give a number for all layers, or one for each")
    return values if several else values[0]


def for_layers(what: str, value: float | tuple[float, ...], n_layers: int) -> tuple[float, ...]:
    """A value that is given once for all layers, or for each of `n_layers`, for each."""
    if not isinstance(value, tuple):
        return (float(value),) * n_layers
    if len(value) != n_layers:
        raise InputError(f"{what} has {len(value)} values for {n_layers} layers; give one for all, or one for each")
    return tuple(float(v) for v in value)


@dataclass(frozen=True)
class Optimiser:
    """An optimiser with PyTorch's formulas; the defaults are PyTorch's too, but for the momentum, which is 0 there.

    Parameters
    ----------
    kind
        ``sgd``, ``momentum`` (heavy ball), ``nesterov``, ``adam`` or ``rmsprop``.
    momentum
        Of ``momentum`` and ``nesterov``.
    beta1, beta2
        Decay of Adam's first and second moment.
    alpha
        Decay of RMSprop's second moment.
    epsilon
        Added to the root of the second moment: one for all layers, or one for each.
    weight_decay
        L2 penalty: weight_decay * W is added to the update's direction, biases included.
    """

    kind: str = "adam"
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    alpha: float = 0.99
    epsilon: float | tuple[float, ...] = 1e-8
    weight_decay: float = 0.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("optimiser", self)
        require_choice("optimiser", self.kind, OPTIMISERS)
        object.__setattr__(self, "epsilon", by_layer("optimiser epsilon", self.epsilon))
        for name in ("momentum", "beta1", "beta2", "alpha"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optimiser {name} is {value}; it must be in [0, 1)")
        for value in self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,):
            require(0 < value < math.inf, f"optimiser epsilon is {value}; it must be positive and finite")
        require(0 <= self.weight_decay < math.inf, f"optimiser weight_decay is {self.weight_decay}; it must be >= 0")

    def epsilons(self, n_layers: int) -> tuple[float, ...]:
        """The epsilon of each layer.

        Parameters
        ----------
        n_layers
            Number of layers.

        Raises
        ------
        InputError
            If `epsilon` was given by layer, for another number of layers.
        """
        return for_layers("optimiser epsilon", self.epsilon, n_layers)

    @staticmethod
    def of(value: "Optimiser | str") -> "Optimiser":
        """Take an optimiser by its kind, or an `Optimiser` as it is.

        Parameters
        ----------
        value
            A kind, for that optimiser with its defaults, or an `Optimiser`.

        Raises
        ------
        InputError
            For an unknown kind.
        """
        return value if isinstance(value, Optimiser) else Optimiser(value)


@dataclass(frozen=True)
class Schedule:
    """How learning rates fall.

    Parameters
    ----------
    kind
        ``step`` (at epochs that are known beforehand) or ``plateau`` (when the validation loss, or the training loss
        where there is no validation set, gets no better).
    factor
        What the rates of all layers are multiplied by, in (0, 1].
    every
        Of ``step``: epochs between two falls; None where `milestones` are given.
    milestones
        Of ``step``: epochs, counted from 0, from whose beginning the rates are lower, in place of `every`.
    patience
        Of ``plateau``: epochs without a better loss before a fall; they are counted anew after it.

    Raises
    ------
    InputError
        For an unknown kind, a value out of range, both or none of `every` and `milestones` for ``step``, and either of
        them for ``plateau``.
    """

    kind: str
    factor: float = 0.1
    every: int | None = None
    milestones: tuple[int, ...] = ()
    patience: int = 10

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("schedule", self)
        require_choice("schedule", self.kind, SCHEDULES)
        object.__setattr__(self, "milestones", as_tuple("schedule milestones", self.milestones))
        for epoch in self.milestones:
            whole = isinstance(epoch, Integral) and not isinstance(epoch, bool) and epoch >= 0
            require(whole, f"schedule milestones are {self.milestones}; give epochs, counted from 0")
        require(0 < self.factor <= 1, f"schedule factor is {self.factor}; it must be in (0, 1]")
        require(self.patience >= 1, f"schedule patience is {self.patience}; it must be at least 1 epoch")
        if self.kind == "step":
            require(
                (self.every is None) != (not self.milestones),
                "schedule 'step' needs either every (epochs) or milestones (list of epochs)",
            )
            require(self.every is None or self.every >= 1, f"schedule every is {self.every}; it must be at least 1")
        else:
            require(self.every is None and not self.milestones, "schedule 'plateau' takes factor and patience only")


@dataclass(frozen=True)
class Training:
    """The training protocol.

    Parameters
    ----------
    epochs
        Passes over the training set; 0 evaluates the untrained network.
    batch_size
        Samples an update; 1 for online learning, 0 for the full training set.
    learning_rate
        One for all layers, or one for each.
    optimiser
        An `Optimiser` or its kind.
    schedule
        How the learning rate falls, or None.
    early_stopping
        Epochs without a better validation error before training stops (None: never). The
        parameters of the best epoch are kept.
    shuffle
        Whether each epoch has its own order.
    report_last
        Epochs over whose end the reported test error is averaged (10 in Frenkel 2021); a run of fewer reports the last.
    precision
        ``float32`` or ``float64``.
    """

    epochs: int = 10
    batch_size: int = 60
    learning_rate: float | tuple[float, ...] = 1e-3
    optimiser: Optimiser | str = "adam"
    schedule: Schedule | None = None
    early_stopping: int | None = None
    shuffle: bool = True
    report_last: int = 1
    precision: str = "float32"

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("training", self)
        object.__setattr__(self, "optimiser", Optimiser.of(self.optimiser))
        object.__setattr__(self, "learning_rate", by_layer("training learning_rate", self.learning_rate))
        require(self.epochs >= 0, f"training epochs is {self.epochs}; it must be at least 0")
        require(self.batch_size >= 0, f"training batch_size is {self.batch_size}; use 1 or more, or 0 for all samples")
        require(self.report_last >= 1, f"training report_last is {self.report_last}; it must be at least 1 epoch")
        require_choice("training precision", self.precision, PRECISIONS)
        rates = self.learning_rate if isinstance(self.learning_rate, tuple) else (self.learning_rate,)
        for rate in rates:
            require(0 <= rate < math.inf, f"training learning_rate is {rate}; it must be finite and not negative")
        require(
            self.early_stopping is None or self.early_stopping >= 1,
            f"training early_stopping is {self.early_stopping}; it must be at least 1 epoch",
        )

    def rates(self, n_layers: int) -> tuple[float, ...]:
        """The learning rate of each layer, as training begins.

        Parameters
        ----------
        n_layers
            Number of layers.

        Raises
        ------
        InputError
            If `learning_rate` was given by layer, for another number of layers.
        """
        return for_layers("training learning_rate", self.learning_rate, n_layers)


@dataclass(frozen=True)
class DataSpec:
    """Which data, and how they are prepared.

    Parameters
    ----------
    name
        A name of `neurofa data list`, or the path of an ``.npz`` file.
    classes
        Number of classes to keep, drawn by seed (None: all), relabelled from 0.
    train_samples
        Number of training samples to keep, drawn by seed (None: all).
    validation
        Fraction of the training set held out for validation.
    label_noise
        Fraction of training labels replaced by another class, drawn by seed.
    normalisation
        ``none`` (as published; image pixels in [0, 1]), ``zscore`` (each feature, with the training set's
        mean and deviation), ``channel`` (each image channel) or ``centred`` (each feature's mean, one deviation for
        all: rare pixels stay small).
    scale
        Values that the smallest and the largest input of the training set are mapped to (None: as they are); test
        inputs beyond them are clipped, and an autoencoder's targets go with its inputs. Takes the place of a
        normalisation.
    augment
        Training-set augmentation, renewed each epoch: ``flip`` (half of the images, left to
        right), ``elastic`` (smooth random displacement).
    """

    name: str = "digits"
    classes: int | None = None
    train_samples: int | None = None
    validation: float = 0.0
    label_noise: float = 0.0
    normalisation: str = "none"
    scale: tuple[float, float] | None = None
    augment: tuple[str, ...] = ()

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("data", self)
        require(self.classes is None or self.classes >= 2, f"data classes is {self.classes}; it must be at least 2")
        require(
            self.train_samples is None or self.train_samples >= 1,
            f"data train_samples is {self.train_samples}; it must be at least 1",
        )
        require(0 <= self.validation < 1, f"data validation is {self.validation}; it must be a fraction in [0, 1)")
        require(0 <= self.label_noise <= 1, f"data label_noise is {self.label_noise}; it must be a fraction in [0, 1]")
        require_choice("data normalisation", self.normalisation, NORMALISATIONS)
        if self.scale is not None:
            ends = ascending_pair("data scale", self.scale, *FINITE, "a smaller and a larger finite number")
            object.__setattr__(self, "scale", ends)
            require(
                self.normalisation == "none", f"data scale and normalisation {self.normalisation!r}: choose one of them"
            )
        object.__setattr__(self, "augment", as_tuple("data augment", self.augment, one=str))
        for name in self.augment:
            require_choice("data augment", name, AUGMENTATIONS)
