"""Options that several commands have, and how their values are read and shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from .spec.errors import InputError, require

if TYPE_CHECKING:
    from .spec import Model, Rule

Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the run.")]
Epochs = Annotated[int | None, typer.Option(min=0, help="Epochs, in place of the model's.")]
DataName = Annotated[
    str | None, typer.Option("--data", help="Data in place of the model's: a name of `neurofa data list`, or an .npz.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE in place of the model's, as in training.learning_rate=1e-2; repeatable."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads, at most 8; all cores unless given.")]


def require_settings_once(settings: list[str], epochs: int | None, data: str | None) -> None:
    """Refuse settings that an option would take the place of."""
    from .io.settings import require_said_once

    if epochs is not None:
        require_said_once(settings, "--epochs", "training.epochs", "spiking.training.epochs")
    if data is not None:
        require_said_once(settings, "--data", "data.name")


def read_rules(given: str) -> "list[Rule]":
    """Rules by their names; ``all`` are the published ones, of which `fitting` leaves those that a model can have."""
    from .rules import PRESETS, all_named

    return list(PRESETS.values()) if given == "all" else all_named([name.strip() for name in given.split(",")])


def fitting(model: "Model") -> "list[Rule]":
    """The published rules that a model can have; why the others are left out goes to stderr."""
    from .rules import PRESETS, check

    fitting = []
    for rule in PRESETS.values():
        try:
            check(model.for_rule(rule)[0], rule)
            fitting.append(rule)
        except InputError as error:
            typer.echo(f"left out: {error}", err=True)
    return fitting


def read_seeds(given: str) -> list[int]:
    """Seeds from a number of them, or as they are listed."""
    listed = [part.strip() for part in given.split(",")]
    if len(listed) > 1 and not listed[-1]:  # a comma after a single seed tells it from a number of them
        listed.pop()
    whole = all(part.isdecimal() and int(part) < 2**63 for part in listed)
    require(whole, f"--seeds is {given!r}; give how many, or whole numbers from 0 separated by commas: 3,7,9")
    if "," in given:
        return [int(part) for part in listed]
    require(int(given) >= 1, f"--seeds is {given}; give at least 1")
    return list(range(int(given)))


def mean_text(values: list[float], form: str, spread: str = "") -> str:
    """Mean of what is a number, and its standard deviation where that has a format; a dash if nothing is."""
    from statistics import mean, stdev

    values = [value for value in values if value == value]
    if not values:
        return "–"
    return f"{mean(values):{form}}" + (f" ± {stdev(values):{spread}}" if spread and len(values) > 1 else "")
