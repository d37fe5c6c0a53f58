"""Which states are kept, and which files go."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file

from plait.training.archive import Archive, Entry, crowding_distances, dominates

NAN = math.nan


def entry(step: int, *scores: float, mix: float | None = None) -> Entry:
    named = dict(zip("abcdef", scores, strict=False))
    known = [score for score in scores if math.isfinite(score)]
    mean = sum(known) / len(known) if known else NAN
    return Entry(step, named, mean if mix is None else mix)


def offer(archive: Archive, *entries: Entry) -> list[bool]:
    return [archive.offer(e, {"w": torch.tensor(float(e.step))}) for e in entries]


def steps(archive: Archive) -> list[int]:
    return sorted(e.step for e in archive.front)


def files(archive: Archive) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in archive.folder.glob("step-*"))


def test_an_entry_dominates_only_beyond_the_tolerance() -> None:
    better, worse = entry(1, 0.8, 0.5), entry(2, 0.7, 0.5)
    assert dominates(better, worse, 1e-4)
    assert not dominates(worse, better, 1e-4)
    assert not dominates(better, worse, 0.2)
    assert not dominates(entry(1, 0.8, 0.4), entry(2, 0.7, 0.5), 1e-4)
    assert dominates(entry(1, 0.8, 0.49995), entry(2, 0.7, 0.5), 1e-4)


def test_a_score_that_is_not_known_decides_nothing() -> None:
    assert not dominates(entry(1, NAN, NAN), entry(2, 0.1, 0.1), 0.0)
    assert dominates(entry(1, 0.5, NAN), entry(2, 0.4, 0.9), 0.0)


def test_the_front_drops_what_is_dominated(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    offer(archive, entry(1, 0.5, 0.5), entry(2, 0.7, 0.3), entry(3, 0.6, 0.6))
    assert steps(archive) == [2, 3]
    offer(archive, entry(4, 0.1, 0.1))
    assert steps(archive) == [2, 3]
    assert 4 not in files(archive)


def test_over_the_cap_the_most_crowded_entry_goes(tmp_path: Path) -> None:
    archive = Archive(tmp_path, cap=3)
    offer(archive, entry(1, 0.0, 1.0), entry(2, 1.0, 0.0), entry(3, 0.1, 0.95))
    offer(archive, entry(4, 0.05, 0.97))
    assert steps(archive) == [1, 2, 3]
    offer(archive, entry(5, 0.5, 0.5))  # far from the others: 3 has the nearer neighbours
    assert steps(archive) == [1, 2, 5]


def test_crowding_distances_are_those_of_nsga_two() -> None:
    front = [entry(1, 0.0, 1.0), entry(2, 0.2, 0.9), entry(3, 0.6, 0.5), entry(4, 1.0, 0.0)]
    distances = crowding_distances(front)
    assert distances[0] == distances[3] == math.inf
    assert distances[1] == (0.6 - 0.0) / 1.0 + (1.0 - 0.5) / 1.0
    assert math.isclose(distances[2], (1.0 - 0.2) + (0.9 - 0.0))


def test_unknown_scores_add_no_crowding_distance() -> None:
    front = [entry(1, NAN, 0.0), entry(2, NAN, 0.5), entry(3, NAN, 1.0)]
    assert crowding_distances(front) == [math.inf, 1.0, math.inf]


def test_case_47_the_best_state_of_each_task_is_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path, cap=1)
    answers = offer(
        archive, entry(1, 0.9, 0.1), entry(2, 0.1, 0.95), entry(3, 0.6, 0.6), entry(4, 0.5, 0.5)
    )
    assert answers == [True, True, True, False]
    assert {task: kept.step for task, kept in archive.best_of_task.items()} == {"a": 1, "b": 2}
    assert archive.best is not None
    assert archive.best.step == 3
    archive.collect()
    assert files(archive) == sorted({1, 2, 3, *steps(archive)})
    assert load_file(archive.path(archive.best_of_task["b"]))["w"].item() == 2.0


def test_nan_is_never_the_best(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    assert offer(archive, entry(1, NAN, NAN), entry(2, NAN, 0.3), entry(3, NAN, 0.2)) == [
        False,
        True,
        False,
    ]
    assert archive.best is not None
    assert archive.best.step == 2
    assert set(archive.best_of_task) == {"b"}
    assert offer(archive, entry(4, 0.1, NAN, mix=NAN)) == [False]
    assert archive.best_of_task["a"].step == 4


def test_files_go_only_when_they_are_collected(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    offer(archive, entry(1, 0.5, 0.5), entry(2, 0.6, 0.6))
    assert files(archive) == [1, 2]
    archive.collect()
    assert files(archive) == [2]


def test_the_index_survives_json(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    offer(archive, entry(1, 0.5, 0.7), entry(2, 0.7, 0.5))
    again = Archive(tmp_path)
    again.load_json(json.loads(json.dumps(archive.to_json())))
    assert json.dumps(again.to_json()) == json.dumps(archive.to_json())
    empty = Archive(tmp_path)
    empty.load_json(json.loads(json.dumps(Archive(tmp_path).to_json())))
    assert empty.best is None
    assert empty.front == []


def test_between_alike_mixes_the_better_fit_is_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    entries = [
        Entry(1, {"a": 0.8}, 0.8, -0.9),
        Entry(2, {"a": 0.8}, 0.8, -0.7),  # alike, fits better
        Entry(3, {"a": 0.80005}, 0.80005, -0.8),  # alike, fits worse
        Entry(4, {"a": 0.81}, 0.81, -0.9),  # really better
        Entry(5, {"a": 0.8}, 0.8, -0.1),  # fits better, but is worse than the top
    ]
    assert offer(archive, *entries) == [True, True, False, True, False]


def test_without_a_folder_the_best_state_stays_in_memory() -> None:
    archive = Archive()
    offer(archive, Entry(1, {"a": 0.5}, 0.5), Entry(2, {"a": 0.4}, 0.4))
    archive.collect()
    state = archive.best_state()
    assert state is not None
    assert state["w"].item() == 1.0
