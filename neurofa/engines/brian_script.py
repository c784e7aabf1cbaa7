"""A Plan on spikes as the text of a Brian2 script that runs with Brian2 and NumPy alone (docs/spiking.md)."""

import math
import re
from pathlib import Path

from ..rules.plan import FeedbackProjection
from ..spec.errors import InputError
from .brian_levels import feedback_on_levels, functions
from .brian_parameters import parameters
from .brian_parts import population
from .brian_setting import Setting, commented, indented
from .brian_synapses import feedback, has_synapses, judge, projection

# neither shortcuts nor fused operations: what is computed is what is written
FLAGS = ["-w", "-O3", "-march=native", "-ffp-contract=off", "-std=c++11"]
BRIAN2 = (
    "Clock",
    "EventMonitor",
    "Function",
    "Network",
    "NetworkOperation",
    "NeuronGroup",
    "SpikeGeneratorGroup",
    "SpikeMonitor",
    "Synapses",
    "TimedArray",
    "ms",
    "prefs",
    "seed",
    "set_device",
)


def data_file(path: Path) -> Path:
    """The arrays that a script shows. Nothing else that neurofa writes beside a script has this name."""
    return path.with_name(f"{path.stem}_data.npz")


def _section(title: str) -> list[str]:
    return ["", "", f"# {title} {'-' * max(3, 115 - len(title))}", ""]


def slots(s: Setting) -> list[tuple[str, str]]:
    """What happens in a tick, in order, and what it is."""
    found = [
        ("start", "presentations begin, input events arrive"),
        ("synapses", "step 1: input events are delivered"),
        ("groups", "step 2: integration"),
        ("thresholds", "step 3: spikes"),
        ("resets", ""),
    ]
    if s.learns:
        for layer in reversed(s.layers):
            name = s.name(layer)
            if layer in s.routes:
                found.append((f"feedback_{name}", f"step 5: what {name} receives"))
            if layer == s.last or s.own_errors(layer):
                found.append((f"errors_{name}", "steps 4 and 5: error events" if layer == s.last else "and passes on"))
        if any(s.traced(layer) for layer in s.layers) and not math.isinf(s.spiking.tau_pre_ms):
            found.append(("traces", "step 6: presynaptic traces"))
        found.append(("plasticity", "step 6: synapses change"))
    found.append(("presentation_ends", "whether this was the last tick of a presentation"))
    if s.perturbed:
        found += [("judge", "its loss"), ("compare", "and how that differs from the baseline")]
        if s.from_loss:
            found.append(("learn_from_loss", "which is the hidden layers' signal"))
        if s.clean:
            found.append(("apply", "changes that waited"))
        if not s.from_loss:
            found += [("expect", "what B says about that"), ("learn_feedback", "and B learns")]
    if s.homeostasis:
        found.append(("homeostasis", "mean spike counts, then biases"))
    if s.learns and s.weight_decay > 0:
        found.append(("decay", "weight decay"))
    found.append(("departure", "step 1 of the next tick: spikes set off, and those that arrive then join the input"))
    return [*found, ("end", "recording")]


def _parts_of(s: Setting) -> list[str]:
    """Names of all that is simulated."""
    names = ["inputs", *(s.name(layer) for layer in s.layers)]
    names += ["bias"] if s.has_bias else []
    names += [f"W_{layer}" for layer in s.layers]
    names += [f"b_{layer}" for layer in s.layers if s.plan.projections[layer].bias]
    names += [f"B_{route.layer}" for route in _own_B(s)]
    names += ["judge", "losses", *(f"verdict_{layer}" for layer in range(s.last))] if s.perturbed else []
    return [*names, "judged"]


