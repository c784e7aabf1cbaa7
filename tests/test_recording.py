"""What a simulation records: contents, intervals, bounded memory; and events that are given to it, from files too."""

import numpy as np
import pytest
from scipy import sparse

import neurofa as nf
from neurofa import recorder, simulation
from neurofa.exchange import read_events, write_events


def ring(size=5, precision="float64", **options):
    """A ring that passes a spike on in every second tick, a population that stays silent, and a static input."""
    populations = (
        nf.Population("in", 2),
        nf.Population("ring", size, nf.Neuron("if")),
        nf.Population("silent", 3, nf.Neuron("lif", v_threshold=100.0)),
    )
    connections = (
        nf.Connection("in", "ring", np.eye(2, size)),
        nf.Connection("ring", "ring", sparse.csr_array(np.roll(np.eye(size), 1, axis=1)), delay_ms=2.0),
        nf.Connection("ring", "silent", np.full((size, 3), 0.125), learning_rate=0.25),
    )
    return nf.Simulation(nf.Circuit(populations, connections, **options), precision)


START = {"in": ([0], [0])}


def refused(call, *parts):
    """That a call is refused in one line that has all these parts."""
    with pytest.raises(nf.InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


# ---------------------------------------------------------------------------- contents


def test_spikes_of_external_silent_and_active_populations():
    names = "in", "ring", "silent"
    out = ring().run(20.0, START, [nf.Record("spikes", name) for name in names])
    assert {name: tuple(column.tolist() for column in events) for name, events in out.spikes.items()} == {
        "in": ([0], [0]),
        "ring": (list(range(0, 20, 2)), [k % 5 for k in range(10)]),
        "silent": ([], []),
    }
    for ticks, units in out.spikes.values():
        assert ticks.dtype == units.dtype == np.int64
    assert (out.dt_ms, out.ticks, out.errors, out.traces) == (1.0, 20, {}, {})
    assert len(out.onsets) == len(out.labels) == 0
    assert out.sizes == {"in": 2, "ring": 5, "silent": 3}


def test_only_what_was_asked_for_is_recorded():
    assert set(ring().run(20.0, START).spikes) == set()
    assert set(ring().run(20.0, START, (nf.Record("spikes", "ring"),)).spikes) == {"ring"}


def test_spikes_and_ticks_count_from_the_start_of_each_run():
    simulated = ring()
    simulated.run(7.0, START)
    out = simulated.run(6.0, {"in": ([1], [1])}, [nf.Record(v, "ring") for v in ("spikes", "v")])
    assert out.spikes["ring"][0].tolist() == [1, 1, 3, 3, 5, 5]
    assert out.traces["v", "ring"].ticks.tolist() == list(range(6))
    assert simulated.tick == 13
    assert simulated.spike_counts["in"].tolist() == [1, 1]
    assert simulated.spike_counts["ring"].sum() == 4 + 6


@pytest.mark.parametrize(("every_ms", "every"), [(None, 1), (0.5, 1), (1.0, 2), (1.7, 3), (0.1, 1), (10.0, 20)])
def test_traces_at_an_interval_are_those_of_every_tick(every_ms, every):
    """Intervals are the nearest whole number of ticks, at least one, from the first tick on."""
    record = [
        nf.Record("v", "silent", units=(2, 0), every_ms=every_ms),
        nf.Record("v", "ring", every_ms=3.5),
        nf.Record("weights", "ring->silent", units=(4, 14), every_ms=every_ms),
    ]
    full, thin = ring(dt_ms=0.5), ring(dt_ms=0.5)
    for simulated in full, thin:
        simulated.modulators["silent"][:] = 1.0, 0.5, -1.0
    all_of_it = full.run(30.0, START, [nf.Record("v", "silent"), nf.Record("weights", "ring->silent")])
    out = thin.run(30.0, START, record)
    trace = out.traces["v", "silent"]
    assert trace.ticks.tolist() == list(range(0, 60, every))
    assert trace.units.tolist() == [2, 0]
    np.testing.assert_array_equal(trace.values, all_of_it.traces["v", "silent"].values[::every, [2, 0]])
    weights = out.traces["weights", "ring->silent"]
    np.testing.assert_array_equal(weights.values, all_of_it.traces["weights", "ring->silent"].values[::every, [4, 14]])
    assert out.traces["v", "ring"].ticks.tolist() == list(range(0, 60, 7))
    assert len(np.unique(all_of_it.traces["v", "silent"].values)) > 20


def test_weights_are_recorded_as_they_change():
    """-rate * post factor * modulator at each arriving spike: from unit k of the ring in tick 2 k + 1."""
    simulated = ring()
    simulated.modulators["silent"][:] = 1.0, -2.0, 0.0
    out = simulated.run(11.0, START, (nf.Record("weights", "ring->silent"),))
    values = out.traces["weights", "ring->silent"].values.reshape(11, 5, 3)
    for k in range(5):
        assert (values[: 2 * k + 1, k] == 0.125).all()
        assert (values[2 * k + 1 :, k] == [0.125 - 0.25, 0.125 + 0.5, 0.125]).all()
    np.testing.assert_array_equal(values[-1], simulated.weights["ring->silent"])


def test_all_variables_of_a_population():
    """One event of weight 1/8 in each second tick; the modulator is what the user set."""
    neuron = nf.Neuron("cuba_lif", tau_m_ms=10.0, tau_syn_ms=4.0, threshold_step=0.5, tau_threshold_ms=7.0)
    circuit = nf.Circuit(
        (nf.Population("in", 1), nf.Population("n", 1, neuron, nf.PostFactor(tau_ms=5.0))),
        (nf.Connection("in", "n", np.array([[30.0]]), learning_rate=0.5),),
    )
    simulated = nf.Simulation(circuit, "float64")
    simulated.modulators["n"][:] = 0.75
    variables = "v", "modulator", "drive", "threshold", "current"
    out = simulated.run(12.0, {"in": ([2], [0])}, [nf.Record(v, "n") for v in ("spikes", *variables)])
    traces = {variable: out.traces[variable, "n"].values[:, 0] for variable in variables}
    since = np.arange(12) - 2.0
    spikes = out.spikes["n"][0]
    assert len(spikes) > 1
    assert (traces["modulator"] == 0.75).all()
    current = np.where(since >= 0, 30 * np.exp(-(since + 1) / 4), 0)
    np.testing.assert_allclose(traces["current"], current, rtol=1e-12)
    raised = sum(np.where(np.arange(12) >= s, 0.5 * np.exp(-(np.arange(12) - s) / 7), 0) for s in spikes)
    np.testing.assert_allclose(traces["threshold"], 1 + raised, rtol=1e-12)
    d, q = np.exp(-1 / 5), 0.0
    for t in range(12):
        q = q * d + (1 - d) * current[t] * np.exp(1 / 4)  # the current before its decay
        assert traces["drive"][t] == pytest.approx(q, rel=1e-12)
    assert traces["v"][1] == 0 < traces["v"].max()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_traces_have_the_precision_of_the_simulation(precision):
    out = ring(precision=precision).run(5.0, START, (nf.Record("v", "silent"), nf.Record("weights", "ring->ring")))
    assert {trace.values.dtype for trace in out.traces.values()} == {np.dtype(precision)}


def test_a_run_of_no_ticks():
    simulated = ring()
    out = simulated.run(0.0, record=(nf.Record("spikes", "ring"), nf.Record("v", "ring")))
    assert out.ticks == 0
    assert out.traces["v", "ring"].values.shape == (0, 5)
    assert len(out.spikes["ring"][0]) == 0
    assert simulated.tick == 0


def test_more_spikes_than_the_log_has_room_for():
    """The log is emptied when it is full, and nothing is lost: 5,000 neurons spike in each of 500 ticks."""
    circuit = nf.Circuit((nf.Population("busy", 5000, nf.Neuron("if"), drive=1.0),))
    record = (nf.Record("spikes", "busy"), nf.Record("v", "busy", units=(7,), every_ms=3.0))
    simulated = nf.Simulation(circuit)
    out = simulated.run(500.0, record=record)
    ticks, units = out.spikes["busy"]
    np.testing.assert_array_equal(ticks, np.repeat(np.arange(500), 5000))
    np.testing.assert_array_equal(units, np.tile(np.arange(5000), 500))
    assert (simulated.spike_counts["busy"] == 500).all()
    assert out.traces["v", "busy"].ticks.tolist() == list(range(0, 500, 3))


# ---------------------------------------------------------------------------- memory


def test_traces_that_would_take_too_much_memory(monkeypatch):
    """Refused before anything runs; the remedies are named, and each helps."""
    large, simulated = ring(size=500), ring()
    large.run(3.0, START)
    refused(
        lambda: large.run(1e5, record=(nf.Record("weights", "ring->silent"),)),
        "'ring->silent'", "1 GiB", "fewer units", "every_ms", "in pieces",
    )  # fmt: skip
    assert large.tick == 3
    monkeypatch.setattr(recorder, "MAX_BYTES", 100 * 3 * 8)
    simulated.run(100.0, record=(nf.Record("v", "silent"),))
    refused(lambda: simulated.run(101.0, record=(nf.Record("v", "silent"),)), "'silent'")
    simulated.run(101.0, record=(nf.Record("v", "silent", units=(0, 1)),))
    simulated.run(200.0, record=(nf.Record("v", "silent", every_ms=2.0),))
    # records count together
    refused(lambda: simulated.run(100.0, record=(nf.Record("v", "silent"), nf.Record("v", "ring"))), "'ring'")


def test_more_spikes_than_are_kept(monkeypatch):
    monkeypatch.setattr(simulation, "MAX_EVENTS", 1_000_000)
    circuit = nf.Circuit((nf.Population("busy", 5000, nf.Neuron("if"), drive=1.0),))
    simulated = nf.Simulation(circuit)
    refused(
        lambda: simulated.run(500.0, record=(nf.Record("spikes", "busy"),)), "1,000,000 spikes", "fewer", "in pieces"
    )
    # what ran has run: the simulation is where the refusal says, and goes on from there
    reached = simulated.tick
    assert 200 < reached <= 500
    assert (simulated.spike_counts["busy"] == reached).all()
    simulated.run(5.0)
    assert (simulated.spike_counts["busy"] == reached + 5).all()
    nf.Simulation(circuit).run(500.0)  # without a record there is nothing to keep


# ---------------------------------------------------------------------------- refusals


def test_records_of_what_is_not_there():
    simulated = ring()
    for variable in ("spikes", "v", "modulator"):
        refused(lambda v=variable: simulated.run(5.0, record=(nf.Record(v, "rind"),)), "'rind'", "ring")
    refused(lambda: simulated.run(5.0, record=(nf.Record("weights", "ring"),)), "'ring'", "ring->ring")
    refused(lambda: simulated.run(5.0, record=(nf.Record("v", "ring", units=(0, 5)),)), "'ring'", "0 to 4")
    refused(lambda: simulated.run(5.0, record=(nf.Record("v", "ring", units=(-1,)),)), "'ring'", "0 to 4")
    for units in ((), (0.9,), np.array([True, False, True, False, False]), [[0, 1]]):
        for variable in ("v", "spikes"):
            record = (nf.Record(variable, "ring", units=units),)
            refused(lambda r=record: simulated.run(5.0, record=r), "'ring'", "whole numbers")
    refused(lambda: simulated.run(5.0, record=(nf.Record("spikes", "ring", units=(1, 0, 1)),)), "'ring'", "twice")
    refused(lambda: simulated.run(5.0, record=(nf.Record("weights", "in->ring", units=(10,)),)), "0 to 9")
    refused(lambda: nf.Record("voltage", "ring"), "'voltage'", "modulator")
    for interval in (0.0, -1.0, float("nan"), float("inf")):
        refused(lambda i=interval: nf.Record("v", "ring", every_ms=i), "every_ms", "positive")
    assert simulated.tick == 0


@pytest.mark.parametrize(
    ("ticks", "units"),
    [([5], [0]), ([-1], [0]), ([0], [2]), ([0], [-1]), ([0, 1], [0]), ([0.0], [0]), ([0], [0.0]), ([[0]], [[0]])],
)
def test_events_outside_of_the_run_or_the_population(ticks, units):
    simulated = ring()
    refused(lambda: simulated.run(5.0, {"in": (ticks, units)}), "events of 'in'", "must be")
    assert simulated.tick == 0


def test_events_of_populations_that_take_none():
    refused(lambda: ring().run(5.0, {"ring": ([0], [0])}), "'ring'", "choose one of: in")
    refused(lambda: ring().run(5.0, {"on": ([0], [0])}), "'on'", "choose one of: in")


def test_two_events_of_one_unit_in_a_tick():
    refused(lambda: ring().run(5.0, {"in": ([1, 3, 1], [0, 0, 0])}), "two events", "once")
    ring().run(5.0, {"in": ([1, 3, 1], [0, 0, 1])})


def test_a_run_backwards():
    refused(lambda: ring().run(-1.0), "duration_ms is -1")


def test_states_of_another_circuit():
    refused(lambda: ring().restore(ring(size=6).state()), "another circuit")
    state = ring().state()
    del state["synapses.weights"]
    refused(lambda: ring().restore(state), "'synapses.weights'", "missing")


def test_circuits_that_do_not_fit_together():
    one, n = nf.Population("in", 1), nf.Population("n", 2, nf.Neuron("if"))
    W = np.ones((1, 2))

    def simulated(*connections, populations=(one, n)):
        return nf.Simulation(nf.Circuit(populations, connections))

    refused(lambda: simulated(nf.Connection("in", "m", W)), "'in->m'", "'m'", "in, n")
    refused(lambda: simulated(nf.Connection("n", "in", W.T)), "'in', which is external")
    refused(lambda: simulated(nf.Connection("in", "n", W.T)), "'in->n'", "(2, 1)", "(1, 2)")
    refused(lambda: simulated(nf.Connection("in", "n", sparse.csr_array(W.T))), "'in->n'", "(2, 1)", "(1, 2)")
    refused(lambda: simulated(nf.Connection("in", "n", W * np.inf)), "'in->n'", "infinite")
    for delay_ms in (0.0, -1.0, float("nan"), float("inf")):
        refused(lambda d=delay_ms: nf.Connection("in", "n", W, delay_ms=d), "'in->n'", "delay_ms", "positive")
    cut = nf.Sparse(np.array([0, 2]), np.array([0.0, 1.2]), np.ones(2))
    refused(lambda: simulated(nf.Connection("in", "n", cut)), "'in->n'", "indices", "float64")
    refused(lambda: simulated(nf.Connection("in", "n", W), nf.Connection("in", "n", W)), "in->n", "rename")
    refused(lambda: simulated(populations=(one, one)), "in", "rename")
    for delay_ms in (0.0, 0.4, 256.0):
        refused(lambda d=delay_ms: simulated(nf.Connection("in", "n", W, delay_ms=d)), "'in->n'", "delay")
    for rate in (-0.1, np.nan, np.inf):
        refused(lambda r=rate: nf.Connection("in", "n", W, learning_rate=r), "'in->n'", "learning_rate")
    for wrong in (
        nf.Sparse(np.array([0, 3]), np.array([0, 1]), np.ones(2)),
        nf.Sparse(np.array([0, 1, 2]), np.array([0, 1]), np.ones(2)),
        nf.Sparse(np.array([1, 2]), np.array([0, 1]), np.ones(2)),
    ):
        refused(lambda s=wrong: simulated(nf.Connection("in", "n", s)), "'in->n'", "indptr")
    for target in (-1, 2):
        outside = nf.Sparse(np.array([0, 1]), np.array([target]), np.ones(1))
        refused(lambda s=outside: simulated(nf.Connection("in", "n", s)), "'in->n'", "outside", "'n'", "2 neurons")
    refused(lambda: nf.Population("n", 0), "'n'", "size 0")
    refused(lambda: nf.Population("n", 2, nf.Neuron(), v_init=np.zeros(3)), "'n'", "v_init", "2 neurons")
    refused(lambda: nf.Population("n", 2, nf.Neuron(), drive=np.nan), "'n'", "drive")
    refused(lambda: nf.Simulation(nf.Circuit((one, n)), "float16"), "'float16'", "float32")


# ---------------------------------------------------------------------------- events from files


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
@pytest.mark.parametrize("dt_ms", [1.0, 0.1])
def test_recorded_spikes_can_be_written_read_and_played_again(tmp_path, suffix, dt_ms):
    """What a population fired, replayed by an external one, has the same effect on the next population."""
    rng = np.random.default_rng(0)
    ticks, units = np.nonzero(rng.random((300, 4)) < 0.2)
    neuron = nf.Neuron("lif", tau_m_ms=10 * dt_ms)
    W, V = rng.random((4, 3)), rng.random((3, 2))
    populations = nf.Population("in", 4), nf.Population("a", 3, neuron), nf.Population("b", 2, neuron)
    both = nf.Circuit(populations, (nf.Connection("in", "a", W, dt_ms), nf.Connection("a", "b", V, 3 * dt_ms)), dt_ms)
    record = (nf.Record("spikes", "a"), nf.Record("spikes", "b"), nf.Record("v", "b"))
    live = nf.Simulation(both, "float64").run(300 * dt_ms, {"in": (ticks, units)}, record)
    write_events(tmp_path / f"a{suffix}", *live.spikes["a"], dt_ms)
    played = read_events(tmp_path / f"a{suffix}", dt_ms)
    np.testing.assert_array_equal(np.array(played), np.array(live.spikes["a"]))
    # a spike emitted in tick t arrives 3 ticks later; an external event of tick t counts as emitted at t - 1
    alone = nf.Circuit(
        (nf.Population("a", 3), nf.Population("b", 2, neuron)), (nf.Connection("a", "b", V, 4 * dt_ms),), dt_ms
    )
    again = nf.Simulation(alone, "float64").run(300 * dt_ms, {"a": played}, record)
    for name in ("a", "b"):
        np.testing.assert_array_equal(np.array(again.spikes[name]), np.array(live.spikes[name]))
    np.testing.assert_array_equal(again.traces["v", "b"].values, live.traces["v", "b"].values)
    assert len(live.spikes["b"][0]) > 20


def test_a_run_that_is_interrupted_goes_on_from_the_tick_it_came_to(monkeypatch):
    """As if it had been run in two pieces; of the piece that was interrupted nothing is recorded."""
    whole, broken, take, taken = ring(), ring(), recorder.Recorder.take, []
    whole.run(31.0, {"in": ([0, 3], [0, 1])})

    def interrupted(self, *given):
        taken.append(given)
        if len(taken) == 3:
            raise KeyboardInterrupt
        take(self, *given)

    monkeypatch.setattr(recorder.Recorder, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        broken.run(60.0, {"in": ([0, 3, 40], [0, 1, 0])}, nf.Record("v", "ring", every_ms=15.0))
    assert broken.tick == whole.tick == 31
    monkeypatch.setattr(recorder.Recorder, "take", take)
    record = nf.Record("spikes", "ring"), nf.Record("v", "silent")
    one, other = (simulated.run(30.0, {"in": ([9], [0])}, record) for simulated in (whole, broken))
    np.testing.assert_array_equal(one.spikes["ring"], other.spikes["ring"])
    np.testing.assert_array_equal(one.traces["v", "silent"].values, other.traces["v", "silent"].values)
    assert len(one.spikes["ring"][0]) > 10
