"""A run in progress: epochs, probes, schedules, early stopping, and checkpoints that a run goes on from."""

import functools
import inspect
import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .engines import new_engine
from .engines.base import Engine
from .hardware.constrain import constrain
from .history import History
from .io.augment import Augmenter, augmenter_for
from .io.checkpoint import load_checkpoint, save_checkpoint, under
from .io.config import spec_hash
from .io.data import Data
from .io.descriptions import as_text
from .probing import Prober
from .protocol import EarlyStopping, Rates, check_data, check_protocol, copied
from .rules import lower, on_route
from .spec import Hardware, Network, Rule, Spiking, Training
from .spec.errors import InputError, described, require
from .spec.seeds import streams

CHECKPOINT, RESULTS, CURVES = "checkpoint.safetensors", "results.nc", "curves.png"  # in the folder of a run
CHECKPOINT_EVERY_S = 20.0
# updates in one call of a kernel, which neither Ctrl-C nor a report of progress interrupts
UPDATES_PER_CALL = 500


ANONYMOUS = "<lambda>"  # Python's name for functions without one


class Diverged(InputError):
    """Training left the finite numbers: names the epoch, the layer and the learning rate."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: handed to `progress` after every stretch of updates, and to `each_epoch`."""

    epoch: int  # epochs completed
    epochs: int
    fraction: float  # of the whole run
    train_error: float  # of this epoch so far
    test_error: float  # after the last epoch that is completed
    params: Mapping[str, np.ndarray] = field(repr=False)  # as they are now: copy what shall be kept
    train_loss: float = math.nan
    test_loss: float = math.nan
    validation_error: float = math.nan  # without a validation set not a number


def threads_of(folder: Path) -> int | None:
    """Threads that the run in a folder has had: with as many it goes on as if it had not stopped."""
    threads = load_checkpoint(folder / CHECKPOINT)[1].get("threads")
    return None if threads is None else int(threads)


def name_of(function: Callable[..., Any]) -> str:
    """What tells a function of the user's from another: its name, and what `functools.partial` has given it."""
    if isinstance(function, functools.partial):
        return f"{name_of(function.func)}{function.args}{function.keywords}"
    name: str = getattr(function, "__qualname__", ANONYMOUS)
    captures = "<locals>" in name and getattr(function, "__closure__", None)  # what its maker was given
    return ANONYMOUS if captures or inspect.ismethod(function) else name


