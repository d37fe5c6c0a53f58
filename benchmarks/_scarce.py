"""Real sets of which few labels are kept: runs that a file remembers, and gains over supervised."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from _keeping import RUN, keep_runs, kept_runs
from _report import Fact, Row
from _sets import Recipe
from rich.console import Console

from plait import Binary, ColumnSplit, Training, train
from plait.data.log import Log
from plait.data.reading import read
from plait.methods import Method
from plait.metrics import holm, paired_difference
from plait.tasks import Task

SUPERVISED, ALONE = "supervised", "supervised, alone"
METRICS = ("auc", "normalised_entropy", "pcoc")


class Cell(NamedTuple):
    """One run: what was trained on what.

    Attributes:
        seed: of the rows and labels that are kept, and of the network.
        name: of the set.
        labelled: share of the first binary task's training labels that is kept.
        method: by its name in the table.
    """

    seed: int
    name: str
    labelled: float
    method: str


class Sizes(NamedTuple):
    """Limits of a run, so that many fit into an evening.

    Attributes:
        rows: most training rows, drawn by seed; None: all. A quarter as many validate, at most.
        max_steps: of each training; None: early stopping alone.
    """

    rows: int | None = None
    max_steps: int | None = None


def measure(
    recipes: Sequence[Recipe],
    methods: Mapping[str, Method],
    *,
    folder: Path,
    shares: Sequence[float],
    seeds: Iterable[int],
    sizes: Sizes,
    path: Path | None,
    may_begin: Callable[[], bool],
) -> list[Row]:
    """Train what the file does not hold yet, seed by seed; the summary and all runs.

    Args:
        recipes: the sets.
        methods: ways to learn, by name; two supervised runs are added, with all tasks and alone.
        folder: of the data sets.
        shares: of the labels.
        seeds: the outermost loop, so that a part of the whole covers every set.
        sizes: limits of a run.
        path: remembers each run as soon as it is done; None: nothing is remembered.
        may_begin: whether there is time for another run.
    """
    kept = kept_runs(path, {"rows": sizes.rows})
    done = {Cell(*(row[name] for name in Cell._fields)): row for row in kept}
    names = [SUPERVISED, ALONE, *methods]
    cells = [
        Cell(seed, recipe.name, share, name)
        for seed in seeds
        for recipe in recipes
        for share in shares
        for name in names
    ]
    waiting = [cell for cell in cells if cell not in done]
    by_name = {recipe.name: recipe for recipe in recipes}
    begun, count = time.monotonic(), 0
    for place, group in groupby(waiting, key=lambda cell: cell[:-1]):
        # Ways to learn from the same rows read one prepared log.
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            frame = capped(frame_of(by_name[place[1]], folder), place[0], sizes.rows)
            for cell in group:
                if not may_begin():
                    return [*_summary(done, names), *done.values()]
                method, recipe = methods.get(cell.method), by_name[cell.name]
                done[cell] = _run(recipe, frame, cell, method, folder, sizes, Path(scratch))
                keep_runs(done.values(), path)
                count += 1
                left = (time.monotonic() - begun) / count * (len(waiting) - count)
                Console(stderr=True).print(
                    f"{count} of {len(waiting)} {cell}: auc {done[cell]['auc']:.4f}, "
                    f"{left / 60:.0f} minutes left"
                )
    return [*_summary(done, names), *done.values()]


def frame_of(recipe: Recipe, folder: Path) -> pl.DataFrame:
    """The log of a set, with the part of each row in the column `part`."""
    frame = read(recipe.log(folder)).collect()
    whole = Log((recipe.log(folder),), recipe.schema, recipe.tasks, recipe.tables(folder))
    parts = recipe.split.assign(whole.rows(), recipe.schema)
    names = np.array(["train", "valid", "test", "none"])
    return frame.with_columns(part=pl.Series(names[np.minimum(parts, 3)]))


def capped(frame: pl.DataFrame, seed: int, rows: int | None) -> pl.DataFrame:
    """At most so many training rows, a quarter as many that validate, and all that test."""
    if rows is None:
        return frame
    most = {"train": rows, "valid": rows // 4}
    part = frame["part"].to_numpy()
    keep = part == "test"
    generator = np.random.default_rng([seed, 5])
    for name, limit in most.items():
        keep[generator.permutation(np.flatnonzero(part == name))[:limit]] = True
    return frame.filter(pl.Series(keep))


def _run(
    recipe: Recipe,
    frame: pl.DataFrame,
    cell: Cell,
    method: Method | None,
    folder: Path,
    sizes: Sizes,
    scratch: Path,
) -> Row:
    task = next(task for task in recipe.tasks if isinstance(task, Binary))
    drawn = np.random.default_rng([cell.seed, 4]).random(len(frame)) < cell.labelled
    kept = drawn | (frame["part"] != "train").to_numpy()
    frame = frame.with_columns(label_is_kept=pl.Series(kept))
    scarce: Task = replace(task, observed="label_is_kept")
    tasks = [scarce if each.name == task.name else each for each in recipe.tasks]
    run = train(
        frame,
        schema=recipe.schema,
        tasks=[scarce] if cell.method == ALONE else tasks,
        tables=recipe.tables(folder),
        split=ColumnSplit("part"),
        method=method,
        training=Training(seed=cell.seed, max_steps=sizes.max_steps),
        cache=scratch / "prepared",
        out=scratch / cell.method,
    )
    told = run.evaluation.tasks[task.name]
    return {
        "what": RUN,
        **cell._asdict(),
        "rows": sizes.rows,
        "task": task.name,
        **{metric: told[metric].value for metric in METRICS},
        "labels": int((kept & (frame["part"] == "train").to_numpy()).sum()),
    }


def _summary(done: Mapping[Cell, Row], names: Sequence[str]) -> Iterator[Row]:
    """Means over the seeds that all methods have, and the paired gain over supervised training."""
    rows: list[dict[str, Fact]] = []
    for name, labelled in dict.fromkeys((cell.name, cell.labelled) for cell in done):
        seeds = [
            seed
            for seed in sorted({cell.seed for cell in done})
            if all(Cell(seed, name, labelled, method) in done for method in names)
        ]
        for method in names if seeds else ():
            own = _values(done, name, labelled, method, seeds)
            base = _values(done, name, labelled, SUPERVISED, seeds)
            row: dict[str, Fact] = {
                "what": "gain",
                "name": name,
                "labelled": labelled,
                "method": method,
                "seeds": len(seeds),
                **{metric: float(own[metric].mean()) for metric in METRICS},
            }
            if method != SUPERVISED:
                gap = paired_difference(own["auc"], base["auc"])
                row |= {"gain": gap.value, "low": gap.low, "high": gap.high, "p": gap.p_value}
                entropy = paired_difference(own["normalised_entropy"], base["normalised_entropy"])
                row |= {"ne_gain": entropy.value, "ne_low": entropy.low, "ne_high": entropy.high}
            rows.append(row)
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, holm([_number(row["p"]) for row in tested]), strict=True):
        row["holm"] = float(p)
    yield from rows


def _values(
    done: Mapping[Cell, Row], name: str, labelled: float, method: str, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    found = [done[Cell(seed, name, labelled, method)] for seed in seeds]
    return {metric: np.array([row[metric] for row in found]) for metric in METRICS}


def _number(fact: Fact) -> float:
    assert isinstance(fact, float)
    return fact
