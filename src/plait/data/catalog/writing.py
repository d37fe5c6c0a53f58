"""A set of the catalogue as an experiment file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from plait.data.joins import Table
from plait.data.schema import FEATURE_KINDS, Feature, Schema
from plait.data.splits import ColumnSplit, Split
from plait.data.toml_values import (
    SPLIT_NAMES,
    changed_settings,
    toml_key,
    toml_path,
    toml_value,
)
from plait.errors import DataError
from plait.tasks import Task

from .entry import CatalogSet

__all__ = ["to_toml"]

_WIDTH = 98


def to_toml(found: CatalogSet, folder: str | Path) -> str:
    """The experiment file of a set, with its terms and notes as comments.

    `plait.Experiment.read` accepts it, and it trains as it stands.

    Args:
        found: a set of `load`; its log must be a file (`save_log`).
        folder: where the file will lie. Paths below it are written relative to it.

    Raises:
        DataError: the log is no file.
    """
    if not isinstance(found.log, str | Path):
        raise DataError(
            f"The log of {found.name!r} is no file, so an experiment file cannot name it. Write it "
            "with `save_log` first."
        )
    place = Path(folder)
    blocks = [
        _head(found),
        ["[data]", f"log = {toml_value(toml_path(found.log, place))}"],
        *(_table(table, place) for table in found.tables),
        _roles(found.schema),
        ["[features]", *_features(found.schema)],
        *(_task(task) for task in found.tasks),
        _split(found.split),
        _links(found),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(found: CatalogSet) -> list[str]:
    told = [f"{found.name}: {found.title}.", f"Source: {found.source}.", f"Terms: {found.terms}."]
    return [line for sentence in (*told, *found.notes) for line in _comment(sentence)]


def _table(table: Table, folder: Path) -> list[str]:
    on = table.on if isinstance(table.on, str) else table.keys
    settings = {"on": on, **changed_settings(table, without=("name", "source", "on"))}
    source = f"source = {toml_value(toml_path(str(table.source), folder))}"
    return [f"[tables.{toml_key(table.name)}]", source, *_settings(settings)]


def _roles(schema: Schema) -> list[str]:
    return ["[roles]", *_settings(schema.roles)] if schema.roles else []


def _features(schema: Schema) -> Iterator[str]:
    for kind in FEATURE_KINDS:
        written = [_feature(feature) for feature in schema.features if isinstance(feature, kind)]
        if written:
            yield from _wrapped(kind.kind, written)


def _feature(feature: Feature) -> str:
    settings = changed_settings(feature, without=("name",))
    return toml_value({"name": feature.name, **settings} if settings else feature.name)


def _task(task: Task) -> list[str]:
    settings = changed_settings(task, without=("name",))
    return [f"[tasks.{toml_key(task.name)}]", *_settings({"kind": task.kind, **settings})]


def _split(split: Split) -> list[str]:
    settings: dict[str, object] = changed_settings(split)
    if isinstance(split, ColumnSplit):
        # The parts have defaults of their own, so an empty one is written too.
        settings = {field.name: getattr(split, field.name) for field in fields(split)}
    return ["[split]", *_settings({"by": SPLIT_NAMES[type(split)], **settings})]


def _links(found: CatalogSet) -> list[str]:
    if not found.chains:
        return []
    links = [{"name": "Chain", "parent": one, "child": two} for one, two in found.chains]
    written = _wrapped("links", [toml_value(link) for link in links])
    told = _comment("To keep a step of the funnel below the one before it:")
    return [*told, "# [model]", *(f"# {line}" for line in written)]


def _settings(settings: Mapping[str, object]) -> list[str]:
    return [
        f"{toml_key(key)} = {toml_value(value)}"
        for key, value in settings.items()
        if value is not None
    ]


def _wrapped(key: str, values: list[str]) -> list[str]:
    """A list over several lines."""
    whole = f"{key} = [{', '.join(values)}]"
    if len(whole) <= _WIDTH:
        return [whole]
    lines, line = [], ""
    for value in values:
        if line and len(line) + len(value) + 3 > _WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {value}," if line else f"  {value},"
    return [f"{key} = [", *lines, line, "]"]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, width=_WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
    )
