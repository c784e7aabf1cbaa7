"""A Plan as a circuit with error neurons, feedback and modulators: the arrays that the spiking kernels take."""

import math
from dataclasses import dataclass

import numpy as np

from ..kernels import circuit as columns
from ..kernels import teaching
from ..kernels.codes import LOSS_CHANGE, SIGNALS
from ..kernels.encoders import ENCODERS, capacity
from ..kernels.online import After, Perturbed, Samples
from ..kernels.presenting import Inputs, Learner
from ..kernels.teaching import Teaching
from ..rules import Params, Plan, following
from ..spec import Neuron, Spiking
from ..spec.errors import require
from .base import FOLLOWS
from .circuits import Circuit, Connection, Population
from .layout import Built, build
from .memory import for_reading
from .states import new_cells, new_draw, new_synapses
from .stored import Stored, stored_of

CUTOFF = 16  # time constants after which a modulator or a trace is 0


def circuit_of(plan: Plan, spiking: Spiking) -> Circuit:
    """Populations ``input``, ``layers.l`` and ``bias``, and connections ``layers.l.W`` and ``layers.l.b``."""
    names = [f"layers.{index}" for index in range(plan.n_layers)]
    neurons = spiking.neurons(plan.n_layers)
    populations = [Population("input", plan.sizes[0])]
    own = plan.on_chip.neurons if plan.on_chip else (None,) * plan.n_layers
    populations += [
        Population(name, size, neuron, spiking.post, integers=integers)
        for name, size, neuron, integers in zip(names, plan.sizes[1:], neurons, own, strict=True)
    ]
    if any(projection.bias for projection in plan.projections):
        bias = Neuron("if", v_threshold=1.0, reset="subtract")
        populations.append(Population("bias", 1, bias, drive=spiking.peak, v_init=0.5))
    connections = []
    delays = spiking.delays(plan.n_layers)
    for index, (projection, name) in enumerate(zip(plan.projections, names, strict=True)):
        rate = 1.0 if projection.plastic else None  # each stretch of training writes its own
        below, delay_ms = populations[index].name, delays[index] * spiking.dt_ms
        connections.append(Connection(below, name, plan.params[f"{name}.W"], delay_ms, rate, f"{name}.W"))
        if projection.bias:
            row = plan.params[f"{name}.b"][None]
            connections.append(Connection("bias", name, row, None, rate, f"{name}.b", sends_all=True))
    return Circuit(tuple(populations), tuple(connections), spiking.dt_ms, spiking.transmission)


def fading(spiking: Spiking, dtype: np.dtype) -> np.ndarray:
    """Decay of a trace by its age in ticks, up to its end; empty for an infinite time constant."""
    if math.isinf(spiking.tau_pre_ms):
        return np.zeros(0, dtype)
    end = math.ceil(CUTOFF * spiking.tau_pre_ms / spiking.dt_ms)
    if spiking.reset_state:  # no trace is older than a presentation
        end = min(end, spiking.ticks)
    return np.exp(-spiking.dt_ms / spiking.tau_pre_ms * np.arange(1 + end)).astype(dtype)


