"""Models from TOML files: what a file may say, every way in which it can be wrong, and hashes of descriptions."""

import json
import math
import re
from dataclasses import astuple, fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from neurofa.io.config import bundled_models, dump_model, load_model, models_folder, spec_hash
from neurofa.rules import PRESETS
from neurofa.spec import (
    Encoder,
    Homeostasis,
    Init,
    InputError,
    Layer,
    Model,
    Network,
    Neuron,
    Optimiser,
    Override,
    Perturbation,
    PostFactor,
    Schedule,
    Spiking,
    Training,
)

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
    assert model.spiking == Spiking()


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
    assert untouched == Override()


def test_a_name_and_its_path_give_the_same_model():
    assert load_model("digits") == load_model(models_folder() / "digits.toml") == load_model("digits.toml")


def test_a_folder_does_not_hide_a_bundled_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert load_model("digits").network.sizes == (64, 200, 200, 10)


# ---- spiking mode

NEURON = {
    "model": "cuba_lif",
    "tau_m_ms": 7.5,
    "tau_syn_ms": 2.5,
    "r": 2.0,
    "v_leak": -65.0,
    "v_threshold": 2.0,
    "v_reset": -1.0,
    "reset": "zero",
    "refractory_ms": 3.0,
    "threshold_step": 0.1,
    "tau_threshold_ms": 50.0,
}
TABLES = {  # of each table the dataclass it starts from, and a value for each field that is not the default
    "": (
        Spiking(),
        {
            "dt_ms": 0.5,
            "sample_ms": 60.0,
            "test_ms": 100.0,
            "delay_ms": (2.0, 3.0),
            "target_activity": (0.1, 0.8),
            "error_threshold": 2.0,
            "hidden_error_threshold": 0.5,
            "tau_mod_ms": 20.0,
            "learning_starts_ms": 5.0,
            "update": "spike",
            "tau_pre_ms": 15.0,
            "reset_state": False,
            "baseline": "clean",
            "baseline_rate": 0.05,
            "transmission": 0.65,
        },
    ),
    "encoder": (Encoder(), {"kind": "poisson", "max_rate_hz": 500.0, "phase": "random"}),
    "neuron": (Neuron(), NEURON),
    "output_neuron": (Neuron(), NEURON),
    "post": (PostFactor(), {"kind": "surrogate", "low": -1.0, "high": 3.5, "tau_ms": 10.0, "slope": 2.0}),
    "homeostasis": (Homeostasis(30.0), {"target_rate_hz": 20.0, "rate": 1e-4, "presentations": 50.0}),
    "training": (
        Spiking().training,
        {
            "epochs": 3,
            "batch_size": 4,
            "learning_rate": (0.2, 0.1),
            "optimiser": Optimiser("sgd", weight_decay=1e-6),
            "schedule": Schedule("step", factor=0.5, milestones=(2, 4)),
            "early_stopping": 2,
            "shuffle": False,
            "report_last": 4,
            "precision": "float64",
        },
    ),
}
FIELDS = [(table, name) for table, (_, values) in TABLES.items() for name in values]
NUMBERS = [
    (table, name)
    for table, name in FIELDS
    if isinstance(TABLES[table][1][name], float | tuple)  # none of the lists holds anything but numbers
]


def toml(value: object) -> str:
    if is_dataclass(value):
        own = {field.name: getattr(value, field.name) for field in fields(value)}
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in own.items() if item is not None) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def spiking_file(table: str, name: str, value: object, above: str = "") -> str:
    """A file that sets one field of spiking mode (and what its table cannot do without)."""
    header = ".".join(filter(None, (above, "spiking", table)))
    needed = "target_rate_hz = 30.0\n" if table == "homeostasis" and name != "target_rate_hz" else ""
    return f"{SMALL}[{header}]\n{needed}{name} = {toml(value)}\n"


def with_field(table: str, name: str, value: object) -> Spiking:
    part = replace(TABLES[table][0], **{name: value})
    return replace(Spiking(), **{table: part}) if table else part


def test_the_fields_below_are_all_there_are():
    for table, (default, values) in TABLES.items():
        nested = set() if table else set(TABLES) - {""}
        assert set(values) | nested == {field.name for field in fields(default)}
        assert all(getattr(default, name) != value for name, value in values.items())


