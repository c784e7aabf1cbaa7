"""How parameters are drawn, and which combinations are refused."""

import math

import numpy as np
import pytest
from support import network_for

from neurofa.rules import (
    ADAFA,
    BP,
    DFA,
    DRTP,
    FA,
    MATCHING,
    MDFA,
    NP_DFA,
    NP_FA,
    PRESETS,
    PSEUDO_BP,
    SIGN_FA,
    draw,
    lower,
    named,
)  # fmt: skip
from neurofa.spec import Feedback, Init, InputError, Layer, Network, Perturbation, Rule
from neurofa.spec.network import INITS
from neurofa.spec.seeds import streams

FAN_IN, FAN_OUT, SHAPE = 30, 50, (400, 500)
HE, XAVIER = 6 / FAN_IN, 6 / (FAN_IN + FAN_OUT)
UNIFORM = {  # bounds
    "he_uniform": (Init("he_uniform"), -math.sqrt(HE), math.sqrt(HE)),
    "xavier_uniform": (Init("xavier_uniform"), -math.sqrt(XAVIER), math.sqrt(XAVIER)),
    "scaled_uniform": (Init("scaled_uniform"), -1 / math.sqrt(FAN_IN), 1 / math.sqrt(FAN_IN)),
    "uniform": (Init("uniform", low=-0.2, high=0.7), -0.2, 0.7),
}
NORMAL = {  # standard deviation
    "he_normal": (Init("he_normal"), math.sqrt(2 / FAN_IN)),
    "xavier_normal": (Init("xavier_normal"), math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "normal": (Init("normal", std=0.3), 0.3),
}


def drawn(init, seed=1):
    return draw(init, SHAPE, FAN_IN, FAN_OUT, np.random.default_rng(seed))


def test_every_kind_is_tested():
    assert {*UNIFORM, *NORMAL, "zeros", "abs_normal"} == set(INITS)


@pytest.mark.parametrize("kind", UNIFORM)
def test_uniform_kinds(kind):
    init, low, high = UNIFORM[kind]
    values, n = drawn(init), SHAPE[0] * SHAPE[1]
    width = high - low
    assert values.shape == SHAPE
    assert values.dtype == np.float64
    assert low <= values.min() < low + 20 * width / n
    assert high - 20 * width / n < values.max() <= high
    assert values.mean() == pytest.approx((low + high) / 2, abs=5 * width / math.sqrt(12 * n))
    assert values.var() == pytest.approx(width**2 / 12, rel=0.02)


@pytest.mark.parametrize("kind", NORMAL)
def test_normal_kinds(kind):
    init, std = NORMAL[kind]
    values, n = drawn(init), SHAPE[0] * SHAPE[1]
    assert values.mean() == pytest.approx(0, abs=5 * std / math.sqrt(n))
    assert values.std() == pytest.approx(std, rel=0.01)
    assert np.mean(((values - values.mean()) / values.std()) ** 4) == pytest.approx(3, rel=0.03)


def test_absolute_normal():
    values = drawn(Init("abs_normal", std=0.4))
    assert values.min() >= 0
    assert values.mean() == pytest.approx(0.4 * math.sqrt(2 / math.pi), rel=0.01)
    assert np.mean(values**2) == pytest.approx(0.16, rel=0.02)


def test_zeros_leave_the_stream_alone():
    rng = np.random.default_rng(1)
    assert not draw("zeros", SHAPE, FAN_IN, FAN_OUT, rng).any()
    assert rng.random() == np.random.default_rng(1).random()


@pytest.mark.parametrize("kind", sorted({*UNIFORM, *NORMAL}))
def test_seeds_decide(kind):
    init = {**UNIFORM, **NORMAL}[kind][0]
    np.testing.assert_array_equal(drawn(init, 1), drawn(init, 1))
    assert (drawn(init, 1) != drawn(init, 2)).mean() > 0.99


def test_parameters_use_the_fans_of_their_matrix():
    layers = (
        Layer(200, init="xavier_uniform", bias_init="he_uniform", feedback_init="he_uniform"),
        Layer(300, init="scaled_uniform", bias_init="scaled_uniform", feedback_init="xavier_uniform"),
        Layer(40, "sigmoid", init="he_uniform", bias_init="zeros"),
    )
    network = Network(100, layers)
    sequential, direct = (lower(network, rule, precision="float64").params for rule in (FA, DFA))
    bounds = {
        "layers.0.W": math.sqrt(6 / (100 + 200)),
        "layers.0.b": math.sqrt(6 / 100),
        "layers.1.W": 1 / math.sqrt(200),
        "layers.1.b": 1 / math.sqrt(200),
        "layers.2.W": math.sqrt(6 / 300),
        "layers.0.B": math.sqrt(6 / 200),  # the width of the layer it feeds
        "layers.1.B": math.sqrt(6 / (300 + 40)),
    }
    for key, bound in bounds.items():
        assert 0.95 * bound < np.abs(sequential[key]).max() <= bound, key
    assert not sequential["layers.2.b"].any()
    assert sequential["layers.0.B"].shape == (300, 200)
    assert direct["layers.0.B"].shape == (40, 200)
    assert np.abs(direct["layers.0.B"]).max() <= math.sqrt(6 / 200)


def test_one_seed_gives_every_rule_the_same_weights():
    network = network_for(MDFA, (6, 7, 5, 3))  # one that the constraint leaves as drawn, but for a minimum
    plans = {name: lower(network, rule, 3, precision="float64").params for name, rule in PRESETS.items()}
    reference = plans.pop("mdfa")
    assert plans
    for name, params in plans.items():
        for key in (key for key in reference if not key.endswith(".B")):
            np.testing.assert_allclose(params[key], reference[key], rtol=0, atol=1.1e-6, err_msg=f"{name} {key}")
            np.testing.assert_array_equal(params[key], plans["bp"][key])
    other = lower(network, BP, 4, precision="float64").params
    assert np.abs(other["layers.0.W"] - reference["layers.0.W"]).max() > 0.1


def test_precisions_hold_the_same_numbers():
    network = network_for(FA, (6, 7, 5, 3))
    single, double = (lower(network, FA, 3, precision=p).params for p in ("float32", "float64"))
    for key, value in double.items():
        assert single[key].dtype == np.float32
        np.testing.assert_array_equal(single[key], value.astype(np.float32))


def test_initial_feedback_of_each_source():
    network = network_for(BP, (6, 7, 5, 3))
    plans = {name: lower(network, PRESETS[name], 3, precision="float64").params for name in PRESETS if name != "mdfa"}
    W1, W2 = plans["bp"]["layers.1.W"], plans["bp"]["layers.2.W"]
    for name in (BP.name, ADAFA.name):
        np.testing.assert_array_equal(plans[name]["layers.0.B"], W1.T)
        np.testing.assert_array_equal(plans[name]["layers.1.B"], W2.T)
    np.testing.assert_allclose(plans[SIGN_FA.name]["layers.0.B"], math.sqrt(2 / 12) * np.sign(W1.T))
    np.testing.assert_allclose(plans[PSEUDO_BP.name]["layers.0.B"] @ W1, np.eye(5), atol=1e-12)
    for name in (FA.name, MATCHING.name, NP_FA.name):
        assert plans[name]["layers.0.B"].shape == (5, 7)
    for name in (DFA.name, DRTP.name, NP_DFA.name):
        assert plans[name]["layers.0.B"].shape == (3, 7)
    for name in ("shallow", "node_perturbation"):
        assert not any(key.endswith(".B") for key in plans[name])
    positive = network_for(MDFA, (6, 7, 5, 3))
    assert lower(positive, MDFA, 3).params["layers.0.B"].min() >= 0
    ridge = Rule("error", "direct", "perturbation", perturbation=Perturbation(estimator="ridge"))
    assert not lower(network, ridge, 3).params["layers.0.B"].any()


def test_constraint_holds_from_the_beginning():
    network = Network.dense((6, 5, 3), init="zeros")
    params = lower(network, MDFA, precision="float64").params
    assert params["layers.1.W"].min() == 1e-6
    assert not params["layers.0.W"].any()


NONSENSE = {
    "loss change through a matrix": (
        lambda: Rule("loss_change", "broadcast", "random", name="mine"), "mine.*loss change.*feedback='none'"
    ),
    "loss change on a vector's route": (
        lambda: Rule("loss_change", "direct", "none", name="mine"), "mine.*route='broadcast'"
    ),
    "error without feedback": (lambda: Rule("error", "direct", "none", name="mine"), "mine.*feedback"),
    "error on a broadcast": (lambda: Rule("error", "broadcast", "none", name="mine"), "mine.*'sequential' or 'direct'"),
    "no signal with feedback": (lambda: Rule("none", "none", "random", name="mine"), "mine.*feedback='none'"),
    "no signal with a route": (lambda: Rule("none", "direct", "none", name="mine"), "mine.*route='none'"),
    "matching on a direct route": (
        lambda: Rule("error", "direct", "matching", name="mine"), "mine.*route='sequential'"
    ),
    "learned feedback of a sign": (
        lambda: Rule("error_sign", "direct", "perturbation", name="mine"), "mine.*signal='error'"
    ),
    "noise that nothing uses": (
        lambda: Rule("error", "direct", "random", perturbation=Perturbation(), name="mine"), "mine.*perturbation"
    ),
    "constraint with feedback of both signs": (
        lambda: Rule("error", "direct", "random", "monotone", name="mine"), "mine.*random_nonnegative"
    ),
    "unknown signal": (lambda: Rule("eror", "direct", "random"), "'eror'.*did you mean 'error'"),
    "unknown route": (lambda: Rule("error", "dirct", "random"), "'dirct'.*did you mean 'direct'"),
    "unknown feedback": (lambda: Rule("error", "direct", "randm"), "'randm'.*did you mean 'random'"),
    "unknown constraint": (lambda: Rule("error", "direct", "random", "monoton"), "'monoton'.*did you mean 'monotone'"),
    "unknown preset": (lambda: named("drtpp"), "'drtpp'.*did you mean 'drtp'"),
    "magnitude without a sign": (lambda: Feedback("random", magnitude="unit"), "magnitude.*sign_transpose"),
    "interval without a pseudoinverse": (lambda: Feedback("random", every=2), "every.*pseudoinverse"),
    "interval of zero": (lambda: Feedback("pseudoinverse", every=0), "every.*at least 1"),
    "noise of zero": (lambda: Perturbation(noise_std=0.0), "noise_std.*positive"),
    "target of a regression": (
        lambda: lower(Network.dense((3, 4, 2), "tanh", "tanh", "mse", task="regression"), DRTP), "drtp.*regression.*dfa"
    ),
    "target with an unbounded output": (
        lambda: lower(Network.dense((3, 4, 2), "tanh", "identity", "mse"), DRTP), "drtp.*bounded.*'identity'"
    ),
    "target with a rectified output": (
        lambda: lower(Network.dense((3, 4, 2), "tanh", "relu", "mse"), DRTP), "drtp.*bounded.*'relu'"
    ),
    "constraint with a negative initialisation": (
        lambda: lower(Network.dense((3, 4, 2)), MDFA), "mdfa.*layer 1.*scaled_uniform.*abs_normal"
    ),
    "constraint with a negative bound": (
        lambda: lower(Network.dense((3, 4, 2), output_init=Init("uniform", low=-0.1, high=1)), MDFA), "mdfa.*layer 1"
    ),
    "softmax in a hidden layer": (lambda: Network.dense((3, 4, 2), "softmax"), "layer 0.*softmax"),
    "cross-entropy without its sigmoid": (lambda: Network.dense((3, 4, 2), "tanh", "tanh"), "'bce'.*sigmoid"),
    "cross-entropy without its softmax": (lambda: Network.dense((3, 2), "tanh", "sigmoid", "cce"), "'cce'.*softmax"),
    "softmax with another loss": (lambda: Network.dense((3, 4, 2), "tanh", "softmax", "mse"), "softmax.*cce"),
    "cross-entropy of a regression": (lambda: Network.dense((3, 2), task="regression"), "'bce'.*mse"),
    "unknown activation": (lambda: Layer(3, "rely"), "'rely'.*did you mean 'relu'"),
    "unknown loss": (lambda: Network.dense((3, 2), loss="bcee"), "'bcee'.*did you mean 'bce'"),
    "unknown initialiser": (lambda: Init("he_unifrm"), "'he_unifrm'.*did you mean 'he_uniform'"),
    "uniform without bounds": (lambda: Init("uniform"), "uniform.*low=.*high="),
    "normal without a deviation": (lambda: Init("normal"), "normal.*std="),
    "bounds where none are used": (lambda: Init("zeros", low=0.0, high=1.0), "zeros.*low"),
    "no units": (lambda: Layer(0), "units is 0"),
    "no layers": (lambda: Network(3, ()), "layers is empty"),
    "a single size": (lambda: Network.dense((3,)), "sizes"),
    "parameter of no layer": (
        lambda: lower(Network.dense((3, 4, 2)), FA, params={"layers.7.W": np.zeros(1)}), r"layers\.7\.W"
    ),
    "parameter of another shape": (
        lambda: lower(Network.dense((3, 4, 2)), FA, params={"layers.0.W": np.zeros((4, 3))}), r"layers\.0\.W.*\(3, 4\)"
    ),
    "parameter that is not finite": (
        lambda: lower(Network.dense((3, 4, 2)), FA, params={"layers.0.b": np.full(4, np.inf)}), r"layers\.0\.b.*finite"
    ),
    "feedback that follows from W": (
        lambda: lower(Network.dense((3, 4, 2)), BP, params={"layers.0.B": np.zeros((2, 4))}), r"layers\.0\.B.*bp"
    ),
    "negative feedback where it must not be": (
        lambda: lower(
            network_for(MDFA, (3, 4, 2)), MDFA, params={"layers.0.B": np.full((2, 4), -1.0)}
        ), r"layers\.0\.B.*negative"
    ),
    "negative seed": (lambda: lower(Network.dense((3, 4, 2)), FA, -1), "seed is -1"),
}  # fmt: skip


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_in_one_line(case):
    describe, words = NONSENSE[case]
    with pytest.raises(InputError, match=words) as caught:
        describe()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("init", "reach"),
    [
        (Init("normal", std=0.3), 0.9),
        (Init("abs_normal", std=0.4), 1.2),
        ("xavier_normal", 3 * (2 / 30) ** 0.5),
        ("he_normal", 3 * (2 / 20) ** 0.5),
        ("he_uniform", (6 / 20) ** 0.5),
        (Init("uniform", low=-0.7, high=0.2), 0.7),
        ("zeros", 20**-0.5),
    ],
)
def test_levels_reach_a_bound_or_three_standard_deviations(init, reach):
    plan = lower(Network(20, (Layer(10, "tanh", init=init),), "mse"), BP)
    assert plan.projections[0].reach == pytest.approx(reach)


