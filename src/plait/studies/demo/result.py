"""What a demonstration found, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plait.metrics import Estimate
from plait.studies.baselines import BASELINES
from plait.studies.plain import plain
from plait.studies.report.judging import Judgement

from .files import files_in, next_commands
from .options import BASELINES_OF_DEMO

__all__ = ["MULTI_TASK", "Demo", "DemoRow", "rows_of"]

MULTI_TASK = "multi_task"


@dataclass(frozen=True)
class DemoRow:
    """One task in the table.

    Attributes:
        task: its name, or an output that a link added.
        metric: the primary metric of its kind.
        higher_is_better: the direction of the metric.
        n: judged rows.
        n_positive: positive rows among them.
        estimates: the metric with its interval, by model.
        gains: how much better the multi-task model is than each other one, paired.
    """

    task: str
    metric: str
    higher_is_better: bool
    n: int | None
    n_positive: int | None
    estimates: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]


@dataclass(frozen=True)
class Demo:
    """A finished demonstration.

    Stability: experimental.

    Attributes:
        folder: where everything lies.
        rows: of the log.
        seed: of everything that is drawn.
        overrides: settings of the run that its experiment file does not hold.
        judged_on: `test`, `valid` or `train`.
        table: a row for each task.
        verdict: what the table says, in sentences.
        seconds: how long it took.
    """

    folder: Path
    rows: int
    seed: int
    overrides: tuple[str, ...]
    judged_on: str
    table: tuple[DemoRow, ...]
    verdict: tuple[str, ...]
    seconds: float = 0.0

    @property
    def files(self) -> dict[Path, str]:
        """What was written and what it is, the most read first."""
        return files_in(self.folder)

    @property
    def next_commands(self) -> dict[str, str]:
        """What to try now, and what each command does."""
        return next_commands(self.folder)

    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: the same for the same rows and seed."""
        return {
            "rows": self.rows,
            "seed": self.seed,
            "overrides": list(self.overrides),
            "judged_on": self.judged_on,
            "tasks": {row.task: _form(row) for row in self.table},
            "verdict": list(self.verdict),
        }

    def to_json(self) -> dict[str, Any]:
        """The metrics, the files and how long it took, as plain data."""
        files = [str(path) for path in self.files]
        return {**self.metrics(), "folder": str(self.folder), "files": files} | {
            "seconds": round(self.seconds, 1)
        }


def rows_of(judgements: Sequence[Judgement]) -> tuple[DemoRow, ...]:
    """The table's rows."""
    keys = {title: name for name, title in BASELINES.items() if name in BASELINES_OF_DEMO}
    return tuple(
        DemoRow(
            task=judgement.output,
            metric=judgement.metric,
            higher_is_better=judgement.higher_is_better,
            n=judgement.n,
            n_positive=judgement.n_positive,
            estimates={
                **{keys[c.baseline]: c.estimate for c in judgement.comparisons},
                MULTI_TASK: judgement.estimate,
            },
            gains={keys[c.baseline]: c.gain for c in judgement.comparisons},
        )
        for judgement in judgements
    )


def _form(row: DemoRow) -> dict[str, Any]:
    form: dict[str, Any] = plain(row)
    del form["task"]
    return form
