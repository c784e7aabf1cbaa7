"""Every number that a chip stores is one of its levels and within their ends, after every change.

The levels are those of the slow oracle (naive_levels.py, naive_hardware.py), never the engine's own.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hardware_problems import drawn_plan, problems
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive_hardware import HardwareNetwork, constrain
from naive_levels import Grid, unit

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.hardware import constrain as put_under
from neurofa.rules import PRESETS, lower
from neurofa.spec import Feedback, Rule

RATE = 0.3
REDRAWN = Rule("error", "sequential", Feedback("sign_transpose", "batchwise_random"), name="redrawn magnitudes")
NAMES = ("dfa", "fa", "bp", "sign_fa", "adafa", "matching", "mdfa", "sdfa", "drtp", "pseudo_bp", "np_dfa")
RULES = {name: PRESETS[name] for name in (*NAMES, "node_perturbation")} | {REDRAWN.name: REDRAWN}


def whole(values):
    """Whether all are whole numbers."""
    return np.array_equal(values, np.rint(values))


class Expected:
    """What the numbers of a network can be, from its plan in full precision and from the oracle's constraints."""

    def __init__(self, plan, spiking, chip, seed):
        self.plan, self.spiking, self.chip = plan, spiking, chip
        self.told = constrain(plan, spiking, chip, seed)
        self.neurons = HardwareNetwork(self.told, [0.0] * plan.n_layers).neurons
        self.last = plan.n_layers - 1
        self.feedback = {}
        for route in plan.feedback:
            key = f"layers.{route.layer}.B"
            held = route.basis if route.follow in ("sign", "offset") else plan.params[key]
            if chip.feedback is not None and route.follow not in ("transpose", "derived"):
                lowest = 0.0 if held.min() >= 0 else -math.inf
                self.feedback[route.layer] = Grid(chip.feedback, unit(chip.feedback, np.abs(held).max()), lowest)

    def weights(self, layer, name):
        """Levels of W or of b, which no bound of the rule holds for."""
        grid = self.told.W[layer]
        return grid if name == "W" else replace(grid, minimum=-math.inf)

    def check_weights(self, params):
        """W and b by name."""
        for layer, projection in enumerate(self.plan.projections):
            for name in "Wb" if projection.bias else "W":
                key = f"layers.{layer}.{name}"
                assert self.weights(layer, name).holds(params[key]), key

    def check_shadow(self, shadows):
        """Shadows by name: real numbers within the ends."""
        for key, values in shadows.items():
            low, high = self.weights(int(key.split(".")[1]), key[-1]).ends
            assert low <= values.min(), key
            assert values.max() <= high, key

    def check_feedback(self, params):
        """B, or what is stored of it where it follows W."""
        for route in self.plan.feedback:
            key = f"layers.{route.layer}.B"
            B, W = params[key], params[f"layers.{route.source}.W"].T
            if route.follow == "transpose":
                assert np.array_equal(B, W), key
            elif route.layer in self.told.B:
                assert self.told.B[route.layer].holds(B), key
            elif (grid := self.feedback.get(route.layer)) is not None:
                if route.follow == "sign":
                    assert grid.holds(B[W != 0] / np.sign(W[W != 0])), key
                    assert not B[W == 0].any(), key
                else:
                    assert grid.holds(B - W if route.follow == "offset" else B), key

    def check_modulators(self, layer, M):
        """Levels of hidden layers; events of the output layer, within the ends."""
        if layer < self.last:
            assert self.told.M[layer].holds(M), layer
            return
        levels = self.chip.modulators
        assert levels.lowest <= M.min()
        assert M.max() <= levels.highest
        if self.spiking.update == "error" or math.isinf(self.spiking.tau_mod_ms):
            assert whole(M)

    def check_membranes(self, layer, v):
        """Whole steps, as many as the width of the membrane allows."""
        index = v / self.neurons[layer].step
        assert whole(index), layer
        assert np.abs(index).max() <= 2 ** (self.chip.state.membrane_bits - 1) - 1, layer

    def check_currents(self, layer, i):
        """Whole steps; a current that wraps around has one more of them below 0."""
        state, neurons = self.chip.state, self.neurons[layer]
        index = i / (neurons.step / neurons.g)
        assert whole(index), layer
        if state.current_bits is not None:
            end = 2 ** (state.current_bits - 1) - 1
            assert index.max() <= end, layer
            assert index.min() >= -end - (state.current_overflow == "wrap"), layer

    def check_traces(self, net):
        """Presynaptic traces of a learner that are not 0; what an epoch counts is spikes."""
        at, trace = 0, self.chip.traces
        for layer, projection in enumerate(self.plan.projections):
            by_traces = self.spiking.update == "error" or (self.plan.signal == "loss_change" and layer < self.last)
            for size in (projection.n_pre, *((1,) if projection.bias else ())):
                own = slice(at, at + size)
                values, at = net.synapses.trace[own][net.synapses.seen[own] >= 0], at + size
                if by_traces:
                    values = values * trace.impulse
                    assert (values <= 2**trace.bits - 1).all(), layer
                assert whole(values), layer
                assert (values >= 0).all(), layer
        assert at == len(net.synapses.trace)

    def check_engine(self, engine):
        """All that an engine holds."""
        self.check_weights(engine.params)
        self.check_feedback(engine.params)
        if self.chip.learning.shadow:
            self.check_shadow(engine.shared.split(engine.shared.shadow))
        for net in (engine.learner, *engine.lanes):
            for layer in range(self.plan.n_layers):
                units = engine.units(layer)
                self.check_modulators(layer, net.synapses.modulator[units])
                self.check_membranes(layer, net.cells.v[units])
                self.check_currents(layer, net.cells.current[units])
            self.check_traces(net)


