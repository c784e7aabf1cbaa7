"""neurofa 2026, Figure 1: test error against synaptic operations a sample, on spikes and dense, four rules.

Protocol: hidden layers of several widths, and in spiking mode presentations of several lengths and input rates, one
of the three changed at a time; scikit-learn's digits (64-N-N-10) and a few networks on MNIST (784-N-10, 6 epochs).
Settings are those of the models digits and mnist. In spiking mode learning begins after a quarter of a presentation,
the post factor's window goes with the input rate, and learning rates with the inverse square of the number of spikes
that stand for an activity of 1, as both factors of an update grow with it; nothing is chosen anew. Operations are those
of a training sample, counted in spiking mode (synapses that a spike, an error event or a weight change reached), dense
multiply-accumulates in rate mode. Quick has two rules and a few settings on digits, 4 epochs.

The rates of drtp on digits were chosen anew, on a validation split (models/digits.toml), after two findings had failed
by drtp alone: that 80 ms are better than 10 ms, and that the cheapest good network is one on spikes. The latter fails
still: with rates that suit it, drtp is better in rate mode too, and as good there with fewer operations (width 100).
"""

import sys
from dataclasses import replace
from math import isinf
from pathlib import Path

from neurofa_2026_counting import PER_SAMPLE, operations_of, total

from neurofa.experiments import finding, mean_of, panels, run_script, trained, where

SEEDS = {"quick": 1, "default": 2, "full": 5}
PROTOCOL = {"quick": "4 epochs, two rules, digits alone"} | dict.fromkeys(
    ("default", "full"), "digits: 30 epochs in rate mode, 20 in spiking mode; MNIST: 6"
)
MEASURED = ("test_error_percent", *PER_SAMPLE)
RULES, DIRECT = ("bp", "fa", "dfa", "drtp"), ("dfa", "drtp")
COLOURS = dict(zip(RULES, ("#000000", "#0072B2", "#D55E00", "#009E73"), strict=True))
WIDTHS, LENGTHS_MS, RATES_HZ = (25, 50, 100, 200, 400), (10, 20, 40, 80), (62.5, 125, 250, 500)
WIDTH, LENGTH_MS, RATE_HZ = 200, 40, 250.0  # what stays where another is changed: the model's
QUICK = {"rules": ("bp", "dfa"), "cases": ((25, 40, 250.0), (200, 40, 250.0), (200, 10, 250.0)), "epochs": 4}
MNIST = {"rules": ("dfa", "drtp"), "cases": ((100, 40, 250.0), (500, 40, 250.0), (500, 20, 250.0)), "epochs": 6}
EPOCHS = {"rate": 30, "spiking": 20}


def jobs(mode: str, seed: int) -> list[dict]:
    if mode == "quick":
        return cases("digits", seed, **QUICK)
    spiking = [(n, LENGTH_MS, RATE_HZ) for n in WIDTHS]
    spiking += [(WIDTH, length, RATE_HZ) for length in LENGTHS_MS if length != LENGTH_MS]
    spiking += [(WIDTH, LENGTH_MS, rate) for rate in RATES_HZ if rate != RATE_HZ]
    return [*cases("digits", seed, RULES, spiking, 0), *cases("mnist", seed, **MNIST)]


def cases(data: str, seed: int, rules: tuple, cases: list | tuple, epochs: int) -> list[dict]:
    """Jobs on spikes, and those of rate mode with the same widths, which have neither length nor rate."""
    dense = dict.fromkeys((width, 0, 0.0) for width, _, _ in cases)
    return [
        {"data": data, "rule": rule, "mode": how, "width": width, "sample_ms": length, "max_rate_hz": rate,
         "seed": seed, "epochs": epochs or EPOCHS[how]}
        for rule in rules for how, those in (("rate", dense), ("spiking", cases)) for width, length, rate in those
    ]  # fmt: skip


