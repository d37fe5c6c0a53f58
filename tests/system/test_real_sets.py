"""The examples on the real sets, where PLAIT_DATA names their folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from plait import Experiment, train

EXAMPLES = Path(__file__).parents[2] / "examples"
LABEL_SOURCES = {
    "census_income": {
        "income_50k",
        "marital_stat",
        "instance_weight",
        "label_income_gt50k",
        "label_never_married",
        "label_college",
        "fold",
    },
    "movielens": {"rating", "fold", "time_rank", "timestamp"},
}
BARS = {
    "census_income": {"income": ("auc", 0.94), "never_married": ("auc", 0.992)},
    "movielens": {"like": ("auc", 0.74), "love": ("auc", 0.75)},
}


@pytest.mark.parametrize("name", LABEL_SOURCES)
def test_no_source_of_a_label_is_a_feature(name: str) -> None:
    file = tomllib.loads((EXAMPLES / name / "experiment.toml").read_text())
    read = {
        entry if isinstance(entry, str) else entry.get("column", entry["name"])
        for entries in file["features"].values()
        for entry in entries
    }
    assert read
    assert not read & LABEL_SOURCES[name]


@pytest.mark.parametrize("name", LABEL_SOURCES)
def test_an_example_trains_on_its_real_set(
    name: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_DATA", str(data_folder))
    path = EXAMPLES / name / "experiment.toml"
    experiment = Experiment.read(path, overrides=["training.epochs=2"])
    run = train(**experiment.arguments(), out=tmp_path / "run")
    for task, (metric, bar) in BARS[name].items():
        assert run.evaluation.tasks[task][metric].value > bar
