"""The Brian2 script that the engine writes: it runs without neurofa, and does what the engine does."""

import ast
import functools
import subprocess
import sys
from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import network_for

import neurofa as nf
from neurofa.engines.brian import BrianEngine
from neurofa.exchange import write_weights
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
# the standard library, and what the first argument names, can be imported by the script, and nothing else
RUN = """
import runpy, sys
allowed = {*sys.stdlib_module_names, *sys.argv[1].split(",")}
class Others:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {name!r}: it is not among what Brian2 needs", name=name)

sys.meta_path.insert(0, Others())
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@functools.cache
def brian2_alone():
    """Names of what `pip install brian2` brings, NumPy among it, separated by commas."""
    found, waiting = set(), ["brian2"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name)
    assert {"brian2", "numpy"} <= found
    assert not found & {"neurofa", "scipy", "numba", "matplotlib"}
    provided = metadata.packages_distributions().items()
    return ",".join(sorted(top for top, owners in provided if found & {canonicalize_name(owner) for owner in owners}))


def run_alone(path, *arguments):
    """Run a script where there is nothing but Python and what Brian2 brings."""
    command = [sys.executable, "-I", "-c", RUN, brian2_alone(), str(path), *arguments]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True)


def engine_for(name, spiking=SETTINGS, chip=None, decay=1e-3):
    rule = PRESETS[name]
    plan = lower(network_for(rule, (4, 5, 4, 3)), rule, 0, precision="float64")
    for key, value in plan.params.items():
        if key.endswith(".W"):
            value *= 1.5
    if chip is not None:
        plan = constrain(plan, spiking, chip, seed=0)
    return BrianEngine(plan, spiking, optimiser=nf.Optimiser("sgd", weight_decay=decay), target="numpy", record=True)


def samples(n=5):
    rng = np.random.default_rng(0)
    return rng.random((n, 4)), rng.integers(3, size=n)


def run_beside(engine, folder, target):
    """Write the script, run it in a process of its own, and train the engine; what the script says and leaves."""
    x, y = samples()
    path = engine.write_script(folder / "net.py", x, y, RATES, "A test")
    if target == "cpp_standalone":  # to optimise takes longer than to run
        path.write_text(path.read_text(encoding="utf-8").replace("'-O3'", "'-O0', '-g0'"), encoding="utf-8")
    done = run_alone(path, "--target", target)
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
    grid, text = engine.plan.on_chip.weights[0], (tmp_path / "net.py").read_text()
    steps = result["layers.0.W"] / grid.step
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert f"w_step_0 = {grid.step!r}" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "up with a probability equal to the remainder, drawn by Brian2" in text


@pytest.mark.slow
def test_standalone_does_what_the_engine_does(tmp_path):
    chip = replace(CHIP, weights=replace(CHIP.weights, rounding="nearest"))
    engine = engine_for("fa", SETTINGS, chip, decay=0.0)  # what never happens is not compiled
    _, result = run_beside(engine, tmp_path, "cpp_standalone")
    same(engine, result)


def test_derived_feedback_is_not_for_standalone(tmp_path):
    path = engine_for("pseudo_bp").write_script(tmp_path / "net.py", *samples(), RATES)
    command = [sys.executable, str(path), "--target", "cpp_standalone"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "feedback is computed in Python between presentations; use numpy or cython\n"


@pytest.mark.parametrize("other", ["scipy", "numba", "neurofa", "matplotlib"])
def test_what_brian2_does_not_bring_is_not_there_for_a_script(tmp_path, other):
    (tmp_path / "net.py").write_text(f"import json, numpy\nprint(numpy.pi)\nimport {other}\n")
    done = run_alone(tmp_path / "net.py")
    assert done.stdout == f"{np.pi}\n"
    assert f"No module named '{other}'" in done.stderr


def test_a_script_without_its_arrays_says_so_before_anything_is_built(tmp_path):
    path = engine_for("np_dfa").write_script(tmp_path / "net.py", *samples(), RATES)
    data = tmp_path / "net_data.npz"
    arrays = dict(np.load(data))
    namespace = {"__name__": "script", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    read = namespace["read"]
    assert set(namespace["NEEDED"]) == set(read(data))
    for name in arrays:
        np.savez(data, **{key: value for key, value in arrays.items() if key != name})
        with pytest.raises(SystemExit, match=rf"net_data.npz has no {name}, so it was not written with this script"):
            read(data)
    data.unlink()
    command = [sys.executable, str(path), "--target", "cpp_standalone"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{data} is missing; it belongs to this script, so copy both, or export both again\n"
    assert sorted(tmp_path.iterdir()) == [path]


def test_weights_for_chip_tools_do_not_overwrite_what_a_script_shows(tmp_path):
    engine = engine_for("dfa")
    path = engine.write_script(tmp_path / "net.py", *samples(), RATES)
    before = (tmp_path / "net_data.npz").read_bytes()
    write_weights(tmp_path / "net.npz", engine.params)
    assert (tmp_path / "net_data.npz").read_bytes() == before
    assert "net_data.npz" in path.read_text()


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
