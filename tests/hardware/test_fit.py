"""What fits on a chip: each limit at its edge, and suggestions that are true."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import network_for

from neurofa.hardware import constrain, fit, load_profile
from neurofa.rules import lower
from neurofa.rules.presets import named
from neurofa.spec import Hardware, InputError, Learning, Levels, Limits, Neuron, Neurons, Spiking, State

LEVELS = {"weights": Levels(-128, 127), "feedback": Levels(-8, 7)}


def plan_of(widths, rule="drtp", bias=True):
    network = network_for(named(rule), widths)
    layers = tuple(replace(layer, bias=bias) for layer in network.layers)
    return lower(replace(network, layers=layers), named(rule))


def chip(on_chip=True, **limits):
    return Hardware("chip", limits=Limits(**limits), learning=Learning(on_chip=on_chip), **LEVELS)


# 12 inputs, 8 hidden neurons with 12 + 1 bias + 5 feedback synapses, 5 outputs with 8 + 1
WIDTHS = (12, 8, 5)
NEEDS = [
    ("fan_in", 18, {}, "population 'layers.0' needs 18 synapses a neuron (12 inputs, 1 bias, 5 feedback)"),
    ("fan_out", 5, {}, "population 'layers.0' needs 5 outgoing synapses a neuron, one for each of 'layers.1'"),
    ("cores", 4, {"neurons_per_core": 4}, "the network needs 4 cores"),
    ("neurons", 13, {}, "the network needs 13 neurons"),
    ("synapses", 8 * 18 + 5 * 9, {}, "the network needs 189 synapses"),
    ("synapses_per_core", 18, {}, "population 'layers.0' needs 18 synapses for one neuron"),
    ("synapse_bits_per_core", 13 * 8 + 5 * 4, {}, "population 'layers.0' needs 124 bits of synapses for one neuron"),
    ("input_axons_per_core", 18, {}, "population 'layers.0' needs 18 presynaptic units on a core"),
    ("output_axons_per_core", 5, {"neurons_per_core": 1}, "population 'layers.0' needs 5 output axons a neuron"),
    ("neurons_per_core", 13, {"cores": 1}, "the network needs 13 neurons on its one core"),
    ("synapses_per_core", 189, {"cores": 1}, "the network needs 189 synapses on its one core"),
    (
        "synapse_bits_per_core",
        8 * 124 + 5 * 72,
        {"cores": 1},
        "the network needs 1352 bits of synapses on its one core",
    ),
    ("input_axons_per_core", 12 + 8 + 1 + 5, {"cores": 1}, "the network needs 26 presynaptic units on its one core"),
    ("output_axons_per_core", 8, {"cores": 1}, "the network needs 8 output axons on its one core"),
]


@pytest.mark.parametrize(("limit", "need", "others", "message"), NEEDS)
def test_every_limit_at_its_edge(limit, need, others, message):
    fit(plan_of(WIDTHS), chip(**others, **{limit: need}))
    with pytest.raises(InputError) as caught:
        fit(plan_of(WIDTHS), chip(**others, **{limit: need - 1}))
    text = str(caught.value)
    assert text.startswith(message)
    assert f"but hardware 'chip' has at most {need - 1} (limits.{limit}): " in text
    assert "\n" not in text
    assert_that_the_change_fits(text, WIDTHS, chip(**others, **{limit: need - 1}))


# 4 inputs, 8 hidden neurons with 4 + 1 + 5 synapses, 6 with 8 + 1 + 5, 5 outputs with 6 + 1
DEEPER = (4, 8, 6, 5)
DEEPER_NEEDS = [
    ("fan_in", 14, {}, "population 'layers.1' needs 14 synapses", "at most 7 neurons in 'layers.0' fit"),
    ("fan_out", 6, {}, "population 'layers.0' needs 6 outgoing synapses", "at most 5 neurons in 'layers.1' fit"),
    ("cores", 6, {"neurons_per_core": 4}, "the network needs 6 cores", "at most 4 neurons in 'layers.0' fit"),
    ("neurons", 19, {}, "the network needs 19 neurons", "at most 7 neurons in 'layers.0' fit"),
    ("synapses", 80 + 84 + 35, {}, "the network needs 199 synapses", "at most 7 neurons in 'layers.0' fit"),
    (
        "output_axons_per_core",
        6,
        {"neurons_per_core": 1},
        "population 'layers.0' needs 6 output axons a neuron, for 'layers.1'",
        "at most 5 neurons in 'layers.1' fit",
    ),
]


@pytest.mark.parametrize(("limit", "need", "others", "message", "change"), DEEPER_NEEDS)
def test_limits_that_a_second_hidden_layer_meets(limit, need, others, message, change):
    fit(plan_of(DEEPER), chip(**others, **{limit: need}))
    less = chip(**others, **{limit: need - 1})
    with pytest.raises(InputError) as caught:
        fit(plan_of(DEEPER), less)
    text = str(caught.value)
    assert text.startswith(message)
    assert text.endswith(f"but hardware 'chip' has at most {need - 1} (limits.{limit}): {change}")
    assert_that_the_change_fits(text, DEEPER, less)


def ticks_of(what, ticks, dt_ms):
    """Settings of two layers in which a delay, or the refractory period of all neurons or of the outputs, is given."""
    silent = Neuron("lif", refractory_ms=ticks * dt_ms)
    return Spiking(
        dt_ms=dt_ms,
        **{
            "delay": {"delay_ms": (dt_ms, ticks * dt_ms)},
            "refractory": {"neuron": silent},
            "output": {"output_neuron": silent},
        }[what],
    )


TIMES = {
    "delay": ("the projection to 'layers.1' has a delay of", "delay_ticks_max", "a delay_ms of at most"),
    "refractory": ("population 'layers.0' is refractory for", "refractory_ticks_max", "a refractory_ms of at most"),
    "output": ("population 'layers.1' is refractory for", "refractory_ticks_max", "a refractory_ms of at most"),
}


@pytest.mark.parametrize("dt_ms", [1.0, 0.1, 0.3])
@pytest.mark.parametrize("most", [1, 7, 63])
@pytest.mark.parametrize("what", TIMES)
def test_times_at_their_edge(what, most, dt_ms):
    """The message has the longest time that fits: a tick more than that does not."""
    who, limit, change = TIMES[what]
    hardware, plan = Hardware("chip", neurons=Neurons(**{limit: most})), plan_of(WIDTHS)
    constrain(plan, ticks_of(what, most, dt_ms), hardware)
    with pytest.raises(InputError) as caught:
        constrain(plan, ticks_of(what, most + 1, dt_ms), hardware)
    text = str(caught.value)
    start = f"{who} {most + 1} ticks, but hardware 'chip' has at most {most} (neurons.{limit}): {change} "
    assert text.startswith(start)
    assert text.endswith(" fits")
    suggested_ms = float(text.removeprefix(start).removesuffix(" fits"))
    constrain(plan, ticks_of(what, suggested_ms / dt_ms, dt_ms), hardware)
    assert suggested_ms == pytest.approx(most * dt_ms)


@pytest.mark.parametrize("dt_ms", [1.0, 0.1])
def test_the_shortest_delay_at_its_edge(dt_ms):
    hardware, plan = Hardware("chip", neurons=Neurons(delay_ticks_min=3)), plan_of(WIDTHS)
    constrain(plan, Spiking(dt_ms=dt_ms, delay_ms=3 * dt_ms), hardware)
    with pytest.raises(InputError) as caught:
        constrain(plan, Spiking(dt_ms=dt_ms, delay_ms=(3 * dt_ms, 2 * dt_ms)), hardware)
    assert str(caught.value) == (
        "the projection to 'layers.1' has a delay of 2 ticks, but hardware 'chip' has at least 3 "
        f"(neurons.delay_ticks_min): a delay_ms of at least {3 * dt_ms:.12g} fits"
    )
    suggested_ms = float(str(caught.value).split()[-2])
    constrain(plan, Spiking(dt_ms=dt_ms, delay_ms=(3 * dt_ms, suggested_ms)), hardware)


def test_all_limits_are_tested():
    assert {limit for limit, *_ in NEEDS} == set(vars(Limits()))


def test_placement_has_the_numbers():
    placed = fit(plan_of(WIDTHS), chip(neurons_per_core=3))
    first, last = placed.populations
    assert (first.name, first.neurons, first.cores, first.neurons_per_core) == ("layers.0", 8, 3, 3)
    assert (first.synapses_per_neuron, first.synapses_per_core, first.synapse_bits_per_core) == (18, 54, 3 * 124)
    assert (first.input_axons_per_core, first.output_axons_per_core) == (18, 3 * 2)
    assert (last.cores, last.synapses_per_neuron, last.output_axons_per_core) == (2, 9, 0)
    assert (placed.cores, placed.neurons, placed.synapses, placed.shared) == (5, 13, 189, False)
    assert placed.synapse_bits == 8 * 124 + 5 * 72
    assert fit(plan_of(WIDTHS), chip(cores=1)).shared


def test_what_counts_as_a_synapse():
    def fan_in(**options):
        on_chip = options.pop("on_chip", True)
        return fit(plan_of(WIDTHS, **options), chip(on_chip)).populations[0].synapses_per_neuron

    assert fan_in(rule="dfa") == 12 + 1 + 5
    assert fan_in(rule="dfa", bias=False) == 12 + 5
    assert fan_in(rule="dfa", on_chip=False) == 12 + 1  # no feedback where nothing learns
    assert fan_in(rule="bp") == 12 + 1  # W itself
    assert fan_in(rule="node_perturbation") == 12 + 1
    sequential = fit(plan_of((12, 8, 6, 5), rule="fa"), chip()).populations
    assert [one.synapses_per_neuron for one in sequential] == [12 + 1 + 6, 8 + 1 + 5, 6 + 1]


def test_bits_of_full_precision():
    assert fit(plan_of(WIDTHS), Hardware()).synapse_bits == 32 * 189


def test_known_chips():
    odin, loihi = load_profile("odin"), load_profile("loihi")
    assert fit(plan_of((784, 500, 10)), loihi).cores == 5
    assert fit(plan_of((100, 50, 10)), odin).cores == 1
    with pytest.raises(
        InputError, match=r"needs 795 synapses a neuron \(784 inputs, 1 bias, 10 feedback\), but.*'odin'"
    ):
        fit(plan_of((784, 100, 10)), odin)
    with pytest.raises(InputError, match=r"needs \d+ cores, but hardware 'loihi' has at most 128.*in 'layers.0' fit"):
        fit(plan_of((784, 3900, 3900, 10)), loihi)


def test_more_than_one_width_too_large():
    with pytest.raises(InputError, match=r"it fits if inputs and hidden layers above 9 are cut to 9"):
        fit(plan_of((40, 30, 5)), chip(on_chip=False, fan_in=10))
    with pytest.raises(InputError, match="no width of inputs and hidden layers fits; use fewer layers or outputs"):
        fit(plan_of(WIDTHS), chip(neurons=5))


def suggested(widths, text):
    """Widths with the suggestion of a message, and with one more; None where there is none."""
    if found := re.search(r"at most (\d+) inputs fit$", text):
        changes = [lambda n: (n, *widths[1:])]
    elif found := re.search(r"at most (\d+) neurons in 'layers\.(\d+)' fit$", text):
        at = int(found[2]) + 1
        changes = [lambda n: (*widths[:at], n, *widths[at + 1 :])]
    elif found := re.search(r"it fits if inputs and hidden layers above (\d+) are cut to \1$", text):
        changes = [lambda n: (*(min(n, w) for w in widths[:-1]), widths[-1])]
    else:
        assert text.endswith(
            "no width of inputs and hidden layers fits; use fewer layers or outputs, or other hardware"
        )
        return None
    return changes[0](int(found[1])), changes[0](int(found[1]) + 1)


def assert_that_the_change_fits(text, widths, hardware):
    """What a message suggests fits, and a neuron more does not; if it says that no width does, none does."""
    tried = suggested(widths, text)
    for n in itertools.product(*(range(1, width + 1) for width in widths[:-1])) if tried is None else ():
        with pytest.raises(InputError):
            fit(plan_of((*n, widths[-1])), hardware)
    if tried is not None:
        fit(plan_of(tried[0]), hardware)
        with pytest.raises(InputError):
            fit(plan_of(tried[1]), hardware)


small = st.one_of(st.none(), st.integers(1, 60))


@given(
    widths=st.lists(st.integers(1, 20), min_size=2, max_size=4).map(tuple),
    rule=st.sampled_from(["drtp", "fa", "bp", "shallow"]),
    bias=st.booleans(),
    limits=st.fixed_dictionaries(
        {
            "cores": st.one_of(st.none(), st.integers(1, 12)),
            "neurons_per_core": small,
            "neurons": small,
            "synapses": st.one_of(st.none(), st.integers(1, 900)),
            "fan_in": small,
            "fan_out": small,
            "synapses_per_core": st.one_of(st.none(), st.integers(1, 400)),
            "synapse_bits_per_core": st.one_of(st.none(), st.integers(1, 3000)),
            "input_axons_per_core": small,
            "output_axons_per_core": small,
        }
    ),
)
def test_what_fits_obeys_and_what_is_suggested_is_true(widths, rule, bias, limits):
    hardware = chip(**limits)
    try:
        placed = fit(plan_of(widths, rule, bias), hardware)
    except InputError as error:
        if (tried := suggested(widths, str(error))) is not None:
            fit(plan_of(tried[0], rule, bias), hardware)
            with pytest.raises(InputError):
                fit(plan_of(tried[1], rule, bias), hardware)
        return

    def within(limit, value):
        assert limits[limit] is None or value <= limits[limit], limit

    hidden = placed.populations[:-1]
    within("cores", placed.cores)
    within("neurons", sum(widths[1:]))
    within("synapses", sum(one.neurons * one.synapses_per_neuron for one in placed.populations))
    within("fan_out", max(widths[2:], default=0))
    reached = [one.cores for one in placed.populations[1:]] + [0]
    for one, n_pre, n, cores in zip(placed.populations, widths, widths[1:], reached, strict=False):
        within("fan_in", n_pre + bias)
        within("fan_in", one.synapses_per_neuron)
        assert one.neurons == n
        assert one.cores * one.neurons_per_core >= n > (one.cores - 1) * one.neurons_per_core
        if not placed.shared:
            within("neurons_per_core", one.neurons_per_core)
            within("synapses_per_core", one.neurons_per_core * (n_pre + bias))
            within("synapses_per_core", one.synapses_per_core)
            within("synapse_bits_per_core", one.synapse_bits_per_core)
            within("input_axons_per_core", n_pre + bias)
            within("input_axons_per_core", one.input_axons_per_core)
            within("output_axons_per_core", one.neurons_per_core * cores)
            assert one.output_axons_per_core == one.neurons_per_core * cores
    if placed.shared:
        assert placed.cores == 1
        within("neurons_per_core", placed.neurons)
        within("synapses_per_core", placed.synapses)
        within("synapse_bits_per_core", placed.synapse_bits)
        within("input_axons_per_core", sum(widths[:-1]) + bias)
        within("output_axons_per_core", sum(one.neurons for one in hidden))


@pytest.mark.parametrize(
    ("limits", "change"),
    [
        ({"fan_in": 17}, "at most 11 inputs fit"),
        ({"fan_in": 1}, "no width of inputs and hidden layers fits; use fewer layers or outputs, or other hardware"),
        ({"neurons": 12}, "at most 7 neurons in 'layers.0' fit"),
        ({"cores": 3, "neurons_per_core": 4}, "at most 4 neurons in 'layers.0' fit"),
        ({"synapses": 188}, "at most 7 neurons in 'layers.0' fit"),
        ({"cores": 1, "input_axons_per_core": 25}, "at most 11 inputs fit"),
    ],
)
def test_suggestions_just_below_the_edge(limits, change):
    with pytest.raises(InputError) as caught:
        fit(plan_of(WIDTHS), chip(**limits))
    assert str(caught.value).endswith(f": {change}")


def test_documentation_shows_a_message_as_it_is():
    with pytest.raises(InputError) as caught:
        fit(plan_of((784, 500, 10)), load_profile("odin"))
    assert f"\n{caught.value}\n" in (Path(__file__).parents[2] / "docs" / "chips.md").read_text(encoding="utf-8")


def test_a_reset_at_the_end_of_the_membrane():
    """8 thresholds of 1 need steps of 1/8 in a membrane of 8 bits, which goes to 127/8."""
    hardware, plan = Hardware("chip", state=State(membrane_bits=8)), plan_of(WIDTHS)

    def spiking(v_reset):
        return Spiking(neuron=Neuron("lif", reset="zero", v_reset=v_reset))

    for inside in (-127 / 8, -127.4 / 8):
        assert constrain(plan, spiking(inside), hardware).on_chip.neurons[0].v_reset == -127 / 8
    with pytest.raises(InputError, match=r"'layers\.0' has v_reset -16, but membranes of 'chip' go from -15\.875 to"):
        constrain(plan, spiking(-16.0), hardware)
