"""What a trained network does on other samples, and runs that are read back."""

import numpy as np
import pytest
from running import SIZES, with_validation
from support import data_for, network_for, protocol

import neurofa as nf
from neurofa.io.checkpoint import load_checkpoint
from neurofa.rules import BP, DFA, PRESETS
from neurofa.stored_runs import of_checkpoint

MODES = ("rate", "spiking")


def in_unit_interval(data):
    """Data that spikes can take, with other samples to test."""
    x = np.abs(data.x_train) / np.abs(data.x_train).max()
    return nf.Data(x[:-6], data.y_train[:-6], x[-6:], data.y_train[-6:], n_outputs=data.n_outputs)


def training_of(mode, **options):
    usual = {"epochs": 2, "learning_rate": 0.01, "optimiser": "sgd", "precision": "float32"}
    return nf.Training(**usual | {"batch_size": 6 if mode == "rate" else 1} | options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "mdfa"])
def test_a_run_is_read_back_and_its_network_evaluated(name, mode, tmp_path):
    rule = PRESETS[name]
    network = network_for(rule, SIZES)
    data = in_unit_interval(data_for(network, 30))
    run = nf.train(network, rule, data, mode, 3, training=training_of(mode), out=tmp_path)
    score = nf.evaluate(network, rule, run.params, data.x_test, data.y_test, mode, seed=3)
    assert score.error == run.history.test_error.values[-1]
    assert score.loss == pytest.approx(run.history.test_loss.values[-1], rel=1e-6)
    back = nf.load_run(tmp_path)
    assert (back.test_error, back.seconds, back.synops_per_sample) == (
        run.test_error, run.seconds, run.synops_per_sample,
    )  # fmt: skip
    if mode == "rate":
        assert back.operations is run.operations is None
    else:
        np.testing.assert_array_equal(back.operations, run.operations)
        assert run.operations.sum() == pytest.approx(run.synops_per_sample)
        assert (run.operations[1] > 0) == (name != "shallow" and name != "node_perturbation")
    assert (back.rule, back.mode, back.seed, back.hardware) == (run.rule, run.mode, run.seed, run.hardware)
    assert set(back.params) == set(run.params)
    for key, value in run.params.items():
        np.testing.assert_array_equal(back.params[key], value)
    for variable in run.history:
        np.testing.assert_array_equal(back.history[variable].values, run.history[variable].values)
    assert {key: run.history.attrs[key] for key in back.history.attrs} == back.history.attrs
    again = nf.train(network, rule, data, mode, 3, training=training_of(mode), epochs=0, params=run.params)
    assert again.test_error == score.error


@pytest.mark.parametrize("name", ["bp", "sign_fa", "pseudo_bp", "fa", "dfa", "matching"])
def test_a_run_begins_where_another_one_ended(name):
    """Of what another run leaves, W is where it begins, and B, where it has magnitudes of its own, is kept."""
    rule = PRESETS[name]
    network = network_for(rule, SIZES)
    data = data_for(network, 30)
    first = nf.train(network, rule, data, seed=3, training=protocol(epochs=2))
    plan = nf.lower(network, rule, 8, params=first.params, precision="float64")
    for key, value in first.params.items():
        np.testing.assert_allclose(plan.params[key], value, rtol=1e-12, atol=1e-14)
    other = {"layers.0.B": first.params["layers.0.B"] + 1.0}
    if name in ("bp", "sign_fa"):
        with pytest.raises(nf.InputError, match=r"layers\.0\.B follows from W under rule '.*', and is another one"):
            nf.lower(network, rule, 8, params=first.params | other)
    else:
        np.testing.assert_allclose(
            nf.lower(network, rule, 8, params=first.params | other, precision="float64").params["layers.0.B"],
            other["layers.0.B"],
        )


def test_outputs_are_those_of_the_network():
    network = nf.Network.dense((4, 3, 2), hidden="tanh", output="sigmoid")
    params = nf.lower(network, DFA, 2, precision="float64").params
    x = np.random.default_rng(0).normal(size=(700, 4))  # more than are run at once
    hidden = np.tanh(x.astype(np.float32) @ params["layers.0.W"] + params["layers.0.b"])
    z = hidden @ params["layers.1.W"] + params["layers.1.b"]
    np.testing.assert_allclose(nf.predict(network, DFA, params, x), 1 / (1 + np.exp(-z)), rtol=1e-6)
    assert nf.predict(network, DFA, params, x[0]).shape == (1, 2)
    regression = nf.Network.dense((4, 3, 2), output="identity", loss="mse", task="regression")
    np.testing.assert_allclose(nf.predict(regression, DFA, params, x), z, rtol=1e-5, atol=1e-6)


