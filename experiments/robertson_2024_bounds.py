"""Robertson & Koyejo 2024, proposition 5.3 and lemma 5.4: alignment never falls below 1/sqrt(n) during learning.

Protocol: bias-free leaky ReLU networks with two hidden layers of 50 learn 1,000 images of MNIST, 20 % of their labels
wrong, by plain gradient descent on batches of 100. Proposition 5.3: ten classes, cross-entropy, sign-FA with entries
+-1 or of the paper's experiments; FA is the control. Lemma 5.4: two classes, one output, binary cross-entropy, FA with
w = b = 1 in the output layer; the incoming weights of each neuron below it have a norm of 0.7 or 1.3, as the lemma asks
(below sqrt(2)), or of 4 or 8, as it does not. Rates 0.05 (ten classes) and 0.01. The paper has no numbers. The last
line of the lemma's printed proof, w >= 1/2, does not follow; that of appendix C.3 does: w is more than half of the
squared norm of the incoming weights.

Findings that begin with "check" hold by algebra, at any W: they test the code and not the proposition. What can fail is
that output weights stay positive, from which the lemma's bound follows, and the bound on each of them.
"""

import sys
from pathlib import Path

import robertson_2024_flow as flow

from neurofa.experiments import finding, mean_curves, panels, run_script, where

SEEDS = {"quick": 1, "default": 1, "full": 6}
EPOCHS = {"quick": 120, "default": 300, "full": 300}
DATA = {"quick": "digits", "default": "mnist", "full": "mnist"}
PROTOCOL = {
    mode: f"{epochs} epochs of up to 1,000 images of {DATA[mode]} (chosen here)" for mode, epochs in EPOCHS.items()
}
MEASURED = ("quantity", "x", "value")
WIDTH, SAMPLES, BATCH, SLOPE = 50, 1000, 100, 0.01
RATES = {"vector": 0.05, "scalar": 0.01}
VECTOR = {flow.UNIT: "sign-FA, ±1", "sign_fa": "sign-FA, scaled", "fa": "FA"}
NORMS = (0.7, 1.3, 4.0, 8.0)
POINTS = 25


def jobs(mode: str, seed: int) -> list[dict]:
    cases = [("vector", rule, 0.0) for rule in VECTOR] + [("scalar", "fa", norm) for norm in NORMS]
    return [
        {"output": output, "rule": rule, "norm": norm, "data": DATA[mode], "seed": seed, "epochs": EPOCHS[mode]}
        for output, rule, norm in cases
    ]


def described(job: dict) -> tuple:
    import neurofa as nf

    scalar = job["output"] == "scalar"
    spec = nf.DataSpec(job["data"], classes=2 if scalar else None, train_samples=None, label_noise=0.2)
    inputs, outputs = {"digits": 64, "mnist": 784}[job["data"]], 1 if scalar else 10
    head = ("sigmoid", "bce") if scalar else ("softmax", "cce")
    network = nf.Network.dense((inputs, WIDTH, WIDTH, outputs), "leaky_relu", *head, bias=False, slope=SLOPE)
    return network, flow.rule_named(job["rule"]), spec


def describe(job: dict) -> tuple:
    return *described(job), SAMPLES, BATCH, RATES[job["output"]], POINTS, "ones", job["norm"]


