"""Raw rows made ready as a trained model wants them, for a study of rows it never saw."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from plait.artifact import Artifact
from plait.data.labels import TaskReader
from plait.data.log import Log
from plait.data.preparing import write_part
from plait.data.reading import Source
from plait.data.staging import chunks, stage
from plait.data.store import Store

__all__ = ["prepared_rows"]


@contextmanager
def prepared_rows(artifact: Artifact, source: Source) -> Iterator[Store]:
    """The rows of a file as a prepared store; labels may be absent and then are missing.

    Raises:
        DataError: a file that cannot be read.
        TaskError: labels outside their kind.
        UnknownNameError: a column that a feature needs is missing.
    """
    log = Log(
        sources=(source,),
        schema=artifact.schema,
        tasks=tuple(artifact.model.tasks.values()),
        tables=artifact.tables,
        ranks="after",  # which features a model may have was decided when it was trained
    )
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        rows = _chunks(artifact, log, Path(scratch))
        store, _ = write_part(Path(scratch) / "rows", rows, log, artifact.preprocessor)
        yield store


def _chunks(artifact: Artifact, log: Log, scratch: Path) -> Iterator[pl.DataFrame]:
    frame, history = _with_labels(log), artifact.history
    needed = log.needed_columns()
    if history is not None:
        needed = list(dict.fromkeys([*needed, *history.columns]))
    log.check(frame, needed)
    staged = stage(frame, needed, scratch / "raw.arrow")
    for chunk in chunks(staged, staged.select(pl.len()).collect().item()):
        yield chunk if history is None else history.transform(chunk)


def _with_labels(log: Log) -> pl.LazyFrame:
    """The rows, with a column of nulls for each label that they do not have."""
    frame, reader = log.rows(), TaskReader(log.tasks)
    known = frame.collect_schema().names()
    only_labels = reader.columns - reader.serving_columns - set(log.schema.columns())
    absent = sorted(only_labels - set(known))
    return frame.with_columns(pl.lit(None).alias(column) for column in absent)
