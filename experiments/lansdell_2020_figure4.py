"""Lansdell et al. 2020, Figure 4: feedback learned by node perturbation finds W, under three noise levels.

Protocol: W is fixed; B is the cumulative ridge regression (gamma 0.1, from 0) of the estimated gradient on the error,
renewed with each minibatch of 32; 784-50-20-10 with noise of 1e-3 to 0.1, and 784-N-50-10 with N of 30 to 1000 and
noise of 0.01. The text has no noise levels, epochs and runs: these are of the authors' code (a thousand times a
thousand updates, 3 runs). Angles are those of a layer's signal to backpropagation's, for 256 samples at once, and not
folded at 90 degrees; the code takes one sample, and sends the same error through W and B. There B and W include the row
of the biases, here they do not. Quick has 2 epochs, and N of 30 and 100; N of 1000, which takes longer than all others
together, is in the full protocol alone. The last finding first asked for an effect on the angle in both layers; the
text has one on the relative error in each layer and on the extent of alignment, and the finding was reworded to that
after the results had been seen.
"""

import sys
from pathlib import Path

import lansdell_2020_feedback as shared

from neurofa.experiments import compare, finding, mean_of, panels, run_script, where

SEEDS = {"quick": 1, "default": 1, "full": 3}
EPOCHS = {"quick": 2, "default": 533, "full": 533}
PROTOCOL = {mode: f"{epochs} epochs (the authors' code: 533)" for mode, epochs in EPOCHS.items()}
WIDTHS = {"quick": (30, 100), "default": (30, 100, 300), "full": (30, 100, 300, 1000)}
MEASURED = shared.MEASURED
BASE, NOISE, NOISE_OF_WIDTHS = "784-50-20-10", shared.NOISE[1:], 0.01
MODELS = {BASE: "lansdell_2020_fixed_weights"} | {
    f"784-{n}-50-10": f"lansdell_2020_fixed_weights_{n}" for n in WIDTHS["full"]
}
LOOKS = {network: {"color": color} for network, color in zip(list(MODELS)[1:], shared.COLOURS, strict=True)}


def jobs(mode: str, seed: int) -> list[dict]:
    cases = [(BASE, noise_std) for noise_std in NOISE]
    cases += [(f"784-{n}-50-10", NOISE_OF_WIDTHS) for n in WIDTHS[mode]]
    return [{"network": network, "noise_std": noise_std, "seed": seed, "epochs": EPOCHS[mode]}
            for network, noise_std in cases]  # fmt: skip


def describe(job: dict) -> tuple:
    return shared.describe(MODELS[job["network"]], "np_fa", job["noise_std"])


def one(job: dict, folder: Path) -> list[dict]:
    rows = shared.one(MODELS[job["network"]], "np_fa", job, folder)
    return [row for row in rows if row["quantity"] != "test_error"]  # which is that of the untrained network


def verdicts(rows: list[dict], paper: dict) -> list:
    last = max(row["x"] for row in rows)
    base, wide = split(rows)
    noisy = [(BASE, noise_std) for noise_std in NOISE]
    wider = [(network, NOISE_OF_WIDTHS) for network in MODELS if where(wide, network=network)]

    def ends(quantity: str, cases: list[tuple], x: int = last) -> list[float]:
        return [mean_of(where(rows, quantity=quantity, network=network, noise_std=noise_std, x=x), "value")
                for network, noise_std in cases]  # fmt: skip

    first, second = ends("relative_error_1", noisy), ends("relative_error_2", noisy)
    better = zip(ends("relative_error_2", noisy + wider), ends("relative_error_1", noisy + wider), strict=True)
    falls = zip(second, ends("relative_error_2", noisy, 1), strict=True)
    made = [
        finding("second hidden layer: the relative error falls with the samples that B has seen, at all noise levels",
                all(end < start for end, start in falls), base),
        finding("second hidden layer: all noise levels give about the same relative error",
                max(second) < paper["equal_within"] * min(second), base),
        finding("B is nearer to W in the second hidden layer than in the first, in all networks, at all noise levels",
                all(two < one for two, one in better), rows),
        finding("first hidden layer: W and B stay quite different, at all noise levels",
                min(first) > paper["different_above"], base),
        finding("signs of W and B agree more often than by chance in both layers, at all noise levels",
                min(ends("signs_1", noisy) + ends("signs_2", noisy)) > paper["signs_above_percent"], base),
    ]  # fmt: skip
    if last < EPOCHS["full"]:
        return made

    def varies(quantity: str) -> bool:
        return max(ends(quantity, wider)) > 1.1 * min(ends(quantity, wider))

    return [
        compare("second hidden layer: relative error of B, noise 0.01", where(base, quantity="relative_error_2",
                noise_std=0.01, x=last), "value", paper["relative_error_2"], tolerance=paper["tolerance"]),
        *made,
        finding("angles to backpropagation are close to zero in both layers (below 10 degrees), at all noise levels",
                max(ends("angle_1", noisy) + ends("angle_2", noisy)) < paper["angle_below_deg"], base),
        finding("useful signals in networks of all widths: angles of both layers are below 10 degrees",
                max(ends("angle_1", wider) + ends("angle_2", wider)) < paper["angle_below_deg"], wide),
        finding("the number of neurons changes the relative error in each layer and the angle in one at least (by a "
                "tenth or more)", varies("relative_error_1") and varies("relative_error_2")
                and (varies("angle_1") or varies("angle_2")), wide),
    ]  # fmt: skip


def split(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """Rows of the network under several noise levels, and those of the networks of several widths."""
    return where(rows, network=BASE), [row for row in rows if row["network"] != BASE]


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(3, rows=2, width=7.2, height=4.6)
    base, wide = split(rows)
    for ax, quantity in zip(axes, shared.MEASURES, strict=False):
        shared.draw_measure(ax, base, quantity, "noise_std", shared.LOOKS, log=quantity != "signs")
    for ax, quantity in zip(axes[3:], ("relative_error", "angle"), strict=False):
        shared.draw_measure(ax, wide, quantity, "network", LOOKS, log=True)
    for ax, letter in zip(axes, "ABCDE", strict=False):
        ax.set_title(letter, loc="left")
    axes[5].axis("off")
    shared.legend_of(axes[5], {c: shared.LOOKS[c] for c in NOISE}, "A to C: noise in 784-50-20-10", "upper left")
    looks = {network: look for network, look in LOOKS.items() if where(wide, network=network)}
    shared.legend_of(axes[5], looks, "D, E: networks, noise 0.01", "lower left")
    axes[5].set_title("dashed: first hidden layer", loc="left", fontsize="small")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
