"""The command `plait learn-curve`: what it writes, prints and leaves, and how mistakes end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment
from typer.testing import CliRunner, Result

from plait.cli import app
from plait.errors import TrainingInterrupted
from plait.studies.learn_curve import running

SHORT = (
    *("--task", "click", "--shares", "0.5,1", "--flips", "0", "--methods", "", "--seeds", "1"),
    *("--set", "training.epochs=1", "--set", "history=false"),
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("mine"), rows=400)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def learn_curve(*words: object) -> Result:
    arguments = ["learn-curve", *map(str, words)]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "100"})


def test_it_tells_each_training_and_ends_with_the_verdict(experiment: Path) -> None:
    folder = Path("runs") / f"{experiment.parent.name}-learn-curve"
    ended = learn_curve(experiment, *SHORT)
    assert ended.exit_code == 0, ended.output
    told = ended.stderr.splitlines()
    assert told[0].startswith("1/2 supervised, 50 % of the labels, seed 0: click ")
    assert ended.stdout.startswith("With 1 seed nothing can be said")
    assert f"The study lies in {folder}; open {folder / 'learn_curve.html'}." in ended.stdout
    for name in ("result.json", "learn_curve.html", "learn_curve.md"):
        assert (folder / name).exists()
    again = learn_curve(experiment, *SHORT)
    assert again.stderr == "2 of 2 trainings are there already.\n"
    anew = learn_curve(experiment, *SHORT, "--force")
    assert "1/2 supervised" in anew.stderr


def test_it_prints_one_json_document_where_asked_and_is_quiet(experiment: Path) -> None:
    ended = learn_curve(experiment, *SHORT, "--json", "-q", "--out", "study", "--on", "test")
    form = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert form["settings"]["on"] == "test"
    assert form == json.loads(Path("study/result.json").read_text(encoding="utf-8"))


def test_a_stop_says_how_to_go_on(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise TrainingInterrupted(signal.SIGTERM, folder=None)

    monkeypatch.setattr(running, "evaluate_store", stopped)
    ended = learn_curve(experiment, *SHORT, "--out", "study")
    assert ended.exit_code == 128 + signal.SIGTERM
    assert "Stopped. 0 of 2 trainings are kept in study" in ended.stderr
    go_on = ended.stderr.rpartition("Go on with:\n  ")[2].strip()
    assert go_on == (
        f"plait learn-curve {experiment} --task click --shares 0.5,1 --flips 0 --methods '' "
        "--seeds 1 --on valid --out study --set training.epochs=1 --set history=false"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "clik"), "There is no task 'clik'. Did you mean 'click'"),
        (("--shares", "5,1"), "at most 1, got 5 (for 5 % write 0.05)"),
        (("--shares", "a"), "`--shares` takes numbers joined by commas, such as 0.1,1; got 'a'."),
        (("--flips", "0.1;0.2"), "`--flips` takes numbers joined by commas"),
        (("--methods", "magic"), "There is no way to learn 'magic'."),
        (("--on", "train"), "`on` is 'valid' or 'test', got 'train'"),
        (("--shares", "0.001"), "tive one among them. Leave this share out"),
    ],
)
def test_mistakes_end_with_a_sentence(experiment: Path, words: tuple[str, ...], said: str) -> None:
    ended = learn_curve(experiment, *SHORT, *words, "--out", "study")
    assert ended.exit_code == 2
    assert said in " ".join(ended.stderr.split())
    assert not list(Path("study").glob("cells/*"))


def test_a_file_that_is_not_there_is_a_mistake() -> None:
    ended = learn_curve("none.toml")
    assert ended.exit_code == 2
    assert "none.toml: there is no such file" in ended.stderr
