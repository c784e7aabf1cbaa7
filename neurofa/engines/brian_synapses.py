"""The text of projections, feedback and what follows a presentation in a Brian2 script."""

import math
from typing import NamedTuple

from ..kernels.online import DECAY_EVERY
from ..rules.plan import FeedbackProjection
from .brian_levels import changed, raised_trace, stored_trace
from .brian_setting import LAST_TICK, Setting, block, commented, indented, learning_now

ONCE = "0*ms"  # a pathway that acts in the tick of its event


class Pathway(NamedTuple):
    """Something that synapses do at an event of a neuron."""

    name: str
    code: list[str]
    delay: str
    when: str
    why: str
    event: str = ""  # of the postsynaptic neuron; a presynaptic spike if empty


def _through_w(s: Setting, layer: int) -> FeedbackProjection | None:
    """The route that runs backwards through the projection to `layer`."""
    route = s.routes.get(layer - 1)
    backwards = route is not None and route.source == layer and route.follow in ("transpose", "sign", "offset")
    return route if backwards else None


def _third(s: Setting, layer: int) -> str:
    return "psi_post*M_post" if s.gated(layer) else "M_post"


def _change(s: Setting, layer: int, amount: str, bias: bool) -> list[str]:
    """Code by which a weight loses `amount`."""
    return [f"dw -= {amount}"] if s.clean else changed(s, layer, bias, "-", amount)


def _decay(s: Setting, layer: int, bias: bool) -> list[str]:
    """Code of weight decay."""
    factor = f"(1 - eta*weight_decay)**{DECAY_EVERY}"
    if s.grid(layer) is not None:
        lost = f"lost = {'shadow' if s.shadowed(layer) else 'w'}*(1 - {factor})"
        return [lost, *changed(s, layer, bias, "-", "lost")]
    bounded = not bias and s.plan.projections[layer].minimum > -math.inf
    return [f"w = clip(w*{factor}, w_min_{layer}, inf)" if bounded else f"w = w*{factor}"]


def _since_start(s: Setting, ticks: str, number: int) -> str:
    """1 if what was emitted `ticks` ago was emitted in this presentation, as code; empty if it always was."""
    return f"int(t_in_timesteps % ticks >= {ticks})" if s.fresh and number > 0 else ""


def _times(*factors: str) -> str:
    return "".join(f"*{factor}" for factor in factors if factor)


def _pathways(s: Setting, layer: int, bias: bool) -> list[Pathway]:
    """All that the synapses of a projection do."""
    outside, name = layer == 0 and not bias, f"delay_{layer}"
    delay = 1 if bias else s.spiking.delays(s.plan.n_layers)[layer]
    less = f"({name} - 1)*dt" if delay > 1 else ONCE
    # what a neuron emits sets off at the end of its tick, and joins the input of the next; an event of an input
    # counts as emitted in the tick before its own
    gate = _since_start(s, f"{name} - 1", delay - 1)
    chance = "" if bias or s.transmits_all else "passes"
    arrival, later = [f"I_post += w{_times(chance, gate)}"], not math.isinf(s.spiking.tau_pre_ms)
    if s.traced(layer) and not later:
        arrival.append(raised_trace(s, layer, gate))
    if s.counts_spikes(layer):
        arrival.append(f"c += {gate or 1}")
    why = "step 1: spikes arrive" + (", and leave a trace" if s.traced(layer) and not later else "")
    slot, found = "synapses" if outside else "departure", []
    if chance:
        code = ["passes = int(rand() < transmission)"]
        found.append(Pathway("choose", code, less, f"before_{slot}", "whether the synapse passes the spike on"))
    found.append(Pathway("transmit", arrival, less, slot, why))
    # the same spikes in the tick of their arrival
    full, past = (
        (less, gate) if outside else (f"{'1' if bias else name}*dt", _since_start(s, "1" if bias else name, delay))
    )
    if s.traced(layer) and later:
        code = [raised_trace(s, layer, past)]
        found.append(Pathway("trace", code, full, "traces", "spikes that arrive leave a trace"))
    if s.plastic(layer):
        third, trace = _third(s, layer), stored_trace(s, layer)
        if s.from_loss and layer < s.last:
            psi = "psi_post*" if s.gated(layer) else ""
            signal = "loss_change_post*z_post" if s.modulator_grid(layer) is None else "M_post"
            code = _change(s, layer, f"eta*{trace}*{psi}{signal}", bias)
            found.append(Pathway("learn", code, ONCE, "learn_from_loss", "the loss changed under the noise", "shown"))
        elif s.at_error:
            code = _change(s, layer, f"eta*{trace}*{third}", bias)
            found.append(Pathway("learn", code, ONCE, "plasticity", "step 6: traces meet a modulator", "modulated"))
        elif layer == s.last or layer in s.routes:
            on = learning_now(s) if not s.fresh and s.starts_late else ""
            if s.counts_spikes(layer):
                code = [*_change(s, layer, f"eta*c*{third}{_times(on)}", bias), "c = 0"]
                why = "step 6: the spikes of an epoch meet a modulator"
                found.append(Pathway("learn", code, ONCE, "plasticity", why, "epoch_over"))
            else:
                code = _change(s, layer, f"eta*{third}{_times(past, on)}", bias)
                found.append(Pathway("learn", code, full, "plasticity", "step 6: spikes that arrived meet a modulator"))
        if s.clean:
            code = [*changed(s, layer, bias, "+", "dw"), "dw = 0"]
            found.append(Pathway("apply", code, ONCE, "apply", "weights change after both presentations", "shown"))
        if bias and s.homeostasis and layer < s.last:
            excess = "homeostasis_rate*clip(mean_count_post - homeostasis_count, 0, inf)"
            code = changed(s, layer, bias, "-", excess)
            found.append(Pathway("calm", code, ONCE, "after_homeostasis", "busy neurons lose bias", "shown"))
        if s.weight_decay > 0:
            found.append(Pathway("decay", _decay(s, layer, bias), ONCE, "decay", "weight decay", "decays"))
    route = None if bias else _through_w(s, layer)
    if route is not None:
        carried = "s_post" if s.held(layer - 1) else "n_post"
        through = {"transpose": "w", "sign": "basis*sign(w)", "offset": "(w + basis)"}[route.follow]
        event = "signal" if s.held(layer - 1) else "error"
        why = "step 5: errors run back through the same synapses"
        code = [f"M_pre += {carried}*{through}"]
        found.append(Pathway("back", code, ONCE, f"feedback_{s.name(layer - 1)}", why, event))
    return found


