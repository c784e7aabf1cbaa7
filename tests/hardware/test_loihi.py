"""Integer neurons against traces of two published emulators of Loihi (make_loihi_reference.py), bit for bit.

Then networks that are put under the profile, against the same semantics in plain integers.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from naive_levels import nearest_power, unit

import neurofa as nf
from neurofa.engines.circuits import Circuit, Connection, Population
from neurofa.engines.learner import circuit_of
from neurofa.hardware import constrain, load_profile
from neurofa.recorder import Record
from neurofa.rules import DFA, Integers
from neurofa.simulation import Simulation
from neurofa.spec import Encoder, Init, Layer, Network, Neuron, Spiking

HERE = Path(__file__).parent
END = 2**23 - 1


def loaded(name):
    """The networks of a file with their arrays."""
    with np.load(HERE / name) as arrays:
        cases = json.loads(str(arrays["cases"]))
        for c, case in enumerate(cases):
            case["weights"] = [arrays[f"{c}.weights.{s}"] for s in range(len(case["synapses"]))]
            case |= {key: arrays[f"{c}.{key}"] for key in ("events", "u", "v", "spikes")}
    return cases


CASES = loaded("loihi_brian2.npz") + loaded("loihi_nengo.npz")
by_name = pytest.mark.parametrize("case", CASES, ids=[case["name"].replace(" ", "_") for case in CASES])


def toward_zero(x, kept):
    """Rounded down magnitudes of x times kept / 4096."""
    return np.sign(x) * ((np.abs(x) * kept) >> 12)


def by_hand(case):
    """u, v and spikes in plain integers, as the emulators' sources say."""
    sizes = [g["size"] for g in case["groups"]]
    first = np.cumsum([0, *sizes])
    u, v, rest = ([np.zeros(n, np.int64) for n in sizes] for _ in range(3))
    us, vs, spikes = [], [], []
    arriving = {}  # (tick, group): input
    events = case["events"].astype(int)

    def send(pre, tick, units):
        for s, w in zip(case["synapses"], case["weights"], strict=True):
            if s["pre"] == pre and len(units):
                key = (tick + s["delay"], s["post"])
                arriving[key] = arriving.get(key, 0) + w[units].astype(np.int64).sum(axis=0)

    for t in range(case["ticks"]):
        send(-1, t, events[events[:, 0] == t, 1])
        fired = []
        for k, g in enumerate(case["groups"]):
            u[k] = toward_zero(u[k], 4096 - g["decay_u"]) + arriving.pop((t, k), 0)
            u[k] = (u[k] + 2**23) % 2**24 - 2**23
            moved = np.clip(toward_zero(v[k], 4096 - g["decay_v"]) + u[k], -END, END)
            v[k] = np.where(rest[k] > 0, v[k], moved)
            over = (v[k] > 64 * g["threshold"]) & (rest[k] == 0)
            v[k][over] = 0
            rest[k] = np.where(over, g["refractory"] - 1, np.maximum(rest[k] - 1, 0))
            fired.append(np.flatnonzero(over))
            spikes += [(t, first[k] + i) for i in fired[k]]
        for k, units in enumerate(fired):
            send(k, t + 1, units)
        us.append(np.concatenate(u))
        vs.append(np.concatenate(v))
    return np.array(us), np.array(vs), sorted(spikes)


def our_circuit(case):
    """The network as a circuit of integer neurons, in units of the membrane's step."""
    populations = [Population("inputs", case["inputs"])]
    for k, g in enumerate(case["groups"]):
        integers = Integers(
            step=1.0,
            end=END,
            current_step=1.0,
            current_end=END,
            gain=1.0,
            decay_m=(4096 - g["decay_v"]) / 4096,
            decay_s=(4096 - g["decay_u"]) / 4096,
            threshold=64.0 * g["threshold"],
            v_reset=0.0,
            above=True,
            wraps=True,
        )
        neuron = Neuron("cuba_lif", v_threshold=64.0 * g["threshold"], reset="zero", refractory_ms=g["refractory"] - 1)
        populations.append(Population(f"group {k}", g["size"], neuron, integers=integers))
    connections = [
        Connection(
            "inputs" if s["pre"] < 0 else f"group {s['pre']}",
            f"group {s['post']}",
            w.astype(np.float64),
            delay_ms=s["delay"] + 1,
            name=f"synapses {k}",
        )
        for k, (s, w) in enumerate(zip(case["synapses"], case["weights"], strict=True))
    ]
    return Circuit(tuple(populations), tuple(connections))


