"""Lillicrap et al. 2016, supplementary Notes 11, 14 and 15: the three proofs along real training.

Protocol: Note 11: a linear 30-20-10 network learns by expected updates from weights of 0, with two step sizes; V is the
squared norm of BE. Note 14: the same network learns one sample, from 0 and, for contrast, from U(-0.25, 0.25). Note 15:
a 30-40-10 network (tanh) learns the nonlinear target by pseudobackprop; its biases make the x'x of equation 59 x'x + 1.
Targets are those of the models; steps, rates and lengths are chosen here. Two slips of the notes: the bound of Lemma 3
holds because the squared norm of AA' is at least s^2/n (with the note's s^2/n^2 it would not follow), and the s of
equation 49 is the inverse of what it says.
"""

import sys
from dataclasses import replace
from pathlib import Path

import lillicrap_2016_deterministic as deterministic
import numpy as np

from neurofa.experiments import finding, mean_curves, panels, run_script, trained, where

SEEDS = {"quick": 1, "default": 5, "full": 10}
PROTOCOL = dict.fromkeys(SEEDS, "chosen here")
MEASURED = ("quantity", "x", "value")
LINEAR, NONLINEAR = "lillicrap_2016_linear_30_20_10", "lillicrap_2016_nonlinear_30_40_10"
SHAPES = {"layers.0.W": (30, 20), "layers.1.W": (20, 10)}
TIMES, STEPS = [0.05] * 20 + [0.25] * 12, (0.005, 0.0025)  # between points, in units of 1 / learning rate
UPDATES, ETA = 60, 0.01
ETAS, EPOCHS = (0.03, 0.01, 0.003, 0.001), 20


def jobs(mode: str, seed: int) -> list[dict]:
    return [{"note": note, "seed": seed} for note in (11, 14, 15)]


def described(job: dict):
    """Model and rule of a note."""
    import neurofa as nf

    model = nf.load_model(NONLINEAR if job["note"] == 15 else LINEAR)
    return replace(model, training=replace(model.training, precision="float64")), nf.rules.FA


def describe(job: dict) -> tuple:
    model, rule = described(job)
    numbers = {11: (TIMES, STEPS), 14: (UPDATES, ETA), 15: (ETAS, EPOCHS)}[job["note"]]
    return *model.for_rule(rule), model.data, job["note"], numbers


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model, rule = described(job)
    feedback = nf.lower(model.for_rule(rule)[0], rule, job["seed"], precision="float64").params["layers.0.B"]
    rows = {11: theorem_1, 14: theorem_2, 15: gauss_newton}[job["note"]](model, feedback, job["seed"])
    return [{"quantity": quantity, "x": float(x), "value": float(value)} for quantity, x, value in rows]


def theorem_1(model, B: np.ndarray, seed: int):
    """V, its rate against equation 18, C, the bound on A, the error."""
    import neurofa as nf
    from neurofa.analysis.conservation import matrix_invariant
    from neurofa.analysis.linear import lyapunov

    net, fa, T = model.network, nf.rules.FA, deterministic.target(model, seed)
    x = np.sqrt(len(T)) * np.eye(len(T))
    yield "bound", 0, np.sum((T @ B) ** 2) + 2 * B.shape[1]
    for step in STEPS:
        params, time, drifts = {key: np.zeros(shape) for key, shape in SHAPES.items()} | {"layers.0.B": B}, 0.0, []
        for stretch in TIMES:
            data = deterministic.expected(T, round(stretch / step))
            params, time = deterministic.moved(net, fa, params, data, step), time + stretch
            A = params["layers.0.W"]
            drifts.append(np.linalg.norm(matrix_invariant(A, params["layers.1.W"], B)))
            if step == STEPS[-1]:
                update = nf.updates(net, fa, params, x, x @ T)
                ends = [
                    {k: v - h * update[f"{k[:-1]}dW"] for k, v in params.items() if k in SHAPES} for h in (1e-6, -1e-6)
                ]
                ahead, behind = (lyapunov(end | {"layers.0.B": B}, T)[0] for end in ends)
                value, rate = lyapunov(params, T)
                yield from (
                    ("V", time, value),
                    ("nse", time, deterministic.error(params, T)),
                    ("s", time, np.sum(A**2)),
                )
                yield "rate", time, (ahead - behind) / 2e-6 / rate
        yield "drift", step, max(drifts) / np.linalg.norm(A.T @ A)


