"""Settings in place of those of a model's file: what they change, and how those that cannot be meant are refused."""

import numpy as np
import pytest

from neurofa.io.checkpoint import load_checkpoint
from neurofa.io.config import load_model
from neurofa.io.data import Data
from neurofa.io.descriptions import read_texts
from neurofa.io.settings import (
    as_setting,
    key_for,
    load_changed,
    read_setting,
    read_variation,
    require_said_once,
    settings_out_of_reach,
)
from neurofa.rules import BP, DRTP
from neurofa.run import train
from neurofa.spec import Init, InputError, Optimiser, Schedule

MODEL = """
source = "a paper"
[network]
sizes = [4, 3, 3, 2]
layer = { init = { kind = "normal", std = 0.1 } }
[training]
optimiser = "adam"
schedule = { kind = "step", every = 1, factor = 0.5 }
[rules.drtp.training]
learning_rate = [1e-4, 2e-4, 3e-4]
[rules.drtp.spiking.training]
learning_rate = 1e-5
[spiking.training]
learning_rate = [1e-4, 2e-4, 3e-4]
[spiking.encoder]
max_rate_hz = 500
"""


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "mine.toml"
    place.write_text(MODEL)
    return place


def changed(path, *settings, rules=("bp",), modes=("rate",)):
    return load_changed(path, settings, rules, modes)


def test_settings_are_as_the_file_would_have_them(path):
    model = changed(path, "training.learning_rate=1e-2", "training.batch_size = 7", 'data.name="iris"', 'title="mine"')
    text = MODEL.replace("[training]", "[training]\nlearning_rate = 1e-2\nbatch_size = 7")
    path.write_text('title = "mine"' + text + '[data]\nname = "iris"\n')
    same = load_model(path)
    assert (model.network, model.training, model.data, model.title) == (
        same.network, same.training, same.data, same.title,
    )  # fmt: skip
    assert model.source.startswith("a paper, with training.learning_rate=1e-2; training.batch_size = 7; ")


def test_tables_are_added_to_unless_they_are_of_another_kind(path):
    decayed = changed(path, "training.optimiser.weight_decay=0.5").training.optimiser
    assert decayed == Optimiser("adam", weight_decay=0.5)
    assert changed(path, 'training.optimiser.kind="sgd"').training.optimiser == Optimiser("sgd")
    assert changed(path, "training.schedule.every=3").training.schedule == Schedule("step", every=3, factor=0.5)
    assert changed(path, "network.layer.init.std=0.2").network.layers[0].init == Init("normal", std=0.2)
    assert changed(path, 'network.layer.init={kind="zeros"}').network.layers[0].init == Init("zeros")
    encoder = changed(path, 'spiking.encoder.kind="poisson"', modes=["spiking"]).spiking.encoder
    assert (encoder.kind, encoder.max_rate_hz) == ("poisson", 500)
    assert changed(path, "training.epochs=3", "training.epochs=4").training.epochs == 4


def test_what_is_not_run_need_not_fit(path):
    assert changed(path, "network.sizes=[4, 5, 2]").network.sizes == (4, 5, 2)
    for how in ({"rules": ("drtp",)}, {"modes": ("rate", "spiking")}):
        with pytest.raises(InputError, match="learning_rate has 3 values for 2 layers"):
            changed(path, "network.sizes=[4, 5, 2]", **how)
    assert set(changed(path, "training.epochs=3").rules) == {"drtp"}  # whose name is checked where rules are known


def test_settings_of_one_rule(path):
    model = changed(path, "rules.drtp.training.batch_size=9", rules=["bp", "drtp"])
    assert model.for_rule(DRTP)[1].batch_size == 9
    assert model.for_rule(BP)[1].batch_size == model.training.batch_size != 9


def test_without_settings_the_model_is_that_of_the_file(path):
    assert changed(path) == load_model(path)


