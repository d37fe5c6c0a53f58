"""Side tables of users, items and the like, joined to the log row by row, without leaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass

import polars as pl

from plait.errors import DataError, UnknownNameError

from .reading import Source, collect_checked, read

__all__ = ["JoinFacts", "Table", "join", "join_facts"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# Columns of our own while a join runs; no file can hold a name with a null byte by accident.
_KEY, _TIME, _ROW, _MATCHED = "\0key", "\0time", "\0row", "\0matched"


@dataclass(frozen=True)
class Table:
    """A side table, and how its rows belong to those of the log.

    Stability: stable.

    With `time`, the join is *point in time*: a row of the log takes the latest row of the table
    whose time is **strictly earlier** than its own. A row of the same instant is not taken: it may
    have been written because of the event that is to be predicted.

    Attributes:
        name: how messages and the artifact call it; letters, digits, `_` and `-`.
        source: whatever `plait.data.reading.read` takes.
        on: the key: a column that both have, several of them, or log column -> table column.
        time: column of the table with the date or number from which a row holds. None: the table
            has one row for each key, which holds always.
        columns: which columns to take; None: all but the key and the time.
        prefix: put before the names of the columns taken.

    Raises:
        DataError: on construction, when a name, the key or the choice of columns is empty.

    Example:
        >>> items = pl.DataFrame({"item": [1, 2], "price": [9.5, 3.0]})
        >>> log = pl.LazyFrame({"item": [2, 7, 1]})
        >>> join(log, [Table("items", items, "item")]).collect()["price"].to_list()
        [3.0, None, 9.5]
    """

    name: str
    source: Source
    on: str | tuple[str, ...] | Mapping[str, str]
    _: KW_ONLY
    time: str | None = None
    columns: tuple[str, ...] | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DataError(
                f"Side table {self.name!r}: a name has letters, digits, `_` and `-`, and starts "
                "with a letter."
            )
        if not self.keys:
            raise DataError(f"Side table {self.name!r}: `on` is empty; name the key.")
        if self.columns is not None and not self.columns:
            raise DataError(f"Side table {self.name!r}: `columns` is empty; None takes all.")

    @property
    def keys(self) -> dict[str, str]:
        """The key as log column -> table column."""
        if isinstance(self.on, str):
            return {self.on: self.on} if self.on else {}
        if isinstance(self.on, Mapping):
            return dict(self.on)
        return {column: column for column in self.on}

    def taken(self, known: Iterable[str]) -> dict[str, str]:
        """The columns that the join adds, as table column -> new name."""
        skipped = {*self.keys.values(), self.time}
        chosen = self.columns or [name for name in known if name not in skipped]
        return {name: self.prefix + name for name in chosen if name not in self.keys.values()}


@dataclass(frozen=True)
class JoinFacts:
    """How much of the log found its row in a side table.

    Attributes:
        table: name of the side table.
        rows: rows of the log.
        unmatched: rows of the log without a row in the table, those with a null key among them.
    """

    table: str
    rows: int
    unmatched: int

    @property
    def share_unmatched(self) -> float:
        """Unmatched rows as a share of all; 0 for an empty log."""
        return self.unmatched / max(self.rows, 1)


def join(log: pl.LazyFrame, tables: Iterable[Table], *, time: str | None = None) -> pl.LazyFrame:
    """The log with the columns of its side tables; its rows and their order stay as they are.

    Keys that are null, or that the table does not have, give nulls. Integer keys of different
    width match by value, categories match texts; other types must be equal.

    Args:
        log: one row for each event.
        tables: what to join, in this order; a later table may use a column of an earlier one.
        time: the log's time column, for tables that have a `time`.

    Raises:
        UnknownNameError: a key, time or chosen column that is not there.
        DataError: a key that stands on several rows of the table, so that rows of the log would
            multiply; types of key or time that do not match; a column that the log has already;
            two tables of one name; no time in the log for a point-in-time join.
    """
    for table in _distinct(tables):
        log = _join_one(log, table, time)
    return log


def join_facts(
    log: pl.LazyFrame, tables: Iterable[Table], *, time: str | None = None
) -> list[JoinFacts]:
    """How many rows of the log find no row in each table. Reads the log's keys.

    Args:
        log: as for `join`.
        tables: as for `join`.
        time: as for `join`.

    Raises:
        UnknownNameError: as `join`.
        DataError: as `join`.
    """
    facts = []
    for table in _distinct(tables):
        log = _join_one(log, table, time, marker=_MATCHED)
        counted = log.select(pl.len().alias("rows"), pl.col(_MATCHED).null_count().alias("un"))
        rows, unmatched = collect_checked(counted, where=f"side table {table.name!r}").row(0)
        facts.append(JoinFacts(table.name, rows, unmatched))
        log = log.drop(_MATCHED)
    return facts


def _distinct(tables: Iterable[Table]) -> list[Table]:
    found = list(tables)
    names = [table.name for table in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"Two side tables share a name: {', '.join(twice)}. Names must differ.")
    return found


def _join_one(
    log: pl.LazyFrame, table: Table, time: str | None, *, marker: str | None = None
) -> pl.LazyFrame:
    side = read(table.source)
    have, held = log.collect_schema(), side.collect_schema()
    _check_columns(table, have, held)
    taken = table.taken(held)
    _check_collisions(table, taken, have)
    pairs = [_matching_keys(table, mine, theirs, have, held) for mine, theirs in table.keys.items()]
    names = [f"{_KEY}{number}" for number in range(len(pairs))]
    left = [mine.alias(name) for name, (mine, _) in zip(names, pairs, strict=True)]
    right = [theirs.alias(name) for name, (_, theirs) in zip(names, pairs, strict=True)]
    added = [pl.col(column).alias(new) for column, new in taken.items()]
    if marker is not None:
        added.append(pl.lit(1, dtype=pl.Int8).alias(marker))
    if table.time is None:
        side = side.select(*right, *added)
        _check_unique(table, side, names)
        return (
            log.with_columns(left)
            .join(side, on=names, how="left", maintain_order="left")
            .drop(names)
        )
    mine, theirs = _matching_times(table, time, have, held)
    side = side.select(*right, theirs.alias(_TIME), *added).filter(pl.col(_TIME).is_not_null())
    _check_unique(table, side, [*names, _TIME])
    return _join_earlier(log.with_columns(*left, mine.alias(_TIME)), side, names)


def _join_earlier(log: pl.LazyFrame, side: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Each row of the log with the latest row of the table before it, in the log's order."""
    joined = (
        log.with_row_index(_ROW)
        .sort(_TIME)
        .join_asof(
            side.sort(_TIME),
            on=_TIME,
            by=keys,
            strategy="backward",
            allow_exact_matches=False,
            # Both sides were sorted in the line above.
            check_sortedness=False,
        )
    )
    return joined.sort(_ROW).drop(_ROW, _TIME, *keys)


