"""The event-driven spiking engine: a Plan as spiking neurons with error neurons, run by the kernels."""

from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np

from ..kernels import teaching
from ..kernels.online import (
    DECAY_EVERY,
    Perturbed,
    Samples,
    Shown,
    add_lanes,
    decay_weights,
    follow_up,
    show_samples,
)
from ..kernels.presenting import Learner, Show
from ..rules import Params, Plan, renewed
from ..spec import Optimiser, Spiking
from ..spec.errors import require
from ..spec.seeds import streams
from .base import ON_SPIKES, put_back, require_batches, require_sizes, require_spiking, require_supported
from .learner import Shared, after_of, as_samples, new_learner, perturbed_of
from .threads import available_threads

LANES = 8  # partial sums of a batch: their number, and not that of the threads, decides the rounding
MAX_THREADS = 8


class SpikingEngine:
    """A Plan on the spiking engine.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    spiking
        Neurons, encoder, errors, when synapses change.
    batch_size
        1: synapses change while a sample is shown. More: changes of a batch are added up.
    optimiser
        ``sgd``, with its weight decay.
    seed
        Of the encoder, injected noise, stochastic rounding and unreliable transmission.
    threads
        For batches and tests; the result does not depend on it.

    Attributes
    ----------
    params
        ``layers.l.W``, ``.b``, ``.B`` as views of the engine's state: they change as it learns.
    steps
        Updates made: presentations, or batches of them.
    """

    def __init__(
        self,
        plan: Plan,
        spiking: Spiking,
        *,
        batch_size: int = 1,
        optimiser: Optimiser | str = "sgd",
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        require_supported("spiking", ON_SPIKES, plan)
        require_sizes(batch_size, threads)
        optimiser = Optimiser.of(optimiser)
        require_spiking("spiking", plan, spiking, optimiser)
        require(
            batch_size == 1 or spiking.reset_state,
            "spiking batches are presented side by side, each sample from rest; set reset_state, or batch_size = 1",
        )
        self.plan, self.spiking, self.batch_size, self.steps = plan, spiking, batch_size, 0
        self.threads = min(MAX_THREADS, threads or available_threads())
        self.weight_decay, self.presented, self.tick = optimiser.weight_decay, 0, 0
        random = streams(seed)
        self.noise = random.noise
        self.training_key, self.test_key = (int(key) for key in random.encoder.integers(2**63, size=2))
        key = plan.on_chip.key if plan.on_chip else None
        self.shared = Shared.of(plan, spiking, int(random.rounding.integers(2**63)) if key is None else key)
        self.params = self.shared.params()
        self.perturbed, self.after = perturbed_of(self.shared), after_of(self.shared)
        self.online = batch_size == 1 and not self.perturbed.clean
        self.learner = new_learner(self.shared, self.training_key, spiking.ticks)
        n_lanes = 0 if self.online else min(LANES, batch_size)
        self.changes = np.zeros((n_lanes, len(self.shared.built.weights)), plan.dtype)
        self.lanes = [
            new_learner(self.shared, self.training_key, spiking.ticks, changes=changes) for changes in self.changes
        ]
        self.shown = self._shown(1 if self.online else batch_size)
        self.show = Show(spiking.ticks, True, False, spiking.reset_state)
        self._known: tuple[np.ndarray, np.ndarray, Samples] | None = None

    def _shown(self, n: int) -> Shown:
        units = len(self.shared.built.resting)
        spikes, net_events = (np.zeros((n, units), np.int64) for _ in range(2))
        losses, named = np.zeros(n), np.zeros(n, np.int64)
        return Shown(losses, named, np.zeros(n), spikes, net_events, np.zeros((n, units), self.plan.dtype))

    def samples(self, x: np.ndarray, y: np.ndarray) -> Samples:
        """Data as the kernels take them; checked when first seen."""
        if self._known is not None and self._known[0] is x and self._known[1] is y:
            return self._known[2]
        samples = as_samples(self.plan, self.spiking, x, y)
        self._known = x, y, samples
        return samples

    def _with_noise(self, perturbed: Perturbed, n: int, rng: np.random.Generator) -> Perturbed:
        """Noise for the next `n` presentations."""
        if not perturbed.on:
            return perturbed
        plan, units = self.plan, len(self.shared.built.resting)
        hidden = slice(plan.sizes[0], plan.sizes[0] + sum(plan.sizes[1:-1]))
        noise = np.zeros((n, units), plan.dtype)
        noise[:, hidden] = rng.standard_normal((n, hidden.stop - hidden.start))
        return perturbed._replace(noise=noise)

    def set_rates(self, rates: tuple[float, ...]) -> None:
        """Write the learning rate of each layer."""
        if self.plan.on_chip is not None:
            rates = self.plan.on_chip.hardware.learning.rates(rates)
        for q, connection in enumerate(self.shared.circuit.connections):
            index = int(connection.name.split(".")[1])
            self.shared.rate[q] = rates[index]
            plastic = self.plan.projections[index].plastic
            self.after.decay[q] = (1 - rates[index] * self.weight_decay) ** DECAY_EVERY if plastic else 1.0

    def train(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, first: int, last: int, rates: tuple[float, ...]
    ) -> tuple[float, float]:
        """Learn from batches first..last of an epoch.

        Parameters
        ----------
        x, y
            All samples, (n, features) in [0, 1], and their labels (n,) or values (n, n_outputs) in [0, 1].
        order
            Indices of samples, (m,) int64; batch b is ``order[b * batch_size : (b + 1) * batch_size]``.
        first, last
            Range of batches.
        rates
            Learning rate of each layer.

        Returns
        -------
        Sums over the samples of loss and errors, as each was shown: online, synapses change meanwhile.
        """
        samples, size = self.samples(x, y), self.batch_size
        require_batches(first, last, len(order), size)
        self.set_rates(rates)
        total, wrong, every = 0.0, 0, self.plan.refresh_every
        while first < last:
            stop = min(last, first + every - self.steps % every) if every else last
            loss, errors = self._learn(samples, np.ascontiguousarray(order[first * size : stop * size], np.int64))
            total, wrong = total + loss, wrong + errors
            self.steps, first = self.steps + stop - first, stop
            if every and self.steps % every == 0:
                self._refresh()
        self.shared.follow()
        if not all(np.isfinite(self.shared.built.weights[lo:hi]).all() for lo, hi in self.shared.built.spans):
            total = float("nan")
        return total, wrong if self.plan.task == "classification" else total

    def _learn(self, samples: Samples, order: np.ndarray) -> tuple[float, int]:
        """Learn from samples in their order."""
        if self.online:
            perturbed = self._with_noise(self.perturbed, len(order), self.noise)
            loss, wrong, self.tick = show_samples(
                self.learner, self.show, samples, perturbed, self.after, self.shown, order,
                0, 1, True, self.tick, self.presented,
            )  # fmt: skip
            self.presented += len(order)
            return loss, wrong
        total, wrong = 0.0, 0
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            perturbed = self._with_noise(self.perturbed, len(batch), self.noise)
            sums = self._in_lanes(self.lanes, self.show, samples, perturbed, self.shown, batch, self.presented)
            final = self.presented + len(batch) - 1
            add_lanes(self.learner, self.after, self.changes, final)
            for m in range(len(batch)):
                follow_up(self.learner, perturbed, self.after, self.shown, m, m, self.presented + m)
            hundreds = self.presented // DECAY_EVERY
            self.presented += len(batch)
            for _ in range(self.presented // DECAY_EVERY - hundreds):
                decay_weights(self.learner, self.after, final)
            total, wrong = total + sums[0], wrong + sums[1]
        return total, wrong

    def _in_lanes(
        self,
        lanes: list[Learner],
        show: Show,
        samples: Samples,
        perturbed: Perturbed,
        shown: Shown,
        order: np.ndarray,
        number: int,
    ) -> tuple[float, int]:
        """Show samples side by side; sums of losses and errors, the same for any number of threads."""

        def work(lane: int) -> tuple[float, int]:
            own = samples._replace(targets=samples.targets.copy())
            mine = perturbed._replace(injected=perturbed.injected.copy())
            loss, wrong, _ = show_samples(
                lanes[lane], show, own, mine, self.after, shown, order, lane, len(lanes), False, 0, number
            )
            return loss, wrong

        if self.threads == 1 or len(lanes) == 1:
            parts = [work(lane) for lane in range(len(lanes))]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                parts = list(pool.map(work, range(len(lanes))))
        return reduce(lambda sums, part: (sums[0] + part[0], sums[1] + part[1]), parts)

    def after_one(self) -> None:
        """What follows a presentation that was run tick by tick from outside, and learned from at once."""
        net = self.learner
        self.shown.spikes[0], self.shown.net_events[0] = net.cells.emitted, net.teaching.net_events
        follow_up(net, self.perturbed, self.after, self.shown, 0, 0, self.presented)
        self.steps, self.presented = self.steps + 1, self.presented + 1
        if self.presented % DECAY_EVERY == 0:
            decay_weights(net, self.after, self.presented - 1)
        if self.plan.refresh_every and self.steps % self.plan.refresh_every == 0:
            self._refresh()

    def _refresh(self) -> None:
        """Renew the feedback that no kernel follows W with."""
        shared = self.shared
        for layer, basis, B in renewed(self.plan, self.params, self.noise):
            if basis is not None:
                shared.feedback_view(shared.basis, layer)[...] = basis
            if B is not None:
                shared.feedback_view(shared.feedback, layer)[...] = B

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache, before anything is timed."""
        x, n_out = np.zeros((1, self.plan.sizes[0])), self.plan.sizes[-1]
        y = np.zeros(1, np.int64) if self.plan.task == "classification" else np.zeros((1, n_out))
        samples, nothing = self.samples(x, y), np.zeros(0, np.int64)
        if self.online:
            common = (samples, self.perturbed, self.after, self.shown, nothing)
            show_samples(self.learner, self.show, *common, 0, 1, True, self.tick, self.presented)
        else:  # which have no changes yet
            add_lanes(self.learner, self.after, self.changes, self.presented)
        self.evaluate(x, y)

    def _look(
        self, x: np.ndarray, y: np.ndarray, *, learns: bool, shown: Shown, key: int
    ) -> tuple[tuple[float, int], np.ndarray, Perturbed]:
        """Show all samples from rest, to weights that stay: sums of loss and errors, changes added up, the noise."""
        samples = as_samples(self.plan, self.spiking, x, y)
        show = Show(self.spiking.ticks if learns else self.spiking.test_ticks, learns, False, True)
        rate = np.ones_like(self.shared.rate)
        n_lanes = min(LANES, len(samples.x))
        changes = np.zeros((n_lanes, len(self.shared.built.weights) if learns else 0), self.plan.dtype)
        tests = not learns
        lanes = [new_learner(self.shared, key, show.n_ticks, changes=part, rate=rate, tests=tests) for part in changes]
        # there is no running baseline to compare with, so each sample is shown without the noise too
        perturbed = self.perturbed._replace(on=learns and self.perturbed.on, clean=learns and self.perturbed.on)
        if perturbed.on:
            kept = self.noise.bit_generator.state
            perturbed = self._with_noise(perturbed, len(samples.x), self.noise)
            self.noise.bit_generator.state = kept
        sums = self._in_lanes(lanes, show, samples, perturbed, shown, np.arange(len(samples.x)), 0)
        return sums, changes.sum(axis=0), perturbed

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Mean loss, and fraction of samples classified wrongly (the mean loss again for a regression)."""
        if len(x) == 0:
            return float("nan"), float("nan")
        (total, wrong), _, _ = self._look(x, y, learns=False, shown=self._shown(1), key=self.test_key)
        return total / len(x), (wrong if self.plan.task == "classification" else total) / len(x)

    def updates(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """The rule's raw update for one batch: ``layers.l.dW``, ``.db``, ``.M`` (and ``.dB``); changes nothing.

        Shapes: dW and db as W and b, M (n_samples, n_post), dB as B.
        """
        n = len(x)
        shown = self._shown(n)
        _, changes, perturbed = self._look(x, y, learns=True, shown=shown, key=self.training_key)
        result = {}
        for key, value in self.shared.split(-changes / n).items():
            layer, name = key.rsplit(".", 1)
            result[f"{layer}.d{name}"] = value.astype(self.plan.dtype)
        for index in range(self.plan.n_layers):
            result[f"layers.{index}.M"] = shown.received[:, self.units(index)] / n
        if perturbed.learns_feedback and not perturbed.ridge:
            for route in self.plan.feedback:
                units, source = self.units(route.layer), self.units(route.source)
                E, wanted = shown.net_events[:, source], shown.change[:, None] * perturbed.noise[:, units]
                B = self.params[f"layers.{route.layer}.B"]
                result[f"layers.{route.layer}.dB"] = (E.T @ (E @ B - wanted) / n).astype(self.plan.dtype)
        return result

    def units(self, layer: int) -> slice:
        """A layer's part of everything that goes by unit."""
        row = self.shared.layers[layer]
        return slice(row[teaching.UNITS], row[teaching.UNITS] + row[teaching.WIDTH])

    def activities(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Activity of every layer for one batch, (n_samples, n_post) each: spikes over those of an activity of 1."""
        shown = self._shown(len(x))
        self._look(x, y, learns=False, shown=shown, key=self.test_key)
        full = self.spiking.peak * self.spiking.test_ticks
        parts = (shown.spikes[:, self.units(layer)] for layer in range(self.plan.n_layers))
        return [(part / full).astype(self.plan.dtype) for part in parts]

    def classes(self, x: np.ndarray) -> np.ndarray:
        """The class that each sample is given, (n_samples,): that by which `evaluate` counts errors."""
        shown = self._shown(len(x))
        self._look(x, np.zeros(len(x), np.int64), learns=False, shown=shown, key=self.test_key)
        return shown.named

    @property
    def operations(self) -> np.ndarray:
        """Synaptic operations of learning so far: forward, feedback, update."""
        return sum((lane.cells.operations for lane in self.lanes), self.learner.cells.operations.copy())

    def check_samples(self, x: np.ndarray, y: np.ndarray) -> None:
        """Refuse inputs, and targets of a regression, outside of [0, 1]."""
        self._known = None  # the same array may have other values by now
        self.samples(x, y)

    def synops_per_sample(self) -> float:
        """Synaptic operations of a sample in training, counted; NaN before any."""
        return float(self.operations.sum() / self.presented) if self.presented else float("nan")

    def operations_per_sample(self) -> np.ndarray | None:
        """The same by kind (forward, feedback, update), float64; None before any."""
        return self.operations / self.presented if self.presented else None

    def state(self) -> dict[str, np.ndarray]:
        """All that a run needs beside the parameters: cells, error neurons, traces, baseline, mean rates, counts."""
        learner = self.learner
        arrays = {"steps": np.array(self.steps), "presented": np.array(self.presented), "tick": np.array(self.tick)}
        arrays |= {"basis": self.shared.basis, "baseline": self.perturbed.baseline, "inverse": self.perturbed.inverse}
        arrays |= {"mean": self.after.mean, "operations": self.operations}
        if self.shared.shadow is not None:
            arrays["shadow"] = self.shared.shadow
        synapses = {"modulator", "trace", "seen", "active", "n_active"}
        for part, names in (
            (learner.cells, set(learner.cells._fields) - {"operations"}),
            (learner.teaching, {"level", "events", "quiet", "active", "fired"}),
            (learner.synapses, synapses),
        ):
            kind = type(part).__name__.lower()
            arrays |= {f"{kind}.{name}": getattr(part, name) for name in sorted(names)}
        return arrays

    def restore(self, params: Params, state: dict[str, np.ndarray]) -> None:
        """Go on from saved parameters and state.

        Raises
        ------
        InputError
            If a name or a shape differs from this engine's.
        """
        put_back("parameter", self.params, params)
        put_back("state", self.state(), state)
        self.steps, self.presented, self.tick = (int(state[name]) for name in ("steps", "presented", "tick"))
        for lane in self.lanes:
            lane.cells.operations[:] = 0
        self.learner.cells.operations[:] = state["operations"]