def _variables(s: Setting, layer: int, bias: bool) -> list[tuple[str, str]]:
    rows = [("w : 1", "weight")]
    if s.shadowed(layer):
        rows.append(("shadow : 1", "weight in full precision, which w is rounded from"))
    if not bias and not s.transmits_all:
        rows.append(("passes : 1", "1 if the synapse passes a spike on"))
    if s.counts_spikes(layer):
        rows.append(("c : 1", "spikes that arrived in this epoch"))
    if s.plastic(layer):
        rows.append(("eta : 1 (shared)", "learning rate"))
    if s.traced(layer):
        decays = not math.isinf(s.spiking.tau_pre_ms)
        rows.append(("dx/dt = -x/tau_pre : 1 (event-driven)" if decays else "x : 1", "presynaptic trace"))
    if s.plastic(layer) and s.clean:
        rows.append(("dw : 1", "change that waits for the end of both presentations"))
    route = None if bias else _through_w(s, layer)
    if route is not None and route.follow != "transpose":
        rows.append(("basis : 1", "what B differs from W by"))
    return rows


def _listed(name: str, pathways: list[Pathway]) -> list[str]:
    """An argument of Synapses, with the code of each pathway."""
    lines = [f"    {name}={{"]
    for pathway in pathways:
        line = f'        "{pathway.name}": "{"; ".join(pathway.code)}",'
        whole = block(f'"{pathway.name}": ', (f"    {code}" for code in pathway.code), ",")
        lines += [f"        # {pathway.why}", *([line] if len(line) <= 110 else (f"        {part}" for part in whole))]
    return [*lines, "    },"]


def synapses(
    name: str, before: str, after: str, variables: list[tuple[str, str]], pre: list[Pathway], post: list[Pathway]
) -> list[str]:
    """All-to-all synapses; those in `pre` act at events of the presynaptic neuron."""
    both = [*pre, *post]
    lines = [f"{name} = Synapses(", f"    {before},", f"    {after},"]
    lines += indented(block("", commented(variables), ",")) if variables else []
    lines += _listed("on_pre", pre) if pre else []
    lines += _listed("on_post", post) if post else []
    events = [pathway for pathway in both if pathway.event]
    if events:
        lines.append("    on_event={" + ", ".join(f'"{p.name}": "{p.event}"' for p in events) + "},")
    delays = [f'"{p.name}": {p.delay}' for p in both]
    short = sum(map(len, delays)) < 90
    lines += (
        [f"    delay={{{', '.join(delays)}}},"]
        if short
        else ["    delay={", *(f"        {d}," for d in delays), "    },"]
    )
    lines += ["    clock=clock,", f'    name="{name}",', ")", f"{name}.connect()"]
    return [*lines, *(f'{name}.{p.name}.when = "{p.when}"' for p in both)]