def described(job: dict) -> tuple:
    """Network, protocol of rate mode, rule, spiking mode and data of a job."""
    import neurofa as nf

    model = nf.load_model(job["data"])
    network, training, rule = model.for_rule(nf.rules.named(job["rule"]))
    hidden = tuple(replace(layer, units=job["width"]) for layer in network.layers[:-1])
    network, spiking = replace(network, layers=(*hidden, network.layers[-1])), model.spiking_for(rule)
    if job["mode"] == "spiking":
        faster = job["max_rate_hz"] / spiking.encoder.max_rate_hz
        more = faster * job["sample_ms"] / spiking.sample_ms
        rates = tuple(rate / more**2 for rate in spiking.training.rates(len(network.layers)))
        high = spiking.post.high if isinf(spiking.post.high) else spiking.post.high * faster
        spiking = replace(
            spiking, sample_ms=job["sample_ms"], learning_starts_ms=job["sample_ms"] // 4,
            encoder=replace(spiking.encoder, max_rate_hz=job["max_rate_hz"]), post=replace(spiking.post, high=high),
            training=replace(spiking.training, learning_rate=rates),
        )  # fmt: skip
    return network, training, rule, spiking, model.data


def describe(job: dict) -> tuple:
    network, training, rule, spiking, data = described(job)
    return network, rule, training if job["mode"] == "rate" else spiking, data


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    network, training, rule, spiking, spec = described(job)
    how, data = job["mode"], nf.load_data(spec, seed=job["seed"])
    on_spikes = {} if how == "rate" else {"spiking": spiking}
    protocol = training if how == "rate" else spiking.training
    protocol = replace(protocol, report_last=min(protocol.report_last, job["epochs"]))  # quick has fewer epochs
    run = trained(folder, network, rule, data, job["seed"], mode=how, training=protocol, epochs=job["epochs"],
                  **on_spikes)  # fmt: skip
    return [{"test_error_percent": round(100 * run.test_error, 4), **operations_of(network, run, folder),
             "seconds": round(run.seconds, 1)}]  # fmt: skip


def points(rows: list[dict]) -> list[dict]:
    """A row for each network, its error and its operations means over seeds."""
    names = ("data", "rule", "mode", "width", "sample_ms", "max_rate_hz")
    found = {tuple(row[name] for name in names) for row in rows}
    named = [dict(zip(names, values, strict=True)) for values in sorted(found)]
    return [
        point | {"error": mean_of(mine, "test_error_percent"), "operations": total(mine),
                 "feedback": mean_of(mine, PER_SAMPLE[1])}
        for point in named for mine in [where(rows, **point)]
    ]  # fmt: skip


