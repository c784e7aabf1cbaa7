"""The slow, obvious oracle: one sample at a time, float64, written from the formulas and not from the engine.

Shapes: W (n_pre, n_post), b (n_post,), B (n_source, n_layer), activities (N, n_l). Every loss is a mean
over the N samples of a batch. Nothing here imports an engine, a kernel or the lowering of a rule.
"""

import numpy as np

from neurofa.spec.seeds import streams

# ---------------------------------------------------------------------------- neurons


def activate(layer, z):
    """Activity of one layer for one sample, from its summed input z (n,)."""
    if layer.activation == "identity":
        return z.copy()
    if layer.activation == "tanh":
        return np.tanh(z)
    if layer.activation == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if layer.activation == "hard_tanh":
        return np.clip(z, -1, 1)
    if layer.activation == "relu":
        return np.where(z > 0, z, 0.0)
    if layer.activation == "leaky_relu":
        return np.where(z > 0, z, layer.slope * z)
    if layer.activation == "softmax":
        powers = np.exp(z - z.max())
        return powers / powers.sum()
    raise ValueError(layer.activation)


def derivative(layer, z):
    """Derivative of an elementwise activation for one sample, at its summed input z (n,)."""
    if layer.activation == "identity":
        return np.ones_like(z)
    if layer.activation == "tanh":
        return 1 - np.tanh(z) ** 2
    if layer.activation == "sigmoid":
        y = 1 / (1 + np.exp(-z))
        return y * (1 - y)
    if layer.activation == "hard_tanh":
        return np.where(np.abs(z) < 1, 1.0, 0.0)
    if layer.activation == "relu":
        return np.where(z > 0, 1.0, 0.0)
    if layer.activation == "leaky_relu":
        return np.where(z > 0, 1.0, layer.slope)
    raise ValueError(layer.activation)


def forward(network, params, x, noise=None, noise_std=0.0):
    """All summed inputs and activities of a batch.

    `noise`, one (N, n_l) array for each hidden layer, is scaled by `noise_std` and added after the activation.

    Returns
    -------
    z, a
        Lists: ``z[l]`` and ``a[l + 1]`` are of layer l, ``a[0]`` is the input.
    """
    x = np.asarray(x, dtype=np.float64)
    z, a = [], [x]
    for index, layer in enumerate(network.layers):
        W = np.asarray(params[f"layers.{index}.W"], dtype=np.float64)
        summed, active = np.zeros((len(x), layer.units)), np.zeros((len(x), layer.units))
        for n in range(len(x)):
            for j in range(layer.units):
                summed[n, j] = np.sum(a[-1][n] * W[:, j])
                if layer.bias:
                    summed[n, j] += params[f"layers.{index}.b"][j]
            active[n] = activate(layer, summed[n])
            if noise is not None and index < len(network.layers) - 1:
                active[n] = active[n] + noise_std * noise[index][n]
        z.append(summed)
        a.append(active)
    return z, a


# ---------------------------------------------------------------------------- losses


def target_of(network, answer):
    """What the outputs should be for one sample: answer is a label, or a row of numbers in a regression.

    A single output tells two classes apart: it is right to be high for label 1.
    """
    if network.task == "regression":
        return np.asarray(answer, dtype=np.float64)
    wrong, right = network.target_values
    if network.layers[-1].units == 1:
        return np.array([right if answer == 1 else wrong])
    target = np.full(network.layers[-1].units, wrong)
    target[int(answer)] = right
    return target


def sample_loss(network, z, y, t):
    """Loss of one sample, from the output layer's summed input z, its output y and the target t, all (C,)."""
    if network.loss == "bce":  # -t log y - (1 - t) log(1 - y), with y = 1 / (1 + exp(-z))
        return np.mean(np.logaddexp(0, z) - t * z)
    if network.loss == "cce":  # -sum t log y, with y = exp(z) / sum exp(z)
        return -np.sum(t * (z - z.max() - np.log(np.sum(np.exp(z - z.max())))))
    if network.loss == "mse":
        return np.mean((y - t) ** 2)
    if network.loss == "half_sse":
        return np.sum((y - t) ** 2) / 2
    if network.loss == "exponential":
        return np.sum(np.exp(-t * y))
    raise ValueError(network.loss)


def sample_losses(network, params, x, y, noise=None, noise_std=0.0):
    """Loss of each sample of a batch, shape (N,)."""
    z, a = forward(network, params, x, noise, noise_std)
    return np.array([sample_loss(network, z[-1][n], a[-1][n], target_of(network, y[n])) for n in range(len(x))])


