"""Lechner 2020, Theorem 1 and appendix A.1: mono-nets with tanh approximate any function; with ReLU they do not.

Protocol: sigmoid networks with one hidden layer of random weights and a least-squares output (the paper takes any) are
fitted to three functions on [0, 1] or [0, 1]^2, turned into mono-nets as in the proof, and evaluated by the library;
errors are the largest on a grid twice as fine as the fitted one. The proof has tanh(z) where sigmoid(z) needs
tanh(z/2), so it is done both ways; half of its 2N units have a weight of 0 and are left out. Mono-nets are also fitted
directly, by non-negative least squares. Section 4.1 suspects that ReLU restricts what a mono-net can be: it is then
convex in its input however deep, which is checked on random networks with three hidden layers.
"""

import sys
from pathlib import Path

import numpy as np

from neurofa.experiments import finding, mean_curves, mean_of, panels, run_script, where

SEEDS = {"quick": 1, "default": 5, "full": 20}
UNITS = {"quick": (8, 128), "default": (4, 8, 16, 32, 64, 128, 256), "full": (4, 8, 16, 32, 64, 128, 256)}
PROTOCOL = {mode: f"up to {units[-1]} hidden units" for mode, units in UNITS.items()}
MEASURED = ("quantity", "x", "value")
TARGETS = {
    "bump": (1, lambda x: 4 * x[:, 0] * (1 - x[:, 0])),
    "sine": (1, lambda x: np.sin(2 * np.pi * x[:, 0])),
    "saddle": (2, lambda x: (2 * x[:, 0] - 1) * (2 * x[:, 1] - 1)),
}
STEPS = {1: 400, 2: 24}  # of the grid that is fitted
LOOKS = {
    "sigmoid, signed weights": {"color": "#777777", "linestyle": "-"},
    "tanh, from sigmoid": {"color": "#E69F00", "linestyle": (0, (3.5, 1.4))},
    "tanh": {"color": "#0072B2", "linestyle": "-"},
    "hard-tanh": {"color": "#009E73", "linestyle": "-"},
    "ReLU": {"color": "#D55E00", "linestyle": "-"},
    "ReLU, signed weights": {"color": "#D55E00", "linestyle": (0, (1.0, 1.3))},
}
SLOPE, EXACT = 12.0, 1e-8  # of hidden weights; rounding errors of sums with large terms stay below


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"target": target, "seed": seed, "units": UNITS[mode][-1]} for target in (*TARGETS, "random_deep")]


def describe(job: dict) -> tuple:
    return (f"{job['target']}, {TARGETS.get(job['target'], '')[:1]}, {UNITS['full']}, {STEPS}, slope {SLOPE}",)


