"""Parts of a network on spikes: neurons, what makes inputs into spikes, post factors, homeostasis.

What each field does in a tick is set down in docs/spiking.md, which is normative.
"""

import math
from dataclasses import dataclass

from .errors import require, require_choice, require_fields, require_finite, require_positive
from .rule import STRICT

NEURONS = ("if", "lif", "cuba_lif")
RESETS = ("subtract", "zero")
ENCODERS = ("poisson", "regular", "latency")
PHASES = ("fixed", "random")
POSTS = ("membrane_window", "current_window", "surrogate")


@dataclass(frozen=True)
class Neuron:
    """A spiking neuron; names as in NIR, the unit in the name. Membrane and weights have one unit of the user's.

    Parameters
    ----------
    model
        ``if`` (no leak), ``lif`` (delta synapses) or ``cuba_lif`` (exponential synaptic current).
    tau_m_ms
        Membrane time constant, of ``lif`` and ``cuba_lif``.
    tau_syn_ms
        Synaptic time constant, of ``cuba_lif``.
    r
        Gain: what a unit of input adds to the membrane in its tick (``if``, ``lif``). Of NIR's resistance R it is R dt
        in ``if`` and R (1 - exp(-dt / tau_m)) in ``lif``. In ``cuba_lif`` it is R itself, of a current in the unit of
        the weights.
    v_leak, v_threshold, v_reset
        Where the membrane decays to, where it spikes, and where ``reset = "zero"`` puts it.
    reset
        ``subtract`` (the threshold; nothing above it is lost) or ``zero`` (to `v_reset`).
    refractory_ms
        Time after a spike in which the membrane stays where the reset put it.
    threshold_step, tau_threshold_ms
        Adaptive threshold: what a spike adds to it, and how fast that decays.
    """

    model: str = "lif"
    tau_m_ms: float = 20.0
    tau_syn_ms: float = 5.0
    r: float = 1.0
    v_leak: float = 0.0
    v_threshold: float = 1.0
    v_reset: float = 0.0
    reset: str = "subtract"
    refractory_ms: float = 0.0
    threshold_step: float = 0.0
    tau_threshold_ms: float = 100.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("neuron", self)
        require_choice("neuron model", self.model, NEURONS)
        require_choice("neuron reset", self.reset, RESETS)
        for name in ("tau_m_ms", "tau_syn_ms", "r", "tau_threshold_ms"):
            require_positive(f"neuron {name}", getattr(self, name))
        for name in ("v_leak", "v_threshold", "v_reset", "threshold_step", "refractory_ms"):
            require_finite(f"neuron {name}", getattr(self, name))
        require(
            0 <= self.refractory_ms < math.inf,
            f"neuron refractory_ms is {self.refractory_ms}; it must be finite and not negative",
        )
        require(self.threshold_step >= 0, f"neuron threshold_step is {self.threshold_step}; it must be at least 0")
        reset = self.v_reset if self.reset == "zero" else -math.inf
        require(
            reset < self.v_threshold,
            f"neuron v_reset {self.v_reset} is not below v_threshold {self.v_threshold}; it would never stop spiking",
        )
        require(
            self.reset != "subtract" or self.v_threshold > 0,
            f"neuron v_threshold is {self.v_threshold}; reset 'subtract' needs a positive one, or use reset 'zero'",
        )

    def refractory_ticks(self, dt_ms: float) -> int:
        """Ticks after a spike in which the neuron is silent: those that the refractory period reaches into.

        Parameters
        ----------
        dt_ms
            Length of a tick.
        """
        return math.ceil(self.refractory_ms / dt_ms - 1e-9)  # 0.9 / 0.3 is a little more than 3

    def kappa(self, dt_ms: float) -> float:
        """What a current of 1 at the start of a tick adds to the membrane in it, for r = 1, of ``cuba_lif``.

        Parameters
        ----------
        dt_ms
            Length of a tick.
        """
        # tau_s / (tau_s - tau_m) (d_s - d_m) without the difference of almost equal numbers
        x = dt_ms * (self.tau_syn_ms - self.tau_m_ms) / (self.tau_m_ms * self.tau_syn_ms)
        if x > 30:  # the same, where a membrane is so much faster than the tick that exp(x) may be too large
            return dt_ms / self.tau_m_ms * math.exp(-dt_ms / self.tau_syn_ms) * -math.expm1(-x) / x
        return dt_ms / self.tau_m_ms * math.exp(-dt_ms / self.tau_m_ms) * (math.expm1(x) / x if x else 1.0)


@dataclass(frozen=True)
class Encoder:
    """How inputs in [0, 1] become events: ``poisson``, ``regular`` or ``latency``.

    Parameters
    ----------
    kind
        The encoder.
    max_rate_hz
        Rate of an input of 1; everywhere in the network, the rate that stands for an activity of 1.
    phase
        Of ``regular``: ``fixed`` (half a period for every input) or ``random`` (anew for each presentation).
    """

    kind: str = "regular"
    max_rate_hz: float = 250.0
    phase: str = "fixed"

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("encoder", self)
        require_choice("encoder", self.kind, ENCODERS)
        require_choice("encoder phase", self.phase, PHASES)
        require_positive("encoder max_rate_hz", self.max_rate_hz)


@dataclass(frozen=True)
class PostFactor:
    """The postsynaptic factor of hidden neurons: where a neuron would answer to a little more input.

    Parameters
    ----------
    kind
        ``membrane_window`` (1 while low < membrane < high), ``current_window`` (the same of the low-passed drive) or
        ``surrogate`` ((1 + slope |v - threshold|)^-2).
    low, high
        Bounds of a window; of ``current_window`` in drive a tick.
    tau_ms
        Of the low-pass.
    slope
        Of ``surrogate``, per unit of the membrane.
    """

    kind: str = "current_window"
    low: float = 0.0
    high: float = math.inf
    tau_ms: float = 20.0
    slope: float = 1.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("post factor", self)
        require_choice("post factor", self.kind, POSTS)
        require(self.low < self.high, f"post factor window ({self.low}, {self.high}) is empty; low must be below high")
        require_positive("post factor tau_ms", self.tau_ms)
        require_positive("post factor slope", self.slope)


@dataclass(frozen=True)
class Homeostasis:
    """Hidden neurons of layers that learn lose bias while they fire more than a target, after each presentation.

    Parameters
    ----------
    target_rate_hz
        Mean rate up to which nothing is lost.
    rate
        Bias that is lost for each Hz above it, per presentation, in the unit of weights.
    presentations
        Time constant of the mean rate, which starts at 0, in presentations; at least 1.

    Raises
    ------
    InputError
        For values out of range.
    """

    target_rate_hz: float
    rate: float = 1e-5
    presentations: float = 100.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("homeostasis", self)
        require_positive("homeostasis target_rate_hz", self.target_rate_hz)
        require_positive("homeostasis rate", self.rate)
        require(
            1 <= self.presentations < math.inf,
            f"homeostasis presentations is {self.presentations}; it must be finite and at least 1",
        )
