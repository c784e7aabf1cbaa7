"""The parameters of a Brian2 script: every number, with its unit and what it is."""

import math

from .brian_levels import BY_CHANCE, due, level_rows, neuron_rows
from .brian_setting import Setting, commented


def parameters(s: Setting, rates: tuple[float, ...], number: int) -> list[str]:
    """All numbers, with their units."""
    spiking = s.spiking
    rows = [
        (f"dt = {float(spiking.dt_ms)!r} * ms", "a tick"),
        (f"ticks = {s.ticks}", "of a presentation"),
        ("sample = ticks * dt", "how long a sample is shown"),
        (f"peak = {spiking.peak!r}", "spikes a tick that stand for an activity of 1"),
    ]
    rows += [
        (f"delay_{layer} = {ticks}", f"ticks from {s.name(layer - 1)} to {s.name(layer)}")
        for layer, ticks in enumerate(spiking.delays(s.plan.n_layers))
    ]
    if not s.transmits_all:
        rows.append((f"transmission = {float(spiking.transmission)!r}", "probability that a synapse passes a spike on"))
    lines = [*commented(rows), ""]
    shown = {s.suffix(layer): layer for layer in s.layers}
    for layer in sorted(shown.values()):
        lines += [*_neuron_parameters(s, layer), ""]
    if any(s.gated(layer) for layer in s.layers):
        lines += [*_post_parameters(s), ""]
    if s.learns:
        lines += [*_learning_parameters(s, rates), ""]
    if s.learns and level_rows(s):
        lines += ["# what the hardware stores; numbers beyond the ends are set to them"]
        lines += [f"# by chance: {BY_CHANCE}"] if any("by chance" in why for _, why in level_rows(s)) else []
        lines += [*commented(level_rows(s)), *([f'due = "{due(s)}"'] if s.epoch > 1 else []), ""]
    if s.draws:
        lines += [*commented([(f"random_state = {number}", "where Brian2's random numbers begin")]), ""]
    return lines[:-1]


def _neuron_parameters(s: Setting, layer: int) -> list[str]:
    n, o = s.neuron(layer), s.suffix(layer)
    if s.integers(layer) is not None:
        rows = neuron_rows(s, layer)
        rows += _refractory(s, layer)
        return [f"# the neurons of {s.name(layer)}, in integers", *commented(rows)]
    rows = [(f"r{o} = {float(n.r)!r}", "membrane resistance")]
    if n.model != "if" or s.fresh or n.v_leak != 0:
        rows.append((f"v_leak{o} = {float(n.v_leak)!r}", "where the membrane begins, and decays to"))
    rows.append((f"v_threshold{o} = {float(n.v_threshold)!r}", "where a neuron spikes"))
    if n.reset == "zero":
        rows.append((f"v_reset{o} = {float(n.v_reset)!r}", "where a spike puts the membrane"))
    if n.model != "if":
        rows.append((f"tau_m{o} = {float(n.tau_m_ms)!r} * ms", "of the membrane"))
        rows.append((f"d_m{o} = float(np.exp(-dt / tau_m{o}))", "its decay in a tick"))
    if n.model == "cuba_lif":
        rows.append((f"tau_s{o} = {float(n.tau_syn_ms)!r} * ms", "of the synaptic current"))
        rows.append((f"d_s{o} = float(np.exp(-dt / tau_s{o}))", "its decay in a tick"))
        rows.append((f"kappa{o} = {_kappa(s, layer)}", "what a current of 1 does to the membrane in a tick"))
    rows += _refractory(s, layer)
    if n.threshold_step > 0:
        rows.append((f"threshold_step{o} = {float(n.threshold_step)!r}", "what a spike adds to the threshold"))
        rows.append((f"tau_a{o} = {float(n.tau_threshold_ms)!r} * ms", "how that decays"))
        rows.append((f"d_a{o} = float(np.exp(-dt / tau_a{o}))", "in a tick"))
    who = "output" if o else "hidden and output" if s.last else "output"
    if s.suffix(s.last) and not o:
        who = "hidden"
    return [f"# the {who} neurons", *commented(rows)]


def _refractory(s: Setting, layer: int) -> list[tuple[str, str]]:
    n = s.neuron(layer)
    R = n.refractory_ticks(s.spiking.dt_ms)
    why = "in which the membrane stays after a spike"
    return [(f"refractory_ticks{s.suffix(layer)} = {R}", why)] if n.refractory_ms > 0 else []


