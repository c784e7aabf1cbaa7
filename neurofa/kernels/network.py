"""A fully-connected network under a three-factor rule: the whole update, and many updates in one call."""

import math

import numpy as np
from numba import njit

from .codes import (
    ACTIVATION,
    ADAM,
    B_AT,
    BIAS_AT,
    CORRECTION1,
    CORRECTION2,
    DECAY1,
    DECAY2,
    DROPOUT,
    ERROR,
    ERROR_SIGN,
    FIXED,
    FOLLOW,
    MINIMUM,
    N_POST,
    N_PRE,
    NO_SIGNAL,
    OFFSET,
    PLASTIC,
    POST_UNITS,
    PRE_UNITS,
    SIGN,
    SLOPE,
    SOURCE,
    TRANSPOSE,
    W_AT,
)
from .dense import (
    activate_layer,
    add_parts,
    backward,
    chunks_for,
    forward_product,
    gather,
    learn_bias,
    learn_weights,
)
from .losses import loss_weight, output_error
from .masks import drop
from .subnormal import flush_subnormals, restore


@njit(cache=True)
def rows_of(flat, units, n, batch):
    """The (n, batch) activities of a layer that `units` neurons stand before."""
    return flat[units * batch : (units + n) * batch].reshape(n, batch)


@njit(cache=True)
def weights_of(net, flat, layer):
    """W of a layer, (n_pre, n_post), as a view."""
    at, n_pre, n_post = net.layout[layer, W_AT], net.layout[layer, N_PRE], net.layout[layer, N_POST]
    return flat[at : at + n_pre * n_post].reshape(n_pre, n_post)


@njit(cache=True)
def bias_of(net, flat, layer):
    """b of a layer as a view, empty where it has none."""
    at = net.layout[layer, BIAS_AT]
    return flat[at : at + net.layout[layer, N_POST]] if at >= 0 else flat[:0]


@njit(cache=True)
def feedback_of(net, flat, layer):
    """Stored feedback of a hidden layer, (n_layer, n_source), as a view."""
    at, n = net.layout[layer, B_AT], net.layout[layer, N_POST]
    n_source = net.layout[net.layout[layer, SOURCE], N_POST]
    return flat[at : at + n * n_source].reshape(n, n_source)


@njit(cache=True, error_model="numpy")
def add_noise(net, buffers, layer, batch, noise_std):
    """Noise of a hidden layer onto its activities; the unit noise is in `buffers.noise`."""
    out = rows_of(buffers.act, net.layout[layer, POST_UNITS], net.layout[layer, N_POST], batch)
    noise = rows_of(buffers.noise, net.layout[layer, POST_UNITS], net.layout[layer, N_POST], batch)
    scale = noise.dtype.type(noise_std)
    for j in range(out.shape[0]):
        for n in range(batch):
            out[j, n] += scale * noise[j, n]


