"""The command `plait demo`: what it writes, prints and leaves, and how mistakes end."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner, Result

from plait import Experiment
from plait.cli import app
from plait.data.simulation import simulate
from plait.errors import TrainingInterrupted

SMALL = ("--rows", "4000", "--seed", "2", "--set", "training.epochs=1", "--set", "history=false")
RUNNING = "plait.studies.demo.running"


def plait(*words: str | Path, columns: int = 120) -> Result:
    return CliRunner().invoke(app, ["demo", *map(str, words)], env={"COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "first"


@pytest.fixture(scope="module")
def done(folder: Path) -> Result:
    ended = plait("--out", folder, *SMALL)
    assert ended.exit_code == 0, ended.output
    return ended


@pytest.fixture(scope="module")
def metrics(done: Result, folder: Path) -> dict[str, Any]:
    form: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return form


def test_it_writes_the_log_its_draft_the_run_and_what_came_out(
    done: Result, folder: Path, metrics: dict[str, Any]
) -> None:
    log = pl.read_parquet(folder / "log.parquet")
    assert_frame_equal(log, simulate(4_000, seed=2).frame, check_exact=True)
    tasks = Experiment.read(folder / "experiment.toml").arguments()["tasks"]
    assert [task.name for task in tasks] == list(metrics["tasks"])
    assert (folder / "report.html").read_bytes() == (folder / "run" / "report.html").read_bytes()
    assert "Report on first" in (folder / "report.html").read_text(encoding="utf-8")
    assert metrics["overrides"] == ["training.seed=2", "training.epochs=1", "history=false"]
    for name in ("report.html", "metrics.json", "experiment.toml", "log.parquet", "run"):
        assert f"  {folder / name}  " in done.output


def test_the_table_shows_what_the_run_says(
    done: Result, folder: Path, metrics: dict[str, Any]
) -> None:
    own = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]
    for task, row in metrics["tasks"].items():
        value = row["estimates"]["multi_task"]["value"]
        if value is None:
            continue
        assert value == pytest.approx(own[task][row["metric"]]["value"], abs=1e-5)
        (line,) = re.findall(rf"^{task} +(?:AUC|XAUC|RMSE ↓) .*$", done.output, re.MULTILINE)
        assert float(line.split()[-1]) == pytest.approx(value, abs=5e-4)
    click = metrics["tasks"]["click"]
    assert set(click["estimates"]) == {
        *("constant", "item_mean", "logistic", "single_task", "multi_task"),
    }
    assert click["estimates"]["constant"]["value"] == 0.5
    assert click["n"] == 800


def test_the_verdict_agrees_with_the_intervals(done: Result, metrics: dict[str, Any]) -> None:
    told = " ".join(done.output.split())
    for sentence in metrics["verdict"]:
        assert " ".join(sentence.split()) in told
    gain = metrics["tasks"]["click"]["gains"]["single_task"]
    (said,) = [sentence for sentence in metrics["verdict"] if sentence.startswith("click: ")]
    if gain["low"] > 0:
        assert "together helped" in said
    elif gain["high"] < 0:
        assert "together hurt" in said
    else:
        assert "no difference" in said


def test_each_step_is_a_line_with_its_time(done: Result, folder: Path) -> None:
    lines = done.output.splitlines()
    for begin in ("Simulated 4,000 rows", "Drafted", "Trained, judged", "Compared with"):
        (line,) = [line for line in lines if line.startswith(begin)]
        assert re.search(r" \(\d+\.\d s\)$", line)
    assert "  warning: follows label: purchase_time:" in done.output
    assert (
        f"Training, as by: plait train {folder}/experiment.toml --out {folder}/run "
        "--set training.seed=2 --set training.epochs=1 --set history=false"
    ) in done.output


def test_the_next_commands_name_what_was_written(done: Result, folder: Path) -> None:
    after = done.output.partition("Try now:\n")[2]
    assert f"plait report {folder}/run --baselines constant,item_mean,logistic,trees," in after
    assert f"plait doctor {folder}/run" in after
    assert f"plait train {folder}/experiment.toml" in after


def test_nothing_is_overwritten_unless_forced_and_the_same_seed_gives_the_same(
    folder: Path, metrics: dict[str, Any]
) -> None:
    (folder / "mine.txt").write_text("kept")
    again = plait("--out", folder, *SMALL)
    assert again.exit_code == 2
    assert f"{folder} holds report.html, metrics.json, experiment.toml, log.parquet, run" in (
        again.stderr
    )
    assert "Replace them by --force, or write elsewhere by --out." in again.stderr
    forced = plait("--out", folder, *SMALL, "--force", "--json")
    assert forced.exit_code == 0, forced.output
    form = json.loads(forced.stdout)
    assert {name: form[name] for name in metrics} == metrics
    assert "Drafted" in forced.stderr
    assert str(folder / "report.html") in form["files"]
    assert (folder / "mine.txt").read_text() == "kept"


def test_force_removes_no_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("kept")
    ended = plait("--out", tmp_path, *SMALL, "--force")
    assert ended.exit_code == 2
    assert "holds files that are no run, so --force does not remove it" in ended.stderr
    assert (tmp_path / "run" / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dataset", "ml100k"), "does not come with plait. Say where its files lie: --path"),
        (("--dataset", "ml10k", "--path", "."), "There is no data set 'ml10k' in the catalogue"),
        (("--dataset", "ml100k", "--path", "nowhere"), "needs ratings.parquet"),
        (("--out", "file"), "file is a file. Name a folder by --out."),
        (("--rows", "400", "--set", "training.epoch=1"), "--set training.epoch"),
    ],
)
def test_a_mistake_is_told(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    ended = plait(*words)
    assert ended.exit_code == 2
    assert said in ended.stderr


def stopper(error: BaseException, *, begin: Callable[[Path], None] | None = None) -> object:
    """Stands for a step that is stopped after it has begun to write."""

    def stop(*_: object, out: Path | None = None, **__: object) -> NoReturn:
        if begin is not None and out is not None:
            begin(out)
        raise error

    return stop


def checkpoint(run: Path) -> None:
    (run / "training" / "checkpoint").mkdir(parents=True)


def test_a_stop_before_training_says_how_to_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{RUNNING}.drafted", stopper(KeyboardInterrupt()))
    ended = plait("--out", tmp_path, *SMALL)
    assert ended.exit_code == 130
    assert f"Stopped. What is there: {tmp_path}/log.parquet." in ended.output
    assert f"To begin again: plait demo --out {tmp_path} --force." in ended.output


def test_a_stop_of_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = TrainingInterrupted(signal.SIGTERM, folder="x")
    monkeypatch.setattr(f"{RUNNING}.train", stopper(stop, begin=checkpoint))
    ended = plait("--out", tmp_path, *SMALL)
    assert ended.exit_code == 143
    assert f"{tmp_path}/experiment.toml, {tmp_path}/log.parquet" in ended.output
    assert "repeat the command of the training above with --resume" in ended.output


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), TrainingInterrupted(signal.SIGINT, folder=None)]
)
def test_a_stop_of_the_comparison_says_that_the_run_is_finished(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{RUNNING}.write_report", stopper(stop))
    ended = plait("--out", tmp_path, *SMALL)
    assert ended.exit_code == 130
    assert f"The model is trained; to compare it: plait report {tmp_path}/run " in ended.output
    assert "Nothing was kept" not in ended.output
    assert (tmp_path / "run" / "metrics.json").exists()


def test_a_narrow_terminal_gets_a_table_that_fits(
    done: Result, folder: Path, metrics: dict[str, Any]
) -> None:
    from rich.console import Console

    from plait.cli.comparison import print_demo
    from plait.metrics import Estimate
    from plait.studies.demo import Demo, DemoRow

    rows = tuple(
        DemoRow(
            task=task,
            metric=form["metric"],
            higher_is_better=form["higher_is_better"],
            n=form["n"],
            n_positive=form["n_positive"],
            estimates={"multi_task": Estimate(0.123456)},
            gains={},
        )
        for task, form in metrics["tasks"].items()
    )
    made = Demo(folder, 4_000, 2, (), "test", rows, tuple(metrics["verdict"]))
    console = Console(width=80, record=True, file=sys.stderr, highlight=False)
    print_demo(made, console)
    shown = console.export_text()
    table = shown.partition("On the test rows.")[0]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 80
    assert "survey_at_least_5" in table
    assert "0.123" in table
    assert "–: not trained, or no number." in shown
