"""Whose past a row asks for: numbers for users, items, pairs, and users within values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.batch import NUM_RESERVED
from plait.data.canonical import canonical
from plait.data.columns import Columns
from plait.data.schema import Categorical, MultiHot, Schema
from plait.data.vocabulary import ValueCounts, Vocabulary

__all__ = ["Codes", "Groups", "Members", "NameCounts"]

Integers = NDArray[np.int64]
Numbers = NDArray[np.int32]

CHUNK_ROWS = 131_072
"""Training rows that are worked on at once."""
NOBODY = 0
"""The group of rows without a user (item, pair), or with one that was never seen."""


class Members(NamedTuple):
    """Which groups each row belongs to.

    Attributes:
        groups: int32 `[M]`, `NOBODY` where there is none.
        offsets: int64 `[N + 1]`, where each row's groups begin; None: one group a row.
    """

    groups: Numbers
    offsets: Integers | None = None

    def of(self, rows: Integers) -> Members:
        """The groups of these rows, in their order."""
        if self.offsets is None:
            return Members(self.groups[rows])
        begins, lengths = self.offsets[rows], np.diff(self.offsets)[rows]
        return Members(self.groups[spans(begins, lengths)], offsets_of(lengths))

    def repeated(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """A number (or row of numbers) of each row, once for each of its groups."""
        return values if self.offsets is None else np.repeat(values, np.diff(self.offsets), axis=0)


class Codes(NamedTuple):
    """Who a row speaks of: its user, its item, its values of each crossed feature."""

    user: Numbers | None
    item: Numbers | None
    crossed: dict[str, Members]

    @classmethod
    def joined(cls, parts: Iterable[Codes]) -> Codes:
        """The codes of several chunks, one after another."""
        users, items, crossed = zip(*parts, strict=True)
        return cls(
            None if users[0] is None else np.concatenate(users),
            None if items[0] is None else np.concatenate(items),
            {name: _joined([chunk[name] for chunk in crossed]) for name in crossed[0]},
        )


class NameCounts:
    """Counts the users, items and crossed values of training rows, chunk by chunk."""

    def __init__(self, schema: Schema, crossed: Iterable[Categorical | MultiHot]) -> None:
        self._columns = {r: c for r, c in schema.roles.items() if r in ("user", "item")}
        self.crossed = tuple(crossed)
        names = (*self._columns, *(cross_name(feature) for feature in self.crossed))
        self._counts = {name: ValueCounts() for name in names}

    def add(self, frame: pl.DataFrame) -> None:
        """Count one chunk."""
        for role, column in self._columns.items():
            self._counts[role].add(canonical(frame[column], column=column))
        for feature in self.crossed:
            self._counts[cross_name(feature)].add(_values(feature, frame)[0])

    def vocabularies(self) -> dict[str, Vocabulary]:
        """Everybody who was seen, by role and by crossed feature (`user_genres`)."""
        return {
            name: Vocabulary(counts.ranked(min_count=1)) for name, counts in self._counts.items()
        }


@dataclass(frozen=True)
class Groups:
    """Everybody whose past is kept, and where each stands in the tables; `NOBODY` is 0.

    Attributes:
        columns: role -> raw column.
        crossed: features within whose values users are kept apart.
        vocabularies: values by role (`user`, `item`) and by cross (`user_genres`).
        keys: sorted keys of pairs and crosses; the place in this list, plus one, is the group.
    """

    columns: Mapping[str, str]
    crossed: tuple[Categorical | MultiHot, ...]
    vocabularies: Mapping[str, Vocabulary]
    keys: Mapping[str, Integers]

    def codes(self, frame: pl.DataFrame) -> Codes:
        """Who the rows of a frame speak of."""
        found = {
            role: self._known(role, canonical(frame[column], column=column))
            for role, column in self.columns.items()
        }
        crossed = {}
        for feature in self.crossed:
            values, offsets = _values(feature, frame)
            name = cross_name(feature)
            crossed[name] = Members(self._known(name, values), offsets)
        return Codes(found.get("user"), found.get("item"), crossed)

    def members(self, codes: Codes) -> dict[str, Members]:
        """The group of each row, by the name of what is grouped."""
        found: dict[str, Members] = {}
        if codes.user is not None:
            found["user"] = Members(codes.user)
        if codes.item is not None:
            found["item"] = Members(codes.item)
        for name, known in self.keys.items():
            if name == "pair":
                found[name] = Members(self._pairs(codes))
            else:
                keys, offsets = self.keys_of(name, codes)
                found[name] = Members(_place(keys, known), offsets)
        return found

    def _pairs(self, codes: Codes) -> Numbers:
        """The pair of each row, chunk by chunk: keys are four times as large as what comes out."""
        assert codes.user is not None
        assert codes.item is not None
        found = np.empty(len(codes.user), dtype=np.int32)
        for begin in range(0, len(found), CHUNK_ROWS):
            inside = slice(begin, begin + CHUNK_ROWS)
            part = Codes(codes.user[inside], codes.item[inside], {})
            found[inside] = _place(self.keys_of("pair", part)[0], self.keys["pair"])
        return found

    def keys_of(self, name: str, codes: Codes) -> tuple[Integers, Integers | None]:
        """The keys of a pair or a cross: user × values + value, or -1 for nobody."""
        assert codes.user is not None
        if name == "pair":
            assert codes.item is not None
            users, others, offsets = codes.user, codes.item, None
        else:
            others, offsets = codes.crossed[name]
            users = codes.user if offsets is None else np.repeat(codes.user, np.diff(offsets))
        vocabulary = self.vocabularies["item" if name == "pair" else name]
        keys = users.astype(np.int64) * (len(vocabulary.values) + 1) + others
        keys[(users == NOBODY) | (others == NOBODY)] = -1
        return keys, offsets

    def size(self, name: str) -> int:
        """How many groups there are, `NOBODY` among them."""
        known = self.keys[name] if name in self.keys else self.vocabularies[name].values
        return len(known) + 1

    def only(self, names: Iterable[str]) -> Groups:
        """Those of these names; users and items stay."""
        used = {"user", "item", *names}
        return Groups(
            self.columns,
            tuple(feature for feature in self.crossed if cross_name(feature) in used),
            {name: known for name, known in self.vocabularies.items() if name in used},
            {name: keys for name, keys in self.keys.items() if name in used},
        )

    def _known(self, name: str, values: pl.Series) -> Numbers:
        ids = self.vocabularies[name].ids(values)
        return np.maximum(ids - (NUM_RESERVED - 1), NOBODY).astype(np.int32)


def cross_name(feature: Categorical | MultiHot) -> str:
    """What the past of a user within the values of a feature is called."""
    return f"user_{feature.name}"


def compact(places: Integers) -> NDArray[np.int32] | Integers:
    """The same places in half the memory, where they fit."""
    return places.astype(np.int32) if len(places) < 2**31 else places


def offsets_of(lengths: Integers) -> Integers:
    """Where rows of these lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def spans(begins: Integers, lengths: Integers) -> Integers:
    """The numbers from each begin on, so many of each, one after another.

    Example:
        >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    shift = np.repeat(begins - (ends - lengths), lengths)
    return shift + np.arange(len(shift), dtype=np.int64)


def _values(
    feature: Categorical | MultiHot, frame: pl.DataFrame
) -> tuple[pl.Series, Integers | None]:
    columns = Columns(frame)
    if isinstance(feature, Categorical):
        return columns.values(feature), None
    flat = columns.lists(feature)
    return flat.values, flat.offsets


def _place(keys: Integers, known: Integers) -> Numbers:
    places = np.searchsorted(known, keys)
    inside = np.minimum(places, max(len(known) - 1, 0))
    hit = (known[inside] == keys) if len(known) else np.zeros(len(keys), dtype=np.bool_)
    return np.where(hit & (keys >= 0), inside + 1, NOBODY).astype(np.int32)


def _joined(parts: list[Members]) -> Members:
    groups = np.concatenate([part.groups for part in parts])
    offsets = [part.offsets for part in parts]
    lengths = [np.diff(part) for part in offsets if part is not None]
    return Members(groups, offsets_of(np.concatenate(lengths)) if lengths else None)
