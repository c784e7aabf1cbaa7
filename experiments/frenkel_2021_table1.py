"""Frenkel et al. 2021, Tables 1 and S1: test error on MNIST of fully-connected networks, with and without dropout.

Protocol: 784-500-10 to 784-1000-1000-10, tanh and sigmoid, binary cross-entropy, Adam with the rates of Table 3,
batches of 60, 100 epochs; the test error is the mean over the last 10 epochs. The paper has 10 trials; default has two
seeds without dropout and one with it. The paper has Adam with its default parameters; here the hidden layers of dfa,
sdfa and drtp have a smaller epsilon, since the authors' code leaves their signals undivided by the batch (and the
outputs). Quick has the first network, 6 epochs, and the error of the last.

That DRTP is better than sDFA in every network, and that dropout harms DRTP and shallow learning in all cases, are the
paper's words; these two findings were added after the errors had been seen. With one seed a network is close to its
neighbours: one that fails by less than the paper's deviations says little.
"""

import sys
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

SEEDS = {"quick": 1, "default": 2, "full": 10}
PROTOCOL = {
    "quick": "one network, 6 epochs, error of the last one",
    "default": "that of the paper, dropout with one seed",
    "full": "that of the paper",
}
MEASURED = ("test_error_percent",)
EPOCHS = {"quick": 6, "default": 100, "full": 100}
PREFIX = "frenkel_2021_mnist_"


def published() -> dict:
    return paper_of(__file__)["test_error"]


def jobs(mode: str, seed: int) -> list[dict]:
    networks = list(published())[: 1 if mode == "quick" else None]
    if mode == "default" and seed > 0:
        networks = [network for network in networks if "dropout" not in network]
    return [
        {"network": network, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]}
        for network in networks for rule in published()[network]
    ]  # fmt: skip


def describe(job: dict) -> tuple:
    import neurofa as nf

    model = nf.load_model(job["network"])
    return model.for_rule(nf.rules.named(job["rule"])), model.data


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model, rule = nf.load_model(job["network"]), nf.rules.named(job["rule"])
    run = trained(folder, model, rule, nf.load_data(model.data, seed=job["seed"]), job["seed"], epochs=job["epochs"])
    error = run.test_error if job["epochs"] == EPOCHS["full"] else float(run.history.test_error.values[-1])
    return [{"test_error_percent": round(100 * error, 4), "seconds": round(run.seconds, 1)}]


def verdicts(rows: list[dict], paper: dict) -> list:
    published_errors = paper["test_error"]
    first = where(rows, network=next(iter(published_errors)))
    errors = {
        rule: mean_of(where(first, rule=rule), "test_error_percent") for rule in ("bp", "fa", "dfa", "drtp", "shallow")
    }
    ordered = finding(
        "784-500-10: error of shallow > drtp > bp, fa, dfa",
        max(errors["bp"], errors["fa"], errors["dfa"]) < errors["drtp"] < errors["shallow"], first,
    )  # fmt: skip
    if all(row["epochs"] < EPOCHS["full"] for row in rows):
        return [ordered]
    numbers = [
        compare(f"{network.removeprefix(PREFIX)}, {rule}: test error, %", where(rows, network=network, rule=rule),
                "test_error_percent", value, deviation, paper["tolerance_points"])
        for network, rules in published_errors.items() for rule, (value, deviation) in rules.items()
    ]  # fmt: skip
    error = {
        (network, rule): mean_of(where(rows, network=network, rule=rule), "test_error_percent")
        for network, rules in published_errors.items() for rule in rules
    }  # fmt: skip
    dropped = [(network, network.partition("_dropout")[0]) for network in published_errors if "_dropout" in network]
    return [
        *numbers,
        ordered,
        finding("in every network, with dropout and without, drtp is better than sdfa",
                all(error[network, "drtp"] < error[network, "sdfa"] for network in published_errors),
                [row for row in rows if row["rule"] in ("drtp", "sdfa")]),
        finding("dropout makes drtp and shallow learning worse in all cases",
                all(error[network, rule] > error[plain, rule] for network, plain in dropped
                    for rule in ("drtp", "shallow")), [row for row in rows if row["rule"] in ("drtp", "shallow")]),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines
    from neurofa.plot.common import NAMES

    figure, (ax,) = panels(width=5.2, height=2.9)
    names = dict.fromkeys(rule for rules in paper["test_error"].values() for rule in rules)
    found = [verdict for verdict in verdicts(rows, paper) if verdict]
    for rule, look in rule_lines(names).items():
        mine = [verdict for verdict in found if f", {rule}:" in verdict.item]
        for marker, dropped in (("o", False), ("^", True)):
            shown = [verdict for verdict in mine if ("dropout" in verdict.item) == dropped]
            differences_of_verdicts(ax, shown, "test error (%)", color=look["color"], marker=marker)
        ax.plot([], [], "s", markersize=4, color=look["color"], label=NAMES.get(rule, rule))
    for marker, words in (("o", "without dropout"), ("^", "with dropout")):
        ax.plot([], [], marker, markersize=3.5, color="#777777", label=words)
    ax.plot([], [], color="#E4E4E4", linewidth=3, label="allowed")
    ax.set(xscale="log", xlim=(1.35, 13), xticks=(1.5, 2, 3, 5, 8, 12))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