@njit(cache=True, error_model="numpy")
def forward(net, state, buffers, x, labels, values, order, start, batch, training, key, step, noise_std, first):
    """Run a batch to the output; activities, derivatives, the output's error and the losses are left in `buffers`.

    Parameters
    ----------
    x, labels, values, order, start, batch
        The batch is ``order[start : start + batch]`` of `x` (samples, features) and its targets.
    training
        Whether dropout acts.
    key, step
        Of the dropout's random stream.
    noise_std
        Standard deviation of the noise added to hidden activities (0: none); the unit noise is in `buffers.noise`.
    first
        Layer to begin with: the input's activities are gathered if it is 0, and are in `buffers` already otherwise.

    Returns
    -------
    Number of samples classified wrongly.
    """
    last = net.layout.shape[0] - 1
    if first == 0:
        work = batch * net.layout[0, N_PRE] * net.layout[0, N_POST]
        a = rows_of(buffers.act, 0, net.layout[0, N_PRE], batch)
        gather(x, order, start, a, chunks_for(work, a.shape[0], net.threads))
    for layer in range(first, last + 1):
        n_pre, n_post = net.layout[layer, N_PRE], net.layout[layer, N_POST]
        a = rows_of(buffers.act, net.layout[layer, PRE_UNITS], n_pre, batch)
        if training and net.reals[layer, DROPOUT] > 0:
            d = rows_of(buffers.slope, net.layout[layer, PRE_UNITS], n_pre, batch)
            through = layer > 0 and not net.direct  # a sequential signal comes back through the mask
            drop(a, net.reals[layer, DROPOUT], key, step, layer, d, through)
        chunks = chunks_for(batch * n_pre * n_post, n_pre, net.threads)
        parts = buffers.partial[: (chunks - 1) * n_post * batch].reshape(chunks - 1, n_post, batch)
        W, bias, code = (
            weights_of(net, state.theta, layer),
            bias_of(net, state.theta, layer),
            net.layout[layer, ACTIVATION],
        )
        has_bias = bias.size > 0
        # free until signals come back
        z = rows_of(buffers.delta if layer < last else buffers.modulator, net.layout[layer, POST_UNITS], n_post, batch)
        forward_product(W, a, z, parts)
        out = rows_of(buffers.act, net.layout[layer, POST_UNITS], n_post, batch)
        slope = rows_of(buffers.slope, net.layout[layer, POST_UNITS], n_post, batch)
        if layer < last:
            activate_layer(z, parts, code, net.reals[layer, SLOPE], bias, has_bias, out, slope)
            if noise_std > 0:
                add_noise(net, buffers, layer, batch, noise_std)
    add_parts(z, parts, 0, n_post)
    e = rows_of(buffers.delta, net.layout[last, POST_UNITS], n_post, batch)
    leak = state.theta.dtype.type(net.reals[last, SLOPE])
    wrong = output_error(net, code, leak, bias, has_bias, z, out, e, labels, values, order, start, buffers.losses)
    rows_of(buffers.modulator, net.layout[last, POST_UNITS], n_post, batch)[:] = e
    return wrong


@njit(cache=True, error_model="numpy")
def output_signal(net, buffers, labels, order, start, batch):
    """What the output layer sends back, (n_out, batch), where it is not the error itself: into the noise buffer."""
    last = net.layout.shape[0] - 1
    n_out = net.layout[last, N_POST]
    e = rows_of(buffers.delta, net.layout[last, POST_UNITS], n_out, batch)
    if net.signal == ERROR:
        return e
    signal = rows_of(buffers.noise, net.layout[last, POST_UNITS], n_out, batch)
    if net.signal == ERROR_SIGN:
        scale = loss_weight(net.loss, n_out) / batch
        for j in range(n_out):
            for n in range(batch):
                signal[j, n] = np.sign(e[j, n]) * scale
    else:
        for j in range(n_out):
            mine = 1 if n_out == 1 else j
            for n in range(batch):
                signal[j, n] = 1.0 / batch if labels[order[start + n]] == mine else 0.0
    return signal


@njit(cache=True, error_model="numpy")
def send_back(net, state, buffers, labels, order, start, batch):
    """Modulators and deltas of all hidden layers, from the output to the input."""
    last = net.layout.shape[0] - 1
    if last == 0 or net.signal == NO_SIGNAL:
        return
    output = output_signal(net, buffers, labels, order, start, batch)
    for layer in range(last - 1, -1, -1):
        units, n = net.layout[layer, POST_UNITS], net.layout[layer, N_POST]
        source = net.layout[layer, SOURCE]
        signal = output
        if source < last:
            signal = rows_of(buffers.delta, net.layout[source, POST_UNITS], net.layout[source, N_POST], batch)
        if net.layout[layer, FOLLOW] == TRANSPOSE:
            B = weights_of(net, state.theta, source)
        else:
            B = feedback_of(net, state.feedback, layer)
        backward(
            B,
            signal,
            rows_of(buffers.modulator, units, n, batch),
            rows_of(buffers.slope, units, n, batch),
            rows_of(buffers.delta, units, n, batch),
            chunks_for(batch * B.shape[0] * B.shape[1], B.shape[0], net.threads),
        )


