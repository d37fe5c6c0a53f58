"""The labels a baseline is fitted on: trials and exposures count, rows are bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.makers import make_data, make_log, make_model

from plait.studies.baselines import targets as targets_module
from plait.studies.baselines.targets import exposure, targets_of
from plait.tasks import Binary, Count


def test_trials_become_weighted_rows_of_zero_and_one(tmp_path: Path) -> None:
    frame = make_log(60).with_columns(shown=2 + np.arange(60) % 3, clicked=np.arange(60) % 3)
    task = Binary("clicked", trials="shown")
    data = make_data(tmp_path, (task,), frame=frame, valid_frame=frame)
    found = targets_of(make_model(data), data.train, "clicked", seed=0)
    assert found is not None
    assert set(found.values) == {0.0, 1.0}
    shown, clicked = frame["shown"].sum(), frame["clicked"].sum()
    assert found.weights.sum() == pytest.approx(shown)
    assert np.average(found.values, weights=found.weights) == pytest.approx(clicked / shown)


def test_a_count_is_fitted_for_each_unit_of_exposure(tmp_path: Path) -> None:
    data = make_data(tmp_path, (Count("visits", exposure="days"),))
    found = targets_of(make_model(data), data.train, "visits", seed=0)
    assert found is not None
    days = data.frame["days"].to_numpy()
    np.testing.assert_allclose(found.values, data.frame["visits"].to_numpy() / days, rtol=1e-5)
    np.testing.assert_allclose(found.weights, days, rtol=1e-6)
    scale = exposure(found.task, data.valid)
    assert scale is not None
    np.testing.assert_allclose(scale, data.valid_frame["days"].to_numpy(), rtol=1e-6)


def test_many_rows_are_drawn_from_by_the_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "MOST_ROWS", 50)
    data = make_data(tmp_path, (Binary("click"),))
    model = make_model(data)
    first, again, other = (targets_of(model, data.train, "click", seed=seed) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert len(first.rows) == 50
    np.testing.assert_array_equal(first.rows, again.rows)
    assert (first.rows != other.rows).any()


def test_no_label_is_no_target(tmp_path: Path) -> None:
    data = make_data(tmp_path, (Binary("click"),))
    model = make_model(data)
    empty = make_log(20).with_columns(click=None)
    nothing = make_data(tmp_path / "other", (Binary("click"),), valid_frame=empty)
    assert targets_of(model, nothing.valid, "click", seed=0) is None
