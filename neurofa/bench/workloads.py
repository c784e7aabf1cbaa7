"""What the spiking benchmark simulates: two circuits and a learning network, of any size.

W1 is a static recurrent network of excitatory and inhibitory neurons whose leak potential lies above threshold. W2 is
a feedforward network whose every synapse changes at every presynaptic spike, by a third factor that stays as it is.
Sizes are parameters: the standard ones are the defaults, tests take tiny ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ..engines.circuits import Circuit, Connection, Population, Sparse
from ..io.datasets import available, load_data
from ..kernels.encoders import POISSON, capacity, encode
from ..kernels.splitmix import INCREMENT, mix
from ..spec import Neuron, PostFactor, Spiking
from ..spec.errors import require

HALF = np.uint64(32)
SHOWN = {  # how the numbers of a result are written; others are not
    "data": "s",
    "rate_hz": ".2f",
    "events": ".3e",
    "synops_per_sample": ".3e",
    "updates": ".3e",
    "hidden_hz": ".1f",
    "cpu_s": ".3f",
    "wall_s": ".3f",
    "events_per_s": ".3e",
    "updates_per_s": ".3e",
    "samples_per_s": ".0f",
    "ms_per_sample": ".3f",
    "synapses": ".2e",
    "bytes_per_synapse": ".1f",
    "peak_gib": ".2f",
    "build_s": ".1f",
}


def result_line(title: str, who: str, row: Mapping[str, Any]) -> str:
    """A result as one line of ``key=value`` pairs in the order of `row`, such as ``W1 neurofa rate_hz=5.31 ...``."""
    pairs = (f"{key}={value:{SHOWN[key]}}" for key, value in row.items() if key in SHOWN)
    return " ".join((title, who, *pairs))


@njit  # not cached: the cache would not see a change in what is called
def draw_by_pre(n, n_exc, in_exc, in_inh, seed, indptr, indices):
    """Each neuron draws its sources; the synapses are counted, then put in their rows, from the same draws.

    A counter-based generator gives every draw anew in the second pass, so that no list of the synapses is kept. The
    product of a 32-bit number and the range, without its lower half, is a draw with a bias below range / 2^32.
    """
    in_degree = in_exc + in_inh
    for count in range(2):
        state = mix(np.uint64(seed))
        for post in range(n):
            for k in range(in_degree):
                bits = mix(state) >> HALF
                state += INCREMENT
                if k < in_exc:
                    pre = np.int64((bits * np.uint64(n_exc)) >> HALF)
                else:
                    pre = n_exc + np.int64((bits * np.uint64(n - n_exc)) >> HALF)
                if count == 0:
                    indptr[pre + 1] += 1
                else:
                    indices[indptr[pre]] = post
                    indptr[pre] += 1
        if count == 0:
            for pre in range(n):
                indptr[pre + 1] += indptr[pre]
    for pre in range(n, 0, -1):  # each entry has moved to the beginning of the next row
        indptr[pre] = indptr[pre - 1]
    indptr[0] = 0


@njit
def encode_samples(x, first, p, n_ticks, key, ptr, index, scratch, ticks, units):
    """Poisson events of samples shown one after the other, sample `first` in the whole sequence first; their number."""
    n = 0
    for k in range(x.shape[0]):
        encode(x[k], POISSON, p, n_ticks, False, key, first + k, ptr, index, scratch)
        for t in range(n_ticks):
            for event in range(ptr[t], ptr[t + 1]):
                ticks[n], units[n] = k * n_ticks + t, index[event]
                n += 1
    return n


@dataclass(frozen=True)
class W1:
    """A recurrent network: 80 % excitatory, 20 % inhibitory neurons, every one with the same in-degree.

    Potentials in mV. Each neuron draws its sources with repeats, a fifth of them inhibitory. The leak potential is
    above threshold, so that neurons fire on their own and inhibition slows them down to about 5.3 Hz.
    """

    neurons: int = 10_000
    in_degree: int = 1_000
    w_exc: float = 0.1
    w_inh: float = -0.8
    v_leak: float = 24.0
    v_threshold: float = 20.0
    v_reset: float = 10.0
    tau_ms: float = 20.0
    refractory_ms: float = 2.0
    delay_ms: float = 1.5
    dt_ms: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("neurons", 5), ("in_degree", 5)):
            require(getattr(self, name) >= least, f"W1 {name} is {getattr(self, name)}; it must be at least {least}")

    @property
    def n_exc(self) -> int:
        """Excitatory neurons; they come first."""
        return self.neurons - self.neurons // 5

    @property
    def synapses(self) -> int:
        """Synapses in all."""
        return self.neurons * self.in_degree

    def connections(self, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Connections as rows of targets.

        Returns
        -------
        tuple
            ``indptr`` (neurons + 1,) int64, ``indices`` (synapses,) int32 ascending in each row, ``weights``
            (synapses,) float32.
        """
        in_inh = self.in_degree // 5
        indptr = np.zeros(self.neurons + 1, np.int64)
        indices = np.empty(self.synapses, np.int32)
        draw_by_pre(self.neurons, self.n_exc, self.in_degree - in_inh, in_inh, seed, indptr, indices)
        weights = np.full(self.synapses, self.w_inh, np.float32)
        weights[: indptr[self.n_exc]] = self.w_exc
        return indptr, indices, weights

    def initial(self, seed: int = 2) -> np.ndarray:
        """Membranes at the beginning: uniform between 0 and threshold; (neurons,)."""
        return np.random.default_rng(seed).uniform(0, self.v_threshold, self.neurons)

    def circuit(self, learning_rate: float | None = None) -> Circuit:
        """The network; static unless there is a learning rate."""
        neuron = Neuron(
            "lif",
            tau_m_ms=self.tau_ms,
            v_leak=self.v_leak,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            reset="zero",
            refractory_ms=self.refractory_ms,
        )
        return Circuit(
            populations=(Population("neurons", self.neurons, neuron, v_init=self.initial()),),
            connections=(
                Connection(
                    "neurons",
                    "neurons",
                    Sparse(*self.connections()),
                    delay_ms=self.delay_ms,
                    learning_rate=learning_rate,
                    name="recurrent",
                ),
            ),
            dt_ms=self.dt_ms,
        )