def _build(s: Setting) -> list[str]:
    """The function that makes the network."""
    lines = ["clock = Clock(dt)", "", "# The inputs: events that are given."]
    lines.append(
        f'inputs = SpikeGeneratorGroup({s.plan.sizes[0]}, [], [] * ms, clock=clock, when="start", name="inputs")'
    )
    for layer in s.layers:
        lines += ["", *population(s, layer)]
    if s.has_bias:
        lines += ["", "# The bias neuron spikes as an input of 1 does.", "bias = NeuronGroup("]
        lines += ['    1, "v : 1", threshold="v >= 1", reset="v -= 1", clock=clock, name="bias"', ")"]
        lines += ["bias.v = 0.5", 'bias.run_regularly("v += peak", when="groups")']
        if s.fresh:
            lines.append('bias.run_regularly("v = 0.5", dt=sample, when="start")')
    if s.perturbed:
        lines += ["", *judge(s)]
    for layer in s.layers:
        lines += ["", *projection(s, layer, False)]
        if s.plan.projections[layer].bias:
            lines += ["", *projection(s, layer, True)]
    for route in _own_B(s):
        lines += ["", *feedback(s, route)]
    lines += ["", "# What each presentation ends with: spikes and membranes of the outputs."]
    lines.append('judged = EventMonitor(output, "judged", variables=["spike_count", "v"], when="end", name="judged")')
    names = _parts_of(s)
    lines += ["", f"made = [{', '.join(names)}]"]
    if _derived(s):
        lines += ["", "# Feedback that follows from all weights is computed anew between presentations."]
        lines += [
            'made.append(NetworkOperation(lambda t: renew_feedback(made, t), dt=sample, when="start", name="renewal"))'
        ]
    lines += ["if record:"]
    layers = ", ".join(s.name(layer) for layer in s.layers)
    lines.append(f'    made += [SpikeMonitor(group, name=f"spikes_of_{{group.name}}") for group in ({layers},)]')
    lines += ["net = Network(*made)", "net.schedule = SCHEDULE"]
    lines.append("return net, {part.name: part for part in made}")
    head = ["def build(record=True):", '    """The network, and its parts by name."""']
    return [*head, *(f"    {line}" if line else "" for line in lines)]


def _derived(s: Setting) -> list[FeedbackProjection]:
    """Feedback that the script computes from all weights."""
    return [route for route in s.routes.values() if route.follow == "derived"]


def _own_B(s: Setting) -> list[FeedbackProjection]:
    return [route for route in s.routes.values() if has_synapses(s, route)]


def _basis(s: Setting) -> list[FeedbackProjection]:
    return [route for route in s.routes.values() if route.elementwise]


def _weights(s: Setting) -> list[str]:
    """Functions that put weights into the network and take them out."""
    put, take = [], []
    for layer in s.layers:
        n_pre, n_post = s.plan.sizes[layer : layer + 2]
        put.append(f'parts["W_{layer}"].w = arrays["layers.{layer}.W"].ravel()')
        take.append(f'"layers.{layer}.W": np.array(parts["W_{layer}"].w[:]).reshape({n_pre}, {n_post}),')
        for name in s.shadows(layer):
            put.append(f'parts["{name}"].shadow = arrays["shadow.{name}"]')
        if s.plan.projections[layer].bias:
            put.append(f'parts["b_{layer}"].w = arrays["layers.{layer}.b"]')
            take.append(f'"layers.{layer}.b": np.array(parts["b_{layer}"].w[:]),')
    for route in _own_B(s):
        shape = s.plan.sizes[route.source + 1], s.plan.sizes[route.layer + 1]
        put.append(f'parts["B_{route.layer}"].B = arrays["layers.{route.layer}.B"].ravel()')
        take.append(f'"layers.{route.layer}.B": np.array(parts["B_{route.layer}"].B[:]).reshape{shape},')
        if route.follow == "derived" and route.basis is not None:
            put.append(f'parts["B_{route.layer}"].basis = arrays["basis.{route.layer}"].ravel()')
    for route in _basis(s):  # lies along W, which is laid out the other way round
        put.append(f'parts["W_{route.source}"].basis = arrays["basis.{route.layer}"].T.ravel()')
    lines = ["def set_weights(parts, arrays):", '    """Put weights and feedback in place."""', *indented(put), "", ""]
    lines += ["def weights(parts):", '    """Weights and learned feedback as they are now."""']
    return [*lines, "    return {", *(f"        {line}" for line in take), "    }"]


def _renewal(s: Setting) -> list[str]:
    """The function that computes derived feedback."""
    every = s.plan.refresh_every
    lines = [
        "def renew_feedback(made, t):",
        '    """B as it follows from all weights; at the start of a presentation."""',
    ]
    lines += [f"    if round(float(t / sample)) % {every}:", "        return"] if every > 1 else []
    lines += [
        "    if t == 0 * ms:",
        "        return",
        "    parts = {part.name: part for part in made}",
        "    W = weights(parts)",
    ]
    for route in _derived(s):
        path = " @ ".join(f'W["layers.{index}.W"]' for index in range(route.layer + 1, route.source + 1))
        lines.append(f"    path = {path}")
        source = route.feedback.source if route.feedback is not None else ""
        if source == "pseudoinverse":
            value = "np.linalg.pinv(path, rcond=max(path.shape) * np.finfo(path.dtype).eps)"
        elif source in ("transpose", "initial_transpose"):
            value = "path.T"
        elif source == "sign_transpose":
            value = f'np.array(parts["B_{route.layer}"].basis[:]).reshape(path.T.shape) * np.sign(path.T)'
        else:
            raise InputError(f"the brian engine cannot derive feedback from {source!r}; use mode 'spiking'")
        if feedback_on_levels(s, route.layer, "B") != "B":
            lines.append(f"    B = {value}")
            value = feedback_on_levels(s, route.layer, "B")
        lines.append(f'    parts["B_{route.layer}"].B = ({value}).ravel()')
    return [*lines, "", ""]


