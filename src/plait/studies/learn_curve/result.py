"""What a learning curve found: the gain of each way to learn, paired over the seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plait.metrics import Estimate, mean_interval, paired_difference
from plait.studies.plain import plain

from .cells import Cell, Place
from .families import SUPERVISED, Family
from .gains import CurveTask, Gain, Level
from .settings import CurveSettings
from .verdict import verdict

__all__ = ["LearnCurve"]


@dataclass(frozen=True)
class LearnCurve:
    """A finished study.

    Stability: experimental.

    Attributes:
        folder: where it lies.
        name: of the experiment.
        settings: what was varied.
        tasks: all tasks, in their order.
        rows: training and judged rows.
        cells: every training.
        notes: what a reader should know of this study, in sentences.
    """

    folder: Path
    name: str
    settings: CurveSettings
    tasks: tuple[CurveTask, ...]
    rows: tuple[int, int]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()

    @property
    def markdown(self) -> Path:
        """The page as text."""
        return self.folder / "learn_curve.md"

    @property
    def html(self) -> Path:
        """The page for a browser."""
        return self.folder / "learn_curve.html"

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The metric of each way to learn, by task, flip, share."""
        return tuple(
            Level(task.name, share, flip, family, mean_interval(values))
            for task, share, flip in self._settings()
            for family in self.settings.families
            for values in [self._values(task, share, flip, family)]
        )

    @cached_property
    def gains(self) -> tuple[Gain, ...]:
        """The gain of each way to learn over supervised learning, by task, flip, share."""
        return tuple(
            Gain(task.name, task.metric, share, flip, family, self._gain(task, share, flip, family))
            for task, share, flip in self._settings()
            for family in self.settings.families
            if family != SUPERVISED
        )

    @property
    def verdict(self) -> tuple[str, ...]:
        """Which way to learn would help, in sentences; on the tasks whose labels were hidden."""
        hidden = {task.name for task in self.tasks if task.is_hidden}
        return verdict([g for g in self.gains if g.task in hidden], seeds=self.settings.seeds)

    def level(self, task: str, share: float, flip: float, family: Family) -> Level:
        """One of `levels`."""
        key = (task, share, flip, family)
        return next(f for f in self.levels if (f.task, f.share, f.flip, f.family) == key)

    def gain(self, task: str, share: float, flip: float, family: Family) -> Gain:
        """One of `gains`."""
        key = (task, share, flip, family)
        return next(f for f in self.gains if (f.task, f.share, f.flip, f.family) == key)

    def cells_of(self, share: float, flip: float, family: Family) -> list[Cell]:
        """The trainings of one setting, seed by seed."""
        return [
            self._by_place[Place(seed, share, flip, family)] for seed in range(self.settings.seeds)
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; nan as null, with its reason."""
        return {
            "experiment": self.name,
            "settings": plain(self.settings),
            "rows": {"train": self.rows[0], "judged": self.rows[1]},
            "tasks": plain(self.tasks),
            "verdict": list(self.verdict),
            "gains": [_form(gain, helps=gain.helps, hurts=gain.hurts) for gain in self.gains],
            "levels": [_form(level) for level in self.levels],
            "cells": [cell.to_json() for cell in self.cells],
            "notes": list(self.notes),
        }

    @cached_property
    def _by_place(self) -> Mapping[Place, Cell]:
        return {cell.place: cell for cell in self.cells}

    def _settings(self) -> Iterator[tuple[CurveTask, float, float]]:
        for task in self.tasks:
            for flip in self.settings.flips:
                for share in self.settings.shares:
                    yield task, share, flip

    def _values(self, task: CurveTask, share: float, flip: float, family: Family) -> list[float]:
        return [cell.value(task.name, task.metric) for cell in self.cells_of(share, flip, family)]

    def _gain(self, task: CurveTask, share: float, flip: float, family: Family) -> Estimate:
        reasons = [cell.reason for cell in self.cells_of(share, flip, family) if cell.reason]
        if reasons:
            return Estimate(math.nan, n=self.settings.seeds, reason=reasons[0])
        pair: Sequence[list[float]] = (
            self._values(task, share, flip, family),
            self._values(task, share, flip, SUPERVISED),
        )
        better, worse = pair if task.higher_is_better else reversed(pair)
        return paired_difference(better, worse)


def _form(found: Gain | Level, **more: bool) -> dict[str, Any]:
    form: dict[str, Any] = plain(found)
    return {**form, **more}