@pytest.mark.parametrize("magnitude", ["fixed_random", "batchwise_random"])
def test_magnitudes_of_sign_feedback_are_those_of_its_initialiser(magnitude):
    rule = Rule("error", "sequential", Feedback("sign_transpose", magnitude=magnitude))
    network = Network(100, (Layer(200, feedback_init="he_uniform"), Layer(40, "sigmoid")))
    B = np.abs(lower(network, rule, 1, precision="float64").params["layers.0.B"])
    bound = (6 / 200) ** 0.5  # of the layer that it feeds: the source's would be 0.39
    assert 0.95 * bound < B.max() <= bound
    assert B.mean() == pytest.approx(bound / 2, rel=0.05)


STREAMS = (
    "weights", "feedback", "shuffle", "dropout", "noise", "subset", "label_noise", "augment", "synthetic", "encoder",
    "rounding",
)  # fmt: skip


def test_streams_of_a_seed_stay_what_they_are():
    """Published rows and checkpoints depend on their order."""
    children = np.random.SeedSequence(7).spawn(len(STREAMS))
    for name, child in zip(STREAMS, children, strict=True):
        assert getattr(streams(7), name).random() == np.random.default_rng(child).random(), name
    W = lower(Network.dense((3, 2)), BP, 7, precision="float64").params["layers.0.W"]
    bound = 3**-0.5
    np.testing.assert_allclose(W, np.random.default_rng(children[0]).uniform(-bound, bound, (3, 2)), rtol=1e-15)
