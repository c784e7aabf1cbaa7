"""The commands that train: one model by one rule, and several rules compared."""

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import (
    DataName,
    Epochs,
    Seed,
    Settings,
    Threads,
    fitting,
    mean_text,
    read_rules,
    read_seeds,
    require_settings_once,
)
from .exits import BAD_INPUT, KEPT, RESUMABLE, complain
from .spec.errors import InputError, require

if TYPE_CHECKING:
    import xarray

    from .compare import Comparison
    from .spec import Model
    from .trainer import Progress

MOST_IN_A_NAME = 120  # characters of settings in the name of a folder
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is in the folder.")]


def train(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a bundled one.")],
    rule: Annotated[str, typer.Option(help="A rule of `neurofa rules`, or SIGNAL/ROUTE/FEEDBACK.")] = "bp",
    mode: Annotated[str, typer.Option(help="rate (dense), spiking (event-driven) or brian (Brian2, slow).")] = "rate",
    hardware: Annotated[
        str | None, typer.Option(help="A chip or format of `neurofa hardware`, or a TOML file.")
    ] = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    data: DataName = None,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoint, history and figures; neurofa-runs/MODEL-RULE-SEED unless given."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")] = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    probe_every: Annotated[
        int | None, typer.Option(min=0, help="Updates between two probes; each epoch unless given, 0 for never.")
    ] = None,
    target: Annotated[
        str, typer.Option(help="Of mode brian: numpy, cython (compiles for minutes at first), or auto.")
    ] = "auto",
) -> None:
    """Train one model by one rule.

    Example: neurofa train digits --rule drtp --epochs 10 --out runs/drtp
    """
    from .arguments import as_hardware, require_mode
    from .compare import with_data
    from .io.config import spec_hash
    from .io.datasets import load_data
    from .io.results import write_results
    from .io.settings import load_changed
    from .rules import named
    from .run import train as run_training
    from .terminal import reporting
    from .trainer import CHECKPOINT, RESULTS

    require_mode(mode)
    learning, changes = named(rule), settings or []
    require_settings_once(changes, epochs, data)
    described = with_data(load_changed(model, changes, [learning.name], [mode]), data)
    kind = rule.replace("/", "-") + ("" if mode == "rate" else f"-{mode}")
    kind += f"-{Path(hardware).stem}" if hardware else ""
    parts = dict.fromkeys([Path(model).name.removesuffix(".toml"), *([Path(data).stem] if data else [])])
    changed = "-".join(re.sub(r"[^\w.=+-]+", "_", setting) for setting in changes)
    if len(changed) > MOST_IN_A_NAME:
        changed = spec_hash(*changes)[:8]
    folder = out or Path("neurofa-runs") / "-".join(filter(None, [*parts, kind, changed, str(seed)]))
    _check_folder(folder, CHECKPOINT, resume, overwrite)
    checkpoint = folder / CHECKPOINT
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    if as_hardware(hardware, mode) and mode == "rate":
        typer.echo(
            "in rate mode hardware acts by weights, feedback and limits alone; --mode spiking has the rest", err=True
        )
    loaded = load_data(described.data, seed=seed)
    try:
        with reporting(1, _opening(folder, out)) as reporter:
            run = run_training(
                described, learning, loaded, mode, seed, hardware=hardware,
                epochs=epochs, out=folder, resume=resume, overwrite=overwrite, threads=threads, probe_every=probe_every,
                brian_target=target, progress=lambda p: reporter.show(p.fraction, _status(rule, p, loaded.task)),
            )  # fmt: skip
    except KeyboardInterrupt:
        # and not that of a run which was to be overwritten
        if checkpoint.exists() and (resume or checkpoint.stat().st_mtime_ns != before):
            KEPT.append(RESUMABLE)
            with suppress(InputError):
                _leave_history(folder, described, rule)
        raise
    write_results(folder / RESULTS, run.history)
    figures = _train_figures(run.history, rule, folder)
    typer.echo(f"{folder}: {CHECKPOINT}, {RESULTS}{figures}")
    errors, what = run.history.test_error.values, "test_loss" if loaded.task == "regression" else "test_error"
    if 1 < len(errors) < run.history.attrs["report_last"]:
        usual = run.history.attrs["report_last"]
        typer.echo(f"{what} below: last epoch; the model's mean is over {usual}, of which this run has {len(errors)}")
    elif len(errors) > 1 and run.test_error != errors[-1]:
        typer.echo(f"{what} below: {run.history.attrs['final']}; after the last epoch {errors[-1]:.6g}")
    typer.echo(f"{what}={run.test_error:.6g} seconds={run.seconds:.2f} synops_per_sample={run.synops_per_sample:.0f}")


