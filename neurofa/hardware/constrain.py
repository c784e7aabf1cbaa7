"""A Plan put under the constraints of a chip (docs/hardware.md)."""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from ..rules import FeedbackProjection, Grid, Integers, OnChip, Plan, derive, following
from ..spec import Hardware, Levels, Neuron, Spiking, State
from ..spec.errors import InputError, require
from ..spec.seeds import streams
from .fit import fit
from .profiles import as_profile

THRESHOLDS_HELD = 8  # of a membrane whose weights have no levels
ALMOST = 1 - 2.0**-20  # the last bits of a computed magnitude, such as a pseudoinverse's, must not double a unit


def constrain(
    plan: Plan,
    spiking: Spiking | None,
    hardware: Hardware,
    *,
    seed: int | None = None,
    given: Collection[str] = (),
) -> Plan:
    """The same network as the chip can hold it.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    spiking
        How it runs on spikes; None: it is for rate mode, where weights and feedback alone are stored.
    hardware
        A profile (`load_profile`), or a description of your own.
    seed
        Initial parameters are put on levels by stochastic rounding from its stream; None: each is rounded to the
        nearest level.
    given
        Names of parameters that were not drawn, and go to the nearest level in any case. Feedback among them that is
        computed from W is kept where that W is on its levels already.

    Returns
    -------
    Plan
        With parameters on levels, and `on_chip` for engines.

    Raises
    ------
    InputError
        If the network does not fit the chip, or asks for what the chip does not have: one line with the numbers.
    """
    hardware = as_profile(hardware)
    check_feedback(plan, hardware)
    if spiking is not None:
        check(plan, spiking, hardware)
    fit(plan, hardware)
    rng = None if seed is None else streams(seed).rounding
    draws: dict[str, np.ndarray | None] = {}
    for key in _in_order(plan):
        drawn = None if rng is None else rng.random(plan.params[key].shape)
        draws[key] = None if key in given else drawn
    params, routes = dict(plan.params), []
    known = set(plan.params) if seed is None else set(given)
    weights = tuple(_weight_grid(plan, layer, hardware.weights, known) for layer in range(plan.n_layers))
    for layer, grid in enumerate(weights):
        for key in (f"layers.{layer}.W", f"layers.{layer}.b"):
            if grid is not None and key in params:
                own = grid if key.endswith(".W") else replace(grid, low=grid.origin)
                params[key] = own.rounded(params[key], draws[key])
    feedback: list[Grid | None] = [None] * plan.n_layers
    for route in plan.feedback:
        key = f"layers.{route.layer}.B"
        path = (f"layers.{layer}.W" for layer in range(route.layer + 1, route.source + 1))
        stays = key in given and all(np.array_equal(params[W], plan.params[W]) for W in path)  # W was on levels
        if route.follow == "derived" and route.feedback is not None and not stays:
            params[key] = derive(route.feedback, params, route.source, route.layer, route.basis).astype(plan.dtype)
            draws[key] = None
        if hardware.feedback is not None and route.follow != "transpose":
            based = route.elementwise
            stored = route.basis if based and route.basis is not None else params[key]
            # what a rule keeps from being negative must not become so where levels have no 0
            minimum = 0.0 if (stored >= 0).all() else -math.inf
            grid = grid_of(hardware.feedback, _largest(stored), minimum)
            params[key], feedback[route.layer] = grid.rounded(stored, draws[key]), grid
            route = replace(route, basis=params[key]) if based else route
        routes.append(route)
        params[key] = _followed(params, route)
    plan = replace(plan, params=params, feedback=tuple(routes))
    on_chip = OnChip(
        hardware=hardware,
        weights=weights,
        feedback=tuple(feedback),
        modulators=tuple(_modulator_grid(plan, layer, hardware) for layer in range(plan.n_layers)),
        neurons=_states(plan, spiking, hardware, weights),
        key=None if rng is None else int(rng.integers(2**63)),
    )
    return replace(plan, on_chip=on_chip)


def _in_order(plan: Plan) -> list[str]:
    """Names of parameters in the order in which they are rounded."""
    names = [f"layers.{layer}.{name}" for layer in range(plan.n_layers) for name in "WbB"]
    return [name for name in names if name in plan.params]


def power_of_two(least: float) -> float:
    """The smallest power of two that is at least `least`."""
    return math.ldexp(1.0, math.ceil(math.log2(least)))


def _largest(values: np.ndarray) -> float:
    """Largest magnitude; of zeros, 1."""
    return float(np.abs(values).max(initial=0.0)) or 1.0


def grid_of(levels: Levels, largest: float, minimum: float = -math.inf) -> Grid:
    """Levels in the units of an array whose largest initial magnitude is `largest`, from the first above `minimum`."""
    unit = power_of_two(ALMOST * levels.headroom * largest / levels.highest)
    origin, step = unit * levels.lowest, unit * levels.step
    return Grid(origin, step, _first_level(origin, step, minimum), unit * levels.highest, levels.rounding)


