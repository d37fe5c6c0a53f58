"""From measured seconds to a whole run, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.makers import make_data, make_model
from tests.unit.studies.profile.found import FOUND

from plait.data.preparing import PreparedLog
from plait.studies.profile.plan import GROUPS, Plan, plan_of
from plait.tasks import Binary
from plait.training import Training


@pytest.mark.parametrize(
    ("settings", "has_valid", "expected"),
    [
        (Training(epochs=5, batch_size=64), True, Plan(4, 5.0, 20, 5, 2)),
        (Training(epochs=5, batch_size=64, max_steps=6), True, Plan(4, 1.5, 6, 2, 2)),
        (Training(epochs=5, batch_size=64, evaluate_steps=3), True, Plan(4, 5.0, 20, 7, 2)),
        (Training(epochs=5, batch_size=64), False, Plan(4, 5.0, 20, 0, 1)),
    ],
)
def test_how_often_a_run_does_what(
    settings: Training,
    has_valid: bool,  # noqa: FBT001
    expected: Plan,
    tmp_path: Path,
) -> None:
    data = make_data(tmp_path, (Binary("click"),))
    valid = data.valid if has_valid else None
    prepared = PreparedLog(data.train, valid, None, data.preprocessor, data.tasks)
    assert plan_of(make_model(data), prepared, settings) == expected


def test_what_a_run_costs_by_hand() -> None:
    # 20 steps of a run for 4 that were measured, five evaluations, three states to be finished.
    assert dict(FOUND.costs) == pytest.approx(
        {
            "reading": 1 + 2,
            "preparing": 3 + 4 + 5 + 6,
            "batches": 5 * 1,
            "tables": 5 * (2 + 10),
            "optimizer": 5 * (9 + 11 + 12),
            "network": 5 * (3 + 4 + 5 + 6 + 7 + 8),
            "predicting": 5 * 3 + 4,
            "metrics": 5 * 1 + 5,
            "finishing": 3 * 2,
            "other": 5 * 2,
        }
    )
    assert next(iter(FOUND.costs)) == "network"
    assert list(FOUND.costs.values()) == sorted(FOUND.costs.values(), reverse=True)
    assert set(FOUND.costs) == set(GROUPS)
    assert FOUND.run_seconds == 3 + 18 + 5 + 60 + 160 + 165 + 19 + 10 + 6 + 10
    assert FOUND.epoch_seconds == 80


def test_prepared_rows_cost_nothing_to_prepare() -> None:
    given = replace(FOUND, preparation=None)
    assert given.costs["reading"] == given.costs["preparing"] == 0
