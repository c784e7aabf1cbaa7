"""Bad input on the command line: exit status 2, one line that names culprit and remedy, nothing lost."""

import gzip
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from running import recorded_epochs, save_npz
from support import data_for, needs_mnist, network_for

from neurofa import cli
from neurofa.io.checkpoint import load_checkpoint
from neurofa.rules import BP
from neurofa.run import CHECKPOINT

MODEL = """
[network]
sizes = [6, 7, 3]
[training]
batch_size = 5
epochs = 2
"""
WILD = """
[network]
sizes = [6, 7, 3]
hidden = "{hidden}"
output = "identity"
loss = "mse"
[training]
batch_size = 5
epochs = 2000
optimiser = "sgd"
learning_rate = {rate}
precision = "{precision}"
"""
MNIST_FILES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture(autouse=True)
def the_handler_of_sigterm():
    """`main` sets its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a small model and data, in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.toml").write_text(MODEL)
    save_npz(tmp_path / "d.npz", data_for(network_for(BP, (6, 7, 3))))
    return tmp_path


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused, and give its message."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert caught.value.code == 2, printed.err
        assert printed.out == ""
        assert printed.err.startswith("neurofa: ")
        assert printed.err.count("\n") == 1
        assert printed.err.endswith("\n")
        assert "Traceback" not in printed.err
        return printed.err

    return run


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def idx(array):
    """An array of bytes in MNIST's format, compressed."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


# ---------------------------------------------------------------------------- data


@pytest.mark.parametrize("damage", ["truncated", "other content", "no gzip"])
def test_mnist_files_that_are_not_the_published_ones(damage, here, refused, monkeypatch):
    folder = here / "data" / "mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in MNIST_FILES:
        shape = (20, 28, 28) if "images" in name else (20,)
        whole = idx(rng.integers(10, size=shape, dtype=np.uint8))
        damaged = {"truncated": whole[:-12], "other content": whole, "no gzip": b"<html>moved</html>"}
        (folder / name).write_bytes(damaged[damage])
    monkeypatch.setenv("NEUROFA_DATA", str(here / "data"))
    before = contents(here)
    message = refused("train", "frenkel_2021_mnist_fc1_500", "--epochs", 1, "--out", "out")
    assert str(folder / MNIST_FILES[0]) in message
    assert "damaged or truncated" in message
    assert "neurofa data fetch mnist" in message
    assert "damaged or truncated" in refused("data", "fetch", "mnist")
    assert contents(here) == before


@needs_mnist
def test_a_truncated_file_among_mnists_own(here, refused, monkeypatch, mnist_folder):
    folder = here / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in MNIST_FILES:
        (folder / name).symlink_to(mnist_folder / name)
    cut = folder / "t10k-labels-idx1-ubyte.gz"
    content = cut.read_bytes()[:-1]
    cut.unlink()
    cut.write_bytes(content)
    monkeypatch.setenv("NEUROFA_DATA", str(here / "data"))
    message = refused("train", "frenkel_2021_mnist_fc1_500", "--epochs", 1, "--out", "out")
    assert str(cut) in message
    assert "neurofa data fetch mnist" in message


def spoiled(key, place, value, dtype=None):
    arrays = dict(np.load("d.npz"))
    arrays[key] = arrays[key].astype(dtype or arrays[key].dtype)
    arrays[key][place] = value
    np.savez("bad.npz", **arrays)


@pytest.mark.parametrize(
    ("key", "place", "value", "words"),
    [
        ("y_train", 3, -1, ("label -1", "y_train", "bad.npz", "from 0")),
        ("y_test", 2, 3, ("label 3", "y_test", "bad.npz", "0..2")),
        ("y_train", 0, 3, ("4 classes", "3 outputs", "4 units")),
        ("x_train", (4, 1), np.nan, ("NaN", "x_train", "bad.npz", "remove or replace")),
        ("x_test", (0, 0), np.inf, ("infinite", "x_test", "bad.npz", "remove or replace")),
    ],
)
def test_labels_outside_their_range_and_pixels_that_are_no_numbers(key, place, value, words, here, refused):
    spoiled(key, place, value)
    message = refused("train", "m.toml", "--data", "bad.npz", "--out", "out")
    for word in words:
        assert word in message
    assert not (here / "out").exists()


