"""Frenkel et al. 2021, Tables 2 and S2: test error on CIFAR-10 (batch 5 held out) of fully-connected networks.

Protocol: 3072-500-10 to 3072-1000-1000-10, tanh and sigmoid, binary cross-entropy, Adam with the rates of Table 3,
batches of 100, with dropout, with images flipped left to right, and without either. Where CIFAR-10's test batch is
absent, batches 1 to 4 train (40,000 images instead of 50,000) and batch 5 is the test set; the tolerance covers another
test set but not the smaller training set. The test error is the mean over the last 10 of 200 epochs: the paper stops
early as well, by a criterion that it does not give, so the lowest test error on the way is recorded beside it but not
judged. The paper has 10 trials; default has the networks with one hidden layer, quick has 3072-500-10 on 2000 images.

Without dropout the errors of drtp are missed, but for 3072-500-10 with flips: by a little with 500 hidden neurons, by
half a point to a point with 1000. The best explanation is early stopping: they rise by 1.3 points (500), 2.1 (1000) and
1.3 (1000 with flips) from their lowest to the last 10 epochs, those of other rules in these networks by 0.6 at most,
and the lowest are within three quarters of a point of the paper's. (The paper's supplementary figure 2, which stops
nothing, has a third of this rate for drtp.) For the same reason drtp is not better than
sdfa in every network, as it is by the lowest errors.

With dropout of 0.25 those of bp, fa and dfa in 3072-500-10 are missed by up to half a point, that of bp in 3072-1000-10
by a tenth of one. The best explanation is the number of training images: with 30,000 of them (and as many epochs) the
error of bp is 2.0 points higher, without dropout 1.4 (`frenkel_2021_table2_images.py --networks fc1_500_dropout_0.25
fc1_500 --images 30000`, seed 0, an EPYC, 2026-11-30). The paper has 50,000.
"""

import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from neurofa.experiments import (
    compare,
    differences_of_verdicts,
    finding,
    mean_of,
    panels,
    paper_of,
    run_script,
    trained,
    where,
)

SEEDS = {"quick": 1, "default": 1, "full": 10}
PROTOCOL = {
    "quick": "one network, 2000 training images, 3 epochs, error of the last one",
    "default": "that of the paper, one hidden layer; fewer training images where the test batch is absent",
    "full": "that of the paper; fewer training images where the test batch is absent",
}
MEASURED = ("test_error_percent", "lowest_test_error_percent", "train_error_percent", "train_samples")
NETWORKS = {"quick": 1, "default": 8, "full": 16}  # the first so many of the TOML file
EPOCHS = {"quick": 3, "default": 200, "full": 200}
IMAGES = {"quick": 2000}  # all, where nothing is said
RULES = {"quick": ("drtp", "shallow")}
RULE_ORDER = ("bp", "fa", "dfa", "sdfa", "drtp", "shallow")
PREFIX = "frenkel_2021_cifar10_"


def published() -> dict:
    return paper_of(__file__)["test_error"]


def jobs(mode: str, seed: int) -> list[dict]:
    return [
        {"network": network, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]}
        for network in list(published())[: NETWORKS[mode]]
        for rule in RULES.get(mode, published()[network])
    ]


def described(job: dict):
    """The model of a job; a shortened run has fewer images."""
    import neurofa as nf

    model = nf.load_model(job["network"])
    if job["epochs"] == EPOCHS["full"]:
        return model
    return replace(model, data=replace(model.data, train_samples=IMAGES["quick"]))


@lru_cache(maxsize=1)
def loaded(spec, seed: int):
    """The data, which the jobs of a network share."""
    import neurofa as nf

    return nf.load_data(spec, seed=seed)


