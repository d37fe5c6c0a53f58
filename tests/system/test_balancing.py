"""A rule in an experiment file: trained, written down, reported, profiled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from plait.cli import app

FILE = """
[data]
log = "log.parquet"

[roles]
user = "user"
item = "item"

[features]
categorical = ["user", "item"]
numeric = ["age"]

[tasks.click]
kind = "binary"

[tasks.watch]
kind = "regression"

[split]
by = "random"

[training]
epochs = 2
batch_size = 128

[balancing]
name = "{name}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    age = rng.normal(size=1500)
    frame = pl.DataFrame(
        {
            "user": rng.integers(0, 50, 1500),
            "item": rng.integers(0, 30, 1500),
            "age": age,
            "click": (rng.random(1500) < 1 / (1 + np.exp(-age))).astype(int),
            "watch": -1000 * age + rng.normal(size=1500),
        }
    )
    frame.write_parquet(tmp_path / "log.parquet")
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_a_gradient_rule_is_trained_told_and_reported(folder: Path) -> None:
    file = folder / "exp.toml"
    file.write_text(FILE.format(name="FairGrad"))
    run(folder, "train", str(file), "--out", str(folder / "run"))
    history = json.loads((folder / "run" / "history.json").read_text())
    told = history["evaluations"][-1]["balance"]
    assert told["weights"]["click"] + told["weights"]["watch"] == pytest.approx(2)
    assert set(told["norms"]) == {"click", "watch"}
    assert -1 <= told["cosines"]["click"]["watch"] <= 1
    assert 0 <= told["conflicts"]["click"]["watch"] <= 1
    run(folder, "report", str(folder / "run"))
    page = (folder / "run" / "report.md").read_text()
    assert "Balancing by FairGrad" in page
    assert "steps in conflict" in page


@pytest.mark.parametrize("name", ["FAMO", "MGDA"])
def test_a_rule_that_looks_twice_or_at_gradients_is_profiled(folder: Path, name: str) -> None:
    file = folder / "exp.toml"
    file.write_text(FILE.format(name=name))
    assert "backward pass" in run(folder, "profile", str(file), "--seconds", "0.2")