def _check_columns(table: Table, have: pl.Schema, held: pl.Schema) -> None:
    where = f"side table {table.name!r}"
    for mine, theirs in table.keys.items():
        if mine not in have:
            raise UnknownNameError(
                mine, what="column", known=have, where=f"the log (key of {where})"
            )
        if theirs not in held:
            raise UnknownNameError(theirs, what="column", known=held, where=f"{where} (its key)")
    for column in [*(table.columns or ()), *([table.time] if table.time else [])]:
        if column not in held:
            raise UnknownNameError(column, what="column", known=held, where=where)


def _check_collisions(table: Table, taken: Mapping[str, str], have: pl.Schema) -> None:
    both = [new for new in taken.values() if new in have]
    if both:
        raise DataError(
            f"Side table {table.name!r} and the log both have {', '.join(map(repr, both))}. Give "
            f"the table a prefix, such as prefix='{table.name}_', or choose its `columns`."
        )


def _matching_keys(
    table: Table, mine: str, theirs: str, have: pl.Schema, held: pl.Schema
) -> tuple[pl.Expr, pl.Expr]:
    left, right = have[mine], held[theirs]
    common = _common_key(left, right)
    if common is None:
        raise DataError(
            f"Side table {table.name!r}: the key is {right} in the table ({theirs!r}) and {left} "
            f"in the log ({mine!r}), so nothing would match. Write both with one type."
        )
    return pl.col(mine).cast(common), pl.col(theirs).cast(common)


def _common_key(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """A type that holds every value of both without loss, where there is one."""
    texts = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(left, texts) and isinstance(right, texts):
        return pl.String()
    if left == right:
        return left
    if left.is_integer() and right.is_integer():
        return pl.Int128() if pl.UInt64 in (left, right) else pl.Int64()
    return None


def _matching_times(
    table: Table, time: str | None, have: pl.Schema, held: pl.Schema
) -> tuple[pl.Expr, pl.Expr]:
    assert table.time is not None
    if time is None:
        raise DataError(
            f"Side table {table.name!r} has a `time` ({table.time!r}), but the log has none. Name "
            "the log's time column in the schema."
        )
    if time not in have:
        raise UnknownNameError(time, what="column", known=have, where="the log (its time)")
    left, right = have[time], held[table.time]
    common = _common_time(left, right)
    if common is None:
        raise DataError(
            f"Side table {table.name!r}: the time is {right} in the table ({table.time!r}) and "
            f"{left} in the log ({time!r}). Write both as dates, or both as numbers of one unit."
        )
    return pl.col(time).cast(common), pl.col(table.time).cast(common)


def _common_time(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    if left == right and (left.is_numeric() or isinstance(left, pl.Date | pl.Datetime)):
        return left
    if left.is_integer() and right.is_integer():
        return _common_key(left, right)
    if left.is_numeric() and right.is_numeric():
        return pl.Float64()
    if isinstance(left, pl.Date | pl.Datetime) and isinstance(right, pl.Date | pl.Datetime):
        zones = {dtype.time_zone for dtype in (left, right) if isinstance(dtype, pl.Datetime)}
        return pl.Datetime("us", zones.pop()) if len(zones) == 1 else None
    return None


def _check_unique(table: Table, side: pl.LazyFrame, keys: list[str]) -> None:
    repeated = side.select(keys).drop_nulls().group_by(keys).len().filter(pl.col("len") > 1)
    counted = repeated.select(pl.len().alias("\0n"), pl.all().sort_by(keys).first())
    facts = collect_checked(counted, where=f"side table {table.name!r}").row(0, named=True)
    number = facts["\0n"]
    if number:
        key = [*table.keys.values(), *([table.time] if table.time else [])]
        example = ", ".join(
            f"{name} = {facts[ours]!r}" for name, ours in zip(key, keys, strict=True)
        )
        raise DataError(
            f"Side table {table.name!r}: {number} keys stand on several rows, such as "
            f"{example} ({facts['len']} rows), so rows of the log would multiply. Keep one row "
            f"for each {' and '.join(key)}"
            + ("." if table.time else ", or name the table's `time` for a point-in-time join.")
        )
