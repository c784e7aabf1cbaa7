"""From a run's folder, a checkpoint or a model to a file for another tool: what the command line does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines import new_engine
from ..hardware import constrain, load_profile
from ..io.checkpoint import load_checkpoint
from ..io.config import load_model
from ..io.descriptions import read_texts
from ..protocol import check_data
from ..rules import Params, Plan, lower, named, with_basis, without_feedback
from ..spec import Hardware, Model, Network, Rule, Spiking, settings_for
from ..spec.errors import require, require_choice, require_kind
from ..trainer import CHECKPOINT, RESULTS
from .chips import write_weights
from .nir_networks import beyond_nir, write_nir

if TYPE_CHECKING:
    from ..io.data import Data

FORMATS = ("nir", "brian", "csv", "npz")
SUFFIXES = {"nir": (".nir", ".h5", ".hdf5"), "brian": (".py",), "csv": (".csv", ""), "npz": (".npz",)}


@dataclass(frozen=True)
class Source:
    """What is exported."""

    network: Network
    rule: Rule
    spiking: Spiking
    hardware: Hardware | None
    params: Params
    units: dict[str, tuple[float, int]]  # of parameters on levels
    plan: Plan


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


def is_run(source: str | os.PathLike[str]) -> bool:
    """Whether a source is a run's folder or its checkpoint, and not a model."""
    return os.path.isdir(source) or Path(source).suffix == Path(CHECKPOINT).suffix


def require_source(source: str | os.PathLike[str]) -> None:
    """Refuse a source that is not there."""
    if not is_run(source):
        load_model(source)
        return
    path = checkpoint_of(source)
    require(path.exists(), f"there is no checkpoint {str(path)!r}; check the path, or train first to write one")


def counted_operations(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float] | None:
    """Synaptic operations (forward, feedback, update) that a run counted, and samples; None if it counted none.

    `arrays` are those of its checkpoint.
    """
    shown = float(arrays.get("engine.presented", np.zeros(1)).sum())
    return (arrays["engine.operations"], shown) if shown and "engine.operations" in arrays else None


def of_model(model: Model, rule: Rule | str | None, hardware: Hardware | str | None, seed: int) -> Source:
    """A model as it is initialised."""
    require(rule is not None, "a model's feedback depends on the rule; give a rule")
    network, _, own, spiking = settings_for(model, named(rule) if isinstance(rule, str) else rule)  # type: ignore[arg-type]
    plan = lower(network, own, seed)
    chip = load_profile(hardware) if isinstance(hardware, str) else hardware
    if chip is not None:
        plan = constrain(plan, spiking, chip, seed=seed)
    return Source(network, own, spiking, chip, plan.params, plan.units(), plan)


def checkpoint_of(run: str | os.PathLike[str]) -> Path:
    """The checkpoint of a run, which is named by its folder or by itself."""
    require(Path(run).suffix != Path(RESULTS).suffix, f"{os.fspath(run)} are results; give the run's folder")
    return Path(run) / CHECKPOINT if os.path.isdir(run) else Path(run)


def of_checkpoint(checkpoint: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Source:
    """What a run has learned: at its end, or in the best epoch where it was stopped early.

    `arrays` and `metadata` are what its checkpoint holds.
    """
    best: dict[str, np.ndarray] = {
        key.removeprefix("best."): value for key, value in arrays.items() if key.startswith("best.layers.")
    }
    params = best or {key: value for key, value in arrays.items() if key.startswith("layers.")}
    require(len(params) > 0, f"{checkpoint} holds no weights; give the checkpoint of a run")
    described: dict[str, Any] = metadata.get("description", {})
    parts = read_texts({name: text for name, text in described.items() if name != "units"}, str(checkpoint))
    missing = [name for name in ("network", "rule", "spiking") if parts[name] is None]
    require(not missing, f"{checkpoint} does not say of which network it is; train it again with this version")
    network, rule, spiking, chip = (parts[name] for name in ("network", "rule", "spiking", "hardware"))
    units = {key: (float(unit), int(lowest)) for key, (unit, lowest) in described.get("units", {}).items()}
    plan = lower(network, rule, params=without_feedback(params), precision=str(params["layers.0.W"].dtype))
    plan = replace(plan, params=plan.params | params, feedback=tuple(with_basis(r, params) for r in plan.feedback))
    if chip is not None:  # what was learned on the chip's levels lies on them, and stays as it is
        plan = constrain(plan, None if metadata.get("mode") == "rate" else spiking, chip, seed=None, given=params)
    return Source(network, rule, spiking, chip, params, units, plan)


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
    engine = new_engine("brian", found.plan, found.spiking, batch_size=1, seed=seed)
    assert isinstance(engine, BrianEngine)
    rates = found.spiking.training.rates(found.plan.n_layers)
    sizes = "-".join(str(size) for size in found.plan.sizes)
    title = f"{sizes} spiking neurons that learn by {found.rule.name or 'three factors'}"
    engine.write_script(Path(path), data.x_train[:samples].reshape(samples, -1), data.y_train[:samples], rates, title)
    return []
