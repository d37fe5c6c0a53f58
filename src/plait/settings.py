"""Parts as data: a part's settings written down, and the part made from them again.

A *part* is a class whose keyword arguments are kept as attributes of the same names (as in
scikit-learn). That one habit lets the experiment file, the artifact and the model card all read
the same constructor, so that a new part needs no description of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from plait.errors import UnknownNameError

T = TypeVar("T")


class Nested:
    """Marks a part that may be a setting of another one: its own settings are written in place."""


def settings_of(part: object) -> dict[str, object]:
    """The part's class name and its keyword settings, ready for JSON.

    Example:
        >>> from plait.tasks import Binary
        >>> settings_of(Binary("click"))["name"]
        'Binary'
    """
    settings = {name: _plain(getattr(part, name)) for name in keywords(type(part))}
    return {"name": type(part).__name__, **settings}


def keywords(kind: type) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a class's constructor."""
    parameters = inspect.signature(kind).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def choose(choices: Iterable[type[T]], settings: Mapping[str, object], *, what: str) -> type[T]:
    """The class among `choices` that `settings["name"]` names.

    Raises:
        UnknownNameError: no choice has this name.
    """
    known = {choice.__name__: choice for choice in choices}
    name = settings["name"]
    if name not in known:
        raise UnknownNameError(str(name), what=what, known=known)
    return known[name]


def arguments(settings: Mapping[str, object]) -> dict[str, Any]:
    """The settings without the name, lists as tuples: what the constructor takes."""
    return {key: _tupled(value) for key, value in settings.items() if key != "name"}


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return settings_of(value) if isinstance(value, Nested) else value


def _tupled(value: object) -> object:
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
