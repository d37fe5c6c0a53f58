"""What a demonstration is made on, and what it changes in large runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plait.errors import ConfigurationError
from plait.studies.demo import DemoOptions


def test_a_small_log_is_trained_as_its_file_is_written() -> None:
    assert DemoOptions().overrides(20_000, has_history=True) == ()
    assert DemoOptions(seed=3, settings=("split.by=user",)).overrides(10, has_history=True) == (
        "training.seed=3",
        "split.by=user",
    )


def test_a_large_log_is_trained_quickly_and_what_a_person_sets_comes_last() -> None:
    options = DemoOptions(settings=("training.epochs=9",))
    without = options.overrides(20_001, has_history=False)
    assert [setting.partition("=")[0] for setting in without] == [
        "training.epochs",
        "training.keep_negatives",
        "training.epochs",
    ]
    assert without[-1] == "training.epochs=9"
    with_history = {s.partition("=")[0] for s in options.overrides(20_001, has_history=True)}
    assert with_history - {s.partition("=")[0] for s in without} == {
        "history.features",
        "model.architecture",
    }


@pytest.mark.parametrize(
    ("rows", "epochs"), [(20_001, 29), (100_000, 6), (200_000, 3), (400_000, 1), (5_000_000, 1)]
)
def test_the_longer_the_log_the_fewer_the_epochs(rows: int, epochs: int) -> None:
    overrides = DemoOptions().overrides(rows, has_history=False)
    assert overrides == (f"training.epochs={epochs}", "training.keep_negatives=0.3")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset": "ml100k"}, "The set 'ml100k' does not come with plait. Say where its files"),
        ({"path": Path("sets")}, "--path sets says where a public set lies. Name the set"),
        (
            {"dataset": "ml100k", "path": Path("sets"), "rows": 9},
            "--rows 9 is the length of a simulated log, and 'ml100k' has its own.",
        ),
        ({"rows": 0}, "--rows must be at least 1, got 0."),
    ],
)
def test_choices_that_contradict_each_other_are_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        DemoOptions(**given)
    assert said in str(error.value)
