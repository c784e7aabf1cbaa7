"""Lillicrap et al. 2016, supplementary Figures 11 and 12: how feedback comes to be aligned, in linear networks.

Protocol: deterministic dynamics (the library's expected updates, small steps) of 30-20-10 networks that learn a random
map by feedback alignment: first A and then W alone; both in turns; both together. A 100-50-20 network learns both
together. Each run has weights, feedback and a map of its own. Not stated and chosen here: bounds of weights (0.05) and
of feedback (0.5), step sizes and the lengths of the turns. All are drawn uniformly; Note 12 names i.i.d. normal draws
of A, B, W and T as an example. Of Figure 12 the paper says that the trajectories have a smaller variance in the larger
network, which has larger traces. Ours is a test of the standard deviation over the mean. The standard deviation itself,
as the mean over time, is larger there for the traces: 1.67 and 0.53 for tr(A'BE), 1.06 and 0.68 for tr(BW). It is
smaller for the error: 0.003 and 0.009.
"""

import sys
from pathlib import Path

import lillicrap_2016_deterministic as deterministic
import numpy as np

from neurofa.experiments import described_run, finding, panels, run_script, where

SEEDS = {"quick": 2, "default": 20, "full": 20}
PROTOCOL = dict.fromkeys(SEEDS, "the paper's turns; their lengths, steps and bounds chosen here")
MEASURED = ("time", "learns", "tr_ABE", "tr_BW", "nse")
SMALL, LARGE = "lillicrap_2016_linear_30_20_10", "lillicrap_2016_linear_100_50_20"
# model, step, updates a turn, and what learns in each turn
REGIMENS = {
    "once": (SMALL, 0.002, 30, ["A"] * 6 + ["W"] * 34),
    "in turns": (SMALL, 0.002, 30, (["A"] * 3 + ["W"] * 3) * 6),
    "together": (SMALL, 0.002, 40, ["both"] * 32),
    "together, large": (LARGE, 0.001, 40, ["both"] * 32),
}


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"regimen": regimen, "seed": seed} for regimen in REGIMENS]


def describe(job: dict) -> tuple:
    name, *how = REGIMENS[job["regimen"]]
    return described_run(name, "fa", *how)


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf
    from neurofa.analysis.linear import alignment_traces

    name, step, updates, turns = REGIMENS[job["regimen"]]
    model = nf.load_model(name)
    net, fa, T = model.for_rule(nf.rules.FA)[0], nf.rules.FA, deterministic.target(model, job["seed"])
    params, data = nf.lower(net, fa, job["seed"], precision="float64").params, deterministic.expected(T, updates)
    rates = {"A": (step, 0.0), "W": (0.0, step), "both": (step, step)}
    rows = []
    for place, learns in enumerate(["", *turns]):
        params = deterministic.moved(net, fa, params, data, rates[learns]) if learns else params
        values = (place * updates * step, learns, *alignment_traces(params, T), deterministic.error(params, T))
        rows.append(dict(zip(MEASURED, values, strict=True)))
    return rows


def runs(rows: list[dict], regimen: str) -> list[list[dict]]:
    """The rows of each run in the order of time."""
    mine = where(rows, regimen=regimen)
    return [where(mine, seed=seed) for seed in sorted({row["seed"] for row in mine})]


def turns(run: list[dict], learns: str) -> list[tuple[dict, dict]]:
    """First and last row of each stretch in which the same weights learn."""
    found, start = [], 0
    for i in range(1, len(run)):
        if i + 1 == len(run) or run[i + 1]["learns"] != run[i]["learns"]:
            found += [(run[start], run[i])] if run[i]["learns"] == learns else []
            start = i
    return found


def spread(rows: list[dict], regimen: str, name: str) -> float:
    """Coefficient of variation over runs, as the mean over time."""
    values = np.array([[row[name] for row in run[1:]] for run in runs(rows, regimen)])
    return float(np.mean(values.std(axis=0) / values.mean(axis=0)))