def _weight_grid(plan: Plan, layer: int, levels: Levels | None, given: Collection[str]) -> Grid | None:
    """Units by what the initialiser can draw, so that weights which come back from a chip find the same levels.

    Weights that are given and lie beyond the ends have a unit that holds them.
    """
    if levels is None:
        return None
    grid = grid_of(levels, plan.projections[layer].reach, plan.projections[layer].minimum)
    keys = [key for key in (f"layers.{layer}.W", f"layers.{layer}.b") if key in given and key in plan.params]
    values = np.concatenate([np.zeros(1), *(plan.params[key].ravel() for key in keys)])
    beyond = max(values.max() / grid.high, values.min() / grid.origin if grid.origin < 0 else 0.0)
    if beyond <= 1:
        return grid
    factor = power_of_two(float(beyond))
    origin, step = grid.origin * factor, grid.step * factor
    low = _first_level(origin, step, plan.projections[layer].minimum)
    return replace(grid, origin=origin, step=step, low=low, high=grid.high * factor)


def _first_level(origin: float, step: float, minimum: float) -> float:
    """The lowest level that is not below a bound."""
    return origin if minimum <= origin else origin + step * math.ceil((minimum - origin) / step)


def _followed(params: Mapping[str, np.ndarray], route: FeedbackProjection) -> np.ndarray:
    """B of a route at the present W."""
    W = params[f"layers.{route.source}.W"]
    if route.follow == "transpose":
        return W.T.copy()
    if route.basis is not None and route.elementwise:
        return following(route.follow, W, route.basis)
    return params[f"layers.{route.layer}.B"]


def _modulator_grid(plan: Plan, layer: int, hardware: Hardware) -> Grid | None:
    """Levels of a layer's modulators; events of the output layer are counted."""
    levels = hardware.modulators
    if levels is None:
        return None
    if layer == plan.n_layers - 1:
        return Grid(levels.lowest, levels.step, levels.lowest, levels.highest, levels.rounding)
    if plan.signal == "loss_change" and plan.perturbation is not None:
        return grid_of(levels, 1 / plan.perturbation.noise_std)
    route = next((route for route in plan.feedback if route.layer == layer), None)
    if route is None:
        return None
    if route.follow == "transpose":
        room = hardware.weights.headroom if hardware.weights else 1.0
        return grid_of(levels, 2 * room * plan.projections[route.source].reach)
    followed = route.elementwise
    stored = route.basis if followed else plan.params[f"layers.{layer}.B"]
    assert stored is not None
    return grid_of(levels, 2 * _largest(stored))


def _states(
    plan: Plan, spiking: Spiking | None, hardware: Hardware, weights: tuple[Grid | None, ...]
) -> tuple[Integers | None, ...]:
    """Integer state of each layer."""
    if spiking is None:
        return (None,) * plan.n_layers
    neurons = zip(spiking.neurons(plan.n_layers), weights, strict=True)
    return tuple(
        _integers(hardware, neuron, spiking.dt_ms, grid, f"layers.{layer}")
        for layer, (neuron, grid) in enumerate(neurons)
    )


def _integers(hardware: Hardware, neuron: Neuron, dt_ms: float, grid: Grid | None, name: str) -> Integers | None:
    """Integer state of a population."""
    state = hardware.state
    if state is None:
        return None
    gain = 2.0 ** round(math.log2(neuron.r * (neuron.kappa(dt_ms) if neuron.model == "cuba_lif" else 1.0)))
    held = 2 ** (state.membrane_bits - 1) - 1
    step = None
    if grid is None or hardware.weights is None:
        step = power_of_two(THRESHOLDS_HELD * neuron.v_threshold / held)
    else:
        unit = grid.step / hardware.weights.step
        for exponent in sorted(range(state.exponent_min, state.exponent_max + 1), key=abs):
            candidate = gain * unit * 2.0 ** (-state.weight_shift - exponent)
            multiple = _threshold(neuron.v_threshold, candidate, state)
            within = state.threshold_bits is None or multiple < 2**state.threshold_bits
            if within and multiple * 2**state.threshold_shift <= held:
                step = candidate
                break
        require(
            step is not None,
            f"population {name!r}: with weights in steps of {unit:g}, v_threshold {neuron.v_threshold:g} is beyond the "
            f"{state.membrane_bits} bits of a membrane of {hardware.name!r}; lower the threshold, or raise "
            "weights.headroom",
        )
    assert step is not None
    require(
        abs(round(neuron.v_reset / step)) <= held,
        f"population {name!r} has v_reset {neuron.v_reset:g}, but membranes of {hardware.name!r} go from "
        f"{-held * step:g} to {held * step:g} here; move it",
    )
    coarsest = 2**state.threshold_shift * step
    require(
        neuron.v_threshold >= coarsest / 2,
        f"population {name!r}: thresholds of {hardware.name!r} are multiples of {coarsest:g} here, and v_threshold is "
        f"{neuron.v_threshold:g}; raise it, or give weights a smaller headroom",
    )
    current = (2 ** (state.current_bits - 1) - 1) * step / gain if state.current_bits else math.inf
    return Integers(
        step=step,
        end=held * step,
        current_step=step / gain,
        current_end=current,
        gain=gain,
        decay_m=1.0 if neuron.model == "if" else decay(neuron.tau_m_ms, dt_ms, state.decay_bits),
        decay_s=decay(neuron.tau_syn_ms, dt_ms, state.decay_bits),
        threshold=_threshold(neuron.v_threshold, step, state) * 2**state.threshold_shift * step,
        v_reset=step * round(neuron.v_reset / step),
        above=state.spikes_above,
        wraps=state.current_overflow == "wrap" and state.current_bits is not None,
    )


