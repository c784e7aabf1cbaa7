"""Frenkel et al. 2021, Figure 2: regression of ten cosines by shallow learning, BP, FA, DFA and sDFA.

Protocol: 256-100-100-10, tanh, mean squared error, 5000 training and 1000 test samples, minibatches of 50, learning
rate 5e-4, 500 epochs; weights begin at 0 for FA, DFA and sDFA. Not in the paper, but in the authors' code: Nesterov's
momentum of 0.9, PyTorch's initial weights for the other rules (the paper has He-uniform), and direct signals that are
not divided by the batch, which is as if hidden layers learned at 0.125 (DFA) and 0.25 (sDFA). Its DFA sends y - t, ours
the derivative of the loss, which has the derivative of tanh besides. The paper has 10 runs; quick has one of 20 epochs.
Each seed draws its data too. Losses on the training set are those before each update. Angles are between the signals
after the derivative (delta z, as the captions say) of single samples, mean over 256 training samples; they are measured
at the end of each epoch instead of five times, and smoothed by as much (momentum 0.95 a measurement there, 0.95^5
here). FA's weights being near their start of 0, its first hidden layer is at 77 to 91 degrees during the first 11
epochs. How a batch becomes one angle is not said, and it matters. The signals before the derivative (delta y, as the
captions of supplementary figures 1 and 2 say) were looked at after those of delta z had missed two statements: single
samples' angles of delta y agree with all of them, and are the likeliest reading. Rows have 50 epochs of the 500: "the
first 20" are epochs 1 and 11, "the first 100" are ten of them.
"""

import sys
from pathlib import Path

import frenkel_2021_synthetic as synthetic

from neurofa.experiments import finding, mean_of, run_script, where

SEEDS = {"quick": 1, "default": 2, "full": 10}
EPOCHS = {"quick": 20, "default": 500, "full": 500}
PROTOCOL = {mode: f"{epochs} epochs (paper: 500)" for mode, epochs in EPOCHS.items()}
MEASURED = synthetic.MEASURED
MODEL = "frenkel_2021_regression"
KEPT = 0.95**5
CURVES = {"train_loss": "train", "test_loss": "test"}


def jobs(mode: str, seed: int) -> list[dict]:
    return synthetic.jobs(seed, EPOCHS[mode])


def describe(job: dict) -> tuple:
    return synthetic.describe(MODEL, job, KEPT)


def one(job: dict, folder: Path) -> list[dict]:
    return synthetic.one(MODEL, CURVES, KEPT, job, folder)


def verdicts(rows: list[dict], paper: dict) -> list:
    train, test = synthetic.at_end(rows, "train"), synthetic.at_end(rows, "test")
    losses = where(rows, quantity="train")
    epochs = max(row["x"] for row in rows)
    early = [row for row in losses if row["x"] <= 20]
    start = {rule: mean_of(where(early, rule=rule), "value") for rule in synthetic.RULES}
    made = [
        finding("sdfa and dfa converge fastest at first (training loss at the recorded ones of the first 20 epochs)",
                max(start["sdfa"], start["dfa"]) < min(start["bp"], start["fa"]), early),
        finding("sdfa: angles to backpropagation are below 90 degrees",
                synthetic.largest_angle(rows, ("sdfa",)) < paper["angle_below_deg"],
                where(rows, rule="sdfa", quantity="angle_1")),
    ]  # fmt: skip
    if epochs < EPOCHS["full"]:
        return made
    return [
        *made,
        finding("shallow learning has the highest training loss at the end", max(train, key=train.get) == "shallow",
                losses),
        finding("dfa has the lowest training loss at the end", min(train, key=train.get) == "dfa", losses),
        finding("dfa has the lowest test loss at the end", min(test, key=test.get) == "dfa", losses),
        *(made for measure in synthetic.MEASURES for made in of_angles(rows, measure, paper)),
    ]  # fmt: skip


def of_angles(rows: list[dict], measure: str, paper: dict) -> list:
    """What the text says of the angles, by one of the measures."""
    angles = [row for row in rows if row["quantity"].startswith(measure)]
    second = synthetic.at_end(rows, f"{measure}_2")
    first100 = {
        (rule, n): mean_of(
            [row for row in where(angles, rule=rule, quantity=f"{measure}_{n}") if row["x"] <= 100], "value")
        for rule in synthetic.ANGLED for n in (1, 2)
    }  # fmt: skip
    return [
        finding(f"all angles to backpropagation are below 90 degrees ({synthetic.MEASURES[measure]})",
                synthetic.largest_angle(rows, measure=measure) < paper["angle_below_deg"], angles),
        finding(f"second hidden layer: sdfa is better aligned than dfa ({synthetic.MEASURES[measure]})",
                second["sdfa"] < second["dfa"], angles),
        *(
            finding(f"hidden layer {n}: fa is best aligned during the first 100 epochs, mean of the recorded ones "
                    f"({synthetic.MEASURES[measure]})",
                    first100["fa", n] < min(first100["dfa", n], first100["sdfa", n]), angles)
            for n in (1, 2)
        ),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    labels = {"train": "training loss", "test": "test loss"}
    return synthetic.draw(rows, labels, log=True)


if __name__ == "__main__":
    sys.exit(run_script(__file__))
