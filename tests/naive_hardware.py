"""The slow, obvious oracle of hardware constraints, straight from docs/hardware.md; extends that of spiking mode.

Random numbers are Python integers, everything else is float64 or Python's own. Nothing here imports an engine or a
kernel. Names follow the text: u unit, s step, xi uniform number, lambda step of a membrane, g gain.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from naive_circuit import Neurons
from naive_levels import MODULATORS, TRACES, Grid, mix, nearest_power, smallest_power, uniform, unit
from naive_network import NaiveNetwork, Traces
from naive_spiking import simulate

from neurofa.rules import derive
from neurofa.spec.seeds import streams


@dataclass(frozen=True)
class Constrained:
    """A plan on a chip.

    `plan` has stored parameters and bases; `W`, `B`, `M` are the grids by layer (None: full precision), B's only where
    B is computed anew; `key` is of the random numbers.
    """

    plan: object
    spiking: object
    hardware: object
    W: list
    B: dict
    M: list
    key: int


def constrain(plan, spiking, hardware, seed, given=False):
    """Put initial parameters on levels, those that are `given` by rounding to the nearest; the seed gives the key."""
    rng, params, n_layers = streams(seed).rounding, dict(plan.params), plan.n_layers
    xi = {}
    if not given:
        for layer in range(n_layers):
            for name in "WbB":
                key = f"layers.{layer}.{name}"
                if key in params:
                    xi[key] = rng.random(params[key].shape)
    first = int(rng.integers(2**63))
    how = "nearest" if given else "stochastic"
    W = [None] * n_layers
    if hardware.weights is not None:
        for layer, projection in enumerate(plan.projections):
            W[layer] = Grid(hardware.weights, unit(hardware.weights, projection.reach), projection.minimum)
            for name in "Wb" if projection.bias else "W":
                key = f"layers.{layer}.{name}"
                grid = W[layer] if name == "W" else replace(W[layer], minimum=-math.inf)
                params[key] = grid.array(params[key], how, xi.get(key))
    B, M, routes = {}, [None] * n_layers, []
    stored = {key: value for key, value in params.items() if key.endswith(".W")}
    for route in plan.feedback:
        key, levels = f"layers.{route.layer}.B", hardware.feedback
        if route.follow == "derived":
            params[key] = derive(route.feedback, stored, route.source, route.layer, route.basis)
        elif route.follow in ("transpose", "offset", "sign"):
            params[key] = np.zeros(params[key].shape)  # B follows the stored W
        held = route.basis if route.follow in ("offset", "sign") else params[key]  # what is stored of it
        if levels is not None and route.follow != "transpose":
            assert route.follow != "learned"
            grid = Grid(levels, unit(levels, np.abs(held).max()))
            held = grid.array(held, "nearest" if route.follow == "derived" else how, xi.get(key))
            if route.follow == "derived":
                B[route.layer] = grid
        if route.follow in ("offset", "sign"):
            route = replace(route, basis=held)
        elif route.follow != "transpose":
            params[key] = held
        routes.append(route)
        if hardware.modulators is not None:
            m = 2 * np.abs(held).max()
            if route.follow == "transpose":
                headroom = 1.0 if hardware.weights is None else hardware.weights.headroom
                m = 2 * plan.projections[route.source].reach * headroom
            M[route.layer] = Grid(hardware.modulators, unit(hardware.modulators, m or 2.0))
    if hardware.modulators is not None:
        for layer in range(n_layers - 1):
            if M[layer] is None:
                m = 1.0 if plan.perturbation is None else 1 / plan.perturbation.noise_std
                M[layer] = Grid(hardware.modulators, unit(hardware.modulators, m))
    plan = replace(plan, params=params, feedback=tuple(routes))
    return Constrained(plan, spiking, hardware, W, B, M, first)


# ---------------------------------------------------------------------------- neurons in integers


def membrane_step(state, neuron, g, u):
    """Lambda of a population, with the unit of its weights or None."""
    top = 2 ** (state.membrane_bits - 1) - 1
    if u is None:
        return not_too_coarse(state, neuron, smallest_power(8 * neuron.v_threshold / top))
    for e in sorted(range(state.exponent_min, state.exponent_max + 1), key=abs):
        step = g * u * 2.0**-state.weight_shift * 2.0**-e
        mantissa = max(1, round(neuron.v_threshold / (2**state.threshold_shift * step)))
        fits = state.threshold_bits is None or mantissa <= 2**state.threshold_bits - 1
        if fits and mantissa * 2**state.threshold_shift <= top:
            return not_too_coarse(state, neuron, step)
    raise ValueError("no exponent")


def not_too_coarse(state, neuron, step):
    """The step, unless the threshold is less than half of its own multiple."""
    if neuron.v_threshold < 2**state.threshold_shift * step / 2:
        raise ValueError("no threshold")
    return step


class IntegerNeurons(Neurons):
    """A population whose state is whole numbers of steps."""

    def __init__(self, neuron, size, dt_ms, post, state, u):
        super().__init__(neuron, size, dt_ms, post)
        assert neuron.v_leak == 0
        self.state = state
        self.g = nearest_power(neuron.r * (self.kappa if neuron.model == "cuba_lif" else 1.0))
        self.step = membrane_step(state, neuron, self.g, u)
        grain = 2**state.threshold_shift * self.step
        # what the rest of the oracle sees: the threshold and the reset that the chip has
        self.neuron = replace(
            neuron,
            v_threshold=grain * max(1, round(neuron.v_threshold / grain)),
            v_reset=self.step * round(neuron.v_reset / self.step),
        )
        self.hat_m, self.hat_s = self.decay(self.dm), self.decay(self.ds)

    def decay(self, d):
        """A decay factor of so many bits."""
        whole = 2**self.state.decay_bits
        return 1.0 if d == 1 else min(round(whole * d), whole - 1) / whole

    def saturated(self, v):
        """A membrane kept within its ends."""
        top = (2 ** (self.state.membrane_bits - 1) - 1) * self.step
        return min(max(v, -top), top)

    def overflown(self, i):
        """A current kept within its ends, or wrapped around."""
        if self.state.current_bits is None:
            return i
        step, n = self.step / self.g, self.state.current_bits
        top = (2 ** (n - 1) - 1) * step
        if self.state.current_overflow == "saturate":
            return min(max(i, -top), top)
        whole = round(i / step)
        return ((whole + 2 ** (n - 1)) % 2**n - 2 ** (n - 1)) * step

    def integrate(self, summed):
        """Step 2 in whole numbers."""
        n, step = self.neuron, self.step
        for j in range(self.size):
            free, total = self.refractory[j] == 0, float(summed[j])
            if n.model == "if":
                D = n.r * total
                v = self.v[j] + step * round(self.g * total / step)
            elif n.model == "lif":
                D = n.r * total
                v = step * math.trunc(self.v[j] * self.hat_m / step) + step * round(self.g * total / step)
            else:
                current = step / self.g
                left = current * math.trunc(self.i[j] * self.hat_s / current)
                self.i[j] = self.overflown(left + current * round(total / current))
                D = n.r * self.i[j]
                v = step * math.trunc(self.v[j] * self.hat_m / step) + self.g * self.i[j]
            if free:
                self.v[j] = self.saturated(v)
            self.a[j] = self.a[j] * self.da
            self.q[j] = self.q[j] * self.dq + (1 - self.dq) * D
            self.psi[j] = self.post_factor(j)

    def reaches(self, j):
        """Whether the membrane of neuron j is high enough for a spike."""
        return self.v[j] > self.threshold(j) if self.state.spikes_above else super().reaches(j)


# ---------------------------------------------------------------------------- traces


class LevelTraces(Traces):
    """Presynaptic traces of a few bits: `x` is what is used in a tick, `held` what the last spike left."""

    def __init__(self, size, spiking, trace, draw):
        super().__init__(size, spiking)
        self.trace, self.draw, self.spiking = trace, draw, spiking
        self.held = np.zeros(size)

    def tick(self, arrived):
        """What is left of each trace, rounded; and the spikes that arrived."""
        top = 2**self.trace.bits - 1
        for i in range(len(self.x)):
            spikes = sum(1 for pre in arrived if pre == i)
            self.silent[i] += 1  # ticks since the last spike
            left = self.held[i]
            if self.patience is not None:
                left *= math.exp(-self.silent[i] * self.spiking.dt_ms / self.spiking.tau_pre_ms)
            index = left * self.trace.impulse
            if self.trace.rounding == "nearest":
                index = round(index)
            elif self.trace.rounding == "truncate":
                index = math.trunc(index)
            else:
                index = math.floor(index + self.draw(i))
            # nothing is left of a trace that was silent for long; a spike that ends the silence comes one tick after it
            if self.patience is not None and self.silent[i] - bool(spikes) >= self.patience:
                index = 0
            self.x[i] = min(index + spikes * self.trace.impulse, top) / self.trace.impulse
            if spikes:
                self.held[i], self.silent[i] = self.x[i], 0


# ---------------------------------------------------------------------------- a network


class HardwareNetwork(NaiveNetwork):
    """A network of a constrained plan; `constrained.plan` is put in the place of the plan."""

    def __init__(self, constrained, rates):
        self.chip, hardware = constrained, constrained.hardware
        self.hardware, plan = hardware, constrained.plan
        self.base, at, self.row = {}, 0, {}  # first synapse of each projection, and its number
        for layer, p in enumerate(plan.projections):
            for name, size in (("W", p.n_pre * p.n_post), *((("b", p.n_post),) if p.bias else ())):
                self.base[layer, name], at = at, at + size
                self.row[layer, name] = len(self.row)
        if hardware.learning.rate_power_of_two:
            rates = [nearest_power(rate) for rate in rates]
        super().__init__(plan, constrained.spiking, list(rates))
        self.shadow = None
        if hardware.learning.shadow:
            self.shadow = {"W": [w.copy() for w in self.W], "b": [None if b is None else b.copy() for b in self.b]}

    def draw(self, a, j, key=None):
        """Xi at this moment."""
        return uniform(self.chip.key if key is None else key, self.m, self.k, a, j)

    def new_neurons(self, layer, neuron, post):
        """Neurons of a layer."""
        if self.hardware.state is None:
            return super().new_neurons(layer, neuron, post)
        grid = self.chip.W[layer]
        u = None if grid is None else grid.u
        return IntegerNeurons(neuron, self.n(layer), self.dt, post, self.hardware.state, u)

    def new_traces(self, size, layer, bias):
        """Traces of a projection."""
        if self.hardware.traces is None:
            return super().new_traces(size, layer, bias)
        a = TRACES + self.row.get((layer, "b" if bias else "W"), 0)
        return LevelTraces(size, self.spiking, self.hardware.traces, lambda i: self.draw(a, i))

    def passes(self, layer, i, j):
        """Whether a synapse transmits."""
        p = self.spiking.transmission
        key = mix(self.chip.key + (2 if self.testing else 1))
        return p == 1 or self.draw(self.base[layer, "W"] + i * self.n(layer), j, key) < p

    def epoch(self, K):
        """Whether an epoch ends."""
        n = self.hardware.learning.every_ticks or 1
        return (self.k + 1) % n == 0 or self.k == K - 1

    def store_modulators(self, layer, M):
        """Modulators of a hidden layer on their levels, those of the output layer within the ends."""
        grid = self.chip.M[layer]
        if layer == self.last and self.hardware.modulators is not None:
            return np.clip(M, self.hardware.modulators.lowest, self.hardware.modulators.highest)
        if grid is None:
            return M
        xi = np.array([self.draw(MODULATORS + layer, j) for j in range(len(M))])
        return grid.array(M, grid.levels.rounding, xi)

    def store_feedback(self, layer, B):
        """A B that was computed anew."""
        return self.chip.B[layer].array(B, "nearest") if layer in self.chip.B else B

    def decay(self, layer, factor):
        """Weight decay as a change."""
        if self.chip.W[layer] is None:
            super().decay(layer, factor)
            return
        W, b = (self.W, self.b) if self.shadow is None else (self.shadow["W"], self.shadow["b"])
        self.change_W[layer] += W[layer] * (factor - 1)
        if b[layer] is not None:
            self.change_b[layer] += b[layer] * (factor - 1)

    def apply_changes(self):
        """What waits is put into the stored weights, row by row."""
        if self.chip.W[0] is None:
            super().apply_changes()
            return
        for layer in range(self.L):
            wide = self.n(layer)
            for i in range(self.sizes[layer]):
                self.alter("W", layer, self.W[layer][i], self.change_W[layer][i], i * wide, (layer, i))
            if self.b[layer] is not None:
                self.alter("b", layer, self.b[layer], self.change_b[layer], 0, (layer,))

    def alter(self, name, layer, row, changes, offset, place):
        """Change a row of stored weights in place, and forget the changes."""
        grid = self.chip.W[layer]
        if name == "b":
            grid = replace(grid, minimum=-math.inf)
        for j in range(len(row)):
            if changes[j] == 0:
                continue
            if self.shadow is not None:
                full = self.shadow[name][layer][place[1]] if name == "W" else self.shadow[name][layer]
                full[j] = grid.within(full[j] + changes[j])
                how = "nearest" if grid.levels.rounding == "stochastic" else grid.levels.rounding
                row[j] = grid.rounded(float(full[j]), how)
            else:
                xi = self.draw(self.base[layer, name] + offset, j)
                row[j] = grid.changed(float(row[j]), float(changes[j]), xi)
        changes[:] = 0


def train(constrained, presentations, y, *, rates, network=None, **options):
    """Present samples one after the other, as `naive_spiking.simulate`, to a network on a chip."""
    if network is None:
        network = HardwareNetwork(constrained, rates)
    return simulate(constrained.plan, constrained.spiking, presentations, y, rates=rates, network=network, **options)
