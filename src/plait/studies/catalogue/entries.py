"""What a part of a model says of itself: a structure, a gate, a link, an encoder, a term."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass

from plait.architectures import Architecture, Gate, Link, Need
from plait.modules.interactions import Interaction
from plait.modules.sequences import SequenceEncoder
from plait.modules.terms import Term

__all__ = ["Entry", "Kind", "entries", "entry_of"]

Kind = type[Architecture | Gate | Link | Interaction | SequenceEncoder | Term]

_PAPER = re.compile(r"`([^`<]+)<(https?://[^>\s]+)>`_")

_NEEDS: dict[Need, str] = {
    "tokens": "features of their own",
    "context": "a `user` or `item` among the features",
    "scenario": "the `scenario` among the features",
    "own": "features with tables of vectors",
}


@dataclass(frozen=True)
class Entry:
    """A sharing structure, a gate, a link, an interaction, a sequence encoder or a term.

    Attributes:
        name: as in an experiment file.
        summary: what it is for.
        paper: title of the paper; empty where there is none.
        address: where the paper is.
        needs: what the schema or the tasks must have.
        when: when to try it.
    """

    name: str
    summary: str
    paper: str
    address: str
    needs: str
    when: str


def entries(kinds: Iterable[Kind]) -> tuple[Entry, ...]:
    """What these classes say of themselves."""
    return tuple(entry_of(kind) for kind in kinds)


def entry_of(kind: Kind) -> Entry:
    """What a class says of itself; the paper may stand in the docstring of the class it extends.

    Example:
        >>> from plait.architectures import CGC
        >>> entry_of(CGC).paper
        'Progressive Layered Extraction'
    """
    paper, address = _paper(kind)
    return Entry(
        name=kind.__name__,
        summary=_docstring(kind).partition("\n\n")[0].replace("\n", " "),
        paper=paper,
        address=address,
        needs=_needs(kind),
        when=kind.when,
    )


def _needs(kind: Kind) -> str:
    """What the schema or the tasks must have; an interaction takes any features."""
    if issubclass(kind, Link):
        return kind.ties
    if issubclass(kind, Term):
        return kind.about
    if issubclass(kind, SequenceEncoder):
        target = ", and the judged item, whose table it shares" if kind.reads_target else ""
        return f"a sequence among the features{target}"
    if issubclass(kind, Architecture | Gate):
        return " and ".join(_NEEDS[need] for need in sorted(kind.needs))
    return ""


def _paper(kind: type) -> tuple[str, str]:
    for owner in inspect.getmro(kind):
        found = _PAPER.search(re.sub(r"\s+", " ", _docstring(owner)))
        if found is not None:
            return found[1].strip(), found[2]
    return "", ""


def _docstring(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")