@njit(cache=True, error_model="numpy")
def follow(net, state):
    """Renew each feedback matrix that follows W elementwise."""
    for layer in range(net.layout.shape[0] - 1):
        how = net.layout[layer, FOLLOW]
        if how in (FIXED, TRANSPOSE):
            continue
        B, basis = feedback_of(net, state.feedback, layer), feedback_of(net, state.basis, layer)
        W = weights_of(net, state.theta, net.layout[layer, SOURCE])
        for j in range(B.shape[0]):
            for k in range(B.shape[1]):
                if how == SIGN:
                    B[j, k] = basis[j, k] * np.sign(W[j, k])
                elif how == OFFSET:
                    B[j, k] = basis[j, k] + W[j, k]


@njit(cache=True, error_model="numpy")
def learn(net, state, buffers, optimiser, hyper, batch):
    """Change all plastic parameters by one step of the optimiser, or store all gradients."""
    for layer in range(net.layout.shape[0]):
        if not net.layout[layer, PLASTIC]:
            continue
        n_pre, n_post = net.layout[layer, N_PRE], net.layout[layer, N_POST]
        a = rows_of(buffers.act, net.layout[layer, PRE_UNITS], n_pre, batch)
        delta = rows_of(buffers.delta, net.layout[layer, POST_UNITS], n_post, batch)
        at = net.layout[layer, W_AT]
        end = at + n_pre * n_post
        bounded = net.reals[layer, MINIMUM] > -math.inf
        chunks = chunks_for(batch * n_pre * n_post, n_pre, net.threads)
        bias_at = net.layout[layer, BIAS_AT]
        if bias_at >= 0:
            stop = bias_at + n_post
            learn_bias(
                optimiser,
                hyper[layer],
                state.theta[bias_at:stop],
                state.moment1[bias_at:stop],
                state.moment2[bias_at:stop],
                state.grad[bias_at:stop],
                delta,
                buffers.block[0],
            )
        learn_weights(
            optimiser,
            hyper[layer],
            bounded,
            state.theta[at:end],
            state.moment1[at:end],
            state.moment2[at:end],
            state.grad[at:end],
            a,
            delta,
            buffers.block,
            chunks,
        )


@njit(cache=True, error_model="numpy")
def corrections(optimiser, hyper, step):
    """Adam's bias corrections for the step counted from 1."""
    if optimiser == ADAM:
        for layer in range(hyper.shape[0]):
            hyper[layer, CORRECTION1] = 1.0 - float(hyper[layer, DECAY1]) ** step
            hyper[layer, CORRECTION2] = 1.0 - float(hyper[layer, DECAY2]) ** step


@njit(cache=True, error_model="numpy")
def advance(net, state, buffers, optimiser, hyper, x, labels, values, order, size, first, last, key, step):
    """Learn from batches first..last of an epoch.

    Parameters
    ----------
    order, size
        The samples' order, and samples in a batch; the last batch may have fewer.
    hyper
        (L, HYPER_COLUMNS); the corrections are kept up to date in it.
    key, step
        Of the dropout's stream; updates made before.

    Returns
    -------
    Sum of the losses and number of samples classified wrongly, before each update; stops at the first batch with a
    loss that is not finite.
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
        if not math.isfinite(total):
            break
        send_back(net, state, buffers, labels, order, start, batch)
        step += 1
        corrections(optimiser, hyper, step)
        learn(net, state, buffers, optimiser, hyper, batch)
        follow(net, state)
    restore(before)
    return total, wrong


@njit(cache=True, error_model="numpy")
def evaluate(net, state, buffers, x, labels, values, order, size):
    """Sum of the losses and number of samples classified wrongly, without learning or dropout."""
    total, wrong = 0.0, 0
    learns, nothing = np.bool_(False), np.int64(0)  # no literals, as above
    for start in range(0, order.size, size):
        batch = min(size, order.size - start)
        wrong += forward(
            net, state, buffers, x, labels, values, order, start, batch, learns, nothing, nothing, 0.0, nothing
        )
        for n in range(batch):
            total += buffers.losses[n]
    return total, wrong
