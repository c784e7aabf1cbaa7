"""What Figures 2 and 3 of Frenkel et al. 2021 share: five rules, curves over epochs, angles of two hidden layers."""

from functools import lru_cache
from pathlib import Path

from neurofa.experiments import mean_curves, mean_of, panels, thinned, trained, where

RULES = ("shallow", "bp", "fa", "dfa", "sdfa")
ANGLED = ("fa", "dfa", "sdfa")
MEASURED = ("quantity", "x", "value")
POINTS = 50
# mean angles of single samples' signals: delta z, after the derivative, as the captions have it; and delta y, before it
ANGLES = {"angle": "sample_angle_deg", "signal_angle": "sample_alignment_deg"}
MEASURES = {"angle": "delta z", "signal_angle": "delta y"}


def jobs(seed: int, epochs: int) -> list[dict]:
    return [{"rule": rule, "seed": seed, "epochs": epochs} for rule in RULES]


@lru_cache(maxsize=1)
def loaded(spec, seed: int):
    """The data, which the rules share."""
    import neurofa as nf

    return nf.load_data(spec, seed=seed)


def describe(model_name: str, job: dict, kept: float, *more: object) -> tuple:
    import neurofa as nf

    model = nf.load_model(model_name)
    angles = list(ANGLES.values()) if job["rule"] in ANGLED else []
    return *model.for_rule(nf.rules.named(job["rule"])), model.data, POINTS, kept, *angles, *more


def one(
    model_name: str, curves: dict[str, str], kept: float, job: dict, folder: Path, data_seed: int | None = None
) -> list[dict]:
    """Train, and return curves (names by variable of the history) and angles, smoothed as in the paper.

    `kept` is the share of the moving average that an epoch leaves, `data_seed` the data's where it is not the job's.
    """
    import neurofa as nf

    model = nf.load_model(model_name)
    rule, data = nf.rules.named(job["rule"]), loaded(model.data, job["seed"] if data_seed is None else data_seed)
    run = trained(folder, model, rule, data, job["seed"], probe_every=None, epochs=job["epochs"])
    places = thinned(job["epochs"], POINTS)
    rows = [(name, n + 1, run.history[variable].values[n]) for variable, name in curves.items() for n in places]
    if job["rule"] in ANGLED:
        for name, variable in ANGLES.items():
            for layer in (0, 1):
                angles = smoothed(run.history[variable].values[1:, layer], kept)  # without the untrained network's
                rows += [(f"{name}_{layer + 1}", n + 1, angles[n]) for n in places]
    seconds = round(run.seconds, 1)
    return [
        {"quantity": quantity, "x": int(x), "value": float(value), "seconds": seconds} for quantity, x, value in rows
    ]


def smoothed(values, kept: float) -> list[float]:
    """Exponentially weighted moving average that begins at the first value."""
    means = [float(values[0])]
    for value in values[1:]:
        means.append(kept * means[-1] + (1 - kept) * float(value))
    return means


def at_end(rows: list[dict], quantity: str) -> dict[str, float]:
    """Mean over seeds at the last epoch, by rule."""
    last = max(row["x"] for row in rows)
    return {rule: mean_of(where(rows, rule=rule, quantity=quantity, x=last), "value") for rule in RULES}


def largest_angle(rows: list[dict], rules: tuple[str, ...] = ANGLED, measure: str = "angle") -> float:
    """Largest smoothed angle of these rules in any hidden layer at any epoch, mean over seeds."""
    angles = [row for row in rows if row["quantity"].startswith(measure) and row["rule"] in rules]
    points = {(row["rule"], row["quantity"], row["x"]) for row in angles}
    means = [mean_of(where(rows, rule=rule, quantity=name, x=x), "value") for rule, name, x in points]
    return max(means, default=float("nan"))


def draw(rows: list[dict], curves: dict[str, str], log: bool):
    """Four panels: two curves above, the angles of the two hidden layers below."""
    from neurofa.plot.curves import log_ticks

    figure, axes = panels(2, 2, width=6.8, height=4.6)
    for ax, letter, (quantity, label) in zip(axes, "AB", curves.items(), strict=False):
        mean_curves(ax, where(rows, quantity=quantity), "rule", log=log, legend=False)
        ax.set(title=letter, xlabel="epochs", ylabel=label)
        if log:
            log_ticks(ax)
    axes[1].legend(*axes[0].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(1.02, 0.5))
    for ax, letter, layer in zip(axes[2:], "CD", (1, 2), strict=True):
        mean_curves(ax, where(rows, quantity=f"angle_{layer}"), "rule", legend=False)
        ax.axhline(90, color="#777777", linewidth=0.6, linestyle="--")
        ax.set(title=letter, xlabel="epochs", ylabel=f"angle of δz to BP, hidden layer {layer} (°)", ylim=(0, 100))
    return figure
