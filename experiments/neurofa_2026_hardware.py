"""MNIST under constraints of hardware: test error by weight bits, rounding and rule, and Intel's Loihi.

Protocol: 784-500-10 of models/mnist.toml in spiking mode, single-sample online learning; weights and feedback have the
levels of a profile (neurofa/hardware/profiles/) and learning happens under them. The settings of each rule under each
format are those of neurofa_2026_hardware.toml, which neurofa_2026_hardware_search.py found on a validation split of
the training set; `float` has those of the model file. The chip runs models/mnist_loihi.toml. Here the whole training
set is trained on, and the test error is the mean over the last epochs: the best epoch is not chosen. Every run is
checkpointed and goes on where it was stopped. Rows of the table are kept if they were made by this version of neurofa
from the same description, and made anew otherwise.

    python experiments/neurofa_2026_hardware.py --workers 2
    python experiments/neurofa_2026_hardware.py --rules dfa --formats float,int8_stochastic,loihi
    python experiments/neurofa_2026_hardware.py --pictures
    python experiments/neurofa_2026_hardware.py --quick
"""

import argparse
import csv
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import neurofa as nf

HERE = Path(__file__).parent
STEM = "neurofa_2026_hardware"
MODEL, CHIP, CHIP_MODEL = "mnist", "loihi", "mnist_loihi"
RULES = "dfa,drtp,sign_fa"
FORMATS = "float,int8,int8_stochastic,int4,int4_stochastic,int2,int2_stochastic"
CHIP_RULES = ("dfa",)  # that run on the chip
QUICK_RULES, QUICK_FORMATS = "dfa", "float,int8_stochastic,int2_stochastic"
QUICK_EPOCHS, QUICK_TRAIN, QUICK_TEST, QUICK_NEAR = 2, 6000, 1000, 5.0
SETTINGS = ("hidden_rate", "output_rate", "error_threshold", "headroom", "every_ticks", "window_high", "fall")
MODULATOR_ROOM = 4.0  # of modulators that add up over a whole presentation
PICTURES = {  # made with --pictures
    "bits": "test error against bits of a weight",
    "membrane": "a membrane with float and with integer state",
    "costs": "memory and operations of rules",
}
KINDS = ("forward", "feedback", "update")
LAST = 3  # epochs that the test error is the mean of
COLUMNS = (
    "rule", "format", "rounding", "bits", "seed", "epochs", "test_error_percent", "last_epoch_percent",
    "forward_per_sample", "feedback_per_sample", "update_per_sample", "seconds", *SETTINGS,
    "date", "cpu", "neurofa", "threads", "spec",
)  # fmt: skip


def model_of(format_name: str) -> "nf.Model":
    """The network of a format: a chip has neurons of its own."""
    import neurofa as nf

    return nf.load_model(CHIP_MODEL if format_name == CHIP else MODEL)


@lru_cache(maxsize=1)
def chosen() -> dict[str, Any]:
    """The file of settings, aims and protocol."""
    return tomllib.loads((HERE / f"{STEM}.toml").read_text(encoding="utf-8"))


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """Settings by name, with None for what stays as the model or the profile has it."""
    unknown = sorted(set(values) - set(SETTINGS))
    if unknown:
        raise ValueError(f"{STEM}.toml: unknown settings {', '.join(unknown)}; known are {', '.join(SETTINGS)}")
    return {name: values.get(name) for name in SETTINGS}


def settings_of(rule: "nf.Rule", format_name: str) -> dict[str, Any]:
    """Of a rule under a format, from the file."""
    from neurofa import InputError

    found = chosen()["settings"].get(rule.name, {}).get(format_name)
    if found is None and format_name != "float":
        raise InputError(f"{STEM}.toml has no table [settings.{rule.name}.{format_name}]; search for one, or add it")
    return settings(found or {})


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


