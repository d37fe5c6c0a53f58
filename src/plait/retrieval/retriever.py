"""Raw users in, candidates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch

from plait.data.batch import NUM_RESERVED
from plait.data.canonical import role_codes
from plait.data.joins import Table, join
from plait.data.reading import Source, read
from plait.data.serving import unlabelled_batch
from plait.errors import ConfigurationError, DataError, UnknownNameError

from .artifact import TowersArtifact, read_towers
from .exposures import Floats, Integers, places_of
from .index import ApproximateIndex, ExactIndex, Found, Index, overlap

__all__ = ["Candidates", "Retriever", "load"]

Side = Literal["user", "item"]
SAMPLE = 1000
"""Users on whom the index is compared with an exact search."""


@dataclass(frozen=True)
class Candidates:
    """What was found.

    Stability: experimental.

    Attributes:
        frame: one row a candidate: user, `rank` from 1, item, `score`.
        facts: how many `users` were asked, how many of them are `unknown_users` (read by what else
            is known of them), how many got fewer than k (`short_users`), the number of `items`, and
            `index_recall`: which share of an exact search the index found; None where it was exact.
    """

    frame: pl.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


class Retriever:
    """Trained towers that take raw users and give the items they may be shown.

    Stability: experimental.

    Attributes:
        artifact: the towers, their preprocessor, schema, side tables and history.
    """

    def __init__(self, artifact: TowersArtifact) -> None:
        self.artifact = artifact

    def embed(self, source: Source, *, side: Side) -> pl.DataFrame:
        """The vectors of users or items, row by row: the id and an `embedding`.

        Only the columns of that side are read; those of side tables that are joined by it are
        looked up. Strangers are read as *unknown*, with whatever else their row says.

        Args:
            source: a file, a folder, a glob or a data frame.
            side: `user` or `item`.

        Raises:
            DataError: a file that cannot be read, or a column that is not of its kind.
            UnknownNameError: a column that is missing.
        """
        ids, vectors, _ = self._embed(source, side)
        return pl.DataFrame([ids, _column(vectors)])

    def retrieve(
        self,
        source: Source,
        *,
        k: int,
        seen: Source | None = None,
        items: Source | None = None,
        exact: bool = False,
    ) -> Candidates:
        """The k items of each user whose vectors fit the user's best.

        Args:
            source: the users: a file, a folder, a glob or a data frame, one row a user.
            k: candidates for each.
            seen: rows with the columns of user and item; nobody gets an item that they have a row
                with.
            items: the items that may be given, with the columns that the item's tower reads. None:
                those of the training rows.
            exact: compare with every item, instead of by an index.

        Raises:
            ConfigurationError: k is out of range.
            DataError: a file that cannot be read, a column that is not of its kind, or the same
                item or user twice.
            MissingExtraError: an index is asked for and `usearch` is not installed.
            UnknownNameError: a column that is missing.
        """
        names, vectors = self._items(items)
        if not 1 <= k <= len(names):
            raise ConfigurationError(
                f"`k` is {k:,}, and there are {len(names):,} items that can be given. Ask for 1 to "
                f"{len(names):,}."
            )
        users, asked, unknown = self._embed(source, "user")
        _check_once(users, "user")
        index: Index = ExactIndex(vectors) if exact else ApproximateIndex(vectors)
        had = self._had(seen, users, names)
        found = _without(index, asked, k, had)
        frame = pl.DataFrame(
            {
                users.name: users.gather(np.repeat(np.arange(len(users)), k)),
                "rank": np.tile(np.arange(1, k + 1), len(users)),
                names.name: names.gather(np.maximum(found.items, 0).ravel()),
                "score": found.scores.ravel(),
            }
        ).filter(pl.Series(found.items.ravel() >= 0))
        facts = {
            "users": len(users),
            "unknown_users": unknown,
            "short_users": int((found.items < 0).any(axis=1).sum()),
            "items": len(names),
            "index_recall": None if exact else self._index_recall(vectors, asked, index, k),
        }
        return Candidates(frame, facts)

    def _items(self, source: Source | None) -> tuple[pl.Series, Floats]:
        """The items that may be given, and their vectors."""
        item = str(self.artifact.schema.item)
        if source is None:
            known = self.artifact.items
            flat = known["embedding"].explode().to_numpy().astype(np.float32)
            return known[item], flat.reshape(known.height, self.artifact.model.width)
        names, vectors, _ = self._embed(source, "item")
        _check_once(names, "item")
        return names, vectors

    def _had(self, seen: Source | None, users: pl.Series, items: pl.Series) -> list[Integers]:
        """For each user the places of the items that they had."""
        if seen is None:
            return [np.empty(0, np.int64)] * len(users)
        frame = _frame(seen)
        for name in (users.name, items.name):
            if name not in frame.collect_schema().names():
                known = frame.collect_schema().names()
                raise UnknownNameError(name, what="column", known=known, where="`seen`")
        pairs = frame.select(users.name, items.name).drop_nulls().collect()
        user, item = (_places(pairs[column.name], column) for column in (users, items))
        both = (user >= 0) & (item >= 0)
        user, item = user[both], item[both]
        order = np.argsort(user, kind="stable")
        bounds = np.searchsorted(user[order], np.arange(len(users) + 1))
        return [np.unique(item[order][a:b]) for a, b in pairwise(bounds)]

    def _index_recall(self, vectors: Floats, users: Floats, index: Index, k: int) -> float:
        sample = users[:: max(1, len(users) // SAMPLE)][:SAMPLE]
        return overlap(index.search(sample, k).items, ExactIndex(vectors).search(sample, k).items)

    def _embed(self, source: Source, side: Side) -> tuple[pl.Series, Floats, int]:
        """Raw ids, vectors, and how many ids the towers do not know."""
        artifact = self.artifact
        key = str(getattr(artifact.schema, side))
        frame = self._rows(source, side, key)
        if artifact.history is not None:
            frame = artifact.history.transform(frame)
        batch = unlabelled_batch(artifact.preprocessor.transform(frame), extras={})
        with torch.inference_mode():
            vectors = artifact.model.vectors(batch, side).numpy()
        column = getattr(artifact.preprocessor.layout, side)
        unknown = 0
        if column is not None:
            place = [c.name for c in artifact.preprocessor.layout.ids].index(column)
            unknown = int((batch.ids[:, place] < NUM_RESERVED).sum())
        return frame[key], vectors, unknown

    def _rows(self, source: Source, side: Side, key: str) -> pl.DataFrame:
        """The rows with their side tables; columns that only the other tower reads are null."""
        artifact = self.artifact
        frame = _frame(source)
        known = frame.collect_schema().names()
        tables = [t for t in artifact.tables if _joins(t, known, artifact.schema.time)]
        frame = join(frame, tables, time=artifact.schema.time)
        known = frame.collect_schema().names()
        features = artifact.model.user_features if side == "user" else artifact.model.item_features
        needed = [key]
        for feature in artifact.schema.features:
            if feature.name in features:
                needed += feature.columns()
        for column in needed:
            if column not in known:
                raise UnknownNameError(
                    column, what="column", known=known, where=f"the rows of {side}s"
                )
        absent = [*artifact.schema.columns()]
        absent += [] if artifact.history is None else artifact.history.columns
        nulls = [pl.lit(None).alias(c) for c in dict.fromkeys(absent) if c not in known]
        return frame.with_columns(nulls).collect()


def _frame(source: Source) -> pl.LazyFrame:
    found = read(source)
    assert isinstance(found, pl.LazyFrame)
    return found


def _joins(table: Table, known: Sequence[str], time: str | None) -> bool:
    """Whether rows have what a side table is joined by, and not yet what it adds."""
    needed = {*table.keys, *([str(time)] if table.time else [])}
    added = table.taken(_frame(table.source).collect_schema().names()).values()
    return needed <= {*known} and not {*added} & {*known}


def _column(vectors: Floats) -> pl.Series:
    return pl.Series("embedding", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).cast(
        pl.List(pl.Float32)
    )


def _check_once(ids: pl.Series, side: Side) -> None:
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise DataError(
            f"{len(twice):,} rows share a {side} with another row, the first of them "
            f"{twice[0]!r}. Give one row for each {side}."
        )


def _places(values: pl.Series, known: pl.Series) -> Integers:
    """Where each raw value stands among others; -1 where it does not."""
    codes, _ = role_codes(known, column=known.name)
    order = np.argsort(codes)
    at = places_of(role_codes(values, column=values.name)[0], codes[order])
    return np.where(at >= 0, order[np.maximum(at, 0)], -1)


def _without(index: Index, users: Floats, k: int, had: Sequence[Integers]) -> Found:
    """The best k items of each user, leaving out those that they had."""
    more = max((len(items) for items in had), default=0)
    found = index.search(users, k + more)
    if not more:
        return found
    places = np.full((len(users), k), -1, dtype=np.int64)
    scores = np.full((len(users), k), -np.inf, dtype=np.float32)
    for row, items in enumerate(had):
        kept = np.flatnonzero(~np.isin(found.items[row], items))[:k]
        places[row, : len(kept)] = found.items[row, kept]
        scores[row, : len(kept)] = found.scores[row, kept]
    return Found(places, scores)


def load(folder: str | Path) -> Retriever:
    """The towers of a finished run, ready for raw users.

    Stability: experimental.

    Args:
        folder: the run's folder, or the `artifact` folder in it.

    Raises:
        ArtifactError: no artifact, a damaged or newer one, or one without towers.
    """
    return Retriever(read_towers(Path(folder)))
