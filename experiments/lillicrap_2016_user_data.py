"""Lillicrap et al. 2016, supplementary Notes 6 and 7: stop consonants of TIMIT and SVHN in grey, from your own files.

Protocol: neither is distributed with neurofa (TIMIT is licensed), so default and full need files with x_train, y_train,
x_test, y_test: timit_stops.npz (39 cepstral features, 63,881 and 22,257 frames, six classes) and, for full, also
svhn_grey.npz (1024 pixels: mean over colours, 604,388 and 26,032 images), in $NEUROFA_DATA or where NEUROFA_TIMIT and
NEUROFA_SVHN_GREY say. 39-1000-1000-6 and 1024-4x3000-10, tanh, with the protocol of Note 5. Each feature is z-scored, W
and B have Xavier's bounds, and both rules begin at 0.25; unlike those of MNIST (lillicrap_2016_mnist) these settings
were not chosen by validation error. The notes have no epochs: here 60 of TIMIT, and 10 of SVHN with one seed, since one
takes most of an hour. Quick does not touch the papers' data: it trains 39-1000-1000-6 for 6 epochs on a synthetic
stand-in, 2,000 samples of six classes of four Gaussian clusters each, which says nothing about speech.
"""

import os
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

SEEDS = {"quick": 1, "default": 2, "full": 5}
EPOCHS = {"stand-in": 6, "timit": 60, "svhn": 10}
PROTOCOL = {
    "quick": "6 epochs on a synthetic stand-in",
    "default": "60 epochs of TIMIT, chosen here",
    "full": "60 epochs of TIMIT, 10 of SVHN, chosen here",
}
MEASURED = ("quantity", "x", "value")
MODELS = {"stand-in": "timit_fc2_1000", "timit": "timit_fc2_1000", "svhn": "svhn_fc4_3000"}
FILES = {"timit": ("timit_stops.npz", "NEUROFA_TIMIT"), "svhn": ("svhn_grey.npz", "NEUROFA_SVHN_GREY")}
CASES = {"quick": [("stand-in", "bp"), ("stand-in", "fa")], "default": [("timit", "bp"), ("timit", "fa")]}
TITLES = {"stand-in": "synthetic stand-in", "timit": "TIMIT, stop consonants", "svhn": "SVHN in grey"}


def jobs(mode: str, seed: int) -> list[dict]:
    cases = CASES["default" if mode == "full" else mode] + ([("svhn", "fa")] if mode == "full" and seed == 0 else [])
    return [{"data": data, "rule": rule, "seed": seed, "epochs": EPOCHS[data]} for data, rule in cases]


def ready(mode: str) -> None:
    """Refuse to begin without the files of a mode."""
    for data in dict.fromkeys(job["data"] for job in jobs(mode, 0)):
        if data in FILES:
            path_of(data)


def path_of(data: str) -> Path:
    """The user's file of a data set."""
    from neurofa.io.sources import roots
    from neurofa.spec import InputError

    name, variable = FILES[data]
    places = [Path(os.environ[variable]).expanduser()] if os.environ.get(variable) else [r / name for r in roots()]
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"{TITLES[data]} is not on this machine: put a file with x_train, y_train, x_test and y_test at "
                     f"{places[0]}, or set {variable} to its path")  # fmt: skip


def described(job: dict):
    """The model of a job, with its epochs and where the rate falls."""
    import neurofa as nf

    model = nf.load_model(f"lillicrap_2016_{MODELS[job['data']]}")
    network, protocol, _ = model.for_rule(nf.rules.named(job["rule"]))
    protocol = falling(protocol, job["epochs"])
    return replace(model, network=network, training=protocol, rules={})


def describe(job: dict) -> tuple:
    return described_run(described(job), job["rule"], job["data"])


def stand_in(seed: int):
    """Six classes of four Gaussian clusters each, 39 features; no speech, but of the same shape as TIMIT's."""
    import numpy as np

    import neurofa as nf

    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((24, 39))
    labels = rng.integers(24, size=3_000)
    x = (centres[labels] + 0.9 * rng.standard_normal((3_000, 39))) / 1.35
    y = labels % 6
    return nf.Data(x[:2_000], y[:2_000], x[2_000:], y[2_000:], name="stand-in", n_outputs=6)


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model = described(job)
    if job["data"] == "stand-in":
        data = stand_in(job["seed"])
    else:
        data = nf.load_data(replace(model.data, name=str(path_of(job["data"]))), seed=job["seed"])
    run = trained(folder, model, nf.rules.named(job["rule"]), data, job["seed"])
    rows = [("test_error", n, run.history.test_error.values[n]) for n in thinned(job["epochs"], 60)]
    rows.append(("error_at_end", job["epochs"] - 1, run.test_error))
    return [{"quantity": quantity, "x": n + 1, "value": round(100 * float(value), 4), "seconds": round(run.seconds, 1)}
            for quantity, n, value in rows]  # fmt: skip


def verdicts(rows: list[dict], paper: dict) -> list:
    ends = where(rows, quantity="error_at_end")
    if where(ends, data="stand-in"):
        fa, bp = (mean_of(where(ends, rule=rule), "value") for rule in ("fa", "bp"))
        return [
            finding("stand-in: feedback alignment learns the classes (error below 25 %)", fa < 25, ends),
            finding("stand-in: its error is at most a quarter more than backpropagation's", fa < 1.25 * bp, ends),
        ]
    timit = where(ends, data="timit")
    return [
        *(
            compare(f"{TITLES[data]}, {rule}: test error, %", where(ends, data=data, rule=rule), "value",
                    paper[data][rule], tolerance=paper[data]["tolerance"])
            for data, rule in (("timit", "bp"), ("timit", "fa"), ("svhn", "fa"))
        ),
        finding("TIMIT: feedback alignment has a lower error than backpropagation with every seed",
                all(_end(timit, "fa", seed) < _end(timit, "bp", seed) for seed in {row["seed"] for row in timit}),
                timit),
    ]  # fmt: skip


def _end(rows: list[dict], rule: str, seed: int) -> float:
    return mean_of(where(rows, rule=rule, seed=seed), "value")


def draw(rows: list[dict], paper: dict):
    from neurofa.plot import rule_lines

    shown = [data for data in TITLES if where(rows, data=data)]
    figure, axes = panels(len(shown), width=3.6 * len(shown))
    for ax, data in zip(axes, shown, strict=True):
        mean_curves(ax, where(rows, data=data, quantity="test_error"), "rule", legend=False)
        for rule, look in rule_lines([r for r in ("bp", "fa") if r in paper.get(data, {})]).items():
            ax.axhline(paper[data][rule], color=look["color"], linewidth=0.8, linestyle="--", label=f"{rule}, paper")
        ax.set(xlabel="epochs", ylabel="test error (%)", title=TITLES[data])
        ax.legend()
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
