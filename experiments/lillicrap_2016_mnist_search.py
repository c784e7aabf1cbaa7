"""What supplementary Note 5 of Lillicrap et al. 2016 leaves open of its deep networks on MNIST, on a validation set.

Prints the training and validation error of a network under each combination of settings: 25,000 images of MNIST's
training set, 10,000 others for validation, 16 epochs, one seed that no table has. The test set is not looked at. W and
B are uniform with the same bounds in all layers, or without bounds those that the model's rules share.
"""

import argparse
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

from lillicrap_2016_schedule import falling

SEED, IMAGES, VALIDATION, EPOCHS = 100, 25_000, 10_000, 16


def errors(
    name: str, units: int, rule: str, normalisation: str, rate: float, w: float | None, b: float | None
) -> list[float]:
    """Training and validation error, %, with W uniform on +-w and B on +-b (None: as the model's rules share them)."""
    import neurofa as nf
    from neurofa.spec import Init

    model = nf.load_model(f"lillicrap_2016_mnist_{name}")
    _, training, composed = model.for_rule(nf.rules.named(rule))
    given = {"init": w, "feedback_init": b}
    inits = {field: Init("uniform", low=-high, high=high) for field, high in given.items() if high is not None}
    *hidden, output = (replace(layer, **inits) for layer in model.network.layers)
    network = replace(model.network, layers=(*(replace(layer, units=units) for layer in hidden), output))
    training = replace(falling(training, EPOCHS), learning_rate=rate)
    images = IMAGES + VALIDATION
    spec = replace(model.data, normalisation=normalisation, train_samples=images, validation=VALIDATION / images)
    data = nf.load_data(spec, seed=SEED)
    data = replace(data, x_test=data.x_test[:1], y_test=data.y_test[:1])
    run = nf.train(network, composed, data, training=training, seed=SEED, probe_every=0, threads=1)
    return [100 * float(run.history[f"{part}_error"].values[-1]) for part in ("train", "validation")]


def main() -> int:
    """Read lists of settings, and print a line for each combination; 2 for one that cannot be."""
    import neurofa as nf

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="fc3_1500", help="of the models lillicrap_2016_mnist_...")
    parser.add_argument("--units", type=int, default=1500, help="of each hidden layer")
    parser.add_argument("--rules", nargs="+", default=["fa", "bp"])
    parser.add_argument("--normalisations", nargs="+", default=["centred"])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.25])
    parser.add_argument("--weights", nargs="+", type=float, default=[None], help="bounds of W (the model's W)")
    parser.add_argument("--feedback", nargs="+", type=float, default=[None], help="bounds of B (the model's B)")
    options = parser.parse_args()
    settings = (options.rules, options.normalisations, options.rates, options.weights, options.feedback)
    for setting in product(*settings):
        began = time.perf_counter()
        try:
            train, validation = errors(options.network, options.units, *setting)
        except nf.InputError as error:
            print(f"{Path(__file__).stem}: {' '.join(str(error).split())}", file=sys.stderr)
            return 2
        words = f"training {train:.2f} validation {validation:.2f} % ({time.perf_counter() - began:.0f} s)"
        print(options.network, options.units, *setting, words, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
