"""The text of populations of a Brian2 script, by the steps of docs/spiking.md."""

import math

from ..kernels.online import DECAY_EVERY
from .brian_levels import due, in_integers, kept_in_epoch, stored_modulator
from .brian_setting import LAST_TICK, Setting, block, commented, indented, learning_now

MODELS = {
    "if": "integrate-and-fire neurons",
    "lif": "leaky integrate-and-fire neurons with delta synapses",
    "cuba_lif": "leaky integrate-and-fire neurons with exponential synaptic currents",
}


def _state(s: Setting, layer: int) -> list[tuple[str, str]]:
    """Variables of a population."""
    n, hidden = s.neuron(layer), layer < s.last
    rows = [("v : 1", "membrane"), ("I : 1", "what arrives in this tick")]
    if n.model == "cuba_lif":
        rows.append(("i_syn : 1", "synaptic current"))
    if n.refractory_ms > 0:
        rows.append(("rest : integer", "ticks left of the refractory period"))
    if n.threshold_step > 0:
        rows.append(("a : 1", "increment of the threshold"))
    if s.gated(layer) and s.spiking.post.kind == "current_window":
        rows.append(("q : 1", "low-passed drive"))
    if s.gated(layer):
        rows.append(("psi : 1", "post factor: whether the neuron would answer to a little more input"))
    if s.counted(layer):
        rows.append(("spike_count : integer", "spikes in this presentation"))
    if s.modulated(layer) or s.modulator_grid(layer) is not None:
        rows.append(("M : 1", "modulator, the third factor"))
    if s.own_errors(layer) or (s.learns and not hidden):
        rows += [("u : 1", "what the error neuron has integrated"), ("n : integer", "its signed events in this tick")]
    if s.learns and not hidden:
        rows += [("o : 1", "1 if the neuron spiked in this tick"), ("aim : 1", "target activity of this sample")]
        if s.plan.signal == "error_sign":
            rows.append(("C : 1", "total error of this presentation"))
        if s.plan.signal in ("error_sign", "target"):
            rows.append(("s : 1", "signal that hidden modulators are set to, through the feedback"))
    if any(route.source == layer and route.follow == "learned" for route in s.routes.values()):
        rows.append(("E : integer", "net error events of this presentation"))
    if s.perturbed and hidden:
        rows += [("z : 1", "noise of this presentation"), ("loss_change : 1", "what the judge says")]
        if layer in s.routes:
            rows.append(("expected : 1", "what the feedback expects the loss to change by"))
    if s.homeostasis and hidden:
        rows.append(("mean_count : 1", "running mean of the spikes in a presentation"))
    if s.learns and (not hidden or s.perturbed):
        rows.append(("begun : second (shared)", "when the present list of presentations began"))
    return rows


def _step(s: Setting, layer: int) -> list[str]:
    """Step 2: integration over one tick, exact for the state at its start, and the post factor."""
    n, o, post, whole = s.neuron(layer), s.suffix(layer), s.spiking.post, s.integers(layer) is not None
    lines = []
    if s.perturbed and layer < s.last:
        gate = "*int(t_in_timesteps % (2*ticks) >= ticks)" if s.clean else ""
        lines.append(f"I += noise_scale*z{gate}")
    if n.refractory_ms > 0:
        lines += ["rest -= int(rest > 0)", "free = int(rest == 0)"]
    drive, new = f"r{o}*I", f"v + r{o}*I"
    if n.model == "lif":
        new = f"v_leak{o} + (v - v_leak{o})*d_m{o} + r{o}*I"
    if whole:
        *before, new = in_integers(s, layer)
        lines += before
        drive = f"r{o}*i_syn" if n.model == "cuba_lif" else drive
    elif n.model == "cuba_lif":
        lines.append("i_syn += I")
        drive, new = f"r{o}*i_syn", f"v_leak{o} + (v - v_leak{o})*d_m{o} + r{o}*kappa{o}*i_syn"
    if n.refractory_ms > 0:
        lines.append(f"v = free*({new}) + (1 - free)*v")
    else:
        lines.append(f"v += r{o}*I" if n.model == "if" and not whole else f"v = {new}")
    if n.threshold_step > 0:
        lines.append(f"a *= d_a{o}")
    if s.gated(layer):
        if post.kind == "current_window":
            lines.append(f"q = q*d_q + (1 - d_q)*{drive}")
        if post.kind == "surrogate":
            lines.append(f"psi = 1/(1 + post_slope*abs(v - {_threshold(s, layer)}))**2")
        else:
            watched = "q" if post.kind == "current_window" else "v"
            sides = [f"{watched} > post_low"] if post.low > -math.inf else []
            sides += [f"{watched} < post_high"] if post.high < math.inf else []
            lines.append(f"psi = int({' and '.join(sides)})")
    if n.model == "cuba_lif" and not whole:
        lines.append(f"i_syn *= d_s{o}")
    lines.append("I = 0")
    if layer in s.routes:
        if s.at_error and not s.held(layer) and s.epoch > 1:
            lines.append(f"M *= {kept_in_epoch(s)}")
        elif s.at_error or s.held(layer):
            lines.append("M = 0")
        elif not math.isinf(s.spiking.tau_mod_ms):
            lines.append(_decay_of_modulator(s))
    if s.learns and layer == s.last:
        lines.append("o = 0")
    return lines


