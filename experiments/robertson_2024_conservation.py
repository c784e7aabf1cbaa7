"""Robertson & Koyejo 2024, Table 3 and Figures 2 to 4: conserved potential, alignment and overfitting on noisy MNIST.

Protocol: 784-m-10, leaky ReLU, cross-entropy; 4,000 images of MNIST a seed, 20 % of their labels wrong; 6,000 epochs of
the full batch, learning rate 0.05 and a tenth of it every 1,000, momentum 0.05; the test set is clean. The potential is
that of the layer (Figure 2), measured every 25 epochs, not every 5. For backpropagation Table 3 has equation 2 with
B = W^T, which is no law; its law is the balance of squared norms.

Chosen here: W is U(+-1/sqrt(n)) with n the inputs of a layer, since with n = m in both layers, as the paper's words may
be read, the potential would be near -130 at every width, and no deviation could depend on the width as in Table 3; B is
Xavier-uniform, b begins at 0, and sign feedback has the magnitude sqrt(2/(m + 10)); images have mean 0 and deviation 1,
for the lower training loss (backpropagation, width 60, 1,000 epochs: 0.70, against 1.12 in [0, 1]).

That mixes two modes of the package that the paper used (BioTorch), in which one option decides W, B, b and the sign's
magnitude together: Xavier-uniform W and B, b of 0, and the magnitude above; or W, B and b of U(+-1/sqrt(n)) and a
magnitude of 1/sqrt(3 n). The paper's 1/sqrt(m) is what the second has in the output layer. This is the best explanation
known of the rows that are missed, most at widths 15 and 200. Finite steps alone do not explain width 15 for FA, adaFA
and sign-FA: in trials of 300 or 1,000 epochs with one of input scale, B and sign magnitude changed, deviations were
0.004 to 0.2. Not tried yet: the second mode as a whole, and with it larger steps (rates of 0.1 to 0.15).

Table 3 has means with standard errors, so a ratio of means is judged: see robertson_2024_conservation.toml. Before, two
deviations of single runs were allowed, with which a deviation of 0 would have passed at many widths.
"""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from neurofa.experiments import (
    compare,
    described_run,
    finding,
    mean_curves,
    mean_of,
    panels,
    run_script,
    trained,
    where,
)

SEEDS = {"quick": 1, "default": 1, "full": 6}
EPOCHS = {"quick": 60, "default": 6000, "full": 6000}
PROTOCOL = {
    "quick": f"{EPOCHS['quick']} epochs, width 15",
    "default": "epochs of the paper with 1 seed, widths 15, 60 and 200 of ten; start and scale of images chosen here",
    "full": "epochs and widths of the paper; start and scale of images chosen here",
}
MEASURED = ("quantity", "x", "value")
RULES = {"fa": "FA", "adafa": "adaFA", "sign_fa": "sign-FA", "bp": "GD"}  # in the order and by the names of the paper
FEEDBACK = tuple(RULES)[:3]
COLORS = {"fa": {"color": "#0072B2"}, "adafa": {"color": "#CC79A7"}, "sign_fa": {"color": "#56B4E9"},
          "bp": {"color": "#000000"}}  # fmt: skip
LOSSES = (
    ("test", "test_loss", {"color": "#D55E00"}),
    ("training", "train_loss", {"color": "#009E73", "linestyle": ":"}),
)
NARROW, WIDE = 15, 200
FIRST, OTHERS = (15, 60, 200), (30, 45, 75, 100, 125, 150, 175)
EVERY = 25
OF_LAW = 0.1  # of the change of squared norms: what steps of finite size may leave


def jobs(mode: str, seed: int) -> list[dict]:
    widths = {"quick": (NARROW,), "default": FIRST, "full": FIRST + OTHERS}[mode]
    return [{"width": m, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]} for m in widths for rule in RULES]


def described(job: dict):
    """The model of a width."""
    import neurofa as nf

    return nf.load_model(f"robertson_2024_noisy_mnist_{job['width']}")


