"""Lillicrap et al. 2016, supplementary Figure 5: receptive fields of hidden neurons before and after learning MNIST.

Protocol: 784-1000-10 as in lillicrap_2016_mnist, 20 epochs without a fall of the rate; the incoming weights of 100
hidden neurons, drawn at random, before learning and after it by shallow learning (output layer only), reinforcement
(node perturbation), feedback alignment and backpropagation, all from the same weights. The supplement shows "the
learning variants discussed in the main text" and describes none: which they are, epochs, noise (deviation 0.1) and the
hidden layer's rate of reinforcement (0.01, by training loss) are chosen here. Smooth fields are told from noise by the
correlation of weights from pixels side by side in the 20 x 20 pixels of the middle. No finding is made of the fields
before learning and of those of shallow learning, which does not change them: weights that are drawn independently are
noise. The pictures are drawn from weights stored in 51 levels, on one scale of grey. Quick has
shallow learning and feedback alignment, 3 epochs of 10,000 images.
"""

import string
import sys
from dataclasses import replace
from pathlib import Path

from neurofa.experiments import described_run, finding, mean_of, panels, run_script, trained, where

SEEDS = {"quick": 1, "default": 1, "full": 1}
EPOCHS = {"quick": 3, "default": 20, "full": 20}
PROTOCOL = {
    "quick": "3 epochs of 10,000 images",
    "default": "20 epochs, chosen here",
    "full": "20 epochs, chosen here",
}
MEASURED = ("quantity", "x", "value", "field")
RULES = {"shallow": "shallow learning", "node_perturbation": "reinforcement", "fa": "feedback alignment",
         "bp": "backpropagation"}  # fmt: skip
UNITS, SIDE, MARGIN = 100, 28, 4
LEVELS = string.ascii_letters[:51]  # from the most negative to the most positive; the middle one is 0
HIDDEN_RATE, NOISE_STD = 1e-2, 0.1
QUANTILE = 0.998  # of the sizes of a panel's weights: what the last level stands for


def jobs(mode: str, seed: int) -> list[dict]:
    rules = ("shallow", "fa") if mode == "quick" else RULES
    images = 10_000 if mode == "quick" else 60_000
    return [{"rule": rule, "seed": seed, "epochs": EPOCHS[mode], "images": images} for rule in rules]


def described(job: dict):
    """The model of a job; the hidden layer learns slowly from a single number that tells it about the loss."""
    import neurofa as nf
    from neurofa.spec import Override, Perturbation

    model = nf.load_model("lillicrap_2016_mnist_fc1_1000")
    network, protocol, _ = model.for_rule(nf.rules.named(job["rule"]))
    protocol = replace(protocol, epochs=job["epochs"])
    rules = {}
    if job["rule"] == "node_perturbation":
        slowly = replace(protocol, learning_rate=(HIDDEN_RATE, protocol.learning_rate))
        rules = {job["rule"]: Override(training=slowly, perturbation=Perturbation(noise_std=NOISE_STD))}
    data = replace(model.data, train_samples=job["images"])
    return replace(model, network=network, training=protocol, data=data, rules=rules)


def describe(job: dict) -> tuple:
    return described_run(described(job), job["rule"], UNITS, QUANTILE)


def one(job: dict, folder: Path) -> list[dict]:
    import numpy as np

    import neurofa as nf

    model, rule = described(job), nf.rules.named(job["rule"])
    run = trained(folder, model, rule, nf.load_data(model.data, seed=job["seed"]), job["seed"])
    units = np.sort(np.random.default_rng(job["seed"]).choice(model.network.layers[0].units, UNITS, replace=False))
    states = {"after": run.params["layers.0.W"]}
    if job["rule"] == "shallow":  # its fields stay what they were: those before learning
        first = nf.lower(model.for_rule(rule)[0], rule, job["seed"]).params["layers.0.W"]
        states["before"] = first
    rows = [("test_error", 0, 100 * run.test_error, "")]
    for state, W in states.items():
        shown = W[:, units].astype(float)
        limit = float(np.quantile(np.abs(shown), QUANTILE))
        levels = np.rint((np.clip(shown / limit, -1, 1) + 1) * (len(LEVELS) // 2)).astype(int)
        rows += [(f"limit_{state}", 0, limit, ""), (f"smoothness_{state}", 0, smoothness(W), "")]
        rows += [(f"field_{state}", int(unit), float(np.linalg.norm(column)), "".join(LEVELS[n] for n in level))
                 for unit, column, level in zip(units, shown.T, levels.T, strict=True)]  # fmt: skip
    if job["rule"] == "shallow":
        rows = [row for row in rows if not row[0].startswith("field_after")]
    return [{"quantity": quantity, "x": x, "value": round(value, 5), "field": field, "seconds": round(run.seconds, 1)}
            for quantity, x, value, field in rows]  # fmt: skip


def smoothness(W) -> float:
    """Correlation, over all hidden neurons, of the weights from pixels side by side in the middle of the image."""
    import numpy as np

    middle = W.reshape(SIDE, SIDE, -1)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return float(np.corrcoef(middle[:, :-1].ravel(), middle[:, 1:].ravel())[0, 1])


def verdicts(rows: list[dict], paper: dict) -> list:
    after = {rule: where(rows, rule=rule, quantity="smoothness_after") for rule in RULES}
    smooth = {rule: mean_of(mine, "value") for rule, mine in after.items()}
    made = [
        finding("feedback alignment makes smooth receptive fields", smooth["fa"] > paper["smooth_above"], after["fa"])
    ]
    if not after["bp"]:
        return made
    made.append(finding("backpropagation makes smooth receptive fields", smooth["bp"] > paper["smooth_above"],
                        after["bp"]))  # fmt: skip
    less = smooth["node_perturbation"] < min(smooth["fa"], smooth["bp"])
    learned = after["node_perturbation"] + after["fa"] + after["bp"]
    return [*made, finding("those of reinforcement are less smooth than both", less, learned)]


def fields(rows: list[dict], state: str):
    """Weights of the shown neurons, (pixels, neurons), from their levels."""
    import numpy as np

    limit = where(rows, quantity=f"limit_{state}")[0]["value"]
    texts = [row["field"] for row in where(rows, quantity=f"field_{state}")]
    return limit * np.array([[LEVELS.index(c) / (len(LEVELS) // 2) - 1 for c in text] for text in texts]).T, limit


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import receptive_fields

    rows = where(rows, seed=min(row["seed"] for row in rows))
    states = [("before learning", where(rows, rule="shallow"), "before")]
    states += [(RULES[rule], where(rows, rule=rule), "before" if rule == "shallow" else "after") for rule in RULES]
    states = [(title, mine, state) for title, mine, state in states if mine]
    columns = 2 if len(states) <= 4 else 3
    figure, axes = panels(columns, rows=2, width=2.4 * columns, height=5.2)
    limit = max(fields(mine, state)[1] for _, mine, state in states)  # one scale of grey, so that they can be compared
    for ax, (title, mine, state) in zip(axes, states, strict=False):
        W, _ = fields(mine, state)
        receptive_fields(ax, W, (SIDE, SIDE), range(UNITS), limit=limit, numbers=False, color_bar=False)
        ax.images[0].set_cmap("gray")  # as in the paper: white is strong positive
        ax.set_title(title, fontsize="small")
    for ax in axes[len(states) :]:
        ax.set_axis_off()
    last = axes[len(states)] if len(states) < len(axes) else axes[: len(states)]
    figure.colorbar(axes[0].images[0], ax=last, orientation="horizontal", label="weight", shrink=0.8)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
