"""The bundled models against their papers: widths, protocols, and learning rates typed from the papers again."""

import re
from dataclasses import replace

import pytest

from neurofa.io.config import bundled_models, load_model
from neurofa.io.sources import SOURCES
from neurofa.rules import PRESETS, check, lower
from neurofa.spec import Init, Network, Optimiser, Perturbation, Schedule

NAMES = bundled_models()

# Frenkel 2021, Table 3, typed from the paper apart from the files.
TABLE_3 = """
          BP      FA      DFA     sDFA    DRTP    Shallow
mnist_fc1   1.5e-4  5e-4    1.5e-4  5e-4    1.5e-4  1.5e-2
mnist_fc2   5e-4    1.5e-4  5e-4    5e-4    1.5e-4  5e-3
cifar10_fc1 1.5e-5  1.5e-5  1.5e-5  5e-5    1.5e-4  1.5e-4
cifar10_fc2 5e-6    5e-6    5e-6    5e-5    5e-5    5e-4
"""
HEAD, *ROWS = (line.split() for line in TABLE_3.strip().splitlines())
VARIANTS = {"mnist": ("", "_dropout_0.1", "_dropout_0.25"), "cifar10": ("", "_dropout_0.1", "_dropout_0.25", "_flip")}
RATES = [
    (f"frenkel_2021_{row}_{width}{variant}", rule.lower(), float(rate))
    for row, *rates in ROWS
    for width in (500, 1000)
    for variant in VARIANTS[row.split("_")[0]]
    for rule, rate in zip(HEAD, rates, strict=True)
]


def narrow(network: Network) -> Network:
    """The same network with at most 12 neurons a layer: whether it lowers does not depend on its widths."""
    layers = tuple(replace(layer, units=min(layer.units, 12)) for layer in network.layers)
    return replace(network, inputs=min(network.inputs, 12), layers=layers)


def test_the_papers_models_are_there():
    assert sorted(NAMES) == NAMES
    assert "digits" in NAMES
    for author in ("frenkel_2021", "lechner_2020", "lansdell_2020", "lillicrap_2016", "robertson_2024"):
        assert any(name.startswith(author) for name in NAMES)
    assert {name for name, _, _ in RATES} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_bundled_model_is_complete(name):
    model = load_model(name)
    assert model.title
    assert model.source
    assert "-".join(map(str, model.network.sizes)) in model.title or "10x1000" in model.title
    assert model.data.name in SOURCES or model.data.name.endswith(".npz")
    if model.data.name in SOURCES:
        source = SOURCES[model.data.name]
        assert source.features == model.network.inputs
        outputs = model.data.classes or source.outputs
        assert model.network.sizes[-1] == (1 if outputs == 2 else outputs)
        assert source.task == model.network.task
    assert set(model.rules) <= set(PRESETS)


@pytest.mark.parametrize("name", NAMES)
def test_bundled_model_lowers_with_its_rules(name):
    model = load_model(name)
    for rule in {"bp", "fa", "dfa", *model.rules}:
        network, training, own = model.for_rule(PRESETS[rule])
        check(network, own)
        plan = lower(narrow(network), own, precision=training.precision)
        assert len(training.rates(len(network.layers))) == plan.n_layers
        assert plan.perturbation == own.perturbation


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("lechner_2020_imagenet")])
def test_widths_match_the_name(name):
    sizes = load_model(name).network.sizes
    if match := re.search(r"_fc(\d+)_(\d+)", name):
        depth, width = map(int, match.groups())
        assert sizes[1:-1] == (width,) * depth
    elif match := re.search(r"_(\d+(?:_\d+)+)(?:_frozen|_momentum)?$", name):
        assert sizes == tuple(map(int, match.group(1).split("_")))
    elif match := re.search(r"robertson_2024_noisy_mnist_(\d+)$", name):
        assert sizes == (784, int(match.group(1)), 10)
    elif match := re.search(r"lansdell_2020_fixed_weights_(\d+)$", name):
        assert sizes == (784, int(match.group(1)), 50, 10)
    elif match := re.search(r"lechner_2020_cifar100_(\d+)_classes$", name):
        assert sizes == (3072, 1024, 1024, int(match.group(1)))
    else:
        expected = {
            "digits": (64, 200, 200, 10),
            "mnist": (784, 500, 10),
            "mnist_loihi": (784, 400, 10),
            "frenkel_2021_regression": (256, 100, 100, 10),
            "frenkel_2021_classification": (256, 500, 500, 10),
            "lansdell_2020_mnist": (784, 50, 20, 10),
            "lansdell_2020_fixed_weights": (784, 50, 20, 10),
            "lansdell_2020_autoencoder": (784, 200, 2, 200, 784),
            "lechner_2020_mnist": (784, 200, 200, 10),
            "lechner_2020_cifar10": (3072, 1024, 1024, 10),
            "lechner_2020_cifar100_binary_tanh": (3072, 1024, 1024, 1),
            "lechner_2020_cifar100_binary_hard_tanh": (3072, 1024, 1024, 1),
            "lechner_2020_cifar100_binary_relu": (3072, 1024, 1024, 1),
            "lillicrap_2016_autoencoder_narrow": (784, 1000, 500, 10, 500, 1000, 784),
            "lillicrap_2016_autoencoder_wide": (784, 1000, 1000, 1000, 1000, 1000, 784),
        }
        assert sizes == expected[name]


@pytest.mark.parametrize(("name", "rule", "rate"), RATES)
def test_frenkel_learning_rates(name, rule, rate):
    _, training, _ = load_model(name).for_rule(PRESETS[rule])
    assert training.learning_rate == rate


