"""Reference traces of small random networks from two published emulators of Loihi.

Not part of the test suite: it wrote ``loihi_brian2.npz`` and ``loihi_nengo.npz``, against which ``test_loihi.py``
compares, and needs nothing of neurofa. In an environment of its own for each::

    python -m venv one && one/bin/pip install brian2-loihi==0.5.2 brian2==2.9.0 "numpy<2.4"
    one/bin/python make_loihi_reference.py brian2
    python -m venv two && two/bin/pip install nengo-loihi==1.1.0 nengo==4.1.0 "numpy<2"
    two/bin/python make_loihi_reference.py nengo

Each file holds ``cases``, a JSON list of the networks, and for case number c

* ``c.events`` (events, 2): tick and input; an event reaches synapses without delay in its own tick;
* ``c.weights.s`` (n_pre, n_post) int32: what one spike through synapse group s adds to the current, 0 where there is no
  synapse (both emulators take sums, so that a synapse of weight 0 is none);
* ``c.u``, ``c.v`` (ticks, n) int32 and ``c.spikes`` (spikes, 2), tick and neuron: of all groups side by side. u is the
  current that the membrane received in that tick, v the membrane after a reset.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).parent


def group(size, decay_u, decay_v, threshold, refractory=1):
    """Neurons: a decay of d keeps (4096 - d) / 4096; the threshold is a mantissa, times 64."""
    return {"size": size, "decay_u": decay_u, "decay_v": decay_v, "threshold": threshold, "refractory": refractory}


def synapses(pre, post, low, high, delay=0, exponent=0, sign_mode=1, density=0.6):
    """Synapses from group `pre` (-1: the inputs) with mantissas drawn from low to high."""
    return {
        "pre": pre,
        "post": post,
        "low": low,
        "high": high,
        "delay": delay,
        "exponent": exponent,
        "sign_mode": sign_mode,
        "density": density,
    }


def network(name, inputs, rate, ticks, groups, synapses):
    """A network, its inputs firing at random with probability `rate` a tick."""
    return {"name": name, "inputs": inputs, "rate": rate, "ticks": ticks, "groups": groups, "synapses": synapses}


BRIAN2 = [
    network("feed-forward", 8, 0.1, 160, [group(12, 512, 128, 300)], [synapses(-1, 0, -120, 254)]),
    network("excitatory", 6, 0.08, 160, [group(9, 1024, 256, 150)], [synapses(-1, 0, 0, 255, 0, 1, 2)]),
    network("integrators", 6, 0.1, 160, [group(8, 4096, 0, 500, 2)], [synapses(-1, 0, -100, 255)]),
    network("no memory", 6, 0.2, 120, [group(8, 4095, 4095, 100)], [synapses(-1, 0, -100, 254)]),
    network("no decay", 4, 0.1, 120, [group(6, 0, 4096, 120, 4)], [synapses(-1, 0, -120, 130)]),
    network("slow", 8, 0.05, 200, [group(8, 1, 1, 4000, 3)], [synapses(-1, 0, -30, 60)]),
    network(
        "recurrent",
        8,
        0.1,
        200,
        [group(20, 700, 300, 260, 2)],
        [synapses(-1, 0, -60, 254), synapses(0, 0, -200, 140, 1)],
    ),
    network(
        "excitation and inhibition",
        8,
        0.15,
        160,
        [group(16, 900, 200, 250, 3), group(5, 600, 400, 200, 1)],
        [
            synapses(-1, 0, 0, 255, 0, 0, 2),
            synapses(0, 1, 0, 120, 2, 0, 2),
            synapses(1, 0, -255, 0, 1, 1, 3),
            synapses(0, 0, 0, 60, 4, 0, 2, 0.2),
        ],
    ),
    network(
        "chain with delays",
        6,
        0.12,
        160,
        [group(8, 1500, 100, 200, 1), group(7, 800, 50, 150, 2), group(5, 4096, 333, 100, 4)],
        [
            synapses(-1, 0, -50, 254, 3),
            synapses(0, 1, -100, 254, 0, -1),
            synapses(0, 2, -254, 254, 62),
            synapses(1, 2, -60, 200, 11),
        ],
    ),
    network("small exponents", 8, 0.2, 120, [group(8, 600, 90, 30)], [synapses(-1, 0, -150, 254, 0, -4)]),
    network("smallest exponent", 6, 0.4, 100, [group(6, 300, 40, 40)], [synapses(-1, 0, 0, 255, 0, -7, 2)]),
    network("large exponents", 6, 0.12, 120, [group(6, 2500, 1200, 14000, 2)], [synapses(-1, 0, -100, 127, 0, 6)]),
]
NENGO = [
    network(
        "nengo recurrent",
        8,
        0.1,
        160,
        [group(12, 700, 300, 260, 2)],
        [synapses(-1, 0, -60, 254), synapses(0, 0, -200, 140)],
    ),
    network(
        "nengo two groups",
        6,
        0.1,
        160,
        [group(8, 1500, 100, 200, 1), group(6, 4096, 4095, 150, 4)],
        [synapses(-1, 0, -50, 254), synapses(0, 1, -80, 254, 0, 1), synapses(1, 0, -254, 0)],
    ),
    # membranes meet their ends, and currents wrap around
    network("nengo membrane full", 5, 0.3, 120, [group(6, 300, 20, 131071)], [synapses(-1, 0, -254, 254, 0, 3)]),
    network(
        "nengo current wraps", 4, 0.25, 160, [group(6, 40, 60, 100000, 3)], [synapses(-1, 0, -120, 254, 0, 6, 1, 0.8)]
    ),
]


def drawn(case, seed):
    """Mantissas of each synapse group, 0 where there is no synapse, and events of the inputs."""
    rng = np.random.default_rng(seed)
    sizes = [g["size"] for g in case["groups"]]
    mantissas = []
    for s in case["synapses"]:
        shape = (case["inputs"] if s["pre"] < 0 else sizes[s["pre"]], sizes[s["post"]])
        values = rng.integers(s["low"], s["high"] + 1, shape)
        mantissas.append(np.where(rng.random(shape) < s["density"], values, 0))
    events = np.argwhere(rng.random((case["ticks"], case["inputs"])) < case["rate"])
    return mantissas, events[events[:, 0] >= 2]


def by_brian2(case, mantissas, events):
    """Weights, u, v and spikes by brian2-loihi."""
    import brian2
    from brian2_loihi import (
        LoihiNetwork,
        LoihiNeuronGroup,
        LoihiSpikeGeneratorGroup,
        LoihiSpikeMonitor,
        LoihiStateMonitor,
        LoihiSynapses,
    )

    brian2.prefs.codegen.target = "numpy"
    inputs = LoihiSpikeGeneratorGroup(case["inputs"], events[:, 1], events[:, 0])
    groups = [
        LoihiNeuronGroup(
            g["size"],
            refractory=g["refractory"],
            threshold_v_mant=g["threshold"],
            decay_v=g["decay_v"],
            decay_I=g["decay_u"],
        )
        for g in case["groups"]
    ]
    joined, weights = [], []
    for s, m in zip(case["synapses"], mantissas, strict=True):
        pre = inputs if s["pre"] < 0 else groups[s["pre"]]
        made = LoihiSynapses(pre, groups[s["post"]], delay=s["delay"], w_exp=s["exponent"], sign_mode=s["sign_mode"])
        i, j = np.nonzero(m)
        made.connect(i=i, j=j)
        made.w = m[i, j]
        w = np.zeros(m.shape, np.int32)
        w[i, j] = made.w_act
        joined.append(made)
        weights.append(w)
    monitors = [[LoihiStateMonitor(g, "I"), LoihiStateMonitor(g, "v"), LoihiSpikeMonitor(g)] for g in groups]
    network = LoihiNetwork(inputs, *groups, *joined, *[m for three in monitors for m in three])
    network.run(case["ticks"])
    u = np.concatenate([np.asarray(m[0].I).T for m in monitors], axis=1)
    v = np.concatenate([np.asarray(m[1].v).T for m in monitors], axis=1)
    first = np.cumsum([0] + [g["size"] for g in case["groups"]])
    spikes = [np.stack([np.asarray(m[2].t), np.asarray(m[2].i) + k], 1) for m, k in zip(monitors, first, strict=False)]
    return weights, u, v, np.concatenate(spikes)


def by_nengo(case, mantissas, events):
    """Weights, u, v and spikes by nengo-loihi's emulator, from blocks that are integers already."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput

    blocks, inputs = [], SpikeInput(case["inputs"])
    for g in case["groups"]:
        block = LoihiBlock(g["size"])
        cells = block.compartment
        cells.decay_u = np.full(g["size"], g["decay_u"] - 1, np.int32)  # the emulator adds the 1
        cells.decay_v = np.full(g["size"], g["decay_v"], np.int32)
        cells.vth = np.full(g["size"], g["threshold"] * 64, np.int32)
        cells.bias = np.zeros(g["size"], np.int32)
        cells.refract_delay[:] = g["refractory"]
        cells.scale_u = cells.scale_v = False
        cells.vmin, cells.vmax = -(2**23) + 1, 2**23 - 1
        blocks.append(block)
    weights = []
    for s, m in zip(case["synapses"], mantissas, strict=True):
        w = (np.trunc(m / 2).astype(np.int32) * 2) << (6 + s["exponent"])
        synapse, axon = Synapse(len(w)), Axon(len(w))
        synapse._set_weights_indices(list(w), weight_dtype=np.int32)
        blocks[s["post"]].add_synapse(synapse)
        axon.target = synapse
        axon.set_compartment_axon_map(target_axons=np.arange(len(w)))
        (inputs if s["pre"] < 0 else blocks[s["pre"]]).add_axon(axon)
        weights.append(w)
    for t in range(1, case["ticks"]):  # its first tick is number 1, and an event takes one tick
        inputs.add_spikes(t, events[events[:, 0] == t, 1])
    model = SimpleNamespace(blocks=blocks, inputs=[inputs], probes=[], dt=0.001)
    u, v, spikes = [], [], []
    with EmulatorInterface(model, seed=0) as emulator:
        for t in range(case["ticks"]):
            emulator.step()
            u.append(emulator.compartment.current.copy())
            v.append(emulator.compartment.voltage.copy())
            spikes += [(t, i) for i in np.flatnonzero(emulator.compartment.spiked)]
    return weights, np.array(u), np.array(v), np.array(spikes)