def verdicts(rows: list[dict], paper: dict) -> list:
    digits = where(rows, data="digits")
    all_points = points(digits)
    spiking, dense = where(all_points, mode="spiking"), where(all_points, mode="rate")
    rules = [rule for rule in RULES if where(dense, rule=rule)]

    def value(what: str, rule: str, width: int = WIDTH, length: int = LENGTH_MS, rate: float = RATE_HZ) -> float:
        return where(spiking, rule=rule, width=width, sample_ms=length, max_rate_hz=rate)[0][what]

    narrow, short, long = min(WIDTHS), min(LENGTHS_MS), max(LENGTHS_MS)
    made = [
        finding("digits on spikes: a wide network (200) is better than a narrow one (25), by all rules",
                all(value("error", r) < value("error", r, width=narrow) for r in rules), digits),
        finding("digits on spikes: 10 ms a sample take fewer operations than 40 ms, by all rules",
                all(value("operations", r, length=short) < value("operations", r) for r in rules), digits),
        finding("digits on spikes: a direct route needs fewer operations for feedback than a sequential one",
                max(value("feedback", r) for r in rules if r in DIRECT)
                < min(value("feedback", r) for r in rules if r not in DIRECT), digits),
    ]  # fmt: skip
    if max(row["epochs"] for row in digits) == QUICK["epochs"]:
        return made

    def cheapest(of: list[dict], rule: str) -> float:
        limit = min(p["error"] for p in where(dense, rule=rule)) + paper["about_best_points"]
        return min((p["operations"] for p in where(of, rule=rule) if p["error"] <= limit), default=float("inf"))

    mnist = where(rows, data="mnist")
    at = {(p["rule"], p["mode"], p["width"], p["sample_ms"]): p for p in points(mnist)}
    return [
        *made,
        finding("digits on spikes: 80 ms a sample give a lower error than 10 ms, by all rules",
                all(value("error", r, length=long) < value("error", r, length=short) for r in rules), digits),
        finding("digits: within a point of the best error in rate mode, the cheapest network is one on spikes, by all "
                "rules", all(cheapest(spiking, r) < cheapest(dense, r) for r in rules), digits),
        finding("MNIST: at the same width networks on spikes take fewer operations than dense ones, by all rules",
                all(at[r, "spiking", n, LENGTH_MS]["operations"] < at[r, "rate", n, 0]["operations"]
                    for r in MNIST["rules"] for n in (100, 500)), mnist),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    from neurofa.plot.curves import log_ticks

    kinds = {"rate mode, N": ("--", "o"), "spikes, N": ("-", "o"), "spikes, ms a sample": (":", "s"),
             "spikes, input rate": (":", "^")}  # fmt: skip
    shown = [("digits", "64-N-N-10, N", ("rate mode, N", "spikes, N")),
             ("digits", "64-N-N-10, time and rate", ("spikes, ms a sample", "spikes, input rate")),
             ("mnist", "MNIST, 784-N-10", tuple(kinds))]  # fmt: skip
    shown = [panel for panel in shown if where(rows, data=panel[0])]
    figure, axes = panels(len(shown), width=2.4 * len(shown), height=3.2)
    for ax, letter, (data, title, drawn) in zip(axes, "ABC", shown, strict=False):
        for rule in RULES:
            mine = where(points(where(rows, data=data)), rule=rule)
            dense, spiking = where(mine, mode="rate"), where(mine, mode="spiking")
            base = max((p["width"] for p in spiking if p["sample_ms"] != LENGTH_MS), default=WIDTH)
            lines = {
                "rate mode, N": dense,
                "spikes, N": where(spiking, sample_ms=LENGTH_MS, max_rate_hz=RATE_HZ),
                "spikes, ms a sample": where(spiking, width=base, max_rate_hz=RATE_HZ),
                "spikes, input rate": where(spiking, width=base, sample_ms=LENGTH_MS),
            }
            for kind in drawn:
                style, marker = kinds[kind]
                ordered = sorted(lines[kind], key=lambda p: p["operations"])
                fill = "none" if style == "--" else COLOURS[rule]
                look = {"linestyle": style, "marker": marker, "color": COLOURS[rule], "markerfacecolor": fill}
                places = [p["operations"] / 1000 for p in ordered], [p["error"] for p in ordered]
                ax.plot(*places, markersize=3, linewidth=0.8, **look)
        ax.set(xscale="log", yscale="log", xlabel="operations a sample (thousands)")
        ax.set_title(f"{letter}   {title}", loc="left", fontsize="small")
        log_ticks(ax)
        log_ticks(ax, horizontal=True)
    axes[0].set_ylabel("test error (%)")
    if len(axes) > 1 and shown[1][0] == "digits":  # the same network, on the same scale
        low, high = min(ax.get_ylim()[0] for ax in axes[:2]), max(ax.get_ylim()[1] for ax in axes[:2])
        for ax in axes[:2]:
            ax.set_ylim(low, high)
    for colour, rule in zip(COLOURS.values(), COLOURS, strict=True):
        axes[0].plot([], [], color=colour, label=rule)
    for kind, (style, marker) in kinds.items():
        fill = "none" if style == "--" else "#777777"
        axes[0].plot([], [], linestyle=style, marker=marker, markerfacecolor=fill, color="#777777", markersize=3,
                     label=kind)  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=3)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
