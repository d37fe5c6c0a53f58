"""A finished run is read as it was written, and what is missing is said."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.unit.studies.runs import EVIL

from plait.errors import ArtifactError
from plait.studies.opened import OpenedRun, open_run
from plait.training import evaluate_store


def test_the_metrics_are_those_that_the_run_wrote(run: OpenedRun) -> None:
    again = evaluate_store(run.model, run.judged, slices=(EVIL, "user"))
    assert run.judged_on == "test"
    assert set(run.metrics) == {"click", "buy", "stars", "mood", "buy_given_click"}
    for output, values in again.tasks.items():
        for name, value in values.items():
            assert run.metrics[output][name].n == value.n
            np.testing.assert_allclose(run.metrics[output][name].value, value.value, rtol=1e-6)
    assert len(run.slices) == len(again.slices)


def test_a_metric_without_a_number_keeps_its_reason(run: OpenedRun) -> None:
    unknown = [entry.result for entry in run.slices if not entry.result.is_known]
    assert unknown
    assert all(math.isnan(value.value) and value.reason for value in unknown)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"metrics\.json: there is no finished run.*--resume"):
        open_run(tmp_path)


def test_a_damaged_file_is_named(run_folder: Path, tmp_path: Path) -> None:
    shutil.copy(run_folder / "metrics.json", tmp_path)
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"run\.json: not valid JSON.*Copy the whole folder"):
        open_run(tmp_path)


def test_rows_in_another_cache_are_asked_for_and_found(run_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run_folder, moved, ignore=shutil.ignore_patterns("prepared"))
    with pytest.raises(
        ArtifactError, match=r"rows that the run was trained on are not there.*--cache"
    ):
        open_run(moved)
    opened = open_run(moved, cache=run_folder / "prepared")
    key = json.loads((moved / "run.json").read_text(encoding="utf-8"))["prepared"]
    assert opened.train.folder == run_folder / "prepared" / key / "train"
