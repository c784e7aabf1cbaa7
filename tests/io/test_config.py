"""Models from TOML files: what a file may say, every way in which it can be wrong, and hashes of descriptions."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from neurofa.io.config import bundled_models, dump_model, load_model, models_folder, spec_hash
from neurofa.rules import PRESETS
from neurofa.spec import Init, InputError, Layer, Model, Network, Optimiser, Perturbation, Schedule, Training

SMALL = """
[network]
sizes = [4, 3, 2]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def message(folder: Path, text: str) -> str:
    """The one line that a file is refused with, without the file's name."""
    path = write(folder, text)
    with pytest.raises(InputError) as caught:
        load_model(path)
    line = str(caught.value)
    assert "\n" not in line
    assert "pydantic" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


# ---- how a file is read


def test_shorthand_and_explicit_layers_agree(tmp_path):
    short = load_model(write(tmp_path, SMALL + 'hidden = "relu"\n[network.layer]\ndropout = 0.1\n'))
    text = """
    [network]
    inputs = 4
    [network.layer]
    dropout = 0.1
    [[network.layers]]
    units = 3
    activation = "relu"
    [[network.layers]]
    units = 2
    activation = "sigmoid"
    """
    assert load_model(write(tmp_path, text)) == short
    assert load_model(write(tmp_path, text + "dropout = 0.2\n")).network.layers[1].dropout == 0.2


def test_output_layer_overrides_the_layer_defaults(tmp_path):
    text = SMALL + '[network.layer]\ninit = "he_normal"\nbias = false\n[network.output_layer]\ninit = "zeros"\n'
    network = load_model(write(tmp_path, text)).network
    assert [layer.init for layer in network.layers] == [Init("he_normal"), Init("zeros")]
    assert not any(layer.bias for layer in network.layers)


def test_defaults_are_those_of_the_spec(tmp_path):
    model = load_model(write(tmp_path, SMALL))
    assert model == Model(Network.dense((4, 3, 2)))
    assert model.rules == {}


def test_rule_settings_are_laid_over_the_base(tmp_path):
    text = (
        SMALL
        + """
    [training]
    epochs = 7
    optimiser = { kind = "sgd", weight_decay = 0.1 }
    schedule = { kind = "step", every = 2 }
    [rules.mine.network]
    hidden = "relu"
    layer = { slope = 0.5 }
    layers = [{}, { init = { kind = "uniform", low = 0, high = 1 } }]
    [rules.mine.training]
    learning_rate = [1, 0.5]
    optimiser = { weight_decay = 0.2 }
    [rules.mine.perturbation]
    noise_std = 0.5
    [rules.other.training]
    optimiser = "adam"
    [rules.untouched]
    """
    )
    model = load_model(write(tmp_path, text))
    own = model.rules["mine"]
    assert own.network == Network(
        4, (Layer(3, "relu", slope=0.5), Layer(2, "sigmoid", slope=0.5, init=Init("uniform", low=0.0, high=1.0)))
    )
    assert own.training == replace(
        model.training, learning_rate=(1.0, 0.5), optimiser=Optimiser("sgd", weight_decay=0.2)
    )
    assert own.perturbation == Perturbation(noise_std=0.5)
    assert model.rules["other"].training == replace(model.training, optimiser=Optimiser("adam"))
    assert (own.training.epochs, own.training.schedule) == (7, Schedule("step", every=2))
    untouched = model.rules["untouched"]
    assert (untouched.network, untouched.training, untouched.perturbation) == (None, None, None)


def test_a_name_and_its_path_give_the_same_model():
    assert load_model("digits") == load_model(models_folder() / "digits.toml") == load_model("digits.toml")


def test_a_folder_does_not_hide_a_bundled_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert load_model("digits").network.sizes == (64, 200, 200, 10)


# ---- what is refused

