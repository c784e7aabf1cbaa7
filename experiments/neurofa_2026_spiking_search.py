"""Search for the settings of spiking mode on MNIST, 784-500-10, single-sample online learning, one core a trial.

The training set is shuffled once by a fixed seed; its last sixth is the validation split, the rest is trained on.
The test set takes no part. A trial's value is its validation error after the last epoch; from the second epoch on,
trials that are worse than the median are stopped. The first trial of a rule has the settings of the model file, the
others come from optuna's TPE sampler. Learning rates fall by a factor an epoch; since a search has fewer epochs than
the model's protocol, the factor that is printed for the model gives the same fall over all of its epochs.

Studies are kept in a journal under experiments/runs/, so that a search that was stopped goes on: run one search at
a time on a journal. Every trial is added to experiments/results/neurofa_2026_spiking_search.csv, a row for each
epoch; the lines for models/mnist.toml are printed at the end.

    pip install -e '.[experiments]'
    python experiments/neurofa_2026_spiking_search.py --rule dfa,drtp --trials 40 --workers 2
    python experiments/neurofa_2026_spiking_search.py --quick
"""

import argparse
import csv
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

    import neurofa as nf

HERE = Path(__file__).parent
STEM = "neurofa_2026_spiking_search"
MODEL = "mnist"
SPLIT_SEED = 2026
HELD_OUT = 6  # one in so many samples is held out
COLUMNS = (
    "rule", "study", "trial", "state", "epoch", "validation_error_percent", "seconds",
    "hidden_rate", "output_rate", "error_threshold", "learning_starts_ms", "window_high", "schedule_factor",
    "weight_decay", "epochs", "train_samples", "validation_samples", "date", "cpu", "neurofa",
)  # fmt: skip
SEARCHED, ABOUT = COLUMNS[7:14], COLUMNS[-3:]

# Pairs are the ends of a range; rates and decays are drawn evenly in their logarithm, the factor as it is.
SPACE: dict[str, tuple] = {
    "hidden_rate": (1e-5, 2e-3),
    "output_rate": (1e-5, 1e-3),
    "error_threshold": (0.5, 1.0, 2.0),
    "learning_starts_ms": (0.0, 5.0, 10.0),
    "window_high": ("inf", "1", "0.6", "0.3"),
    "schedule_factor": (0.4, 1.0),
    "weight_decay": (1e-3, 1e-1),
}
# A signal that is set has the same size however small the error is: smaller steps, and a window that closes at
# saturation is all that stops it, so that is searched without gaps.
SPACE_OF_SET_SIGNALS = SPACE | {"hidden_rate": (1e-6, 1e-3), "output_rate": (1e-6, 1e-3), "window_high": (0.05, 1.0)}
QUICK = {"trials": 3, "epochs": 2, "samples": 300, "held_out": 200}


@dataclass(frozen=True)
class Search:
    """What all trials of a search share."""

    journal: str
    epochs: int
    samples: int  # of training
    held_out: int  # samples of validation
    seed: int
    workers: int


def space_of(rule: "nf.Rule") -> dict[str, tuple]:
    """The space of a rule, by parameter; without a signal nothing in the hidden layer learns."""
    space = SPACE_OF_SET_SIGNALS if rule.signal in ("target", "error_sign") else SPACE
    hidden = ("hidden_rate", "window_high") if rule.signal == "none" else ()
    return {name: values for name, values in space.items() if name not in hidden}


