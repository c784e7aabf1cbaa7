"""Graphs of small random networks that other simulators exported to NIR, and what those networks did.

Not part of the test suite: it wrote ``graphs/*.npz``, against which ``test_nir_from_others.py`` compares, and needs
nothing of neurofa. To make them again, in an environment of its own for each::

    python -m venv one && one/bin/pip install snntorch==1.0.0 nir==1.0.8 nirtorch==2.6 torch
    one/bin/python make_nir_reference.py snntorch
    python -m venv two && two/bin/pip install norse==1.1.0 nir==1.0.8 nirtorch==2.6 torch
    two/bin/python make_nir_reference.py norse
    python -m venv three && three/bin/pip install sinabs==3.1.3 torch
    three/bin/python make_nir_reference.py sinabs  # takes nir 1.0.4, nirtorch 2.0.2
    python -m venv four && four/bin/pip install rockpool==3.1.0 nir==1.0.8 nirtorch==2.6 torch
    four/bin/python make_nir_reference.py rockpool

Each file holds ``versions``, JSON, and for each network by its name

* ``NAME.nir`` uint8: the bytes of the file that `nir.write` made of the exporter's graph (mostly zeros, so that they
  are kept compressed here);
* ``NAME.input`` (ticks, ...) uint8: the input's spikes;
* ``NAME.NODE.v`` (ticks, ...) float32 and, of neurons with a threshold, ``NAME.NODE.spikes`` uint8: what the
  simulator's layer of that name gave, v as it left it at the end of the tick.

Neurons are given each parameter once for each of them: of nir 1.0.8, snnTorch and Norse cannot export scalars.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

GRAPHS = Path(__file__).parent / "graphs"
TICKS = 60


def as_file(graph):
    """The bytes that `nir.write` makes of a graph."""
    import nir

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.nir"
        nir.write(path, graph)
        return np.frombuffer(path.read_bytes(), np.uint8)


def drawn(shape, rate):
    """Input spikes (ticks, ...)."""
    return (torch.rand(TICKS, *shape) < rate).float()


def linear(n_in, n_out, bias=True, gain=1.5, offset=0.1):
    """A layer whose weights are a bit larger than usual, and a bit excitatory, so that what follows spikes."""
    layer = torch.nn.Linear(n_in, n_out, bias=bias)
    with torch.no_grad():
        layer.weight.mul_(gain).add_(offset)
    return layer


def convolution(*args, gain=2.0, offset=0.05, **options):
    """Likewise a convolution."""
    layer = torch.nn.Conv2d(*args, **options)
    with torch.no_grad():
        layer.weight.mul_(gain).add_(offset)
    return layer


def alternating(first, second, *shape):
    """Two values by turns."""
    return torch.where(torch.arange(int(np.prod(shape))) % 2 == 0, first, second).reshape(shape)


def by_snntorch():
    """Leaky and Synaptic, also recurrent, behind linear layers and convolutions."""
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    at_once = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}

    def thresholds(size, value=1.0):
        return torch.full(size if isinstance(size, tuple) else (size,), value)

    def leaky(first, second, size, **options):
        size = size if isinstance(size, tuple) else (size,)
        beta = alternating(first, second, *size)
        return snn.Leaky(beta=beta, threshold=thresholds(size), **(at_once | options))

    def synaptic(alpha, beta, size):
        return snn.Synaptic(thresholds(size, alpha), thresholds(size, beta), threshold=thresholds(size), **at_once)

    torch.manual_seed(1)
    networks = {
        "leaky": [linear(8, 10), leaky(0.9, 0.8, 10), linear(10, 6, bias=False), leaky(0.8, 0.8, 6)],
        "leaky_subtract": [linear(8, 10, gain=0.6, offset=0.05), leaky(0.9, 0.8, 10, reset_mechanism="subtract")],
        "leaky_delayed": [linear(8, 10), leaky(0.9, 0.8, 10, reset_delay=True), linear(10, 6), leaky(0.8, 0.8, 6)],
        "synaptic": [
            linear(8, 10, gain=0.6, offset=0.03),
            synaptic(0.7, 0.9, 10),
            linear(10, 6, gain=0.6),
            synaptic(0.6, 0.8, 6),
        ],
        "rleaky": [
            linear(8, 10),
            snn.RLeaky(beta=0.9, linear_features=10, **at_once),
            linear(10, 6),
            snn.RLeaky(beta=0.8, all_to_all=False, V=torch.linspace(-0.4, 0.4, 6), **at_once),
        ],
        "rsynaptic": [
            linear(8, 10, gain=0.6, offset=0.03),
            # its reset_delay=False raises an error, so that `membranes` below resets it
            snn.RSynaptic(alpha=0.7, beta=0.9, linear_features=10, init_hidden=True, reset_mechanism="zero"),
            linear(10, 6),
            leaky(0.8, 0.8, 6),
        ],
        "convolution": [
            convolution(1, 2, 3, padding=1),
            leaky(0.9, 0.8, (2, 6, 6)),
            torch.nn.AvgPool2d(2),
            torch.nn.Flatten(),
            linear(18, 5, bias=False, gain=4.0, offset=0.4),
            leaky(0.8, 0.8, 5),
        ],
    }
    for name, layers in networks.items():
        net = torch.nn.Sequential(*layers)
        shape = (1, 6, 6) if name == "convolution" else (8,)
        given = drawn(shape, 0.3)
        arrays = {}
        for x in given:
            x = x[None]
            for k, layer in enumerate(layers):
                x = layer(x)
                if isinstance(layer, snn.SpikingNeuron):
                    if isinstance(layer, snn.RSynaptic):
                        layer.mem = torch.where(x > 0, 0.0, layer.mem)
                    node = f"{k}.lif" if isinstance(layer, snn.RLeaky | snn.RSynaptic) else str(k)
                    arrays.setdefault(f"{node}.spikes", []).append(x[0])
                    arrays.setdefault(f"{node}.v", []).append(layer.mem[0])
        yield name, export_to_nir(net, torch.zeros(1, *shape), ignore_dims=[0]), given, arrays


def by_norse():
    """LIFBoxCell, LIBoxCell, IAFCell and LIFCell, of which only cells without recurrent weights can be exported."""
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def cell(kind, parameters, size, **values):
        values = {"v_leak": 0.0, "v_reset": 0.0} | values
        if kind is norse.IAFCell:
            values.pop("v_leak")
        if kind is norse.LIBoxCell:
            values = {name: value for name, value in values.items() if name in ("v_leak", "tau_mem_inv")}
        given = {
            name: value if torch.is_tensor(value) else torch.full(size, float(value)) for name, value in values.items()
        }
        return kind(p=parameters(**given))

    def box(size, **values):
        return cell(norse.LIFBoxCell, norse.LIFBoxParameters, size, **values)

    torch.manual_seed(2)
    rates = alternating(100.0, 150.0, 10)
    networks = {
        "box": [
            linear(8, 10),
            box((10,), tau_mem_inv=rates, v_th=0.15, v_leak=0.01),
            linear(10, 6, bias=False),
            box((6,), tau_mem_inv=100.0, v_th=0.05),
            linear(6, 3),
            cell(norse.LIBoxCell, norse.LIBoxParameters, (3,), tau_mem_inv=80.0),
        ],
        "box_convolution": [convolution(1, 2, 3), box((2, 4, 4), tau_mem_inv=120.0, v_th=0.1)],
        "iaf": [
            linear(8, 10),
            cell(norse.IAFCell, norse.IAFParameters, (10,), v_th=1.0),
            linear(10, 6),
            cell(norse.IAFCell, norse.IAFParameters, (6,), v_th=1.0),
        ],
        "lif": [
            linear(8, 10),
            cell(norse.LIFCell, norse.LIFParameters, (10,), tau_mem_inv=rates, tau_syn_inv=200.0, v_th=0.5),
            linear(10, 6),
            cell(norse.LIFCell, norse.LIFParameters, (6,), tau_mem_inv=100.0, tau_syn_inv=150.0, v_th=0.4),
        ],
    }
    for name, layers in networks.items():
        net = norse.SequentialState(*layers)
        shape = (1, 6, 6) if name == "box_convolution" else (8,)
        given = drawn(shape, 0.3)
        arrays, states = {}, [None] * len(layers)
        for x in given:
            x = x[None]
            for k, layer in enumerate(layers):
                if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                    x = layer(x)
                    continue
                x, states[k] = layer(x, states[k])
                if not isinstance(layer, norse.LIBoxCell):
                    arrays.setdefault(f"{k}.spikes", []).append(x[0])
                arrays.setdefault(f"{k}.v", []).append(states[k].v[0])
        if name == "box_convolution":
            graph = to_nir(net, torch.zeros(shape))
            graph.infer_types()  # without which the convolution's shape is None, which `nir.write` refuses
        else:
            graph = to_nir(net, torch.zeros(1, *shape))
        yield name, graph, given, arrays


def by_sinabs():
    """IAF behind convolutions and sums, LIF and ExpLeak behind linear layers; one spike a tick at most."""
    import sinabs.activation as activation
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    single = {"batch_size": 1, "spike_fn": activation.SingleSpike, "record_states": True}
    torch.manual_seed(3)
    zero = {"reset_fn": activation.MembraneReset()}
    networks = {
        "convolution": [
            convolution(2, 3, 3, bias=False),
            sl.IAFSqueeze(**single),
            sl.SumPool2d(2),
            convolution(3, 2, 2, padding=1, stride=1),
            sl.IAFSqueeze(spike_threshold=torch.tensor(1.5), **single),
            torch.nn.Flatten(),
            linear(18, 4, bias=False),
            sl.IAFSqueeze(**single),
        ],
        "lif": [
            linear(8, 10),
            sl.LIFSqueeze(tau_mem=10.0, spike_threshold=torch.tensor(0.2), **single, **zero),
            linear(10, 6, bias=False),
            sl.LIFSqueeze(tau_mem=5.0, spike_threshold=torch.tensor(0.1), **single, **zero),
            linear(6, 3),
            sl.ExpLeakSqueeze(tau_mem=8.0, norm_input=True, batch_size=1, record_states=True),
        ],
        "lif_subtract": [
            linear(8, 10),
            sl.LIFSqueeze(tau_mem=10.0, spike_threshold=torch.tensor(0.2), **single),
            linear(10, 6),
            sl.LIFSqueeze(tau_mem=5.0, spike_threshold=torch.tensor(0.1), **single),
        ],
    }
    for name, layers in networks.items():
        net = torch.nn.Sequential(*layers)
        given = drawn((2, 6, 6), 0.2) if name == "convolution" else drawn((8,), 0.3)
        x, arrays = given, {}
        for k, layer in enumerate(layers):
            x = layer(x)
            if isinstance(layer, sl.StatefulLayer):
                if not isinstance(layer, sl.ExpLeak):
                    arrays[f"{k}.spikes"] = list(x)
                arrays[f"{k}.v"] = list(layer.recordings["v_mem"][0])
        graph = to_nir(net, torch.zeros_like(given[:1]))
        graph.infer_types()  # without which shapes of convolutions are None, which `nir.write` refuses
        yield name, graph, given, arrays


def by_rockpool():
    """LIFTorch."""
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    torch.manual_seed(4)
    net = Sequential(
        LinearTorch((8, 10), has_bias=False),
        LIFTorch(10, tau_mem=0.02, tau_syn=0.005, threshold=1.0, dt=1e-3, max_spikes_per_dt=1),
        LinearTorch((10, 6), has_bias=False),
        LIFTorch(6, tau_mem=0.01, tau_syn=0.008, threshold=1.0, dt=1e-3, max_spikes_per_dt=1),
    )
    given = drawn((8,), 0.3)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("weight"):
                parameter.mul_(0.3).add_(0.01)
    _, _, record = net(given[None], record=True)
    arrays = {}
    for name, values in record.items():
        if "LIF" in name and isinstance(values, dict):
            arrays[f"{name}.spikes"] = list(values["spikes"][0])
            arrays[f"{name}.v"] = list(values["vmem"][0])
    yield "lif", to_nir(net, given[:1]), given, arrays


def main(which):
    """Run and export all networks of one simulator, and write its file."""
    simulators = {"snntorch": by_snntorch, "norse": by_norse, "sinabs": by_sinabs, "rockpool": by_rockpool}
    versions = {package: version(package) for package in (which, "nir", "nirtorch", "torch")}
    arrays = {"versions": np.array(json.dumps(versions))}
    with torch.no_grad():
        for name, graph, given, traces in simulators[which]():
            arrays[f"{name}.nir"] = as_file(graph)
            arrays[f"{name}.input"] = given.numpy().astype(np.uint8)
            for key, rows in traces.items():
                values = torch.stack(rows).numpy()
                if key.endswith("spikes"):
                    assert np.isin(values, (0, 1)).all()
                    print(f"{name}: {int(values.sum())} spikes of {values[0].size} neurons in node {key}")
                arrays[f"{name}.{key}"] = values.astype(np.uint8 if key.endswith("spikes") else np.float32)
    GRAPHS.mkdir(exist_ok=True)
    np.savez_compressed(GRAPHS / f"{which}.npz", **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