def describe(job: dict) -> tuple:
    return described_run(described(job), job["rule"], EVERY)


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
    shown = [n for n, epoch in enumerate(epochs) if epoch % (50 if epoch <= 1000 else 500) == 0]
    rows = [("potential", epochs[n], eq2[n] / eq2[0]) for n in shown]
    rows += [("cosine", epochs[n], cosines[n]) for n in shown if job["rule"] != "bp"]
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
    return [{"quantity": quantity, "x": int(x), "value": float(value), "seconds": round(run.seconds, 1)}
            for quantity, x, value in rows]  # fmt: skip


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
    deviations, cosines = where(rows, quantity="deviation"), where(rows, quantity="cosine")
    drifts, lowest = where(rows, quantity="law_drift"), where(rows, quantity="lowest_cosine")
    last = max(row["x"] for row in cosines) if cosines else 0

    def value(quantity: str, rule: str, width: int, **at: int) -> float:
        return mean_of(where(rows, quantity=quantity, rule=rule, width=width, **at), "value")

    made = [
        finding(f"the law: the potential moves by less than {OF_LAW:.0%} of what the squared norms do, by any rule, "
                "at any width (backpropagation: their balance)", all(row["value"] < OF_LAW for row in drifts), drifts),
        finding("equation 2 is no law of backpropagation: at each width it deviates most",
                all(value("deviation", "bp", m) > max(value("deviation", rule, m) for rule in FEEDBACK)
                    for m in widths), deviations),
        finding("FA deviates more than adaFA and sign-FA, at every width",
                all(value("deviation", "fa", m) > max(value("deviation", rule, m) for rule in FEEDBACK[1:])
                    for m in widths), deviations),
        finding("FA: W turns towards B at every width",
                all(value("cosine", "fa", m, x=last) > value("cosine", "fa", m, x=0) for m in widths), cosines),
        finding("adaFA has a higher cosine of W and B than FA, at every width",
                all(value("cosine", "adafa", m, x=last) > value("cosine", "fa", m, x=last) for m in widths), cosines),
        finding("check, true by algebra: sign-FA's cosine is never below 1/sqrt(n), n = 10 m (proposition 5.3)",
                all(row["value"] >= (10 * row["width"]) ** -0.5 for row in where(lowest, rule="sign_fa")), lowest),
    ]  # fmt: skip
    if max(row["epochs"] for row in rows) < EPOCHS["full"]:
        return made
    table = [
        of_table(f"{name}, width {m}: mean deviation of the potential (± standard error)",
                 where(deviations, rule=rule, width=m), published, error, paper["runs"])
        for rule, name in RULES.items()
        for m, (published, error) in zip(paper["widths"], paper["deviation"][rule], strict=True)
    ]  # fmt: skip
    losses = [row for row in rows if row["quantity"].startswith(("train", "test"))]
    noise = paper["label_noise"]
    return [
        *table,
        *made,
        finding("deviations are smaller at width 200 than at width 15, by every rule",
                all(value("deviation", rule, WIDE) < value("deviation", rule, NARROW) for rule in RULES), deviations),
        finding("sign-FA: the cosine both rises and falls, at some width", any(wavers(cosines, m) for m in widths),
                where(cosines, rule="sign_fa")),
        finding("overfitting: width 200 has a lower training loss than width 15, by every rule",
                all(value("train_loss", rule, WIDE) < value("train_loss", rule, NARROW) for rule in RULES), losses),
        finding("it does no harm: width 200 has no higher test loss than width 15, by any rule",
                all(value("test_loss", rule, WIDE) <= value("test_loss", rule, NARROW) for rule in RULES), losses),
        finding(f"noise is fitted: width 200 misses fewer training labels than the {noise:.0%} that are wrong, by "
                "every rule", all(value("train_error", rule, WIDE) < noise for rule in RULES), losses),
        finding(f"width 200: the test error is below those {noise:.0%}, by every rule",
                all(value("test_error", rule, WIDE) < noise for rule in RULES), losses),
    ]  # fmt: skip


