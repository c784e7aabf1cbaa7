"""The slow, obvious oracle of spiking mode: a learning network in one presentation, straight from docs/spiking.md.

One tick, one neuron, one spike at a time, float64. Nothing here imports an engine or a kernel. Names follow the text:
layers l = 0 .. L-1, M modulator, psi post factor, u error neuron, C total error, E net events, s signal, x trace.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from naive_circuit import Neurons, Wire, in_ticks


@dataclass
class Shown:
    """One presentation; ticks count from its beginning.

    `spikes` by layer: (tick, neuron); `errors`: (tick, layer, neuron, signed events). By layer and of shape (K, n):
    `membranes` after the reset, `modulators` after step 5, `posts` post factors. By layer: `received`, what each
    modulator received in all, or the value last set; `net` events E; `traces` of the last tick, of the neurons below
    and of the bias neuron. `counts` of output spikes; `predicted` class, None in a regression; `noisy`: the second
    presentation, with noise, where there is one.
    """

    spikes: list
    membranes: list
    modulators: list
    posts: list
    received: list
    net: list
    errors: list = field(default_factory=list)
    counts: np.ndarray = None
    loss: float = math.nan
    predicted: int = None
    traces: list = None
    noisy: "Shown" = None


class Traces:
    """Presynaptic traces of one projection."""

    def __init__(self, size, spiking):
        tau = spiking.tau_pre_ms
        self.x, self.silent = np.zeros(size), np.zeros(size, dtype=int)  # silent: ticks without a spike
        self.d = 1.0 if tau == math.inf else math.exp(-spiking.dt_ms / tau)
        self.patience = None if tau == math.inf else math.ceil(16 * tau / spiking.dt_ms)

    def tick(self, arrived):
        """Decay, and add the spikes that arrived."""
        for i in range(len(self.x)):
            spikes = sum(1 for pre in arrived if pre == i)
            self.x[i] = self.x[i] * self.d + spikes
            self.silent[i] = 0 if spikes else self.silent[i] + 1
            if self.patience is not None and self.silent[i] >= self.patience:
                self.x[i] = 0.0


class NaiveNetwork:
    """A network of a plan: its weights, its state, and one presentation."""

    def __init__(self, plan, spiking, rates):
        self.plan, self.spiking, self.rates = plan, spiking, rates
        self.dt, self.p = spiking.dt_ms, spiking.encoder.max_rate_hz * spiking.dt_ms / 1000
        self.L, self.sizes, self.last = plan.n_layers, plan.sizes, plan.n_layers - 1
        layers = range(self.L)
        self.W = [np.array(plan.params[f"layers.{layer}.W"], dtype=np.float64) for layer in layers]
        self.b = [
            np.array(plan.params[f"layers.{layer}.b"], dtype=np.float64) if plan.projections[layer].bias else None
            for layer in layers
        ]
        self.routes = {route.layer: route for route in plan.feedback}
        self.own_B = {i: np.array(plan.params[f"layers.{i}.B"], dtype=np.float64) for i in self.routes}
        delays = spiking.delay_ms if isinstance(spiking.delay_ms, tuple) else (spiking.delay_ms,) * self.L
        self.wires = [Wire(in_ticks(delay, self.dt)) for delay in delays]
        self.bias_wires = [None if self.b[layer] is None else Wire(1) for layer in layers]
        self.neurons = []
        for layer in layers:
            hidden = layer < self.last
            neuron = spiking.neuron if hidden or spiking.output_neuron is None else spiking.output_neuron
            self.neurons.append(self.new_neurons(layer, neuron, spiking.post if hidden else None))
        self.change_W = [np.zeros(W.shape) for W in self.W]
        self.change_b = [np.zeros(self.n(layer)) for layer in layers]
        self.online = True  # weights change at once; else changes wait for apply_changes
        self.tick = 0  # goes on from one presentation to the next
        self.m = self.k = 0  # presentation, and tick of it; after its last tick counts on
        self.testing = False
        self.forward = self.feedback = self.update = 0
        self.reset()

    def n(self, layer):
        """Neurons of a layer."""
        return self.sizes[layer + 1]

    # ------------------------------------------------------------------------ what hardware constrains

    def new_neurons(self, layer, neuron, post):
        """Neurons of a layer."""
        return Neurons(neuron, self.n(layer), self.dt, post)

    def new_traces(self, size, layer, bias):
        """Traces of the projection to a layer from the one below, or from the bias neuron."""
        return Traces(size, self.spiking)

    def passes(self, layer, i, j):
        """Whether a synapse of W transmits a spike that arrives now."""
        return True

    def epoch(self, K):
        """Whether synapses change in this tick, of K."""
        return True

    def store_modulators(self, layer, M):
        """What is left of the modulators of a layer."""
        return M

    def store_feedback(self, layer, B):
        """What is left of a B that was computed anew."""
        return B

    def decay(self, layer, factor):
        """Multiply W and b of a layer."""
        self.W[layer] *= factor
        if self.b[layer] is not None:
            self.b[layer] *= factor

    def reset(self):
        """State at rest."""
        for layer in range(self.L):
            self.neurons[layer].reset()
            self.wires[layer].clear()
            if self.bias_wires[layer] is not None:
                self.bias_wires[layer].clear()
        self.bias_v = 0.5
        self.M = [np.zeros(self.n(layer)) for layer in range(self.L)]
        self.silent = [np.zeros(self.n(layer), dtype=int) for layer in range(self.L)]  # ticks without an event
        self.u = [np.zeros(self.n(layer)) for layer in range(self.L)]
        self.traces = [self.new_traces(self.sizes[layer], layer, False) for layer in range(self.L)]
        self.bias_traces = [self.new_traces(1, layer, True) for layer in range(self.L)]

    # ------------------------------------------------------------------------ feedback matrices

    def B(self, layer):
        """Feedback that reaches a hidden layer, as the present W makes it, shape (n_source, n_layer)."""
        route = self.routes[layer]
        if route.follow == "transpose":
            return self.W[route.source].T
        if route.follow == "sign":
            return route.basis * np.sign(self.W[route.source].T)
        if route.follow == "offset":
            return self.W[route.source].T + route.basis
        return self.own_B[layer]

    def params(self):
        """W, b and B as they are now."""
        result = {f"layers.{i}.W": W.copy() for i, W in enumerate(self.W)}
        result |= {f"layers.{i}.b": b.copy() for i, b in enumerate(self.b) if b is not None}
        return result | {f"layers.{i}.B": self.B(i).copy() for i in self.routes}

    # ------------------------------------------------------------------------ a presentation

    def target(self, answer):
        """Target activities y of a sample."""
        if self.plan.task == "regression":
            return np.asarray(answer, dtype=np.float64)
        wrong, right = self.spiking.target_activity
        if self.n(self.last) == 1:
            return np.array([right if int(answer) == 1 else wrong])
        return np.array([right if k == int(answer) else wrong for k in range(self.n(self.last))])

    def show(self, events, answer, K, xi, learn):
        """Show a sample for K ticks, with noise xi by hidden layer or None."""
        widths = [self.n(layer) for layer in range(self.L)]
        records = [[np.zeros((K, n)) for n in widths] for _ in range(3)]
        shown = Shown([[] for _ in widths], *records, [np.zeros(n) for n in widths], [np.zeros(n) for n in widths])
        shown.counts = np.zeros(widths[-1])
        y = self.target(answer)
        self.C = np.zeros(widths[-1])
        self.s_before = np.zeros(widths[-1])
        for tick, unit in events:
            assert 0 <= tick < K
            self.wires[0].send(self.tick + tick - 1, unit)
        begins, came = True, [([], []) for _ in widths]
        for t in range(K):
            self.k = t
            arrived = self.deliver(xi)
            came = [(a + below, b + bias) for (a, b), (below, bias) in zip(came, arrived, strict=True)]
            outputs = self.fire(t, shown)
            learns = learn and t >= in_ticks(self.spiking.learning_starts_ms, self.dt)
            if learn and self.spiking.update == "error" and begins:
                self.M = [np.zeros(n) for n in widths]
            if learns:
                n = self.output_errors(t, outputs, y, shown)
                self.modulate(t, n, answer, t == K - 1, shown)
            for layer in range(self.L):
                shown.modulators[layer][t] = self.M[layer]
            for layer in range(self.L):
                self.traces[layer].tick(arrived[layer][0])
                self.bias_traces[layer].tick(arrived[layer][1])
            begins = self.epoch(K)
            if begins and learns:
                for layer in range(self.L):
                    self.learn(layer, *came[layer])
            if begins:
                came = [([], []) for _ in widths]
            self.tick += 1
        self.k = K
        shown.traces = [(self.traces[i].x.copy(), self.bias_traces[i].x.copy()) for i in range(self.L)]
        self.finish(shown, y, K)
        return shown

    def deliver(self, xi):
        """Steps 1 and 2. Gives by layer the neurons below and the bias neuron whose spikes arrived."""
        arrived = []
        for layer in range(self.L):
            n, summed = self.n(layer), np.zeros(self.n(layer))
            below = self.wires[layer].arriving(self.tick)
            bias = [] if self.b[layer] is None else self.bias_wires[layer].arriving(self.tick)
            for i in below:
                for j in range(n):
                    summed[j] += self.W[layer][i, j] if self.passes(layer, i, j) else 0.0
                    self.forward += 1
            for _ in bias:
                for j in range(n):
                    summed[j] += self.b[layer][j]
                    self.forward += 1
            arrived.append((below, bias))
            if xi is not None and layer < self.last:
                neuron, noise_std = self.spiking.neuron, self.plan.perturbation.noise_std
                for j in range(n):
                    summed[j] += noise_std * self.p * xi[layer][j] * neuron.v_threshold / neuron.r
            self.neurons[layer].integrate(summed)
        return arrived

    def fire(self, t, shown):
        """Step 3, the bias neuron included. Gives o: 1 for each output that spiked."""
        outputs = np.zeros(self.n(self.last))
        for layer in range(self.L):
            for j in self.neurons[layer].fire():
                shown.spikes[layer].append((t, j))
                if layer < self.last:
                    self.wires[layer + 1].send(self.tick, j)
                else:
                    outputs[j] = 1
            shown.membranes[layer][t] = self.neurons[layer].v
            shown.posts[layer][t] = self.neurons[layer].psi
        self.bias_v = self.bias_v + self.p
        if self.bias_v >= 1:
            self.bias_v -= 1
            for wire in self.bias_wires:
                if wire is not None:
                    wire.send(self.tick, 0)
        shown.counts += outputs
        return outputs

    def output_errors(self, t, outputs, y, shown):
        """Step 4: signed events n of the error neurons of the outputs."""
        threshold, n = self.spiking.error_threshold, np.zeros(len(outputs), dtype=int)
        for k in range(len(outputs)):
            rho = self.p * y[k]
            self.u[self.last][k] = self.u[self.last][k] + outputs[k] - rho
            self.C[k] = self.C[k] + outputs[k] - rho
            n[k] = math.trunc(self.u[self.last][k] / threshold)
            self.u[self.last][k] = self.u[self.last][k] - n[k] * threshold
        self.emit(t, self.last, n, shown)
        return n

    def emit(self, t, layer, n, shown):
        """Note the events n of a layer's error neurons."""
        shown.net[layer] += n
        shown.errors += [(t, layer, k, int(n[k])) for k in range(len(n)) if n[k] != 0]

    def signal(self, answer, last_tick):
        """The s that modulators are set to through B, or None where events carry the signal."""
        kind, n = self.plan.signal, self.n(self.last)
        if kind not in ("error_sign", "target"):
            return None
        if self.spiking.update == "error" and not last_tick:
            return np.zeros(n)
        if kind == "error_sign":
            return np.array([np.sign(C) if abs(C) >= self.spiking.error_threshold else 0.0 for C in self.C])
        if n == 1:
            return np.array([int(answer) - 0.5])
        return np.array([(1.0 if k == int(answer) else 0.0) - 1 / n for k in range(n)])

    def modulate(self, t, n_output, answer, last_tick, shown):
        """Step 5, from the output layer down."""
        s = self.signal(answer, last_tick)
        events, widths = {self.last: n_output}, [self.n(layer) for layer in range(self.L)]
        for layer in range(self.last, -1, -1):
            M, route = self.M[layer], self.routes.get(layer)
            if layer == self.last:
                self.receive(layer, [(1, n_output)] if any(n_output != 0) else [], shown)
            elif route is not None and route.source == self.last and s is not None:
                B = self.B(layer)
                self.feedback += sum(1 for k in range(len(s)) if s[k] != self.s_before[k]) * widths[layer]
                for j in range(widths[layer]):
                    M[j] = sum(s[k] * B[k, j] for k in range(len(s)))
                shown.received[layer] = M.copy()
            elif route is not None:
                B, n = self.B(layer), events[route.source]
                received = [(n[k], B[k]) for k in range(len(n)) if n[k] != 0]
                self.feedback += int(sum(abs(n))) * widths[layer]
                self.receive(layer, received, shown)
            self.M[layer] = self.store_modulators(layer, self.M[layer])
            if self.plan.route == "sequential" and 1 <= layer < self.last:
                events[layer] = self.hidden_errors(t, layer, shown)
        if s is not None:
            self.s_before = s

    def receive(self, layer, received, shown):
        """Modulators of a layer decay and receive events, pairs of a number and a row, one after the other; a layer
        that nothing has reached for long is set to 0."""
        tau = self.spiking.tau_mod_ms
        memory = self.spiking.update == "spike"
        d = math.exp(-self.dt / tau) if memory and tau < math.inf else 1.0
        for j in range(self.n(layer)):
            self.M[layer][j] = self.M[layer][j] * d
            for number, row in received:
                self.M[layer][j] += number * row[j]
                shown.received[layer][j] += number * row[j]
            self.silent[layer][j] = 0 if received else self.silent[layer][j] + 1
            if 0 < d < 1 and self.silent[layer][j] >= math.ceil(16 * tau / self.dt):
                self.M[layer][j] = 0.0

    def hidden_errors(self, t, layer, shown):
        """Events of a hidden layer's error neurons."""
        threshold, n = self.spiking.hidden_error_threshold, np.zeros(self.n(layer), dtype=int)
        for j in range(self.n(layer)):
            self.u[layer][j] = self.u[layer][j] + self.neurons[layer].psi[j] * self.M[layer][j]
            n[j] = math.trunc(self.u[layer][j] / threshold)
            self.u[layer][j] = self.u[layer][j] - n[j] * threshold
        self.emit(t, layer, n, shown)
        return n

    def finish(self, shown, y, K):
        """Loss and predicted class."""
        c, v = shown.counts, self.neurons[self.last].v
        a = c / (self.p * K)
        shown.loss = sum((a[k] - y[k]) ** 2 for k in range(len(y))) / 2
        if self.plan.task == "regression":
            return
        if len(c) == 1:
            shown.predicted = int(a[0] > sum(self.spiking.target_activity) / 2)
        else:
            shown.predicted = max(range(len(c)), key=lambda k: (c[k], v[k], -k))

    # ------------------------------------------------------------------------ plasticity

    def learn(self, layer, below, bias):
        """Step 6 of the projections to a layer."""
        third = self.neurons[layer].psi * self.M[layer]
        if self.spiking.update == "error":
            self.change(layer, self.traces[layer].x, self.bias_traces[layer].x, third)
        else:
            spikes, bias_spikes = np.zeros(self.sizes[layer]), np.array([float(len(bias))])
            for i in below:
                spikes[i] += 1
            self.change(layer, spikes, bias_spikes, third)

    def change(self, layer, pre, bias_pre, third):
        """Change W and b of a layer by -rate * pre * third; now, or later where weights wait."""
        projection, rate = self.plan.projections[layer], self.rates[layer]
        if not projection.plastic:
            return
        for j in range(self.n(layer)):
            if third[j] == 0:
                continue
            for i in range(self.sizes[layer]):
                if pre[i] != 0:
                    self.change_W[layer][i, j] -= rate * pre[i] * third[j]
                    self.update += 1
            if self.b[layer] is not None and bias_pre[0] != 0:
                self.change_b[layer][j] -= rate * bias_pre[0] * third[j]
                self.update += 1
        if self.online:
            self.apply_changes()

    def apply_changes(self):
        """Add up what waits, and keep the bounds of W."""
        for layer in range(self.L):
            self.W[layer] = np.maximum(self.W[layer] + self.change_W[layer], self.plan.projections[layer].minimum)
            if self.b[layer] is not None:
                self.b[layer] = self.b[layer] + self.change_b[layer]
            self.change_W[layer][:] = 0
            self.change_b[layer][:] = 0
