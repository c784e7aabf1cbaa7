"""The command line: what it prints and leaves, its help, its exit statuses, and what it does not import."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
from running import recorded_epochs, save_npz
from support import data_for, network_for

import neurofa as nf
from neurofa import cli, terminal
from neurofa.io.config import bundled_models
from neurofa.io.datasets import SOURCES
from neurofa.io.results import read_results
from neurofa.rules import BP, DRTP, PRESETS
from neurofa.run import CHECKPOINT

LAST_LINE = re.compile(r"test_(?:error|loss)=(\d\.?[\d.e-]*) seconds=(\d+\.\d\d) synops_per_sample=(\d+)")
COMMANDS = ("train", "compare", "rules", "models", "data list", "data fetch", "bench rate", "hardware", "export")
HEAVY = ("brian2", "xarray", "matplotlib", "sklearn", "numba", "pydantic", "scipy", "pooch", "h5netcdf", "torch")
SMALL = """
[network]
sizes = [6, 7, 3]
[training]
batch_size = 5
epochs = 2
"""


@pytest.fixture(autouse=True)
def the_handler_of_sigterm():
    """`main` sets its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def small(tmp_path):
    """A small model, small data, and a folder: the arguments of a quick training."""
    (tmp_path / "small.toml").write_text(SMALL)
    data = save_npz(tmp_path / "small.npz", data_for(network_for(BP, (6, 7, 3))))
    return ["train", tmp_path / "small.toml", "--data", data, "--out", tmp_path / "out"]


