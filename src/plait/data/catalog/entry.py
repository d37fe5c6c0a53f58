"""What the catalogue knows of a set, before its files are found and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from plait.data.joins import Table
from plait.data.reading import Source
from plait.data.schema import Schema
from plait.data.splits import Split
from plait.tasks import Binary, Task

from .fetching import Download

__all__ = ["CatalogSet", "Description", "Entry"]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a data set without its files: names, terms, columns. No data.

    Stability: experimental.

    Attributes:
        name: of the set, and of the choice of tasks or split where it has several.
        title: one line for a list.
        terms: what the publisher allows.
        source: where the set comes from.
        rows: rows of the published log; None where it comes in several sizes.
        schema: the features, without any column that tells the answer, and the roles.
        tasks: what is predicted, and on which rows.
        split: which rows train, validate and test.
        notes: what to know before believing a figure.
    """

    name: str
    title: str
    terms: str
    source: str
    schema: Schema
    tasks: tuple[Task, ...]
    split: Split
    rows: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def chains(self) -> tuple[tuple[str, str], ...]:
        """Pairs of binary tasks, parent and child, that `plait.Chain` can tie.

        Example:
            >>> from plait.data import catalog
            >>> catalog.describe("hillstrom").chains
            (('visit', 'conversion'),)
        """
        binary = {task.name: task for task in self.tasks if isinstance(task, Binary)}
        return tuple(
            (parent, task.name)
            for task in binary.values()
            for parent in task.parents
            if parent in binary and binary[parent].space == task.space
        )


@dataclass(frozen=True, kw_only=True)
class Entry(Description):
    """A set of the catalogue, and what its files are called.

    Attributes:
        folder: what the set's folder is called within a folder of data sets.
        log: the log's file or glob in that folder.
        read: makes the log of the set's folder, where the published files are no table that plait
            reads as it stands. None: `log` is read.
        more: further files that `read` needs.
        tables: side tables; their sources are files or globs in the set's folder.
        downloads: files that may be fetched.
    """

    folder: str
    log: str
    read: Callable[[Path], pl.LazyFrame] | None = None
    more: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    downloads: tuple[Download, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Every file or glob that has to be in the set's folder."""
        return (self.log, *self.more, *(str(table.source) for table in self.tables))


@dataclass(frozen=True, kw_only=True)
class CatalogSet(Description):
    """A set whose files were found: everything that `plait.train` has to be told about it.

    Stability: experimental.

    Attributes:
        log: the log: a path, a glob, or a lazy frame where the published files had to be turned
            into a table first.
        tables: side tables that are joined to the log.
    """

    log: Source
    tables: tuple[Table, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """What `plait.train` takes: `train(**found.arguments(), out="runs/first")`.

        Links are not among them: tie the pairs of `chains` with `plait.Chain` where you want to.
        """
        return {
            "log": self.log,
            "schema": self.schema,
            "tasks": self.tasks,
            "tables": self.tables,
            "split": self.split,
        }
