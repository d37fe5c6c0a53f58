"""Trees on columns of many values, and on few rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plait.metrics import auc
from plait.studies.baselines import features
from plait.studies.baselines.shapes import all_classes
from plait.studies.baselines.targets import targets_of
from plait.studies.baselines.trees import trees
from plait.studies.opened import OpenedRun
from plait.tasks import Multiclass


def test_columns_of_many_values_enter_by_their_mean_label(
    run: OpenedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "FEW_VALUES", 1)
    targets = targets_of(run.model, run.train, "click", seed=0)
    assert targets is not None
    found = trees(targets, run.train, run.judged, seed=0)
    assert auc(found, run.judged.labels("click")).value > 0.8
    np.testing.assert_array_equal(found, trees(targets, run.train, run.judged, seed=0))


def test_few_rows_hold_nothing_out(run: OpenedRun) -> None:
    targets = targets_of(run.model, run.train, "click", seed=0)
    assert targets is not None
    few = replace(
        targets,
        rows=targets.rows[:30],
        values=targets.values[:30],
        weights=targets.weights[:30],
    )
    found = trees(few, run.train, run.judged, seed=0)
    assert ((found >= 0) & (found <= 1)).all()


def test_a_class_that_was_not_met_has_no_chance() -> None:
    task = Multiclass("mood", classes=("low", "middle", "high"))
    found = all_classes(task, np.array([0, 2]), np.array([[0.25, 0.75]]))
    np.testing.assert_array_equal(found, [[0.25, 0.0, 0.75]])