def test_a_batch_larger_than_the_data(here, refused):
    (here / "m.toml").write_text(MODEL.replace("batch_size = 5", "batch_size = 24"))
    message = refused("train", "m.toml", "--data", "d.npz", "--out", "out")
    for word in ("batch_size 24", "23 training samples", "at most 23", "0 for all"):
        assert word in message
    assert not (here / "out").exists()


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_model_whose_input_size_differs_from_the_datas(command, here, refused):
    message = refused(command, "digits", "--data", "d.npz", "--out", "out")
    for word in ("6 features", "64 inputs", "set network inputs to 6", "d.npz"):
        assert word in message


def test_a_regression_for_a_classifier(here, refused):
    message = refused("train", "m.toml", "--data", "xor_scalar", "--out", "out")
    for word in ("regression", "classification", "xor_scalar"):
        assert word in message


@pytest.mark.parametrize("content", [None, b"", b"not a zip", "part"])
def test_an_npz_file_that_cannot_be_read(content, here, refused):
    if content is not None:
        (here / "bad.npz").write_bytes((here / "d.npz").read_bytes()[:-30] if content == "part" else content)
    assert "bad.npz" in refused("train", "m.toml", "--data", "bad.npz", "--out", "out")


# ---------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("hidden", ["relu", "identity"])
def test_a_rate_that_diverges(hidden, here, refused):
    (here / "wild.toml").write_text(WILD.format(hidden=hidden, rate=9.0, precision="float32"))
    message = refused("train", "wild.toml", "--data", "d.npz", "--out", "out")
    epochs = recorded_epochs(here / "out")
    for word in (f"epoch {epochs + 1}", "layer", "learning rate 9", "lower the learning rate", f"out/{CHECKPOINT}"):
        assert word in message
    arrays, metadata = load_checkpoint(here / "out" / CHECKPOINT)
    assert all(np.isfinite(value).all() for key, value in arrays.items() if key.startswith("layers."))
    assert metadata["rule"] == "bp"
    assert not (here / "out" / "results.nc").exists()


