"""Search for settings under weight formats on MNIST in spiking mode, single-sample online learning, one core.

The split is that of neurofa_2026_spiking_search.py: the training set is shuffled once by a fixed seed, its last sixth
is held out, and of both parts a trial takes the first samples. The test set takes no part. A trial's value is its
validation error after the last epoch; after each epoch, trials that are worse than the median at that epoch are
stopped. The first trials of a combination of rule and format are points chosen by hand and the best points of
combinations that were searched before; after them each trial is drawn near the best one so far. The fall of the
learning rate is that over all epochs, so that it can be carried over to a protocol with more of them.

Studies are kept in a journal under experiments/runs/, so that a search that was stopped goes on: run one search at
a time on a journal. Every trial is added to experiments/results/neurofa_2026_hardware_search.csv, a row for each; the
tables for experiments/neurofa_2026_hardware.toml are printed at the end. Rows of a study "by hand" are points that
were tried on the same split without this script, for more samples or where the search had found nothing good.

    pip install -e '.[experiments]'
    python experiments/neurofa_2026_hardware_search.py --rules dfa,drtp --formats int8_stochastic --trials 14
    python experiments/neurofa_2026_hardware_search.py --quick
"""

import argparse
import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurofa_2026_hardware import RULES, SETTINGS, chip_of, model_of, settings, spiking_of
from neurofa_2026_spiking_search import split

if TYPE_CHECKING:
    import optuna

    import neurofa as nf

HERE = Path(__file__).parent
STEM = "neurofa_2026_hardware_search"
COLUMNS = (
    "rule", "format", "study", "trial", "state", "validation_error_percent", "by_epoch", "seconds", *SETTINGS,
    "epochs", "train_samples", "validation_samples", "date", "cpu", "neurofa",
)  # fmt: skip
ABOUT = COLUMNS[-3:]
SPREAD = 0.6  # of the logarithm of a number near the best one
QUICK = {"trials": 2, "epochs": 2, "samples": 300, "held_out": 200}

# Pairs are the ends of a range, drawn evenly in their logarithm; all else is a choice. `every_ticks` 0: as the profile
# has it. `fall`: what learning rates are multiplied by, all in all, from the first epoch to behind the last.
SPACE: dict[str, tuple] = {
    "hidden_rate": (3e-5, 5e-2),
    "output_rate": (2e-5, 2e-2),
    "error_threshold": (1.0, 2.0, 3.0, 4.0),
    "headroom": (0.5, 1.0, 2.0, 4.0),
    "every_ticks": (0, 40),
    "window_high": ("inf", "1", "0.3", "0.1"),
    "fall": (0.02, 1.0),
}
# Where a search begins; rates are those of the model for the rule times these, in units of (2e-4, 1e-4).
WIDER = {"int4": 6.0, "int2": 20.0, "binary": 20.0}  # steps of the nearest level need larger rates
HAND = ("hidden_rate", "output_rate", "error_threshold", "headroom", "every_ticks", "fall")
BY_HAND: dict[str, tuple[tuple, ...]] = {
    "stochastic": (
        (3e-4, 2e-4, 2.0, 1.0, 40, 0.1),
        (2e-4, 1e-4, 2.0, 1.0, 40, 0.05),
        (2e-4, 1e-4, 3.0, 2.0, 40, 0.05),
    ),
    "nearest": (
        (3e-4, 2e-4, 2.0, 1.0, 40, 0.5),
        (1e-3, 4e-4, 3.0, 1.0, 40, 0.7),
        (3e-3, 1e-3, 3.0, 0.5, 40, 1.0),
    ),
}


@dataclass(frozen=True)
class Search:
    """What all trials of a search share."""

    journal: str
    epochs: int
    samples: int
    held_out: int
    seed: int


def space_of(format_name: str) -> dict[str, tuple]:
    """What is searched: a single bit has no headroom, full precision no levels and no epochs."""
    space = dict(SPACE)
    if format_name == "float":
        space.pop("every_ticks")
    if format_name == "float" or format_name.startswith("binary"):
        space.pop("headroom")
    return space


def study_of(rule: "nf.Rule", format_name: str, search: Search, number: int = 0) -> "optuna.Study":
    """A study. Each trial has a sampler of its own, so that a stopped search goes on as if it had not."""
    import numpy as np
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
    name = f"{rule.name}-{format_name}-{search.epochs}x{search.samples}-{search.held_out}-{search.seed}"
    return optuna.create_study(
        study_name=name, load_if_exists=True, direction="minimize",
        storage=optuna.storages.JournalStorage(JournalFileBackend(search.journal)),
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0),
    )  # fmt: skip