def one(job: dict, folder: Path) -> list[dict]:
    from dataclasses import replace

    import numpy as np

    import neurofa as nf
    from neurofa.analysis.alignment import cosine

    network, rule, spec = described(job)
    data = nf.load_data(spec, seed=job["seed"])
    count = min(SAMPLES, len(data.x_train) // BATCH * BATCH)
    data = replace(data, x_train=data.x_train[:count], y_train=data.y_train[:count], x_test=data.x_test[:1],
                   y_test=data.y_test[:1])  # fmt: skip
    params = {name: value.astype(float) for name, value in nf.lower(network, rule, job["seed"]).params.items()}
    if job["output"] == "scalar":
        params["layers.1.W"] *= job["norm"] / np.linalg.norm(params["layers.1.W"], axis=0)
        params |= {"layers.2.W": np.ones((WIDTH, 1)), "layers.1.B": np.ones((1, WIDTH))}
    rows, begun = [], 0
    for epoch in flow.probes(job["epochs"], POINTS):
        if epoch > begun:
            params = flow.descend(network, rule, params, data, RATES[job["output"]], epoch - begun, BATCH)
            begun = epoch
        for layer in (1, 2):
            W, B = params[f"layers.{layer}.W"], params[f"layers.{layer - 1}.B"]
            rows += [(f"cosine_{layer}", cosine(W.T, B)), (f"above_bound_{layer}", cosine(W.T, B) * W.size**0.5)]
        if job["output"] == "scalar":
            w, half = params["layers.2.W"][:, 0], 0.5 * np.sum(params["layers.1.W"] ** 2, axis=0)
            rows += [("smallest_weight", w.min()), ("smallest_margin", (w - half).min())]
        rows = [(*row, epoch) if len(row) == 2 else row for row in rows]
    return [{"quantity": quantity, "x": x, "value": float(value)} for quantity, value, x in rows]


def verdicts(rows: list[dict], paper: dict) -> list:
    above = [row for row in rows if row["quantity"].startswith("above_bound")]
    signed = [row for row in above if row["rule"] in (flow.UNIT, "sign_fa")]
    random = where(above, output="vector", rule="fa", x=0)
    scalar = where(rows, output="scalar")
    weights, margins = where(scalar, quantity="smallest_weight"), where(scalar, quantity="smallest_margin")
    holds = [norm for norm in NORMS if norm**2 < paper["largest_squared_norm"]]
    asked = [row for row in weights if row["norm"] in holds]
    kept = [row for row in where(above, output="scalar", quantity="above_bound_2") if row["norm"] in holds]
    large = where(weights, norm=max(NORMS))
    return [
        finding("check: sign-FA's cosine of W and B is at least 1/sqrt(n), in both layers, at each probe (proposition "
                "5.3)", all(row["value"] >= 1 for row in signed), signed),
        finding("check: a random B begins below it", any(r["value"] < 1 for r in random), random),
        finding("lemma 5.4: all output weights stay positive (Dale's principle)",
                all(row["value"] > 0 for row in asked), asked),
        finding("lemma 5.4: so the output layer's cosine is at least 1/sqrt(n), at each probe",
                all(row["value"] >= 1 for row in kept), kept),
        finding("each output weight is more than half of the squared norm of its neuron's incoming weights",
                all(row["value"] > 0 for row in margins if row["norm"] in holds), margins),
        finding(f"the lemma's condition is needed: with a norm of {max(NORMS)} output weights become negative",
                any(row["value"] < 0 for row in large), large),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(4, width=7.2, height=2.9)
    names = dict(zip(VECTOR.values(), ("#56B4E9", "#009E73", "#0072B2"), strict=True))
    vector = [row | {"rule": VECTOR[row["rule"]]} for row in where(rows, output="vector")]
    for ax, layer, n in ((axes[0], 1, WIDTH * WIDTH), (axes[1], 2, 10 * WIDTH)):
        ax.axhline(n ** paper["exponent"], color="#777777", linewidth=0.8, linestyle="--", label="1/√n")
        lines = {name: {"color": color} for name, color in names.items()}
        mean_curves(ax, where(vector, quantity=f"cosine_{layer}"), "rule", lines=lines, legend=layer == 2)
        ax.set_title(f"ten outputs, layer {layer + 1}", fontsize="small")
        ax.set(xlabel="epochs", ylim=(-0.15, 1.05))
    axes[0].set(ylabel="cosine of W and B")
    lines = {norm: {"color": c} for norm, c in zip(NORMS, ("#000000", "#777777", "#CC79A7", "#D55E00"), strict=True)}
    scalar = where(rows, output="scalar")
    for ax, quantity, floor in ((axes[2], "smallest_weight", 0), (axes[3], "cosine_2", WIDTH ** paper["exponent"])):
        mean_curves(ax, where(scalar, quantity=quantity), "norm", lines=lines, legend=ax is axes[3])
        ax.axhline(floor, color="#0072B2", linewidth=0.8, linestyle="--", label="bound: 1/√n" if floor else "bound: 0")
        ax.set_title("one output: weights" if ax is axes[2] else "one output: cosine", fontsize="small")
        ax.set(xlabel="epochs")
    axes[2].set(ylabel="smallest output weight")
    axes[3].set(ylabel="cosine of w and b", ylim=(-0.15, 1.05))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    handles, labels = axes[3].get_legend_handles_labels()
    labels = [label if "bound" in label else f"incoming norm {label}" for label in labels]
    for ax in (axes[1], axes[3]):
        ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside upper right", ncols=3)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
