"""Rate-to-spiking conversion: a trained rate network runs on integrate-and-fire neurons without any more learning.

An `if` neuron with reset by subtraction spikes at the rate of its mean input where that is above 0: it is a relu. In
the units of docs/spiking.md (an activity of 1 is p spikes a tick, and the bias neuron spikes at p) the rates of such
neurons over p are the activities of the rate network, with an error of about one spike in a presentation, as long as
no neuron is asked for more than one spike a tick. Weights are therefore scaled by what the layers do on data (Diehl et
al. 2015, IJCNN; a percentile in the place of the maximum, and biases: Rueckauer et al. 2017, Front. Neurosci. 11:682):

    W_l <- W_l s_{l-1} / s_l,    b_l <- b_l / s_l,    s_l a percentile of the activations of layer l, 1 for the input

A normalised activation of 1 is the rate p, as everywhere else, and what lies above the percentile still has room up to
1 / p. With p = 1, the default here, 1 is a spike in every tick: nothing can be above, and the fewest ticks are needed.
A smaller `max_rate_hz` asks for more ticks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .analysis.modes import ActivityAgreement, activity_correlation
from .arguments import require_data, require_kinds
from .engines.rate import EVALUATION_BATCH, RateEngine
from .engines.spiking import SpikingEngine
from .io.data import ROWS, Data
from .protocol import check_data
from .rules import BP, Params, freeze, without_feedback
from .spec import Encoder, Model, Network, Neuron, Spiking
from .spec.errors import require

MONOTONE = ("identity", "sigmoid", "softmax", "tanh")  # outputs in the order of their summed inputs
TICKS = 64
CALIBRATION_SAMPLES = 2000


@dataclass(frozen=True, repr=False)
class Conversion:
    """A trained rate network on spikes, and what that costs.

    Parameters
    ----------
    params
        ``layers.l.W`` and ``.b``, normalised, for the spiking network.
    spiking
        Neurons, encoder and duration that it was tested with.
    rate_error
        Fraction of test samples that the rate network, as it was trained, classifies wrongly.
    spiking_error
        The same of the spiking network.
    correlation
        By layer, of the spiking network's activities with the normalised rate network's, over `samples` test samples.
        In the output layer the rate network's activity is taken to be that of a relu, which the neurons are.
    samples
        Test samples in `correlation`.
    """

    params: Params
    spiking: Spiking
    rate_error: float
    spiking_error: float
    correlation: ActivityAgreement
    samples: int

    def __repr__(self) -> str:
        return f"Conversion(test error {self.rate_error:.4g} in rates, {self.spiking_error:.4g} on spikes)"


def check_convertible(network: Network) -> None:
    """Refuse a network whose activations spikes cannot stand for.

    Raises
    ------
    InputError
        Names the layer, its activation and the remedy.
    """
    last = len(network.layers) - 1
    require(
        network.task == "classification",
        "conversion keeps the order of the outputs, and a regression needs their values; train in spiking mode instead",
    )
    for index, layer in enumerate(network.layers[:-1]):
        require(
            layer.activation == "relu",
            f"hidden layer {index} is {layer.activation!r}, and the rate of a spiking neuron is a relu of its input; "
            "train the network with relu hidden layers to convert it",
        )
    output = network.layers[-1]
    require(
        output.activation in MONOTONE,
        f"layer {last}, the output, is {output.activation!r}, where different inputs give the same output; "
        f"to convert the network use one of {', '.join(MONOTONE)}",
    )
    require(
        output.units >= 2,
        "conversion keeps which output is the largest, and this network has one output; give it 2",
    )


def _as_inputs(x: np.ndarray, network: Network, what: str) -> np.ndarray:
    """Samples as (n, inputs), refused unless they lie in [0, 1]."""
    x = np.asarray(x)
    require(x.ndim >= 2 and len(x) > 0, f"{what} have shape {x.shape}; give at least one sample, (n, inputs)")
    x = x.reshape(len(x), -1)
    require(x.shape[1] == network.inputs, f"{what} have {x.shape[1]} features; the network has {network.inputs} inputs")
    low, high = float(x.min()), float(x.max())
    require(
        low >= 0 and high <= 1,  # NaN fails too
        f"{what} lie in [{low:g}, {high:g}]; events stand for inputs in [0, 1], so train and convert on data that are",
    )
    return x


def _float64(params: Params) -> Params:
    return {key: value.astype(np.float64) for key, value in params.items()}


def _summed_inputs(params: Params, x: np.ndarray, n_layers: int) -> list[np.ndarray]:
    """What each layer's neurons receive, (n_samples, n_l), float64, with relu in all layers but the last."""
    a, found = np.asarray(x, np.float64), []
    for layer in range(n_layers):
        z = a @ params[f"layers.{layer}.W"] + params.get(f"layers.{layer}.b", 0.0)
        found.append(z)
        a = np.maximum(z, 0.0)
    return found


