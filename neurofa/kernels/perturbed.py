"""Updates that need noise: a clean and a noisy pass, a loss change for each sample, learned feedback.

Lansdell et al. 2020, section 3: lambda = (loss_noisy - loss_clean) * xi / noise_std estimates dL/da of every hidden
neuron, and B is regressed so that the error times B predicts it.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .codes import B_AT, DROPOUT, LOSS_CHANGE, N_POST, POST_UNITS, SOURCE, STORE
from .network import add_noise, corrections, feedback_of, follow, forward, learn, rows_of, send_back
from .subnormal import flush_subnormals, restore


class Learned(NamedTuple):
    """What learned feedback keeps, laid out as the feedback is unless said otherwise."""

    product: np.ndarray  # lambda E^T of a ridge regression, otherwise dB, in the shape of the stored feedback
    square: np.ndarray  # E E^T of one batch, as large as for the widest source
    residual: np.ndarray  # E B - lambda, neuron-major like activities
    moment: np.ndarray  # (layers, widest source, widest source) float64: sum of E E^T
    cross: np.ndarray  # float64: sum of lambda E^T, as the feedback is
    ridge: bool
    rate: float
    gamma: float
    noise_std: float
    learns: bool  # whether B learns; otherwise the noise is the eligibility


@njit(cache=True, error_model="numpy")
def draw_noise(net, buffers, rng, batch):
    """Unit noise for every hidden neuron: layer after layer, sample after sample."""
    for layer in range(net.layout.shape[0] - 1):
        noise = rows_of(buffers.noise, net.layout[layer, POST_UNITS], net.layout[layer, N_POST], batch)
        for n in range(batch):
            for j in range(noise.shape[0]):
                noise[j, n] = rng.standard_normal()


@njit(cache=True, error_model="numpy")
def begin_noisy(net, buffers, noisy, batch, noise_std):
    """The layer that the noisy pass begins with: it has the first hidden layer in common with the clean one.

    Where the clean pass has dropped some of that layer's activities, nothing is in common.
    """
    if net.layout.shape[0] == 1 or net.reals[1, DROPOUT] > 0:
        return 0
    units, n = net.layout[0, POST_UNITS] * batch, net.layout[0, N_POST] * batch
    noisy.act[units : units + n] = buffers.act[units : units + n]
    add_noise(net, noisy, 0, batch, noise_std)
    return 1


@njit(cache=True, error_model="numpy")
def estimate(net, buffers, noisy, batch, noise_std):
    """lambda of each hidden neuron and sample, (n_layer, batch), into ``noisy.modulator``."""
    for layer in range(net.layout.shape[0] - 1):
        units, n_post = net.layout[layer, POST_UNITS], net.layout[layer, N_POST]
        noise, estimated = rows_of(noisy.noise, units, n_post, batch), rows_of(noisy.modulator, units, n_post, batch)
        for j in range(n_post):
            for n in range(batch):
                estimated[j, n] = (noisy.losses[n] - buffers.losses[n]) / noise_std * noise[j, n]


@njit(cache=True, error_model="numpy")
def take_estimates(net, buffers, noisy, batch):
    """Modulators of all hidden neurons are their lambda, and deltas follow."""
    for layer in range(net.layout.shape[0] - 1):
        units, n_post = net.layout[layer, POST_UNITS], net.layout[layer, N_POST]
        estimated, slope = rows_of(noisy.modulator, units, n_post, batch), rows_of(buffers.slope, units, n_post, batch)
        modulator = rows_of(buffers.modulator, units, n_post, batch)
        delta = rows_of(buffers.delta, units, n_post, batch)
        for j in range(n_post):
            for n in range(batch):
                modulator[j, n] = estimated[j, n] / batch
                delta[j, n] = modulator[j, n] * slope[j, n]


@njit(cache=True, error_model="numpy")
def regress(net, state, buffers, noisy, learned, batch):
    """Gradient of B, or the moments of the ridge regression, from the deltas and lambda of one batch."""
    for layer in range(net.layout.shape[0] - 1):
        source, at = net.layout[layer, SOURCE], net.layout[layer, B_AT]
        B = feedback_of(net, state.feedback, layer)
        n_layer, n_source = B.shape
        delta = rows_of(buffers.delta, net.layout[source, POST_UNITS], n_source, batch)
        units = net.layout[layer, POST_UNITS]
        estimated = rows_of(noisy.modulator, units, n_layer, batch)
        product = learned.product[at : at + n_layer * n_source].reshape(n_layer, n_source)
        # delta holds 1/batch: one error is batch * delta
        if learned.ridge:
            np.dot(estimated, delta.T, product)
            cross = learned.cross[at : at + n_layer * n_source].reshape(n_layer, n_source)
            moment = learned.moment[layer]
            for j in range(n_layer):
                for k in range(n_source):
                    cross[j, k] += batch * product[j, k]
            square = learned.square.ravel()[: n_source * n_source].reshape(n_source, n_source)
            np.dot(delta, delta.T, square)
            for j in range(n_source):
                for k in range(n_source):
                    moment[j, k] += float(square[j, k]) * batch * batch
        else:
            residual = rows_of(learned.residual, units, n_layer, batch)
            np.dot(B, delta, residual)
            for j in range(n_layer):
                for n in range(batch):
                    residual[j, n] = batch * residual[j, n] - estimated[j, n]
            np.dot(residual, delta.T, product)


@njit(cache=True, error_model="numpy")
def renew(net, state, learned):
    """B after the batch: a step down its gradient, or the solution of the ridge regression."""
    for layer in range(net.layout.shape[0] - 1):
        B = feedback_of(net, state.feedback, layer)
        n_layer, n_source = B.shape
        at = net.layout[layer, B_AT]
        if learned.ridge:
            normal = learned.moment[layer, :n_source, :n_source].copy()
            for k in range(n_source):
                normal[k, k] += learned.gamma
            cross = learned.cross[at : at + n_layer * n_source].reshape(n_layer, n_source)
            if np.isfinite(normal).all() and np.isfinite(cross).all():
                B[:] = np.linalg.solve(normal, cross.T.copy()).T
            else:
                B[:] = np.nan  # found at the end of the stretch, and reported as divergence
        else:
            grad = learned.product[at : at + n_layer * n_source].reshape(n_layer, n_source)
            for j in range(n_layer):
                for k in range(n_source):
                    B[j, k] -= learned.rate * grad[j, k]


@njit(cache=True, error_model="numpy")
def advance_perturbed(
    net, state, buffers, noisy, learned, rng, optimiser, hyper, x, labels, values, order, size, first, last, key, step
):
    """`network.advance` for rules that need noise; the parameters learn from the clean pass.

    With the optimiser ``STORE`` the gradients of W, b and B are stored and nothing changes.
    """
    total, wrong = 0.0, 0
    learns, input_layer = np.bool_(True), np.int64(0)  # no literals: a function is compiled anew for each of those
    before = flush_subnormals()
    for b in range(first, last):
        start = b * size
        batch = min(size, order.size - start)
        wrong += forward(
            net, state, buffers, x, labels, values, order, start, batch, learns, key, step, 0.0, input_layer
        )
        for n in range(batch):
            total += buffers.losses[n]
        if optimiser != STORE and not math.isfinite(total):
            break
        draw_noise(net, noisy, rng, batch)
        again = begin_noisy(net, buffers, noisy, batch, learned.noise_std)
        forward(net, state, noisy, x, labels, values, order, start, batch, learns, key, step, learned.noise_std, again)
        estimate(net, buffers, noisy, batch, learned.noise_std)
        if net.signal == LOSS_CHANGE:
            take_estimates(net, buffers, noisy, batch)
        else:
            send_back(net, state, buffers, labels, order, start, batch)
        if learned.learns:
            regress(net, state, buffers, noisy, learned, batch)
        step += 1
        corrections(optimiser, hyper, step)
        learn(net, state, buffers, optimiser, hyper, batch)
        if optimiser != STORE:
            if learned.learns:
                renew(net, state, learned)
            follow(net, state)
    restore(before)
    return total, wrong