def _leave_history(folder: Path, model: "Model", rule: str) -> None:
    """Results and figure of a run that was interrupted, as far as it came."""
    from .io.results import environment, write_results
    from .stored_runs import load_run
    from .trainer import RESULTS

    if (history := load_run(folder).history).sizes["epoch"]:
        history = history.assign_attrs(title=model.title, source=model.source, **environment())
        write_results(folder / RESULTS, history)
        _train_figures(history, rule, folder)


def _train_figures(history: "xarray.Dataset", rule: str, folder: Path) -> str:
    """Draw what a run has; returns what was drawn, for the message."""
    if not history.sizes["epoch"]:
        return ""
    from .compare import one_run
    from .plot import compare_figure, save_figure
    from .trainer import CURVES

    save_figure(compare_figure(one_run(history, rule)), folder / CURVES)
    return f", {CURVES}"


def _status(name: str, p: "Progress", task: str) -> str:
    def said(value: float) -> str:
        return f"loss {value:.4g}" if task == "regression" else f"error {100 * value:.2f} %"

    known = [f"{part} {said(v)}" for part, v in (("train", p.train_error), ("test", p.test_error)) if v == v]
    return f"{name}  epoch {p.epoch}/{p.epochs}  {', '.join(known)}".rstrip()


def _opening(folder: Path, out: Path | None) -> str:
    """What is said when a job begins: where to, if that was not given."""
    return "" if out else f"writing to {folder}"


def _check_folder(folder: Path, key: str, resume: bool, overwrite: bool) -> None:
    """Refuse to lose what a folder holds, or to resume what is not there."""
    require(not folder.exists() or folder.is_dir(), f"{folder} is a file; choose another place with --out")
    require(not (resume and overwrite), "--resume and --overwrite exclude each other; choose one")
    there = (folder / key).exists()
    require(
        there or not resume,
        f"{folder} holds nothing to resume ({key} is missing); leave --resume out, or name its --out",
    )
    require(
        not there or resume or overwrite,
        f"{folder} holds a run already; give --resume to go on, --overwrite to start afresh, or another --out",
    )


