"""Where gradient rules may cut: the tensors between stages, set apart from what else they feed.

A tensor may feed later stages by more than one road: gates read what experts are made of. So at the
surface of a rule each tensor is a view of its own. A gradient by the views is one through the
stages after them alone, and stops there; the graph below them stays whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, cast

from torch import Tensor

from plait.balancing import Cut, Surface

if TYPE_CHECKING:
    from .model import MultiTaskModel
    from .stages import Trace

__all__ = ["apart", "cut_at", "cuttable"]

T = TypeVar("T")

_surface: ContextVar[Surface | None] = ContextVar("surface", default=None)


@contextmanager
def cuttable(surface: Surface | None) -> Iterator[None]:
    """Set the tensors of this surface apart in every `trace` while the block runs."""
    token = _surface.set(surface)
    try:
        yield
    finally:
        _surface.reset(token)


def apart(surface: Surface, value: T) -> T:
    """What a stage gave; with its tensors as views of their own where this surface is asked for."""
    return cast(T, _set_apart(value)) if _surface.get() == surface else value  # the same shape


def cut_at(surface: Surface, model: MultiTaskModel, trace: Trace | None) -> Cut | None:
    """The tensors of a surface; None where there is no trace to find them in.

    What goes past the shared network to a single task is no part of it.
    """
    if surface == "parameters":
        tables = {id(parameter) for parameter in model.table_parameters()}
        dense = [p for p in model.parameters() if p.requires_grad and id(p) not in tables]
        return Cut(surface, tuple(dense))
    if trace is None:
        return None
    stages = {
        "tables": trace.fields,
        "encoded": trace.encoded._replace(per_task={}),
        "shared": trace.shared._replace(per_task={}),
    }
    found = {id(t): t for t in _tensors(stages[surface]) if t.requires_grad}
    return Cut(surface, tuple(found.values()))


def _set_apart(value: object) -> object:
    if isinstance(value, Tensor):
        return value.view_as(value) if value.requires_grad else value
    if isinstance(value, Mapping):
        return {key: _set_apart(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        make = getattr(type(value), "_make", tuple)
        return make(_set_apart(entry) for entry in value)
    return value


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors(entry)
    elif isinstance(value, tuple):
        for entry in value:
            yield from _tensors(entry)