@dataclass(frozen=True)
class Shared:
    """What all presentations of a network share: tables, weights, feedback."""

    plan: Plan
    spiking: Spiking
    circuit: Circuit
    built: Built
    layers: np.ndarray  # Teaching.layers
    feedback: np.ndarray
    basis: np.ndarray
    rate: np.ndarray  # learning rate of each connection
    stored: Stored
    shadow: np.ndarray | None  # weights in full precision beside the stored ones
    key: int  # of random numbers that round, and choose what is transmitted

    @staticmethod
    def of(plan: Plan, spiking: Spiking, key: int) -> "Shared":
        """Lay a plan out, with its parameters in place."""
        circuit = circuit_of(plan, spiking)
        stored = stored_of(plan, circuit)
        at_spikes = columns.AT_SPIKE if stored.every == 1 else columns.AT_EPOCH
        update = columns.AT_ERROR if spiking.update == "error" else at_spikes
        last, sources = f"layers.{plan.n_layers - 1}", {f"layers.{route.source}" for route in plan.feedback}
        built = build(circuit, plan.dtype, update, ones=(last,), gates=tuple(sources))
        if plan.signal == "loss_change":  # which acts once a presentation, by traces
            table = built.tables.projections
            hidden = (table[:, columns.TARGET] < plan.n_layers) & (table[:, columns.PLASTIC] != columns.STATIC)
            table[hidden, columns.PLASTIC] = columns.AT_ERROR
        layers, n_feedback = layers_of(plan, circuit, built)
        feedback, basis = np.zeros(n_feedback, plan.dtype), np.zeros(n_feedback, plan.dtype)
        rate, shadow = np.zeros(len(built.spans), plan.dtype), built.weights.copy() if stored.shadow else None
        shared = Shared(plan, spiking, circuit, built, layers, feedback, basis, rate, stored, shadow, key)
        for route in plan.feedback:
            if route.follow != "transpose":
                shared.feedback_view(feedback, route.layer)[...] = plan.params[f"layers.{route.layer}.B"]
            if route.basis is not None and route.elementwise:
                shared.feedback_view(basis, route.layer)[...] = route.basis
        return shared

    def feedback_view(self, flat: np.ndarray, layer: int) -> np.ndarray:
        """A hidden layer's part of the feedback or the basis, (n_source, n_layer)."""
        row = self.layers[layer]
        n, n_source = row[teaching.WIDTH], self.layers[row[teaching.LAYER_SOURCE], teaching.WIDTH]
        return flat[row[teaching.LAYER_B_AT] : row[teaching.LAYER_B_AT] + n * n_source].reshape(n_source, n)

    def split(self, flat: np.ndarray) -> Params:
        """W and b by name, as views of a vector laid out as the weights."""
        views = {}
        for connection, (lo, hi) in zip(self.circuit.connections, self.built.spans, strict=True):
            shape = (hi - lo,) if connection.name.endswith(".b") else connection.weights.shape
            views[connection.name] = flat[lo:hi].reshape(shape)
        return views

    def params(self) -> Params:
        """W, b and B by name, as views."""
        views = self.split(self.built.weights)
        for route in self.plan.feedback:
            transposed = route.follow == "transpose"
            W = views[f"layers.{route.source}.W"]
            views[f"layers.{route.layer}.B"] = W.T if transposed else self.feedback_view(self.feedback, route.layer)
        return views

    def follow(self) -> None:
        """Write the feedback that kernels read from W itself where `params` shows it."""
        for route in self.plan.feedback:
            if route.elementwise:
                B, basis = (self.feedback_view(flat, route.layer) for flat in (self.feedback, self.basis))
                B[...] = following(route.follow, self.split(self.built.weights)[f"layers.{route.source}.W"], basis)

    def minimum(self) -> np.ndarray:
        """Lower bound of each connection's weights."""
        bound = np.full(len(self.built.spans), -np.inf, self.plan.dtype)
        for q, connection in enumerate(self.circuit.connections):
            if connection.name.endswith(".W"):
                bound[q] = self.plan.projections[int(connection.name.split(".")[1])].minimum
        return bound


def layers_of(plan: Plan, circuit: Circuit, built: Built) -> tuple[np.ndarray, int]:
    """Teaching.layers, and the length of the flat feedback."""
    rows, at = np.zeros((plan.n_layers, teaching.LAYER_COLUMNS), np.int64), 0
    routes = {route.layer: route for route in plan.feedback}
    names = [connection.name for connection in circuit.connections]
    sources = {route.source for route in plan.feedback}
    for index, row in enumerate(rows):
        row[teaching.POPULATION], row[teaching.WIDTH] = index + 1, plan.sizes[index + 1]
        row[teaching.UNITS], row[teaching.LAYER_SOURCE] = built.first[f"layers.{index}"], teaching.NO_SOURCE
        row[teaching.OWN_ERRORS] = index in sources and index < plan.n_layers - 1
        if index in routes:
            route = routes[index]
            row[teaching.LAYER_SOURCE], row[teaching.LAYER_FOLLOW] = route.source, FOLLOWS[route.follow]
            row[teaching.LAYER_B_AT] = at
            row[teaching.W_SOURCE] = built.spans[names.index(f"layers.{index + 1}.W"), 0]
            if route.follow != "transpose":
                at += plan.sizes[index + 1] * plan.sizes[route.source + 1]
    return rows, at


