"""Robertson et al. 2024, Table 3 and Figures 2 to 4: conserved potential, alignment and overfitting on noisy MNIST.

Protocol: 784-m-10, leaky ReLU, softmax and cross-entropy; 4,000 images of MNIST a seed, of whose labels 20 % are wrong;
6,000 full-batch epochs, learning rate 0.05 and a tenth of it every 1,000, momentum 0.05; the test set is clean. The
paper draws weights from [-1/sqrt(m), 1/sqrt(m)], m "the width of the network". Here m is the number of inputs of a
layer (what PyTorch does, and the paper's package as an option, for W, b and B): with 1/sqrt(width) in the first layer
too, the potential would be about -130 at each width, and could neither be so near 0 nor depend so much on the width as
in Table 3. Sign feedback has the magnitude sqrt(2/(m + 10)). The potential is measured every 25 epochs, not every 5.
For backpropagation the table has equation 2 with B = W^T, which is no law; for the law, see the findings.
"""

import sys
from dataclasses import replace
from pathlib import Path

from neurofa.experiments import compare, finding, mean_curves, mean_of, panels, run_script, thinned, trained, where

SEEDS = {"quick": 1, "default": 1, "full": 6}
EPOCHS = {"quick": 100, "default": 6000, "full": 6000}
PROTOCOL = {
    "quick": f"{EPOCHS['quick']} epochs, three widths",
    "default": "that of the paper with 1 seed",
    "full": "that of the paper",
}
MEASURED = ("quantity", "x", "value")
RULES = ("fa", "adafa", "sign_fa", "bp")
WIDTHS = (15, 30, 45, 60, 75, 100, 125, 150, 175, 200)
WIDE = WIDTHS[-1]
EVERY, POINTS = 25, 61
OF_LAW = 0.05  # of the change of squared norms: what steps of finite size may leave


def jobs(mode: str, seed: int) -> list[dict]:
    widths = (15, 60, 200) if mode == "quick" else WIDTHS
    return [{"width": m, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]} for m in widths for rule in RULES]


def described(job: dict):
    """The model of a width, with the range of its initial weights as the docstring says."""
    import neurofa as nf

    model = nf.load_model(f"robertson_2024_noisy_mnist_{job['width']}")
    drawn = dict.fromkeys(("init", "bias_init", "feedback_init"), nf.Init("scaled_uniform"))
    layers = tuple(replace(layer, **drawn) for layer in model.network.layers)
    return replace(model, network=replace(model.network, layers=layers))


def describe(job: dict) -> tuple:
    import neurofa as nf

    model = described(job)
    return *model.for_rule(nf.rules.named(job["rule"])), model.data, EVERY


def one(job: dict, folder: Path) -> list[dict]:
    import numpy as np

    import neurofa as nf

    model = described(job)
    data = nf.load_data(model.data, seed=job["seed"])
    few = replace(data, x_test=data.x_test[:1], y_test=data.y_test[:1])  # the test set counts after learning alone
    run = trained(folder, model, nf.rules.named(job["rule"]), few, job["seed"], EVERY, epochs=job["epochs"])
    history, epochs = run.history, run.history.probe.values
    law, cosines = history.conservation.values[:, 0], history.weight_cosine.values[:, 0]
    incoming, outgoing = (history.weight_norm.values.astype(float) ** 2).T
    bias = history.bias_norm.values[:, 0].astype(float) ** 2
    # the paper has no biases in equation 2: the law's half of their square is put back
    eq2 = outgoing - incoming / 2 if job["rule"] == "bp" else law + bias / 2
    moved = (incoming + bias) / 2
    loss, error = scores(model.network, run.params, data.x_test, data.y_test)
    rows = [("potential", epochs[n], eq2[n] / eq2[0]) for n in thinned(len(epochs), POINTS)]
    if job["rule"] != "bp":
        rows += [("cosine", epochs[n], cosines[n]) for n in thinned(len(epochs), POINTS)]
    rows += [
        ("deviation", 0, np.abs(eq2 / eq2[0] - 1).mean()),
        ("start", 0, eq2[0]),
        ("law_drift", 0, np.abs(law - law[0]).max() / np.abs(moved - moved[0]).max()),
        ("lowest_cosine", 0, cosines.min()),
        ("train_loss", job["epochs"], history.train_loss.values[-1]),
        ("train_error", job["epochs"], history.train_error.values[-1]),
        ("test_loss", job["epochs"], loss),
        ("test_error", job["epochs"], error),
    ]
    return [{"quantity": quantity, "x": int(x), "value": float(value)} for quantity, x, value in rows]


def scores(network, params: dict, x, y) -> tuple[float, float]:
    """Mean cross-entropy, and the fraction of wrong answers."""
    import numpy as np

    hidden = x @ params["layers.0.W"] + params["layers.0.b"]
    hidden = np.maximum(hidden, network.layers[0].slope * hidden)
    z = (hidden @ params["layers.1.W"] + params["layers.1.b"]).astype(float)
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]
    return float(losses.mean()), float((z.argmax(axis=1) != y).mean())


