"""The types that a file can hold: text, numbers, dates, yes or no, lists and tables of them."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Strict, StrictBool, StrictInt, StrictStr, WrapValidator
from pydantic import ValidatorFunctionWrapHandler as Handler


def _number(value: object, check: Handler) -> object:
    """A whole number stays one: as a float, the nanoseconds of a time would be rounded."""
    return value if type(value) is int else check(value)


_SCALARS: dict[object, object] = {
    str: StrictStr,
    Path: StrictStr,
    int: StrictInt,
    float: Annotated[float, Strict(), WrapValidator(_number)],
    bool: StrictBool,
    date: Annotated[date, Strict()],
    datetime: Annotated[datetime, Strict()],
}


def written_form(annotation: object) -> Any:  # noqa: ANN401 (a type, made at run time)
    """The type of a setting as it stands in a file; None where it cannot be written.

    Numbers stay numbers and text stays text: `"3"` is no whole number. Lists stand for every kind
    of sequence. Of a union, the members that can be written remain.

    Example:
        >>> import torch
        >>> from collections.abc import Sequence
        >>> written_form(Sequence[torch.Generator] | None) is None
        True
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Literal:
        return annotation
    if origin in (Union, types.UnionType):
        return _union(inner)
    if not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping):
        return _table(inner)
    return _list(inner) if issubclass(origin, Sequence) else None


def _union(members: tuple[object, ...]) -> object:
    forms = [form for member in members if (form := written_form(member)) is not None]
    if not forms:
        return None
    return Union[tuple(forms) + ((None,) if type(None) in members else ())]  # noqa: UP007


def _table(inner: tuple[object, ...]) -> object:
    values = written_form(inner[1])
    return None if values is None else types.GenericAlias(dict, (str, values))


def _list(inner: tuple[object, ...]) -> object:
    """Any number of values of one type; a tuple of fixed length keeps it."""
    forms = [written_form(member) for member in inner if member is not Ellipsis]
    if not forms or None in forms:
        return None
    is_fixed = len(inner) > 1 and Ellipsis not in inner
    return types.GenericAlias(tuple, tuple(forms) if is_fixed else (forms[0], ...))
