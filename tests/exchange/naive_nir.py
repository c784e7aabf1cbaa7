"""A slow simulator of NIR graphs, written from NIR's equations alone: tick by tick, node by node, one neuron at a time.

Within a tick a spike passes through all nodes; an edge that closes a loop carries what its source gave one tick before.
A spike is a pulse of height 1 that lasts the tick; in a node with a synaptic current it is due at the tick's beginning.
"""

import math
from collections import deque

import numpy as np


def run(graph, inputs, dt, method="exact", reset="zero"):
    """Spikes (or values) and membranes of every node, (n_ticks, n) each.

    `inputs` has (n_ticks, n) by Input node; `dt` is in seconds.
    """
    order = _order(graph)
    before = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    state = {name: {} for name in order}
    given = dict.fromkeys(order, 0.0)
    n_ticks = len(next(iter(inputs.values())))
    out = {name: [] for name in order}
    membranes = {name: [] for name in order}
    for t in range(n_ticks):
        for name in order:
            node = graph.nodes[name]
            x = inputs[name][t] if name in inputs else sum(given[pre] for pre in before[name])
            given[name] = np.asarray(_step(node, np.asarray(x, float), state[name], dt, method, reset), float)
            out[name].append(given[name].ravel())
            membranes[name].append(np.array(state[name].get("v", 0.0), float).ravel())
    return ({n: np.array(rows) for n, rows in out.items()}, {n: np.array(rows) for n, rows in membranes.items()})


def _order(graph):
    """Depth first from the end, so that each node comes after what leads to it, loops aside."""
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for a, b in graph.edges:
                if b == name:
                    visit(a)
            order.append(name)

    for name in graph.nodes:
        visit(name)
    return order


def _step(node, x, state, dt, method, reset):
    kind = type(node).__name__
    if kind in ("Input", "Output"):
        return x
    if kind == "Flatten":
        return x.reshape([*x.shape[: node.start_dim], -1])
    if kind in ("Affine", "Linear"):
        x = np.broadcast_to(x.ravel(), node.weight.shape[1])  # 0 at the beginning, where a loop closes
        return node.weight.astype(float) @ x + (node.bias.astype(float) if kind == "Affine" else 0.0)
    if kind == "Scale":
        return x * node.scale
    if kind == "Conv2d":
        return convolved(x, node.weight, node.stride, node.padding, node.dilation, node.groups) + np.asarray(
            node.bias, float
        ).reshape(-1, 1, 1)
    if kind in ("SumPool2d", "AvgPool2d"):
        return pooled(x, node.kernel_size, node.stride, node.padding, average=kind == "AvgPool2d")
    if kind == "Delay":
        return _delayed(node, x, state, dt)
    if kind == "Threshold":
        return (x > node.threshold).astype(float)
    return _neurons(kind, node, x, state, dt, method, reset)


def _delayed(node, x, state, dt):
    delays = np.broadcast_to(np.rint(np.asarray(node.delay) / dt).astype(int).ravel(), x.size)
    lines = state.setdefault("lines", [deque([0.0] * d) for d in delays])
    values = []
    for value, line in zip(x.ravel(), lines, strict=True):
        line.append(value)
        values.append(line.popleft())
    return np.array(values).reshape(x.shape)