def prepare(rule: "nf.Rule", format_name: str, search: Search, points: list[dict[str, Any]]) -> int:
    """Make a study ready to go on, with points to begin with, and return the number of its finished trials."""
    from optuna.trial import TrialState

    study = study_of(rule, format_name, search)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # of a search that was stopped
        study.tell(trial.number, state=TrialState.FAIL)
    done = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    if not done and not study.get_trials(states=(TrialState.WAITING,)):
        space = space_of(format_name)
        for point in points:
            study.enqueue_trial({key: value for key, value in point.items() if key in space}, skip_if_exists=True)
    return done


def rounding_of(format_name: str) -> str:
    """How a format rounds changes of weights."""
    return "stochastic" if format_name.endswith("stochastic") or format_name == "loihi" else "nearest"


def starts(rule: "nf.Rule", format_name: str, before: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Points to begin with: the best of the same rounding searched before, then those chosen by hand."""
    import neurofa as nf

    rounding = rounding_of(format_name)
    alike = [point for key, point in before.items() if key.startswith(rule.name) and key.endswith(rounding)][-2:]
    spiking = nf.load_model("mnist").spiking_for(rule)
    hidden, output = spiking.training.rates(2)
    high = "0.1" if spiking.post.high == 0.1 else "inf"
    low, most = SPACE["hidden_rate"]
    larger = WIDER.get(format_name, 1.0)
    by_hand = [dict(zip(HAND, values, strict=True)) | {"window_high": high} for values in BY_HAND[rounding]]
    for point in by_hand:
        point["hidden_rate"] = min(max(point["hidden_rate"] * larger * hidden / 2e-4, low), most)
        point["output_rate"] *= larger * output / 1e-4
    return alike + by_hand


def near(point: dict[str, Any], space: dict[str, tuple], number: int, seed: int) -> dict[str, Any]:
    """A point drawn near another one: numbers by a factor, and one choice in four its neighbour in the space."""
    import numpy as np

    rng, found = np.random.default_rng([seed, number]), {}
    for name, choices in space.items():
        value = point[name]
        if is_range(name, choices):
            factor = np.exp(rng.normal(0, SPREAD))
            found[name] = float(min(max(value * factor, choices[0]), choices[1]))
        else:
            place = choices.index(value) + (rng.choice((-1, 1)) if rng.random() < 0.25 else 0)
            found[name] = choices[min(max(place, 0), len(choices) - 1)]
    return found


def is_range(name: str, choices: tuple) -> bool:
    """Whether a pair is the ends of a range."""
    return len(choices) == 2 and name != "every_ticks"


def suggested(trial: "optuna.Trial", format_name: str) -> dict[str, Any]:
    """A trial's settings."""
    values: dict[str, Any] = {}
    for name, choices in space_of(format_name).items():
        if is_range(name, choices):
            values[name] = trial.suggest_float(name, *choices, log=True)
        else:
            values[name] = trial.suggest_categorical(name, choices)
    return values


def one(rule: "nf.Rule", format_name: str, number: int, search: Search) -> dict:
    """Run one trial of a study, and return its row."""
    import optuna
    from optuna.trial import TrialState

    import neurofa as nf
    from neurofa.io.results import environment
    from neurofa.run import Diverged, Progress

    study = study_of(rule, format_name, search, number)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not waiting and study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        study.enqueue_trial(near(study.best_params, space_of(format_name), number, search.seed))
    trial = study.ask()
    values = settings(suggested(trial, format_name))
    model = model_of(format_name)
    errors: dict[int, float] = {}
    began = time.perf_counter()

    def watch(progress: Progress) -> None:
        if progress.epoch in errors or not progress.epoch:
            return
        errors[progress.epoch] = progress.test_error
        trial.report(progress.test_error, progress.epoch)
        if progress.epoch < search.epochs and trial.should_prune():
            raise optuna.TrialPruned

    state, ended, value = TrialState.COMPLETE, "complete", None
    try:
        run = nf.train(
            model, rule, split(search.samples, search.held_out), mode="spiking", seed=search.seed, probe_every=0,
            threads=1, spiking=spiking_of(model, rule, values, search.epochs), hardware=chip_of(format_name, values),
            progress=watch,
        )  # fmt: skip
        value = float(run.history.test_error.values[-1])
    except optuna.TrialPruned:
        state, ended = TrialState.PRUNED, "pruned"
    except Diverged:
        state, ended = TrialState.PRUNED, "diverged"
    except nf.InputError:
        study.tell(trial, state=TrialState.FAIL)
        raise
    study.tell(trial, value, state)
    made = environment() | {"date": str(environment()["date"])[:10]}
    return values | {key: made[key] for key in ABOUT} | {
        "rule": rule.name, "format": format_name, "study": study.study_name, "trial": trial.number, "state": ended,
        "validation_error_percent": round(100 * (value if value is not None else [1.0, *errors.values()][-1]), 3),
        "by_epoch": " ".join(f"{100 * error:.2f}" for error in errors.values()),
        "seconds": round(time.perf_counter() - began, 1), "epochs": search.epochs, "train_samples": search.samples,
        "validation_samples": search.held_out,
    }  # fmt: skip


def write(row: dict, path: Path) -> None:
    """Add a row to the table; it takes the place of what stood there for its trial."""
    from neurofa.io.results import write_table

    rows = [row]
    if path.exists():
        with path.open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if place(r) != place(row)] + rows
    write_table(path, sorted(rows, key=place), COLUMNS)


