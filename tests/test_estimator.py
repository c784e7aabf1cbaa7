"""Scikit-learn's own checks of estimators; and that what is fitted is the run that train makes."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import neurofa as nf
from neurofa import ThreeFactorClassifier, ThreeFactorRegressor
from neurofa.spec import InputError, Optimiser

EXPECTED = {
    "check_methods_sample_order_invariance": "in single precision BLAS rounds by a sample's place in its batch",
    "check_methods_subset_invariance": "in single precision BLAS rounds by a sample's place in its batch",
}


@parametrize_with_checks(
    [ThreeFactorClassifier(threads=1), ThreeFactorRegressor(threads=1)],
    expected_failed_checks=lambda estimator: EXPECTED if isinstance(estimator, ThreeFactorRegressor) else {},
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def samples():
    """Three classes in [0, 1], under names."""
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=90)
    x = np.clip(rng.normal(0.5, 0.1, (90, 5)) + 0.3 * (y[:, None] == np.arange(5)), 0, 1)
    return x, np.array(["ant", "bee", "fly"])[y]


def data_of(x, y, task="classification", **more):
    return nf.Data(x, y, x[:1], y[:1], task=task, **more)


@pytest.mark.parametrize("rule", ["bp", "drtp", "error_sign/sequential/sign_transpose", nf.rules.NP_DFA])
def test_fits_the_run_that_train_makes(samples, rule):
    x, y = samples
    settings = {"epochs": 3, "batch_size": 7, "learning_rate": 0.01, "optimiser": Optimiser("momentum", momentum=0.5)}
    fitted = ThreeFactorClassifier(rule, (6, 4), "relu", **settings, random_state=5, threads=1).fit(x, y)
    network = nf.Network.dense((5, 6, 4, 3), "relu", "softmax", "cce")
    preset = nf.rules.named(rule) if isinstance(rule, str) else rule
    labels = np.unique(y, return_inverse=True)[1]
    run = nf.train(network, preset, data_of(x, labels), seed=5, training=nf.Training(**settings), threads=1)
    np.testing.assert_equal(fitted.params_, run.params)
    assert fitted.n_iter_ == 3
    np.testing.assert_array_equal(fitted.history_.train_loss, run.history.train_loss)
    assert "test_error" not in fitted.history_  # which would be that of a sample of the training set
    outputs = nf.predict(network, preset, run.params, x)
    np.testing.assert_array_equal(fitted.predict_proba(x), outputs)
    np.testing.assert_array_equal(fitted.predict(x), fitted.classes_[outputs.argmax(1)])
    assert fitted.score(x, y) == pytest.approx(1 - nf.evaluate(network, preset, run.params, x, labels).error, abs=1e-12)


@pytest.mark.parametrize("columns", [0, 1, 2])
def test_regressions_keep_the_shape_of_their_targets(samples, columns):
    x, _ = samples
    y = np.stack([x[:, 0] - x[:, 1], x[:, 2] ** 2], axis=1)[:, :columns] if columns else x[:, 0] - x[:, 1]
    fitted = ThreeFactorRegressor("fa", 8, epochs=4, random_state=1, threads=1).fit(x, y)
    assert fitted.predict(x).shape == y.shape
    network = nf.Network.dense((5, 8, max(columns, 1)), "tanh", "identity", "mse", task="regression")
    training = nf.Training(epochs=4, batch_size=32)
    targets = y.reshape(len(y), -1)
    run = nf.train(network, nf.rules.FA, data_of(x, targets, "regression"), seed=1, training=training, threads=1)
    np.testing.assert_equal(fitted.params_, run.params)
    np.testing.assert_array_equal(
        fitted.predict(x).reshape(targets.shape), nf.predict(network, nf.rules.FA, run.params, x)
    )


def test_on_spikes_and_on_a_chip(samples):
    x, y = samples
    spiking = nf.Spiking(
        sample_ms=20.0, training=nf.Training(epochs=2, batch_size=1, learning_rate=1e-3, optimiser="sgd")
    )
    fitted = ThreeFactorClassifier(
        "dfa",
        12,
        mode="spiking",
        spiking=spiking,
        hardware="int8_stochastic",
        learning_rate=2e-3,
        random_state=0,
        threads=1,
    ).fit(x, y)
    assert fitted.n_iter_ == 2
    assert float(fitted.history_.learning_rate[0, 0]) == 2e-3  # the protocol is that of the spikes, with what is given
    assert not hasattr(fitted, "predict_proba")
    labels = nf.classify(
        fitted.network_, nf.rules.DFA, fitted.params_, x, "spiking", 0, spiking=spiking, hardware="int8_stochastic"
    )
    np.testing.assert_array_equal(fitted.predict(x), fitted.classes_[labels])
    with pytest.raises(InputError, match=r"rates stand for numbers in \[0, 1\]"):
        clone(fitted).fit(x + 1, y)


def test_seeds_are_those_of_scikit_learn(samples):
    x, y = samples

    def fitted(state):
        return ThreeFactorClassifier("dfa", 4, epochs=1, random_state=state, threads=1).fit(x, y).params_["layers.0.W"]

    np.testing.assert_array_equal(fitted(3), fitted(np.int64(3)))
    np.testing.assert_array_equal(fitted(np.random.RandomState(3)), fitted(np.random.RandomState(3)))
    state = np.random.RandomState(3)
    assert (fitted(state) != fitted(state)).any()
    assert (fitted(3) != fitted(4)).any()


def test_searches_settings_in_a_pipeline_and_is_pickled(samples):
    x, y = samples
    pipeline = make_pipeline(MinMaxScaler(), ThreeFactorClassifier("bp", 8, epochs=5, random_state=0, threads=1))
    grid = {"threefactorclassifier__learning_rate": [1e-5, 1e-2], "threefactorclassifier__rule": ["bp", "dfa"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x, y)
    assert search.best_params_["threefactorclassifier__learning_rate"] == 1e-2
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(x), search.predict(x))


def test_a_network_of_ones_own(samples):
    x, y = samples
    network = nf.Network.dense((5, 7, 3), "relu", "sigmoid", "bce")
    fitted = ThreeFactorClassifier("drtp", network=network, epochs=2, random_state=0, threads=1).fit(x, y)
    assert fitted.network_ is network
    assert not hasattr(fitted, "predict_proba")  # outputs of sigmoids are no probabilities of classes
    with pytest.raises(InputError, match="3 classes and the network 4 outputs"):
        ThreeFactorClassifier(network=nf.Network.dense((5, 4))).fit(x, y)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "dfb"}, "rule 'dfb'"),
        ({"mode": "brian"}, "use mode 'spiking'"),
        ({"mode": "dense"}, "mode 'dense'"),
        ({"activation": "swish"}, "swish"),
        ({"hidden": (0,)}, "units"),
        ({"epochs": -1}, "epochs is -1"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"hardware": "nope"}, "hardware 'nope'"),
    ],
)
def test_refuses_what_train_refuses(samples, settings, words):
    with pytest.raises(InputError, match=words) as caught:
        ThreeFactorClassifier(**settings).fit(*samples)
    assert "\n" not in str(caught.value)


def test_one_class_is_no_classification(samples):
    x, y = samples
    with pytest.raises(InputError, match="y has one class, 'ant'"):
        ThreeFactorClassifier().fit(x[y == "ant"], y[y == "ant"])
