"""Pictures of a network on spikes: raster, traces, three factors, W against B, receptive fields, alignment.

784-500-10 learns MNIST by DFA, as in neurofa_2026_modes.py, and is observed while it is shown some samples. The run is
checkpointed: the same command goes on with it, or draws it again.

    python experiments/neurofa_2026_spiking_pictures.py
    python experiments/neurofa_2026_spiking_pictures.py --quick
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurofa.experiments import trained

if TYPE_CHECKING:
    import neurofa as nf

HERE = Path(__file__).parent
MODEL, RULE, SEED = "mnist", "dfa", 0
QUICK_EPOCHS, QUICK_TRAIN, QUICK_TEST = 2, 3000, 1000
LOOKED_AT, PRESENTED = 300, 10  # samples: for one that is named wrongly; for the three-factor scatter


def load(quick: bool) -> "nf.Data":
    """MNIST; a small part of it for a quick run."""
    import neurofa as nf

    data = nf.load_data(nf.load_model(MODEL).data, seed=SEED)
    if not quick:
        return data
    return replace(
        data, x_train=data.x_train[:QUICK_TRAIN], y_train=data.y_train[:QUICK_TRAIN],
        x_test=data.x_test[:QUICK_TEST], y_test=data.y_test[:QUICK_TEST], note="a part of it",
    )  # fmt: skip


def draw(model: "nf.Model", rule: "nf.Rule", run: "nf.Run", data: "nf.Data", folder: Path) -> list[Path]:
    """Draw all figures of one run into a folder, and return their paths."""
    import neurofa as nf
    from neurofa import plot

    before = nf.lower(model.for_rule(rule)[0], rule, run.seed).params
    shown = samples_to_show(model, rule, run, data)
    hidden, threshold = "layers.0", model.spiking_for(rule).neuron.v_threshold
    figures = {}
    spikes = nf.observe(model, rule, run.params, data.x_test[shown], data.y_test[shown])
    figures["raster"] = plot.raster_figure(spikes, width=5.0)
    units = units_to_show(spikes, hidden, int(spikes.onsets[-1]))
    records = [nf.Record("spikes", hidden), *(nf.Record(name, hidden, units) for name in ("v", "modulator", "drive"))]
    traces = nf.observe(model, rule, run.params, data.x_test[shown], data.y_test[shown], record=records)
    last_two = (float(spikes.onsets[-2] * spikes.dt_ms), spikes.duration_ms)
    figures["traces"] = plot.traces_figure(traces, hidden, units, threshold=threshold, window_ms=last_two, width=5.0)
    figures["three_factors"] = three_factors(model, rule, before, data)
    figures["weights_and_feedback"], (ax,) = canvas(3.5, 3.0)
    plot.weight_feedback_scatter(ax, run.params["layers.1.W"], run.params[f"{hidden}.B"], before["layers.1.W"])
    W, W_before = run.params[f"{hidden}.W"], before[f"{hidden}.W"]
    figures["receptive_fields"], axes = canvas(7.2, 3.2, 2)
    for ax, values, title in ((axes[0], W, "after learning"), (axes[1], W - W_before, "what learning changed")):
        plot.receptive_fields(ax, values, data.image_shape, n=25, numbers=False)
        ax.set_title(title, fontsize=8, loc="left")
    figures["receptive_fields"].axes[-1].set_ylabel("weight change (a.u.)")
    figures["alignment"], (ax,) = canvas(3.5, 2.4)
    plot.alignment_angles(ax, run.history)
    for name, figure in figures.items():
        plot.save_figure(figure, folder / f"spiking_{name}.png")
    return [folder / f"spiking_{name}.png" for name in figures]


def canvas(width: float, height: float, columns: int = 1) -> tuple:
    """A figure of so many inches, and its Axes side by side, in the style."""
    from matplotlib.figure import Figure

    from neurofa import plot

    with plot.styled():
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots(1, columns, squeeze=False)[0]


def samples_to_show(model: "nf.Model", rule: "nf.Rule", run: "nf.Run", data: "nf.Data") -> list[int]:
    """The first three test samples, and the first that is named wrongly, whose errors are seen."""
    import numpy as np

    import neurofa as nf

    x, y = data.x_test[:LOOKED_AT], data.y_test[:LOOKED_AT]
    output = f"layers.{len(model.for_rule(rule)[0].layers) - 1}"
    seen = nf.observe(model, rule, run.params, x, y, learn=False, record=[nf.Record("spikes", output)])
    ticks, units = seen.spikes[output]
    counts = np.zeros((len(x), data.n_outputs), int)
    np.add.at(counts, (np.searchsorted(seen.onsets, ticks, side="right") - 1, units), 1)
    wrong = np.flatnonzero(counts.argmax(axis=1) != y)
    return [*(n for n in range(4) if n not in wrong[:1])][:3] + [int(n) for n in wrong[:1]]


def units_to_show(recording: "nf.Recording", population: str, start: int) -> list[int]:
    """A busy, a middling and a quiet neuron of those that spike from a tick on; none that spikes in every tick, whose
    membrane has left the scale of all others."""
    import numpy as np

    ticks, units = recording.spikes[population]
    counts = np.bincount(units[ticks >= start], minlength=recording.size(population))
    counts[counts > (recording.ticks - start) / 2] = 0
    order = np.argsort(-counts, kind="stable")
    active = max(3, int(np.count_nonzero(counts)))
    return [int(order[place]) for place in (0, active // 2, active - 1)]


def three_factors(model: "nf.Model", rule: "nf.Rule", params: dict, data: "nf.Data"):
    """Weight changes of the first samples in a network that has learned nothing, against their factors.

    On the left the factors of each tick are multiplied and added up over ticks, as synapses do it; on the right
    stands the mean presynaptic factor alone, where each modulator has a slope of its own.
    """
    import neurofa as nf
    from neurofa import plot

    spiking, hidden = model.spiking_for(rule), "layers.0"
    x, y = data.x_train[:PRESENTED], data.y_train[:PRESENTED]
    every = spiking.ticks * spiking.dt_ms
    records = [nf.Record("spikes", "input"), nf.Record("modulator", hidden), nf.Record("drive", hidden)]
    seen = nf.observe(model, rule, params, x, y, record=[*records, nf.Record("weights", f"{hidden}.W", every_ms=every)])
    weights = seen.traces["weights", f"{hidden}.W"]
    # as many ticks as lie behind the weights that were recorded last, in the first tick of the last presentation
    n_ticks = int(weights.ticks[-1]) + 1
    W = params[f"{hidden}.W"]
    dW = weights.values[-1].reshape(W.shape) - W
    pre = presynaptic(seen, spiking, len(W), spiking.delays(2)[0])[:n_ticks]
    modulator, drive = (seen.traces[name, hidden].values[:n_ticks] for name in ("modulator", "drive"))
    window = (spiking.post.low < drive) & (drive < spiking.post.high)
    post = window if spiking.post.kind == "current_window" else None
    figure, (left, right) = canvas(7.2, 2.9, 2)
    plot.three_factor_scatter(left, dW, pre, modulator, post, color_bar=False)
    plot.three_factor_scatter(right, dW, pre, modulator, against="pre")
    return figure


def presynaptic(recording: "nf.Recording", spiking: "nf.Spiking", n_inputs: int, delay: int):
    """The presynaptic factor of each tick, (ticks, n_inputs): a trace of arriving input spikes, or those alone."""
    import numpy as np

    arrived = np.zeros((recording.ticks, n_inputs))
    ticks, units = recording.spikes["input"]
    there = ticks % spiking.ticks + delay - 1 < spiking.ticks  # others are lost between two presentations
    arrived[ticks[there] + delay - 1, units[there]] = 1
    if spiking.update == "spike":
        return arrived
    trace, kept = arrived, np.exp(-spiking.dt_ms / spiking.tau_pre_ms)
    for tick in range(recording.ticks):
        if tick % spiking.ticks:
            trace[tick] += kept * trace[tick - 1]
    return trace


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EPOCHS} epochs of {QUICK_TRAIN} samples")
    parser.add_argument("--figures", type=Path, help="folder of the figures (docs/figures; with --quick, of the runs)")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the checkpoints")
    options = parser.parse_args(arguments)
    import neurofa as nf

    out = options.runs / ("quick" if options.quick else "full") / Path(__file__).stem
    figures = options.figures or (out / "figures" if options.quick else HERE.parent / "docs" / "figures")
    model, rule, data = nf.load_model(MODEL), nf.rules.named(RULE), load(options.quick)
    more = {"epochs": QUICK_EPOCHS} if options.quick else {}
    try:
        run = trained(out / "run", model, rule, data, SEED, None, mode="spiking", **more)
        for path in draw(model, rule, run, data, figures):
            print(path)
    except nf.InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
