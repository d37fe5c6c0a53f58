"""Real data: the features hold no answer, and a short run comes near the published band."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks._sets import CENSUS_1, CENSUS_2, Recipe

from plait import Experiment, Schema, Training, train

EXAMPLE = Path(__file__).parents[2] / "examples" / "census_income" / "experiment.toml"

# What labels were made from, what UCI says is no feature, and the partition.
ANSWERS = {"income_50k", "marital_stat", "instance_weight", "fold"}


def _columns(schema: Schema) -> set[str]:
    return {column for feature in schema.features for column in feature.columns()}


def _answers_among(schema: Schema, *more: str) -> set[str]:
    columns = _columns(schema)
    return (columns & {*ANSWERS, *more}) | {name for name in columns if name.startswith("label_")}


def test_no_feature_of_the_benchmark_is_the_source_of_a_label() -> None:
    assert _answers_among(CENSUS_1.schema) == set()
    assert _answers_among(CENSUS_2.schema, "education") == set()


def test_no_feature_of_the_example_is_the_source_of_a_label(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLAIT_DATA", str(tmp_path))
    schema = Experiment.read(EXAMPLE).arguments()["schema"]
    assert _answers_among(schema) == set()
    assert _columns(schema) == _columns(CENSUS_1.schema)


@pytest.mark.parametrize(
    ("recipe", "task", "least"),
    [(CENSUS_1, "income", 0.945), (CENSUS_2, "college", 0.88)],
    ids=["income", "college"],
)
def test_a_few_epochs_come_near_the_published_band(
    recipe: Recipe, task: str, least: float, data_folder: Path, tmp_path: Path
) -> None:
    run = train(
        recipe.log(data_folder),
        schema=recipe.schema,
        tasks=recipe.tasks,
        split=recipe.split,
        training=Training(epochs=3),
        out=tmp_path / "run",
    )
    assert run.judged_on == "test"
    assert run.evaluation.tasks[task]["auc"].value >= least
    assert run.evaluation.tasks["never_married"]["auc"].value >= 0.99
