from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.unit.metrics.examples import Example, binary_rows, duplicated

from plait.errors import MetricInputError
from plait.metrics import GAUC, Value, auc, gauc, pr_auc

FEW = settings(max_examples=60, deadline=None)


@FEW
@given(binary_rows())
def test_auc_is_that_of_scikit_learn_with_ties_and_weights(rows: Example) -> None:
    expected = roc_auc_score(rows.targets, rows.predictions, sample_weight=rows.weights)
    assert auc(rows.predictions, rows.targets, weights=rows.weights).value == pytest.approx(
        expected, abs=1e-12
    )


@FEW
@given(binary_rows())
def test_average_precision_is_that_of_scikit_learn(rows: Example) -> None:
    expected = average_precision_score(rows.targets, rows.predictions, sample_weight=rows.weights)
    assert pr_auc(rows.predictions, rows.targets, weights=rows.weights).value == pytest.approx(
        expected, abs=1e-12
    )


def test_ties_get_half() -> None:
    assert auc([0.3, 0.3], [0, 1]).value == 0.5


def test_auc_does_not_change_under_an_increasing_transform() -> None:
    generator = np.random.default_rng(0)
    logits, targets = generator.normal(size=200), generator.integers(0, 2, 200)
    assert auc(logits, targets) == auc(1 / (1 + np.exp(-logits)), targets)


def test_float32_scores_are_ranked_without_rounding() -> None:
    close = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1))], dtype=np.float32)
    assert auc(close, [0, 1]).value == 1.0


def _brute_gauc(rows: Example, weighting: str, min_group_size: int) -> tuple[float, int, int]:
    total = mass = 0.0
    kept = dropped = 0
    present = rows.weights > 0
    for group in np.unique(rows.groups[present]):
        member = present & (rows.groups == group)
        y, p, w = rows.targets[member], rows.predictions[member], rows.weights[member]
        if y.min() == y.max() or len(y) < min_group_size:
            dropped += 1
            continue
        kept += 1
        won = pairs = 0.0
        for i in np.flatnonzero(y == 1):
            for j in np.flatnonzero(y == 0):
                pairs += w[i] * w[j]
                won += w[i] * w[j] * ((p[i] > p[j]) + 0.5 * (p[i] == p[j]))
        share = {"rows": w.sum(), "positives": (w * y).sum(), "equal": 1.0}[weighting]
        total, mass = total + share * won / pairs, mass + share
    return (total / mass if kept else math.nan), kept, dropped


@FEW
@given(binary_rows(), st.sampled_from(["rows", "positives", "equal"]), st.integers(1, 5))
def test_gauc_is_the_average_of_pairs_counted_one_by_one(
    rows: Example, weighting: str, min_group_size: int
) -> None:
    found = gauc(
        rows.predictions,
        rows.targets,
        rows.groups,
        weights=rows.weights,
        group_weighting=weighting,  # type: ignore[arg-type]  # a sampled literal
        min_group_size=min_group_size,
    )
    value, kept, dropped = _brute_gauc(rows, weighting, min_group_size)
    assert found.value == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert (found.n_groups or 0, found.n_dropped) == (kept, dropped)
    assert bool(found.reason) == math.isnan(found.value)


@FEW
@given(binary_rows())
def test_weight_two_is_a_duplicated_row(rows: Example) -> None:
    twice = duplicated(rows)
    for measure in (auc, pr_auc):
        one = measure(rows.predictions, rows.targets, weights=rows.weights)
        assert one.value == pytest.approx(measure(twice.predictions, twice.targets).value)
    grouped = gauc(rows.predictions, rows.targets, rows.groups, weights=rows.weights)
    copied = gauc(twice.predictions, twice.targets, twice.groups)
    assert grouped.value == pytest.approx(copied.value, nan_ok=True)


def test_all_positive_and_all_negative_groups_are_dropped_and_counted() -> None:
    found = gauc([0.1, 0.9, 0.5, 0.5, 0.2], [0, 1, 1, 1, 0], ["a", "a", "b", "b", "c"])
    assert (found.value, found.n, found.n_groups, found.n_dropped) == (1.0, 2, 1, 2)


@pytest.mark.parametrize(
    "groups",
    [
        [1.0, 1.0, math.nan, math.nan],
        ["a", "a", None, None],
        np.array(["a", "a", None, math.nan], dtype=object),
        np.array(["2024-01-01", "2024-01-01", "NaT", "NaT"], dtype="datetime64[D]"),
    ],
)
def test_rows_without_a_group_are_left_out_as_one_group(groups: list[object]) -> None:
    found = gauc([0.1, 0.9, 0.9, 0.1], [0, 1, 0, 1], groups)  # type: ignore[arg-type]
    assert (found.value, found.n, found.n_groups, found.n_dropped) == (1.0, 2, 1, 1)


def test_a_reason_says_that_no_group_has_both_classes() -> None:
    found = gauc([0.1, 0.9, 0.3], [0, 1, 1], np.array([1, 2, None]))
    assert math.isnan(found.value)
    assert found.reason == (
        "none of 2 groups holds both classes and enough rows; 1 rows have no group"
    )
    assert gauc([0.1], [1], np.array([None])).reason == "none of 1 rows has a group"


@pytest.mark.parametrize("measure", [auc, pr_auc])
@pytest.mark.parametrize(
    ("predictions", "targets", "reason"),
    [
        ([], [], "there are no rows"),
        ([0.1, 0.2], [0, 0], "all 2 rows are negative: both classes are needed"),
        ([0.1, 0.2], [1, 1], "all 2 rows are positive: both classes are needed"),
        ([math.nan, math.inf, 0.2], [0, 1, 1], "2 of 3 predictions are not finite"),
        ([0.1, 0.2], [math.nan, 1], "1 of 2 targets are not finite"),
        ([0.1, 0.2], [0.5, 1], "1 of 2 targets are neither 0 nor 1: `expand_trials`"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_its_reason(
    measure: Callable[..., Value], predictions: list[float], targets: list[float], reason: str
) -> None:
    found = measure(predictions, targets)
    assert math.isnan(found.value)
    assert reason in found.reason


def test_an_unknown_group_weighting_is_refused() -> None:
    words = "`group_weighting` is 'rows', 'positives' or 'equal', got 'clicks'"
    with pytest.raises(MetricInputError, match=words):
        gauc([0.1], [1], [1], group_weighting="clicks")  # type: ignore[arg-type]
    with pytest.raises(MetricInputError, match=words):
        GAUC(group_weighting="clicks")  # type: ignore[arg-type]
