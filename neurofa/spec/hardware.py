"""What a chip can store and do: the constraints that a network is put under.

What each field means for a network is set down in docs/hardware.md, which is normative.
"""

import math
from dataclasses import dataclass, field

from .errors import as_tuple, require, require_choice, require_fields
from .neurons import NEURONS, RESETS
from .rule import STRICT
from .spiking import MAX_DELAY_TICKS, MAX_TICKS

ROUNDINGS = ("nearest", "stochastic", "truncate")
OVERFLOWS = ("saturate", "wrap")
ENERGIES = ("synop_pj", "feedback_pj", "update_pj", "neuron_tick_pj")


def _at_least(what: str, value: float | None, least: float) -> None:
    require(value is None or least <= value < math.inf, f"{what} is {value}; it must be finite and at least {least:g}")


@dataclass(frozen=True)
class Levels:
    """What a stored number can be: ``lowest, lowest + step, ..., highest``, times a unit that is a power of two.

    Parameters
    ----------
    lowest, highest, step
        Whole numbers.
    rounding
        ``nearest``, ``stochastic`` (up with a probability equal to the remainder) or ``truncate`` (towards zero).
    headroom
        The unit is the smallest power of two at which `headroom` times the largest number stored at the beginning fits.
    """

    lowest: int
    highest: int
    step: int = 1
    rounding: str = "nearest"
    headroom: float = 1.0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("levels", self)
        require_choice("levels rounding", self.rounding, ROUNDINGS)
        require(self.step >= 1, f"levels step is {self.step}; it must be at least 1")
        span = self.highest - self.lowest
        require(
            self.lowest <= 0 < self.highest and span % self.step == 0 and span < 2**24,
            f"levels go from {self.lowest} to {self.highest} in steps of {self.step}; they must begin at or below 0, "
            "end above it, and be a whole number of steps, fewer than 2^24",
        )
        require(
            self.rounding != "truncate" or self.lowest % self.step == 0,
            "levels without a 0 cannot be truncated towards it; round to the nearest, or stochastically",
        )
        require(2**-20 <= self.headroom <= 2**20, f"levels headroom is {self.headroom}; it must be 2^-20 to 2^20")

    @property
    def bits(self) -> int:
        """Bits that tell the levels apart."""
        return math.ceil(math.log2((self.highest - self.lowest) // self.step + 1))


@dataclass(frozen=True)
class State:
    """Integer state of neurons.

    Parameters
    ----------
    membrane_bits, current_bits
        Width of the membrane and of the synaptic current, sign included.
    decay_bits
        A decay is a multiple of 2^-decay_bits, and what it leaves is cut towards zero.
    weight_shift
        A stored weight of 1 at the chip's exponent 0 is 2^weight_shift steps of the membrane.
    exponent_min, exponent_max
        What a projection's weights may be scaled by further, as powers of two.
    threshold_bits, threshold_shift
        A threshold is a whole number of `threshold_bits` times 2^threshold_shift steps of the membrane.
    spikes_above
        Whether a membrane must be above its threshold to spike; else at or above.
    current_overflow
        ``saturate``, or ``wrap`` around. (A membrane saturates.)
    """

    membrane_bits: int
    current_bits: int | None = None
    decay_bits: int = 12
    weight_shift: int = 0
    exponent_min: int = 0
    exponent_max: int = 0
    threshold_bits: int | None = None
    threshold_shift: int = 0
    spikes_above: bool = False
    current_overflow: str = "saturate"

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("state", self)
        for name in ("membrane_bits", "current_bits", "threshold_bits"):
            bits = getattr(self, name)
            require(bits is None or 2 <= bits <= 24, f"state {name} is {bits}; it must be 2 to 24")
        require(1 <= self.decay_bits <= 16, f"state decay_bits is {self.decay_bits}; it must be 1 to 16")
        for name in ("weight_shift", "threshold_shift"):
            require(0 <= getattr(self, name) <= 16, f"state {name} is {getattr(self, name)}; it must be 0 to 16")
        require(
            -32 <= self.exponent_min <= self.exponent_max <= 32,
            f"state exponents go from {self.exponent_min} to {self.exponent_max}; they must lie in -32 to 32, the "
            "smaller one first",
        )
        require_choice("state current_overflow", self.current_overflow, OVERFLOWS)


@dataclass(frozen=True)
class TraceLevels:
    """Presynaptic traces of a given width: levels 0 to 2^bits - 1, which saturate.

    Parameters
    ----------
    bits
        Width, 1 to 24.
    impulse
        Levels that a spike adds, which stand for a trace of 1: a power of two below 2^bits.
    rounding
        As of `Levels`, of what decay leaves.

    Raises
    ------
    InputError
        For values out of range and an unknown rounding.
    """

    bits: int
    impulse: int = 1
    rounding: str = "stochastic"

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("trace", self)
        require(1 <= self.bits <= 24, f"trace bits is {self.bits}; it must be 1 to 24")
        power = self.impulse >= 1 and self.impulse & (self.impulse - 1) == 0
        require(
            power and self.impulse < 2**self.bits,
            f"trace impulse is {self.impulse}; it must be a power of two that {self.bits} bits can hold",
        )
        require_choice("trace rounding", self.rounding, ROUNDINGS)


@dataclass(frozen=True)
class Neurons:
    """What neurons of the chip can be.

    Parameters
    ----------
    models, resets
        Of `neurofa.Neuron`. Where ``zero`` is the only reset, a `v_reset` other than 0 is none of the chip's.
    adaptive
        Whether thresholds can adapt.
    delay_ticks_min, delay_ticks_max
        Of a projection, counted as in docs/spiking.md: a delay of one tick is the shortest there is.
    refractory_ticks_max
        Ticks without a spike after a spike.
    """

    models: tuple[str, ...] = NEURONS
    resets: tuple[str, ...] = RESETS
    adaptive: bool = True
    delay_ticks_min: int = 1
    delay_ticks_max: int = MAX_DELAY_TICKS
    refractory_ticks_max: int | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("neurons", self)
        for what, known in (("models", NEURONS), ("resets", RESETS)):
            given = as_tuple(f"neurons {what}", getattr(self, what))
            object.__setattr__(self, what, given)
            require(len(given) > 0, f"neurons {what} is empty; give at least one of {', '.join(known)}")
            for name in given:
                require_choice(f"neurons {what}", name, known)
        require(
            1 <= self.delay_ticks_min <= self.delay_ticks_max <= MAX_DELAY_TICKS,
            f"neurons delays go from {self.delay_ticks_min} to {self.delay_ticks_max} ticks; they must lie in "
            f"1 to {MAX_DELAY_TICKS}",
        )
        _at_least("neurons refractory_ticks_max", self.refractory_ticks_max, 0)


@dataclass(frozen=True)
class Limits:
    """How much there is of everything; None: no limit that is known.

    Parameters
    ----------
    cores, neurons_per_core, neurons, synapses
        Of the chip.
    fan_in, fan_out
        Synapses of one neuron.
    synapses_per_core, synapse_bits_per_core
        Synapse memory of a core, which holds the synapses that end on its neurons.
    input_axons_per_core, output_axons_per_core
        Presynaptic neurons that reach a core, and pairs of a neuron of a core and a core that it reaches.
    """

    cores: int | None = None
    neurons_per_core: int | None = None
    neurons: int | None = None
    synapses: int | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    synapses_per_core: int | None = None
    synapse_bits_per_core: int | None = None
    input_axons_per_core: int | None = None
    output_axons_per_core: int | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("limits", self)
        for name, value in vars(self).items():
            _at_least(f"limits {name}", value, 1)


@dataclass(frozen=True)
class Learning:
    """How the chip learns.

    Parameters
    ----------
    on_chip
        Whether the chip has any plasticity of its own; what has none is trained elsewhere.
    every_ticks
        Synapses change at the end of each epoch of that many ticks; None: at every event.
    rate_power_of_two
        Learning rates are the nearest powers of two.
    shadow
        Changes go to a weight in full precision, beside the stored one, which is rounded from it. No chip of the
        profiles has such a memory.
    """

    on_chip: bool = True
    every_ticks: int | None = None
    rate_power_of_two: bool = False
    shadow: bool = False

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("learning", self)
        _at_least("learning every_ticks", self.every_ticks, 1)
        require(
            (self.every_ticks or 1) <= MAX_TICKS,
            f"learning every_ticks is {self.every_ticks}; it must be at most {MAX_TICKS}, the longest presentation",
        )

    def rates(self, rates: tuple[float, ...]) -> tuple[float, ...]:
        """Learning rates as the chip has them.

        Parameters
        ----------
        rates
            Of each layer; a rate of 0 stays 0.
        """
        if not self.rate_power_of_two:
            return rates
        return tuple(2.0 ** round(math.log2(rate)) if rate > 0 else rate for rate in rates)


@dataclass(frozen=True)
class Energy:
    """Published energies of single operations in picojoules; None: not published.

    Parameters
    ----------
    synop_pj
        Of a spike that reaches a synapse.
    feedback_pj
        Of a feedback event that reaches a synapse; where it is None, `synop_pj` is counted.
    update_pj
        Of a change of a synapse.
    neuron_tick_pj
        Of a neuron in a tick.

    Raises
    ------
    InputError
        For an energy that is negative or not finite.
    """

    synop_pj: float | None = None
    feedback_pj: float | None = None
    update_pj: float | None = None
    neuron_tick_pj: float | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        require_fields("energy", self)
        for name in ENERGIES:
            _at_least(f"energy {name}", getattr(self, name), 0)


@dataclass(frozen=True)
class Hardware:
    """A chip, or a number format, that a network is put under; None in a field: full precision, or no limit.

    Parameters
    ----------
    name, title
        What it is called, and what it is.
    weights
        Forward weights and biases.
    feedback
        Feedback weights.
    modulators
        The third factor of hidden neurons.
    traces
        Presynaptic traces.
    state
        Integer neurons.
    neurons, limits, learning, energy
        What there is of what.
    """

    name: str = "custom"
    title: str = ""
    weights: Levels | None = None
    feedback: Levels | None = None
    modulators: Levels | None = None
    traces: TraceLevels | None = None
    state: State | None = None
    neurons: Neurons = field(default_factory=Neurons)
    limits: Limits = field(default_factory=Limits)
    learning: Learning = field(default_factory=Learning)
    energy: Energy = field(default_factory=Energy)

    __pydantic_config__ = STRICT

    @property
    def label(self) -> str:
        """The name, and what is not the chip's own."""
        return self.name + ("+shadow" if self.learning.shadow else "")

    def __post_init__(self) -> None:
        require_fields("hardware", self)
        require(self.name.strip() != "", "hardware name is empty; give it one")
        require(
            self.weights is not None or not self.learning.shadow,
            f"hardware {self.name!r} has weights in full precision, which need no shadow; give levels or leave it out",
        )
        m = self.modulators
        require(
            m is None or m.lowest % m.step == 0,
            f"hardware {self.name!r} has modulators without a level of 0; give levels that have one",
        )
