"""Lechner 2020, Theorem 2 and appendix A.3: signs of mDFA's updates and of the gradient, along training.

Protocol: 64-64-64-n learns the digits of scikit-learn (label mod n) by SGD with mDFA in float64; before and during
training, updates of 20 single samples, and of all of them as a batch, are compared with the gradient: which part of the
weights and biases that are not zero in both points against it. One output (sigmoid) and 2 to 10 (softmax); tanh,
hard-tanh and ReLU; two controls with one output: signed weights under the same feedback, and DFA, where the feedback is
signed too. The paper proves it and trains nothing; the controls show that the theorem needs W >= 0 and not B >= 0
alone. Appendix A.3 is computed with its error read as the vector (1, -1): the paper has a matrix with these on its
diagonal, which is no derivative of a loss by two outputs of one sample. The paper calls the two directions orthogonal,
though by its equations 51 and 54 they are opposite.
"""

import sys
from pathlib import Path

import numpy as np

from neurofa.experiments import compare, finding, mean_curves, panels, run_script, where

SEEDS = {"quick": 1, "default": 3, "full": 5}
EPOCHS = {"quick": (0, 2), "default": (0, 1, 2, 5, 10, 20, 50, 100), "full": (0, 1, 2, 5, 10, 20, 50, 100)}
PROTOCOL = {mode: f"{epochs[-1]} epochs, looked at {len(epochs)} times" for mode, epochs in EPOCHS.items()}
MEASURED = ("quantity", "layer", "x", "value")
ACTIVATIONS = ("tanh", "hard_tanh", "relu")
OUTPUTS = (1, 2, 3, 5, 10)
RATE, SAMPLES = 0.05, 20
CASES = {"mdfa": "mono-net, mDFA", "signed_weights": "signed weights, B ≥ 0", "dfa": "signed weights, DFA"}


def jobs(mode: str, seed: int) -> list[dict]:
    short = mode == "quick"
    wanted = [(case, activation, 1) for case in CASES for activation in ACTIVATIONS[: 1 if short else None]]
    wanted += [("mdfa", "tanh", n) for n in ((2, 10) if short else OUTPUTS[1:])]
    made = [{"case": case, "activation": activation, "outputs": n} for case, activation, n in wanted]
    made.append({"case": "counterexample", "activation": "identity", "outputs": 2})
    return [job | {"seed": seed, "epochs": EPOCHS[mode][-1]} for job in made]


def described(job: dict) -> tuple:
    """Network, training and rule of a job; a mono-net begins with the absolute values of what the others have."""
    import neurofa as nf

    n, sides = job["outputs"], [nf.Init("uniform", low=low, high=0.125) for low in (-0.125, 0.0)]
    later = sides[job["case"] in ("mdfa", "counterexample")]
    width = {"feedback_init": nf.Init("normal", std=0.3), "bias_init": "zeros"}
    hidden = [nf.Layer(64, job["activation"], init=init, **width) for init in (sides[0], later)]
    output, loss = ("sigmoid", "bce") if n == 1 else ("softmax", "cce")
    if job["case"] == "counterexample":
        hidden, output, loss = [nf.Layer(2, "identity", bias=False, **width)], "identity", "half_sse"
    task = "regression" if loss == "half_sse" else "classification"
    net = nf.Network(
        2 if job["case"] == "counterexample" else 64, (*hidden, nf.Layer(n, output, init=later)), loss, task=task
    )
    training = nf.Training(batch_size=20, learning_rate=RATE, optimiser="sgd", precision="float64")
    signed = nf.Rule("error", "direct", "random_nonnegative", name="signed_weights")
    return net, training, {"dfa": nf.rules.DFA, "signed_weights": signed}.get(job["case"], nf.rules.MDFA)


def describe(job: dict) -> tuple:
    return *described(job), f"digits, label mod {job['outputs']}, {job['case']}, {SAMPLES} samples, {EPOCHS}"


def pair(net, rule, params: dict, x: np.ndarray, y: np.ndarray) -> tuple[dict, dict]:
    """The update of a rule and the gradient."""
    import neurofa as nf

    forward = {key: value for key, value in params.items() if not key.endswith(".B")}
    return nf.updates(net, rule, params, x, y), nf.updates(net, nf.rules.BP, forward, x, y)


def against(update: dict, gradient: dict, layer: int) -> np.ndarray:
    """How many weights and biases of a layer point against the gradient, and how many are not zero in both."""
    products = np.concatenate([(update[key] * gradient[key]).ravel() for name in ("dW", "db")
                               if (key := f"layers.{layer}.{name}") in update])  # fmt: skip
    return np.array([(products < 0).sum(), (products != 0).sum()])