def test_a_rate_that_diverges_leaves_one_line_on_a_real_terminals_stderr(here):
    """Probed at every update on the way to infinity: no warning of NumPy's comes before the message."""
    (here / "wild.toml").write_text(WILD.format(hidden="identity", rate=3.0, precision="float64"))
    command = [sys.executable, "-m", "neurofa.cli", "train", "wild.toml", "--data", "d.npz", "--out", "out"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command += ["--rule", "fa", "--probe-every", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("neurofa: training diverged in epoch ")


# ---------------------------------------------------------------------------- resuming and overwriting


RESUMED_OTHERWISE = {
    "another rule": ["m.toml", "--rule", "fa"],
    "another model": ["other.toml"],
    "another learning rate": ["slow.toml"],
    "another seed": ["m.toml", "--seed", "1"],
    "another normalisation": ["scaled.toml"],
}


@pytest.mark.parametrize("case", RESUMED_OTHERWISE)
def test_resuming_as_another_run(case, here, refused):
    (here / "other.toml").write_text(MODEL.replace("[6, 7, 3]", "[6, 8, 3]"))
    (here / "slow.toml").write_text(MODEL + "learning_rate = 1e-4\n")
    (here / "scaled.toml").write_text(MODEL + '[data]\nnormalisation = "zscore"\n')
    with pytest.raises(SystemExit):
        cli.main(["train", "m.toml", "--data", "d.npz", "--out", "out"])
    before = contents(here)
    message = refused("train", *RESUMED_OTHERWISE[case], "--data", "d.npz", "--out", "out", "--resume")
    others = "another mode, model, rule, protocol, hardware, seed, data"
    for word in (f"out/{CHECKPOINT}", "rule 'bp'", others, "another --out"):
        assert word in message
    assert contents(here) == before


def test_resuming_a_comparison_with_another_model(here, refused):
    (here / "other.toml").write_text(MODEL.replace("[6, 7, 3]", "[6, 8, 3]"))
    arguments = ["--data", "d.npz", "--out", "out", "--rules", "bp", "--seeds", "1", "--modes", "rate"]
    with pytest.raises(SystemExit):
        cli.main(["compare", "m.toml", *arguments])
    before = contents(here)
    assert "another mode, model" in refused("compare", "other.toml", *arguments, "--resume")
    assert contents(here) == before


def test_resuming_from_nothing_or_from_a_part_of_a_checkpoint(here, refused):
    command = ["train", "m.toml", "--data", "d.npz", "--out", "out"]
    message = refused(*command, "--resume")
    assert CHECKPOINT in message
    assert "leave --resume out" in message
    assert not (here / "out").exists()
    with pytest.raises(SystemExit):
        cli.main(command)
    (here / "out" / CHECKPOINT).write_bytes((here / "out" / CHECKPOINT).read_bytes()[:100])
    before = contents(here)
    assert "truncated" in refused(*command, "--resume")
    assert "exclude each other" in refused(*command, "--resume", "--overwrite")
    assert contents(here) == before


@pytest.mark.parametrize("command", [["train", "m.toml"], ["compare", "m.toml", "--seeds", "1", "--modes", "rate"]])
def test_an_output_folder_that_is_a_file(command, here, refused):
    (here / "out").write_text("mine")
    for more in ([], ["--overwrite"]):
        message = refused(*command, "--data", "d.npz", "--out", "out", *more)
        assert "out" in message
        assert "choose another place" in message
    assert (here / "out").read_text() == "mine"


def test_a_folder_whose_name_has_many_settings_can_be_made(here, capsys):
    settings = [part for n in range(60) for part in ("--set", f"training.learning_rate=1e-{n % 9 + 1}")]
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "m.toml", "--data", "d.npz", "--epochs", "1", *settings])
    assert caught.value.code == 0, capsys.readouterr().err
    (folder,) = (here / "neurofa-runs").iterdir()
    assert len(folder.name) < 60


def test_what_the_system_refuses_is_said_in_a_line(here, refused):
    (here / "taken").write_text("mine")
    refused("train", "m.toml", "--data", "d.npz", "--out", "n" * 300)
    refused("export", "m.toml", "taken", "--to", "csv", "--rule", "fa", "--overwrite")
    assert (here / "taken").read_text() == "mine"


# ---------------------------------------------------------------------------- names and options


