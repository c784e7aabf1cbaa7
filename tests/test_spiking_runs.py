"""Runs in spiking mode: the same bit for bit however they are cut, saved, recorded or threaded; and what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from circuit_problems import bursts, circuits, pairs, piece_of
from hypothesis import given, settings
from hypothesis import strategies as st
from spiking_problems import spiking_for
from support import network_for

import neurofa as nf
from neurofa.engines.spiking import SpikingEngine
from neurofa.rules import PRESETS, lower

# ---------------------------------------------------------------------------- circuits


def spikes_of(circuit):
    """Records of all spikes."""
    return [nf.Record("spikes", p.name) for p in circuit.populations]


def new_simulation(circuit, precision, seed):
    """A simulation with modulators that make plastic synapses change."""
    simulation, rng = nf.Simulation(circuit, precision), np.random.default_rng(seed)
    for name, modulator in simulation.modulators.items():
        modulator[:] = rng.normal(size=circuit.population(name).size)
    return simulation


def assert_same_state(a, b):
    """Every array of two states is equal bit for bit."""
    assert set(a) == set(b)
    for key, value in a.items():
        np.testing.assert_array_equal(value, b[key], err_msg=key, strict=True)


def assert_same_run(circuit, parts, whole):
    """Recordings of pieces, pairs of start and recording, joined are that of the whole."""
    for p in circuit.populations:
        joined = [pair for start, out in parts for pair in pairs(out, p.name, start)]
        assert sorted(joined) == pairs(whole, p.name)


@settings(max_examples=40)
@given(circuits(), st.lists(st.integers(0, 300), max_size=4), st.sampled_from(["float32", "float64"]))
def test_a_run_may_be_cut_anywhere(problem, cuts, precision):
    circuit, rng = problem
    events = bursts(circuit, 300, rng)
    whole, parts = new_simulation(circuit, precision, 1), new_simulation(circuit, precision, 1)
    expected, found = whole.run(150.0, events, spikes_of(circuit)), []
    edges = [0, *sorted(cuts), 300]
    for start, stop in pairwise(edges):
        given = piece_of(events, start, stop)
        found.append((start, parts.run(0.5 * (stop - start), given, spikes_of(circuit))))
    assert_same_run(circuit, found, expected)
    assert_same_state(parts.state(), whole.state())


@settings(max_examples=40)
@given(circuits(), st.integers(0, 300), st.sampled_from(["float32", "float64"]))
def test_a_saved_state_goes_on_as_if_nothing_had_been(problem, cut, precision):
    circuit, rng = problem
    events = bursts(circuit, 300, rng)
    whole, first = new_simulation(circuit, precision, 1), new_simulation(circuit, precision, 1)
    expected = whole.run(150.0, events, spikes_of(circuit))
    begun = first.run(0.5 * cut, piece_of(events, 0, cut), spikes_of(circuit))
    saved = first.state()
    kept = {key: value.copy() for key, value in saved.items()}
    first.run(20.0)  # a state is a copy: what the simulation does later leaves it as it is
    assert_same_state(saved, kept)
    second = nf.Simulation(circuit, precision)
    second.restore(saved)
    rest = second.run(0.5 * (300 - cut), piece_of(events, cut, 300), spikes_of(circuit))
    assert_same_run(circuit, [(0, begun), (cut, rest)], expected)
    assert_same_state(second.state(), whole.state())
    assert second.synops == whole.synops


@settings(max_examples=40)
@given(circuits(), st.lists(st.sampled_from([0.5, 1.0, 3.5, 20.0]), min_size=2, max_size=3))
def test_recording_changes_nothing(problem, intervals):
    circuit, rng = problem
    events = bursts(circuit, 300, rng)
    silent, watched = new_simulation(circuit, "float32", 1), new_simulation(circuit, "float32", 1)
    inner = [p.name for p in circuit.populations if p.neuron is not None]
    low_passed = {p.name for p in circuit.populations if p.post.kind == "current_window"}
    followed = sorted({c.post for c in circuit.connections if c.learning_rate is not None} & low_passed)
    record = [nf.Record("weights", name, every_ms=intervals[0]) for name, W in silent.weights.items() if W.size]
    for variable in ("v", "threshold", "current", "drive", "modulator"):
        names = followed if variable == "drive" else inner
        record += [nf.Record(variable, name, every_ms=intervals[k % len(intervals)]) for k, name in enumerate(names)]
    silent.run(150.0, events)
    out = watched.run(150.0, events, [*record, *spikes_of(circuit)])
    assert_same_state(watched.state(), silent.state())
    assert len(out.traces) == len(record)


def test_two_simulations_of_a_circuit_are_independent():
    populations = nf.Population("in", 1), nf.Population("n", 1, nf.Neuron("if", v_threshold=100.0))
    circuit = nf.Circuit(populations, (nf.Connection("in", "n", np.ones((1, 1)), learning_rate=0.25),))
    first, second = (nf.Simulation(circuit, "float64") for _ in range(2))
    first.modulators["n"][:] = 1.0
    for simulation in first, second:
        simulation.run(2.0, {"in": ([0], [0])})
    assert first.weights["in->n"].item() == 0.75
    assert second.weights["in->n"].item() == 1.0


# ---------------------------------------------------------------------------- learning networks

SIZES = (8, 7, 6, 3)


def new_engine(rule, *, precision="float32", seed=0, weights=1.5, **options):
    """An engine on a small network that spikes."""
    plan = lower(network_for(rule, SIZES), rule, 0, precision=precision)
    for key, value in plan.params.items():
        value *= weights if key.endswith(".W") else 1.0
    spiking = options.pop("spiking", None) or spiking_for(encoder=nf.Encoder("poisson", 400.0), update="error")
    return SpikingEngine(plan, spiking, seed=seed, **{"threads": 1, **options})


def samples(n=24, seed=0):
    """Inputs and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, SIZES[0])).astype(np.float32), rng.integers(SIZES[-1], size=n)