def _threshold(v_threshold: float, step: float, state: State) -> int:
    """A threshold in its own units."""
    return max(1, round(v_threshold / (step * 2**state.threshold_shift)))


def decay(tau_ms: float, dt_ms: float, bits: int) -> float:
    """What is left after a tick, as a multiple of 2^-bits."""
    scale = 2**bits
    return min(round(scale * math.exp(-dt_ms / tau_ms)), scale - 1) / scale


def check_feedback(plan: Plan, hardware: Hardware) -> None:
    """Refuse feedback that cannot be stored."""
    chip = f"hardware {hardware.name!r}"
    require(
        hardware.feedback is None or all(route.follow != "learned" for route in plan.feedback),
        f"feedback that is learned from perturbations cannot be stored on the levels of {chip}; use a rule with fixed "
        "feedback, or hardware without feedback levels",
    )


def check(plan: Plan, spiking: Spiking, hardware: Hardware) -> None:
    """Refuse what the chip does not have."""
    chip, has = f"hardware {hardware.name!r}", hardware.neurons
    for index, neuron in enumerate(spiking.neurons(plan.n_layers)):
        who = f"population 'layers.{index}'"
        require(
            neuron.model in has.models,
            f"{who} has neuron model {neuron.model!r}, but {chip} has only {', '.join(has.models)}; set neuron model "
            f'(in a model file: [spiking.neuron] model = "{has.models[0]}")',
        )
        require(
            neuron.reset in has.resets,
            f"{who} has reset {neuron.reset!r}, but {chip} has only {', '.join(has.resets)}; set neuron reset "
            f'(in a model file: [spiking.neuron] reset = "{has.resets[0]}")',
        )
        require(
            neuron.v_reset == 0 or has.resets != ("zero",),
            f"{who} has v_reset {neuron.v_reset:g}, but {chip} resets membranes to 0; set neuron v_reset to 0",
        )
        require(
            neuron.threshold_step == 0 or (has.adaptive and hardware.state is None),
            f"{who} has an adaptive threshold, which {chip} does not have; set neuron threshold_step to 0",
        )
        require(
            neuron.v_leak == 0 or hardware.state is None,
            f"{who} has v_leak {neuron.v_leak:g}, but membranes of {chip} decay to 0; set v_leak to 0 and move the "
            "threshold",
        )
        require(
            neuron.v_threshold > 0 or hardware.state is None,
            f"{who} has v_threshold {neuron.v_threshold:g}; {chip} needs one above 0",
        )
        ticks, most = neuron.refractory_ticks(spiking.dt_ms), has.refractory_ticks_max
        if most is not None and ticks > most:
            raise InputError(
                f"{who} is refractory for {ticks} ticks, but {chip} has at most {most} (neurons.refractory_ticks_max): "
                f"a refractory_ms of at most {most * spiking.dt_ms:.12g} fits"
            )
    for index, ticks in enumerate(spiking.delays(plan.n_layers)):
        for beyond, side, limit in (
            (ticks < has.delay_ticks_min, "least", "delay_ticks_min"),
            (ticks > has.delay_ticks_max, "most", "delay_ticks_max"),
        ):
            end = getattr(has, limit)
            require(
                not beyond,
                f"the projection to 'layers.{index}' has a delay of {ticks} ticks, but {chip} has at {side} {end} "
                f"(neurons.{limit}): a delay_ms of at {side} {end * spiking.dt_ms:.12g} fits",
            )
    own_errors = any(route.source < plan.n_layers - 1 for route in plan.feedback)
    require(
        not own_errors or spiking.update != "error" or (hardware.learning.every_ticks or 1) == 1,
        f"{chip} changes synapses once in {hardware.learning.every_ticks} ticks, but hidden layers with error neurons "
        "of their own need update = 'spike' for that; or use a direct route",
    )