def verdicts(rows: list[dict], paper: dict) -> list:
    once, in_turns, together, large = (runs(rows, regimen) for regimen in REGIMENS)
    first = [(turns(run, "A")[0], turns(run, "W")[0]) for run in once]
    learned = [run for some in (in_turns, together, large) for run in some]
    steady = [all(row["tr_ABE"] > 0 for row in run[1:]) for run in [*once, *learned]]
    rising = [all(b["tr_BW"] > a["tr_BW"] for a, b in turns(run, "W")[:2]) for run in in_turns]
    second = [turns(run, "A")[1] for run in in_turns]
    return [
        finding("A alone, at first: tr(A'BE) rises from near 0 in every run",
                all(b["tr_ABE"] > max(0, 5 * abs(a["tr_ABE"])) for (a, b), _ in first), where(rows, regimen="once")),
        finding("A alone, at first: the error changes by less than a quarter in every run",
                all(abs(b["nse"] - a["nse"]) < 0.25 * a["nse"] for (a, b), _ in first), where(rows, regimen="once")),
        finding("W alone, then: tr(BW) rises and the error falls below a tenth in every run",
                all(b["tr_BW"] > 0.5 + a["tr_BW"] and b["nse"] < 0.1 for _, (a, b) in first),
                where(rows, regimen="once")),
        finding("in turns: tr(BW) rises in the first two turns of W in every run", all(rising),
                where(rows, regimen="in turns")),
        finding("in turns: A alone lowers the error in its second turn in every run",
                all(b["nse"] < 0.9 * a["nse"] for a, b in second), where(rows, regimen="in turns")),
        finding("tr(A'BE) is positive after the start, in all runs of all regimens", all(steady), rows),
        finding("together: tr(BW) ends above where it began, and the error below 1 %, in all runs of both networks",
                all(run[-1]["tr_BW"] > run[0]["tr_BW"] and run[-1]["nse"] < 0.01 for run in [*together, *large]),
                where(rows, regimen="together")),
        *([] if len(large) < 10 else [
            finding(f"ours: {name} has a smaller standard deviation over mean between runs in the larger network",
                    spread(rows, "together, large", column) < spread(rows, "together", column), rows)
            for name, column in (("tr(A'BE)", "tr_ABE"), ("tr(BW)", "tr_BW"), ("the error", "nse"))
        ]),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(4, 3, width=7.2, height=4.8)
    titles = {"once": "A, then W", "in turns": "A and W in turns", "together": "A and W together"}
    labels = {"tr_ABE": "tr(A'BE)", "tr_BW": "tr(BW)", "nse": "error (NSE)"}
    for column, regimen in enumerate(REGIMENS):
        for line, (name, label) in enumerate(labels.items()):
            ax, mine = axes[4 * line + column], runs(rows, regimen)
            for learns, color in (("A", "#0072B2"), ("W", "#D55E00")):
                for a, b in turns(mine[0], learns) if mine else []:
                    ax.axvspan(a["time"], b["time"], color=color, alpha=0.13, linewidth=0)
            for run in mine:
                ax.plot([row["time"] for row in run], [row[name] for row in run], color="#000000", linewidth=0.4)
            ax.axhline(0, color="#777777", linewidth=0.6, linestyle="--")
            ax.grid(False)
            if line == 0:
                ax.set_title(titles.get(regimen, "100-50-20, together"))
            if column == 0:
                ax.set_ylabel(label)
            if line == 2:
                ax.set_xlabel("time (1 / learning rate)")
    for y, color, word in ((0.96, "#0072B2", "A learns"), (0.84, "#D55E00", "W learns")):
        axes[0].text(0.97, y, word, color=color, transform=axes[0].transAxes, ha="right", va="top")
    for a, b in [turns(run, "A")[1] for run in runs(rows, "in turns")[:1]]:
        end = (a["time"] + b["time"]) / 2, a["nse"] / 2 + b["nse"] / 2
        axes[9].annotate("", end, (end[0] + 0.3, end[1] + 0.22), arrowprops={"arrowstyle": "-|>", "color": "#000000"})
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
