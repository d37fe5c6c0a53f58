"""Which features tell of the user, and which of the item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from plait.data.history import History
from plait.data.joins import Table
from plait.data.reading import read
from plait.data.schema import Schema
from plait.errors import SchemaError, UnknownNameError

from .settings import Retrieval

__all__ = ["Sides", "history_of_users", "only_sides", "sides_of"]

OF_USERS = "history.user."
"""How the features begin that a history makes of a user's past."""


class Sides(NamedTuple):
    """The features of both towers by name.

    Attributes:
        user: of the user's tower, without those of the history.
        item: of the item's tower.
        left_out: those that neither reads.
    """

    user: tuple[str, ...]
    item: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def sides_of(schema: Schema, tables: Sequence[Table], settings: Retrieval) -> Sides:
    """Sort the features of a schema into those of users and those of items.

    A feature belongs to the user if all its columns are the user's own or come from side tables
    that are joined by the user alone; to the item likewise. What only a row of the log knows, such
    as the hour, is read by neither, because candidates are looked for before there is a row.

    Raises:
        SchemaError: a role that is missing, a feature on both sides, or a side without a feature.
        UnknownNameError: a setting names what is no feature.
    """
    for role in ("user", "item"):
        if getattr(schema, role) is None:
            raise SchemaError(
                f"Two towers need to know whose row it is and of which item, and the schema has no "
                f"`{role}`. Name the {role}'s column in the schema's roles."
            )
    owners = {str(schema.user): "user", str(schema.item): "item"}
    for table in tables:
        keys = {owners.get(column) for column in table.keys}
        owner = keys.pop() if len(keys) == 1 else None
        for column in _taken(table) if owner else ():
            owners[column] = str(owner)
    found = {
        "user": _chosen(schema, owners, "user", settings.user_features),
        "item": _chosen(schema, owners, "item", settings.item_features),
    }
    both = sorted({*found["user"]} & {*found["item"]})
    if both:
        raise SchemaError(
            f"{', '.join(both)}: read by both towers. A feature tells of the user or of the item; "
            "name it in `user_features` or in `item_features`."
        )
    for side, names in found.items():
        if not names:
            raise SchemaError(
                f"No feature tells of the {side}, so there is nothing for its tower to read. Make "
                f"the {side}'s column a Categorical feature, or name features of it by "
                f"`{side}_features`."
            )
    read_by_one = {*found["user"], *found["item"]}
    left_out = tuple(name for name in schema.names if name not in read_by_one)
    return Sides(found["user"], found["item"], left_out)


def only_sides(schema: Schema, sides: Sides) -> Schema:
    """The schema with the features of both sides alone, and the roles of user, item and time.

    Raises:
        SchemaError: a feature that stays uses the table of one that goes.
        UnknownNameError: the same.
    """
    kept = tuple(f for f in schema.features if f.name in {*sides.user, *sides.item})
    return replace(schema, features=kept, request=None, scenario=None, position=None)


def history_of_users(history: History | bool) -> History | None:  # noqa: FBT001
    """The part of a history that is known of a user before any item is.

    True stands for the user's last 50 items, those with a positive label of each task among them.
    """
    if history is True:
        return History(by=("user",), features=(), cross=(), sequence_length=50)
    if history is False:
        return None
    kept = tuple(w for w in history.features if w in ("count", "rate", "spread"))
    return replace(history, by=("user",), features=kept, cross=())


def _taken(table: Table) -> tuple[str, ...]:
    frame = read(table.source)
    assert isinstance(frame, pl.LazyFrame)
    return tuple(table.taken(frame.collect_schema().names()).values())


def _chosen(
    schema: Schema, owners: dict[str, str], side: str, named: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The features of one side: those that were named, else those whose columns are its own."""
    if named is None:
        return tuple(
            feature.name
            for feature in schema.features
            if {owners.get(column) for column in feature.columns()} == {side}
        )
    for name in named:
        if name not in schema.names:
            raise UnknownNameError(
                name, what="feature", known=schema.names, where=f"`{side}_features`"
            )
    return tuple(named)
