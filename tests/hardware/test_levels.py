"""The oracle of hardware constraints against mathematics and examples reckoned by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_hardware import Constrained, HardwareNetwork, IntegerNeurons, LevelTraces, constrain, membrane_step, train
from naive_levels import Grid, low, mix, nearest_power, smallest_power, uniform, unit
from naive_spiking import simulate
from spiking_problems import by_hand, random_problem, spiking_for

from neurofa.rules import BP, DFA, FA, MATCHING, MDFA, SIGN_FA
from neurofa.spec import Hardware, Learning, Levels, Neuron, State, TraceLevels
from neurofa.spec.seeds import streams

WHOLE = Levels(-8, 7)
ODD = Levels(-7, 7, 2)
reals = st.floats(-20, 20)
unit_interval = st.floats(0, 1, exclude_max=True)


# ---------------------------------------------------------------------------- random numbers


def test_mix_is_splitmix64():
    """The first outputs of the reference implementation for seed 0."""
    assert mix(0) == 0xE220A8397B1DCDAF
    assert mix(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4


def test_the_hash_is_a_permutation_of_32_bits():
    assert low(0) == 0
    assert len({low(x) for x in range(20_000)}) == 20_000
    assert max(low(x) for x in range(20_000)) < 2**32


def test_random_numbers_are_uniform_and_unlike_each_other():
    n = 64
    xi = np.array([[[uniform(9, m, k, a, j) for j in range(n)] for a in (0, 64, 128)] for m in (0, 1) for k in (0, 1)])
    assert ((xi > 0) & (xi < 1)).all()
    assert (xi * 2**25 % 2 == 1).all()  # odd multiples of 2^-25
    assert abs(xi.mean() - 0.5) < 4 * math.sqrt(1 / 12 / xi.size)
    flat = xi.reshape(-1, n)
    for p in range(len(flat)):
        for q in range(p):
            assert abs(np.corrcoef(flat[p], flat[q])[0, 1]) < 5 / math.sqrt(n)
    assert uniform(9, 0, 0, 0, 0) != uniform(10, 0, 0, 0, 0)


# ---------------------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("rounding", "x", "level"),
    [
        ("nearest", 0.3, 0.25),
        ("nearest", 0.375, 0.5),  # 9.5 from the lowest: to the even index 10
        ("nearest", 0.125, 0.0),  # 8.5: to 8
        ("nearest", -0.3, -0.25),
        ("nearest", 9.0, 1.75),
        ("nearest", -9.0, -2.0),
        ("truncate", 0.49, 0.25),
        ("truncate", -0.49, -0.25),
        ("truncate", 9.0, 1.75),
    ],
)
def test_values_on_quarters_by_hand(rounding, x, level):
    assert Grid(WHOLE, 0.25).rounded(x, rounding) == level


@pytest.mark.parametrize(("xi", "level"), [(0.0, 0.25), (0.79, 0.25), (0.81, 0.5)])
def test_stochastic_values_by_hand(xi, level):
    """0.3 is a fifth of the way from 1/4 to 1/2."""
    assert Grid(WHOLE, 0.25).rounded(0.3, "stochastic", xi) == level


def test_odd_levels_have_ties_at_even_numbers():
    """-7 has index 0, -5 index 1: a tie at -6 goes to -7, at -4 to -3, at 0 to 1."""
    grid = Grid(ODD, 1.0)
    assert [grid.rounded(x, "nearest") for x in (-6.0, -4.0, 0.0, 6.0)] == [-7.0, -3.0, 1.0, 5.0]


@given(st.sampled_from([WHOLE, ODD, Levels(0, 15)]), st.integers(-3, 2), reals, unit_interval)
def test_rounding_gives_a_level_next_to_the_number(levels, power, x, xi):
    grid = Grid(levels, 2.0**power)
    first, last = grid.ends
    for rounding in ("nearest", "stochastic", *(("truncate",) if levels is not ODD else ())):
        level = grid.rounded(x, rounding, xi)
        assert grid.holds(level)
        assert grid.rounded(level, rounding, xi) == level  # a level stays
        inside = min(max(x, first), last)
        assert abs(level - inside) <= grid.s / 2 or rounding != "nearest"
        assert abs(level - inside) < grid.s
        assert abs(level) <= abs(inside) or rounding != "truncate"


@given(st.sampled_from([WHOLE, ODD]), st.integers(0, 7), st.floats(-3, 3), unit_interval)
def test_a_change_stays_on_levels_and_is_less_than_a_step_off(levels, place, change, xi):
    for rounding in ("nearest", "stochastic", *(("truncate",) if levels is not ODD else ())):
        grid = Grid(replace(levels, rounding=rounding), 0.5)
        w = grid.ends[0] + place * grid.s
        after = grid.changed(w, change, xi)
        assert grid.holds(after)
        told = grid.within(w + change)
        assert abs(after - told) < grid.s
        assert abs(after - told) <= grid.s / 2 or rounding != "nearest"
        assert grid.changed(w, 0.0, xi) == w


def test_changes_by_hand():
    """Changes are rounded in units of the step, wherever the weight is: 0.3 of a step."""
    s, odd = 0.25, Grid(Levels(-7, 7, 2), 0.125)
    assert Grid(WHOLE, s).changed(0.5, 0.4 * s) == 0.5
    assert Grid(WHOLE, s).changed(0.5, 0.6 * s) == 0.75
    assert Grid(WHOLE, s).changed(0.5, 1.5 * s) == 1.0  # a tie: 2 is even
    assert Grid(WHOLE, s).changed(0.5, 0.5 * s) == 0.5  # a tie: 0 is even
    assert odd.changed(0.375, -0.6 * s) == 0.125
    truncated = Grid(replace(WHOLE, rounding="truncate"), s)
    assert truncated.changed(0.5, -0.1 * s) == 0.25  # towards 0
    assert truncated.changed(-0.5, -0.9 * s) == -0.5
    stochastic = Grid(replace(WHOLE, rounding="stochastic"), s)
    assert [stochastic.changed(0.5, -0.3 * s, xi) for xi in (0.2, 0.4)] == [0.25, 0.5]


@pytest.mark.parametrize(("m", "headroom", "u"), [(7.0, 1, 1.0), (7.1, 1, 2.0), (3.5, 1, 0.5), (3.5, 1.5, 1.0)])
def test_the_unit_is_the_smallest_power_that_holds_the_largest(m, headroom, u):
    assert unit(Levels(-8, 7, headroom=headroom), m) == u


@given(st.floats(1e-6, 1e6))
def test_powers_of_two(x):
    assert smallest_power(x) / 2 < x <= smallest_power(x)
    assert abs(math.log2(nearest_power(x)) - math.log2(x)) <= 0.5


def test_monotone_levels_begin_above_the_bound():
    grid = Grid(WHOLE, 0.25, minimum=1e-6)
    assert grid.ends == (0.25, 1.75)
    assert grid.changed(0.25, -9.0) == 0.25


# ---------------------------------------------------------------------------- initial parameters


def test_initial_parameters_are_drawn_in_order():
    plan, *_ = random_problem(DFA, seed=3)
    chip = Hardware(weights=WHOLE, feedback=ODD)
    told, rng = constrain(plan, spiking_for(), chip, 3), streams(3).rounding
    for layer in range(3):
        u = smallest_power(plan.projections[layer].reach / 7)
        for name in "WbB"[: 2 if layer == 2 else 3]:
            key = f"layers.{layer}.{name}"
            value = plan.params[key]
            xi = rng.random(value.shape)
            if name == "B":
                step = 2 * smallest_power(np.abs(value).max() / 7)
                index = (value + 7 * step / 2) / step  # the lowest level is -7 units, 3.5 steps
                expected = -7 * step / 2 + step * np.clip(np.floor(index + xi), 0, 7)
            else:
                expected = u * np.clip(np.floor(value / u + xi), -8, 7)
            np.testing.assert_array_equal(told.plan.params[key], expected, err_msg=key)
    assert told.key == rng.integers(2**63)


def test_given_parameters_go_to_the_nearest_and_the_key_comes_first():
    plan = by_hand([[0.9, -0.3]], [[0.8], [0.5]], [[0.2, 0.4]])
    told = constrain(plan, spiking_for(), Hardware(weights=WHOLE), 5, given=True)
    assert told.plan.params["layers.0.W"].tolist() == [[1.0, -0.25]]  # 7/8 < 0.9: quarters
    assert told.plan.params["layers.1.W"].ravel().tolist() == [0.75, 0.5]  # eighths: 0.8 is 6.4 of them
    assert told.plan.params["layers.0.B"].tolist() == [[0.2, 0.4]]
    assert told.key == streams(5).rounding.integers(2**63)


def test_feedback_that_follows_is_made_of_stored_numbers():
    for rule in (BP, SIGN_FA, MATCHING):
        plan, *_ = random_problem(rule)
        told = constrain(plan, spiking_for(), Hardware(weights=WHOLE, feedback=WHOLE), 0)
        params = HardwareNetwork(told, [0.1] * 3).params()
        for layer in range(2):
            W, B = params[f"layers.{layer + 1}.W"].T, params[f"layers.{layer}.B"]
            if rule is BP:
                np.testing.assert_array_equal(B, W)
                continue
            held = plan.feedback[layer].basis
            grid = Grid(WHOLE, smallest_power(np.abs(held).max() / 7))
            left = B - W if rule is MATCHING else np.abs(B)[B != 0]
            assert grid.holds(left)


def test_monotone_weights_begin_above_the_bound():
    plan, *_ = random_problem(MDFA)
    told = constrain(plan, spiking_for(), Hardware(weights=WHOLE), 0)
    assert all(told.plan.params[f"layers.{layer}.W"].min() > 0 for layer in (1, 2))


# ---------------------------------------------------------------------------- neurons in integers


def potentials(neurons, inputs):
    """Membranes of the first neuron in units of its step, before any threshold."""
    result = []
    for I in inputs:  # noqa: E741
        neurons.integrate(np.array([I]))
        result.append(neurons.v[0] / neurons.step)
    return result


def test_a_leaky_membrane_by_hand():
    """d_m = e^-0.5 = 0.6065 is 9.7 sixteenths: 10/16. Inputs of 5 steps."""
    state = State(membrane_bits=8, decay_bits=4)
    neurons = IntegerNeurons(Neuron("lif", tau_m_ms=2.0, v_threshold=16.0), 1, 1.0, None, state, 0.25)
    assert neurons.step == 0.25
    # 5; 5 * 10/16 = 3.125 -> 3 + 5; 8 -> 5 + 5; 10 -> 6 + 0; -3.75 of -6: cut towards 0
    assert potentials(neurons, [1.25, 1.25, 1.25, 0.0, -2.5, 0.0, 0.0]) == [5, 8, 10, 6, -7, -4, -2]


def test_a_membrane_saturates():
    neurons = IntegerNeurons(Neuron("if", v_threshold=31.75), 1, 1.0, None, State(membrane_bits=8), 0.25)
    assert potentials(neurons, [20.0, 20.0, -100.0]) == [80, 127, -127]


def test_input_without_levels_is_rounded_to_even_steps():
    neurons = IntegerNeurons(Neuron("if"), 1, 1.0, None, State(membrane_bits=8), None)
    assert neurons.step == 0.125  # 8 thresholds are 64 steps; 1/16 would be 128, and 127 fit
    assert potentials(neurons, [0.5 * 0.125, 0.125, 1.5 * 0.125]) == [0, 1, 3]


@pytest.mark.parametrize(("overflow", "currents"), [("saturate", [7, 7, 3, -7]), ("wrap", [-6, -7, -7, 6])])
def test_a_current_at_its_end_by_hand(overflow, currents):
    """Four bits, a decay of a half, steps of 1."""
    neuron = Neuron("cuba_lif", tau_syn_ms=1 / math.log(2))
    neurons = IntegerNeurons(neuron, 1, 1.0, None, State(16, 4, decay_bits=3, current_overflow=overflow), None)
    neurons.g, neurons.step, found = 1.0, 1.0, []
    assert neurons.hat_s == 0.5
    # wrap: 10 - 16 = -6; -3 + 12 = 9 - 16 = -7; -3 - 4 = -7; -3 - 7 = -10 + 16 = 6
    for I in (10, 10, 0, -14) if overflow == "saturate" else (10, 12, -4, -7):  # noqa: E741
        neurons.integrate(np.array([float(I)]))
        found.append(neurons.i[0])
    assert found == currents


def test_the_most_negative_number_of_twos_complement_is_kept():
    neuron = Neuron("cuba_lif")
    neurons = IntegerNeurons(neuron, 1, 1.0, None, State(16, 4, current_overflow="wrap"), None)
    step = neurons.step / neurons.g
    assert [neurons.overflown(n * step) / step for n in (-8, 8, -9, 7, 24, 40)] == [-8, -8, 7, 7, -8, -8]


def test_a_threshold_lies_on_its_grid_and_may_have_to_be_exceeded():
    state = State(membrane_bits=8, threshold_shift=2, spikes_above=True)
    neurons = IntegerNeurons(Neuron("if", v_threshold=1.4), 1, 1.0, None, state, 0.125)
    assert neurons.threshold(0) == 1.5  # 2.8 halves
    neurons.integrate(np.array([1.5]))
    assert neurons.fire() == []
    neurons.integrate(np.array([0.125]))
    assert neurons.fire() == [0]
    assert neurons.v[0] == 0.125


def test_the_exponent_is_the_nearest_that_fits():
    neuron, state = Neuron("if"), State(membrane_bits=16, threshold_bits=4, exponent_min=-8, exponent_max=3)
    assert membrane_step(state, neuron, 1.0, 0.25) == 0.25  # a threshold of 4
    assert membrane_step(state, neuron, 1.0, 2.0**-6) == 2.0**-3  # 64 -> 8 at the exponent -3; 16 has five bits
    assert membrane_step(replace(state, exponent_min=1), neuron, 1.0, 0.25) == 0.125
    with pytest.raises(ValueError, match="exponent"):
        membrane_step(state, neuron, 1.0, 2.0**-20)


@given(st.integers(0, 1000))
def test_with_many_bits_integers_are_the_real_neuron(seed):
    rng = np.random.default_rng(seed)
    state = State(membrane_bits=24, current_bits=24, decay_bits=16, weight_shift=10)
    for model in ("if", "lif"):
        neuron = Neuron(model)
        fine = IntegerNeurons(neuron, 1, 1.0, None, state, 2.0**-8)
        v, d = 0.0, 1.0 if model == "if" else math.exp(-1 / 20)
        for _ in range(20):
            I = rng.integers(-20, 20) / 256  # noqa: E741
            fine.integrate(np.array([I]))
            v = v * d + I
            assert abs(fine.v[0] - v) < 1e-3


# ---------------------------------------------------------------------------- traces, epochs, transmission


def test_a_trace_by_hand():
    """Three bits, four levels a spike; what is left after a spike is rounded from there, for each use alone."""
    spiking = spiking_for(update="error", tau_pre_ms=2.0)
    traces, found = LevelTraces(1, spiking, TraceLevels(3, 4, "nearest"), None), []
    for spikes in (1, 1, 0, 0, 0, 0, 0, 1):
        traces.tick([0] * spikes)
        found.append(4 * traces.x[0])
    # 4; 4 e^-0.5 = 2.43 -> 2 + 4; 6 e^-0.5 = 3.64; 6 e^-1 = 2.2; 1.34; 0.81; 0.49; then 0.30 -> 0 + 4
    assert found == [4, 6, 4, 2, 1, 1, 0, 4]
    endless = LevelTraces(1, spiking_for(update="error"), TraceLevels(3, 4, "nearest"), None)
    for most in (4, 7, 7):
        endless.tick([0])
        assert 4 * endless.x[0] == most


def test_a_trace_is_unbiased_when_it_is_rounded_stochastically():
    rng, spiking = np.random.default_rng(0), spiking_for(update="error", tau_pre_ms=3.0)
    traces = LevelTraces(4000, spiking, TraceLevels(7, 8), lambda i: rng.random())
    traces.tick(list(range(4000)))
    traces.tick([])
    exact = 8 * math.exp(-1 / 3)
    f = exact % 1
    assert abs(8 * traces.x.mean() - exact) < 4 * math.sqrt(f * (1 - f) / 4000)


def hardware_by_hand(hardware, spiking, events, y, rates, B=((2.0, -4.0),)):
    """The example of two hidden neurons and one output on a chip."""
    plan = by_hand([[1.0, 0.5]], [[1.0], [0.5]], B)
    return train(constrain(plan, spiking, hardware, 0, given=True), [events], [y], rates=rates)


def test_epochs_by_hand():
    """The example of the tests of unconstrained spiking, in epochs of two ticks: W0 changes in ticks 1 and 3 alone."""
    spiking = spiking_for(sample_ms=4.0, error_threshold=0.5)
    out = hardware_by_hand(
        Hardware(learning=Learning(every_ticks=2)), spiking, [(0, 0), (1, 0), (2, 0)], [1.0], [0.125, 0.0]
    )
    # tick 1: M = (2, -4), and two spikes arrived: W0 -> (1 - 1/2, 1/2 + 1)
    # tick 2: hidden receives (1/2, 3/2): 1/2, and a spike; output receives 1 + 1/2 of tick 1: spikes, u = 3/4, n = 1
    # tick 3: output receives 1/2 to its 1/2, spikes: u = 1/4 + 1 - 1/4 = 1, n = 2: M = (2 + 2 + 4, -16); one spike
    assert out.shown[0].errors == [(1, 1, 0, 1), (2, 1, 0, 1), (3, 1, 0, 2)]
    assert out.params["layers.0.W"].tolist() == [[0.5 - 1.0, 1.5 + 2.0]]
    assert out.update == 2 + 2 + 2 + 1  # and the output's: both hidden spikes of ticks 0, 1; that of hidden 1


def test_modulators_gather_in_an_epoch_that_updates_at_errors():
    spiking = spiking_for(sample_ms=4.0, error_threshold=0.5, update="error", tau_mod_ms=1.0)
    out = hardware_by_hand(
        Hardware(learning=Learning(every_ticks=4)), spiking, [(0, 0), (1, 0), (2, 0)], [1.0], [0.125, 0.0]
    )
    # hidden 0 spikes in ticks 0 to 2, hidden 1 in tick 1; output spikes in ticks 1, 2 (1 + 1/2) and 3 (1/2 + 1)
    assert out.shown[0].errors == [(1, 1, 0, 1), (2, 1, 0, 1), (3, 1, 0, 2)]
    assert out.shown[0].modulators[0].tolist() == [[0, 0], [2, -4], [4, -8], [8, -16]]
    assert out.params["layers.0.W"].tolist() == [[1 - 3.0, 0.5 + 6.0]]  # a trace of 3, an eighth, 8 and -16


def test_power_of_two_rates():
    plan, *_ = random_problem(DFA)
    told = constrain(plan, spiking_for(), Hardware(learning=Learning(rate_power_of_two=True)), 0)
    assert HardwareNetwork(told, [0.1, 0.088, 0.0]).rates == [0.125, 0.0625, 0.0]


def test_without_constraints_it_is_the_oracle_of_spiking_mode():
    for rule in (DFA, FA):
        plan, events, labels, _ = random_problem(rule)
        for update in ("spike", "error"):
            spiking = spiking_for(update=update)
            free = Constrained(plan, spiking, Hardware(), [None] * 3, {}, [None] * 3, 1)
            a = train(free, events, labels, rates=[0.05] * 3)
            b = simulate(plan, spiking, events, labels, rates=[0.05] * 3)
            for key, value in b.params.items():
                np.testing.assert_array_equal(a.params[key], value)
            assert (a.forward, a.feedback, a.update) == (b.forward, b.feedback, b.update)


def test_transmission_passes_its_share():
    plan = by_hand(np.ones((40, 50)) / 64, np.ones((50, 1)), np.ones((1, 50)))
    spiking = spiking_for(sample_ms=1.0, transmission=0.65)
    told = constrain(plan, spiking, Hardware(), 0, given=True)
    every = [[(0, i) for i in range(40)]]
    seen = {}
    for learn in True, False:
        out = train(told, every * 2, [[0.0]] * 2, rates=[0.0, 0.0], learn=learn)
        assert out.forward == 2 * 40 * 50
        for m, shown in enumerate(out.shown):
            arrived = 64 * shown.membranes[0][0]
            assert abs(arrived.sum() - 0.65 * 2000) < 4 * math.sqrt(0.65 * 0.35 * 2000)
            seen[learn, m] = arrived.tolist()
    assert len({tuple(v) for v in seen.values()}) == 4  # presentations, and tests, have numbers of their own


def test_shadow_weights_gather_what_is_less_than_a_step():
    """Changes of -0.3 of a step of 1/8: a shadow moves after the second, and weights rounded to the nearest never."""
    plan = by_hand([[0.875, 0.5]], [[1.0], [0.5]], [[1.0, 1.0]])
    plan = replace(plan, projections=tuple(replace(p, reach=0.875) for p in plan.projections))
    found = []
    for shadow in True, False:
        chip = Hardware(weights=Levels(-8, 7), learning=Learning(shadow=shadow))
        network, seen = HardwareNetwork(constrain(plan, spiking_for(), chip, 0, given=True), [0.0, 0.0]), []
        for _ in range(5):
            network.change_W[0][0, 1] = -0.3 / 8
            network.apply_changes()
            seen.append(8 * network.W[0][0, 1])
        found.append(seen)
    assert found == [[4, 3, 3, 3, 2], [4] * 5]  # 3.7, 3.4, 3.1, 2.8, 2.5: to the even index, 2 + 8
