"""Small problems for the tests of hardware constraints, and one way to run the engine and the oracle side by side."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from naive_hardware import HardwareNetwork, constrain, train
from spiking_problems import events_of, neurons, posts
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import lower
from neurofa.spec import (
    Encoder,
    Hardware,
    Homeostasis,
    Learning,
    Levels,
    Neuron,
    PostFactor,
    Spiking,
    State,
    TraceLevels,
)

ROUNDINGS = ("nearest", "stochastic", "truncate")
SIGNED = ((-8, 7, 1), (-128, 127, 1), (-2, 2, 1), (-8, 8, 2), (0, 15, 1))
WITHOUT_ZERO = ((-7, 7, 2), (-1, 1, 2))  # cannot be truncated towards 0


def levels_of(ends, rounding="nearest", headroom=1.0):
    """Levels from (lowest, highest, step)."""
    return Levels(*ends, rounding=rounding, headroom=headroom)


@st.composite
def levels(draw, choices=SIGNED):
    """Levels with any rounding that they can have."""
    rounding = draw(st.sampled_from(ROUNDINGS))
    if choices is SIGNED and rounding != "truncate":
        choices = SIGNED + WITHOUT_ZERO
    return levels_of(draw(st.sampled_from(choices)), rounding, draw(st.sampled_from([0.7, 1.0, 2.0, 5.0])))


states = st.builds(
    State,
    membrane_bits=st.sampled_from([8, 12, 20]),
    current_bits=st.sampled_from([None, 7, 12]),
    decay_bits=st.sampled_from([4, 12]),
    weight_shift=st.sampled_from([0, 3, 6]),
    exponent_min=st.just(-12),
    exponent_max=st.sampled_from([-1, 0, 3]),
    threshold_bits=st.sampled_from([None, 7, 16]),
    threshold_shift=st.sampled_from([0, 3]),
    spikes_above=st.booleans(),
    current_overflow=st.sampled_from(["saturate", "wrap"]),
)


UNEVEN = {"r": {1.7: 1.6180339}, "v_leak": {0.3: 0.2718281, 1.2: 1.1415926}, "v_reset": {-0.2: -0.2113249}}


def uneven(neuron):
    """A neuron whose membrane, under weights on levels, does not meet its threshold but for rounding errors."""
    return replace(
        neuron, **{name: table.get(getattr(neuron, name), getattr(neuron, name)) for name, table in UNEVEN.items()}
    )


@st.composite
def chips(draw, rule, n_layers, update, stores_all=False):
    """Constraints that a network under a rule accepts; if `stores_all`, all that can be stored on levels is."""

    def perhaps(strategy):
        return strategy if stores_all else st.one_of(st.none(), strategy)

    sequential = rule.route == "sequential" and n_layers > 2
    weights = draw(levels() if stores_all else st.one_of(levels(), levels(), levels(), st.none()))
    learned = rule.feedback_source.source == "perturbation"
    epochs = None if sequential and update == "error" else draw(st.sampled_from([None, 1, 3, 4]))
    return Hardware(
        weights=weights,
        feedback=None if learned else draw(perhaps(levels())),
        modulators=draw(perhaps(levels(((-8, 8, 1), (-127, 127, 1), (-3, 3, 1), (-8, 8, 2))))),
        traces=draw(
            perhaps(
                st.builds(
                    TraceLevels,
                    bits=st.sampled_from([3, 7]),
                    impulse=st.sampled_from([1, 4]),
                    rounding=st.sampled_from(ROUNDINGS),
                )
            )
        ),
        state=draw(perhaps(states)),
        learning=Learning(
            every_ticks=epochs,
            rate_power_of_two=draw(st.booleans()),
            shadow=weights is not None and draw(st.sampled_from([False, False, True])),
        ),
    )


@st.composite
def problems(draw, rule, stores_all=False):
    """Network, settings, chip, batch size, seed: everything that a run depends on."""
    hidden = draw(st.lists(st.integers(1, 5), min_size=1, max_size=2))
    sizes = (draw(st.integers(1, 5)), *hidden, draw(st.integers(1, 3)))
    n_layers = len(sizes) - 1
    batch = draw(st.sampled_from([1, 1, 3]))
    fresh = batch > 1 or draw(st.booleans())
    update = draw(st.sampled_from(["spike", "error"]))
    chip = draw(chips(rule, n_layers, update, stores_all))
    neuron, output_neuron = uneven(draw(neurons)), draw(st.one_of(st.none(), neurons.map(uneven)))
    if chip.state is not None:  # no leak but to 0, no adaptive threshold
        neuron, output_neuron = (
            None if n is None else replace(n, v_leak=0.0, threshold_step=0.0) for n in (neuron, output_neuron)
        )
    spiking = Spiking(
        sample_ms=draw(st.sampled_from([6.0, 11.0])),
        encoder=Encoder(draw(st.sampled_from(["poisson", "regular", "latency"])), 400.0),
        neuron=neuron,
        output_neuron=output_neuron,
        delay_ms=tuple(draw(st.sampled_from([1.0, 2.0, 5.0])) for _ in range(n_layers)),
        post=draw(posts),
        target_activity=draw(st.sampled_from([(0.0, 1.0), (0.1, 0.8)])),
        error_threshold=draw(st.sampled_from([0.5, 1.0])),
        hidden_error_threshold=draw(st.sampled_from([0.3, 1.0])),
        tau_mod_ms=draw(st.sampled_from([math.inf, 0.4, 10.0])),
        learning_starts_ms=draw(st.sampled_from([0.0, 2.0])),
        update=update,
        tau_pre_ms=draw(st.sampled_from([math.inf, 0.4, 8.0])),
        reset_state=fresh,
        baseline=draw(st.sampled_from(["running", "clean"])) if fresh else "running",
        baseline_rate=0.3,
        homeostasis=draw(st.sampled_from([None, Homeostasis(20.0, 1e-2, 2.0)])),
        transmission=draw(st.sampled_from([1.0, 1.0, 0.6])),
    )
    bias = spiking.homeostasis is not None or draw(st.booleans())
    return network_for(rule, sizes, bias=bias), spiking, chip, batch, draw(st.integers(0, 10_000))


def drawn_plan(network, rule, seed):
    """A plan in float64, with weights that make spikes."""
    plan = lower(network, rule, seed, precision="float64")
    for key, value in plan.params.items():
        if key.endswith(".W"):
            value *= 1.5
    return plan


def told_plan(network, rule, spiking, chip, seed):
    """The plan before and after the oracle's constraints; a ValueError if the chip has no exponent for it."""
    plan = drawn_plan(network, rule, seed)
    told = constrain(plan, spiking, chip, seed)
    HardwareNetwork(told, [0.0] * plan.n_layers)  # whose neurons may be none of the chip's
    return plan, told