@pytest.mark.parametrize(("table", "name"), FIELDS)
def test_each_field_of_spiking_mode_is_read(table, name, tmp_path):
    value = TABLES[table][1][name]
    expected = with_field(table, name, value)
    assert load_model(write(tmp_path, spiking_file(table, name, value))) == Model(
        Network.dense((4, 3, 2)), spiking=expected
    )
    model = load_model(write(tmp_path, spiking_file(table, name, value, above="rules.fa")))
    assert model.spiking == Spiking()
    assert model.rules == {"fa": Override(spiking=expected)}
    assert model.spiking_for(PRESETS["fa"]) == expected
    assert model.spiking_for(PRESETS["dfa"]) == Spiking()


def test_whole_numbers_stand_for_numbers_in_spiking_mode(tmp_path):
    text = SMALL + "[spiking]\nsample_ms = 60\ndelay_ms = [1, 2]\ntarget_activity = [0, 1]\n"
    spiking = load_model(write(tmp_path, text)).spiking
    assert spiking == Spiking(sample_ms=60.0, delay_ms=(1.0, 2.0))
    assert [type(x) for x in (spiking.sample_ms, *spiking.delay_ms, *spiking.target_activity)] == [float] * 5


def test_spiking_protocol_starts_from_its_own_defaults(tmp_path):
    text = SMALL + "[training]\nepochs = 99\n[spiking.training]\nlearning_rate = 0.5\n"
    training = load_model(write(tmp_path, text)).spiking.training
    assert training == Training(epochs=10, batch_size=1, learning_rate=0.5, optimiser="sgd")
    text += "optimiser = { weight_decay = 1e-6 }\n"
    training = load_model(write(tmp_path, text)).spiking.training
    assert training.optimiser == Optimiser("sgd", weight_decay=1e-6)


def test_rule_settings_are_laid_over_spiking_mode(tmp_path):
    text = """
    [spiking]
    sample_ms = 60
    tau_mod_ms = 30
    encoder = { kind = "poisson", max_rate_hz = 500 }
    neuron = { model = "if", v_threshold = 2 }
    post = { low = -1, high = inf }
    [spiking.training]
    epochs = 4
    learning_rate = 0.1
    optimiser = { weight_decay = 0.5 }
    schedule = { kind = "step", every = 2 }
    [rules.mine.spiking]
    tau_mod_ms = inf
    encoder = { max_rate_hz = 125 }
    output_neuron = { refractory_ms = 2 }
    homeostasis = { target_rate_hz = 20 }
    [rules.mine.spiking.post]
    high = 3
    [rules.mine.spiking.training]
    learning_rate = [0.2, 0.3]
    optimiser = { kind = "sgd" }
    schedule = { factor = 0.5 }
    [rules.other]
    training = { epochs = 1 }
    spiking = { training = { batch_size = 8, optimiser = { epsilon = 1e-3 } } }
    [rules.untouched.training]
    epochs = 2
    """
    model = load_model(write(tmp_path, SMALL + text))
    shared = Training(4, 1, 0.1, Optimiser("sgd", weight_decay=0.5), Schedule("step", every=2))
    assert model.spiking == Spiking(
        sample_ms=60.0,
        tau_mod_ms=30.0,
        encoder=Encoder("poisson", 500.0),
        neuron=Neuron("if", v_threshold=2.0),
        post=PostFactor(low=-1.0),
        training=shared,
    )
    assert model.rules["mine"].spiking == replace(
        model.spiking,
        tau_mod_ms=math.inf,
        encoder=Encoder("poisson", 125.0),
        output_neuron=Neuron(refractory_ms=2.0),
        homeostasis=Homeostasis(20.0),
        post=PostFactor(low=-1.0, high=3.0),
        training=Training(4, 1, (0.2, 0.3), Optimiser("sgd"), Schedule("step", every=2, factor=0.5)),
    )
    optimiser = Optimiser("sgd", weight_decay=0.5, epsilon=1e-3)
    other = model.rules["other"]
    assert other.spiking == replace(model.spiking, training=replace(shared, batch_size=8, optimiser=optimiser))
    assert other.training == Training(epochs=1)
    assert model.rules["untouched"].spiking is None


