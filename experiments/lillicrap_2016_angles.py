"""Lillicrap et al. 2016, supplementary Figure 9: forward and feedback weights of each hidden neuron align.

Protocol: a 20-1000-20 network (tanh, linear output) learns a random quadratic map by feedback alignment; the angle is
that of a hidden neuron's outgoing weights (a row of W) and its incoming feedback (a column of B), before and after.
Learning rate 0.01, minibatches of 100 and 100 epochs are not stated. The error is that of 1000 test
samples over the variance of the targets (normalised squared error). Each seed has a target of its own. That angles are
about 90 degrees before learning follows from drawing W and B independently, and is not counted as a published number.
"""

import sys
from pathlib import Path

from neurofa.experiments import described_run, finding, mean_curves, mean_of, panels, run_script, trained, where

SEEDS = {"quick": 1, "default": 5, "full": 20}
EPOCHS = 100
PROTOCOL = dict.fromkeys(SEEDS, f"{EPOCHS} epochs of 10,000 samples, learning rate 0.01 (chosen here)")
MEASURED = ("quantity", "x", "value")
WIDTH_DEG = 5
MODEL = "lillicrap_2016_quadratic_20_1000_20"


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"rule": "fa", "seed": seed, "epochs": EPOCHS}]


def describe(job: dict) -> tuple:
    return described_run(MODEL, "fa")


def one(job: dict, folder: Path) -> list[dict]:
    import numpy as np

    import neurofa as nf

    model = nf.load_model(MODEL)
    data = nf.load_data(model.data, seed=job["seed"])
    run = trained(folder, model, nf.rules.FA, data, job["seed"], epochs=job["epochs"])
    scale = 0.5 * float(data.y_test.var(axis=0).sum())
    rows = [("nse", n + 1, loss / scale) for n, loss in enumerate(run.history.test_loss.values)]
    before = nf.lower(model.for_rule(nf.rules.FA)[0], nf.rules.FA, job["seed"]).params
    for state, params in (("before", before), ("after", run.params)):
        W, B = params["layers.1.W"].astype(float), params["layers.0.B"].T.astype(float)
        cosines = (W * B).sum(axis=1) / (np.linalg.norm(W, axis=1) * np.linalg.norm(B, axis=1))
        angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        counts, edges = np.histogram(angles, np.arange(0, 180 + WIDTH_DEG, WIDTH_DEG))
        rows += [(f"neurons_{state}", edge, count) for edge, count in zip(edges, counts, strict=False)]
        rows += [(f"mean_{state}", 0, angles.mean()), (f"below_90_{state}", 0, (angles < 90).mean())]
    return [{"quantity": quantity, "x": float(x), "value": float(value)} for quantity, x, value in rows]


def verdicts(rows: list[dict], paper: dict) -> list:
    nse = where(rows, quantity="nse")
    last = mean_of(where(nse, x=EPOCHS), "value")
    turned, before = where(rows, quantity="mean_after"), mean_of(where(rows, quantity="mean_before"), "value")
    return [
        finding("the error falls below half of what no linear map gets below (1)", last < 0.5, nse),
        finding("the mean angle of a neuron's W and B falls from 90 degrees to below 80 in every run",
                abs(before - paper["before_deg"]) < 1 and all(row["value"] < 80 for row in turned), turned),
        finding("after learning more than three neurons in four are below 90 degrees",
                mean_of(where(rows, quantity="below_90_after"), "value") > 0.75, turned),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, (left, right) = panels(2, width=6.4)
    mean_curves(left, where(rows, quantity="nse"), "rule", legend=False)
    left.set(xlabel="epochs", ylabel="normalised squared error")
    for state, color in (("before", "#777777"), ("after", "#0072B2")):
        mine = where(rows, quantity=f"neurons_{state}")
        edges = sorted({row["x"] for row in mine})
        counts = [mean_of(where(mine, x=edge), "value") for edge in edges]
        right.bar(edges, counts, WIDTH_DEG, align="edge", color=color, alpha=0.7, label=f"{state} learning")
    right.set(xlabel="angle of W and B of a hidden neuron (°)", ylabel="neurons", xlim=(0, 180))
    right.legend()
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
