"""neurofa 2026, Table 2: MNIST under constraints of hardware, by weight bits, rounding and rule, and Intel's Loihi.

Protocol: 784-500-10 of models/mnist.toml in spiking mode, one sample at a time, 10 epochs. Weights, biases and feedback
have the levels of a profile, changes are rounded as they are made, and there is no weight in full precision beside the
stored one. The settings of a rule under a format are those of neurofa_2026_hardware.toml, chosen on a validation split
of the training set by neurofa_2026_hardware_search.py or by hand; `float` has those of the model file, searched for at
20 epochs. Here the whole training set is trained on, and the test error is the mean over the last three epochs: the
best is not chosen. Operations are those of a training sample. Findings with a limit were aims beforehand; the others
were worded after the results had been seen. Quick has two epochs of 6000 samples.

All settings that the search found have an error threshold of 2 spikes or more, so that outputs that are about right
cause no change, and most have weights with a headroom of 1 or 2 in place of the profiles' larger one, which gives finer
steps. In most, synapses change once a presentation; that matters less: with 8 bits and stochastic rounding DFA has
4.5 % on the split so, and 5.0 % at best with changes at every event. Where they change once a presentation, modulators
have a headroom of 4 in place of the profiles' 1, since they add up. Under rounding to the nearest, changes below half a
step are lost; with 2 bits nothing was found under which the hidden layer learns, the rule makes no difference, and what
is left is the output layer on random features. With 4 bits nearest rounding was searched for less than it needs.

The chip runs models/mnist_loihi.toml (784-400-10), which fits the profile `loihi` as it is (4 cores; synapses change
every 4 ticks); of the profile's numbers one was chosen anew, the headroom of weights, which is a choice of neurofa's
and no property of the chip. Error neurons and modulators are computed outside of the chip. The limit of its finding
stands for an on-chip result of 96.3 % for a network 400-400-10; its source was not found, and the number is not
verified. (A second-hand summary gives 95.7 % for Renner et al. 2024, Nature Communications 15:9691, with 400-400-10 and
backpropagation on the chip.)
"""

import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from neurofa_2026_counting import PER_SAMPLE, operations_of

from neurofa.experiments import finding, mean_of, panels, paper_of, run_script, trained, where
from neurofa.experiments.rows import by_seed

if TYPE_CHECKING:
    import neurofa as nf

SEEDS = {"quick": 1, "default": 2, "full": 5}
PROTOCOL = {"quick": "2 epochs of 6000 samples, one rule"} | dict.fromkeys(("default", "full"), "10 epochs")
SETTINGS = ("hidden_rate", "output_rate", "error_threshold", "headroom", "every_ticks", "window_high", "fall")
MEASURED = ("bits", "rounding", "test_error_percent", "last_epoch_percent", *PER_SAMPLE, *SETTINGS)
MODEL, CHIP, CHIP_MODEL = "mnist", "loihi", "mnist_loihi"
RULES = ("dfa", "drtp", "sign_fa")
FORMATS = ("float", "int8", "int8_stochastic", "int4", "int4_stochastic", "int2", "int2_stochastic")
BITS, ROUNDINGS = (8, 4, 2), {"nearest": "", "stochastic": "_stochastic"}
QUICK = {"rules": ("dfa",), "formats": ("float", "int8_stochastic", "int2_stochastic")}
QUICK_TRAIN, QUICK_TEST = 6000, 1000
EPOCHS = {"quick": 2, "default": 10, "full": 10}
LAST = 3  # epochs that the test error is the mean of
MODULATOR_ROOM = 4.0  # of modulators that add up over a whole presentation


def jobs(mode: str, seed: int) -> list[dict]:
    rules, formats = QUICK.values() if mode == "quick" else (RULES, FORMATS)
    pairs = [(rule, name) for name in formats for rule in rules]
    pairs += [] if mode == "quick" else [("dfa", CHIP)]
    return [{"rule": rule, "format": name, "seed": seed, "epochs": EPOCHS[mode]} for rule, name in pairs]


def chosen() -> dict[str, Any]:
    """Settings by rule and format, from the file."""
    return paper_of(__file__)["settings"]


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """Settings by name, with None for what stays as the model or the profile has it."""
    return dict.fromkeys(SETTINGS) | values


