"""Kernels that are compiled beside other work: they are those that training then calls, and they are waited for."""

import importlib
import pkgutil

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import neurofa as nf
from neurofa import ahead, kernels
from neurofa.compare import compare
from neurofa.engines import OWN_MODES
from neurofa.rules import DFA, NP_FA, PSEUDO_BP, SIGN_FA


def compiled():
    """Signatures that the kernels have been compiled for, by name."""
    modules = [
        importlib.import_module(f"{kernels.__name__}.{found.name}") for found in pkgutil.iter_modules(kernels.__path__)
    ]
    return {
        f"{module.__name__}.{name}": set(value.overloads)
        for module in modules for name, value in vars(module).items() if isinstance(value, Dispatcher)
    }  # fmt: skip


@pytest.mark.parametrize("mode", OWN_MODES)
def test_training_compiles_nothing_more(mode):
    ahead.compile_kernels(mode, "float32")
    before = compiled()
    assert any(before.values())
    nf.train(nf.load_model("digits"), nf.rules.DFA, nf.load_data("digits"), mode=mode, epochs=1, seed=0)
    assert compiled() == before


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rule", "hardware"), [(DFA, "int8_stochastic"), (SIGN_FA, "int8"), (PSEUDO_BP, None), (NP_FA, None)]
)
def test_what_is_timed_compiles_nothing(rule, hardware, precision):
    """Storing and renewing are kernels of their own."""
    network = nf.Network.dense((4, 3, 3, 2))
    data = nf.Data(np.eye(4), np.arange(4) % 2, np.eye(4), np.arange(4) % 2)
    seen = []
    nf.train(
        network, rule, data, hardware=hardware, training=nf.Training(2, 2, precision=precision), probe_every=0,
        progress=lambda p: seen.append(compiled()),
    )  # fmt: skip
    assert seen[-1] == seen[0]  # which is after the warm-up


@pytest.mark.parametrize("mode", OWN_MODES)
def test_cached_kernels_are_found(mode):
    ahead.compile_kernels(mode, "float32")
    assert ahead.is_compiled(mode)


class Waited:
    """A process that is over once it has been waited for."""

    def __init__(self, log, mode):
        self.log, self.mode = log, mode

    def wait(self):
        self.log.append(f"waited for {self.mode}")

    def kill(self):
        self.log.append(f"ended {self.mode}")


def test_the_second_mode_is_compiled_beside_the_first(monkeypatch):
    log = []
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    monkeypatch.setattr(ahead, "is_compiled", lambda mode: False)
    monkeypatch.setattr(ahead, "_start", lambda mode, precision: Waited(log, mode))

    def tell(finished, name, progress):
        if name not in log:
            log.append(name)

    model = nf.load_model("digits")
    compare(model, (nf.rules.DFA,), lambda seed: nf.load_data("digits"), seeds=(0,), epochs=1, progress=tell)
    assert log == ["dfa-rate-0", "waited for spiking", "dfa-spiking-0"]


def test_nothing_is_started_without_need(monkeypatch):
    monkeypatch.setattr(ahead, "_start", lambda mode, precision: pytest.fail("started"))
    monkeypatch.setattr(ahead, "is_compiled", lambda mode: True)
    with ahead.compiled_beside({"spiking": "float32"}) as started:
        assert started == {}
    monkeypatch.setattr(ahead, "is_compiled", lambda mode: False)
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    with ahead.compiled_beside({"spiking": "float32"}) as started:
        assert started == {}


def test_what_was_not_waited_for_is_ended(monkeypatch):
    log = []
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    monkeypatch.setattr(ahead, "is_compiled", lambda mode: False)
    monkeypatch.setattr(ahead, "_start", lambda mode, precision: Waited(log, mode))
    with pytest.raises(KeyboardInterrupt), ahead.compiled_beside({"spiking": "float32"}):
        raise KeyboardInterrupt
    assert log == ["ended spiking", "waited for spiking"]
