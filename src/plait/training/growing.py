"""Start from an older model: same task or new ones, same features or more, same ids or more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from plait.errors import ArchitectureError, TaskError
from plait.models import MultiTaskModel, module_name
from plait.modules import Tables
from plait.modules.terms import Term
from plait.tasks import Multiclass


@torch.no_grad()
def grow_from(model: MultiTaskModel, older: MultiTaskModel) -> None:
    """Take over the weights of an older model wherever they fit.

    Rows of tables are taken over by table: vocabularies only ever grow at their end, so every
    known id keeps its vector. A layer that reads the features side by side takes over the columns
    of the features that both models have; those of new features start at zero, so that the grown
    model first predicts what the old one did. Weights of scenarios are taken over by scenario.
    Towers and heads, with what a head learnt from its
    labels, are taken over by the task's name where the head is of one kind. Other parameters are
    taken over where name and shape agree.

    Raises:
        TaskError: a task stands elsewhere in the order than in the older model: sharing structures
            keep what belongs to a task by its place.
        ArchitectureError: other features, where one of the models has an interaction: its weights
            belong to pairs of features.
    """
    _check_order(tuple(model.tasks), tuple(older.tasks))
    _check_interactions(model, older)
    _copy_tables(model.tables, older.tables)
    old = {**dict(older.named_parameters()), **dict(older.named_buffers())}
    unlike_tasks = _unlike_tasks(model, older)
    _copy_tables_beside(model, older, unlike_tasks)
    unlike = tuple(
        f"{part}.{module_name(name)}." for name in unlike_tasks for part in ("towers", "heads")
    )
    tower_inputs = _tower_inputs(model, older)
    main_input = _Input(
        _entries(model, model.shared_entries), _entries(older, older.shared_entries)
    )
    for name, tensor in _owned(model):
        if name not in old or name.startswith(unlike):
            continue
        source, read = old[name], tower_inputs.get(name)
        structural = name.startswith(("architecture.", "gates.", "preference_gates."))
        if structural or ".gates." in name:
            tensor, source = _of_known_scenarios(tensor, source, model, older)
            _take_over_structure(tensor, source, main_input)
        else:
            _take_over(tensor, source, read)


class _Input(NamedTuple):
    """What a layer reads: the entries and their widths, in the order in which they stand."""

    new: tuple[tuple[str, int], ...]
    old: tuple[tuple[str, int], ...]


def _check_order(tasks: tuple[str, ...], before: tuple[str, ...]) -> None:
    for place, name in enumerate(tasks):
        if name in before and before.index(name) != place:
            raise TaskError(
                f"Task {name!r} is number {place + 1} of the tasks, and was number "
                f"{before.index(name) + 1} in the model to start from. Leave the old tasks in "
                f"their places ({', '.join(before)}) and put new ones behind them."
            )


def _check_interactions(model: MultiTaskModel, older: MultiTaskModel) -> None:
    met = [each.interaction for each in (model, older) if each.interaction is not None]
    if not met:
        return
    new, old = (_entries(each, each.shared_entries) for each in (model, older))
    if new != old:
        changed = sorted({name for name, _ in {*new} ^ {*old}}) or ["their order"]
        raise ArchitectureError(
            f"{type(met[0]).__name__} has weights for pairs of features, so a model with it can "
            "start only from one whose tasks share the same features, each as wide; different: "
            f"{', '.join(changed)}. Keep the features, or train without `init_from`."
        )


def _copy_tables(tables: Tables, older: Tables) -> None:
    known = {table.name: table for table in older.tables}
    for table in tables.tables:
        before = known.get(table.name)
        if before is None or before.width != table.width:
            continue
        rows = min(before.num_rows, table.num_rows)
        width, here = tables.rows_of(table.name)
        _, there = older.rows_of(table.name)
        source = older.storages[width][there.start : there.start + rows]
        tables.storages[width][here.start : here.start + rows] = source


def _copy_tables_beside(
    model: MultiTaskModel, older: MultiTaskModel, unlike_tasks: tuple[str, ...]
) -> None:
    """Those of one task, of user and item's product, of a first order, and of terms."""
    owned = older.tables_by_task
    for task, own in model.tables_by_task.items():
        if task in owned and task not in unlike_tasks:
            _copy_tables(own.tables, owned[task].tables)
    before = {tables.names: tables for tables in older.key_tables}
    left = {t.biases.names for task, t in model.factor_terms.items() if task in unlike_tasks}
    for tables in model.key_tables:
        if tables.names in before and tables.names not in left:
            _copy_tables(tables.tables, before[tables.names].tables)
    earlier = {task: term.wide for task, term in older.late_terms.items()}
    for task, term in model.late_terms.items():
        wide = earlier.get(task)
        if term.wide is not None and wide is not None and task not in unlike_tasks:
            _copy_tables(term.wide.tables, wide.tables)
    for name, beside in model.terms.items():
        if isinstance(beside, Term) and name in older.terms:
            known = older.terms[name]
            assert isinstance(known, Term)
            _copy_tables(beside.tables, known.tables)