def description(rule: "nf.Rule", format_name: str, epochs: int) -> str:
    """Hash of all that describes a run: network, protocol, rule, data and hardware."""
    from neurofa.io.config import spec_hash

    model, values = model_of(format_name), settings_of(rule, format_name)
    network, _, rule = model.for_rule(rule)
    spiking, chip = spiking_of(model, rule, values, epochs), chip_of(format_name, values)
    return spec_hash(network, rule, spiking, model.data, *([] if chip is None else [chip]))


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


def one(name: str, format_name: str, seed: int, epochs: int, quick: bool, out: Path, overwrite: bool) -> dict:
    """A row of the table: train by one rule under one format with one seed, or go on with it."""
    import neurofa as nf
    from neurofa.io.checkpoint import load_checkpoint
    from neurofa.io.results import environment

    rule, model = nf.rules.named(name), model_of(format_name)
    values, spec = settings_of(rule, format_name), description(rule, format_name, epochs)
    chip = chip_of(format_name, values)
    folder = out / STEM / f"{rule.name}-{format_name}-{seed}-{spec[:8]}"
    checkpoint = folder / "checkpoint.safetensors"
    run = nf.train(
        model, rule, load(seed, quick), mode="spiking", seed=seed, threads=1, probe_every=0,
        spiking=spiking_of(model, rule, values, epochs), hardware=chip, out=folder,
        resume=not overwrite and checkpoint.exists(), overwrite=overwrite,
    )  # fmt: skip
    arrays, _ = load_checkpoint(checkpoint)
    counts, about = arrays["engine.operations"] / arrays["engine.presented"], environment()
    return {
        "rule": name, "format": format_name.removesuffix("_stochastic"), "seed": seed, "epochs": epochs,
        "rounding": "" if chip is None else chip.weights.rounding, "bits": 32 if chip is None else chip.weights.bits,
        "test_error_percent": round(100 * run.test_error, 4),
        "last_epoch_percent": round(100 * float(run.history.test_error.values[-1]), 4),
        **{f"{kind}_per_sample": round(float(count)) for kind, count in zip(KINDS, counts, strict=True)},
        "seconds": round(run.seconds, 1), **values,
        "date": str(about["date"])[:10], "cpu": about["cpu"], "neurofa": about["neurofa"], "threads": 1, "spec": spec,
    }  # fmt: skip


def key_of(row: dict) -> tuple[str, str, int]:
    """Rule, format as the command line names it, and seed of a row."""
    stochastic = row["rounding"] == "stochastic" and row["format"] != CHIP
    return row["rule"], row["format"] + ("_stochastic" if stochastic else ""), int(row["seed"])


def reusable(rows: list[dict], epochs: int) -> list[dict]:
    """The rows that this version of neurofa would make again."""
    import neurofa as nf

    kept = []
    for row in rows:
        name, format_name, _ = key_of(row)
        try:
            spec = description(nf.rules.named(name), format_name, epochs)
        except nf.InputError:
            continue
        if (row["neurofa"], row["spec"]) == (nf.__version__, spec):
            kept.append(row)
    return kept


def errors_of(rows: list[dict], name: str, format_name: str) -> list[float]:
    """Test errors of a rule under a format, by seed."""
    mine = [row for row in rows if key_of(row)[:2] == (name, format_name)]
    return [float(row["test_error_percent"]) for row in sorted(mine, key=lambda row: int(row["seed"]))]


def shown(errors: list[float]) -> str:
    """Mean, and the ends of more than one seed."""
    if not errors:
        return ""
    ends = f" ({min(errors):.2f} to {max(errors):.2f})" if len(errors) > 1 else ""
    return f"{mean(errors):.2f}{ends}"


