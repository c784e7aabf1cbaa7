"""Sweeps: every combination of rules, chips, settings and seeds as a run of its own, side by side."""

import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .ahead import compile_kernels, is_compiled
from .arguments import as_hardware, as_rules, as_seeds, require_mode
from .compare import require_possible, with_data
from .engines import OWN_MODES
from .io.atomic import remove
from .io.config import load_model, model_table, spec_hash
from .io.datasets import load_data
from .io.results import processors
from .io.settings import as_setting, key_for, load_changed, require_said_once
from .run import CHECKPOINT, Diverged, Progress, Run, train
from .side_by_side import side_by_side
from .spec import Hardware, Model, Rule, Training, settings_for
from .spec.errors import InputError, described, require, require_kind
from .swept import ENDED, MEASURED, RUNS, best, collect, leave

if TYPE_CHECKING:
    import xarray

OWN_DIMS = ("rule", "hardware", "seed")
TAKEN = (*OWN_DIMS, *MEASURED, "mode", "run")  # names that no setting's dim may have
LONGEST_NAME = 120  # letters of a run's folder, its hash apart
FULL_PRECISION = "none"  # what no hardware is called


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its place in the grid, and all that decides it."""

    place: dict[str, Any]  # by dim: rule, hardware if it was given, each setting that varies, seed
    model: Model
    rule: Rule
    mode: str
    hardware: Hardware | None
    epochs: int | None
    spec: str  # hash of its description

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.place["seed"])

    @property
    def protocol(self) -> Training:
        """Of the run's mode."""
        _, training, _, spiking = settings_for(self.model, self.rule)
        return training if self.mode == "rate" else spiking.training

    @property
    def name(self) -> str:
        """Of its folder: readable, and another one for another description."""
        parts = [str(value) if dim in OWN_DIMS else f"{dim}={value}" for dim, value in self.place.items()]
        text = re.sub(r"[^\w.=+-]+", "_", "-".join(parts))
        return f"{text[:LONGEST_NAME]}-{self.spec[:8]}"


@dataclass(frozen=True)
class Sweep:
    """What `sweep` leaves: results over the whole grid, a row for each run that has ended, and what went wrong."""

    results: "xarray.Dataset"
    table: list[dict[str, Any]]
    diverged: dict[str, str] = field(default_factory=dict)  # by the run's name: epoch, layer and learning rate
    failed: dict[str, str] = field(default_factory=dict)  # by the run's name: what kept it from ending

    @property
    def best(self) -> list[dict[str, Any]]:
        """The setting of each rule (on each chip) with the lowest validation error; none without a validation set.

        Values by dim, ``validation_error`` and ``test_error``, means over seeds. A setting that has not ended for all
        seeds, or has diverged for one, is no candidate.
        """
        return best(self.results)


