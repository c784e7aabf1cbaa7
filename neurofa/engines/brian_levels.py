"""The text of numbers on levels, integer neurons and epochs in a Brian2 script (docs/hardware.md)."""

import math

from ..rules import Grid
from .brian_setting import LAST_TICK, Setting

FUNCTIONS = {"round_nearest": "rint", "round_down": "floor", "round_to_zero": "trunc"}
BY_CHANCE = "up with a probability equal to the remainder, drawn by Brian2: in distribution what neurofa does"


def functions(text: str) -> list[str]:
    """Those of the functions that round which a text uses."""
    used = [name for name in FUNCTIONS if name in text]
    if not used:
        return []
    lines = ["def rounding(function):"]
    lines += ['    """A function of NumPy that rounds, for Brian2, whose own give integers of 32 bits."""']
    lines += ["    made, name = Function(function, arg_units=[1], return_unit=1), function.__name__"]
    lines += ['    made.implementations.add_implementation("cpp", "", name=name)']
    lines += ['    made.implementations.add_implementation("cython", f"from libc.math cimport {name}", name=name)']
    lines += ["    return made", "", ""]
    why = {"round_nearest": "  # ties to the even one"}
    return [*lines, *(f"{name} = rounding(np.{FUNCTIONS[name]}){why.get(name, '')}" for name in used)]


def _whole(x: str, rounding: str) -> str:
    """A number of steps as a whole one, as code."""
    return {
        "nearest": f"round_nearest({x})",
        "stochastic": f"round_down({x} + rand())",
        "truncate": f"round_to_zero({x})",
    }[rounding]


def rounded(x: str, name: str, rounding: str, low: str, origin: str) -> str:
    """A value on levels, as code; `name` holds the names of step and upper end, `low` and `origin` are names."""
    step, high = name.format("step"), name.format("high")
    if rounding == "truncate":
        return f"clip({step}*{_whole(f'{x}/{step}', rounding)}, {low}, {high})"
    return f"clip({origin} + {step}*{_whole(f'({x} - {origin})/{step}', rounding)}, {low}, {high})"


def _low(s: Setting, layer: int, bias: bool) -> str:
    """Name of the lower end; a rule's bound is for W alone."""
    grid = s.grid(layer)
    return f"{'b' if bias and grid is not None and grid.low != grid.origin else 'w'}_low_{layer}"


def changed(s: Setting, layer: int, bias: bool, sign: str, amount: str) -> list[str]:
    """Code by which a weight changes by a product, and is what can be stored."""
    grid, step, high = s.grid(layer), f"w_step_{layer}", f"w_high_{layer}"
    if grid is None:
        bounded = not bias and s.plan.projections[layer].minimum > -math.inf
        return [f"w = clip(w {sign} {amount}, w_min_{layer}, inf)" if bounded else f"w {sign}= {amount}"]
    low, minus = _low(s, layer, bias), "-" if sign == "-" else ""
    if s.shadowed(layer):
        how = "truncate" if grid.rounding == "truncate" else "nearest"
        stored = rounded("shadow", f"w_{{}}_{layer}", how, low, f"w_origin_{layer}")
        return [f"shadow = clip(shadow {sign} {amount}, {low}, {high})", f"w = {stored}"]
    if grid.rounding == "truncate":
        return [f"w = clip({step}*round_to_zero(w/{step} {sign} {amount}/{step}), {low}, {high})"]
    return [f"w = clip(w + {step}*{_whole(f'{minus}{amount}/{step}', grid.rounding)}, {low}, {high})"]


def stored_modulator(s: Setting, layer: int, value: str = "M") -> list[str]:
    """Code that puts a modulator on its levels; that of the output layer, which counts events, within the ends."""
    grid = s.modulator_grid(layer)
    if grid is None:
        return []
    if layer == s.last:
        return [f"M = clip({value}, m_low_{layer}, m_high_{layer})"]
    low = f"m_low_{layer}"
    return [f"M = {rounded(value, f'm_{{}}_{layer}', grid.rounding, low, low)}"]


def stored_trace(s: Setting, layer: int) -> str:
    """A trace as it is used."""
    if not s.rounds_traces(layer) or s.trace is None:
        return "x"
    return f"{_whole('x*trace_impulse', s.trace.rounding)}/trace_impulse"


def raised_trace(s: Setting, layer: int, gate: str) -> str:
    """Code of a trace that a spike raises."""
    if s.trace is None:
        return f"x += {gate or 1}"
    return f"x = clip({stored_trace(s, layer)} + {gate or 1}, 0, trace_top)"


def due(s: Setting) -> str:
    """Whether synapses change in this tick, as a condition; empty if they do in every tick."""
    return f"((t_in_timesteps % ticks + 1) % epoch == 0 or {LAST_TICK})" if s.epoch > 1 else ""


def kept_in_epoch(s: Setting) -> str:
    """1 but in the first tick of an epoch, as code; empty where nothing is kept."""
    return "int(t_in_timesteps % ticks % epoch > 0)" if s.epoch > 1 else ""


