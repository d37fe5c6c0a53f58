"""The scikit-learn way in: arrays or a data frame, `fit`, `predict`, `score`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted
from sklearn.utils.validation import validate_data as validate

from plait.architectures import MMoE
from plait.artifact import Artifact
from plait.balancing import Balancer
from plait.data.log import Log
from plait.data.preparing import prepare
from plait.data.reading import read
from plait.data.schema import Categorical, Feature, Numeric, Schema
from plait.data.splits import RandomSplit
from plait.errors import SchemaError
from plait.experiment.running import build
from plait.methods import Method, Plain
from plait.models import ArchitectureFactory
from plait.serving import Predictor
from plait.tasks import Binary, Multiclass, Regression, Task
from plait.training import Training, finish

FEWEST_TO_SPLIT = 100
"""Fewer rows than this are all trained on; there is no early stopping then."""


class MultiTaskEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A multi-task model behind scikit-learn's interface.

    Stability: experimental.

    `X` is a data frame or an array `[n, F]`; `y` holds one column a task, `[n]` or `[n, T]`, nan
    where a label is missing. Without a schema, columns of numbers are read as numeric features and
    all others as categories. Without tasks, a column of zeros and ones is a binary task and every
    other one a regression.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(400, 2))
        >>> y = np.stack([X[:, 0] > 0, X[:, 0] + X[:, 1] > 0], axis=1).astype(float)
        >>> estimator = MultiTaskEstimator(training=Training(epochs=3)).fit(X, y)
        >>> estimator.predict(X).shape
        (400, 2)

    Args:
        tasks: records whose names are the columns of `y`; None: made from `y`.
        schema: features; None: made from `X`.
        architecture: builds the sharing structure.
        balancer: from several losses to gradients.
        method: the way to learn; None: from the labels alone.
        training: how long, how fast, which seed.
        valid_fraction: share of the rows held back for early stopping; none below 100 rows.
    """

    def __init__(
        self,
        *,
        tasks: Sequence[Task] | None = None,
        schema: Schema | None = None,
        architecture: ArchitectureFactory = MMoE,
        balancer: Balancer | None = None,
        method: Method | None = None,
        training: Training | None = None,
        valid_fraction: float = 0.1,
    ) -> None:
        self.tasks = tasks
        self.schema = schema
        self.architecture = architecture
        self.balancer = balancer
        self.method = method
        self.training = training
        self.valid_fraction = valid_fraction

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 (scikit-learn's name)
        """Train on features `X` and labels `y`."""
        features = self._features(X, reset=True)
        labels = self._labels(y, len(features))
        tasks = tuple(self.tasks or [_task(column) for column in labels])
        schema = self.schema or Schema(tuple(_feature(column) for column in features))
        training = self.training or Training()
        log = Log((_side_by_side(features, labels),), schema, tasks)
        valid = self.valid_fraction if len(features) >= FEWEST_TO_SPLIT else 0.0
        split = RandomSplit(valid=valid, test=0.0, seed=training.seed)
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            prepared = prepare(log, split, cache=Path(scratch))
            model = build(prepared, seed=training.seed, architecture=self.architecture)
            method = self.method or Plain()
            self.history_ = method.fit(
                model,
                prepared.train,
                prepared.valid,
                settings=training,
                balancer=self.balancer,
            )
            finish(
                model,
                prepared.train,
                prepared.valid,
                noise=self.history_.noise,
            )
        self.predictor_ = Predictor(Artifact(model, prepared.preprocessor, schema))
        self.task_names_ = tuple(task.name for task in tasks)
        self._one_column = np.ndim(y) == 1
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Predictions in the labels' units, `[n]` or `[n, T]`: a probability for a binary task."""
        check_is_fitted(self)
        features = self._features(X, reset=False)
        found = self.predictor_.predict(features).to_numpy().astype(np.float64)
        return found[:, 0] if self._one_column and found.shape[1] == 1 else found

    def score(self, X: ArrayLike, y: ArrayLike) -> float:  # noqa: N803
        """Mean over the target tasks of scores that can be mixed, higher is better.

        AUC for a binary task, `-0.5 RMSE / sd` for a regression: the mix of early stopping.
        """
        check_is_fitted(self)
        features = self._features(X, reset=False)
        labels = self._labels(y, len(features))
        return self.predictor_.score(_side_by_side(features, labels))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.non_deterministic = False
        return tags

    def _features(self, X: Any, *, reset: bool) -> pl.DataFrame:  # noqa: N803, ANN401
        if hasattr(X, "__arrow_c_stream__") and not isinstance(X, np.ndarray):
            validate(self, X, reset=reset, skip_check_array=True)
            return read(X).collect()
        array = validate(
            self,
            X,
            reset=reset,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        return pl.DataFrame([_column(f"x{place}", c) for place, c in enumerate(array.T)])

    def _labels(self, y: Any, rows: int) -> pl.DataFrame:  # noqa: ANN401
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        if hasattr(y, "__arrow_c_stream__") and not isinstance(y, np.ndarray):
            frame = read(y).collect()
        else:
            array = check_array(
                y, dtype=None, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y"
            )
            array = array.reshape(len(array), -1)
            names = [task.name for task in self.tasks] if self.tasks else None
            names = names or [f"y{place}" for place in range(array.shape[1])]
            frame = pl.DataFrame([_column(n, c) for n, c in zip(names, array.T, strict=True)])
        check_consistent_length(np.empty(rows), np.empty(len(frame)))
        return frame


def _side_by_side(features: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    both = sorted(set(features.columns) & set(labels.columns))
    if both:
        raise SchemaError(f"`X` and `y` both have the columns {both}. Rename them in one.")
    return pl.concat([features, labels], how="horizontal")


def _column(name: str, values: NDArray[Any]) -> pl.Series:
    """A column of an array; one of Python objects takes the type that its values have."""
    if values.dtype != object:
        return pl.Series(name, values)
    try:
        return pl.Series(name, values.astype(np.float64))
    except (TypeError, ValueError):
        odd = [v for v in values if not isinstance(v, str | int | float | np.generic | None)]
        if odd:
            raise TypeError(
                f"Column {name!r}: argument must be a string or a number, got {odd[0]!r}."
            ) from None
        return pl.Series(name, [None if v is None else str(v) for v in values])


def _feature(column: pl.Series) -> Feature:
    kind = Numeric if column.dtype.is_numeric() else Categorical
    return kind(column.name)


def _task(column: pl.Series) -> Task:
    if not column.dtype.is_numeric() and column.dtype != pl.Boolean:
        return Multiclass(column.name)
    values = column.cast(pl.Float64).fill_nan(None).drop_nulls().unique()
    return Binary(column.name) if set(values) == {0.0, 1.0} else Regression(column.name)