def main(which):
    """Run all networks of one emulator and write its file."""
    cases, run, source = {
        "brian2": (BRIAN2, by_brian2, "brian2-loihi 0.5.2"),
        "nengo": (NENGO, by_nengo, "nengo-loihi 1.1.0"),
    }[which]
    arrays = {}
    for c, case in enumerate(cases):
        mantissas, events = drawn(case, 1000 + c)
        weights, u, v, spikes = run(case, mantissas, events)
        case["source"] = source
        assert np.array_equal(u, np.rint(u))
        assert np.array_equal(v, np.rint(v))
        arrays[f"{c}.events"] = events.astype(np.int16)
        for s, w in enumerate(weights):
            arrays[f"{c}.weights.{s}"] = w.astype(np.int32)
        arrays[f"{c}.u"] = u.astype(np.int32)
        arrays[f"{c}.v"] = v.astype(np.int32)
        arrays[f"{c}.spikes"] = np.asarray(spikes, np.int16).reshape(-1, 2)
        print(
            f"{case['name']}: {len(events)} events, {len(spikes)} spikes, |u| <= {abs(u).max()}, |v| <= {abs(v).max()}"
        )
    np.savez_compressed(HERE / f"loihi_{which}.npz", cases=np.array(json.dumps(cases)), **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
