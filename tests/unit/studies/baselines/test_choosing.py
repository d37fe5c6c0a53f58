"""Every baseline predicts every output it can, in the shape that metrics read, and says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plait.errors import UnknownNameError
from plait.metrics import auc
from plait.studies.baselines import BASELINES, BaselineName, baseline_predictions, check_baselines
from plait.studies.baselines.targets import targets_of
from plait.studies.opened import OpenedRun


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "single_task"])
@pytest.mark.parametrize("output", ["click", "buy_given_click", "stars", "mood"])
def test_predictions_have_the_shape_of_the_models(
    run: OpenedRun, name: BaselineName, output: str
) -> None:
    found = baseline_predictions(run, name, output, seed=0)
    assert not isinstance(found, str)
    assert found.shape == run.predictions[output].shape
    assert np.isfinite(found).all()
    if output != "stars":
        assert ((found >= 0) & (found <= 1)).all()
    if output == "mood":
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["logistic", "trees"])
def test_models_with_features_find_what_the_features_tell(
    run: OpenedRun, name: BaselineName
) -> None:
    found = baseline_predictions(run, name, "click", seed=0)
    assert not isinstance(found, str)
    assert auc(found, run.judged.labels("click")).value > 0.8


def test_the_single_task_network_learns_its_task_alone(run: OpenedRun) -> None:
    found = baseline_predictions(run, "single_task", "buy", seed=0)
    assert not isinstance(found, str)
    assert auc(found, run.judged.labels("buy")).value > 0.6
    told = baseline_predictions(run, "single_task", "buy_given_click", seed=0)
    assert told == "an output that a link adds has no labels of its own"


def test_without_an_item_there_is_no_item_mean(run: OpenedRun) -> None:
    artifact = replace(run.artifact, schema=replace(run.schema, item=None))
    told = baseline_predictions(replace(run, artifact=artifact), "item_mean", "click", seed=0)
    assert told == "the schema names no item"


@pytest.mark.parametrize("name", ["item_mean", "logistic", "trees"])
def test_training_labels_of_one_class_are_said(
    run: OpenedRun, name: BaselineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = targets_of(run.model, run.train, "click", seed=0)
    assert targets is not None
    same = replace(targets, values=np.ones_like(targets.values))
    monkeypatch.setattr("plait.studies.baselines.choosing.targets_of", lambda *_, **__: same)
    told = baseline_predictions(run, name, "click", seed=0)
    assert told == "all training labels are of one class"


def test_no_training_label_is_said(run: OpenedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.studies.baselines.choosing.targets_of", lambda *_, **__: None)
    told = baseline_predictions(run, "constant", "click", seed=0)
    assert told == "there are no training labels"


def test_names_are_checked_and_put_in_order() -> None:
    assert check_baselines(["trees", "constant", "trees"]) == ("constant", "trees")
    with pytest.raises(UnknownNameError, match=r"no baseline 'tree'.*Did you mean 'trees'"):
        check_baselines(["tree"])