UNKNOWN = {
    "rule": (["train", "digits", "--rule", "drpt"], ("'drpt'", "did you mean 'drtp'", "sign_fa")),
    "composition": (["train", "digits", "--rule", "error/sideways/random"], ("'sideways'", "sequential", "direct")),
    "senseless composition": (["train", "digits", "--rule", "target/direct/none"], ("feedback", "random")),
    "model": (["train", "digit"], ("digit", "'digits'")),
    "mode": (["train", "digits", "--mode", "spikin"], ("mode 'spikin'", "did you mean 'spiking'")),
    "option": (["train", "digits", "--epoch", "3"], ("--epoch", "--epochs", "--help")),
    "command": (["trian", "digits"], ("'trian'", "--help")),
    "data": (["train", "digits", "--data", "minst"], ("'minst'", "did you mean 'mnist'", ".npz")),
    "data to fetch": (["data", "fetch", "minst"], ("'minst'", "mnist")),
    "no model": (["train"], ("model", "--help")),
    "folder as a model": (["train", "folder"], ("folder", "TOML")),
    "epochs": (["train", "digits", "--epochs", "-1"], ("--epochs", "0")),
    "epochs as a word": (["train", "digits", "--epochs", "many"], ("--epochs", "integer")),
    "threads": (["train", "digits", "--threads", "0"], ("--threads", "1")),
    "seed": (["train", "digits", "--seed", "-3"], ("--seed", "0")),
    "rules": (["compare", "digits", "--rules", "bp,fb"], ("'fb'", "choose one of")),
    "rule twice": (["compare", "digits", "--rules", "bp,bp"], ("bp, bp", "rename")),
    "seeds": (["compare", "digits", "--seeds", "0"], ("--seeds", "1")),
    "seeds that are none": (["compare", "digits", "--seeds", "3,x"], ("--seeds is '3,x'", "3,7,9")),
    "negative seeds": (["compare", "digits", "--seeds", "-1,2"], ("--seeds is '-1,2'", "3,7,9")),
    "the same seed twice": (["compare", "digits", "--seeds", "2,2"], ("seeds are [2, 2]", "each once")),
    "an unknown setting": (
        ["train", "digits", "--set", "training.learning_rat=1"],
        ("training.learning_rat: unknown key", "'learning_rate'"),
    ),
    "a setting without quotes": (["train", "digits", "--set", "data.name=mnist"], ("not KEY=VALUE in TOML", "quotes")),
    "a setting that is not heard": (
        ["train", "digits", "--rule", "shallow", "--set", "training.learning_rate=1"],
        ("'shallow'", "set rules.shallow.training.learning_rate"),
    ),
    "a setting and an option": (
        ["train", "digits", "--epochs", "2", "--set", "training.epochs=1"],
        ("'training.epochs=1'", "--epochs", "leave one"),
    ),
    "data twice": (
        ["compare", "digits", "--data", "d.npz", "--set", 'data.name="mnist"'],
        ("data.name", "--data", "leave one"),
    ),
    "bench network": (["bench", "rate", "--network", "784:10"], ("'784:10'", "784-1000-10")),
    "bench rule": (["bench", "rate", "--network", "4-3-2", "--rule", "bq"], ("'bq'", "choose one of")),
    "bench pairs": (["bench", "rate", "--pairs", "1"], ("--pairs", "3")),
    "experiment": (["experiments", "run", "lillicrap_2016_xr"], ("'lillicrap_2016_xor'?", "experiments list`")),
    "target for a regression": (["train", "frenkel_2021_regression", "--rule", "drtp"], ("drtp", "dfa")),
    "bounded rule": (["train", "m.toml", "--data", "d.npz", "--rule", "mdfa"], ("mdfa", "layer 1", "zeros")),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_names_and_options(case, here, refused):
    (here / "folder").mkdir()
    arguments, words = UNKNOWN[case]
    message = refused(*arguments)
    for word in words:
        assert word in message
    assert sorted(path.name for path in here.iterdir()) == ["d.npz", "folder", "m.toml"]  # nothing begun


MODELS = {
    "unknown key": (MODEL.replace("batch_size", "batchsize"), ("training.batchsize", "batch_size")),
    "unknown table": (MODEL + "[dat]\n", ("dat", "data")),
    "wrong type": (MODEL.replace("= 5", '= "five"'), ("training.batch_size", "whole number")),
    "unknown activation": (MODEL.replace("[6, 7, 3]", '[6, 7, 3]\nhidden = "tahn"'), ("tahn", "tanh")),
    "unknown optimiser": (MODEL + 'optimiser = "adan"\n', ("adan", "adam")),
    "not TOML": (MODEL + "= 3\n", ("not valid TOML",)),
    "rates for other layers": (MODEL + "learning_rate = [0.1, 0.1, 0.1]\n", ("3 values", "2 layers")),
    "early stopping without validation": (MODEL + "early_stopping = 3\n", ("early_stopping", "data validation")),
    "augmentation without images": (MODEL + '[data]\naugment = ["flip"]\n', ("flip", "image", "leave augment out")),
    "more samples than there are": (MODEL + "[data]\ntrain_samples = 24\n", ("24", "23")),
}


@pytest.mark.parametrize("case", MODELS)
def test_models_that_cannot_be_used(case, here, refused):
    text, words = MODELS[case]
    (here / "bad.toml").write_text(text)
    message = refused("train", "bad.toml", "--data", "d.npz", "--out", "out")
    for word in words:
        assert word in message
    assert not (here / "out").exists()


def test_a_process_ends_with_the_same_status_and_line(here):
    command = [sys.executable, "-m", "neurofa.cli", "train", "digits", "--rule", "bq"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("neurofa: rule 'bq' is unknown")
    assert done.stderr.count("\n") == 1
