"""Start from an older model: same task or new ones, same features or more, same ids or more."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from plait.models import MultiTaskModel, entry_widths, module_name
from plait.tasks import Multiclass


@torch.no_grad()
def grow_from(model: MultiTaskModel, older: MultiTaskModel) -> None:
    """Take over the weights of an older model wherever they fit.

    Rows of tables are taken over by table: vocabularies only ever grow at their end, so every
    known id keeps its vector. A layer that reads the features side by side takes over the columns
    of the features that both models have; those of new features start at zero, so that the grown
    model first predicts what the old one did. Towers and heads, with what a head learnt from its
    labels, are taken over by the task's name where the head is of one kind. Other parameters are
    taken over where name and shape agree.
    """
    _copy_tables(model, older)
    old = {**dict(older.named_parameters()), **dict(older.named_buffers())}
    apart = _unlike_tasks(model, older)
    columns = _column_map(model, older)
    for name, tensor in _owned(model):
        if name not in old or any(name.startswith(prefix) for prefix in apart):
            continue
        source = old[name]
        if _reads_features(tensor, source, model, older):
            new_at, old_at = columns
            tensor.zero_()
            tensor[..., new_at] = source[..., old_at]
        elif source.shape == tensor.shape:
            tensor.copy_(source)


def _owned(model: MultiTaskModel) -> Iterator[tuple[str, Tensor]]:
    """Everything but the tables: parameters, and the buffers of heads."""
    for name, parameter in model.named_parameters():
        if not name.startswith("tables."):
            yield name, parameter
    for name, buffer in model.named_buffers():
        if name.startswith("heads."):
            yield name, buffer


def _unlike_tasks(model: MultiTaskModel, older: MultiTaskModel) -> list[str]:
    """Where the tasks lie whose output means another thing than in the older model."""
    return [
        f"{part}.{module_name(name)}."
        for name in set(model.tasks) & set(older.tasks)
        if _meaning(model, name) != _meaning(older, name)
        for part in ("towers", "heads")
    ]


def _meaning(model: MultiTaskModel, name: str) -> tuple[object, ...]:
    """The kind of head, and the classes in their order where there are any."""
    task = model.tasks[name]
    return type(model.head(name)), task.classes if isinstance(task, Multiclass) else None


def _copy_tables(model: MultiTaskModel, older: MultiTaskModel) -> None:
    known = {table.name: table for table in older.tables.tables}
    for table in model.tables.tables:
        before = known.get(table.name)
        if before is None or before.width != table.width:
            continue
        rows = min(before.num_rows, table.num_rows)
        width, here = model.tables.rows_of(table.name)
        _, there = older.tables.rows_of(table.name)
        source = older.tables.storages[width][there.start : there.start + rows]
        model.tables.storages[width][here.start : here.start + rows] = source


def _reads_features(
    parameter: Tensor, source: Tensor, model: MultiTaskModel, older: MultiTaskModel
) -> bool:
    return (
        parameter.ndim >= 2
        and parameter.shape[:-1] == source.shape[:-1]
        and parameter.shape[-1] == model.architecture.widths.main
        and source.shape[-1] == older.architecture.widths.main
        and model.shared_entries != older.shared_entries
    )


def _column_map(model: MultiTaskModel, older: MultiTaskModel) -> tuple[Tensor, Tensor]:
    """Columns of the new and of the old main input that hold the same thing."""
    new_start, old_start = _starts(model), _starts(older)
    pairs = [
        (start + i, old_start[entry][0] + i)
        for entry, (start, width) in new_start.items()
        if entry in old_start and old_start[entry][1] == width
        for i in range(width)
    ]
    new_at, old_at = zip(*pairs, strict=True) if pairs else ((), ())
    return torch.tensor(new_at, dtype=torch.long), torch.tensor(old_at, dtype=torch.long)


def _starts(model: MultiTaskModel) -> dict[str, tuple[int, int]]:
    widths = entry_widths(model.layout)
    starts: dict[str, tuple[int, int]] = {}
    at = 0
    for entry in model.shared_entries:
        starts[entry] = (at, widths[entry])
        at += widths[entry]
    return starts
