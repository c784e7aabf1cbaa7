"""What several tests need: data that may be absent, random networks, and one way to compare dicts of arrays."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from neurofa.io.data import Data
from neurofa.rules import lower
from neurofa.spec import Init, Layer, Network, Training

MNIST = Path(os.environ.get("NEUROFA_DATA", "")) / "mnist"
needs_mnist = pytest.mark.skipif(
    not ("NEUROFA_DATA" in os.environ and MNIST.is_dir()),
    reason="MNIST is absent; point NEUROFA_DATA at the folder that holds mnist/",
)

ACTIVATIONS = ("identity", "tanh", "sigmoid", "hard_tanh", "relu", "leaky_relu")
OUTPUTS = {
    "bce": ("sigmoid",),
    "cce": ("softmax",),
    "mse": ACTIVATIONS,
    "half_sse": ACTIVATIONS,
    "exponential": ACTIVATIONS,
}
BOUNDED = ("tanh", "sigmoid", "hard_tanh", "softmax")  # outputs that a target signal can be used with
FITS = [(loss, output) for loss, outputs in OUTPUTS.items() for output in outputs]


def layer_for(rule, index, units, activation, *, bias=True, slope=0.1, **more):
    """A layer that `rule` accepts, with weights large enough to show an error."""
    monotone = rule is not None and rule.constraint == "monotone" and index > 0
    W = Init("uniform", low=0.0, high=0.6) if monotone else Init("xavier_normal")
    return Layer(units, activation, slope, bias, W, Init("normal", std=0.3), Init("xavier_uniform"), **more)


def network_for(
    rule, sizes, hidden="tanh", output="sigmoid", loss="bce", *, task="classification", targets=None, **more
):
    """A network that `rule` accepts, from its widths."""
    names = [hidden] * (len(sizes) - 2) + [output]
    layers = [layer_for(rule, i, n, name, **more) for i, (n, name) in enumerate(zip(sizes[1:], names, strict=True))]
    return Network(sizes[0], tuple(layers), loss, targets, task)


@st.composite
def networks(draw, rule):
    """Small random networks that `rule` accepts: 1 to 4 layers of 1 to 7 neurons, any activation, loss and bias."""
    fits = [fit for fit in FITS if rule.signal != "target" or fit[1] in BOUNDED]
    loss, output = draw(st.sampled_from(fits))
    regression = loss in ("mse", "half_sse") and rule.signal != "target" and draw(st.booleans())
    targets = draw(st.sampled_from([None, (-0.9, 0.9)])) if loss in ("mse", "half_sse") else None
    hidden = draw(st.lists(st.sampled_from(ACTIVATIONS), max_size=3))
    fewest = [1] * len(hidden) + [2 if loss == "cce" else 1]  # a softmax of one output is always 1
    layers = tuple(
        layer_for(
            rule,
            index,
            draw(st.integers(n, 7)),
            name,
            bias=draw(st.booleans()),
            slope=draw(st.just(0.0) | st.floats(1e-3, 0.9)),
        )
        for index, (name, n) in enumerate(zip([*hidden, output], fewest, strict=True))
    )
    return Network(draw(st.integers(1, 7)), layers, loss, targets, "regression" if regression else "classification")


@st.composite
def problems(draw, rule):
    """A network for `rule`, its parameters in float64, and a batch of 1 to 6 samples."""
    network, seed = draw(networks(rule)), draw(st.integers(0, 2**32 - 1))
    params = lower(network, rule, seed, precision="float64").params
    x, y = batch_for(network, draw(st.integers(1, 6)), seed)
    return network, params, x, y


def batch_for(network, n_samples, seed=0):
    """Random inputs (N, inputs) that float32 can hold, and labels (N,) or targets (N, outputs)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_samples, network.inputs)).astype(np.float32)
    if network.task == "regression":
        return x, rng.normal(size=(n_samples, network.layers[-1].units)).astype(np.float32)
    return x, rng.integers(classes_of(network), size=n_samples)


def classes_of(network):
    """Number of classes that a network's outputs tell apart: two for a single output."""
    return max(2, network.layers[-1].units)


def data_for(network, n_train=23, n_test=7, seed=0):
    """Random training and test data for a network; no validation set."""
    x, y = batch_for(network, n_train + n_test, seed)
    y = y.astype(np.float32 if network.task == "regression" else np.int64)
    return Data(
        x_train=np.ascontiguousarray(x[:n_train]),
        y_train=y[:n_train],
        x_test=np.ascontiguousarray(x[n_train:]),
        y_test=y[n_train:],
        x_validation=x[:0],
        y_validation=y[:0],
        name="random",
        task=network.task,
        n_outputs=classes_of(network) if network.task == "classification" else network.layers[-1].units,
        image_shape=(),
    )


def protocol(**options):
    """Three epochs of batches of 5 in order, in float64: with 23 samples the last batch has 3."""
    defaults = {"epochs": 3, "batch_size": 5, "learning_rate": 0.1, "optimiser": "sgd"}
    return Training(**{**defaults, "shuffle": False, "precision": "float64", **options})


def without_feedback(params):
    """The parameters without any B."""
    return {key: value for key, value in params.items() if not key.endswith(".B")}


def assert_same(actual, expected, relative, *, absolute=1e-14, keys=None):
    """The same keys and shapes, and values within `relative` of each array's largest one.

    `absolute` allows for rounding where terms cancel; it grows with the largest value of all arrays.
    """
    keys = sorted(expected) if keys is None else keys
    assert set(keys) <= set(actual), f"missing: {sorted(set(keys) - set(actual))}"
    largest = max([1.0, *(float(np.max(np.abs(expected[key]), initial=0.0)) for key in keys)])
    for key in keys:
        a, b = np.asarray(actual[key], dtype=np.float64), np.asarray(expected[key], dtype=np.float64)
        assert a.shape == b.shape, f"{key}: shape {a.shape}, not {b.shape}"
        assert np.isfinite(a).all(), f"{key}: not finite"
        allowed = relative * float(np.max(np.abs(b), initial=0.0)) + absolute * largest
        difference = float(np.max(np.abs(a - b), initial=0.0))
        assert difference <= allowed, f"{key}: differs by {difference:.3g}, allowed is {allowed:.3g}"


def away_from_kinks(network, z, margin):
    """Whether no summed input lies where an activation has a corner or a step."""
    for layer, summed in zip(network.layers, z, strict=True):
        corners = {"relu": (0.0,), "leaky_relu": (0.0,), "hard_tanh": (-1.0, 1.0)}.get(layer.activation, ())
        if any(np.min(np.abs(summed - corner)) < margin for corner in corners):
            return False
    return True


def with_layer(network, index, **changes):
    """The network with fields of one layer changed."""
    layers = list(network.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(network, layers=tuple(layers))