def settings_of(rule: str, format_name: str) -> dict[str, Any]:
    """Of a rule under a format; full precision has those of the model."""
    return settings({} if format_name == "float" else chosen()[rule][format_name])


def model_of(format_name: str) -> "nf.Model":
    """The network of a format: a chip has neurons of its own."""
    import neurofa as nf

    return nf.load_model(CHIP_MODEL if format_name == CHIP else MODEL)


def spiking_of(model: "nf.Model", rule: "nf.Rule", values: dict[str, Any], epochs: int) -> "nf.Spiking":
    """Spiking mode with settings in place; what is None stays as the model has it."""
    import neurofa as nf

    base = model.spiking_for(rule)
    training = replace(base.training, epochs=epochs, report_last=min(LAST, epochs))
    if values["hidden_rate"] is not None:
        training = replace(training, learning_rate=(values["hidden_rate"], values["output_rate"]))
    if values["fall"] is not None:
        training = replace(training, schedule=nf.Schedule("step", values["fall"] ** (1 / max(epochs, 1)), every=1))
    post = base.post if values["window_high"] is None else replace(base.post, high=float(values["window_high"]))
    threshold = base.error_threshold if values["error_threshold"] is None else values["error_threshold"]
    return replace(base, training=training, post=post, error_threshold=threshold)


def chip_of(format_name: str, values: dict[str, Any]) -> "nf.Hardware | None":
    """A profile with settings in place; None in full precision."""
    from neurofa.hardware import load_profile

    if format_name == "float":
        return None
    chip = load_profile(format_name)
    if values["headroom"] is not None:
        chip = replace(chip, weights=replace(chip.weights, headroom=values["headroom"]))
    if values["every_ticks"]:
        chip = replace(
            chip, learning=replace(chip.learning, every_ticks=int(values["every_ticks"])),
            modulators=replace(chip.modulators, headroom=MODULATOR_ROOM),
        )  # fmt: skip
    return chip


def described(job: dict) -> tuple:
    """Model, rule, spiking mode and chip of a job."""
    import neurofa as nf

    model, rule, values = model_of(job["format"]), nf.rules.named(job["rule"]), settings_of(job["rule"], job["format"])
    return model, rule, spiking_of(model, rule, values, job["epochs"]), chip_of(job["format"], values)


def describe(job: dict) -> tuple:
    model, rule, spiking, chip = described(job)
    network, _, rule = model.for_rule(rule)
    return network, rule, spiking, model.data, *([] if chip is None else [chip])


def one(job: dict, folder: Path) -> list[dict]:
    import neurofa as nf

    model, rule, spiking, chip = described(job)
    data = nf.load_data(model.data, seed=job["seed"])
    if job["epochs"] == EPOCHS["quick"]:
        data = replace(
            data, x_train=data.x_train[:QUICK_TRAIN], y_train=data.y_train[:QUICK_TRAIN],
            x_test=data.x_test[:QUICK_TEST], y_test=data.y_test[:QUICK_TEST], note="a part of it",
        )  # fmt: skip
    run = trained(folder, model, rule, data, job["seed"], mode="spiking", spiking=spiking, hardware=chip)
    return [{
        "bits": 32 if chip is None else chip.weights.bits, "rounding": "" if chip is None else chip.weights.rounding,
        "test_error_percent": round(100 * run.test_error, 4),
        "last_epoch_percent": round(100 * float(run.history.test_error.values[-1]), 4),
        **operations_of(model.for_rule(rule)[0], run, folder), **settings_of(job["rule"], job["format"]),
        "seconds": round(run.seconds, 1),
    }]  # fmt: skip


