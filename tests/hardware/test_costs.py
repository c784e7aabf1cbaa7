"""What networks cost: bits counted by hand, what waits for the error, and energies only where they are published."""

import math
from dataclasses import replace

import pytest
from support import network_for

from neurofa.hardware import costs, costs_table, load_profile
from neurofa.rules import lower
from neurofa.rules.presets import named
from neurofa.spec import Energy, Hardware, InputError, Learning, Levels, Neuron, PostFactor, Spiking, State, TraceLevels

N_IN, N_1, N_2, N_OUT = WIDTHS = (12, 8, 6, 5)
N_W = 12 * 8 + 8 * 6 + 6 * 5
CHIP = Hardware(
    "chip",
    weights=Levels(-128, 127),
    feedback=Levels(-8, 7),
    modulators=Levels(-16, 15),
    traces=TraceLevels(7),
    state=State(24, 20),
)


def plan_of(rule, widths=WIDTHS):
    return lower(network_for(named(rule), widths), named(rule))


def cost(rule, hardware=CHIP, operations=None, **spiking):
    return costs(plan_of(rule), hardware, operations, spiking=Spiking(**spiking))


def test_memory_counted_by_hand():
    memory = cost("drtp", delay_ms=(1, 3, 2)).memory
    assert memory.weights == N_W * 8
    assert memory.biases == (8 + 6 + 5) * 8
    assert memory.feedback == (8 + 6) * 5 * 4
    assert memory.membranes == (8 + 6 + 5) * 24
    assert (memory.currents, memory.refractory, memory.thresholds) == (0, 0, 0)
    assert memory.post_factors == (8 + 6) * 32
    assert memory.traces == (13 + 9 + 7) * 7
    assert memory.modulators == (8 + 6 + 5) * 5
    assert memory.error_neurons == 5 * 32
    assert memory.delays == 12 * 1 + 8 * 3 + 6 * 2
    assert memory.total == sum(vars(memory).values())


def test_shadows_are_memory_and_are_named():
    kept = cost("drtp", replace(CHIP, learning=Learning(shadow=True)))
    assert kept.memory.shadows == (N_W + 8 + 6 + 5) * 32
    assert kept.memory.total == cost("drtp").memory.total + kept.memory.shadows
    assert (kept.hardware, cost("drtp").hardware) == ("chip+shadow", "chip")
    frozen = cost("shallow", replace(CHIP, learning=Learning(shadow=True)))
    assert frozen.memory.shadows == (6 * 5 + 5) * 32  # of what learns alone


def test_memory_in_full_precision():
    memory = costs(plan_of("drtp"), Hardware()).memory
    assert memory.weights == N_W * 32
    assert memory.feedback == (8 + 6) * 5 * 32
    assert memory.membranes == memory.modulators == (8 + 6 + 5) * 32
    assert memory.traces == (13 + 9 + 7) * 32


def test_state_that_some_neurons_have():
    hidden = Neuron("cuba_lif", refractory_ms=4.5, threshold_step=0.1)
    memory = cost("drtp", neuron=hidden, output_neuron=Neuron("if")).memory
    assert memory.currents == (8 + 6) * 20
    assert memory.refractory == (8 + 6) * 3  # a counter that can hold 5
    assert memory.thresholds == (8 + 6) * 32
    exact = cost("drtp", neuron=Neuron(refractory_ms=0.9), output_neuron=Neuron(), dt_ms=0.3, sample_ms=12.0).memory
    assert exact.refractory == (8 + 6) * 2  # 3 ticks, as the engines count them
    assert cost("drtp", post=PostFactor("surrogate")).memory.post_factors == 0


@pytest.mark.parametrize(
    ("rule", "numbers", "transport"),
    [
        ("bp", 0, True),
        ("sign_fa", 0, True),
        ("matching", 8 * 6 + 6 * 5, True),
        ("pseudo_bp", 8 * 6 + 6 * 5, True),
        ("fa", 8 * 6 + 6 * 5, False),
        ("adafa", 8 * 6 + 6 * 5, False),
        ("dfa", (8 + 6) * 5, False),
        ("drtp", (8 + 6) * 5, False),
        ("node_perturbation", 0, False),
        ("shallow", 0, False),
    ],
)
def test_feedback_and_weight_transport(rule, numbers, transport):
    found = cost(rule)
    assert found.memory.feedback == numbers * 4
    assert found.weight_transport == transport


def test_magnitudes_that_differ_are_stored():
    rule = replace(named("sign_fa"), feedback=replace(named("sign_fa").feedback_source, magnitude="fixed_random"))
    plan = lower(network_for(rule, WIDTHS), rule)
    assert costs(plan, CHIP).memory.feedback == (8 * 6 + 6 * 5) * 4


def test_error_neurons():
    assert cost("dfa").memory.error_neurons == 5 * 32
    assert cost("sdfa").memory.error_neurons == 2 * 5 * 32  # and the running total whose sign it sends
    assert cost("fa").memory.error_neurons == (5 + 6) * 32
    assert cost("shallow").memory.modulators == 5 * 5


