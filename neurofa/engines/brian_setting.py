"""What a Brian2 script is written from: a Plan on spikes, and what of it the script contains."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..rules import Grid, Integers, Plan
from ..rules.plan import FeedbackProjection
from ..spec import Hardware, Neuron, Spiking, TraceLevels

LAST_TICK = "(t_in_timesteps + 1) % ticks == 0"


@dataclass(frozen=True)
class Setting:
    """A Plan on spikes, and what of it a script contains. `learns` is False for tests."""

    plan: Plan
    spiking: Spiking
    weight_decay: float = 0.0
    learns: bool = True

    @property
    def last(self) -> int:
        """Index of the output layer."""
        return self.plan.n_layers - 1

    @property
    def layers(self) -> range:
        """Indices of the layers."""
        return range(self.plan.n_layers)

    @property
    def fresh(self) -> bool:
        """Whether each presentation begins from rest."""
        return self.spiking.reset_state or not self.learns

    @property
    def ticks(self) -> int:
        """Ticks of a presentation."""
        return self.spiking.ticks if self.learns else self.spiking.test_ticks

    @property
    def at_error(self) -> bool:
        """Whether synapses change at errors, by traces."""
        return self.spiking.update == "error"

    @property
    def starts_late(self) -> bool:
        """Whether errors begin after the first tick of a presentation."""
        return self.spiking.in_ticks(self.spiking.learning_starts_ms) > 0

    @property
    def perturbed(self) -> bool:
        """Whether noise is injected."""
        return self.learns and self.plan.perturbation is not None

    @property
    def clean(self) -> bool:
        """Whether each sample is shown a second time, with noise, and weights change after both."""
        return self.perturbed and self.spiking.baseline == "clean"

    @property
    def passes(self) -> int:
        """Presentations of each sample."""
        return 2 if self.clean else 1

    @property
    def from_loss(self) -> bool:
        """Whether the change of the loss is the hidden layers' signal."""
        return self.learns and self.plan.signal == "loss_change"

    @property
    def homeostasis(self) -> bool:
        """Whether busy neurons lose bias."""
        return self.learns and self.spiking.homeostasis is not None

    @cached_property
    def routes(self) -> dict[int, FeedbackProjection]:
        """Feedback by the layer that it reaches."""
        return {route.layer: route for route in self.plan.feedback} if self.learns else {}

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias neuron."""
        return any(projection.bias for projection in self.plan.projections)

    def name(self, layer: int) -> str:
        """Name of a layer's population; that below layer 0 is the inputs."""
        return "inputs" if layer < 0 else "output" if layer == self.last else f"hidden_{layer}"

    def neuron(self, layer: int) -> Neuron:
        """Model of a layer's neurons."""
        return (self.spiking.output_neuron or self.spiking.neuron) if layer == self.last else self.spiking.neuron

    def suffix(self, layer: int) -> str:
        """What the names of a layer's neuron parameters end with, where these differ from the others'."""
        if self.integers(layer) is not None:
            return f"_{layer}"
        return "_out" if layer == self.last and self.spiking.output_neuron not in (None, self.spiking.neuron) else ""

    def held(self, layer: int) -> bool:
        """Whether a layer's modulator is set, not made of events."""
        route = self.routes.get(layer)
        return route is not None and route.source == self.last and self.plan.signal in ("error_sign", "target")

    def own_errors(self, layer: int) -> bool:
        """Whether a hidden layer has error neurons."""
        return layer < self.last and any(route.source == layer for route in self.routes.values())

    def modulated(self, layer: int) -> bool:
        """Whether a layer has a modulator."""
        return self.learns and (layer == self.last or layer in self.routes)

    def gated(self, layer: int) -> bool:
        """Whether a layer has a post factor, other than 1, that something depends on."""
        post = self.spiking.post
        always = post.kind != "surrogate" and (post.low, post.high) == (-math.inf, math.inf)
        needed = self.plan.projections[layer].plastic or self.own_errors(layer)
        return layer < self.last and self.learns and needed and not always

    def plastic(self, layer: int) -> bool:
        """Whether the projections to a layer learn."""
        return self.learns and self.plan.projections[layer].plastic

    def traced(self, layer: int) -> bool:
        """Whether the projections to a layer have presynaptic traces."""
        return self.plastic(layer) and (self.at_error or (self.from_loss and layer < self.last))

    # ------------------------------------------------------------------------ hardware

    @property
    def hardware(self) -> Hardware | None:
        """The chip, if there is one."""
        return None if self.plan.on_chip is None else self.plan.on_chip.hardware

    @property
    def trace(self) -> TraceLevels | None:
        """Width of traces, if it is limited."""
        return None if self.hardware is None else self.hardware.traces

    @property
    def epoch(self) -> int:
        """Ticks after which synapses change."""
        return 1 if self.hardware is None else self.hardware.learning.every_ticks or 1

    @property
    def transmits_all(self) -> bool:
        """Whether no spike is lost in a synapse."""
        return self.spiking.transmission == 1

    @property
    def draws(self) -> bool:
        """Whether Brian2 draws random numbers."""
        grids = [grid for layer in self.layers for grid in (self.changed_grid(layer), self.modulator_grid(layer))]
        stochastic = any(grid is not None and grid.rounding == "stochastic" for grid in grids)
        return not self.transmits_all or (self.learns and stochastic)

    def grid(self, layer: int) -> Grid | None:
        """Levels of the weights to a layer."""
        return None if self.plan.on_chip is None else self.plan.on_chip.weights[layer]

    def changed_grid(self, layer: int) -> Grid | None:
        """The same, where changes are rounded."""
        return self.grid(layer) if self.plastic(layer) and not self.shadowed(layer) else None

    def shadowed(self, layer: int) -> bool:
        """Whether the stored weights to a layer follow others in full precision."""
        shadow = self.hardware is not None and self.hardware.learning.shadow
        return shadow and self.plastic(layer) and self.grid(layer) is not None

    def shadows(self, layer: int) -> list[str]:
        """Names of the synapses to a layer that have weights in full precision."""
        names = ["W", "b"] if self.plan.projections[layer].bias else ["W"]
        return [f"{name}_{layer}" for name in names] if self.shadowed(layer) else []

    def modulator_grid(self, layer: int) -> Grid | None:
        """Levels of a layer's modulator, where it has one."""
        modulated = self.modulated(layer) or (self.from_loss and layer < self.last)
        return self.plan.on_chip.modulators[layer] if self.plan.on_chip is not None and modulated else None

    def integers(self, layer: int) -> Integers | None:
        """Integer state of a layer's neurons."""
        return None if self.plan.on_chip is None else self.plan.on_chip.neurons[layer]

    def rounds_traces(self, layer: int) -> bool:
        """Whether traces of the projections to a layer are rounded as they decay."""
        return self.trace is not None and self.traced(layer) and not math.isinf(self.spiking.tau_pre_ms)

    def counts_spikes(self, layer: int) -> bool:
        """Whether the projections to a layer count the spikes of an epoch, at whose end they change."""
        by_events = layer == self.last or layer in self.routes
        return self.epoch > 1 and not self.at_error and self.plastic(layer) and by_events

    # ------------------------------------------------------------------------ presentations

    def counted(self, layer: int) -> bool:
        """Whether a layer's spikes are counted in each presentation."""
        return layer == self.last or self.homeostasis


def block(head: str, lines: Iterable[str], tail: str) -> list[str]:
    """A string in triple quotes within a call."""
    return [f'{head}"""', *lines, f'"""{tail}']


def commented(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Pairs of code and comment, the comments below each other."""
    pairs = list(lines)
    width = max((len(code) for code, _ in pairs), default=0)
    return [f"{code:<{width}}  # {comment}" if comment else code for code, comment in pairs]


def learning_now(s: Setting) -> str:
    """Whether errors count in this tick, as a number; empty if they always do."""
    parts = []
    if s.starts_late:
        parts.append("t_in_timesteps % ticks >= first_error_tick")
    if s.clean:
        parts.append("t_in_timesteps % (2*ticks) < ticks")
    return f"int({' and '.join(parts)})" if parts else ""


def indented(lines: Iterable[str]) -> list[str]:
    """Four spaces before each line."""
    return [f"    {line}" for line in lines]
