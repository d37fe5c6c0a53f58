from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.errors import MetricInputError
from plait.metrics import Value, accuracy, multiclass_log_loss, quadratic_weighted_kappa

FEW = settings(max_examples=50, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


@FEW
@given(SEEDS, st.integers(2, 6))
def test_all_three_are_those_of_scikit_learn(seed: int, num_classes: int) -> None:
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.ones(num_classes), size=30)
    y = generator.integers(0, num_classes, 30)
    y[:2] = [0, 1]
    w = generator.integers(0, 3, 30)
    w[:2] = 1
    best = p.argmax(axis=1)
    labels = np.arange(num_classes)
    expected = sklearn.metrics.accuracy_score(y, best, sample_weight=w)
    assert accuracy(p, y, weights=w).value == pytest.approx(expected)
    assert accuracy(best, y, weights=w).value == pytest.approx(expected)
    clipped = np.clip(p, 1e-7, 1)
    picked = np.average(-np.log(clipped[np.arange(30), y]), weights=w)
    assert multiclass_log_loss(p, y, weights=w).value == pytest.approx(picked)
    expected = sklearn.metrics.log_loss(y, p, sample_weight=w, labels=labels)
    assert multiclass_log_loss(p, y, weights=w).value == pytest.approx(expected, rel=1e-4)
    expected = sklearn.metrics.cohen_kappa_score(
        y, best, weights="quadratic", sample_weight=w, labels=labels
    )
    assert quadratic_weighted_kappa(p, y, weights=w).value == pytest.approx(expected, abs=1e-9)


def test_weight_two_is_a_duplicated_row() -> None:
    p = np.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    y, w = np.array([0, 1, 2]), np.array([2, 0, 1])
    for measure in (accuracy, multiclass_log_loss, quadratic_weighted_kappa):
        twice = measure(np.repeat(p, w, axis=0), np.repeat(y, w))
        assert measure(p, y, weights=w).value == pytest.approx(twice.value)
        assert measure(p, y, weights=w).n == 2


def test_float32_softmax_is_taken_as_probabilities() -> None:
    p = np.full((1, 3), 1 / 3, dtype=np.float32)
    assert multiclass_log_loss(p, [2]).value == pytest.approx(math.log(3))


def test_kappa_of_one_class_is_not_known() -> None:
    for value in (3, 4.0):
        found = quadratic_weighted_kappa([value] * 3, [value] * 3)
        assert found.reason == "predictions and targets are all of one class"


def test_kappa_of_two_constant_raters_who_differ_is_zero() -> None:
    assert quadratic_weighted_kappa([1, 1], [2, 2]).value == 0.0


@pytest.mark.parametrize(
    ("measure", "predictions", "targets", "reason"),
    [
        (accuracy, [], [], "there are no rows"),
        (accuracy, [0.7, 1.0], [1, 1], "1 of 2 predictions are not the number of a class"),
        (accuracy, [1, 1], [1.5, 1], "1 of 2 targets are not the number of a class"),
        (accuracy, [[0.7, 0.3]], [2], "1 of 1 targets are not the number of a class"),
        (multiclass_log_loss, [[3.0, -1.0]], [0], "lie outside 0 to 1"),
        (multiclass_log_loss, [[0.3, 0.3]], [0], "1 of 1 rows of predictions do not sum to 1"),
        (multiclass_log_loss, [[0.5, 0.5]], [-1], "1 of 1 targets are not the number of a class"),
        (accuracy, [[math.nan, 1.0]], [1], "1 of 1 predictions are not finite"),
        (quadratic_weighted_kappa, [0.5], [1], "1 of 1 predictions are not the number of a class"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_its_reason(
    measure: Callable[..., Value], predictions: object, targets: object, reason: str
) -> None:
    found = measure(predictions, targets)
    assert math.isnan(found.value)
    assert reason in found.reason


def test_log_loss_over_classes_needs_all_their_probabilities() -> None:
    with pytest.raises(MetricInputError, match=r"needs the probabilities of all classes, \[n, C\]"):
        multiclass_log_loss([0.5, 0.5], [0, 1])