@pytest.mark.parametrize(
    ("setting", "how", "part"),
    [
        ("training.lerning_rate=1", {}, "training.lerning_rate: unknown key (did you mean 'learning_rate'?)"),
        ("trainin.epochs=1", {}, "trainin: unknown key (did you mean 'training'?)"),
        ('training.epochs="3"', {}, "training.epochs: must be a whole number"),
        ("training.epochs=-3", {}, "training.epochs: "),
        ("training=3", {}, "training: must be a table, not 3"),
        ("data.name=mnist", {}, "is not KEY=VALUE in TOML"),
        ("training.epochs", {}, "is not KEY=VALUE in TOML"),
        ("", {}, "setting '' sets nothing"),
        ("spiking.sample_ms=3", {}, "is of spiking mode"),
        ("training.epochs=3", {"modes": ["spiking"]}, "the mode is 'spiking'; set spiking.training.epochs"),
        (
            "training.learning_rate=3", {"modes": ["spiking"], "rules": ["drtp"]},
            "the mode is 'spiking'; set rules.drtp.spiking.training.learning_rate",
        ),
        ("rules.drtp.training.epochs=3", {}, "is of rule 'drtp', which is not run"),
        ("training.learning_rate=3", {"rules": ["drtp"]}, "does not reach rule 'drtp'"),
        ("training.learning_rate=3", {"rules": ["drtp"]}, "set rules.drtp.training.learning_rate"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused_in_one_line(setting, how, part, path):
    with pytest.raises(InputError) as caught:
        changed(path, setting, **how)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["training.epochs=3", "rules.drtp.training.epochs=3", "training={epochs=3}"])
def test_a_setting_and_an_option_are_not_both_heard(setting):
    with pytest.raises(InputError, match="--epochs say the same; leave one of them out"):
        require_said_once([setting], "--epochs", "training.epochs", "spiking.training.epochs")
    require_said_once([setting, "training.batch_size=4"], "--data", "data.name")


def test_rules_that_a_setting_does_not_reach_are_named(path):
    assert changed(path, "training.learning_rate=3", rules=["bp", "drtp"]).training.learning_rate == 3
    (line,) = settings_out_of_reach(path, ["training.learning_rate=3", "training.epochs=1"], ["bp", "drtp"])
    assert line.startswith("setting 'training.learning_rate=3' does not reach rule 'drtp'")


def test_a_checkpoint_holds_the_protocol_that_was_set(path, tmp_path):
    model = changed(path, "training.batch_size=7", "training.epochs=1", "network.sizes=[4, 3, 2]")
    rng = np.random.default_rng(0)
    data = Data(rng.random((9, 4)), rng.integers(2, size=9), rng.random((4, 4)), rng.integers(2, size=4))
    train(model, BP, data, out=tmp_path / "run")
    _, metadata = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    described = {key: text for key, text in metadata["description"].items() if key != "units"}
    found = read_texts(described, "run")
    assert (found["training"], found["network"]) == (model.training, model.network)


@pytest.mark.parametrize(
    "value",
    [1, -3, 1e-5, 0.1, 1e30, float("inf"), True, "mnist", 'a "name" = [1]', "ä\\b", [], [1, 2.5], [[4, 3], [4, 2]],
     {"kind": "step", "milestones": [3, 5], "odd key": {"a": "b"}}],
)  # fmt: skip
def test_values_in_python_are_read_back_from_their_settings(value):
    assert read_setting(as_setting("a.b", value)) == {"a": {"b": value}}


def test_numbers_of_numpy_and_tuples_are_numbers_and_lists():
    assert read_setting(as_setting("a", np.float32(0.5))) == {"a": 0.5}
    assert read_setting(as_setting("a", np.arange(3))) == {"a": [0, 1, 2]}
    assert read_setting(as_setting("a", (np.int64(1), np.bool_(False)))) == {"a": [1, False]}
    with pytest.raises(InputError, match="a is None, which a model's file cannot have"):
        as_setting("a", [None])


def test_a_variation_is_a_key_and_its_values():
    assert read_variation("training.learning_rate=[1e-4, 1]") == ("training.learning_rate", [1e-4, 1])
    assert read_variation('rules."a/b/c".x = [[1], {y = 2}]') == ('rules."a/b/c".x', [[1], {"y": 2}])
    for text, part in {"a=1": "no list", "a=[1]\nb=[2]": "varies 2 keys", "a": "not KEY=VALUE"}.items():
        with pytest.raises(InputError, match=part):
            read_variation(text)


def test_the_key_that_reaches_a_rule_is_its_own_where_it_has_one():
    own = {"drtp": {"training": {"learning_rate": 1}, "spiking": {"training": {"learning_rate": [1, 2]}}}, "a/b/c": {}}
    assert key_for(own, "drtp", "training.learning_rate") == "rules.drtp.training.learning_rate"
    assert key_for(own, "drtp", "spiking.training.learning_rate") == "rules.drtp.spiking.training.learning_rate"
    assert key_for(own, "drtp", "training.epochs") == "training.epochs"
    assert key_for(own, "bp", "training.learning_rate") == "training.learning_rate"
    assert key_for({"a/b/c": {"x": 1}}, "a/b/c", "x") == 'rules."a/b/c".x'
    own = {
        "dfa": {"training": {"optimiser": {"epsilon": [1e-10, 1e-8]}}},
        "fa": {"training": {"optimiser": {"kind": "sgd"}}},
    }
    with pytest.raises(InputError, match=r"has training\.optimiser\.epsilon of its own in the model, which another"):
        key_for(own, "dfa", "training.optimiser")
    assert key_for(own, "fa", "training.optimiser") == "rules.fa.training.optimiser"
    assert key_for(own, "dfa", "training.optimiser.kind") == "training.optimiser.kind"