MAY_BE_INFINITE = [
    ("", "tau_mod_ms", math.inf),
    ("", "tau_pre_ms", math.inf),
    ("post", "low", -math.inf),
    ("post", "high", math.inf),
]


@pytest.mark.parametrize(("table", "name", "value"), MAY_BE_INFINITE)
def test_infinite_numbers_where_they_make_sense(table, name, value, tmp_path):
    other = TABLES[table][1][name]  # the default may be infinite already
    text = spiking_file(table, name, other) + f"[rules.fa.{'.'.join(filter(None, ('spiking', table)))}]\n"
    model = load_model(write(tmp_path, f"{text}{name} = {toml(value)}\n"))
    assert model.spiking == with_field(table, name, other)
    assert model.rules["fa"].spiking == with_field(table, name, value)
    assert load_model(write(tmp_path, spiking_file(table, name, value))).spiking == with_field(table, name, value)


def refused_number(folder: Path, table: str, name: str, number: float) -> str:
    value = TABLES[table][1][name]
    bad = (value[0], number) if isinstance(value, tuple) else number
    line = message(folder, spiking_file(table, name, bad))
    assert line.startswith(f"spiking.{table or name}")
    assert str(number) in line
    return line


@pytest.mark.parametrize(("table", "name"), NUMBERS)
def test_nan_is_refused_everywhere_in_spiking_mode(table, name, tmp_path):
    line = refused_number(tmp_path, table, name, math.nan)
    assert name in line or (table == "post" and "low must be below high" in line)


FINITE = [pair for pair in NUMBERS if pair[1] not in ("tau_mod_ms", "tau_pre_ms", "high", "presentations")]


