"""The command that profiles an experiment: what it prints and writes, and how mistakes end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment
from typer.testing import CliRunner, Result

from plait.cli import app

SHORT = ("--seconds", "0.02")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("cli"), rows=800)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def profile(*words: object, columns: int = 80) -> Result:
    arguments = ["profile", *map(str, words)]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("columns", [80, 120])
def test_it_shows_where_the_time_goes_and_ends_with_advice(experiment: Path, columns: int) -> None:
    ended = profile(experiment, *SHORT, columns=columns)
    assert ended.exit_code == 0, ended.output
    titles = ("Reading and preparing", "A training step", "A run", "The machine")
    places = [ended.stdout.index(f"\n{title}\n") for title in titles]
    assert places == sorted(places)
    assert max(map(len, ended.stdout.splitlines())) <= columns
    _, _, advice = ended.stdout.partition("\nWhat to do first\n")
    assert " takes " in advice
    assert advice.strip().endswith(".")
    assert "Reading and preparing the log" in ended.stderr
    assert not list(Path.cwd().iterdir()), "no run is made"


def test_all_numbers_go_to_a_file(experiment: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "profile.json"
    ended = profile(experiment, *SHORT, "--json", path, "--set", "training.batch_size=32")
    assert ended.exit_code == 0, ended.output
    form = json.loads(path.read_text(encoding="utf-8"))
    assert form["experiment"] == str(experiment)
    assert form["stretch"]["batch_size"] == 32
    assert form["advice"]["sentence"].split()[0] in ended.stdout


def test_a_file_is_replaced_only_by_force(experiment: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text("mine", encoding="utf-8")
    refused = profile(experiment, *SHORT, "--json", path)
    assert refused.exit_code == 2
    assert "exists. Replace it by --force, or name another file by --json." in refused.stderr
    assert path.read_text(encoding="utf-8") == "mine"
    assert profile(experiment, *SHORT, "--json", path, "--force").exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["run_seconds"] > 0


def test_a_folder_is_no_file_for_numbers(experiment: Path, tmp_path: Path) -> None:
    ended = profile(experiment, *SHORT, "--json", tmp_path, "--force")
    assert ended.exit_code == 2
    assert "is a folder. Name a file by --json." in ended.stderr
    assert "Reading" not in ended.stderr, "told before any work is done"


def test_the_second_time_the_log_comes_from_the_cache(experiment: Path) -> None:
    first, second = (profile(experiment, *SHORT, "--cache", "cache") for _ in range(2))
    assert "came from the cache" not in first.stdout
    assert "The prepared log came from the cache: 0.0" in second.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", "0"], "`seconds` must be positive and finite, got 0.0"),
        (["--set", "training.epoch=1"], "epochs"),
    ],
)
def test_mistakes_end_with_a_sentence(experiment: Path, words: list[str], said: str) -> None:
    ended = profile(experiment, *words)
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_a_file_that_is_not_there_is_a_mistake() -> None:
    ended = profile("none.toml")
    assert ended.exit_code == 2
    assert "none.toml: there is no such file" in ended.stderr


def test_a_log_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, rows=80)
    (tmp_path / "log.parquet").unlink()
    ended = profile(path, *SHORT)
    assert ended.exit_code == 2
    assert "There is no file" in ended.stderr
