"""Lillicrap et al. 2016, supplementary Note 9: feedback alignment fails in narrow autoencoders, not in wide ones.

Protocol: tanh networks reproduce MNIST (pixels from -0.9 to 0.9), narrow 784-1000-500-10-500-1000-784 and wide
784-5x1000-784, by backpropagation and feedback alignment; minibatches of 100, weight decay 1e-6. Not stated: the rate
(1e-2 in steps to 1e-4, which Note 5 gives as an example), epochs, when the rate falls (here after three quarters and
nine tenths of them), initial weights (Xavier), the scale of B (variance 1/n for n neurons that send it). Default has
one seed. Quick has the narrow network and feedback alignment, 3 epochs of 1,000 images, minibatches of 10.

The note's unit, "MSE", is a reading: here the squared error summed over the pixels of an image, with pixels in [0, 1].
That is the unit of the autoencoders that the note refers to (Hinton and Salakhutdinov 2006): in it 30 principal
components leave 13.87 of MNIST's test images, the number given there. A mean over pixels would be below 1. The loss
that is trained, and the rows, are half the sum with pixels at +-0.9, 1.62 times as much; verdicts and figure have rows
over 1.62. If the note's unit were that of the rows, ours would be 20.0 and 50.8 (narrow: backpropagation, feedback
alignment), 29.2 and 3.67 (wide), and none within. The mean image has 52.9, in the rows 85.7.

All but the narrow network by feedback alignment are far from the note's numbers. The best explanation is a rate that is
too high at the start: after an epoch the wide networks have 96 and 99, more than the mean image and about what a black
one has (89 with outputs of -0.9, 103 with -1), so that outputs are saturated. Feedback alignment gets away from there
within six epochs; backpropagation does little by little, and had not converged when the rate fell. That feedback
alignment has the smaller error in the wide network therefore says little about what the note has in mind, a
regulariser. To be tried next: rates of 1e-3 to 3e-3, and more epochs.
"""

import sys
from dataclasses import replace
from pathlib import Path

from lillicrap_2016_schedule import falling

from neurofa.experiments import (
    compare,
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

SEEDS = {"quick": 1, "default": 1, "full": 5}
EPOCHS = {"quick": {"narrow": 3}, "default": {"narrow": 40, "wide": 20}, "full": {"narrow": 40, "wide": 20}}
PROTOCOL = {
    "quick": "3 epochs of 1,000 images, narrow network, feedback alignment",
    "default": "40 (narrow) and 20 epochs (wide), chosen here",
    "full": "40 (narrow) and 20 epochs (wide), chosen here",
}
MEASURED = ("quantity", "x", "value")
UNIT = 0.5 * 1.8**2  # of the rows in the note's, as read here: half the sum, and pixels from -0.9 to 0.9, 1.8 apart
TITLES = {"narrow": "784-1000-500-10-500-1000-784", "wide": "784-5x1000-784"}


def jobs(mode: str, seed: int) -> list[dict]:
    images, batch, rules = (1_000, 10, ("fa",)) if mode == "quick" else (60_000, 100, ("bp", "fa"))
    return [{"network": network, "rule": rule, "seed": seed, "epochs": epochs, "images": images, "batch": batch}
            for network, epochs in EPOCHS[mode].items() for rule in rules]  # fmt: skip


def described(job: dict):
    """The model of a job, with its epochs and where the rate falls."""
    import neurofa as nf

    model = nf.load_model(f"lillicrap_2016_autoencoder_{job['network']}")
    protocol = replace(falling(model.training, job["epochs"]), batch_size=job["batch"])
    return replace(model, training=protocol, data=replace(model.data, train_samples=job["images"]))


def describe(job: dict) -> tuple:
    return described_run(described(job), job["rule"])


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = described(job)
    data = nf.load_data(model.data, seed=job["seed"])
    run = trained(folder, model, nf.rules.named(job["rule"]), data, job["seed"])
    rows = [(quantity, n, run.history[quantity].values[n]) for quantity in ("train_loss", "test_loss")
            for n in thinned(job["epochs"], 50)]  # fmt: skip
    mean_image = 0.5 * float(((data.x_test - data.x_train.mean(axis=0)) ** 2).sum(axis=1).mean())
    rows += [("loss_at_end", job["epochs"] - 1, run.test_error), ("mean_image", job["epochs"] - 1, mean_image)]
    return [{"quantity": quantity, "x": n + 1, "value": round(float(value), 5), "seconds": round(run.seconds, 1)}
            for quantity, n, value in rows]  # fmt: skip


def in_unit_of_note(rows: list[dict]) -> list[dict]:
    """Rows with the squared error summed over pixels that are in [0, 1]."""
    return [row | {"value": row["value"] / UNIT} for row in rows]


def verdicts(rows: list[dict], paper: dict) -> list:
    rows = in_unit_of_note(rows)
    ends = where(rows, quantity="loss_at_end")
    cases = [(network, rule) for network in paper["errors"] for rule in ("bp", "fa")]
    end = {(network, rule): where(ends, network=network, rule=rule) for network, rule in cases}
    error = {case: mean_of(mine, "value") for case, mine in end.items()}
    learned = finding("ours: all errors fall below that of the mean image", max(
        error[network, rule] for network, rule in cases if end[network, rule]) < mean_of(
        where(rows, quantity="mean_image"), "value"), ends)  # fmt: skip
    if max(row["images"] for row in rows) < 60_000:
        return [learned]
    return [
        *(
            compare(f"{network}, {rule}: squared error of test images", end[network, rule], "value",
                    paper["errors"][network][rule], tolerance=paper["tolerance_share"] * paper["errors"][network][rule])
            for network, rule in cases
        ),
        learned,
        finding("narrow: feedback alignment has a larger error than backpropagation",
                error["narrow", "fa"] > error["narrow", "bp"], where(ends, network="narrow")),
        finding("wide: feedback alignment has a smaller error than backpropagation",
                error["wide", "fa"] < error["wide", "bp"], where(ends, network="wide")),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines

    networks = [network for network in TITLES if where(rows, network=network)]
    figure, axes = panels(len(networks), width=3.4 * len(networks), height=2.8)
    for ax, network in zip(axes, networks, strict=True):
        mine = in_unit_of_note(where(rows, network=network, quantity="test_loss"))
        mean_curves(ax, mine, "rule", log=True, legend=False)
        if mine[0]["images"] == 60_000:
            for rule, look in rule_lines(("bp", "fa")).items():
                value = paper["errors"][network][rule]
                ax.axhline(value, color=look["color"], linewidth=0.8, linestyle="--", label=f"{rule}, paper")
        ax.set_title(f"{network}: {TITLES[network]}", fontsize="small")
        low, high = ax.get_ylim()
        ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low < tick < high]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.yaxis.set_minor_formatter("")
        ax.set(xlabel="epochs", ylabel="squared error, pixels in [0, 1]")
        ax.legend()
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
