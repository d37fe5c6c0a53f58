"""The commands, as a person types them: train, stop, resume, evaluate, predict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from tests.processes import run_plait
from tests.system.feeds import feed

EXPERIMENT = """
[data]
log = "feed.parquet"

[features]
categorical = ["user_id", "item_id"]
numeric = ["age"]
sequence = [{ name = "history", shares = "item_id" }]
multi_hot = [{ name = "tags", delimiter = "|" }]

[roles]
user = "user_id"
item = "item_id"
time = "time"

[tasks.click]
kind = "binary"
min_positives = 1

[tasks.like]
kind = "binary"
space = "click == 1"
parents = ["click"]
min_positives = 1

[split]
by = "time"

[model]
architecture = { name = "MMoE", num_experts = 2 }

[training]
epochs = 2
batch_size = 64

[metrics]
group_by = "user_id"
"""


def plait(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command and wait for it."""
    return run_plait(*words, cwd=cwd)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, an experiment on it, and a finished run."""
    folder = tmp_path_factory.mktemp("place")
    feed(1500).write_parquet(folder / "feed.parquet")
    (folder / "experiment.toml").write_text(EXPERIMENT)
    done = plait("train", "experiment.toml", "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "train.json").write_text(done.stdout)
    return folder


def test_train_prints_one_json_document_and_writes_the_metrics(place: Path) -> None:
    printed = json.loads((place / "train.json").read_text())
    metrics = json.loads((place / "run" / "metrics.json").read_text())
    assert printed["metrics"] == metrics["test"]
    assert set(metrics["test"]) == {"click", "like"}
    assert metrics["test"]["click"]["gauc"]["n_groups"] > 10


def test_case_105_predict_writes_a_column_a_task(place: Path) -> None:
    done = plait("predict", "run", "feed.parquet", "-o", "scores.parquet", cwd=place)
    assert done.returncode == 0, done.stderr
    scores = pl.read_parquet(place / "scores.parquet")
    assert scores.columns == ["click", "like"]
    assert len(scores) == 1500


def test_evaluate_judges_a_file(place: Path) -> None:
    done = plait("evaluate", "run", "feed.parquet", "--slice", "tags", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["click"]["auc"]["n"] == 1500


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_one(place: Path) -> None:
    text = EXPERIMENT.replace("batch_size = 64", "batchsize = 64")
    (place / "wrong.toml").write_text(text)
    done = plait("train", "wrong.toml", "--out", "wrong", cwd=place)
    line = text.splitlines().index("batchsize = 64") + 1
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert f"wrong.toml:{line}" in said
    assert "batch_size" in said
    assert "Traceback" not in said
    assert not (place / "wrong").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_says_how_to_go_on_and_goes_on(
    place: Path, number: signal.Signals, code: int
) -> None:
    out = f"stopped-{code}"
    command = [sys.executable, "-m", "plait", "train", "experiment.toml", "--out", out]
    long = [*command, "--set", "training.epochs=15", "--set", "training.patience=15"]
    running = subprocess.Popen(long, cwd=place, stderr=subprocess.PIPE, text=True)
    archive = place / out / "training" / "archive"
    deadline = time.monotonic() + 120
    while not (archive.exists() and any(archive.iterdir())):  # until an epoch was evaluated
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(running.pid, number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == code, said
    assert "--resume" in said
    assert (place / out / "training" / "checkpoint").exists()
    other = [*command[3:], "--set", "training.learning_rate=0.5"]
    refused = plait(*other, "--resume", cwd=place)
    assert refused.returncode == 2
    assert "training changed" in " ".join(refused.stderr.split())
    resumed = plait(*long[3:], "--resume", cwd=place)
    assert resumed.returncode == 0, resumed.stderr
    assert (place / out / "metrics.json").exists()


def test_the_schema_of_experiment_files_is_json(place: Path) -> None:
    schema = json.loads(plait("schema", cwd=place).stdout)
    assert {"data", "features", "tasks", "split", "training"} <= set(schema["properties"])
