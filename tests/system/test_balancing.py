"""A rule in an experiment file: trained, written down, reported, profiled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import plait
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


def test_one_model_for_every_preference(folder: Path) -> None:
    """Trained, written, asked and judged with a preference; another one answers otherwise."""
    file = folder / "exp.toml"
    text = FILE.format(name="Rays").replace("epochs = 2", "epochs = 4")
    file.write_text(text + 'rule = "BaseRate"\n')
    done, rows = str(folder / "run"), str(folder / "log.parquet")
    run(folder, "train", str(file), "--out", done)
    asked = {}
    for name, preference in {"first": "click=1", "second": "click=0.1,watch=0.9"}.items():
        out = folder / f"{name}.parquet"
        run(folder, "predict", done, rows, "-o", str(out), "--preference", preference)
        asked[name] = pl.read_parquet(out)
    assert not asked["first"].equals(asked["second"])
    again = plait.load(folder / "run").predict(rows, preference={"watch": 1.8, "click": 0.2})
    assert again.equals(asked["second"])
    model = plait.load(folder / "run")
    assert model.predict(rows).equals(model.predict(rows, preference={"click": 1, "watch": 1}))
    judged = [
        json.loads(run(folder, "evaluate", done, rows, "--json", "--preference", preference))
        for preference in ("click=1", "watch=1")
    ]
    clicks = [found["metrics"]["click"]["normalised_entropy"]["value"] for found in judged]
    assert clicks[0] < clicks[1]
    card = (folder / "run" / "artifact" / "README.md").read_text()
    assert 'model.predict(rows, preference={"click": 1, "watch": 1})' in card
    run(folder, "report", done)
    page = (folder / "run" / "report.md").read_text()
    assert "losses balanced by Rays over BaseRate, judged at equal shares" in page
    assert "backward pass" in run(folder, "profile", str(file), "--seconds", "0.2")


def test_a_preference_that_cannot_be_met_is_refused(folder: Path) -> None:
    file = folder / "exp.toml"
    file.write_text(FILE.format(name="Rays").replace("epochs = 2", "epochs = 1"))
    run(folder, "train", str(file), "--out", str(folder / "run"))
    file.write_text(FILE.format(name="Equal").replace("epochs = 2", "epochs = 1"))
    run(folder, "train", str(file), "--out", str(folder / "plain"))
    predict = ("-o", str(folder / "out.parquet"), "--preference")
    for name, preference, message in (
        ("run", "click=-1,watch=2", "`preference` must hold numbers of at least 0"),
        ("run", "click=0", "`preference` must hold numbers of at least 0"),
        ("run", "clik=1", "There is no task 'clik' in `preference`. Did you mean 'click'?"),
        ("run", "click", "'click' is not of the form TASK=WORTH"),
        ("run", "click=1,click=2", "names 'click' twice"),
        ("plain", "click=1", "This model was trained for one trade-off between its tasks"),
    ):
        done = CliRunner().invoke(
            app, ["predict", str(folder / name), str(folder / "log.parquet"), *predict, preference]
        )
        assert done.exit_code != 0
        assert message in " ".join(done.output.split())
    file.write_text(FILE.format(name="Weighted") + "weights = { click = 1.0, wach = 2.0 }\n")
    done = CliRunner().invoke(app, ["train", str(file), "--out", str(folder / "typo")])
    assert done.exit_code != 0
    assert "There is no weight for task 'watch'" in " ".join(done.output.split())
