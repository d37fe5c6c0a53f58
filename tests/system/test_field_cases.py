"""What users of other libraries asked and reported, each as a test named after its row."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.system.feeds import arguments, feed

import plait
from plait import (
    BaseRate,
    Binary,
    Categorical,
    Chain,
    Equal,
    Fixed,
    MMoE,
    Multiclass,
    Numeric,
    Regression,
    Schema,
    Training,
)
from plait.architectures import ARCHITECTURES, Architecture
from plait.balancing import Balancer
from plait.data.batch import Batch
from plait.data.loading import BatchLoader
from plait.data.store import Store
from plait.training import Callback, StepReport

ROOT = Path(__file__).parents[2]


def anonymous_memory() -> int:
    """Memory of this process that no file backs, in bytes."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc, which Linux has"
)
def test_case_3_memory_does_not_climb_over_two_thousand_steps(tmp_path: Path) -> None:
    class Watch(Callback):
        """Memory every hundred steps."""

        seen: list[int]

        def __init__(self) -> None:
            self.seen = []

        def on_step(self, report: StepReport) -> None:
            if report.step % 100 == 0:
                self.seen.append(anonymous_memory())

    watch = Watch()
    settings = arguments(feed(1000), tmp_path / "run")
    settings["training"] = Training(
        epochs=200, max_steps=2000, batch_size=16, patience=200, evaluate_steps=100
    )
    small = partial(MMoE, num_experts=2, layers=(16,))
    plait.train(**settings, architecture=small, callbacks=(watch,))
    assert len(watch.seen) == 20
    assert np.mean(watch.seen[-5:]) - np.mean(watch.seen[5:10]) < 8 * 2**20


def test_case_17_a_new_user_gets_a_score_near_the_average(tmp_path: Path) -> None:
    log = feed(3000)
    run = plait.train(**arguments(log, tmp_path / "run", epochs=3))
    strangers = log.head(300).with_columns(user_id=pl.lit(1))
    score = run.predictor.predict(strangers)["click"].mean()
    assert score == pytest.approx(log["click"].mean(), abs=0.1)


def test_case_18_rows_never_seen_are_predicted_without_labels_or_rebuild(tmp_path: Path) -> None:
    run = plait.train(**arguments(feed(1000), tmp_path / "run", epochs=1))
    fresh = feed(50, seed=3).drop("click", "like", "seconds", "time")
    assert plait.load(run.folder).predict(fresh).shape == (50, 3)


@pytest.mark.parametrize(
    "balancer", [Equal(), BaseRate(), Fixed(weights={"click": 1.0, "like": 0.1, "seconds": 3.0})]
)
def test_cases_53_and_57_every_balancer_trains_with_bounded_weights(
    balancer: Balancer, tmp_path: Path
) -> None:
    class Weights(Callback):
        """Every weight that was in effect."""

        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_step(self, report: StepReport) -> None:
            self.seen += report.weights.values()

    weights = Weights()
    settings = arguments(feed(1000), tmp_path / "run")
    settings["training"] = Training(epochs=30, max_steps=50, batch_size=32, patience=30)
    run = plait.train(**settings, balancer=balancer, callbacks=(weights,))
    assert all(0 < weight < 100 for weight in weights.seen)
    assert run.history.skipped == {}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_cases_63_and_123_every_architecture_trains_end_to_end(
    kind: type[Architecture], tmp_path: Path
) -> None:
    log = feed(1500).with_columns(tab=pl.Series(["home", "search", "home"] * 500))
    settings = arguments(log, tmp_path / "run", epochs=1)
    features = (*settings["schema"].features, Categorical("tab"))
    settings["schema"] = replace(settings["schema"], features=features, scenario="tab")
    settings["architecture"] = partial(kind, layers=(16, 8))
    run = plait.train(**settings)
    found = plait.load(run.folder).predict(log.head(20))
    assert type(run.predictor.artifact.model.architecture) is kind
    assert np.isfinite(found.to_numpy()).all()


def test_case_65_three_tasks_of_unlike_kinds_train_together(tmp_path: Path) -> None:
    log = feed(1500).with_columns(mood=pl.col("tags").str.head(2))
    settings = arguments(log, tmp_path / "run")
    settings["training"] = Training(epochs=25, batch_size=32, patience=25)
    settings["tasks"] = (Binary("click"), Regression("seconds"), Multiclass("mood"))
    run = plait.train(**settings, history=False)  # a thousand rows have little of it
    tasks = run.evaluation.tasks
    assert {"auc", "rmse", "accuracy"} <= {m for metrics in tasks.values() for m in metrics}
    assert tasks["mood"]["accuracy"].value > 0.5  # the tags are a feature
    shares = run.predictor.predict(log.head(5)).select(pl.col("^mood.*$")).sum_horizontal()
    np.testing.assert_allclose(shares, 1.0, rtol=1e-5)


