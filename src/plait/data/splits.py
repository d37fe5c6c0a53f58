"""Which rows train, validate and test: by time, by user, at random or by a column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from plait.errors import SplitError, UnknownNameError

from .reading import collect_checked
from .row_hash import uniform
from .schema import Schema

__all__ = [
    "NO_PART",
    "PARTS",
    "ColumnSplit",
    "Moment",
    "RandomSplit",
    "Split",
    "TimeSplit",
    "UserSplit",
]

PARTS = ("train", "valid", "test")
"""The parts; the number of a part is its place here."""

NO_PART = 255
"""The number of a row that belongs to no part."""

Moment: TypeAlias = date | datetime | float
Parts: TypeAlias = NDArray[np.uint8]

_CHUNK = 1_000_000


class Split(ABC):
    """What every way to split has in common."""

    @abstractmethod
    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """The columns that the split reads.

        Raises:
            SplitError: the column is neither named here nor a role of the schema.
        """

    @abstractmethod
    def assign(self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None) -> Parts:
        """The part of each row: 0 train, 1 valid, 2 test, 255 none. Shape: [rows].

        Only the columns that the split reads are held in memory.

        Raises:
            SplitError: a part that would be empty, and what each split says of its column.
            UnknownNameError: a column that the frame does not have.
        """


@dataclass(frozen=True)
class TimeSplit(Split):
    """Train on the past, test on what came after: the default, because it is how a model is used.

    Stability: stable.

    Rows of one instant are never torn apart: the border is the instant whose rows before and
    after come nearest to the fractions. Borders given as values replace the fractions of both
    parts; a row *at* a border belongs to the later part.

    Attributes:
        column: time column; None: the schema's.
        valid: fraction of the rows that validate; 0: none.
        test: fraction of the rows, the last ones, that test; 0: none.
        valid_from: first instant of the validation rows. With `test_from` alone there are none.
        test_from: first instant of the test rows.

    Raises:
        SplitError: on construction, when fractions or borders contradict each other.

    Example:
        >>> frame = pl.DataFrame({"t": [3, 1, 2, 2, 9]})
        >>> TimeSplit("t", valid=0.2, test=0.2).assign(frame, None).tolist()
        [1, 0, 0, 0, 2]
    """

    column: str | None = None
    _: KW_ONLY
    valid: float = 0.1
    test: float = 0.2
    valid_from: Moment | None = None
    test_from: Moment | None = None

    def __post_init__(self) -> None:
        _check_fractions(self.valid, self.test)
        if self.valid_from is None or self.test_from is None:
            return
        if isinstance(self.valid_from, date) != isinstance(self.test_from, date):
            raise SplitError("`valid_from` and `test_from` must both be dates, or both numbers.")
        if not _as_number(self.valid_from) < _as_number(self.test_from):
            raise SplitError(
                f"`valid_from` ({self.valid_from}) must come before `test_from` ({self.test_from})."
            )

    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """The time column."""
        return (_role(self.column, schema, "time"),)

    def assign(self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None) -> Parts:
        """Earlier rows train, later ones test. Shape: [rows]."""
        times = _column(frame, *self.columns(schema))
        _check_times(times)
        if self.valid_from is None and self.test_from is None:
            return _checked(self._by_fraction(times), valid=self.valid > 0, test=self.test > 0)
        parts = np.zeros(len(times), dtype=np.uint8)
        for part, start in ((1, self.valid_from), (2, self.test_from)):
            if start is not None:
                parts[_is_from(start, times).to_numpy()] = part
        return _checked(parts, valid=self.valid_from is not None, test=self.test_from is not None)

    def _by_fraction(self, times: pl.Series) -> Parts:
        physical = times.to_physical().to_numpy()
        instants, counts = np.unique(physical, return_counts=True)
        rows_from = counts[::-1].cumsum()[::-1]
        test = _nearest(rows_from, self.test * len(times))
        valid = min(_nearest(rows_from, (self.valid + self.test) * len(times)), test)
        if self.valid > 0 and valid == test:
            # A heavy instant swallowed the validation rows: they get the instant before it.
            valid = max(test - 1, 0)
        parts = np.zeros(len(times), dtype=np.uint8)
        for part, first in ((1, valid), (2, test)):
            if first < len(instants):
                parts[physical >= instants[first]] = part
        return parts


@dataclass(frozen=True)
class UserSplit(Split):
    """Whole users train, validate or test: how well does the model do for people it never saw?

    Stability: stable.

    A user's part is a hash of the user's text and the seed: it depends on no other row, so it is
    the same in tomorrow's log. Rows without a user train.

    Attributes:
        column: user column; None: the schema's.
        valid: fraction of the users, in expectation, that validate; 0: none.
        test: fraction of the users, in expectation, that test; 0: none.
        seed: another seed sends other users.

    Raises:
        SplitError: on construction, when the fractions leave no training rows.
    """

    column: str | None = None
    _: KW_ONLY
    valid: float = 0.1
    test: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        _check_fractions(self.valid, self.test)

    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """The user column."""
        return (_role(self.column, schema, "user"),)

    def assign(self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None) -> Parts:
        """Every row of a user falls into one part. Shape: [rows]."""
        users = _column(frame, *self.columns(schema))
        known = users.unique().drop_nulls()
        hashes = np.fromiter(self._hashes(known), dtype=np.uint64, count=len(known))
        drawn = hashes.astype(np.float64) / 2.0**64
        lookup = pl.DataFrame({"user": known, "part": _by_chance(drawn, self.valid, self.test)})
        parts = users.to_frame("user").join(lookup, on="user", how="left", maintain_order="left")
        assigned = parts["part"].fill_null(0).to_numpy()
        return _checked(assigned, valid=self.valid > 0, test=self.test > 0)

    def _hashes(self, users: pl.Series) -> Iterator[int]:
        for start in range(0, len(users), _CHUNK):
            for text in users.slice(start, _CHUNK).cast(pl.String):
                yield xxhash.xxh3_64_intdigest(text.encode(), seed=self.seed % 2**64)


@dataclass(frozen=True)
class RandomSplit(Split):
    """Rows at random: for logs without time. It flatters a model that will meet the future.

    Stability: stable.

    The part of a row depends on its number in the log and the seed alone.

    Attributes:
        valid: fraction of the rows, in expectation, that validate; 0: none.
        test: fraction of the rows, in expectation, that test; 0: none.
        seed: another seed draws other rows.

    Raises:
        SplitError: on construction, when the fractions leave no training rows.
    """

    _: KW_ONLY
    valid: float = 0.1
    test: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        _check_fractions(self.valid, self.test)

    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """None: rows go by their number."""
        return ()

    def assign(self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None) -> Parts:
        """Each row by its own draw. Shape: [rows]."""
        rows = collect_checked(frame.lazy().select(pl.len()), where="the log").item()
        parts = np.empty(rows, dtype=np.uint8)
        for start in range(0, rows, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, rows), dtype=np.uint64)
            drawn = uniform(numbers, seed=self.seed)
            parts[start : start + len(numbers)] = _by_chance(drawn, self.valid, self.test)
        return _checked(parts, valid=self.valid > 0, test=self.test > 0)


@dataclass(frozen=True)
class ColumnSplit(Split):
    """The log itself says which row is what: a column with a day, a fold or a name of the part.

    Stability: stable.

    Rows with a value that is not listed, or with none, belong to no part.

    Attributes:
        column: the column.
        train: its values on training rows.
        valid: its values on validation rows; empty: none.
        test: its values on test rows; empty: none.

    Raises:
        SplitError: on construction, when no value trains or one value is in two parts.

    Example:
        >>> frame = pl.DataFrame({"fold": ["a", "b", "c", None]})
        >>> ColumnSplit("fold", train=("a",), valid=("b",), test=()).assign(frame, None).tolist()
        [0, 1, 255, 255]
    """

    column: str
    _: KW_ONLY
    train: tuple[str | int | date, ...] = ("train",)
    valid: tuple[str | int | date, ...] = ("valid",)
    test: tuple[str | int | date, ...] = ("test",)

    def __post_init__(self) -> None:
        if not self.train:
            raise SplitError("`train` lists no value, so no row would train.")
        values = [*self.train, *self.valid, *self.test]
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise SplitError(f"Listed twice: {', '.join(twice)}. A value belongs to one part.")

    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """The column that says it."""
        return (self.column,)

    def assign(self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None) -> Parts:
        """Each row as its value says; 255 where the value is not listed. Shape: [rows]."""
        values = _column(frame, self.column)
        parts = np.full(len(values), NO_PART, dtype=np.uint8)
        for part, listed in enumerate((self.train, self.valid, self.test)):
            is_listed = values.is_in(self._typed(listed, values).implode()).fill_null(value=False)
            parts[is_listed.to_numpy()] = part
        return _checked(parts, valid=bool(self.valid), test=bool(self.test))

    def _typed(self, listed: tuple[str | int | date, ...], values: pl.Series) -> pl.Series:
        try:
            return pl.Series(listed, dtype=values.dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise SplitError(
                f"Column {self.column!r} is {values.dtype}, but these values of the split are "
                f"not: {listed}. Write them as they stand in the log."
            ) from error


def _check_fractions(valid: float, test: float) -> None:
    problems = [
        f"`{name}` must lie in [0, 1), got {fraction}"
        for name, fraction in (("valid", valid), ("test", test))
        if not 0 <= fraction < 1
    ]
    if not problems and valid + test >= 1:
        problems = [f"`valid` and `test` leave no training rows: {valid} + {test}"]
    if problems:
        raise SplitError("; ".join(problems) + ".")


def _role(column: str | None, schema: Schema | None, role: str) -> str:
    found = column or (schema.roles.get(role) if schema is not None else None)
    if found is None:
        raise SplitError(
            f"This split needs a {role} column. Name it in the schema ({role}=...) or in the split "
            "(column=...)."
        )
    return found


def _column(frame: pl.LazyFrame | pl.DataFrame, name: str) -> pl.Series:
    lazy = frame.lazy()
    known = lazy.collect_schema().names()
    if name not in known:
        raise UnknownNameError(name, what="column", known=known, where="the log (for the split)")
    return collect_checked(lazy.select(name), where="the log").to_series()


def _check_times(times: pl.Series) -> None:
    dtype = times.dtype
    if not (dtype.is_numeric() or isinstance(dtype, pl.Date | pl.Datetime)):
        raise SplitError(
            f"Column {times.name!r} is {dtype}; a time is a date, a date with time, or a number. "
            "Text is read as a date when every value looks like 2024-12-31 or 2024-12-31 18:00:00."
        )
    missing = times.null_count() + (int(times.is_nan().sum()) if dtype.is_float() else 0)
    if missing:
        raise SplitError(
            f"Column {times.name!r} has no time on {missing} of {len(times)} rows, so they have "
            "no place in a split by time. Fill them, drop these rows, or use RandomSplit."
        )


def _is_from(start: Moment, times: pl.Series) -> pl.Series:
    """Which times are at or after a border. One without a zone is in the zone of the column."""
    dtype = times.dtype
    if isinstance(start, date) == dtype.is_numeric():
        kind = "a number in the unit of the column" if dtype.is_numeric() else "a date"
        raise SplitError(
            f"Column {times.name!r} is {dtype}, so its border must be {kind}, got {start!r}."
        )
    if not isinstance(start, date):
        return times >= start
    moment = start if isinstance(start, datetime) else datetime(start.year, start.month, start.day)
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if moment.tzinfo is None:
        border = pl.Series([moment]).dt.replace_time_zone(zone)
    elif zone is not None:
        border = pl.Series([moment.astimezone(UTC)]).dt.convert_time_zone(zone)
    else:
        raise SplitError(f"Column {times.name!r} has no time zone, but its border does: {moment}.")
    return times.cast(border.dtype) >= border


def _as_number(moment: Moment) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, date):
        return datetime(moment.year, moment.month, moment.day).timestamp()
    return moment


def _nearest(rows_from: NDArray[np.int64], wanted: float) -> int:
    """The first instant of a part that is to hold `wanted` rows: the end, when it holds none."""
    if wanted == 0:
        return len(rows_from)
    return int(np.abs(rows_from - wanted).argmin())


def _by_chance(drawn: NDArray[np.float64], valid: float, test: float) -> Parts:
    return np.where(drawn < test, 2, np.where(drawn < test + valid, 1, 0)).astype(np.uint8)


def _checked(parts: Parts, *, valid: bool, test: bool) -> Parts:
    asked = {"train": True, "valid": valid, "test": test}
    for number, name in enumerate(PARTS):
        if asked[name] and not (parts == number).any():
            raise SplitError(
                f"The part {name!r} is empty: none of {len(parts)} rows falls into it. Change the "
                f"split, or leave the part out."
            )
    return parts