@dataclass(frozen=True)
class W2:
    """A feedforward network under Poisson input, plastic at every presynaptic spike.

    A sample is a choice of `active` inputs that fire at `rate_hz` for `ticks`; nothing is reset between samples. The
    membrane is multiplied by ``exp(-dt / tau)`` and receives its input in each tick, fires at 1 and goes to 0. At
    each presynaptic spike ``dw = -eta psi M``, with psi = 1 while 0 < v < 1 and a fixed M for each neuron.
    """

    inputs: int = 784
    hidden: int = 500
    outputs: int = 10
    active: int = 157
    rate_hz: float = 50.0
    ticks: int = 100
    dt_ms: float = 1.0
    tau_ms: float = 20.0
    eta: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("inputs", "hidden", "outputs", "ticks"):
            require(getattr(self, name) >= 1, f"W2 {name} is {getattr(self, name)}; it must be at least 1")
        require(
            1 <= self.active <= self.inputs,
            f"W2 active is {self.active}; it must be 1 to the number of inputs, {self.inputs}",
        )

    @property
    def peak(self) -> float:
        """Probability of a spike of an active input in a tick."""
        return self.rate_hz * self.dt_ms / 1000

    def weights(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Weights (inputs, hidden) and (hidden, outputs), third factors (hidden,) and (outputs,)."""
        rng = np.random.default_rng(seed)
        return (
            rng.normal(0.006, 0.03, (self.inputs, self.hidden)),
            rng.normal(0.01, 0.03, (self.hidden, self.outputs)),
            rng.standard_normal(self.hidden),
            rng.standard_normal(self.outputs),
        )

    def samples(self, n: int, seed: int = 1) -> np.ndarray:
        """Inputs of `n` samples, 1 where they fire and 0 elsewhere; (n, inputs) float32."""
        rng = np.random.default_rng(seed)
        chosen = rng.permuted(np.tile(np.arange(self.inputs), (n, 1)), axis=1)[:, : self.active]
        x = np.zeros((n, self.inputs), np.float32)
        np.put_along_axis(x, chosen, 1, axis=1)
        return x

    def circuit(self) -> Circuit:
        """The network; modulators are to be set to the third factors of `weights`."""
        w_hidden, w_output, _, _ = self.weights()
        neuron = Neuron("lif", tau_m_ms=self.tau_ms, reset="zero")
        post = PostFactor("membrane_window", low=0.0, high=1.0)
        return Circuit(
            populations=(
                Population("input", self.inputs),
                Population("hidden", self.hidden, neuron, post),
                Population("output", self.outputs, neuron, post),
            ),
            connections=(
                Connection("input", "hidden", w_hidden, learning_rate=self.eta),
                Connection("hidden", "output", w_output, learning_rate=self.eta),
            ),
            dt_ms=self.dt_ms,
        )


class PoissonEvents:
    """Makes the input events of W2, some samples at a time, in arrays that are kept."""

    def __init__(self, work: W2, most: int, key: int = 3) -> None:
        self.work, self.key = work, key
        events = capacity(work.inputs, work.ticks, work.peak, POISSON)
        self.ptr = np.empty(work.ticks + 1, np.int64)
        self.index, self.scratch = np.empty(events, np.int32), np.empty((2, events), np.int32)
        self.ticks, self.units = np.empty(most * events, np.int64), np.empty(most * events, np.int32)

    def of(self, x: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Ticks and inputs of samples `x` (at most `most`), of which the first has the number `first`."""
        work = self.work
        buffers = (self.ptr, self.index, self.scratch, self.ticks, self.units)
        n = encode_samples(x, first, work.peak, work.ticks, self.key, *buffers)
        return self.ticks[:n], self.units[:n]


@dataclass(frozen=True)
class Loop:
    """The whole learning loop: a network of `sizes` learns by direct feedback alignment, sample by sample.

    The samples are MNIST's where it is on this machine and fits, else random ones of the same density: each class has
    its own `active` inputs, with values in (0, 1] that every sample draws anew.
    """

    sizes: tuple[int, ...] = (784, 500, 10)
    active: int = 157
    sample_ms: float = 100.0
    learning_rate: float = 1e-4
    random: bool = False  # never MNIST

    def spiking(self) -> Spiking:
        """How it runs: everything as by default but for the time that a sample is shown."""
        return Spiking(sample_ms=self.sample_ms)

    @property
    def data(self) -> str:
        """What is learned: ``mnist`` or ``random``."""
        found = any(info.name == "mnist" and info.found for info in available())
        fits = not self.random and (self.sizes[0], self.sizes[-1]) == (784, 10)
        return "mnist" if fits and found else "random"

    def samples(self, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, inputs) float32 and labels (n,) int64; MNIST's first."""
        if self.data == "mnist":
            mnist = load_data("mnist")
            chosen = np.arange(n) % len(mnist.x_train)
            return mnist.x_train[chosen].reshape(n, -1), mnist.y_train[chosen]
        rng = np.random.default_rng(seed)
        y = rng.integers(self.sizes[-1], size=n)
        fires = W2(inputs=self.sizes[0], active=self.active).samples(self.sizes[-1], seed)
        return fires[y] * (1 - rng.random((n, self.sizes[0]), np.float32)), y
