"""One training of a learning curve: where it stands, what it gave, and its file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from plait.errors import ArtifactError
from plait.studies.plain import plain
from plait.training.checkpoint import write_json

from .families import Family
from .settings import CurveSettings

__all__ = ["Cell", "Place", "places_of", "read_cell", "write_cell"]


@dataclass(frozen=True, order=True)
class Place:
    """Where a training stands.

    Attributes:
        seed: number of the repetition, from 0.
        share: of the labels left.
        flip: share of them that is turned round.
        family: how the model learns.
    """

    seed: int
    share: float
    flip: float
    family: Family

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"seed-{self.seed}_share-{self.share:g}_flip-{self.flip:g}_{self.family}.json"


@dataclass(frozen=True)
class Cell:
    """What one training gave.

    Attributes:
        place: where it stands.
        metrics: by task, by metric, on the judged rows; nan where there is no number.
        labels: by task, `observed` and `positives` in training.
        seconds: how long it took; a first layer that several share is not in it.
        reason: why this way to learn could not be used here; empty where it could.
    """

    place: Place
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""

    def value(self, task: str, metric: str) -> float:
        """A metric of a task; nan where there is none."""
        return self.metrics.get(task, {}).get(metric, math.nan)

    def to_json(self) -> dict[str, Any]:
        """The cell as plain data."""
        form: dict[str, Any] = plain(self)
        return {**form.pop("place"), **form}


def places_of(settings: CurveSettings) -> Iterator[Place]:
    """All trainings in the order in which they are made.

    Seed by seed, so that a study which is stopped has whole repetitions; in each the supervised
    training first.
    """
    for seed in range(settings.seeds):
        for share in settings.shares:
            for flip in settings.flips:
                for family in settings.families:
                    yield Place(seed, share, flip, family)


def write_cell(cell: Cell, folder: Path) -> None:
    """Keep a cell; its file is there whole or not at all."""
    write_json(cell.to_json(), folder / cell.place.file)


def read_cell(place: Place, folder: Path) -> Cell | None:
    """The cell of a place, where it is finished.

    Raises:
        ArtifactError: its file is damaged.
    """
    path = folder / place.file
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        metrics = {
            task: {name: math.nan if value is None else value for name, value in found.items()}
            for task, found in form["metrics"].items()
        }
        found = {name: form[name] for name in asdict(place)}
        if found != asdict(place):
            raise ValueError("it is of another place")
        return Cell(place, metrics, form["labels"], form["seconds"], form["reason"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            path, found=f"it is damaged ({error})", way_out="Remove it, and run the study again."
        ) from error
