"""What a network costs on a chip: memory, what waits for the error, synaptic operations, an estimate of energy."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..rules import FeedbackProjection, Plan
from ..spec import Hardware, PostFactor, Spiking
from ..spec.errors import require
from .fit import FULL_BITS, bits_of, require_plan
from .profiles import as_profile, profile_names, provenance

FOLLOWS_W = ("transpose", "sign", "offset", "derived")  # feedback that needs W, or its changes, at another place
AFTER_THE_ERROR = ("error", "error_sign", "loss_change")  # signals that are known when the output is
KINDS = ("forward", "feedback", "update")
ENERGIES = {"forward": "synop_pj", "feedback": "feedback_pj", "update": "update_pj", "neuron ticks": "neuron_tick_pj"}


@dataclass(frozen=True)
class Memory:
    """Bits by kind; 32 for each number that the chip's description leaves in full precision.

    Parameters
    ----------
    weights, biases, feedback
        Parameters. Feedback that is W transposed has none.
    shadows
        What `Learning.shadow` keeps in full precision of each weight and bias that learns.
    membranes, currents, refractory, thresholds
        State of neurons: of ``cuba_lif`` a current, counters where there is a refractory period, the threshold's
        increment where it adapts.
    post_factors
        Low-passed drive of hidden neurons with a ``current_window``.
    traces
        Presynaptic traces, or spikes counted in an epoch.
    modulators, error_neurons
        The third factor, and the neurons of the host that it comes from.
    delays
        Spikes on their way: a bit for each presynaptic unit and tick of delay.
    """

    weights: int
    biases: int
    feedback: int
    shadows: int
    membranes: int
    currents: int
    refractory: int
    thresholds: int
    post_factors: int
    traces: int
    modulators: int
    error_neurons: int
    delays: int

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Estimate:
    """Energy of one kind of operation in a sample.

    Parameters
    ----------
    kind
        ``forward``, ``feedback``, ``update`` or ``neuron ticks``.
    operations
        How many a sample takes.
    each_pj
        Published energy of one in picojoules; None: not published.
    source
        Title of the publication, and ``not verified`` where the number was not read in it; ``as given`` for a number of
        the user's; empty without a number.
    """

    kind: str
    operations: float
    each_pj: float | None
    source: str

    @property
    def energy_pj(self) -> float | None:
        """Operations times the published energy of one."""
        return None if self.each_pj is None else self.operations * self.each_pj


@dataclass(frozen=True)
class Costs:
    """What a network costs on a chip.

    Parameters
    ----------
    hardware
        Its name, with ``+shadow`` where it keeps shadows.
    memory
        By kind.
    weight_transport
        Whether feedback needs W, or its changes, at a place other than the synapses: the weight transport problem.
    update_locked_bits
        Of the memory, what hidden layers must keep until the error is known: the update locking problem. 0 for a
        modulator that follows from the label, such as DRTP's, and where synapses change at presynaptic spikes (node
        perturbation, which waits for the loss, excepted).
    estimates
        Energy of a sample by kind of operation; empty if operations were not counted.
    """

    hardware: str
    memory: Memory
    weight_transport: bool
    update_locked_bits: int
    estimates: tuple[Estimate, ...]

    @property
    def energy_pj(self) -> float | None:
        """Estimate of a sample's energy in picojoules; None if that of a kind of operation is not known.

        Which one is in `missing`. (An `Energy` needs every kind that is counted; 0 stands for one that costs nothing.)
        """
        known = [one.energy_pj for one in self.estimates if one.operations > 0 and one.energy_pj is not None]
        return sum(known) if known and not self.missing else None

    @property
    def missing(self) -> tuple[str, ...]:
        """Kinds of operations that a sample takes and whose energy is not published."""
        return tuple(one.kind for one in self.estimates if one.operations > 0 and one.each_pj is None)


def costs(
    plan: Plan,
    hardware: Hardware | str,
    operations: Sequence[float] | np.ndarray | None = None,
    *,
    spiking: Spiking | None = None,
) -> Costs:
    """Memory, locking and energy of a network on a chip.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    hardware
        One's own, or the name of a profile.
    operations
        Synaptic operations of a sample as an engine counted them: forward, feedback, update.
    spiking
        How the network runs; None: the defaults of `Spiking`.

    Returns
    -------
    Costs

    Raises
    ------
    InputError
        If operations are not three numbers that are finite and not negative.
    """
    require_plan(plan)
    hardware = as_profile(hardware)
    spiking = Spiking() if spiking is None else spiking
    return Costs(
        hardware=hardware.label,
        memory=_memory(plan, hardware, spiking),
        weight_transport=any(route.follow in FOLLOWS_W for route in plan.feedback),
        update_locked_bits=_locked(plan, hardware, spiking),
        estimates=() if operations is None else _estimates(plan, hardware, spiking, operations),
    )


def costs_table(cost: Costs) -> list[tuple[str, str, str]]:
    """Costs in words, as `neurofa hardware` shows them.

    Parameters
    ----------
    cost
        From `costs`.

    Returns
    -------
    list of (str, str, str)
        Rows: what it is, how much with its unit (bits, nJ; operations are a sample's), and a remark or nothing.
    """
    kinds = [
        field.name for field in fields(cost.memory) if getattr(cost.memory, field.name) or field.name == "feedback"
    ]
    rows = [(f"memory, {kind.replace('_', ' ')}", f"{getattr(cost.memory, kind):,} bits", "") for kind in kinds]
    rows.append(("memory, total", f"{cost.memory.total:,} bits", ""))
    if cost.weight_transport:
        rows.append(("weight transport", "yes", "feedback needs W, or its changes, at another place"))
    else:
        rows.append(("weight transport", "no", ""))
    locked = "kept until the error is known" if cost.update_locked_bits else "no update waits for the error"
    rows.append(("update locking", f"{cost.update_locked_bits:,} bits", locked))
    for one in cost.estimates:
        energy = "energy not published"
        if one.energy_pj is not None:
            energy = f"estimate: {one.energy_pj / 1000:,.4g} nJ, at {one.each_pj:g} pJ each"
        rows.append((f"operations, {one.kind}", f"{one.operations:,.6g}", energy))
    if cost.estimates:
        if cost.energy_pj is not None:
            rows.append(("energy of a sample", f"{cost.energy_pj / 1000:,.4g} nJ", "estimate"))
        else:
            lacking = f"what one costs is not published: {', '.join(cost.missing)}" if cost.missing else ""
            rows.append(("energy of a sample", "unknown", lacking))
    for source in dict.fromkeys(one.source for one in cost.estimates if one.source):
        of = ", ".join(one.kind for one in cost.estimates if one.source == source)
        rows.append(("source of energies", of, source))
    return rows


def _memory(plan: Plan, hardware: Hardware, spiking: Spiking) -> Memory:
    sizes, state = plan.sizes[1:], hardware.state
    neurons = list(zip(sizes, spiking.neurons(plan.n_layers), strict=True))
    membrane = FULL_BITS if state is None else state.membrane_bits
    current = FULL_BITS if state is None or state.current_bits is None else state.current_bits
    hidden = sum(sizes[:-1])
    ticks = {n: n.refractory_ticks(spiking.dt_ms) for _, n in neurons}
    signalled = sizes[-1] + (0 if plan.signal == "none" else hidden)
    return Memory(
        weights=sum(p.n_pre * p.n_post for p in plan.projections) * bits_of(hardware.weights),
        biases=sum(p.n_post for p in plan.projections if p.bias) * bits_of(hardware.weights),
        feedback=sum(_own_feedback(plan, route) for route in plan.feedback) * bits_of(hardware.feedback),
        shadows=sum((p.n_pre + p.bias) * p.n_post * p.plastic for p in plan.projections)
        * (FULL_BITS if hardware.learning.shadow else 0),
        membranes=sum(sizes) * membrane,
        currents=sum(size for size, n in neurons if n.model == "cuba_lif") * current,
        refractory=sum(size * ticks[n].bit_length() for size, n in neurons),
        thresholds=sum(size for size, n in neurons if n.threshold_step > 0) * FULL_BITS,
        post_factors=(0 if plan.signal == "none" else hidden) * FULL_BITS * (spiking.post.kind == "current_window"),
        traces=sum(_presynaptic(plan, hardware, spiking, layer) for layer in range(plan.n_layers)),
        modulators=signalled * bits_of(hardware.modulators),
        error_neurons=_error_neurons(plan) * FULL_BITS,
        delays=sum(p.n_pre * d for p, d in zip(plan.projections, spiking.delays(plan.n_layers), strict=True)),
    )


def _own_feedback(plan: Plan, route: FeedbackProjection) -> int:
    """Numbers of B that are stored beside W: a magnitude that all signs share is one number of the rule, not memory."""
    if route.follow == "transpose":
        return 0
    if route.follow == "sign" and route.basis is not None and np.ptp(route.basis) == 0:
        return 0
    return plan.projections[route.source].n_post * plan.projections[route.layer].n_post


def _presynaptic(plan: Plan, hardware: Hardware, spiking: Spiking, layer: int) -> int:
    """Bits of what a layer's synapses remember of presynaptic spikes."""
    projection = plan.projections[layer]
    if not projection.plastic:
        return 0
    units = projection.n_pre + projection.bias
    waits = plan.signal == "loss_change" and layer < plan.n_layers - 1  # for the loss, whenever synapses change
    if spiking.update == "error" or waits:
        return units * bits_of(hardware.traces)
    every = hardware.learning.every_ticks or 1
    return units * every.bit_length() if every > 1 else 0


def _error_neurons(plan: Plan) -> int:
    """Numbers of the host: what each error neuron integrates, and running totals where their sign is the signal."""
    n_out = plan.sizes[-1]
    hidden = {route.source for route in plan.feedback if route.source < plan.n_layers - 1}
    return n_out + n_out * (plan.signal == "error_sign") + sum(plan.sizes[source + 1] for source in hidden)


def _locked(plan: Plan, hardware: Hardware, spiking: Spiking) -> int:
    """Pre- and postsynaptic factors of hidden layers that wait for an error of the output."""
    if plan.signal not in AFTER_THE_ERROR or (spiking.update == "spike" and plan.signal != "loss_change"):
        return 0
    bits = 0
    for layer, projection in enumerate(plan.projections[:-1]):
        if projection.plastic:
            noise = FULL_BITS if plan.signal == "loss_change" else 0
            bits += _presynaptic(plan, hardware, spiking, layer) + projection.n_post * (
                _post_bits(spiking.post) + noise
            )
    return bits


def _post_bits(post: PostFactor) -> int:
    """Of a post factor: one for inside or outside a window."""
    return FULL_BITS if post.kind == "surrogate" else 1


def _estimates(
    plan: Plan, hardware: Hardware, spiking: Spiking, operations: Sequence[float] | np.ndarray
) -> tuple[Estimate, ...]:
    counted = np.asarray(operations, dtype=np.float64)
    require(
        counted.shape == (len(KINDS),) and bool(np.isfinite(counted).all()) and bool((counted >= 0).all()),
        f"operations must be three finite numbers that are not negative ({', '.join(KINDS)} in a sample), "
        f"not {operations!r}",
    )
    passes = 2 if plan.perturbation is not None and spiking.baseline == "clean" else 1
    amounts = dict(zip(KINDS, counted.tolist(), strict=True)) | {
        "neuron ticks": float(passes * sum(plan.sizes[1:]) * spiking.ticks)
    }
    return tuple(_estimate(hardware, kind, amount) for kind, amount in amounts.items())


def _estimate(hardware: Hardware, kind: str, amount: float) -> Estimate:
    """A feedback event that reaches a synapse costs what a spike does, unless a figure of its own is published."""
    key = ENERGIES[kind]
    if kind == "feedback" and hardware.energy.feedback_pj is None:
        key = "synop_pj"
    each = getattr(hardware.energy, key)
    return Estimate(kind, amount, each, "" if each is None else _source(hardware, f"energy.{key}", each))


def _source(hardware: Hardware, key: str, value: float) -> str:
    """Title of the source in the bundled profile that this hardware is, if its number is still the profile's."""
    for fact in provenance(hardware.name) if hardware.name in profile_names() else ():
        if fact.key == key and fact.value == value:
            return fact.source if fact.verified else f"{fact.source}, not verified"
    return "as given"
