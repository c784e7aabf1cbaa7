"""Frenkel et al. 2021, supplementary Figures 4 to 6: DRTP drives tanh units further into saturation than BP and DFA.

Protocol: 784-1000-10 on MNIST (100 epochs, batches of 60) and 3072-1000-10 on CIFAR-10 (200 epochs, batches of 100),
Adam with the rates of the captions; for CIFAR-10 these are those of Table 3 for two hidden layers. FA and DFA are one
algorithm here, run as DFA. Densities are of the activities of 256 training samples before training and after each
epoch, in bins of 0.1; the paper takes 100 samples in 100 successive minibatches. Where CIFAR-10's test batch is absent,
40,000 images train. The number of runs is not given; one here. Quick has MNIST with 3000 images for 3 epochs.
"""

import sys
from dataclasses import replace
from pathlib import Path

from neurofa.experiments import finding, mean_of, panels, paper_of, run_script, thinned, trained, where

SEEDS = {"quick": 1, "default": 1, "full": 1}
PROTOCOL = {
    "quick": "MNIST alone, 3000 images, 3 epochs",
    "default": "that of the paper",
    "full": "that of the paper",
}
MEASURED = ("epoch", "activity", "density")
MODELS = {"mnist": "frenkel_2021_mnist_fc1_1000", "cifar10": "frenkel_2021_cifar10_fc1_1000"}
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
RULES = {"bp": "bp", "dfa": "fa/dfa", "drtp": "drtp"}
EPOCHS = {"quick": {"mnist": 3}, "default": {"mnist": 100, "cifar10": 200}, "full": {"mnist": 100, "cifar10": 200}}
IMAGES = {"quick": 3000}
SATURATED = 0.9  # the two outermost bins of tanh
POINTS = 26


def rates() -> dict:
    return paper_of(__file__)["learning_rate"]


def jobs(mode: str, seed: int) -> list[dict]:
    return [
        {"data": data, "rule": rule, "seed": seed, "epochs": epochs}
        for data, epochs in EPOCHS[mode].items() for rule in RULES
    ]  # fmt: skip


def described(job: dict) -> tuple:
    """Network, training, rule and data of a job."""
    import neurofa as nf

    model = nf.load_model(MODELS[job["data"]])
    network, training, rule = model.for_rule(nf.rules.named(job["rule"]))
    training = replace(training, learning_rate=rates()[job["data"]][job["rule"]], epochs=job["epochs"])
    short = job["epochs"] < EPOCHS["full"][job["data"]]
    return network, training, rule, replace(model.data, train_samples=IMAGES["quick"]) if short else model.data


def describe(job: dict) -> tuple:
    return *described(job), POINTS


def one(job: dict, folder: Path) -> list[dict]:
    import numpy as np

    import neurofa as nf

    network, training, rule, spec = described(job)
    data = nf.load_data(spec, seed=job["seed"])
    run = trained(folder, network, rule, data, job["seed"], probe_every=None, training=training)
    histogram, centres = run.history.activation_histogram.values[:, 0].copy(), run.history.bin_centre.values
    width, inside = centres[1] - centres[0], np.flatnonzero(abs(centres) < 1)
    histogram[:, inside[-1]] += histogram[:, centres > 1].sum(axis=1)  # activities of exactly 1
    shown = sorted({1, *thinned(job["epochs"] + 1, POINTS)})
    return [
        {
            "epoch": epoch,
            "activity": round(float(centres[place]), 3),
            "density": round(float(histogram[epoch, place] / width), 5),
            "seconds": round(run.seconds, 1),
        }
        for epoch in shown for place in inside
    ]  # fmt: skip


def saturated(rows: list[dict], data: str, rule: str, epoch: int) -> float:
    """Share of activities beyond +-0.9."""
    mine = [row for row in where(rows, data=data, rule=rule, epoch=epoch) if abs(row["activity"]) > SATURATED]
    return 0.1 * mean_of(mine, "density") * len({row["activity"] for row in mine})


def verdicts(rows: list[dict], paper: dict) -> list:
    made = []
    for data, name in NAMES.items():
        mine = where(rows, data=data)
        if not mine:
            continue
        end = max(row["epoch"] for row in mine)
        last = {rule: saturated(rows, data, rule, end) for rule in RULES}
        epochs = sorted({row["epoch"] for row in mine})[1:]
        ahead = [
            saturated(rows, data, "drtp", epoch) > max(saturated(rows, data, rule, epoch) for rule in ("bp", "dfa"))
            for epoch in epochs
        ]
        made += [
            finding(f"{name}: at the end, more activities are beyond 0.9 under drtp than under bp and fa/dfa",
                    last["drtp"] > max(last["bp"], last["dfa"]), mine),
            finding(f"{name}: so they are after each epoch that was looked at", all(ahead), mine),
            finding(f"{name}: under drtp they become more from the start to the end",
                    last["drtp"] > saturated(rows, data, "drtp", 0), mine),
        ]  # fmt: skip
    return made


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines, styled

    there = [data for data in NAMES if where(rows, data=data)]
    figure, axes = panels(4, len(there), width=7.2, height=0.4 + 1.9 * len(there))
    shades = ("#c6dbef", "#6baed6", "#2171b5", "#08306b")
    with styled():
        for row, data in enumerate(there):
            line = axes[4 * row : 4 * row + 4]
            epochs = sorted({r["epoch"] for r in where(rows, data=data)})
            some = dict.fromkeys((0, 1, min(epochs, key=lambda n: abs(n - epochs[-1] / 5)), epochs[-1]))
            for ax, (rule, label) in zip(line, RULES.items(), strict=False):
                for epoch, shade in zip(some, shades, strict=False):
                    curve(ax, where(rows, data=data, rule=rule, epoch=epoch), color=shade, label=f"{epoch}")
                ax.set_title(f"{NAMES[data]}, {label}")
            line[0].legend(title="epochs", loc="upper left", ncols=2)
            for rule, look in rule_lines(RULES).items():
                curve(line[3], where(rows, data=data, rule=rule, epoch=epochs[-1]), label=RULES[rule], **look)
            line[3].set_title(f"{NAMES[data]}, end")
            line[3].legend(loc="upper center")
            line[0].set_ylabel("density")
            top = 1.4 * max(r["density"] for r in where(rows, data=data) if r["epoch"] in some)
            for ax in line:
                ax.set(xlabel="activity", xlim=(-1, 1), ylim=(0, top), xticks=(-1, 0, 1))
    return figure


def curve(ax, rows: list[dict], **look) -> None:
    """A density over activities, mean over seeds."""
    xs = sorted({row["activity"] for row in rows})
    ax.plot(xs, [mean_of(where(rows, activity=x), "density") for x in xs], **look)


if __name__ == "__main__":
    sys.exit(run_script(__file__))