def _show(s: Setting) -> list[str]:
    """The function that shows presentations."""
    args = "net, parts, event_tick, event_input, targets" + (", noise" if s.perturbed else "")
    length = "2 * sample" if s.clean else "sample"
    lines = [f"def show({args}):"]
    lines += ['    """Show presentations one after the other.', ""]
    lines += [
        "    Input `event_input[e]` has an event in tick `event_tick[e]`, counted from the first presentation on, and",
        "    `targets` are activities, (presentations, outputs).",
    ]
    if s.perturbed:
        lines.append("    `noise` has a row of standard normal numbers for each presentation.")
    lines += ['    """', "    begun = net.t", '    parts["inputs"].set_spikes(event_input, begun + event_tick * dt)']
    if s.learns:
        lines += [
            f'    aims = TimedArray(targets, dt={length}, name="aims")  # looked up by name',
            '    parts["output"].begun = begun',
        ]
    at = 0
    for layer in range(s.last) if s.perturbed else ():
        n = s.plan.sizes[layer + 1]
        lines.append(f'    noise_{layer} = TimedArray(noise[:, {at}:{at + n}], dt={length}, name="noise_{layer}")')
        lines.append(f'    parts["{s.name(layer)}"].begun = begun')
        at += n
    names = ["aims"] if s.learns else []
    names += [f"noise_{layer}" for layer in range(s.last)] if s.perturbed else []
    space = "{**globals(), " + ", ".join(f'"{name}": {name}' for name in names) + "}" if names else "globals()"
    return [*lines, f"    net.run(len(targets) * {length}, namespace={space})", "", ""]


def script(s: Setting, rates: tuple[float, ...], title: str, stem: str, number: int = 0) -> str:
    """The text of the script.

    Parameters
    ----------
    s
        What to simulate.
    rates
        Learning rate of each layer.
    title
        What it is, in a line.
    stem
        Name of the file without its ending.
    number
        That the random numbers of Brian2 begin from, where any are drawn.
    """
    body = _section("Parameters, with their units") + parameters(s, rates, number)
    body += _section("The order of things in a tick")
    rows = slots(s)
    body += ["SCHEDULE = [", *indented(commented([(f'"{name}",', why) for name, why in rows])), "]"]
    body += _section("The network") + _build(s) + ["", ""] + _weights(s) + ["", ""]
    if _derived(s):
        body += _renewal(s)
    body += _rates(s) + _show(s)
    if s.learns:
        main = _main(s)
        body += [*_reading("\n".join([*body, *main])), *main]
    rounds = functions("\n".join(body))
    body = (_section("Numbers on levels") + rounds if rounds else []) + body
    text = "\n".join(body) + "\n"
    used = [name for name in BRIAN2 if re.search(rf"\b{name}\b", text)]
    head = [*_head(title, stem), "", "import argparse", "from pathlib import Path", "", "import numpy as np"]
    head += ["from brian2 import (", *(f"    {name}," for name in used), ")"]
    return "\n".join(head) + text


def _rates(s: Setting) -> list[str]:
    if not s.learns:
        return []
    lines = ["def set_rates(parts, rates):", '    """Set the learning rate of each layer."""']
    body = []
    for layer in s.layers:
        if s.plastic(layer):
            body.append(f'parts["W_{layer}"].eta = rates[{layer}]')
            body += [f'parts["b_{layer}"].eta = rates[{layer}]'] if s.plan.projections[layer].bias else []
    return [*lines, *indented(body or ["pass"]), "", ""]


def _head(title: str, stem: str) -> list[str]:
    return [
        f'"""{title}, in Brian2.',
        "",
        f"    python {stem}.py [--target numpy|cython|cpp_standalone]",
        "",
        f"shows the presentations in {stem}_data.npz one after the other, while synapses learn, and writes spikes and",
        f"final weights to {stem}_result.npz. It needs Brian2 and NumPy, nothing else.",
        "",
        "One time step of Brian2 is one tick. Synapses change by three factors: presynaptic spikes, a post factor psi",
        "and a modulator M that errors, which are signed events, leave in a neuron. Steps 1 to 6 of a tick are those",
        "of docs/spiking.md of neurofa, which wrote this file.",
        '"""',
    ]


