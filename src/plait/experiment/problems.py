"""What is wrong with an experiment file, in a person's words: where, what came, what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, NamedTuple, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from plait.errors import did_you_mean

from .choices import Of, OneOf, Section
from .toml_lines import KeyPath, shown_path

_KINDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date",
    "datetime_type": "a date and time",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: the key that it is about.
        sentence: what is wrong with it.
    """

    path: KeyPath
    sentence: str


class PlacedError(ValueError):
    """Several problems below one place of the file, found while pydantic checks that place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)


class Place(NamedTuple):
    """Where pydantic stood when it found an error.

    Attributes:
        path: the keys that lead there.
        form: what may stand there: a marker, a type, or None where that is not known.
    """

    path: KeyPath
    form: object


def problems_of(error: ValidationError, file: type[Section]) -> list[Problem]:
    """Every problem that pydantic found in a file, in its order.

    Args:
        error: what pydantic raised.
        file: the model of the whole file.
    """
    found: list[Problem] = []
    wrong_kinds: dict[Place, list[ErrorDetails]] = {}
    for detail in error.errors():
        place = _place(detail["loc"], file)
        if detail["type"] in _KINDS:
            wrong_kinds.setdefault(place, []).append(detail)
        else:
            found.extend(_explained(detail, place, file))
    explained = [problem.path for problem in found]
    deeper = [*explained, *(place.path[:-1] for place in wrong_kinds)]
    for place, details in wrong_kinds.items():
        # Where text or a list may stand, what is wrong with the one or the other says enough.
        if not any(path[: len(place.path)] == place.path for path in deeper):
            found.append(_of_wrong_kind(place, details))
    return found


def _explained(detail: ErrorDetails, place: Place, file: type[Section]) -> Iterator[Problem]:
    path, kind, context = place.path, detail["type"], detail.get("ctx", {})
    shown = f"`{shown_path(path)}`"
    if kind == "extra_forbidden":
        known = did_you_mean(str(path[-1]), _keys(_place(detail["loc"][:-1], file).form))
        yield Problem(path, f"there is no key {shown}. {known}")
    elif kind == "missing":
        told = _description(_place(detail["loc"][:-1], file).form, str(path[-1]))
        yield Problem(path, f"{shown} is missing{told}. {_choices(place.form)}".rstrip())
    elif isinstance(place.form, OneOf) and kind.startswith("union_tag"):
        yield _badly_named(detail, path, place.form)
    elif kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        known = did_you_mean(str(detail["input"]), allowed)
        yield Problem(path, f"{shown} cannot be {shown_value(detail['input'])}. {known}")
    elif kind == "value_error" and isinstance(context["error"], PlacedError):
        for inner in context["error"].problems:
            yield inner._replace(path=(*path, *inner.path))
    elif kind == "value_error":
        yield Problem(narrowed(path, str(context["error"]), detail["input"]), str(context["error"]))
    else:
        yield Problem(path, f"{shown}: {detail['msg']}; got {shown_value(detail['input'])}.")


def narrowed(path: KeyPath, sentence: str, value: object) -> KeyPath:
    """The key below `path` that a message names, in backticks or in quotes, where it is given."""
    for word in [*re.findall(r"`(\w+)`", sentence), *re.findall(r"'(\w+)'", sentence)]:
        if isinstance(value, Mapping) and word in value:
            return (*path, word)
    return path


def shown_value(value: object) -> str:
    """A value as it stands in a file, or what it is where that would be long.

    Example:
        >>> shown_value("MMoE"), shown_value(True), shown_value({"a": 1})
        ('the text "MMoE"', 'true', 'a table')
    """
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return f"the text {text if len(text) <= 60 else text[:57] + '…'}"
    return str(value)


def _of_wrong_kind(place: Place, details: Sequence[ErrorDetails]) -> Problem:
    wanted = " or ".join(dict.fromkeys(_KINDS[detail["type"]] for detail in details))
    if isinstance(place.form, OneOf):
        wanted = f"a table with `{place.form.tag}`"
    if isinstance(place.form, Of | OneOf) and place.form.bare:
        wanted = f"a name in quotes or {wanted}"
    came = shown_value(details[0]["input"])
    sentence = f"`{shown_path(place.path)}` must be {wanted}; got {came}. {_choices(place.form)}"
    return Problem(place.path, sentence.rstrip())


def _badly_named(detail: ErrorDetails, path: KeyPath, choice: OneOf) -> Problem:
    given = detail["input"]
    inside = (*path, choice.tag)
    if not isinstance(given, Mapping) or choice.tag not in given:
        return Problem(path, f"`{shown_path(inside)}` is missing. {_choices(choice)}")
    name = given[choice.tag]
    known = did_you_mean(str(name), choice.tables)
    return Problem(inside, f"there is no {choice.what} {name!r}. {known}")


def _choices(form: object) -> str:
    if not isinstance(form, OneOf):
        return ""
    return f"`{form.tag}` is one of: {', '.join(sorted(form.tables))}."


def _description(form: object, key: str) -> str:
    field = form.table.model_fields.get(key) if isinstance(form, Of) else None
    return f": {field.description.rstrip('.')}" if field and field.description else ""


def _place(loc: Sequence[str | int], file: type[Section]) -> Place:
    """The keys among pydantic's steps, which also name choices and members of unions."""
    path: KeyPath = ()
    form: object = Of(file)
    for step in loc:
        if isinstance(form, OneOf):
            table = form.tables.get(str(step))
            form = None if table is None else Of(table)
        elif isinstance(form, Of):
            path, form = (*path, step), _field(form.table, str(step))
        elif get_origin(form) is dict:
            path, form = (*path, step), _marked(get_args(form)[1])
        elif isinstance(step, int):
            path, form = (*path, step), _marked(get_args(form)[0]) if get_args(form) else None
    return Place(path, form)


def _keys(form: object) -> list[str]:
    return list(form.table.model_fields) if isinstance(form, Of) else []


def _field(table: type[Section], name: str) -> object:
    field = table.model_fields.get(name)
    if field is None:
        return None
    markers = [marker for marker in field.metadata if isinstance(marker, Of | OneOf)]
    return markers[0] if markers else _marked(field.annotation)


def _marked(annotation: object) -> object:
    """The marker in an annotation; of a union, the first member that holds others."""
    if get_origin(annotation) is Annotated:
        markers = [arg for arg in get_args(annotation) if isinstance(arg, Of | OneOf)]
        return markers[0] if markers else _marked(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [_marked(member) for member in get_args(annotation)]
        return next((m for m in members if isinstance(m, Of | OneOf) or get_args(m)), None)
    return annotation