class Trainer:
    """A run in progress: everything that a checkpoint holds."""

    def __init__(
        self,
        network: Network,
        training: Training,
        rule: Rule,
        data: Data,
        *,
        mode: str,
        spiking: Spiking,
        hardware: Hardware | None,
        seed: int,
        params: Mapping[str, np.ndarray] | None,
        probe_every: int | None,
        augment: tuple[str, ...] | Augmenter,
        threads: int | None,
        out: Path | None,
        brian_target: str = "auto",
    ) -> None:
        check_data(network, data)
        check_protocol(training, data, probe_every)
        n = len(data.x_train)
        self.network, self.training, self.data, self.rule, self.hardware = network, training, data, rule, hardware
        self.batch = training.batch_size or n
        self.plan = lower(network, rule, seed, precision=training.precision, params=params)
        if hardware is not None:  # parameters that are given are put on the nearest levels, drawn ones by chance
            how = None if mode == "rate" else spiking
            given = on_route(network, rule, params or {})
            self.plan = constrain(self.plan, how, hardware, seed=seed, given=given)
        random = streams(seed)
        self.shuffle, self.augment_rng = random.shuffle, random.augment
        self.augment = augment if callable(augment) else augmenter_for(data, augment, seed) if augment else None
        self.mode, self.spiking, self.seed = mode, spiking, seed
        self.engine: Engine = new_engine(
            mode, self.plan, spiking, batch_size=self.batch, optimiser=training.optimiser, seed=seed, threads=threads,
            brian_target=brian_target,
        )  # fmt: skip
        # in the precision of the engine once, and not at each call
        self.x, self.targets = self._converted(data.x_train), self._converted(data.y_train)
        self.test = self._converted(data.x_test), self._converted(data.y_test)
        self.validation = self._converted(data.x_validation), self._converted(data.y_validation)
        for x, y in ((self.x, self.targets), self.test, self.validation):
            self.engine.check_samples(x, y)
        self.per_epoch = -(-n // self.batch)
        self.probe_every = self.per_epoch if probe_every is None else probe_every
        self.rates, self.history = Rates(training, self.plan.n_layers), History()
        self.seconds, self.probe_seconds, self.out = 0.0, 0.0, out  # probing does not count as training
        self.described = self._described() if out is not None else {}
        self.early_stopping = EarlyStopping(training.early_stopping, self.engine.params)
        self.prober: Prober | None = None  # compiled when it is first asked for
        named = (name_of(augment),) if callable(augment) else augment
        self.identity, self.anonymous = self._identity(seed, params or {}, named), ANONYMOUS in str(named)
        self.saved_at = time.monotonic()
        self.untrained_error: float | None = None  # of a run of no epochs
        self.snapshot = self._snapshot()

    def _identity(self, seed: int, params: Mapping[str, np.ndarray], augment: tuple[str, ...]) -> str:
        """Hash of all that decides what the run is, except its number of epochs."""
        data, training = self.data, replace(self.training, epochs=0)
        parts = [data.x_train, data.y_train, data.x_validation, data.y_validation, data.x_test, data.y_test]
        parts += [np.ascontiguousarray(value) for _, value in sorted(params.items())]
        content = [zlib.crc32(part.data) for part in parts]
        described: tuple[Any, ...] = self.network, training, self.rule, content, sorted(params)
        if self.mode != "rate":
            described += (self.mode, replace(self.spiking, training=training))
        if self.hardware is not None:
            described += (self.hardware,)
        return spec_hash(*described, seed, augment)

    def _converted(self, values: np.ndarray) -> np.ndarray:
        """Inputs or targets in the engine's precision; labels as they are."""
        return values if values.dtype == np.int64 else np.ascontiguousarray(values, self.plan.dtype)

    @property
    def report_last(self) -> int:
        """Epochs whose mean test error is reported; 0 for that of the best epoch, under early stopping."""
        return self.training.report_last if self.training.early_stopping is None else 0

    def take_best(self) -> None:
        """Put the parameters of the best epoch in place."""
        for key, value in self.early_stopping.params.items():
            self.engine.params[key][...] = value

    def probe(self) -> None:
        """Measure alignment with backpropagation and the rest of `analysis.probes` on the first samples."""
        began = time.perf_counter()
        params = self.engine.params
        if self.prober is None:
            setting = self.mode, self.spiking, self.engine.threads
            self.prober = Prober(self.network, self.rule, self.plan, params, *setting)
        self.history.add_probe(self.engine.steps, self.prober.measure(params, self.x, self.targets))
        self.probe_seconds += time.perf_counter() - began

    def run(
        self, progress: Callable[[Progress], None] | None, each_epoch: Callable[[Progress], bool | None] | None = None
    ) -> None:
        """Train until the last epoch, or until a stop; saves on the way if there is a folder."""
        epochs = self.training.epochs
        try:
            self.engine.warm_up()
            begun = self.history.epochs
            if progress and begun < epochs:
                progress(self._standing(begun, begun / epochs, train_error=math.nan, test_error=math.nan))
            if self.probe_every and not self.history.rows["probe"]:
                self.probe()
            while self.history.epochs < epochs and not self.early_stopping.due:
                began, probe_seconds = time.perf_counter(), self.probe_seconds
                self._epoch(progress)
                self.seconds += time.perf_counter() - began - (self.probe_seconds - probe_seconds)
                self.snapshot = self._snapshot()
                if time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S:
                    self.save()
                if each_epoch and self._ends(each_epoch):
                    break
            if not epochs:
                self.untrained_error = self.engine.evaluate(*self.test)[1]
                self.snapshot = self._snapshot()
        finally:
            self.save()

    def _epoch(self, progress: Callable[[Progress], None] | None) -> None:
        epoch, engine = self.history.epochs, self.engine
        n = len(self.x)
        order = self.shuffle.permutation(n) if self.training.shuffle else np.arange(n)
        x = self.x if self.augment is None else self._altered(self.augment)
        rates, loss, wrong, first = self.rates.at(epoch), 0.0, 0.0, 0
        while first < self.per_epoch:
            last = min(self.per_epoch, first + UPDATES_PER_CALL)
            if self.probe_every:
                last = min(last, first + self.probe_every - engine.steps % self.probe_every)
            stretch = engine.train(x, self.targets, order, first, last, rates)
            loss, wrong, first = loss + stretch[0], wrong + stretch[1], last
            if not math.isfinite(loss):
                raise self._diverged(epoch, loss / n, rates)
            if self.probe_every and engine.steps % self.probe_every == 0:
                self._require_finite(epoch, loss / n, rates)
                self.probe()
            if progress:
                done = (epoch + first / self.per_epoch) / self.training.epochs
                so_far = min(n, first * self.batch)
                own = {"train_error": wrong / so_far, "train_loss": loss / so_far}
                progress(self._standing(epoch, done, **(self._last_row() | own)))
        self._require_finite(epoch, loss / n, rates)
        validation, test = engine.evaluate(*self.validation), engine.evaluate(*self.test)
        self.history.add_epoch(
            rates,
            train_loss=loss / n,
            train_error=wrong / n,
            validation_loss=validation[0],
            validation_error=validation[1],
            test_loss=test[0],
            test_error=test[1],
        )
        self.rates.see(loss / n if math.isnan(validation[0]) else validation[0])
        self.early_stopping.see(validation[1], engine.params)
        if progress:
            progress(self._after_epoch())

    def _ends(self, each_epoch: Callable[[Progress], bool | None]) -> bool:
        """Whether a function of the user's ends the run after this epoch."""
        answer = each_epoch(self._after_epoch())
        fits = answer is None or isinstance(answer, bool | np.bool_)
        require(fits, f"each_epoch returned {described(answer)}; return True to end the run, False or nothing to go on")
        return bool(answer)

    def _after_epoch(self) -> Progress:
        done = self.history.epochs
        return self._standing(done, done / self.training.epochs, **self._last_row())

    def _last_row(self) -> dict[str, float]:
        """What is on record of the last epoch, as `Progress` has it; not a number before there is one."""
        names = ("train_loss", "train_error", "test_loss", "test_error", "validation_error")
        return {name: float(self.history.rows[name][-1]) if self.history.epochs else math.nan for name in names}

    def _standing(self, epoch: int, fraction: float, **values: float) -> Progress:
        views = {key: value.view() for key, value in self.engine.params.items()}
        for view in views.values():
            view.flags.writeable = False
        return Progress(epoch, self.training.epochs, fraction, params=views, **values)

    def _altered(self, augment: Augmenter) -> np.ndarray:
        """The training inputs of an epoch; a function of the user's may return anything."""
        x, shape = augment(self.data.x_train, self.augment_rng), self.data.x_train.shape
        fits = isinstance(x, np.ndarray) and x.shape == shape and x.dtype.kind in "biuf"
        got = f"an array of shape {x.shape} and type {x.dtype}" if isinstance(x, np.ndarray) else repr(x)
        require(fits, f"augment returned {got}; it must return real numbers of shape {shape}, as it was given")
        x = self._converted(x)
        require(bool(np.isfinite(x).all()), "augment returned NaN or infinite values; it must return finite ones")
        self.engine.check_samples(x, self.targets)
        return x

    def _require_finite(self, epoch: int, loss: float, rates: tuple[float, ...]) -> None:
        if not all(np.isfinite(value).all() for value in self.engine.params.values()):
            raise self._diverged(epoch, loss, rates)

    def _diverged(self, epoch: int, loss: float, rates: tuple[float, ...]) -> Diverged:
        broken = [k for k, v in self.engine.params.items() if not np.isfinite(v).all()]
        where = (
            f"{broken[0]} is no longer finite" if broken else f"the loss of layer {self.plan.n_layers - 1} is {loss}"
        )
        layer = int(broken[0].split(".")[1]) if broken else self.plan.n_layers - 1
        kept = f"; the state after epoch {self.history.epochs} is in {self.out / CHECKPOINT}" if self.out else ""
        return Diverged(
            f"training diverged in epoch {epoch + 1}: {where} with learning rate {rates[layer]:g}; "
            f"lower the learning rate{kept}"
        )

    def _snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, int]]:
        """Everything that the run needs to go on from the end of the last epoch; of the history, how long it is."""
        if self.out is None:
            return {}, {}, {}
        arrays = copied(self.engine.params)
        arrays |= {f"engine.{key}": np.array(value) for key, value in self.engine.state().items()}
        arrays |= {f"best.{key}": value for key, value in self.early_stopping.params.items()}
        metadata = {
            "identity": self.identity,
            "rule": self.rule.name,
            "mode": self.mode,
            "seed": self.seed,
            "data": self.data.name,
            "report_last": self.report_last,
            "threads": self.engine.threads,
            "description": self.described,
            "rates": self.rates.state(),
            "best": self.early_stopping.state(),
            "seconds": self.seconds,
            "untrained_error": self.untrained_error,
            "random": [generator.bit_generator.state for generator in self._generators()],
        }
        return arrays, metadata, {name: len(rows) for name, rows in self.history.rows.items()}

    def _described(self) -> dict[str, Any]:
        """What was run, so that its parameters can be put to use."""
        parts: dict[str, Any] = {"network": self.network, "rule": self.rule, "training": self.training}
        parts["spiking"] = self.spiking
        if self.hardware is not None:
            parts["hardware"] = self.hardware
        return {name: as_text(name, part) for name, part in parts.items()} | {"units": self.plan.units()}

    def _generators(self) -> tuple[np.random.Generator, ...]:
        """Those that a run draws from as it goes on."""
        return self.shuffle, self.augment_rng, self.engine.noise

    def save(self) -> None:
        """Write the state after the last whole epoch, if there is a folder for it."""
        if self.out is not None:
            arrays, metadata, lengths = self.snapshot
            history = {f"history.{name}": rows for name, rows in self.history.arrays(lengths).items()}
            save_checkpoint(self.out / CHECKPOINT, arrays | history, metadata)
            self.saved_at = time.monotonic()

    def resume(self) -> None:
        """Go on from the folder's checkpoint.

        Raises
        ------
        InputError
            If it was written by another mode, model, rule, protocol, hardware, seed or data, with other augmentation
            or initial parameters, or is further than is asked for.
        """
        assert self.out is not None
        path = self.out / CHECKPOINT
        require(
            not self.anonymous,
            "augment is a lambda, a method or made by another function, which nothing tells from others like it; give "
            "a function of a module to resume with it",
        )
        arrays, metadata = load_checkpoint(path)
        require(
            metadata.get("identity") == self.identity,
            f"{path} was written by rule {metadata.get('rule')!r} with another mode, model, rule, protocol, hardware, "
            f"seed, data, augmentation or initial parameters than this run's (rule {self.rule.name!r}, mode "
            f"{self.mode!r}); resume with the same ones, or choose another --out",
        )

        self.engine.restore(arrays, under(arrays, "engine."))
        self.history = History.of(under(arrays, "history."))
        require(
            self.history.epochs <= self.training.epochs,
            f"{path} has {self.history.epochs} epochs, more than the {self.training.epochs} that are asked for; ask "
            "for at least as many, or start afresh",
        )
        self.rates.restore(metadata["rates"])
        self.early_stopping.restore(metadata["best"], under(arrays, "best."))
        self.seconds = metadata["seconds"]
        for generator, state in zip(self._generators(), metadata["random"], strict=True):
            generator.bit_generator.state = state
        self.snapshot = self._snapshot()
