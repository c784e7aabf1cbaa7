"""What the library refuses in one line, and runs that leave the finite numbers."""

import numpy as np
import pytest

import neurofa as nf
from neurofa.engines.base import Capabilities, require_supported
from neurofa.engines.rate import CAPABILITIES, RateEngine
from neurofa.run import Diverged
from neurofa.spec import Feedback, Learning, Levels, Limits, Optimiser, Schedule, State

NET = nf.Network.dense((6, 5, 4, 3))


def data(n=60, outputs=3, task="classification"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    y = rng.integers(outputs, size=n) if task == "classification" else rng.normal(size=(n, outputs))
    return nf.Data(x, y, x, y, task=task, n_outputs=outputs)


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "part"),
    [({"probe_every": -3}, "probe_every is -3"), ({"threads": 0}, "threads is 0"), ({"threads": -1}, "threads is -1")],
)
def test_numbers_out_of_range(options, part):
    with pytest.raises(nf.InputError) as caught:
        nf.train(NET, nf.rules.BP, data(), epochs=1, **options)
    assert part in one_line(caught)


@pytest.mark.parametrize(
    ("net", "rule", "given", "part"),
    [
        ("digits", nf.rules.BP, data(), "nf.load_model"),
        (NET, "bp", data(), "nf.rules"),
        (NET, nf.rules.BP, "digits", "nf.load_data"),
    ],
)
def test_names_in_place_of_things(net, rule, given, part):
    with pytest.raises(nf.InputError) as caught:
        nf.train(net, rule, given)
    assert part in one_line(caught)


def test_settings_of_a_rule_that_does_not_exist():
    model = nf.Model(NET, rules={"dfaa": nf.Override(training=nf.Training(learning_rate=1.0))})
    with pytest.raises(nf.InputError) as caught:
        nf.train(model, nf.rules.DFA, data(), epochs=1)
    assert "'dfaa'" in one_line(caught)
    assert "did you mean 'dfa'" in str(caught.value)
    own = nf.Rule("error", "direct", "random", name="dfaa")
    assert nf.train(model, own, data(), epochs=1).rule == own


def test_batches_that_are_not_there():
    engine = RateEngine(nf.lower(NET, nf.rules.BP), batch_size=8)
    given = data()
    for first, last in ((0, 4), (-1, 2), (3, 2)):
        with pytest.raises(nf.InputError, match="of this epoch"):
            engine.train(given.x_train, given.y_train, np.arange(20), first, last, (0.1,) * 3)
    assert engine.steps == 0


def test_an_engine_refuses_what_it_lacks():
    plan = nf.lower(NET, nf.rules.DRTP)
    require_supported("rate", CAPABILITIES, plan)
    lacking = Capabilities(CAPABILITIES.activations, CAPABILITIES.losses, frozenset({"error"}), CAPABILITIES.follows)
    with pytest.raises(nf.InputError, match="the small engine has no signal 'target'; it has error"):
        require_supported("small", lacking, plan)


@pytest.mark.parametrize(
    "rule",
    [
        nf.rules.PSEUDO_BP,
        nf.Rule("error", "sequential", "perturbation", perturbation=nf.Perturbation(0.1, "ridge"), name="ridge"),
        nf.rules.NODE_PERTURBATION,
        nf.rules.SIGN_FA,
    ],
    ids=lambda rule: rule.name,
)
def test_every_kind_of_feedback_diverges_in_one_line(rule, tmp_path):
    net = nf.Network.dense((6, 5, 4, 3), hidden="identity", output="identity", loss="half_sse", task="regression")
    training = nf.Training(epochs=60, batch_size=4, learning_rate=1e3, optimiser="sgd")
    with pytest.raises(Diverged) as caught:
        nf.train(net, rule, data(task="regression"), training=training, out=tmp_path, probe_every=0)
    assert "learning rate 1000" in one_line(caught)
    assert (tmp_path / "checkpoint.safetensors").exists()


def test_magnitudes_are_drawn_anew_on_either_route():
    feedback = nf.Feedback("sign_transpose", magnitude="batchwise_random")
    for route in ("sequential", "direct"):
        engine = RateEngine(nf.lower(NET, nf.Rule("error", route, feedback)), batch_size=4)
        given, before = data(), {}
        for step in range(2):
            before = {key: np.abs(value) for key, value in engine.params.items() if key.endswith(".B")}
            engine.train(given.x_train, given.y_train, np.arange(20), step, step + 1, (0.0,) * 3)
            for key, value in before.items():
                assert not np.allclose(np.abs(engine.params[key]), value), (route, key)


def test_regression_targets_in_one_dimension():
    net = nf.Network.dense((6, 4, 1), output="identity", loss="mse", task="regression")
    rng = np.random.default_rng(0)
    params = nf.lower(net, nf.rules.BP, precision="float64").params
    x, y = rng.normal(size=(5, 6)), rng.normal(size=5)
    flat, column = (nf.updates(net, nf.rules.BP, params, x, target) for target in (y, y[:, None]))
    for key, value in column.items():
        np.testing.assert_array_equal(flat[key], value)


