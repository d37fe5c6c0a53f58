"""What is known of a column before anything is guessed: type, counts, range, a sample of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.reading import collect_checked
from plait.data.row_hash import uniform

from .words import words_of

__all__ = ["Facts", "SampledLog", "draw", "facts_of"]

_MANY = 1_000
"""Different values in the sample from which they are counted on all rows."""


@dataclass(frozen=True)
class SampledLog:
    """The log with its side tables, as a whole (lazily) and as a sample that fits in memory.

    Attributes:
        whole: every row.
        sample: some rows, drawn by row number; every row where the log is small.
        rows: of the whole.
    """

    whole: pl.LazyFrame
    sample: pl.DataFrame
    rows: int

    @property
    def is_complete(self) -> bool:
        """Whether the sample is the log."""
        return self.sample.height == self.rows

    def all_rows(self) -> pl.LazyFrame:
        """Every row, from memory where they are there."""
        return self.sample.lazy() if self.is_complete else self.whole

    def exact(self, *measures: pl.Expr) -> dict[str, int | float | None]:
        """Measures over every row, by name."""
        if not measures:
            return {}
        found = collect_checked(self.all_rows().select(measures), where="the log")
        row: dict[str, int | float | None] = found.row(0, named=True)
        return row


def draw(log: pl.LazyFrame, *, limit: int) -> tuple[pl.DataFrame, int]:
    """At most about `limit` rows, drawn by row number, and how many there are.

    The draw depends on nothing but the number of a row, so that two drafts of one file agree.
    """
    rows = int(collect_checked(log.select(pl.len()), where="the log").item())
    if rows <= limit:
        return collect_checked(log, where="the log"), rows
    number = "row number\0"
    share = limit / rows

    def is_drawn(numbers: pl.Series) -> pl.Series:
        return pl.Series(uniform(numbers.to_numpy().astype(np.uint64), seed=0) < share)

    drawn = pl.col(number).map_batches(is_drawn, return_dtype=pl.Boolean, is_elementwise=True)
    kept = log.with_row_index(number).filter(drawn).drop(number)
    return collect_checked(kept, where="the log"), rows


@dataclass(frozen=True, eq=False)
class Facts:
    """A column of the log or of a side table.

    Attributes:
        name: as it is called after the joins.
        table: the side table that it comes from; None: the log.
        values: of the sample.
        rows: of the whole log.
        nulls: of the whole log.
        distinct: different values that are not null; of the whole log where there are many.
        low: smallest number of the whole log; None where it holds none.
        high: largest number of the whole log.
    """

    name: str
    table: str | None
    values: pl.Series
    rows: int
    nulls: int
    distinct: int
    low: float | None
    high: float | None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the name."""
        return words_of(self.name)

    @property
    def dtype(self) -> pl.DataType:
        """The type of the values."""
        return self.values.dtype

    @property
    def is_list(self) -> bool:
        """Whether a cell holds several values."""
        return isinstance(self.dtype, pl.List | pl.Array)

    @property
    def is_text(self) -> bool:
        """Whether the values are texts."""
        return isinstance(self.dtype, pl.String | pl.Categorical | pl.Enum)

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers (true and false are none)."""
        return self.dtype.is_numeric()

    @property
    def is_moment(self) -> bool:
        """Whether the values are dates or times."""
        return self.dtype.is_temporal()

    @property
    def is_single(self) -> bool:
        """Whether a cell holds one number, text, truth or moment."""
        return self.is_text or self.is_number or self.is_moment or self.dtype == pl.Boolean

    @property
    def known(self) -> int:
        """Rows that are not null."""
        return self.rows - self.nulls

    @property
    def repeats(self) -> float:
        """Rows for each value."""
        return self.known / max(self.distinct, 1)

    @property
    def is_unique(self) -> bool:
        """Whether no value, or next to none, stands on two rows."""
        return self.known > 0 and self.distinct >= 0.99 * self.known

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The sample as numbers, nan where null; of columns of numbers and truths."""
        return self.values.cast(pl.Float64).fill_null(np.nan).to_numpy()

    @cached_property
    def is_whole(self) -> bool:
        """Whether every number of the sample is whole."""
        if self.dtype.is_integer():
            return True
        known = self.numbers[~np.isnan(self.numbers)] if self.is_number else np.array([0.5])
        return bool((known == np.floor(known)).all())

    @property
    def filled(self) -> pl.Expr:
        """Where there is something: neither null, nor 0, false, an empty text or an empty list."""
        column = pl.selectors.by_name(self.name).as_expr()
        if self.is_list:
            cell = column.list if isinstance(self.dtype, pl.List) else column.arr
            something = cell.len() > 0
        elif self.is_text:
            something = column.cast(pl.String) != ""
        elif self.is_number or self.dtype == pl.Boolean:
            something = column.cast(pl.Float64) != 0
        else:
            something = column.is_not_null()
        return something.fill_null(value=False)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """The sample as codes from 0 in the order of the values, -1 where null."""
        values = self.values
        if isinstance(values.dtype, pl.Categorical | pl.Enum):
            values = values.cast(pl.String)
        elif values.dtype == pl.Boolean:
            values = values.cast(pl.Int8)
        dense = values.rank("dense").cast(pl.Int64) - 1
        return dense.fill_null(-1).to_numpy()

    def some(self, limit: int = 5) -> list[object]:
        """The first few different values."""
        found: list[object] = self.values.drop_nulls().unique(maintain_order=True).to_list()
        return found[:limit]

    def levels(self) -> list[object]:
        """The different values of the sample in order; of columns with few of them."""
        found: list[object] = self.values.drop_nulls().unique().sort().to_list()
        return found


def facts_of(log: SampledLog, names: Sequence[str], table: str | None = None) -> dict[str, Facts]:
    """The facts of some columns.

    Args:
        log: the log with its side tables.
        names: the columns.
        table: the side table that they come from; None: the log.
    """
    numbers = [name for name in names if log.sample[name].dtype.is_numeric()]
    counted = {name: _distinct(log.sample[name]) for name in names}
    many = [name for name, distinct in counted.items() if not log.is_complete and distinct > _MANY]
    found = log.exact(
        *(pl.col(name).null_count().alias(f"{name}\0nulls") for name in names),
        *(pl.col(name).min().alias(f"{name}\0low") for name in numbers),
        *(pl.col(name).max().alias(f"{name}\0high") for name in numbers),
        *(pl.col(name).drop_nulls().n_unique().alias(f"{name}\0distinct") for name in many),
    )
    return {
        name: Facts(
            name=name,
            table=table,
            values=log.sample[name],
            rows=log.rows,
            nulls=int(found[f"{name}\0nulls"] or 0),
            distinct=int(found.get(f"{name}\0distinct") or counted[name]),
            low=_number(found.get(f"{name}\0low")),
            high=_number(found.get(f"{name}\0high")),
        )
        for name in names
    }


def _distinct(values: pl.Series) -> int:
    return int(values.drop_nulls().n_unique())


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
