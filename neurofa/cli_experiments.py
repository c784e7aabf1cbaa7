"""The commands about published tables and figures: list, run, report."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

experiments_app = typer.Typer(help="Reproduce published tables and figures.", no_args_is_help=True)


@experiments_app.command("list")
def list_all() -> None:
    """List the experiments, and how their stored results compare with the paper.

    Example: neurofa experiments list
    """
    from .experiments.rows import read_rows
    from .experiments.scripts import bundled_scripts, results_folder
    from .spec.errors import require
    from .terminal import show_table

    scripts = bundled_scripts()
    require(len(scripts) > 0, "there are no experiments here; reinstall neurofa, or take a checkout of it")
    rows: list[dict[str, object]] = []
    for script in scripts:
        verdicts = read_rows(results_folder() / f"{script.name}_verdicts.csv")
        within = f"{sum(v['within'] == 'yes' for v in verdicts)} of {len(verdicts)}" if verdicts else ""
        rows.append({"name": script.name, "within": within, "title": script.title})
    show_table(rows)


@experiments_app.command(
    "run",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def run_one(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name of `neurofa experiments list`; NAME --help shows its options.")],
) -> None:
    """Run an experiment or go on with it, with the script's options: --quick, --full, --seeds, --workers and others.

    Example: neurofa experiments run lillicrap_2016_xor --quick
    """
    from .experiments.scripts import load_script

    if name in ("--help", "-h"):  # without the name of a script, which has the options
        typer.echo(context.get_help())
        return
    process = subprocess.Popen([sys.executable, str(load_script(name).path), *context.args])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()  # it saves its work, and says so
        process.wait()
        raise
    if code:
        raise typer.Exit(code)


@experiments_app.command("report")
def report_all(
    results: Annotated[Path | None, typer.Option(help="Folder of the stored rows; the usual one unless given.")] = None,
) -> None:
    """Judge and draw all stored rows again, and write the scoreboard and the gallery.

    Example: neurofa experiments report
    """
    from .experiments.report import report
    from .experiments.scripts import results_folder, scripts_folder
    from .spec.errors import require

    usual = results_folder()
    folder = results or usual
    require(results is None or folder.is_dir(), f"there is no folder {str(folder)!r}; name one with tables of results")
    own = results is None and folder.parent == scripts_folder()  # in a checkout
    scoreboard = (folder.parent if own else folder) / "RESULTS.md"
    gallery = folder.parents[1] / "docs" / "gallery.md" if own else folder / "gallery.md"
    for note in report(folder, scoreboard, gallery):
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{scoreboard} and {gallery}")
