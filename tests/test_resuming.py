"""Resuming and interruption: whatever ends a run, the rest of it is the run that nothing ended."""

import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from running import ADAM, RIDGE, SIZES, assert_equal_runs, recorded_epochs, save_npz, with_validation
from support import data_for, network_for, protocol, with_layer

import neurofa as nf
from neurofa.io.augment import augmenter, gaussian_noise
from neurofa.io.results import read_results
from neurofa.rules import BP, FA, NODE_PERTURBATION, NP_FA, PRESETS
from neurofa.run import CHECKPOINT
from neurofa.spec import Feedback, InputError, Perturbation, Rule, Schedule

REDRAWN = Rule("error", "sequential", Feedback("sign_transpose", "batchwise_random"), name="redrawn")

# rule, the network's extras, the protocol's extras
RESUMED = {
    "bp": (BP, {}, ADAM),
    "float32": (BP, {}, {**ADAM, "precision": "float32"}),
    "rmsprop": (BP, {}, {**ADAM, "optimiser": "rmsprop"}),
    "momentum": (FA, {}, {**ADAM, "optimiser": "momentum"}),
    "nesterov": (FA, {}, {**ADAM, "optimiser": "nesterov"}),
    "np_fa": (replace(NP_FA, perturbation=Perturbation(0.05, learning_rate=0.1)), {}, ADAM),
    "ridge": (RIDGE, {}, ADAM),
    "node_perturbation": (NODE_PERTURBATION, {}, ADAM),
    "matching": (PRESETS["matching"], {}, ADAM),
    "pseudoinverse": (Rule("error", "sequential", Feedback("pseudoinverse", every=3)), {}, ADAM),
    "redrawn": (REDRAWN, {}, ADAM),
    "dropout": (BP, {"dropout": 0.3}, ADAM),
    "plateau": (BP, {}, {"learning_rate": 2.0, "schedule": Schedule("plateau", factor=0.7, patience=1)}),
    "patience": (BP, {}, {"learning_rate": 2.0, "schedule": Schedule("plateau", factor=0.7, patience=2)}),
    "milestones": (BP, {}, {**ADAM, "schedule": Schedule("step", milestones=(1, 3))}),
    "early_stopping": (BP, {}, {**ADAM, "early_stopping": 8, "learning_rate": 0.3}),
}


def images(n_train=30, n_test=10):
    """Images of 3 by 4 pixels in two classes: which side is bright."""
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=n_train + n_test)
    x = rng.normal(size=(len(y), 3, 4)).astype(np.float32)
    x[y == 1, :, 2:] += 1
    return nf.Data(x[:n_train], y[:n_train], x[n_train:], y[n_train:], name="sides")


# ---------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("case", RESUMED)
def test_two_epochs_and_two_more_are_four(case, tmp_path):
    rule, extras, options = RESUMED[case]
    network = network_for(rule, SIZES, **extras)
    data = with_validation(network)
    whole = nf.train(network, rule, data, seed=4, training=protocol(epochs=4, **options))
    half = nf.train(network, rule, data, seed=4, training=protocol(epochs=2, **options), out=tmp_path)
    rest = nf.train(network, rule, data, seed=4, training=protocol(epochs=4, **options), out=tmp_path, resume=True)
    assert_equal_runs(rest, whole)
    assert rest.history.sizes["epoch"] == 4
    assert rest.seconds > half.seconds
    assert np.abs(half.params["layers.2.W"] - whole.params["layers.2.W"]).max() > 1e-3


def test_an_augmentation_without_a_name_is_not_resumed(tmp_path):
    network, data = network_for(BP, (12, 7, 2)), images()
    options = {"training": protocol(epochs=1, **ADAM), "out": tmp_path}
    nf.train(network, BP, data, augment=lambda x, rng: x, **options)
    with pytest.raises(InputError, match="augment is a lambda"):
        nf.train(network, BP, data, resume=True, augment=lambda x, rng: 0 * x, **options)
    assert gaussian_noise(0.3).__qualname__ != gaussian_noise(0.30000001).__qualname__


