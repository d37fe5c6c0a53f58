"""Which rows train, validate and test: named parts, else time, else folds, else chance."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plait.data.splits import ColumnSplit, RandomSplit, TimeSplit

from .facts import Facts
from .guesses import SplitGuess
from .words import SPLIT, has

__all__ = ["find_parts", "guess_split"]

_TRAIN = re.compile(r"^(train|training|trn|tr)$", re.IGNORECASE)
_VALID = re.compile(r"^(val|valid|validation|dev|tune)$", re.IGNORECASE)
_TEST = re.compile(r"^(test|testing|holdout|held_out|eval)$", re.IGNORECASE)
_MOST_FOLDS = 20
_FEWEST_INSTANTS = 10
_HEAVIEST = 0.3


def find_parts(facts: Mapping[str, Facts]) -> Facts | None:
    """The column that says which part or fold a row belongs to, where there is one.

    Args:
        facts: every column.
    """
    columns = [entry for entry in facts.values() if entry.table is None and not entry.is_list]
    named = [e for e in columns if e.is_text and _names_parts(e)]
    folds = [e for e in columns if has(e.words, SPLIT) and _numbers_folds(e)]
    return next(iter([*named, *folds]), None)


def guess_split(parts: Facts | None, time: Facts | None) -> SplitGuess:
    """The split, by what the log has.

    Parts with names are what somebody decided, so they are kept. Else the future tests where there
    is time; numbered folds are for logs without.

    Args:
        parts: the column of parts or folds.
        time: the time column.
    """
    if parts is not None and parts.is_text:
        return _by_names(parts)
    other = "" if parts is None else f"; {parts.name!r} holds folds, for a split by column instead"
    if time is not None and _can_split(time):
        return SplitGuess(TimeSplit(), f"the last rows by {time.name!r} test, as in use{other}")
    if parts is not None:
        return _by_folds(parts)
    told = (
        "the log has no time that splits it; a random split flatters a model that meets the future"
    )
    return SplitGuess(RandomSplit(), told)


def _names_parts(entry: Facts) -> bool:
    if not 2 <= entry.distinct <= _MOST_FOLDS:
        return False
    levels = [str(level) for level in entry.levels()]
    return any(map(_TRAIN.match, levels)) and any(map(_TEST.match, levels))


def _numbers_folds(entry: Facts) -> bool:
    """Whether whole numbers count 0, 1, 2 … or 1, 2, 3 …, each on a fair share of the rows."""
    if not entry.dtype.is_integer() or not 2 <= entry.distinct <= _MOST_FOLDS or entry.nulls:
        return False
    low, high = entry.low or 0.0, entry.high or 0.0
    shares = entry.values.value_counts()["count"] / max(entry.values.len(), 1)
    fewest = float(shares.min() or 0.0)  # type: ignore[arg-type]
    return low in (0, 1) and high - low + 1 == entry.distinct and fewest > 0.2 / entry.distinct


def _by_names(parts: Facts) -> SplitGuess:
    levels = [str(level) for level in parts.levels()]
    valid = tuple(level for level in levels if _VALID.match(level))
    test = tuple(level for level in levels if _TEST.match(level))
    train = tuple(level for level in levels if level not in (*valid, *test))
    others = [level for level in train if not _TRAIN.match(level)]
    told = f"{parts.name!r} names the parts"
    if others:
        told += f"; {', '.join(map(repr, others))} is no part's name and trains"
    return SplitGuess(ColumnSplit(parts.name, train=train, valid=valid, test=test), told)


def _by_folds(parts: Facts) -> SplitGuess:
    folds = [int(str(level)) for level in parts.levels()]
    num_test = max(1, round(len(folds) / 5))
    num_valid = 1 if len(folds) > 2 else 0
    cut = len(folds) - num_test
    split = ColumnSplit(
        parts.name,
        train=tuple(folds[: cut - num_valid]),
        valid=tuple(folds[cut - num_valid : cut]),
        test=tuple(folds[cut:]),
    )
    told = f"{parts.name!r} numbers {len(folds)} folds of like size: the last fifth tests"
    return SplitGuess(split, told)


def _can_split(time: Facts) -> bool:
    """Whether no instant is so heavy that a part would be empty or far from its share."""
    if time.distinct < _FEWEST_INSTANTS:
        return False
    counts = time.values.value_counts()["count"]
    heaviest = float(counts.max() or 0) / max(time.values.len(), 1)  # type: ignore[arg-type]
    return heaviest <= _HEAVIEST
