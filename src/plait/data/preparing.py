"""From raw tables to prepared stores: read, join, split, fit on the training rows, transform.

The road is walked in chunks of rows, so that memory does not grow with the log. What comes out is
kept under a fingerprint of everything that went in, and reused when nothing changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from filelock import FileLock
from numpy.typing import NDArray

from plait.tasks import Task, task_from_json, task_to_json

from .files import replacing
from .fingerprints import fingerprint
from .history import HistoryTables, add_history, read_history, write_history
from .labels import TaskReader, resolve_classes
from .log import Log
from .part_counts import PartCounts
from .preprocessing import Preprocessor
from .reading import contents
from .schema import Schema
from .split_facts import PartFacts, split_warnings
from .splits import NO_PART, PARTS, Split
from .staging import chunks, stage
from .store import Store
from .writing import StoreWriter

__all__ = ["PreparedLog", "open_prepared", "prepare", "write_part"]


@dataclass(frozen=True)
class PreparedLog:
    """A log made ready for training.

    Attributes:
        train: the training rows.
        valid: the validation rows, where the split has them.
        test: the test rows, where the split has them.
        preprocessor: fitted on the training rows.
        tasks: the tasks, classes filled in.
        facts: under `parts`, rows, positives, unseen values and funnel violations of each part;
            under `left_out`, rows of no part.
        notes: the same in words, with what looks odd.
        key: the fingerprint of everything that went in.
        history: what is known of users and items after the training rows, where it is asked for.
    """

    train: Store
    valid: Store | None
    test: Store | None
    preprocessor: Preprocessor
    tasks: tuple[Task, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    key: str = ""
    history: HistoryTables | None = None


def prepare(log: Log, split: Split, *, cache: Path, older: Path | None = None) -> PreparedLog:
    """Make a log ready for training, or take it from the cache where nothing changed.

    Args:
        log: files, schema and tasks.
        split: which rows train, validate and test.
        cache: folder of prepared logs; this one gets a folder of its own in it. Where several
            processes ask for one log at the same time, the first prepares it and the others wait.
        older: folder of a saved preprocessor whose vocabularies, scales and bins are kept and
            extended, so that known ids keep their rows.

    Raises:
        DataError: files that cannot be read, columns that are not what was said, a full disk.
        SchemaError: a feature that the model may not have.
        TaskError: labels outside their kind.
        UnknownNameError: a column that the log does not have.
    """
    key = _fingerprint(log, split, older)
    folder = cache / key
    if not _is_there(folder):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{key}.lock"):  # runs that start together prepare once
            if not _is_there(folder):
                _prepare_whole(log, split, folder, older)
    return open_prepared(folder)


def _is_there(folder: Path) -> bool:
    return (folder / "log.json").exists()


def _prepare_whole(log: Log, split: Split, folder: Path, older: Path | None) -> None:
    """The prepared log, there whole or not at all."""
    beside = folder.with_name(f"{folder.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        _prepare(log, split, beside, older)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def open_prepared(folder: Path) -> PreparedLog:
    """The prepared log in a folder."""
    form = json.loads((folder / "log.json").read_text(encoding="utf-8"))
    stores = {part: Store.open(folder / part) for part in PARTS if (folder / part).exists()}
    return PreparedLog(
        train=stores["train"],
        valid=stores.get("valid"),
        test=stores.get("test"),
        preprocessor=Preprocessor.load(folder / "preprocessor"),
        tasks=tuple(task_from_json(task) for task in form["tasks"]),
        facts=form["facts"],
        notes=tuple(form["notes"]),
        key=folder.name,
        history=read_history(folder / "history") if (folder / "history").exists() else None,
    )


def write_part(
    folder: Path, rows: Iterator[pl.DataFrame], log: Log, preprocessor: Preprocessor
) -> tuple[Store, dict[str, Any]]:
    """Write the store of one part: features, labels, keys and kept columns; and its counts."""
    reader = TaskReader(log.tasks)
    roles = {role: column for role, column in log.schema.roles.items() if role != "time"}
    counts = PartCounts(log.tasks)
    with StoreWriter(
        folder,
        layout=preprocessor.layout,
        tasks=tuple(task.name for task in log.tasks),
        extras=reader.extras,
        keys=tuple(roles),
    ) as writer:
        for chunk in rows:
            prepared = preprocessor.transform(chunk)
            labels = reader.read(chunk)
            counts.add(labels, prepared.counts)
            writer.append(
                prepared,
                labels=labels.labels,
                observed=labels.observed,
                weights=labels.weights,
                extras=labels.extras,
                keys={role: chunk[column] for role, column in roles.items()},
                columns=chunk.select(log.kept_columns()),
            )
        return writer.close(), counts.to_json()


def _prepare(log: Log, split: Split, folder: Path, older: Path | None) -> None:
    frame = log.rows()
    needed = list(dict.fromkeys([*log.needed_columns(), *split.columns(log.schema)]))
    log.check(frame, needed)
    raw = stage(frame, needed, folder / "raw.arrow")
    parts = split.assign(raw, log.schema)
    train = raw.filter(pl.lit(pl.Series(parts == 0)))
    log = replace(log, tasks=tuple(resolve_classes(task, train) for task in log.tasks))
    schema, rows, told = _with_history(log, raw, parts, folder)
    preprocessor = _fit(rows, parts, schema, older)
    preprocessor.save(folder / "preprocessor")
    counts: dict[str, Any] = {}
    found: list[PartFacts] = []
    for code, part in enumerate(PARTS):
        if (parts == code).any():
            chosen = _rows_of_part(rows, parts, code)
            store, counts[part] = write_part(folder / part, chosen, log, preprocessor)
            found.append(_part_facts(part, store, counts[part], log.schema))
    left_out = int((parts == NO_PART).sum())
    found.append(PartFacts("none", left_out, None, None, None, {}, {}))
    notes = [*notes_on(found, counts, log), *told, *log.join_notes()]
    form = {
        "tasks": [task_to_json(task) for task in log.tasks],
        "facts": {"parts": counts, "left_out": left_out},
        "notes": notes,
    }
    for staged in ("raw.arrow", "history.arrow"):
        (folder / staged).unlink(missing_ok=True)
    shutil.rmtree(folder / "history.scratch", ignore_errors=True)
    with replacing(folder / "log.json") as file:
        file.write(json.dumps(form, indent=1).encode())


def _with_history(
    log: Log, raw: pl.LazyFrame, parts: NDArray[np.uint8], folder: Path
) -> tuple[Schema, pl.LazyFrame, list[str]]:
    """The schema and the rows with the history of each, and notes, where it is asked for."""
    if log.history is None:
        return log.schema, raw, []
    tables, rows, note = add_history(
        log.history, raw, parts, schema=log.schema, tasks=log.tasks, folder=folder
    )
    write_history(folder / "history", tables)
    return tables.extended(log.schema), rows, [note]


def _part_facts(part: str, store: Store, counts: Mapping[str, Any], schema: Schema) -> PartFacts:
    times = None if schema.time is None else store.frame([schema.time]).to_series()
    users = None if schema.user is None else store.frame([schema.user]).to_series()
    return PartFacts(
        part=part,
        rows=counts["rows"],
        first_time=None if times is None else times.min(),
        last_time=None if times is None else times.max(),
        users=None if users is None else users.drop_nulls().n_unique(),
        observed=counts["observed"],
        positives=counts["positive"],
    )


def notes_on(found: Sequence[PartFacts], counts: Mapping[str, Any], log: Log) -> list[str]:
    """Sentences about the parts, and about what in them looks odd."""
    real = [part for part in found if part.part in PARTS]
    notes = [_describe(part) for part in real]
    notes += split_warnings([part for part in found if part.rows], log.tasks)
    for part in real:
        for pair, broken in counts[part.part]["funnel_violations"].items():
            if broken:
                child, parent = pair.split(" without ")
                notes.append(
                    f"The {part.part} part has {broken:,} rows on which {child!r} is positive and "
                    f"its parent {parent!r} is not. Correct the labels, or drop `parents`."
                )
        for name, cut in counts[part.part]["cut"].items():
            notes.append(
                f"The {part.part} part has {cut:,} lists of {name!r} longer than `max_length`; "
                "they were cut."
            )
        for name, unseen in counts[part.part]["unseen"].items():
            if part.part != "train" and unseen >= part.rows:
                notes.append(
                    f"Every value of {name!r} in the {part.part} part is unknown from training."
                )
    return notes


def _describe(part: PartFacts) -> str:
    told = f"{part.part}: {part.rows:,} rows"
    if part.first_time is not None:
        told += f", {part.first_time} to {part.last_time}"
    if part.users is not None:
        told += f", {part.users:,} users"
    labels = ", ".join(
        f"{task} {part.positives[task]:,} of {part.observed[task]:,}" for task in part.observed
    )
    return f"{told}; above zero: {labels}."


def _fit(
    raw: pl.LazyFrame, parts: NDArray[np.uint8], schema: Schema, older: Path | None
) -> Preprocessor:
    preprocessor = Preprocessor(schema)
    for chunk in _rows_of_part(raw, parts, 0):
        preprocessor.partial_fit(chunk)
    preprocessor.finish()
    if older is not None:
        preprocessor.keep(Preprocessor.load(older))
    return preprocessor


def _rows_of_part(raw: pl.LazyFrame, parts: NDArray[np.uint8], code: int) -> Iterator[pl.DataFrame]:
    at = 0
    for chunk in chunks(raw, len(parts)):
        inside = parts[at : at + len(chunk)] == code
        at += len(chunk)
        if inside.any():
            yield chunk if inside.all() else chunk.filter(pl.Series(inside))


def _fingerprint(log: Log, split: Split, older: Path | None) -> str:
    tables = [asdict(replace(table, source="")) for table in log.tables]
    settings = {
        "schema": log.schema.to_json(),
        "tasks": [task_to_json(task) for task in log.tasks],
        "tables": tables,
        "ratios": log.ratios,
        "columns": log.columns,
        "history": None if log.history is None else asdict(log.history),
        "split": repr(split),
    }
    sources = [*log.sources, *(table.source for table in log.tables)]
    whole = [content for source in sources for content in contents(source)]
    if older is not None:
        whole += sorted(older.iterdir())
    return fingerprint(sources=whole, settings=settings)
