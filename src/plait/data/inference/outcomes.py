"""Which columns are feedback, and of what kind: events, ratings, watch times, amounts, counts."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from plait.data.expressions import parse

from .facts import Facts
from .words import (
    AMOUNT,
    CHANCES,
    CLOCK,
    EVENT_COUNTS,
    EVENTS,
    LABEL,
    PAST,
    RATING,
    UNITS,
    WATCHING,
    has,
)

__all__ = ["Outcome", "find_outcomes", "written"]

OutcomeKind: TypeAlias = Literal["event", "rating", "duration", "amount", "count", "class"]

_RESERVED = frozenset({"true", "false", "null", *keyword.kwlist})
_MOST_MARKS = 21
_MOST_CLASSES = 50
_MONEY = frozenset({"amount", "value", "price", "money", "usd", "eur"})
_YES = frozenset({"yes", "y", "true", "t", "1", "clicked", "success", "positive"})
_NO = frozenset({"no", "n", "false", "f", "0", "none", "failure", "negative"})
_TALLEST_WATCH = 1e8


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


def find_outcomes(
    facts: Mapping[str, Facts],
    *,
    taken: Collection[str],
    item: str | None,
    labels: Collection[str] = (),
) -> list[Outcome]:
    """The columns of feedback, in the order of the log. A column of a side table is none.

    Args:
        facts: every column.
        taken: columns that play a role or make the split.
        item: the item's column.
        labels: columns that a person says are labels.
    """
    columns = [entry for entry in facts.values() if entry.table is None and entry.name not in taken]
    found = []
    for entry in columns:
        if not entry.is_single or entry.is_moment or entry.known == 0:
            continue
        if entry.name in labels:
            outcome = _labelled(entry, "named as a label")
        elif has(entry.words, LABEL):
            outcome = _labelled(entry, "its name says that it is a label")
        else:
            outcome = _by_name(entry)
            if outcome is not None and _describes_item(outcome, facts, item):
                outcome = None
        if outcome is not None:
            found.append(outcome)
    return found or _last_column(columns)


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


def _by_name(entry: Facts) -> Outcome | None:
    words = entry.words
    if has(words, PAST):
        return None
    if has(words, RATING) and entry.is_number:
        return _rating(entry, "a rating by its name")
    if entry.is_number and _is_watching(words):
        return _duration(entry)
    if entry.is_number and (has(words, AMOUNT) or (has(words, _MONEY) and has(words, EVENTS))):
        return _amount(entry)
    if has(words, EVENT_COUNTS) and len(words) <= 2 and entry.dtype.is_integer():
        return _count(entry)
    if has(words, EVENTS) and not has(words, CLOCK):
        return _event(entry, "feedback by its name")
    return None


def _labelled(entry: Facts, why: str) -> Outcome | None:
    outcome = _event(entry, why, is_sure=True)
    if outcome is not None:
        return outcome
    if entry.is_text:
        if not 3 <= entry.distinct <= _MOST_CLASSES:
            return None
        return Outcome(
            entry, "class", written(entry.name), None, f"{why}; {entry.distinct} classes"
        )
    if not entry.is_number or entry.distinct < 3:
        return None
    return _rating(entry, why) or (
        _duration(entry) if _is_watching(entry.words) else _amount(entry)
    )


def _event(entry: Facts, why: str, *, is_sure: bool = False) -> Outcome | None:
    """Feedback with two values, or with one where the other is null."""
    name, levels = written(entry.name), entry.levels() if entry.distinct <= 3 else []
    if (entry.dtype == pl.Boolean and len(levels) == 2) or levels == [0, 1]:
        return Outcome(entry, "event", name, None, f"{why}; two values")
    if levels == [-1, 0, 1] and entry.is_number:
        return Outcome(entry, "event", name, f"{name} != -1", f"{why}; -1 stands for unknown")
    if len(levels) == 1 and entry.nulls and levels[0] in (1, True):
        label = f"is_not_null({name})"
        return Outcome(entry, "event", label, None, f"{why}; 1 or empty, read as yes or no")
    if len(levels) != 2:
        return None
    if entry.is_number:
        if not is_sure:
            return None
        label = f"{name} == {_number(float(str(levels[1])))}"
        return Outcome(entry, "event", label, None, f"{why}; the larger of two values")
    if not entry.is_text:
        return None
    yes = [level for level in levels if str(level).strip().lower() in _YES]
    no = [level for level in levels if str(level).strip().lower() in _NO]
    if not (yes and no) and not is_sure:
        return None
    chosen = str(yes[0]) if yes else str(_rarer(entry, levels))
    if not chosen.isprintable() or set(chosen) & set("\"'\\`"):
        return None
    told = "yes and no" if yes and no else "the rarer of two texts"
    return Outcome(entry, "event", f'{name} == "{chosen}"', None, f"{why}; {told}")


def _rarer(entry: Facts, levels: Iterable[object]) -> object:
    texts = entry.values.cast(pl.String)
    return min(levels, key=lambda level: (int((texts == str(level)).sum()), str(level)))


def _rating(entry: Facts, why: str) -> Outcome | None:
    """Marks on a short scale, in whole or half steps."""
    if not 3 <= entry.distinct <= _MOST_MARKS or not entry.is_number:
        return None
    marks = np.array([float(str(level)) for level in entry.levels()])
    if (marks * 2 != np.floor(marks * 2)).any() or marks[-1] > 10 or marks[0] < -1:
        return None
    name = written(entry.name)
    unknown = marks[0] == -1 and marks[1] >= 0
    lowest = marks[1] if unknown else marks[0]
    told = f"{why}; marks from {_number(lowest)} to {_number(marks[-1])}"
    if unknown:
        return Outcome(entry, "rating", name, f"{name} != -1", f"{told}, -1 for unknown")
    return Outcome(entry, "rating", name, None, told)


def _is_watching(words: tuple[str, ...]) -> bool:
    is_bare_unit = len(words) == 1 and words[0] in UNITS and words[0].endswith("s")
    is_bare_unit &= len(words[0]) > 2
    return is_bare_unit or "dwell" in words or (has(words, WATCHING) and has(words, CLOCK))


def _duration(entry: Facts) -> Outcome | None:
    low, high = entry.low, entry.high
    if low is None or high is None or low < 0 or entry.distinct < 20 or high > _TALLEST_WATCH:
        return None
    told = f"a time spent by its name, up to {_number(high)}"
    return Outcome(entry, "duration", written(entry.name), None, told)


def _amount(entry: Facts) -> Outcome | None:
    if entry.low is None or entry.distinct < 5:
        return None
    kind: OutcomeKind = "amount" if entry.low >= 0 else "rating"
    told = f"a number from {_number(entry.low)} to {_number(entry.high or 0.0)}"
    return Outcome(entry, kind, written(entry.name), None, told)


def _count(entry: Facts) -> Outcome | None:
    if entry.low is None or entry.low < 0 or (entry.high or 0.0) < 2:
        return _event(entry, "feedback by its name")
    told = f"events in whole numbers up to {_number(entry.high or 0.0)}"
    return Outcome(entry, "count", written(entry.name), None, told)


def _describes_item(outcome: Outcome, facts: Mapping[str, Facts], item: str | None) -> bool:
    """Whether the column is the same on every row of an item, so that it describes the item."""
    if item is None or outcome.kind == "event":
        return False
    keys = facts[item].values
    both = pl.DataFrame({"item": keys, "value": outcome.facts.values}).n_unique()
    return keys.n_unique() * 2 <= len(keys) and both <= 1.01 * keys.n_unique()


def _last_column(columns: list[Facts]) -> list[Outcome]:
    """Where no name speaks of feedback: the last column, if it is a yes or no."""
    if not columns:
        return []
    found = _event(columns[-1], "no name speaks of feedback; the last column is a yes or no")
    return [] if found is None else [found]


def chances_of(count: Outcome, facts: Mapping[str, Facts]) -> list[str]:
    """Columns that may say among how many chances the events of a count happened."""
    return [
        entry.name
        for entry in facts.values()
        if entry.table is None
        and len(entry.words) <= 2
        and has(entry.words, CHANCES)
        and entry.dtype.is_integer()
        and (entry.low or 0.0) >= 0
        and entry.nulls == 0
        and entry.name != count.facts.name
    ]


def _number(value: float) -> str:
    """A number as short as it can be written.

    Example:
        >>> _number(4.0), _number(0.5)
        ('4', '0.5')
    """
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"
