"""What the tests of training runs share: a small network's sizes, a protocol, and how runs are compared."""

from dataclasses import replace

import numpy as np
import xarray as xr
from support import batch_for, data_for

from neurofa.io.checkpoint import load_checkpoint
from neurofa.run import CHECKPOINT
from neurofa.spec import Perturbation, Rule

SIZES = (6, 7, 5, 3)
ADAM = {"optimiser": "adam", "learning_rate": 0.02, "shuffle": True}
RIDGE = Rule("error", "sequential", "perturbation", perturbation=Perturbation(0.05, "ridge"), name="ridge")


def with_validation(network, n_validation=11, seed=0):
    """`support.data_for` with a validation set."""
    x, y = batch_for(network, n_validation, seed + 100)
    return replace(data_for(network, seed=seed), x_validation=x, y_validation=y)


def assert_equal_runs(actual, expected):
    """Bit for bit: parameters, everything on record, and the result."""
    assert set(actual.params) == set(expected.params)
    for key, value in expected.params.items():
        np.testing.assert_array_equal(actual.params[key], value, err_msg=key)
    xr.testing.assert_equal(actual.history, expected.history)
    assert actual.test_error == expected.test_error


def recorded_epochs(folder):
    """Epochs that a folder's checkpoint holds."""
    return len(load_checkpoint(folder / CHECKPOINT)[0]["history.train_loss"])


def save_npz(path, data):
    """Write a data set as the user's own file."""
    np.savez(path, x_train=data.x_train, y_train=data.y_train, x_test=data.x_test, y_test=data.y_test)
    return path
