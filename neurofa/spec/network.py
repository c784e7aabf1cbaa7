"""What a fully-connected network is: layers with their activations and initialisers, a loss, a task."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from .errors import FINITE, InputError, as_tuple, ascending_pair, require, require_choice, require_fields, require_kind
from .rule import STRICT

ACTIVATIONS = ("identity", "tanh", "sigmoid", "hard_tanh", "relu", "leaky_relu", "softmax")
LOSSES = ("bce", "cce", "mse", "half_sse", "exponential")
TASKS = ("classification", "regression")
INITS = (
    "zeros",
    "he_uniform",
    "he_normal",
    "xavier_uniform",
    "xavier_normal",
    "scaled_uniform",
    "uniform",
    "normal",
    "abs_normal",
)
LOSS_OF = {"sigmoid": "bce", "softmax": "cce"}  # the usual loss of an output
BOUNDED = ("tanh", "sigmoid", "hard_tanh", "softmax")


@dataclass(frozen=True)
class Init:
    """How a matrix or a bias is drawn.

    Parameters
    ----------
    kind
        ``zeros``; ``he_uniform`` U(+-sqrt(6/fan_in)), ``he_normal`` N(0, 2/fan_in),
        ``xavier_uniform`` U(+-sqrt(6/(fan_in+fan_out))), ``xavier_normal`` N(0, 2/(fan_in+fan_out)),
        ``scaled_uniform`` U(+-1/sqrt(fan_in)) (PyTorch's Linear default); ``uniform`` on
        [low, high]; ``normal`` N(0, std^2); ``abs_normal`` its absolute value. For W of shape
        (n_pre, n_post) fan_in = n_pre; a bias has the fans of its W; for B of shape (n_source, n_layer)
        fan_in = n_layer, the width of the layer it feeds, and fan_out = n_source.
    low, high
        Bounds of ``uniform``.
    std
        Of ``normal`` and ``abs_normal``.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    std: float | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("init", self)
        require_choice("init", self.kind, INITS)
        if self.kind == "uniform":
            require(
                self.low is not None and self.high is not None and -math.inf < self.low <= self.high < math.inf,
                "init 'uniform' needs finite bounds, as in {kind='uniform', low=-0.1, high=0.1}",
            )
        else:
            require(self.low is None and self.high is None, f"init {self.kind!r} takes no low and high; leave them out")
        if self.kind in ("normal", "abs_normal"):
            require(
                self.std is not None and 0 <= self.std < math.inf,
                f"init {self.kind!r} needs a standard deviation, as in {{kind={self.kind!r}, std=0.1}}",
            )
        else:
            require(self.std is None, f"init {self.kind!r} takes no std; leave it out")

    @staticmethod
    def of(value: "Init | str") -> "Init":
        """Take an initialiser by its name, or an `Init` as it is.

        Parameters
        ----------
        value
            A kind that needs no other field, or an `Init`.

        Raises
        ------
        InputError
            For an unknown kind, and for one that needs bounds or a standard deviation.
        """
        return value if isinstance(value, Init) else Init(value)

    @property
    def can_be_negative(self) -> bool:
        """Whether a drawn value can be below zero."""
        if self.kind == "uniform":
            return self.low is not None and self.low < 0
        return self.kind not in ("zeros", "abs_normal")


@dataclass(frozen=True)
class Layer:
    """One fully-connected layer: z = a W + b, then the activation.

    Parameters
    ----------
    units
        Number of neurons.
    activation
        ``identity``, ``tanh``, ``sigmoid``, ``hard_tanh``, ``relu``, ``leaky_relu`` or ``softmax``.
    slope
        Of ``leaky_relu`` below zero.
    bias
        Whether the layer has a bias.
    init, bias_init, feedback_init
        How W, b and the feedback B that reaches this layer are drawn: an `Init` or its kind.
    dropout
        Probability that an input of this layer is silenced in training; the others are
        divided by 1 - dropout.
    plastic
        False keeps W and b as they were drawn.
    """

    units: int
    activation: str = "tanh"
    slope: float = 0.01
    bias: bool = True
    init: Init | str = "scaled_uniform"
    bias_init: Init | str = "scaled_uniform"
    feedback_init: Init | str = "he_uniform"
    dropout: float = 0.0
    plastic: bool = True

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("layer", self, "arrays go into params, as params={'layers.0.W': W}")
        require(self.units >= 1, f"layer units is {self.units}; it must be at least 1")
        require_choice("layer activation", self.activation, ACTIVATIONS)
        require(0 <= self.slope < math.inf, f"layer slope is {self.slope}; it must be at least 0 and finite")
        require(0 <= self.dropout < 1, f"layer dropout is {self.dropout}; it must be in [0, 1)")
        for name in ("init", "bias_init", "feedback_init"):
            object.__setattr__(self, name, Init.of(getattr(self, name)))


@dataclass(frozen=True, repr=False)
class Network:
    """A fully-connected feedforward network with its loss.

    Parameters
    ----------
    inputs
        Number of input features.
    layers
        From the first hidden layer to the output layer.
    loss
        ``bce`` (sigmoid output; mean over outputs), ``cce`` (softmax output; sum over classes),
        ``mse`` (mean over outputs), ``half_sse`` (half the sum of squares) or ``exponential``
        (sum over outputs of exp(-t y), targets -1 and 1); every loss is a mean over the batch.
    targets
        Values of an output for the wrong and for the right class; (-1, 1) for ``exponential`` and
        (0, 1) otherwise, unless given.
    task
        ``classification`` (integer labels; a single output tells label 0 from label 1) or
        ``regression`` (a row of numbers for each sample).

    Raises
    ------
    InputError
        For unknown names and for losses and output activations that do not fit.
    """

    inputs: int
    layers: tuple[Layer, ...]
    loss: str = "bce"
    targets: tuple[float, float] | None = None
    task: str = "classification"

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("network", self)
        object.__setattr__(self, "layers", as_tuple("network layers", self.layers, one=Layer))
        for layer in self.layers:
            require_kind("one of the network's layers", layer, Layer, hint="nf.Layer, or widths to nf.Network.dense")
        require(self.inputs >= 1, f"network inputs is {self.inputs}; it must be at least 1")
        require(len(self.layers) >= 1, "network layers is empty; give at least the output layer")
        require_choice("network loss", self.loss, LOSSES)
        require_choice("network task", self.task, TASKS)
        if self.targets is None:
            object.__setattr__(self, "targets", (-1.0, 1.0) if self.loss == "exponential" else (0.0, 1.0))
        hint = "two finite numbers: of the wrong class, and a larger one of the right class"
        object.__setattr__(self, "targets", ascending_pair("network targets", self.target_values, *FINITE, hint))
        output = self.layers[-1].activation
        for index, layer in enumerate(self.layers[:-1]):
            require(
                layer.activation != "softmax", f"layer {index}: softmax is for the output layer only; use tanh or relu"
            )
        for loss, activation in (("bce", "sigmoid"), ("cce", "softmax")):
            require(
                self.loss != loss or output == activation,
                f"loss {loss!r} needs a {activation} output, not {output!r}; set the last layer's activation, "
                f"or another loss, such as {LOSS_OF.get(output, 'mse')!r}",
            )
        require(
            output != "softmax" or self.loss == "cce", f"a softmax output needs loss 'cce', not {self.loss!r}; set loss"
        )
        require(
            self.loss != "cce" or self.layers[-1].units >= 2,
            "loss 'cce' needs at least 2 outputs, since a softmax of one is always 1; use 'bce' with sigmoid",
        )
        if self.loss in ("bce", "cce"):
            require(
                self.targets == (0.0, 1.0),
                f"loss {self.loss!r} takes targets (0, 1), not {self.targets}; leave them out",
            )
            require(
                self.task == "classification",
                f"loss {self.loss!r} is for classification; use 'mse' for regression, and output 'identity'",
            )
        if self.loss == "exponential":
            require(self.targets == (-1.0, 1.0), f"loss 'exponential' takes targets (-1, 1), not {self.targets}")
            require(self.task == "classification", "loss 'exponential' is for classification; use 'mse' for regression")

    def __repr__(self) -> str:
        activations = "/".join(dict.fromkeys(layer.activation for layer in self.layers))
        return f"Network({'-'.join(map(str, self.sizes))}, {activations}, {self.loss})"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from the input to the output."""
        return (self.inputs, *(layer.units for layer in self.layers))

    @property
    def target_values(self) -> tuple[float, float]:
        """Output values of the wrong and of the right class."""
        assert self.targets is not None
        return self.targets

    @staticmethod
    def dense(
        sizes: tuple[int, ...],
        hidden: str | Sequence[str] = "tanh",
        output: str = "sigmoid",
        loss: str = "bce",
        *,
        task: str = "classification",
        targets: tuple[float, float] | None = None,
        output_init: Init | str | None = None,
        **layer: object,
    ) -> "Network":
        """A network from its widths.

        Parameters
        ----------
        sizes
            Widths from the input to the output, at least these two.
        hidden, output
            Activation of the hidden layers, one for all or one for each, and of the output layer.
        loss, task, targets
            As in `Network`.
        output_init
            How W of the output layer is drawn (None: as in the other layers).
        **layer
            Fields of every `Layer`, the output layer included.

        Raises
        ------
        InputError
            For fewer than two widths, and as `Layer` and `Network`.

        Examples
        --------
        >>> import neurofa as nf
        >>> nf.Network.dense((784, 500, 10)).sizes
        (784, 500, 10)
        """
        widths = list(sizes) if isinstance(sizes, Iterable) else []
        if len(widths) < 2:
            raise InputError(f"sizes is {sizes!r}; give at least the input and the output width, as in (784, 500, 10)")
        for name in layer:
            known = [one.name for one in fields(Layer) if one.name not in ("units", "activation")]
            require_choice("field of all layers", name, known)
        own = as_tuple("hidden", hidden, one=str)
        for name in own:
            require_choice("layer activation", name, ACTIVATIONS)  # also where it is that of no layer
        own = own * (len(widths) - 2) if isinstance(hidden, str) else own
        require(
            len(own) == len(widths) - 2,
            f"hidden has {len(own)} activations for {len(widths) - 2} hidden layers; give one for all, or one for each",
        )
        layers = [Layer(n, name, **layer) for n, name in zip(widths[1:-1], own, strict=True)]  # type: ignore[arg-type]
        last = Layer(widths[-1], output, **layer)  # type: ignore[arg-type]
        if output_init is not None:
            last = replace(last, init=output_init)
        return Network(widths[0], (*layers, last), loss, targets, task)
