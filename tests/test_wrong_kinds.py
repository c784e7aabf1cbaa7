"""Arguments of another kind than is asked for: one line that says what to give, from every entry of the library."""

from dataclasses import fields, replace
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import sparse

import neurofa as nf
import neurofa.exchange
import neurofa.hardware
import neurofa.plot
from neurofa.compare import compare

NET, DFA = nf.Network.dense((6, 5, 3)), nf.rules.DFA
MODEL = nf.Model(NET, nf.Training(epochs=1, batch_size=10))
RNG = np.random.default_rng(0)
X, Y = RNG.random((20, 6)), RNG.integers(3, size=20)
DATA = nf.Data(X, Y, X, Y, n_outputs=3)
PARAMS = nf.lower(NET, DFA).params
MONOTONE = nf.Network.dense((6, 5, 3), init="zeros")
SPIKING = nf.Spiking()
CELL = nf.Population("c", 2, nf.Neuron())
INPUT = nf.Population("in", 2)
CIRCUIT = nf.Circuit((INPUT, CELL), (nf.Connection("in", "c", np.eye(2)),))


@cache
def run():
    return nf.train(NET, DFA, DATA, training=nf.Training(epochs=1, batch_size=10), probe_every=0)


def axes():
    return plt.figure().add_subplot()


def circuit_with(weights):
    return nf.Circuit((INPUT, CELL), (nf.Connection("in", "c", weights),))


