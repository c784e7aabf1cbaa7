"""What the tables of Lechner 2020 share: data, learning rates, training.

Run as a script, it is the search for the learning rates: validation errors on a pair of classes. It is smaller than the
paper's, which chose optimiser (gradient descent, Adam, RMSprop), rate, epochs and initial weights for each method: here
are no RMSprop, 100 epochs and one way to begin.
"""

import argparse
import time
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

RULES = ("bp", "dfa", "fa", "mdfa")
MEASURED = ("train_accuracy_percent", "test_accuracy_percent", "validation_accuracy_percent", "best_epoch")
IMAGES_PER_CLASS = 500  # CIFAR-100 has so many for training
SEARCHED = {"sgd": (0.003, 0.01, 0.03, 0.1), "adam": (3e-5, 1e-4, 3e-4, 1e-3)}
# On a pair of seed 100, with tanh, none of SEARCHED was better for all rules: Adam at 3e-4 by one or two of 150 images
# for bp, dfa and mdfa, but fa does not learn at it. With ReLU 0.003 was better for fa only, and Adam not searched.
RATES = {"sgd": 0.03, "adam": 1e-4}
SLOWER = {("relu", "fa", "sgd"): 0.003}
FEEDBACK_STD = 0.1  # that of the models


@cache
def source() -> str:
    """The paper's data set if it is on this machine, else CIFAR-10."""
    from neurofa.io.datasets import available

    return "cifar100" if any(row.found for row in available() if row.name == "cifar100") else "cifar10"


def jobs_of(counts: tuple[int, ...], activations: tuple[str, ...], seed: int, epochs: int) -> list[dict]:
    """A job for each number of classes, activation, rule and optimiser; only two of these in a short run."""
    pairs = [(rule, optimiser) for rule in RULES for optimiser in RATES]
    pairs = pairs if epochs >= 100 else [("bp", "adam"), ("mdfa", "sgd")]
    return [
        {"data": source(), "classes": n, "activation": activation, "rule": rule, "optimiser": optimiser, "seed": seed,
         "epochs": epochs} for n in counts for activation in activations for rule, optimiser in pairs
    ]  # fmt: skip


def chosen(rows: list[dict]) -> list[dict]:
    """A row for each seed: the best training accuracy, and the test accuracy of the best validation error."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in ("classes", "activation", "rule", "seed")), []).append(row)
    return [
        max(mine, key=lambda row: row["validation_accuracy_percent"])
        | {"train_accuracy_percent": max(row["train_accuracy_percent"] for row in mine),
           "seconds": sum(row["seconds"] for row in mine)}
        for mine in groups.values()
    ]  # fmt: skip


def described(job: dict, rate: float | None = None) -> tuple:
    """Network, training and rule of a job, and its data: those of the model with what is chosen here in place."""
    import neurofa as nf

    n = job["classes"]
    name = f"binary_{job['activation']}" if n == 2 else f"{n}_classes"
    model = nf.load_model(f"lechner_2020_cifar100_{name}")
    network, training, rule = model.for_rule(nf.rules.named(job["rule"]))
    key = job["activation"], job["rule"], job["optimiser"]
    rate = rate or SLOWER.get(key, RATES[job["optimiser"]])
    training = replace(training, optimiser=job["optimiser"], learning_rate=rate, epochs=job["epochs"])
    return network, training, rule, replace(model.data, name=job["data"], train_samples=n * IMAGES_PER_CLASS)


def trained_on(job: dict, folder: Path | None, rate: float | None = None, feedback_std: float = FEEDBACK_STD):
    """The run of a job: parameters of the best validation error; and the data it has seen."""
    import neurofa as nf
    from neurofa.experiments import trained

    network, training, rule, spec = described(job, rate)
    if feedback_std != FEEDBACK_STD:
        layers = (replace(layer, feedback_init=nf.Init("normal", std=feedback_std)) for layer in network.layers)
        network = replace(network, layers=tuple(layers))
    data = nf.load_data(spec, seed=job["seed"])
    unseen = replace(data, x_test=data.x_test[:1], y_test=data.y_test[:1])  # it is looked at once, after training
    return trained(folder, network, rule, unseen, job["seed"], training=training), data


def one(job: dict, folder: Path) -> list[dict]:
    """Train a job, and return its accuracies."""
    import neurofa as nf

    run, data = trained_on(job, folder)
    network, training, rule, _ = described(job)
    params = {key: value for key, value in run.params.items() if not key.endswith(".B")}  # evaluation needs no feedback
    best = nf.train(network, rule, data, params=params, training=replace(training, epochs=0), probe_every=0, threads=1)
    errors = run.history.validation_error.values
    accuracies = (run.history.train_error.values.min(), best.test_error, errors.min())
    values = (*(round(100 * (1 - float(error)), 3) for error in accuracies), int(errors.argmin()) + 1)
    return [dict(zip(MEASURED, values, strict=True)) | {"seconds": round(run.seconds, 1)}]


def search(arguments: list[str] | None = None) -> None:
    """Print the best validation and training error under each setting, on a pair of a seed that no table has."""
    import neurofa as nf

    parser = argparse.ArgumentParser(description=search.__doc__)
    parser.add_argument("--activations", nargs="+", default=["tanh", "relu"])
    parser.add_argument("--rules", nargs="+", default=RULES)
    parser.add_argument("--optimisers", nargs="+", choices=SEARCHED, default=list(SEARCHED))
    parser.add_argument("--rates", nargs="+", type=float, help="in place of those of each optimiser")
    parser.add_argument("--feedback-std", type=float, default=FEEDBACK_STD, help="deviation of B")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=100)
    given = parser.parse_args(arguments)
    settings = [(optimiser, rate) for optimiser in given.optimisers for rate in given.rates or SEARCHED[optimiser]]
    for activation, rule, (optimiser, rate) in product(given.activations, given.rules, settings):
        job = {"data": source(), "classes": 2, "activation": activation, "rule": rule, "optimiser": optimiser}
        job |= {"seed": given.seed, "epochs": given.epochs}
        began = time.process_time()
        try:
            history = trained_on(job, None, rate, given.feedback_std)[0].history
            errors = [history[f"{part}_error"].min() for part in ("validation", "train")]
        except nf.InputError:  # it has diverged
            errors = [float("nan")] * 2
        words = "validation {:.3f} training {:.3f}".format(*map(float, errors))
        print(activation, rule, optimiser, rate, words, f"{time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    search()
