"""Dense products with what surrounds them, each as a serial function and as a parallel one over row blocks.

BLAS runs single-threaded inside; the threads are Numba's. Every chunk works on contiguous rows of W and of the
neuron-major activities, so `np.dot(..., out=)` copies nothing. The result depends on the number of chunks in the last
bits (partial sums), and on nothing else.
"""

import numpy as np
from numba import njit, prange

from .activations import activate
from .codes import STORE
from .optimisers import descend
from .subnormal import flush_subnormals, restore

BLOCK = 1 << 18  # elements of a gradient: enough rows for BLAS, and still in cache when the optimiser reads them
PARALLEL_WORK = 1 << 20  # multiply-adds below which starting threads costs more than it gives


@njit(cache=True)
def chunks_for(work, rows, threads):
    """Number of chunks for `work` multiply-adds over `rows` rows."""
    if work < PARALLEL_WORK:
        return 1
    return max(1, min(threads, rows))


@njit(cache=True, error_model="numpy")
def transpose_rows(x, order, start, a, lo, hi):
    """Columns lo..hi of the rows ``order[start : start + batch]`` of `x`, transposed into ``a[lo:hi]``."""
    batch, to = a.shape[1], a[lo:hi]  # slices, and loops from 0: an index that may be negative costs the vector units
    n = start
    # eight rows at a time: as many streams as the processor fetches ahead, and writes that share a cache line
    while n + 8 <= start + batch:
        r0, r1, r2, r3 = x[order[n], lo:hi], x[order[n + 1], lo:hi], x[order[n + 2], lo:hi], x[order[n + 3], lo:hi]
        r4, r5, r6, r7 = x[order[n + 4], lo:hi], x[order[n + 5], lo:hi], x[order[n + 6], lo:hi], x[order[n + 7], lo:hi]
        at = n - start
        for i in range(hi - lo):
            row = to[i, at : at + 8]
            row[0], row[1], row[2], row[3] = r0[i], r1[i], r2[i], r3[i]
            row[4], row[5], row[6], row[7] = r4[i], r5[i], r6[i], r7[i]
        n += 8
    while n < start + batch:
        sample = x[order[n], lo:hi]
        for i in range(hi - lo):
            to[i, n - start] = sample[i]
        n += 1


