"""The scikit-learn estimator: its checks, several tasks, data frames, pickles."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.utils.estimator_checks import parametrize_with_checks

from plait import Binary, MultiTaskEstimator, Regression, Training
from plait.errors import SchemaError

QUICK = Training(epochs=2, batch_size=64)


@pytest.mark.filterwarnings("ignore:Skipping check:sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([MultiTaskEstimator(training=QUICK)])
def test_scikit_learn_accepts_the_estimator(
    estimator: MultiTaskEstimator, check: Callable[[MultiTaskEstimator], None]
) -> None:
    check(estimator)
    assert repr(estimator).startswith("MultiTaskEstimator(")


@pytest.fixture(scope="module")
def arrays() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 3))
    labels = np.stack([features[:, 0] > 0, 3.0 + features[:, 1]], axis=1).astype(np.float64)
    return features, labels


def test_two_tasks_with_missing_labels_are_learnt(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    features, labels = arrays
    masked = labels.copy()
    masked[::3, 0] = np.nan
    estimator = MultiTaskEstimator(training=Training(epochs=15, batch_size=64)).fit(
        features, masked
    )
    predictions = estimator.predict(features)
    assert predictions.shape == (600, 2)
    assert np.corrcoef(predictions[:, 0], labels[:, 0])[0, 1] > 0.7
    assert np.corrcoef(predictions[:, 1], labels[:, 1])[0, 1] > 0.8
    assert estimator.task_names_ == ("y0", "y1")


def test_a_pandas_frame_with_texts_and_named_tasks_works() -> None:
    rng = np.random.default_rng(1)
    features = pd.DataFrame(
        {"city": rng.choice(["Bonn", "Rome"], 300), "age": rng.normal(size=300)}
    )
    labels = pd.DataFrame(
        {"like": (features["city"] == "Rome").astype(int), "hours": features["age"] + 2}
    )
    tasks = (Binary("like", min_positives=1), Regression("hours"))
    estimator = MultiTaskEstimator(tasks=tasks, training=Training(epochs=8, batch_size=32))
    score = estimator.fit(features, labels).score(features, labels)
    likes = estimator.predict(features)[:, 0]
    assert np.isfinite(score)
    assert likes[features["city"] == "Rome"].min() > likes[features["city"] == "Bonn"].max()


def test_case_98_a_fitted_estimator_pickles_to_the_same_predictions(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    features, labels = arrays
    estimator = MultiTaskEstimator(training=QUICK).fit(features, labels)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(estimator.predict(features), again.predict(features))


def test_two_fits_of_one_seed_give_the_same_bits(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    features, labels = arrays
    first = MultiTaskEstimator(training=QUICK).fit(features, labels).predict(features)
    second = MultiTaskEstimator(training=QUICK).fit(features, labels).predict(features)
    np.testing.assert_array_equal(first, second)


def test_a_name_in_features_and_labels_is_refused() -> None:
    frame = pl.DataFrame({"click": [0, 1] * 60})
    with pytest.raises(SchemaError, match=r"both have the columns \['click'\]"):
        MultiTaskEstimator(training=QUICK).fit(frame, frame)