def report(rows: list[dict]) -> str:
    """Errors by format and rule in Markdown."""
    names = list(dict.fromkeys(row["rule"] for row in rows))
    order = [*FORMATS.split(","), CHIP]
    formats = sorted(
        {key_of(row)[1] for row in rows},
        key=lambda name: (name not in order, order.index(name) if name in order else name),
    )
    lines = [f"| weights | {' | '.join(names)} |", f"|{' --- |' * (1 + len(names))}"]
    for format_name in formats:
        cells = [shown(errors_of(rows, name, format_name)) for name in names]
        label = "32-bit float" if format_name == "float" else format_name.replace("_stochastic", ", stochastic")
        label += ", nearest" if format_name in ("int8", "int4", "int2", "binary") else ""
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def verdicts(rows: list[dict]) -> list[str]:
    """A line for each aim."""
    aims, lines = chosen()["aims"], []
    for name, points in aims["int8_stochastic_points_above_float"].items():
        ours, full = errors_of(rows, name, "int8_stochastic"), errors_of(rows, name, "float")
        if ours and full:
            above = mean(ours) - mean(full)
            met = "reached" if above <= points else "missed"
            lines.append(
                f"* {name}, 8 bits, stochastic rounding: {above:+.2f} points against float; aim: at most {points:g}. "
                f"**{met.capitalize()}.**"
            )
    for name, limit in aims[CHIP].items():
        ours = errors_of(rows, name, CHIP)
        if ours:
            met = "reached" if mean(ours) <= limit else "missed"
            lines.append(f"* {name} on `{CHIP}`: {shown(ours)} %; aim: at most {limit:g} %. **{met.capitalize()}.**")
    return lines


def write(rows: list[dict], stem: Path, quick: bool) -> None:
    """Write the tidy CSV and the report beside it."""
    from neurofa.io.atomic import atomic_path
    from neurofa.io.results import write_table

    order = [*FORMATS.split(","), CHIP]
    rows = sorted(
        rows,
        key=lambda row: (row["rule"], order.index(key_of(row)[1]) if key_of(row)[1] in order else 99, int(row["seed"])),
    )
    write_table(stem.with_suffix(".csv"), rows, COLUMNS)
    dates = sorted({row["date"] for row in rows})
    epochs = sorted({int(row["epochs"]) for row in rows})
    amount = f"{QUICK_TRAIN:,} training and {QUICK_TEST:,} test samples" if quick else "60,000 training samples"
    text = (
        "# MNIST test error under constraints of hardware\n\n"
        f"Made by `python experiments/{STEM}.py`. Spiking mode, {amount}, single-sample online learning, "
        f"{'/'.join(map(str, epochs))} epochs; the error in percent is the mean over the last "
        f"{min(LAST, epochs[0])} epochs, and the best epoch is not chosen. The network is 784-500-10 of "
        f"`models/mnist.toml`; on `{CHIP}`, that of `models/{CHIP_MODEL}.toml`. Weights, biases and feedback have the "
        "levels of the profile of that name, changes are rounded as they are made, and there is no weight in full "
        f"precision beside the stored one. Settings are those of `{STEM}.toml`, chosen on a validation split of the "
        f"training set by `{STEM}_search.py`; the test set has no part in it. Full precision has the model file's "
        "settings, which were searched for at 20 epochs. "
        f"Machine: {'; '.join(sorted({row['cpu'] for row in rows}))}, one core a run. "
        f"Date: {' to '.join(sorted({dates[0], dates[-1]}))}. neurofa {rows[0]['neurofa']}. "
        f"Seeds: {', '.join(sorted({str(row['seed']) for row in rows}))}. "
        "Seconds in the CSV are of a machine that was shared, and say nothing about speed. Operations there are "
        "counted for each training sample.\n\n"
    )
    pictures = (f"\n![{title}](../../docs/figures/hardware_{name}.png)\n" for name, title in PICTURES.items())
    note = chosen()["aims"]["note"].strip()
    judged = "" if quick else "\n".join(["", *verdicts(rows), "", note, *pictures])
    with atomic_path(stem.with_suffix(".md")) as temporary:
        temporary.write_text(text + report(rows) + judged, encoding="utf-8")


