"""The classical models beside the network: which there are, and which task may read each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import nn

from plait.data.batch import Layout
from plait.errors import ArchitectureError
from plait.modules.terms import TaskWeights, Term

from .sequences import entry_module_name

__all__ = ["TermFactory", "built_terms", "term_weights"]


class TermFactory(Protocol):
    """Anything that builds a term: a class, or `partial(FPMC, last=3)`."""

    def __call__(self, layout: Layout) -> Term:
        """The term for these columns."""
        ...


def built_terms(
    factories: Sequence[TermFactory], layout: Layout, readers: Mapping[str, frozenset[str]]
) -> nn.ModuleDict:
    """The terms of a model, by a name that stays theirs when others come or go.

    Args:
        factories: what builds them.
        layout: has the columns and lists.
        readers: for each entry the tasks that may read it.

    Raises:
        ArchitectureError: a term that the layout cannot feed, two that are the same, or one that no
            task may read.
    """
    terms = nn.ModuleDict()
    for build in factories:
        term = build(layout)
        kind, name = type(term).__name__, entry_module_name(term.called)
        if name in terms:
            raise ArchitectureError(
                f"`terms` names two {kind} that look up the same ({', '.join(term.reads)}). Name "
                "one of them."
            )
        if not frozenset.intersection(*(readers[entry] for entry in term.reads)):
            raise ArchitectureError(
                f"{kind} reads {', '.join(term.reads)}, and no task may read all of that. Hide "
                "fewer features, or leave the term out."
            )
        terms[name] = term
    return terms


def term_weights(
    terms: nn.ModuleDict,
    readers: Mapping[str, frozenset[str]],
    out_features: int,
    *,
    task: str,
) -> nn.ModuleDict:
    """A task's own weights of every term that it may read."""
    return nn.ModuleDict(
        {
            name: TaskWeights(term, out_features)
            for name, term in terms.items()
            if isinstance(term, Term) and all(task in readers[entry] for entry in term.reads)
        }
    )
