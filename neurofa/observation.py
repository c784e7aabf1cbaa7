"""A learning network watched while samples are shown to it: spikes, error events, membranes, modulators, weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .arguments import as_batch, as_hardware, require_kinds, require_spikes
from .engines.spiking import SpikingEngine
from .hardware import constrain
from .kernels import teaching
from .kernels.circuit import EXTERNAL, FIRST, SIZE
from .kernels.encoders import encode
from .kernels.online import set_targets
from .kernels.presenting import begin, run_ticks
from .kernels.storing import begin_draws
from .recorder import MAX_EVENTS, Record, Recorder, as_records
from .recording import Recording
from .rules import Plan, fitted, freeze, lower, on_route, precision_of, with_basis, without_feedback
from .rules.feedback import FOLLOWS
from .rules.plan import require_params
from .spec import Hardware, Model, Network, Rule, Spiking, settings_for
from .spec.errors import require

OWN = ("fixed", "offset", "learned")  # feedback that does not follow from W alone


def observe(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray] | None,
    x: np.ndarray,
    y: np.ndarray,
    *,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
    learn: bool = True,
    record: Record | Sequence[Record] | None = None,
    seed: int = 0,
) -> Recording:
    """Show samples one after the other, and record.

    Parameters
    ----------
    net, rule
        As for `neurofa.train`.
    params
        Parameters to begin with, as `neurofa.train` leaves them; drawn by `seed` if None.
    x, y
        Samples (n, n_inputs) in [0, 1], and labels (n,) or targets (n, n_outputs).
    spiking
        Takes the place of the model's.
    hardware
        What the network is put under, as for `neurofa.train`.
    learn
        Whether the network learns as in training, one sample at a time; else only the forward pass runs.
    record
        What to record; populations are ``input``, ``layers.0`` ... and ``bias``, connections ``layers.0.W``,
        ``layers.0.b`` ... . All spikes unless given. Error events are always recorded. A variable is recorded at the
        end of a tick: a membrane after its reset, an input event in its own tick.
    seed
        Of the encoder, and of what is drawn.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        As `neurofa.train`, and for records that name what is not there or take too much memory.
    """
    require_kinds(net, rule)
    require_spikes("spiking", spiking)
    network, _, rule, chosen = settings_for(net, rule, spiking)
    if params is not None:
        require_params(params)
        params = on_route(network, rule, params)
    given = dict(params or {})
    if FOLLOWS.get(rule.feedback_source.source) not in OWN:
        given = without_feedback(given)
    x, y = as_batch(network, x, y)
    wanted = [] if record is None else as_records(record)
    if params is not None and not learn:
        plan = freeze(network, rule, params)
    else:
        plan = lower(network, rule, seed, params=given, precision=precision_of(given) if given else "float32")
        plan = _with_feedback(plan, params or {})
    if (chip := as_hardware(hardware, "spiking")) is not None:
        plan = constrain(plan, chosen, chip, seed=seed, given=params or ())
    engine = SpikingEngine(plan, chosen, seed=seed, threads=1, optimiser=chosen.training.optimiser)
    require(
        not (learn and engine.perturbed.on),
        f"rule {rule.name!r} learns after a presentation, from its loss; observe it with learn=False",
    )
    require(
        learn or not any(r.variable == "drive" for r in wanted),
        "the low-passed drive is followed only while a network learns; observe it with learn=True",
    )
    records = [Record("spikes", name) for name in engine.shared.circuit.names] if record is None else wanted
    return _record(engine, x, y, learn, records)


def _with_feedback(plan: Plan, given: Mapping[str, np.ndarray]) -> Plan:
    """A plan whose feedback follows W by the magnitudes that are given, and not by drawn ones."""
    by_magnitude = (r for r in plan.feedback if r.basis is not None and r.follow != "offset")  # which `lower` has seen
    keys = {f"layers.{route.layer}.B" for route in by_magnitude} & set(given)
    B = {key: fitted(key, given[key], plan.params[key].shape, str(plan.dtype)) for key in keys}
    params = plan.params | B
    routes = (with_basis(r, params) if f"layers.{r.layer}.B" in keys else r for r in plan.feedback)
    return replace(plan, params=params, feedback=tuple(routes))


def _record(engine: SpikingEngine, x: np.ndarray, y: np.ndarray, learn: bool, records: list[Record]) -> Recording:
    """Run tick by tick."""
    shared, net, K = engine.shared, engine.learner, engine.spiking.ticks
    samples, show = engine.samples(x, y), engine.show._replace(learns=learn)
    engine.set_rates(engine.spiking.training.rates(engine.plan.n_layers))
    total = len(x) * K
    recorder = Recorder(shared.circuit, shared.built, records, total)
    names = shared.circuit.names
    spikes: dict[str, list[tuple[int, np.ndarray]]] = {name: [] for name in recorder.spikes}
    errors: dict[int, list[tuple[int, int, int]]] = {}
    quiet, count = np.zeros(0, engine.plan.dtype), 0
    for n in range(len(x)):
        label, start = set_targets(samples, n), n * K
        if net.cells.draw.size:
            begin_draws(net.cells.draw, n)
        begin(net.circuit, net.cells, net.synapses, net.teaching, net.resting, show.fresh, start)
        inputs = net.inputs
        encode(
            samples.x[n], inputs.kind, inputs.peak, K, inputs.random_phase, inputs.key, n,
            inputs.ptr, inputs.units, inputs.scratch,
        )  # fmt: skip
        for k in range(K):
            run_ticks(net, show, quiet, samples.targets, label, k, k + 1, start)
            tick = start + k
            for name, found in spikes.items():
                p = names.index(name)
                row = net.circuit.populations[p]
                slot = (tick - row[EXTERNAL]) % net.circuit.ring
                at = net.circuit.ring * row[FIRST] + slot * row[SIZE]
                units = net.cells.spikes[at : at + net.cells.n_spikes[p, slot]].astype(np.int64)
                count += len(units)
                found.append((tick, units))
            require(count <= MAX_EVENTS, f"more than {MAX_EVENTS:,} spikes to record; show fewer samples")
            for layer in np.flatnonzero(net.teaching.fired) if learn and k >= net.teaching.start else ():
                events = net.teaching.events[engine.units(layer)]
                errors.setdefault(int(layer), []).extend(
                    (tick, int(k_), int(events[k_])) for k_ in np.flatnonzero(events)
                )
            recorder.take(net.cells, net.synapses, tick, tick)
        if learn:
            engine.after_one()
    return Recording(
        dt_ms=engine.spiking.dt_ms,
        ticks=total,
        spikes={name: recorder.chosen(name, *_events(found)) for name, found in spikes.items()},
        errors={
            f"layers.{layer}": _columns(errors.get(layer, []))
            for layer in range(engine.plan.n_layers)
            if layer == engine.plan.n_layers - 1 or shared.layers[layer, teaching.OWN_ERRORS]
        },
        traces=recorder.traces(),
        onsets=K * np.arange(len(x)),
        labels=samples.labels.copy(),
        sizes={p.name: p.size for p in shared.circuit.populations},
    )


def _events(found: list[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Ticks and units of spikes that were noted tick by tick."""
    ticks = np.concatenate([np.zeros(0, np.int64), *(np.full(len(units), tick) for tick, units in found)])
    return ticks, np.concatenate([np.zeros(0, np.int64), *(units for _, units in found)])


def _columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ticks, units and counts of error events."""
    table = np.array(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