def by_us(case, precision):
    """u, v and spikes of our engine."""
    circuit = our_circuit(case)
    names = [p.name for p in circuit.populations[1:]]
    events = case["events"].astype(int)
    inputs = {"inputs": (events[:, 0], events[:, 1])}
    return found(Simulation(circuit, precision).run(case["ticks"], inputs, watched(names)), names)


def watched(names):
    """All that can be seen of some populations."""
    return [Record(what, name) for name in names for what in ("spikes", "v", "current")]


def found(recording, names, current_steps=None, steps=None):
    """u, v and spikes of a recording, side by side, in units of each population's steps."""
    ones = [1.0] * len(names)
    first = np.cumsum([0] + [recording.sizes[name] for name in names])
    spikes = sorted(
        (int(t), int(i + at))
        for name, at in zip(names, first, strict=False)
        for t, i in zip(*recording.spikes[name], strict=True)
    )
    u, v = (
        np.concatenate(
            [recording.traces[what, name].values / step for name, step in zip(names, units or ones, strict=True)],
            axis=1,
        )
        for what, units in (("current", current_steps), ("v", steps))
    )
    return u, v, spikes


def check(case, u, v, spikes):
    """All of u, v and spikes are the emulator's."""
    assert [tuple(s) for s in spikes] == sorted(map(tuple, case["spikes"].tolist()))
    assert np.array_equal(u, case["u"])
    assert np.array_equal(v, case["v"])


@by_name
def test_semantics_as_written_are_those_of_the_emulators(case):
    check(case, *by_hand(case))


@by_name
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_our_neurons_are_those_of_the_emulators(case, precision):
    check(case, *by_us(case, precision))


def test_networks_meet_what_can_go_wrong():
    decays = {g[key] for case in CASES for g in case["groups"] for key in ("decay_u", "decay_v")}
    assert {0, 1, 4095, 4096} <= decays
    assert {g["refractory"] for case in CASES for g in case["groups"]} >= {1, 2, 3, 4}
    assert {s["delay"] for case in CASES for s in case["synapses"]} >= {0, 1, 62}
    assert {s["exponent"] for case in CASES for s in case["synapses"]} >= {-7, -4, -1, 0, 6}
    assert all(len(case["spikes"]) for case in CASES)
    assert any(abs(case["v"]).max() == END for case in CASES)  # an end of the membrane
    jumps = [np.abs(np.diff(case["u"].astype(np.int64), axis=0)).max() for case in CASES]
    assert max(jumps) > 2**23  # a current that wrapped


def test_profile_describes_these_neurons():
    chip = load_profile("loihi")
    assert (chip.state.membrane_bits, chip.state.current_bits, chip.state.decay_bits) == (24, 24, 12)
    assert (chip.state.spikes_above, chip.state.current_overflow, chip.state.threshold_shift) == (True, "wrap", 6)
    assert chip.neurons.resets == ("zero",)
    assert (chip.neurons.delay_ticks_max, chip.neurons.refractory_ticks_max) == (62 + 1, 64 - 1)


# ---------------------------------------------------------------------------- networks under the profile

LOIHI = load_profile("loihi")
CUBA = Neuron("cuba_lif", tau_m_ms=16.0, tau_syn_ms=5.0, r=4.0, reset="zero")
SLOW = Neuron("cuba_lif", tau_m_ms=7000.0, tau_syn_ms=5000.0, r=7.8, reset="zero", refractory_ms=2.0)
FAST = replace(CUBA, tau_syn_ms=0.1, r=200.0)


def made(*neurons, sizes=(6, 9, 7), low=-0.3, high=0.6, mantissas=(-256, 255), rate=0.25, bias=True, **options):
    """A network that is put under the profile; weights in steps of its unit are drawn from `mantissas`, if any."""
    n = len(sizes) - 1
    settings = {"sample_ms": 160.0, "encoder": Encoder("regular", 250.0), "transmission": 1.0, **options}
    spiking = Spiking(neuron=neurons[0], output_neuron=neurons[-1], **settings)
    init = Init("uniform", low=low, high=high)
    layers = tuple(Layer(units, "sigmoid", bias=bias, init=init, bias_init=init) for units in sizes[1:])
    return {
        "network": Network(sizes[0], layers, "bce"),
        "spiking": spiking,
        "neurons": [neurons[0]] * (n - 1) + [neurons[-1]],
        "reach": max(-low, high),
        "mantissas": mantissas,
        "rate": rate,
    }