def describe(job: dict) -> tuple:
    import neurofa as nf

    model = described(job)
    return model.for_rule(nf.rules.named(job["rule"])), model.data


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model, rule = described(job), nf.rules.named(job["rule"])
    data = loaded(model.data, job["seed"])
    run = trained(folder, model, rule, data, job["seed"], epochs=job["epochs"])
    errors = 100 * run.history.test_error.values
    last = 100 * run.test_error if job["epochs"] == EPOCHS["full"] else errors[-1]
    return [
        {
            "test_error_percent": round(float(last), 4),
            "lowest_test_error_percent": round(float(errors.min()), 4),
            "train_error_percent": round(100 * float(run.history.train_error.values[-1]), 4),
            "train_samples": len(data.x_train),
            "seconds": round(run.seconds, 1),
        }
    ]


def verdicts(rows: list[dict], paper: dict) -> list:
    first = where(rows, network=next(iter(paper["test_error"])))
    error = {rule: mean_of(where(first, rule=rule), "test_error_percent") for rule in RULE_ORDER}
    better = finding("3072-500-10: drtp has a lower test error than shallow learning", error["drtp"] < error["shallow"],
                     first)  # fmt: skip
    if all(row["epochs"] < EPOCHS["full"] for row in rows):
        return [better]
    tolerance = paper["tolerance_points"] if any(row["train_samples"] < 50_000 for row in rows) else 0.0
    numbers = [
        compare(f"{network.removeprefix(PREFIX)}, {rule}: test error, %", where(rows, network=network, rule=rule),
                "test_error_percent", value, deviation, tolerance)
        for network, rules in paper["test_error"].items() for rule, (value, deviation) in rules.items()
    ]  # fmt: skip
    return [*numbers, *findings(rows, paper), better]


def findings(rows: list[dict], paper: dict) -> list:
    """What the text says of all networks, in those with any rows; they are judged when all jobs of a seed have run."""
    errors = {
        network: {rule: mean_of(where(rows, network=network, rule=rule), "test_error_percent") for rule in RULE_ORDER}
        for network in paper["test_error"] if where(rows, network=network)
    }  # fmt: skip
    plain = [name for name in errors if name.rpartition("_")[2] in ("500", "1000")]
    pairs = [(name, f"{name}_flip") for name in plain if f"{name}_flip" in errors]
    made = [
        finding("in every network, errors are in the order bp, fa and dfa, drtp, shallow",
                all(e["bp"] < min(e["fa"], e["dfa"]) and max(e["fa"], e["dfa"]) < e["drtp"] < e["shallow"]
                    for e in errors.values()), rows),
        finding("in every network, drtp is better than sdfa",
                all(e["drtp"] < e["sdfa"] for e in errors.values()), rows),
    ]  # fmt: skip
    if pairs:
        flipping = all(errors[flip][rule] < errors[name][rule] for name, flip in pairs for rule in RULE_ORDER)
        made.append(finding("flipping images makes every rule better", flipping, rows))
    dropped = [(flip, name) for network, flip in pairs for name in errors if name.startswith(f"{network}_dropout")]
    if dropped:
        effective = all(errors[flip][rule] < errors[name][rule] for flip, name in dropped for rule in RULE_ORDER)
        made.append(finding("flipping images is more effective than dropout, by every rule", effective, rows))
    return made


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines
    from neurofa.plot.common import NAMES

    figure, (ax,) = panels(width=5.2, height=2.9)
    marks = {"": ("o", "neither"), "flip": ("s", "with flips"), "dropout": ("^", "with dropout")}
    for rule, look in rule_lines(RULE_ORDER).items():
        mine = where(rows, rule=rule)
        for network, rules in paper["test_error"].items():
            kind = next((kind for kind in marks if kind and kind in network), "")
            number = compare("", where(mine, network=network), "test_error_percent", *rules[rule],
                             paper["tolerance_points"])  # fmt: skip
            differences_of_verdicts(
                ax, [number] if number else [], "test error (%)", color=look["color"], marker=marks[kind][0]
            )
        ax.plot([], [], "s", markersize=4, color=look["color"], label=NAMES.get(rule, rule))
    for marker, words in marks.values():
        ax.plot([], [], marker, markersize=3.5, color="#777777", label=words)
    ax.plot([], [], color="#E4E4E4", linewidth=3, label="allowed")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