def neurofa(*arguments):
    """Exit status of the command line in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    return caught.value.code


def python(code, **environment):
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------------------- training


@pytest.mark.parametrize("rule", ["drtp", "error_sign/sequential/sign_transpose"])
def test_train_prints_what_the_run_came_to(rule, tmp_path, capsys):
    out = tmp_path / "out"
    assert neurofa("train", "digits", "--rule", rule, "--epochs", 2, "--seed", 3, "--out", out) == 0
    printed = capsys.readouterr()
    found = LAST_LINE.fullmatch(printed.out.splitlines()[-1])
    assert found, printed.out
    data = nf.load_data("digits", seed=3)
    run = nf.train(nf.load_model("digits"), nf.rules.named(rule), data, seed=3, epochs=2)
    assert float(found[1]) == pytest.approx(run.test_error, abs=1e-6)
    assert int(found[3]) == run.synops_per_sample
    assert printed.err == ""
    assert sorted(path.name for path in out.iterdir()) == [CHECKPOINT, "curves.png", "results.nc"]
    assert f"{out}: {CHECKPOINT}, results.nc, curves.png" in printed.out
    history = read_results(out / "results.nc")
    xr.testing.assert_equal(history, run.history)
    assert history.attrs["rule"] == rule
    assert history.attrs["numpy"] == np.__version__
    assert history.attrs["title"] == nf.load_model("digits").title
    assert history.attrs["threads"] == run.history.attrs["threads"]
    assert history.attrs["final"] == "last epoch"
    assert run.test_error == history.test_error.values[-1]
    assert "test_error below: last epoch; the model's mean is over 5, of which this run has 2\n" in printed.out


def test_train_for_no_epochs_evaluates(small, tmp_path, capsys):
    assert neurofa(*small, "--epochs", 0) == 0
    error = float(LAST_LINE.fullmatch(capsys.readouterr().out.splitlines()[-1])[1])
    model, data = nf.load_model(tmp_path / "small.toml"), nf.load_data(tmp_path / "small.npz")
    assert error == pytest.approx(nf.train(model, BP, data, epochs=0).test_error, abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [CHECKPOINT, "results.nc"]


def test_train_takes_its_options(small, tmp_path):
    assert neurofa(*small, "--epochs", 3, "--probe-every", 2, "--threads", 1, "--seed", 5, "--mode", "rate") == 0
    history = read_results(tmp_path / "out" / "results.nc")
    assert history.sizes["epoch"] == 3
    assert list(history.probe.values) == list(range(0, 16, 2))
    assert history.attrs["seed"] == 5
    assert neurofa(*small, "--probe-every", 0, "--overwrite") == 0
    history = read_results(tmp_path / "out" / "results.nc")
    assert history.sizes["epoch"] == 2
    assert "alignment_deg" not in history


def test_settings_take_the_place_of_the_models(small, tmp_path, monkeypatch, capsys):
    changes = ("--set", "training.batch_size=23", "--set", "network.sizes=[6, 4, 3]")
    assert neurofa(*small, *changes, "--probe-every", 1) == 0
    run = nf.load_run(tmp_path / "out")
    assert run.params["layers.0.W"].shape == (6, 4)
    assert list(run.history.probe.values) == [0, 1, 2]
    source = read_results(tmp_path / "out" / "results.nc").attrs["source"]
    assert source.endswith("small.toml, with training.batch_size=23; network.sizes=[6, 4, 3]")
    monkeypatch.chdir(tmp_path)
    assert neurofa(*small[:4], *changes) == 0
    assert "writing to neurofa-runs/small-bp-training.batch_size=23-network.sizes=_6_4_3_-0" in capsys.readouterr().err


def test_compare_takes_settings_and_seeds(small, tmp_path, capsys):
    (tmp_path / "small.toml").write_text(SMALL + "[rules.dfa.training]\nlearning_rate = 1e-4\n")
    arguments = ("--rules", "bp,dfa", "--modes", "rate", "--seeds", "3,7,", "--set", "training.learning_rate=0.01")
    assert neurofa("compare", *small[1:], *arguments) == 0
    assert "note: setting 'training.learning_rate=0.01' does not reach rule 'dfa'" in capsys.readouterr().err
    results = read_results(tmp_path / "out" / "results.nc")
    assert list(results.seed.values) == [3, 7]
    assert results.attrs["source"].endswith("small.toml, with training.learning_rate=0.01")
    run = nf.load_run(tmp_path / "out" / "runs" / "bp-rate-7")
    assert run.history.learning_rate.values[0, 0] == 0.01


def test_the_mean_over_epochs_is_said_beside_the_last_one(small, tmp_path, capsys):
    (tmp_path / "small.toml").write_text(SMALL + "report_last = 2\nlearning_rate = 0.05\n")
    assert neurofa(*small) == 0
    *_, said, last = capsys.readouterr().out.splitlines()
    history = read_results(tmp_path / "out" / "results.nc")
    assert said == f"test_error below: mean of last 2 epochs; after the last epoch {history.test_error.values[-1]:.6g}"
    assert float(LAST_LINE.fullmatch(last)[1]) == pytest.approx(history.test_error.values.mean(), abs=1e-6)


def test_a_model_names_its_data_as_its_folder_has_them(small, tmp_path, monkeypatch, capsys):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "own.toml").write_text(SMALL + '[data]\nname = "small.npz"\n')
    assert neurofa("train", tmp_path / "own.toml", "--out", "run") == 0
    (tmp_path / "small.npz").unlink()
    assert neurofa("train", tmp_path / "own.toml", "--out", "other") == 2
    assert f"{tmp_path / 'elsewhere' / 'small.npz'} does not exist" in capsys.readouterr().err


def test_a_models_file_is_printed(tmp_path, capsys):
    assert neurofa("models", "digits") == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    assert nf.load_model(tmp_path / "mine.toml") == nf.load_model("digits")
    assert neurofa("models", "digit") == 2
    assert "did you mean 'digits'?" in capsys.readouterr().err


def test_all_rules_are_those_that_the_model_can_have(small, tmp_path, capsys):
    arguments = ["compare", *small[1:], "--rules", "all", "--modes", "rate", "--seeds", 1, "--epochs", 1]
    assert neurofa(*arguments) == 0
    printed = capsys.readouterr()
    assert "left out: rule 'mdfa' keeps W positive from layer 1 on" in printed.err
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == len(PRESETS)  # a head, and all but one


def test_a_run_that_overwrites_another_leaves_nothing_of_it(small, tmp_path, capsys):
    assert neurofa(*small) == 0
    wild = SMALL.replace("[training]", 'hidden = "identity"\noutput = "identity"\nloss = "mse"\n[training]')
    (tmp_path / "small.toml").write_text(wild + 'optimiser = "sgd"\nlearning_rate = 1e9\n')
    assert neurofa(*small, "--overwrite") == 2
    assert "diverged" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [CHECKPOINT]
    assert recorded_epochs(tmp_path / "out") == 0


def test_train_writes_to_a_folder_named_after_the_run_and_says_so(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert neurofa(*small[:-2], "--rule", "error/direct/random", "--seed", 2) == 0
    assert capsys.readouterr().err == "writing to neurofa-runs/small-error-direct-random-2\n"
    for name in ("small_0.1", "small_0.25"):
        (tmp_path / f"{name}.toml").write_text(SMALL)
        assert neurofa("train", f"{name}.toml", *small[2:-2], "--epochs", 0) == 0
    folders = sorted(path.name for path in (tmp_path / "neurofa-runs").iterdir())
    assert folders == ["small-error-direct-random-2", "small_0.1-small-bp-0", "small_0.25-small-bp-0"]


def test_resumed_training_ends_like_an_unbroken_one(small, tmp_path):
    assert neurofa(*small, "--epochs", 2) == 0
    assert recorded_epochs(tmp_path / "out") == 2
    assert neurofa(*small, "--epochs", 5, "--resume") == 0
    rest = read_results(tmp_path / "out" / "results.nc")
    assert neurofa(*small, "--epochs", 5, "--overwrite") == 0
    xr.testing.assert_equal(rest, read_results(tmp_path / "out" / "results.nc"))


def test_a_run_is_not_overwritten_unless_told_to(small, tmp_path, capsys):
    assert neurofa(*small) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    assert neurofa(*small, "--rule", "drtp") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "--overwrite" in message
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == kept
    assert neurofa(*small, "--rule", "drtp", "--overwrite") == 0
    assert read_results(tmp_path / "out" / "results.nc").attrs["rule"] == "drtp"


def interrupted(*arguments, **options):
    raise KeyboardInterrupt


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(small, tmp_path, capsys, monkeypatch):
    def interrupt(self, done, text):
        if done > 0.5:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.Reporter, "show", interrupt)
    assert neurofa(*small) == 130
    printed = capsys.readouterr()
    assert printed.err.strip().count("\n") == 0
    assert "--resume" in printed.err
    assert "test_error" not in printed.out
    assert recorded_epochs(tmp_path / "out") == 1


def test_a_signal_whose_exception_is_lost_ends_the_run_at_the_next_progress(small, capsys, monkeypatch):
    show, shown = terminal.Reporter.show, []

    def lose(self, done, text):
        shown.append(done)
        if len(shown) == 2:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)
        show(self, done, text)

    monkeypatch.setattr(terminal.Reporter, "show", lose)
    assert neurofa(*small) == 130
    assert len(shown) == 2
    assert "--resume" in capsys.readouterr().err


def test_an_interrupted_overwriting_does_not_promise_the_old_run(small, tmp_path, capsys, monkeypatch):
    assert neurofa(*small) == 0
    monkeypatch.setattr("neurofa.run.Trainer", interrupted)
    capsys.readouterr()
    assert neurofa(*small, "--overwrite") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
    assert neurofa(*small, "--resume", "--epochs", 3) == 130
    assert "--resume" in capsys.readouterr().err
    assert recorded_epochs(tmp_path / "out") == 2


def test_ctrl_c_before_anything_is_saved_promises_nothing(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("neurofa.run.train", interrupted)
    assert neurofa(*small) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"


def test_a_regression_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0.0)
    command = ["train", "frenkel_2021_regression", "--rule", "dfa", "--epochs", 1, "--out", tmp_path / "out"]
    assert neurofa(*command) == 0
    printed = capsys.readouterr()
    assert LAST_LINE.fullmatch(printed.out.splitlines()[-1])
    assert printed.out.splitlines()[-1].startswith("test_loss=")
    assert re.search(r"^100 %  dfa  epoch 1/1  train loss [\d.e-]+, test loss [\d.e-]+  0:00 left$", printed.err, re.M)
    assert read_results(tmp_path / "out" / "results.nc").attrs["task"] == "regression"


def test_a_command_line_model_is_the_python_model(small, tmp_path):
    """The same numbers by `nf.train` from a file."""
    assert neurofa(*small, "--rule", "drtp") == 0
    model, data = nf.load_model(tmp_path / "small.toml"), nf.load_data(tmp_path / "small.npz")
    xr.testing.assert_equal(read_results(tmp_path / "out" / "results.nc"), nf.train(model, DRTP, data).history)


# ---------------------------------------------------------------------------- progress


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(small, capsys, monkeypatch):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0.0)
    assert neurofa(*small) == 0
    printed = capsys.readouterr()
    assert re.search(r"^ 50 %  bp  epoch 1/2  train error \d+\.\d\d %, test error \d+\.\d\d %  \d+:\d\d left$",
                     printed.err, re.MULTILINE)  # fmt: skip
    assert "%" not in printed.out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3661, "1:01:01"), (float("nan"), "?"), (float("inf"), "?")],
)
def test_clock(seconds, text):
    assert terminal.clock(seconds) == text


# ---------------------------------------------------------------------------- lists


def test_rules_lists_every_preset(capsys):
    assert neurofa("rules") == 0
    lines = capsys.readouterr().out.splitlines()
    for name, rule in PRESETS.items():
        row = [line for line in lines if line.split()[:1] == [name]]
        assert len(row) == 1, name
        described = rule.describe()
        assert described["signal"] in row[0]
        assert described["route"] in row[0]
        assert described["feedback B"] in row[0]


def test_models_lists_every_bundled_model(capsys):
    assert neurofa("models") == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[1:]}
    assert list(rows) == bundled_models()
    assert rows["digits"][1:4] == ["64-200-200-10", "bce", "digits"]
    assert rows["lillicrap_2016_mnist_fc10_1000"][1] == "784-10x1000-10"


def test_titles_of_tables_are_printed_as_they_are(capsys):
    terminal.show_table([{"a": "[b] :x:"}], "[red] title")
    assert capsys.readouterr().out.splitlines()[0] == "[red] title"
    terminal.show_table([{"a": "[b] :cat:"}])
    assert capsys.readouterr().out.split() == ["a", "[b]", ":cat:"]


def test_data_list_names_every_data_set(capsys):
    assert neurofa("data", "list") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == list(SOURCES)


def test_data_fetch_of_what_is_here_already(capsys):
    assert neurofa("data", "fetch", "digits") == 0
    assert "nothing to fetch" in capsys.readouterr().out


def test_version(capsys):
    assert neurofa("--version") == 0
    assert capsys.readouterr().out == f"neurofa {nf.__version__}\n"


# ---------------------------------------------------------------------------- help, and what it costs


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(command, capsys):
    assert neurofa(*command.split(), "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    example = re.search(r"Example: (neurofa .*?)(?: Arguments:| Options:|$)", text)
    assert example, text
    assert example[1].startswith(f"neurofa {command}")


def test_help_names_every_command(capsys):
    assert neurofa("--help") == 0
    text = capsys.readouterr().out
    assert all(
        re.search(rf"^  {name}\b", text, re.MULTILINE)
        for name in ("train", "compare", "rules", "models", "data", "bench")
    )


@pytest.mark.parametrize("group", [[], ["data"], ["bench"]])
def test_without_a_command_the_help_is_shown(group, capsys):
    assert neurofa(*group) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") > 5
    assert "Commands:" in printed.err
    assert printed.out == ""


def test_help_and_import_stay_light():
    code = f"""
