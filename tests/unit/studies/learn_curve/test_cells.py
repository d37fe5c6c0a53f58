"""One training and its file: kept whole, read back, refused where it is damaged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from plait.errors import ArtifactError
from plait.studies.learn_curve import CurveSettings
from plait.studies.learn_curve.cells import Cell, Place, places_of, read_cell, write_cell

PLACE = Place(1, 0.05, 0.2, "hybrid_soft_labels")


def test_seeds_come_one_after_another_and_supervised_first() -> None:
    settings = CurveSettings(shares=(1, 0.1), flips=(0.0,), families=("hybrid",), seeds=2)
    assert [(p.seed, p.share, p.family) for p in places_of(settings)] == [
        (seed, share, family)
        for seed in (0, 1)
        for share in (0.1, 1)
        for family in ("supervised", "hybrid")
    ]


def test_a_cell_comes_back_as_it_was(tmp_path: Path) -> None:
    labels = {"click": {"observed": 7, "positives": 2}}
    cell = Cell(PLACE, {"click": {"auc": 0.7}}, labels, seconds=1.5)
    write_cell(cell, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [
        "seed-1_share-0.05_flip-0.2_hybrid_soft_labels.json"
    ]
    assert read_cell(PLACE, tmp_path) == cell
    assert read_cell(Place(0, 0.05, 0.2, "hybrid"), tmp_path) is None


def test_a_number_that_is_none_comes_back_as_nan(tmp_path: Path) -> None:
    write_cell(Cell(PLACE, {"click": {"auc": math.nan}}), tmp_path)
    found = read_cell(PLACE, tmp_path)
    assert found is not None
    assert math.isnan(found.value("click", "auc"))
    assert math.isnan(found.value("like", "auc"))


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"metrics": 3}'])
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / PLACE.file).write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"it is damaged.*Remove it, and run the study again"):
        read_cell(PLACE, tmp_path)


def test_a_file_of_another_place_is_told(tmp_path: Path) -> None:
    other = Place(1, 0.05, 0.2, "hybrid")
    write_cell(Cell(other), tmp_path)
    (tmp_path / other.file).rename(tmp_path / PLACE.file)
    with pytest.raises(ArtifactError, match="it is of another place"):
        read_cell(PLACE, tmp_path)
