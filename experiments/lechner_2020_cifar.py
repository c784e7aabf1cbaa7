"""What the tables of Lechner et al. 2020 share: data, learning rates, training.

Run as a script, it is the search for the learning rates: validation errors on a pair of classes.
"""

import time
from dataclasses import replace
from functools import cache
from pathlib import Path

RULES = ("bp", "dfa", "fa", "mdfa")
MEASURED = ("train_accuracy_percent", "test_accuracy_percent", "validation_accuracy_percent", "best_epoch")
IMAGES_PER_CLASS = 500  # CIFAR-100 has so many for training
SEARCHED = (0.001, 0.003, 0.01, 0.03, 0.1)
# Chosen by `search`, in 30 epochs; hard-tanh has those of tanh.
TANH = {"bp": 0.03, "dfa": 0.03, "fa": 0.03, "mdfa": 0.03}
RATES = {"tanh": TANH, "hard_tanh": TANH, "relu": {"bp": 0.03, "dfa": 0.03, "fa": 0.03, "mdfa": 0.03}}


@cache
def source() -> str:
    """The paper's data set if it is on this machine, else CIFAR-10."""
    from neurofa.io.datasets import available

    return "cifar100" if any(row.found for row in available() if row.name == "cifar100") else "cifar10"


def described(job: dict, rate: float | None = None) -> tuple:
    """Network, training and rule of a job, and its data: those of the model, with the data and the rate chosen here."""
    import neurofa as nf

    n = job["classes"]
    name = f"binary_{job['activation']}" if n == 2 else f"{n}_classes"
    model = nf.load_model(f"lechner_2020_cifar100_{name}")
    network, training, rule = model.for_rule(nf.rules.named(job["rule"]))
    training = replace(training, learning_rate=rate or RATES[job["activation"]][job["rule"]], epochs=job["epochs"])
    return network, training, rule, replace(model.data, name=job["data"], train_samples=n * IMAGES_PER_CLASS)


def trained_on(job: dict, folder: Path | None, rate: float | None = None):
    """The run of a job: parameters of the best validation error; and the data it has seen."""
    import neurofa as nf
    from neurofa.experiments import trained

    network, training, rule, spec = described(job, rate)
    data = nf.load_data(spec, seed=job["seed"])
    unseen = replace(data, x_test=data.x_test[:1], y_test=data.y_test[:1])  # it is looked at once, after training
    return trained(folder, network, rule, unseen, job["seed"], training=training), data


def one(job: dict, folder: Path) -> list[dict]:
    """Train a job, and return its accuracies."""
    import neurofa as nf

    run, data = trained_on(job, folder)
    network, training, rule, _ = described(job)
    best = nf.train(network, rule, data, params=run.params, training=replace(training, epochs=0), probe_every=0)
    errors = run.history.validation_error.values
    accuracies = (run.history.train_error.values.min(), best.test_error, errors.min())
    values = (*(round(100 * (1 - float(error)), 3) for error in accuracies), int(errors.argmin()) + 1)
    return [dict(zip(MEASURED, values, strict=True)) | {"seconds": round(run.seconds, 1)}]


def search(seed: int = 100, epochs: int = 40) -> None:
    """Print the best validation error of each rate, on classes that no table has drawn."""
    import neurofa as nf

    for activation in ("tanh", "relu", "hard_tanh"):
        for rule in RULES:
            for rate in SEARCHED:
                job = {"data": source(), "classes": 2, "activation": activation, "rule": rule, "seed": seed}
                began = time.process_time()
                try:
                    history = trained_on(job | {"epochs": epochs}, None, rate)[0].history
                    errors = history.validation_error.values.min(), history.train_error.values.min()
                except nf.InputError:
                    errors = float("nan"), float("nan")
                text = "validation {:.3f} training {:.3f}".format(*errors)
                print(f"{activation:10}{rule:6}{rate:6g} {text} {time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    search()
