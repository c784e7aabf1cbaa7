"""The commands about chips and other tools."""

import numpy as np
import pytest
from running import save_npz
from support import data_for, network_for

import neurofa as nf
from neurofa import cli
from neurofa.io.results import read_results
from neurofa.rules import BP

SMALL = """
[network]
sizes = [6, 7, 3]
[training]
epochs = 1
batch_size = 5
[spiking.training]
epochs = 2
"""


@pytest.fixture
def small(tmp_path):
    """A small model and small data."""
    (tmp_path / "small.toml").write_text(SMALL)
    data = data_for(network_for(BP, (6, 7, 3)))
    for part in ("x_train", "x_test"):
        x = getattr(data, part)
        object.__setattr__(data, part, (x - x.min()) / (x.max() - x.min()))
    return tmp_path / "small.toml", save_npz(tmp_path / "small.npz", data)


def neurofa(*arguments):
    """Exit status of the command line in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    return caught.value.code


def test_all_profiles_are_listed(capsys):
    assert neurofa("hardware") == 0
    said = capsys.readouterr().out
    for name in nf.hardware.profile_names():
        assert name in said


def test_a_profile_is_shown_with_its_sources(capsys):
    assert neurofa("hardware", "loihi") == 0
    said = capsys.readouterr().out
    assert "state.membrane_bits" in said
    assert "note: " in said


def test_a_model_is_placed_on_a_chip_and_costed(capsys):
    assert neurofa("hardware", "loihi", "--model", "mnist_loihi", "--rule", "drtp") == 0
    said = capsys.readouterr().out
    assert "layers.0" in said
    assert "update locking" in said
    command = said.splitlines()[-1]  # says how to get the rest
    assert "neurofa train mnist_loihi --mode spiking --rule drtp --hardware loihi --out RUN" in command
    assert "neurofa hardware loihi --model RUN" in command


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_a_run_on_spikes_gives_operations_and_energy(mode, small, tmp_path, capsys):
    model, data = small
    run = tmp_path / "run"
    assert neurofa("train", model, "--data", data, "--mode", mode, "--rule", "dfa", "--out", run) == 0
    counted = read_results(run / "results.nc").attrs["synops_per_sample"]
    capsys.readouterr()
    assert neurofa("hardware", "spinnaker2", "--model", run) == 0
    said = capsys.readouterr().out
    assert "by dfa on spinnaker2" in said
    rows = [line.split() for line in said.splitlines() if line.startswith("operations, ")]
    if mode == "rate":
        assert rows == []
        assert "this run counted none, as runs in mode spiking do" in said
    else:
        found = {row[1]: float(row[2].replace(",", "")) for row in rows if row[1] != "neuron"}
        assert set(found) == {"forward", "feedback", "update"}
        assert sum(found.values()) == pytest.approx(counted, rel=1e-4)
        assert "energy of a sample" in said
    assert neurofa("hardware", "int8", "--model", run) == 0
    assert "note: this run learned in full precision; on int8 it would do other operations" in capsys.readouterr().err
    assert neurofa("hardware", "spinnaker2", "--model", run, "--rule", "dfa") == 2
    assert "leave --rule out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("hardware", "lohi"), "did you mean 'loihi'"),
        (
            ("hardware", "./x.toml"),
            "cannot be read: No such file or directory; give a profile in TOML, or choose one of: binary,",
        ),
        (("hardware", "--model", "mnist"), "give a profile before --model"),
        (("train", "digits", "--mode", "brian", "--target", "cpp_standalone"), "FILE.py --to brian"),
        (("train", "digits", "--target", "cython"), "leave it out, or use mode 'brian'"),
        (("hardware", "odin", "--model", "mnist", "--rule", "dfa"), "odin"),
        (("train", "digits", "--hardware", "spinnaker2"), "no levels for weights or feedback"),
        (("train", "digits", "--mode", "spiking", "--hardware", "truenorth"), "no plasticity of its own"),
        (("train", "digits", "--mode", "spiking", "--hardware", "loihi"), "set neuron reset"),
        (("export", "digits", "x.nir"), "give a rule"),
        (("export", "nowhere", "x.nir", "--rule", "dfa"), "no such file"),
        (("export", ".", "x.py"), "there is no checkpoint 'checkpoint.safetensors'"),
        (("export", "checkpoint.safetensors", "x.py"), "there is no checkpoint 'checkpoint.safetensors'"),
        (("export", "nowhere", "there.nir", "--rule", "dfa"), "no such file"),
        (("export", "digits", "there.nir", "--rule", "dfa"), "there.nir is there already"),
        (("export", "run", "x.py"), "does not hold its data; give --data"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("there.nir", "run/checkpoint.safetensors"):
        (tmp_path / name).touch()
    assert neurofa(*arguments) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert said in errors[-1]
    assert len(errors) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there.nir"]
    assert (tmp_path / "there.nir").stat().st_size == 0


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_training_on_a_chip_ends_on_its_levels_and_says_so(mode, small, tmp_path, capsys):
    model, data = small
    arguments = ("train", model, "--data", data, "--mode", mode, "--rule", "dfa", "--hardware", "int4_stochastic")
    assert neurofa(*arguments, "--out", tmp_path / "run") == 0
    assert ("weights, feedback and limits alone" in capsys.readouterr().err) == (mode == "rate")
    assert read_results(tmp_path / "run" / "results.nc").attrs["hardware"] == "int4_stochastic"
    assert neurofa("export", tmp_path / "run", tmp_path / "w.npz", "--to", "npz") == 0
    arrays = np.load(tmp_path / "w.npz")
    assert -8 <= arrays["levels.layers.0.W"].min() <= arrays["levels.layers.0.W"].max() <= 7
    assert neurofa("export", tmp_path / "run", tmp_path / "w.npz", "--to", "npz") == 2  # is there already
    assert "--overwrite" in capsys.readouterr().err
    assert neurofa(*arguments, "--out", tmp_path / "run", "--resume", "--epochs", "3") == 0
    assert neurofa(*arguments[:-1], "int8", "--out", tmp_path / "run", "--resume") == 2
