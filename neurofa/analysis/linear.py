"""Linear networks with one hidden layer under feedback alignment (Lillicrap 2016, supplementary notes 11, 12 and 16).

The paper writes y = W A x with columns and T for the target; here y = x W_0 W_1, so that A is W_0 transposed, W is
W_1 transposed, and T and B are transposed too. Rates of change are those of the paper's continuous time: inputs
of covariance 1, a learning rate of 1.
"""

from collections.abc import Mapping

import numpy as np

Params = Mapping[str, np.ndarray]


def _matrices(params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W_0, W_1 and B in float64."""
    keys = ("layers.0.W", "layers.1.W", "layers.0.B")
    W0, W1, B = (np.asarray(params[key], dtype=np.float64) for key in keys)
    return W0, W1, B


def hidden_error(params: Params, T: np.ndarray) -> np.ndarray:
    """The paper's B E, transposed: what the expected update adds to W_0.

    Parameters
    ----------
    params
        ``layers.0.W`` (n_in, n_hidden), ``layers.1.W`` (n_hidden, n_out), ``layers.0.B`` (n_out, n_hidden).
    T
        The target map, shape (n_in, n_out).

    Returns
    -------
    np.ndarray
        Shape (n_in, n_hidden), float64.
    """
    W0, W1, B = _matrices(params)
    error: np.ndarray = (T - W0 @ W1) @ B
    return error


def alignment_traces(params: Params, T: np.ndarray) -> tuple[float, float]:
    """tr(A^T B E) and tr(B W) of note 12: how A is aligned with its signal, and W with the feedback.

    Parameters
    ----------
    params, T
        As for `hidden_error`.

    Returns
    -------
    with_signal, with_feedback : float
        The first is half the rate at which the squared norm of A changes, and the rate at which the second changes
        (equations 25 and 27).
    """
    W0, W1, B = _matrices(params)
    return float(np.sum(W0 * hidden_error(params, T))), float(np.sum(W1 * B.T))


def lyapunov(params: Params, T: np.ndarray) -> tuple[float, float]:
    """V = |B E|^2 of note 11, and its rate of change where the matrix invariant is 0 (equations 15 and 18).

    Parameters
    ----------
    params, T
        As for `hidden_error`.

    Returns
    -------
    V, rate : float
        The rate is minus a sum of squares, so V cannot rise there.
    """
    W0, signal = _matrices(params)[0], hidden_error(params, T)
    rate = -2 * np.sum((signal.T @ W0) ** 2) - np.sum((W0 @ signal.T) ** 2)
    return float(np.sum(signal**2)), float(rate)


def scalar_jacobian(W: float, b: float, A: float, c: float, B: float, x: float, target: float) -> np.ndarray:
    """Derivative of feedback alignment's velocities of (W, b, A, c), y = W (A x + c) + b (note 16, equation 79).

    Not symmetric, so the velocities are the gradient of no function. The first entry is -h^2 and the fourth -W h + e,
    which the paper misprints.

    Parameters
    ----------
    W, b, A, c
        The four parameters: weight and bias of the output, weight and bias of the hidden neuron.
    B
        Feedback weight.
    x, target
        The input, and what y should be.

    Returns
    -------
    np.ndarray
        Shape (4, 4): row i is the derivative of the velocity of the i-th parameter.
    """
    h = A * x + c
    e = target - (W * h + b)
    return np.array(
        [
            [-h * h, -h, -W * x * h + e * x, -W * h + e],
            [-h, -1, -W * x, -W],
            [-B * h * x, -B * x, -B * W * x * x, -B * W * x],
            [-B * h, -B, -B * W * x, -B * W],
        ]
    )