@pytest.mark.parametrize("name", sorted({name for name, _, _ in RATES}))
def test_frenkel_protocol(name):
    model = load_model(name)
    mnist = "mnist" in name
    dropout = float(name.rpartition("dropout_")[2]) if "dropout" in name else 0.0
    for rule in map(str.lower, HEAD):
        network, training, _ = model.for_rule(PRESETS[rule])
        # The authors' direct signals are larger by this factor, which Adam feels through its epsilon alone.
        divided = {"dfa": training.batch_size * 10, "sdfa": training.batch_size * 10, "drtp": training.batch_size}
        n = len(network.layers)
        expected = [1e-8 / divided.get(rule, 1)] * (n - 1) + [1e-8]
        assert training.optimiser.epsilons(n) == pytest.approx(expected, rel=1e-3, abs=0)
        assert replace(training.optimiser, epsilon=1e-8) == Optimiser("adam")
        assert (training.epochs, training.batch_size) == ((100, 60) if mnist else (200, 100))
        assert training.report_last == 10
        assert network.loss == "bce"
        assert [layer.activation for layer in network.layers] == ["tanh"] * (len(network.layers) - 1) + ["sigmoid"]
        for layer in network.layers:
            assert layer.dropout == dropout
            assert (layer.init, layer.bias_init) == (Init("scaled_uniform"), Init("scaled_uniform"))
            assert layer.feedback_init == Init("he_uniform")
    assert (model.data.name, model.data.normalisation) == (("mnist", "none") if mnist else ("cifar10", "channel"))
    assert model.data.augment == (("flip",) if name.endswith("_flip") else ())


def test_frenkel_synthetic_tasks():
    for name, rate in (("regression", 0.125), ("classification", 0.25)):
        model = load_model(f"frenkel_2021_{name}")
        assert (model.training.epochs, model.training.batch_size) == (500, 50)
        assert model.training.learning_rate == 5e-4
        assert model.training.optimiser == Optimiser("nesterov", momentum=0.9)
        assert model.for_rule(PRESETS["dfa"])[1].learning_rate == (rate, rate, 5e-4)
        for rule in ("bp", "shallow", "fa", "dfa", "sdfa"):
            network, _, _ = model.for_rule(PRESETS[rule])
            kind = "scaled_uniform" if rule in ("bp", "shallow") else "zeros"
            assert {layer.init for layer in network.layers} == {Init(kind)}


def test_lansdell_protocol():
    model = load_model("lansdell_2020_mnist")
    network, training, rule = model.for_rule(PRESETS["np_fa"])
    assert [layer.activation for layer in network.layers] == ["sigmoid", "sigmoid", "identity"]
    assert network.loss == "half_sse"
    assert training.batch_size == 32
    assert training.learning_rate == pytest.approx(32 * 0.0004)
    assert rule.perturbation == Perturbation(0.01, "ridge", learning_rate=32 * 0.0005, ridge=0.1)
    autoencoder = load_model("lansdell_2020_autoencoder").network
    assert [layer.activation for layer in autoencoder.layers] == ["tanh", "identity", "tanh", "relu"]
    assert not any(layer.plastic for layer in load_model("lansdell_2020_fixed_weights").network.layers)


def test_lillicrap_protocol():
    model = load_model("lillicrap_2016_mnist_fc3_1500_leaky")
    assert model.network.targets == (-0.9, 0.9)
    assert model.network.layers[0].slope == pytest.approx(1 / 20)
    assert model.training.optimiser == Optimiser("sgd", weight_decay=1e-6)
    assert model.training.schedule == Schedule("plateau", factor=0.1, patience=5)
    assert (model.training.learning_rate, model.training.batch_size) == (0.25, 100)
    assert model.data.normalisation == "centred"
    assert load_model("lillicrap_2016_xor_2_2_1").training.learning_rate == 0.5
    assert load_model("lillicrap_2016_nonlinear_30_40_10").training.learning_rate == 0.05
    frozen = load_model("lillicrap_2016_nonlinear_30_20_10_10_frozen").network
    assert [layer.plastic for layer in frozen.layers] == [False, True, True]


def test_lechner_protocol():
    model = load_model("lechner_2020_cifar100_binary_tanh")
    assert model.training.batch_size == 64
    assert (model.data.classes, model.data.validation) == (2, 0.15)
    for rule, kind in (("bp", "scaled_uniform"), ("fa", "zeros"), ("dfa", "zeros"), ("mdfa", "zeros")):
        assert {layer.init for layer in model.for_rule(PRESETS[rule])[0].layers} == {Init(kind)}
    relu, _, _ = load_model("lechner_2020_cifar100_binary_relu").for_rule(PRESETS["mdfa"])
    assert [Init.of(layer.init).kind for layer in relu.layers] == ["scaled_uniform", "abs_normal", "abs_normal"]


@pytest.mark.parametrize("width", [15, 30, 45, 60, 75, 100, 125, 150, 175, 200])
def test_robertson_protocol(width):
    model = load_model(f"robertson_2024_noisy_mnist_{width}")
    assert (model.training.epochs, model.training.batch_size, model.training.learning_rate) == (6000, 0, 0.05)
    assert model.training.optimiser == Optimiser("momentum", momentum=0.05)
    assert model.training.schedule == Schedule("step", factor=0.1, every=1000)
    assert (model.data.train_samples, model.data.label_noise) == (4000, 0.2)
    assert {layer.init for layer in model.network.layers} == {Init("scaled_uniform")}
    assert (model.data.normalisation, model.training.shuffle) == ("channel", False)
