"""MNIST in spiking mode: 784-500-10, single-sample online learning, one core a run.

Protocol: all settings are those of models/mnist.toml; its hyperparameters were chosen on validation splits of the
training set, by hand and then by neurofa_2026_spiking_search.py. Here the whole training set is trained
on, and the test error is the mean over the last epochs that the model names (report_last): the best epoch is not
chosen. Every run is checkpointed and goes on where it was stopped. Rows of the table are kept if they were made by
this version of neurofa from the same description, and made anew otherwise.

    python experiments/neurofa_2026_spiking_mnist.py --seeds 2 --workers 2
    python experiments/neurofa_2026_spiking_mnist.py --rules dfa --pictures
    python experiments/neurofa_2026_spiking_mnist.py --quick
"""

import argparse
import csv
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import neurofa as nf

HERE = Path(__file__).parent
STEM = "neurofa_2026_spiking_mnist"
MODEL = "mnist"
RULES = "bp,fa,dfa,drtp,mdfa,sign_fa,sdfa,shallow"
QUICK_RULES = "bp,dfa,drtp"
QUICK_EPOCHS, QUICK_TRAIN, QUICK_TEST = 2, 3000, 1000
PICTURED = "dfa"
LOOKED_AT, PRESENTED = 300, 10  # samples: for one that is named wrongly; for the three-factor scatter
KINDS = ("forward", "feedback", "update")
COLUMNS = (
    "rule", "seed", "epochs", "test_error_percent", "seconds", "seconds_per_epoch", "forward_per_sample",
    "feedback_per_sample", "update_per_sample", "alignment_deg", "date", "cpu", "neurofa", "threads", "spec",
)  # fmt: skip


def description(rule: "nf.Rule") -> str:
    """Hash of all that the model says of a rule's run on spikes: network, protocol, rule and data."""
    import neurofa as nf
    from neurofa.io.config import spec_hash

    model = nf.load_model(MODEL)
    network, _, rule = model.for_rule(rule)
    return spec_hash(network, rule, model.spiking_for(rule), model.data)


def reusable(rows: list[dict]) -> list[dict]:
    """The rows that this version of neurofa would make again."""
    import neurofa as nf

    return [
        row
        for row in rows
        if (row["neurofa"], row["spec"]) == (nf.__version__, description(nf.rules.named(row["rule"])))
    ]


def load(seed: int, quick: bool) -> "nf.Data":
    """MNIST; a small part of it for a quick run."""
    import neurofa as nf

    data = nf.load_data(nf.load_model(MODEL).data, seed=seed)
    if not quick:
        return data
    return replace(
        data, x_train=data.x_train[:QUICK_TRAIN], y_train=data.y_train[:QUICK_TRAIN],
        x_test=data.x_test[:QUICK_TEST], y_test=data.y_test[:QUICK_TEST], note="a part of it",
    )  # fmt: skip


def folder_of(rule: "nf.Rule", seed: int, out: Path) -> Path:
    """Where a run's checkpoints are; a run from another description has another folder."""
    return out / STEM / f"{rule.name.replace('/', '-')}-{seed}-{description(rule)[:8]}"


def trained(rule: "nf.Rule", seed: int, quick: bool, out: Path, overwrite: bool) -> "nf.Run":
    """Train by one rule with one seed, or go on with it."""
    import neurofa as nf

    folder = folder_of(rule, seed, out)
    resume = not overwrite and (folder / "checkpoint.safetensors").exists()
    return nf.train(
        nf.load_model(MODEL), rule, load(seed, quick), mode="spiking", seed=seed, threads=1,
        epochs=QUICK_EPOCHS if quick else None, out=folder, resume=resume, overwrite=overwrite,
    )  # fmt: skip


