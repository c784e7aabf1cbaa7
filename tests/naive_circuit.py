"""The slow, obvious oracle of spiking mode: neurons, delays and circuits, float64, straight from docs/spiking.md.

One neuron, one spike and one synapse at a time. Nothing here imports an engine or a kernel.
"""

import math
from dataclasses import dataclass, field

import numpy as np


def in_ticks(duration_ms, dt_ms):
    """A duration as the nearest whole number of ticks."""
    return math.floor(duration_ms / dt_ms + 0.5)


class Neurons:
    """A population of equal neurons: integration, post factor and threshold of one tick (steps 2 and 3).

    Parameters
    ----------
    neuron
        A `neurofa.Neuron`.
    size
        How many.
    dt_ms
        Length of a tick.
    post
        A `neurofa.PostFactor`, or None where the post factor is 1 (an output layer).
    v_init
        Membrane at the start, one number or one for each neuron; None for `v_leak`.
    """

    def __init__(self, neuron, size, dt_ms, post=None, v_init=None):
        self.neuron, self.size, self.post = neuron, size, post
        self.v_init = neuron.v_leak if v_init is None else v_init
        self.dm = math.exp(-dt_ms / neuron.tau_m_ms)
        self.ds = math.exp(-dt_ms / neuron.tau_syn_ms)
        self.da = math.exp(-dt_ms / neuron.tau_threshold_ms)
        self.dq = math.exp(-dt_ms / post.tau_ms) if post is not None else 0.0
        if neuron.tau_syn_ms == neuron.tau_m_ms:
            self.kappa = dt_ms / neuron.tau_m_ms * self.dm
        else:
            self.kappa = neuron.tau_syn_ms / (neuron.tau_syn_ms - neuron.tau_m_ms) * (self.ds - self.dm)
        # the ticks that begin before the period is over; a period of whole ticks must not gain one by rounding
        self.refractory_ticks = math.ceil(neuron.refractory_ms / dt_ms - 1e-9)
        self.reset()

    def reset(self):
        """As at the beginning."""
        self.v = np.zeros(self.size) + self.v_init
        self.i, self.a, self.q = np.zeros(self.size), np.zeros(self.size), np.zeros(self.size)
        self.refractory = np.zeros(self.size, dtype=int)
        self.psi = np.ones(self.size)

    def integrate(self, summed):
        """Step 2, from the summed input (size,) of this tick; leaves the post factors in `psi`."""
        n = self.neuron
        for j in range(self.size):
            free = self.refractory[j] == 0
            if n.model == "if":
                D = n.r * summed[j]
                if free:
                    self.v[j] = self.v[j] + n.r * summed[j]
            elif n.model == "lif":
                D = n.r * summed[j]
                if free:
                    self.v[j] = n.v_leak + (self.v[j] - n.v_leak) * self.dm + n.r * summed[j]
            elif n.model == "cuba_lif":
                self.i[j] = self.i[j] + summed[j]
                D = n.r * self.i[j]
                if free:
                    self.v[j] = n.v_leak + (self.v[j] - n.v_leak) * self.dm + n.r * self.kappa * self.i[j]
                self.i[j] = self.ds * self.i[j]
            else:
                raise ValueError(n.model)
            self.a[j] = self.a[j] * self.da
            self.q[j] = self.q[j] * self.dq + (1 - self.dq) * D
            self.psi[j] = self.post_factor(j)

    def threshold(self, j):
        """Threshold of neuron j in this tick."""
        return self.neuron.v_threshold + self.a[j]

    def post_factor(self, j):
        """Post factor of neuron j, before any reset."""
        if self.post is None:
            return 1.0
        if self.post.kind == "membrane_window":
            return 1.0 if self.post.low < self.v[j] < self.post.high else 0.0
        if self.post.kind == "current_window":
            return 1.0 if self.post.low < self.q[j] < self.post.high else 0.0
        if self.post.kind == "surrogate":
            return (1 + self.post.slope * abs(self.v[j] - self.threshold(j))) ** -2
        raise ValueError(self.post.kind)

    def reaches(self, j):
        """Whether the membrane of neuron j is high enough for a spike."""
        return self.v[j] >= self.threshold(j)

    def fire(self):
        """Step 3: the neurons that spike in this tick, ascending."""
        spikes = []
        for j in range(self.size):
            if self.refractory[j] > 0:
                self.refractory[j] -= 1
            elif self.reaches(j):
                spikes.append(j)
                if self.neuron.reset == "subtract":
                    self.v[j] = self.v[j] - self.threshold(j)
                else:
                    self.v[j] = self.neuron.v_reset
                self.a[j] = self.a[j] + self.neuron.threshold_step
                self.refractory[j] = self.refractory_ticks
        return spikes


class Wire:
    """Spikes on their way through one projection."""

    def __init__(self, delay):
        self.delay, self.travelling = delay, []

    def send(self, tick, pre):
        """A spike of neuron `pre` emitted at `tick`."""
        self.travelling.append((tick + self.delay, pre))

    def arriving(self, tick):
        """The neurons whose spikes arrive at `tick`; they are no longer on their way."""
        here = [pre for arrival, pre in self.travelling if arrival == tick]
        self.travelling = [(arrival, pre) for arrival, pre in self.travelling if arrival != tick]
        return here

    def clear(self):
        """Lose what is on its way."""
        self.travelling = []