def _names_classes(s: Setting) -> bool:
    """Whether an output stands for each class."""
    return s.plan.task == "classification" and s.plan.sizes[-1] > 1


def _answers(s: Setting) -> list[str]:
    """The function that names the class of each presentation."""
    lines = ["def answers(counts, membranes):"]
    lines += ['    """The class with the most output spikes, among equals that of the highest membrane."""']
    lines += ["    most = counts == counts.max(axis=1, keepdims=True)"]
    return [*lines, "    return np.where(most, membranes, -np.inf).argmax(axis=1)", "", ""]


def _reading(text: str) -> list[str]:
    """The function that reads the arrays, of which it names all that the rest of the script takes."""
    names = dict.fromkeys(re.findall(r"""arrays\[["']([^"']+)["']\]""", text))
    return [
        "NEEDED = (",
        *(f'    "{name}",' for name in names),
        ")",
        "",
        "",
        "def read(path):",
        '    """The arrays in a file."""',
        "    if not path.exists():",
        '        raise SystemExit(f"{path} is missing; it belongs to this script, so copy both, or export both again")',
        "    arrays = np.load(path)",
        "    missing = [name for name in NEEDED if name not in arrays]",
        "    if missing:",
        '        said = f"{path} has no {missing[0]}, so it was not written with this script"',
        '        raise SystemExit(f"{said}; export both again")',
        "    return arrays",
        "",
        "",
    ]


def _main(s: Setting) -> list[str]:
    """The part that makes the file a program."""
    layers = ", ".join(f'"{s.name(layer)}"' for layer in s.layers)
    noise = ', arrays["noise"]' if s.perturbed else ""
    refuse = []
    if _derived(s):
        refuse = ['    if target == "cpp_standalone":']
        refuse += [
            '        raise SystemExit("feedback is computed in Python between presentations; use numpy or cython")'
        ]
    report = []
    if _names_classes(s):
        shown = "[::2]  # with the noise it counts for the baseline alone" if s.clean else ""
        report = [f'    given = answers(results["counts"], results["membranes"]){shown}']
        report += [
            "    print(f\"{np.sum(given == arrays['labels'])} of {len(given)} samples were classified rightly\")"
        ]
    n_out = s.plan.sizes[-1]
    return [
        *(_answers(s) if _names_classes(s) else []),
        "def main():",
        '    """Run what is in the file of arrays beside this one."""',
        "    parser = argparse.ArgumentParser()",
        '    parser.add_argument("--target", choices=("auto", "numpy", "cython", "cpp_standalone"), default="auto")',
        "    target = parser.parse_args().target",
        *refuse,
        "    here = Path(__file__)",
        '    arrays = read(here.with_name(here.stem + "_data.npz"))',
        "    # sums are added up in the order in which they stand here, so that other programs get the same last digit",
        "    prefs.codegen.loop_invariant_optimisations = False",
        f"    prefs.codegen.cpp.extra_compile_args_gcc = {FLAGS!r}",
        '    if target == "cpp_standalone":',
        '        prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]  # jobs at a time',
        '        set_device("cpp_standalone", directory=str(here.with_suffix("")) + "_cpp")',
        "    else:",
        "        prefs.codegen.target = target",
        *(["    seed(random_state)"] if s.draws else []),
        "    net, parts = build()",
        "    set_weights(parts, arrays)",
        "    set_rates(parts, learning_rates)",
        f'    show(net, parts, arrays["event_tick"], arrays["event_input"], arrays["targets"]{noise})',
        *(["    renew_feedback(list(parts.values()), net.t)"] if _derived(s) else []),
        "    results = weights(parts)",
        '    for name in ("spike_count", "v"):',
        '        value = np.array(parts["judged"].variables[name].get_value())',
        f'        results["membranes" if name == "v" else "counts"] = value.reshape(-1, {n_out})',
        f"    for name in ({layers},):",
        '        spikes = parts[f"spikes_of_{name}"]',
        '        results[f"spikes.{name}.tick"] = np.round(np.asarray(spikes.t / dt)).astype(int)',
        '        results[f"spikes.{name}.neuron"] = np.array(spikes.i)',
        '        print(f"{name}: {len(spikes.i)} spikes")',
        *report,
        '    out = here.with_name(here.stem + "_result.npz")',
        "    np.savez(out, **results)",
        '    print(f"spikes and final weights are in {out}")',
        "",
        "",
        'if __name__ == "__main__":',
        "    main()",
    ]