def projection(s: Setting, layer: int, bias: bool) -> list[str]:
    """W, or b, of a layer."""
    name, after = f"{'b' if bias else 'W'}_{layer}", s.name(layer)
    before = "bias" if bias else s.name(layer - 1)
    pathways = _pathways(s, layer, bias)
    pre = [pathway for pathway in pathways if not pathway.event]
    post = [pathway for pathway in pathways if pathway.event]
    lines = [f"# {name}: {before} -> {after}."]
    lines += synapses(name, before, after, _variables(s, layer, bias), pre, post)
    if s.traced(layer) and s.fresh:
        lines.append(f'{name}.run_regularly("x = 0", dt=sample, when="start")  # traces end with the presentation')
    if s.counts_spikes(layer) and s.fresh:
        lines.append(f'{name}.run_regularly("c = 0", dt=sample, when="start")  # so do counts')
    return lines


def has_synapses(s: Setting, route: FeedbackProjection) -> bool:
    """Whether feedback has synapses of its own; otherwise signals run back through those of W."""
    return _through_w(s, route.source) is not route


def feedback(s: Setting, route: FeedbackProjection) -> list[str]:
    """B of a hidden layer, which has synapses of its own."""
    source, layer, name = s.name(route.source), s.name(route.layer), f"B_{route.layer}"
    carried, event = ("s_pre", "signal") if s.held(route.layer) else ("n_pre", "error")
    variables = [("B : 1", "feedback weight")]
    found = [
        Pathway("back", [f"M_post += {carried}*B"], ONCE, f"feedback_{layer}", "step 5: errors reach the layer", event)
    ]
    if route.follow == "learned":
        expect, learn = "expected_post += E_pre*B", "B -= feedback_rate*E_pre*(expected_post - loss_change_post*z_post)"
        found += [
            Pathway("expect", [expect], ONCE, "expect", "what the feedback says about the loss", "shown"),
            Pathway("learn", [learn], ONCE, "learn_feedback", "it learns what the loss really did", "shown"),
        ]
    if route.follow == "derived" and route.basis is not None:
        variables.append(("basis : 1", "magnitude"))
    lines = [f"# {name}: errors of {source} -> {layer}."]
    return [*lines, *synapses(name, source, layer, variables, found, [])]


def judge(s: Setting) -> list[str]:
    """A neuron that knows how the loss of a presentation differs from its baseline."""
    if s.clean:
        compare = ["noisy = int(t_in_timesteps % (2*ticks) >= ticks)"]
        compare += ["loss_change = noisy*(loss - baseline)/noise_std", "baseline = (1 - noisy)*loss + noisy*baseline"]
    else:
        compare = ["loss_change = known*(loss - baseline)/noise_std"]
        compare += ["baseline = known*(baseline + baseline_rate*(loss - baseline)) + (1 - known)*loss", "known = 1"]
    variables = [("loss : 1", "of this presentation"), ("baseline : 1", "what it is compared with")]
    variables += [] if s.clean else [("known : 1", "whether there is a baseline yet")]
    variables.append(("loss_change : 1", "in units of the noise's deviation"))
    lines = ["# The judge compares the loss of a noisy presentation with that of others.", "judge = NeuronGroup("]
    lines += ["    1,", *indented(block("", commented(variables), ","))]
    lines += [f'    events={{"judged": "{LAST_TICK}"}},', "    clock=clock,", '    name="judge",', ")"]
    lines += ['judge.set_event_schedule("judged", when="presentation_ends")']
    lines += ['judge.run_regularly("loss = 0", dt=sample, when="start")', "judge.run_on_event("]
    lines += ['    "judged",', *indented(block("", compare, ",")), '    when="compare",', ")"]
    add = Pathway(
        "tell", ["loss_post += 0.5*(spike_count_pre/(peak*ticks) - aim_pre)**2"], ONCE, "judge", "the loss", "judged"
    )
    lines += synapses("losses", "output", "judge", [], [add], [])
    tell = Pathway("tell", ["loss_change_post += loss_change_pre"], ONCE, "after_compare", "the verdict", "judged")
    for layer in range(s.last):
        lines += synapses(f"verdict_{layer}", "judge", s.name(layer), [], [tell], [])
    return lines