def _kappa(s: Setting, layer: int) -> str:
    n, o = s.neuron(layer), s.suffix(layer)
    difference = abs(n.tau_syn_ms - n.tau_m_ms) / n.tau_m_ms
    if difference == 0:
        return f"float(dt / tau_m{o}) * d_m{o}"
    if difference < 1e-3:  # without the difference of almost equal numbers
        x = f"float(dt * (tau_s{o} - tau_m{o}) / (tau_m{o} * tau_s{o}))"
        return f"float(dt / tau_m{o}) * d_m{o} * np.expm1({x}) / {x}"
    return f"float(tau_s{o} / (tau_s{o} - tau_m{o})) * (d_s{o} - d_m{o})"


def _post_parameters(s: Setting) -> list[str]:
    post, rows = s.spiking.post, []
    if post.kind == "surrogate":
        rows.append((f"post_slope = {float(post.slope)!r}", "how fast psi falls with the distance from the threshold"))
    else:
        watched = "low-passed drive" if post.kind == "current_window" else "membrane"
        if post.low > -math.inf:
            rows.append((f"post_low = {float(post.low)!r}", f"psi is 1 where the {watched} is above"))
        if post.high < math.inf:
            rows.append((f"post_high = {float(post.high)!r}", f"psi is 1 where the {watched} is below"))
    if post.kind == "current_window":
        rows.append((f"tau_q = {float(post.tau_ms)!r} * ms", "of the low-pass"))
        rows.append(("d_q = float(np.exp(-dt / tau_q))", "its decay in a tick"))
    return ["# the post factor of hidden neurons", *commented(rows)]


def _learning_parameters(s: Setting, rates: tuple[float, ...]) -> list[str]:
    spiking, plan, start = s.spiking, s.plan, s.spiking.in_ticks(s.spiking.learning_starts_ms)
    rows = [
        (f"learning_rates = {[float(rate) for rate in rates]!r}", "of each layer"),
        (f"error_threshold = {float(spiking.error_threshold)!r}", "output spikes that are worth an error event"),
    ]
    if any(s.own_errors(layer) for layer in s.layers):
        rows.append(
            (f"hidden_error_threshold = {float(spiking.hidden_error_threshold)!r}", "in units of the modulator")
        )
    if start:
        rows.append((f"first_error_tick = {start}", "of a presentation: when outputs have had time to settle"))
    if plan.signal == "target":
        low, high = spiking.target_activity
        rows.append((f"middle = {0.5 * (low + high)!r}", "between the targets of the wrong and the right class"))
    if not s.at_error and not math.isinf(spiking.tau_mod_ms):
        rows.append((f"tau_mod = {float(spiking.tau_mod_ms)!r} * ms", "of what an event leaves in a modulator"))
        rows.append(("d_mod = float(np.exp(-dt / tau_mod))", "its decay in a tick"))
    if any(s.traced(layer) for layer in s.layers) and not math.isinf(spiking.tau_pre_ms):
        rows.append((f"tau_pre = {float(spiking.tau_pre_ms)!r} * ms", "of the presynaptic trace"))
    for layer, into in enumerate(plan.projections):
        if into.minimum > -math.inf and s.grid(layer) is None:
            rows.append((f"w_min_{layer} = {float(into.minimum)!r}", f"lower bound of the weights to {s.name(layer)}"))
    if s.weight_decay > 0:
        rows.append((f"weight_decay = {float(s.weight_decay)!r}", "after every 100th presentation"))
    if spiking.homeostasis is not None:
        h, seconds = spiking.homeostasis, s.ticks * spiking.dt_ms / 1000
        rows.append((f"homeostasis_count = {h.target_rate_hz * seconds!r}", "spikes in a presentation that are enough"))
        rows.append((f"homeostasis_rate = {h.rate / seconds!r}", "bias lost for each spike more"))
        rows.append((f"homeostasis_share = {1 / h.presentations!r}", "of a presentation in the mean"))
    if plan.perturbation is not None:
        settings = plan.perturbation
        rows.append((f"noise_std = {float(settings.noise_std)!r}", "in units of the activity"))
        unit = "v_threshold / r"
        if s.integers(0) is not None:
            unit = f"{float(spiking.neuron.v_threshold)!r} / {float(spiking.neuron.r)!r}"
        rows.append((f"noise_scale = noise_std * peak * {unit}", "what that is as input"))
        if spiking.baseline == "running":
            rows.append((f"baseline_rate = {float(spiking.baseline_rate)!r}", "of the running mean of the loss"))
        if plan.learns_feedback:
            rows.append((f"feedback_rate = {float(settings.learning_rate)!r}", "learning rate of B"))
    return ["# learning", *commented(rows)]