def verdicts(rows: list[dict], paper: dict) -> list:
    aims, there = paper["aims"], [rule for rule in RULES if where(rows, rule=rule)]
    error = {(rule, name): mean_of(where(rows, rule=rule, format=name), "test_error_percent")
             for rule in RULES for name in (*FORMATS, CHIP)}  # fmt: skip
    points = {rule: error[rule, "int8_stochastic"] - error[rule, "float"] for rule in there}
    if max(row["epochs"] for row in rows) == EPOCHS["quick"]:
        near = aims["quick_points_above_float"]
        return [
            finding("dfa, stochastic rounding: 8 bits are better than 2",
                    error["dfa", "int8_stochastic"] < error["dfa", "int2_stochastic"], rows),
            finding(f"dfa, stochastic rounding: with 8 bits at most {near} points above float",
                    points["dfa"] <= near, rows),
        ]  # fmt: skip
    return [
        *(finding(f"{rule}, 8 bits, stochastic rounding: test error at most {limit} points above float",
                  points.get(rule, float("nan")) <= limit,
                  [row for row in where(rows, rule=rule) if row["format"] in ("float", "int8_stochastic")])
          for rule, limit in aims["int8_stochastic_points_above_float"].items()),
        *(finding(f"{rule} on {CHIP}: test error at most {limit} %", error[rule, CHIP] <= limit,
                  where(rows, rule=rule, format=CHIP)) for rule, limit in aims[CHIP].items()),
        *(finding(f"rounding {rounding}: errors grow from 8 to 4 to 2 bits, by all rules",
                  all(error[r, f"int8{end}"] < error[r, f"int4{end}"] < error[r, f"int2{end}"] for r in RULES),
                  [row for row in where(rows, rounding=rounding) if row["format"] != CHIP])
          for rounding, end in ROUNDINGS.items()),
        finding("stochastic rounding is better than rounding to the nearest, with all bits and by all rules",
                all(error[rule, f"int{n}_stochastic"] < error[rule, f"int{n}"] for rule in RULES for n in BITS),
                [row for row in rows if row["format"] not in ("float", CHIP)]),
        finding("check: 2 bits, rounding nearest, so that the hidden layer does not change: all rules have one error",
                len({error[rule, "int2"] for rule in RULES}) == 1, where(rows, format="int2")),
    ]  # fmt: skip


def table(rows: list[dict]) -> str:
    """Test errors by format and rule: the mean over seeds, and the smallest and largest of several."""
    rules = [rule for rule in RULES if where(rows, rule=rule)]
    lines = [f"| test error, % | {' | '.join(rules)} |", f"|{' --- |' * (1 + len(rules))}"]
    for name in (*FORMATS, CHIP):
        cells = [shown(by_seed(where(rows, rule=rule, format=name), "test_error_percent")) for rule in rules]
        lines += [f"| {name} | {' | '.join(cells)} |"] if any(cells) else []
    return "\n".join(lines)


def shown(errors: list[float]) -> str:
    """Mean, and the ends of more than one seed."""
    ends = f" ({min(errors):.2f} to {max(errors):.2f})" if len(errors) > 1 else ""
    return f"{mean(errors):.2f}{ends}" if errors else ""


def draw(rows: list[dict], paper: dict):
    from neurofa import plot

    def errors(rule: str, name: str) -> list[float]:
        return [percent / 100 for percent in by_seed(where(rows, rule=rule, format=name), "test_error_percent")]

    rules = [rule for rule in RULES if where(rows, rule=rule)]
    full = {rule: found for rule in rules if (found := errors(rule, "float"))}
    by_rounding = {
        rounding: {rule: {bits: found for bits in BITS if (found := errors(rule, f"int{bits}{end}"))} for rule in rules}
        for rounding, end in ROUNDINGS.items()
    }
    drawn = {rounding: found for rounding, found in by_rounding.items() if any(found.values())}
    figure, axes = panels(max(1, len(drawn)), height=2.7)
    for ax in axes[1:]:
        ax.sharey(axes[0])
    for ax, (rounding, found) in zip(axes, drawn.items(), strict=False):
        plot.accuracy_by_bits(ax, found, full, legend=ax is axes[0])
        ax.text(0.98, 0.05, f"rounding: {rounding}", transform=ax.transAxes, ha="right", fontsize=7.5)
    if drawn and (loihi := errors("dfa", CHIP)):  # whose weights have 8 bits and are rounded by chance
        at = len(BITS) - 1 + 0.14, sum(loihi) / len(loihi)
        axes[-1].plot(*at, "*", markersize=6, color="#D55E00", markeredgecolor="#000000", markeredgewidth=0.4, zorder=4)
        axes[-1].annotate("dfa on Loihi", at, (6, -12), textcoords="offset points", fontsize=6.5, ha="right")
    for ax in axes[1:]:
        ax.set_ylabel("")
        ax.tick_params(labelleft=False)
    return figure


if __name__ == "__main__":
    sys.exit(run_script(__file__))
