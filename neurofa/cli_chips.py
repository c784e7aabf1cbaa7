"""The commands about chips and other tools: profiles of hardware, and export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .spec import DataSpec


def hardware(
    profile: Annotated[
        str | None, typer.Argument(help="A profile, or a TOML file of that form; all unless given.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Place this model, or the network of this run's folder, on the chip; say what it costs."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="Rule of a model, which decides its feedback; dfa if none. A run knows its own."),
    ] = None,
) -> None:
    """List the chips and number formats that a network can be put under, or show one with the sources of its numbers.

    Example: neurofa hardware loihi --model mnist_loihi --rule drtp
    """
    from .spec.errors import require
    from .terminal import show_table

    if profile is None:
        require(
            model is None and rule is None,
            "which chip the model is to be placed on is not said; give a profile before --model",
        )
        show_table([_row(name) for name in _names()])
        return
    if model is None:
        require(rule is None, "a rule is for a model that is placed on the chip; give --model, or leave --rule out")
        _show_profile(profile)
        return
    _show_placement(profile, model, rule)


def _names() -> list[str]:
    from .hardware import profile_names

    return profile_names()


def _row(name: str) -> dict[str, object]:
    """A profile in the list."""
    from .hardware import load_profile

    chip = load_profile(name)
    levels = (
        "full precision"
        if chip.weights is None
        else f"{chip.weights.bits} bit{'s' * (chip.weights.bits > 1)}, {chip.weights.rounding}"
    )
    cores, each = chip.limits.cores, chip.limits.neurons_per_core
    return {
        "name": name,
        "weights": levels,
        "membrane": f"{chip.state.membrane_bits} bits" if chip.state else "full precision",
        "cores": cores or "",
        "neurons a core": each or "",
        "learns": "yes" if chip.learning.on_chip else "no",
        "title": chip.title,
    }


def _show_profile(name: str) -> None:
    """Every number with its source, and what is not modelled."""
    from .hardware import read_profile
    from .terminal import show_table

    profile = read_profile(name)
    rows: list[dict[str, object]] = [
        {"number": f.key, "value": f.value, "read there": "yes" if f.verified else "no", "source": f.source}
        for f in profile.facts
    ]
    if rows:
        show_table(rows, profile.hardware.title or profile.hardware.name)
    if not rows:
        typer.echo(f"{profile.hardware.name}: no numbers; nothing is constrained")
    for note in profile.notes:
        typer.echo(f"note: {note}")


def _show_placement(name: str, model: str, rule: str | None) -> None:
    """Whether a model, or a run's network, fits a chip, where its populations go, and what they cost."""
    from .hardware import constrain, costs, costs_table, fit, load_profile
    from .io.checkpoint import load_checkpoint
    from .io.config import load_model
    from .rules import lower, named
    from .spec import settings_for
    from .spec.errors import require
    from .stored_runs import checkpoint_of, counted_operations, is_run, of_checkpoint
    from .terminal import show_table

    chip, counted = load_profile(name), None
    if is_run(model):
        require(rule is None, "a run knows its rule; leave --rule out")
        checkpoint = checkpoint_of(model)
        arrays, metadata = load_checkpoint(checkpoint)
        source, found = of_checkpoint(checkpoint, arrays, metadata), counted_operations(arrays)
        counted = None if found is None else found[0] / found[1]
        network, spiking, own = source.network, source.spiking, source.rule
        rule, missing = own.name or "its rule", "this run counted none, as runs in mode spiking do"
        if chip.learning.on_chip and source.hardware != chip:
            was = f"on {source.hardware.name}" if source.hardware else "in full precision"
            typer.echo(f"note: this run learned {was}; on {chip.name} it would do other operations", err=True)
    else:
        rule = rule or "dfa"
        network, _, own, spiking = settings_for(load_model(model), named(rule))
        under = f" --hardware {name}" if chip.learning.on_chip else ""
        missing = (
            f"counted in a run; `neurofa train {model} --mode spiking --rule {rule}{under} --out RUN`, then "
            f"`neurofa hardware {name} --model RUN`"
        )
    plan = lower(network, own)
    constrain(plan, spiking, chip)  # refuses what does not fit
    placed = fit(plan, chip)
    show_table(
        [
            {
                "population": p.name,
                "neurons": p.neurons,
                "cores": p.cores,
                "neurons a core": p.neurons_per_core,
                "synapses a neuron": p.synapses_per_neuron,
            }
            for p in placed.populations
        ],
        f"{model} by {rule} on {chip.name}: {placed.cores} cores, {placed.synapses:,} synapses",
        right=("neurons", "cores", "neurons a core", "synapses a neuron"),
    )
    show_table(
        [
            {"cost": what, "amount": amount, "remark": remark}
            for what, amount, remark in costs_table(costs(plan, chip, counted, spiking=spiking))
        ],
        right=("amount",),
    )
    if counted is None:
        typer.echo(f"operations and energy: {missing}")


def export(
    source: Annotated[
        str, typer.Argument(help="The folder of a run, a checkpoint, or a model (as it is initialised).")
    ],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    to: Annotated[
        str | None, typer.Option(help="nir (graph), brian (script), csv or npz (weights); else the suffix says it.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Rule of a model; a run knows its own.")] = None,
    hardware: Annotated[
        str | None, typer.Option(help="Profile that a model is put under; a run knows its own.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Of a model's parameters, and of a script's encoder; 0 unless given."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Of a script: what it shows, in place of the model's data.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Of a script: how many training samples it shows; 10 unless given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a network for other tools: NIR, a script that runs in Brian2 alone, or tables of weights.

    Example: neurofa export digits digits.py --rule drtp
    """
    from .engines.brian_script import data_file
    from .exchange import export as write
    from .exchange.exporting import format_of
    from .io.datasets import load_data
    from .spec.errors import require
    from .stored_runs import require_source

    to = to or format_of(file)
    require_source(source)
    for there in (file, data_file(file)) if to == "brian" else (file,):
        require(overwrite or not there.exists(), f"{there} is there already; give --overwrite, or another name")
    require(data is None or to == "brian", f"a file of {to} shows no samples, and takes no --data; leave it out")
    shown = load_data(data or _data_of(source), seed=seed or 0) if to == "brian" else None
    for line in write(source, file, to, rule=rule, hardware=hardware, seed=seed, data=shown, samples=samples):
        typer.echo(f"note: {line}", err=True)
    beside = f" and {data_file(file).name} beside it" if to == "brian" else ""
    typer.echo(f"{file}{beside}")


def _data_of(source: str) -> "DataSpec":
    """The data of a model; a run does not say which file it had."""
    from .io.config import load_model
    from .spec.errors import require
    from .stored_runs import is_run

    require(not is_run(source), "the checkpoint of a run does not hold its data; give --data")
    return load_model(source).data
