"""Values, keys and settings as an experiment file writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date
from pathlib import Path

from plait.tasks import Task

from .joins import Table
from .schema import Feature
from .splits import ColumnSplit, RandomSplit, Split, TimeSplit, UserSplit

__all__ = ["SPLIT_NAMES", "changed_settings", "toml_key", "toml_path", "toml_value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")

SPLIT_NAMES: dict[type[Split], str] = {
    TimeSplit: "time",
    UserSplit: "user",
    RandomSplit: "random",
    ColumnSplit: "column",
}
"""What an experiment file calls each kind of split."""


def toml_value(value: object) -> str:
    """A value as TOML writes it.

    Example:
        >>> print(toml_value({"name": "genres", "delimiter": "|", "max_length": 3}))
        { name = "genres", delimiter = "|", max_length = 3 }
        >>> print(toml_value((True, 0.5, "a")))
        [true, 0.5, "a"]
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(str(k))} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value)


def toml_key(name: str) -> str:
    """A name as a key: bare where it may be, else in quotes.

    Example:
        >>> print(toml_key("items"), toml_key("my items"))
        items "my items"
    """
    return name if _BARE.fullmatch(name) else _text(name)


def toml_path(source: str | Path, folder: Path) -> str:
    """A path for a file in `folder`: relative to it where it lies below, else in full."""
    whole, folder = Path(os.path.abspath(source)), Path(os.path.abspath(folder))
    if not whole.is_relative_to(folder):
        return whole.as_posix()
    relative = whole.relative_to(folder).as_posix()
    return f"./{relative}" if relative.startswith("~") else relative


def changed_settings(
    record: Feature | Task | Split | Table, *, without: tuple[str, ...] = ()
) -> dict[str, object]:
    """The settings of a record that are not its defaults.

    Example:
        >>> from plait.tasks import Binary
        >>> changed_settings(Binary("like", label="rating >= 4"), without=("name",))
        {'label': 'rating >= 4'}
    """
    return {
        field.name: getattr(record, field.name)
        for field in fields(record)  # type: ignore[arg-type]  # every one is a dataclass
        if field.name not in without
        and (field.default is MISSING or getattr(record, field.name) != field.default)
    }


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (letter if letter.isprintable() else f"\\U{ord(letter):08X}" for letter in escaped)
    return f'"{"".join(shown)}"'
