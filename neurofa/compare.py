"""Rules side by side: each trained from the same initial weights, in one dataset."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .ahead import compiled_beside
from .arguments import as_rules, as_seeds, require_mode
from .engines import OWN_MODES, new_engine
from .hardware import constrain
from .io.atomic import remove
from .io.data import Data
from .io.results import environment, write_results, write_table
from .mode_agreement import agreement
from .protocol import check_data, check_protocol
from .rules import check, lower
from .run import CHECKPOINT, MODES, Diverged, Progress, Run, train
from .spec import Hardware, Model, Rule, settings_for
from .spec.errors import described, require, require_kind

if TYPE_CHECKING:
    import xarray

COLUMNS = ("rule", "mode", "seed", "test_error", "alignment_deg", "synops_per_sample", "seconds")
RESULTS, TABLE, FIGURE, RUNS = "results.nc", "table.csv", "compare.png", "runs"
AGREEMENT_SAMPLES = 256


@dataclass(frozen=True)
class Comparison:
    """What `compare` leaves: the results over rule, mode and seed, a table with a row for each run, divergences."""

    results: "xarray.Dataset"
    table: list[dict[str, Any]]
    diverged: dict[str, str] = field(default_factory=dict)  # by the run's name: epoch, layer and learning rate


def compare(
    model: Model,
    rules: Rule | Sequence[Rule],
    data: Data | Callable[[int], Data],
    *,
    modes: str | Sequence[str] = OWN_MODES,
    seeds: int | Sequence[int] = 3,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[int, str, Progress], None] | None = None,
) -> Comparison:
    """Train each rule in each mode with each seed.

    Parameters
    ----------
    model
        Network, protocol, and each rule's own settings.
    rules
        Presets or rules of your own, with different names.
    data
        The data, or a function that gives those for a seed.
    modes, seeds
        What each rule is trained in and with; W and b are the same for all rules of a seed. A number of seeds counts
        from 0.
    epochs
        Takes the place of the protocol's.
    out
        Folder for ``results.nc``, ``table.csv``, ``compare.png``, and a checkpoint for each run in ``runs/``.
    resume
        Go on with the runs in `out`.
    progress
        Called with the number of finished runs, the present run's name, and its `Progress`.

    Returns
    -------
    Comparison
        `results` has dims rule, mode, seed, epoch, probe, layer with ``test_error``, ``train_error``, ``test_loss``,
        ``train_loss``, ``alignment_deg`` and the other probes, and over the first three ``final_test_error``,
        ``seconds``, ``synops_per_sample`` (multiply-accumulates in rate mode, counted events in spiking mode) and
        ``identity`` (hash of what was run). Modes and rules may differ in their epochs and probes: where a run has
        none it is NaN. If both modes are compared, `results` also has, over rule, seed and layer, what
        `neurofa.agreement` measures with the parameters that the rate run leaves, on the first 256 training samples:
        ``activity_correlation``, ``update_correlation``, ``update_angle_between_modes_deg`` and the others.
        `table` has the columns of ``table.csv``, where ``alignment_deg`` is the mean over the hidden layers of the
        last probe's, NaN without any. A run that diverged is NaN in both and has its message in `diverged`.

    Raises
    ------
    InputError
        Before anything runs, if a rule, the network, a mode and the data do not go together.
    """
    rules, modes, seeds = _as_lists(model, rules, data, modes, seeds)
    runs: list[Run] = []
    table: list[dict[str, Any]] = []
    diverged: dict[str, str] = {}
    notes: dict[int, str] = {}
    guessing: dict[int, float] = {}
    between: list[xarray.Dataset] = []
    _, training, _, spiking = settings_for(model, rules[0])
    precisions = {"rate": training.precision, "spiking": spiking.training.precision}
    with compiled_beside({mode: precisions[mode] for mode in modes[1:] if mode in OWN_MODES}) as compiling:
        for seed in seeds:
            shown = data if isinstance(data, Data) else data(seed)
            if not table:
                require_possible(model, rules, modes, shown, epochs=epochs)
            notes[seed], guessing[seed] = shown.note, chance_error(shown)
            for mode, rule in product(modes, rules):
                if mode in compiling:
                    compiling.pop(mode).wait()
                name = f"{rule.name}-{mode}-{seed}".replace("/", "-")
                folder = Path(out) / RUNS / name if out is not None else None
                again = resume and folder is not None and (folder / CHECKPOINT).exists()
                tell = None if progress is None else partial(progress, len(table), name)
                try:
                    run = train(model, rule, shown, mode, seed, epochs=epochs, out=folder, resume=again, progress=tell)
                except Diverged as error:  # the others may not
                    diverged[name] = str(error)
                    table.append(dict.fromkeys(COLUMNS, nan) | {"rule": rule.name, "mode": mode, "seed": seed})
                    continue
                runs.append(run)
                table.append(_row(run))
                if mode == "rate" and "spiking" in modes:
                    between.append(_between_modes(model, rule, run, shown))
    places: dict[str, list[Any]] = {"rule": [rule.name for rule in rules], "mode": modes, "seed": seeds}
    comparison = Comparison(_joined(runs, between, places, model, shown, notes, guessing), table, diverged)
    if out is not None:
        write(comparison, Path(out))
    return comparison


def _as_lists(
    model: Model,
    rules: Rule | Sequence[Rule],
    data: Data | Callable[[int], Data],
    modes: str | Sequence[str],
    seeds: int | Sequence[int],
) -> tuple[list[Rule], list[str], list[int]]:
    """Rules, modes and seeds, once they are found to be what they should be."""
    require_kind("model", model, Model, hint="nf.load_model(NAME), or nf.Model(network, training)")
    require(
        isinstance(data, Data) or callable(data),
        f"data is {described(data)}; give nf.load_data(NAME), an nf.Data, or a function that gives those for a seed",
    )
    chosen, several = as_rules(rules), as_seeds(seeds)
    modes = list(modes) if isinstance(modes, Iterable) and not isinstance(modes, str) else [modes]
    for mode in modes:
        require_mode(mode)
    require(
        len(modes) > 0 and len(set(modes)) == len(modes),
        f"modes are {', '.join(modes) or 'none'}; name each of {', '.join(MODES)} at most once, and at least one",
    )
    for rule in chosen:
        check(model.for_rule(rule)[0], rule)
    return chosen, modes, several


def require_possible(
    model: Model,
    rules: Sequence[Rule],
    modes: Sequence[str],
    data: Data,
    chip: Hardware | None = None,
    epochs: int | None = None,
    probe_every: int | None = None,
) -> None:
    """Refuse what a run would refuse, before the runs of other rules and modes have taken their time."""
    for rule in rules:
        network, training, own = model.for_rule(rule)
        check_data(network, data)
        for mode in modes:
            spiking = model.spiking_for(rule)
            protocol = training if mode == "rate" else spiking.training
            check_protocol(protocol if epochs is None else replace(protocol, epochs=epochs), data, probe_every)
            batch = 1 if protocol.batch_size == 1 else 2  # only whether there is more than one sample matters here
            plan = lower(network, own, precision=protocol.precision)
            if chip is not None:
                plan = constrain(plan, None if mode == "rate" else spiking, chip)
            engine = new_engine(mode, plan, spiking, batch_size=batch, optimiser=protocol.optimiser, threads=1)
            for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
                engine.check_samples(x, y)


def _between_modes(model: Model, rule: Rule, run: Run, data: Data) -> "xarray.Dataset":
    """Agreement of both modes where a run in rate mode ended, with dims rule, seed and layer."""
    batch = data.x_train[:AGREEMENT_SAMPLES], data.y_train[:AGREEMENT_SAMPLES]
    found = agreement(model, rule, run.params, *batch, seed=run.seed)
    return found.expand_dims({"rule": [rule.name], "seed": [run.seed]})


def _row(run: Run) -> dict[str, Any]:
    return {
        "rule": run.rule.name,
        "mode": run.mode,
        "seed": run.seed,
        "test_error": run.test_error,
        "alignment_deg": last_angle(run.history),
        "synops_per_sample": run.synops_per_sample,
        "seconds": round(run.seconds, 3),
    }


def last_angle(history: "xarray.Dataset") -> float:
    """Mean over the hidden layers of the angle of signals at the last probe, degrees; NaN where there is none."""
    if "alignment_deg" not in history:
        return nan
    angles = history["alignment_deg"].values[-1, :-1]
    angles = angles[np.isfinite(angles)]
    return float(angles.mean()) if len(angles) else nan


def _joined(
    runs: Sequence[Run],
    between: Sequence["xarray.Dataset"],
    places: dict[str, list[Any]],
    model: Model,
    data: Data,
    notes: Mapping[int, str],
    guessing: Mapping[int, float],
) -> "xarray.Dataset":
    """All histories along rule, mode and seed, in the order of `places`; what a run lacks, or did not reach, is NaN."""
    import xarray

    parts = [xarray.Dataset(coords=places | {"epoch": np.arange(0)})]
    for run in runs:
        own = {"rule": [run.rule.name], "mode": [run.mode], "seed": [run.seed]}
        about = {"final_test_error": run.test_error, "seconds": run.seconds, "identity": run.history.attrs["identity"]}
        final = xarray.Dataset(about | {"synops_per_sample": run.synops_per_sample})
        parts.append(xarray.merge([run.history.drop_attrs(), final]).expand_dims(own))
    # runs may differ in their epochs and probes, along which nothing shall be joined
    results = xarray.merge([*parts, *between], join="outer", compat="no_conflicts", combine_attrs="drop")
    results = results.reindex(places).transpose("rule", "mode", "seed", ...)
    if runs:
        results["identity"] = results["identity"].fillna("").astype(str)
    attributes: dict[str, Any] = environment() | {
        "title": model.title,
        "source": model.source,
        "data": data.name,
        "data_note": _note(notes),
        "task": data.task,
        "epochs": int(results.sizes["epoch"]),
        "final": " or ".join(dict.fromkeys(run.history.attrs["final"] for run in runs if run.history.attrs["final"])),
    }
    if runs:
        attributes["threads"] = runs[0].history.attrs["threads"]
    if data.task == "classification":
        attributes["chance_error"] = float(np.mean(list(guessing.values())))  # as curves are means over seeds
    return results.assign_attrs(attributes)


def chance_error(data: Data) -> float:
    """Error of always naming the commonest class of the training set; not a number for a regression."""
    if data.task == "regression":
        return nan
    tested, trained = (np.bincount(y, minlength=data.n_outputs) for y in (data.y_test, data.y_train))
    return 1.0 - float(tested[trained.argmax()]) / len(data.y_test)


def _note(notes: Mapping[int, str]) -> str:
    """What is to be known of the data, where it differs for each seed."""
    if len(set(notes.values())) == 1:
        return next(iter(notes.values()))
    return "; ".join(f"seed {seed}: {note or 'nothing to note'}" for seed, note in notes.items())


def one_run(history: "xarray.Dataset", rule: str) -> "xarray.Dataset":
    """A run's history with the dims and the variables that a comparison's figure shows."""
    own = {"rule": [rule], "mode": [str(history.attrs["mode"])], "seed": [int(history.attrs["seed"])]}
    about = {name: history.attrs[name] for name in ("seconds", "synops_per_sample")}
    return history.assign(final_test_error=history.attrs["test_error"], **about).expand_dims(own)


def write(comparison: Comparison, out: Path) -> None:
    """Leave ``results.nc``, ``table.csv`` and, if anything was trained, ``compare.png`` in a folder."""
    from .plot import compare_figure, save_figure

    write_results(out / RESULTS, comparison.results)
    write_table(out / TABLE, comparison.table, COLUMNS)
    results = comparison.results
    if results.sizes["epoch"]:
        save_figure(compare_figure(results), out / FIGURE)
    else:
        remove(out / FIGURE)  # one of other results


def with_data(model: Model, data: str | None) -> Model:
    """The model with the named data in place of its own."""
    return model if data is None else replace(model, data=replace(model.data, name=data))
