"""Lechner 2020, Table 3: BP, DFA, FA and mDFA on n classes, fully-connected tanh networks.

Protocol: 3072-1024-1024-n with softmax, else as in lechner_2020_table1, with the rates that were chosen there on two
classes. The paper has 3, 5, 10, 25 and 50 classes of CIFAR-100; where that is absent, 3, 5 and 10 come from CIFAR-10
with as many images (500 a class), and only what the paper says in words is judged. Each seed draws its own classes.

The paper's dfa and mdfa underfit (a quarter of the training images right with 10 classes), and so it has bp > fa > mdfa
and dfa; here they fit most, and that order and mdfa's decline are missed. The best explanation is the size of B, a
deviation of 0.1 here: one of 1, or the U(+-n^(1/4)) that the authors' code makes of its scaled uniform, would drive
tanh into saturation. That bp does not reach 99 % is not
explained (see lechner_2020_table1). Not tried yet: such a B.
"""

import sys
from pathlib import Path

import lechner_2020_cifar as shared

from neurofa.experiments import compare, finding, mean_curves, mean_of, panels, run_script, where

SEEDS = {"quick": 1, "default": 1, "full": 5}
EPOCHS = {"quick": 5, "default": 100, "full": 100}
PROTOCOL = {"quick": "5 epochs, 3 classes, bp and mdfa", "default": "100 epochs", "full": "100 epochs"}
MEASURED = shared.MEASURED


def jobs(mode: str, seed: int) -> list[dict]:
    counts = (3,) if mode == "quick" else (3, 5, 10) if shared.source() == "cifar10" else (3, 5, 10, 25, 50)
    return shared.jobs_of(counts, ("tanh",), seed, EPOCHS[mode])


def describe(job: dict) -> tuple:
    return shared.described(job)


def one(job: dict, folder: Path) -> list[dict]:
    return shared.one(job, folder)


def verdicts(rows: list[dict], paper: dict) -> list:
    best = shared.chosen(rows)
    numbers = [
        compare(f"{n} classes, {rule}: {part} accuracy, %", where(best, classes=int(n), rule=rule),
                f"{part}_accuracy_percent", *value)
        for part, table in paper.items() for n, rules in table.items() for rule, value in rules.items()
        if all(row["data"] == "cifar100" for row in rows)
    ]  # fmt: skip
    counts = sorted({row["classes"] for row in rows})

    def mean(part: str, n: int, rule: str) -> float:
        return mean_of(where(best, classes=n, rule=rule), f"{part}_accuracy_percent")

    if all(row["epochs"] < EPOCHS["full"] for row in rows):
        learns = all(mean("test", 3, rule) > 40 for rule in ("bp", "mdfa"))
        return [finding("bp and mdfa learn three classes: test accuracy above 40 %", learns, rows)]
    share = [mean("test", n, "mdfa") / mean("test", n, "bp") for n in counts]
    return [
        *numbers,
        finding("test accuracy: bp > fa > mdfa and dfa, at each number of classes",
                all(mean("test", n, "bp") > mean("test", n, "fa") > mean("test", n, rule)
                    for n in counts for rule in ("dfa", "mdfa")), rows),
        finding("test accuracy of mdfa relative to bp falls as classes are added", share == sorted(share)[::-1], rows),
        finding("mdfa and dfa are within 3 points of each other, in training and test accuracy",
                all(abs(mean(part, n, "mdfa") - mean(part, n, "dfa")) < 3 for part in ("train", "test")
                    for n in counts), rows),
        finding("bp has a training accuracy above 99 % at each number of classes",
                all(mean("train", n, "bp") > 99 for n in counts), rows),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    import numpy as np

    figure, axes = panels(2, width=6.4, height=2.6)
    rows, counts = shared.chosen(rows), sorted({row["classes"] for row in rows})
    for ax, part in zip(axes, ("train", "test"), strict=True):
        mean_curves(ax, rows, "rule", x="classes", y=f"{part}_accuracy_percent", legend=part == "train")
        for line in ax.lines:
            line.set(marker="o", markersize=3)
        between = np.geomspace(counts[0], counts[-1], 50)
        ax.plot(between, 100 / between, color="#777777", linewidth=0.6, linestyle=":", label="chance")
        ax.set(xlabel="classes", ylim=(0, 102), title={"train": "training images", "test": "test images"}[part])
        ax.set(xscale="log")
        ax.set_xticks(counts, [str(n) for n in counts])
        ax.minorticks_off()
    axes[0].set_ylabel("accuracy (%)")
    axes[1].legend(*axes[1].get_legend_handles_labels())
    axes[0].get_legend().remove()
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