def loss(network, params, x, y):
    """Mean loss of a batch."""
    return float(np.mean(sample_losses(network, params, x, y)))


def test_error(network, params, x, y):
    """Fraction of samples whose largest output is not their label's.

    A single output says 1 where it is above the middle of its two targets.
    """
    _, a = forward(network, params, x)
    if network.layers[-1].units == 1:
        return float(np.mean([int(a[-1][n, 0] > np.mean(network.target_values)) != y[n] for n in range(len(x))]))
    return float(np.mean([np.argmax(a[-1][n]) != y[n] for n in range(len(x))]))


test_error.__test__ = False  # a measure, not a test to collect


def sample_error(network, z, y, t):
    """Derivative of one sample's loss by the output layer's summed input, shape (C,)."""
    n_outputs, f = len(y), network.layers[-1]
    if network.loss == "bce":
        return (y - t) / n_outputs
    if network.loss == "cce":
        return y - t
    if network.loss == "mse":
        return 2 * (y - t) / n_outputs * derivative(f, z)
    if network.loss == "half_sse":
        return (y - t) * derivative(f, z)
    if network.loss == "exponential":
        return -t * np.exp(-t * y) * derivative(f, z)
    raise ValueError(network.loss)


# ---------------------------------------------------------------------------- rules


def source_of(network, rule, layer):
    """Index of the layer whose signal reaches hidden layer `layer`."""
    return len(network.layers) - 1 if rule.route == "direct" else layer + 1


def weight_path(params, source, layer):
    """The weights from hidden layer `layer` to layer `source`, multiplied, shape (n_layer, n_source)."""
    path = np.asarray(params[f"layers.{layer + 1}.W"], dtype=np.float64)
    for index in range(layer + 2, source + 1):
        path = path @ params[f"layers.{index}.W"]
    return path


def refreshed(network, rule, params, layer, magnitude=None):
    """B of hidden layer `layer` as the present W makes it, shape (n_source, n_layer); None if W does not say.

    `magnitude` holds the absolute values of a sign feedback whose values were drawn.
    """
    kind = rule.feedback_source.source
    path = weight_path(params, source_of(network, rule, layer), layer)
    if kind in ("transpose", "initial_transpose"):
        return path.T.copy()
    if kind == "pseudoinverse":
        return np.linalg.pinv(path)
    if kind == "sign_transpose":
        if rule.feedback_source.magnitude == "unit":
            magnitude = 1.0
        elif rule.feedback_source.magnitude == "scaled":
            magnitude = np.sqrt(2 / sum(path.shape))
        return None if magnitude is None else magnitude * np.sign(path.T)
    return None


def feedback(network, rule, params):
    """B by hidden layer: as given; from W if none is given; always from W for the transpose."""
    if rule.feedback_source.source == "none":
        return {}
    matrices = {}
    for layer in range(len(network.layers) - 1):
        given = params.get(f"layers.{layer}.B")
        if rule.feedback_source.source == "transpose" or given is None:
            given = refreshed(network, rule, params, layer)
        matrices[layer] = np.asarray(given, dtype=np.float64)
    return matrices


def output_signal(network, rule, e, y):
    """What the output sends towards hidden layers, shape (N, C); e is the error of the mean loss."""
    n_samples, n_outputs = e.shape
    signal = np.zeros_like(e)
    for n in range(n_samples):
        if rule.signal == "error":
            signal[n] = e[n]
        elif rule.signal == "error_sign":
            weight = 1 / n_outputs if network.loss in ("bce", "mse") else 1.0
            signal[n] = np.sign(e[n]) * weight / n_samples
        elif rule.signal == "target" and n_outputs == 1:
            signal[n, 0] = (1 if y[n] == 1 else 0) / n_samples
        elif rule.signal == "target":
            signal[n, int(y[n])] = 1 / n_samples
        else:
            raise ValueError(rule.signal)
    return signal


def draw_noise(network, n_samples, rng):
    """Standard normal noise for one update: one (N, n_l) array for each hidden layer, in order."""
    return [rng.standard_normal((n_samples, layer.units)) for layer in network.layers[:-1]]


def loss_differences(network, rule, params, x, y, noise):
    """Estimate of each sample's loss gradient by hidden activity: change of the loss per noise, times the noise."""
    noise_std = rule.perturbation.noise_std
    clean = sample_losses(network, params, x, y)
    noisy = sample_losses(network, params, x, y, noise, noise_std)
    estimates = []
    for xi in noise:
        estimate = np.zeros_like(xi)
        for n in range(len(x)):
            estimate[n] = (noisy[n] - clean[n]) / noise_std * xi[n]
        estimates.append(estimate)
    return estimates


