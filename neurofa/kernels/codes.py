"""Names as integers, for kernels: activations, losses, signals, optimisers, columns of a layout."""

from typing import NamedTuple

import numpy as np

ACTIVATIONS = {"identity": 0, "tanh": 1, "sigmoid": 2, "hard_tanh": 3, "relu": 4, "leaky_relu": 5, "softmax": 6}
IDENTITY, TANH, SIGMOID, HARD_TANH, RELU, LEAKY_RELU, SOFTMAX = range(7)

LOSSES = {"bce": 0, "cce": 1, "mse": 2, "half_sse": 3, "exponential": 4}
BCE, CCE, MSE, HALF_SSE, EXPONENTIAL = range(5)

SIGNALS = {"error": 0, "error_sign": 1, "target": 2, "loss_change": 3, "none": 4}
ERROR, ERROR_SIGN, TARGET, LOSS_CHANGE, NO_SIGNAL = range(5)

OPTIMISERS = {"sgd": 0, "momentum": 1, "nesterov": 2, "adam": 3, "rmsprop": 4}
SGD, MOMENTUM, NESTEROV, ADAM, RMSPROP = range(5)
STORE = 5  # leaves the gradient where it can be read, and the parameters as they are

# what a feedback matrix does at each update
FIXED, TRANSPOSE, SIGN, OFFSET = range(4)

# columns of Net.layout, a row for each projection; offsets count elements of the flat parameter vectors,
# units count neurons before the layer (times the batch size, they are offsets of activities)
N_PRE, N_POST, W_AT, BIAS_AT, B_AT, PRE_UNITS, POST_UNITS, ACTIVATION, PLASTIC, FOLLOW, SOURCE = range(11)
LAYOUT_COLUMNS = 11

# columns of Net.reals
SLOPE, DROPOUT, MINIMUM = range(3)
REALS_COLUMNS = 3

# entries of hyper (a row for each layer): scalars of the optimiser in the precision of the parameters
LEARNING_RATE, WEIGHT_DECAY, DECAY1, DECAY2, EPSILON, CORRECTION1, CORRECTION2, LOWER = range(8)
HYPER_COLUMNS = 8


class Net(NamedTuple):
    """What the network is: integers and reals for each projection, and for the whole."""

    layout: np.ndarray  # (L, LAYOUT_COLUMNS) int64
    reals: np.ndarray  # (L, REALS_COLUMNS) float64
    loss: int
    signal: int
    direct: bool  # the signal comes from the output for every hidden layer
    classification: bool
    low: float  # target of the wrong class
    high: float  # target of the right class
    threads: int


class State(NamedTuple):
    """What learning changes, all flat and in one precision; layout gives the offsets."""

    theta: np.ndarray  # W and b
    moment1: np.ndarray
    moment2: np.ndarray
    grad: np.ndarray  # written by STORE alone
    feedback: np.ndarray  # B with the shape of (n_layer, n_source): row j feeds neuron j
    basis: np.ndarray  # magnitude or offset that B follows W with, same layout


class Buffers(NamedTuple):
    """Scratch, made once. Activities are neuron-major: (n_units, batch)."""

    act: np.ndarray
    slope: np.ndarray  # derivative of the activation
    modulator: np.ndarray
    delta: np.ndarray
    noise: np.ndarray
    partial: np.ndarray  # flat, threads - 1 times the largest layer times the batch
    block: np.ndarray  # (threads, block of a gradient)
    losses: np.ndarray  # (batch,) float64, by sample
