"""Soft labels and hybrid learning as a person asks for them: in Python, in a file, by command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.system.feeds import arguments, feed
from tests.system.test_command_line import EXPERIMENT, plait
from torch.testing import assert_close

from plait import (
    Experiment,
    Hybrid,
    MaskedFields,
    MultiTaskEstimator,
    RandomSplit,
    SoftLabels,
    Training,
    train,
)
from plait.data.log import Log
from plait.data.preparing import prepare
from plait.errors import ConfigurationError
from plait.experiment.running import build
from plait.methods import Method
from plait.studies.profile.profiling import profile_training
from plait.studies.report import write_report

METHOD = """
[method]
kind = "soft_labels"
members = 2
start = { kind = "hybrid", pretext_epochs = 1, pretext = { name = "MaskedFields", share = 0.4 } }
"""
EXPECTED = SoftLabels(members=2, start=Hybrid(pretext_epochs=1, pretext=MaskedFields(share=0.4)))


def _few_labels(rows: int) -> pl.DataFrame:
    """A feed on whose rows three labels of four are missing."""
    log = feed(rows)
    kept = pl.Series(np.random.default_rng(0).random(rows) < 0.25)
    return log.with_columns(
        pl.when(kept).then(pl.col(name)).alias(name) for name in ("click", "like")
    )


def test_a_run_says_how_it_learnt_wherever_one_looks(tmp_path: Path) -> None:
    run = train(**arguments(_few_labels(1200), tmp_path / "run", epochs=2), method=EXPECTED)
    written = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["method"]
    assert written == EXPECTED.to_json()
    card = (run.folder / "artifact" / "README.md").read_text(encoding="utf-8")
    assert "The way to learn was `soft_labels`, with\n" in card
    assert "- `start`: hybrid (pretext MaskedFields (share 0.4, " in card
    assert any("rows without the label of 'click'" in fact for fact in run.facts)
    write_report(run.folder)
    report = (run.folder / "report.md").read_text(encoding="utf-8")
    assert "by soft-label learning: teachers labelled the rows" in report
    assert "rows without the label of 'click'" in report


def test_the_command_trains_as_the_file_says_and_goes_on(tmp_path: Path) -> None:
    _few_labels(1200).write_parquet(tmp_path / "feed.parquet")
    (tmp_path / "exp.toml").write_text(EXPERIMENT + METHOD, encoding="utf-8")
    assert Experiment.read(tmp_path / "exp.toml").arguments()["method"] == EXPECTED
    done = plait("train", "exp.toml", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for stage in ("first layer, from all rows:", "teacher 2 of 2:", "soft labels:", "student:"):
        assert stage in done.stderr
    again = plait("train", "exp.toml", "--resume", "--set", "training.epochs=1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("pretext_epochs = 1", "there is no key `method.start.pretext_epoch`. Did you mean"),
        ('kind = "hybrid"', "there is no way to learn 'hybrit'. Did you mean 'hybrid'?"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, wrong: str, message: str) -> None:
    feed(100).write_parquet(tmp_path / "feed.parquet")
    other = {"pretext_epochs = 1": "pretext_epoch = 1", 'kind = "hybrid"': 'kind = "hybrit"'}
    text = EXPERIMENT + METHOD.replace(wrong, other[wrong])
    (tmp_path / "exp.toml").write_text(text, encoding="utf-8")
    done = plait("train", "exp.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_noise_from_a_column_of_the_log(tmp_path: Path) -> None:
    log = feed(800).with_columns(late=pl.lit(0.2))
    method = SoftLabels(members=1, mode="forward", missed={"click": "late"})
    given = arguments(log, tmp_path / "run", epochs=1)
    run = train(**given, method=method)
    assert "labels of 'click' are read as missed at 0.200 and false at 0.000" in run.facts[-1]
    # A fifth of the clicks was missed: there are 1 / 0.8 as many as were recorded.
    plain = train(**{**given, "out": tmp_path / "plain"})
    pcoc = [r.evaluation.tasks["click"]["pcoc"].value for r in (run, plain)]
    assert pcoc[0] / pcoc[1] == pytest.approx(1.25, rel=0.05)


@pytest.mark.parametrize("method", [SoftLabels(members=1), Hybrid(pretext_epochs=1)])
def test_the_estimator_takes_a_method(method: Method) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 3))
    labels = (features[:, :2] > 0).astype(float)
    labels[rng.random(300) < 0.5] = np.nan
    quick = Training(epochs=1)
    found = MultiTaskEstimator(method=method, training=quick).fit(features, labels)
    plain = MultiTaskEstimator(training=quick).fit(features, labels)
    with pytest.raises(AssertionError):
        assert_close(found.predict(features), plain.predict(features))
    assert found.get_params()["method"] is method


def test_without_validation_rows_teachers_cannot_be_calibrated(tmp_path: Path) -> None:

    given = {
        **arguments(_few_labels(300), tmp_path / "run", epochs=1),
        "split": RandomSplit(valid=0.0),
    }
    with pytest.raises(ConfigurationError, match="no validation rows, which calibrate"):
        train(**given, method=SoftLabels())


@pytest.mark.parametrize("start", [None, Hybrid(pretext_epochs=1)], ids=["plain", "hybrid"])
def test_the_first_training_of_several_is_profiled(tmp_path: Path, start: Hybrid | None) -> None:
    given = arguments(_few_labels(400), tmp_path / "run", epochs=1)
    log = Log((given["log"],), given["schema"], tuple(given["tasks"]))
    prepared = prepare(log, given["split"], cache=tmp_path)
    found = profile_training(
        build(prepared),
        prepared,
        training=given["training"],
        method=SoftLabels(start=start),
        seconds=0.1,
    )
    assert found.stretch.steps > 0
    assert found.stretch.seconds["backward"] > 0