WRONG = {
    # the run in place of its parameters
    "evaluate a run": (lambda: nf.evaluate(MODEL, DFA, run(), X, Y), "params is .*run.params"),
    "predict by a run": (lambda: nf.predict(MODEL, DFA, run(), X), "params is .*run.params"),
    "updates of a run": (lambda: nf.updates(MODEL, DFA, run(), X, Y), "params is .*run.params"),
    "lower a run": (lambda: nf.lower(NET, DFA, params=run()), "params is .*run.params"),
    "agreement without settings": (lambda: nf.agreement(NET, DFA, PARAMS, X, Y, spiking="lif"), "spiking is 'lif'"),
    "observe without settings": (lambda: nf.observe(NET, DFA, PARAMS, X[:1], Y[:1], spiking="lif"), "spiking is 'lif'"),
    "monotone weights in words": (
        lambda: nf.lower(MONOTONE, nf.rules.MDFA, params={"layers.1.W": "abc"}), "layers.1.W is not an array of numbers"
    ),
    "no monotone weights": (
        lambda: nf.lower(MONOTONE, nf.rules.MDFA, params={"layers.1.W": []}), "layers.1.W has shape"
    ),
    "truths as targets": (lambda: nf.Network.dense((4, 3), targets=(False, True)), "network targets is"),
    "truths as a scale": (lambda: nf.DataSpec(scale=(False, True)), "data scale is"),
    "truths as activities": (lambda: nf.Spiking(target_activity=(False, True)), "spiking target_activity is"),
    "observe a run": (lambda: nf.observe(MODEL, DFA, run(), X[:1], Y[:1]), "params is .*run.params"),
    # names and models in place of networks and rules
    "lower a model": (lambda: nf.lower(MODEL, DFA), r"network is .*for_rule\(rule\)"),
    "lower by a name": (lambda: nf.lower(NET, "dfa"), "rule is 'dfa'; give a preset"),
    "freeze a model": (lambda: nf.rules.freeze(MODEL, DFA, PARAMS), "network is"),
    "fit a model": (lambda: nf.hardware.fit(MODEL, nf.Hardware()), "plan is .*nf.lower"),
    "load no data": (lambda: nf.load_data(None), "data"),
    "load no run": (lambda: nf.load_run(3), "folder is 3"),
    "load no profile": (lambda: nf.hardware.load_profile(3), "profile is 3"),
    "a graph of a number": (lambda: nf.exchange.import_nir(3, 0.1), "graph is 3"),
    "export a run": (lambda: nf.exchange.export(run(), "q.nir"), "source is .*folder"),
    # settings of spiking mode
    "settings of spiking mode, in rate mode": (
        lambda: nf.train(MODEL, DFA, DATA, spiking=SPIKING), "mode 'rate' has none.*mode='spiking'"
    ),
    "the same, evaluated": (lambda: nf.evaluate(MODEL, DFA, PARAMS, X, Y, spiking=SPIKING), "mode 'rate' has none"),
    "the same, one update": (lambda: nf.updates(MODEL, DFA, PARAMS, X, Y, spiking=SPIKING), "mode 'rate' has none"),
    "reset_state in words": (lambda: nf.Spiking(reset_state="no"), "reset_state is 'no'; give True or False"),
    "homeostasis as a number": (lambda: nf.Spiking(homeostasis=3), "homeostasis is 3.*Homeostasis"),
    "time in words": (lambda: nf.Spiking(sample_ms="a"), "sample_ms is 'a'; give a number"),
    "no time": (lambda: nf.Spiking(sample_ms=None), "sample_ms is None; give a number"),
    "resistance": (lambda: nf.Neuron(r=None), "r is None; give a number"),
    "time constant": (lambda: nf.Neuron(tau_m_ms="a"), "tau_m_ms is 'a'"),
    "baseline rate": (lambda: nf.Spiking(baseline_rate="x"), "baseline_rate is 'x'"),
    "one target activity": (lambda: nf.Spiking(target_activity=3), "target_activity is 3"),
    "three target activities": (lambda: nf.Spiking(target_activity=(0, 1, 2)), "target_activity is"),
    # records and circuits
    "record by a name": (
        lambda: nf.observe(MODEL, DFA, PARAMS, X[:1], Y[:1], record="spikes"), r"a record is 'spikes'; give nf\.Record"
    ),
    "record by a tuple": (
        lambda: nf.observe(MODEL, DFA, PARAMS, X[:1], Y[:1], record=[("v", "layers.0")]), "a record is"
    ),
    "record of a simulation": (lambda: nf.Simulation(CIRCUIT).run(5, record="c"), "a record is 'c'"),
    "drives of other neurons": (lambda: nf.Population("c", 2, nf.Neuron(), drive=np.zeros(3)), "drive must be .*its 2"),
    "drive in words": (lambda: nf.Population("c", 2, nf.Neuron(), drive="a"), "drive must be a finite number"),
    "endless drive": (lambda: nf.Population("c", 2, nf.Neuron(), drive=np.inf), "drive must be a finite number"),
    "current without a name": (lambda: nf.Simulation(CIRCUIT).run(5, currents=[1.0]), "currents is .*by population"),
    "current of no population": (lambda: nf.Simulation(CIRCUIT).run(5, currents={"d": 1}), "'d' is unknown.*: c"),
    "current of inputs": (lambda: nf.Simulation(CIRCUIT).run(5, currents={"in": 1}), "'in' is unknown.*: c"),
    "current in words": (lambda: nf.Simulation(CIRCUIT).run(5, currents={"c": "a"}), "current of 'c' has shape"),
    "currents of other neurons": (
        lambda: nf.Simulation(CIRCUIT).run(5, currents={"c": np.zeros(5)}), r"\(2,\) numbers .* \(5, 1\) for the ticks"
    ),
    "currents of other ticks": (
        lambda: nf.Simulation(CIRCUIT).run(5, currents={"c": np.zeros((4, 1))}), r"has shape \(4, 1\).*\(5, 2\)"
    ),
    "ragged currents": (lambda: nf.Simulation(CIRCUIT).run(5, currents={"c": [[1], [1, 2]]}), "of different lengths"),
    "endless current": (lambda: nf.Simulation(CIRCUIT).run(5, currents={"c": np.nan}), "NaN or infinite"),
    "learning rate": (lambda: nf.Connection("in", "c", np.eye(2), learning_rate="a"), "learning_rate is 'a'"),
    "weights in words": (lambda: nf.Simulation(circuit_with(np.full((2, 2), "a"))), "weights of type"),
    "length of a tick": (lambda: nf.Circuit((INPUT,), dt_ms="x"), "dt_ms is 'x'"),
    "populations by name": (lambda: nf.Circuit(["a"], ()), "one of the circuit's populations is 'a'"),
    "no circuit": (lambda: nf.Simulation(3), "circuit is 3"),
    "duration in words": (lambda: nf.Simulation(CIRCUIT).run("a"), "duration_ms is 'a'"),
    "events without names": (lambda: nf.Simulation(CIRCUIT).run(5, [1]), "events is"),
    "events without units": (lambda: nf.Simulation(CIRCUIT).run(5, {"in": [1, 2]}), "ticks and units"),
    "a run of years": (lambda: nf.Simulation(CIRCUIT).run(1e13), "run in pieces"),
    "a run of ages": (lambda: nf.Simulation(CIRCUIT).run(1e300), "1e\\+300 is 1e\\+300 ticks; run in pieces"),
    "initial membranes in words": (lambda: nf.Population("c", 2, nf.Neuron(), v_init="a"), "v_init must be"),
    "no row of pointers": (lambda: nf.Simulation(circuit_with(nf.Sparse(3, [0], [1.0]))), "indptr has shape"),
    "refractory period in words": (lambda: nf.Neuron(refractory_ms="a"), "refractory_ms is 'a'"),
    "window in words": (lambda: nf.PostFactor(low="a"), "low is 'a'"),
    "length of a tick of a graph": (lambda: nf.exchange.import_nir("g.nir", "a"), "dt_ms is 'a'|no file"),
    "unsigned pointers that descend": (
        lambda: nf.Simulation(
            circuit_with(nf.Sparse(np.array([0, 2_000_000, 2], np.uint64), np.array([0, 1]), np.ones(2)))
        ), "do not fit together"
    ),
    # data
    "no data": (lambda: nf.train(MODEL, DFA, None), "data is None; give nf.load_data"),
    "ragged samples": (lambda: nf.predict(MODEL, DFA, PARAMS, [[1, 2], [3]]), "x has rows of different lengths"),
    "ragged samples, evaluated": (
        lambda: nf.evaluate(MODEL, DFA, PARAMS, [[1, 2], [3]], [0, 1]), "x has rows of different lengths"
    ),
    "ragged rows": (lambda: nf.Data([[1, 2], [3]], Y[:2], X, Y), "x_train.*rows of different lengths"),
    "classes by a fraction": (lambda: nf.Data(X, Y, X, Y, n_outputs=3.7), "n_outputs of data is 3.7"),
    "classes in words": (lambda: nf.Data(X, Y, X, Y, n_outputs="3"), "n_outputs of data is '3'"),
    "a long value": (lambda: nf.train(MODEL, DFA, (X, Y)), "data is of type tuple; give nf.load_data"),
    # what a run is given
    "progress": (lambda: nf.train(MODEL, DFA, DATA, progress=3), "progress is 3; give a function"),
    "each_epoch": (lambda: nf.train(MODEL, DFA, DATA, each_epoch=3), "each_epoch is 3; give a function"),
    "end of a run": (lambda: nf.train(MODEL, DFA, DATA, each_epoch=lambda p: 3), "each_epoch returned 3; return True"),
    "a list of augmentations": (lambda: nf.train(MODEL, DFA, DATA, augment=[3]), "augment is"),
    "augmentation": (lambda: nf.train(MODEL, DFA, DATA, augment=3), "augment is 3"),
    "folder": (lambda: nf.train(MODEL, DFA, DATA, out=3), "out is 3; give a folder"),
    "seed beyond 64 bits": (lambda: nf.train(MODEL, DFA, DATA, seed=2**63), "below 2\\^63"),
    # comparisons
    "the same seed twice": (lambda: compare(MODEL, [DFA], DATA, seeds=[0, 0]), "seeds are"),
    "a fraction of a seed": (lambda: compare(MODEL, [DFA], DATA, seeds=1.5), "seeds are"),
    "rules by name": (lambda: compare(MODEL, ["bp"], DATA), "rule is 'bp'"),
    "no rules": (lambda: compare(MODEL, 3, DATA), "rule is 3"),
    "no modes": (lambda: compare(MODEL, [DFA], DATA, modes=None), "mode None is unknown"),
    "modes by number": (lambda: compare(MODEL, [DFA], DATA, modes=[1, 2]), "mode 1 is unknown"),
    "model by name": (lambda: compare("digits", [DFA], DATA), "model is 'digits'"),
    "data by name": (lambda: compare(MODEL, [DFA], "digits"), "data is 'digits'"),
    # plots
    "a history without a name": (lambda: nf.plot.learning_curves(axes(), run().history), "histories is .*run.history"),
    "a run as a history": (lambda: nf.plot.learning_curves(axes(), {"a": run()}), "history 'a' is .*run.history"),
    # networks
    "a field that no layer has": (lambda: nf.Network.dense((20, 3), foo=1), "'foo'"),
    "the activation of all layers": (lambda: nf.Network.dense((20, 3), activation="tanh"), "'activation'"),
    "an activation of no layer": (lambda: nf.Network.dense((20, 3), hidden="rlu"), "'rlu'.*did you mean 'relu'"),
    "part of a composed rule": (lambda: nf.rules.named("error/direct"), "2 parts; compose three, SIGNAL"),
    "a rule in capitals": (lambda: nf.rules.named("DFA"), "did you mean 'dfa'"),
    "an activation in capitals": (lambda: nf.Layer(3, "ReLU"), "did you mean 'relu'"),
    "a name of another tool": (lambda: nf.Layer(3, "linear"), "did you mean 'identity'"),
    "a loss of another tool": (lambda: nf.Network.dense((4, 2), loss="cross_entropy"), "did you mean 'cce'"),
    "rates by layer in a dict": (lambda: nf.Training(learning_rate={0: 0.1, 1: 0.2}), "learning_rate is {.*each"),
    "delays in a set": (lambda: nf.Spiking(delay_ms={1.0, 2.0}), "delay_ms is"),
    "an array as an initialiser": (lambda: nf.Layer(3, init=np.eye(3)), r"of type ndarray.*params=.*layers\.0\.W"),
    "an array as feedback": (lambda: nf.Rule("error", "direct", np.eye(3)), r"type ndarray.*params=.*layers\.0\.B"),
    "layers by number": (lambda: nf.Network(64, (100, 10)), "one of the network's layers is 100; give nf.Layer"),
    "layers as a number": (lambda: nf.Network(64, 10), "network layers is 10; give a list"),
    "activations of too few layers": (
        lambda: nf.Network.dense((4, 3, 3, 2), hidden=["relu"]), "1 activations for 2 hidden layers"
    ),
    "milestones in words": (
        lambda: nf.Schedule("step", milestones=("a",)), "milestones are .*give epochs, counted from 0"
    ),
    "targets as a number": (lambda: nf.Network.dense((4, 2), targets=3), "network targets is 3; give a list"),
    "scale as a number": (lambda: nf.DataSpec(scale=3), "data scale is 3; give a list"),
    "scale in words": (lambda: nf.DataSpec(scale=("a", "b")), "data scale is"),
    "augmentation that is not there": (lambda: nf.DataSpec(augment="flop"), "augment 'flop' is unknown.*'flip'"),
    "settings of a rule": (lambda: nf.Model(NET, rules={"dfa": nf.Training()}), "rules 'dfa' is .*Override"),
    "costs of a network": (lambda: nf.hardware.costs(NET, "loihi"), r"plan is Network\(6-5-3.*nf.lower"),
    "costs of no chip": (lambda: nf.hardware.costs(nf.lower(NET, DFA), 3), "hardware is 3; give a name"),
    "a chip that is not there": (lambda: nf.hardware.fit(nf.lower(NET, DFA), "lohi"), "lohi.*loihi"),
    "labels in words": (lambda: nf.Data(X, np.array(["a"] * 20), X, Y), "numbers; of labels in words, np.unique"),
    "a sparse matrix": (lambda: nf.Data(sparse.csr_array(X), Y, X, Y), r"is a sparse matrix; give x_train.toarray\(\)"),
    "one-hot labels": (lambda: nf.Data(X, np.eye(3)[Y], X, Y), r"of one-hot rows y.argmax\(1\)"),
    "samples of another width": (
        lambda: nf.predict(NET, DFA, PARAMS, np.ones((2, 5))), r"x has 5 columns .* give x of shape \(n, 6\)"
    ),
    "softmax without its loss": (lambda: nf.Network.dense((4, 2), output="softmax"), "or another loss, such as 'cce'"),
    "regression by default": (lambda: nf.Network.dense((4, 2), task="regression"), "'mse'.*output 'identity'"),
    "results of a run": (lambda: nf.load_run("runs/x/results.nc"), "are results; give the run's folder"),
}  # fmt: skip


