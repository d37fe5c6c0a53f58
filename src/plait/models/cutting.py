"""Where gradient rules may cut: the tensors between stages, set apart from what else they feed.

A tensor may feed later stages by more than one road: gates read what experts are made of. So at the
surface of a rule each tensor is a view of its own. A gradient by the views is one through the
stages after them alone, and stops there; the graph below them stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, cast

from torch import Tensor

from plait.balancing import Cut, Surface

if TYPE_CHECKING:
    from .model import MultiTaskModel
    from .stages import Trace

__all__ = ["apart", "cut_at", "cuts_rows", "cuttable"]

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


def cuts_rows() -> bool:
    """Whether a surface is asked for at which each row of a batch has vectors of its own."""
    return _surface.get() not in (None, "parameters")


def cut_at(surface: Surface, model: MultiTaskModel, trace: Trace | None) -> Cut | None:
    """The tensors of a surface; None where there is no trace to find them in.

    What goes past the shared network to a single task is no part of it.
    """
    if surface == "parameters":
        tables = {id(parameter) for parameter in model.table_parameters()}
        dense = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and id(parameter) not in tables
        }
        return Cut(surface, tuple(dense.values()), tuple(name.rpartition(".")[0] for name in dense))
    if trace is None:
        return None
    whole = {"tables": trace.fields, "encoded": trace.encoded, "shared": trace.shared}[surface]
    own = getattr(whole, "per_task", {})  # among fields nothing goes past
    beside = {id(t): t for _, t in _tensors(own) if t.requires_grad}
    found = {
        id(t): (name, t) for name, t in _tensors(whole) if t.requires_grad and id(t) not in beside
    }
    return Cut(
        surface,
        tuple(t for _, t in found.values()),
        tuple(name for name, _ in found.values()),
        tuple(beside.values()),
    )


def _set_apart(value: object) -> object:
    if isinstance(value, Tensor):
        return value.view_as(value) if value.requires_grad else value
    if isinstance(value, Mapping):
        return {key: _set_apart(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        make = getattr(type(value), "_make", tuple)
        return make(_set_apart(entry) for entry in value)
    return value


def _tensors(value: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors, each by where it lies: `experts 0`, `runs user_id to age`."""
    if isinstance(value, Tensor):
        yield name, value
        return
    entries: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        entries = value.items()
    elif isinstance(value, tuple):
        entries = zip(getattr(value, "_fields", range(len(value))), value, strict=True)
    for key, entry in entries:
        yield from _tensors(entry, f"{name} {_told(key)}".strip())


def _told(key: object) -> str:
    """A key in a few words; a run of columns by its ends."""
    if isinstance(key, tuple) and len(key) > 1:
        return f"{key[0]} to {key[-1]}"
    return str(key[0] if isinstance(key, tuple) else key)
