"""How a network runs on spikes: its parts, errors as events, when synapses change.

What each field does in a tick is set down in docs/spiking.md, which is normative.
"""

import math
from dataclasses import dataclass, field

from .errors import ascending_pair, require, require_choice, require_fields, require_positive
from .neurons import Encoder, Homeostasis, Neuron, PostFactor
from .rule import STRICT
from .ticks import nearest_ticks
from .training import Optimiser, Training, by_layer, for_layers

UPDATES = ("spike", "error")
BASELINES = ("running", "clean")
MAX_DELAY_TICKS = 255
MAX_TICKS = 1_000_000


def _online() -> Training:
    return Training(epochs=10, batch_size=1, learning_rate=1e-4, optimiser=Optimiser("sgd"))


@dataclass(frozen=True)
class Spiking:
    """How a network runs, and learns, on spikes.

    Parameters
    ----------
    dt_ms
        Length of a tick.
    sample_ms, test_ms
        How long a sample is shown in training and in tests (None: as in training).
    encoder
        Of the inputs.
    neuron, output_neuron
        Of the hidden layers, and of the output layer (None: the same).
    delay_ms
        Of the projections between layers: one for all, or one for each; the bias has one tick.
    post
        The post factor of hidden neurons.
    target_activity
        Of the outputs for the wrong and for the right class, in units of the encoder's largest rate.
    error_threshold
        Output spikes that are worth one error event.
    hidden_error_threshold
        The same of the error neurons of hidden layers (sequential routes), in units of the modulator.
    tau_mod_ms
        Decay of a modulator with ``update = "spike"``, and without effect with ``"error"``; may be infinite.
    learning_starts_ms
        When errors and modulators begin in a presentation.
    update
        ``spike`` (synapses change at presynaptic events, by the modulator) or ``error`` (at error events, by a
        presynaptic trace).
    tau_pre_ms
        Decay of the presynaptic trace, which ``update = "error"`` and ``loss_change`` have; may be infinite.
    reset_state
        Whether each presentation starts from rest.
    baseline, baseline_rate
        Of the loss under injected noise: ``running`` (a mean with that rate) or ``clean`` (a second presentation
        without noise).
    homeostasis
        None: off.
    transmission
        Probability that a synapse passes a spike on (0.65 in eRBP: Neftci et al. 2017, Frontiers in Neuroscience
        11:324).
    training
        The protocol on spikes; its optimiser is plain gradient descent.

    Raises
    ------
    InputError
        For values out of range and for combinations that make no sense.
    """

    dt_ms: float = 1.0
    sample_ms: float = 40.0
    test_ms: float | None = None
    encoder: Encoder = field(default_factory=Encoder)
    neuron: Neuron = field(default_factory=Neuron)
    output_neuron: Neuron | None = None
    delay_ms: float | tuple[float, ...] = 1.0
    post: PostFactor = field(default_factory=PostFactor)
    target_activity: tuple[float, float] = (0.0, 1.0)
    error_threshold: float = 1.0
    hidden_error_threshold: float = 0.1
    tau_mod_ms: float = math.inf
    learning_starts_ms: float = 0.0
    update: str = "error"
    tau_pre_ms: float = math.inf
    reset_state: bool = True
    baseline: str = "running"
    baseline_rate: float = 0.01
    homeostasis: Homeostasis | None = None
    transmission: float = 1.0
    training: Training = field(default_factory=_online)

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay_ms", by_layer("spiking delay_ms", self.delay_ms))
        for name, kind in (("encoder", Encoder), ("neuron", Neuron), ("output_neuron", Neuron), ("post", PostFactor)):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, kind(getattr(self, name)))
        require_fields("spiking", self)
        for name in ("dt_ms", "sample_ms", "error_threshold", "hidden_error_threshold"):
            require_positive(f"spiking {name}", getattr(self, name))
        for name in ("tau_mod_ms", "tau_pre_ms"):
            require_positive(f"spiking {name}", getattr(self, name), infinite=True)
        require_choice("spiking update", self.update, UPDATES)
        require_choice("spiking baseline", self.baseline, BASELINES)
        require(0 < self.baseline_rate <= 1, f"spiking baseline_rate is {self.baseline_rate}; it must be in (0, 1]")
        require(0 < self.transmission <= 1, f"spiking transmission is {self.transmission}; it must be in (0, 1]")
        if self.test_ms is not None:
            require_positive("spiking test_ms", self.test_ms)
        require(
            self.peak <= 1,
            f"encoder max_rate_hz {self.encoder.max_rate_hz:g} is more than one spike in a tick of {self.dt_ms:g} ms; "
            f"lower it to at most {1000 / self.dt_ms:g}, or shorten dt_ms",
        )
        for what, duration_ms in (("sample_ms", self.sample_ms), ("test_ms", self.test_ms or self.sample_ms)):
            require(
                0.5 <= duration_ms / self.dt_ms <= MAX_TICKS,
                f"spiking {what} is {duration_ms / self.dt_ms:g} ticks of {self.dt_ms:g} ms; "
                f"it must be 1 to {MAX_TICKS}",
            )
        require(
            0 <= self.learning_starts_ms < math.inf and self.in_ticks(self.learning_starts_ms) < self.ticks,
            f"spiking learning_starts_ms is {self.learning_starts_ms:g}; it must be at least 0 and, in whole ticks of "
            f"{self.dt_ms:g} ms, below sample_ms, which is {self.sample_ms:g}",
        )
        require(
            self.tau_pre_ms == math.inf or self.tau_pre_ms / self.dt_ms <= MAX_TICKS,
            f"spiking tau_pre_ms is more than {MAX_TICKS} ticks of {self.dt_ms:g} ms; use inf",
        )
        for what, neuron in (("neuron", self.neuron), ("output_neuron", self.output_neuron or self.neuron)):
            require(
                neuron.refractory_ms / self.dt_ms <= MAX_TICKS,
                f"spiking {what} refractory_ms is more than {MAX_TICKS} ticks of {self.dt_ms:g} ms; shorten it",
            )
        pair = ascending_pair("spiking target_activity", self.target_activity, 0, 1, "0 <= wrong < right <= 1")
        object.__setattr__(self, "target_activity", pair)
        require(
            Optimiser.of(self.training.optimiser).kind == "sgd",
            "spiking training has an optimiser with moments, which synapses that learn from events lack; use 'sgd' "
            "(in Python, replace(nf.Spiking().training, ...) keeps one sample an update and small rates)",
        )
        require(
            self.training.batch_size == 1 or self.reset_state,
            "spiking batches are presented side by side, each sample from rest; set reset_state, or batch_size = 1",
        )
        for delay in self.delay_ms if isinstance(self.delay_ms, tuple) else (self.delay_ms,):
            require_positive("spiking delay_ms", delay)
            ticks = self.in_ticks(delay)
            require(
                1 <= ticks <= MAX_DELAY_TICKS,
                f"spiking delay_ms {delay:g} is {ticks} ticks of {self.dt_ms:g} ms; it must be 1 to {MAX_DELAY_TICKS}",
            )

    def in_ticks(self, duration_ms: float) -> int:
        """A duration as the nearest whole number of ticks.

        Parameters
        ----------
        duration_ms
            A half is rounded up.
        """
        return nearest_ticks(duration_ms, self.dt_ms)

    @property
    def ticks(self) -> int:
        """Ticks of a presentation in training."""
        return self.in_ticks(self.sample_ms)

    @property
    def test_ticks(self) -> int:
        """Ticks of a presentation in tests."""
        return self.in_ticks(self.sample_ms if self.test_ms is None else self.test_ms)

    @property
    def peak(self) -> float:
        """Spikes a tick that stand for an activity of 1."""
        peak = self.encoder.max_rate_hz * self.dt_ms / 1000
        return 1.0 if 1 < peak <= 1 + 1e-12 else peak  # 1000 / dt_ms is one a tick, however it is rounded

    def neurons(self, n_layers: int) -> tuple[Neuron, ...]:
        """The neurons of each layer.

        Parameters
        ----------
        n_layers
            Number of layers, the output layer included.
        """
        return (*[self.neuron] * (n_layers - 1), self.output_neuron or self.neuron)

    def delays(self, n_layers: int) -> tuple[int, ...]:
        """Delay of the projection to each layer, in ticks.

        Parameters
        ----------
        n_layers
            Number of layers, the output layer included.

        Raises
        ------
        InputError
            If `delay_ms` was given by layer, for another number of layers.
        """
        return tuple(self.in_ticks(delay) for delay in for_layers("spiking delay_ms", self.delay_ms, n_layers))