def verdicts(rows: list[dict], paper: dict) -> list:
    widths = sorted({row["width"] for row in rows})
    deviations = where(rows, quantity="deviation")
    drifts, cosines, lowest = (where(rows, quantity=name) for name in ("law_drift", "cosine", "lowest_cosine"))

    def value(quantity: str, rule: str, width: int, **at: int) -> float:
        return mean_of(where(rows, quantity=quantity, rule=rule, width=width, **at), "value")

    last = max(row["x"] for row in cosines)
    made = [
        finding(f"the law: the potential moves by less than {OF_LAW:.0%} of what the squared norms do, by any rule, "
                "at any width (backpropagation: their balance)", all(row["value"] < OF_LAW for row in drifts), drifts),
        finding("equation 2 is no law of backpropagation: at each width it deviates most",
                all(value("deviation", "bp", m) > max(value("deviation", rule, m) for rule in RULES[:3])
                    for m in widths), deviations),
        finding("deviations are smaller at width 200 than at width 15, by every rule",
                all(value("deviation", rule, WIDE) < value("deviation", rule, 15) for rule in RULES), deviations),
        finding("feedback alignment: W turns towards B at every width",
                all(value("cosine", "fa", m, x=last) > value("cosine", "fa", m, x=0) for m in widths), cosines),
        finding("adaFA has a higher cosine of W and B than FA, at every width",
                all(value("cosine", "adafa", m, x=last) > value("cosine", "fa", m, x=last) for m in widths), cosines),
        finding("sign-FA: the cosine is never below 1/sqrt(n), n = 10 m (proposition 5.3)",
                all(row["value"] >= (10 * row["width"]) ** -0.5 for row in where(lowest, rule="sign_fa")), lowest),
    ]  # fmt: skip
    if max(row["epochs"] for row in rows) < EPOCHS["full"]:
        return made
    table = [
        compare(f"{rule}, width {m}: mean deviation of the potential", where(deviations, rule=rule, width=m), "value",
                published, error * paper["runs"] ** 0.5, half_a_unit(published))
        for rule, values in paper["deviation"].items()
        for m, (published, error) in zip(paper["widths"], values, strict=True)
    ]  # fmt: skip
    losses = [row for row in rows if row["quantity"].startswith(("train", "test"))]
    return [
        *table,
        *made,
        finding("overfitting: the wider, the lower the training loss (width 200 below width 15), by every rule",
                all(value("train_loss", rule, WIDE) < value("train_loss", rule, 15) for rule in RULES), losses),
        finding("which does no harm: width 200 has no higher test loss than width 15, by any rule",
                all(value("test_loss", rule, WIDE) <= value("test_loss", rule, 15) for rule in RULES), losses),
        finding("the noise is fitted: width 200 misses fewer than 20 % of the training labels, by every rule",
                all(value("train_error", rule, WIDE) < 0.2 for rule in RULES), losses),
        finding("width 200: test error on clean labels is below 20 %, by every rule",
                all(value("test_error", rule, WIDE) < 0.2 for rule in RULES), losses),
    ]  # fmt: skip


def half_a_unit(value: float) -> float:
    """Half a unit of the digit to which the table has a value: of its first, or the first after the point."""
    from math import floor, log10

    return 0.5 * 10.0 ** min(floor(log10(value)), -1)


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines

    figure, (potential, deviation, alignment, loss) = panels(2, rows=2, width=7.2, height=5.2)
    looks = rule_lines(RULES)
    mean_curves(potential, where(rows, quantity="potential", width=WIDE), "rule")
    potential.set(title=f"width {WIDE}", xlabel="epochs", ylabel="potential / its start")
    mean_curves(deviation, where(rows, quantity="deviation"), "rule", x="width", log=True, legend=False)
    for rule, values in paper["deviation"].items():
        published = [value for value, _ in values]
        deviation.plot(paper["widths"], published, "o", color=looks[rule]["color"], markersize=3, fillstyle="none")
    deviation.set(title="circles: Table 3", xlabel="width", ylabel="mean |potential / its start - 1|")
    mean_curves(alignment, where(rows, quantity="cosine", width=WIDE), "rule")
    alignment.axhline((10 * WIDE) ** -0.5, color="#777777", linewidth=0.6, linestyle="--")
    alignment.set(title=f"width {WIDE}; dashed: bound of sign-FA", xlabel="epochs", ylabel="cosine of W and B")
    dotted = {rule: look | {"linestyle": ":"} for rule, look in looks.items()}
    mean_curves(loss, where(rows, quantity="test_loss"), "rule", x="width", legend=False)
    mean_curves(loss, where(rows, quantity="train_loss"), "rule", x="width", lines=dotted, legend=False)
    loss.set(title="solid: test; dotted: training", xlabel="width", ylabel="cross-entropy after learning")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