def grid(dim: int, steps: int) -> np.ndarray:
    axes = np.meshgrid(*[np.linspace(0, 1, steps + 1)] * dim, indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def outputs(activation: str, W: np.ndarray, b: np.ndarray, v: np.ndarray, c: float, x: np.ndarray) -> np.ndarray:
    """What the library's network with these parameters gives: the error with targets of 0."""
    import neurofa as nf

    layers = (nf.Layer(len(b), activation), nf.Layer(1, "identity"))
    net = nf.Network(x.shape[1], layers, loss="half_sse", task="regression")
    params = {"layers.0.W": W, "layers.0.b": b, "layers.1.W": v[:, None], "layers.1.b": np.array([c])}
    return len(x) * nf.updates(net, nf.rules.BP, params, x, np.zeros((len(x), 1)))["layers.1.M"][:, 0]


def hidden(activation: str, z: np.ndarray) -> np.ndarray:
    kinds = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
    return kinds[activation](z) if activation in kinds else np.clip(z, -1, 1)


def fitted(activation: str, W: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray, signed: bool) -> tuple:
    """Output weights and bias by least squares, non-negative weights unless `signed`."""
    from scipy.optimize import nnls

    a = hidden(activation, x @ W + b)
    one_each = np.ones((len(x), 1))
    if signed:
        *v, c = np.linalg.lstsq(np.hstack([a, one_each]), y, rcond=1e-9)[0]
        return np.array(v), c
    *v, up, down = nnls(np.hstack([a, one_each, -one_each]), y, maxiter=50 * len(b))[0]
    return np.array(v), up - down


def one(job: dict, folder: Path) -> list[dict]:
    rng = np.random.default_rng(job["seed"])
    if job["target"] == "random_deep":
        made = [(activation, 3, bulge(activation, rng)) for activation in ("relu", "tanh")]
        return [dict(zip(MEASURED, row, strict=True)) for row in made]
    dim, target = TARGETS[job["target"]]
    x, finer, made = grid(dim, STEPS[dim]), grid(dim, 2 * STEPS[dim]), []
    y, truth = target(x), target(finer)
    for n in UNITS["quick" if job["units"] == UNITS["quick"][-1] else "full"]:
        W = SLOPE * rng.normal(size=(dim, n))
        b = -np.sum(W * rng.uniform(size=(dim, n)), axis=0)  # each unit turns somewhere in the cube
        for label in LOOKS:
            signed, activation = label.endswith("signed weights"), label.split(",")[0].lower().replace("-", "_")
            if label == "tanh, from sigmoid":
                continue
            v, c = fitted(activation, W, b, x, y, signed)
            found = outputs(activation, W, b, v, c, finer)
            made.append((label, n, np.abs(found - truth).max()))
            if activation == "sigmoid":
                side, mono = np.where(v < 0, -1.0, 1.0), (np.abs(v) / 2, c + v.sum() / 2)
                same = outputs("tanh", W * side / 2, b * side / 2, *mono, finer)
                printed = outputs("tanh", W * side, b * side, *mono, finer)
                made += [("tanh, from sigmoid", n, np.abs(same - truth).max()),
                         ("corrected_from_sigmoid", n, np.abs(same - found).max()),
                         ("printed_from_sigmoid", n, np.abs(printed - found).max())]  # fmt: skip
    return [dict(zip(MEASURED, (*row[:2], float(row[2])), strict=True)) for row in made]


def bulge(activation: str, rng: np.random.Generator, draws: int = 200) -> float:
    """How far a random mono-net with three hidden layers rises above a chord at its middle, the largest of many."""
    largest = -np.inf
    for _ in range(draws):
        ends = rng.uniform(size=(2, 20, 2))
        a = np.concatenate([*ends, ends.mean(axis=0)])
        for place, n in enumerate((2, 8, 8, 8)):
            W = SLOPE * rng.normal(size=(n, 8)) if place == 0 else np.abs(rng.normal(size=(n, 8))) / 4
            a = hidden(activation, a @ W - (W.sum(axis=0) * rng.uniform(size=8) if place == 0 else rng.normal(size=8)))
        left, right, middle = np.split(a.sum(axis=1), 3)
        largest = max(largest, float((middle - (left + right) / 2).max()))
    return largest


def verdicts(rows: list[dict], paper: dict) -> list:
    most = max(row["units"] for row in rows)
    wide = where(rows, x=most)

    def value(label: str, target: str) -> float:
        return mean_of(where(wide, quantity=label, target=target), "value")

    same, printed = (where(rows, quantity=f"{kind}_from_sigmoid") for kind in ("corrected", "printed"))
    deep = where(rows, target="random_deep")
    relu = where(rows, quantity="ReLU", target="bump")
    names = list(TARGETS)
    return [
        finding("the mono-net of the proof, with tanh(z/2), is the sigmoid network to rounding",
                max((row["value"] for row in same), default=1) < EXACT, same),
        finding("as printed, with tanh(z), it is not",
                min((row["value"] for row in printed), default=0) > paper["printed_differs"], printed),
        finding(f"tanh mono-net of the proof: error below {paper['proof_error']} for all three functions",
                all(value("tanh, from sigmoid", name) < paper["proof_error"] for name in names), wide),
        finding(f"tanh and hard-tanh mono-nets fitted directly: error below {paper['direct_error']} for all three "
                "functions", all(value(label, name) < paper["direct_error"] for label in ("tanh", "hard-tanh")
                                 for name in names), wide),
        finding("bump: a ReLU mono-net stays at 1/2 or above (the best convex function) with any number of units",
                min((row["value"] for row in relu), default=0) > 0.499, relu),
        finding(f"without the constraint on W, ReLU has an error below {paper['signed_relu_error']} there",
                value("ReLU, signed weights", "bump") < paper["signed_relu_error"], wide),
        finding("random deep mono-nets are convex with ReLU, and not with tanh",
                max((row["value"] for row in where(deep, quantity="relu")), default=1) < EXACT
                < min((row["value"] for row in where(deep, quantity="tanh")), default=0), deep),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    figure, axes = panels(3, width=7.2, height=3.0)
    for ax, target in zip(axes, TARGETS, strict=True):
        mine = [row for label in LOOKS for row in where(rows, target=target, quantity=label)]
        mean_curves(ax, mine, "quantity", lines=LOOKS, log=True, legend=False)
        ax.set(title=target, xlabel="hidden units", xscale="log", ylim=(1e-7, 3))
        ax.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
        ax.minorticks_off()
    axes[0].set_ylabel("largest error")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