SETTINGS = (
    nf.Init("normal", std=0.1), nf.Layer(3), NET, nf.Optimiser(), nf.Schedule("step", every=2), nf.Training(),
    nf.DataSpec(), nf.Feedback("sign_transpose"), nf.Perturbation(), DFA, nf.Override(), MODEL, nf.Neuron(),
    nf.Encoder(), nf.PostFactor(), nf.Homeostasis(20.0, 10), SPIKING, nf.hardware.Levels(-8, 7),
    nf.hardware.State(16), nf.hardware.TraceLevels(7), nf.hardware.Neurons(), nf.hardware.Limits(),
    nf.hardware.Learning(), nf.hardware.Energy(), nf.Hardware(),
)  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: type(one).__name__)
def test_every_setting_is_of_its_kind(settings):
    """A complex number is neither a number, nor a name, nor a list, nor an instance of anything."""
    for field in fields(settings):
        for wrong in (1j, np.ones((2, 2))):
            with pytest.raises(nf.InputError) as caught:
                replace(settings, **{field.name: wrong})
            assert field.name in str(caught.value)
            assert "\n" not in str(caught.value)
        if field.type is bool:
            with pytest.raises(nf.InputError, match=f"{field.name} is 'no'; give True or False"):
                replace(settings, **{field.name: "no"})


