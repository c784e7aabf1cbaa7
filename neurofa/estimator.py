"""Networks as scikit-learn estimators: in pipelines, cross-validation and grid searches."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from .arguments import require_mode
from .evaluation import classify, predict
from .io.data import Data
from .rules import named
from .run import train
from .spec import Hardware, Network, Optimiser, Rule, Spiking, Training
from .spec.errors import as_tuple, require, require_kind

LARGEST_SEED = 2**31 - 1
USUAL = Training(epochs=100, batch_size=32)
REALS = (np.float32, np.float64)

SETTINGS = """
    Parameters
    ----------
    rule
        A preset's name or composition, as in `neurofa rules`, or an `nf.Rule`.
    hidden
        Widths of the hidden layers; () for a single layer.
    activation
        Of the hidden layers.
    mode
        ``rate``, or ``spiking``: inputs must then lie in [0, 1], as after ``MinMaxScaler(clip=True)``.
    epochs, batch_size, learning_rate, optimiser
        As in `nf.Training`; where None, those of `training`. A batch has no more samples than there are.
    training
        The protocol; None is 100 epochs of batches of 32 under Adam at a rate of 1e-3, on spikes that of `spiking`.
    network
        Takes the place of `hidden` and `activation`; its inputs and outputs must fit the samples.
    spiking, hardware, threads
        As for `neurofa.train`.
    random_state
        The seed of everything, as everywhere in scikit-learn. The same whole number gives the same network for any
        rule.

    Attributes
    ----------
    params_
        What was learned, and B: as `nf.Run.params`.
    network_, rule_
        What was trained, as `nf.predict` and the other functions take it.
    history_
        Losses, errors and learning rates by epoch.
    n_iter_
        Epochs.
"""


class _ThreeFactorEstimator(BaseEstimator):
    """What classifier and regressor share: settings, and one training run."""

    def __init__(
        self,
        rule: Rule | str = "dfa",
        hidden: int | Sequence[int] = (100,),
        activation: str = "tanh",
        *,
        mode: str = "rate",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimiser: Optimiser | str | None = None,
        training: Training | None = None,
        network: Network | None = None,
        spiking: Spiking | None = None,
        hardware: Hardware | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        threads: int | None = None,
    ) -> None:
        self.rule = rule
        self.hidden = hidden
        self.activation = activation
        self.mode = mode
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimiser = optimiser
        self.training = training
        self.network = network
        self.spiking = spiking
        self.hardware = hardware
        self.random_state = random_state
        self.threads = threads

    def _train(self, X: np.ndarray, y: np.ndarray, n_outputs: int, output: str, loss: str, task: str) -> None:
        """Train on samples that were checked; the output layer and the loss are those of a network of its own."""
        require_mode(self.mode)
        require(self.mode != "brian", "mode 'brian' has no predictions; use mode 'spiking', which agrees with it")
        require_kind("training", self.training, Training, optional=True)
        require_kind("spiking", self.spiking, Spiking, optional=True)
        hidden = [self.hidden] if isinstance(self.hidden, int | np.integer) else as_tuple("hidden", self.hidden)
        sizes = (X.shape[1], *hidden, n_outputs)
        network = self.network or Network.dense(sizes, self.activation, output, loss, task=task)
        rule = named(self.rule) if isinstance(self.rule, str) else self.rule
        # a run tests itself after each epoch: one sample will do where nobody looks
        data = Data(X, y, X[:1], y[:1], name="the samples", task=task, n_outputs=n_outputs)
        protocol = self._protocol(len(X))
        require(
            protocol.early_stopping is None, "early_stopping needs a validation set, which an estimator has none of"
        )
        given = self.random_state
        seed = int(given if isinstance(given, Integral) else check_random_state(given).randint(LARGEST_SEED))
        run = train(
            network, rule, data, self.mode, seed, training=protocol, spiking=self.spiking,
            hardware=self.hardware, threads=self.threads, probe_every=0,
        )  # fmt: skip
        self.network_, self.rule_, self.params_ = network, rule, run.params
        self._how = {"mode": self.mode, "seed": seed, "spiking": self.spiking, "hardware": self.hardware}
        self.history_ = run.history.drop_vars(["test_loss", "test_error"])
        self.n_iter_ = int(run.history.sizes["epoch"])

    def _protocol(self, n_samples: int) -> Training:
        on_spikes = (self.spiking or Spiking()).training
        given = {name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate", "optimiser")}
        base = self.training or (USUAL if self.mode == "rate" else on_spikes)
        protocol = replace(base, **{name: value for name, value in given.items() if value is not None})
        return replace(protocol, batch_size=min(protocol.batch_size, n_samples))

    def _run_on(self, X: Any) -> dict[str, Any]:
        """The fitted network and samples, as `nf.predict` takes them."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=REALS, reset=False)
        return {"net": self.network_, "rule": self.rule_, "params": self.params_, "x": x, **self._how}


