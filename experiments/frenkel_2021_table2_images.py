"""What the errors of Frenkel et al. 2021, Table 2, hang on here: the number of training images, and that of updates.

Prints the test error (CIFAR-10's batch 5, mean of the last 10 epochs) of a network of that table for each number of
training images and epochs; nothing is chosen by it. Runs are checkpointed in `runs/`, and the same command goes on.
"""

import argparse
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

from neurofa.experiments import trained

RUNS = Path(__file__).resolve().parent / "runs" / "images"


def main() -> int:
    """Read lists of settings, and print a line for each combination; 2 for one that cannot be."""
    import neurofa as nf

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["fc1_500"], help="of the models frenkel_2021_cifar10_...")
    parser.add_argument("--rules", nargs="+", default=["bp"])
    parser.add_argument("--images", nargs="+", type=int, default=[40_000], help="for training, at most 40,000")
    parser.add_argument("--epochs", nargs="+", type=int, default=[200])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, rule, images, epochs in product(options.networks, options.rules, options.images, options.epochs):
        try:
            model = nf.load_model(f"frenkel_2021_cifar10_{name}")
            model = replace(model, data=replace(model.data, train_samples=images))
            data = nf.load_data(model.data, seed=options.seed)
            folder = RUNS / f"{name}-{rule}-{images}-{epochs}-{options.seed}"
            run = trained(folder, model, nf.rules.named(rule), data, options.seed, epochs=epochs)
        except nf.InputError as error:
            print(f"{Path(__file__).stem}: {' '.join(str(error).split())}", file=sys.stderr)
            return 2
        train = 100 * float(run.history.train_error.values[-1])
        words = f"test error {100 * run.test_error:.2f} %, training error {train:.2f} % ({run.seconds:.0f} s)"
        print(name, rule, f"{images} images, {epochs} epochs:", words, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