def _scales(params: Params, x: np.ndarray, network: Network, percentile: float) -> list[float]:
    """The activation of each layer that becomes 1: a percentile of those above 0, over samples and neurons."""
    last = len(network.layers) - 1
    parts: list[list[np.ndarray]] = [[] for _ in network.layers]
    for start in range(0, len(x), ROWS):
        for layer, z in enumerate(_summed_inputs(params, x[start : start + ROWS], last + 1)):
            parts[layer].append(z.ravel() if layer == last else z[z > 0])
    scales = []
    for layer, values in enumerate(np.concatenate(part) for part in parts):
        positive = values[values > 0]
        # outputs that are all below 0 never spike, and yet the class is read from their membranes
        counted = positive if positive.size else -values[values < 0]
        require(
            counted.size > 0,
            f"layer {layer} is silent for all {len(x)} calibration samples, so there is nothing to normalise it by; "
            "give other samples, or train the network further",
        )
        scales.append(float(np.percentile(counted, percentile)))
    return scales


def _plain(params: Mapping[str, np.ndarray], network: Network) -> Params:
    """W and b alone, checked against the network."""
    plan = freeze(network, BP, params)
    return without_feedback(plan.params)


def normalised(params: Mapping[str, np.ndarray], x: np.ndarray, network: Network, percentile: float = 99.9) -> Params:
    """Weights and biases that put every layer's activations in [0, 1] and change nothing else: a pure function.

    The network is positively homogeneous, so each layer's activations, and the summed inputs of the
    output, are divided by one number: the order of the outputs, and with it the predicted class, stays as it is.

    Parameters
    ----------
    params
        ``layers.l.W`` (n_pre, n_post) and ``layers.l.b`` (n_post,) of the trained network; feedback is left out.
    x
        Calibration samples (n, inputs) in [0, 1]; some hundreds of the training set.
    network
        With relu hidden layers and an output of which the largest names the class.
    percentile
        Of each layer's activations above 0 over samples and neurons, which becomes 1. At 100 no activation
        of the calibration samples is above 1 (but by rounding); below, the rare large ones are, and the others use more
        of the range. Zeros do not count, or a sparse layer would be scaled by its weak activations.

    Returns
    -------
    dict
        ``layers.l.W`` and ``.b``, new arrays in the precision of `params`.

    Raises
    ------
    InputError
        For other activations, a regression, a single output, samples outside [0, 1], a percentile that is not in
        (0, 100], and a layer that is silent for all samples.

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> net = nf.Network.dense((1, 1, 2), hidden="relu", bias=False)
    >>> params = {"layers.0.W": np.array([[4.0]]), "layers.1.W": np.array([[0.5, -1.0]])}
    >>> normalised(params, np.array([[0.5]]), net)["layers.0.W"]  # its activation is 2
    array([[2.]])
    """
    require(isinstance(network, Network), f"network is {network!r}; give an nf.Network, such as a model's .network")
    check_convertible(network)
    require(0 < percentile <= 100, f"percentile is {percentile}; it must be above 0 and at most 100")
    trained = _plain(params, network)
    x = _as_inputs(x, network, "calibration samples")
    scales = [1.0, *_scales(_float64(trained), x, network, percentile)]
    return {key: value * value.dtype.type(_factor(key, scales)) for key, value in trained.items()}


def _factor(key: str, scales: list[float]) -> float:
    """What a parameter is multiplied by; `scales` begins with that of the input."""
    _, layer, name = key.split(".")
    below, own = scales[int(layer)], scales[int(layer) + 1]
    return below / own if name == "W" else 1.0 / own


def default_spiking(ticks: int = TICKS) -> Spiking:
    """How a converted network runs unless it is said otherwise.

    Regular events, p = 1, `if` neurons with threshold 1 and reset by subtraction. Membranes start at half the
    threshold (the `v_leak` of a neuron without leak), so that the count of spikes is rounded and not cut off.
    """
    dt_ms = 1.0
    return Spiking(
        dt_ms=dt_ms,
        sample_ms=ticks * dt_ms,
        encoder=Encoder("regular", max_rate_hz=1000 / dt_ms),
        neuron=Neuron("if", v_leak=0.5),
    )


