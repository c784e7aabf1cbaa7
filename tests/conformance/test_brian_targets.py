"""Targets of Brian2's code generation: numpy is compared with the oracle elsewhere, cython here with numpy."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from support import data_for, network_for
from test_brian_engine import NEURONS, SETTINGS, samples, spikes_of

import neurofa as nf
from neurofa.engines import brian_running
from neurofa.engines.brian import BrianEngine
from neurofa.rules import BP, DFA, lower
from neurofa.spec.errors import InputError

# a compiled part takes seconds, and the second case uses most of those of the first again
CASES = {"error, with feedback": ("error", (4, 5, 3)), "spike, one layer": ("spike", (4, 3))}


@pytest.fixture
def compiling(tmp_path, monkeypatch):
    """What Brian2 compiles lies in a folder that is not kept, and is not optimised, which takes longer than the run."""
    pytest.importorskip("Cython", reason="Cython, which Brian2 compiles with, is not installed")
    if not any(map(shutil.which, ("g++", "c++", "clang++"))):
        pytest.skip("there is no C++ compiler, which Brian2's target cython needs")
    import brian2

    flags = [*(flag.replace("-O3", "-O0") for flag in brian_running.FLAGS), "-g0"]
    monkeypatch.setattr(brian_running, "FLAGS", flags)
    cython = brian2.prefs.codegen.runtime.cython
    kept, cython.cache_dir = cython.cache_dir, str(tmp_path)
    yield tmp_path
    cython.cache_dir = kept


@pytest.mark.slow
def test_cython_gives_the_weights_and_spikes_of_numpy(compiling):
    for name, (update, sizes) in CASES.items():
        rng = np.random.default_rng(0)
        plan = lower(network_for(DFA, sizes, bias=False), DFA, 0, precision="float64")
        spiking = replace(SETTINGS, update=update, neuron=NEURONS[0])
        x, y = samples(plan, 4)
        engines = [BrianEngine(plan, spiking, target=target, record=True) for target in ("numpy", "cython")]
        order, rates = rng.permutation(4), (0.05,) * plan.n_layers
        losses = [engine.train(x, y, order, 0, 4, rates) for engine in engines]
        assert losses[0] == losses[1], name
        slow, fast = engines
        assert set(slow.params) == set(fast.params)
        for key, value in slow.params.items():
            np.testing.assert_allclose(fast.params[key], value, rtol=1e-12, atol=1e-14, err_msg=f"{name}: {key}")
            assert key.endswith(".B") or (value != plan.params[key]).any(), f"{name}: {key} learns nothing"
        assert spikes_of(slow) == spikes_of(fast), name
        assert all(spikes_of(slow)), f"{name}: a layer is silent"
    assert any(compiling.glob("*.so"))  # it was compiled, and here


def test_training_takes_a_target(monkeypatch):
    made = []
    monkeypatch.setattr(
        nf.engines.brian, "brian2_for", lambda name: made.append(name) or brian_running.brian2_for(name)
    )
    network = network_for(BP, (6, 4, 3))
    data = data_for(network)
    x = (data.x_train - data.x_train.min()) / np.ptp(data.x_train)
    data = nf.Data(x[:2], data.y_train[:2], x[:1], data.y_train[:1])
    spiking = replace(SETTINGS, training=replace(SETTINGS.training, batch_size=1, epochs=1))
    run = nf.train(network, DFA, data, "brian", spiking=spiking, probe_every=0, brian_target="numpy")
    assert set(made) == {"numpy"}
    assert np.isfinite(run.test_error)


def test_a_target_that_cannot_be_is_refused_in_a_line_that_says_what_to_do():
    network = network_for(DFA, (4, 5, 3))
    plan = lower(network, DFA, 0)
    with pytest.raises(InputError, match=r"neurofa export MODEL FILE.py --to brian.*--target cpp_standalone"):
        BrianEngine(plan, SETTINGS, target="cpp_standalone")
    with pytest.raises(InputError, match="target 'cython' is for Brian2; leave it out, or use mode 'brian'"):
        nf.train(network, DFA, data_for(network), "spiking", brian_target="cython")
