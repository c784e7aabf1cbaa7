"""From a run's folder, a checkpoint or a model to a file for another tool: what the command line does."""

import os
from pathlib import Path

import numpy as np

from ..io.checkpoint import load_checkpoint
from ..io.config import load_model
from ..rules import PRESETS, Params, lower
from ..spec import Model, Rule, Spiking
from ..spec.errors import require, require_choice
from ..spec.hardware import Hardware
from ..trainer import CHECKPOINT
from .chips import Grids, write_weights
from .nir_networks import beyond_nir, write_nir

FORMATS = ("nir", "csv", "npz")


def export(
    source: str | os.PathLike[str] | Model,
    path: str | os.PathLike[str],
    to: str = "nir",
    *,
    model: Model | str | os.PathLike[str] | None = None,
    rule: Rule | str | None = None,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
    grids: Grids | None = None,
    seed: int = 0,
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
        ``nir``, ``csv`` or ``npz``.
    model
        What a checkpoint is of, which it does not hold itself.
    rule
        A preset's name or a `Rule`; None: the checkpoint's.
    spiking, hardware, grids
        See `write_nir` and `write_weights`.
    seed
        Of the parameters of a model.

    Returns
    -------
    list of str
        What the file does not tell other simulators; empty for weights alone.

    Raises
    ------
    InputError
        For a source that cannot be read, and a model or rule that does not fit it.
    """
    require_choice("export format", to, FORMATS)
    suffix = Path(path).suffix
    fits = to == "nir" or suffix == f".{to}" or (to == "csv" and suffix == "")
    require(fits, f"{os.fspath(path)} does not have the suffix of {to}; call it {Path(path).stem}.{to}")
    params: Params | None = None
    if not isinstance(source, Model) and (os.path.isdir(source) or Path(source).suffix == Path(CHECKPOINT).suffix):
        checkpoint = Path(source) / CHECKPOINT if os.path.isdir(source) else Path(source)
        params, written = _trained(checkpoint)
        require(model is not None, f"{checkpoint} does not hold the network that it is of; give its model")
        rule, source = rule or written, model  # type: ignore[assignment]
    described = source if isinstance(source, Model) else load_model(source)
    if isinstance(rule, str):
        require_choice("rule", rule, PRESETS)
        rule = PRESETS[rule]
    if params is None:
        require(rule is not None, "a model's feedback depends on the rule; give a rule")
    assert isinstance(rule, Rule)
    network, _, own = described.for_rule(rule)
    chosen = spiking or described.spiking_for(rule)
    if params is None:
        params = lower(network, own, seed).params
    if to == "nir":
        write_nir(path, network, params, rule=own, spiking=chosen, hardware=hardware)
        return beyond_nir(network, chosen, hardware)
    write_weights(path, params, hardware, grids=grids, spiking=chosen)
    return []


def _trained(checkpoint: Path) -> tuple[Params, str]:
    """The parameters that a run gives, and the name of its rule."""
    arrays, metadata = load_checkpoint(checkpoint)
    best: dict[str, np.ndarray] = {
        key.removeprefix("best."): value for key, value in arrays.items() if key.startswith("best.layers.")
    }
    params = best or {key: value for key, value in arrays.items() if key.startswith("layers.")}
    require(len(params) > 0, f"{checkpoint} holds no weights; give the checkpoint of a run")
    return params, str(metadata.get("rule"))