def theorem_2(model, B: np.ndarray, seed: int):
    """Angles of Be to W+e and W'e, and the scalars of Lemma 5 against equations 45 and 46."""
    import neurofa as nf
    from neurofa.analysis.alignment import angle_deg

    net, data = model.network, nf.load_data(model.data, seed=seed)
    sample = replace(
        data, x_train=data.x_train[:1], y_train=data.y_train[:1], x_test=data.x_test[:1], y_test=data.y_test[:1]
    )
    x, y = sample.x_train.astype(float), sample.y_train.astype(float)
    back, rates = (y @ B).ravel(), (ETA / float(np.sum(x**2)), ETA)
    size, target = back @ back, y.ravel()
    rng = nf.spec.seeds.streams(seed).synthetic
    for start, bound in (("zero", 0.0), ("random", 0.25)):
        params = {key: rng.uniform(-bound, bound, shape) for key, shape in SHAPES.items()} | {"layers.0.B": B}
        s_h, s_w = 0.0, 0.0
        for n in range(1, UPDATES + 1):
            params = deterministic.moved(net, nf.rules.FA, params, sample, rates, batch=1)
            wrong = ETA * (1 - s_w * s_h * size)
            s_h, s_w = s_h + wrong, s_w + wrong * s_h
            forward = {key: params[key] for key in SHAPES}
            signals = [nf.updates(net, rule, given, x, y)["layers.0.M"] for rule, given in (
                (nf.rules.FA, params), (nf.rules.PSEUDO_BP, forward), (nf.rules.BP, forward))]  # fmt: skip
            if n > 1:  # before, W is still 0
                yield f"{start}: to pseudobackprop", n, angle_deg(signals[0], signals[1])
                yield f"{start}: to backpropagation", n, angle_deg(signals[0], signals[2])
            if start == "zero" and n > 1:
                h, W = x @ params["layers.0.W"], params["layers.1.W"]
                yield "s_h", n, (h @ back).item() / size / s_h - 1
                yield "s_w", n, back @ W @ target / (size * (target @ target)) / s_w - 1
                yield "s_inverse", n, np.linalg.norm(signals[1]) / np.linalg.norm(signals[0]) * s_w * size - 1
        yield (
            f"{start}: error left",
            UPDATES,
            np.linalg.norm(x @ params["layers.0.W"] @ params["layers.1.W"] - y) / np.linalg.norm(y),
        )


def gauss_newton(model, B: np.ndarray, seed: int):
    """The hidden signal of pseudobackprop against Gauss-Newton steps, and the change of h against equation 59."""
    import neurofa as nf

    net, data = model.network, nf.load_data(model.data, seed=seed)
    x, y = data.x_test[:100].astype(float), data.y_test[:100].astype(float)
    scale = 0.5 * float(data.y_test.var(axis=0).sum())
    params = nf.lower(net, nf.rules.PSEUDO_BP, seed, precision="float64").params
    params = {key: value for key, value in params.items() if not key.endswith("B")}
    for rule in (nf.rules.PSEUDO_BP, nf.rules.BP, nf.rules.FA):
        run = trained(None, model, rule, data, seed, epochs=EPOCHS)
        yield from ((rule.name, n + 1, loss / scale) for n, loss in enumerate(run.history.test_loss.values))
        if rule.name == "pseudo_bp":
            ends = {0: params, EPOCHS: {key: run.params[key] for key in params}}
    for epoch, given in ends.items():
        A, c, W, b = (given[f"layers.{key}"] for key in ("0.W", "0.b", "1.W", "1.b"))
        h = np.tanh(x @ A + c)
        e = y - (h @ W + b)
        step = np.linalg.lstsq(W.T, e.T)[0].T  # the shortest change of h that takes the linearised error away
        signal = -len(x) * nf.updates(net, nf.rules.PSEUDO_BP, given, x, y)["layers.0.M"]
        yield "gauss_newton", epoch, np.abs(signal - step).max() / np.abs(step).max()
        yield "after_step", epoch, np.abs(y - ((h + signal) @ W + b)).max() / np.abs(e).max()
        yield "condition", epoch, np.min(np.sum(e * (signal @ W), axis=1) / np.sum(e * e, axis=1))
        for eta in ETAS if epoch else ():
            update = nf.updates(net, nf.rules.PSEUDO_BP, given, x[:1], y[:1])
            changed = np.tanh(x[:1] @ (A - eta * update["layers.0.dW"]) + c - eta * update["layers.0.db"]) - h[:1]
            predicted = eta * (1 - h[:1] ** 2) ** 2 * (np.sum(x[0] ** 2) + 1) * step[:1]
            yield "remainder", eta, np.linalg.norm(changed - predicted) / np.linalg.norm(predicted)


