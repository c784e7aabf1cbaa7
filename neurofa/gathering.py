"""Runs that were trained apart, such as the jobs of a batch system, in one dataset."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .io.checkpoint import load_checkpoint
from .run import Run
from .spec.errors import described, require, require_kind
from .stored_runs import checkpoint_of, run_of

if TYPE_CHECKING:
    import xarray

DESCRIBED = ("network", "rule", "training", "spiking", "hardware")
SHARED = ("loss", "targets", "task")  # of a network, for all rules; the rest may be a rule's own


@dataclass(frozen=True)
class Told:
    """A run, and what it says of itself: what all runs share, and what those of one rule and mode share."""

    folder: str
    run: Run
    model: dict[str, Any]
    settings: dict[str, Any]


def gather(folders: Sequence[str | os.PathLike[str]]) -> "xarray.Dataset":
    """Runs of one model from their folders, side by side: other seeds, rules, modes or hardware.

    Parameters
    ----------
    folders
        What `neurofa.train` with `out`, or ``neurofa train --out``, left; runs that are not finished too.

    Returns
    -------
    xarray.Dataset
        Everything that is in `Run.history`, over the dim ``run``, whose coordinate is the folder; ``rule``, ``mode``,
        ``seed`` and ``hardware`` are coordinates over it too. Over ``run`` alone: ``final_test_error``, ``epochs``
        (on record), ``seconds``, ``synops_per_sample`` and ``final`` (which epochs the error is of). What a run lacks,
        or did not reach, is NaN.

    Raises
    ------
    InputError
        For a folder without a run, runs of different networks or data, runs of one rule and mode with different
        settings (epochs apart), and the same run twice.
    """
    listed = isinstance(folders, Iterable) and not isinstance(folders, str | os.PathLike)
    require(listed, f"folders are {described(folders)}; give a list of the folders of runs")
    told = [_told(folder) for folder in folders]
    require(len(told) > 0, "there are no folders to gather; give at least one")
    firsts: dict[tuple[str, ...], Told] = {}
    seen: dict[tuple[Any, ...], Told] = {}
    for one in told:
        kind = (one.run.rule.name, one.run.mode, one.run.hardware)
        _require_same(told[0].model, one.model, (told[0].folder, one.folder), "gather runs of one model")
        first = firsts.setdefault(kind, one)
        apart = "gather them apart, and join them with xarray.concat"
        _require_same(first.settings, one.settings, (first.folder, one.folder), apart)
        twin = seen.setdefault((*kind, one.run.seed), one)
        require(
            twin is one,
            f"{twin.folder} and {one.folder} are both of rule {kind[0]!r}, mode {kind[1]!r} and seed {one.run.seed}; "
            "leave one out",
        )
    return _joined(told)


def _told(folder: str | os.PathLike[str]) -> Told:
    """A run with its description, epochs apart: a run that was interrupted is as good as a finished one."""
    require_kind("folder", folder, str | os.PathLike, hint="that of a run")
    checkpoint = checkpoint_of(folder)
    arrays, metadata = load_checkpoint(checkpoint)
    run = run_of(checkpoint, arrays, metadata)
    description = {name: json.loads(text) for name, text in metadata["description"].items() if name in DESCRIBED}
    description.get("training", {}).pop("epochs", None)
    spiking = description.pop("spiking")
    spiking.pop("training")  # which is `training`
    network = description["network"]
    sizes = [network["inputs"], *(layer["units"] for layer in network["layers"])]
    model = {"network": {"sizes": sizes} | {name: network[name] for name in SHARED}, "data": metadata.get("data")}
    return Told(os.fspath(folder), run, model, description | ({} if run.mode == "rate" else {"spiking": spiking}))


def _require_same(first: Mapping[str, Any], other: Mapping[str, Any], folders: tuple[str, str], remedy: str) -> None:
    """Refuse two descriptions that differ, by the first thing that does."""
    found = _difference(first, other, ())
    require(not found, f"{' and '.join(folders)} differ in {found}; {remedy}")


def _difference(first: Any, other: Any, path: tuple[str, ...]) -> str:
    """The first key with different values, and the values; empty if there is none."""
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        inside = ((first.get(name), other.get(name), name) for name in dict.fromkeys((*first, *other)))
    elif isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        inside = ((a, b, str(index)) for index, (a, b) in enumerate(zip(first, other, strict=True)))
    else:
        return "" if first == other else f"{'.'.join(path)} ({described(first)} and {described(other)})"
    return next((found for a, b, name in inside if (found := _difference(a, b, (*path, name)))), "")


def _joined(told: Sequence[Told]) -> "xarray.Dataset":
    """Histories along the dim ``run``."""
    import xarray

    parts = []
    for one in told:
        run, history = one.run, one.run.history
        about = {
            "final_test_error": run.test_error,
            "epochs": history.sizes["epoch"],
            "seconds": run.seconds,
            "synops_per_sample": run.synops_per_sample,
            "final": history.attrs["final"],
        }
        own = {"rule": run.rule.name, "mode": run.mode, "seed": run.seed, "hardware": run.hardware}
        coords = {name: ("run", [value]) for name, value in ({"run": one.folder} | own).items()}
        parts.append(history.drop_attrs().assign(about).expand_dims("run").assign_coords(coords))
    joined = xarray.concat(parts, "run", join="outer", combine_attrs="drop")
    return joined.assign_attrs(data=told[0].model["data"] or "", task=told[0].model["network"]["task"])
