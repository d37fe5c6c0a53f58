"""The commands that study a run: what they call, print and write, and how mistakes end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.unit.studies.runs import feed, train
from typer.testing import CliRunner, Result

from plait.cli import app


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    train(folder, epochs=1)
    return folder


def plait(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})


@pytest.fixture
def fresh(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run without its prepared rows."""
    folder = tmp_path / "fresh"
    shutil.copytree(run_folder, folder, ignore=shutil.ignore_patterns("prepared"))
    return folder


def test_report_writes_both_files_and_says_where(run_folder: Path) -> None:
    ended = plait("report", str(run_folder))
    assert ended.exit_code == 0, ended.output
    html, markdown = run_folder / "report.html", run_folder / "report.md"
    assert ended.stdout == f"Wrote {html} and {markdown}.\n"
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert markdown.read_text(encoding="utf-8").startswith(f"# Report on {run_folder.parent.name}")


def test_report_prints_one_json_document_where_asked(run_folder: Path) -> None:
    ended = plait("report", str(run_folder), "--json", "--baselines", "", "--hide-below", "5")
    form = json.loads(ended.stdout)
    assert form["html"] == str(run_folder / "report.html")
    assert form["judgements"][0]["comparisons"] == []
    assert form["options"]["least_rows"] == 5


def test_report_compares_with_the_baselines_that_are_named(run_folder: Path) -> None:
    ended = plait("report", str(run_folder), "--json", "--baselines", "trees, constant")
    compared = json.loads(ended.stdout)["judgements"][0]["comparisons"]
    assert [found["baseline"] for found in compared] == ["constant", "boosted trees"]


def test_a_wrong_baseline_is_a_mistake(run_folder: Path) -> None:
    ended = plait("report", str(run_folder), "--baselines", "tree")
    assert ended.exit_code == 2
    assert "There is no baseline 'tree'. Did you mean 'trees'?" in ended.stderr


def test_both_commands_find_rows_in_a_shared_cache(run_folder: Path, fresh: Path) -> None:
    for command in ("report", "doctor"):
        ended = plait(command, str(fresh))
        assert ended.exit_code == 2
        assert "name that folder here too" in ended.stderr
        found = plait(command, str(fresh), "--cache", str(run_folder / "prepared"))
        assert found.exit_code == 0, found.output


def test_doctor_ends_with_three_things_to_try(run_folder: Path) -> None:
    ended = plait("doctor", str(run_folder))
    assert ended.exit_code == 0, ended.output
    before, _, after = ended.stdout.partition("The first three things to try\n")
    for title in ("Labels", "Features", "What each task leans on", "Training rows and others"):
        assert title in before
    assert re.findall(r"^(\d)\. ", after, re.MULTILINE) == ["1", "2", "3"]


def test_doctor_compares_with_a_file_and_prints_json(run_folder: Path, tmp_path: Path) -> None:
    feed(400, seed=3).write_parquet(tmp_path / "later.parquet")
    ended = plait("doctor", str(run_folder), str(tmp_path / "later.parquet"), "--json")
    form = json.loads(ended.stdout)
    assert form["compared_with"] == str(tmp_path / "later.parquet")
    assert len(form["advice"]) == 3


def test_an_unfinished_run_is_a_mistake(tmp_path: Path) -> None:
    for command in ("report", "doctor"):
        ended = plait(command, str(tmp_path))
        assert ended.exit_code == 2
        assert "there is no finished run" in ended.stderr
