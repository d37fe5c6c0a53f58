"""What a sharing structure or a link says of itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass

from plait.architectures import Architecture, Link, Need

__all__ = ["Entry", "entries", "entry_of"]

_PAPER = re.compile(r"`([^`<]+)<(https?://[^>\s]+)>`_")

_NEEDS: dict[Need, str] = {
    "tokens": "features of their own",
    "context": "a `user` or `item` among the features",
    "scenario": "the `scenario` among the features",
    "own": "features with tables of vectors",
}


@dataclass(frozen=True)
class Entry:
    """A sharing structure or a link.

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


def entries(kinds: Iterable[type[Architecture | Link]]) -> tuple[Entry, ...]:
    """What these classes say of themselves."""
    return tuple(entry_of(kind) for kind in kinds)


def entry_of(kind: type[Architecture | Link]) -> Entry:
    """What a class says of itself; the paper may stand in the docstring of the class it extends.

    Example:
        >>> from plait.architectures import CGC
        >>> entry_of(CGC).paper
        'Progressive Layered Extraction'
    """
    if issubclass(kind, Link):
        needs = kind.ties
    else:
        needs = " and ".join(_NEEDS[need] for need in sorted(kind.needs))
    paper, address = _paper(kind)
    return Entry(
        name=kind.__name__,
        summary=_docstring(kind).partition("\n\n")[0].replace("\n", " "),
        paper=paper,
        address=address,
        needs=needs,
        when=kind.when,
    )


def _paper(kind: type) -> tuple[str, str]:
    for owner in inspect.getmro(kind):
        found = _PAPER.search(re.sub(r"\s+", " ", _docstring(owner)))
        if found is not None:
            return found[1].strip(), found[2]
    return "", ""


def _docstring(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")
