"""The commands that train towers, find candidates and write vectors."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from tests.unit.retrieval.making import items, log, users
from typer.testing import CliRunner, Result

from plait.cli import app

EXPERIMENT = """
[data]
log = "log.parquet"
[tables.users]
source = "users.parquet"
on = "user"
[tables.items]
source = "items.parquet"
on = "item"
[features]
categorical = ["user", "item", "hour"]
numeric = ["age"]
multi_hot = ["genres"]
[roles]
user = "user"
item = "item"
time = "time"
[tasks.like]
kind = "binary"
[split]
by = "time"
[training]
epochs = 1
batch_size = 128
[retrieval]
positives = { like = 1.0 }
width = 8
layers = [8]
k = 5
"""


def call(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    log().write_parquet("log.parquet")
    users().write_parquet("users.parquet")
    items().write_parquet("items.parquet")
    Path("feed.toml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path


def test_from_a_file_to_candidates(folder: Path) -> None:
    ended = call("towers", "feed.toml")
    assert ended.exit_code == 0, ended.output
    assert "epoch 1: loss" in ended.stderr
    assert "test: recall 0." in ended.stdout
    assert "The run lies in runs/feed-towers." in ended.stdout
    asked = ("retrieve", "runs/feed-towers", "users.parquet", "--exact", "-k", 3)
    ended = call(*asked, "--output", "found.csv", "--seen", "log.parquet")
    assert ended.exit_code == 0, ended.output
    assert "Wrote 90 candidates for 30 users to found.csv, out of 40 items." in ended.stdout
    assert pl.read_csv("found.csv").columns == ["user", "rank", "item", "score"]
    ended = call(*asked, "--output", "found.csv")
    assert ended.exit_code == 2
    assert "found.csv exists" in ended.stderr
    ended = call(*asked, "--output", "found.csv", "--force", "--json", "--items", "items.parquet")
    assert json.loads(ended.stdout)["index_recall"] is None
    pl.DataFrame({"user": ["new"], "age": [30]}).write_parquet("new.parquet")
    ended = call("retrieve", "runs/feed-towers", "new.parquet", "--exact", "-k", 3, "-o", "n.csv")
    assert "1 users are unknown from training" in ended.stdout
    ended = call(*asked[:-1], 41, "--output", "more.csv")
    assert ended.exit_code == 2
    assert "`k` is 41, and there are 40 items" in ended.stderr
    assert not Path("more.csv").exists()
    vectors = ("embed", "runs/feed-towers", "items.parquet", "--side", "item")
    ended = call(*vectors, "--output", "vectors.parquet")
    assert ended.exit_code == 0, ended.output
    assert pl.read_parquet("vectors.parquet")["embedding"].list.len().unique().to_list() == [8]
    ended = call(*vectors, "--output", "vectors.csv")
    assert ended.exit_code == 2
    assert "CSV cannot hold the lists in embedding" in ended.stderr
    assert call("predict", "runs/feed-towers", "log.parquet", "-o", "p.csv").exit_code == 2


def test_a_run_is_told_as_json_and_kept(folder: Path) -> None:
    ended = call("towers", "feed.toml", "--out", "run", "--quiet", "--json")
    assert ended.exit_code == 0, ended.output
    assert ended.stderr == ""
    document = json.loads(ended.stdout)
    assert set(document["recall"]) == {"valid", "test"}
    again = call("towers", "feed.toml", "--out", "run")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    longer = call(
        *("towers", "feed.toml", "--out", "run", "--set", "training.epochs=2", "--resume", "--json")
    )
    assert longer.exit_code == 0, longer.output
    assert json.loads(Path("run/history.json").read_text("utf-8"))["epochs"][1]["number"] == 2
    other = call("towers", "feed.toml", "--out", "run", "--set", "retrieval.k=3", "--resume")
    assert other.exit_code == 2
    assert "begun with other settings (retrieval changed)" in other.stderr
    assert call("towers", "feed.toml", "--out", "run", "--force", "--quiet").exit_code == 0
    assert folder.joinpath("run", "artifact", "items.parquet").exists()


def test_what_the_file_gets_wrong_is_told_with_its_line(folder: Path) -> None:
    text = EXPERIMENT.replace("{ like = 1.0 }", "{ liked = 1.0 }")
    folder.joinpath("feed.toml").write_text(text, encoding="utf-8")
    ended = call("towers", "feed.toml")
    assert ended.exit_code == 2
    assert "no task 'liked' in `positives`. Did you mean 'like'?" in ended.stderr
    assert "feed.toml:" in ended.stderr
    folder.joinpath("feed.toml").write_text(EXPERIMENT.replace("k = 5", "k = 0"), encoding="utf-8")
    assert (
        "feed.toml:29: Retrieval: `k` must be at least 1, got 0"
        in call("towers", "feed.toml").stderr
    )
