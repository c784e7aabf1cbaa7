"""What a trained network does: its loss and error, its outputs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .arguments import as_batch, as_hardware, require_kinds, require_mode, require_spikes
from .engines import new_engine
from .engines.base import Engine
from .engines.rate import EVALUATION_BATCH
from .hardware import constrain
from .io.data import as_array
from .rules import BP, freeze, without_feedback
from .spec import Hardware, Model, Network, Rule, Spiking, settings_for
from .spec.errors import require


class Score(NamedTuple):
    """How well a network does on samples.

    Parameters
    ----------
    loss
        Mean over the samples: of the network's loss in rate mode; in spiking mode of half the squared distance of
        output activities from their targets.
    error
        Fraction of samples classified wrongly; for a regression the mean loss again.
    """

    loss: float
    error: float


def evaluate(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    mode: str = "rate",
    seed: int = 0,
    *,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> Score:
    """Loss and error of a network on samples that it does not learn from.

    Parameters
    ----------
    net
        The network, or a model that holds it.
    rule
        That it was trained by: a model may have another network for each.
    params
        As `neurofa.train` leaves them; feedback is not used.
    x, y
        Inputs (n_samples, n_inputs) and labels (n_samples,), or targets (n_samples, n_outputs) of a regression.
    mode
        ``rate`` or ``spiking``.
    seed
        Of an encoder that draws.
    spiking
        In spiking mode, takes the place of the model's.
    hardware
        As for `neurofa.updates`.

    Returns
    -------
    Score

    Raises
    ------
    InputError
        If parameters, samples and network do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> net = nf.Network.dense((4, 3, 2))
    >>> params = {key: np.zeros_like(value) for key, value in nf.lower(net, nf.rules.DFA).params.items()}
    >>> nf.evaluate(net, nf.rules.DFA, params, np.ones((5, 4)), np.array([0, 0, 0, 1, 1])).error
    0.4
    """
    require_own(mode)
    engine, network = _engine(net, rule, params, mode, seed, spiking, hardware)
    loss, error = engine.evaluate(*as_batch(network, x, y))
    return Score(loss, error)


def predict(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    x: np.ndarray,
    mode: str = "rate",
    seed: int = 0,
    *,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> np.ndarray:
    """Outputs of a network for samples; `neurofa.observe` has the spikes one by one.

    In spiking mode it takes some 20 bytes of memory for each sample and neuron.

    Parameters
    ----------
    net, rule, params, mode, seed, spiking, hardware
        As for `evaluate`.
    x
        Inputs (n_samples, n_inputs).

    Returns
    -------
    numpy.ndarray
        Activities of the output layer, (n_samples, n_outputs); in spiking mode the number of spikes over that of an
        input of 1. `classify` gives classes.

    Raises
    ------
    InputError
        If parameters, inputs and network do not fit together.
    """
    require_own(mode)
    engine, network = _engine(net, rule, params, mode, seed, spiking, hardware)
    x, y = _without_targets(network, x)
    engine.check_samples(x, y)
    return _outputs(engine, x, y, EVALUATION_BATCH if mode == "rate" else len(x))


def classify(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    x: np.ndarray,
    mode: str = "rate",
    seed: int = 0,
    *,
    spiking: Spiking | None = None,
    hardware: Hardware | str | None = None,
) -> np.ndarray:
    """Classes that a network gives to samples: those by which `evaluate` counts its errors.

    Parameters
    ----------
    net, rule, params, mode, seed, spiking, hardware
        As for `evaluate`.
    x
        Inputs (n_samples, n_inputs).

    Returns
    -------
    numpy.ndarray
        (n_samples,), int64: the number of the largest output, and of several the first. In spiking mode it is the one
        with the most spikes, of several the one with the highest membrane. Of a single output the class is 1 where it
        is above the middle of the network's targets, in spiking mode of `Spiking.target_activity`.

    Raises
    ------
    InputError
        If parameters, inputs and network do not fit together, or the network has no classes.

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> net, x = nf.Network.dense((4, 3, 2)), np.eye(4)
    >>> params = nf.lower(net, nf.rules.DFA).params
    >>> classes = nf.classify(net, nf.rules.DFA, params, x)
    >>> np.array_equal(classes, nf.predict(net, nf.rules.DFA, params, x).argmax(1))
    True
    """
    require_own(mode)
    engine, network = _engine(net, rule, params, mode, seed, spiking, hardware)
    require(network.task == "classification", "the network is of a regression and has no classes; use nf.predict")
    x, y = _without_targets(network, x)
    engine.check_samples(x, y)
    if mode == "spiking":
        from .engines.spiking import SpikingEngine

        assert isinstance(engine, SpikingEngine)
        return engine.classes(x)
    out = _outputs(engine, x, y, EVALUATION_BATCH).astype(np.float64)  # as the kernel compares them
    middle = 0.5 * sum(network.target_values)
    return (out[:, 0] > middle).astype(np.int64) if out.shape[1] == 1 else out.argmax(axis=1)


def _outputs(engine: Engine, x: np.ndarray, y: np.ndarray, at_once: int) -> np.ndarray:
    """Activities of the output layer; an encoder counts samples from the first of a call."""
    parts = [engine.activities(x[n : n + at_once], y[n : n + at_once])[-1] for n in range(0, len(x), at_once)]
    return np.concatenate(parts)


def _without_targets(network: Network, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples that nothing is known of, as a batch: their labels or targets are 0."""
    x = np.atleast_2d(as_array(x, "x"))
    n_out = network.layers[-1].units
    y = np.zeros(len(x), np.int64) if network.task == "classification" else np.zeros((len(x), n_out), np.float32)
    return as_batch(network, x, y)


def require_own(mode: str) -> None:
    """Refuse unknown modes, and the one that has no evaluation of its own."""
    require_mode(mode)
    require(mode != "brian", "mode 'brian' trains and evaluates nothing else; use mode 'spiking', which agrees with it")


def _engine(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    mode: str,
    seed: int,
    spiking: Spiking | None,
    hardware: Hardware | str | None,
) -> tuple[Engine, Network]:
    """An engine at given weights, and the network."""
    require_kinds(net, rule)
    require_spikes(mode, spiking)
    network, _, rule, chosen = settings_for(net, rule, spiking)
    plan, chip = freeze(network, BP, without_feedback(params)), as_hardware(hardware, mode)
    if chip is not None:
        plan = constrain(plan, None if mode == "rate" else chosen, chip)
    return new_engine(mode, plan, chosen, batch_size=1, seed=seed), network
