"""What watchers are told."""

from __future__ import annotations

import json

from plait.training import Callback, EvaluationReport, History, StepReport

REPORT = EvaluationReport(
    step=3, epoch=1, losses={"a": 0.5}, scores={"a": 0.7}, mix=0.7, is_best=True, seconds=1.5
)


def test_a_callback_that_overrides_nothing_does_nothing() -> None:
    callback = Callback()
    callback.on_start(steps_done=0, total_steps=9)
    callback.on_step(
        StepReport(step=1, epoch=1, total_steps=9, rows=4, losses={"a": 0.5}, weights={"a": 1.0})
    )
    callback.on_evaluation(REPORT)
    callback.on_end(History())


def test_a_history_is_plain_data() -> None:
    history = History(evaluations=[REPORT], skipped={"a": 2}, stopped="enough")
    form = json.loads(json.dumps(history.to_json()))
    assert [EvaluationReport(**entry) for entry in form["evaluations"]] == [REPORT]
    assert (form["skipped"], form["stopped"]) == ({"a": 2}, "enough")
    assert form["rows_per_second"] == 0.0


def test_histories_do_not_share_their_lists() -> None:
    assert History().evaluations is not History().evaluations