def test_case_69_a_known_conversion_rate_is_recovered(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 4, 40_000)
    ctr, cvr = np.array([0.2, 0.3, 0.4, 0.5])[kind], np.array([0.1, 0.4, 0.2, 0.3])[kind]
    click = rng.random(len(kind)) < ctr
    buy = click & (rng.random(len(kind)) < cvr)
    log = pl.DataFrame({"kind": kind, "click": click, "buy": buy})
    run = plait.train(
        log,
        schema=Schema((Categorical("kind"),)),
        tasks=(Binary("click"), Binary("buy", parents=("click",))),
        links=(Chain(parent="click", child="buy"),),
        split=plait.RandomSplit(),
        training=Training(epochs=8, batch_size=256, learning_rate=4e-3, average=0.99),
        out=tmp_path / "run",
    )
    found = run.predictor.predict(pl.DataFrame({"kind": [0, 1, 2, 3]}))
    # The log's own rates are up to three standard errors off: 0.024 with 1,400 clicks of a kind.
    np.testing.assert_allclose(found["buy_given_click"], [0.1, 0.4, 0.2, 0.3], rtol=0, atol=0.04)
    np.testing.assert_allclose(found["click"], [0.2, 0.3, 0.4, 0.5], rtol=0.1)


def test_case_71_the_funnel_example_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12_000, 2))
    click = rng.random(12_000) < 1 / (1 + np.exp(-2 * x[:, 0]))
    buy = click & (rng.random(12_000) < 1 / (1 + np.exp(1 - 2 * x[:, 1])))
    log = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "click": click, "buy": buy})
    run = plait.train(
        log,
        schema=Schema((Numeric("a"), Numeric("b"))),
        tasks=(Binary("click"), Binary("buy", parents=("click",))),
        links=(Chain(parent="click", child="buy"),),
        architecture=MMoE,
        split=plait.RandomSplit(),
        training=Training(epochs=6),
        out=tmp_path / "run",
    )
    tasks = run.evaluation.tasks
    for output, bar in (("click", 0.80), ("buy", 0.80), ("buy_given_click", 0.75)):
        assert tasks[output]["auc"].value > bar, output


def test_case_109_a_loader_whose_reading_fails_says_so_and_does_not_hang(tmp_path: Path) -> None:
    run = plait.train(**arguments(feed(600), tmp_path / "run", epochs=1))
    folder = next(run.folder.glob("prepared/*/train"))

    class Failing(Store):
        """A store whose disk goes away after a few batches."""

        reads = 0

        def batch(self, rows: np.ndarray | slice) -> Batch:
            self.reads += 1
            if self.reads > 3:
                raise OSError("the disk went away")
            return super().batch(rows)

    loader = BatchLoader(Failing.open(folder), 16)
    with pytest.raises(OSError, match="went away"):
        _drain(iter(loader))


def _drain(batches: Iterator[Batch]) -> None:
    for _ in batches:
        pass


def test_case_111_the_base_install_pulls_in_nothing_unexpected() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[><=~ \[]", line)[0] for line in project["dependencies"]}
    assert names <= {
        "filelock",  # torch needs it anyway
        "numpy",
        "polars",
        "pyarrow",
        "pydantic",
        "rich",
        "safetensors",
        "scikit-learn",
        "scipy",
        "torch",
        "torchjd",
        "typer",
        "xxhash",
    }


def test_case_121_from_a_csv_file_to_a_trained_model_in_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from plait.cli import app

    feed(800).drop("history").write_csv(tmp_path / "feed.csv")
    (tmp_path / "experiment.toml").write_text(
        '[data]\nlog = "feed.csv"\n'
        '[features]\ncategorical = ["user_id", "item_id"]\nnumeric = ["age"]\n'
        'multi_hot = [{ name = "tags", delimiter = "|" }]\n'
        '[tasks.click]\nkind = "binary"\n'
        '[split]\nby = "random"\n'
        "[training]\nepochs = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", "experiment.toml", "--out", "run"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "artifact" / "model.safetensors").exists()


def test_threads_do_not_change_what_is_learnt_beyond_rounding(tmp_path: Path) -> None:
    log, found = feed(1000), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        run = plait.train(**arguments(log, tmp_path / f"run{threads}", epochs=1))
        found.append(run.predictor.predict(log).to_numpy())
    torch.set_num_threads(1)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)
