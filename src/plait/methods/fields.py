"""The fields of a batch that a pretext hides, swaps and predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from plait.data.batch import MASK, Batch, Layout
from plait.models import MultiTaskModel

__all__ = ["Field", "FieldSet", "fields_of"]

NUMBER_BINS = 10
"""Numbers are predicted as one of so many equal shares of the training rows."""


@dataclass(frozen=True)
class Field:
    """One feature that a pretext hides and predicts.

    Attributes:
        name: the feature.
        ids: its columns of `Batch.ids`: the feature's own, or the bins of a number.
        number: its place among the numbers, where it is one.
        classes: how many values are told apart.
        table: the table of a categorical's vectors; None for a number.
    """

    name: str
    ids: tuple[int, ...]
    number: int | None
    classes: int
    table: str | None


class FieldSet(NamedTuple):
    """The fields of a model, and where each of their columns stands."""

    fields: tuple[Field, ...]
    layout: Layout

    def hide(self, batch: Batch, hidden: Tensor) -> Batch:
        """The batch without the hidden fields, bool `[B, F]`: ids become *mask*, numbers missing.

        The bins of a number are hidden with it.
        """
        ids, numbers = batch.ids.clone(), self._numbers(batch).clone()
        for place, field in enumerate(self.fields):
            rows = hidden[:, place]
            for column in field.ids:
                ids[:, column].masked_fill_(rows, MASK)
            if field.number is not None:
                missing = numbers.new_tensor([0.0, 0.0, 1.0])
                numbers[:, field.number] = torch.where(
                    rows[:, None], missing, numbers[:, field.number]
                )
        return replace(batch, ids=ids, numbers=numbers.flatten(1))

    def swap(self, batch: Batch, swapped: Tensor) -> Batch:
        """The batch with some fields, bool `[B, F]`, taken from another of its rows each."""
        ids, numbers = batch.ids.clone(), self._numbers(batch).clone()
        for place, field in enumerate(self.fields):
            other = torch.randperm(len(batch), device=ids.device)
            rows = swapped[:, place]
            for column in field.ids:
                ids[:, column] = torch.where(rows, ids[other, column], ids[:, column])
            if field.number is not None:
                numbers[:, field.number] = torch.where(
                    rows[:, None], numbers[other, field.number], numbers[:, field.number]
                )
        return replace(batch, ids=ids, numbers=numbers.flatten(1))

    def targets(self, batch: Batch) -> Tensor:
        """What is to be predicted, int64 `[B, F]`; -1 where a number is missing.

        The value of a categorical is its id; a number's is its share of the normal distribution
        that its quantiles follow, cut in ten.
        """
        numbers = self._numbers(batch)
        columns = []
        for field in self.fields:
            if field.number is None:
                columns.append(batch.ids[:, field.ids[0]].long())
                continue
            quantile, missing = numbers[:, field.number, 0], numbers[:, field.number, 2]
            share = torch.special.ndtr(quantile)
            bins = (share * field.classes).long().clamp(max=field.classes - 1)
            columns.append(torch.where(missing > 0, -1, bins))
        return torch.stack(columns, dim=1)

    def _numbers(self, batch: Batch) -> Tensor:
        return batch.numbers.view(len(batch), len(self.layout.numbers), 3)


def fields_of(model: MultiTaskModel) -> FieldSet:
    """The categorical and numeric features that enter the shared network."""
    layout = model.layout
    shared = set(model.shared_entries)
    found: list[Field] = []
    numbers = {number.name: place for place, number in enumerate(layout.numbers)}
    for name in _features(layout, shared):
        ids = tuple(p for p, c in enumerate(layout.ids) if c.feature == name and c.name in shared)
        if name in numbers:
            found.append(Field(name, ids, numbers[name], NUMBER_BINS, None))
        elif ids:
            table = layout.ids[ids[0]].table
            found.append(Field(name, ids, None, layout.table(table).num_rows, table))
    return FieldSet(tuple(found), layout)


def _features(layout: Layout, shared: set[str]) -> Sequence[str]:
    """The features with an entry that is shared, columns of ids first."""
    ids = [column.feature for column in layout.ids if column.name in shared]
    return list(dict.fromkeys([*ids, *(n.name for n in layout.numbers if n.name in shared)]))