WAITING = (13 + 9) * 7 + (8 + 6)  # traces of the inputs of hidden layers, and a window's bit for each hidden neuron


@pytest.mark.parametrize(
    ("rule", "bits"),
    [("drtp", 0), ("shallow", 0), *((rule, WAITING) for rule in ("bp", "fa", "dfa", "sdfa"))],
)
def test_update_locking(rule, bits):
    found = cost(rule)
    assert found.update_locked_bits == bits
    assert cost(rule, update="spike").update_locked_bits == 0
    rows = {row[0]: row[1:] for row in costs_table(found)}
    assert rows["update locking"][1] == ("kept until the error is known" if bits else "no update waits for the error")


def test_update_locking_of_other_factors():
    assert cost("dfa", post=PostFactor("surrogate")).update_locked_bits == (13 + 9) * 7 + (8 + 6) * 32
    assert cost("node_perturbation").update_locked_bits == WAITING + (8 + 6) * 32  # and the noise


def test_epochs_count_spikes():
    chip = replace(CHIP, learning=Learning(every_ticks=4))
    assert cost("drtp", chip, update="spike").memory.traces == (13 + 9 + 7) * 3
    assert cost("drtp", update="spike").memory.traces == 0


def test_energy_is_operations_times_what_is_published():
    chip = replace(CHIP, energy=Energy(synop_pj=2.0, update_pj=5.0, neuron_tick_pj=1.5))
    found = cost("dfa", chip, (1000, 30, 200), sample_ms=10)
    assert [one.energy_pj for one in found.estimates] == [2000.0, 60.0, 1000.0, 19 * 10 * 1.5]
    assert found.energy_pj == 2000 + 60 + 1000 + 285
    own = replace(chip, energy=replace(chip.energy, feedback_pj=7.0))
    assert cost("dfa", own, (1000, 30, 200)).estimates[1].energy_pj == 210
    assert all(one.source == "as given" for one in found.estimates)


def test_energy_that_is_not_published_is_none():
    chip = replace(CHIP, energy=Energy(synop_pj=2.0, neuron_tick_pj=1.0))
    found = cost("dfa", chip, (1000, 30, 200))
    assert found.estimates[2].energy_pj is None
    assert (found.energy_pj, found.missing) == (None, ("update",))
    idle = cost("dfa", chip, (1000, 30, 0))  # nothing was updated
    assert (idle.energy_pj, idle.missing) == (1000 * 2 + 30 * 2 + idle.estimates[3].operations, ())
    assert cost("dfa", chip).estimates == ()
    assert cost("dfa", chip).energy_pj is None


def test_sources_are_those_of_the_profile():
    loihi, spiking = load_profile("loihi"), Spiking(sample_ms=10)
    found = costs(plan_of("dfa"), loihi, (10, 10, 10), spiking=spiking)
    assert "Davies et al. 2018" in found.estimates[0].source
    assert found.estimates[2].source.endswith("not verified")
    changed = replace(loihi, energy=replace(loihi.energy, synop_pj=1.0))
    assert costs(plan_of("dfa"), changed, (10, 10, 10)).estimates[0].source == "as given"


def test_table_says_estimate():
    found = costs(plan_of("bp"), load_profile("loihi"), (10, 10, 10))
    rows = {row[0]: row[1:] for row in costs_table(found)}
    assert rows["memory, feedback"] == ("0 bits", "")
    assert rows["weight transport"][0] == "yes"
    assert "estimate" in rows["operations, forward"][1]
    assert rows["energy of a sample"][1] == "estimate"
    assert rows["memory, total"] == (f"{found.memory.total:,} bits", "")
    silent = {row[0]: row[1:] for row in costs_table(costs(plan_of("bp"), load_profile("int8"), (10, 10, 10)))}
    assert silent["operations, forward"] == ("10", "energy not published")
    lacking = "what one costs is not published: forward, feedback, update, neuron ticks"
    assert silent["energy of a sample"] == ("unknown", lacking)


@pytest.mark.parametrize("operations", [(1, 2), (1, 2, -3), (1, 2, math.nan), (1, 2, math.inf), 4])
def test_operations_must_be_three(operations):
    with pytest.raises(InputError, match="operations must be three finite numbers"):
        costs(plan_of("dfa"), CHIP, operations)


@pytest.mark.parametrize("baseline", ["running", "clean"])
def test_rules_that_wait_for_the_loss_have_traces_and_may_run_twice(baseline):
    """A change of the loss is known after a presentation, whenever other synapses change."""
    first, second = (
        cost("node_perturbation", operations=(1, 1, 1), update=u, baseline=baseline) for u in ("spike", "error")
    )
    assert first.memory.traces == (13 + 9) * 7  # the output layer changes at spikes
    assert second.memory.traces == (13 + 9 + 7) * 7
    assert first.update_locked_bits == second.update_locked_bits > 0
    ticks = next(one.operations for one in first.estimates if one.kind == "neuron ticks")
    assert ticks == (8 + 6 + 5) * Spiking().ticks * (2 if baseline == "clean" else 1)