def chosen(data, name):
    """A problem for a rule under a chip that stores everything on levels; the problem is dropped if it does not fit."""
    rule = RULES[name]
    network, spiking, chip, batch, seed = data.draw(problems(rule, stores_all=True))
    return rule, network, spiking, chip, batch, seed


def expected_of(plan, spiking, chip, seed):
    """What the numbers can be; the example is dropped where no exponent of the chip fits."""
    try:
        return Expected(plan, spiking, chip, seed)
    except ValueError:
        assume(False)


@pytest.mark.parametrize("name", RULES)
def test_what_is_stored_is_on_its_levels_after_every_sample(name):
    seen = set()

    @settings(max_examples=12, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def run(data):
        rule, network, spiking, chip, batch, seed = chosen(data, name)
        plan = drawn_plan(network, rule, seed)
        expected = expected_of(plan, spiking, chip, seed)
        constrained, rng = put_under(plan, spiking, chip, seed=seed), np.random.default_rng(seed)
        engine = SpikingEngine(constrained, spiking, batch_size=batch, seed=seed, threads=1)
        x, y = rng.random((6, plan.sizes[0])), rng.integers(max(2, plan.sizes[-1]), size=6)
        expected.check_engine(engine)
        for b in range(-(-6 // batch)):
            before = engine.params["layers.0.W"].copy()
            engine.train(x, y, np.arange(6), b, b + 1, (RATE,) * plan.n_layers)
            expected.check_engine(engine)
            nets = (engine.learner, *engine.lanes)
            seen.update({"weights"} if (engine.params["layers.0.W"] != before).any() else ())
            seen.update({"modulators"} if any(net.synapses.modulator.any() for net in nets) else ())
            seen.update({"membranes"} if any(net.cells.v.any() for net in nets) else ())
            seen.update({"currents"} if any(net.cells.current.any() for net in nets) else ())
            seen.update({"traces"} if any((net.synapses.seen >= 0).any() for net in nets) else ())

    run()
    assert seen == {"weights", "modulators", "membranes", "currents", "traces"}


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.perturbation is None])
def test_what_is_stored_is_on_its_levels_after_every_tick(name):
    """As it is watched, in float32: synapses change within a presentation."""
    seen = set()

    @settings(max_examples=8, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def run(data):
        rule, network, spiking, chip, _, seed = chosen(data, name)
        spiking = replace(spiking, training=nf.Training(batch_size=1, learning_rate=RATE, optimiser="sgd"))
        plan = lower(network, rule, seed)
        expected = expected_of(plan, spiking, chip, seed)
        layers = [f"layers.{layer}" for layer in range(plan.n_layers)]
        record = [nf.Record(what, of) for what in ("v", "current", "modulator") for of in layers]
        record += [nf.Record("weights", key) for key in plan.params if key[-1] in "Wb"]
        rng = np.random.default_rng(seed)
        x, y = rng.random((3, plan.sizes[0])), rng.integers(max(2, plan.sizes[-1]), size=3)
        out = nf.observe(network, rule, None, x, y, spiking=spiking, hardware=chip, record=record, seed=seed)
        traces = {key: trace.values for key, trace in out.traces.items()}
        expected.check_weights({of: values for (what, of), values in traces.items() if what == "weights"})
        for layer, of in enumerate(layers):
            expected.check_membranes(layer, traces["v", of])
            expected.check_currents(layer, traces["current", of])
            expected.check_modulators(layer, traces["modulator", of])
        K = spiking.ticks
        for (what, _), values in traces.items():
            within = np.delete(np.diff(values, axis=0), [K - 1, 2 * K - 1], axis=0)  # not between presentations
            seen.update({what} if within.any() else ())

    run()
    assert seen == {"weights", "v", "current", "modulator"}
