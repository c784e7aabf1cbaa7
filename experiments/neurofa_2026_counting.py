"""What the experiments on both modes share: operations of a training sample, by kind."""

from pathlib import Path
from typing import TYPE_CHECKING

from neurofa.experiments import mean_of

if TYPE_CHECKING:
    import neurofa as nf

KINDS = ("forward", "feedback", "update")
PER_SAMPLE = tuple(f"{kind}_per_sample" for kind in KINDS)


def operations_of(network: "nf.Network", run: "nf.Run", folder: Path) -> dict[str, int]:
    """Operations of a sample in training: counted in spiking mode, dense multiply-accumulates in rate mode."""
    import neurofa as nf
    from neurofa.io.checkpoint import load_checkpoint
    from neurofa.run import CHECKPOINT

    if run.mode == "spiking":
        arrays, _ = load_checkpoint(folder / CHECKPOINT)
        counts = arrays["engine.operations"] / arrays["engine.presented"]
    else:
        projections = nf.lower(network, run.rule, run.seed).projections
        forward = sum(p.n_pre * p.n_post for p in projections)
        update = sum(p.n_pre * p.n_post for p in projections if p.plastic)
        counts = forward, run.synops_per_sample - forward - update, update
    return {name: round(float(count)) for name, count in zip(PER_SAMPLE, counts, strict=True)}


def total(rows: list[dict]) -> float:
    """Operations of a training sample of all kinds, mean over seeds."""
    return sum(mean_of(rows, name) for name in PER_SAMPLE)
