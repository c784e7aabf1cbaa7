"""One network at the same parameters in both modes: how well activities and updates agree."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .analysis.modes import activity_correlation, update_correlation
from .arguments import as_batch, require_kinds, require_spikes
from .engines import OWN_MODES, new_engine
from .rules import freeze
from .spec import Model, Network, Rule, Spiking, settings_for

if TYPE_CHECKING:
    import xarray


def agreement(
    net: Network | Model,
    rule: Rule,
    params: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    *,
    spiking: Spiking | None = None,
    seed: int = 0,
) -> "xarray.Dataset":
    """Compare a rule's rate and spiking mode at the same parameters, on one batch: a pure function.

    Correlations are Pearson's, which do not see in what units either mode counts; see `neurofa.analysis.modes`.

    Parameters
    ----------
    net, rule, params
        As for `neurofa.updates`.
    x, y
        Inputs (n_samples, n_inputs) in [0, 1] and labels (n_samples,), or targets (n_samples, n_outputs) in [0, 1] of
        a regression: what both modes take.
    spiking
        Takes the place of the model's.
    seed
        Of the encoder and, for rules that need it, of the noise, which each mode draws for itself.

    Returns
    -------
    xarray.Dataset
        With the dim ``layer``: ``activity_correlation`` over all samples and neurons,
        ``activity_correlation_by_neuron`` across samples, mean over the neurons that vary in both modes (their
        share is ``varying_neurons``); ``update_correlation`` of dW, ``bias_update_correlation`` of db, and
        ``update_angle_between_modes_deg`` between the whole updates, in degrees. What is constant in one mode has
        no correlation, and what is zero no angle: nan.

    Raises
    ------
    InputError
        As `neurofa.updates`, and for x, or targets of a regression, outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import neurofa as nf
    >>> net, rng = nf.Network.dense((4, 3, 2), hidden="relu"), np.random.default_rng(0)
    >>> params = nf.lower(net, nf.rules.DFA, seed=0).params
    >>> found = nf.agreement(net, nf.rules.DFA, params, rng.random((20, 4)), rng.integers(2, size=20))
    >>> found.update_correlation.sizes["layer"]
    2
    """
    require_kinds(net, rule)
    require_spikes("spiking", spiking)
    network, _, rule, chosen = settings_for(net, rule, spiking)
    chosen = replace(chosen, reset_state=True, homeostasis=None)
    x, y = as_batch(network, x, y)
    plan = freeze(network, rule, params)
    rate, spikes = (new_engine(mode, plan, chosen, batch_size=len(x), seed=seed, threads=1) for mode in OWN_MODES)
    spikes.check_samples(x, y)
    of_activities = activity_correlation(rate.activities(x, y), spikes.activities(x, y))
    of_updates = update_correlation(rate.updates(x, y), spikes.updates(x, y))
    import xarray

    values = {
        "activity_correlation": of_activities.overall,
        "activity_correlation_by_neuron": of_activities.by_neuron,
        "varying_neurons": of_activities.varying,
        "update_correlation": of_updates.weights,
        "bias_update_correlation": of_updates.biases,
        "update_angle_between_modes_deg": of_updates.angle_deg,
    }
    found = xarray.Dataset(
        {name: ("layer", value) for name, value in values.items()}, {"layer": np.arange(len(of_updates.weights))}
    )
    found["update_angle_between_modes_deg"].attrs["units"] = "degree"
    return found
