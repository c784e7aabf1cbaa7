"""Lillicrap et al. 2016, supplementary Figure 10: how two weights flow under feedback alignment.

Protocol: a linear network of one neuron a layer (weights A and W, B = T = 1) is trained by the library's expected
updates; arrows are single updates, paths are many small ones. On a path W - A^2/2 stays as it is (Note 11 with
scalars), so that paths are parabolas; where A W = 1 is stable, and from where the bad branch is reached, follow in
closed form. Steps of 0.005 move a path to other parabolas by up to 0.02. Range, starts and step are not stated.
Nothing is random: one seed is all there is.
"""

import sys
from pathlib import Path

import lillicrap_2016_deterministic as deterministic
import numpy as np

from neurofa.experiments import finding, panels, run_script, where

SEEDS = {"quick": 1, "default": 1, "full": 1}
PROTOCOL = {"quick": "8 starts a side", "default": "24 starts a side", "full": "24 starts a side"}
SIDE = {"quick": 8, "default": 24, "full": 24}
MEASURED = ("quantity", "number", "A", "W", "to_A", "to_W")
RANGE, STEP, LONG = 2.5, 0.005, 12_000  # updates to where a start ends: near the turning point they are slow
SLACK = 0.02  # of W - A^2/2, which steps change
UPDATES = (5,) * 16 + (40,) * 24  # between two points of a path
STARTS = [(0.02, 0.02), (-2.2, 2.0), (-1.2, 2.3), (2.3, -1.6), (1.0, -2.2), (-1.4, -0.2), (-1.0, -2.2), (-2.2, 0.3)]


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"part": part, "side": SIDE[mode], "seed": seed} for part in ("arrows", "paths", "ends")]


def network():
    import neurofa as nf

    return nf.Network.dense((1, 1, 1), "identity", "identity", "half_sse", task="regression", bias=False)


def describe(job: dict) -> tuple:
    import neurofa as nf

    return network(), nf.rules.FA, job["part"], job["side"], RANGE, STEP, UPDATES, LONG, STARTS


def weights(A: float, W: float) -> dict:
    return {f"layers.{key}": np.full((1, 1), float(value)) for key, value in (("0.W", A), ("1.W", W), ("0.B", 1))}


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    net, fa = network(), nf.rules.FA
    grid = np.linspace(-RANGE, RANGE, job["side"])
    points = [(float(A), float(W)) for A in grid for W in grid]
    rows = []
    if job["part"] == "arrows":
        for A, W in points:
            update = nf.updates(net, fa, weights(A, W), np.ones((1, 1)), np.ones((1, 1)))
            rows.append(("arrow", 0, A, W, -update["layers.0.dW"].item(), -update["layers.1.dW"].item()))
    elif job["part"] == "paths":
        data = {updates: deterministic.expected(np.ones((1, 1)), updates) for updates in UPDATES}
        for number, (A, W) in enumerate(STARTS):
            params = weights(A, W)
            for updates in UPDATES:
                after = deterministic.moved(net, fa, params, data[updates], STEP)
                ends = [state[f"layers.{layer}.W"].item() for state in (params, after) for layer in (0, 1)]
                rows.append(("path", number, *ends))
                params = after
    else:
        data = deterministic.expected(np.ones((1, 1)), LONG)
        for A, W in points:
            end = deterministic.moved(net, fa, weights(A, W), data, STEP)
            rows.append(("end", 0, A, W, end["layers.0.W"].item(), end["layers.1.W"].item()))
    return [dict(zip(MEASURED, row, strict=True)) for row in rows]


def turning_point(A: float, W: float) -> float:
    """Where the parabola of a start meets unstable solutions: left of it the bad branch is reached; -inf if nowhere."""
    c = W - A * A / 2
    roots = np.roots([0.5, 0, c, -1])  # A W = 1 on the parabola
    negative = sorted(root.real for root in roots if abs(root.imag) < 1e-9 and root.real < 0)
    return negative[1] if len(negative) == 2 else -np.inf