def _owned(model: MultiTaskModel) -> Iterator[tuple[str, Tensor]]:
    """Everything but the tables: parameters, and the buffers of heads."""
    tables = {id(storage) for storage in model.table_parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) not in tables:
            yield name, parameter
    for name, buffer in model.named_buffers():
        if name.startswith("heads."):
            yield name, buffer


def _unlike_tasks(model: MultiTaskModel, older: MultiTaskModel) -> tuple[str, ...]:
    """The tasks whose output means another thing than in the older model."""
    return tuple(
        name
        for name in model.tasks
        if name in older.tasks and _meaning(model, name) != _meaning(older, name)
    )


def _meaning(model: MultiTaskModel, name: str) -> tuple[object, ...]:
    """The kind of head, and the classes in their order where there are any."""
    task = model.tasks[name]
    return type(model.head(name)), task.classes if isinstance(task, Multiclass) else None


def _tower_inputs(model: MultiTaskModel, older: MultiTaskModel) -> dict[str, _Input]:
    """What the first layer of each tower reads, by the name of its weight."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(next(model.tower_of(task).parameters()))]: _Input(
            _tower_entries(model, task), _tower_entries(older, task)
        )
        for task in model.tasks
        if task in older.tasks
    }


def _tower_entries(model: MultiTaskModel, task: str) -> tuple[tuple[str, int], ...]:
    representation = ("", model.architecture.out_features)
    return (representation, *_entries(model, model.own_entries(task)))


def _entries(model: MultiTaskModel, names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    widths = model.entry_widths
    return tuple((name, widths[name]) for name in names)


def _reads(read: _Input, tensor: Tensor, source: Tensor) -> bool:
    """Whether a weight of the sharing structure, by its width, reads the shared entries."""
    new, old = (sum(width for _, width in entries) for entries in read)
    return tensor.ndim >= 2 and (tensor.shape[-1], source.shape[-1]) == (new, old)


def _gives(read: _Input, tensor: Tensor, source: Tensor) -> bool:
    """Whether a weight or bias of the sharing structure gives one number for each shared entry."""
    new, old = (sum(width for _, width in entries) for entries in read)
    lengths = (tensor.shape[0], source.shape[0]) if tensor.ndim in (1, 2) else ()
    return new != old and lengths == (new, old) and tensor.shape[1:] == source.shape[1:]


def _take_over_structure(tensor: Tensor, source: Tensor, main_input: _Input) -> None:
    """Take over a weight of the sharing structure."""
    if _gives(main_input, tensor, source):
        _copy_columns(tensor.movedim(0, -1), source.movedim(0, -1), main_input)
    else:
        _take_over(tensor, source, main_input if _reads(main_input, tensor, source) else None)


def _take_over(tensor: Tensor, source: Tensor, read: _Input | None) -> None:
    """Take over a weight where it fits, by columns where what it reads has changed."""
    if read is None or read.old == read.new:
        if tensor.shape == source.shape:
            tensor.copy_(source)
    elif tensor.shape[:-1] == source.shape[:-1]:
        _copy_columns(tensor, source, read)


def _of_known_scenarios(
    tensor: Tensor, source: Tensor, model: MultiTaskModel, older: MultiTaskModel
) -> tuple[Tensor, Tensor]:
    """The rows of the scenarios that both models know, where a weight has one for each scenario."""
    new, old = (m.architecture.widths.num_scenarios for m in (model, older))
    if new is None or old is None or new == old or not tensor.ndim or not source.ndim:
        return tensor, source
    if (tensor.shape[0], source.shape[0]) != (new, old):
        return tensor, source
    known = min(new, old)
    return tensor[:known], source[:known]


def _copy_columns(tensor: Tensor, source: Tensor, read: _Input) -> None:
    """Copy the columns of the entries that both have; the others become zero."""
    tensor.zero_()
    there = dict(_columns(read.old))
    for entry, columns in _columns(read.new):
        old_columns = there.get(entry, slice(0, 0))
        if old_columns.stop - old_columns.start == columns.stop - columns.start:
            tensor[..., columns] = source[..., old_columns]


def _columns(entries: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, slice]]:
    """Each entry with its place in the input."""
    at = 0
    for name, width in entries:
        yield name, slice(at, at + width)
        at += width
