from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from plait.errors import MetricInputError
from plait.metrics import accuracy, auc, gauc


@pytest.mark.parametrize(
    ("predictions", "targets"),
    [([0.1, 0.2], [1]), ([[0.1], [0.2]], [0, 1]), ([0.1], [[1]]), (0.1, 1)],
)
def test_shapes_that_do_not_fit_are_named(predictions: object, targets: object) -> None:
    with pytest.raises(MetricInputError, match=r"`predictions` has shape .* expected \[n\]"):
        auc(predictions, targets)  # type: ignore[arg-type]


def test_weights_of_another_length_are_named() -> None:
    with pytest.raises(MetricInputError, match=r"`weights` \(3,\)"):
        auc([0.1, 0.2], [0, 1], weights=[1, 1, 1])
    with pytest.raises(MetricInputError, match=r"`weights` \(3,\)"):
        gauc([0.1, 0.2], [0, 1], [1, 1], weights=[1, 1, 1])


def test_classes_may_have_two_dimensions_and_no_more() -> None:
    with pytest.raises(MetricInputError, match=r"expected \[n\] or \[n, C\]"):
        accuracy(np.zeros((2, 2, 2)), [0, 1])


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, 1e-300, 1e300])
def test_weights_that_are_no_weights_are_refused(weight: float) -> None:
    words = "`weights` must be 0 or lie between 1e-100 and 1e.100; 1 of 2 do not, such as "
    words += re.escape(str(weight))
    with pytest.raises(MetricInputError, match=words):
        auc([0.1, 0.2], [0, 1], weights=[1.0, weight])


def test_words_are_no_numbers() -> None:
    with pytest.raises(MetricInputError, match="`targets` must be an array of numbers, got list"):
        auc([0.1, 0.2], ["no", "yes"])
    with pytest.raises(MetricInputError, match=r"`predictions` must .* got dtype <U3"):
        auc(np.array(["low", "far"]), [0, 1])


def test_a_nan_in_a_row_of_weight_zero_does_no_harm() -> None:
    found = auc([0.1, 0.2, math.nan], [0, 1, math.nan], weights=[1, 1, 0])
    assert found == auc([0.1, 0.2], [0, 1])


def test_bool_targets_are_zero_and_one() -> None:
    assert auc([0.1, 0.2], [False, True]).value == 1.0


def test_groups_of_another_length_are_named() -> None:
    with pytest.raises(MetricInputError, match=r"`groups` has shape \(1,\) for 2 targets"):
        gauc([0.1, 0.2], [0, 1], [1])


def test_groups_that_are_no_keys_are_named() -> None:
    keys = np.empty(2, dtype=object)
    keys[:] = [{"user": 1}, {"user": 2}]
    with pytest.raises(MetricInputError, match="`groups` must hold integers or strings"):
        gauc([0.1, 0.2], [0, 1], keys)


def test_groups_with_a_null_that_cannot_be_compared_are_named() -> None:
    keys = np.array([1, pd.NA], dtype=object)
    with pytest.raises(MetricInputError, match="`groups` holds objects that cannot be compared"):
        gauc([0.1, 0.2], [0, 1], keys)