@lru_cache(maxsize=1)
def split(samples: int | None, held_out: int | None) -> "nf.Data":
    """Data whose test set is the validation split of the training set; the published test set is dropped.

    At most so many samples are kept of both parts (None: all).
    """
    import numpy as np

    import neurofa as nf

    data = nf.load_data(nf.load_model(MODEL).data)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(data.x_train))
    kept, held = np.split(order, [len(order) - len(order) // HELD_OUT])
    kept, held = kept[:samples], held[:held_out]
    x, y = data.x_train, data.y_train
    return replace(
        data, x_train=x[kept], y_train=y[kept], x_test=x[held], y_test=y[held],
        name=f"{data.name}, validation split", note=f"tested on {len(held)} samples of the training set",
    )  # fmt: skip


def settings(base: "nf.Spiking", values: dict[str, Any], epochs: int, n_layers: int) -> "nf.Spiking":
    """Spiking mode with searched values in place."""
    import neurofa as nf

    output = values["output_rate"]
    rates = (values.get("hidden_rate", output),) * (n_layers - 1) + (output,)
    training = replace(
        base.training, epochs=epochs, learning_rate=rates, report_last=1,
        optimiser=nf.Optimiser("sgd", weight_decay=values.get("weight_decay", 0.0)),
        schedule=nf.Schedule("step", values["schedule_factor"], every=1),
    )  # fmt: skip
    high = float(values.get("window_high", "inf"))
    return replace(
        base, error_threshold=values["error_threshold"], learning_starts_ms=values["learning_starts_ms"],
        post=replace(base.post, kind="current_window", high=high), training=training,
    )  # fmt: skip


def study_name(rule: "nf.Rule", search: Search) -> str:
    """The rule and a hash of all that its trials have in common: another search is another study."""
    import neurofa as nf
    from neurofa.io.config import spec_hash

    model, space = nf.load_model(MODEL), space_of(rule)
    network, _, rule = model.for_rule(rule)
    fixed: dict[str, Any] = dict.fromkeys(SEARCHED, 0.5) | {"error_threshold": 1.0}
    same = settings(model.spiking, fixed, search.epochs, len(network.layers))
    about = (search.epochs, search.samples, search.held_out, search.seed, SPLIT_SEED, HELD_OUT, space)
    return f"{rule.name.replace('/', '-')}-{spec_hash(network, rule, same, model.data, *about)[:12]}"


def study_of(rule: "nf.Rule", search: Search, number: int = 0) -> "optuna.Study":
    """The study of a rule. Each trial has a sampler of its own, so that a stopped search goes on as if it had not."""
    import numpy as np
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
    return optuna.create_study(
        study_name=study_name(rule, search), load_if_exists=True, direction="minimize",
        storage=optuna.storages.JournalStorage(JournalFileBackend(search.journal)),
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=search.workers > 1),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    )  # fmt: skip


def prepare(rule: "nf.Rule", search: Search) -> int:
    """Make a rule's study ready to go on, and return the number of its finished trials."""
    from optuna.trial import TrialState

    study = study_of(rule, search)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # of a search that was stopped
        study.tell(trial.number, state=TrialState.FAIL)
    done = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    if not done and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(present(rule, search.epochs))
    return done


def present(rule: "nf.Rule", epochs: int) -> dict[str, Any]:
    """The model's own settings as a point of the space, as near as it has one."""
    import neurofa as nf

    model, space = nf.load_model(MODEL), space_of(rule)
    network, spiking = model.for_rule(rule)[0], model.spiking_for(rule)
    training, decay = spiking.training, nf.Optimiser.of(spiking.training.optimiser).weight_decay
    rates = training.rates(len(network.layers))
    stepwise = training.schedule is not None and training.schedule.every == 1
    fall = training.schedule.factor ** (training.epochs / epochs) if stepwise else 1.0
    near: dict[str, Any] = {
        "hidden_rate": rates[0], "output_rate": rates[-1], "schedule_factor": fall,
        "error_threshold": spiking.error_threshold, "learning_starts_ms": spiking.learning_starts_ms,
        "window_high": spiking.post.high,
    }  # fmt: skip
    point: dict[str, Any] = {"decays": decay > 0}
    for name, value in (near | ({"weight_decay": decay} if decay > 0 else {})).items():
        choices = space.get(name, ())
        if len(choices) == 2:
            point[name] = min(max(value, choices[0]), choices[1])
        elif choices:  # by the arc tangent, since a window may be infinite
            point[name] = min(choices, key=lambda known, at=value: abs(math.atan(float(known)) - math.atan(at)))
    return point


def suggested(trial: "optuna.Trial", rule: "nf.Rule") -> dict[str, Any]:
    """A trial's values."""
    values: dict[str, Any] = {}
    for name, choices in space_of(rule).items():
        if name == "weight_decay":
            if trial.suggest_categorical("decays", (False, True)):
                values[name] = trial.suggest_float(name, *choices, log=True)
        elif len(choices) == 2:
            values[name] = trial.suggest_float(name, *choices, log=name != "schedule_factor")
        else:
            values[name] = trial.suggest_categorical(name, choices)
    return values


def one(name: str, number: int, search: Search) -> str:
    """Run one trial of a rule's study, and say in a line how it ended."""
    import optuna
    from optuna.trial import TrialState

    import neurofa as nf
    from neurofa.io.results import environment
    from neurofa.run import Diverged, Progress

    rule = nf.rules.named(name)
    study = study_of(rule, search, number)
    trial = study.ask()
    made = environment() | {"date": str(environment()["date"])[:10]}
    for key in ABOUT:
        trial.set_user_attr(key, made[key])
    values = suggested(trial, rule)
    data, model = split(search.samples, search.held_out), nf.load_model(MODEL)
    spiking = settings(model.spiking, values, search.epochs, len(model.for_rule(rule)[0].layers))
    seconds: list[float] = []
    began = time.perf_counter()

    def watch(progress: Progress) -> None:
        if progress.epoch == len(seconds):
            return
        seconds.append(round(time.perf_counter() - began, 2))
        trial.set_user_attr("seconds", seconds)
        trial.report(progress.test_error, progress.epoch)
        if progress.epoch < search.epochs and trial.should_prune():
            raise optuna.TrialPruned

    state, value, ended = TrialState.COMPLETE, None, "complete"
    try:
        run = nf.train(
            model, rule, data, mode="spiking", seed=search.seed, spiking=spiking, probe_every=0, threads=1,
            progress=watch,
        )  # fmt: skip
        value = run.test_error
    except optuna.TrialPruned:
        state, ended = TrialState.PRUNED, "pruned"
    except Diverged:
        trial.set_user_attr("diverged", True)
        state, ended = TrialState.PRUNED, "diverged"
    except nf.InputError:
        study.tell(trial, state=TrialState.FAIL)
        raise
    study.tell(trial, value, state)
    reached = study.trials[trial.number].intermediate_values.values()
    errors = " ".join(f"{100 * error:.2f}" for error in reached) or "none"
    point = ", ".join(f"{key} {value if isinstance(value, str) else f'{value:.3g}'}" for key, value in values.items())
    return f"{name} trial {trial.number}: {ended}, validation error by epoch {errors} %, {point}"


def rows_of(study: "optuna.Study", rule: "nf.Rule", search: Search) -> list[dict]:
    """A row for each epoch of each finished trial; one for a trial that diverged before the end of its first."""
    from optuna.trial import TrialState

    rows = []
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
        diverged = trial.user_attrs.get("diverged", False)
        state = "diverged" if diverged else "complete" if trial.state == TrialState.COMPLETE else "pruned"
        values: dict[str, Any] = {key: trial.params.get(key) for key in SEARCHED} | {
            "weight_decay": trial.params.get("weight_decay", 0.0)
        }
        common = values | {
            "rule": rule.name, "study": study.study_name, "trial": trial.number, "state": state,
            "epochs": search.epochs, "train_samples": search.samples, "validation_samples": search.held_out,
            **{key: trial.user_attrs[key] for key in ABOUT},
        }  # fmt: skip
        found = sorted(trial.intermediate_values.items())
        taken = trial.user_attrs.get("seconds", [])
        rows += [
            common | {"epoch": epoch, "validation_error_percent": round(100 * error, 4), "seconds": second}
            for (epoch, error), second in zip(found, taken, strict=True)
        ]
        if diverged:
            rows.append(common | {"epoch": len(found) + 1, "validation_error_percent": math.nan, "seconds": None})
    return rows


def write(rows: list[dict], path: Path) -> None:
    """Add rows to the table; those of a trial take the place of what stood there for it."""
    from neurofa.io.results import write_table

    if path.exists():
        new = {place(row)[:3] for row in rows}
        with path.open(newline="") as file:
            rows = rows + [row for row in csv.DictReader(file) if place(row)[:3] not in new]
    write_table(path, sorted(rows, key=place), COLUMNS)


def place(row: dict) -> tuple[str, str, int, int]:
    """Where a row stands in the table."""
    return row["rule"], row["study"], int(row["trial"]), int(row["epoch"])


def toml_lines(rule: "nf.Rule", values: dict[str, Any], search: Search) -> str:
    """The best settings of a rule as tables of the model file."""
    import neurofa as nf

    model = nf.load_model(MODEL)
    epochs, n_layers = model.spiking_for(rule).training.epochs, len(model.for_rule(rule)[0].layers)
    found = settings(model.spiking, values, search.epochs, n_layers)
    factor = values["schedule_factor"] ** (search.epochs / max(epochs, 1))
    key = rule.name if rule.name.isidentifier() else f'"{rule.name}"'
    rates = ", ".join(f"{rate:.3g}" for rate in found.training.rates(n_layers))
    decay = nf.Optimiser.of(found.training.optimiser).weight_decay
    return "\n".join((
        f"[rules.{key}.spiking]",
        f"error_threshold = {found.error_threshold:g}",
        f"learning_starts_ms = {found.learning_starts_ms:g}",
        f'post = {{ kind = "current_window", high = {found.post.high:.3g} }}',
        "",
        f"[rules.{key}.spiking.training]",
        f"learning_rate = [{rates}]",
        f'schedule = {{ kind = "step", every = 1, factor = {factor:.3g} }}',
        f'optimiser = {{ kind = "sgd", weight_decay = {decay:.3g} }}',
    ))  # fmt: skip


def best(study: "optuna.Study", rule: "nf.Rule", search: Search) -> str:
    """The best trial of a rule, as a comment and lines for the model file."""
    from optuna.trial import TrialState

    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return f"# {rule.name}: no trial was completed; give more --trials"
    trial = study.best_trial
    finished = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    about = (
        f"# trial {trial.number} of {finished}: validation error {100 * trial.value:.2f} %, {search.epochs} epochs "
        f"of {search.samples:,} samples (factor {trial.params['schedule_factor']:.3g} an epoch)"
    )
    return f"{about}\n{toml_lines(rule, trial.params, search)}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="dfa", help="names of rules, separated by commas")
    parser.add_argument("--trials", type=int, help="trials of each rule in all, earlier ones included (default 30)")
    parser.add_argument("--epochs", type=int, default=5, help="of a trial")
    parser.add_argument("--samples", type=int, help="training samples of a trial (all that are not held out)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler and of the runs")
    parser.add_argument("--workers", type=int, default=2, help="trials side by side, a core each")
    parser.add_argument("--runs", type=Path, default=HERE / "runs", help="folder of the journal")
    parser.add_argument("--quick", action="store_true", help="three trials of two epochs on 300 samples")
    options = parser.parse_args(arguments)
    try:
        import optuna  # noqa: F401
    except ImportError:
        print("the search needs optuna; install it with: pip install -e '.[experiments]'", file=sys.stderr)
        return 2
    for name in ("trials", "epochs", "samples", "workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} is {value}; give at least 1")
    from neurofa import InputError

    try:
        return run(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the finished trials", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Run the trials that are missing, and print the best of each rule."""
    import neurofa as nf

    quick, model = options.quick, nf.load_model(MODEL)
    rules = nf.rules.all_named(dict.fromkeys(options.rule.split(",")))
    for rule in rules:
        nf.rules.check(model.for_rule(rule)[0], rule)
    trials = options.trials or (QUICK["trials"] if quick else 30)
    data = split(QUICK["samples"] if quick else options.samples, QUICK["held_out"] if quick else None)
    folder = options.runs / "quick" if quick else options.runs
    folder.mkdir(parents=True, exist_ok=True)
    table = (folder if quick else HERE / "results") / f"{STEM}.csv"
    search = Search(
        str(folder / f"{STEM}.journal"), QUICK["epochs"] if quick else options.epochs,
        len(data.x_train), len(data.x_test), options.seed, options.workers,
    )  # fmt: skip
    done = {rule.name: prepare(rule, search) for rule in rules}
    missing = [(rule, number) for number in range(trials) for rule in rules if number >= done[rule.name]]
    for rule in rules:  # a search may have been stopped between a trial and the table
        write(rows_of(study_of(rule, search), rule, search), table)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, rule.name, number, search): rule for rule, number in missing}
        try:
            for count, future in enumerate(as_completed(futures), start=1):
                line, rule = future.result(), futures[future]
                write(rows_of(study_of(rule, search), rule, search), table)
                print(f"{line} ({count} of {len(missing)})", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for rule in rules:
        print(f"\n{best(study_of(rule, search), rule, search)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
