"""A yes or no, however it is written: 0 and 1, true, yes, 1 or empty, -1 for no or for unknown."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from .facts import Facts
from .feedback import Outcome, shown_number, written

__all__ = ["read_event"]

_YES = frozenset({"yes", "y", "true", "t", "1", "clicked", "success", "positive"})
_NO = frozenset({"no", "n", "false", "f", "0", "none", "failure", "negative"})


def read_event(entry: Facts, why: str, *, is_sure: bool = False) -> Outcome | None:
    """Feedback with two values, or with one where the other is null.

    Args:
        entry: the column.
        why: it is taken for feedback.
        is_sure: whether any two values will do.
    """
    levels = entry.levels() if entry.distinct <= 3 else []
    if entry.is_text:
        return _of_texts(entry, levels, why, is_sure=is_sure)
    return _of_numbers(entry, levels, why, is_sure=is_sure)


def _of_numbers(entry: Facts, levels: list[object], why: str, *, is_sure: bool) -> Outcome | None:
    name = written(entry.name)
    if (entry.dtype == pl.Boolean and len(levels) == 2) or levels == [0, 1]:
        return Outcome(entry, "event", name, None, f"{why}; two values")
    if len(levels) == 1 and entry.nulls and levels[0] in (1, True):
        label = f"is_not_null({name})"
        return Outcome(entry, "event", label, None, f"{why}; 1 or empty, read as yes or no")
    if levels == [-1, 0, 1]:
        return Outcome(entry, "event", name, f"{name} != -1", f"{why}; -1 stands for unknown")
    if levels == [-1, 1]:
        return Outcome(entry, "event", f"{name} == 1", None, f"{why}; 1 or -1")
    if len(levels) != 2 or not is_sure or not entry.is_number:
        return None
    label = f"{name} == {shown_number(float(str(levels[1])))}"
    return Outcome(entry, "event", label, None, f"{why}; the larger of two values")


def _of_texts(entry: Facts, levels: list[object], why: str, *, is_sure: bool) -> Outcome | None:
    if len(levels) != 2:
        return None
    yes = [level for level in levels if str(level).strip().lower() in _YES]
    no = [level for level in levels if str(level).strip().lower() in _NO]
    if not (yes and no) and not is_sure:
        return None
    chosen = str(yes[0]) if yes else str(_rarer(entry, levels))
    if not chosen.isprintable() or set(chosen) & set("\"'\\`"):
        return None
    told = "yes and no" if yes and no else "the rarer of two texts"
    label = f'{written(entry.name)} == "{chosen}"'
    return Outcome(entry, "event", label, None, f"{why}; {told}")


def _rarer(entry: Facts, levels: Iterable[object]) -> object:
    texts = entry.values.cast(pl.String)
    return min(levels, key=lambda level: (int((texts == str(level)).sum()), str(level)))
