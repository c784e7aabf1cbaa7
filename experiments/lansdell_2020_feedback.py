"""What Figures 2 and 4 of Lansdell et al. 2020 share: noise levels, measures of B in both hidden layers, panels."""

from dataclasses import replace
from pathlib import Path

from neurofa.experiments import mean_curves, mean_of, trained, where

MEASURED = ("quantity", "x", "value")
NOISE = (0.0001, 0.001, 0.01, 0.1)
COLOURS = ("#E69F00", "#009E73", "#D55E00", "#CC79A7")
# of equal curves the last hides the others, unless it is thinner
LOOKS = {
    noise_std: {"color": color, "linewidth": width}
    for noise_std, color, width in zip(NOISE, COLOURS, (2.6, 1.9, 1.2, 0.7), strict=True)
}
LAYERS = (2, 1)  # hidden layers, counted as in the paper: the first is drawn dashed
POINTS = 40
MEASURES = {
    "relative_error": ("relative_error", 1, "relative error of B"),
    "angle": ("alignment_deg", 1, "angle to backpropagation (°)"),
    "signs": ("sign_congruence", 100, "signs that agree (%)"),
}


def with_noise(name: str, noise_std: float):
    """A model with this noise under np_fa; with 0, which is that of the other rules, as it is."""
    import neurofa as nf

    model = nf.load_model(name)
    own = model.rules["np_fa"]
    if noise_std == 0:
        return model
    own = replace(own, perturbation=replace(own.perturbation, noise_std=noise_std))
    return replace(model, rules=dict(model.rules) | {"np_fa": own})


def describe(name: str, rule: str, noise_std: float) -> tuple:
    import neurofa as nf

    model = with_noise(name, noise_std)
    return *model.for_rule(nf.rules.named(rule)), model.data, POINTS


def one(name: str, rule: str, job: dict, folder: Path) -> list[dict]:
    """Train, and return test errors in percent and the measures of both hidden layers, evenly in the log of epochs."""
    import neurofa as nf

    model = with_noise(name, job["noise_std"])
    data, chosen = nf.load_data(model.data, seed=job["seed"]), nf.rules.named(rule)
    probe_every = 0 if rule == "bp" else None  # its B is W, always
    run = trained(folder, model, chosen, data, job["seed"], probe_every=probe_every, epochs=job["epochs"])
    places = sorted({round(job["epochs"] ** (n / (POINTS - 1))) for n in range(POINTS)})
    rows = [("test_error", n, 100 * run.history.test_error.values[n - 1]) for n in places]
    for quantity, (variable, scale, _) in MEASURES.items() if rule != "bp" else ():
        values = run.history[variable].values  # the first are those of the untrained network
        rows += [(f"{quantity}_{layer}", n, scale * values[n, layer - 1]) for layer in LAYERS for n in places]
    seconds = round(run.seconds, 1)
    return [{"quantity": quantity, "x": n, "value": float(value), "seconds": seconds} for quantity, n, value in rows]


def at_end(rows: list[dict], quantity: str, **chosen: object) -> float:
    """Mean over seeds at the last epoch."""
    return mean_of(where(rows, quantity=quantity, x=max((row["x"] for row in rows), default=0), **chosen), "value")


def draw_measure(ax, rows: list[dict], quantity: str, by: str, looks: dict, log: bool) -> None:
    """One measure over epochs, the first hidden layer dashed."""
    for layer in LAYERS:
        lines = {name: look | {"linestyle": "-" if layer == 2 else (0, (3.5, 1.4))} for name, look in looks.items()}
        mean_curves(ax, where(rows, quantity=f"{quantity}_{layer}"), by, lines=lines, legend=False,
                    log=log)  # fmt: skip
    ax.set(ylabel=MEASURES[quantity][2])
    over_epochs(ax, log)


def over_epochs(ax, log: bool) -> None:
    """Plain numbers along a logarithmic axis of epochs, and along the other one if it is logarithmic."""
    from neurofa.plot.curves import log_ticks

    ax.set(xscale="log", xlabel="epochs")
    log_ticks(ax, horizontal=True)
    if log:
        log_ticks(ax)


def legend_of(ax, looks: dict, title: str, place: str = "best") -> None:
    """A legend of colours alone, beside those that the axes have."""
    lines = {ax.plot([], [], **look)[0]: str(name) for name, look in looks.items()}
    before = ax.get_legend()
    ax.legend(list(lines), list(lines.values()), title=title, loc=place)
    if before is not None:
        ax.add_artist(before)  # which the new one has put out
