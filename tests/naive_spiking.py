"""The slow, obvious oracle of spiking mode: presentations of a learning network, straight from docs/spiking.md.

What happens in a tick is in naive_network.py and naive_circuit.py; here is what happens after a presentation.
Nothing here imports an engine or a kernel.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from naive_network import NaiveNetwork

from neurofa.rules import derive


@dataclass
class Outcome:
    """What came of all presentations.

    `params` are the final W, b and B; `shown` has a `naive_network.Shown` for each presentation; `forward`,
    `feedback` and `update` count synaptic operations; `dW`, `db` and `M` (N, n), lists by layer, are there if the
    weights were frozen (`db` is None where a layer has no bias).
    """

    params: dict
    shown: list
    forward: int
    feedback: int
    update: int
    dW: list = None
    db: list = None
    M: list = None


def simulate(
    plan,
    spiking,
    presentations,
    y,
    *,
    rates,
    weight_decay=0.0,
    noise=None,
    learn=True,
    ticks=None,
    batch_size=1,
    frozen=False,
    network=None,
    first_presentation=0,
):
    """Present samples one after the other.

    Parameters
    ----------
    plan, spiking
        A `neurofa.rules.Plan` and a `neurofa.Spiking`.
    presentations
        For each sample its events: pairs of tick (counted from the beginning of the presentation) and input.
    y
        Labels, or rows of target activities.
    rates
        Learning rate of each layer, of W and b.
    weight_decay
        Lambda.
    noise
        Standard normal, (n_presentations, hidden neurons from layer 0 on), for plans with a perturbation.
    learn
        False for a test: each presentation from a fresh state, without errors, modulators and noise.
    ticks
        Ticks of a presentation, in place of those of training.
    batch_size
        Samples that are shown to the same weights.
    frozen
        As `neurofa.updates`: fresh states, weights that do not change, rates of 1, and what would change the
        weights is given back.
    network
        A `NaiveNetwork` of this plan, whose state then stays there; None for a new one.
    first_presentation
        Number of the first one, which counts for weight decay and random numbers.

    Returns
    -------
    Outcome
    """
    assert all(not route.redraw for route in plan.feedback), "magnitudes that are drawn anew are not for the oracle"
    perturbed = plan.perturbation is not None and learn
    two_passes = perturbed and (frozen or spiking.baseline == "clean")
    fresh = spiking.reset_state or not learn or frozen
    assert fresh or (batch_size == 1 and not two_passes), "samples side by side, and second passes, start afresh"
    assert not perturbed or noise is not None, "this plan needs noise"
    n, K = len(presentations), spiking.ticks if ticks is None else ticks
    if network is None:
        network = NaiveNetwork(plan, spiking, [1.0] * plan.n_layers if frozen else list(rates))
    network.online = batch_size == 1 and not two_passes and not frozen
    network.testing = not learn
    afterwards = Afterwards(network, K)
    shown, step, batches = [], n if frozen else batch_size, 0
    for first in range(0, n, step):
        batch = range(first, min(first + step, n))
        for m in batch:
            xi = cut(plan, noise[m]) if perturbed else None
            if fresh:
                network.reset()
            network.m = first_presentation + m
            shown.append(network.show(presentations[m], y[m], K, None if two_passes else xi, learn))
            if two_passes:
                network.reset()
                shown[m].noisy = network.show(presentations[m], y[m], K, xi, False)
        if not learn:
            continue
        afterwards.before = afterwards.baseline
        for m in batch:
            if perturbed:
                network.m, network.k = first_presentation + m, K - 1
                afterwards.perturbation(shown[m], cut(plan, noise[m]), frozen)
        if not frozen:
            network.k = K - 1 if network.online else K
            network.apply_changes()
            for m in batch:
                network.m, network.k = first_presentation + m, K + 1
                afterwards.homeostasis(shown[m])
            network.k = K + 2
            done = first_presentation + first
            for _ in range((done + len(batch)) // 100 - done // 100):
                afterwards.weight_decay(weight_decay)
            batches += 1
            afterwards.refresh(batches)
    outcome = Outcome(network.params(), shown, network.forward, network.feedback, network.update)
    if frozen:
        pairs = zip(network.b, network.change_b, strict=True)
        outcome.dW = [-change / n for change in network.change_W]
        outcome.db = [None if b is None else -change / n for b, change in pairs]
        outcome.M = [np.array([s.received[layer] for s in shown]) / n for layer in range(plan.n_layers)]
    return outcome


def cut(plan, row):
    """Noise of one presentation by hidden layer."""
    ends = np.cumsum([0, *plan.sizes[1:-1]])
    return [np.asarray(row, dtype=np.float64)[a:b] for a, b in pairwise(ends)]


class Afterwards:
    """What follows a presentation of K ticks, and what is remembered for that from one to the next."""

    def __init__(self, network, K):
        self.network, self.K = network, K
        self.plan, self.spiking = network.plan, network.spiking
        self.baseline = self.before = None  # now, and before the batch
        self.mean_rate = [np.zeros(network.n(layer)) for layer in range(network.last)]
        self.P = {}
        for layer, route in network.routes.items():
            if self.plan.perturbation is not None:
                self.P[layer] = np.eye(network.n(route.source)) / self.plan.perturbation.ridge

    def loss_change(self, shown):
        """Change of the loss by noise."""
        if shown.noisy is not None:
            return shown.noisy.loss - shown.loss
        change = 0.0 if self.before is None else shown.loss - self.before
        if self.baseline is None:
            self.baseline = shown.loss
        self.baseline += self.spiking.baseline_rate * (shown.loss - self.baseline)
        return change

    def perturbation(self, shown, xi, frozen):
        """What is learned from the change of the loss; frozen weights gather their changes, and B stays."""
        change = self.loss_change(shown)
        with_noise = shown if shown.noisy is None else shown.noisy
        for layer in range(self.network.last):
            estimate = change * xi[layer] / self.plan.perturbation.noise_std
            if self.plan.signal == "loss_change":
                estimate = self.network.store_modulators(layer, estimate)
                shown.received[layer] = estimate
                x, bias_x = with_noise.traces[layer]
                self.network.change(layer, x, bias_x, with_noise.posts[layer][-1] * estimate)
            route = self.network.routes.get(layer)
            if route is not None and route.follow == "learned" and not frozen:
                self.learn_feedback(layer, shown.net[route.source], estimate)

    def learn_feedback(self, layer, E, estimate):
        """One step of a feedback that is learned from net events E and the loss gradient's estimate."""
        options, B = self.plan.perturbation, self.network.own_B[layer]
        residual = estimate - E @ B
        if options.estimator == "gradient":
            for k in range(len(E)):
                for j in range(len(estimate)):
                    B[k, j] += options.learning_rate * E[k] * residual[j]
            return
        g = self.P[layer] @ E
        B += np.outer(g, residual) / (1 + E @ g)
        self.P[layer] -= np.outer(g, g) / (1 + E @ g)

    def homeostasis(self, shown):
        """Hidden neurons that fire too much lose bias."""
        rule, seconds = self.spiking.homeostasis, self.K * self.spiking.dt_ms / 1000
        if rule is None:
            return
        for layer in range(self.network.last):
            for j in range(self.network.n(layer)):
                rate_hz = sum(1 for _, neuron in shown.spikes[layer] if neuron == j) / seconds
                self.mean_rate[layer][j] += (rate_hz - self.mean_rate[layer][j]) / rule.presentations
                if self.plan.projections[layer].plastic and self.network.b[layer] is not None:
                    excess = max(0.0, self.mean_rate[layer][j] - rule.target_rate_hz)
                    self.network.change_b[layer][j] -= rule.rate * excess
        self.network.apply_changes()

    def weight_decay(self, decay):
        """A hundred presentations' decay at once; bounds hold after it too."""
        for layer, projection in enumerate(self.plan.projections):
            factor = (1 - self.network.rates[layer] * decay) ** 100
            if projection.plastic:
                self.network.decay(layer, factor)
        self.network.apply_changes()

    def refresh(self, updates):
        """Compute anew the feedback that follows from all W, after so many updates."""
        for layer, route in self.network.routes.items():
            if route.follow == "derived" and updates % self.plan.refresh_every == 0:
                weights = {f"layers.{i}.W": W for i, W in enumerate(self.network.W)}
                B = derive(route.feedback, weights, route.source, layer, route.basis)
                self.network.own_B[layer] = self.network.store_feedback(layer, B)