def test_lists_will_do_for_tuples():
    assert nf.hardware.Neurons(resets=["zero"]).resets == ("zero",)
    assert nf.Spiking(target_activity=[0, 1]) == nf.Spiking()
    assert nf.DataSpec(scale=[0, 1], augment=["flip"]) == nf.DataSpec(scale=(0, 1), augment=("flip",))
    assert nf.DataSpec(augment="flip").augment == ("flip",)
    assert nf.Network(4, [nf.Layer(2, "sigmoid")]) == nf.Network(4, nf.Layer(2, "sigmoid"))
    mixed = nf.Network.dense((4, 3, 3, 2), hidden=["relu", "tanh"])
    assert [layer.activation for layer in mixed.layers] == ["relu", "tanh", "sigmoid"]


def test_chips_may_be_named():
    plan, chip = nf.lower(NET, DFA), nf.hardware.load_profile("loihi")
    assert nf.hardware.costs(plan, "loihi") == nf.hardware.costs(plan, chip)
    assert nf.hardware.fit(plan, "loihi") == nf.hardware.fit(plan, chip)


def test_labels_from_1_are_noticed():
    assert "no training sample is of class 0" in nf.Data(X, Y + 1, X, Y + 1).note
    assert DATA.note == ""


def test_descriptions_are_printed_as_a_line():
    assert repr(NET) == "Network(6-5-3, tanh/sigmoid, bce)"
    assert repr(nf.load_model("digits")).endswith("data 'digits')")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_kinds(case):
    call, message = WRONG[case]
    with pytest.raises(nf.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_of_the_right_kind_though_not_the_usual_one():
    assert nf.Network.dense(np.array([6, 5, 3])).sizes == nf.Network.dense([6, 5, 3]).sizes == NET.sizes
    assert nf.Circuit(CELL).populations == (CELL,)
    assert len(nf.Simulation(CIRCUIT).run(5.0, {"in": np.array([[1, 2], [0, 1]])}).spikes) == 0
    assert nf.Spiking(sample_ms=np.float32(20)).ticks == 20
    assert compare(MODEL, DFA, DATA, modes="rate", seeds=np.int64(1), epochs=0).table[0]["rule"] == "dfa"
    assert nf.Data(X, Y, X, Y, image_shape=(1, 2, 3)).image_shape == (1, 2, 3)
