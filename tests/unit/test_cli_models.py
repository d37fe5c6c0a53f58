"""The command that lists what a model can be made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment
from typer.testing import CliRunner, Result

from plait.architectures import ARCHITECTURES, GATES, LINKS
from plait.cli import app
from plait.modules.interactions import INTERACTIONS
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.modules.terms import TERMS


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def models(*words: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, words)], env={"COLUMNS": "100"})


def test_it_lists_everything_that_a_file_can_name() -> None:
    ended = models()
    assert ended.exit_code == 0, ended.output
    for kind in (*ARCHITECTURES, *GATES, *LINKS, *INTERACTIONS, *SEQUENCE_ENCODERS, *TERMS):
        assert f"{kind.__name__}: " in ended.stdout
        assert kind.when in ended.stdout
    assert "multiply-adds" not in ended.stdout


def test_with_a_file_it_tells_what_each_costs(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = write_experiment(folder, rows=400)
    ended = models(path, "--set", "model.architecture.num_experts=3")
    assert ended.exit_code == 0, ended.output
    assert "MMoE (as in the file)" in ended.stdout
    assert "STAR needs scenarios" in ended.stdout
    assert "Reading and preparing the log" in ended.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["elsewhere"], "nothing is written here"


def test_one_json_document() -> None:
    form = json.loads(models("--json").stdout)
    assert [entry["name"] for entry in form["architectures"]] == [k.__name__ for k in ARCHITECTURES]
    assert "costs" not in form


def test_settings_without_a_file_are_a_mistake() -> None:
    ended = models("--set", "model.tower=[3]")
    assert ended.exit_code == 2
    assert "go with an experiment file" in ended.stderr
