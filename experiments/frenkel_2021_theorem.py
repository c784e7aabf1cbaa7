"""Frenkel et al. 2021, supplementary Note 1: lemma, theorem and alignment of DRTP in linear hidden layers.

Protocol: 64-50-10 to 64-50-50-50-10, linear hidden layers without biases, weights 0, sigmoid with binary or softmax
with categorical cross-entropy; plain gradient descent by DRTP in float64. "one sample" is the setting of the proof: 60
updates on one handwritten digit, rate 0.005, in which all scalars of lemma and theorem are measured. "all samples" goes
beyond it: 20 epochs on 1437 digits (z-scored), batches of 50, rates 0.001 and 0.01. The paper gives no numbers; sizes,
rates and data are chosen here, those of "all samples" after a scan of rates on seed 0. The paper has the scalars
positive from the first update on; layer k has to wait for k updates. On all samples the signals stay within 90 degrees
at the smaller rate. Nothing stops linear units, though, and at the larger one two and three hidden layers blow up: the
paper's discussion asks for units that saturate.
"""

import sys
from itertools import pairwise
from pathlib import Path

from neurofa.experiments import finding, mean_curves, panels, run_script, thinned, trained, where

SEEDS = {"quick": 1, "default": 3, "full": 3}
PROTOCOL = dict.fromkeys(SEEDS, "60 updates on one sample; 20 epochs on all")
MEASURED = ("layer", "quantity", "x", "value")
OUTPUTS = {"bce": "sigmoid", "cce": "softmax"}
STEPS, RATE = 60, 0.005
SHOWN = (1, 2, 3, 4, 8, 15, 30, STEPS)
EPOCHS, BATCH = 20, 50
SMALL, LARGE = "all samples, rate 0.001", "all samples, rate 0.01"
RATES = {"one sample": RATE, SMALL: 0.001, LARGE: 0.01}


def jobs(mode: str, seed: int) -> list[dict]:
    return [
        {"setting": setting, "loss": loss, "hidden_layers": n, "seed": seed}
        for setting in RATES for loss in OUTPUTS for n in (1, 2, 3)
    ]  # fmt: skip


def described(job: dict) -> tuple:
    import neurofa as nf

    sizes = (64, *[50] * job["hidden_layers"], 10)
    network = nf.Network.dense(sizes, "identity", OUTPUTS[job["loss"]], job["loss"], bias=False, init="zeros")
    rate = RATES[job["setting"]]
    training = nf.Training(EPOCHS, BATCH, optimiser=nf.Optimiser("sgd"), learning_rate=rate, precision="float64")
    return network, training


def describe(job: dict) -> tuple:
    return *described(job), SHOWN, RATE, job["setting"]


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    network, training = described(job)
    normalisation = "none" if job["setting"] == "one sample" else "zscore"
    data = nf.load_data("digits", seed=job["seed"], normalisation=normalisation)
    if job["setting"] == "one sample":
        x, y = data.x_train[job["seed"]][None].astype(float), data.y_train[job["seed"]][None]
        rows = list(of_one_sample(network, x, y, job["seed"]))
    else:
        run = trained(None, network, nf.rules.DRTP, data, job["seed"], probe_every=None, training=training)
        angles = run.history.sample_angle_deg.values
        epochs = [n + 1 for n in thinned(EPOCHS, 10)]
        rows = [(k + 1, "angle", n, angles[n, k]) for k in range(job["hidden_layers"]) for n in epochs]
        for name in ("train_error", "train_loss"):
            rows += [(0, name, n, run.history[name].values[n - 1]) for n in (1, EPOCHS)]
    return [{"layer": k, "quantity": name, "x": int(x), "value": float(f"{value:.6g}")} for k, name, x, value in rows]


def of_one_sample(network, x, y, seed: int):
    """(layer, quantity, updates made, value) of DRTP on one sample; the paper's layers count from 1."""
    import numpy as np

    import neurofa as nf
    from neurofa.analysis.alignment import angle_deg

    params = dict(nf.lower(network, nf.rules.DRTP, seed, precision="float64").params)
    hidden = len(network.layers) - 1
    sent = [params[f"layers.{k}.B"][y] for k in range(hidden)]  # (B_k^T y*)^T

    def scalar(matrix, direction) -> tuple[float, float]:
        """s of matrix = s direction + rest, and |rest| / |matrix|."""
        s = float(np.sum(matrix * direction) / np.sum(direction**2))
        norm = np.linalg.norm(matrix)
        return s, float(np.linalg.norm(matrix - s * direction) / norm) if norm else 0.0

    for step in range(1, STEPS + 1):
        update = nf.updates(network, nf.rules.DRTP, params, x, y)
        params |= {
            f"layers.{k}.W": params[f"layers.{k}.W"] - RATE * update[f"layers.{k}.dW"] for k in range(hidden + 1)
        }
        if step not in SHOWN:
            continue
        drtp = nf.updates(network, nf.rules.DRTP, params, x, y)
        given = {key: value for key, value in params.items() if key.endswith(".W")}
        bp = nf.updates(network, nf.rules.BP, given, x, y)
        error = -drtp[f"layers.{hidden}.M"]  # y* - y, times a positive constant
        activity = x
        for k in range(hidden):
            W = params[f"layers.{k}.W"]
            s_W, rest_W = scalar(W, -x.T @ sent[0] if k == 0 else sent[k - 1].T @ sent[k])
            activity = activity @ W
            s_y, rest_y = scalar(activity, -sent[k])
            yield k + 1, "s_W", step, s_W
            yield k + 1, "s_y", step, s_y
            yield k + 1, "lemma_rest", step, max(rest_W, rest_y)
            if step <= hidden:  # the output has not learned yet: nothing comes back
                continue
            pseudo = error @ np.linalg.pinv(nf.rules.path_weights(params, hidden, k), rcond=1e-10)
            s_k, rest = scalar(pseudo, -sent[k])
            yield k + 1, "s_k", step, s_k
            yield k + 1, "theorem_rest", step, rest
            yield k + 1, "inner_product", step, np.sum(drtp[f"layers.{k}.M"] * bp[f"layers.{k}.M"])
            yield k + 1, "angle", step, angle_deg(drtp[f"layers.{k}.M"], bp[f"layers.{k}.M"])
        s_out = -(sent[-1] @ params[f"layers.{hidden}.W"]).ravel() / np.sum(sent[-1] ** 2)
        yield hidden + 1, "signs_of_error", step, np.mean(np.sign(s_out) == np.sign(error.ravel()))