def compare(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a bundled one.")] = "digits",
    rules: Annotated[str, typer.Option(help="Names separated by commas, or all.")] = "bp,fa,dfa,drtp",
    data: DataName = None,
    modes: Annotated[str, typer.Option(help="Modes, separated by commas.")] = "rate,spiking",
    seeds: Annotated[str, typer.Option(help="How many, from 0; or the seeds themselves, as in 3,7,9 (or 7,).")] = "3",
    epochs: Epochs = None,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results, table and figure; a new neurofa-compare unless given.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in --out, or the newest comparison here.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Train several rules in rate and in spiking mode from the same initial weights; leaves a table and a figure.

    Example: neurofa compare digits --rules bp,fa,dfa,drtp,sign_fa --seeds 5
    """
    from .compare import FIGURE, RESULTS, RUNS, TABLE, with_data
    from .compare import compare as run_comparison
    from .io.atomic import remove
    from .io.datasets import load_data
    from .io.settings import load_changed, settings_out_of_reach
    from .terminal import reporting
    from .trainer import CHECKPOINT

    several, changes = read_seeds(seeds), settings or []
    chosen_modes = list(dict.fromkeys(name.strip() for name in modes.split(",")))
    chosen = read_rules(rules)
    names = [rule.name for rule in chosen]
    require_settings_once(changes, epochs, data)
    described = with_data(load_changed(model, changes, names, chosen_modes), data)
    for note in settings_out_of_reach(model, changes, names) if changes else []:
        typer.echo(f"note: {note}", err=True)
    if rules == "all":
        chosen = fitting(described)
    usual = Path("neurofa-compare")
    folder = out or (_newest(usual, RUNS) if resume else _unused(usual))
    _check_folder(folder, RUNS, resume, overwrite)
    if overwrite:
        shutil.rmtree(folder / RUNS, ignore_errors=True)  # an old run must not be taken up later
        for name in (RESULTS, TABLE, FIGURE):
            remove(folder / name)
    total = len(chosen) * len(several) * len(chosen_modes)
    try:
        with reporting(total, _opening(folder, out)) as reporter:
            comparison = run_comparison(
                described, chosen, lambda seed: load_data(described.data, seed=seed),
                modes=chosen_modes, seeds=several, epochs=epochs, out=folder, resume=resume,
                progress=lambda n, name, p: reporter.show(
                    n + p.fraction, _status(f"{name} ({n + 1} of {total})", p, described.network.task)
                ),
            )  # fmt: skip
    except KeyboardInterrupt:
        if any((folder / RUNS).glob(f"*/{CHECKPOINT}")):
            KEPT.append(RESUMABLE)
        raise
    _show_comparison(comparison, described.title or model)
    typer.echo(f"{folder}: {TABLE}, {RESULTS}" + (f", {FIGURE}" if comparison.results.sizes["epoch"] else ""))
    for name, message in comparison.diverged.items():
        complain("neurofa", f"{name}: {message}")
    if comparison.diverged:
        raise typer.Exit(BAD_INPUT)


def _unused(folder: Path) -> Path:
    """The folder, or the first of its name with a number that is not there yet."""
    candidate, number = folder, 2
    while candidate.exists():
        candidate, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return candidate


def _newest(folder: Path, key: str) -> Path:
    """Of the folders that `_unused` gave, the one whose runs are the newest; the first name if there is none."""
    found = [place for place in folder.parent.glob(f"{folder.name}*") if (place / key).exists()]
    return max(found, key=lambda place: (place / key).stat().st_mtime_ns, default=folder)


def _show_comparison(comparison: "Comparison", title: str) -> None:
    """The means over seeds as a table on stdout."""
    from .terminal import show_table

    regression = comparison.results.attrs["task"] == "regression"
    what, form, factor = ("test loss", (".4g", ".2g"), 1) if regression else ("test error, %", (".2f", ".2f"), 100)
    rows: list[dict[str, object]] = []
    for rule, mode in dict.fromkeys((row["rule"], row["mode"]) for row in comparison.table):
        mine = [row for row in comparison.table if (row["rule"], row["mode"]) == (rule, mode)]
        errors = [factor * row["test_error"] for row in mine]
        finished = sum(error == error for error in errors)
        rows.append(
            {
                "rule": rule,
                "mode": mode,
                what: mean_text(errors, *form) if finished else "diverged",
                "angle to bp, deg": mean_text([row["alignment_deg"] for row in mine], ".1f"),
                "synops/sample": mean_text([row["synops_per_sample"] for row in mine], ",.0f"),
                "seconds": mean_text([row["seconds"] for row in mine], ".2f"),
                "seeds": len(mine) if finished == len(mine) else f"{finished} of {len(mine)}",
            }
        )
    show_table(rows, title, right=list(rows[0])[2:])
    if final := comparison.results.attrs["final"]:
        typer.echo(f"{what.partition(',')[0]}: {final}")