@pytest.mark.parametrize(("table", "name"), FINITE)
def test_infinite_numbers_are_refused_elsewhere(table, name, tmp_path):
    refused_number(tmp_path, table, name, math.inf)


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
    "spiking": (SMALL + "[spiking]\nencoders = 3\n", f"spiking.encoders: {UNKNOWN} 'encoder'?); allowed: dt_ms, "),
    "neuron": (
        SMALL + "[spiking.neuron]\ntau_m = 3\n",
        f"spiking.neuron.tau_m: {UNKNOWN} 'tau_m_ms'?); allowed: model, tau_m_ms, ",
    ),
    "output neuron": (
        SMALL + "[spiking.output_neuron]\nv_treshold = 3\n",
        f"spiking.output_neuron.v_treshold: {UNKNOWN} 'v_threshold'?)",
    ),
    "homeostasis": (SMALL + "[spiking.homeostasis]\nrat = 3\n", f"spiking.homeostasis.rat: {UNKNOWN} 'rate'?)"),
    "spiking training": (
        SMALL + "[spiking.training]\nepoch = 3\n",
        f"spiking.training.epoch: {UNKNOWN} 'epochs'?); allowed: epochs, batch_size",
    ),
    "spiking optimiser": (
        SMALL + "[spiking.training]\noptimiser = { weight_dcay = 1.0 }\n",
        f"spiking.training.optimiser.weight_dcay: {UNKNOWN} 'weight_decay'?); allowed: kind, momentum",
    ),
    "rule neuron": (
        SMALL + "[rules.fa.spiking.neuron]\ntau_m = 3\n",
        f"rules.fa.spiking.neuron.tau_m: {UNKNOWN} 'tau_m_ms'?)",
    ),
    "rule spiking": (SMALL + "[rules.fa.spikin]\n", f"rules.fa.spikin: {UNKNOWN} 'spiking'?); allowed: network, "),
    "number for spiking": ("spiking = 3\n" + SMALL, "spiking: must be a table, not 3"),
    "number for a protocol": (SMALL + "[spiking]\ntraining = 3\n", "spiking.training: must be a table, not 3"),
    "text for an encoder": (
        SMALL + '[spiking]\nencoder = "poisson"\n',
        'spiking.encoder: must be a table, not "poisson"',
    ),
    "number for a neuron": (SMALL + "[spiking]\noutput_neuron = 3\n", "spiking.output_neuron: must be a table, not 3"),
    "number for a rule's neuron": (
        SMALL + "[spiking.neuron]\nr = 2\n[rules.fa.spiking]\nneuron = 3\n",
        "rules.fa.spiking.neuron: must be a table, not 3",
    ),
    "number for a rule's spiking": (SMALL + "[rules.fa]\nspiking = 3\n", "rules.fa.spiking: must be a table, not 3"),
    "text for a time": (
        SMALL + '[spiking.neuron]\ntau_m_ms = "20"\n',
        'spiking.neuron.tau_m_ms: must be a number, not "20"',
    ),
    "text for infinity": (SMALL + '[spiking]\ntau_mod_ms = "inf"\n', 'spiking.tau_mod_ms: must be a number, not "inf"'),
    "bool for a time": (SMALL + "[spiking]\ntest_ms = true\n", "spiking.test_ms: must be a number, not true"),
    "number for spiking's bool": (
        SMALL + "[spiking]\nreset_state = 1\n",
        "spiking.reset_state: must be true or false, not 1",
    ),
    "text for delays": (SMALL + '[spiking]\ndelay_ms = "1"\n', 'spiking.delay_ms: must be a number or a list, not "1"'),
    "infinite epochs": (
        SMALL + "[spiking.training]\nepochs = inf\n",
        "spiking.training.epochs: must be a whole number, not inf",
    ),
    "target pair": (
        SMALL + "[spiking]\ntarget_activity = [0.5]\n",
        "spiking.target_activity: has the wrong number of values: [0.5]",
    ),
    "target triple": (
        SMALL + "[spiking]\ntarget_activity = [0, 0, 1]\n",
        "spiking.target_activity: has the wrong number of values: [0, 0, 1]",
    ),
    "no target rate": (
        SMALL + "[spiking.homeostasis]\nrate = 1e-3\n",
        "spiking.homeostasis.target_rate_hz: is missing",
    ),
    "negative time constant": (
        SMALL + "[spiking.neuron]\ntau_m_ms = -1\n",
        "spiking.neuron.tau_m_ms: neuron tau_m_ms is -1.0; it must be positive",
    ),
    "neuron model": (
        SMALL + '[spiking.neuron]\nmodel = "lfi"\n',
        "spiking.neuron.model: neuron model 'lfi' is unknown (did you mean 'lif'?)",
    ),
    "too fast": (
        SMALL + "[spiking.encoder]\nmax_rate_hz = 2000\n",
        "spiking.encoder: encoder max_rate_hz 2000 is more than one spike in a tick of 1 ms; lower it",
    ),
    "beyond arithmetic": (
        SMALL + "[spiking]\nsample_ms = 1e308\ndt_ms = 1e-10\n",
        "spiking.sample_ms: spiking sample_ms is inf ticks of 1e-10 ms",
    ),
    "adam": (
        SMALL + '[spiking.training]\noptimiser = "adam"\n',
        "spiking.training: spiking training has an optimiser with moments, which synapses that learn from events lack",
    ),
    "adam as a table": (
        SMALL + '[spiking.training]\noptimiser = { kind = "adam", weight_decay = 0.1 }\n',
        "spiking.training: spiking training has an optimiser with moments",
    ),
    "adam for a rule": (
        SMALL + '[rules.fa.spiking.training]\noptimiser = "adam"\n',
        "rules.fa.spiking.training: spiking training has an optimiser with moments",
    ),
    "rule against shared": (
        SMALL + "[spiking.training]\nbatch_size = 4\n[rules.fa.spiking]\nreset_state = false\n",
        "rules.fa.spiking: spiking batches are presented side by side",
    ),
    "spiking rates": (
        SMALL + "[spiking.training]\nlearning_rate = [1.0, 2.0, 3.0]\n",
        "spiking.training.learning_rate: training learning_rate has 3 values for 2 layers",
    ),
    "delays": (
        SMALL + "[spiking]\ndelay_ms = [1, 2, 3]\n",
        "spiking.delay_ms: spiking delay_ms has 3 values for 2 layers",
    ),
    "rule spiking rates": (
        SMALL + "[rules.fa.spiking.training]\nlearning_rate = [1.0]\n",
        "rules.fa.spiking.training.learning_rate: training learning_rate has 1 values for 2 layers",
    ),
    "rule delays": (
        SMALL + "[rules.fa.spiking]\ndelay_ms = [1]\n",
        "rules.fa.spiking.delay_ms: spiking delay_ms has 1 values for 2 layers",
    ),
    "no delays": (SMALL + "[spiking]\ndelay_ms = []\n", "spiking.delay_ms: spiking delay_ms has 0 values for 2 layers"),
    "syntax": ("[network]\nsizes = = 3\n", "not valid TOML: Invalid value (at line 2, column 9)"),
    "depth": ("title = " + "[" * 5000, "not valid TOML: too many tables or lists in each other"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    text, expected = REFUSED[case]
    assert message(tmp_path, text).startswith(expected)


def test_all_allowed_keys_are_named(tmp_path):
    line = message(tmp_path, SMALL + "[training]\nlr = 3\n")
    assert line.endswith("allowed: " + ", ".join(field.name for field in fields(Training)))


def test_a_missing_file_is_answered_by_near_names_and_where_all_are_listed():
    with pytest.raises(InputError, match=r"of that name \(did you mean .*'frenkel_2021_mnist_fc1_500'.*\?\); see"):
        load_model("frenkel_mnist_fc1_500")
    with pytest.raises(InputError, match=r"models/digit\.toml: no such file .* \(did you mean 'digits'\?\)"):
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
        replace(model, spiking=replace(model.spiking, tau_mod_ms=20.0)),
        replace(model, spiking=replace(model.spiking, post=PostFactor(low=-math.inf))),
        replace(model, rules={"fa": Override(spiking=Spiking())}),
    ]
    hashes = {spec_hash(model), *map(spec_hash, changed)}
    assert len(hashes) == len(changed) + 1
    assert len({spec_hash(load_model(name)) for name in bundled_models()}) == len(bundled_models())
    assert spec_hash(model, 0) != spec_hash(model, 1) != spec_hash(model)
    assert spec_hash(PRESETS["fa"]) != spec_hash(PRESETS["dfa"])


