"""Lillicrap et al. 2016, supplementary Figures 1 to 3 and Note 13: four algorithms in a linear 30-20-10 network.

Protocol: shallow learning, reinforcement (node perturbation), feedback alignment and backpropagation learn a random
linear map from the same initial weights, at the same learning rate, minibatches of 10; the error is that of 1000 test
samples over the mean square of the targets (normalised squared error). The supplement has schematics of the algorithms,
says that learning by reinforcement "slows dramatically" in large networks and that shallow learning wastes deeper
neurons, and names the main text's figures 2b and 3b for signals that do not converge with backpropagation's; its Figure
13 has a 30-20-10 network. Curves of all four are a matter of the main text. Rate, minibatch, and the bounds of the
weights are not stated. 250 samples are shown 80 times, and each pass is a point of the curves. Each seed has a map of
its own.

Output weights learn from the true error under every rule here; in the paper's reinforcement all weights learn from the
scalar loss, so that it is slower there. That it is slower is tested against feedback alignment only: to an error of
0.01 it needs about as many samples as backpropagation (4525 and 4475 on average, feedback alignment 3275).
"""

import math
import sys
from dataclasses import replace
from pathlib import Path

from neurofa.experiments import described_run, finding, mean_curves, mean_of, panels, run_script, trained, where

SEEDS = {"quick": 2, "default": 10, "full": 20}
PROTOCOL = dict.fromkeys(SEEDS, "80 passes over 250 samples, learning rate 0.005, minibatches of 10 (chosen here)")
MEASURED = ("quantity", "x", "value")
RULES = ("shallow", "node_perturbation", "fa", "bp")
MODEL = "lillicrap_2016_linear_30_20_10"
SLICE, SLICES = 250, 80


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"rule": rule, "seed": seed} for rule in RULES]


def describe(job: dict) -> tuple:
    return described_run(MODEL, job["rule"], SLICE, SLICES)


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = nf.load_model(MODEL)
    data = nf.load_data(model.data, seed=job["seed"])
    scale = 0.5 * float((data.y_test**2).sum(axis=1).mean())
    data = replace(data, x_train=data.x_train[:SLICE], y_train=data.y_train[:SLICE], note=f"{SLICE} samples an epoch")
    every = SLICE // model.training.batch_size
    run = trained(folder, model, nf.rules.named(job["rule"]), data, job["seed"], probe_every=every, epochs=SLICES)
    rows = [("nse", SLICE * (n + 1), loss / scale) for n, loss in enumerate(run.history.test_loss.values)]
    if job["rule"] in ("fa", "node_perturbation"):
        probes, angles = run.history.probe.values, run.history.alignment_deg.values[:, 0]
        rows += [("angle", model.training.batch_size * n, angle) for n, angle in zip(probes, angles, strict=True)]
    return [{"quantity": quantity, "x": int(x), "value": float(value)} for quantity, x, value in rows]


def verdicts(rows: list[dict], paper: dict) -> list:
    curves = where(rows, quantity="nse")
    after = {(rule, n): mean_of(where(curves, rule=rule, x=n), "value") for rule in RULES for n in (5_000, 20_000)}
    angles = {rule: mean_of([row for row in where(rows, rule=rule, quantity="angle") if row["x"] > 1000], "value")
              for rule in ("fa", "node_perturbation")}  # fmt: skip
    first = mean_of(where(rows, rule="fa", quantity="angle", x=0), "value")
    rates = {rule: mean_of([row for row in samples_to(curves, 0.01) if row["rule"] == rule], "x") for rule in RULES[1:]}
    return [
        finding("backpropagation and feedback alignment learn the map (error below 1e-4)",
                max(after["bp", 20_000], after["fa", 20_000]) < 1e-4, curves),
        finding("feedback alignment needs at most 1.5 times backpropagation's samples to an error of 0.01",
                rates["fa"] <= 1.5 * rates["bp"], curves),
        finding("reinforcement needs more samples than feedback alignment to an error of 0.01",
                rates["node_perturbation"] > rates["fa"], curves),
        finding("shallow learning stays behind all others (error above 0.1)",
                after["shallow", 20_000] > 0.1 > max(after[rule, 20_000] for rule in RULES[1:]), curves),
        finding("signals of feedback alignment come from about 90 degrees to below 45 of backpropagation's",
                angles["fa"] < 45 and abs(first - 90) < 15, where(rows, rule="fa")),
        finding("signals of feedback alignment are nearer to backpropagation's than those of reinforcement",
                angles["fa"] < angles["node_perturbation"] < 90, where(rows, quantity="angle")),
    ]  # fmt: skip


def samples_to(curves: list[dict], error: float) -> list[dict]:
    """A row for each run: the samples after which its error is first at most so large, infinite if it never is."""
    first: dict = {(row["rule"], row["seed"]): row | {"x": math.inf} for row in curves}
    for row in sorted(curves, key=lambda row: row["x"], reverse=True):
        if row["value"] <= error:
            first[row["rule"], row["seed"]] = row
    return list(first.values())


def draw(rows: list[dict], paper: dict):
    from neurofa.plot.common import LINES

    figure, (left, right) = panels(2, width=6.4)
    rows = [row | {"rule": {"node_perturbation": "reinforcement"}.get(row["rule"], row["rule"])} for row in rows]
    looks = LINES | {"reinforcement": LINES["node_perturbation"]}
    mean_curves(left, where(rows, quantity="nse"), "rule", log=True, lines=looks)
    left.set(xlabel="training samples", ylabel="normalised squared error", ylim=(1e-8, 2))
    mean_curves(right, where(rows, quantity="angle"), "rule", lines=looks)
    right.axhline(90, color="#777777", linewidth=0.6, linestyle="--")
    right.set(xlabel="training samples", ylabel="angle to backpropagation (°)", ylim=(0, 100))
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