def test_an_early_stopped_run_is_read_back_as_its_best_epoch(tmp_path):
    network = network_for(BP, SIZES)
    data = with_validation(network)
    training = protocol(epochs=6, early_stopping=2, learning_rate=0.5, report_last=3)
    run = nf.train(network, BP, data, training=training, out=tmp_path)
    back = nf.load_run(tmp_path / "checkpoint.safetensors")
    assert back.test_error == run.test_error
    assert back.history.attrs["final"] == run.history.attrs["final"] == "best epoch"
    np.testing.assert_array_equal(back.params["layers.0.W"], run.params["layers.0.W"])


def test_what_cannot_be_evaluated_or_read(tmp_path):
    network = nf.Network.dense((4, 3, 2))
    params = nf.lower(network, DFA).params
    x, y = np.zeros((2, 4)), np.zeros(2, int)
    for call, part in (
        (lambda: nf.evaluate(network, DFA, params, x[:, :3], y), "3 columns"),
        (lambda: nf.evaluate(network, DFA, params, x, y + 5), "label 5"),
        (lambda: nf.evaluate(network, DFA, params, x, y, "brian"), "mode 'spiking'"),
        (lambda: nf.evaluate(network, DFA, {}, x, y), "layers.0.W is missing"),
        (lambda: nf.predict(network, DFA, params, x * np.nan), "NaN"),
        (lambda: nf.load_run(tmp_path / "nothing"), "nothing"),
    ):
        with pytest.raises(nf.InputError) as caught:
            call()
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)


def test_weights_can_be_followed_while_a_network_learns():
    network = network_for(BP, SIZES)
    seen = []

    def follow(p):
        assert not p.params["layers.0.W"].flags.writeable
        seen.append((p.epoch, p.params["layers.0.W"].copy()))

    run = nf.train(network, BP, data_for(network, 30), training=protocol(epochs=2), progress=follow)
    assert seen[0][0] == 0
    np.testing.assert_array_equal(seen[0][1], nf.lower(network, BP, precision="float64").params["layers.0.W"])
    assert seen[-1][0] == 2
    np.testing.assert_array_equal(seen[-1][1], run.params["layers.0.W"])
    assert np.abs(seen[-1][1] - seen[0][1]).max() > 0


