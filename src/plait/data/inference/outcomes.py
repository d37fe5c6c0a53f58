"""Which columns are feedback, and of what kind: events, ratings, watch times, amounts, counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from plait.errors import DataError

from .events import read_event
from .facts import Facts
from .feedback import Outcome, OutcomeKind, shown_number, written
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

__all__ = ["chances_of", "find_outcomes"]

_MOST_MARKS = 21
_TALLEST_MARK = 10
_TALLEST_RATING = 100
_ZEROS_OF_COUNTS = 0.2
_MOST_CLASSES = 50
_MONEY = frozenset({"amount", "value", "price", "money", "usd", "eur"})
_TALLEST_WATCH = 1e8


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

    Raises:
        DataError: a column of `labels` holds nothing that can be learnt.
    """
    columns = [entry for entry in facts.values() if entry.table is None and entry.name not in taken]
    found = []
    for entry in columns:
        outcome = _outcome(entry, facts, item, is_label=entry.name in labels)
        if outcome is not None:
            found.append(outcome)
    refused = [name for name in labels if name not in [outcome.facts.name for outcome in found]]
    if refused:
        raise DataError(_refused(facts[refused[0]]))
    return found or _last_column(columns)


def _outcome(
    entry: Facts, facts: Mapping[str, Facts], item: str | None, *, is_label: bool
) -> Outcome | None:
    if not entry.is_single or entry.is_moment or entry.known == 0:
        return None
    if is_label:
        return _labelled(entry, "named as a label")
    if has(entry.words, LABEL):
        return _labelled(entry, "its name says that it is a label")
    outcome = _by_name(entry)
    if outcome is None or _describes_item(outcome, facts, item):
        return None
    return outcome


def _refused(entry: Facts) -> str:
    return (
        f"Column {entry.name!r} is named as a label, but it cannot be one: {entry.dtype}, "
        f"{entry.distinct:,} values that are not null. A label is a number or a truth with two "
        f"values at least, or a text with 2 to {_MOST_CLASSES}."
    )


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
        return read_event(entry, "feedback by its name") or _event_count(entry)
    return None


def _labelled(entry: Facts, why: str) -> Outcome | None:
    outcome = read_event(entry, why, is_sure=True)
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


def _rating(entry: Facts, why: str) -> Outcome | None:
    """Marks in whole or half steps on a short scale; under the name of a rating also up to 100."""
    tallest, most = _TALLEST_MARK, _MOST_MARKS
    if has(entry.words, {"rating", "ratings"}):
        tallest, most = _TALLEST_RATING, _TALLEST_RATING + 1
    if not 3 <= entry.distinct <= most or not entry.is_number:
        return None
    marks = np.array([float(str(level)) for level in entry.levels()])
    if (marks * 2 != np.floor(marks * 2)).any() or marks[-1] > tallest or marks[0] < -1:
        return None
    name = written(entry.name)
    unknown = marks[0] == -1 and marks[1] >= 0
    lowest = marks[1] if unknown else marks[0]
    told = f"{why}; marks from {shown_number(lowest)} to {shown_number(marks[-1])}"
    if unknown:
        return Outcome(entry, "rating", name, f"{name} != -1", f"{told}, -1 for unknown")
    return Outcome(entry, "rating", name, None, told)


def _is_watching(words: tuple[str, ...]) -> bool:
    is_bare_unit = len(words) == 1 and words[0] in UNITS and len(words[0]) > 2
    is_bare_unit = is_bare_unit and words[0].endswith("s")
    return is_bare_unit or "dwell" in words or (has(words, WATCHING) and has(words, CLOCK))


def _duration(entry: Facts) -> Outcome | None:
    low, high = entry.low, entry.high
    if low is None or high is None or low < 0 or entry.distinct < 20 or high > _TALLEST_WATCH:
        return None
    told = f"a time spent by its name, up to {shown_number(high)}"
    return Outcome(entry, "duration", written(entry.name), None, told)


def _amount(entry: Facts) -> Outcome | None:
    if entry.low is None or entry.distinct < 5:
        return None
    kind: OutcomeKind = "amount" if entry.low >= 0 else "rating"
    told = f"a number from {shown_number(entry.low)} to {shown_number(entry.high or 0.0)}"
    return Outcome(entry, kind, written(entry.name), None, told)


def _count(entry: Facts) -> Outcome | None:
    if entry.low is None or entry.low < 0 or (entry.high or 0.0) < 2:
        return read_event(entry, "feedback by its name")
    told = f"events in whole numbers up to {shown_number(entry.high or 0.0)}"
    return Outcome(entry, "count", written(entry.name), None, told)


def _event_count(entry: Facts) -> Outcome | None:
    """How often an event happened on a row, under the name of the event alone."""
    is_bare = all(word in EVENTS or word in ("is", "has") for word in entry.words)
    if not (is_bare and entry.dtype.is_integer() and entry.low == 0 and (entry.high or 0) >= 2):
        return None
    if float((entry.values == 0).mean() or 0.0) < _ZEROS_OF_COUNTS:  # type: ignore[arg-type]
        return None
    return _count(entry)


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
    found = read_event(columns[-1], "no name speaks of feedback; the last column is a yes or no")
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
