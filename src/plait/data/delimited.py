"""CSV and TSV files: rows checked, and types found from the whole file, without loss.

Types are decided here, not guessed from the first rows, because a guess turns identifiers into
floats and leading zeros into other identifiers.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import polars as pl

from plait.errors import DataError

__all__ = ["scan_delimited"]

_MISSING = ["NaN", "nan", "NULL", "null"]
_SAMPLE_ROWS = 1_000
_EXACT_IN_FLOAT = 2**53

_BOOLEAN = r"^(true|false|True|False)$"
_INTEGER = r"^-?(0|[1-9]\d*)$"
_FLOAT = r"^-?(((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?|inf)$"
_DATE = "%Y-%m-%d"
_TIMES = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z")


def scan_delimited(files: Sequence[Path], separator: str) -> pl.LazyFrame:
    """One lazy frame of text files with the same header line.

    A column is a whole number, a number, a boolean, a date or a time where *every* value of it
    is; else it is text. Whole numbers are Int64, else UInt64, else text, digit by digit; numbers
    with leading zeros are text (`007` is not `7`), and so is a column of floats that also holds
    whole numbers too big for a float. Empty fields, `NaN` and `NULL` are missing. Blank lines
    are skipped. Reads the files twice, in bounded memory.

    Raises:
        DataError: a header that is empty, repeats a name or differs between the files; a row with
            too few or too many fields; a quote that is never closed; bytes that are not UTF-8.
    """
    header = _common_header(files, separator)
    with_blank_lines = [file for file in files if _check_rows(file, header, separator)]
    texts = pl.scan_csv(
        list(files),
        separator=separator,
        glob=False,
        schema=pl.Schema(dict.fromkeys(header, pl.String)),
        null_values=_MISSING,
    )
    if with_blank_lines:
        texts = texts.filter(pl.any_horizontal(pl.all().is_not_null()))
    return texts.with_columns(_typed(texts, files))


def _common_header(files: Sequence[Path], separator: str) -> list[str]:
    first = _header(files[0], separator)
    for file in files[1:]:
        other = _header(file, separator)
        if other != first:
            raise DataError(
                f"{file} has other columns than {files[0]}: {', '.join(other)} instead of "
                f"{', '.join(first)}. Files that are read together need the same header line."
            )
    return first


def _header(file: Path, separator: str) -> list[str]:
    with _opened(file) as lines:
        header = next(csv.reader(lines, delimiter=separator), [])
    if not any(header):
        raise DataError(f"{file} starts with a blank line. Its first line must name the columns.")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(
            f"{file} has several columns named {', '.join(map(repr, twice))}. Rename all but one."
        )
    other = next((sign for sign in (";", "\t", "|", ",") if sign in header[0]), None)
    if len(header) == 1 and other is not None:
        raise DataError(
            f"{file} looks separated by {other!r}, not by {separator!r}: its header is one field, "
            f"{header[0]!r}. Write it with {separator!r}, or read it with polars and pass the "
            "frame."
        )
    return header


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as lines:
                yield lines
        else:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                yield lines
    except UnicodeDecodeError as error:
        raise _not_utf8(file) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise _not_whole(file, error) from error
    except csv.Error as error:
        raise DataError(
            f"{file} cannot be read as CSV ({error}). Is a quote never closed?"
        ) from error


def _not_utf8(file: Path) -> DataError:
    return DataError(
        f"{file} is not UTF-8 text. If it is Latin-1, convert it: "
        f"iconv -f latin1 -t utf-8 {file.name} > utf8-{file.name}"
    )


def _not_whole(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file} ({file.stat().st_size} bytes) is truncated or not a gzip file: {error}. "
        "Copy it again and compare its size."
    )


def _check_rows(file: Path, header: Sequence[str], separator: str) -> bool:
    """Whether blank lines must be skipped; an error where a row has too many or too few fields.

    Counting separators line by line is fast; only where a count is off does Python's reader,
    which knows quotes that span lines, decide.
    """
    unquoted = pl.col("line").str.replace_all(r'"[^"]*"', "")
    is_odd = unquoted.str.count_matches(separator, literal=True) != len(header) - 1
    is_odd |= unquoted.str.contains('"', literal=True) | (pl.col("line").str.len_bytes() == 0)
    try:
        lines = pl.scan_lines(file, name="line", glob=False)
        any_odd = lines.select(is_odd.any()).collect(engine="streaming").item()
    except pl.exceptions.ComputeError as error:
        raise _not_utf8(file) from error
    except OSError as error:
        raise _not_whole(file, error) from error
    return bool(any_odd) and _find_broken_row(file, header, separator)


def _find_broken_row(file: Path, header: Sequence[str], separator: str) -> bool:
    has_blank_lines = False
    with _opened(file) as lines:
        rows = csv.reader(lines, delimiter=separator, strict=True)
        start = 1
        for fields in rows:
            if fields and len(fields) != len(header):
                raise DataError(
                    f"{file}, line {start}: {len(fields)} fields where the header has "
                    f"{len(header)} ({', '.join(header[:10])}). Put a field that holds "
                    f"{separator!r} in double quotes, or mend the line."
                )
            has_blank_lines |= not fields
            start = rows.line_num + 1
    # In a file of one column a blank line is a row whose value is missing.
    return has_blank_lines and len(header) > 1


def _typed(texts: pl.LazyFrame, files: Sequence[Path]) -> list[pl.Expr]:
    where = ", ".join(str(file) for file in files[:3])
    try:
        facts = [fact for looks, names in _looks(texts).items() for fact in _facts(looks, names)]
        # The count of every column makes polars read every field once, here, where files are known.
        counted = texts.select(pl.len().alias("\0rows"), pl.all().count(), *facts)
        counts: dict[str, int] = counted.collect(engine="streaming").row(0, named=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{where} cannot be read as CSV: {str(error).splitlines()[0]}. A field that holds a "
            'double quote must be quoted, its quotes doubled: "5"" screen". Lines end with \\n.'
        ) from error
    if counts["\0rows"] == 0:
        raise DataError(f"{where} has a header but no rows. Is the export finished?")
    columns = texts.collect_schema().names()
    conversions = (_conversion(column, counts) for column in columns)
    return [conversion for conversion in conversions if conversion is not None]


def _looks(texts: pl.LazyFrame) -> dict[str, list[str]]:
    """Columns that may be numbers, and that may be times, judged by their first values.

    A column that is empty so far may be either.
    """
    start = texts.head(_SAMPLE_ROWS).collect()
    patterns = {"number": r"^-?[.\d]|^-?inf$|" + _BOOLEAN, "time": r"^\d{4}-"}
    found = {}
    for looks, pattern in patterns.items():
        row = start.select(pl.all().str.contains(pattern).all()).row(0, named=True)
        found[looks] = [name for name, is_so in row.items() if is_so]
    return found


def _facts(looks: str, names: Sequence[str]) -> list[pl.Expr]:
    counts_of = _number_counts if looks == "number" else _time_counts
    return [
        count.alias(f"{name}\0{fact}")
        for name in names
        for fact, count in counts_of(pl.col(name)).items()
    ]


def _number_counts(text: pl.Expr) -> dict[str, pl.Expr]:
    is_integer = text.str.contains(_INTEGER)
    is_too_big = text.cast(pl.Float64, strict=False).abs() >= _EXACT_IN_FLOAT
    return {
        "boolean": text.str.contains(_BOOLEAN).sum(),
        "integer": is_integer.sum(),
        "int64": text.cast(pl.Int64, strict=False).count(),
        "uint64": text.cast(pl.UInt64, strict=False).count(),
        "float": text.str.contains(_FLOAT).sum(),
        "too big": (is_integer & is_too_big).sum(),
    }


def _time_counts(text: pl.Expr) -> dict[str, pl.Expr]:
    times = {form: text.str.to_datetime(form, strict=False).count() for form in _TIMES}
    return {_DATE: text.str.to_date(_DATE, strict=False).count(), **times}


def _conversion(name: str, counts: dict[str, int]) -> pl.Expr | None:
    present, text = counts[name], pl.col(name)

    def all_are(fact: str) -> bool:
        return 0 < present == counts.get(f"{name}\0{fact}", 0)

    if all_are("integer"):
        dtype = pl.Int64 if all_are("int64") else pl.UInt64 if all_are("uint64") else None
        return text.cast(dtype) if dtype is not None else None
    if all_are("float"):
        return text.cast(pl.Float64) if counts[f"{name}\0too big"] == 0 else None
    if all_are("boolean"):
        return text.str.to_lowercase() == "true"
    if all_are(_DATE):
        return text.str.to_date(_DATE)
    for form in _TIMES:
        if all_are(form):
            return text.str.to_datetime(form)
    return None
