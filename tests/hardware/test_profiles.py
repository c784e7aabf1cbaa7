"""Chip profiles: every file loads, every number has its source, and what is wrong is said in one line."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neurofa as nf
from neurofa.engines import new_engine
from neurofa.hardware import constrain, load_profile, profile_names, profiles, provenance, read_profile
from neurofa.hardware.profiles import TABLES, profiles_table
from neurofa.rules import DFA
from neurofa.spec import Hardware, InputError

DOCS = Path(__file__).parents[2] / "docs" / "chips.md"
PROFILES = Path(profiles.__file__).parent / "profiles"
CHIPS = (
    *("loihi", "loihi2", "odin", "morphic", "spoon", "spinnaker", "spinnaker2", "brainscales2", "dynapse2"),
    "truenorth",
)
FORMATS = {"int8": (-128, 127, 1, 8), "int4": (-8, 7, 1, 6), "int2": (-2, 1, 1, 2), "binary": (-1, 1, 2, 1)}
MINE = """
name = "mine"
notes = ["no noise"]
[weights]
lowest = { value = -4, source = "sheet", verified = true }
highest = 3
[sources.sheet]
title = "data sheet"
url = "https://example.org/sheet"
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_bundled_profiles_are_the_chips_and_the_formats():
    assert set(profile_names()) == {*CHIPS, *FORMATS, *(f"{name}_stochastic" for name in FORMATS)}


@pytest.mark.parametrize("name", profile_names())
def test_every_number_has_its_source(name):
    profile = read_profile(name)
    assert profile.hardware.name == name
    assert profile.hardware.title
    assert profile.notes
    for fact in profile.facts:
        assert fact.source, fact.key
        choice = fact.source.startswith("a choice of neurofa")
        assert choice == (not fact.url), fact.key
        assert not (choice and fact.verified), fact.key
    table = tomllib.loads((PROFILES / f"{name}.toml").read_text(encoding="utf-8"))
    for key in (*TABLES, "facts"):
        assert all(set(fact) == {"value", "source", "verified"} for fact in table.get(key, {}).values())
    assert list(profile.facts) == provenance(name)
    assert profile.hardware == load_profile(name)


def test_excitatory_synapses_of_loihi_never_fall_below_zero():
    """Levels from 0 are the chip's other sign mode."""
    chip = load_profile("loihi")
    chip = replace(chip, weights=replace(chip.weights, lowest=0, highest=255, step=1))
    network, spiking = nf.Network.dense((6, 5, 3)), nf.Spiking(neuron=nf.Neuron("cuba_lif", reset="zero"))
    plan = constrain(nf.lower(network, DFA, 0), spiking, chip, seed=0)
    steps = [grid.step for grid in plan.on_chip.weights]
    initial = [(plan.params[f"layers.{n}.W"] / step).copy() for n, step in enumerate(steps)]
    engine = new_engine("spiking", plan, spiking, batch_size=1, seed=0)
    rng = np.random.default_rng(0)
    engine.train(rng.random((20, 6)), rng.integers(0, 3, 20), np.arange(20), 0, 20, (0.5, 0.5))
    for n, (step, before) in enumerate(zip(steps, initial, strict=True)):
        after = engine.params[f"layers.{n}.W"] / step
        assert set(after.ravel()) <= set(range(256))
        assert (before == 0).sum() > 3  # what would have been negative
        assert (after < before).any()
        assert (after == 0).any()


@pytest.mark.parametrize("name", CHIPS)
def test_every_profile_of_a_chip_rests_on_something_that_was_read(name):
    assert any(fact.verified for fact in provenance(name))


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("name", FORMATS)
def test_number_formats(name, rounding):
    lowest, highest, step, headroom = FORMATS[name]
    chip = load_profile(name if rounding == "nearest" else f"{name}_stochastic")
    for levels, room in ((chip.weights, headroom), (chip.feedback, 1)):
        assert (levels.lowest, levels.highest, levels.step) == (lowest, highest, step)
        assert (levels.rounding, levels.headroom) == (rounding, room)
    assert (chip.modulators.lowest, chip.modulators.highest, chip.modulators.rounding) == (-128, 127, rounding)
    assert (chip.state, chip.traces) == (None, None)
    assert set(vars(chip.limits).values()) == {None}


