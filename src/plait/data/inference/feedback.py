"""A column of feedback: its kind and label, where it is seen; how names stand in a formula."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from plait.data.expressions import parse

from .facts import Facts

__all__ = ["Outcome", "OutcomeKind", "shown_number", "written"]

OutcomeKind: TypeAlias = Literal["event", "rating", "duration", "amount", "count", "class"]

_RESERVED = frozenset({"true", "false", "null", *keyword.kwlist})


@dataclass(frozen=True)
class Outcome:
    """A column of feedback.

    Attributes:
        facts: the column.
        kind: of feedback.
        label: expression for the label.
        observed: expression for the rows where the label was seen, over and above "not null".
        reason: why it is taken for feedback.
    """

    facts: Facts
    kind: OutcomeKind
    label: str
    observed: str | None
    reason: str

    @property
    def positive(self) -> pl.Expr:
        """Where the label is above zero; of classes, where there is one."""
        if self.kind == "class":
            return self.seen
        label = parse(self.label).to_polars().cast(pl.Float64)
        return (label > 0).fill_null(value=False) & self.seen

    @property
    def seen(self) -> pl.Expr:
        """Where the label is known."""
        label = parse(self.label).to_polars()
        if self.observed is None:
            return label.is_not_null()
        return label.is_not_null() & parse(self.observed).to_polars().fill_null(value=False)

    @property
    def condition(self) -> str:
        """That an event happened, as a space is written."""
        is_number = self.label == written(self.facts.name) and self.facts.is_number
        return f"{self.label} == 1" if is_number else self.label


def written(column: str) -> str:
    """A column's name as it stands in an expression.

    Example:
        >>> written("click"), written("watch time"), written("101")
        ('click', '`watch time`', '`101`')
    """
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and column not in _RESERVED:
        return column
    if "`" in column:
        return f'col("{column}")'
    return f"`{column}`"


def shown_number(value: float) -> str:
    """A number as short as it can be written.

    Example:
        >>> shown_number(4.0), shown_number(0.5)
        ('4', '0.5')
    """
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"
