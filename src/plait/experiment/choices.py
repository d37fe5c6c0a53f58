"""Typed tables of an experiment file, made from the constructors that they end up in.

A class is described once, by its constructor and its docstring. Its keyword parameters become the
keys of a table in the file, its annotations their types, its docstring their descriptions. The
defaults stay where they are: a key that is not written is not passed on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .docstrings import described, summary
from .written import written_form


class Section(BaseModel):
    """A table of the file: some of the keyword arguments of a function."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), validate_default=True
    )

    makes: ClassVar[Callable[..., object]]
    tag: ClassVar[str | None] = None

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that the file gives, tables among them made into their objects."""
        given = self.model_fields_set - {self.tag}
        return {name: value for name, value in self.values().items() if name in given}

    def values(self) -> dict[str, Any]:
        """Every key with its value, defaults included."""
        return {name: _built(getattr(self, name)) for name in type(self).model_fields}


class Part(Section):
    """A table that becomes one object. Reading the file builds it, to see that it can be."""

    def build(self) -> object:
        """The object."""
        return type(self).makes(**self.settings())

    @model_validator(mode="after")
    def _can_be_built(self) -> Part:
        self.build()
        return self


S = TypeVar("S", bound=Section)


def table_of(
    makes: Callable[..., object],
    base: type[S],
    *,
    tag: tuple[str, str] | None = None,
    only: Iterable[str] | None = None,
    without: Iterable[str] = (),
    forms: Mapping[str, object] | None = None,
    title: str | None = None,
) -> type[S]:
    """The table that holds the keyword arguments of a constructor.

    Parameters whose type cannot be written in a file (a generator, a module) have no key.

    Args:
        makes: the class or function.
        base: what kind of table it is.
        tag: key and value that name the class in the file.
        only: the parameters that have a key. None: all.
        without: parameters that have none.
        forms: how a parameter is written, where that does not follow from its annotation.
        title: how the table is called. None: as the class.

    Example:
        >>> from plait.tasks import Count
        >>> Counted = table_of(Count, Section, tag=("kind", "count"), without=["name"])
        >>> Counted.model_validate({"kind": "count", "exposure": "hours"}).settings()
        {'exposure': 'hours'}
    """
    told = described(makes)
    parameters = inspect.signature(makes).parameters
    written = {**_written_forms(makes), **(forms or {})}
    keys: dict[str, Any] = {} if tag is None else {tag[0]: (Literal[tag[1]], ...)}
    for name in parameters if only is None else only:
        if name not in without and written[name] is not None:
            default = _default(parameters[name])
            keys[name] = (written[name], Field(default, description=told.get(name)))
    told_of_table = summary(makes) if title is None else None
    table = create_model(title or makes.__name__, __base__=base, __doc__=told_of_table, **keys)
    table.makes = makes
    table.tag = None if tag is None else tag[0]
    return table


@dataclass(frozen=True, eq=False)
class Of(Generic[S]):
    """Marks a place in the file where a table stands.

    Attributes:
        table: the table.
        bare: whether a bare text may stand for a table that holds nothing but that `name`.
        switch: whether `true` or `false` may stand for the table.
    """

    table: type[S]
    bare: bool = False
    switch: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        table = handler.generate_schema(self.table)
        if self.switch:
            return _or_switch(table)
        return _or_bare(table) if self.bare else table

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        form = handler(schema)
        other = "boolean" if self.switch else "string"
        return {"anyOf": [{"type": other}, form]} if self.switch or self.bare else form


@dataclass(frozen=True, eq=False)
class OneOf:
    """Marks a place in the file where one of several tables stands, told apart by a key.

    Where that key is `name`, the bare name may stand for a table with nothing else in it.

    Attributes:
        what: what the choices are called, in errors.
        tag: the key that says which.
        tables: the tables by the value of that key.
    """

    what: str
    tag: str
    tables: Mapping[str, type[Section]]

    @property
    def bare(self) -> bool:
        """Whether a bare name may stand for a table."""
        return self.tag == "name"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {name: handler.generate_schema(table) for name, table in self.tables.items()}
        choice = core_schema.tagged_union_schema(choices, discriminator=self.tag)
        return _or_bare(choice) if self.bare else choice

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        form = handler(schema)
        names = {"type": "string", "enum": list(self.tables)}
        return {"anyOf": [names, form]} if self.bare else form


def named_table(value: object) -> object:
    """The table that a bare name stands for; anything else as it is.

    Example:
        >>> named_table("MMoE")
        {'name': 'MMoE'}
    """
    return {"name": value} if isinstance(value, str) else value


def _or_bare(schema: CoreSchema) -> CoreSchema:
    return core_schema.no_info_before_validator_function(named_table, schema)


def _or_switch(schema: CoreSchema) -> CoreSchema:
    def read(value: object, table: ValidatorFunctionWrapHandler) -> object:
        return value if isinstance(value, bool) else table(value)

    def write(value: object, table: SerializerFunctionWrapHandler) -> object:
        return value if isinstance(value, bool) else table(value)

    return core_schema.no_info_wrap_validator_function(
        read, schema, serialization=core_schema.wrap_serializer_function_ser_schema(write)
    )


def _built(value: object) -> object:
    if isinstance(value, Part):
        return value.build()
    if isinstance(value, dict):
        return {key: _built(entry) for key, entry in value.items()}
    return tuple(map(_built, value)) if isinstance(value, tuple) else value


def _written_forms(makes: Callable[..., object]) -> dict[str, object]:
    annotated: Callable[..., object] = makes
    if isinstance(makes, type) and not is_dataclass(makes):
        annotated = makes.__init__  # type: ignore[misc]  # only its annotations are read
    return {name: written_form(hint) for name, hint in get_type_hints(annotated).items()}


def _default(parameter: inspect.Parameter) -> Any:  # noqa: ANN401 (what pydantic's Field takes)
    default = parameter.default
    if default is inspect.Parameter.empty:
        return ...
    return default.__name__ if isinstance(default, type) else default