import json, sys
import neurofa
heavy, seen = {HEAVY!r}, {{}}
seen["import"] = [name for name in heavy if name in sys.modules]
from neurofa.cli import main
for arguments in (["--help"], ["--version"], *([*command.split(), "--help"] for command in {COMMANDS!r})):
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code == 0, arguments
    seen[" ".join(arguments)] = [name for name in heavy if name in sys.modules]
neurofa.rules.BP, neurofa.Network.dense((2, 2))
seen["describe"] = [name for name in heavy if name in sys.modules]
print(json.dumps(seen))
"""
    seen = json.loads(python(code).splitlines()[-1])
    assert len(seen) == 4 + len(COMMANDS)
    assert seen["import"] == seen["--help"] == []
    # typer checks options with pydantic, if it is there, as soon as there is one
    assert all(set(names) <= {"pydantic"} for names in seen.values()), seen


def test_training_imports_no_simulator_and_no_plots():
    code = """
import sys
import time
from contextlib import suppress
import numpy as np
import neurofa as nf
net, x = nf.Network.dense((4, 3, 2)), np.ones((4, 4))
nf.updates(net, nf.rules.BP, nf.lower(net, nf.rules.BP).params, x, np.array([0, 1, 0, 1]))
print([name for name in ("brian2", "matplotlib", "sklearn", "xarray", "torch") if name in sys.modules])
"""
    assert python(code).strip() == "[]"


def test_the_module_of_comparisons_is_not_the_function():
    code = """
