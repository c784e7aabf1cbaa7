"""Lillicrap et al. 2016, supplementary Figure 8: momentum speeds up feedback alignment.

Protocol: two hidden layers (30-20-10-10, tanh) learn a random network of the same widths by feedback alignment with
momentum 0, 0.5 and 0.9, from the same weights and with the samples in the same order; minibatches of 100. Rate and
epochs are not stated: 0.01 here is the 0.05 of supplementary Note 3 where the squared error is a mean over outputs (as
half their sum, with 0.05, momentum 0.9 leaves the range in which learning is steady). The error is that of 1000 test
samples over the variance of the targets (normalised squared error). Each seed has a target of its own.
"""

import sys
from dataclasses import replace
from pathlib import Path

from neurofa.experiments import (
    described_run,
    finding,
    mean_curves,
    mean_of,
    panels,
    paper_of,
    run_script,
    trained,
    where,
)

SEEDS = {"quick": 2, "default": 10, "full": 20}
PROTOCOL = dict.fromkeys(SEEDS, "50 epochs of 10,000 samples (chosen here), learning rate 0.01")
MEASURED = ("quantity", "x", "value")
RATE = 0.01
MOMENTA = tuple(paper_of(__file__)["momenta"])
LOOKS = {alpha: {"color": color} for alpha, color in zip(MOMENTA, ("#56B4E9", "#0072B2", "#000000"), strict=True)}


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"momentum": alpha, "seed": seed} for alpha in MOMENTA]


def described(job: dict):
    """The model with the momentum of a job."""
    import neurofa as nf

    model = nf.load_model("lillicrap_2016_nonlinear_30_20_10_10_momentum")
    optimiser = replace(model.training.optimiser, momentum=job["momentum"])
    return replace(model, training=replace(model.training, optimiser=optimiser, learning_rate=RATE))


def describe(job: dict) -> tuple:
    return described_run(described(job), "fa")


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = described(job)
    data = nf.load_data(model.data, seed=job["seed"])
    run = trained(folder, model, nf.rules.FA, data, job["seed"], probe_every=None)
    variance = 0.5 * float(data.y_test.var(axis=0).sum())
    rows = [("nse", n + 1, loss / variance) for n, loss in enumerate(run.history.test_loss.values)]
    angles = run.history.alignment_deg.values
    rows += [(f"angle_{layer}", n, angles[n, layer]) for layer in (0, 1) for n in range(len(angles))]
    return [{"quantity": quantity, "x": int(x), "value": float(value)} for quantity, x, value in rows]


def verdicts(rows: list[dict], paper: dict) -> list:
    nse = where(rows, quantity="nse")
    slow, middle, fast = (
        [mean_of(where(nse, momentum=alpha, x=n), "value") for n in range(1, 51)] for alpha in MOMENTA
    )
    reach = [1 + sum(value > slow[-1] for value in curve) for curve in (slow, middle, fast)]
    angles = [mean_of(where(rows, momentum=0.9, quantity=f"angle_{layer}", x=50), "value") for layer in (0, 1)]
    return [
        finding("the larger the momentum, the fewer epochs to the error that learning without it reaches",
                reach[2] < reach[1] < reach[0], nse),
        finding("momentum 0.9 needs less than half of those epochs", reach[2] < reach[0] / 2, nse),
        finding("momentum 0.9: signals of both hidden layers are within 90 degrees at the end", max(angles) < 90,
                where(rows, momentum=0.9)),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, (left, *angles) = panels(3, width=7.2)
    mean_curves(left, where(rows, quantity="nse"), "momentum", lines=LOOKS, log=True)
    left.set(xlabel="epochs", ylabel="normalised squared error")
    left.legend(title="momentum")
    for layer, ax in enumerate(angles):
        mean_curves(ax, where(rows, quantity=f"angle_{layer}"), "momentum", lines=LOOKS, legend=False)
        ax.axhline(90, color="#777777", linewidth=0.6, linestyle="--")
        ax.set(xlabel="epochs", title=f"hidden layer {layer + 1}", ylim=(0, 110))
    angles[0].set_ylabel("angle to backpropagation (°)")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