def wavers(cosines: list[dict], width: int) -> bool:
    """Whether sign-FA's cosine rises and falls by more than 0.002 in all."""
    mine = where(cosines, rule="sign_fa", width=width)
    curve = [mean_of(where(mine, x=x), "value") for x in sorted({row["x"] for row in mine})]
    steps = [after - before for before, after in pairwise(curve)]
    return min(sum(max(step, 0) for step in steps), sum(max(-step, 0) for step in steps)) > 0.002


def of_table(item: str, rows: list[dict], published: float, error: float, runs: int):
    """A mean of Table 3 beside ours, as a ratio: two standard errors of the difference of their logarithms.

    A single run spreads by its standard error times the root of `runs`, theirs and ours alike.
    """
    from math import exp, sqrt

    if not rows:
        return None
    factor = exp(2 * error / published * sqrt(1 + runs / len({row["seed"] for row in rows})))
    low, high = as_printed(published)
    below = mean_of(rows, "value") < published
    return compare(item, rows, "value", published, error, allowed=published - low / factor if below
                   else high * factor - published)  # fmt: skip


def as_printed(value: float) -> tuple[float, float]:
    """What the table may have rounded to a value: to its first decimal that is not 0."""
    from math import floor, log10

    place = floor(log10(value) + 1e-9)
    unit = 10.0 ** min(place, -1)
    finer = unit / 10 if value < 0.99 and round(value / unit) == 1 else unit  # 0.0096 would be printed as 0.01
    return value - finer / 2, value + unit / 2


def draw(rows: list[dict], paper: dict):
    import matplotlib as mpl

    widths = sorted({row["width"] for row in rows})
    shades = mpl.colormaps["viridis_r"]
    looks = {m: {"color": shades(0.1 + 0.9 * n / max(1, len(widths) - 1))} for n, m in enumerate(widths)}
    figure, axes = panels(4, rows=3, width=7.2, height=5.8)
    for n, (rule, name) in enumerate(RULES.items()):
        potential, below, final = axes[n], axes[4 + n], axes[8 + n]
        mean_curves(potential, where(rows, quantity="potential", rule=rule), "width", lines=looks, legend=n == 0)
        if rule != "bp":  # equation 2 is no law of backpropagation
            potential.axhline(1, color="#777777", linewidth=0.6, linestyle="--")
        potential.set_title(name if rule != "bp" else f"{name} (no law)", color=COLORS[rule]["color"])
        potential.set(xlabel="epochs")
        if rule != "bp":
            mean_curves(below, where(rows, quantity="cosine", rule=rule), "width", lines=looks, legend=False)
            below.set(xlabel="epochs", ylim=(-0.25, 1.05))
        for label, quantity, look in LOSSES:
            ends = [row | {"loss": label} for row in where(rows, rule=rule, quantity=quantity)]
            mean_curves(final, ends, "loss", x="width", lines={label: look}, legend=n == 0)
        for line in final.lines:
            line.set(marker="s", markersize=2.5)
        final.set(xlabel="width", ylim=(0, 1.4))
    axes[0].set(ylabel="potential / its start")
    axes[0].legend(title="width", ncols=2)
    axes[4].set(ylabel="cosine of W and B")
    for m in (widths[0], widths[-1]):
        axes[6].axhline((10 * m) ** -0.5, linewidth=0.6, linestyle="--", **looks[m])
    axes[6].set(title="dashed: bound", ylim=(-0.25, 1.05))
    table = axes[7]
    mean_curves(table, where(rows, quantity="deviation"), "rule", x="width", lines=COLORS, log=True, legend=False)
    for line in table.lines:
        line.set(marker="s", markersize=2.5)
    for rule, values in paper["deviation"].items():
        published, errors = zip(*values, strict=True)
        table.errorbar(paper["widths"], published, yerr=errors, fmt="o", fillstyle="none", markersize=3,
                       elinewidth=0.6, color=COLORS[rule]["color"])  # fmt: skip
    table.set(xlabel="width", title="circles: Table 3, s.e.", ylabel="mean deviation")
    axes[8].set(ylabel="loss after learning")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