def test_updates_change_nothing():
    rule = nf.Rule("error", "sequential", "perturbation", perturbation=nf.Perturbation(0.1, "ridge"), name="ridge")
    engine = RateEngine(nf.lower(NET, rule), batch_size=4)
    given = data()
    first = engine.updates(given.x_train, given.y_train)
    kept = {key: np.array(value) for key, value in (engine.state() | engine.params).items()}
    second = engine.updates(given.x_train, given.y_train)
    for key, value in first.items():
        np.testing.assert_array_equal(second[key], value)
    for key, value in (engine.state() | engine.params).items():
        np.testing.assert_array_equal(value, kept[key])


def test_blas_has_its_threads_back():
    from threadpoolctl import threadpool_info

    before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    nf.train(NET, nf.rules.BP, data(), epochs=1)
    after = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert after[: len(before)] == before


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"layers.1.W": np.full((5, 4), -1.0)}, "layers.1.W holds -1"),
        ({"layers.1.W": [["a"]]}, "layers.1.W is not an array of numbers"),
    ],
)
def test_weights_that_a_rule_cannot_begin_with(params, part):
    init = nf.Init("abs_normal", std=0.1)
    net = nf.Network.dense((6, 5, 4, 3), init=init)
    with pytest.raises(nf.InputError) as caught:
        nf.train(net, nf.rules.MDFA if "-1" in part else nf.rules.FA, data(), params=params)
    assert part in one_line(caught)


def test_given_weights_need_no_initialiser():
    rng = np.random.default_rng(0)
    params = {key: np.abs(value) for key, value in nf.lower(NET, nf.rules.FA, precision="float64").params.items()}
    del params["layers.0.B"], params["layers.1.B"]
    params |= {"layers.0.B": rng.random((3, 5)), "layers.1.B": rng.random((3, 4))}
    assert nf.updates(NET, nf.rules.MDFA, params, rng.normal(size=(4, 6)), np.arange(4) % 3)["layers.0.dW"].any()


def test_ridge_regression_takes_no_initial_feedback():
    rule = nf.Rule("error", "sequential", "perturbation", perturbation=nf.Perturbation(0.1, "ridge"), name="ridge")
    with pytest.raises(nf.InputError, match=r"layers\.0\.B is found by ridge regression"):
        nf.lower(NET, rule, params={"layers.0.B": np.zeros((4, 5))})


@pytest.mark.parametrize("units", [3.5, "3", 0])
def test_units_are_whole_numbers(units):
    with pytest.raises((nf.InputError, TypeError)):
        nf.Layer(units)


def test_softmax_of_one_output():
    with pytest.raises(nf.InputError, match="at least 2 outputs"):
        nf.Network.dense((3, 1), output="softmax", loss="cce")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: nf.Training(epochs=2.5), "training epochs is 2.5"),
        (lambda: nf.Training(batch_size=True), "training batch_size is True"),
        (lambda: nf.Training(report_last=1.5), "training report_last is 1.5"),
        (lambda: nf.Training(early_stopping=2.5), "training early_stopping is 2.5"),
        (lambda: Schedule("step", every=1.5), "schedule every is 1.5"),
        (lambda: nf.Network(4.5, (nf.Layer(3, "sigmoid"),)), "network inputs is 4.5"),
        (lambda: Feedback("pseudoinverse", every=1.5), "feedback every is 1.5"),
        (lambda: Levels(-7.5, 7.5), "levels lowest is -7.5"),
        (lambda: Levels(0, 1, headroom=1e-320), "levels headroom is"),
        (lambda: State(7.5), "state membrane_bits is 7.5"),
        (lambda: Limits(neurons=7.5), "limits neurons is 7.5"),
        (lambda: Learning(every_ticks=1.5), "learning every_ticks is 1.5"),
    ],
)
def test_what_is_counted_is_a_whole_number(make, part):
    with pytest.raises(nf.InputError) as caught:
        make()
    assert part in one_line(caught)


@pytest.mark.parametrize(
    "targets", [(0.9, -0.9), (0.5, 0.5), (0.9,), (0.0, 1.0, 2.0), (float("nan"), 1.0), (0.0, float("inf"))]
)
def test_targets_are_two_numbers_the_right_class_the_larger(targets):
    with pytest.raises(nf.InputError) as caught:
        nf.Network.dense((4, 3), output="tanh", loss="mse", targets=targets)
    assert "network targets" in one_line(caught)


def test_lists_and_arrays_will_do_where_tuples_are_meant():
    training = nf.Training(learning_rate=[1e-3, 1e-4], optimiser=Optimiser(epsilon=np.array([1e-8, 1e-7])))
    assert training == nf.Training(learning_rate=(1e-3, 1e-4), optimiser=Optimiser(epsilon=(1e-8, 1e-7)))
    assert nf.Spiking(delay_ms=[1.0, 2.0]).delays(2) == (1, 2)
    assert nf.Network.dense((4, 3), targets=[0.0, 1.0]) == nf.Network.dense((4, 3))
    assert Schedule("step", milestones=[1, 2]) == Schedule("step", milestones=(1, 2))


def test_what_is_no_chip_is_refused_where_it_is_looked_at():
    plan = nf.lower(NET, nf.rules.DFA)
    for call in (
        lambda: nf.hardware.fit(plan, 8),
        lambda: nf.hardware.costs(plan, None),
        lambda: nf.hardware.constrain(plan, None, plan),
    ):
        with pytest.raises(nf.InputError) as caught:
            call()
        assert "give a name of `neurofa hardware`" in one_line(caught)
