"""Tasks that are drawn from a seed: Frenkel's two, Lillicrap's teachers, XOR.

Each function takes a seed and returns a checked `Data`; what is drawn here comes from the seed's ``synthetic`` stream.
"""

from itertools import pairwise

import numpy as np

from ..spec.seeds import streams
from .data import Data

NONLINEAR = (30, 20, 10, 10)
QUADRATIC = (20, 20)


def cosine_regression(seed: int = 0, train: int = 5_000, test: int = 1_000) -> Data:
    """Ten cosines of the mean of a random vector (Frenkel 2021, section 4, "Regression").

    Each of the 256 entries of x is normal with deviation 1 around a mean that the sample draws from
    U(-pi, pi); the targets are y_j = cos(mean(x) + phi_j) with phi_j = -pi/2 + j pi/9, j = 0..9.
    """
    rng = streams(seed).synthetic
    phases = -np.pi / 2 + np.arange(10) * np.pi / 9

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(-np.pi, np.pi, (count, 1)) + rng.standard_normal((count, 256))
        return x, np.cos(x.mean(axis=1, keepdims=True) + phases)

    return Data(*draw(train), *draw(test), name="cosine_regression", task="regression")


def frenkel_classification(seed: int = 0, train: int = 25_000, test: int = 5_000) -> Data:
    """Clusters around the corners of a hypercube (Frenkel 2021, section 4, "Synthetic data classification").

    scikit-learn's ``make_classification`` with 256 features of which 128 are informative and the others
    noise, ten classes of five clusters and class separation 4.5. As in the authors' code, one sample in a
    hundred has a random label (``flip_y`` is left at 0.01). The seed is scikit-learn's ``random_state``: 0 draws the
    data set of their code.
    """
    from sklearn.datasets import make_classification

    streams(seed)  # refuses what is not a seed
    x, y = make_classification(
        n_samples=train + test,
        n_features=256,
        n_informative=128,
        n_redundant=0,
        n_repeated=0,
        n_classes=10,
        n_clusters_per_class=5,
        class_sep=4.5,
        flip_y=0.01,
        random_state=seed % 2**32,  # all that it takes
    )
    x = x.astype(np.float32)
    return Data(x[:train], y[:train], x[train:], y[train:], name="frenkel_classification", n_outputs=10)


def linear_teacher(seed: int = 0, train: int = 10_000, test: int = 1_000) -> Data:
    """A random linear map from 30 to 10 dimensions (Lillicrap 2016, the task of the 30-20-10 linear network).

    y = T x with the entries of T from U(-1, 1) and x from N(0, I).
    """
    return _linear("linear_teacher", 30, 10, seed, train, test)


def linear_teacher_100_20(seed: int = 0, train: int = 10_000, test: int = 1_000) -> Data:
    """A random linear map from 100 to 20 dimensions (Lillicrap 2016, supplementary figure 12, network 100-50-20).

    The supplement says no more than that the target is random; T and x are drawn as in `linear_teacher`, so
    that an output has a variance of 100/3.
    """
    return _linear("linear_teacher_100_20", 100, 20, seed, train, test)


def _linear(name: str, inputs: int, outputs: int, seed: int, train: int, test: int) -> Data:
    """y = T x of any size, T from U(-1, 1) and x from N(0, I)."""
    rng = streams(seed).synthetic
    matrix = rng.uniform(-1, 1, (inputs, outputs))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((count, inputs))
        return x, x @ matrix

    return Data(*draw(train), *draw(test), name=name, task="regression")


def nonlinear_teacher(seed: int = 0, train: int = 10_000, test: int = 1_000) -> Data:
    """A random 30-20-10-10 network as the target (Lillicrap 2016, supplementary note 3).

    Hidden layers are tanh and the output is linear; weights and biases are uniform, inputs N(0, I). The
    note does not give the bounds of the weights; U(-1, 1) is used, as for the linear target.
    """
    rng = streams(seed).synthetic
    layers = [
        (rng.uniform(-1, 1, (n_pre, n_post)), rng.uniform(-1, 1, n_post)) for n_pre, n_post in pairwise(NONLINEAR)
    ]

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((count, NONLINEAR[0]))
        y = x
        for weights, bias in layers[:-1]:
            y = np.tanh(y @ weights + bias)
        weights, bias = layers[-1]
        return x, y @ weights + bias

    return Data(*draw(train), *draw(test), name="nonlinear_teacher", task="regression")


def quadratic_teacher(seed: int = 0, train: int = 10_000, test: int = 1_000) -> Data:
    """Random quadratic forms from 20 to 20 dimensions (Lillicrap 2016, supplementary figures 9 and 14).

    The supplement gives the network, 20-1000-20, and that its target is quadratic, and nothing else. Chosen
    here: y_k = (x' Q_k x - tr Q_k) / (sqrt(2) |Q_k|) with x from N(0, I), Q_k the symmetric part of a matrix
    whose entries are from U(-1, 1), and |Q_k| its Frobenius norm. Over all x each output has mean 0 and
    variance 1, and is uncorrelated with every linear function of x.
    """
    inputs, outputs = QUADRATIC
    rng = streams(seed).synthetic
    forms = rng.uniform(-1, 1, (outputs, inputs, inputs))
    forms = (forms + forms.transpose(0, 2, 1)) / 2
    forms /= np.sqrt(2 * (forms**2).sum(axis=(1, 2), keepdims=True))
    means = np.trace(forms, axis1=1, axis2=2)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((count, inputs))
        values = [((x @ form) * x).sum(axis=1) for form in forms]
        return x, np.stack(values, axis=1) - means

    return Data(*draw(train), *draw(test), name="quadratic_teacher", task="regression")


def _xor() -> tuple[np.ndarray, np.ndarray]:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return x, np.array([0, 1, 1, 0])


def xor(seed: int = 0) -> Data:
    """The four patterns of XOR as two classes, for training and test alike; the seed has no effect."""
    streams(seed)  # refuses what is not a seed, as every other task does
    return Data(*_xor(), *_xor(), name="xor", n_outputs=2)


def xor_scalar(seed: int = 0) -> Data:
    """XOR with one output, 0 or 1, for the 2-2-1 and 2-25-1 networks of Lillicrap 2016, supplementary note 4."""
    streams(seed)
    x, y = _xor()
    return Data(x, y, x.copy(), y.copy(), name="xor_scalar", task="regression")
