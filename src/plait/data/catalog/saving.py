"""A log that had to be made, kept as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from plait.errors import DataError

from .entry import CatalogSet

__all__ = ["save_log"]


def save_log(found: CatalogSet, path: str | Path) -> CatalogSet:
    """Write the log of a set as Parquet where it is no file yet, and use that file from then on.

    The published files are turned into a table once, chunk by chunk; afterwards, a log that is
    larger than memory can be trained on, and an experiment file can name it.

    Args:
        found: a set of `load`.
        path: where the log goes, `.parquet`; a file that is there is replaced.

    Returns:
        The set as it is, where its log is a file already; else one whose log is `path`.

    Raises:
        DataError: another suffix, files that are not what was published, a full disk.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise DataError(
            f"{path}: the log is written as Parquet; name a file that ends in .parquet."
        )
    if not isinstance(found.log, pl.LazyFrame):
        return found
    part = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        found.log.sink_parquet(part)
        part.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"The log of {found.name!r} cannot be written to {path}: {str(error).splitlines()[0]}."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return replace(found, log=path)
