"""What is read from a person's files, checked for what contradicts itself before any row is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import polars as pl

from plait.errors import SchemaError, TaskError, UnknownNameError
from plait.tasks import Task, check_tasks

from .expressions import parse
from .history.settings import History
from .joins import Table, join, join_facts
from .labels import TaskReader
from .reading import Source, read, read_many
from .schema import Schema

__all__ = ["Log"]


@dataclass(frozen=True)
class Log:
    """Everything that is read from a person's files, and how.

    Attributes:
        sources: one log or several of one schema: paths, globs or data frames.
        schema: features and roles.
        tasks: what is to be predicted.
        tables: side tables that are joined to the log.
        ratios: shares in which several logs are mixed; None: all rows of each.
        columns: further raw columns to keep for slices and groups.
        ranks: `before`: the model ranks items before they are shown, so that features known only
            afterwards are refused.
        history: what is remembered of users and items; None: nothing.

    Raises:
        SchemaError: a feature that is known too late, or is the label of a task.
        TaskError: tasks that contradict each other, or a ranking task without requests.
    """

    sources: tuple[Source, ...]
    schema: Schema
    tasks: tuple[Task, ...]
    tables: tuple[Table, ...] = ()
    ratios: tuple[float, ...] | None = None
    columns: tuple[str, ...] = ()
    ranks: Literal["before", "after"] = "before"
    history: History | None = None

    def __post_init__(self) -> None:
        check_tasks(self.tasks)
        if self.history is not None:
            self.history.check(self.schema, self.tasks)
        _check_known(self.schema, self.ranks)
        for task in self.tasks:
            _check_no_label(self.schema, task)
            if task.kind == "ranking" and self.schema.request is None:
                raise TaskError(
                    f"Task {task.name!r} ranks the rows of one request, but the schema has no "
                    "role `request`. Name the column that is equal within a request."
                )

    def kept_columns(self) -> list[str]:
        """The raw columns that a store keeps beside its features: roles, slices and groups."""
        return list(dict.fromkeys([*self.schema.roles.values(), *self.columns]))

    def needed_columns(self) -> list[str]:
        """Every raw column that features, roles, tasks, slices and groups need."""
        reader = TaskReader(self.tasks)
        return list(dict.fromkeys([*self.schema.columns(), *sorted(reader.columns), *self.columns]))

    def rows(self) -> pl.LazyFrame:
        """The log with its side tables, not yet read."""
        return join(self._unjoined(), self.tables, time=self.schema.time)

    def join_notes(self) -> list[str]:
        """A sentence for each side table in which some rows of the log find nothing."""
        return [
            f"{facts.unmatched:,} of {facts.rows:,} rows find nothing in the side table "
            f"{facts.table!r}; its columns are null there."
            for facts in join_facts(self._unjoined(), self.tables, time=self.schema.time)
            if facts.unmatched
        ]

    def _unjoined(self) -> pl.LazyFrame:
        if len(self.sources) == 1:
            return read(self.sources[0])
        names = [f"log {number}" for number in range(1, len(self.sources) + 1)]
        ratios = None if self.ratios is None else dict(zip(names, self.ratios, strict=True))
        return read_many(dict(zip(names, self.sources, strict=True)), ratios=ratios)

    def check(self, frame: pl.LazyFrame, needed: Collection[str]) -> None:
        """See that a frame has the columns that are needed.

        Raises:
            UnknownNameError: with whose column it is, and the nearest name.
        """
        known = frame.collect_schema().names()
        reader = TaskReader(self.tasks)
        if reader.columns <= set(needed):
            reader.check(known)
        owners = {column: f"role {role!r}" for role, column in self.schema.roles.items()}
        owners |= {c: f"feature {f.name!r}" for f in self.schema.features for c in f.columns()}
        for column in needed:
            if column not in known:
                owner = f" ({owners[column]})" if column in owners else ""
                raise UnknownNameError(column, what="column", known=known, where=f"the log{owner}")


def _check_known(schema: Schema, ranks: str) -> None:
    late = [feature.name for feature in schema.features if feature.known == "after"]
    if late and ranks == "before":
        raise SchemaError(
            f"{', '.join(late)}: known only after the exposure, but the model ranks before it "
            'and would not have them then. Remove these features, or say `ranks = "after"` '
            "if the model scores rows afterwards."
        )


def _check_no_label(schema: Schema, task: Task) -> None:
    """A label made of one column must not be a feature; of several, it may share one of them."""
    read = parse(task.label_expression).columns
    if len(read) != 1:
        return
    for feature in schema.features:
        if read & set(feature.columns()):
            raise SchemaError(
                f"Feature {feature.name!r} is read from the column that is the label of task "
                f"{task.name!r}, so the model would be told the answer. Remove the feature."
            )