def sweep(
    model: str | os.PathLike[str],
    rules: Rule | Sequence[Rule],
    vary: Mapping[str, Sequence[Any]],
    *,
    mode: str = "rate",
    seeds: int | Sequence[int] = 3,
    epochs: int | None = None,
    hardware: str | Sequence[str | None] | None = None,
    settings: Sequence[str] = (),
    data: str | None = None,
    probe_every: int | None = None,
    part: tuple[int, int] = (1, 1),
    workers: int | None = None,
    out: str | os.PathLike[str] = "neurofa-sweep",
    overwrite: bool = False,
    progress: Callable[[float, int, int], None] | None = None,
) -> Sweep:
    """Train with every combination of rules, settings and seeds, side by side, each run with one thread.

    What has run already in `out` is not run again, and what was interrupted goes on: the same call takes a sweep up, a
    larger grid adds to it, and calls for different parts, on several machines, may fill one folder at the same time.

    Parameters
    ----------
    model
        The name of a bundled model, or the path of its file.
    rules
        Presets or rules of your own, with different names.
    vary
        Values by key of the model's file, such as ``{"training.learning_rate": [1e-4, 1e-3]}``. Where the model has a
        rule's own value of a key, that is what varies for this rule.
    mode
        ``rate``, ``spiking`` or ``brian``.
    seeds
        How many, from 0, or the seeds themselves. W and b are the same for all runs of a seed with the same sizes.
    epochs
        Takes the place of the protocol's.
    hardware
        A profile of `neurofa hardware`, or several; None is full precision.
    settings
        ``KEY=VALUE`` in TOML, in place of the model's for all runs.
    data
        Takes the place of the model's: a name of `neurofa data list`, or an ``.npz`` file.
    probe_every
        As for `neurofa.train`.
    part
        Which part of the runs, of how many: (3, 16) is the third of sixteen, as the tasks of a batch system have them.
    workers
        Runs at a time; as many as there are processors, if None.
    out
        Folder for ``results.nc``, ``table.csv``, ``sweep.png``, and a folder for each run in ``runs/``.
    overwrite
        Run anew what is there already.
    progress
        Called with the number of runs that are done, parts of runs included; of those that are finished; and of all.

    Returns
    -------
    Sweep
        `results` has, over the dims rule, hardware (if it was given), each key that varies (by its last part) and
        seed: ``test_error``, ``validation_error`` (with a validation set; the mean of the same epochs), losses instead
        for a regression; ``alignment_deg``, ``synops_per_sample`` and ``seconds`` as in a comparison. What has not run,
        or diverged, is NaN. `table` has a row for each run that is finished or diverged.

    Raises
    ------
    InputError
        Before anything runs, if a setting, a rule, the network, the chip and the data do not go together.
    """
    require_mode(mode)
    number, parts = _part(part)
    require(workers is None or workers >= 1, f"workers is {workers}; give at least 1")
    keys = _keys_by_dim(vary, mode)
    for key in keys.values():
        require_said_once(settings, "what varies", key)
        require(
            epochs is None or not key.endswith("training.epochs"),
            f"{key} varies, and epochs are given; choose one of them",
        )
        require(data is None or key != "data.name", f"{key} varies, and data are given; choose one of them")
    chips = {_chip_name(chip): as_hardware(chip, mode, 1) for chip in _listed(hardware)}
    chosen, several = as_rules(rules), as_seeds(seeds)
    dims: dict[str, list[Any]] = {"rule": [rule.name for rule in chosen]}
    dims |= {} if hardware is None else {"hardware": list(chips)}
    dims |= {dim: [_coordinate(value) for value in vary[key]] for dim, key in keys.items()} | {"seed": several}
    for dim, values in dims.items():
        require(len(set(map(str, values))) == len(values) > 0, f"{dim} has {described(values)}; give values, each once")
    first, content = cache(load_data), cache(_content)
    jobs: list[Job] = []
    own = model_table(model).get("rules", {})
    for rule, chip, *values in product(chosen, chips, *(vary[key] for key in keys.values())):
        varied = [as_setting(key_for(own, rule.name, key), v) for key, v in zip(keys.values(), values, strict=True)]
        changed = with_data(load_changed(model, [*settings, *varied], dims["rule"], [mode]), data)
        try:
            require_possible(changed, [rule], [mode], first(changed.data), chips[chip])
        except InputError as error:
            raise InputError(f"rule {rule.name!r} with {'; '.join(varied)}: {error}") from None
        network, training, learning, spiking = settings_for(changed, rule)
        protocol = (network, learning, training if mode == "rate" else spiking, changed.data, chips[chip], mode)
        spec = spec_hash(*protocol, content(changed.data.name), epochs, probe_every, __version__)
        place = dict(
            zip(dims, (rule.name, *([] if hardware is None else [chip]), *map(_coordinate, values)), strict=False)
        )
        jobs += [Job({**place, "seed": seed}, changed, rule, mode, chips[chip], epochs, spec) for seed in several]
    jobs.sort(key=lambda job: several.index(job.seed))  # so that all settings soon have a first run

    mine, folder = jobs[number - 1 :: parts], Path(out)
    if overwrite:
        for job, name in product(mine, (CHECKPOINT, ENDED)):
            remove(folder / RUNS / job.name / name)
    missing = [job for job in mine if not (folder / RUNS / job.name / ENDED).exists()]
    if missing and mode in OWN_MODES and not is_compiled(mode):
        compile_kernels(mode, missing[0].protocol.precision)  # once, and not in each worker
    ended = len(mine) - len(missing)
    failed: dict[str, str] = {}

    def watch(done: float) -> None:
        if progress:
            progress(len(mine) - len(missing) + done, ended, len(mine))

    work = [(job, folder / RUNS / job.name, probe_every) for job in missing]
    try:
        with closing(side_by_side(_run, work, workers or processors(), watch)) as finished:
            for index, _, wrong in finished:
                ended += 1
                if wrong:
                    failed[missing[index].name] = wrong
    finally:  # Ctrl-C leaves what has ended, too
        known = load_model(model)
        title = known.title if not any(key.startswith(("network.", "data.")) for key in keys.values()) else ""
        about = {"mode": mode, "task": known.network.task, "title": title, "keys": list(keys.values())}
        results, table, diverged = collect(folder, dims, {job.name: job.place for job in jobs}, about)
    return Sweep(results, table, diverged, failed)