MADE = {
    "weights as they are drawn": made(CUBA, replace(CUBA, tau_m_ms=9.0), mantissas=None),
    "two layers": made(CUBA, replace(CUBA, r=3.0, tau_syn_ms=11.0), delay_ms=(1.0, 4.0)),
    "three layers": made(CUBA, sizes=(5, 8, 6, 4), delay_ms=(3.0, 63.0, 2.0), mantissas=(-100, 255)),
    "no bias": made(replace(CUBA, refractory_ms=3.0), sizes=(8, 12), bias=False),
    "half a tick": made(replace(CUBA, refractory_ms=1.3), replace(CUBA, r=1.7), dt_ms=0.5, delay_ms=(1.0, 2.5)),
    "one time constant": made(replace(CUBA, tau_syn_ms=16.0, refractory_ms=63.0), replace(CUBA, tau_syn_ms=16.0)),
    "slowest decay": made(SLOW, replace(CUBA, v_threshold=0.83), rate=0.05),
    "fast decay": made(replace(FAST, tau_m_ms=0.3), replace(FAST, tau_syn_ms=0.05), rate=0.5),
    "membrane full": made(replace(SLOW, v_threshold=3.99), CUBA, sizes=(30, 9, 6), mantissas=(-200, 255), rate=0.5),
    "current wraps": made(replace(SLOW, v_threshold=2.0), CUBA, sizes=(30, 9, 6), mantissas=(-60, 255), rate=0.6),
    "coarser weights": made(replace(SLOW, v_threshold=6.0), CUBA, sizes=(30, 9, 6), mantissas=(-60, 255), rate=0.4),
    "delta synapses": made(Neuron("lif", tau_m_ms=9.0, r=1.3, reset="zero", refractory_ms=1.0), CUBA),
    "no leak": made(Neuron("if", r=0.7, reset="zero"), Neuron("lif", reset="zero"), mantissas=(-200, 255)),
}
by_made = pytest.mark.parametrize("name", MADE)


