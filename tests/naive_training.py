"""The slow, obvious oracle's training loop: batches in order, no dropout, no schedule, one array at a time."""

import numpy as np
from naive import draw_noise, feedback, feedback_gradient, learned_feedback, refreshed, updates, weight_path

from neurofa.spec.seeds import streams

MINIMUM = 1e-6  # of a weight under the monotone constraint


class Optimiser:
    """Step of one array; PyTorch's conventions. `options` is a `neurofa.Optimiser`."""

    def __init__(self, options, shape):
        self.options = options
        self.steps = 0
        self.velocity = None
        self.first = np.zeros(shape)
        self.second = np.zeros(shape)

    def step(self, value, gradient, rate):
        """The new value."""
        o = self.options
        self.steps += 1
        g = gradient + o.weight_decay * value
        if o.kind == "sgd":
            return value - rate * g
        if o.kind in ("momentum", "nesterov"):
            self.velocity = g if self.velocity is None else o.momentum * self.velocity + g
            if o.kind == "nesterov":
                return value - rate * (g + o.momentum * self.velocity)
            return value - rate * self.velocity
        if o.kind == "adam":
            self.first = o.beta1 * self.first + (1 - o.beta1) * g
            self.second = o.beta2 * self.second + (1 - o.beta2) * g**2
            mean = self.first / (1 - o.beta1**self.steps)
            deviation = np.sqrt(self.second) / np.sqrt(1 - o.beta2**self.steps)
            return value - rate * mean / (deviation + o.epsilon)
        if o.kind == "rmsprop":
            self.second = o.alpha * self.second + (1 - o.alpha) * g**2
            return value - rate * g / (np.sqrt(self.second) + o.epsilon)
        raise ValueError(o.kind)


def batches(n_samples, batch_size):
    """Slices of consecutive samples; the last one may be smaller, and 0 takes all at once."""
    size = batch_size or n_samples
    return [slice(start, min(start + size, n_samples)) for start in range(0, n_samples, size)]


def train(network, training, rule, params, x, y, seed=0, epochs=None, magnitudes=None):
    """Parameters after training, as a new dict.

    Parameters
    ----------
    network, training, rule
        What is trained and how; shuffling and dropout are left out.
    params
        Initial W, b and B.
    x, y
        Training set.
    seed
        Of the noise of perturbation rules.
    epochs
        In place of the protocol's.
    magnitudes
        By hidden layer, the absolute values of a sign feedback that were drawn once.
    """
    params = {key: np.array(value, dtype=np.float64) for key, value in params.items()}
    rates, last = training.rates(len(network.layers)), len(network.layers) - 1
    optimisers = {key: Optimiser(training.optimiser, value.shape) for key, value in params.items()}
    rng, renewal = streams(seed).noise, Renewal(network, rule, params, magnitudes or {})
    for _ in range(training.epochs if epochs is None else epochs):
        for batch in batches(len(x), training.batch_size):
            noise = draw_noise(network, len(x[batch]), rng) if rule.perturbation is not None else None
            old = {**params, **{f"layers.{i}.B": B for i, B in feedback(network, rule, params).items()}}
            change = updates(network, rule, old, x[batch], y[batch], noise=noise)
            for index, layer in enumerate(network.layers):
                if not layer.plastic or (rule.signal == "none" and index < last):
                    continue
                for name in ("W", "b") if layer.bias else ("W",):
                    key = f"layers.{index}.{name}"
                    params[key] = optimisers[key].step(old[key], change[f"layers.{index}.d{name}"], rates[index])
                if rule.constraint == "monotone" and index > 0:
                    params[f"layers.{index}.W"] = np.maximum(params[f"layers.{index}.W"], MINIMUM)
            params.update(renewal.after_update(old, params, x[batch], y[batch], noise))
    return params


class Renewal:
    """What B becomes after each update."""

    def __init__(self, network, rule, params, magnitudes):
        self.network, self.rule, self.magnitudes = network, rule, magnitudes
        self.kind, self.count, self.sums = rule.feedback_source.source, 0, {}
        self.hidden = range(len(network.layers) - 1)
        if self.kind == "matching":
            self.offsets = {i: params[f"layers.{i}.B"] - weight_path(params, i + 1, i).T for i in self.hidden}

    def after_update(self, old, new, x, y, noise):
        """The B's that change: `old` parameters made the update, `new` ones hold the W that came of it."""
        self.count += 1
        result = {}
        for i in self.hidden:
            key = f"layers.{i}.B"
            if self.kind in ("transpose", "sign_transpose"):
                result[key] = refreshed(self.network, self.rule, new, i, self.magnitudes.get(i))
            elif self.kind == "pseudoinverse" and self.count % self.rule.feedback_source.every == 0:
                result[key] = refreshed(self.network, self.rule, new, i)
            elif self.kind == "matching":
                result[key] = weight_path(new, i + 1, i).T + self.offsets[i]
            elif self.kind == "perturbation":
                E, estimate = learned_feedback(self.network, self.rule, old, x, y, noise)[i]
                result[key] = self.learned(i, old[key], E, estimate)
        return result

    def learned(self, layer, B, E, estimate):
        """B after one step of its own learning."""
        options = self.rule.perturbation
        if options.estimator == "gradient":
            return B - options.learning_rate * feedback_gradient(B, E, estimate)
        EE, EL = self.sums.get(layer, (0.0, 0.0))
        self.sums[layer] = EE + E.T @ E, EL + E.T @ estimate
        EE, EL = self.sums[layer]
        return np.linalg.solve(EE + options.ridge * np.eye(len(EE)), EL)
