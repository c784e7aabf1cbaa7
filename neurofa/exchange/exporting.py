"""From a run's folder, a checkpoint or a model to a file for another tool: what the command line does."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..engines import new_engine
from ..io.checkpoint import load_checkpoint
from ..io.config import load_model
from ..protocol import check_data
from ..spec import Hardware, Model, Rule
from ..spec.errors import require, require_choice, require_kind
from ..stored_runs import Source, checkpoint_of, is_run, of_checkpoint, of_model
from .chips import write_weights
from .nir_networks import beyond_nir, write_nir

if TYPE_CHECKING:
    from ..io.data import Data

FORMATS = ("nir", "brian", "csv", "npz")
SUFFIXES = {"nir": (".nir", ".h5", ".hdf5"), "brian": (".py",), "csv": (".csv", ""), "npz": (".npz",)}


def export(
    source: str | os.PathLike[str] | Model,
    path: str | os.PathLike[str],
    to: str | None = None,
    *,
    rule: Rule | str | None = None,
    hardware: Hardware | str | None = None,
    seed: int | None = None,
    data: "Data | None" = None,
    samples: int | None = None,
) -> list[str]:
    """Write a trained network, or a model as it is initialised, for other tools.

    Parameters
    ----------
    source
        The folder of a run or its checkpoint: the parameters that the run gives, those of the best epoch where training
        was stopped early. Or a model, or its name or file: parameters as drawn.
    path
        The file; for ``csv`` without the suffix .csv, a folder of matrices.
    to
        ``nir`` (a graph), ``brian`` (a script for Brian2), ``csv`` or ``npz`` (weights); None: what the suffix says.
    rule
        Of a model: a preset's name, or a `Rule`. A checkpoint knows its own.
    hardware
        Of a model: what its parameters are put under. A checkpoint knows its own.
    seed
        Of the parameters of a model, and of the encoder of ``brian``.
    data, samples
        Of ``brian`` alone: the script shows that many of the first training samples (10 unless given).

    Returns
    -------
    list of str
        What the file does not tell other simulators.

    Raises
    ------
    InputError
        For a source that cannot be read, and a rule that does not fit it.
    """
    require_kind("source", source, str | os.PathLike | Model, hint="the folder of a run, a model, or its name")
    to = format_of(path) if to is None else to
    require_choice("export format", to, FORMATS)
    fits = Path(path).suffix in SUFFIXES[to]
    require(fits, f"{os.fspath(path)} does not have the suffix of {to}; call it {Path(path).stem}{SUFFIXES[to][0]}")
    if to != "brian":
        require(
            data is None and samples is None,
            f"a file of {to} holds a network alone; data and samples are for a script for Brian2 (to 'brian')",
        )
    if not isinstance(source, Model) and is_run(source):
        require(seed is None or to == "brian", "the parameters of a run are learned, not drawn; leave the seed out")
        require(
            rule is None and hardware is None,
            "the checkpoint of a run knows its rule and its hardware; leave both out",
        )
        checkpoint = checkpoint_of(source)
        found = of_checkpoint(checkpoint, *load_checkpoint(checkpoint))
    else:
        found = of_model(source if isinstance(source, Model) else load_model(source), rule, hardware, seed or 0)
    if to == "nir":
        write_nir(path, found.network, found.params, rule=found.rule, spiking=found.spiking, hardware=found.hardware)
        return beyond_nir(found.network, found.spiking, found.hardware)
    if to == "brian":
        return _write_script(found, path, data, 10 if samples is None else samples, seed or 0)
    write_weights(path, found.params, found.hardware, grids=found.units, spiking=found.spiking)
    return []


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's suffix stands for."""
    suffix = Path(path).suffix
    found = next((name for name, known in SUFFIXES.items() if suffix and suffix in known), None)
    known = ", ".join(f"{suffixes[0]} ({name})" for name, suffixes in SUFFIXES.items())
    require(found is not None, f"{os.fspath(path)} has no suffix that says what to write; use one of {known}")
    return str(found)


def _write_script(
    found: Source, path: str | os.PathLike[str], data: "Data | None", samples: int, seed: int
) -> list[str]:
    """A script for Brian2 that shows the first training samples."""
    from ..engines.brian import BrianEngine

    require(data is not None, "a script for Brian2 shows samples; give data")
    assert data is not None
    check_data(found.network, data)
    require(
        1 <= samples <= len(data.x_train),
        f"samples is {samples}; {data.name} has 1 to {len(data.x_train)} for training",
    )
    training = found.spiking.training
    engine = new_engine(
        "brian", found.plan, found.spiking, batch_size=1, optimiser=training.optimiser, seed=seed
    )  # fmt: skip
    assert isinstance(engine, BrianEngine)
    rates = training.rates(found.plan.n_layers)
    sizes = "-".join(str(size) for size in found.plan.sizes)
    title = f"{sizes} spiking neurons that learn by {found.rule.name or 'three factors'}"
    engine.write_script(Path(path), data.x_train[:samples].reshape(samples, -1), data.y_train[:samples], rates, title)
    shadow = found.hardware is not None and found.hardware.learning.shadow
    left_out = {
        f"batches of {training.batch_size or 'all'} samples: it learns from one at a time": training.batch_size != 1,
        "the schedule: its rates are those of the first epoch": training.schedule is not None,
        "what the run has kept in shadows of its weights: they begin at the stored ones": shadow,
    }
    return [words for words, there in left_out.items() if there]