def in_integers(s: Setting, layer: int) -> list[str]:
    """Step 2 of integer neurons: code of the current, and the new membrane, which comes last."""
    n, o, own, lines = s.neuron(layer), s.suffix(layer), s.integers(layer), []
    assert own is not None
    arrives = f"v_step{o}*round_nearest(gain{o}*I/v_step{o})"
    if n.model == "cuba_lif":
        step = f"i_step{o}"
        lines.append(f"i_syn = {step}*round_to_zero(i_syn/{step}*d_s{o}) + {step}*round_nearest(I/{step})")
        if own.wraps:
            lines.append(f"i_syn -= 2*i_half{o}*round_down((i_syn + i_half{o})/(2*i_half{o}))  # in two's complement")
        elif not math.isinf(own.current_end):
            lines.append(f"i_syn = clip(i_syn, -i_end{o}, i_end{o})")
        arrives = f"gain{o}*i_syn"
    kept = "v" if n.model == "if" else f"v_step{o}*round_to_zero(v/v_step{o}*d_m{o})"
    return [*lines, f"clip({kept} + {arrives}, -v_end{o}, v_end{o})"]


# ---------------------------------------------------------------------------- parameters


def neuron_rows(s: Setting, layer: int) -> list[tuple[str, str]]:
    """Parameters of integer neurons."""
    n, o, own, rows = s.neuron(layer), s.suffix(layer), s.integers(layer), []
    assert own is not None
    if s.gated(layer) and s.spiking.post.kind == "current_window":
        rows.append((f"r{o} = {float(n.r)!r}", "what the low-passed drive follows the input by"))
    rows.append((f"gain{o} = {own.gain!r}", "what a unit of input does to the membrane"))
    rows.append((f"v_step{o} = {own.step!r}", "of the membrane, which is a whole number of these"))
    rows.append((f"v_end{o} = {own.end!r}", "where it saturates"))
    side = "above which" if own.above else "where"
    rows.append((f"v_threshold{o} = {own.threshold!r}", f"{side} a neuron spikes"))
    if n.reset == "zero":
        rows.append((f"v_reset{o} = {float(own.v_reset)!r}", "where a spike puts the membrane"))
    if n.model != "if":
        rows.append((f"d_m{o} = {own.decay_m!r}", "decay of the membrane in a tick, cut towards 0"))
    if n.model == "cuba_lif":
        rows.append((f"d_s{o} = {own.decay_s!r}", "decay of the synaptic current in a tick, cut towards 0"))
        rows.append((f"i_step{o} = {own.current_step!r}", "of the current"))
        if own.wraps:
            rows.append((f"i_half{o} = {own.current_end + own.current_step!r}", "where it wraps around"))
        elif not math.isinf(own.current_end):
            rows.append((f"i_end{o} = {own.current_end!r}", "where it saturates"))
    return rows


def _rows(name: str, grid: Grid, what: str) -> list[tuple[str, str]]:
    """Step and ends of levels."""
    how = {"nearest": "to the nearest", "truncate": "towards 0", "stochastic": "up or down by chance"}[grid.rounding]
    return [
        (f"{name.format('step')} = {grid.step!r}", f"levels of {what}, rounded {how}"),
        (f"{name.format('low')} = {grid.low!r}", ""),
        (f"{name.format('high')} = {grid.high!r}", ""),
    ]


def level_rows(s: Setting) -> list[tuple[str, str]]:
    """Parameters of everything that is stored on levels."""
    rows = []
    for layer, projection in enumerate(s.plan.projections):
        grid = s.grid(layer)
        if grid is not None and s.plastic(layer):
            shadow = " from full precision" if s.shadowed(layer) else ""
            found = _rows(f"w_{{}}_{layer}", grid, f"the weights to {s.name(layer)}{shadow}")
            if s.shadowed(layer) and grid.rounding == "stochastic":
                found[0] = found[0][0], found[0][1].replace("up or down by chance", "to the nearest")
            rows += found
            if s.shadowed(layer) and grid.rounding != "truncate":
                rows.append((f"w_origin_{layer} = {grid.origin!r}", "of these levels"))
            if projection.bias and grid.low != grid.origin:
                rows.append((f"b_low_{layer} = {grid.origin!r}", "lower end of the biases"))
    for layer in s.layers:
        modulator = s.modulator_grid(layer)
        if modulator is not None:
            found = _rows(f"m_{{}}_{layer}", modulator, f"the modulators of {s.name(layer)}")
            if layer == s.last:
                found = [(found[1][0], "events that a modulator of the output counts"), found[2]]
            rows += found
    for route in s.routes.values():
        grid = None if s.plan.on_chip is None else s.plan.on_chip.feedback[route.layer]
        if route.follow == "derived" and grid is not None:
            what = f"the feedback to {s.name(route.layer)}"
            found = _rows(f"B_{{}}_{route.layer}", grid, what)
            rows += [(found[0][0], f"levels of {what}, rounded to the nearest"), *found[1:]]
    if s.trace is not None and any(s.traced(layer) for layer in s.layers):
        if any(s.rounds_traces(layer) for layer in s.layers):
            rows.append((f"trace_impulse = {s.trace.impulse}", "levels that a spike adds to a trace"))
        rows.append((f"trace_top = {(2**s.trace.bits - 1) / s.trace.impulse!r}", "where traces saturate"))
    if s.epoch > 1:
        rows.append((f"epoch = {s.epoch}", "ticks after which synapses change"))
    return rows


def feedback_on_levels(s: Setting, layer: int, value: str) -> str:
    """Feedback that was computed, in NumPy, as it can be stored."""
    if s.plan.on_chip is None or s.plan.on_chip.feedback[layer] is None:
        return value
    step, low, high = (f"B_{part}_{layer}" for part in ("step", "low", "high"))
    return f"np.clip({low} + {step} * np.rint(({value} - {low}) / {step}), {low}, {high})"