def test_hash_value_does_not_drift():
    assert spec_hash({"b": (1, 2.5), "a": None}) == spec_hash({"a": None, "b": [1, 2.5]})
    assert spec_hash(math.inf, {"low": -math.inf}) == spec_hash("inf", {"low": "-inf"})
    assert spec_hash(np.array([1.0, np.inf]), np.float64(0.1)) == spec_hash((1.0, math.inf), 0.1)
    canonical = '[{"a":[1,2.5,1e-08],"b":["ü",null,true]}]'
    assert spec_hash({"b": ("ü", None, True), "a": [1, 2.5, 1e-8]}) == sha256(canonical.encode()).hexdigest()
    assert spec_hash() == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


def test_dump_holds_every_field_and_reads_back():
    text = dump_model(load_model("lechner_2020_cifar100_binary_relu"))
    assert text == dump_model(load_model("lechner_2020_cifar100_binary_relu"))
    assert TypeAdapter(Model).validate_json(text) == load_model("lechner_2020_cifar100_binary_relu")
    for cls in (Model, Network, Layer, Init, Training, Override, Spiking, Encoder, Neuron, PostFactor):
        for field in fields(cls):
            assert f'"{field.name}":' in text
    assert " " not in text.replace("two classes of CIFAR-100, ", "").split('"source"')[0]


def test_dump_is_json_with_infinite_numbers_too():
    assert math.inf in astuple(Spiking())
    spiking = Spiking(post=PostFactor(low=-math.inf, high=3.0), homeostasis=Homeostasis(20.0), delay_ms=(1.0, 2.0))
    model = Model(Network.dense((4, 3, 2)), rules={"fa": Override(spiking=spiking)})
    text = dump_model(model)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    plain = json.loads(text, parse_constant=refuse)
    assert plain["spiking"]["tau_mod_ms"] == plain["spiking"]["post"]["high"] == "inf"
    assert plain["rules"]["fa"]["spiking"]["post"] == {
        "high": 3.0,
        "kind": "current_window",
        "low": "-inf",
        "slope": 1.0,
        "tau_ms": 20.0,
    }
    assert TypeAdapter(Model).validate_json(text) == model


def test_hash_refuses_what_is_no_description():
    with pytest.raises(TypeError, match="object is no part of a description"):
        spec_hash(object())
