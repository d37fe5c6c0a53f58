"""Ali-CCP as it was published: lines of `field, feature, value` without a fixed length.

Two forms are in use. Tianchi's own has one file of samples and one of what many samples share, with
control characters between the parts. The other has one line a sample, `field:feature` by commas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from plait.data.reading import collect_checked
from plait.data.schema import Categorical, MultiHot, Numeric, Schema
from plait.errors import DataError

from .ali_ccp import BOUGHT, SOURCE, TERMS
from .entry import Entry
from .parts import PARTS, below_each_other

__all__ = ["ALI_CCP_RAW", "ALI_CCP_SLOTS"]

_OF_USER = ("101", "121", "122", "124", "125", "126", "127", "128", "129")
_OF_SAMPLE = ("205", "206", "207", "216", "301")
_COMBINED = ("508", "509", "702")
# Of these a sample may have several.
_HISTORY = ("109_14", "110_14", "127_14", "150_14")
_INTENTS = ("210", "853")


@dataclass(frozen=True)
class _Form:
    """How the fields of one line are told apart.

    Attributes:
        between: what stands between two fields.
        before: what stands between a field and its feature.
        after: what stands between the feature and its value; None: there is no value.
    """

    between: str
    before: str
    after: str | None = None

    def one(self, line: pl.Expr, field: str) -> pl.Expr:
        """The field's feature; null where the line does not have it."""
        return line.str.extract(f"(?:^|{self.between}){self._pair(field)}", 1)

    def value(self, line: pl.Expr, field: str) -> pl.Expr:
        """The value of the field's feature."""
        return line.str.extract(f"(?:^|{self.between}){self._pair(field)}", 2).cast(pl.Float64)

    def several(self, line: pl.Expr, field: str) -> pl.Expr:
        """The field's features, in their order."""
        return self._found(line, field).list.eval(pl.element().str.extract(self._pair(field), 1))

    def values(self, line: pl.Expr, field: str) -> pl.Expr:
        """The values of the field's features."""
        value = pl.element().str.extract(self._pair(field), 2).cast(pl.Float64)
        return self._found(line, field).list.eval(value)

    def _found(self, line: pl.Expr, field: str) -> pl.Expr:
        return line.str.extract_all(f"(?:^|{self.between}){self._pair(field)}")

    def _pair(self, field: str) -> str:
        stops = f"{self.between}{self.after or ''}"
        value = "" if self.after is None else f"{self.after}([^{self.between}]+)"
        return f"{field}{self.before}([^{stops}]+){value}"


_SLOTS = _Form(between=",", before=":")
_TIANCHI = _Form(between="\x01", before="\x02", after="\x03")

_FEATURES = (
    *map(Categorical, (*_OF_USER, *_OF_SAMPLE, *_COMBINED)),
    *map(MultiHot, _INTENTS),
)


def _read_slots(folder: Path) -> pl.LazyFrame:
    parts = {part: _slots(folder / f"{part}.txt") for part in ("train", "test")}
    return below_each_other(parts, group="sample_id")


def _slots(path: Path) -> pl.LazyFrame:
    lines = pl.scan_lines(path, name="line", glob=False)
    _check_lines(lines, r"^\d+,[01],[01],\d", path, "id,click,purchase,field:feature,…")
    line, start = pl.col("line"), pl.col("line").str.splitn(",", 4).struct
    return lines.select(
        start.field("field_0").cast(pl.Int64).alias("sample_id"),
        start.field("field_1").cast(pl.Int8).alias("click"),
        start.field("field_2").cast(pl.Int8).alias("purchase"),
        *(_SLOTS.one(line, f).alias(f) for f in (*_OF_USER, *_OF_SAMPLE, *_COMBINED)),
        *(_SLOTS.several(line, f).alias(f) for f in (*_INTENTS, *_HISTORY)),
    )


