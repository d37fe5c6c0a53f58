"""How long a study will still take, and the line of a finished training."""

from __future__ import annotations

from plait.studies.learn_curve.cells import Cell, Place
from plait.studies.learn_curve.progress import line_of, seconds_left


def cell(family: str, share: float, seconds: float) -> Cell:
    return Cell(Place(0, share, 0.0, family), seconds=seconds)  # type: ignore[arg-type] # a test's


def test_time_is_told_by_the_trainings_most_like_the_open_ones() -> None:
    finished = [
        cell("supervised", 0.1, 2.0),
        cell("supervised", 1.0, 10.0),
        cell("hybrid", 0.1, 30.0),
    ]
    assert seconds_left(finished, [Place(1, 1.0, 0.0, "supervised")]) == 10.0
    assert seconds_left(finished, [Place(1, 0.5, 0.0, "supervised")]) == 6.0
    assert seconds_left(finished, [Place(1, 1.0, 0.0, "hybrid")]) == 30.0
    assert seconds_left(finished, [Place(1, 1.0, 0.0, "joint")]) == 14.0
    assert seconds_left(finished, []) == 0.0
    assert seconds_left([], [Place(0, 1.0, 0.0, "joint")]) is None


def test_a_line_says_what_came_out_and_what_is_left() -> None:
    made = Cell(Place(2, 0.05, 0.2, "hybrid"), {"click": {"auc": 0.71234}}, seconds=3.21)
    assert line_of(made, {"click": "auc"}, done=3, total=9, left=3725.0) == (
        "3/9 hybrid, 5 % of the labels, 20 % turned round, seed 2: click 0.7123 "
        "(3.2 s, 1:02:05 left)"
    )
    refused = Cell(Place(2, 1.0, 0.0, "joint"), reason="no network.")
    assert line_of(refused, {"click": "auc"}, done=9, total=9, left=0.0) == (
        "9/9 joint features, 100 % of the labels, seed 2: not possible: no network. (0.0 s)"
    )
