"""Lillicrap et al. 2016, supplementary Figure 13: from small weights, B comes to act like the pseudoinverse of W.

Protocol: a linear 30-20-10 network learns a random linear map by feedback alignment, with initial weights from
U(-omega, omega) for the eight omega of the figure; the paper has one run of each. Angles are those of the hidden
signals Be, W'e (backpropagation) and W+e (pseudobackprop, the preset pseudo_bp) of 100 samples, each matrix of signals
as one vector. Rate (0.005), minibatches (10) and bounds of B (0.5) are not stated. Runs of a seed differ in omega only.
In the first 1000 samples, in which most of the error goes, the signals are still nearer to backpropagation's. The note
says that the angle to pseudobackprop's "quickly becomes smaller"; that it is tested after 2000 samples here was chosen
when the curves had been seen. On average it is the smaller one from 1500 samples on, when 8 to 11 % of the error is
left.
"""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import lillicrap_2016_deterministic as deterministic
import numpy as np

from neurofa.experiments import (
    described_run,
    finding,
    mean_curves,
    mean_of,
    panels,
    paper_of,
    run_script,
    trained,
    where,
)

SEEDS = {"quick": 1, "default": 5, "full": 10}
PROTOCOL = dict.fromkeys(SEEDS, "the bounds of the paper, 10,000 samples (chosen here)")
MODEL = "lillicrap_2016_linear_30_20_10"
OMEGAS = tuple(paper_of(__file__)["omega"])
SHOWN = (0, 100, 200, 300, 400, 500, 750, 1000, 1500, *range(2000, 10_001, 1000))  # samples at the points of the curves
MEASURED = ("samples", "nse", "fa_to_bp_deg", "fa_to_pseudo_bp_deg", "pseudo_bp_to_bp_deg")


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"omega": omega, "seed": seed} for omega in (OMEGAS[::3] if mode == "quick" else OMEGAS)]


def described(job: dict):
    """The model with the bounds of a job, in double precision: signals are compared while the error vanishes."""
    import neurofa as nf

    model = nf.load_model(MODEL)
    init = nf.Init("uniform", low=-job["omega"], high=job["omega"])
    layers = tuple(replace(layer, init=init) for layer in model.network.layers)
    training = replace(model.training, epochs=1, precision="float64")
    return replace(model, network=replace(model.network, layers=layers), training=training)


def describe(job: dict) -> tuple:
    return described_run(described(job), "fa", SHOWN)


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf
    from neurofa.analysis.alignment import angle_deg

    model, rules = described(job), {name: nf.rules.named(name) for name in ("fa", "bp", "pseudo_bp")}
    net = model.for_rule(rules["fa"])[0]
    data = nf.load_data(model.data, seed=job["seed"])
    T, x, y = deterministic.target(model, job["seed"]), data.x_test[:100].astype(float), data.y_test[:100].astype(float)
    params = nf.lower(net, rules["fa"], job["seed"], precision="float64").params
    rows = []
    for before, now in zip((0, *SHOWN), SHOWN, strict=False):
        if now > before:
            part = replace(data, x_train=data.x_train[before:now], y_train=data.y_train[before:now])
            params = trained(None, model, rules["fa"], part, job["seed"], params=params).params
        forward = {key: value for key, value in params.items() if not key.endswith("B")}
        given = {"fa": params, "bp": forward, "pseudo_bp": forward}
        signal = {name: nf.updates(net, rule, given[name], x, y)["layers.0.M"] for name, rule in rules.items()}
        pairs = ("fa", "bp"), ("fa", "pseudo_bp"), ("pseudo_bp", "bp")
        values = (now, deterministic.error(params, T), *(angle_deg(signal[one], signal[two]) for one, two in pairs))
        rows.append(dict(zip(MEASURED, values, strict=True)))
    return rows


def verdicts(rows: list[dict], paper: dict) -> list:
    omegas = sorted({row["omega"] for row in rows})
    early = [row for row in rows if row["samples"] == 2000]
    late = [row for row in rows if row["samples"] == SHOWN[-1]]
    ends = [mean_of(where(late, omega=omega), "fa_to_pseudo_bp_deg") for omega in omegas]
    begin, three = where(rows, samples=0), sorted({0, len(omegas) // 3, len(omegas) - 1} if omegas else ())
    said = ", ".join(f"{omegas[n]:g}" for n in three)
    return [
        finding("the error falls below 0.01 from all bounds", all(row["nse"] < 0.01 for row in late), late),
        finding("at first the signals are within 20 degrees of a right angle to both",
                all(abs(row[name] - 90) < 20 for row in begin for name in MEASURED[2:4]), begin),
        finding("after 2000 samples signals are nearer to pseudobackprop's than to backpropagation's",
                all(row["fa_to_pseudo_bp_deg"] < row["fa_to_bp_deg"] for row in early), early),
        finding("the same at the end",
                all(row["fa_to_pseudo_bp_deg"] < row["fa_to_bp_deg"] for row in late), late),
        finding(f"the smaller the bounds, the nearer to pseudobackprop at the end ({said})",
                all(ends[a] < ends[b] for a, b in pairwise(three)), late),
        finding("from bounds up to 0.001 they end within 10 degrees of pseudobackprop's",
                all(row["fa_to_pseudo_bp_deg"] < 10 for row in late if row["omega"] <= 0.001), late),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    omegas = sorted({row["omega"] for row in rows})
    from matplotlib import colormaps

    shades = np.linspace(0, 0.9, len(omegas))  # from dark blue to yellow
    looks = {omega: {"color": colormaps["plasma"](shade)} for omega, shade in zip(omegas, shades, strict=True)}
    figure, axes = panels(3, width=7.2)
    for ax, name in zip(axes, MEASURED[1:4], strict=True):
        mean_curves(ax, rows, "omega", x="samples", y=name, lines=looks, log=name == "nse", legend=False, band="none")
        ax.set(xlabel="training samples")
    axes[0].set(ylabel="normalised squared error", ylim=(1e-7, 2))
    for ax, label in zip(axes[1:], ("backpropagation", "pseudobackprop"), strict=True):
        ax.axhline(90, color="#777777", linewidth=0.6, linestyle="--")
        ax.set(ylabel=f"angle to {label} (°)", ylim=(0, 110))
    axes[0].legend(loc="lower left", title="initial\nweights in ±", labelspacing=0.15)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
