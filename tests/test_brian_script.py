"""The Brian2 script that the engine writes: it runs without neurofa, and does what the engine does."""

import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support import network_for

import neurofa as nf
from neurofa.engines.brian import BrianEngine
from neurofa.hardware import constrain
from neurofa.rules import PRESETS, lower
from neurofa.spec import Encoder, Hardware, Learning, Levels, Neuron, PostFactor, Spiking, State

SETTINGS = Spiking(
    sample_ms=12.0,
    encoder=Encoder("poisson", 400.0),
    neuron=Neuron("lif", r=2.0, refractory_ms=1.0),
    post=PostFactor("membrane_window", low=-1.0, high=1.3),
    delay_ms=(1.0, 2.0, 1.0),
    hidden_error_threshold=0.3,
    update="spike",
)
RATES = (0.05, 0.03, 0.04)
# neurofa is not there for the script: importing it fails
RUN = """
import runpy, sys
sys.modules["neurofa"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def engine_for(name, spiking=SETTINGS, chip=None):
    rule = PRESETS[name]
    plan = lower(network_for(rule, (4, 5, 4, 3)), rule, 0, precision="float64")
    for key, value in plan.params.items():
        if key.endswith(".W"):
            value *= 1.5
    if chip is not None:
        plan = constrain(plan, spiking, chip, seed=0)
    return BrianEngine(plan, spiking, optimiser=nf.Optimiser("sgd", weight_decay=1e-3), target="numpy", record=True)


def samples(n=5):
    rng = np.random.default_rng(0)
    return rng.random((n, 4)), rng.integers(3, size=n)


def run_beside(engine, folder, target):
    """Write the script, run it in a process of its own, and train the engine; what the script says and leaves."""
    x, y = samples()
    path = engine.write_script(folder / "net.py", x, y, RATES, "A test")
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(path), "--target", target], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    engine.train(x, y, np.arange(len(x)), 0, len(x), RATES)
    return done, np.load(folder / "net_result.npz")


def same(engine, result):
    """Weights and spikes of the engine and of the script."""
    for key, value in engine.params.items():
        if key in result:
            np.testing.assert_allclose(result[key], value, rtol=1e-9, atol=1e-12, err_msg=key)
    assert {f"layers.{layer}.{name}" for layer in range(3) for name in "Wb"} <= set(result)
    for layer in range(3):
        name = engine.setting.name(layer)
        spikes = engine._loaded.parts[f"spikes_of_{name}"]
        pairs = zip(result[f"spikes.{name}.tick"], result[f"spikes.{name}.neuron"], strict=True)
        ticks = np.round(np.asarray(spikes.t_) * 1000).astype(int)
        assert sorted(pairs) == sorted(zip(ticks, np.asarray(spikes.i), strict=True))
        assert len(ticks) > 0 or layer > 0


@pytest.mark.parametrize(
    ("name", "changes"),
    [("fa", {}), ("np_dfa", {"baseline": "clean", "update": "error", "tau_pre_ms": 8.0}), ("pseudo_bp", {})],
)
def test_the_script_runs_alone_and_does_what_the_engine_does(tmp_path, name, changes):
    engine = engine_for(name, replace(SETTINGS, **changes))
    done, result = run_beside(engine, tmp_path, "numpy")
    same(engine, result)
    assert "spikes and final weights are in" in done.stdout
    assert "of 5 samples were classified rightly" in done.stdout
    assert done.stderr == ""


CHIP = Hardware(
    weights=Levels(-128, 127, rounding="stochastic", headroom=2.0),
    modulators=Levels(-127, 127),
    state=State(
        membrane_bits=16, current_bits=12, current_overflow="wrap", weight_shift=4, exponent_min=-8, exponent_max=8
    ),
    learning=Learning(every_ticks=4),
)


def test_a_script_on_a_chip_draws_what_the_engine_draws(tmp_path):
    engine = engine_for("dfa", replace(SETTINGS, transmission=0.8, neuron=Neuron("cuba_lif", r=6.0)), CHIP)
    _, result = run_beside(engine, tmp_path, "numpy")
    same(engine, result)
    grid, text = engine.plan.constraint.weights[0], (tmp_path / "net.py").read_text()
    steps = result["layers.0.W"] / grid.step
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert f"w_step_0 = {grid.step!r}" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "up with a probability equal to the remainder, drawn by Brian2" in text


@pytest.mark.slow
def test_standalone_does_what_the_engine_does(tmp_path):
    chip = replace(CHIP, weights=replace(CHIP.weights, rounding="nearest"))
    engine = engine_for("fa", SETTINGS, chip)
    _, result = run_beside(engine, tmp_path, "cpp_standalone")
    same(engine, result)


def test_derived_feedback_is_not_for_standalone(tmp_path):
    path = engine_for("pseudo_bp").write_script(tmp_path / "net.py", *samples(), RATES)
    command = [sys.executable, str(path), "--target", "cpp_standalone"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "feedback is computed in Python between presentations; use numpy or cython\n"


def test_the_script_has_what_it_needs_and_nothing_else():
    """Imports, and parts that a rule or a neuron does not have, are not there."""
    from neurofa.engines.brian_script import script

    def text(name, **changes):
        return script(engine_for(name, replace(SETTINGS, **changes)).setting, RATES, "A test", "net")

    plain = text("dfa")
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(plain))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"argparse", "pathlib", "numpy", "brian2"}
    for word in (
        "losses",
        "noise",
        "tau_s",
        "x : 1",
        "basis",
        "hidden_error_threshold",
        "mean_count",
        "renew_feedback",
    ):
        assert word not in plain, word
    assert "x : 1" in text("dfa", update="error")
    assert "B_0" not in text("bp")
    assert "refractory" not in text("dfa", neuron=Neuron("if"))
    assert max(len(line) for line in plain.splitlines()) <= 120


def test_writing_changes_nothing(tmp_path):
    """Neither the parameters nor the noise of the presentations to come."""
    one, other = engine_for("node_perturbation"), engine_for("node_perturbation")
    x, y = samples()
    one.write_script(tmp_path / "net.py", x, y, RATES)
    for engine in (one, other):
        engine.train(x, y, np.arange(5), 0, 5, RATES)
    np.testing.assert_array_equal(one.params["layers.0.W"], other.params["layers.0.W"])
