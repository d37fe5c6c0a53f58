"""How a column is read: categorical, numeric, a list, a vector, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from plait.data.schema import Categorical, Feature, MultiHot, Numeric, Sequence, Vector

from .facts import Facts
from .words import CODES, ITEM, KEY, LISTS, USER, VECTORS, has, is_whole_number_name

__all__ = ["guess_kind"]

_DELIMITERS = ("|", ";", ", ", ",", "^", " ")
_FEW = 10
_MOST_TAGS = 1_000
_MOST_BLANK_TAGS = 200
_DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_LONG_TEXT = 40
_FEWEST_LISTS = 50


@dataclass(frozen=True)
class Reading:
    """How a column would be read.

    Attributes:
        feature: None where no kind fits.
        reason: why.
        is_useful: whether a model can learn from it.
    """

    feature: Feature | None
    reason: str
    is_useful: bool = True


def guess_kind(entry: Facts, *, is_key: bool, keys: Mapping[str, Facts]) -> Reading:
    """How a column is read, and why.

    Args:
        entry: the column.
        is_key: whether it is the user, the item or the scenario.
        keys: the join key of each side table.
    """
    if is_key:
        return Reading(Categorical(entry.name), f"{entry.distinct:,} values")
    if entry.is_list:
        return _list(entry)
    if entry.is_moment:
        return _useless("a moment; take its hour or weekday where they matter")
    if entry.dtype == pl.Boolean:
        return Reading(Categorical(entry.name), "true or false")
    if entry.is_text:
        return _text(entry, keys.get(entry.table or ""))
    if entry.is_number:
        return _number(entry)
    return _useless(f"{entry.dtype} is no kind that a model reads")


def _useless(reason: str) -> Reading:
    return Reading(None, reason, is_useful=False)


def _list(entry: Facts) -> Reading:
    values = entry.values
    if isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    inner = values.dtype.inner  # type: ignore[attr-defined]  # a list, as `is_list` says
    if isinstance(inner, pl.List | pl.Array | pl.Struct):
        return _useless("lists of lists; flatten them first")
    lengths = values.list.len().drop_nulls()
    fixed = lengths.n_unique() == 1 and int(lengths[0]) > 1
    if inner.is_float() or (fixed and has(entry.words, VECTORS) and inner.is_numeric()):
        if fixed and _is_finite(values):
            size = int(lengths[0])
            return Reading(Vector(entry.name, size=size), f"{size} numbers on every row")
        return _useless("lists of numbers of different lengths")
    longest = int(max(lengths.to_list(), default=0))
    if has(entry.words, LISTS):
        return Reading(Sequence(entry.name), f"a list in order by its name, up to {longest} long")
    return Reading(MultiHot(entry.name), f"a list, up to {longest} long")


def _is_finite(values: pl.Series) -> bool:
    flat = values.drop_nulls().explode()
    return bool(flat.is_finite().fill_null(value=False).all())


def _text(entry: Facts, key: Facts | None) -> Reading:
    texts = entry.values.cast(pl.String).drop_nulls()
    if not texts.len():
        return _useless("empty")
    if float(texts.str.contains(_DATE).mean() or 0.0) > 0.95:  # type: ignore[arg-type]
        return _useless(
            "dates written as text; store them as dates to split by time or to use them"
        )
    delimited = _delimited(entry, texts)
    if delimited is not None:
        return delimited
    length = float(texts.str.len_chars().mean() or 0.0)  # type: ignore[arg-type]
    if entry.table is None and entry.is_unique:
        return _useless("another text on every row")
    if key is not None and entry.distinct > 20 and entry.distinct >= 0.9 * key.distinct:
        told = f"names the row of its table, as {key.name!r} does already"
        return _useless(told)
    if length > _LONG_TEXT and entry.distinct > 1_000:
        return _useless(f"free text, {length:.0f} letters on average")
    return Reading(Categorical(entry.name), f"text with {entry.distinct:,} values")


def _delimited(entry: Facts, texts: pl.Series) -> Reading | None:
    """Texts that hold several values of a small set: tags, genres, past items."""
    cells = texts.unique()
    in_order = has(entry.words, LISTS) and len(cells) > _FEWEST_LISTS
    for delimiter in _DELIMITERS:
        held = cells.str.contains(delimiter, literal=True)
        if float(held.mean() or 0.0) < 0.2:  # type: ignore[arg-type]
            continue
        parts = cells.str.split(delimiter).explode().drop_nulls()
        distinct = parts.n_unique()
        few = _MOST_BLANK_TAGS if delimiter == " " else _MOST_TAGS
        are_tags = distinct <= 0.5 * len(cells) and distinct <= few
        are_ids = delimiter != ", " and bool(parts.str.contains(r"^\d*$").all())
        if not (are_tags or are_ids or (in_order and delimiter != " ")):
            continue
        longest = max(cells.str.count_matches(delimiter, literal=True).to_list()) + 1
        told = f"{distinct:,} values split at {delimiter!r}, up to {longest} a row"
        if in_order:
            return Reading(Sequence(entry.name, delimiter=delimiter), told)
        return Reading(MultiHot(entry.name, delimiter=delimiter), told)
    return None


def _number(entry: Facts) -> Reading:
    if np.isinf(entry.numbers).any() or np.isinf([entry.low or 0.0, entry.high or 0.0]).any():
        return _useless("some values are infinite; clip them or make them null")
    if entry.is_whole and entry.distinct <= 2:
        return Reading(Categorical(entry.name), "two values")
    if not entry.is_whole:
        return Reading(Numeric(entry.name), f"{_range(entry)}, {entry.distinct:,} values")
    is_code = has(entry.words, CODES) or is_whole_number_name(entry.words) or _names_one(entry)
    is_own = entry.table is None and entry.is_unique and entry.distinct > _FEW
    if is_own and (is_code or _counts_rows(entry)):
        return _useless("another number on every row: the row's own id")
    if is_code:
        return Reading(
            Categorical(entry.name), f"whole numbers that name, {entry.distinct:,} values"
        )
    if entry.distinct <= 3:
        return Reading(Categorical(entry.name), f"{entry.distinct} whole numbers")
    return Reading(Numeric(entry.name), f"whole numbers, {_range(entry)}")


def _names_one(entry: Facts) -> bool:
    """Whether the name is that of a user or an item and nothing else."""
    return bool(entry.words) and all(word in {*USER, *ITEM, *KEY} for word in entry.words)


def _counts_rows(entry: Facts) -> bool:
    """Whether each row has the next number."""
    last = (entry.low or 0.0) + entry.rows - 1
    return entry.high == last and not entry.nulls and bool((np.diff(entry.numbers) > 0).all())


def _range(entry: Facts) -> str:
    return f"from {entry.low:.6g} to {entry.high:.6g}"