def require_unit_interval(what: str, values: np.ndarray) -> None:
    """Refuse inputs or targets that no rate of events stands for."""
    lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    remedy = "set data normalisation to 'none' and scale to [0, 1]"
    if what == "targets":
        remedy = "map them there (those of an autoencoder go with its inputs: set data scale to [0, 1])"
    require(
        lowest >= 0 and highest <= 1,
        f"{what} go from {lowest:.9g} to {highest:.9g}, but in spiking mode rates stand for numbers in [0, 1]; "
        f"{remedy}, or use rate mode",
    )


def as_samples(plan: Plan, spiking: Spiking, x: np.ndarray, y: np.ndarray) -> Samples:
    """Data as the kernels take them, checked."""
    inputs = for_reading(x, plan.dtype)
    require_unit_interval("inputs", inputs)
    labels, values = np.zeros(0, np.int64), np.zeros((0, plan.sizes[-1]))
    if plan.task == "classification":
        labels = for_reading(y, np.int64)
    else:
        values = for_reading(y, np.float64)
        require_unit_interval("targets", values)
    low, high = spiking.target_activity
    return Samples(inputs, labels, values, float(low), float(high), np.zeros(plan.sizes[-1]))


def new_inputs(shared: Shared, key: int, n_ticks: int) -> Inputs:
    """The encoder, with room for a presentation's events."""
    encoder, n = shared.spiking.encoder, shared.plan.sizes[0]
    kind = ENCODERS[encoder.kind]
    room = capacity(n, n_ticks, shared.spiking.peak, kind)
    return Inputs(
        kind=kind,
        peak=shared.spiking.peak,
        random_phase=encoder.phase == "random",
        key=key,
        ptr=np.zeros(n_ticks + 1, np.int64),
        units=np.empty(room, np.int32),
        scratch=np.empty((2, room), np.int32),
    )


def new_teaching(shared: Shared) -> Teaching:
    """Error neurons and modulators at rest."""
    plan, spiking, units = shared.plan, shared.spiking, len(shared.built.resting)
    decays = not math.isinf(spiking.tau_mod_ms)
    return Teaching(
        layers=shared.layers,
        signal=SIGNALS[plan.signal],
        held=plan.signal in ("error_sign", "target"),
        at_error=spiking.update == "error",
        threshold=float(spiking.error_threshold),
        hidden_threshold=float(spiking.hidden_error_threshold),
        decay=math.exp(-spiking.dt_ms / spiking.tau_mod_ms) if decays else 1.0,
        forgotten=math.ceil(CUTOFF * spiking.tau_mod_ms / spiking.dt_ms) if decays else 0,
        start=spiking.in_ticks(spiking.learning_starts_ms),
        every=shared.stored.every,
        levels=shared.stored.modulator_levels,
        rounding=shared.stored.modulator_rounding,
        feedback=shared.feedback,
        basis=shared.basis,
        level=np.zeros(units),
        events=np.zeros(units, np.int64),
        net_events=np.zeros(units, np.int64),
        total=np.zeros(plan.sizes[-1]),
        held_signal=np.zeros(plan.sizes[-1]),
        received=np.zeros(units, plan.dtype),
        quiet=np.zeros(plan.n_layers, np.int64),
        active=np.zeros(plan.n_layers, np.bool_),
        fired=np.zeros(plan.n_layers, np.bool_),
    )


