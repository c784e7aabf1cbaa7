"""Lillicrap et al. 2016, supplementary Figure 5: receptive fields of hidden neurons before and after learning MNIST.

Protocol: a 784-1000-10 network (tanh) learns MNIST by backpropagation, feedback alignment and reinforcement (node
perturbation) from the same weights; shallow learning leaves them as they begin. Shown are the same 100 neurons,
drawn at random. The number of epochs is not stated: 30 here, at the learning rate the model begins with (0.01). A
field's structure is measured as the correlation of neighbouring pixels' weights in the middle 20 x 20, 0 for noise.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurofa.experiments import finding, mean_of, panels, run_script, trained, where

SEEDS = {"quick": 1, "default": 1, "full": 3}
EPOCHS = {"quick": 3, "default": 30, "full": 30}
PROTOCOL = {"quick": "3 epochs of 6000 samples"} | dict.fromkeys(("default", "full"), "30 epochs (chosen here)")
MEASURED = ("unit", "largest", "neighbours", "pixels")
MODEL = "lillicrap_2016_mnist_fc1_1000"
TITLES = {"start": "before learning", "fa": "feedback alignment", "bp": "backpropagation",
          "node_perturbation": "reinforcement"}  # fmt: skip
SHADES = "_-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # of a pixel, from most negative on


def jobs(mode: str, seed: int) -> list[dict]:
    rules = [rule for rule in TITLES if mode != "quick" or rule != "node_perturbation"]
    return [{"rule": rule, "seed": seed, "epochs": 0 if rule == "start" else EPOCHS[mode]} for rule in rules]


def described(job: dict):
    import neurofa as nf

    model = nf.load_model(MODEL)
    rule = nf.rules.named("bp" if job["rule"] == "start" else job["rule"])
    return replace(model, training=replace(model.training, schedule=None)), rule


def describe(job: dict) -> tuple:
    model, rule = described(job)
    return *model.for_rule(rule), model.data, job["epochs"]


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model, rule = described(job)
    params = nf.lower(model.for_rule(rule)[0], rule, job["seed"]).params
    if job["epochs"]:
        data = nf.load_data(model.data, seed=job["seed"])
        if job["epochs"] == EPOCHS["quick"]:
            data = replace(data, x_train=data.x_train[:6000], y_train=data.y_train[:6000])
        params = trained(folder, model, rule, data, job["seed"], epochs=job["epochs"]).params
    rows = []
    units = np.random.default_rng(job["seed"]).choice(params["layers.0.W"].shape[1], 100, replace=False)
    for unit in sorted(units.tolist()):
        weights = params["layers.0.W"][:, unit].astype(float)
        largest = np.abs(weights).max()
        shades = np.round((weights / largest + 1) / 2 * (len(SHADES) - 1)).astype(int)
        middle = weights.reshape(28, 28)[4:24, 4:24]
        pairs = [(middle[:, 1:], middle[:, :-1]), (middle[1:], middle[:-1])]
        alike = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
        values = (unit, float(largest), float(alike), "_" + "".join(SHADES[shade] for shade in shades))
        rows.append(dict(zip(MEASURED, values, strict=True)))
    return rows


def verdicts(rows: list[dict], paper: dict) -> list:
    alike = {rule: mean_of(where(rows, rule=rule), "neighbours") for rule in TITLES}
    learners = ("fa",) if max(row["epochs"] for row in rows) == EPOCHS["quick"] else ("fa", "bp")
    return [
        finding("weights of neighbouring pixels are not alike before learning", abs(alike["start"]) < 0.01,
                where(rows, rule="start")),
        *(finding(f"{rule}: learning makes fields with structure (neighbours' correlation above 0.02)",
                  alike[rule] > 0.02, where(rows, rule=rule)) for rule in learners),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(2, 2, width=6.4, height=5.6)
    seed = min(row["seed"] for row in rows)
    for ax, (rule, title) in zip(axes, TITLES.items(), strict=True):
        mine = where(rows, rule=rule, seed=seed)
        if not mine:
            ax.set_axis_off()
            continue
        mosaic = np.full((10 * 30 - 2, 10 * 30 - 2), np.nan)
        for place, row in enumerate(mine):
            shades = np.array([SHADES.index(letter) for letter in row["pixels"][1:]]).reshape(28, 28)
            top, left = place // 10 * 30, place % 10 * 30
            mosaic[top : top + 28, left : left + 28] = (2 * shades / (len(SHADES) - 1) - 1) * row["largest"]
        limit = np.nanquantile(np.abs(mosaic), 0.99)
        image = ax.imshow(mosaic, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=30)
        bar.outline.set_visible(False)
        bar.set_label("weight")
        ax.set(title=title, xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.grid(False)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
