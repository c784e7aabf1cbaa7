"""`neurofa plot`: pictures of what runs and comparisons left."""

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt

import neurofa as nf
from neurofa.cli import main
from neurofa.compare import compare, one_run
from neurofa.io.results import write_results
from neurofa.plot import compare_figure, final_errors

RNG = np.random.default_rng(0)
X, Y = RNG.random((60, 16)), RNG.integers(3, size=60)
DATA = nf.Data(X, Y, X, Y, n_outputs=3)
TRAINING = nf.Training(epochs=2, batch_size=10)
DEEP = nf.Model(nf.Network.dense((16, 8, 6, 3)), TRAINING)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A run of the library, one with its results, one without probes, one of another shape, and a comparison."""
    folder = tmp_path_factory.mktemp("runs")
    run = nf.train(DEEP, nf.rules.DFA, DATA, out=folder / "run")
    nf.train(DEEP, nf.rules.SHALLOW, DATA, out=folder / "shallow")
    nf.train(DEEP, nf.rules.FA, DATA, out=folder / "unprobed", probe_every=0)
    loss = nf.Model(nf.Network.dense((16, 4, 2), output="identity", loss="mse", task="regression"), TRAINING)
    curve = nf.Data(X, 0.1 * X[:, :2], X, 0.1 * X[:, :2], task="regression")
    nf.train(loss, nf.rules.BP, curve, out=folder / "regression")
    nf.gather([folder / "run"]).to_netcdf(folder / "gathered.nc", engine="h5netcdf")
    wide = nf.Data(X[:, :12], Y, X[:, :12], Y, n_outputs=3)
    nf.train(nf.Model(nf.Network.dense((12, 5, 3)), TRAINING), nf.rules.FA, wide, out=folder / "wide")
    (folder / "kept").mkdir()
    write_results(folder / "kept" / "results.nc", run.history)
    compare(DEEP, [nf.rules.BP, nf.rules.FA], DATA, modes="rate", seeds=2, out=folder / "comparison")
    return folder


def plotted(*arguments):
    """Exit status of the command."""
    with pytest.raises(SystemExit) as left:
        main(["plot", *map(str, arguments)])
    return left.value.code


@pytest.mark.parametrize("what", ["curves", "angles", "weights", "activity", "fields"])
def test_a_run_has_every_picture(left, tmp_path, capsys, what):
    path = tmp_path / f"{what}.png"
    assert plotted(left / "run", "--what", what, "--out", path) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert plt.imread(path).std() > 0.02  # something is drawn


@pytest.mark.parametrize("what", ["curves", "angles"])
def test_a_comparison_and_a_file_of_results_have_theirs(left, tmp_path, what):
    for source in (left / "comparison", left / "comparison" / "results.nc", left / "kept"):
        assert plotted(source, "--what", what, "--out", tmp_path / "a.svg") == 0
        assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_regression_that_is_read_back_has_losses(left):
    history = nf.load_run(left / "regression").history
    assert history.attrs["task"] == "regression"
    words = [ax.get_ylabel() + ax.get_xlabel() for ax in compare_figure(one_run(history, "bp")).axes]
    assert any("loss" in word for word in words)
    assert not any("%" in word for word in words)
    ax = final_errors(plt.figure().add_subplot(), {"bp": one_run(history, "bp").squeeze("rule").squeeze("mode")})
    assert ax.get_xlabel() == "final test error"


def test_the_picture_is_beside_the_results_unless_said(left):
    assert plotted(left / "kept") == 0
    assert (left / "kept" / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("source", "what", "message"),
    [
        ("nothing", "curves", "there are no results"),
        ("run", "weigths", "picture 'weigths' is unknown (did you mean 'weights'?)"),
        ("nothing", "weights", "there is no checkpoint"),
        ("gathered.nc", "curves", "is no result of a run or of a comparison; give the folder of one"),
        ("comparison", "weights", "is a comparison; give one of its runs, such as"),
        ("comparison", "activity", "several rules"),
        ("unprobed", "angles", "nothing of this kind|no angles"),
        ("unprobed", "activity", "no histograms"),
        ("shallow", "weights", "nothing of this kind"),
        ("wide", "fields", "12 inputs are no square image"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(left, tmp_path, capsys, source, what, message):
    assert plotted(left / source, "--what", what, "--out", tmp_path / "a.png") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert any(part in said for part in message.split("|")), said
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("what", ["curves", "angles", "activity"])
def test_a_sweep_has_a_picture_of_its_own(tmp_path, capsys, what):
    errors = xr.Dataset({"test_error": (("rule", "learning_rate", "seed"), np.zeros((1, 1, 1)))}, {"rule": ["bp"]})
    write_results(tmp_path / "results.nc", errors)
    assert plotted(tmp_path, "--what", what) == 2
    assert "is of a sweep, which has sweep.png; give a folder in its runs" in capsys.readouterr().err