def _decay_of_modulator(s: Setting) -> str:
    """What an event leaves decays in the ticks in which errors count; a modulator at rest does not care."""
    if s.starts_late and not s.fresh:
        return f"M *= 1 - (1 - d_mod)*{learning_now(s)}"
    return "M *= d_mod"


def _threshold(s: Setting, layer: int) -> str:
    o = s.suffix(layer)
    return f"(v_threshold{o} + a)" if s.neuron(layer).threshold_step > 0 else f"v_threshold{o}"


def _reaches(s: Setting, layer: int) -> str:
    own = s.integers(layer)
    return ">" if own is not None and own.above else ">="


def _begin(s: Setting, layer: int) -> list[str]:
    """What happens before the first tick of a presentation."""
    known = [row[0].split(" : ")[0] for row in _state(s, layer)]
    lines = []
    if s.fresh:
        lines.append("v = 0" if s.integers(layer) is not None else f"v = v_leak{s.suffix(layer)}")
        lines += [f"{name} = 0" for name in ("I", "i_syn", "rest", "a", "q", "M", "u") if name in known]
    kept = "*int(t_in_timesteps % (2*ticks) > 0)" if s.clean else ""  # over the second time that a sample is shown
    for name in ("spike_count", "C", "E", "expected", "loss_change"):
        if name in known:
            keeps = kept if name == "E" or (name == "spike_count" and layer < s.last) else ""
            lines.append(f"{name} = {name}{keeps}" if keeps else f"{name} = 0")
    if s.held(layer) and not s.fresh and "M" in known:
        lines.append("M = 0")
    if "aim" in known:
        lines.append("aim = aims(t - begun, i)")
    if "z" in known:
        lines.append(f"z = noise_{layer}(t - begun, i)")
    return lines


def _events(s: Setting, layer: int) -> dict[str, tuple[str, str]]:
    """Events beside spikes: condition, and the slot in which it is looked at."""
    found = {}
    name, sends = s.name(layer), [route for route in s.routes.values() if route.source == layer]
    if any(not s.held(route.layer) for route in sends):
        found["error"] = "n != 0", f"after_errors_{name}"
    if any(s.held(route.layer) for route in sends):
        found["signal"] = "s != 0", f"after_errors_{name}"
    if s.modulated(layer) and s.at_error and s.plastic(layer):
        gate = "psi*M" if s.gated(layer) else "M"
        found["modulated"] = f"{gate} != 0{' and ' + due(s) if due(s) else ''}", "before_plasticity"
    if s.counts_spikes(layer):
        found["epoch_over"] = due(s), "before_plasticity"
    if layer == s.last:
        found["judged"] = LAST_TICK, "presentation_ends"
    if s.perturbed or s.homeostasis:
        found["shown"] = "(t_in_timesteps + 1) % (2*ticks) == 0" if s.clean else LAST_TICK, "presentation_ends"
    if s.plastic(layer) and s.weight_decay > 0:
        passes = 2 * DECAY_EVERY if s.clean else DECAY_EVERY
        found["decays"] = f"(t_in_timesteps + 1) % ({passes}*ticks) == 0", "presentation_ends"
    return found


def errors_of_output(s: Setting) -> list[str]:
    """Steps 4 and 5 for the output layer."""
    on = learning_now(s)
    steps = ["+= on*o", "-= on*peak*aim"] if on else ["+= o", "-= peak*aim"]
    lines = [f"on = {on}"] if on else []
    lines += [f"u {step}" for step in steps]
    lines += ["n = int(u/error_threshold)  # towards 0", "u -= n*error_threshold"]
    if s.plan.signal == "error_sign":
        lines += [f"C {step}" for step in steps]
    if s.plan.signal in ("error_sign", "target"):
        n_out = s.plan.sizes[-1]
        size = "0.5" if n_out == 1 else f"1.0/{n_out}"
        value = "sign(C)*int(abs(C) >= error_threshold)"
        if s.plan.signal == "target":
            value = f"(int(aim > middle) - {size})"
        gate = "int((t_in_timesteps + 1) % ticks == 0)*" if s.at_error else "on*" if on else ""
        lines.append(f"s = {gate}{value}")
    if any(route.source == s.last and route.follow == "learned" for route in s.routes.values()):
        lines.append("E += n")
    if s.at_error:
        lines.append(f"M = M*{kept_in_epoch(s)} + n" if s.epoch > 1 else "M = n")
    elif math.isinf(s.spiking.tau_mod_ms):
        lines.append("M += n")
    else:
        lines += [_decay_of_modulator(s), "M += n"]
    return [*lines, *stored_modulator(s, s.last)]