UNKNOWN = "unknown key (did you mean"
REFUSED = {
    "top": ('titel = "x"\n' + SMALL, f"titel: {UNKNOWN} 'title'?); allowed: title, source, network, training"),
    "network": ("[network]\nsize = [3, 2]\n", f"network.size: {UNKNOWN} 'sizes'?); allowed: sizes, hidden"),
    "layer": (SMALL + "layer = { dropot = 0.1 }\n", f"network.layer.dropot: {UNKNOWN} 'dropout'?); allowed: slope, "),
    "widths": (SMALL + "layer = { units = 3 }\n", "network.layer.units: unknown key"),
    "init": (
        SMALL + "layer = { init = { knd = 1 } }\n",
        f"network.layer.init.knd: {UNKNOWN} 'kind'?); allowed: kind, low",
    ),
    "explicit": (
        "[network]\ninputs = 4\n[[network.layers]]\nunits = 2\nslop = 1.0\n",
        f"network.layers[0].slop: {UNKNOWN} 'slope'?)",
    ),
    "training": (
        SMALL + "[training]\nepoch = 3\n",
        f"training.epoch: {UNKNOWN} 'epochs'?); allowed: epochs, batch_size",
    ),
    "optimiser": (
        SMALL + '[training]\noptimiser = { kind = "sgd", weight_dcay = 1.0 }\n',
        f"training.optimiser.weight_dcay: {UNKNOWN} 'weight_decay'?); allowed: kind, momentum",
    ),
    "data": (SMALL + '[data]\nnmae = "mnist"\n', f"data.nmae: {UNKNOWN} 'name'?); allowed: name, classes"),
    "rule": (SMALL + "[rules.fa.trainin]\n", f"rules.fa.trainin: {UNKNOWN} 'training'?); allowed: network, training"),
    "rule training": (SMALL + "[rules.fa.training]\nepoch = 3\n", f"rules.fa.training.epoch: {UNKNOWN} 'epochs'?)"),
    "rule widths": (SMALL + "[rules.fa.network]\nsizes = [3, 2]\n", "rules.fa.network.sizes: unknown key"),
    "rule layer": (
        SMALL + "[rules.fa.network.layer]\nslop = 1.0\n",
        f"rules.fa.network.layer.slop: {UNKNOWN} 'slope'?)",
    ),
    "noise": (SMALL + "[rules.np_fa.perturbation]\nnoise = 1.0\n", f"rules.np_fa.perturbation.noise: {UNKNOWN}"),
    "text for a number": (
        SMALL + '[training]\nlearning_rate = "fast"\n',
        'training.learning_rate: must be a number or a list, not "fast"',
    ),
    "text in a list": (
        SMALL + '[training]\nlearning_rate = [1.0, "fast"]\n',
        'training.learning_rate[1]: must be a number, not "fast"',
    ),
    "bool for an int": (SMALL + "[training]\nepochs = true\n", "training.epochs: must be a whole number, not true"),
    "bool for a width": (
        "[network]\nsizes = [true, 2]\n",
        "network.sizes: must be a list of at least two whole numbers",
    ),
    "number for a bool": (SMALL + "layer = { bias = 1 }\n", "network.layer.bias: must be true or false, not 1"),
    "fraction": (SMALL + "[training]\nepochs = 1.5\n", "training.epochs: must be a whole number, not 1.5"),
    "text for a list": (SMALL + '[data]\naugment = "flip"\n', 'data.augment: must be a list, not "flip"'),
    "number for text": (SMALL + "[data]\nname = 3\n", "data.name: must be a string, not 3"),
    "number for a table": (SMALL + "[training]\nschedule = 3\n", "training.schedule: must be a table, not 3"),
    "number for an init": (SMALL + "layer = { init = 3 }\n", "network.layer.init: must be a table or a string, not 3"),
    "number for a title": ("title = 3\n" + SMALL, "title: must be a string, not 3"),
    "number for a rule": (SMALL + "[rules]\nfa = 3\n", "rules.fa: must be a table, not 3"),
    "number for the network": ("network = 3\n", "network: must be a table, not 3"),
    "list for a layer": (SMALL + "layer = [1]\n", "network.layer: must be a table, not [1]"),
    "date": (SMALL + "[training]\nepochs = 1979-05-27\n", 'training.epochs: must be a whole number, not "1979-05-27"'),
    "pair": (SMALL + 'loss = "mse"\ntargets = [1.0]\n', "network.targets: has the wrong number of values: [1.0]"),
    "triple": (
        SMALL + 'loss = "mse"\ntargets = [0, 1, 2]\n',
        "network.targets: has the wrong number of values: [0, 1, 2]",
    ),
    "range": (SMALL + "[training]\nbatch_size = -1\n", "training.batch_size: training batch_size is -1; use 1 or more"),
    "range in a layer": (
        SMALL + "layer = { dropout = 1.0 }\n",
        "network.layer.dropout: layer dropout is 1.0; it must be",
    ),
    "not a number": (
        SMALL + "[training]\nlearning_rate = nan\n",
        "training.learning_rate: training learning_rate is nan",
    ),
    "choice": (
        SMALL + '[training]\noptimiser = "adm"\n',
        "training.optimiser: optimiser 'adm' is unknown (did you mean 'adam'",
    ),
    "activation": (SMALL + 'hidden = "tan"\n', "network.hidden: activation 'tan' is unknown (did you mean 'tanh'?)"),
    "loss and output": (SMALL + 'loss = "cce"\n', "network.loss: loss 'cce' needs a softmax output, not 'sigmoid'"),
    "rule loss": (
        SMALL + '[rules.fa.network]\nloss = "cce"\n',
        "rules.fa.network.loss: loss 'cce' needs a softmax output",
    ),
    "bounds": (SMALL + 'layer = { init = "uniform" }\n', "network.layer.init: init 'uniform' needs finite bounds"),
    "no network": ('title = "x"\n', "network: is missing; give a table [network] with sizes"),
    "no sizes": ('[network]\nhidden = "tanh"\n', "network.sizes: is missing; give widths"),
    "no layers": (
        "[network]\ninputs = 4\n",
        "network.layers: is missing; it must be a list of [[network.layers]] tables",
    ),
    "no inputs": (
        "[network]\n[[network.layers]]\nunits = 2\n",
        "network.inputs: is missing; it must be a whole number",
    ),
    "no units": ("[network]\ninputs = 4\n[[network.layers]]\nbias = false\n", "network.layers[0].units: is missing"),
    "no kind": (SMALL + "layer = { init = { low = 1.0 } }\n", "network.layer.init.kind: is missing"),
    "both ways": (
        SMALL + "inputs = 4\n",
        "network.sizes: cannot stand beside inputs; give either sizes, hidden and output",
    ),
    "one width": ("[network]\nsizes = [4]\n", "network.sizes: must be a list of at least two whole numbers"),
    "rates": (
        SMALL + "[training]\nlearning_rate = [1.0, 2.0, 3.0]\n",
        "training.learning_rate: training learning_rate has 3 values for 2",
    ),
    "rule rates": (
        SMALL + "[rules.fa.training]\nlearning_rate = [1.0]\n",
        "rules.fa.training.learning_rate: training learning_rate has 1",
    ),
    "rule layers": (
        SMALL + "[rules.fa.network]\nlayers = [{}]\n",
        "rules.fa.network.layers: must be a list of 2 tables",
    ),
    "syntax": ("[network]\nsizes = = 3\n", "not valid TOML: Invalid value (at line 2, column 9)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    text, expected = REFUSED[case]
    assert message(tmp_path, text).startswith(expected)


def test_all_allowed_keys_are_named(tmp_path):
    line = message(tmp_path, SMALL + "[training]\nlr = 3\n")
    assert line.endswith("allowed: " + ", ".join(field.name for field in fields(Training)))


def test_a_missing_file_is_answered_by_near_names_and_where_all_are_listed():
    with pytest.raises(InputError, match=r"did you mean the bundled .*'frenkel_2021_mnist_fc1_500'"):
        load_model("frenkel_mnist_fc1_500")
    with pytest.raises(InputError, match=r"models/digit\.toml: no such file .* did you mean the bundled 'digits'\?"):
        load_model("models/digit.toml")
    with pytest.raises(InputError, match=r"no bundled model of that name; see `neurofa models`$"):
        load_model("zzz")


@pytest.mark.parametrize("path", ["", "\0", "x" * 5000, 3, None])
def test_what_cannot_be_a_path(path):
    with pytest.raises(InputError):
        load_model(path)


def test_folder_and_unreadable_files(tmp_path):
    with pytest.raises(InputError, match="is a folder; give a model's TOML file"):
        load_model(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        load_model(binary)


# ---- names for descriptions


def test_hash_is_stable_and_sensitive():
    model = load_model("digits")
    assert spec_hash(model) == spec_hash(load_model("digits"))
    assert re.fullmatch("[0-9a-f]{64}", spec_hash(model))
    output = replace(model.network.layers[-1], bias=False)
    changed = [
        replace(model, title="other"),
        replace(model, training=replace(model.training, epochs=31)),
        replace(model, data=replace(model.data, label_noise=0.1)),
        replace(model, network=replace(model.network, layers=(*model.network.layers[:-1], output))),
        replace(model, rules={}),
    ]
    hashes = {spec_hash(model), *map(spec_hash, changed)}
    assert len(hashes) == len(changed) + 1
    assert len({spec_hash(load_model(name)) for name in bundled_models()}) == len(bundled_models())
    assert spec_hash(model, 0) != spec_hash(model, 1) != spec_hash(model)
    assert spec_hash(PRESETS["fa"]) != spec_hash(PRESETS["dfa"])


def test_hash_value_does_not_drift():
    assert spec_hash({"b": (1, 2.5), "a": None}) == spec_hash({"a": None, "b": [1, 2.5]})
    assert spec_hash() == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


def test_dump_holds_every_field_and_reads_back():
    text = dump_model(load_model("lechner_2020_cifar100_binary_relu"))
    assert text == dump_model(load_model("lechner_2020_cifar100_binary_relu"))
    assert TypeAdapter(Model).validate_json(text) == load_model("lechner_2020_cifar100_binary_relu")
    for cls in (Model, Network, Layer, Init, Training):
        for field in fields(cls):
            assert f'"{field.name}":' in text
    assert " " not in text.replace("two classes of CIFAR-100, ", "").split('"source"')[0]


def test_hash_refuses_what_is_no_description():
    with pytest.raises(TypeError, match="object is no part of a description"):
        spec_hash(object())
