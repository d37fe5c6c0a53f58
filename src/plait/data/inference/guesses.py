"""What a draft is made of: guesses, each with its reason, and cautions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from plait.data.joins import Table
from plait.data.schema import Feature
from plait.data.splits import Split
from plait.tasks import Task

__all__ = [
    "Caution",
    "CautionKind",
    "FeatureGuess",
    "RoleGuess",
    "SplitGuess",
    "TableGuess",
    "TaskGuess",
    "sentences",
]

CautionKind: TypeAlias = Literal[
    "equals_label",
    "determines_label",
    "follows_label",
    "target_rate",
    "encodes_time",
    "constant",
    "duplicate",
    "near_duplicate",
    "personal",
    "protected",
    "no_negatives",
    "split_tells_label",
    "not_learnable",
    "few_positives",
    "unmatched_keys",
]

_MOST_LISTED = 12

LEAKS: tuple[CautionKind, ...] = (
    "equals_label",
    "determines_label",
    "follows_label",
    "target_rate",
    "encodes_time",
)
"""The kinds of caution that say: with this column the model would be too good to be true."""


@dataclass(frozen=True)
class Caution:
    """Something that a person should look at before they trust a model.

    Stability: experimental.

    Attributes:
        kind: what it is about.
        columns: the columns that it is about, the suspect first.
        reason: one sentence.
        numbers: what was measured.
    """

    kind: CautionKind
    columns: tuple[str, ...]
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_leak(self) -> bool:
        """Whether it says that a column knows what is to be predicted."""
        return self.kind in LEAKS


def sentences(cautions: Iterable[Caution]) -> list[str]:
    """A line for each caution; one for all those of a kind that have the same reason.

    Example:
        >>> same = "0 on every row"
        >>> sentences([Caution("constant", (name,), same) for name in ("a", "b", "c")])
        ['constant: a, b, c: 0 on every row']
    """
    found: dict[tuple[str, str], list[str]] = {}
    for caution in cautions:
        columns = caution.columns if caution.kind == "no_negatives" else caution.columns[:1]
        found.setdefault((caution.kind, caution.reason), []).extend(columns)
    return [
        f"{kind.replace('_', ' ')}: {_listed(columns)}: {reason}"
        for (kind, reason), columns in found.items()
    ]


def _listed(columns: Sequence[str]) -> str:
    more = len(columns) - _MOST_LISTED
    listed = ", ".join(columns[:_MOST_LISTED])
    return f"{listed} and {more} more" if more > 0 else listed


@dataclass(frozen=True)
class FeatureGuess:
    """How a column is read, or why it is not.

    Attributes:
        column: the column.
        feature: what it would be read as; None where no kind of feature fits.
        reason: why.
        is_used: whether the model may read it.
    """

    column: str
    feature: Feature | None
    reason: str
    is_used: bool = True


@dataclass(frozen=True)
class RoleGuess:
    """The column that plays a role."""

    role: str
    column: str
    reason: str


@dataclass(frozen=True)
class TableGuess:
    """How a side table belongs to the log.

    Attributes:
        table: the table with its key.
        reason: why this key.
        unmatched: share of the log's rows without a row in the table.
    """

    table: Table
    reason: str
    unmatched: float


@dataclass(frozen=True)
class TaskGuess:
    """Something that can be predicted.

    Attributes:
        task: the task.
        reason: why, with counts.
        observed: rows with a label, of all.
        positives: rows with a label above zero; None where that says nothing (a rating).
        is_used: whether it is in the experiment.
    """

    task: Task
    reason: str
    observed: int = 0
    positives: int | None = None
    is_used: bool = True


@dataclass(frozen=True)
class SplitGuess:
    """Which rows train, validate and test."""

    split: Split
    reason: str
