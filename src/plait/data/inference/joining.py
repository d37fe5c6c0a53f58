"""Which column of the log finds its row in a side table: by name, uniqueness and containment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from plait.data.joins import Table, join, join_facts
from plait.data.reading import Source, collect_checked, read
from plait.errors import DataError

from .guesses import Caution, TableGuess
from .words import KEY, TIME, has, words_of

__all__ = ["guess_tables"]

_LEAST_FOUND = 0.2
_MANY_LOST = 0.05


@dataclass(frozen=True)
class _Key:
    """A pair of columns that may join, and how well they would."""

    mine: str
    theirs: str
    closeness: int
    found: float
    is_unique: bool


def guess_tables(
    log: pl.LazyFrame,
    sample: pl.DataFrame,
    tables: Mapping[str, Source],
    time: str | None,
) -> tuple[list[TableGuess], list[Caution]]:
    """How side tables are joined, and what looks odd about it.

    Args:
        log: every row.
        sample: some of them.
        tables: name of the side table -> what `plait.data.reading.read` takes.
        time: the log's time column.

    Raises:
        DataError: a table that shares no key with the log, or that has several rows for each key.
    """
    guesses: list[TableGuess] = []
    cautions: list[Caution] = []
    for name, source in tables.items():
        table, key = _table(name, source, sample, time)
        facts = join_facts(log, [table], time=time)[0]
        lost = facts.share_unmatched
        how = "the latest row before each row of the log" if table.time else "unique in the table"
        reason = f"{_named_alike(key)}, {how}; {1 - lost:.1%} of the log's rows find one"
        guesses.append(TableGuess(table, reason, lost))
        if lost > _MANY_LOST:
            told = (
                f"{facts.unmatched:,} of {facts.rows:,} rows find none in {name!r} by {key.mine!r}"
            )
            cautions.append(Caution("unmatched_keys", (key.mine,), told, {"share": lost}))
        sample = collect_checked(join(sample.lazy(), [table], time=time), where="the log")
        log = join(log, [table], time=time)
    return guesses, cautions


def _table(name: str, source: Source, log: pl.DataFrame, time: str | None) -> tuple[Table, _Key]:
    side = collect_checked(read(source), where=f"side table {name!r}")
    keys = sorted(
        _keys(name, log, side),
        key=lambda key: (
            not key.is_unique,
            not has(words_of(key.mine), KEY),
            key.closeness,
            -key.found,
            key.mine,
        ),
    )
    best = next((key for key in keys if key.is_unique), None)
    since = None
    if best is None and keys:
        since = _since(side, keys[0], log, time)
        best = keys[0] if since is not None else None
    if best is None:
        raise DataError(_no_key(name, log, side, keys))
    clash = {*side.columns} - {best.theirs, since}
    table = Table(
        name,
        source,
        best.mine if best.mine == best.theirs else {best.mine: best.theirs},
        time=since,
        prefix=f"{name}_" if clash & {*log.columns} else "",
    )
    return table, best


def _keys(name: str, log: pl.DataFrame, side: pl.DataFrame) -> Iterator[_Key]:
    for mine in log.columns:
        for theirs in side.columns:
            closeness = _closeness(name, mine, theirs)
            if closeness is None or not _is_alike(log[mine].dtype, side[theirs].dtype):
                continue
            known = log[mine].drop_nulls().unique()
            values = side[theirs].drop_nulls()
            if known.dtype.is_integer():
                known, values = known.cast(pl.Int128), values.cast(pl.Int128)
            else:
                known, values = known.cast(pl.String), values.cast(pl.String)
            found = float(known.is_in(values.unique().implode()).mean() or 0.0)  # type: ignore[arg-type]
            if found >= _LEAST_FOUND:
                yield _Key(mine, theirs, closeness, found, values.n_unique() == len(values))


def _closeness(table: str, mine: str, theirs: str) -> int | None:
    """0 for one name, 1 for the same words, 2 where the table's name stands for one of them."""
    if mine == theirs:
        return 0
    words, other = set(words_of(mine)), set(words_of(theirs))
    if words == other:
        return 1
    if not has(words, KEY) and not has(other, KEY):
        return None
    about = {word.rstrip("s") for word in words_of(table)}
    with_table = {word.rstrip("s") for word in other} | about
    return (
        2 if other <= KEY | about and {word.rstrip("s") for word in words} == with_table else None
    )


def _is_alike(left: pl.DataType, right: pl.DataType) -> bool:
    texts = (pl.String, pl.Categorical, pl.Enum)
    both_text = isinstance(left, texts) and isinstance(right, texts)
    return both_text or (left.is_integer() and right.is_integer())


def _since(side: pl.DataFrame, key: _Key, log: pl.DataFrame, time: str | None) -> str | None:
    """The column from which a row of the table holds, where that makes its key unique."""
    if time is None:
        return None
    for column, dtype in side.schema.items():
        is_time = has(words_of(column), TIME) or dtype.is_temporal()
        if is_time and column != key.theirs and _same_clock(dtype, log[time].dtype):
            pairs = side.select(key.theirs, column).drop_nulls()
            if pairs.n_unique() == pairs.height:
                return column
    return None


def _same_clock(left: pl.DataType, right: pl.DataType) -> bool:
    if left.is_numeric() and right.is_numeric():
        return True
    zones = [getattr(dtype, "time_zone", None) for dtype in (left, right)]
    return left.is_temporal() and right.is_temporal() and zones[0] == zones[1]


def _named_alike(key: _Key) -> str:
    return "both have it" if key.mine == key.theirs else f"{key.mine!r} is {key.theirs!r} there"


def _no_key(name: str, log: pl.DataFrame, side: pl.DataFrame, keys: Sequence[_Key]) -> str:
    if keys:
        return (
            f"Side table {name!r} has several rows for each {keys[0].theirs!r}, so rows of the log "
            "would multiply. Keep one row for each, or give both a time, for a point-in-time join."
        )
    return (
        f"Side table {name!r} shares no key with the log: no column of one name and type holds "
        f"the same values. The table has {', '.join(side.columns[:20])}; the log has "
        f"{', '.join(log.columns[:20])}. Rename the key so that both agree."
    )
