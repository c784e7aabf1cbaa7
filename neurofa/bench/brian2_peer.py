"""The peer of the spiking speed table: the same circuits in Brian2's C++ standalone mode, float32, one core.

    python -m neurofa.bench.brian2_peer w1 1000     # milliseconds
    python -m neurofa.bench.brian2_peer w2 500      # samples

The program is built once and can be run as often as one likes; it measures the time of its own processor around the
run of the network, so neither building nor setting up counts. The benchmark builds it in a process of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..spec.errors import InputError, require
from .workloads import W1, W2, result_line

FLAGS = ["-O3", "-ffast-math", "-march=native", "-std=c++11", "-w"]
BUILT = "built.json"


def add_w1(b2: Any, work: W1, duration_ms: float) -> tuple[Any, Any, dict[str, Any]]:
    """The recurrent network: what is simulated, for how long, and whose spikes count."""
    indptr, indices, weights = work.connections()
    names = {name: getattr(work, name) for name in ("v_leak", "v_threshold", "v_reset")} | {"tau": work.tau_ms * b2.ms}
    neurons = b2.NeuronGroup(
        work.neurons,
        "dv/dt = (v_leak - v) / tau : 1 (unless refractory)",
        threshold="v >= v_threshold",
        reset="v = v_reset",
        refractory=work.refractory_ms * b2.ms,
        method="exact",
        namespace=names,
    )
    neurons.v = work.initial()
    recurrent = b2.Synapses(neurons, neurons, "w : 1", on_pre="v_post += w", delay=work.delay_ms * b2.ms)
    recurrent.connect(i=np.repeat(np.arange(work.neurons, dtype=np.int32), np.diff(indptr)), j=indices)
    recurrent.w = weights
    counted = {"spikes": b2.SpikeMonitor(neurons, record=False)}
    return b2.Network(neurons, recurrent, *counted.values()), duration_ms * b2.ms, counted


def add_w2(b2: Any, work: W2, samples: int) -> tuple[Any, Any, dict[str, Any]]:
    """The plastic network: the product of window and third factor is kept for each neuron, as that is fastest."""
    w_hidden, w_output, m_hidden, m_output = work.weights()
    shown = b2.TimedArray(work.samples(samples) * work.rate_hz * b2.Hz, dt=work.ticks * work.dt_ms * b2.ms)
    names = {"decay": float(np.exp(-work.dt_ms / work.tau_ms)), "eta": work.eta}
    step = "v = decay * v + drive\ndrive = 0\nchange = -eta * m * int(abs(v - 0.5) < 0.5)"
    source = b2.PoissonGroup(work.inputs, rates="shown(t, i)", namespace={"shown": shown})
    parts, layers = [source], [source]
    for weights, third in ((w_hidden, m_hidden), (w_output, m_output)):
        neurons = b2.NeuronGroup(
            len(third),
            "v : 1\ndrive : 1\nchange : 1\nm : 1",
            threshold="v >= 1",
            reset="v = 0",
            namespace=names,
        )
        neurons.run_regularly(step, dt=work.dt_ms * b2.ms, when="groups")
        neurons.m = third
        plastic = b2.Synapses(layers[-1], neurons, "w : 1", on_pre="drive_post += w\nw += change_post")
        plastic.connect()
        plastic.w = weights.ravel()
        layers.append(neurons)
        parts += [neurons, plastic]
    counted = {"inputs": b2.SpikeMonitor(source, record=False), "hidden": b2.SpikeMonitor(layers[1], record=False)}
    return b2.Network(*parts, *counted.values()), samples * work.ticks * work.dt_ms * b2.ms, counted


def build(work: W1 | W2, size: int, folder: Path) -> float:
    """Build the program of a workload in `folder`; once in a process. Returns the seconds that it took.

    Raises
    ------
    InputError
        If Brian2 cannot be imported, or there is no compiler.
    """
    try:
        import brian2 as b2
    except ImportError as error:
        raise InputError(f"Brian2 cannot be imported ({error}); install brian2==2.9.*") from error
    began = time.perf_counter()
    b2.prefs.core.default_float_dtype = np.float32
    b2.prefs.codegen.cpp.extra_compile_args_gcc = FLAGS
    b2.set_device("cpp_standalone", directory=str(folder), build_on_run=False)
    b2.defaultclock.dt = work.dt_ms * b2.ms
    network, duration, counted = add_w1(b2, work, size) if isinstance(work, W1) else add_w2(b2, work, size)
    b2.device.insert_code("before_network_run", "const std::clock_t bench_began = std::clock();")
    report = ['std::printf("cpu_s %.6f", double(std::clock() - bench_began) / CLOCKS_PER_SEC);']
    for name, monitor in counted.items():
        total = b2.device.get_array_name(monitor.variables["N"])
        report.append(f'std::printf(" {name} %lld", (long long) {total}[0]);')
    b2.device.insert_code("after_network_run", "\n".join([*report, 'std::printf("\\n");']))
    network.run(duration)
    b2.device.build(directory=str(folder), compile=True, run=False)
    return time.perf_counter() - began


def measure(work: W1 | W2, size: int, folder: Path) -> dict[str, Any]:
    """Run a built program once: what it did, and the seconds of its processor."""
    (folder / "results").mkdir(exist_ok=True)
    done = subprocess.run([str(folder / "main")], cwd=folder, capture_output=True, text=True, check=True)
    words = next(line for line in done.stdout.splitlines() if line.startswith("cpu_s ")).split()
    found = {name: float(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    cpu_s = max(found["cpu_s"], 1e-6)  # the clock's resolution
    if isinstance(work, W1):
        events = found["spikes"] * work.in_degree
        rate = found["spikes"] / work.neurons / size * 1000
        return {"rate_hz": rate, "events": events, "cpu_s": cpu_s, "events_per_s": events / cpu_s}
    updates = found["inputs"] * work.hidden + found["hidden"] * work.outputs
    rate = found["hidden"] / work.hidden / (size * work.ticks * work.dt_ms) * 1000
    rates = {"updates_per_s": updates / cpu_s, "samples_per_s": size / cpu_s}
    return {"updates": updates, "hidden_hz": rate, "cpu_s": cpu_s} | rates


class Peer:
    """The program of a workload, built in a process of its own; `measure` runs it.

    Raises
    ------
    InputError
        If it cannot be built.
    """

    def __init__(self, work: W1 | W2, size: int) -> None:
        self.work, self.size = work, size
        self.folder = Path(tempfile.mkdtemp(prefix="neurofa-brian2-"))
        try:
            command = [sys.executable, "-m", "neurofa.bench.brian2_peer", type(work).__name__.lower(), str(size)]
            command += ["--build-in", str(self.folder), "--settings", json.dumps(vars(work))]
            built = subprocess.run(command, capture_output=True, text=True)
            if built.returncode:
                reason = (built.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise InputError(f"Brian2's program was not built ({reason}); it needs Brian2 and a C++ compiler")
            about = json.loads((self.folder / BUILT).read_text())
        except BaseException:
            self.close()
            raise
        self.build_s, self.version = about["build_s"], about["brian2"]

    def measure(self) -> dict[str, Any]:
        """One run of the program."""
        return measure(self.work, self.size, self.folder)

    def close(self) -> None:
        """Remove the program."""
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    """Build a workload's program and print a line for each run of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=("w1", "w2"))
    parser.add_argument("size", nargs="?", type=int, help="milliseconds (w1, 1000), samples (w2, 500)")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--build-in", type=Path, help="build there, keep it, and run nothing")
    parser.add_argument("--settings", type=json.loads, default={}, help="fields of the workload, as JSON")
    options = parser.parse_args()
    work = (W1 if options.workload == "w1" else W2)(**options.settings)
    size = options.size or (1000 if options.workload == "w1" else 500)
    require(size >= 1, f"size is {size}; it must be at least 1")
    if options.build_in is not None:
        options.build_in.mkdir(parents=True, exist_ok=True)
        build_s = build(work, size, options.build_in)
        about = {"build_s": build_s, "brian2": sys.modules["brian2"].__version__}
        (options.build_in / BUILT).write_text(json.dumps(about))
        return
    with tempfile.TemporaryDirectory() as folder:
        build_s = build(work, size, Path(folder))
        for _ in range(options.runs):
            row = measure(work, size, Path(folder)) | {"build_s": build_s}
            print(result_line(options.workload.upper(), "brian2", row), flush=True)


if __name__ == "__main__":
    main()