def one(name: str, seed: int, quick: bool, out: Path, overwrite: bool) -> dict:
    """A row of the table: one rule with one seed."""
    import neurofa as nf
    from neurofa.io.checkpoint import load_checkpoint
    from neurofa.io.results import environment

    rule = nf.rules.named(name)
    run = trained(rule, seed, quick, out, overwrite)
    arrays, _ = load_checkpoint(folder_of(rule, seed, out) / "checkpoint.safetensors")
    counts = arrays["engine.operations"] / arrays["engine.presented"]
    about, epochs = environment(), run.history.sizes["epoch"]
    return {
        "rule": name, "seed": seed, "epochs": epochs, "test_error_percent": round(100 * run.test_error, 4),
        "seconds": round(run.seconds, 1), "seconds_per_epoch": round(run.seconds / epochs, 2),
        **{f"{kind}_per_sample": round(float(count)) for kind, count in zip(KINDS, counts, strict=True)},
        "alignment_deg": round(last_angle(run), 2),
        "date": str(about["date"])[:10], "cpu": about["cpu"], "neurofa": about["neurofa"], "threads": 1,
        "spec": description(rule),
    }  # fmt: skip


def last_angle(run: "nf.Run") -> float:
    """Angle of the hidden layer's signals to backpropagation's at the last probe, degrees; NaN without a signal."""
    return float(run.history["alignment_deg"].values[-1, 0])