def parameters_of(made, seed):
    """Weights and biases on the chip's levels, drawn by us, and their names; none to have them drawn by the network."""
    if made["mantissas"] is None:
        return {}
    rng, u, (low, high) = np.random.default_rng(seed), unit(LOIHI.weights, made["reach"]), made["mantissas"]
    sizes, params = made["network"].sizes, {}
    for k, layer in enumerate(made["network"].layers):
        for name, shape in (("W", sizes[k : k + 2]), *((("b", sizes[k + 1]),) if layer.bias else ())):
            params[f"layers.{k}.{name}"] = u * 2.0 * (rng.integers(low, high, shape) // 2)
    return params


def put_under_the_profile(made, precision="float64", seed=0):
    """The network's plan on the chip."""
    params = parameters_of(made, seed)
    plan = nf.lower(made["network"], DFA, seed, params=params, precision=precision)
    return constrain(plan, made["spiking"], LOIHI, seed=seed, given=tuple(params))


def nearest_decay(tau_ms, dt_ms):
    """What a tick takes away, in 1/4096: at least one of them."""
    return 4096 - min(4095, round(4096 * math.exp(-dt_ms / tau_ms)))


def gain_of(neuron, dt_ms):
    """The power of two that takes the place of the input's gain."""
    if neuron.model != "cuba_lif":
        return nearest_power(neuron.r)
    d_m, d_s = math.exp(-dt_ms / neuron.tau_m_ms), math.exp(-dt_ms / neuron.tau_syn_ms)
    if neuron.tau_m_ms == neuron.tau_syn_ms:
        return nearest_power(neuron.r * dt_ms / neuron.tau_m_ms * d_m)
    return nearest_power(neuron.r * neuron.tau_syn_ms / (neuron.tau_syn_ms - neuron.tau_m_ms) * (d_s - d_m))


def described(made, params, events, ticks):
    """The network as the chip's integers, from its description alone; and the steps of currents and membranes."""
    spiking, network, dt = made["spiking"], made["network"], made["spiking"].dt_ms
    u, n_in = unit(LOIHI.weights, made["reach"]), made["network"].inputs
    delays = spiking.delay_ms if isinstance(spiking.delay_ms, tuple) else (spiking.delay_ms,) * len(network.layers)
    groups, synapses, weights, steps, current_steps = [], [], [], [], []
    for k, (neuron, layer) in enumerate(zip(made["neurons"], network.layers, strict=True)):
        gain, exponent = gain_of(neuron, dt), 0
        step = gain * u / 64  # of the membrane: a weight of u is 2^6 of them, at an exponent of 0
        threshold = round(neuron.v_threshold / (64 * step))
        if threshold >= 2**17:
            exponent, step = -1, 2 * step
            threshold = round(neuron.v_threshold / (64 * step))
        assert 1 <= threshold < 2**17
        groups.append(
            {
                "size": layer.units,
                "decay_u": 4096 if neuron.model != "cuba_lif" else nearest_decay(neuron.tau_syn_ms, dt),
                "decay_v": 0 if neuron.model == "if" else nearest_decay(neuron.tau_m_ms, dt),
                "threshold": threshold,
                "refractory": 1 + math.ceil(neuron.refractory_ms / dt),
            }
        )
        steps.append(step)
        current_steps.append(step / gain)
        W = params[f"layers.{k}.W"] / u
        b = params[f"layers.{k}.b"] / u if layer.bias else np.zeros(layer.units)
        for mantissa in (W, b):
            assert np.array_equal(mantissa, 2 * np.rint(mantissa / 2))
            assert mantissa.min() >= -256
            assert mantissa.max() <= 254
        on_chip = [(m.astype(np.int64) * 2 ** (6 + exponent)) for m in (W, b)]
        # the bias neuron is one more input, whose spikes take one tick
        into = np.zeros((n_in + 1, layer.units), np.int64)
        into[n_in] = on_chip[1]
        synapses.append({"pre": -1, "post": k, "delay": 0, "exponent": exponent})
        weights.append(into)
        if k == 0:
            on_chip[0] = np.concatenate([on_chip[0], np.zeros((1, layer.units), np.int64)])
        synapses.append({"pre": k - 1, "post": k, "delay": round(delays[k] / dt) - 1, "exponent": exponent})
        weights.append(on_chip[0])
    bias, v = [], 0.5
    for t in range(ticks):
        v += spiking.encoder.max_rate_hz * dt / 1000
        if v >= 1:
            v -= 1
            bias.append((t + 1, n_in))  # it arrives in the next tick
    if network.layers[0].bias:
        events = np.concatenate([events, np.array(bias).reshape(-1, 2)])
    case = {"inputs": n_in + 1, "ticks": ticks, "groups": groups, "synapses": synapses, "weights": weights}
    return {**case, "events": events}, current_steps, steps


def drawn_events(made, ticks, seed=0):
    """Ticks and inputs."""
    return np.argwhere(np.random.default_rng(seed).random((ticks, made["network"].inputs)) < made["rate"])


def has_current(made):
    """Which neurons have a synaptic current."""
    pairs = zip(made["neurons"], made["network"].layers, strict=True)
    return np.concatenate([np.full(layer.units, neuron.model == "cuba_lif") for neuron, layer in pairs])


@by_made
def test_a_network_under_the_profile_has_the_integers_of_the_chip(name):
    made = MADE[name]
    plan = put_under_the_profile(made)
    case, current_steps, steps = described(made, plan.params, drawn_events(made, 5), 5)
    for key, value in parameters_of(made, 0).items():
        assert np.array_equal(plan.params[key], value)  # a level stays
    for k, (own, group, neuron) in enumerate(zip(plan.on_chip.neurons, case["groups"], made["neurons"], strict=True)):
        assert (own.step, own.current_step) == (steps[k], current_steps[k])
        assert own.gain * own.current_step == own.step
        assert own.end == END * own.step
        assert own.current_end == END * own.current_step
        assert own.decay_m * 4096 == 4096 - group["decay_v"]
        assert neuron.model != "cuba_lif" or own.decay_s * 4096 == 4096 - group["decay_u"]
        assert own.threshold / own.step == 64 * group["threshold"]
        assert (own.v_reset, own.above, own.wraps) == (0, True, True)
        chip_W = case["weights"][2 * k + 1][: made["network"].sizes[k]]
        assert np.array_equal(plan.params[f"layers.{k}.W"] / own.current_step, chip_W)


@by_made
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_network_under_the_profile_runs_as_on_the_chip(name, precision):
    made, ticks = MADE[name], 300
    plan, events = put_under_the_profile(made, precision), drawn_events(made, ticks)
    case, current_steps, steps = described(made, plan.params, events, ticks)
    u, v, spikes = by_hand(case)
    circuit = circuit_of(plan, made["spiking"])
    names = [f"layers.{k}" for k in range(plan.n_layers)]
    inputs = {"input": (events[:, 0], events[:, 1])}
    recording = Simulation(circuit, precision).run(ticks * circuit.dt_ms, inputs, watched(names))
    our_u, our_v, our_spikes = found(recording, names, current_steps, steps)
    assert our_spikes == spikes
    assert np.array_equal(our_u, np.where(has_current(made), u, 0))
    assert np.array_equal(our_v, v)


def test_networks_under_the_profile_meet_what_can_go_wrong():
    cases, runs = {}, {}
    for name, made in MADE.items():
        plan, events = put_under_the_profile(made), drawn_events(made, 300)
        cases[name] = described(made, plan.params, events, 300)[0]
        runs[name] = by_hand(cases[name])
        cells = sum(g["size"] for g in cases[name]["groups"])
        first = cells - cases[name]["groups"][-1]["size"]
        assert any(i >= first for _, i in runs[name][2]), name  # the last layer spikes
    groups = [g for case in cases.values() for g in case["groups"]]
    assert {g["refractory"] for g in groups} >= {1, 2, 3, 4, 64}
    assert {s["delay"] for case in cases.values() for s in case["synapses"]} >= {0, 2, 3, 4, 62}
    assert {s["exponent"] for case in cases.values() for s in case["synapses"]} == {0, -1}
    assert {1, 4096} <= {g["decay_u"] for g in groups}
    assert {0, 1} <= {g["decay_v"] for g in groups}
    assert max(g["threshold"] for g in groups) > 2**16
    assert any(w.max() == 254 * 64 for case in cases.values() for w in case["weights"])
    assert any(w.min() == -256 * 64 for case in cases.values() for w in case["weights"])
    assert np.abs(runs["membrane full"][1]).max() == END
    assert np.abs(np.diff(runs["current wraps"][0], axis=0)).max() > 2**23


@pytest.mark.parametrize("name", ["two layers", "weights as they are drawn"])
def test_a_network_that_is_observed_on_the_chip_runs_as_on_the_chip(name):
    """From samples to the encoder's events, a presentation after the other, each from rest."""
    made = MADE[name]
    plan, K = put_under_the_profile(made), made["spiking"].ticks
    names = [f"layers.{k}" for k in range(plan.n_layers)]
    x, y = np.random.default_rng(1).random((2, made["network"].inputs)), np.zeros(2, int)
    recording = nf.observe(
        made["network"], DFA, plan.params, x, y, spiking=made["spiking"], hardware="loihi", learn=False,
        record=[Record("spikes", "input"), *watched(names)],
    )  # fmt: skip
    at, of = recording.spikes["input"]
    for n in range(2):
        mine = (at >= K * n) & (at < K * (n + 1))
        case, current_steps, steps = described(made, plan.params, np.stack([at[mine] - K * n, of[mine]], axis=1), K)
        u, v, spikes = by_hand(case)
        our_u, our_v, our_spikes = found(recording, names, current_steps, steps)
        assert np.array_equal(our_u[K * n : K * (n + 1)], u)
        assert np.array_equal(our_v[K * n : K * (n + 1)], v)
        assert [(t - K * n, i) for t, i in our_spikes if K * n <= t < K * (n + 1)] == spikes
        assert len(spikes) > 3


def test_a_threshold_beyond_the_exponents_of_the_profile_is_refused():
    """Weights in units of 1/32 and a gain of 2^-10 make multiples of 2^-14 at the exponent -1; 2^17 - 1 of them fit."""
    for v_threshold, fits in ((8 - 2**-14, True), (8.0, False)):
        network = made(replace(SLOW, v_threshold=v_threshold), CUBA)
        if fits:
            own = put_under_the_profile(network).on_chip.neurons[0]
            assert own.threshold == v_threshold
            assert own.threshold / own.step == 64 * (2**17 - 1)
        else:
            with pytest.raises(nf.InputError, match=r"'layers\.0': .* v_threshold 8 is beyond"):
                put_under_the_profile(network)


@pytest.mark.parametrize("chip", ["loihi", "loihi2", "odin"])
def test_chips_that_reset_to_zero_have_no_other_reset(chip):
    network = made(Neuron("if", v_threshold=0.5, reset="zero", v_reset=0.125))
    with pytest.raises(
        nf.InputError, match=f"'layers.0' has v_reset 0.125, but hardware '{chip}' resets membranes to 0"
    ):
        constrain(nf.lower(network["network"], DFA), network["spiking"], load_profile(chip))
