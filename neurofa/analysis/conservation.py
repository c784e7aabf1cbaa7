"""Quantities that stay constant while a network learns by small steps.

Take hidden layer i with a positively homogeneous activation (identity, ReLU, leaky ReLU: f(z) = f'(z) z), whose
modulatory signal M comes through B from the next layer. For neuron j of it and one batch

    <dW_i[:, j], W_i[:, j]> + db_i[j] b_i[j]  =  sum over samples of a_i[:, j] M_i[:, j]  =  <dW_{i+1}[j, :], B_i[:, j]>

holds exactly: the left equality by homogeneity, the right one because M_i is the next layer's error times B_i.
In the limit of small steps of plain gradient descent with one learning rate, what the two sides are the
derivatives of can change only together (Robertson 2024, theorem 5.2). The paper has no biases; with a bias its
square joins the incoming weights. Momentum, weight decay, and adaptive optimisers break the law.
"""

import numpy as np

from ..spec.errors import require_choice

CONSERVED = ("fixed", "sign", "transpose", "offset")
NOT_CONSERVED = ("derived", "learned")


def neuron_potential(
    W: np.ndarray, W_next: np.ndarray, B: np.ndarray, b: np.ndarray | None = None, *, follow: str = "fixed"
) -> np.ndarray:
    """Conserved potential of every neuron of a hidden layer (Robertson 2024, equation 2).

    Parameters
    ----------
    W
        Incoming weights, shape (n_pre, n_layer).
    W_next
        Outgoing weights, shape (n_layer, n_next).
    B
        Feedback from the next layer, shape (n_next, n_layer). On a direct route only the last hidden layer
        receives its signal from the next layer, and only there anything is conserved.
    b
        Bias of the layer, shape (n_layer,), if it has one.
    follow
        What B does when W_next changes, as in `neurofa.rules.FeedbackProjection`:

        - ``fixed`` (FA, adaFA, the last hidden layer of DFA) and ``sign`` (sign-FA of a fixed magnitude,
          where <W_next, B> is a weighted 1-norm): ``<W_next[j, :], B[:, j]> - |W[:, j]|^2 / 2``.
        - ``transpose`` (backpropagation) and ``offset`` (B makes the changes of W_next):
          ``<W_next[j, :], B[:, j]> - |W_next[j, :]|^2 / 2 - |W[:, j]|^2 / 2``, which for backpropagation is
          the balance of layers, half the difference of the squared norms (Du et al. 2018). The paper's
          equation 2 itself does not hold with B = W^T at all times.
        - ``derived`` and ``learned``: no conserved potential is known; nan.

    Returns
    -------
    np.ndarray
        Shape (n_layer,), float64.

    Raises
    ------
    InputError
        For an unknown `follow`.
    """
    require_choice("follow", follow, CONSERVED + NOT_CONSERVED)
    W, W_next, B = (np.asarray(matrix, dtype=np.float64) for matrix in (W, W_next, B))
    if follow in NOT_CONSERVED:
        return np.full(W.shape[1], np.nan)
    outgoing: np.ndarray = np.einsum("jk,kj->j", W_next, B)
    if follow in ("transpose", "offset"):
        outgoing = outgoing - 0.5 * np.einsum("jk,jk->j", W_next, W_next)
    incoming: np.ndarray = np.einsum("ij,ij->j", W, W)
    if b is not None:
        incoming = incoming + np.asarray(b, dtype=np.float64) ** 2
    outgoing -= 0.5 * incoming
    return outgoing


def potential(
    W: np.ndarray, W_next: np.ndarray, B: np.ndarray, b: np.ndarray | None = None, *, follow: str = "fixed"
) -> float:
    """Conserved potential of a hidden layer: the sum of `neuron_potential` over its neurons (Robertson 2024, figure 2).

    Parameters
    ----------
    W, W_next, B, b, follow
        As for `neuron_potential`.

    Returns
    -------
    float
        nan where nothing is conserved.

    Raises
    ------
    InputError
        For an unknown `follow`.
    """
    return float(neuron_potential(W, W_next, B, b, follow=follow).sum())


def matrix_invariant(W: np.ndarray, W_next: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Matrix that feedback alignment conserves in a linear network without biases (Lillicrap 2016, note 11).

    With the paper's column vectors it is ``B W + W^T B^T - A A^T``; here, with z = a W, it is
    ``(W_next B)^T + W_next B - W^T W``. Its diagonal is twice the potential of each neuron.

    Parameters
    ----------
    W
        Incoming weights of a hidden layer with identity activation, shape (n_pre, n_layer).
    W_next
        Outgoing weights, shape (n_layer, n_next).
    B
        Fixed feedback from the next layer, shape (n_next, n_layer).

    Returns
    -------
    np.ndarray
        Symmetric, shape (n_layer, n_layer), float64.
    """
    W, W_next, B = (np.asarray(matrix, dtype=np.float64) for matrix in (W, W_next, B))
    forth_and_back = W_next @ B
    return forth_and_back + forth_and_back.T - W.T @ W
