"""What the linear experiments on Lillicrap et al. 2016 share: training of the library by expected updates.

Inputs are the axes, scaled so that their covariance is exactly 1. A batch of all of them then has the update that the
paper expects of a normal input (equations 6 and 7), and many small steps follow its continuous time.
"""

import numpy as np

from neurofa.experiments import trained


def expected(T: np.ndarray, updates: int = 1):
    """Data for the target map T (n_in, n_out), an epoch of which is so many expected updates."""
    import neurofa as nf

    x = np.sqrt(len(T)) * np.eye(len(T))
    many = np.tile(x, (updates, 1))
    return nf.Data(many, many @ T, x, x @ T, name="expected", task="regression", n_outputs=T.shape[1])


def target(model, seed: int) -> np.ndarray:
    """The linear map of a model's data (n_in, n_out)."""
    import neurofa as nf

    data = nf.load_data(model.data, seed=seed)
    return np.linalg.lstsq(data.x_train.astype(float), data.y_train.astype(float))[0]


def moved(net, rule, params: dict, data, rates: float | tuple[float, ...], batch: int = 0) -> dict:
    """Parameters after an epoch: of `expected` data unless the samples of a batch are given."""
    import neurofa as nf

    training = nf.Training(1, batch or data.features, rates, "sgd", shuffle=False, precision="float64")
    return trained(None, net, rule, data, 0, training=training, params=params).params


def error(params: dict, T: np.ndarray) -> float:
    """Squared error over that of an output of 0 (normalised squared error)."""
    return float(np.sum((T - params["layers.0.W"] @ params["layers.1.W"]) ** 2) / np.sum(T**2))
