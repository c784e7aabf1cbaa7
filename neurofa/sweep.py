"""Sweeps: every combination of rules, chips, settings and seeds as a run of its own, side by side."""

import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .ahead import compile_kernels, is_compiled
from .arguments import as_hardware, as_rules, as_seeds, require_known_rules, require_mode
from .compare import require_possible, with_data
from .engines import OWN_MODES
from .io.atomic import remove, require_folder
from .io.config import model_table, spec_hash
from .io.datasets import load_data
from .io.results import processors
from .io.settings import as_setting, key_for, load_changed, path_of, paths_of, read_setting
from .run import CHECKPOINT, Diverged, Progress, Run, train
from .side_by_side import side_by_side
from .spec import Hardware, Model, Rule, Training, settings_for
from .spec.errors import InputError, as_tuple, described, require, require_kind, require_number
from .spec.seeds import streams
from .swept import ENDED, MEASURED, RUNS, best, collect, leave, what_ended

if TYPE_CHECKING:
    import xarray

OWN_DIMS = ("rule", "hardware", "seed")
TAKEN = (*OWN_DIMS, *MEASURED, "mode", "run")  # names that no setting's dim may have
LONGEST_NAME = 120  # letters of a run's folder, seed and hash apart
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
        text = re.sub(r"[^a-zA-Z0-9_.=+-]+", "_", "-".join(parts[:-1]))
        return f"{text[:LONGEST_NAME]}-{self.seed}-{self.spec[:8]}"


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
    hardware: str | Hardware | Sequence[str | Hardware | None] | None = None,
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
        A profile of `neurofa hardware`, an `nf.Hardware`, or several; None is full precision.
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
    require_number("workers", workers, optional=True)
    require(workers is None or workers >= 1, f"workers is {workers}; give at least 1")
    chosen, several, settings = as_rules(rules), as_seeds(seeds), as_tuple("settings", settings)
    for seed in several:
        streams(seed)
    keys = _keys_by_dim(vary, mode, chosen)
    _require_apart(list(keys.values()), settings)
    for key in keys.values():
        require(
            epochs is None or not key.endswith("training.epochs"), f"{key} varies, and epochs are given; choose one"
        )
        require(data is None or key != "data.name", f"{key} varies, and data are given; choose one of them")
    listed = _listed(hardware)
    loaded = [as_hardware(chip, mode, 1) for chip in listed]
    chip_names = [_chip_name(chip) for chip in listed]
    chips = dict(zip(chip_names, loaded, strict=True))
    values = {key: [v.tolist() if hasattr(v, "tolist") else v for v in vary[key]] for key in keys.values()}
    dims: dict[str, list[Any]] = {"rule": [rule.name for rule in chosen]}
    dims |= {} if hardware is None else {"hardware": chip_names}
    dims |= {dim: _coordinates(key, values[key]) for dim, key in keys.items()} | {"seed": several}
    for dim, places in dims.items():
        twice = [place for n, place in enumerate(places) if place in places[:n]]
        require(not twice, f"{dim} has {twice[:1]} twice; give each value once")
        require(len(places) > 0, f"{dim} has no values; give at least one")
    first, content = cache(load_data), cache(_content)
    jobs: list[Job] = []
    own, known = model_table(model).get("rules", {}), set[tuple[str, str]]()
    for rule, chip, at in product(chosen, chips, product(*(range(len(values[key])) for key in keys.values()))):
        here = [values[key][n] for key, n in zip(keys.values(), at, strict=True)]
        varied = [as_setting(key_for(own, rule.name, key), v) for key, v in zip(keys.values(), here, strict=True)]
        changed = with_data(load_changed(model, [*settings, *varied], dims["rule"], [mode]), data)
        try:
            require_known_rules(changed, rule)
            require_possible(changed, [rule], [mode], first(changed.data), chips[chip], epochs, probe_every)
        except InputError as error:
            raise InputError(f"rule {rule.name!r} with {'; '.join(varied)}: {error}") from None
        network, training, learning, spiking = settings_for(changed, rule)
        known_as = replace(changed.data, name=content(changed.data.name))
        protocol = (network, learning, training if mode == "rate" else spiking, known_as, chips[chip], mode)
        spec = spec_hash(*protocol, epochs, probe_every, __version__)
        require((chip, spec) not in known, f"{'; '.join(varied)} changes nothing for rule {rule.name!r}; leave it out")
        known.add((chip, spec))
        place = {"rule": rule.name} | ({} if hardware is None else {"hardware": chip})
        place |= {dim: dims[dim][n] for dim, n in zip(keys, at, strict=True)}
        jobs += [Job({**place, "seed": seed}, changed, rule, mode, chips[chip], epochs, spec) for seed in several]
    first.cache_clear()
    jobs.sort(key=lambda job: several.index(job.seed))  # so that all settings soon have a first run
    title = jobs[0].model.title if not any(key.startswith(("network.", "data.")) for key in keys.values()) else ""
    about = {"mode": mode, "task": jobs[0].model.network.task, "title": title, "keys": list(keys.values())}

    mine, folder = jobs[number - 1 :: parts], Path(out)
    require_folder(folder / RUNS)
    if overwrite:
        for job, name in product(mine, (CHECKPOINT, ENDED)):
            remove(folder / RUNS / job.name / name)
    missing = [job for job in mine if what_ended(folder / RUNS / job.name) is None]
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
        results, table, diverged = collect(folder, dims, {job.name: job.place for job in jobs}, about)
    return Sweep(results, table, diverged, failed)


