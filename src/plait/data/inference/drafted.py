"""A drafted experiment: guesses and cautions, as objects, as an experiment file, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plait.data.reading import Source
from plait.tasks import task_to_json

from .guesses import Caution, FeatureGuess, RoleGuess, SplitGuess, TableGuess, TaskGuess

__all__ = ["Draft"]


@dataclass(frozen=True)
class Draft:
    """What plait makes of a log, for a person to correct.

    Stability: experimental.

    Attributes:
        source: the log.
        rows: of the log.
        sampled: rows that statistics were taken from.
        features: how each column is read, or why it is not; columns of feedback are not among them.
        roles: the columns that say whose row it is, and when.
        tables: the side tables with their keys.
        tasks: what can be predicted.
        split: which rows train, validate and test.
        warnings: what a person should look at, leaks first.
        slices: columns whose groups should be judged apart.
    """

    source: Source
    rows: int
    sampled: int
    features: tuple[FeatureGuess, ...]
    roles: tuple[RoleGuess, ...]
    tables: tuple[TableGuess, ...]
    tasks: tuple[TaskGuess, ...]
    split: SplitGuess
    warnings: tuple[Caution, ...]
    slices: tuple[str, ...] = ()

    def to_toml(self, folder: str | Path | None = None) -> str:
        """The experiment file, with a comment after each guess.

        `plait.Experiment.read` accepts it, and it trains as it stands. Paths below the folder are
        written relative to it, others in full.

        Args:
            folder: where the file will lie. None: the working directory.
        """
        from .writing import written_draft

        return written_draft(self, Path.cwd() if folder is None else Path(folder).absolute())

    def to_json(self) -> dict[str, Any]:
        """The draft as plain data."""
        return {
            "rows": self.rows,
            "sampled": self.sampled,
            "features": [_feature(guess) for guess in self.features],
            "roles": [{"role": g.role, "column": g.column, "reason": g.reason} for g in self.roles],
            "tables": [
                {
                    "name": guess.table.name,
                    "on": guess.table.keys,
                    "time": guess.table.time,
                    "unmatched": guess.unmatched,
                    "reason": guess.reason,
                }
                for guess in self.tables
            ],
            "tasks": [
                {
                    **task_to_json(guess.task),
                    "observed_rows": guess.observed,
                    "positives": guess.positives,
                    "is_used": guess.is_used,
                    "reason": guess.reason,
                }
                for guess in self.tasks
            ],
            "split": {"by": repr(self.split.split), "reason": self.split.reason},
            "slices": list(self.slices),
            "warnings": [
                {
                    "kind": caution.kind,
                    "columns": list(caution.columns),
                    "is_leak": caution.is_leak,
                    "reason": caution.reason,
                    "numbers": dict(caution.numbers),
                }
                for caution in self.warnings
            ],
        }


def _feature(guess: FeatureGuess) -> dict[str, Any]:
    return {
        "column": guess.column,
        "kind": None if guess.feature is None else type(guess.feature).kind,
        "is_used": guess.is_used,
        "reason": guess.reason,
    }