def verdicts(rows: list[dict], paper: dict) -> list:
    single, small, large = (where(rows, setting=setting) for setting in RATES)

    def of(*quantities: str) -> list[dict]:
        return [row for row in single if row["quantity"] in quantities]

    grown = [row for row in of("s_W", "s_y") if row["x"] >= row["layer"]]
    signs = [row for row in of("signs_of_error") if row["x"] >= row["layer"]]
    deep = [row for row in large if row["hidden_layers"] > 1]
    return [
        finding("lemma: weights and activities of hidden layers have its form, but for rounding",
                all(row["value"] < paper["rounding"] for row in of("lemma_rest")), of("lemma_rest")),
        finding("lemma: the scalars of hidden layer k are positive from update k on, whenever looked at",
                all(row["value"] > 0 for row in grown), grown),
        finding("lemma: they grow from each look to the next", growing(grown), grown),
        finding("the output's scalars have the signs of the error", all(row["value"] == 1 for row in signs), signs),
        finding("theorem: the signal is a multiple of pseudoinverse times error, but for rounding",
                all(row["value"] < paper["rounding"] for row in of("theorem_rest")), of("theorem_rest")),
        finding("theorem: s_k is positive", all(row["value"] > 0 for row in of("s_k")), of("s_k")),
        finding("inner products of the signals of drtp and backpropagation are positive",
                all(row["value"] > 0 for row in of("inner_product")), of("inner_product")),
        finding("all samples, rate 0.001: mean angles are below 90 degrees in every layer",
                all(row["value"] < paper["angle_below_deg"] for row in where(small, quantity="angle")), small),
        finding("all samples, rate 0.001: the training error falls in every network",
                all(change < 0 for change in changes(small, "train_error")), small),
        finding("all samples, rate 0.01: with two and three linear hidden layers the training loss rises",
                all(change > 0 for change in changes(deep, "train_loss")), deep),
    ]  # fmt: skip


def changes(rows: list[dict], quantity: str) -> list[float]:
    """Last value less the first, of each run."""
    first, last = ([row["value"] for row in where(rows, quantity=quantity, x=x)] for x in (1, EPOCHS))
    return [b - a for a, b in zip(first, last, strict=True)]


def growing(rows: list[dict]) -> bool:
    """Whether each scalar is larger at each update that is looked at than at the one before."""
    curves: dict[tuple, list] = {}
    for row in sorted(rows, key=lambda row: row["x"]):
        own = tuple(row[name] for name in ("loss", "hidden_layers", "seed", "layer", "quantity"))
        curves.setdefault(own, []).append(row["value"])
    return all(a < b for curve in curves.values() for a, b in pairwise(curve))


def draw(rows: list[dict], paper: dict):
    from matplotlib.ticker import NullLocator

    deepest = where(rows, hidden_layers=3, loss="bce")
    single = where(deepest, setting="one sample")
    looks = {k: {"color": color} for k, color in zip((1, 2, 3), ("#56B4E9", "#0072B2", "#000000"), strict=True)}
    names = {"s_W": "lemma: scalar of weights", "s_y": "lemma: scalar of activities", "s_k": "theorem: scalar $s_k$",
             "inner_product": "inner product of signals"}  # fmt: skip
    figure, axes = panels(3, 2, width=7.2, height=4.4)
    figure.suptitle("64-50-50-50-10, binary cross-entropy", fontsize="medium")
    for ax, letter in zip(axes, "ABCDEF", strict=True):
        ax.set_title(letter)
    for ax, (quantity, label) in zip(axes, names.items(), strict=False):
        shown = [row for row in where(single, quantity=quantity) if row["value"] > 0]
        mean_curves(ax, shown, "layer", lines=looks, log=True, legend=quantity == "s_W")
        ax.set(xlabel="updates on one sample", ylabel=label)
        ax.yaxis.set_minor_locator(NullLocator())
    axes[0].legend(title="hidden layer", loc="lower right")
    for ax, setting in zip(axes[4:], (SMALL, LARGE), strict=True):
        mean_curves(ax, where(deepest, setting=setting, quantity="angle"), "layer", lines=looks, legend=False)
        ax.axhline(90, color="#777777", linewidth=0.6, linestyle="--")
        ax.set(xlabel=f"epochs on {setting}", ylabel="angle to bp (°)", ylim=(0, 120))
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