def new_learner(
    shared: Shared,
    key: int,
    n_ticks: int,
    *,
    changes: np.ndarray | None = None,
    rate: np.ndarray | None = None,
    tests: bool = False,
) -> Learner:
    """Cells and error neurons of their own on the shared weights and feedback."""
    plan, spiking, built, stored = shared.plan, shared.spiking, shared.built, shared.stored
    chance = plan.on_chip is not None or spiking.transmission < 1
    draw = new_draw(shared.key, 2 if tests else 1) if chance else None
    layer_of = np.full(len(built.tables.populations), -1, np.int64)
    layer_of[1 : plan.n_layers + 1] = np.arange(plan.n_layers)
    return Learner(
        circuit=built.tables,
        cells=new_cells(built, draw),
        synapses=new_synapses(
            built,
            built.weights,
            changes,
            minimum=shared.minimum(),
            rate=shared.rate if rate is None else rate,
            fading=fading(spiking, plan.dtype),
            levels=stored.levels,
            rounding=stored.rounding,
            shadow=shared.shadow if changes is None else None,
            trace_levels=stored.trace_levels,
            trace_rounding=stored.trace_rounding,
        ),
        teaching=new_teaching(shared),
        layer_of=layer_of,
        inputs=new_inputs(shared, key, n_ticks),
        resting=built.resting,
    )


def perturbed_of(shared: Shared) -> Perturbed:
    """Learning from the change of the loss under noise; switched off where the rule has none."""
    plan, spiking, units = shared.plan, shared.spiking, len(shared.built.resting)
    settings = plan.perturbation
    scale = np.zeros(units, plan.dtype)
    learns, ridge = plan.learns_feedback, plan.by_regression
    inverses: list[np.ndarray] = []
    at = []
    for layer in range(plan.n_layers - 1):
        at.append(sum(len(part) for part in inverses))
        if ridge and settings is not None:
            n = plan.sizes[shared.layers[layer, teaching.LAYER_SOURCE] + 1]
            inverses.append((np.eye(n) / settings.ridge).ravel())
    if settings is not None:
        lo, hi = plan.sizes[0], plan.sizes[0] + sum(plan.sizes[1:-1])
        scale[lo:hi] = settings.noise_std * spiking.peak * spiking.neuron.v_threshold / spiking.neuron.r
    return Perturbed(
        on=settings is not None,
        from_loss=SIGNALS[plan.signal] == LOSS_CHANGE,
        learns_feedback=learns,
        ridge=ridge,
        clean=settings is not None and spiking.baseline == "clean",
        std=float(settings.noise_std) if settings else 1.0,  # a whole number would have all compiled anew
        rate=float(settings.learning_rate) if settings else 0.0,
        baseline=np.zeros(2),
        baseline_rate=float(spiking.baseline_rate),
        scale=scale,
        noise=np.zeros((0, units), plan.dtype),
        injected=np.zeros(units, plan.dtype),
        inverse=np.concatenate([*inverses, np.zeros(0)]),
        inverse_at=np.array(at, np.int64),
    )


def after_of(shared: Shared) -> After:
    """Homeostasis and weight decay, as the description has them."""
    spiking, h = shared.spiking, shared.spiking.homeostasis
    names = [connection.name for connection in shared.circuit.connections]
    bias = [
        names.index(f"layers.{index}.b") if projection.bias and projection.plastic else -1
        for index, projection in enumerate(shared.plan.projections)
    ]
    seconds = spiking.ticks * spiking.dt_ms / 1000
    return After(
        homeostasis=h is not None,
        target=h.target_rate_hz * seconds if h else 0.0,
        rate=h.rate / seconds if h else 0.0,
        share=1 / h.presentations if h else 0.0,
        mean=np.zeros(len(shared.built.resting)),
        ticks=spiking.ticks,
        bias=np.array(bias, np.int64),
        decay=np.ones(len(names)),
        span=shared.built.spans,
    )
