"""A learning curve made by hand, for tests of what follows from its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from plait.metrics import Estimate
from plait.studies.learn_curve import CurveSettings, CurveTask, Gain, LearnCurve
from plait.studies.learn_curve.cells import Cell, Place, places_of
from plait.studies.learn_curve.families import Family

CLICK = CurveTask("click", "binary", "auc", higher_is_better=True, is_hidden=True)
STARS = CurveTask("stars", "regression", "rmse", higher_is_better=False, is_hidden=False)


def gain(
    low: float,
    high: float,
    *,
    family: Family = "hybrid",
    task: str = "click",
    share: float = 0.05,
    flip: float = 0.0,
) -> Gain:
    """A gain with this interval."""
    estimate = Estimate((low + high) / 2, low=low, high=high, n=3)
    return Gain(task, "auc", share, flip, family, estimate)


def curve(
    folder: Path,
    value: Callable[[Place, str], float],
    *,
    seeds: int = 3,
    shares: Sequence[float] = (0.1, 1.0),
    flips: Sequence[float] = (0.0,),
    families: Sequence[Family] = ("joint", "hybrid"),
    refused: Callable[[Place], str] = lambda place: "",
    tasks: Sequence[CurveTask] = (CLICK, STARS),
) -> LearnCurve:
    """A study whose metrics are given by place and task."""
    settings = CurveSettings(
        task="click", shares=shares, flips=flips, families=families, seeds=seeds
    )
    cells = [
        Cell(place, reason=refused(place))
        if refused(place)
        else Cell(
            place,
            metrics={t.name: {t.metric: value(place, t.name), "pcoc": 1.25} for t in tasks},
            labels={t.name: {"observed": 1000, "positives": 70 + place.seed} for t in tasks},
            seconds=1.0,
        )
        for place in places_of(settings)
    ]
    return LearnCurve(folder, "my.toml", settings, tuple(tasks), (8000, 1000), tuple(cells))