def run_both(rule, network, spiking, chip, *, batch=1, seed=0, n=7, rates=None, weight_decay=0.0, threads=1):
    """Train engine and oracle on the same samples; everything that can be compared of both.

    Returns
    -------
    dict
        By name a pair of what the engine and what the oracle has.
    """
    from neurofa.hardware import constrain as put_under

    rng = np.random.default_rng(seed)
    plan, told = told_plan(network, rule, spiking, chip, seed)
    constrained = put_under(plan, spiking, chip, seed=seed)
    engine = SpikingEngine(
        constrained,
        spiking,
        batch_size=batch,
        optimiser=nf.Optimiser("sgd", weight_decay=weight_decay),
        seed=seed,
        threads=threads,
    )
    x, n_out = rng.random((n, plan.sizes[0])), plan.sizes[-1]
    y = rng.integers(max(2, n_out), size=n)
    if rates is None:
        rates = tuple(rng.uniform(0.02, 0.2, plan.n_layers))
    noise = np.random.default_rng(seed).standard_normal((n, sum(plan.sizes[1:-1])))
    engine.noise = np.random.default_rng(seed)
    events = events_of(engine, x)
    first = {key: value.copy() for key, value in engine.params.items()}
    start = HardwareNetwork(told, rates).params()
    loss, wrong = engine.train(x, y, np.arange(n), 0, -(-n // batch), rates)
    out = train(told, events, y, rates=rates, weight_decay=weight_decay, noise=noise, batch_size=batch)
    pairs = {f"first {key}": (first[key], value) for key, value in start.items()}
    pairs |= {key: (engine.params[key], value) for key, value in out.params.items()}
    pairs["operations"] = (engine.operations.tolist(), [out.forward, out.feedback, out.update])
    pairs["loss"] = (loss, sum(shown.loss for shown in out.shown))
    predicted = [shown.predicted != label for shown, label in zip(out.shown, y, strict=True)]
    pairs["wrong"] = (wrong, sum(predicted))
    if spiking.encoder.kind != "poisson" and spiking.test_ms is None:  # the events of a test are those of training
        tested = replace(told, plan=replace(told.plan, params={**told.plan.params, **out.params}))
        seen = train(tested, events, y, rates=rates, learn=False)
        mean = sum(shown.loss for shown in seen.shown) / n
        share = sum(shown.predicted != label for shown, label in zip(seen.shown, y, strict=True)) / n
        pairs["test"] = (engine.evaluate(x, y), (mean, share))
    pairs["moved"] = (out.update, any((start[key] != out.params[key]).any() for key in start))
    return pairs


def assert_as_told(pairs, chip):
    """Numbers on levels, and operations, are equal; the others close."""
    for name, (found, expected) in pairs.items():
        if name == "moved":
            continue
        if name in ("operations", "wrong"):
            assert found == expected, f"{name}: the engine has {found}, the oracle {expected}"
            continue
        stored = name[-1] in "Wb" and chip.weights is not None
        close = {"rtol": 1e-9, "atol": 1e-11}
        if stored:
            np.testing.assert_array_equal(found, expected, err_msg=name)
        else:
            np.testing.assert_allclose(found, expected, **close, err_msg=name)


# ---------------------------------------------------------------------------- one feature at a time

EIGHT = levels_of((-128, 127, 1), "stochastic", 2.0)
FOUR = levels_of((-8, 7, 1), "stochastic", 2.0)
LIF, CUBA = Neuron("lif", tau_m_ms=10.0), Neuron("cuba_lif", tau_m_ms=10.0, tau_syn_ms=4.0, r=6.0)
BITS = State(membrane_bits=16, current_bits=12, decay_bits=10, weight_shift=4, exponent_min=-8, exponent_max=8)
NARROW = replace(BITS, weight_shift=0, current_bits=8)
WINDOW = PostFactor("membrane_window", low=-2.0, high=3.0)
PLAIN = {
    "sample_ms": 15.0,
    "encoder": Encoder("regular", 400.0),
    "neuron": LIF,
    "delay_ms": 1.0,
    "post": WINDOW,
    "error_threshold": 0.5,
    "hidden_error_threshold": 0.3,
}


def feature(chip=None, *, batch=1, rule="dfa", n=8, weight_decay=0.0, **options):
    """What a case is made of."""
    return {
        "chip": Hardware() if chip is None else chip,
        "spiking": {**PLAIN, **options},
        "batch": batch,
        "rule": rule,
        "n": n,
        "weight_decay": weight_decay,
    }


FEATURES = {
    "nothing": feature(),
    "transmission without levels": feature(transmission=0.6),
    "transmission, state kept, delays": feature(transmission=0.6, reset_state=False, delay_ms=3.0),
    "rates": feature(Hardware(learning=Learning(rate_power_of_two=True))),
    "epochs without levels": feature(Hardware(learning=Learning(every_ticks=4))),
    "epochs of one tick": feature(Hardware(learning=Learning(every_ticks=1))),
    "epochs, learning starts later": feature(Hardware(learning=Learning(every_ticks=4)), learning_starts_ms=6.0),
    "epochs, modulators decay": feature(Hardware(learning=Learning(every_ticks=4)), tau_mod_ms=5.0),
    "epochs, signal held": feature(Hardware(learning=Learning(every_ticks=4)), rule="sdfa"),
    "epochs, state kept, delays": feature(Hardware(learning=Learning(every_ticks=4)), reset_state=False, delay_ms=3.0),
    "epochs, batches": feature(Hardware(learning=Learning(every_ticks=4)), batch=3),
    "state without levels": feature(Hardware(state=BITS)),
    "state if": feature(Hardware(weights=EIGHT, state=BITS), neuron=Neuron("if")),
    "state lif": feature(Hardware(weights=EIGHT, state=BITS)),
    "state cuba_lif": feature(Hardware(weights=EIGHT, state=BITS), neuron=CUBA),
    "state cuba_lif without ends": feature(
        Hardware(weights=EIGHT, state=replace(BITS, current_bits=None)), neuron=CUBA
    ),
    "state refractory, reset to zero": feature(
        Hardware(weights=EIGHT, state=BITS), neuron=replace(LIF, refractory_ms=2.0, reset="zero", v_reset=-0.11)
    ),
    "state wraps": feature(Hardware(weights=EIGHT, state=replace(NARROW, current_overflow="wrap")), neuron=CUBA),
    "state saturates": feature(Hardware(weights=EIGHT, state=NARROW), neuron=CUBA),
    "state narrow membrane": feature(Hardware(weights=FOUR, state=replace(BITS, membrane_bits=6, weight_shift=0))),
    "state coarse decay": feature(Hardware(weights=EIGHT, state=replace(BITS, decay_bits=3))),
    "state spikes above": feature(
        Hardware(weights=FOUR, state=replace(BITS, weight_shift=0, spikes_above=True)), neuron=Neuron("if")
    ),
    "state threshold grid": feature(
        Hardware(weights=EIGHT, state=replace(BITS, threshold_bits=5, threshold_shift=4)),
        neuron=replace(LIF, v_threshold=0.83),
    ),
    "state kept, delays": feature(Hardware(weights=EIGHT, state=BITS), neuron=CUBA, reset_state=False, delay_ms=3.0),
    "state current window": feature(
        Hardware(weights=EIGHT, state=BITS), neuron=CUBA, post=PostFactor("current_window", low=-0.2, tau_ms=7.0)
    ),
    "state surrogate": feature(Hardware(weights=EIGHT, state=BITS), post=PostFactor("surrogate", slope=2.0)),
    "monotone": feature(Hardware(weights=FOUR), rule="mdfa"),
    "monotone, shadow": feature(Hardware(weights=FOUR, learning=Learning(shadow=True)), rule="mdfa"),
    "levels without 0": feature(Hardware(weights=levels_of((-7, 7, 2), "stochastic", 2.0))),
    "binary": feature(Hardware(weights=levels_of((-1, 1, 2), "nearest"))),
    "levels from 0": feature(Hardware(weights=levels_of((0, 15, 1), "stochastic"))),
    "feedback": feature(Hardware(feedback=FOUR)),
    "feedback, sign_fa": feature(Hardware(weights=FOUR, feedback=FOUR), rule="sign_fa"),
    "feedback, matching": feature(Hardware(weights=FOUR, feedback=FOUR), rule="matching"),
    "feedback, bp": feature(Hardware(weights=FOUR, feedback=FOUR), rule="bp"),
    "feedback, adafa": feature(Hardware(weights=FOUR, feedback=FOUR), rule="adafa"),
    "feedback, pseudo_bp": feature(Hardware(weights=FOUR, feedback=FOUR), rule="pseudo_bp"),
    "weights, state kept, delays": feature(Hardware(weights=FOUR), reset_state=False, delay_ms=3.0),
    "weights, transmission": feature(Hardware(weights=FOUR), transmission=0.6),
    "weights, epochs": feature(Hardware(weights=FOUR, learning=Learning(every_ticks=4))),
    "homeostasis": feature(Hardware(weights=EIGHT), homeostasis=Homeostasis(20.0, 1e-2, 2.0)),
    "homeostasis, batches": feature(Hardware(weights=EIGHT), homeostasis=Homeostasis(20.0, 1e-2, 2.0), batch=3),
    "homeostasis, shadow": feature(
        Hardware(weights=EIGHT, learning=Learning(shadow=True)), homeostasis=Homeostasis(20.0, 1e-2, 2.0)
    ),
    "weight decay": feature(Hardware(weights=EIGHT), weight_decay=0.05, n=104, sample_ms=5.0),
    "weight decay, batches": feature(Hardware(weights=EIGHT), weight_decay=0.05, n=104, sample_ms=5.0, batch=8),
    "weight decay, shadow": feature(
        Hardware(weights=EIGHT, learning=Learning(shadow=True)), weight_decay=0.05, n=104, sample_ms=5.0
    ),
    "loss change": feature(Hardware(weights=EIGHT), rule="node_perturbation"),
    "loss change, batches": feature(Hardware(weights=EIGHT), rule="node_perturbation", batch=3),
    "loss change, clean": feature(Hardware(weights=EIGHT), rule="node_perturbation", baseline="clean"),
    "loss change, clean, transmission": feature(
        Hardware(weights=EIGHT), rule="node_perturbation", baseline="clean", transmission=0.6
    ),
    "loss change, state": feature(
        Hardware(weights=EIGHT, state=BITS), rule="node_perturbation", neuron=replace(CUBA, v_threshold=0.9)
    ),
    "learned feedback": feature(Hardware(weights=EIGHT), rule="np_dfa"),
    "learned feedback, modulators": feature(Hardware(weights=EIGHT, modulators=EIGHT), rule="np_dfa"),
    "modulators, hidden error neurons": feature(Hardware(modulators=FOUR), rule="fa"),
    "modulators decay": feature(Hardware(modulators=EIGHT), tau_mod_ms=5.0),
    "modulators, signal held": feature(Hardware(modulators=EIGHT), rule="sdfa"),
    "modulators, target": feature(Hardware(modulators=EIGHT), rule="drtp"),
    "modulators, bp": feature(Hardware(weights=FOUR, modulators=EIGHT), rule="bp"),
    "modulators, sign_fa": feature(Hardware(feedback=FOUR, modulators=EIGHT), rule="sign_fa"),
    "modulators, matching": feature(Hardware(feedback=FOUR, modulators=EIGHT), rule="matching"),
    "modulators, batches": feature(Hardware(modulators=FOUR), batch=3),
    "modulators of output saturate": feature(
        Hardware(modulators=levels_of((-2, 2, 1))), error_threshold=0.1, neuron=Neuron("if", v_threshold=3.0)
    ),
    "traces, state kept": feature(Hardware(traces=TraceLevels(7, 4)), tau_pre_ms=8.0, reset_state=False, delay_ms=3.0),
    "traces saturate": feature(Hardware(traces=TraceLevels(2, 1))),
    "traces, silent for long": feature(Hardware(traces=TraceLevels(7, 16)), tau_pre_ms=0.4),
    "traces, epochs": feature(Hardware(traces=TraceLevels(7, 4), learning=Learning(every_ticks=4)), tau_pre_ms=8.0),
    "traces, loss change": feature(Hardware(traces=TraceLevels(7, 4)), tau_pre_ms=8.0, rule="node_perturbation"),
    "everything": feature(
        Hardware(
            weights=EIGHT,
            feedback=FOUR,
            modulators=EIGHT,
            traces=TraceLevels(7, 16),
            state=BITS,
            learning=Learning(every_ticks=4, rate_power_of_two=True),
        ),
        neuron=CUBA,
        tau_pre_ms=8.0,
        transmission=0.8,
        reset_state=False,
        delay_ms=(1.0, 2.0, 3.0),
    ),
}
FEATURES |= {f"weights {how}": feature(Hardware(weights=replace(FOUR, rounding=how))) for how in ROUNDINGS}
FEATURES |= {f"fine weights {how}": feature(Hardware(weights=replace(EIGHT, rounding=how))) for how in ROUNDINGS}
FEATURES |= {
    f"weights {how}, batches": feature(Hardware(weights=replace(FOUR, rounding=how)), batch=3) for how in ROUNDINGS
}
FEATURES |= {
    f"shadow {how}": feature(Hardware(weights=replace(FOUR, rounding=how), learning=Learning(shadow=True)))
    for how in ROUNDINGS
}
FEATURES |= {
    f"shadow {how}, batches": feature(
        Hardware(weights=replace(FOUR, rounding=how), learning=Learning(shadow=True)), batch=3
    )
    for how in ROUNDINGS
}
FEATURES |= {f"modulators {how}": feature(Hardware(modulators=replace(EIGHT, rounding=how))) for how in ROUNDINGS}
FEATURES |= {f"traces {how}": feature(Hardware(traces=TraceLevels(7, 4, how)), tau_pre_ms=8.0) for how in ROUNDINGS}


def both_for(case, update, *, seed=0, sizes=(4, 5, 4, 3), threads=1):
    """Engine and oracle on a feature's case."""
    from neurofa.rules import PRESETS

    rule = PRESETS[case["rule"]]
    spiking = Spiking(**case["spiking"], update=update)
    return run_both(
        rule, network_for(rule, sizes), spiking, case["chip"], batch=case["batch"], seed=seed, n=case["n"],
        weight_decay=case["weight_decay"], threads=threads,
    )  # fmt: skip
