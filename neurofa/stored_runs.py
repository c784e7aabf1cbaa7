"""Runs on disk: the run that a folder holds, and the network that it has learned."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .engines.base import macs_per_sample
from .hardware import constrain, load_profile
from .history import History, final_note
from .io.checkpoint import load_checkpoint, under
from .io.config import bundled_models, load_model
from .io.descriptions import read_texts
from .rules import Params, Plan, lower, named, with_basis, without_feedback
from .run import Run
from .spec import Hardware, Model, Network, Rule, Spiking, settings_for
from .spec.errors import require, require_kind
from .trainer import CHECKPOINT, RESULTS


@dataclass(frozen=True)
class Source:
    """A network with its parameters: of a run that has learned them, or of a model as it is initialised."""

    network: Network
    rule: Rule
    spiking: Spiking
    hardware: Hardware | None
    params: Params
    units: dict[str, tuple[float, int]]  # of parameters on levels
    plan: Plan


def load_run(folder: str | os.PathLike[str]) -> Run:
    """The run that a folder holds, finished or not: what `neurofa.train` with that `out` returned.

    Parameters
    ----------
    folder
        Of the run, or the path of its checkpoint.

    Returns
    -------
    Run
        Up to its last saved epoch; `history` has no attributes but those of a `Run`.

    Raises
    ------
    InputError
        If there is no checkpoint, or one of another version.
    """
    require_kind("folder", folder, str | os.PathLike, hint="that of a run")
    path = checkpoint_of(folder)
    return run_of(path, *load_checkpoint(path))


def run_of(checkpoint: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Run:
    """The run that left a checkpoint; `arrays` and `metadata` are what it holds."""
    source = of_checkpoint(checkpoint, arrays, metadata)
    missing = [name for name in ("mode", "seed", "report_last", "threads") if name not in metadata]
    require(not missing, f"{checkpoint} does not say its {', '.join(missing)}; train it again with this version")
    history = History.of(under(arrays, "history."))
    error, seconds = history.reported_error(metadata["report_last"], metadata["best"][1]), float(metadata["seconds"])
    if metadata.get("untrained_error") is not None:
        error = float(metadata["untrained_error"])
    synops = float(macs_per_sample(source.plan)) if metadata["mode"] == "rate" else math.nan
    counted = counted_operations(arrays)
    if counted is not None:
        synops = float(counted[0].sum() / counted[1])
    hardware = source.hardware.label if source.hardware else ""
    attributes = {
        "rule": source.rule.name, "mode": metadata["mode"], "hardware": hardware, "seed": metadata["seed"],
        "test_error": error, "seconds": seconds, "synops_per_sample": synops, "identity": metadata["identity"],
        "threads": metadata["threads"], "final": final_note(history.epochs, metadata["report_last"]),
        "report_last": metadata["report_last"], "task": source.network.task, "data": metadata.get("data") or "",
    }  # fmt: skip
    dataset = history.dataset(source.plan.n_layers, attributes)
    return Run(
        source.params, dataset, error, seconds, synops, source.rule, metadata["mode"], metadata["seed"], hardware,
        None if counted is None else counted[0] / counted[1],
    )  # fmt: skip


def is_run(source: str | os.PathLike[str]) -> bool:
    """Whether a source is a run's folder or its checkpoint, and not a model."""
    if Path(source).suffix == Path(CHECKPOINT).suffix or (Path(source) / CHECKPOINT).exists():
        return True
    return os.path.isdir(source) and os.fspath(source) not in bundled_models()  # a folder `digits` hides no model


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
    params = under(arrays, "best.") or {key: value for key, value in arrays.items() if key.startswith("layers.")}
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