def _neurons(kind, node, x, state, dt, method, reset):
    flat = x.ravel()
    parameter = {
        name: np.broadcast_to(np.asarray(getattr(node, name), float).ravel(), flat.size)
        for name in ("tau", "tau_mem", "tau_syn", "r", "w_in", "v_leak", "v_threshold", "v_reset")
        if hasattr(node, name)
    }
    v = state.setdefault("v", np.array(parameter.get("v_leak", np.zeros(flat.size)), float))
    i = state.setdefault("i", np.zeros(flat.size))
    z = np.zeros(flat.size)
    for j in range(flat.size):
        p = {name: float(values[j]) for name, values in parameter.items()}
        if kind in ("IF", "I"):
            v[j] += p["r"] * flat[j] * dt
        elif kind in ("LIF", "LI"):
            if method == "euler":
                v[j] += dt / p["tau"] * (p["v_leak"] - v[j] + p["r"] * flat[j])
            else:  # the solution for a constant current
                end = p["v_leak"] + p["r"] * flat[j]
                v[j] = end + (v[j] - end) * math.exp(-dt / p["tau"])
        else:
            v[j], i[j] = _with_current(p, v[j], i[j], flat[j], dt, method)
        if kind in ("IF", "LIF", "CubaLIF") and v[j] > p["v_threshold"]:
            z[j] = 1.0
            v[j] = v[j] - p["v_threshold"] if reset == "subtract" else p["v_reset"]
    return (z if kind in ("IF", "LIF", "CubaLIF") else v.copy()).reshape(x.shape)


def _with_current(p, v, i, x, dt, method):
    if method == "euler":  # decay, arrival, then the membrane takes the new current
        i = (1 - dt / p["tau_syn"]) * i + dt / p["tau_syn"] * p["w_in"] * x
        return v + dt / p["tau_mem"] * (p["v_leak"] - v + p["r"] * i), i
    i = i + p["w_in"] * x * dt / p["tau_syn"]  # a pulse of area dt at the tick's beginning
    n = 4000  # the solution of both equations, by midpoint sums over the tick
    times = (np.arange(n) + 0.5) * dt / n
    driven = np.exp(-(dt - times) / p["tau_mem"]) * p["r"] * i * np.exp(-times / p["tau_syn"]) / p["tau_mem"]
    v = p["v_leak"] + (v - p["v_leak"]) * math.exp(-dt / p["tau_mem"]) + driven.sum() * dt / n
    return v, i * math.exp(-dt / p["tau_syn"])


def convolved(x, weight, stride, padding, dilation, groups):
    """A convolution, one output at a time; `padding` is 'same', 'valid' or two numbers."""
    n_out, per_group, height, width = weight.shape
    stride, dilation = np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2)
    reach = dilation * (np.array([height, width]) - 1)
    before = (
        reach // 2 if padding == "same" else np.zeros(2, int) if padding == "valid" else np.broadcast_to(padding, 2)
    )
    after = reach - before if padding == "same" else before
    x = np.pad(x, ((0, 0), (before[0], after[0]), (before[1], after[1])))
    size = (np.array(x.shape[1:]) - reach - 1) // stride + 1
    result = np.zeros((n_out, *size))
    for o in range(n_out):
        group = o // (n_out // groups)
        for a in range(size[0]):
            for b in range(size[1]):
                for c in range(per_group):
                    for k in range(height):
                        for m in range(width):
                            value = x[
                                group * per_group + c, a * stride[0] + k * dilation[0], b * stride[1] + m * dilation[1]
                            ]
                            result[o, a, b] += weight[o, c, k, m] * value
    return result


def pooled(x, kernel, stride, padding, average):
    """Sums or means over windows, each channel on its own."""
    kernel, stride, padding = (np.broadcast_to(np.asarray(given), 2) for given in (kernel, stride, padding))
    x = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1])))
    size = (np.array(x.shape[1:]) - kernel) // stride + 1
    result = np.zeros((len(x), *size))
    for a in range(size[0]):
        for b in range(size[1]):
            at, to = a * stride[0], b * stride[1]
            result[:, a, b] = x[:, at : at + kernel[0], to : to + kernel[1]].sum(axis=(1, 2))
    return result / np.prod(kernel) if average else result


def spike_table(rng, n_ticks, n, rate=0.3):
    """Input spikes (n_ticks, n) and the same as events."""
    table = (rng.random((n_ticks, n)) < rate).astype(float)
    return table, tuple(part.astype(np.int64) for part in np.nonzero(table))