def errors_of_hidden(s: Setting, layer: int) -> list[str]:
    """Step 5 for the error neurons of a hidden layer."""
    gated = "psi*M" if s.gated(layer) else "M"
    on = learning_now(s)
    now = f"{on}*" if on and not s.fresh else ""
    lines = [f"u += {now}{gated}", "n = int(u/hidden_error_threshold)  # towards 0", "u -= n*hidden_error_threshold"]
    if any(route.source == layer and route.follow == "learned" for route in s.routes.values()):
        lines.append("E += n")
    return lines


def _quoted(s: Setting, condition: str) -> str:
    """A condition as a string, in which the end of an epoch has a name."""
    over = due(s)
    return f'f"{condition.replace(over, "{due}")}"' if over and over in condition else f'"{condition}"'


def population(s: Setting, layer: int) -> list[str]:
    """A layer's neurons."""
    name, n, o, hidden = s.name(layer), s.neuron(layer), s.suffix(layer), layer < s.last
    reset = ["v -= " + _threshold(s, layer) if n.reset == "subtract" else f"v = v_reset{o}"]
    if n.threshold_step > 0:
        reset.append(f"a += threshold_step{o}")
    if n.refractory_ms > 0:
        reset.append(f"rest = refractory_ticks{o} + 1")
    if s.counted(layer):
        first = "int(t_in_timesteps % (2*ticks) < ticks)" if s.clean and hidden else "1"
        reset.append(f"spike_count += {first}")
    if s.learns and not hidden:
        reset.append("o = 1")
    free = "rest == 0 and " if n.refractory_ms > 0 else ""
    events = _events(s, layer)
    lines = [
        f"# {'Hidden layer ' + str(layer) if hidden else 'Output layer'}: {MODELS[n.model]}.",
        f"{name} = NeuronGroup(",
        f"    {s.plan.sizes[layer + 1]},",
        *indented(block("", commented(_state(s, layer)), ",")),
        f'    threshold="{free}v {_reaches(s, layer)} {_threshold(s, layer)}",  # step 3',
        f'    reset="{"; ".join(reset)}",',
    ]
    if events:
        lines += ["    events={", *(f'        "{key}": {_quoted(s, value)},' for key, (value, _) in events.items())]
        lines.append("    },")
    lines += ["    clock=clock,", f'    name="{name}",', ")"]
    lines += [f'{name}.set_event_schedule("{key}", when="{when}")' for key, (_, when) in events.items()]
    if not s.fresh and n.v_leak != 0:
        lines.append(f"{name}.v = v_leak{o}")
    lines += ["# before the first tick of each presentation", f"{name}.run_regularly("]
    lines += [*indented(block("", _begin(s, layer), ",")), "    dt=sample,", '    when="start",', ")"]
    how = "exact" if s.integers(layer) is None else "in whole steps"
    lines += [f"# step 2: integration over one tick, {how}{', and the post factor' if s.gated(layer) else ''}"]
    lines += [f"{name}.run_regularly(", *indented(block("", _step(s, layer), ",")), '    when="groups",', ")"]
    if s.learns and not hidden:
        lines += ["# steps 4 and 5: error neurons, and the modulator that they act on"]
        lines += [f"{name}.run_regularly(", *indented(block("", errors_of_output(s), ","))]
        lines += [f'    when="errors_{name}",', ")"]
    if hidden and layer in s.routes and stored_modulator(s, layer):
        lines += ["# step 5: what the modulator holds of it", f"{name}.run_regularly("]
        lines += [f'    "{stored_modulator(s, layer)[0]}",', f'    when="after_feedback_{name}",', ")"]
    if hidden and s.from_loss and s.modulator_grid(layer) is not None:
        code = stored_modulator(s, layer, "(loss_change*z)")[0]
        lines += [f'{name}.run_on_event("shown", "{code}", when="before_learn_from_loss")']
    if s.own_errors(layer):
        lines += ["# step 5: error neurons of the hidden layer, which pass its modulator on"]
        lines += [f"{name}.run_regularly(", *indented(block("", errors_of_hidden(s, layer), ","))]
        lines += [f'    when="errors_{name}",', ")"]
    if s.homeostasis and hidden:
        mean = "mean_count += (spike_count - mean_count)*homeostasis_share"
        lines.append(f'{name}.run_on_event("shown", "{mean}", when="homeostasis")')
    return lines
