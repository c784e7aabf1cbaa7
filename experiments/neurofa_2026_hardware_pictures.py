"""Figures of the hardware experiment: accuracy by weight bits, a neuron in integers, memory and operations by rule.

They are drawn from the table of neurofa_2026_hardware.py; the neuron's network is small and trained anew.

    python experiments/neurofa_2026_hardware.py --pictures
"""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from neurofa_2026_hardware import KINDS, MODEL, RULES, chip_of, errors_of, key_of, settings_of, spiking_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    import neurofa as nf

ROUNDINGS = {"nearest": "", "stochastic": "_stochastic"}
COSTLY = ("bp", "dfa", "drtp", "sign_fa")  # rules whose memory is compared
CHIPS = {"loihi": "Loihi: weights 8 bits, membrane 24", "odin": "ODIN: weights 4 bits, membrane 9"}
DIGITS, EPOCHS, SAMPLES = (64, 100, 10), 5, 3
FORMAT = "int8_stochastic"


def draw(table: Path, folder: Path) -> list[Path]:
    """Draw all figures into a folder, and return their paths."""
    import neurofa as nf
    from neurofa import plot

    if not table.exists():
        raise nf.InputError(f"{table} is not there; make the table first, without --pictures")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figures = {"bits": bits(rows), "membrane": membrane(), "costs": costs(rows)}
    for name, figure in figures.items():
        plot.save_figure(figure, folder / f"hardware_{name}.png")
    return [folder / f"hardware_{name}.png" for name in figures]


def panels(width: float, height: float, rows: int = 1, columns: int = 1, **shared: bool) -> tuple:
    """A figure of so many inches, and its Axes, in the style."""
    from matplotlib.figure import Figure

    from neurofa import plot

    with plot.styled():
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots(rows, columns, squeeze=False, **shared).ravel()


def bits(rows: list[dict]) -> "Figure":
    """Accuracy against the bits of a weight, a panel for each rounding."""
    from neurofa import plot

    names = [name for name in RULES.split(",") if any(row["rule"] == name for row in rows)]
    formats = {key_of(row)[1]: int(row["bits"]) for row in rows if row["format"] not in ("float", "loihi")}
    full = {name: [error / 100 for error in errors_of(rows, name, "float")] for name in names}
    figure, axes = panels(7.2, 2.7, 1, 2, sharey=True)
    for ax, (rounding, ending) in zip(axes, ROUNDINGS.items(), strict=True):
        own = {name: n for name, n in formats.items() if name.endswith("_stochastic") == bool(ending)}
        errors = {
            name: {n: [e / 100 for e in errors_of(rows, name, f)] for f, n in own.items() if errors_of(rows, name, f)}
            for name in names
        }
        if any(errors.values()):
            plot.accuracy_by_bits(ax, errors, {k: v for k, v in full.items() if v}, legend=ax is axes[0])
        ax.text(0.98, 0.05, f"rounding: {rounding}", transform=ax.transAxes, ha="right", fontsize=7.5)
    axes[1].set_ylabel("")
    return figure


def small() -> tuple["nf.Network", "nf.Spiking", "nf.Run", "nf.Data"]:
    """Digits learned in full precision by neurons that chips have: they reset to zero."""
    import neurofa as nf

    network = nf.Network.dense(DIGITS)
    neuron = nf.spec.Neuron("if", reset="zero")
    training = nf.Training(epochs=EPOCHS, batch_size=1, learning_rate=3e-4, optimiser="sgd")
    spiking = nf.Spiking(sample_ms=40, learning_starts_ms=10, neuron=neuron, training=training)
    data = nf.load_data("digits")
    run = nf.train(network, nf.rules.DFA, data, mode="spiking", spiking=spiking, probe_every=0, threads=1)
    return network, spiking, run, data


def membrane() -> "Figure":
    """The same neuron under the same input spikes in full precision and in a chip's integers, a panel for each chip."""
    import numpy as np

    import neurofa as nf
    from neurofa import plot

    network, spiking, run, data = small()
    x, y = data.x_test[:SAMPLES], data.y_test[:SAMPLES]
    plan, hidden = nf.lower(network, nf.rules.DFA, run.seed, params=run.params), "layers.0"

    def seen(chip: str | None) -> "nf.Recording":
        return nf.observe(
            network, nf.rules.DFA, run.params, x, y, spiking=spiking, hardware=chip, learn=False,
            record=[nf.Record("spikes", hidden), nf.Record("v", hidden)],
        )  # fmt: skip

    full = seen(None)
    fired = np.bincount(full.spikes[hidden][1], minlength=DIGITS[1])
    unit = int(np.argsort(-fired, kind="stable")[DIGITS[1] // 3])  # one that spikes now and then
    figure, axes = panels(7.2, 3.6, len(CHIPS), 1, sharex=True)
    for ax, (name, words) in zip(axes, CHIPS.items(), strict=True):
        own = nf.hardware.constrain(plan, spiking, nf.hardware.load_profile(name))
        thresholds = {"full precision": spiking.neuron.v_threshold, words: own.constraint.neurons[0].threshold}
        plot.membranes(ax, {"full precision": full, words: seen(name)}, hidden, unit, thresholds=thresholds)
    axes[0].set_xlabel("")
    return figure


def costs(rows: list[dict]) -> "Figure":
    """Memory of weights of 8 bits by rule, and operations that were counted."""
    import neurofa as nf
    from neurofa import plot

    model, found = nf.load_model(MODEL), {}
    for name in COSTLY:
        rule = nf.rules.named(name)
        network, _, own = model.for_rule(rule)
        values = settings_of(rule, FORMAT) if name in RULES.split(",") else settings_of(nf.rules.DFA, FORMAT)
        spiking = spiking_of(model, rule, values, 1)
        found[name] = nf.hardware.costs(nf.lower(network, own, 0), chip_of(FORMAT, values), spiking=spiking)
    counted = {
        row["rule"]: {kind: float(row[f"{kind}_per_sample"]) for kind in KINDS}
        for row in rows if key_of(row)[1:] == (FORMAT, 0)
    }  # fmt: skip
    figure, axes = panels(7.2, 3.0, 1, 2)
    plot.memory_by_kind(axes[0], found)
    if counted:
        plot.operations_by_kind(axes[1], {name: counted[name] for name in COSTLY if name in counted}, legend=False)
    return figure