def report(rows: list[dict], aims: dict) -> str:
    """Ours beside what was aimed at, in Markdown."""
    lines = [
        "| rule | at most, % | aim, % | ours, % | seeds | epochs | within | s an epoch | operations a sample: forward "
        "| feedback | update | angle to bp |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for rule in dict.fromkeys(row["rule"] for row in rows):
        mine = [row for row in rows if row["rule"] == rule]
        errors = [float(row["test_error_percent"]) for row in mine]
        limit, aim = aims.get(rule, (None, None))
        known = ("reported", "", "") if limit is None else (f"{limit:.1f}", f"{aim:.1f}", verdict(errors, limit, aim))
        spread = f" ± {stdev(errors):.2f}" if len(errors) > 1 else ""
        epochs = "/".join(sorted({str(row["epochs"]) for row in mine}))
        counts = [f"{mean(float(row[f'{kind}_per_sample']) for row in mine):,.0f}" for kind in KINDS]
        angle = mean(float(row["alignment_deg"]) for row in mine)
        cells = (
            rule, *known[:2], f"{mean(errors):.2f}{spread}", len(errors), epochs, known[2],
            f"{mean(float(row['seconds_per_epoch']) for row in mine):.1f}", *counts,
            f"{angle:.0f}°" if angle == angle else "none",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def verdict(errors: list[float], limit: float, aim: float) -> str:
    """Whether the mean is within what was asked for."""
    return "no" if mean(errors) > limit else "yes" if mean(errors) > aim else "yes, and the aim"


def write(rows: list[dict], aims: dict, stem: Path, quick: bool) -> None:
    """Write the tidy CSV and the report beside it."""
    import neurofa as nf
    from neurofa.io.atomic import atomic_path
    from neurofa.io.results import write_table

    order = [*RULES.split(","), *sorted({row["rule"] for row in rows} - set(RULES.split(",")))]
    rows = sorted(rows, key=lambda row: (order.index(row["rule"]), int(row["seed"])))
    write_table(stem.with_suffix(".csv"), rows, COLUMNS)
    machines = sorted({f"{row['cpu']}, one core a run" for row in rows})
    dates = sorted({row["date"] for row in rows})
    spiking = nf.load_model(MODEL).spiking
    last = min(spiking.training.report_last, min(int(row["epochs"]) for row in rows))
    amount = f"{QUICK_TRAIN:,} training and {QUICK_TEST:,} test samples" if quick else "60,000 training samples"
    text = (
        "# MNIST test error in spiking mode\n\n"
        f"Made by `python experiments/{STEM}.py`. 784-500-10, {amount}, samples shown one after the other for "
        f"{spiking.sample_ms:g} ms each and weights changing meanwhile. The error is the mean over the "
        f"last {last} epoch{'s' if last > 1 else ''}; the best epoch is not chosen, and nothing is held out for it. "
        "The settings are those of `models/mnist.toml`; its hyperparameters were chosen on validation splits of the "
        "training set, by hand and then by `neurofa_2026_spiking_search.py`, where the test set has no part. "
        f"Machine: {'; '.join(machines)}. Date: {' to '.join(sorted({dates[0], dates[-1]}))}. "
        f"neurofa {rows[0]['neurofa']}. Seeds: {', '.join(sorted({str(row['seed']) for row in rows}))}. "
        "Seconds are of training, test and probe. Operations are counted: synapses that a spike, an error event or "
        "a weight change reached. The angle is that between the hidden layer's modulators and backpropagation's.\n\n"
    )
    with atomic_path(stem.with_suffix(".md")) as temporary:
        temporary.write_text(text + report(rows, aims), encoding="utf-8")


def train_all(options: argparse.Namespace, names: list[str], out: Path) -> int:
    """Make the rows that are missing, and print the report."""
    import neurofa as nf

    aims = tomllib.loads((HERE / f"{STEM}.toml").read_text())
    seeds = 1 if options.quick else options.seeds
    stem = (options.runs / "quick" if options.quick else HERE / "results") / STEM
    stem.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    if not options.quick and stem.with_suffix(".csv").exists():
        with stem.with_suffix(".csv").open(newline="") as file:
            rows = reusable(list(csv.DictReader(file)))
    if options.overwrite:
        rows = [row for row in rows if row["rule"] not in names or int(row["seed"]) >= seeds]
    finished = {(row["rule"], int(row["seed"])) for row in rows}
    jobs = [(name, seed) for seed in range(seeds) for name in names if (name, seed) not in finished]
    failed = 0
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, *job, options.quick, out, options.overwrite): job for job in jobs}
        for future in as_completed(futures):
            try:
                rows.append(future.result())
            except nf.InputError as error:
                failed += 1
                print(f"{' '.join(map(str, futures[future]))}: {error}", file=sys.stderr)
                continue
            write(rows, aims, stem, options.quick)
            row = rows[-1]
            print(
                f"{row['rule']} seed {row['seed']}: {row['test_error_percent']} % in {row['seconds']} s "
                f"({len(rows)} of {len(finished) + len(jobs)})",
                flush=True,
            )
    if rows:
        write(rows, aims, stem, options.quick)
        print(stem.with_suffix(".md").read_text())
    return 2 if failed else 0


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
        ax.set_title(title, fontsize=8)
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
    parser.add_argument("--rules", help=f"names of rules, separated by commas (default {RULES})")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each rule")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, a core each")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_EPOCHS} epochs of {QUICK_TRAIN} samples, one seed"
    )
    parser.add_argument("--pictures", action="store_true", help=f"also draw the figures of a run by {PICTURED}")
    parser.add_argument("--figures", type=Path, help="folder of the figures (docs/figures; with --quick, of the runs)")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the checkpoints")
    parser.add_argument("--overwrite", action="store_true", help="train anew where a run or a row is there already")
    options = parser.parse_args(arguments)
    for name in ("seeds", "workers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; give at least 1")
    import neurofa as nf

    quick = options.quick
    out = options.runs / ("quick" if quick else "full")
    names = list(dict.fromkeys((options.rules or (QUICK_RULES if quick else RULES)).split(",")))
    try:
        nf.rules.all_named(names)
        code = train_all(options, names, out)
        if options.pictures:
            rule = nf.rules.named(PICTURED)
            run = trained(rule, 0, quick, out, False)
            figures = options.figures or (out / "figures" if quick else HERE.parent / "docs" / "figures")
            for path in draw(nf.load_model(MODEL), rule, run, load(0, quick), figures):
                print(path)
    except nf.InputError as error:
        print(error, file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
