from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment

from plait.data import preparing
from plait.data.preparing import PreparedLog, prepare
from plait.experiment import Experiment
from plait.studies.profile.building import log_of


def test_runs_that_start_together_prepare_a_log_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lock is of a file handle of its own, so threads stand for processes."""
    given = Experiment.read(write_experiment(tmp_path, rows=400)).arguments()
    plain, calls = preparing._prepare, []

    def slow(*arguments: object) -> None:
        calls.append(arguments)
        time.sleep(0.3)  # the others have asked by now
        plain(*arguments)  # type: ignore[arg-type]

    def go(_: int) -> PreparedLog:
        return prepare(log_of(given), given["split"], cache=tmp_path / "cache")

    monkeypatch.setattr(preparing, "_prepare", slow)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(go, range(4)))
    assert len(calls) == 1
    assert {one.key for one in found} == {found[0].key}
    assert [one.train.num_rows for one in found] == [found[0].train.num_rows] * 4


def test_after_one_that_failed_the_next_prepares_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Experiment.read(write_experiment(tmp_path, rows=400)).arguments()
    cache, plain = tmp_path / "cache", preparing._prepare

    def fails(*arguments: object) -> None:
        plain(*arguments)  # type: ignore[arg-type]
        raise OSError("No space left on device")

    monkeypatch.setattr(preparing, "_prepare", fails)
    with pytest.raises(OSError, match="No space left"):
        prepare(log_of(given), given["split"], cache=cache)
    assert not [path for path in cache.iterdir() if path.is_dir()]
    monkeypatch.setattr(preparing, "_prepare", plain)
    assert prepare(log_of(given), given["split"], cache=cache).train.num_rows > 0
