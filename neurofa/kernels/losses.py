"""The output layer: activation, loss and the error dL/dz that everything is learned from."""

import math

from numba import njit

from .activations import activate
from .codes import BCE, CCE, EXPONENTIAL, MSE, SOFTMAX

LARGE = 1e250  # a product that one more factor cannot overflow


@njit(cache=True, error_model="numpy")
def target_of(net, labels, values, index, j, n_out):
    """Target of output `j` for sample `index`."""
    if not net.classification:
        return float(values[index, j])
    if n_out == 1:
        return net.high if labels[index] == 1 else net.low
    return net.high if labels[index] == j else net.low


@njit(cache=True, error_model="numpy")
def cross_entropy(net, z, losses, labels, values, order, start):
    """Binary cross-entropy of each sample, mean over outputs, from the output's input `z` (n_out, batch).

    One output adds max(z, 0) - t z + log(1 + exp(-|z|)). The logarithms are taken together, of the product, which
    each factor at most doubles.
    """
    n_out = z.shape[0]
    for n in range(z.shape[1]):
        total, product = 0.0, 1.0
        for j in range(n_out):
            x = float(z[j, n])
            total += max(x, 0.0) - target_of(net, labels, values, order[start + n], j, n_out) * x
            product *= 1.0 + math.exp(-abs(x))
            if product > LARGE:
                total += math.log(product)
                product = 1.0
        losses[n] = (total + math.log(product)) / n_out


@njit(cache=True, error_model="numpy")
def softmax(z, bias, has_bias, a):
    """Softmax over the neurons, for each sample. `z`, `a` (n_out, batch); `z` becomes the logarithm of `a`."""
    for n in range(z.shape[1]):
        largest = -math.inf
        for j in range(z.shape[0]):
            if has_bias:
                z[j, n] += bias[j]
            largest = max(largest, z[j, n])
        total = 0.0
        for j in range(z.shape[0]):
            total += math.exp(z[j, n] - largest)
        log_total = largest + math.log(total)
        for j in range(z.shape[0]):
            z[j, n], a[j, n] = z[j, n] - log_total, math.exp(z[j, n] - log_total)


@njit(cache=True, error_model="numpy")
def output_error(net, code, slope, bias, has_bias, z, a, e, labels, values, order, start, losses):
    """Activation, loss and error of the output layer.

    Parameters
    ----------
    z
        Input of the layer without bias, (n_out, batch); holds the bias afterwards, or for a softmax the logarithm of
        the activity.
    a, e
        Written: activity and dL/dz of the batch's mean loss, (n_out, batch).
    labels, values
        Targets of all samples: (n,) int64, or (n, n_out) for a regression.
    order, start
        The batch is ``order[start : start + batch]``.
    losses
        Written: the loss of each sample, (batch,) float64.

    Returns
    -------
    Samples whose largest output is not their label's (0 for a regression).
    """
    n_out, batch = z.shape
    if code == SOFTMAX:
        softmax(z, bias, has_bias, a)
    else:
        zero = z.dtype.type(0)
        for j in range(n_out):
            if has_bias:
                for n in range(batch):
                    z[j, n] += bias[j]
            activate(code, slope, zero, z[j], a[j], e[j])  # e holds the derivative for a moment
    if net.loss == BCE:
        cross_entropy(net, z, losses, labels, values, order, start)
    else:
        losses[:batch] = 0.0
    mean = 1.0 / batch
    share = mean / n_out
    for j in range(n_out):
        for n in range(batch):
            t = target_of(net, labels, values, order[start + n], j, n_out)
            y = float(a[j, n])
            if net.loss == BCE:
                e[j, n] = (y - t) * share
            elif net.loss == CCE:
                if t > 0.0:
                    losses[n] -= t * float(z[j, n])  # and not of y, which may be too small for its precision
                e[j, n] = (y - t) * mean
            elif net.loss == MSE:
                losses[n] += (y - t) * (y - t) / n_out
                e[j, n] *= 2.0 * (y - t) * share
            elif net.loss == EXPONENTIAL:
                x = math.exp(-t * y)
                losses[n] += x
                e[j, n] *= -t * x * mean
            else:
                losses[n] += 0.5 * (y - t) * (y - t)
                e[j, n] *= (y - t) * mean
    wrong = 0
    if net.classification:
        middle = 0.5 * (net.low + net.high)
        for n in range(batch):
            best = 0
            if n_out == 1:
                best = 1 if a[0, n] > middle else 0
            for j in range(1, n_out):
                if a[j, n] > a[best, n]:
                    best = j
            wrong += best != labels[order[start + n]]
    return wrong


@njit(cache=True, error_model="numpy")
def loss_weight(loss, n_out):
    """Weight of one output in the loss of one sample: the magnitude that an error's sign is given."""
    return 1.0 / n_out if loss in (BCE, MSE) else 1.0