def _has_probabilities(estimator: _ThreeFactorEstimator) -> bool:
    network = estimator.network
    return estimator.mode == "rate" and (network is None or network.layers[-1].activation == "softmax")


class ThreeFactorClassifier(ClassifierMixin, _ThreeFactorEstimator):  # type: ignore[misc]
    __doc__ = f"""A network that learns classes by a three-factor rule, with scikit-learn's interface.

    Its output layer is a softmax under cross-entropy, unless `network` says otherwise.
    {SETTINGS}
    classes_
        Labels, in the order of the outputs.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from neurofa.estimator import ThreeFactorClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), ThreeFactorClassifier("drtp", 50, random_state=0)).fit(x, y)
    >>> pipeline.score(x, y) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train; begins anew each time.

        Parameters
        ----------
        X
            Inputs (n_samples, n_features).
        y
            Labels (n_samples,), of any kind.

        Raises
        ------
        InputError
            As `neurofa.train`; for a single class.
        """
        X, y = validate_data(self, X, y, dtype=REALS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n = len(self.classes_)
        require(n > 1, f"y has one class, {str(self.classes_[0])!r}; a classifier needs samples of two or more classes")
        self._train(X, labels.astype(np.int64), n, "softmax", "cce", "classification")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The label of each sample, (n_samples,).

        Parameters
        ----------
        X
            Inputs (n_samples, n_features).
        """
        outputs = classify(**self._run_on(X))
        labels: np.ndarray = self.classes_[outputs]
        return labels

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Outputs of the softmax, (n_samples, n_classes); in rate mode alone.

        Parameters
        ----------
        X
            Inputs (n_samples, n_features).
        """
        return predict(**self._run_on(X))


class ThreeFactorRegressor(MultiOutputMixin, RegressorMixin, _ThreeFactorEstimator):  # type: ignore[misc]
    __doc__ = f"""A network that learns targets by a three-factor rule, with scikit-learn's interface.

    Its output layer is linear under the squared error, unless `network` says otherwise. Targets of about unit variance
    are learned fastest: ``sklearn.compose.TransformedTargetRegressor`` scales them.
    {SETTINGS}
    Examples
    --------
    >>> import numpy as np
    >>> from neurofa.estimator import ThreeFactorRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> ThreeFactorRegressor("fa", random_state=0).fit(x, np.sin(x[:, 0])).score(x, np.sin(x[:, 0])) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train; begins anew each time.

        Parameters
        ----------
        X
            Inputs (n_samples, n_features).
        y
            Targets (n_samples,) or (n_samples, n_outputs).

        Raises
        ------
        InputError
            As `neurofa.train`.
        """
        X, y = validate_data(self, X, y, dtype=REALS, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        targets = np.ascontiguousarray(y.reshape(len(y), -1), np.float32)
        self._train(X, targets, targets.shape[1], "identity", "mse", "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Targets, in the shape that `fit` was given: (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X
            Inputs (n_samples, n_features).
        """
        outputs = predict(**self._run_on(X)).astype(np.float64)
        return outputs[:, 0] if self._one_target else outputs