def _check_spiking(spiking: Spiking) -> None:
    """Refuse neurons and encoders whose rate is not their input."""
    require(
        spiking.encoder.kind != "latency",
        "encoder 'latency' sends one event whatever the input, and conversion needs rates; use 'regular' or 'poisson'",
    )
    require(
        spiking.transmission == 1,
        f"transmission is {spiking.transmission:g}, so that synapses lose spikes and biases do not; convert with 1",
    )
    for name, neuron in (("neuron", spiking.neuron), ("output_neuron", spiking.output_neuron or spiking.neuron)):
        for field, value, needed in (
            ("model", neuron.model, "if"),
            ("reset", neuron.reset, "subtract"),
            ("refractory_ms", neuron.refractory_ms, 0),
            ("threshold_step", neuron.threshold_step, 0),
        ):
            require(
                value == needed,
                f"{name} has {field} {value!r}, so that its rate is not a relu of its input; convert with {needed!r}",
            )


def _lasting(spiking: Spiking, ticks: int | None) -> Spiking:
    """The same with presentations of `ticks`, or of the test's, and without what acts on learning alone."""
    count = spiking.test_ticks if ticks is None else ticks
    require(count >= 1, f"ticks is {count}; a presentation has at least 1")
    sample_ms = count * spiking.dt_ms
    return replace(spiking, sample_ms=sample_ms, test_ms=None, learning_starts_ms=0.0, homeostasis=None)


def _for_spikes(network: Network) -> Network:
    """The network without what has no part in a test on spikes and an engine could refuse: loss, dropout."""
    layers = [replace(layer, dropout=0.0) for layer in network.layers]
    layers[-1] = replace(layers[-1], activation="identity")
    return replace(network, layers=tuple(layers), loss="half_sse", targets=None)


def _for_neurons(params: Params, spiking: Spiking, n_layers: int) -> Params:
    """The same rates from neurons whose threshold, or resistance, is not 1."""
    found = {}
    for key, value in params.items():
        is_output = key.startswith(f"layers.{n_layers - 1}.")
        neuron = (spiking.output_neuron if is_output else None) or spiking.neuron
        found[key] = value * value.dtype.type(neuron.v_threshold / neuron.r)
    return found


def convert(
    net: Network | Model,
    params: Mapping[str, np.ndarray],
    data: Data,
    *,
    spiking: Spiking | None = None,
    percentile: float = 99.9,
    ticks: int | None = None,
    samples: int = EVALUATION_BATCH,
    seed: int = 0,
    threads: int | None = None,
) -> Conversion:
    """Turn a trained rate network into a spiking one, and test both.

    Parameters
    ----------
    net
        The network that was trained, or a model that holds it.
    params
        Trained, as `Run.params`; feedback is left out.
    data
        At most 2000 training samples, evenly spaced, to normalise by, and the test set; inputs in [0, 1].
    spiking
        Neurons (``if``, reset by subtraction), encoder, delays and ``test_ms``; None for `default_spiking`. That of a
        model is for learning and is not used.
    percentile
        As in `normalised`.
    ticks
        How long a sample is shown; None for 64, or the ``test_ms`` of `spiking`. Errors of the rates fall as 1 / ticks.
    samples
        Test samples, evenly spaced, whose activities are correlated.
    seed
        Of an encoder that draws.
    threads
        Of the engines; all if None.

    Returns
    -------
    Conversion
        Parameters and description of the spiking network, both errors, and the correlation of activities by layer.

    Raises
    ------
    InputError
        As `normalised`, and for neurons or an encoder whose rate is not their input.
    """
    require_kinds(net, BP)
    require_data(data)
    network = net.network if isinstance(net, Model) else net
    check_convertible(network)
    check_data(network, data)
    spiking = _lasting(default_spiking() if spiking is None else spiking, ticks)
    _check_spiking(spiking)
    require(samples >= 1, f"samples is {samples}; correlate the activities of at least 1")
    x_test = _as_inputs(data.x_test, network, f"x_test of {data.name}")
    x_train = _as_inputs(data.x_train, network, f"x_train of {data.name}")
    trained, n_layers = _plain(params, network), len(network.layers)
    scaled = normalised(trained, x_train[_spread(len(x_train), CALIBRATION_SAMPLES)], network, percentile)
    own = _for_neurons(scaled, spiking, n_layers)
    rate = RateEngine(freeze(network, BP, trained), batch_size=1, threads=threads)
    _, rate_error = rate.evaluate(x_test, data.y_test)
    engine = SpikingEngine(freeze(_for_spikes(network), BP, own), spiking, seed=seed, threads=threads)
    _, spiking_error = engine.evaluate(x_test, data.y_test)
    shown = _spread(len(x_test), samples)
    expected = [np.maximum(z, 0.0) for z in _summed_inputs(_float64(scaled), x_test[shown], n_layers)]
    agreement = activity_correlation(expected, engine.activities(x_test[shown], data.y_test[shown]))
    return Conversion(own, spiking, float(rate_error), float(spiking_error), agreement, len(shown))


def _spread(n: int, at_most: int) -> np.ndarray:
    """Indices of at most that many of n samples, evenly spaced, since data may be sorted by class."""
    count = min(n, at_most)
    return np.arange(count) * n // count
