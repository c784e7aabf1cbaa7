"""The command line. Commands import what they need when they run, so that help comes at once."""

import atexit
import os
import signal
import sys
from contextlib import suppress
from itertools import groupby
from typing import Annotated

import typer

from . import cli_chips, cli_plot, cli_runs, cli_sweep
from .cli_bench import bench_app
from .cli_experiments import experiments_app
from .exits import BAD_INPUT, INTERRUPTED, KEPT, SIGNALS, complain
from .spec.errors import InputError, first_line

# typer has its own copy of click in some versions and click itself in others: these are the ones it raises
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
ClickException: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="neurofa",
    help="Train networks by local three-factor learning rules, and compare the rules.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="List and fetch data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")
app.add_typer(experiments_app, name="experiments")
app.command()(cli_runs.train)
app.command()(cli_runs.compare)
app.command()(cli_sweep.sweep)
app.command()(cli_plot.plot)
app.command()(cli_chips.hardware)
app.command()(cli_chips.export)


@app.callback(invoke_without_command=True)
def version_option(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Train networks by local three-factor learning rules, and compare the rules."""
    if version:
        from . import __version__

        typer.echo(f"neurofa {__version__}")
        raise typer.Exit


@app.command()
def rules() -> None:
    """List the learning rules, and how each is composed.

    Example: neurofa rules
    """
    from .rules import PRESETS
    from .terminal import show_table

    show_table([rule.describe() for rule in PRESETS.values()])


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Print the file of this one, to begin your own from.")] = None,
) -> None:
    """List the bundled models, or print one's file.

    Example: neurofa models digits > mine.toml
    """
    from .io.config import bundled_models, load_model, models_folder
    from .spec.errors import require_choice
    from .terminal import show_table

    if name is not None:
        require_choice("model", name, bundled_models(), listed_by="see `neurofa models`")
        typer.echo((models_folder() / f"{name}.toml").read_text(encoding="utf-8"), nl=False)
        return
    show_table(
        [
            {
                "name": name,
                "widths": _widths(model.network.sizes),
                "loss": model.network.loss,
                "data": model.data.name,
                "title": model.title,
            }
            for name, model in ((name, load_model(name)) for name in bundled_models())
        ]
    )


def _widths(sizes: tuple[int, ...]) -> str:
    """Widths of layers as text; three or more that are equal become one entry, such as 10x1000."""
    runs = [(size, len(list(same))) for size, same in groupby(sizes)]
    return "-".join(f"{n}x{size}" if n > 2 else "-".join([str(size)] * n) for size, n in runs)


@data_app.command("list")
def data_list() -> None:
    """List the data sets, and which of them are on this machine.

    Example: neurofa data list
    """
    from .io.datasets import available
    from .terminal import show_table

    show_table(
        [
            {
                "name": info.name,
                "train": f"{info.train:,}",
                "test": f"{info.test:,}",
                "inputs": info.features,
                "outputs": info.outputs,
                "task": info.task,
                "here": "yes" if info.found else "no",
                "description": info.description,
            }
            for info in available()
        ],
        right=("train", "test", "inputs", "outputs"),
    )


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A name of `neurofa data list`.")]) -> None:
    """Download a data set from its publisher and check it.

    Example: neurofa data fetch mnist
    """
    from .io.datasets import fetch

    typer.echo(fetch(name))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit 0 on success, 2 on bad input, 130 on Ctrl-C."""
    SIGNALS.clear()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    interrupted: list[int] = []
    KEPT.clear()
    if arguments is None:
        atexit.register(_leave, interrupted)  # before all else, so that it runs after all else
    try:
        code = app(args=arguments, standalone_mode=False)
    except InputError as error:
        code = complain("neurofa", str(error))
    except UsageError as error:
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context else ""
        if type(error).__name__ == "NoArgsIsHelpError":  # nothing was asked for: the whole help, line by line
            print(_wording(error), file=sys.stderr)
            code = BAD_INPUT
        else:
            code = complain("neurofa", _wording(error) + where)
    except ClickException as error:
        code = complain("neurofa", _wording(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = complain("neurofa", f"{where}{first_line(error)}; check the path, its permissions and the disk")
    except MemoryError as error:
        code = complain("neurofa", f"there is not enough memory: {error}; use a smaller network, or fewer samples")
    if code == INTERRUPTED:  # some versions of typer return it, others raise
        print("; ".join(["interrupted", *KEPT]), file=sys.stderr)
        interrupted.append(code)
    sys.exit(code or 0)


def _leave(interrupted: list[int]) -> None:
    """Exit with the status of an interruption.

    Python ends by a signal where KeyboardInterrupt came through text that was executed, as when Numba compiles.
    """
    if interrupted:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(interrupted[0])


def _wording(error: Exception) -> str:
    return str(error.format_message()) if hasattr(error, "format_message") else str(error)


def _interrupt(signum: int, frame: object) -> None:
    SIGNALS.append(signum)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
