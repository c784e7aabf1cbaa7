"""Integer neurons against traces of two published emulators of Loihi (make_loihi_reference.py), bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurofa.engines.circuits import Circuit, Connection, Population
from neurofa.hardware import load_profile
from neurofa.recorder import Record
from neurofa.rules import Integers
from neurofa.simulation import Simulation
from neurofa.spec import Neuron

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
    record = [Record(what, name) for name in names for what in ("spikes", "v", "current")]
    events = case["events"].astype(int)
    recording = Simulation(circuit, precision).run(case["ticks"], {"inputs": (events[:, 0], events[:, 1])}, record)
    first = np.cumsum([0] + [g["size"] for g in case["groups"]])
    spikes = sorted(
        (int(t), int(i) + at)
        for name, at in zip(names, first, strict=False)
        for t, i in zip(*recording.spikes[name], strict=True)
    )
    u, v = (
        np.concatenate([recording.traces[(what, name)].values for name in names], axis=1) for what in ("current", "v")
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
    assert (chip.neurons.delay_ticks_max, chip.neurons.refractory_ticks_max) == (62 + 1, 64 - 1)