def place(row: dict) -> tuple[str, str, str, int]:
    """Where a row stands in the table."""
    return row["rule"], row["format"], row["study"], int(row["trial"])


def best(rule: "nf.Rule", format_name: str, search: Search) -> str:
    """The best trial of a combination, as a comment and a table of the settings' file."""
    from optuna.trial import TrialState

    study = study_of(rule, format_name, search)
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return f"# {rule.name} {format_name}: no trial was completed; give more --trials"
    trial = study.best_trial
    finished = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    lines = [
        f"# trial {trial.number} of {finished}: validation error {100 * trial.value:.2f} %, {search.epochs} epochs of "
        f"{search.samples:,} samples",
        f"[settings.{rule.name}.{format_name}]",
    ]
    for key, value in trial.params.items():
        lines.append(f"{key} = {value if isinstance(value, str) else f'{value:.3g}'}")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", default="dfa", help=f"names of rules, separated by commas (all: {','.join(RULES)})")
    parser.add_argument("--formats", default="int8_stochastic", help="float and names of profiles, separated by commas")
    parser.add_argument(
        "--trials", type=int, help="trials of each combination in all, earlier ones included (default 10)"
    )
    parser.add_argument("--epochs", type=int, default=3, help="of a trial")
    parser.add_argument("--samples", type=int, default=10_000, help="training samples of a trial")
    parser.add_argument("--held-out", type=int, default=4_000, help="validation samples of a trial")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler and of the runs")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the journal")
    parser.add_argument("--quick", action="store_true", help="two trials of two epochs on 300 samples")
    options = parser.parse_args(arguments)
    try:
        import optuna  # noqa: F401
    except ImportError:
        print("the search needs optuna; install it with: pip install -e '.[experiments]'", file=sys.stderr)
        return 2
    for name in ("trials", "epochs", "samples", "held_out"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} is {value}; give at least 1")
    from neurofa import InputError

    try:
        run(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the finished trials", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Run the trials that are missing, one after the other, and print the best of each combination."""
    from optuna.trial import TrialState

    import neurofa as nf

    quick, formats = options.quick, options.formats.split(",")
    rules = nf.rules.all_named(dict.fromkeys(options.rules.split(",")))
    folder = options.runs / "quick" if quick else options.runs
    folder.mkdir(parents=True, exist_ok=True)
    table = (folder if quick else HERE / "results") / f"{STEM}.csv"
    amounts = QUICK if quick else {name: getattr(options, name) for name in ("epochs", "samples", "held_out")}
    trials = options.trials or (QUICK["trials"] if quick else 10)
    search = Search(
        str(folder / f"{STEM}.journal"), amounts["epochs"], amounts["samples"], amounts["held_out"], options.seed
    )
    found: dict[str, dict[str, Any]] = {}
    for format_name in formats:
        for rule in rules:
            done = prepare(rule, format_name, search, starts(rule, format_name, found))
            for number in range(done, trials):
                row = one(rule, format_name, number, search)
                write(row, table)
                point = ", ".join(f"{key} {row[key]}" for key in SETTINGS if row[key] is not None)
                print(f"{rule.name} {format_name} trial {row['trial']}: {row['state']}, {row['by_epoch']} %, "
                      f"{row['seconds']} s, {point}", flush=True)  # fmt: skip
            study = study_of(rule, format_name, search)
            if study.get_trials(states=(TrialState.COMPLETE,)):
                found[f"{rule.name}-{format_name}-{rounding_of(format_name)}"] = study.best_params
    for format_name in formats:
        for rule in rules:
            print(f"\n{best(rule, format_name, search)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
