"""The command `plait init`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from plait import Experiment
from plait.cli import app
from plait.errors import ExperimentFileError

ROWS = 1_000


def _plait(command: str, *words: str | Path) -> Result:
    return CliRunner().invoke(app, [command, *map(str, words)])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a log and its items: a click, a purchase, a column filled after it."""
    rng = np.random.default_rng(0)
    item, click = rng.integers(30, size=ROWS), (rng.random(ROWS) < 0.4).astype(int)
    buy = click * (rng.random(ROWS) < 0.5)
    log = {
        "user_id": rng.integers(60, size=ROWS),
        "item_id": item,
        "time": np.arange(ROWS) + 1_700_000_000,
        "hour": np.arange(ROWS) // 60 % 24,
        "click": click,
        "buy": buy,
        "paid_with": np.where(buy > 0, rng.choice(["card", "cash"], ROWS), None).tolist(),
    }
    pl.DataFrame(log).write_parquet(tmp_path / "log.parquet")
    prices = {"item_id": np.arange(30), "price": rng.exponential(size=30)}
    pl.DataFrame(prices).write_parquet(tmp_path / "items.parquet")
    return tmp_path


def _table(shop: Path) -> str:
    return f"items={shop / 'items.parquet'}"


def test_it_writes_a_file_and_says_what_it_holds(shop: Path) -> None:
    file = shop / "made" / "shop.toml"
    done = _plait("init", shop / "log.parquet", "--table", _table(shop), "-o", file)
    assert done.exit_code == 0, done.output
    buys = pl.read_parquet(shop / "log.parquet")["buy"]
    assert "1,000 rows; 4 of 6 columns are features." in done.stdout
    assert "user: user_id\n" in done.stdout
    assert "table items: both have it, unique in the table" in done.stdout
    assert f"task buy: binary, {buys.mean():.2%} of 1,000 rows" in done.stdout
    assert "split: the last rows by 'time' test, as in use" in done.stdout
    assert f"Wrote {file}. Read it, correct it, then: plait train {file}" in done.stdout
    assert done.stderr == (
        f"warning: follows label: paid_with: filled on {buys.sum()} rows where 'buy' is positive, "
        "on 0 others\n"
    )
    read = Experiment.read(file).arguments()
    assert [task.name for task in read["tasks"]] == ["click", "buy"]
    assert read["tasks"][1].parents == ("click",)
    assert set(read["schema"].names) == {"user_id", "item_id", "hour", "price"}
    assert sorted(path.name for path in file.parent.iterdir()) == ["shop.toml"]


def test_the_file_trains_as_it_stands(shop: Path) -> None:
    file, run = shop / "shop.toml", shop / "run"
    assert _plait("init", shop / "log.parquet", "--table", _table(shop), "-o", file).exit_code == 0
    done = _plait("train", file, "--set", "training.max_steps=2", "--out", run, "--json", "-q")
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["metrics"]) == {"click", "buy"}


def test_it_overwrites_nothing_unless_forced(shop: Path) -> None:
    file = shop / "experiment.toml"
    file.write_text("kept")
    done = _plait("init", shop / "log.parquet", "-o", file)
    assert done.exit_code == 2
    assert f"{file} exists. Replace it by --force, or name another file" in done.stderr
    assert file.read_text() == "kept"
    assert _plait("init", shop / "log.parquet", "-o", file, "--force").exit_code == 0
    assert "[tasks.click]" in file.read_text(encoding="utf-8")


def test_it_prints_json_where_asked(shop: Path) -> None:
    file = shop / "experiment.toml"
    done = _plait("init", shop / "log.parquet", "-o", file, "--json")
    document = json.loads(done.stdout)
    assert document["file"] == str(file)
    assert [task["name"] for task in document["tasks"]] == ["click", "buy"]
    (leak,) = document["warnings"]
    assert leak["kind"] == "follows_label"
    assert leak["columns"] == ["paid_with", "buy"]
    assert leak["is_leak"]
    assert done.stderr == ""


def test_a_person_may_name_a_label(shop: Path) -> None:
    file = shop / "experiment.toml"
    done = _plait("init", shop / "log.parquet", "-o", file, "--label", "hour")
    assert done.exit_code == 0, done.output
    assert "hour" in [task.name for task in Experiment.read(file).arguments()["tasks"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--table", "items"), "`--table items` is not NAME=FILE, as in"),
        (("--table", "=items.parquet"), "`--table =items.parquet` is not NAME=FILE"),
        (("--table", "items="), "`--table items=` is not NAME=FILE"),
        (("--table", "a=x.csv", "--table", "a=y.csv"), "`--table` names 'a' twice."),
        (("--output", "log.parquet", "--force"), "`--output log.parquet` is no experiment file"),
        (("--label", "clik"), "There is no column 'clik' in `labels`. Did you mean 'click'?"),
        (("--table", "items=nothing.parquet"), "nothing.parquet"),
    ],
)
def test_mistakes_tell_the_way_out_and_write_nothing(
    shop: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    before = (shop / "log.parquet").read_bytes()
    done = _plait("init", "log.parquet", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (shop / "experiment.toml").exists()
    assert (shop / "log.parquet").read_bytes() == before


def test_a_file_that_train_would_refuse_is_not_left(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        assert "[tasks.click]" in Path(path).read_text(encoding="utf-8")
        raise ExperimentFileError(Path(path), ["line 1: no"])

    monkeypatch.setattr(Experiment, "read", refuse)
    file = shop / "made" / "experiment.toml"
    assert _plait("init", shop / "log.parquet", "-o", file).exit_code == 2
    assert list(file.parent.iterdir()) == []