import neurofa as nf
try:
    nf.compare
except AttributeError as error:
    print(error)
from neurofa import compare
assert nf.compare is compare and callable(compare.compare)
"""
    assert python(code).strip().endswith("use: from neurofa.compare import compare")


# ---------------------------------------------------------------------------- the first run on a machine

FRESH = """
import sys
import time
from contextlib import suppress
import numpy as np
import neurofa as nf
name, threads = sys.argv[1:]
net, rule, rng = nf.Network.dense((4, 3, 2)), getattr(nf.rules, name), np.random.default_rng(0)
x, y = rng.normal(size=(6, 4)), np.arange(6) % 2
if threads == "all":
    print(nf.updates(net, rule, nf.lower(net, rule).params, x, y)["layers.0.dW"].shape)
else:
    data = nf.Data(x, y, x, y)
    run = nf.train(net, rule, data, training=nf.Training(epochs=1, batch_size=2), threads=int(threads), probe_every=0)
    print(run.params["layers.0.W"].shape)
"""


@pytest.mark.slow
def test_kernels_compiled_by_one_process_serve_another(tmp_path):
    """A cached parallel kernel takes for granted that the thread pool runs, which compiling would have started."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "OPENBLAS_NUM_THREADS": "1"}
    for arguments in (("FA", "all"), ("NP_FA", "all"), ("NP_FA", "1"), ("NP_FA", "all")):
        command = [sys.executable, "-c", FRESH, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout) == (0, "(4, 3)\n"), (arguments, done.stderr)
        assert done.stderr == ""
    assert any((tmp_path / "cache").rglob("*.nbc"))  # the cache was used
