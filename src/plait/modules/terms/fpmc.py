"""From what was last chosen to what is judged now: a factorised Markov chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from plait.data.batch import Layout, Lists
from plait.errors import ArchitectureError, UnknownNameError
from plait.modules.checking import check_at_least

from .base import Term, check_keys

__all__ = ["FPMC"]


class FPMC(Term):
    """Score an item by the items that the same user came from, pair by pair.

    A Markov chain from item to item has far more transitions than any log shows, so it is
    factorised (Rendle, Freudenthaler and Schmidt-Thieme, `Factorizing Personalized Markov Chains
    <https://doi.org/10.1145/1772690.1772773>`_, 2010, eq. 6): the item that is judged has a vector
    `a` and every past item a vector `b`, in tables of their own, and what is added is
    `w · (a * mean of the last b)`. The paper's other half, the product of user and item, is the one
    that `factors` puts there; both together are the paper's model. The weights `w`, ones at the
    start, are each task's own.

    Departures: the paper ranks by pairs of items (S-BPR), here each task has its own loss. Its
    baskets are sets of one moment; here they are the last values of a sequence. Nothing in the past
    adds nothing.

    Stability: experimental.

    Args:
        layout: has the item's column and the sequence.
        sequence: which sequence holds the past items. None: the only one that shares the item's
            table.
        last: how many of its last values are read.
        width: length of the vectors.

    Raises:
        ArchitectureError: no item among the features, no sequence or several that share its table,
            or a number below 1.
        UnknownNameError: `sequence` names none.
    """

    about: ClassVar[str] = "an `item` among the features, and a sequence of items"
    when: ClassVar[str] = "what comes next depends on what came just before"

    def __init__(
        self, layout: Layout, *, sequence: str | None = None, last: int = 5, width: int = 32
    ) -> None:
        check_keys(layout, "FPMC", "item")
        check_at_least(1, last=last, width=width)
        past = _past_items(layout, sequence)
        super().__init__(
            layout, called=f"fpmc.{past}", columns=[str(layout.item)], lists=[past], width=width
        )
        self.sequence = sequence
        self.last = last
        self.width = width

    @property
    def out_features(self) -> int:
        """Length of the product."""
        return self.width

    def read_list(self, given: Lists) -> Lists:
        """The last values of every row."""
        return last_values(given, self.last)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """The product of the item's vector and the mean of the past ones."""
        item, past = vectors
        return item * past


def last_values(given: Lists, last: int) -> Lists:
    """At most so many values of each row, the last ones; without weights.

    Example:
        >>> given = Lists(torch.tensor([7, 8, 9, 4]), torch.tensor([0, 3, 3, 4]))
        >>> last_values(given, 2).values.tolist()
        [8, 9, 4]
    """
    lengths = given.offsets.diff()  # [B]
    kept = lengths.clamp(max=last)
    ends = torch.repeat_interleave(given.offsets[1:], lengths, output_size=len(given.values))
    places = torch.arange(len(given.values), device=ends.device)
    offsets = torch.cat([kept.new_zeros(1), kept.cumsum(0)])
    return Lists(given.values[places >= ends - last], offsets)


def _past_items(layout: Layout, sequence: str | None) -> str:
    """The sequence of items in the item's own vocabulary."""
    table = next(column.table for column in layout.ids if column.name == layout.item)
    same = [c.name for c in layout.lists if c.table == table and c.name in layout.sequences]
    if sequence is not None and sequence not in layout.sequences:
        raise UnknownNameError(
            sequence, what="sequence", known=layout.sequences, where="`sequence` of FPMC"
        )
    if sequence is not None and sequence not in same:
        raise ArchitectureError(
            f"FPMC goes from past items to the item that is judged, and the sequence {sequence!r} "
            f"does not share its vocabulary. Let it: `shares={layout.item!r}`."
        )
    if sequence is not None:
        return sequence
    if len(same) == 1:
        return same[0]
    if same:
        raise ArchitectureError(
            f"FPMC reads one sequence of past items, and {', '.join(same)} all are. Say which: "
            "`sequence`."
        )
    raise ArchitectureError(
        "FPMC goes from past items to the item that is judged, and no sequence shares the item's "
        "vocabulary. Let the history list past items (`History(sequence_length=50)`), or name a "
        f"feature: `Sequence('past', shares={layout.item!r})`."
    )
