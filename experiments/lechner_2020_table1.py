"""Lechner 2020, Table 1 (fully-connected columns): BP, DFA, FA and mDFA on pairs of classes, three activations.

Protocol: 3072-1024-1024-1, batches of 64, no regularisation, pixels in [0, 1], 15 % of the training images for
validation; five random pairs of classes. The paper has CIFAR-100; where that is absent, pairs come from CIFAR-10 with
as many images (500 a class; its fifth batch is the test set), and only what the paper says in words is judged. Each
rule runs with SGD and with Adam; as in the paper, training accuracy is the highest that was reached, and test accuracy
that at the best validation error. Rates are not given: 0.03 for SGD was chosen from a coarse grid by the validation
error of a pair of seed 100 (0.003 for ReLU with FA), where 3e-4 was no better for Adam than 1e-4 but by one or two of
150 images, and too much for FA. Initial weights are as in appendix B.3 (0 for FA, DFA and mDFA; not for ReLU), the 100
epochs those of the authors' code. Training accuracy is taken before each update. The paper chose optimiser (RMSprop
too), rate, epochs and initial weights for each method on the validation set; here RMSprop is left out, epochs are
fixed, and each method begins in one way.

That mDFA is ahead of DFA cannot be seen here: with one output, weights from 0 and an odd activation, DFA is mDFA
without its bound, up to the signs of hidden neurons. Nor does bp, or mDFA, fit all training images, as both do in the
paper. In the authors' code the loss of bp is summed over the batch, which under plain gradient descent
is 64 times the rate; that is not the reason: on a pair of seed 100, tanh, bp leaves 18 % of the training images wrong
with a rate of 0.1, 47 % with 0.5 and 46 % with 1.92 (`lechner_2020_cifar.py --activations tanh --rules bp --optimisers
sgd --rates 0.1 0.5 1.92 --epochs 100`, an Intel Xeon, 2026-12-01). Not tried yet: RMSprop, more than 100 epochs.
"""

import sys
from pathlib import Path

import lechner_2020_cifar as shared

from neurofa.experiments import compare, finding, mean_of, panels, run_script, where

SEEDS = {"quick": 1, "default": 2, "full": 5}
EPOCHS = {"quick": 6, "default": 100, "full": 100}
PROTOCOL = {"quick": "6 epochs, tanh, bp and mdfa", "default": "100 epochs", "full": "100 epochs"}
MEASURED = shared.MEASURED
ACTIVATIONS = ("hard_tanh", "relu", "tanh")


def jobs(mode: str, seed: int) -> list[dict]:
    return shared.jobs_of((2,), ("tanh",) if mode == "quick" else ACTIVATIONS, seed, EPOCHS[mode])


def describe(job: dict) -> tuple:
    return shared.described(job)


def one(job: dict, folder: Path) -> list[dict]:
    return shared.one(job, folder)


def verdicts(rows: list[dict], paper: dict) -> list:
    best = shared.chosen(rows)
    numbers = [
        compare(f"{activation}, {rule}: {part} accuracy, %", where(best, activation=activation, rule=rule),
                f"{part}_accuracy_percent", *value)
        for part, table in paper.items() for activation, rules in table.items() for rule, value in rules.items()
        if all(row["data"] == "cifar100" for row in rows)
    ]  # fmt: skip

    def mean(part: str, activation: str, rule: str) -> float:
        return mean_of(where(best, activation=activation, rule=rule), f"{part}_accuracy_percent")

    if all(row["epochs"] < EPOCHS["full"] for row in rows):
        learns = all(mean("test", "tanh", rule) > 60 for rule in ("bp", "mdfa"))
        return [finding("bp and mdfa learn: test accuracy above 60 %", learns, rows)]
    odd = ("tanh", "hard_tanh")
    return [
        *numbers,
        finding("tanh, hard-tanh: mdfa brings the training accuracy above 99 %",
                all(mean("train", a, "mdfa") > 99 for a in odd), rows),
        finding("tanh, hard-tanh: training accuracy of mdfa is above that of fa and dfa",
                all(mean("train", a, "mdfa") > mean("train", a, rule) for a in odd for rule in ("fa", "dfa")), rows),
        finding("bp has the best training accuracy, or shares it, with each activation",
                all(mean("train", a, "bp") >= mean("train", a, rule) for a in ACTIVATIONS for rule in shared.RULES),
                rows),
        finding("tanh, hard-tanh: test accuracy of mdfa is below that of bp, by less than 10 points",
                all(0 < mean("test", a, "bp") - mean("test", a, "mdfa") < 10 for a in odd), rows),
        finding("ReLU: mdfa has the lowest test accuracy of all rules",
                mean("test", "relu", "mdfa") < min(mean("test", "relu", rule) for rule in ("bp", "fa", "dfa")), rows),
        finding("fa, dfa and mdfa are better with hard-tanh than with ReLU, in training and test accuracy",
                all(mean(part, "hard_tanh", rule) > mean(part, "relu", rule)
                    for part in ("train", "test") for rule in ("fa", "dfa", "mdfa")), rows),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines

    figure, axes = panels(2, width=7.2, height=2.7)
    looks, rows = rule_lines(shared.RULES), shared.chosen(rows)
    for ax, part in zip(axes, ("train", "test"), strict=True):
        shown = [activation for activation in ACTIVATIONS if where(rows, activation=activation)]
        for place, rule in enumerate(looks):
            for group, activation in enumerate(shown):
                values = [row[f"{part}_accuracy_percent"] for row in where(rows, activation=activation, rule=rule)]
                at = group + 0.2 * (place - 1.5)
                if values:
                    ax.bar(at, sum(values) / len(values), 0.18, color=looks[rule]["color"],
                           label=rule if group == 0 else None)  # fmt: skip
                    ax.plot([at] * len(values), values, "o", markersize=2, color="white", markeredgecolor="#333333",
                            markeredgewidth=0.5)  # fmt: skip
                if any(row["data"] == "cifar100" for row in rows):
                    ax.plot(at, paper[part][activation][rule][0], "_", markersize=9, color="#CC79A7")
        ax.set_xticks(range(len(shown)), [name.replace("_", "-").replace("relu", "ReLU") for name in shown])
        ax.set(ylim=(50, 101), title={"train": "training images", "test": "test images"}[part])
    axes[0].set_ylabel("accuracy (%), two classes (chance: 50)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