def verdicts(rows: list[dict], paper: dict) -> list:
    def of(name: str, **more) -> list[dict]:
        return where(rows, quantity=name, **more)

    def largest(name: str, **more) -> float:
        return max((abs(row["value"]) for row in of(name, **more)), default=np.inf)

    def falls(name: str) -> bool:
        return all(np.all(np.diff([row["value"] for row in of(name, seed=seed)]) < 0) for seed in seeds)

    def ratios(name: str, first: float, last: float) -> list[float]:
        ends = [[of(name, seed=seed, x=x) for x in (first, last)] for seed in seeds]
        return [one[0]["value"] / two[0]["value"] for one, two in ends if one and two]

    seeds = sorted({row["seed"] for row in rows})
    bounds = {row["seed"]: row["value"] for row in of("bound")}
    rates = [row["value"] for row, error in zip(of("rate"), of("nse"), strict=True) if error["value"] > 1e-4]
    orders = [np.log(ratio) / np.log(ETAS[0] / ETAS[-1]) for ratio in ratios("remainder", ETAS[0], ETAS[-1])]
    from0, random = of("zero: to pseudobackprop"), of("random: to pseudobackprop")
    return [
        finding("note 11: C of equation 10 stays 0 but for the step (below 2 % of AA'; twice the step, twice as much)",
                largest("drift") < 0.02 and all(1.8 < ratio < 2.2 for ratio in ratios("drift", *STEPS)), of("drift")),
        finding("note 11: V falls at each point", falls("V"), of("V")),
        finding("note 11: V falls at the rate of equation 18 (within 5 %, while the error is above 1e-4)",
                all(abs(rate - 1) < 0.05 for rate in rates), of("rate")),
        finding("note 11: s = tr(AA') stays below the bound of Lemma 3",
                all(row["value"] < bounds[row["seed"]] for row in of("s")), of("s")),
        finding("note 11: the error goes to 0 (below 1e-8 of that at the start)",
                all(row["value"] < 1e-8 for row in of("nse")[len(TIMES) - 1 :: len(TIMES)]), of("nse")),
        finding("note 14: from 0, Be and W+e are parallel (1e-4 degrees)", largest("zero: to pseudobackprop") < 1e-4,
                from0),
        finding("note 14: s_h and s_w follow equations 45 and 46 (1e-8)", max(largest("s_h"), largest("s_w")) < 1e-8,
                of("s_w")),
        finding("note 14: W+e is Be over s_w and the squared norm of By* (1e-6)", largest("s_inverse") < 1e-6,
                of("s_inverse")),
        finding("note 14: from random weights Be and W+e stay more than 10 degrees apart",
                all(row["value"] > 10 for row in random), random),
        finding("note 15: the hidden signal is the Gauss-Newton step (1e-8), and the step takes the error away",
                max(largest("gauss_newton"), largest("after_step")) < 1e-8, of("gauss_newton")),
        finding("note 15: e'WW+e = e'e > 0 before and after learning",
                all(abs(row["value"] - 1) < 1e-8 for row in of("condition")), of("condition")),
        finding("note 15: what equation 59 leaves out of the change of h vanishes as the rate does (first order)",
                all(0.8 < order < 1.2 for order in orders), of("remainder")),
        finding("note 15: pseudobackprop lowers the error in each epoch", falls("pseudo_bp"), of("pseudo_bp")),
    ]  # fmt: skip


def draw(rows: list[dict], paper: dict):
    def lines(ax, names: dict, log: bool = False, **how):
        mine = [row | {"line": names[row["quantity"]][0]} for row in rows if row["quantity"] in names]
        mean_curves(ax, mine, "line", lines=dict(names.values()), log=log, **how)

    figure, axes = panels(2, 2, width=6.6, height=4.6)
    blue, red, black = {"color": "#0072B2"}, {"color": "#D55E00"}, {"color": "#000000"}
    lines(axes[0], {"nse": ("error (NSE)", black), "V": ("V", blue), "s": ("tr(AA')", red)}, log=True)
    axes[0].set(title="Note 11: weights from 0", xlabel="time (1 / learning rate)", ylabel="error (NSE), V, tr(AA')")
    dashed = {"linestyle": (0, (3, 1.4))}
    lines(axes[1], {"zero: to pseudobackprop": ("to W+e and to W'e, from 0", black),
                    "random: to pseudobackprop": ("to W+e, from random weights", blue | dashed),
                    "random: to backpropagation": ("to W'e, from random weights", black | dashed)})  # fmt: skip
    axes[1].axhline(90, color="#777777", linewidth=0.6, linestyle="--")
    axes[1].set(title="Note 14: one sample", xlabel="updates", ylabel="angle of Be (°)", ylim=(-5, 185))
    axes[1].set_yticks((0, 45, 90, 135, 180))
    mean_curves(axes[2], [row for row in rows if row["quantity"] in ("pseudo_bp", "bp", "fa")], "quantity")
    axes[2].set(title="Note 15: learning by pseudobackprop", xlabel="epochs", ylabel="error (NSE)")
    lines(axes[3], {"remainder": ("", blue)}, log=True, legend=False)
    axes[3].set(title="Note 15: equation 59", xscale="log", xlabel="learning rate", ylabel="relative remainder")
    axes[3].yaxis.set_minor_formatter("")
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