def verdicts(rows: list[dict], paper: dict) -> list:
    arrows, paths, ends = (where(rows, quantity=quantity) for quantity in ("arrow", "path", "end"))
    e = [1 - r["A"] * r["W"] for r in arrows]
    wrong = [abs(r["to_A"] - x) + abs(r["to_W"] - x * r["A"]) for r, x in zip(arrows, e, strict=True)]
    begin = {n: W - A**2 / 2 for n, (A, W) in enumerate(STARTS)}
    bent = [abs(r["to_W"] - r["to_A"] ** 2 / 2 - begin[r["number"]]) for r in paths]
    clear = [r for r in ends if r["A"] > -1 or abs(r["W"] - r["A"] ** 2 / 2 + 1.5) > SLACK]  # -3/2 touches A W = 1
    bad = [r["A"] < turning_point(r["A"], r["W"]) for r in clear]
    solved = [abs(r["to_A"] * r["to_W"] - 1) < 1e-3 for r in ends]
    stable = [r["to_A"] > 0 or r["to_A"] < -1 for r in ends]
    near0 = [r for r in paths if r["number"] == 0]
    return [
        finding("updates are those of equations 6 and 7", max(wrong, default=1) < 1e-12, arrows),
        finding(f"paths are parabolas (W - A^2/2 moves by less than {SLACK})", max(bent, default=1) < SLACK, paths),
        finding("every start ends on A W = 1", all(solved), ends),
        finding("no start ends on solutions with -1 < A < 0, which are unstable", all(stable), ends),
        finding("most starts of the square end where W > 0", 2 * sum(r["to_W"] > 0 for r in ends) > len(ends), ends),
        finding(f"starts of the region in closed form, no others, end where W < 0 ({SLACK} beside its edge left out)",
                [r["to_W"] < 0 for r in clear] == bad and any(bad), ends),
        finding("a start near 0 ends where W > 0", bool(near0) and near0[-1]["to_W"] > 0.7, near0),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, (left, right) = panels(2, width=6.0, height=3.3)
    left.get_gridspec().set_width_ratios((1, 1.6))
    left.set(xlim=(-0.25, 2.25), ylim=(-1.2, 1.9), xticks=[], yticks=[])
    left.spines[:].set_visible(False)
    left.grid(False)
    for x, name in enumerate(("x", "h", "y")):
        left.plot(x, 0.7, "o", markersize=17, markerfacecolor="#FFFFFF", markeredgecolor="#000000")
        left.text(x, 0.7, name, ha="center", va="center", fontsize=9)
    left.plot(2, -0.4, "o", markersize=17, markerfacecolor="#FFFFFF", markeredgecolor="#E69F00")
    left.text(2, -0.4, "e", ha="center", va="center", fontsize=9)
    for (x0, y0), (x1, y1), name, color, shift in (
        ((0.2, 0.7), (0.8, 0.7), "A", "#0072B2", (0, 0.14)), ((1.2, 0.7), (1.8, 0.7), "W", "#0072B2", (0, 0.14)),
        ((2, 0.42), (2, -0.13), "", "#777777", (0, 0)), ((1.8, -0.3), (1.15, 0.46), "B", "#E69F00", (-0.18, -0.12)),
    ):  # fmt: skip
        left.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.2})
        left.text((x0 + x1) / 2 + shift[0], (y0 + y1) / 2 + shift[1], name, color=color, ha="center", fontsize=9)
    left.text(1, -1.05, "target: y* = x,  B = 1", ha="center", fontsize=8)
    fine = np.linspace(-RANGE, RANGE, 201)
    bad = np.array([[turning_point(A, W) > A for A in fine] for W in fine], float)
    right.contourf(fine, fine, bad, levels=(0.5, 1.5), colors=["#DDDDDD"])
    arrows = where(rows, quantity="arrow")
    A, W, dA, dW = (np.array([r[name] for r in arrows]) for name in MEASURED[2:])
    size = np.maximum(np.hypot(dA, dW), 1e-9)
    right.quiver(A, W, dA / size, dW / size, color="#9DB8CC", scale=32, width=0.0035, pivot="mid")
    for ends, look, label in (
        ((1 / RANGE, RANGE), {"color": "#777777"}, "W > 0, stable"),
        ((-RANGE, -1), {"color": "#000000"}, "W < 0, stable"),
        ((-1, -1 / RANGE), {"color": "#000000", "linestyle": (0, (2, 1))}, "unstable"),
    ):
        along = np.linspace(*ends, 100)
        right.plot(along, 1 / along, linewidth=2.4, label=label, **look)
    paths = where(rows, quantity="path")
    for number in sorted({r["number"] for r in paths}):
        mine = where(paths, number=number)
        look = {"color": "#D55E00", "linewidth": 1.8} if number == 0 else {"color": "#0072B2", "linewidth": 0.8}
        points = [(r["A"], r["W"]) for r in mine] + [(mine[-1]["to_A"], mine[-1]["to_W"])]
        xs, ys = zip(*points, strict=True)
        right.plot(xs, ys, label={0: "start near 0", 1: "other starts"}.get(number), **look)
        right.plot(xs[0], ys[0], "o", color=look["color"], markersize=2.5)
        half = next(i for i in range(1, len(xs)) if np.hypot(xs[i] - xs[0], ys[i] - ys[0]) >= 0.45 * np.hypot(
            xs[-1] - xs[0], ys[-1] - ys[0]))  # fmt: skip
        right.annotate("", points[half], points[half - 1], arrowprops={"arrowstyle": "-|>", "color": look["color"]})
    right.plot([], [], "s", color="#DDDDDD", markersize=7, label="starts that end at W < 0")
    right.set(xlabel="A", ylabel="W", xlim=(-RANGE, RANGE), ylim=(-RANGE, RANGE), aspect="equal")
    right.grid(False)
    right.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