class Synapses:
    """The weights of a connection as a list of (target, place of its weight) for each presynaptic neuron.

    `weights` is a copy: of a dense matrix (n_pre, n_post), where every pair is a synapse, or of the data of a CSR
    matrix, where each stored entry is one.
    """

    def __init__(self, weights):
        if hasattr(weights, "indptr") and hasattr(weights, "weights"):
            indptr, indices, data = weights.indptr, weights.indices, weights.weights
        elif hasattr(weights, "tocsr"):
            csr = weights.tocsr()
            indptr, indices, data = csr.indptr, csr.indices, csr.data
        else:
            self.weights = np.array(weights, dtype=np.float64)
            n_pre, n_post = self.weights.shape
            self.of = [[(j, (i, j)) for j in range(n_post)] for i in range(n_pre)]
            return
        self.weights = np.array(data, dtype=np.float64)
        self.of = [
            [(int(indices[s]), s) for s in range(indptr[i], indptr[i + 1])]  # s: place in the CSR data
            for i in range(len(indptr) - 1)
        ]


@dataclass
class CircuitOutcome:
    """What a circuit did.

    `spikes` by population: (tick, unit), external events included; `membranes` (n_ticks, size) after the reset,
    `posts` (n_ticks, size) post factors; `weights` by connection: dense matrix, or CSR data.
    """

    spikes: dict = field(default_factory=dict)
    membranes: dict = field(default_factory=dict)
    posts: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    forward: int = 0
    update: int = 0


def simulate_circuit(circuit, events, n_ticks, modulators=None, currents=None):
    """Run a circuit from its initial state.

    Parameters
    ----------
    circuit
        Has `populations`, `connections` and `dt_ms`, as `neurofa.Circuit`.
    events
        By external population: (ticks, units).
    n_ticks
        How long.
    modulators
        By population, (size,) constant or (n_ticks, size): the third factor of plastic connections that end there.
    currents
        By population, whatever broadcasts to (n_ticks, size): added to the summed input of each tick.

    Returns
    -------
    CircuitOutcome
    """
    dt, outcome = circuit.dt_ms, CircuitOutcome()
    neurons, wires, synapses, third, injected = {}, {}, {}, {}, {}
    for p in circuit.populations:
        outcome.spikes[p.name] = []
        if p.neuron is not None:
            neurons[p.name] = Neurons(p.neuron, p.size, dt, p.post, p.v_init)
            outcome.membranes[p.name] = np.zeros((n_ticks, p.size))
            outcome.posts[p.name] = np.zeros((n_ticks, p.size))
            M = (modulators or {}).get(p.name, np.zeros(p.size))
            injected[p.name] = np.broadcast_to((currents or {}).get(p.name, 0.0), (n_ticks, p.size))
            third[p.name] = np.broadcast_to(np.asarray(M, dtype=np.float64), (n_ticks, p.size))
    names = []
    for c in circuit.connections:
        name = c.name or f"{c.pre}->{c.post}"
        names.append(name)
        wires[name] = Wire(1 if c.delay_ms is None else in_ticks(c.delay_ms, dt))
        synapses[name] = Synapses(c.weights)
    assert len(set(names)) == len(names), "connections need different names"
    for population, (ticks, units) in events.items():
        assert population not in neurons, "only external populations are given events"
        for tick, unit in sorted(zip(map(int, ticks), map(int, units), strict=True)):
            outcome.spikes[population].append((tick, unit))
            for name, c in zip(names, circuit.connections, strict=True):
                if c.pre == population:
                    wires[name].send(tick - 1, unit)
    for t in range(n_ticks):
        summed = {name: np.zeros(population.size) for name, population in neurons.items()}
        arrived = {name: wires[name].arriving(t) for name in names}
        for name, c in zip(names, circuit.connections, strict=True):
            for i in arrived[name]:
                for j, place in synapses[name].of[i]:
                    summed[c.post][j] += synapses[name].weights[place]
                    outcome.forward += 1
        for p in circuit.populations:
            if p.neuron is not None:
                neurons[p.name].integrate(summed[p.name] + p.drive + injected[p.name][t])
                outcome.posts[p.name][t] = neurons[p.name].psi
        for name in neurons:
            for j in neurons[name].fire():
                outcome.spikes[name].append((t, j))
                for other, c in zip(names, circuit.connections, strict=True):
                    if c.pre == name:
                        wires[other].send(t, j)
            outcome.membranes[name][t] = neurons[name].v
        for name, c in zip(names, circuit.connections, strict=True):
            if c.learning_rate is not None:
                M, psi = third[c.post][t], neurons[c.post].psi
                for i in arrived[name]:
                    for j, place in synapses[name].of[i]:
                        synapses[name].weights[place] -= c.learning_rate * psi[j] * M[j]
                # a synapse counts once in a tick, however many spikes of its neuron arrive in it
                for i in sorted(set(arrived[name])):
                    outcome.update += sum(1 for j, _ in synapses[name].of[i] if psi[j] * M[j] != 0)
    outcome.weights = {name: synapses[name].weights for name in names}
    return outcome
