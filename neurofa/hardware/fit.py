"""Whether a network fits on a chip, and how it is laid out on its cores."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..rules import Plan
from ..spec import Hardware, InputError, Levels
from ..spec.errors import require_kind
from ..spec.hardware import TraceLevels
from .profiles import as_profile

FULL_BITS = 32  # of a number in full precision


def require_plan(plan: object) -> None:
    """Refuse a network or a run where the plan of one is needed."""
    require_kind("plan", plan, Plan, hint="what nf.lower(network, rule) makes")


@dataclass(frozen=True)
class PopulationPlacement:
    """A layer's neurons on the chip.

    Parameters
    ----------
    name
        ``layers.l``.
    neurons
        All of the layer's.
    cores
        That hold them.
    neurons_per_core
        On the fullest core.
    synapses_per_neuron, synapses_per_core, synapse_bits_per_core
        Forward, bias and feedback together.
    input_axons_per_core, output_axons_per_core
        Presynaptic units that reach a core; pairs of a neuron of the core and a core that it reaches.
    """

    name: str
    neurons: int
    cores: int
    neurons_per_core: int
    synapses_per_neuron: int
    synapses_per_core: int
    synapse_bits_per_core: int
    input_axons_per_core: int
    output_axons_per_core: int


@dataclass(frozen=True)
class Placement:
    """A network on a chip.

    Parameters
    ----------
    populations
        From the first hidden layer to the output.
    cores, neurons, synapses, synapse_bits
        Of all of them.
    shared
        Whether they share one core, as on a chip that has no other.
    """

    populations: tuple[PopulationPlacement, ...]
    cores: int
    neurons: int
    synapses: int
    synapse_bits: int
    shared: bool


class _Shape(NamedTuple):
    """What decides whether a network fits: its widths from the input on, biases, and the source of each feedback."""

    widths: tuple[int, ...]
    biases: tuple[bool, ...]
    sources: tuple[int | None, ...]  # by layer; None: no feedback matrix of its own

    def feedback(self, layer: int) -> int:
        """Feedback synapses of a neuron."""
        source = self.sources[layer]
        return 0 if source is None else self.widths[source + 1]

    def fan_in(self, layer: int) -> int:
        """Synapses of a neuron."""
        return self.widths[layer] + self.biases[layer] + self.feedback(layer)


class _Lack(NamedTuple):
    """A limit that is exceeded, and the width (its place in `_Shape.widths`) that would have to shrink first."""

    who: str
    need: int
    what: str
    limit: str
    have: int
    width: int


def fit(plan: Plan, hardware: Hardware | str) -> Placement:
    """Place a network on a chip.

    Each population has cores of its own, as few as the limits allow, with as many neurons on a core as fit; on a chip
    with a single core all share it. A bias counts as one more presynaptic unit. Where the chip learns, feedback weights
    are synapses of the neurons that they reach, and the error neurons that send their events, which are part of the
    host, are presynaptic units. Feedback that is W transposed has no synapses of its own.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    hardware
        One's own, or the name of a profile.

    Returns
    -------
    Placement

    Raises
    ------
    InputError
        If it does not fit, in one line: the population, what it needs, what there is, and the largest width that fits.
    """
    require_plan(plan)
    hardware = as_profile(hardware)
    shape = _shape_of(plan, hardware)
    placed = _place(shape, hardware)
    if isinstance(placed, _Lack):
        raise InputError(
            f"{placed.who} {placed.need} {placed.what}, but hardware {hardware.name!r} has at most {placed.have} "
            f"(limits.{placed.limit}): {_change(shape, hardware, placed.width)}"
        )
    return placed


def bits_of(levels: Levels | TraceLevels | None) -> int:
    """Bits of a stored number that has these levels, or of a trace; those of full precision without."""
    return FULL_BITS if levels is None else levels.bits


def _shape_of(plan: Plan, hardware: Hardware) -> _Shape:
    own = {route.layer: route.source for route in plan.feedback if route.follow != "transpose"}
    return _Shape(
        plan.sizes,
        tuple(projection.bias for projection in plan.projections),
        tuple(own.get(layer) if hardware.learning.on_chip else None for layer in range(plan.n_layers)),
    )


def _place(shape: _Shape, hardware: Hardware) -> Placement | _Lack:
    limits, n_layers = hardware.limits, len(shape.biases)
    for layer in range(n_layers):
        fan_in = shape.fan_in(layer)
        if limits.fan_in is not None and fan_in > limits.fan_in:
            parts = _parts(shape, layer)
            return _Lack(_needs(layer), fan_in, f"synapses a neuron{parts}", "fan_in", limits.fan_in, layer)
        fan_out = shape.widths[layer + 2] if layer + 1 < n_layers else 0
        if limits.fan_out is not None and fan_out > limits.fan_out:
            what = f"outgoing synapses a neuron, one for each of 'layers.{layer + 1}'"
            return _Lack(_needs(layer), fan_out, what, "fan_out", limits.fan_out, layer + 2)
    shared = limits.cores == 1
    laid = _on_one_core(shape, hardware) if shared else _on_own_cores(shape, hardware)
    if isinstance(laid, _Lack):
        return laid
    fan_ins, sizes = [shape.fan_in(layer) for layer in range(n_layers)], shape.widths[1:]
    placement = Placement(
        populations=tuple(laid),
        cores=1 if shared else sum(one.cores for one in laid),
        neurons=sum(sizes),
        synapses=sum(n * fan_in for n, fan_in in zip(sizes, fan_ins, strict=True)),
        synapse_bits=sum(n * _bits(shape, hardware, layer) for layer, n in enumerate(sizes)),
        shared=shared,
    )
    for limit in ("cores", "neurons", "synapses"):
        have, need = getattr(limits, limit), getattr(placement, limit)
        if have is not None and need > have:
            hidden = range(1, len(shape.widths) - 1)
            width = max(hidden, key=lambda i: shape.widths[i], default=0)
            return _Lack("the network needs", need, limit, limit, have, width)
    return placement


def _needs(layer: int) -> str:
    return f"population 'layers.{layer}' needs"


def _parts(shape: _Shape, layer: int) -> str:
    feedback = shape.feedback(layer)
    parts = [f"{shape.widths[layer]} inputs"]
    parts += ["1 bias"] if shape.biases[layer] else []
    parts += [f"{feedback} feedback"] if feedback else []
    return f" ({', '.join(parts)})" if len(parts) > 1 else ""


def _bits(shape: _Shape, hardware: Hardware, layer: int) -> int:
    """Synapse memory of a neuron."""
    feedback = shape.feedback(layer)
    return (shape.fan_in(layer) - feedback) * bits_of(hardware.weights) + feedback * bits_of(hardware.feedback)


def _on_own_cores(shape: _Shape, hardware: Hardware) -> list[PopulationPlacement] | _Lack:
    """From the last layer to the first, since the cores of a layer are the output axons of the one below."""
    limits, laid, cores_above = hardware.limits, list[PopulationPlacement](), 0
    for layer in reversed(range(len(shape.biases))):
        n, fan_in, bits = shape.widths[layer + 1], shape.fan_in(layer), _bits(shape, hardware, layer)
        axons, most = limits.input_axons_per_core, n if limits.neurons_per_core is None else limits.neurons_per_core
        if axons is not None and fan_in > axons:
            what = f"presynaptic units on a core{_parts(shape, layer)}"
            return _Lack(_needs(layer), fan_in, what, "input_axons_per_core", axons, layer)
        uses = {  # what one neuron takes of its core, and the width that would have to shrink
            "synapses_per_core": (fan_in, f"synapses for one neuron{_parts(shape, layer)}", layer),
            "synapse_bits_per_core": (bits, f"bits of synapses for one neuron{_parts(shape, layer)}", layer),
            "output_axons_per_core": (cores_above, f"output axons a neuron, for 'layers.{layer + 1}'", layer + 2),
        }
        for limit, (use, what, width) in uses.items():
            have = getattr(limits, limit)
            if have is None or use == 0:
                continue
            if use > have:
                return _Lack(_needs(layer), use, what, limit, have, width)
            most = min(most, have // use)
        cores = math.ceil(n / most)
        laid.insert(0, _population(layer, n, cores, min(n, most), fan_in, bits, fan_in, cores_above))
        cores_above = cores
    return laid


def _on_one_core(shape: _Shape, hardware: Hardware) -> list[PopulationPlacement] | _Lack:
    limits, layers = hardware.limits, range(len(shape.biases))
    sizes, hidden = shape.widths[1:], sum(shape.widths[1:-1])
    events = sum(shape.widths[source + 1] for source in {s for s in shape.sources if s is not None})
    units = shape.widths[0] + hidden + any(shape.biases) + events
    parts = f" ({shape.widths[0]} inputs, {hidden} neurons of hidden layers"
    parts += (", 1 bias" if any(shape.biases) else "") + (f", {events} error neurons)" if events else ")")
    needs = {
        "neurons_per_core": (sum(sizes), "neurons on its one core"),
        "synapses_per_core": (sum(n * shape.fan_in(i) for i, n in enumerate(sizes)), "synapses on its one core"),
        "synapse_bits_per_core": (
            sum(n * _bits(shape, hardware, i) for i, n in enumerate(sizes)),
            "bits of synapses on its one core",
        ),
        "input_axons_per_core": (units, f"presynaptic units on its one core{parts}"),
        "output_axons_per_core": (hidden, "output axons on its one core"),
    }
    width = max(range(len(shape.widths) - 1), key=lambda i: shape.widths[i])
    inner = max(range(1, len(shape.widths) - 1), key=lambda i: shape.widths[i], default=0)
    for limit, (need, what) in needs.items():
        have = getattr(limits, limit)
        if have is not None and need > have:
            first = width if limit in ("synapses_per_core", "synapse_bits_per_core", "input_axons_per_core") else inner
            return _Lack("the network needs", need, what, limit, have, first)
    return [
        _population(i, n, 1, n, shape.fan_in(i), _bits(shape, hardware, i), shape.fan_in(i), int(i < layers[-1]))
        for i, n in enumerate(sizes)
    ]


def _population(
    layer: int, neurons: int, cores: int, most: int, fan_in: int, bits: int, axons: int, reached: int
) -> PopulationPlacement:
    return PopulationPlacement(
        f"layers.{layer}", neurons, cores, most, fan_in, most * fan_in, most * bits, axons, most * reached
    )


def _change(shape: _Shape, hardware: Hardware, first: int) -> str:
    """The largest width that fits, of `first` if that helps, else of another that is not the output."""
    free = [first, *(i for i in range(1, len(shape.widths) - 1) if i != first), *([0] if first else [])]
    for place in (i for i in free if i < len(shape.widths) - 1):

        def fits(n: int, place: int = place) -> bool:
            widths = (*shape.widths[:place], n, *shape.widths[place + 1 :])
            return not isinstance(_place(shape._replace(widths=widths), hardware), _Lack)

        if most := largest_that_fits(fits, shape.widths[place]):
            what = "inputs" if place == 0 else f"neurons in 'layers.{place - 1}'"
            return f"at most {most} {what} fit"
    if most := largest_that_fits(lambda n: _fits_throughout(shape, hardware, n), max(shape.widths[:-1])):
        return f"it fits if inputs and hidden layers above {most} are cut to {most}"
    return "no width of inputs and hidden layers fits; use fewer layers or outputs, or other hardware"


def _fits_throughout(shape: _Shape, hardware: Hardware, n: int) -> bool:
    """Whether it fits with inputs and hidden layers of at most `n`."""
    widths = (*(min(width, n) for width in shape.widths[:-1]), shape.widths[-1])
    return not isinstance(_place(shape._replace(widths=widths), hardware), _Lack)


def largest_that_fits(fits: Callable[[int], bool], above: int) -> int:
    """The largest whole number below `above` that fits, 0 for none, if whatever is smaller than one that fits, fits."""
    low, high = 0, above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
