"""The command `sweep`: every combination of rules, settings and seeds, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import (
    DataName,
    Epochs,
    Settings,
    fitting,
    mean_text,
    read_rules,
    read_seeds,
    require_settings_once,
)
from .exits import BAD_INPUT, KEPT, complain
from .spec.errors import require

if TYPE_CHECKING:
    from .sweep import Sweep

GOES_ON = "what has ended is saved, and the others' last checkpoints; the same command goes on"


def sweep(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a bundled one.")],
    vary: Annotated[
        list[str], typer.Option(help="KEY=[VALUE, ...] of the model's file; repeatable, for all combinations.")
    ],
    rules: Annotated[str, typer.Option(help="Names separated by commas, or all.")] = "bp,fa,dfa,drtp",
    mode: Annotated[str, typer.Option(help="rate, spiking or brian.")] = "rate",
    hardware: Annotated[
        str | None, typer.Option(help="Chips of `neurofa hardware`, separated by commas; none is full precision.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="How many, from 0; or the seeds themselves, as in 3,7,9 (or 7,).")] = "3",
    epochs: Epochs = None,
    data: DataName = None,
    settings: Settings = None,
    probe_every: Annotated[
        int | None, typer.Option(min=0, help="Updates between two probes; each epoch unless given, 0 for never.")
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="K/N", help="Run every Nth run from the Kth on, as a task of a batch system does.")
    ] = "1/1",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side, a thread each; as many as cores unless given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for runs, table and figure; one in neurofa-sweep unless given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run anew what is there already.")] = False,
) -> None:
    """Train with every combination of rules, settings and seeds; leaves a table and a figure.

    What has run already is not run again: the same command goes on, and a larger grid adds to it.

    Example: neurofa sweep digits --rules dfa,drtp --vary 'training.learning_rate=[1e-4, 1e-3, 1e-2]'
    --set data.validation=0.2 --epochs 10
    """
    from .arguments import require_mode
    from .io.settings import load_changed, read_variation, settings_out_of_reach
    from .rules import PRESETS
    from .sweep import FULL_PRECISION
    from .sweep import sweep as run_sweep
    from .swept import FIGURE, TABLE
    from .terminal import reporting
    from .trainer import RESULTS

    require_mode(mode)
    changes = settings or []
    require_settings_once(changes, epochs, data)
    varied: dict[str, list[Any]] = {}
    for text in vary:
        key, values = read_variation(text)
        require(key not in varied, f"--vary {key} is given twice; give all its values at once")
        varied[key] = values
    chosen = read_rules(rules)
    for note in settings_out_of_reach(model, changes, [rule.name for rule in chosen]):
        typer.echo(f"note: {note}", err=True)
    if rules == "all":
        chosen = fitting(load_changed(model, changes, list(PRESETS), [mode]))
    chips = None if hardware is None else [name.strip() for name in hardware.split(",")]
    parts = [Path(model).name.removesuffix(".toml"), *([Path(data).stem] if data else []), mode]
    folder = out or Path("neurofa-sweep") / "-".join([*parts, *(key.rpartition(".")[2] for key in varied)])
    require(not folder.exists() or folder.is_dir(), f"{folder} is a file; choose another place with --out")
    several, share = read_seeds(seeds), _part(part)
    with reporting(1, "" if out else f"writing to {folder}") as reporter:

        def show(done: float, ended: int, total: int) -> None:
            if not KEPT:
                KEPT.append(GOES_ON + (", without --overwrite" if overwrite else ""))
            reporter.show(done / max(total, 1), f"{ended} of {total} runs have ended")

        swept = run_sweep(
            model, chosen, varied, mode=mode, seeds=several, epochs=epochs,
            hardware=None if chips is None else [None if name == FULL_PRECISION else name for name in chips],
            settings=changes, data=data, probe_every=probe_every, part=share, workers=workers, out=folder,
            overwrite=overwrite, progress=show,
        )  # fmt: skip
    _show(swept)
    figure = f", {FIGURE}" if (folder / FIGURE).exists() else ""
    typer.echo(f"{folder}: {TABLE}, {RESULTS}{figure}, runs")
    for name, message in swept.diverged.items():
        typer.echo(f"note: {name}: {message}", err=True)
    for name, message in swept.failed.items():
        complain("neurofa", f"{name}: {message}")
    if swept.failed:
        raise typer.Exit(BAD_INPUT)


def _part(given: str) -> tuple[int, int]:
    """K and N of ``K/N``."""
    numbers = given.split("/")
    fits = len(numbers) == 2 and all(number.isdecimal() for number in numbers)
    require(fits, f"--part is {given!r}; give K/N, as in 3/16: the third of sixteen parts")
    return int(numbers[0]), int(numbers[1])


def _show(swept: "Sweep") -> None:
    """Means over seeds as a table on stdout, and the best setting of each rule where a validation set chooses it."""
    from .swept import RUNS
    from .terminal import show_table

    results = swept.results
    if not swept.table:
        typer.echo("no run has ended yet")
        return
    loss = results.attrs["task"] == "regression"
    what, form, factor = ("loss", (".4g", ".2g"), 1) if loss else ("error, %", (".2f", ".2f"), 100)
    errors = [name for name in ("validation_error", "test_error") if name in results]
    dims = [str(dim) for dim in results.sizes if dim != "seed"]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in swept.table:
        groups.setdefault(tuple(row[dim] for dim in dims), []).append(row)
    diverged = {f"{RUNS}/{name}" for name in swept.diverged}
    lowest = [tuple(found[dim] for dim in dims) for found in swept.best]
    rows: list[dict[str, object]] = []
    for place, mine in groups.items():
        shown: dict[str, object] = dict(zip(dims, place, strict=True))
        for name in errors:
            values = [factor * row[name] for row in mine]
            mark = " *" if name == "validation_error" and place in lowest else ""
            finite = any(value == value for value in values)
            text = mean_text(values, *form) if finite or not all(row["run"] in diverged for row in mine) else "diverged"
            shown[f"{name.removesuffix('_error')} {what}"] = text + mark
        shown["angle to bp, deg"] = mean_text([row["alignment_deg"] for row in mine], ".1f")
        shown["seconds"] = mean_text([row["seconds"] for row in mine], ".2f")
        shown["seeds"] = sum(row["test_error"] == row["test_error"] for row in mine)
        rows.append(shown)
    show_table(rows, str(results.attrs["title"]))
    if "validation_error" not in results:
        typer.echo(
            "no setting is called the best: without a validation set the test set would choose it "
            "(--set data.validation=0.2 holds out a fifth of the training set)"
        )
    elif lowest:
        typer.echo("*: the rule's lowest validation error, of settings all of whose seeds have ended")
