"""A Plan on spikes in Brian2: the engine runs the text of the script that it writes, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..io.atomic import atomic_path
from ..rules import Params, Plan, following
from ..spec import Optimiser, Spiking
from ..spec.errors import InputError, require, require_choice
from ..spec.seeds import streams
from .base import ON_SPIKES, put_back, require_batches, require_sizes, require_supported
from .brian_refusals import require_known
from .brian_running import Events, Loaded, brian2_for, encoded, load, losses_and_errors, target_activities
from .brian_script import data_file, script
from .brian_setting import Setting
from .learner import require_unit_interval

TARGETS, STANDALONE = ("auto", "numpy", "cython"), "cpp_standalone"
AT_ONCE = 200  # presentations of a test that are one run


class BrianEngine:
    """A Plan on spikes in Brian2, one sample at a time, in float64 whatever the plan's precision.

    It is slow: with ``numpy`` and a network for 8 x 8 images about 0.02 s a sample of 40 ticks, with 784-500-10 about
    0.06 s; ``cython`` is faster from some thousand neurons on, and compiles for minutes at first.

    What hardware rounds by chance, and which spikes a synapse loses, is drawn by Brian2: in distribution what the
    spiking engine does, and the same numbers for the same calls under the same seed.

    Parameters
    ----------
    plan
        From `neurofa.lower`.
    spiking
        Neurons, encoder, errors, when synapses change.
    batch_size
        1: Brian2 shows one sample at a time.
    optimiser
        ``sgd``, with its weight decay.
    seed
        Of the encoder and of injected noise: the same events as those of the spiking engine.
    threads
        Has no part: Brian2 runs on one.
    target
        Of Brian2's code generation: ``numpy``, ``cython``, or ``auto``, which Brian2 chooses. The script of
        `write_script` has ``cpp_standalone`` too.
    record
        Whether the network that learns keeps the spikes of all its layers, in Brian2's monitors: they take memory with
        every presentation.

    Attributes
    ----------
    params
        ``layers.l.W``, ``.b``, ``.B``: as they were after the last call.
    steps
        Presentations that were learned from.
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
        target: str = "auto",
        record: bool = False,
    ) -> None:
        require(
            target != STANDALONE,
            f"{STANDALONE} builds a program that runs once, and training is many runs with tests between; use target "
            "numpy or cython, or `neurofa export MODEL FILE.py --to brian`, whose script has --target cpp_standalone",
        )
        require_choice("target of Brian2", target, TARGETS)
        require_sizes(batch_size, threads)
        require_supported("brian", ON_SPIKES, plan)
        optimiser = Optimiser.of(optimiser)
        require(
            batch_size == 1,
            f"batch_size is {batch_size}, but brian shows one sample at a time; set it to 1, or use mode 'spiking'",
        )
        require_known(plan, spiking, optimiser)
        self.plan, self.spiking, self.batch_size, self.steps = plan, spiking, batch_size, 0
        self.threads, self.target, self.record = 1, target, record
        random = streams(seed)
        self.noise = random.noise
        self.training_key, self.test_key = (int(key) for key in random.encoder.integers(2**63, size=2))
        self.setting = Setting(plan, spiking, optimiser.weight_decay)
        self.testing = Setting(plan, spiking, learns=False)
        self.params = {key: np.array(value, np.float64) for key, value in plan.params.items()}
        for route in plan.feedback:
            if route.follow == "transpose":
                self.params[f"layers.{route.layer}.B"] = self.params[f"layers.{route.source}.W"].T
        self.baseline, self.known = np.zeros(1), np.zeros(1)
        self.mean = [np.zeros(size) for size in plan.sizes[1:-1]]
        key = plan.on_chip.key if plan.on_chip else None
        self.rounding_key = int(random.rounding.integers(2**63)) if key is None else key
        self.shadow = {}
        for layer in self.setting.layers:
            for name in self.setting.shadows(layer):
                self.shadow[name] = self.params[f"layers.{layer}.{name[0]}"].flatten()
        self._loaded: Loaded | None = None
        self._tested: Loaded | None = None

    # ------------------------------------------------------------------------ the script

    def write_script(
        self, path: str | Path, x: np.ndarray, y: np.ndarray, rates: tuple[float, ...], title: str = ""
    ) -> Path:
        """Write the script that this engine executes, and beside it the arrays that it shows.

        Parameters
        ----------
        path
            Of the script, ``NAME.py``; the arrays are in ``NAME_data.npz``.
        x, y
            Samples in the order in which they are shown, and their labels or values.
        rates
            Learning rate of each layer.
        title
            First words of the script.

        Returns
        -------
        Path of the script. It begins from the engine's parameters as they are now, and from rest.
        """
        path = Path(path).with_suffix(".py")
        sizes = "-".join(str(size) for size in self.plan.sizes)
        title = title or f"A network of {sizes} spiking neurons"
        text = script(self.setting, self._rates(rates), title, path.stem, self._number(self.steps))
        inputs = np.ascontiguousarray(x, self.plan.dtype)
        self.check_samples(inputs, y)
        events = encoded(
            self.plan, self.spiking, inputs, self.training_key, self.steps, self.spiking.ticks, self.setting.passes
        )
        shown: dict[str, Any] = {
            "event_tick": events.tick,
            "event_input": events.unit,
            "targets": target_activities(self.plan, self.spiking, y),
        }
        if self.plan.task == "classification":
            shown["labels"] = np.asarray(y)
        if self.setting.perturbed:
            kept = self.noise.bit_generator.state
            shown["noise"] = self._draw(len(x))
            self.noise.bit_generator.state = kept
        shown |= self.arrays()
        with atomic_path(data_file(path)) as temporary:
            np.savez(temporary, **shown)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def _draw(self, n: int) -> np.ndarray:
        """Noise of the hidden neurons in the next `n` presentations."""
        return self.noise.standard_normal((n, sum(self.plan.sizes[1:-1])))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, feedback and what feedback follows W with, as the script takes them."""
        found = dict(self.params) | {f"shadow.{name}": value for name, value in self.shadow.items()}
        for route in self.plan.feedback:
            if route.basis is not None:
                found[f"basis.{route.layer}"] = np.asarray(route.basis, np.float64)
        return found

    def _learning(self) -> Loaded:
        """The network that learns, at the engine's parameters; built when first needed."""
        if self._loaded is None:
            self._loaded = load(self.setting, self.record)
            self._loaded.net.t_ = self.steps * self.setting.passes * self.spiking.ticks * self.spiking.dt_ms / 1000
            for name, variable, value in self._carried():
                self._loaded.parts[name].variables[variable].set_value(value)
        self._loaded.names["set_weights"](self._loaded.parts, self.arrays())
        return self._loaded

    def check_samples(self, x: np.ndarray, y: np.ndarray) -> None:
        """Refuse inputs, and targets of a regression, outside of [0, 1]."""
        require_unit_interval("inputs", np.asarray(x))
        if self.plan.task != "classification":
            require_unit_interval("targets", np.asarray(y))

    # ------------------------------------------------------------------------ running

    def train(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, first: int, last: int, rates: tuple[float, ...]
    ) -> tuple[float, float]:
        """Learn from presentations first..last of an epoch; one run of Brian2.

        Parameters
        ----------
        x, y
            All samples, (n, features) in [0, 1], and their labels (n,) or values (n, n_outputs) in [0, 1].
        order
            Indices of samples, (m,) int64.
        first, last
            Range of presentations.
        rates
            Learning rate of each layer.

        Returns
        -------
        Sums over the samples of loss and errors, as each was shown: synapses change meanwhile.
        """
        require_batches(first, last, len(order), 1)
        chosen = order[first:last]
        if len(chosen) == 0:
            return 0.0, 0.0
        inputs = np.ascontiguousarray(x[chosen], self.plan.dtype)
        self.check_samples(inputs, y[chosen])
        with brian2_for(self.target):
            loaded = self._learning()
            loaded.names["set_rates"](loaded.parts, self._rates(rates))
            self._begin_random(self.steps)
            noise = [self._draw(len(chosen))] if self.setting.perturbed else []
            ticks, passes = self.spiking.ticks, self.setting.passes
            events = encoded(self.plan, self.spiking, inputs, self.training_key, self.steps, ticks, passes)
            counts, membranes = self._show(loaded, events, target_activities(self.plan, self.spiking, y[chosen]), noise)
            self.steps += len(chosen)
            if "renew_feedback" in loaded.names:
                loaded.names["renew_feedback"](list(loaded.parts.values()), loaded.net.t)
            self._take(loaded)
            for name, variable, value in self._carried():
                value[...] = loaded.parts[name].variables[variable].get_value()
        clean = counts[::passes], membranes[::passes]  # of the presentations without noise, where there are both
        loss, wrong = losses_and_errors(self.plan, self.spiking, *clean, y[chosen], ticks)
        if not all(np.isfinite(value).all() for value in self.params.values()):
            loss[:] = np.nan
        return float(loss.sum()), float(wrong.sum() if self.plan.task == "classification" else loss.sum())

    def _rates(self, rates: tuple[float, ...]) -> tuple[float, ...]:
        """Learning rates as the hardware has them."""
        chip = self.setting.hardware
        return rates if chip is None else chip.learning.rates(rates)

    def _number(self, *which: int) -> int:
        """What Brian2's random numbers begin from."""
        return int(np.random.SeedSequence([self.rounding_key, *which]).generate_state(1)[0])

    def _begin_random(self, *which: int) -> None:
        """Numbers of their own for each call."""
        if self.setting.draws:
            import brian2

            brian2.seed(self._number(*which))

    def _show(
        self, loaded: Loaded, events: Events, aims: np.ndarray, noise: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run presentations; output spikes and membranes at the end of each, (n, n_out)."""
        loaded.names["show"](loaded.net, loaded.parts, events.tick, events.unit, aims, *noise)
        judged, n_out = loaded.parts["judged"], self.plan.sizes[-1]
        counts = np.array(judged.variables["spike_count"].get_value()).reshape(-1, n_out)
        membranes = np.array(judged.variables["v"].get_value()).reshape(-1, n_out)
        judged.resize(0)
        judged.variables["N"].set_value(0)
        return counts, membranes

    def _take(self, loaded: Loaded) -> None:
        """Parameters as the network has them now."""
        for key, value in loaded.names["weights"](loaded.parts).items():
            self.params[key][...] = value
        for route in self.plan.feedback:
            if route.basis is not None and route.elementwise:
                W = self.params[f"layers.{route.source}.W"]
                self.params[f"layers.{route.layer}.B"][...] = following(route.follow, W, route.basis)

    def warm_up(self) -> None:
        """Import Brian2; networks are built when they are first shown something."""
        with brian2_for(self.target):
            pass

    def _tests(
        self, x: np.ndarray, y: np.ndarray, record: bool
    ) -> Iterator[tuple[slice, Loaded, np.ndarray, np.ndarray]]:
        """Show samples to weights that stay, some at once: which, the network, spikes and membranes of the outputs."""
        inputs = np.ascontiguousarray(x, self.plan.dtype)
        self.check_samples(inputs, y)
        with brian2_for(self.target):
            if record:
                tested = load(self.testing, True)
            else:
                tested = self._tested = self._tested or load(self.testing, False)
            tested.names["set_weights"](tested.parts, self.arrays())
            self._begin_random(0, 1)  # the same at each test
            for start in range(0, len(x), AT_ONCE):
                part = slice(start, min(len(x), start + AT_ONCE))
                events = encoded(self.plan, self.spiking, inputs[part], self.test_key, start, self.spiking.test_ticks)
                yield part, tested, *self._show(tested, events, target_activities(self.plan, self.spiking, y[part]), [])

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Mean loss, and fraction of samples classified wrongly (the mean loss again for a regression)."""
        if len(x) == 0:
            return float("nan"), float("nan")
        total, errors = 0.0, 0.0
        for part, _, counts, membranes in self._tests(x, y, False):
            loss, wrong = losses_and_errors(
                self.plan, self.spiking, counts, membranes, y[part], self.spiking.test_ticks
            )
            total, errors = total + float(loss.sum()), errors + float(wrong.sum())
        return total / len(x), (errors if self.plan.task == "classification" else total) / len(x)

    def activities(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Activity of every layer for one batch, (n_samples, n_post) each: spikes over those of an activity of 1."""
        spiking, sizes = self.spiking, self.plan.sizes[1:]
        found = [np.zeros((len(x), size)) for size in sizes]
        for part, tested, _, _ in self._tests(x, y, True):
            if part.stop < len(x):  # monitors go on to the last part
                continue
            for layer, counts in enumerate(found):
                spikes = tested.parts[f"spikes_of_{self.testing.name(layer)}"]
                ticks = np.round(np.asarray(spikes.t_) * 1000 / spiking.dt_ms).astype(int)
                np.add.at(counts, (ticks // spiking.test_ticks, np.asarray(spikes.i)), 1)
        return [counts / (spiking.peak * spiking.test_ticks) for counts in found]

    def updates(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Refused: what Brian2 runs is whole presentations, after which the weights have changed.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError("mode 'brian' runs whole presentations and has no raw update; use mode 'spiking'")

    def synops_per_sample(self) -> float:
        """NaN: Brian2 counts no synaptic operations, and those of learning do not follow from its spikes."""
        return float("nan")

    def operations_per_sample(self) -> None:
        """None, as for their sum."""

    # ------------------------------------------------------------------------ going on from a checkpoint

    def _carried(self) -> list[tuple[str, str, np.ndarray]]:
        """What goes on from one presentation to the next beside weights: part, variable, value."""
        found = [("judge", "baseline", self.baseline)] if self.setting.perturbed else []
        found += [("judge", "known", self.known)] if self.setting.perturbed and not self.setting.clean else []
        if self.setting.homeostasis:
            found += [(self.setting.name(layer), "mean_count", mean) for layer, mean in enumerate(self.mean)]
        return found + [(name, "shadow", value) for name, value in self.shadow.items()]

    def state(self) -> dict[str, np.ndarray]:
        """What a run needs beside the parameters.

        Raises
        ------
        InputError
            If presentations go on from each other's states, which Brian2 holds.
        """
        require(
            self.spiking.reset_state,
            "mode 'brian' saves no membranes and spikes on their way, which a run without reset_state needs to go on; "
            "set reset_state, or use mode 'spiking'",
        )
        arrays = {"steps": np.array(self.steps), "baseline": self.baseline, "known": self.known}
        arrays |= {f"shadow.{name}": value for name, value in self.shadow.items()}
        return arrays | {f"mean.{layer}": mean for layer, mean in enumerate(self.mean)}

    def restore(self, params: Params, state: dict[str, np.ndarray]) -> None:
        """Go on from saved parameters and state.

        Raises
        ------
        InputError
            If a name or a shape differs from this engine's, or if presentations go on from each other's states.
        """
        own = self.state()
        put_back("parameter", self.params, params)
        put_back("state", own, state)
        self.steps, self._loaded = int(state["steps"]), None