def one(job: dict, folder: Path) -> list[dict]:
    if job["case"] == "counterexample":
        return counterexample(job)
    import neurofa as nf

    net, training, rule = described(job)
    digits, classes = nf.load_data("digits"), max(2, job["outputs"])
    labels = {"y_train": digits.y_train % classes, "y_test": digits.y_test % classes}
    data = nf.Data(digits.x_train, x_test=digits.x_test, name="digits", n_outputs=classes, **labels)
    x, y = data.x_train[:SAMPLES].astype(np.float64), data.y_train[:SAMPLES]
    run, done, made = None, 0, []
    for stretch, epoch in enumerate(EPOCHS["quick" if job["epochs"] == EPOCHS["quick"][-1] else "full"]):
        run = nf.train(net, rule, data, seed=1000 * job["seed"] + stretch, training=training, epochs=epoch - done,
                       params=run and run.params, threads=1, probe_every=0)  # fmt: skip
        done = epoch
        single = [pair(net, rule, run.params, x[i : i + 1], y[i : i + 1]) for i in range(SAMPLES)]
        batch = pair(net, rule, run.params, x, y)
        made.append(("test_error", 0, epoch, run.test_error))
        for layer in range(len(net.layers)):
            for name, pairs in (("against", single), ("against_in_batch", [batch])):
                wrong, all_of_them = sum(against(*both, layer) for both in pairs)
                made.append((name, layer, epoch, wrong / max(all_of_them, 1)))
    return [dict(zip(MEASURED, (*row[:3], round(float(row[3]), 6)), strict=True)) for row in made]


def counterexample(job: dict) -> list[dict]:
    """Appendix A.3 in a linear network with inputs of 1: each column of dW is the signal that its neuron gets."""
    net, _, rule = described(job)
    swap, one_each = np.array([[0.0, 1.0], [1.0, 0.0]]), np.eye(2)
    params = {"layers.0.W": one_each, "layers.0.B": one_each, "layers.1.W": swap, "layers.1.b": np.zeros(2)}
    x = np.ones((1, 2))
    update, gradient = pair(net, rule, params, x, x @ swap - np.array([[1.0, -1.0]]))
    return [
        {"quantity": name, "layer": 0, "x": neuron, "value": float(values["layers.0.dW"][0, neuron])}
        for name, values in (("update", update), ("gradient", gradient)) for neuron in (0, 1)
    ]  # fmt: skip


def verdicts(rows: list[dict], paper: dict) -> list:
    example = where(rows, case="counterexample")
    made = [
        compare(f"appendix A.3: {name} of hidden neuron {neuron + 1}", where(example, quantity=name, x=neuron), "value",
                paper["counterexample"][name][neuron], tolerance=paper["counterexample"]["tolerance"])
        for name in ("gradient", "update") for neuron in (0, 1)
    ]  # fmt: skip
    mono = where(rows, case="mdfa", outputs=1)
    single = where(mono, quantity="against")
    batch = where(mono, quantity="against_in_batch")
    several = [mine for n in OUTPUTS[1:] if (mine := where(rows, case="mdfa", outputs=n, quantity="against"))]

    def worst(mine: list[dict], layer: int) -> float:
        return max((row["value"] for row in where(mine, layer=layer)), default=float("nan"))

    def flat(lists: list[list[dict]]) -> list[dict]:
        return [row for mine in lists for row in mine]

    controls = [where(rows, case=case, quantity="against") for case in ("signed_weights", "dfa")]
    made += [
        finding("appendix A.3: every coordinate of the update points against the gradient",
                all(row["value"] * other["value"] < 0 for row in where(example, quantity="update")
                    for other in where(example, quantity="gradient", x=row["x"], seed=row["seed"])), example),
        finding("theorem 2: with one output no weight of a mono-net points against the gradient, whenever looked at",
                max((row["value"] for row in single), default=1) == 0, single),
        finding("without the constraint on W some weights do, in both hidden layers, with B >= 0 and with DFA",
                all(worst(mine, layer) > 0 for mine in controls for layer in (0, 1)), flat(controls)),
        finding("with 2 to 10 outputs some weights of both hidden layers do (theorem 5)",
                all(worst(mine, layer) > 0 for mine in several for layer in (0, 1)), flat(several)),
    ]  # fmt: skip
    if max(row["x"] for row in rows) == EPOCHS["quick"][-1]:
        return made
    summed = "summed over a batch, signs agree in the last hidden layer and the output, but not in the first layer"
    return [*made, finding(summed, worst(batch, 1) == worst(batch, 2) == 0 < worst(batch, 0), batch)]


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(3, width=7.2, height=2.6)
    rows = [row for row in rows if row["case"] in CASES]
    rows.sort(key=lambda row: (list(CASES).index(row["case"]), ACTIVATIONS.index(row["activation"])))
    colors = ("#E69F00", "#56B4E9", "#D55E00", "#009E73", "#000000")
    first = [row | {"value": 100 * row["value"], "label": CASES.get(row["case"])}
             for row in rows if row["quantity"].startswith("against") and row["layer"] == 0]  # fmt: skip
    mono = where(first, case="mdfa")
    for ax, mine, by, names, title in (
        (axes[0], where(first, quantity="against", outputs=1, activation="tanh"), "label", CASES.values(),
         "one output"),
        (axes[1], where(mono, quantity="against", activation="tanh"), "outputs", OUTPUTS, "mDFA, n outputs"),
        (axes[2], where(mono, quantity="against_in_batch", outputs=1), "activation", ACTIVATIONS,
         f"mDFA, one output, batch of {SAMPLES}"),
    ):  # fmt: skip
        mean_curves(ax, mine, by, lines={name: {"color": color} for name, color in zip(names, colors, strict=False)})
        ax.set_title(title)
    axes[2].legend(axes[2].get_legend_handles_labels()[0], ("tanh", "hard-tanh", "ReLU"))
    axes[1].legend(title="outputs", ncols=2)
    for ax in axes:
        ax.set(xlabel="epochs", xscale="symlog", xlim=(0, None), ylim=(-3, 63))
        ax.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    axes[0].set_ylabel("first layer: weights\nagainst the gradient (%)")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
