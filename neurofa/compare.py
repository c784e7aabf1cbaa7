"""Rules side by side: each trained from the same initial weights, in one dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .io.data import Data
from .io.results import environment, write_results, write_table
from .run import CHECKPOINT, Progress, Run, train
from .spec import Model, Rule
from .spec.errors import require

if TYPE_CHECKING:
    import xarray

COLUMNS = ("rule", "mode", "seed", "test_error", "alignment_deg", "synops_per_sample", "seconds")
RESULTS, TABLE, FIGURE, RUNS = "results.nc", "table.csv", "compare.png", "runs"


@dataclass(frozen=True)
class Comparison:
    """What `compare` leaves: the results over rule, mode and seed, and a table with a row for each run."""

    results: "xarray.Dataset"
    table: list[dict[str, Any]]


def compare(
    model: Model,
    rules: Sequence[Rule],
    load: Callable[[int], Data],
    *,
    modes: Sequence[str] = ("rate",),
    seeds: Sequence[int] = (0, 1, 2),
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
    load
        Gives the data for a seed.
    modes, seeds
        What each rule is trained in and with; W and b are the same for all rules of a seed.
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
        ``train_loss``, ``alignment_deg`` and the other probes; `table` has the columns of ``table.csv``,
        where ``alignment_deg`` is the angle of the whole update with backpropagation's at the end.

    Raises
    ------
    InputError
        Before anything runs, if a rule, the network and the data do not go together.
    """
    from .rules import check

    names = [rule.name for rule in rules]
    require(len(set(names)) == len(names), f"two rules have the same name in {', '.join(names)}; rename one")
    require(len(rules) > 0 and len(seeds) > 0, "there is nothing to compare; give at least one rule and one seed")
    for rule in rules:
        check(model.for_rule(rule)[0], rule)
    runs: list[Run] = []
    for seed in seeds:
        data = load(seed)
        for mode in modes:
            for rule in rules:
                name = f"{rule.name}-{mode}-{seed}".replace("/", "-")
                folder = Path(out) / RUNS / name if out is not None else None
                again = resume and folder is not None and (folder / CHECKPOINT).exists()
                finished = len(runs)
                tell = (lambda p, n=finished, what=name: progress(n, what, p)) if progress else None
                runs.append(
                    train(model, rule, data, mode, seed, epochs=epochs, out=folder, resume=again, progress=tell)
                )
    comparison = Comparison(_joined(runs, model, data), [_row(run) for run in runs])
    if out is not None:
        write(comparison, Path(out))
    return comparison


def _row(run: Run) -> dict[str, Any]:
    angles = run.history.get("total_update_angle_deg")
    return {
        "rule": run.rule.name,
        "mode": run.mode,
        "seed": run.seed,
        "test_error": run.test_error,
        "alignment_deg": float(angles[-1]) if angles is not None else float("nan"),
        "synops_per_sample": run.synops_per_sample,
        "seconds": round(run.seconds, 3),
    }


def _joined(runs: Sequence[Run], model: Model, data: Data) -> "xarray.Dataset":
    """All histories along rule, mode and seed; what a run lacks is NaN."""
    import xarray

    parts = []
    for run in runs:
        own = {"rule": [run.rule.name], "mode": [run.mode], "seed": [run.seed]}
        final = xarray.Dataset({"final_test_error": run.test_error, "seconds": run.seconds})
        parts.append(xarray.merge([run.history.drop_attrs(), final]).expand_dims(own))
    order = {"rule": list(dict.fromkeys(run.rule.name for run in runs))}
    # runs may differ in their epochs and probes, along which nothing shall be joined
    results = xarray.merge(parts, join="outer", compat="no_conflicts", combine_attrs="drop")
    results = results.reindex(order).transpose("rule", "mode", "seed", ...)
    results.attrs = environment() | {
        "title": model.title,
        "source": model.source,
        "data": data.name,
        "data_note": data.note,
        "epochs": int(results.sizes["epoch"]),
        "report_last": model.training.report_last,
        "synops_per_sample": [float(run.synops_per_sample) for run in runs if run.seed == runs[0].seed],
    }
    if data.task == "classification":
        # error of always naming the commonest class of the training set
        counts = np.bincount(data.y_test, minlength=2)
        results.attrs["chance_error"] = 1.0 - float(counts[np.bincount(data.y_train).argmax()]) / len(data.y_test)
    return results


def one_run(history: "xarray.Dataset", rule: str) -> "xarray.Dataset":
    """A run's history with the dims that a comparison has, for the same figures."""
    own = {"rule": [rule], "mode": [str(history.attrs["mode"])], "seed": [int(history.attrs["seed"])]}
    return history.expand_dims(own)


def write(comparison: Comparison, out: Path) -> None:
    """Leave ``results.nc``, ``table.csv`` and ``compare.png`` in a folder."""
    from .plot import compare_figure, save_figure

    write_results(out / RESULTS, comparison.results)
    write_table(out / TABLE, comparison.table, COLUMNS)
    results = comparison.results
    if results.sizes["epoch"]:
        save_figure(compare_figure(results, last=int(results.attrs["report_last"])), out / FIGURE)


def with_data(model: Model, data: str | None) -> Model:
    """The model with the named data in place of its own."""
    return model if data is None else replace(model, data=replace(model.data, name=data))
