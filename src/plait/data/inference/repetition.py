"""Columns that say nothing, or what another column says already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from scipy.stats import rankdata

from .facts import Facts
from .guesses import Caution

__all__ = ["find_constants", "find_duplicates"]

_NEARLY = 0.9995
_MOST_ROWS = 20_000
_FEWEST_ROWS = 50
_MOST_LEVELS = 20


def find_constants(columns: Sequence[Facts]) -> list[Caution]:
    """Columns with one value, or none, on every row.

    Args:
        columns: every column that plays no role.
    """
    return list(_constants(columns))


def _constants(columns: Sequence[Facts]) -> Iterator[Caution]:
    for entry in columns:
        if entry.known == 0:
            yield Caution("constant", (entry.name,), "null on every row")
        elif entry.distinct == 1 and entry.nulls == 0:
            shown = repr(entry.some(1)[0])
            yield Caution("constant", (entry.name,), f"{shown[:60]} on every row")


def find_duplicates(columns: Sequence[Facts]) -> list[Caution]:
    """Columns that repeat an earlier one: value for value, under other names, or in order.

    Args:
        columns: those that might become features, in the order of the log.
    """
    singles = [entry for entry in columns if entry.is_single and entry.distinct > 1]
    if not singles or singles[0].values.len() < _FEWEST_ROWS:
        return []
    rows = min(_MOST_ROWS, singles[0].values.len())
    codes = {entry.name: entry.codes[:rows] for entry in singles}
    sizes = {name: len(np.unique(code)) for name, code in codes.items()}
    found: dict[str, Caution] = {}
    for position, entry in enumerate(singles):
        for earlier in singles[:position]:
            if earlier.name in found or sizes[entry.name] != sizes[earlier.name]:
                continue
            caution = _same(entry, earlier, rows)
            if caution is not None:
                found[entry.name] = caution
                break
    left = [entry for entry in singles if entry.name not in found and entry.is_number]
    for caution in _in_one_order(left, rows):
        found.setdefault(caution.columns[0], caution)
    return list(found.values())


def _same(entry: Facts, earlier: Facts, rows: int) -> Caution | None:
    pair = (entry.name, earlier.name)
    mine, theirs = entry.codes[:rows], earlier.codes[:rows]
    size = len(np.unique(mine))
    both = pl.DataFrame({"mine": mine, "theirs": theirs}).n_unique()
    # Two measures of the same many things go one to one without being the same.
    measure = size > _MOST_LEVELS and entry.is_number and earlier.is_number
    if both != size or size * 2 > rows or measure:
        is_same = entry.dtype == earlier.dtype and entry.values.equals(earlier.values)
        return (
            Caution("duplicate", pair, f"the same values as {earlier.name!r}") if is_same else None
        )
    told = f"one value for each value of {earlier.name!r}: the same under other names"
    return Caution("duplicate", pair, told)


def _in_one_order(columns: Sequence[Facts], rows: int) -> Iterator[Caution]:
    """Numbers whose ranks agree almost everywhere."""
    wide = [entry for entry in columns if entry.distinct > 10 and not (entry.codes < 0).any()]
    if len(wide) < 2:
        return
    ranks = np.stack([rankdata(entry.numbers[:rows]) for entry in wide])
    order = np.atleast_2d(np.corrcoef(ranks))
    for position, entry in enumerate(wide):
        close = [at for at in range(position) if abs(order[position, at]) >= _NEARLY]
        if close:
            earlier = wide[close[0]].name
            value = float(order[position, close[0]])
            told = f"nearly the same as {earlier!r}: rank correlation {value:.4f}"
            yield Caution("near_duplicate", (entry.name, earlier), told, {"correlation": value})
