"""Pictures of hardware: a neuron in full precision and in a chip's integers, memory and operations by rule.

Operations are those of the rows of neurofa_2026_hardware.py; the neuron's network is small and trained anew.

    python experiments/neurofa_2026_hardware_pictures.py
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from neurofa_2026_counting import KINDS
from neurofa_2026_hardware import MODEL, RULES, chip_of, settings_of, spiking_of

from neurofa.experiments import panels, where
from neurofa.experiments.rows import by_seed, read_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    import neurofa as nf

HERE = Path(__file__).parent
COSTLY = ("bp", "dfa", "drtp", "sign_fa")  # rules whose memory is compared
CHIPS = {"loihi": "Loihi: weights 8 bits, membrane 24", "odin": "ODIN: weights 4 bits, membrane 9"}
DIGITS, EPOCHS, SAMPLES = (64, 100, 10), 5, 3
FORMAT = "int8_stochastic"


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
    figure, axes = panels(1, len(CHIPS), height=3.6)
    for ax, (name, words) in zip(axes, CHIPS.items(), strict=True):
        own = nf.hardware.constrain(plan, spiking, nf.hardware.load_profile(name))
        thresholds = {"full precision": spiking.neuron.v_threshold, words: own.on_chip.neurons[0].threshold}
        plot.membranes(ax, {"full precision": full, words: seen(name)}, hidden, unit, thresholds=thresholds)
    for ax in axes[:-1]:  # all have the same time
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    return figure


def costs(rows: list[dict]) -> "Figure":
    """Memory of weights of 8 bits by rule, and operations that were counted."""
    import neurofa as nf
    from neurofa import plot

    model, found = nf.load_model(MODEL), {}
    for name in COSTLY:
        rule = nf.rules.named(name)
        network, _, own = model.for_rule(rule)
        values = settings_of(name if name in RULES else "dfa", FORMAT)
        spiking = spiking_of(model, rule, values, 1)
        found[name] = nf.hardware.costs(nf.lower(network, own, 0), chip_of(FORMAT, values), spiking=spiking)
    counted = {
        name: {kind: by_seed(mine, f"{kind}_per_sample")[0] for kind in KINDS}
        for name in COSTLY if (mine := where(rows, rule=name, format=FORMAT))
    }  # fmt: skip
    figure, axes = panels(2, height=3.0)
    plot.memory_by_kind(axes[0], found)
    if counted:
        plot.operations_by_kind(axes[1], counted, legend=False)
        axes[1].set_title("counted (bp was not run)", loc="left", fontsize=8)
    return figure


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=HERE.parent / "docs" / "figures", help="folder of the figures")
    folder = parser.parse_args(arguments).figures
    from neurofa import plot

    rows = read_rows(HERE / "results" / "neurofa_2026_hardware.csv")
    for name, figure in (("membrane", membrane()), ("costs", costs(rows))):
        plot.save_figure(figure, folder / f"hardware_{name}.png")
        print(folder / f"hardware_{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