def test_numbers_of_loihi():
    chip = load_profile("loihi")
    assert (chip.weights.lowest, chip.weights.highest, chip.weights.step, chip.weights.bits) == (-256, 254, 2, 8)
    assert (chip.limits.cores, chip.limits.neurons_per_core) == (128, 1024)
    assert chip.limits.synapse_bits_per_core == 16384 * 64
    assert (chip.limits.input_axons_per_core, chip.limits.output_axons_per_core) == (4096, 4096)
    assert (chip.state.threshold_bits, chip.state.threshold_shift, chip.state.weight_shift) == (17, 6, 6)
    assert (chip.traces.bits, chip.traces.rounding) == (7, "stochastic")
    assert chip.energy.synop_pj == 23.6


def test_numbers_of_other_chips():
    odin, truenorth = load_profile("odin"), load_profile("truenorth")
    assert (odin.weights.highest, odin.state.threshold_bits, odin.energy.synop_pj) == (7, 8, 12.7)
    assert 2 ** (odin.state.membrane_bits - 1) - 1 == 255
    assert (truenorth.limits.cores, truenorth.learning.on_chip) == (4096, False)
    facts = {fact.key: fact.value for fact in provenance("spoon")}
    assert facts["facts.learning_power_overhead_percent"] == 16.8
    assert facts["facts.learning_area_overhead_percent"] == 11.8


def test_files_of_users(tmp_path):
    path = written(tmp_path, MINE)
    assert load_profile(path).weights.lowest == -4
    assert load_profile(str(path)) == load_profile(path)
    low, high = provenance(path)
    assert low == ("weights.lowest", -4, "data sheet", "https://example.org/sheet", True)
    assert high == ("weights.highest", 3, "", "", False)
    assert read_profile(path).notes == ("no noise",)
    assert load_profile(written(tmp_path, "")) == Hardware()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lowest =", "lowst ="), r"weights\.lowst: unknown key \(did you mean 'lowest'\?\)"),
        (("[weights]\n", "[weight]\n"), r"weight: unknown key \(did you mean 'weights'\?\)"),
        (("highest = 3", 'highest = "3"'), r"weights\.highest: must be a whole number"),
        (("highest = 3", "highest = 2.5"), r"weights\.highest: must be a whole number"),
        (("highest = 3", "highest = 2\nstep = 4"), r"weights: levels go from -4 to 2 in steps of 4"),
        (("highest = 3\n", ""), r"weights\.highest: is missing"),
        (("value = -4, ", ""), r"weights\.lowest\.value: is missing"),
        (("value = -4", "values = -4"), r"weights\.lowest\.values: unknown key \(did you mean 'value'\?\)"),
        (
            ('source = "sheet"', 'source = "shet"'),
            r'weights\.lowest\.source: names "shet", but there is no table \[sources',
        ),
        (('source = "sheet"', 'source = ["sheet"]'), r"weights\.lowest\.source: names"),
        (('source = "sheet", ', ""), r"weights\.lowest\.verified: is true, but no source is named"),
        (("verified = true", "verified = 1"), r"weights\.lowest\.verified: must be true or false, not 1"),
        (("[sources.sheet]", "[sources.sheets]"), r"weights\.lowest\.source: names"),
        (("url =", "link ="), r"sources\.sheet\.link: unknown key"),
        (('title = "data sheet"', "title = 3"), r"sources\.sheet\.title: must be a string"),
        (('["no noise"]', '"no noise"'), r"notes: must be a list of strings"),
        (('name = "mine"', "name = 7"), r"name: must be a string, not 7"),
        (('name = "mine"', 'name = ""'), r"hardware name is empty"),
        (("[weights]", "learning = 3\n[weights]"), r"learning: must be a table, not 3"),
        (("highest = 3", "highest = "), r"not valid TOML"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, change, message):
    assert change[0] in MINE
    path = written(tmp_path, MINE.replace(*change))
    with pytest.raises(InputError, match=message) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read: No such file"):
        load_profile(tmp_path / "absent.toml")
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        load_profile(path)


def test_unknown_names_have_near_matches():
    with pytest.raises(InputError, match=re.escape("hardware 'loihy' is unknown (did you mean 'loihi' or 'loihi2'?)")):
        load_profile("loihy")
    with pytest.raises(InputError, match="hardware 'zzz' is unknown; choose one of: binary, "):
        load_profile("zzz")


def test_documentation_shows_the_present_table():
    assert profiles_table() in DOCS.read_text(encoding="utf-8"), "put profiles_table() into docs/chips.md"