def _listed(hardware: Any) -> list[Any]:
    """One chip or several, full precision among them."""
    one = hardware is None or isinstance(hardware, str | os.PathLike | Hardware) or not isinstance(hardware, Iterable)
    return [hardware] if one else list(hardware)


def _chip_name(chip: str | os.PathLike[str] | Hardware | None) -> str:
    return FULL_PRECISION if chip is None else chip.label if isinstance(chip, Hardware) else Path(chip).stem


def _part(part: tuple[int, int]) -> tuple[int, int]:
    """A part of how many, from 1."""
    fits = isinstance(part, Sequence) and len(part) == 2 and all(isinstance(n, Integral) for n in part)
    require(fits and 1 <= part[0] <= part[1], f"part is {described(part)}; give one of how many, such as (1, 16)")
    return int(part[0]), int(part[1])


def _keys_by_dim(vary: Mapping[str, Sequence[Any]], mode: str, rules: Sequence[Rule]) -> dict[str, str]:
    """Keys that vary by the names of their dims: the last part where that tells them apart."""
    require_kind("vary", vary, Mapping, hint="values by key, as in {'training.learning_rate': [1e-4, 1e-3]}")
    require(len(vary) > 0, "nothing varies; give a key and its values, or use compare")
    names = [rule.name for rule in rules]
    for key, values in vary.items():
        require_kind("a key that varies", key, str, hint="one of a model's file, as in 'training.learning_rate'")
        path = path_of(key)
        alone = names == [path[1]] if path[0] == "rules" and len(path) > 2 else path[0] != "rules"
        require(alone, f"{key} is of one rule; sweep that rule alone, or vary a key of all rules, which reaches it too")
        unheard = "spiking." if mode == "rate" else "training."
        instead = f"vary {'' if mode == 'rate' else 'spiking.'}training.{key.rpartition('training.')[2]}, or "
        require(
            not key.startswith(unheard),
            f"{key} is not of mode {mode!r}; {instead if 'training.' in key else ''}give another mode",
        )
        several = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
        require(several, f"{key} varies over {described(values)}; give a list of values")
    last = [path_of(key)[-1] for key in vary]
    short = {key: name for key, name in zip(vary, last, strict=True) if last.count(name) == 1 and name not in TAKEN}
    return {short.get(key, key): key for key in vary}


def _require_apart(keys: Sequence[str], settings: Sequence[str]) -> None:
    """Refuse a key that is given twice, or with another below it: one would drop the other."""
    said = [(key, path_of(key)) for key in keys]
    said += [(setting, path) for setting in settings for path in paths_of(read_setting(setting))]
    for n, (key, path) in enumerate(said[: len(keys)]):
        for other, theirs in said[:n] + said[n + 1 :]:
            shared = min(len(path), len(theirs))
            require(path[:shared] != theirs[:shared], f"{key} and {other} say the same; leave one of them out")


def _coordinates(key: str, values: Sequence[Any]) -> list[Any]:
    """Values as they stand in tables and on axes: numbers, or text, in which widths are joined by hyphens."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return list(values)
    return [_text(key, value) for value in values]


def _text(key: str, value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(part, int) for part in value):
        return "-".join(map(str, value))
    return value if isinstance(value, str) else as_setting(key, value).removeprefix(f"{key}=")


def _content(name: str) -> str:
    """What tells data apart: their name, of a file what is in it."""
    path = Path(name).expanduser()
    return f"file {zlib.crc32(path.read_bytes())}" if path.is_file() else name


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