def _listed(hardware: str | Sequence[str | None] | None) -> Sequence[str | None]:
    """One chip or several, full precision among them."""
    return [hardware] if hardware is None or isinstance(hardware, str) else hardware


def _part(part: tuple[int, int]) -> tuple[int, int]:
    """A part of how many, from 1."""
    fits = isinstance(part, Sequence) and len(part) == 2 and all(isinstance(n, Integral) for n in part)
    require(fits and 1 <= part[0] <= part[1], f"part is {described(part)}; give one of how many, such as (1, 16)")
    return int(part[0]), int(part[1])


def _keys_by_dim(vary: Mapping[str, Sequence[Any]], mode: str) -> dict[str, str]:
    """Keys that vary by the names of their dims: the last part where that tells them apart."""
    require_kind("vary", vary, Mapping, hint="values by key, as in {'training.learning_rate': [1e-4, 1e-3]}")
    require(len(vary) > 0, "nothing varies; give a key and its values, or use compare")
    for key, values in vary.items():
        require_kind("a key that varies", key, str, hint="one of a model's file, as in 'training.learning_rate'")
        require(
            not key.startswith("rules."), f"{key!r} is a rule's own; vary {key.split('.', 2)[-1]!r}, which reaches it"
        )
        unheard = "spiking." if mode == "rate" else "training."
        instead = f"vary {'' if mode == 'rate' else 'spiking.'}training.{key.rpartition('training.')[2]}, or "
        require(
            not key.startswith(unheard),
            f"{key} is not of mode {mode!r}; {instead if 'training.' in key else ''}give another mode",
        )
        several = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
        require(several, f"{key} varies over {described(values)}; give a list of values")
    last = [key.rsplit(".", 1)[-1] for key in vary]
    short = {key: name for key, name in zip(vary, last, strict=True) if last.count(name) == 1 and name not in TAKEN}
    return {short.get(key, key): key for key in vary}


def _coordinate(value: Any) -> Any:
    """A value as it stands in tables and on axes: a number, or text, in which widths are joined by hyphens."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    whole = isinstance(value, list | tuple) and all(isinstance(part, int) for part in value)
    return "-".join(map(str, value)) if whole else as_setting("", value)[1:]


def _chip_name(chip: str | None) -> str:
    return FULL_PRECISION if chip is None else Path(chip).stem


def _content(path: str) -> int:
    """Checksum of a file of data; 0 for data that have a name."""
    return zlib.crc32(Path(path).read_bytes()) if os.path.isfile(path) else 0


def _run(job: Job, folder: Path, probe_every: int | None, tell: Callable[[float], None]) -> None:
    """Train in a worker, and leave what was measured."""

    def progress(p: Progress) -> None:
        tell(p.fraction)

    told: Run | Diverged
    try:
        told = train(
            job.model, job.rule, load_data(job.model.data, seed=job.seed), job.mode, job.seed, epochs=job.epochs,
            hardware=job.hardware, probe_every=probe_every, threads=1, out=folder,
            resume=(folder / CHECKPOINT).exists(), progress=progress,
        )  # fmt: skip
    except Diverged as error:  # others may not, and this one would again
        told = error
    leave(folder, told)
