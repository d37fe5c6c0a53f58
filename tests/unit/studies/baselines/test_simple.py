"""The constant and the item mean, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from plait.studies.baselines.simple import PRIOR_ROWS, constant, item_mean
from plait.studies.baselines.targets import targets_of
from plait.studies.opened import OpenedRun


def test_the_constant_is_the_mean_label_of_the_training_rows(run: OpenedRun) -> None:
    targets = targets_of(run.model, run.train, "stars", seed=0)
    assert targets is not None
    labels = run.train.labels("stars")[run.train.observed("stars")]
    found = constant(targets, run.judged)
    assert found.shape == (run.judged.num_rows, 1)
    np.testing.assert_allclose(found, labels.mean(), rtol=1e-6)


def test_of_several_classes_the_constant_is_their_shares(run: OpenedRun) -> None:
    targets = targets_of(run.model, run.train, "mood", seed=0)
    assert targets is not None
    labels = run.train.labels("mood")[run.train.observed("mood")]
    found = constant(targets, run.judged)
    np.testing.assert_allclose(found[0], np.bincount(labels.astype(int)) / len(labels))


def test_a_derived_output_is_fitted_on_the_parents_positives(run: OpenedRun) -> None:
    targets = targets_of(run.model, run.train, "buy_given_click", seed=0)
    assert targets is not None
    clicked = run.train.labels("click") == 1
    np.testing.assert_array_equal(targets.rows, np.flatnonzero(clicked))
    np.testing.assert_array_equal(targets.values, run.train.labels("buy")[clicked])


def test_the_item_mean_is_drawn_to_the_mean_of_all(run: OpenedRun) -> None:
    targets = targets_of(run.model, run.train, "click", seed=0)
    assert targets is not None
    found = item_mean(targets, run.train, run.judged)[:, 0]
    labels, items = run.train.labels("click"), run.train.key("item")
    for row in (0, 7, 100):
        own = labels[items == run.judged.key("item")[row]]
        wanted = (own.sum() + PRIOR_ROWS * labels.mean()) / (len(own) + PRIOR_ROWS)
        assert found[row] == pytest.approx(wanted, rel=1e-5)
