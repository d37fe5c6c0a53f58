"""The sets of the catalogue on real files, where PLAIT_DATA names their folder."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import pytest
from tests.unit.data.catalog_making import make_set

import plait
from plait.data import catalog
from plait.data.catalog import CatalogSet
from plait.data.joins import join
from plait.data.labels import TaskReader
from plait.data.reading import read

SLICE = 3_000

# Rows above 0 (labels that are yes or no) or rows with a label (numbers), as published.
LABELS = {
    "census_income": {"income": 6_186, "never_married": 43_143},
    "census_income_2": {"college": 19_456, "never_married": 43_143},
    "ml100k": {"like": 55_375, "love": 21_201, "rating": 100_000},
    "ml100k_time": {"like": 55_375, "love": 21_201, "rating": 100_000},
    "anime": {"rated": 419_943, "high": 254_581, "score": 419_943},
    "anime_strict": {"rated": 419_943, "high": 254_581, "score": 419_943},
    "steam200k": {"played": 70_477, "engaged": 25_409, "log_hours": 70_477},
    "hillstrom": {"visit": 9_394, "conversion": 578, "spend": 578},
    "open_bandit": {"click": 287},
    "open_bandit_all": {"click": 80},
    "open_bandit_men": {"click": 115},
    "open_bandit_women": {"click": 92},
    "ifood_campaigns": {"cmp1": 144, "cmp2": 30, "cmp3": 163, "cmp4": 167, "cmp5": 163}
    | {"response": 334},
    "uci_restaurants": {"overall": 486, "food": 516, "service": 420},
    "taobao_cart_buy": {"cart": 193_747, "buy": 259_771},
}
GROUPS = {"census_income": 1, "census_income_2": 2}
KINDS = {"value": "regression"}
SAMPLES = {
    "aliexpress": (
        {
            "train.csv": "aliexpress_us_train_sample.csv",
            "test.csv": "aliexpress_us_test_sample.csv",
        },
        {"click": 70, "conversion": 4},
    ),
    "ali_ccp": (
        {f"ali_ccp_{part}.csv": f"ali_ccp_{part}_sample.csv" for part in ("train", "val", "test")},
        {"click": 12, "purchase": 3},
    ),
    "ali_ccp_slots": (
        {"train.txt": "ali_ccp_raw_slots.txt", "test.txt": "ali_ccp_raw_slots.txt"},
        {"click": 4, "purchase": 2},
    ),
    "byterec": ({"final_track2_train.txt": "byterec_sample.tsv"}, {"finish": 76, "like": 7}),
}


def _counts(found: CatalogSet) -> tuple[int, dict[str, int]]:
    """Rows of the log, and of each task the rows above 0 among those that have a label."""
    reader = TaskReader(found.tasks)
    frame = read(found.log).select(sorted(reader.columns)).collect()
    labels = reader.read(frame)
    seen = (labels.observed & (labels.labels > 0)).sum(axis=0)
    return frame.height, {task.name: int(n) for task, n in zip(found.tasks, seen, strict=True)}


def _train_on_a_slice(found: CatalogSet, out: Path) -> plait.Run:
    whole = join(read(found.log), found.tables, time=found.schema.time)
    frame = whole.collect()
    part = frame.gather_every(max(frame.height // SLICE, 1))
    arguments = found.arguments() | {"log": part, "tables": ()}
    return plait.train(**arguments, training=plait.Training(epochs=1), out=out)


@pytest.mark.parametrize("name", LABELS)
def test_a_set_has_the_published_rows_and_labels(name: str, data_folder: Path) -> None:
    found = catalog.load(name, data_folder)
    rows, labels = _counts(found)
    if name == "taobao_cart_buy":  # pairs that never occurred were drawn
        assert rows > 1.9 * 414_327
    else:
        assert rows == found.rows
    assert labels == LABELS[name]


@pytest.mark.parametrize("name", LABELS)
def test_a_set_agrees_with_its_description(name: str, data_folder: Path) -> None:
    entry = catalog.describe(name)
    told = json.loads((data_folder / entry.folder / "dataset.json").read_text())
    group = GROUPS.get(name)
    tasks = {
        task["name"]: task["type"].replace("implicit", "binary")
        for task in told["tasks"]
        if group is None or task["group"] == group or group in _listed(task["group"])
    }
    assert {task.name: KINDS.get(task.kind, task.kind) for task in entry.tasks} == tasks
    read_columns = {column for f in entry.schema.features for column in f.columns()}
    never = [pattern for pattern in told["never_use_as_features"] if "(" not in pattern]
    assert not [c for c in read_columns for pattern in never if fnmatch(c, pattern)]


def _listed(group: object) -> list[object]:
    return group if isinstance(group, list) else []


@pytest.mark.parametrize("name", LABELS)
def test_a_set_trains_on_a_slice(name: str, data_folder: Path, tmp_path: Path) -> None:
    found = catalog.load(name, data_folder)
    run = _train_on_a_slice(found, tmp_path / "run")
    assert run.judged_on == "test"
    assert set(run.evaluation.tasks) == {task.name for task in found.tasks}
    for values in run.evaluation.tasks.values():
        assert any(value.n > 0 for value in values.values())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_of_a_large_set_is_read(name: str, data_folder: Path, tmp_path: Path) -> None:
    files, labels = SAMPLES[name]
    for published, sample in files.items():
        shutil.copy(data_folder / "tiny_samples" / sample, tmp_path / published)
    found = catalog.load(name, tmp_path)
    assert _counts(found)[1] == labels
    frame = read(found.log).collect()
    for feature in found.schema.features:
        assert set(feature.columns()) <= set(frame.columns)


@pytest.mark.parametrize("name", ["kuairand", "aliexpress", "ali_ccp", "ali_ccp_raw", "byterec"])
def test_made_files_of_a_large_set_train(name: str, tmp_path: Path) -> None:
    make_set(name, tmp_path, rows=400)
    run = _train_on_a_slice(catalog.load(name, tmp_path), tmp_path / "run")
    assert run.judged_on == "test"


def test_the_slots_of_a_sample_hold_several_values(data_folder: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        sample = data_folder / "tiny_samples" / "ali_ccp_raw_slots.txt"
        shutil.copy(sample, tmp_path / f"{part}.txt")
    frame = read(catalog.load("ali_ccp_slots", tmp_path).log).collect().head(10)
    assert frame["210"].list.len().sum() == 55
    assert frame["110_14"].list.len().sum() == 3_420
    assert frame.select(pl.col("508", "509", "702").null_count()).row(0) == (2, 7, 7)
    assert frame["853"].list.len().sum() == 6
