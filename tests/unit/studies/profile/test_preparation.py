"""Preparing a log with its parts timed: the same rows, and whether they came from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment

from plait.data import preparing
from plait.data.log import Log
from plait.data.preprocessing import Preprocessor
from plait.experiment import Experiment
from plait.studies.profile.building import log_of
from plait.studies.profile.preparation import PARTS, prepare_timed


@pytest.mark.parametrize("log", ["log.parquet", "log.csv"])
def test_each_part_is_timed_and_a_second_time_comes_from_the_cache(
    tmp_path: Path, log: str
) -> None:
    given = Experiment.read(write_experiment(tmp_path, rows=400, log=log)).arguments()
    owners = preparing, Log, Preprocessor
    functions = [{**vars(owner)} for owner in owners]
    prepared, first = prepare_timed(log_of(given), given["split"], cache=tmp_path / "cache")
    assert list(first.parts) == list(PARTS)
    assert all(seconds > 0 for seconds in first.parts.values())
    assert first.seconds == sum(first.parts.values())
    assert (first.rows, first.from_cache) == (400, False)
    assert first.text_files == (log == "log.csv")
    again, second = prepare_timed(log_of(given), given["split"], cache=tmp_path / "cache")
    assert second.from_cache
    assert again.key == prepared.key
    assert second.parts["read"] == second.parts["fit"] == second.parts["write"] == 0
    assert [{**vars(owner)} for owner in owners] == functions