def everything(engine):
    """Parameters and state, as copies."""
    return {key: np.array(value) for key, value in (engine.params | engine.state()).items()}


def trained(engine, x, y, first=0, last=None):
    """The engine after an epoch in the given order, or a part of it."""
    last = -(-len(x) // engine.batch_size) if last is None else last
    engine.train(x, y, np.arange(len(x)), first, last, (0.02, 0.03, 0.04))
    return engine


@pytest.mark.parametrize("rule", ["fa", "dfa", "drtp", "np_dfa", "node_perturbation"])
def test_the_number_of_threads_changes_nothing(rule):
    x, y = samples()
    seen = []
    for threads in (1, 2, 3):
        engine = trained(new_engine(PRESETS[rule], batch_size=5, threads=threads), x, y)
        seen.append((everything(engine), engine.evaluate(x, y), engine.updates(x, y), engine.activities(x, y)))
    assert any((seen[0][0][key] != value).any() for key, value in new_engine(PRESETS[rule]).params.items())
    for state, judged, updates, activities in seen[1:]:
        assert_same_state(state, seen[0][0])
        assert judged == seen[0][1]
        assert_same_state(updates, seen[0][2])
        for a, b in zip(activities, seen[0][3], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_seed_is_all_there_is_to_chance(batch_size):
    x, y = samples()
    first, again, other = (
        everything(trained(new_engine(PRESETS["np_dfa"], batch_size=batch_size, seed=seed), x, y)) for seed in (3, 3, 4)
    )
    assert_same_state(first, again)
    for key in ("layers.0.W", "layers.1.B", "layers.2.b"):
        assert (first[key] != other[key]).any()


def test_looking_does_not_disturb_learning():
    x, y = samples()
    for rule in ("fa", "np_dfa"):
        undisturbed = trained(new_engine(PRESETS[rule]), x, y)
        engine = trained(new_engine(PRESETS[rule]), x, y, 0, 11)
        before = everything(engine)
        engine.evaluate(x, y), engine.updates(x[:5], y[:5]), engine.activities(x[:5], y[:5])
        engine.warm_up()
        assert_same_state(everything(engine), before)
        assert_same_state(everything(trained(engine, x, y, 11)), everything(undisturbed))


@pytest.mark.parametrize("update", ["spike", "error"])
@pytest.mark.parametrize("rule", ["fa", "dfa", "drtp", "mdfa", "pseudo_bp", "np_dfa", "node_perturbation", "sign_fa"])
def test_an_epoch_may_be_interrupted_between_any_two_presentations(rule, update):
    """With reset_state = False spikes are on their way, membranes are charged and modulators go on when it is saved."""
    x, y = samples()
    homeostasis = nf.Homeostasis(20.0, 1e-3, 3.0)
    spiking = spiking_for(
        update=update, reset_state=False, encoder=nf.Encoder("regular", 400.0, "random"), delay_ms=7.0,
        neuron=nf.Neuron("cuba_lif", refractory_ms=2.0, r=8.0, threshold_step=0.1), post=nf.PostFactor(tau_ms=8.0),
        tau_mod_ms=30.0, tau_pre_ms=25.0, learning_starts_ms=3.0, homeostasis=homeostasis,
    )  # fmt: skip
    options = {"spiking": spiking, "optimiser": nf.Optimiser("sgd", weight_decay=0.1)}
    whole = trained(new_engine(PRESETS[rule], **options), x, y)
    assert whole.learner.cells.emitted.sum() > 0
    for cut in (0, 1, 10, 23):
        first = trained(new_engine(PRESETS[rule], **options), x, y, 0, cut)
        params = {key: value.copy() for key, value in first.params.items()}
        state = {key: np.array(value) for key, value in first.state().items()}
        second = new_engine(PRESETS[rule], **options)
        second.restore(params, state)
        second.noise.bit_generator.state = first.noise.bit_generator.state
        assert_same_state(everything(trained(second, x, y, cut)), everything(whole))


def test_batches_may_be_interrupted_too():
    x, y = samples()
    whole = trained(new_engine(PRESETS["np_dfa"], batch_size=5), x, y)
    first = trained(new_engine(PRESETS["np_dfa"], batch_size=5), x, y, 0, 2)
    second = new_engine(PRESETS["np_dfa"], batch_size=5)
    second.restore(first.params, {key: np.array(value) for key, value in first.state().items()})
    second.noise.bit_generator.state = first.noise.bit_generator.state
    assert_same_state(everything(trained(second, x, y, 2)), everything(whole))


def test_encoders_and_noise_do_not_depend_on_the_rule():
    """The comparison of rules is paired: output spikes of frozen networks with one W are the same for all."""
    x, y = samples()
    seen = [new_engine(PRESETS[rule]).activities(x, y) for rule in ("dfa", "fa", "drtp")]
    for other in seen[1:]:
        for a, b in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------------- refusals


def refused(call, *parts):
    """That a call is refused in one line that has all these parts."""
    with pytest.raises(nf.InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part.lower() in str(caught.value).lower()


def plan_for(rule="dfa", **options):
    """A plan of the small network."""
    return lower(network_for(PRESETS[rule], SIZES, **options), PRESETS[rule])


def test_what_the_engine_does_not_have():
    network = network_for(PRESETS["dfa"], SIZES)
    dropping = replace(network, layers=(replace(network.layers[0], dropout=0.25), *network.layers[1:]))
    refused(lambda: SpikingEngine(lower(dropping, PRESETS["dfa"]), spiking_for()), "no dropout", "layer 0", "0.25")
    steep = plan_for(loss="exponential", output="tanh", targets=(-1.0, 1.0))
    refused(lambda: SpikingEngine(steep, spiking_for()), "'exponential'", "loss", "it has bce")
    refused(lambda: SpikingEngine(plan_for(), spiking_for(), optimiser="adam"), "'adam'", "use 'sgd'")
    refused(lambda: nf.Spiking(training=nf.Training(optimiser="adam")), "use 'sgd'")


def test_settings_that_do_not_go_together():
    homeostasis = spiking_for(homeostasis=nf.Homeostasis(20.0))
    refused(lambda: SpikingEngine(plan_for(bias=False), homeostasis), "homeostasis", "layer 0", "bias")
    SpikingEngine(plan_for(), homeostasis)
    keeps = spiking_for(reset_state=False)
    refused(lambda: SpikingEngine(plan_for(), keeps, batch_size=2), "reset_state", "batch_size = 1")
    refused(
        lambda: spiking_for(reset_state=False, training=nf.Training(batch_size=2, optimiser="sgd")),
        "reset_state",
        "batch_size = 1",
    )
    refused(lambda: SpikingEngine(plan_for(), spiking_for(delay_ms=(1.0, 1.0))), "delay_ms", "2 values", "3 layers")


def test_numbers_out_of_range():
    refused(lambda: SpikingEngine(plan_for(), spiking_for(), batch_size=0), "batch_size is 0")
    refused(lambda: SpikingEngine(plan_for(), spiking_for(), threads=0), "threads is 0")
    refused(lambda: SpikingEngine(plan_for(), spiking_for(), seed=-1), "seed is -1")


@pytest.mark.parametrize("wrong", [-0.25, 1.5, np.nan])
def test_inputs_outside_the_unit_interval(wrong):
    x, y = samples()
    x[3, 2] = wrong

    def watched():
        nf.observe(network_for(PRESETS["dfa"], SIZES), PRESETS["dfa"], None, x, y)

    for use in (
        lambda: trained(new_engine(PRESETS["dfa"]), x, y),
        lambda: new_engine(PRESETS["dfa"]).evaluate(x, y),
        lambda: new_engine(PRESETS["dfa"]).updates(x, y),
        watched,
    ):
        seen_as_data = np.isnan(wrong) and use is watched
        refused(use, *(("NaN", "remove or replace") if seen_as_data else (f"{wrong:g}", "[0, 1]")))


def test_targets_outside_the_unit_interval():
    network = network_for(PRESETS["dfa"], SIZES, loss="mse", task="regression")
    engine, (x, _) = SpikingEngine(lower(network, PRESETS["dfa"]), spiking_for()), samples()
    refused(lambda: trained(engine, x, np.full((24, 3), 1.25)), "targets", "1.25", "scale")


def test_batches_that_are_not_there():
    x, y = samples()
    engine = new_engine(PRESETS["dfa"], batch_size=5)
    for first, last in ((0, 6), (-1, 2), (3, 2)):
        refused(lambda f=first, t=last: trained(engine, x, y, f, t), "of this epoch")
    assert engine.steps == 0


def test_states_of_another_network():
    engine, other = new_engine(PRESETS["dfa"]), SpikingEngine(plan_for("fa"), spiking_for(), threads=1)
    refused(lambda: engine.restore(other.params, engine.state()), "'layers.0.B'", "another shape")
    state = engine.state()
    state.pop("tick")
    refused(lambda: engine.restore(engine.params, state), "'tick'", "missing")


def test_learning_after_a_presentation_is_not_observed():
    x, y = samples(2)
    refused(
        lambda: nf.observe(network_for(PRESETS["np_dfa"], SIZES), PRESETS["np_dfa"], None, x, y),
        "'np_dfa'",
        "learn=False",
    )


@pytest.mark.parametrize("route", ["sequential", "direct"])
@pytest.mark.parametrize("magnitude", ["fixed_random", "scaled"])
def test_a_network_is_observed_under_the_feedback_that_it_was_trained_with(route, magnitude):
    """Magnitudes that the seed of the training drew, whatever the seed of the observation."""
    rule = nf.Rule("error", route, nf.Feedback("sign_transpose", magnitude), name="signs")
    network = network_for(rule, SIZES)
    params = nf.lower(network, rule, 5).params
    x, y = samples(3)
    records = [nf.Record("modulator", "layers.0"), nf.Record("weights", "layers.0.W")]
    seen = [nf.observe(network, rule, params, x, y, record=records, seed=seed) for seed in (0, 5)]
    for key in (("modulator", "layers.0"), ("weights", "layers.0.W")):
        np.testing.assert_array_equal(seen[0].traces[key].values, seen[1].traces[key].values)
    modulators = seen[0].traces["modulator", "layers.0"].values
    assert np.abs(modulators).max() > 0
    if route == "direct":  # one error event of one output neuron: its row of B
        ticks, units, counts = seen[0].errors[f"layers.{len(SIZES) - 2}"]
        first = int(np.flatnonzero(np.bincount(ticks)[ticks] == 1)[0])
        tick, row = ticks[first], params["layers.0.B"][units[first]]
        change = modulators[tick] - (modulators[tick - 1] if tick else 0)
        np.testing.assert_allclose(np.abs(change), np.abs(counts[first] * row), rtol=1e-4)