class Scaled:
    """An augmentation that its arguments alone tell from another."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x, rng):
        return self.factor * x

    apply = __call__


def shifted_a_little(x, rng):
    return x + 0.1


def shifted(x, rng, by):
    return x + by * rng.random(x.shape)


def scaled_by(factor):
    return lambda x, rng: factor * x


def renamed(function):
    def named(x, rng):
        return function(x, rng)

    return named


def test_what_others_may_have_the_name_of_is_not_resumed(tmp_path):
    network, data = network_for(BP, (12, 7, 2)), images()
    options = {"training": protocol(epochs=1, **ADAM), "out": tmp_path}
    nf.train(network, BP, data, augment=shifted_a_little, **options)
    for other in (scaled_by(2), renamed(shifted_a_little), Scaled(1).apply):
        with pytest.raises(InputError, match="which nothing tells from others like it"):
            nf.train(network, BP, data, augment=other, resume=True, **options)
    shape = (1, 3, 4)
    kinds = [augmenter(("flip",), shape), augmenter(("elastic",), shape), augmenter(("flip",), shape, 1)]
    assert len({function.__qualname__ for function in kinds}) == 3
    assert kinds[0].__qualname__ == augmenter(("flip",), shape).__qualname__


def test_an_augmentation_is_known_by_its_arguments_too(tmp_path):
    network, data = network_for(BP, (12, 7, 2)), images()
    options = {"training": protocol(epochs=1, **ADAM), "out": tmp_path}
    nf.train(network, BP, data, augment=functools.partial(shifted, by=0.1), **options)
    nf.train(network, BP, data, augment=functools.partial(shifted, by=0.1), resume=True, **options)
    with pytest.raises(InputError, match="another mode, model"):
        nf.train(network, BP, data, augment=functools.partial(shifted, by=0.2), resume=True, **options)
    with pytest.raises(InputError, match="made by another function"):
        nf.train(network, BP, data, augment=Scaled(1), resume=True, **options)


def test_a_run_that_is_further_than_asked_for_is_not_resumed(tmp_path):
    network, data = network_for(BP, (12, 7, 2)), images()
    options = {"training": protocol(epochs=2, **ADAM), "out": tmp_path}
    nf.train(network, BP, data, **options)
    with pytest.raises(InputError, match="has 2 epochs, more than the 1 that are asked for"):
        nf.train(network, BP, data, epochs=1, resume=True, **options)
    assert recorded_epochs(tmp_path) == 2


def test_a_run_goes_on_with_as_many_threads_as_before(tmp_path):
    """So many that their partial sums differ: a network large enough to be cut for them."""
    network, rng = nf.Network.dense((600, 400, 2)), np.random.default_rng(0)
    x, y = rng.random((20, 600), np.float32), rng.integers(2, size=20)
    data = nf.Data(x, y, x, y)
    options = {"training": protocol(epochs=2, batch_size=10, precision="float32")}
    whole = nf.train(network, BP, data, threads=3, **options)
    nf.train(network, BP, data, threads=3, out=tmp_path, **options | {"epochs": 1})
    rest = nf.train(network, BP, data, out=tmp_path, resume=True, **options)
    assert rest.history.attrs["threads"] == 3
    assert_equal_runs(rest, whole)


@pytest.mark.parametrize("names", [("flip",), ("flip", "elastic"), gaussian_noise(0.3)])
def test_augmentation_goes_on_with_its_own_draws(names, tmp_path):
    network, data = network_for(BP, (12, 7, 2)), images()
    options = {"data": data, "seed": 4, "augment": names}
    whole = nf.train(network, BP, training=protocol(epochs=4, **ADAM), **options)
    nf.train(network, BP, training=protocol(epochs=2, **ADAM), out=tmp_path, **options)
    rest = nf.train(network, BP, training=protocol(epochs=4, **ADAM), out=tmp_path, resume=True, **options)
    assert_equal_runs(rest, whole)
    plain = nf.train(network, BP, data, seed=4, training=protocol(epochs=4, **ADAM))
    assert np.abs(plain.params["layers.0.W"] - whole.params["layers.0.W"]).max() > 1e-3
    with pytest.raises(InputError, match="another mode, model"):
        nf.train(network, BP, data, seed=4, training=protocol(epochs=5, **ADAM), out=tmp_path, resume=True)


def test_a_plateau_fell_on_both_sides_of_the_break():
    rule, _, options = RESUMED["plateau"]
    network = network_for(rule, SIZES)
    rates = nf.train(network, rule, with_validation(network), seed=4, training=protocol(epochs=4, **options)).history
    factors = rates.learning_rate.values[:, 0] / 2.0
    assert factors[2] < 1  # what the first two epochs did to the rate matters later
    assert factors[3] < factors[2]


def test_early_stopping_that_is_resumed_knows_the_best_epoch_before_the_break(tmp_path):
    network = network_for(BP, SIZES)
    data = with_validation(network)
    options = {"learning_rate": 0.3, "optimiser": "adam", "early_stopping": 4}
    whole = nf.train(network, BP, data, seed=2, training=protocol(epochs=30, **options))
    stopped, best = whole.history.sizes["epoch"], int(np.argmin(whole.history.validation_error.values)) + 1
    assert best + 4 == stopped < 30
    nf.train(network, BP, data, seed=2, training=protocol(epochs=best + 2, **options), out=tmp_path)
    rest = nf.train(network, BP, data, seed=2, training=protocol(epochs=30, **options), out=tmp_path, resume=True)
    assert_equal_runs(rest, whole)


def test_resuming_a_finished_run_returns_it(tmp_path):
    network = network_for(BP, SIZES)
    data = data_for(network)
    first = nf.train(network, BP, data, training=protocol(), out=tmp_path)
    kept = (tmp_path / CHECKPOINT).read_bytes()
    again = nf.train(network, BP, data, training=protocol(), out=tmp_path, resume=True)
    assert_equal_runs(again, first)
    assert (tmp_path / CHECKPOINT).read_bytes() == kept


def other_runs():
    network = network_for(BP, SIZES)
    data = data_for(network)
    brighter, relabelled = data.x_train.copy(), data.y_train.copy()
    brighter[3, 2] += 1
    relabelled[5] = (relabelled[5] + 1) % 3
    same = {"net": network, "rule": BP, "data": data, "seed": 4, "training": protocol(epochs=4)}
    return {
        "width": same | {"net": network_for(BP, (6, 8, 5, 3))},
        "activation": same | {"net": with_layer(network, 1, activation="relu")},
        "dropout": same | {"net": with_layer(network, 1, dropout=0.1)},
        "loss": same | {"net": replace(network, loss="mse")},
        "learning rate": same | {"training": protocol(epochs=4, learning_rate=0.2)},
        "optimiser": same | {"training": protocol(epochs=4, optimiser="momentum")},
        "batch": same | {"training": protocol(epochs=4, batch_size=6)},
        "rule": same | {"rule": FA},
        "rule's settings": same | {"rule": Rule("error", "sequential", "transpose", name="other")},
        "seed": same | {"seed": 5},
        "number of samples": same | {"data": data_for(network, 24)},
        "inputs": same | {"data": replace(data, x_train=brighter)},
        "initial parameters": same | {"params": {"layers.0.b": np.full(network.layers[0].units, 0.1)}},
        "labels": same | {"data": replace(data, y_train=relabelled)},
    }


@pytest.mark.parametrize("case", other_runs())
def test_refuses_to_resume_another_run_and_keeps_its_checkpoint(case, tmp_path):
    network = network_for(BP, SIZES)
    nf.train(network, BP, data_for(network), seed=4, training=protocol(epochs=2), out=tmp_path)
    kept = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(InputError, match="another mode, model, rule, protocol, hardware, seed, data") as caught:
        nf.train(**other_runs()[case], out=tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "'bp'" in str(caught.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == kept


def test_refuses_to_resume_from_nothing_or_from_a_broken_file(tmp_path):
    network = network_for(BP, SIZES)
    arguments = (network, BP, data_for(network))
    with pytest.raises(InputError, match="out"):
        nf.train(*arguments, training=protocol(), resume=True)
    with pytest.raises(InputError, match="no checkpoint"):
        nf.train(*arguments, training=protocol(), out=tmp_path, resume=True)
    nf.train(*arguments, training=protocol(), out=tmp_path)
    part = (tmp_path / CHECKPOINT).read_bytes()[:-9]
    (tmp_path / CHECKPOINT).write_bytes(part)
    with pytest.raises(InputError, match="truncated") as caught:
        nf.train(*arguments, training=protocol(epochs=5), out=tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == part


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    network, file = network_for(BP, SIZES), tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt") as caught:
        nf.train(network, BP, data_for(network), training=protocol(), out=file)
    assert "\n" not in str(caught.value)
    assert file.read_text() == "mine"


# ---------------------------------------------------------------------------- interruption


@pytest.mark.parametrize("whole_epochs", [0, 2])
@pytest.mark.parametrize("rule", [BP, RIDGE], ids=lambda rule: rule.name)
def test_ctrl_c_leaves_the_last_whole_epoch(rule, whole_epochs, tmp_path):
    network = network_for(rule, SIZES, dropout=0.1)
    data = data_for(network)

    def interrupt(progress):
        if progress.epoch == whole_epochs and progress.fraction * 4 > whole_epochs + 0.5:
            assert progress.fraction * 4 < whole_epochs + 1
            raise KeyboardInterrupt

    options = {"data": data, "seed": 4, "training": protocol(epochs=4, **ADAM), "probe_every": 2}
    whole = nf.train(network, rule, **options)
    with pytest.raises(KeyboardInterrupt):
        nf.train(network, rule, **options, out=tmp_path, progress=interrupt)
    assert recorded_epochs(tmp_path) == whole_epochs
    rest = nf.train(network, rule, **options, out=tmp_path, resume=True)
    assert_equal_runs(rest, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT]


def test_a_checkpoint_is_written_on_the_way(tmp_path, monkeypatch):
    """After each epoch if the last one is old enough: a run that is killed loses no more than that."""
    network = network_for(BP, SIZES)
    seen = []

    def look(progress):
        seen.append(recorded_epochs(tmp_path) if (tmp_path / CHECKPOINT).exists() else None)

    options = {"data": data_for(network), "training": protocol(epochs=3), "out": tmp_path, "probe_every": 0}
    nf.train(network, BP, **options, progress=look)
    assert seen == [None] * 7  # at the beginning, in the middle and at the end of each epoch
    monkeypatch.setattr("neurofa.trainer.CHECKPOINT_EVERY_S", 0.0)
    seen.clear()
    (tmp_path / CHECKPOINT).unlink()
    nf.train(network, BP, **options, progress=look)
    assert seen == [None, None, None, 1, 1, 2, 2]


@pytest.mark.parametrize("mode", ["rate", "spiking"])
def test_a_function_looks_after_each_epoch_and_may_end_the_run(mode, tmp_path):
    network = network_for(BP, SIZES)
    drawn = with_validation(network)
    data = replace(
        drawn, **{f"x_{part}": np.abs(getattr(drawn, f"x_{part}")) / 9 for part in ("train", "test", "validation")}
    )
    training = protocol(epochs=4, batch_size=1, learning_rate=0.01, shuffle=True)
    options = {"data": data, "mode": mode, "training": training}
    whole = nf.train(network, BP, **options)
    told = []

    def look(p):
        told.append((p, p.params["layers.0.W"].copy()))
        return np.bool_(p.epoch == 2)

    run = nf.train(network, BP, **options, out=tmp_path, each_epoch=look)
    assert [p.epoch for p, _ in told] == [1, 2]
    assert [p.fraction for p, _ in told] == [0.25, 0.5]
    assert run.history.sizes["epoch"] == recorded_epochs(tmp_path) == 2
    for name in ("train_loss", "train_error", "test_loss", "test_error", "validation_error"):
        assert [getattr(p, name) for p, _ in told] == list(run.history[name].values)
    np.testing.assert_array_equal(told[1][1], run.params["layers.0.W"])
    assert (told[0][1] != told[1][1]).any()
    assert nf.load_run(tmp_path).test_error == run.test_error
    told.clear()
    rest = nf.train(network, BP, **options, out=tmp_path, resume=True, each_epoch=lambda p: told.append(p.epoch))
    assert told == [3, 4]
    assert_equal_runs(rest, whole)


def test_progress_tells_how_far_a_run_is():
    network = network_for(BP, SIZES)
    told = []
    run = nf.train(network, BP, data_for(network), training=protocol(epochs=2), probe_every=2, progress=told.append)
    fractions = [progress.fraction for progress in told]
    np.testing.assert_allclose(fractions, [0, 0.2, 0.4, 0.5, 0.5, 0.6, 0.8, 1, 1])
    assert [progress.epoch for progress in told] == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert np.isnan(told[0].test_error)
    assert told[-2].test_error == float(run.history.test_error[0])
    assert told[-1].test_error == float(run.history.test_error[1])
    assert told[-1].train_error == float(run.history.train_error[1])
    assert told[-1].train_loss == told[-2].train_loss == float(run.history.train_loss[1])
    assert told[-2].test_loss == float(run.history.test_loss[0])


TINY = """
[network]
sizes = [6, 7, 3]
[training]
batch_size = 5
learning_rate = 0.01
"""


@pytest.fixture
def long_run(tmp_path):
    """Start `neurofa train` in a process of its own, wait until it trains, and give the process."""
    network = network_for(BP, (6, 7, 3))
    data = data_for(network)
    save_npz(tmp_path / "tiny.npz", data)
    (tmp_path / "tiny.toml").write_text(TINY)
    processes = []

    def start(every_s, ready):
        arguments = ["train", str(tmp_path / "tiny.toml"), "--data", str(tmp_path / "tiny.npz"), "--epochs", "10000000"]
        arguments += ["--out", str(tmp_path / "out"), "--probe-every", "0", "--threads", "1"]
        code = f"import neurofa.trainer as t; t.CHECKPOINT_EVERY_S = {every_s}; import neurofa.cli as c; c.main()"
        command = [sys.executable, "-c", code, *arguments]
        if every_s is None:
            command = [sys.executable, "-m", "neurofa.cli", *arguments]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )
        processes.append(process)
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "the run did not begin"
            time.sleep(0.02)
        time.sleep(0.3)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def resumed_in_process(tmp_path, more):
    """Epochs on record, and the checkpoint's run taken `more` epochs further, beside an unbroken run."""
    model, data = nf.load_model(tmp_path / "tiny.toml"), nf.load_data(str(tmp_path / "tiny.npz"))
    epochs = recorded_epochs(tmp_path / "out") + more
    options = {"epochs": epochs, "probe_every": 0, "threads": 1}
    whole = nf.train(model, BP, data, **options)
    return whole, nf.train(model, BP, data, **options, out=tmp_path / "out", resume=True)


def test_kill_term_leaves_a_checkpoint_and_exit_status_130(long_run, tmp_path):
    process = long_run(None, tmp_path / "out")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "test_error" not in stdout
    assert stderr.strip().count("\n") == 0
    assert "--resume" in stderr
    epochs = recorded_epochs(tmp_path / "out")
    if epochs:  # what there is to see of it
        assert read_results(tmp_path / "out" / "results.nc").sizes["epoch"] == epochs
        assert (tmp_path / "out" / "curves.png").exists()
    whole, rest = resumed_in_process(tmp_path, 3)
    assert_equal_runs(rest, whole)


def test_kill_9_leaves_a_whole_checkpoint(long_run, tmp_path):
    """Killed while it writes a checkpoint after every epoch."""
    process = long_run(0, tmp_path / "out" / CHECKPOINT)
    process.kill()
    process.communicate(timeout=60)
    assert recorded_epochs(tmp_path / "out") >= 1
    whole, rest = resumed_in_process(tmp_path, 3)
    assert_equal_runs(rest, whole)