@njit(cache=True, parallel=True, error_model="numpy")
def gather_parallel(x, order, start, a, chunks):
    for c in prange(chunks):
        transpose_rows(x, order, start, a, c * a.shape[0] // chunks, (c + 1) * a.shape[0] // chunks)


@njit(cache=True, error_model="numpy")
def gather(x, order, start, a, chunks):
    """The batch ``order[start : start + batch]`` of `x` (samples, features) into `a` (features, batch)."""
    if chunks == 1:
        transpose_rows(x, order, start, a, 0, a.shape[0])
    else:
        gather_parallel(x, order, start, a, chunks)


@njit(cache=True, error_model="numpy")
def forward_chunk(W, a, z, parts, c, chunks):
    lo, hi = c * W.shape[0] // chunks, (c + 1) * W.shape[0] // chunks
    np.dot(W[lo:hi].T, a[lo:hi], z if c == 0 else parts[c - 1])


@njit(cache=True, parallel=True, error_model="numpy")
def forward_parallel(W, a, z, parts, chunks):
    for c in prange(chunks):
        before = flush_subnormals()
        forward_chunk(W, a, z, parts, c, chunks)
        restore(before)


@njit(cache=True, error_model="numpy")
def forward_product(W, a, z, parts):
    """Partial sums of W^T a over chunks of presynaptic neurons.

    Parameters
    ----------
    W
        (n_pre, n_post).
    a
        Presynaptic activity, (n_pre, batch).
    z, parts
        Written: the first chunk's, (n_post, batch), and those of all others, (chunks - 1, n_post, batch), to be added.
    """
    if parts.shape[0] == 0:
        forward_chunk(W, a, z, parts, 0, 1)
    else:
        forward_parallel(W, a, z, parts, parts.shape[0] + 1)


@njit(cache=True, error_model="numpy")
def add_parts(z, parts, lo, hi):
    """Add the other chunks' sums to those of neurons lo..hi."""
    for c in range(parts.shape[0]):
        for j in range(lo, hi):
            for n in range(z.shape[1]):
                z[j, n] += parts[c, j, n]


@njit(cache=True, error_model="numpy")
def activate_rows(z, parts, code, slope, bias, has_bias, a, d, lo, hi):
    zero = a.dtype.type(0)
    slope = a.dtype.type(slope)
    add_parts(z, parts, lo, hi)
    for j in range(lo, hi):
        activate(code, slope, bias[j] if has_bias else zero, z[j], a[j], d[j])


@njit(cache=True, parallel=True, error_model="numpy")
def activate_parallel(z, parts, code, slope, bias, has_bias, a, d):
    chunks = parts.shape[0] + 1
    for c in prange(chunks):
        before = flush_subnormals()
        lo, hi = c * a.shape[0] // chunks, (c + 1) * a.shape[0] // chunks
        activate_rows(z, parts, code, slope, bias, has_bias, a, d, lo, hi)
        restore(before)


@njit(cache=True, error_model="numpy")
def activate_layer(z, parts, code, slope, bias, has_bias, a, d):
    """Sum the partial products and activate: `a` and its derivative `d`, (n_post, batch), from `z`.

    The three lie apart, since a loop that may write what it reads is not vectorised.
    """
    if parts.shape[0] == 0:
        activate_rows(z, parts, code, slope, bias, has_bias, a, d, 0, a.shape[0])
    else:
        activate_parallel(z, parts, code, slope, bias, has_bias, a, d)


@njit(cache=True, error_model="numpy")
def backward_rows(B, signal, modulator, slope, delta, lo, hi):
    np.dot(B[lo:hi], signal, modulator[lo:hi])
    for j in range(lo, hi):
        for n in range(delta.shape[1]):
            delta[j, n] = modulator[j, n] * slope[j, n]


@njit(cache=True, parallel=True, error_model="numpy")
def backward_parallel(B, signal, modulator, slope, delta, chunks):
    for c in prange(chunks):
        before = flush_subnormals()
        backward_rows(B, signal, modulator, slope, delta, c * B.shape[0] // chunks, (c + 1) * B.shape[0] // chunks)
        restore(before)


@njit(cache=True, error_model="numpy")
def backward(B, signal, modulator, slope, delta, chunks):
    """Modulator B s and delta = modulator * f', (n_layer, batch), of a signal s (n_source, batch).

    `B` is (n_layer, n_source): W itself, or a feedback matrix stored in its shape.
    """
    if chunks == 1:
        backward_rows(B, signal, modulator, slope, delta, 0, B.shape[0])
    else:
        backward_parallel(B, signal, modulator, slope, delta, chunks)


@njit(cache=True, error_model="numpy")
def learn_rows(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch, lo, hi):
    """Gradient of rows lo..hi of W, and at once the optimiser's step on them."""
    n_post = delta.shape[0]
    at, end = lo * n_post, hi * n_post
    if optimiser == STORE:
        np.dot(a[lo:hi], delta.T, grad[at:end].reshape(hi - lo, n_post))
        return
    g = scratch[: end - at]
    np.dot(a[lo:hi], delta.T, g.reshape(hi - lo, n_post))
    descend(optimiser, hyper, theta[at:end], first[at:end], second[at:end], g, bounded)


@njit(cache=True, parallel=True, error_model="numpy")
def learn_parallel(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch, rows, chunks):
    n_pre = a.shape[0]
    for c in prange(chunks):
        end = (c + 1) * n_pre // chunks
        before = flush_subnormals()
        for lo in range(c * n_pre // chunks, end, rows):
            hi = min(lo + rows, end)
            learn_rows(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch[c], lo, hi)
        restore(before)


@njit(cache=True, error_model="numpy")
def learn_weights(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch, chunks):
    """dW = a delta^T block by block, each followed by the optimiser while it is in cache.

    Parameters
    ----------
    optimiser, hyper, bounded
        As in `optimisers.descend`; `codes.STORE` writes the gradient to `grad` instead.
    theta, first, second, grad
        The layer's part of the flat vectors, (n_pre * n_post,).
    a, delta
        (n_pre, batch) and (n_post, batch).
    scratch
        (chunks, block).
    """
    n_pre, n_post = a.shape[0], delta.shape[0]
    rows = max(1, min(n_pre, scratch.shape[1] // n_post))
    if chunks == 1:
        for lo in range(0, n_pre, rows):
            hi = min(lo + rows, n_pre)
            learn_rows(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch[0], lo, hi)
    else:
        learn_parallel(optimiser, hyper, bounded, theta, first, second, grad, a, delta, scratch, rows, chunks)


@njit(cache=True, error_model="numpy")
def learn_bias(optimiser, hyper, theta, first, second, grad, delta, scratch):
    """db = sum of delta over the batch, and the optimiser's step."""
    g = grad if optimiser == STORE else scratch[: delta.shape[0]]
    for j in range(delta.shape[0]):
        total = delta[j, 0]
        for n in range(1, delta.shape[1]):
            total += delta[j, n]
        g[j] = total
    if optimiser != STORE:
        descend(optimiser, hyper, theta, first, second, g, False)
