"""One network in two modes: how well activities and updates on spikes agree with those of the rate network.

Correlations are Pearson's: unlike an angle they do not see an offset that all entries share, and like an angle they
do not see the scale, so that spikes need not be turned into activities first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..spec.errors import require
from .alignment import angle_deg, cosine


@dataclass(frozen=True)
class ActivityAgreement:
    """How the activities of two modes agree on the same samples, by layer.

    Parameters
    ----------
    overall
        Correlation over all samples and neurons of a layer, (n_layers,); nan where one mode is constant. Neurons
        that differ in their mean raise it, even if nothing about the sample is kept.
    by_neuron
        Mean over neurons of each neuron's correlation across samples, (n_layers,); nan where no neuron counts.
    varying
        Fraction of neurons whose activity varies across samples in both modes, (n_layers,): those that count
        in `by_neuron`.
    """

    overall: np.ndarray
    by_neuron: np.ndarray
    varying: np.ndarray


@dataclass(frozen=True)
class UpdateAgreement:
    """How the updates of two modes agree for the same parameters and batch, by layer.

    Parameters
    ----------
    weights
        Correlation of dW over all synapses of a layer, (n_layers,); nan where one mode's is constant.
    biases
        Correlation of db over a layer's neurons, (n_layers,); nan also where there is no bias.
    angle_deg
        Angle between the whole updates, dW and db as one vector, in degrees from 0 to 180, (n_layers,); nan where
        one of them is zero.
    """

    weights: np.ndarray
    biases: np.ndarray
    angle_deg: np.ndarray


def _centred(a: np.ndarray) -> np.ndarray | None:
    """`a` flattened, float64, less its mean, with 1 as the largest entry before; None where it does not vary."""
    vector: np.ndarray = np.asarray(a, dtype=np.float64).ravel()
    # the mean of equal numbers is not always that number, so a constant must be seen before it is subtracted
    if vector.size == 0 or not vector.min() < vector.max() or not np.isfinite(vector).all():
        return None
    vector = vector / np.abs(vector).max()  # sums and squares of very large or very small numbers stay in range
    vector -= vector.mean()
    return vector


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation over all entries of two arrays.

    Parameters
    ----------
    a, b
        Arrays of the same shape.

    Returns
    -------
    float
        In [-1, 1]; nan where either array is constant, empty or not finite.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    require(np.shape(a) == np.shape(b), f"shapes {np.shape(a)} and {np.shape(b)} differ; correlate entry with entry")
    u, v = _centred(a), _centred(b)
    if u is None or v is None:
        return float("nan")
    return cosine(u, v)


def activity_correlation(rate: Sequence[np.ndarray], spikes: Sequence[np.ndarray]) -> ActivityAgreement:
    """Compare the activities of the rate network with those on spikes, layer by layer.

    Parameters
    ----------
    rate, spikes
        For each layer (n_samples, n_l): activities, or counts of spikes, of the same samples in the same order.

    Returns
    -------
    ActivityAgreement
        Correlations over all entries, and as a mean over neurons of the correlation across samples.

    Raises
    ------
    InputError
        If the number of layers or the shape of a layer differs.

    Examples
    --------
    >>> import numpy as np
    >>> rate = [np.array([[0.0, 0.1], [0.5, 0.1], [1.0, 0.1]])]  # the second neuron does not vary
    >>> activity_correlation(rate, [np.array([[0, 1], [2, 1], [4, 1]])]).by_neuron
    array([1.])
    """
    _require_layers(rate, spikes)
    n_layers = len(rate)
    overall, by_neuron, varying = (np.full(n_layers, np.nan) for _ in range(3))
    for layer, (r, s) in enumerate(zip(rate, spikes, strict=True)):
        what = f"activities of layer {layer} have shapes {np.shape(r)} and {np.shape(s)}"
        require(np.shape(r) == np.shape(s) and np.ndim(r) == 2, f"{what}; both must be (n_samples, n_{layer})")
        overall[layer] = correlation(r, s)
        each = np.array([correlation(*columns) for columns in zip(np.asarray(r).T, np.asarray(s).T, strict=True)])
        counts = np.isfinite(each)
        if counts.any():
            by_neuron[layer] = each[counts].mean()
        if each.size:
            varying[layer] = counts.mean()
    return ActivityAgreement(overall, by_neuron, varying)


def _require_layers(rate: Sequence[np.ndarray], spikes: Sequence[np.ndarray]) -> None:
    require(
        len(rate) == len(spikes),
        f"there are activities of {len(rate)} and of {len(spikes)} layers; give the same layers of both modes",
    )


def update_correlation(
    rate_updates: Mapping[str, np.ndarray], spiking_updates: Mapping[str, np.ndarray]
) -> UpdateAgreement:
    """Compare the updates of two modes for the same parameters and batch, layer by layer.

    Parameters
    ----------
    rate_updates, spiking_updates
        As `neurofa.updates` returns them: ``layers.l.dW`` (n_pre, n_post) and, where a layer has a bias,
        ``layers.l.db`` (n_post,). Other entries are not looked at.

    Returns
    -------
    UpdateAgreement
        Correlations of dW and db, and the angle between the whole updates.

    Raises
    ------
    InputError
        If one lacks what the other has, or a shape differs.
    """
    keys = [
        {key for key in updates if key.startswith("layers.") and key.rsplit(".", 1)[1] in ("dW", "db")}
        for updates in (rate_updates, spiking_updates)
    ]
    alone = sorted(keys[0] ^ keys[1])
    require(not alone, f"{', '.join(alone)} stands in one mode's updates alone; compare updates of one network")
    n_layers = sum(key.endswith(".dW") for key in keys[0])
    weights, biases, angles = (np.full(n_layers, np.nan) for _ in range(3))
    for layer in range(n_layers):
        names = [key for key in (f"layers.{layer}.dW", f"layers.{layer}.db") if key in keys[0]]
        for key in names:
            shapes = np.shape(rate_updates[key]), np.shape(spiking_updates[key])
            require(shapes[0] == shapes[1], f"{key} has shapes {shapes[0]} and {shapes[1]}; they must be the same")
        for key, values in zip(names, (weights, biases), strict=False):
            values[layer] = correlation(rate_updates[key], spiking_updates[key])
        whole = (np.concatenate([np.ravel(u[key]) for key in names]) for u in (rate_updates, spiking_updates))
        angles[layer] = angle_deg(*whole)
    return UpdateAgreement(weights, biases, angles)