def test_what_is_printed_of_results_is_a_line():
    network = nf.Network.dense((4, 3, 2))
    rng = np.random.default_rng(0)
    data = nf.Data(rng.random((9, 4)), rng.integers(2, size=9), rng.random((9, 4)), rng.integers(2, size=9))
    run = nf.train(network, DFA, data, epochs=2, training=nf.Training(batch_size=3, report_last=2))
    seen = nf.observe(network, DFA, run.params, data.x_test, data.y_test, record=nf.Record("v", "layers.0"))
    for thing, start in (
        (run, "Run(dfa in rate mode, seed 0: test error "), (nf.lower(network, DFA), "Plan(4-3-2, error/direct, "),
        (seen, "Recording(360 ms: "), (seen.traces["v", "layers.0"], "Trace(360 ticks, 3 units)"),
    ):  # fmt: skip
        assert repr(thing).startswith(start)
        assert len(repr(thing)) < 200
    assert "mean of last 2 epochs of 2" in repr(run)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: nf.Network.dense(64, 100), "sizes is 64"),
        (lambda: nf.Training(learning_rate="1e-3"), "training learning_rate is '1e-3'"),
        (lambda: nf.Spiking(neuron=7), "spiking neuron is 7"),
        (lambda: nf.Spiking(neuron="alif"), "neuron model 'alif'"),
        (lambda: nf.Hardware("m", weights=8), "hardware weights is 8"),
        (lambda: nf.Population("x", 3, "lif"), "population 'x' neuron is 'lif'"),
        (
            lambda: nf.train(nf.load_model("digits"), DFA, nf.load_data("digits"), training={"epochs": 1}),
            "training is {",
        ),
        (lambda: nf.train(nf.load_model("digits"), DFA, nf.load_data("digits"), spiking={}), "spiking is {}"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_one_line(make, part):
    with pytest.raises(nf.InputError) as caught:
        make()
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_will_do_for_the_parts_of_spiking_mode():
    spiking = nf.Spiking(neuron="lif", encoder="poisson", post="surrogate", output_neuron="if")
    assert spiking == nf.Spiking(
        neuron=nf.Neuron("lif"), encoder=nf.Encoder("poisson"), post=nf.PostFactor("surrogate"),
        output_neuron=nf.Neuron("if"),
    )  # fmt: skip
    assert nf.hardware.Levels(-8, 7).bits == 4


def test_one_sample_needs_no_axis():
    network = nf.Network.dense((4, 3, 2))
    params, x = nf.lower(network, DFA).params, np.arange(4.0)
    one, many = nf.updates(network, DFA, params, x, 1), nf.updates(network, DFA, params, x[np.newaxis], np.array([1]))
    np.testing.assert_array_equal(one["layers.0.dW"], many["layers.0.dW"])


FEEDBACK_LEVELS = nf.Hardware(
    "mine", weights=nf.hardware.Levels(-8, 7, rounding="stochastic"), feedback=nf.hardware.Levels(-8, 7)
)
RENEWED = {
    "stale": (nf.Rule("error", "sequential", nf.Feedback("pseudoinverse", every=3), name="p3"), None),
    "on levels": (PRESETS["pseudo_bp"], FEEDBACK_LEVELS),
    **{
        f"{magnitude}, {route}": (
            nf.Rule("error", route, nf.Feedback("sign_transpose", magnitude=magnitude), name="own"), FEEDBACK_LEVELS
        )
        for magnitude in ("fixed_random", "batchwise_random", "scaled") for route in ("sequential", "direct")
    },
    "transpose through two layers": (
        nf.Rule("error", "direct", "transpose", name="own"), FEEDBACK_LEVELS
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RENEWED)
def test_feedback_that_is_renewed_or_stored_begins_where_a_run_ended(case, tmp_path):
    rule, hardware = RENEWED[case]
    network = nf.Network.dense((10, 9, 8, 4))
    how = {"hardware": hardware, "training": protocol(epochs=2, batch_size=8), "probe_every": 0}
    run = nf.train(network, rule, data_for(network, 40), seed=1, out=tmp_path, **how)
    again = nf.train(network, rule, data_for(network, 40), params=run.params, epochs=0, **how)
    source = of_checkpoint(tmp_path / "checkpoint.safetensors", *load_checkpoint(tmp_path / "checkpoint.safetensors"))
    for key, value in run.params.items():
        np.testing.assert_array_equal(source.plan.params[key], value, err_msg=key)
        np.testing.assert_array_equal(again.params[key], value, err_msg=key)


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_a_run_of_no_epochs_comes_back_with_its_error(mode, tmp_path):
    network, data = nf.Network.dense((4, 3, 2)), nf.Data(*(np.eye(4)[:, :4], np.arange(4) % 2) * 2)
    run = nf.train(network, DFA, data, mode, training=training_of(mode, batch_size=1), epochs=0, out=tmp_path)
    assert run.test_error == nf.load_run(tmp_path).test_error
    assert np.isfinite(run.test_error)


@pytest.mark.parametrize("encoder", ["regular", "poisson"])
def test_predictions_of_spiking_mode_are_those_that_are_evaluated(encoder):
    network = nf.Network.dense((6, 20, 3), output="identity", loss="mse", bias=False)
    rng = np.random.default_rng(0)
    x, y = rng.random((700, 6)), rng.integers(3, size=700)
    params, spiking = nf.lower(network, DFA, 2).params, nf.Spiking(encoder=nf.Encoder(encoder), sample_ms=300.0)
    out = nf.predict(network, DFA, params, x, "spiking", 5, spiking=spiking)
    assert out.shape == (700, 3)
    assert out.min() >= 0
    best = np.sort(out, 1)
    clear = best[:, -1] > best[:, -2]
    assert clear.mean() > 0.2
    score = nf.evaluate(network, DFA, params, x, y, "spiking", 5, spiking=spiking)
    assert score.loss == pytest.approx(0.5 * ((out - np.eye(3)[y]) ** 2).sum(1).mean(), rel=1e-6)
    wrong = out.argmax(1) != y
    assert wrong[clear].sum() <= 700 * score.error <= wrong[clear].sum() + (~clear).sum()


def test_messages_name_what_was_given():
    network = nf.Network.dense((4, 3, 2))
    params, x = nf.lower(network, DFA).params, np.ones((2, 4))
    for call, message in (
        (lambda: nf.predict(network, DFA, params, np.zeros((0, 4))), r"^x has no samples"),
        (lambda: nf.predict(network, DFA, params, x * np.inf), r"^x has 8 NaN or infinite"),
        (lambda: nf.evaluate(network, DFA, params, x, [0, 7]), r"^y has label 7"),
        (lambda: nf.evaluate(network, DFA, params, x[:, :3], [0, 1]), "3 columns"),
    ):
        with pytest.raises(nf.InputError, match=message):
            call()


@pytest.mark.parametrize("case", ["on levels", "scaled, direct", "transpose through two layers"])
def test_feedback_follows_weights_that_are_put_on_levels(case):
    """B that a run in full precision left is that of W as it was, and not of W on a chip."""
    rule, _ = RENEWED[case]
    network, weights = nf.Network.dense((10, 9, 8, 4)), nf.Hardware("mine", weights=nf.hardware.Levels(-8, 7))
    how = {"training": protocol(epochs=2, batch_size=8), "probe_every": 0}
    full = nf.train(network, rule, data_for(network, 40), seed=1, **how)
    for options in ({"params": full.params}, {"params": nf.rules.without_feedback(full.params)}):
        stored = nf.train(network, rule, data_for(network, 40), hardware=weights, epochs=0, **options, **how)
        for route in nf.lower(network, rule, params=stored.params).feedback:
            B = nf.rules.derive(rule.feedback_source, stored.params, route.source, route.layer, route.basis)
            np.testing.assert_allclose(stored.params[f"layers.{route.layer}.B"], B, rtol=1e-5, atol=1e-7)


DEEP = nf.Network.dense((9, 8, 7, 6, 3))
FROM_W = ("bp", "sign_fa", "pseudo_bp", "initial_transpose")
OF_ROUTES = {
    **{name: PRESETS[name] for name in ("bp", "sign_fa", "pseudo_bp", "fa", "dfa", "drtp", "matching", "np_dfa")},
    "initial_transpose": nf.Rule("error", "direct", "initial_transpose", name="initial_transpose"),
}


@pytest.mark.parametrize("other", ["dfa", "fa"])
@pytest.mark.parametrize("name", OF_ROUTES)
def test_parameters_of_a_run_on_another_route_begin_a_run(name, other):
    """Its B's are as if they had not been given, on a chip's levels too; those of the same route are used."""
    rule, data = OF_ROUTES[name], data_for(DEEP, 30)
    how = {"training": protocol(epochs=1), "seed": 4}
    params = nf.train(DEEP, PRESETS[other], data, seed=3, training=protocol(epochs=1)).params
    if PRESETS[other].route == rule.route:
        if name not in FROM_W:
            given = nf.lower(DEEP, rule, 4, params=params, precision="float64").params
            np.testing.assert_array_equal(given["layers.1.B"], params["layers.1.B"])
        return
    bare = nf.rules.without_feedback(params)
    for hardware in (None,) if name == "np_dfa" else (None, FEEDBACK_LEVELS):
        given, without = (nf.train(DEEP, rule, data, params=p, hardware=hardware, **how).params for p in (params, bare))
        for key, value in without.items():
            np.testing.assert_array_equal(given[key], value, err_msg=key)


def test_single_updates_and_observations_leave_the_feedback_of_another_route_aside():
    params = nf.lower(DEEP, DFA, 2).params
    bare = nf.rules.without_feedback(params)
    x, y = np.random.default_rng(0).random((4, 9)), np.array([0, 1, 2, 1])
    for rule in (BP, PRESETS["pseudo_bp"], PRESETS["shallow"]):
        given, without = (nf.updates(DEEP, rule, p, x, y) for p in (params, bare))
        np.testing.assert_array_equal(given["layers.0.dW"], without["layers.0.dW"])
    with pytest.raises(nf.InputError, match=r"give layers\.0\.B with shape \(7, 8\)"):
        nf.updates(DEEP, PRESETS["fa"], params, x, y)  # a pure function draws nothing
    for rule in (PRESETS["fa"], PRESETS["sign_fa"]):
        given, without = (nf.observe(DEEP, rule, p, x, y).errors["layers.2"] for p in (params, bare))
        for seen, expected in zip(given, without, strict=True):
            np.testing.assert_array_equal(seen, expected)


def test_feedback_with_the_shape_of_no_route_is_refused():
    params = nf.lower(DEEP, DFA, 2).params
    for rule in (BP, DFA, PRESETS["fa"]):
        with pytest.raises(nf.InputError, match=r"layers\.0\.B has shape \(5, 8\); the network needs"):
            nf.lower(DEEP, rule, params=nf.rules.without_feedback(params) | {"layers.0.B": np.zeros((5, 8))})
    with pytest.raises(nf.InputError, match=r"layers\.0\.B is not an array of numbers"):
        nf.lower(DEEP, DFA, params=params | {"layers.0.B": [[1.0], [2.0, 3.0]]})