def _read_raw(folder: Path) -> pl.LazyFrame:
    parts = {part: _samples(folder, part) for part in ("train", "test")}
    return below_each_other(parts, group="sample_id")


def _samples(folder: Path, part: str) -> pl.LazyFrame:
    """The samples of one part, each with what it shares with others."""
    samples = _parted(folder / f"sample_skeleton_{part}.csv", ("sample_id", "click", "purchase"))
    shared = _parted(folder / f"common_features_{part}.csv", ())
    line = pl.col("line")
    left = samples.select(
        pl.col("sample_id").cast(pl.Int64),
        pl.col("click", "purchase").cast(pl.Int8),
        "shared",
        *(_TIANCHI.one(line, field).alias(field) for field in (*_OF_SAMPLE, *_COMBINED)),
        *(_TIANCHI.value(line, field).alias(f"D{field}") for field in _COMBINED),
        *(_TIANCHI.several(line, field).alias(field) for field in _INTENTS),
    )
    right = shared.select(
        "shared",
        *(_TIANCHI.one(line, field).alias(field) for field in _OF_USER),
        *(_TIANCHI.several(line, field).alias(field) for field in _HISTORY),
        *(_TIANCHI.values(line, field).alias(f"D{field}") for field in _HISTORY),
    )
    return left.join(right, on="shared", how="left", maintain_order="left").drop("shared")


def _parted(path: Path, first: tuple[str, ...]) -> pl.LazyFrame:
    """Columns of a line: the first ones, the key of what is shared, and its fields as `line`."""
    lines = pl.scan_lines(path, name="line", glob=False)
    names = (*first, "shared", "num_fields", "line")
    pattern = r"^\d+,[01],[01],[^,]+,\d+," if first else r"^[^,]+,\d+,"
    _check_lines(lines, pattern, path, ",".join((*names[:-1], "fields")))
    parts = pl.col("line").str.splitn(",", len(names)).struct.rename_fields(list(names))
    return lines.select(parts.alias("parts")).unnest("parts")


def _check_lines(lines: pl.LazyFrame, pattern: str, path: Path, expected: str) -> None:
    wrong = lines.with_row_index("number", offset=1).filter(~pl.col("line").str.contains(pattern))
    first = collect_checked(wrong.head(1), where=str(path))
    if first.height:
        number, line = first.row(0)
        raise DataError(
            f"{path}, line {number}: {line[:60]!r} does not look like `{expected}`. Is it the "
            "published file, without a header, and whole?"
        )


_NOTE = "The published files are train and test; training samples whose id ends in 9 validate."

ALI_CCP_SLOTS = Entry(
    name="ali_ccp_slots",
    title="Ali-CCP, one line a sample: an item is clicked, and bought",
    terms=TERMS,
    source=f"{SOURCE}, as lines of `id,click,purchase,field:feature,…`",
    folder="ali_ccp_slots",
    log="train.txt",
    more=("test.txt",),
    read=_read_slots,
    schema=Schema((*_FEATURES, *map(MultiHot, _HISTORY)), user="101", item="205", scenario="301"),
    tasks=BOUGHT,
    split=PARTS,
    notes=(_NOTE,),
)

ALI_CCP_RAW = Entry(
    name="ali_ccp_raw",
    title="Ali-CCP, Tianchi's own files: an item is clicked, and bought",
    terms=TERMS,
    source=f"{SOURCE}: sample_skeleton and common_features, train and test",
    folder="ali_ccp_raw",
    log="sample_skeleton_train.csv",
    more=("common_features_train.csv", "sample_skeleton_test.csv", "common_features_test.csv"),
    read=_read_raw,
    schema=Schema(
        (
            *_FEATURES,
            *(MultiHot(field, weights=f"D{field}") for field in _HISTORY),
            *(Numeric(f"D{field}") for field in _COMBINED),
        ),
        user="101",
        item="205",
        scenario="301",
    ),
    tasks=BOUGHT,
    split=PARTS,
    notes=(_NOTE,),
)