def modulators(network, rule, params, x, y, noise=None):
    """Modulatory signal M and local error delta of every layer for a batch, lists of (N, n_l).

    The output layer's M is the error behind its activation, so there delta is M.
    """
    n_samples, last = len(x), len(network.layers) - 1
    z, a = forward(network, params, x)
    e = np.zeros_like(z[-1])
    for n in range(n_samples):
        e[n] = sample_error(network, z[-1][n], a[-1][n], target_of(network, y[n])) / n_samples
    M, delta = [None] * last + [e], [None] * last + [e]
    B = feedback(network, rule, params)
    signal = output_signal(network, rule, e, y) if B else None
    estimates = loss_differences(network, rule, params, x, y, noise) if rule.signal == "loss_change" else None
    for layer in reversed(range(last)):
        M[layer], delta[layer] = np.zeros_like(z[layer]), np.zeros_like(z[layer])
        for n in range(n_samples):
            if rule.signal == "loss_change":
                M[layer][n] = estimates[layer][n] / n_samples
            elif rule.route == "direct" or (rule.route == "sequential" and layer == last - 1):
                M[layer][n] = signal[n] @ B[layer]
            elif rule.route == "sequential":
                M[layer][n] = delta[layer + 1][n] @ B[layer]
            delta[layer][n] = M[layer][n] * derivative(network.layers[layer], z[layer][n])
    return M, delta, a


def learned_feedback(network, rule, params, x, y, noise):
    """What learned feedback regresses on what, for each hidden layer.

    Returns
    -------
    dict
        By layer: per-sample errors at the source of B (N, n_source), per-sample loss gradients (N, n_layer).
    """
    _, delta, _ = modulators(network, rule, params, x, y)
    estimates = loss_differences(network, rule, params, x, y, noise)
    return {
        layer: (len(x) * delta[source_of(network, rule, layer)], estimates[layer])
        for layer in range(len(network.layers) - 1)
    }


def updates(network, rule, params, x, y, seed=0, noise=None):
    """One batch's dW, db and M of every layer, and dB of a feedback learned by the gradient.

    W changes by -learning_rate * dW. Keys ``layers.l.dW``, ``layers.l.db``, ``layers.l.M``, ``layers.l.dB``.
    `noise`, one (N, n_l) array for each hidden layer, takes the place of the seed's.
    """
    x = np.asarray(x, dtype=np.float64)
    if rule.perturbation is not None and noise is None:
        noise = draw_noise(network, len(x), streams(seed).noise)
    M, delta, a = modulators(network, rule, params, x, y, noise)
    result = {}
    for index, layer in enumerate(network.layers):
        dW, db = np.zeros((a[index].shape[1], layer.units)), np.zeros(layer.units)
        for n in range(len(x)):
            dW += np.outer(a[index][n], delta[index][n])
            db += delta[index][n]
        result[f"layers.{index}.dW"], result[f"layers.{index}.M"] = dW, M[index]
        if layer.bias:
            result[f"layers.{index}.db"] = db
    if rule.feedback_source.source == "perturbation" and rule.perturbation.estimator == "gradient":
        for layer, (E, estimate) in learned_feedback(network, rule, params, x, y, noise).items():
            result[f"layers.{layer}.dB"] = feedback_gradient(params[f"layers.{layer}.B"], E, estimate)
    return result


def feedback_gradient(B, E, estimate):
    """Gradient by B of half the mean squared difference of E B and the estimate, shape of B."""
    dB = np.zeros(B.shape)
    for n in range(len(E)):
        dB += np.outer(E[n], E[n] @ B - estimate[n])
    return dB / len(E)


def central_differences(network, params, x, y, step=1e-5):
    """Gradient of the batch's mean loss by every W and b, by central differences."""
    result = {}
    for key, value in params.items():
        if key.endswith(".B"):
            continue
        gradient = np.zeros(value.shape)
        for place in np.ndindex(*value.shape):
            above, below = value.copy(), value.copy()
            above[place] += step
            below[place] -= step
            rise = loss(network, {**params, key: above}, x, y) - loss(network, {**params, key: below}, x, y)
            gradient[place] = rise / (2 * step)
        result[key.replace(".W", ".dW").replace(".b", ".db")] = gradient
    return result
