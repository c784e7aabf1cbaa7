"""Lillicrap et al. 2016, supplementary Figure 6: learning with the first hidden layer held fixed, a control.

Protocol: networks with one hidden layer (30-40-10) and two (30-20-10-10, tanh) learn a random 30-20-10-10 network by
backpropagation and feedback alignment; in the controls the first layer does not learn. Learning rate 0.05, minibatches
of 100, inputs from N(0, 1), 5 runs. The note prints 30-40-10 for the network with two hidden layers too; it has the
widths of its target here. Bounds of the weights, the number of epochs and of samples are not stated. Each seed has a
target of its own. The error is that of 1000 test samples over the variance of the targets.
"""

import sys
from pathlib import Path

from neurofa.experiments import finding, mean_curves, mean_of, panels, run_script, thinned, trained, where

SEEDS = {"quick": 1, "default": 5, "full": 5}
EPOCHS = {"quick": 60, "default": 200, "full": 200}
PROTOCOL = {mode: f"{epochs} epochs of 10,000 samples (chosen here)" for mode, epochs in EPOCHS.items()}
MEASURED = ("x", "value")
MODELS = {
    "one hidden layer": "lillicrap_2016_nonlinear_30_40_10",
    "two hidden layers": "lillicrap_2016_nonlinear_30_20_10_10",
    "first layer fixed": "lillicrap_2016_nonlinear_30_20_10_10_frozen",
}
DASHES = {"one hidden layer": ":", "two hidden layers": "-", "first layer fixed": "-"}
COLORS = {"bp": "#000000", "fa": "#009E73"}
FIXED = {"bp": "#56B4E9", "fa": "#CC79A7"}


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"network": name, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]} for name in MODELS for rule in COLORS]


def describe(job: dict) -> tuple:
    import neurofa as nf

    model = nf.load_model(MODELS[job["network"]])
    return *model.for_rule(nf.rules.named(job["rule"])), model.data


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = nf.load_model(MODELS[job["network"]])
    data = nf.load_data(model.data, seed=job["seed"])
    scale = 0.5 * float(data.y_test.var(axis=0).sum())
    run = trained(None, model, nf.rules.named(job["rule"]), data, job["seed"], epochs=job["epochs"])
    losses = run.history.test_loss.values / scale
    return [{"x": n + 1, "value": float(losses[n])} for n in thinned(len(losses))]


def verdicts(rows: list[dict], paper: dict) -> list:
    last = max(row["x"] for row in rows)
    end = {(name, rule): mean_of(where(rows, network=name, rule=rule, x=last), "value")
           for name in MODELS for rule in COLORS}  # fmt: skip
    one_layer, two_layers, fixed = ({rule: end[name, rule] for rule in COLORS} for name in MODELS)
    made = [finding(f"{rule}: with the first layer fixed the error ends above twice that of learning all layers",
                    fixed[rule] > 2 * two_layers[rule], where(rows, rule=rule)) for rule in COLORS]  # fmt: skip
    made += [finding(f"{rule}: with the first layer fixed the error ends above that of one hidden layer",
                     fixed[rule] > one_layer[rule], where(rows, rule=rule)) for rule in COLORS]  # fmt: skip
    return [
        *made,
        finding("feedback alignment of all layers ends below backpropagation with the first layer fixed",
                two_layers["fa"] < fixed["bp"], where(rows, rule="fa")),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, (ax,) = panels(width=4.6, height=2.8)
    colors = {name: FIXED if name == "first layer fixed" else COLORS for name in MODELS}
    looks = {f"{rule}, {name}": {"color": colors[name][rule], "linestyle": DASHES[name]} for name in MODELS
             for rule in COLORS}  # fmt: skip
    looks["fa, first layer fixed"]["linestyle"] = (0, (3, 3))  # it lies on the other control
    mean_curves(ax, [row | {"line": f"{row['rule']}, {row['network']}"} for row in rows], "line", lines=looks, log=True)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set(xlabel="epochs", ylabel="normalised squared error")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