def train_all(options: argparse.Namespace, names: list[str], formats: list[str], out: Path) -> int:
    """Make the rows that are missing, and print the report."""
    import neurofa as nf

    seeds, epochs = (1, QUICK_EPOCHS) if options.quick else (options.seeds, options.epochs or chosen()["epochs"])
    stem = (options.runs / "quick" if options.quick else HERE / "results") / STEM
    stem.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    if not options.quick and stem.with_suffix(".csv").exists():
        with stem.with_suffix(".csv").open(newline="") as file:
            rows = reusable(list(csv.DictReader(file)), epochs)
    wanted = [
        (name, format_name, seed)
        for seed in range(seeds) for format_name in formats for name in names
        if format_name != CHIP or name in CHIP_RULES
    ]  # fmt: skip
    if options.overwrite:
        rows = [row for row in rows if key_of(row) not in wanted]
    finished = {key_of(row) for row in rows}
    jobs, failed = [job for job in wanted if job not in finished], 0
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, *job, epochs, options.quick, out, options.overwrite): job for job in jobs}
        for future in as_completed(futures):
            try:
                rows.append(future.result())
            except nf.InputError as error:
                failed += 1
                print(f"{' '.join(map(str, futures[future]))}: {error}", file=sys.stderr)
                continue
            write(rows, stem, options.quick)
            row = rows[-1]
            print(
                f"{' '.join(map(str, key_of(row)))}: {row['test_error_percent']} % in {row['seconds']} s "
                f"({len(rows)} of {len(finished) + len(jobs)})",
                flush=True,
            )
    if rows and not failed:  # what was asked for in error leaves the table as it is
        write(rows, stem, options.quick)
        print(stem.with_suffix(".md").read_text())
    return 2 if failed else checked(rows) if options.quick else 0


def checked(rows: list[dict]) -> int:
    """Of a quick run: 8 bits must be better than 2, and near full precision, for DFA with stochastic rounding."""
    full, eight, two = (errors_of(rows, "dfa", name) for name in ("float", "int8_stochastic", "int2_stochastic"))
    if not (full and eight and two):
        return 0
    if eight[0] < two[0] and eight[0] < full[0] + QUICK_NEAR:
        return 0
    print(f"dfa: {full[0]} % in full precision, {eight[0]} % with 8 bits, {two[0]} % with 2 bits: not in this order, "
          f"or more than {QUICK_NEAR:g} points apart", file=sys.stderr)  # fmt: skip
    return 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", help=f"names of rules, separated by commas (default {RULES})")
    parser.add_argument(
        "--formats", help=f"float and names of profiles, separated by commas (default {FORMATS},{CHIP})"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of each rule under each format")
    parser.add_argument("--epochs", type=int, help=f"in place of those of {STEM}.toml")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, a core each")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_EPOCHS} epochs of {QUICK_TRAIN:,} samples, and a check"
    )
    parser.add_argument("--pictures", action="store_true", help="draw the figures, from the table that is there, alone")
    parser.add_argument("--figures", type=Path, help="folder of the figures (docs/figures; with --quick, of the runs)")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the checkpoints")
    parser.add_argument("--overwrite", action="store_true", help="train anew where a run or a row is there already")
    options = parser.parse_args(arguments)
    for name in ("seeds", "epochs", "workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} is {value}; give at least 1")
    import neurofa as nf

    quick, out = options.quick, options.runs / ("quick" if options.quick else "full")
    names = list(dict.fromkeys((options.rules or (QUICK_RULES if quick else RULES)).split(",")))
    formats = list(dict.fromkeys((options.formats or (QUICK_FORMATS if quick else f"{FORMATS},{CHIP}")).split(",")))
    try:
        nf.rules.all_named(names)
        code = 0
        if quick or not options.pictures:
            code = train_all(options, names, formats, out)
        if options.pictures:
            from neurofa_2026_hardware_pictures import draw

            table = (options.runs / "quick" if quick else HERE / "results") / f"{STEM}.csv"
            for path in draw(
                table, options.figures or (out / "figures" if quick else HERE.parent / "docs" / "figures")
            ):
                print(path)
    except nf.InputError as error:
        print(error, file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
