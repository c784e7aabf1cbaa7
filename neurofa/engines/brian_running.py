"""What the Brian2 engine needs beside its script: Brian2 itself, encoded samples, and who judges their outcome."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..kernels.encoders import ENCODERS, capacity, encode
from ..rules import Plan
from ..spec import Spiking
from ..spec.errors import InputError, require
from .brian_script import FLAGS, script
from .brian_setting import Setting


class Events(NamedTuple):
    """Input events of some presentations, ticks counted from the first of them on."""

    tick: np.ndarray
    unit: np.ndarray


class Loaded(NamedTuple):
    """A script that was executed: its names, the network, its parts."""

    names: dict[str, Any]
    net: Any
    parts: dict[str, Any]


@contextmanager
def brian2_for(target: str) -> Iterator[None]:
    """Brian2 with a code generation target, and as it was afterwards."""
    hook = sys.excepthook
    try:
        import brian2
        from brian2.devices.device import all_devices
    except ImportError as error:
        raise InputError(
            f"Brian2 cannot be imported ({error}); install brian2==2.9.*, or use mode 'spiking'"
        ) from error
    finally:
        sys.excepthook = hook  # Brian2 would take every error of the program for one of its own
    require(
        brian2.get_device() is all_devices["runtime"],
        "Brian2's device is not 'runtime'; call brian2.set_device('runtime') before mode 'brian', or export a "
        "script, which has --target cpp_standalone",
    )
    codegen, log = brian2.prefs.codegen, logging.getLogger("brian2")
    level = log.level
    log.setLevel(logging.WARNING)  # Brian2 describes all that it does, in a file
    device = brian2.get_device()
    random = device.get_random_state()
    before = codegen.target, codegen.loop_invariant_optimisations, codegen.cpp.extra_compile_args_gcc
    codegen.target = target
    codegen.loop_invariant_optimisations = False  # these change the order of sums, and with it the last digit
    codegen.cpp.extra_compile_args_gcc = FLAGS
    try:
        yield
    finally:
        device.set_random_state(random)
        log.setLevel(level)
        codegen.target, codegen.loop_invariant_optimisations, codegen.cpp.extra_compile_args_gcc = before


def load(setting: Setting, record: bool) -> Loaded:
    """Execute a script and build its network; `record` keeps all spikes."""
    text = script(setting, (0.0,) * setting.plan.n_layers, "A network", "network")
    names: dict[str, Any] = {"__name__": "neurofa_brian_script"}
    exec(compile(text, "<script of neurofa>", "exec"), names)
    return Loaded(names, *names["build"](record=record))


def target_activities(plan: Plan, spiking: Spiking, y: np.ndarray) -> np.ndarray:
    """Target activities, (n, n_out), of labels or values."""
    if plan.task != "classification":
        return np.asarray(y, np.float64).reshape(len(y), -1)
    low, high = spiking.target_activity
    n_out, labels = plan.sizes[-1], np.asarray(y, np.int64)
    aims = np.full((len(labels), n_out), float(low))
    if n_out == 1:
        aims[labels > 0] = high
    else:
        aims[np.arange(len(labels)), labels] = high
    return aims


def encoded(plan: Plan, spiking: Spiking, x: np.ndarray, key: int, first: int, n_ticks: int, passes: int = 1) -> Events:
    """What the encoder makes of samples that are presentations `first`, `first` + 1, ..., each shown `passes` times."""
    encoder, n = spiking.encoder, plan.sizes[0]
    kind = ENCODERS[encoder.kind]
    room = capacity(n, n_ticks, spiking.peak, kind)
    ptr, index, scratch = np.zeros(n_ticks + 1, np.int64), np.empty(room, np.int32), np.empty((2, room), np.int32)
    ticks, units = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for m, row in enumerate(x):
        n_events = encode(
            row, kind, spiking.peak, n_ticks, encoder.phase == "random", key, first + m, ptr, index, scratch
        )
        tick = np.repeat(np.arange(n_ticks), np.diff(ptr))
        for again in range(passes):
            ticks.append(tick + (passes * m + again) * n_ticks)
            units.append(index[:n_events].astype(np.int64))
    return Events(np.concatenate(ticks), np.concatenate(units))


def losses_and_errors(
    plan: Plan, spiking: Spiking, counts: np.ndarray, membranes: np.ndarray, y: np.ndarray, n_ticks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each presentation, and whether it was classified wrongly."""
    activity = counts / (spiking.peak * n_ticks)
    loss = 0.5 * ((activity - target_activities(plan, spiking, y)) ** 2).sum(axis=1)
    if plan.task != "classification":
        return loss, np.zeros(len(loss), bool)
    if plan.sizes[-1] == 1:
        return loss, (activity[:, 0] > 0.5 * sum(spiking.target_activity)) != (np.asarray(y) > 0)
    most = counts == counts.max(axis=1, keepdims=True)
    return loss, np.where(most, membranes, -np.inf).argmax(axis=1) != np.asarray(y)
