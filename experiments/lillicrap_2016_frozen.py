"""Lillicrap et al. 2016, supplementary Figure 6: training the first hidden layer matters, by feedback alignment too.

Protocol: networks with one (30-40-10) and two hidden layers (30-20-10-10; tanh, linear output) learn a random
30-20-10-10 network by backpropagation and by feedback alignment, minibatches of 100, learning rate 0.05; in the
controls the first of two layers stays as it was drawn. The note prints 30-40-10 for both depths: two hidden layers here
have the widths of the target. Its squared error is taken as half the sum over outputs. Epochs (200 of 10,000 samples)
and the bounds of the uniform weights are not stated. The error is that of 1000 test samples over the variance of the
targets (normalised squared error). Each seed has a target of its own. Quick has 40 epochs.
"""

import sys
from pathlib import Path

from neurofa.experiments import (
    described_run,
    finding,
    mean_curves,
    mean_of,
    panels,
    run_script,
    thinned,
    trained,
    where,
)

SEEDS = {"quick": 1, "default": 5, "full": 5}
EPOCHS = {"quick": 40, "default": 200, "full": 200}
PROTOCOL = {mode: f"{epochs} epochs of 10,000 samples (chosen here)" for mode, epochs in EPOCHS.items()}
MEASURED = ("quantity", "x", "value")
MODELS = {
    "one hidden layer": "lillicrap_2016_nonlinear_30_40_10",
    "two hidden layers": "lillicrap_2016_nonlinear_30_20_10_10",
    "first layer frozen": "lillicrap_2016_nonlinear_30_20_10_10_frozen",
}
COLOURS = {  # the last two networks have those of the paper
    ("one hidden layer", "bp"): "#9A9A9A", ("one hidden layer", "fa"): "#8BC48A",
    ("two hidden layers", "bp"): "#000000", ("two hidden layers", "fa"): "#1B6B2F",
    ("first layer frozen", "bp"): "#00A9C7", ("first layer frozen", "fa"): "#C7179B",
}  # fmt: skip


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"network": network, "rule": rule, "seed": seed, "epochs": EPOCHS[mode]}
            for network in MODELS for rule in ("bp", "fa")]  # fmt: skip


def describe(job: dict) -> tuple:
    return described_run(MODELS[job["network"]], job["rule"])


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = nf.load_model(MODELS[job["network"]])
    data = nf.load_data(model.data, seed=job["seed"])
    run = trained(None, model, nf.rules.named(job["rule"]), data, job["seed"], epochs=job["epochs"])
    variance = 0.5 * float(data.y_test.var(axis=0).sum())
    nse = run.history.test_loss.values / variance
    return [{"quantity": "nse", "x": n + 1, "value": float(nse[n])} for n in thinned(len(nse), 100)]


def verdicts(rows: list[dict], paper: dict) -> list:
    last = max(row["x"] for row in rows)
    end = {
        (network, rule): mean_of(where(rows, network=network, rule=rule, x=last), "value") for network, rule in COLOURS
    }
    ratio = paper["much_worse_by"]
    made = [
        finding(f"{rule}: two hidden layers are worse by more than {100 * (ratio - 1):.0f} % with the first one frozen",
                end["first layer frozen", rule] > ratio * end["two hidden layers", rule], where(rows, rule=rule))
        for rule in ("bp", "fa")
    ]  # fmt: skip
    each = all(
        _last(rows, "first layer frozen", rule, seed, last) > _last(rows, "two hidden layers", rule, seed, last)
        for rule in ("bp", "fa") for seed in {row["seed"] for row in rows}
    )  # fmt: skip
    return [
        *made,
        finding("the frozen network is the worse one in every run", each, rows),
        *(
            finding(f"{rule}: with the first layer frozen, two hidden layers are worse than one",
                    end["first layer frozen", rule] > end["one hidden layer", rule], where(rows, rule=rule))
            for rule in ("bp", "fa")
        ),
        *(
            finding(f"{rule}: two hidden layers are better than one", end["two hidden layers", rule] <
                    end["one hidden layer", rule], where(rows, rule=rule))
            for rule in ("bp", "fa") if last == EPOCHS["full"]
        ),
    ]  # fmt: skip


def _last(rows: list[dict], network: str, rule: str, seed: int, x: int) -> float:
    return mean_of(where(rows, network=network, rule=rule, seed=seed, x=x), "value")


def draw(rows: list[dict], paper: dict):
    figure, (ax,) = panels(width=5.2, height=3.0)
    lines = {
        f"{network}, {rule}": {"color": color, "linestyle": "--" if rule == "fa" and "frozen" in network else "-"}
        for (network, rule), color in COLOURS.items()
    }  # the two frozen networks lie on each other
    named = [row | {"line": f"{row['network']}, {row['rule']}"} for row in rows]
    mean_curves(ax, named, "line", lines=lines, log=True, legend=False)
    ax.set(xlabel="epochs", ylabel="normalised squared error")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
