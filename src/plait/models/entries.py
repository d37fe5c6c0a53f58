"""What enters the network: the entries of a batch, how wide each is, and which task may read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from torch import Tensor

from plait.architectures import Need, Widths
from plait.data.batch import Layout, Number
from plait.errors import TaskError, UnknownNameError
from plait.modules import Run
from plait.modules.parts import encoded
from plait.tasks import Task

LEAST_PIECES = 8
"""Numbers of so many pieces, in the mean, are less work where they are not written out."""

SHORT = 256
"""A table of at most so many rows is short: batches read each of them several times."""

LEAST_WIDTH = 8
"""Products with narrower vectors take no longer than a sum."""

TOKEN_WIDTH = 16
"""Width of a token: entries of any width are projected to it where an architecture needs tokens."""


class Visible(NamedTuple):
    """Which entries enter the shared network, and which only some towers."""

    shared: tuple[str, ...]
    per_task: dict[str, tuple[str, ...]]


def visible_entries(layout: Layout, tasks: Mapping[str, Task]) -> Visible:
    """Sort the entries by who may read them."""
    entries = entry_features(layout)
    features = set(entries.values())
    allowed: dict[str, set[str]] = {}
    for name, task in tasks.items():
        for feature in (*(task.include or ()), *task.hide):
            if feature not in features:
                raise UnknownNameError(
                    feature, what="feature", known=features, where=f"task {name!r}"
                )
        allowed[name] = set(features if task.include is None else task.include) - set(task.hide)
        if not allowed[name]:
            raise TaskError(f"Task {name!r} may read no feature. Include one, or hide fewer.")
    common = set.intersection(*allowed.values())
    if not common:
        raise TaskError(
            "No feature may be read by every task, so there is nothing to share. "
            "Train the tasks apart, or hide fewer features."
        )
    shared = tuple(entry for entry, feature in entries.items() if feature in common)
    per_task = {
        name: tuple(e for e, f in entries.items() if f in may_read and f not in common)
        for name, may_read in allowed.items()
    }
    return Visible(shared, per_task)


def entry_features(layout: Layout) -> dict[str, str]:
    """The feature that each entry belongs to, in the order in which entries are laid out.

    What is learnt, the vectors of tables, stands before what is known.
    """
    named = {column.name: column.feature for column in (*layout.ids, *layout.lists)}
    named |= {number.name: number.name for number in layout.numbers}
    return named | {name: name for name in layout.vectors or {}}


def entry_widths(layout: Layout) -> dict[str, int]:
    """How wide each entry is."""
    columns = (*layout.ids, *layout.lists)
    widths = {column.name: layout.table(column.table).width for column in columns}
    widths |= {number.name: 2 + number.num_pieces for number in layout.numbers}
    return widths | dict(layout.vectors or {})


def main_widths(layout: Layout, shared: tuple[str, ...], widths: Mapping[str, int]) -> Widths:
    """Sizes of all that `encode` can give to an architecture.

    Tokens are one vector a shared entry; the context is the vectors of users and items; scenarios
    are the rows of the scenario's table; own inputs are there where an entry comes from a table.

    Args:
        layout: has the columns and their tables.
        shared: the entries that all tasks may read.
        widths: how wide each entry is.
    """
    keys = [name for name in key_entries(layout) if name in shared]
    scenario = next((c.table for c in layout.ids if c.name == layout.scenario), None)
    tables = learnt_entries(layout)
    main = sum(widths[entry] for entry in shared)
    learnt = sum(widths[entry] for entry in shared if entry in tables)
    return Widths(
        main=main,
        learnt=learnt,
        tokens=(len(shared), TOKEN_WIDTH),
        context=sum(widths[entry] for entry in keys) or None,
        num_scenarios=None if scenario is None else layout.table(scenario).num_rows,
        own=main if learnt else None,
    )


def learnt_entries(layout: Layout) -> frozenset[str]:
    """The entries that come from tables of vectors; the others are known numbers."""
    return frozenset(column.name for column in (*layout.ids, *layout.lists))


def readers_of(visible: Visible, layout: Layout) -> dict[str, frozenset[str]]:
    """For each entry the tasks that may read it."""
    return {
        entry: frozenset(
            name for name, own in visible.per_task.items() if entry in (*visible.shared, *own)
        )
        for entry in entry_features(layout)
    }


def key_entries(layout: Layout) -> list[str]:
    """The columns of ids that hold users or items."""
    return [column.name for column in layout.ids if layout.table(column.table).is_key]


def encode_numbers(
    numbers: Tensor, layout: Layout, *, alone: Collection[str] = ()
) -> dict[Run, Tensor]:
    """Each numeric feature as quantile, missing, and the filled pieces: `2 + pieces` numbers.

    Features of as many pieces that stand one after another are one run `[B, n * (2 + pieces)]`.
    """
    columns = numbers.view(numbers.shape[0], len(layout.numbers), 3)  # [B, M, 3]
    found: dict[Run, Tensor] = {}
    at = 0
    for run in number_runs(layout, alone=alone):
        found[run] = encoded(columns[:, at : at + len(run)], layout.numbers[at].num_pieces)
        at += len(run)
    return found


def counts_read_so(layout: Layout, visible: Visible, needs: Collection[Need]) -> tuple[int, ...]:
    """How many pieces each number has, where layers may read them all as they came; else nothing.

    That is where all tasks read all numbers, nobody wants their encodings by themselves, and there
    are pieces enough for sums between two edges to be less work.
    """
    counts = tuple(number.num_pieces for number in layout.numbers)
    all_shared = all(number.name in visible.shared for number in layout.numbers)
    pays = sum(counts) >= LEAST_PIECES * len(counts)
    return counts if all_shared and pays and "tokens" not in needs else ()


def short_entries(
    layout: Layout, visible: Visible, apart: Collection[str], learnt: int | None
) -> tuple[str, ...]:
    """The columns of one width whose tables are so short that a batch reads a row many times.

    Those that all tasks read and nobody reads apart; of the widths that with most such columns.
    None where they are less than half of the `learnt` numbers of a row: then products of fewer
    columns take hardly less time.
    """
    by_width: dict[int, list[str]] = {}
    for column in layout.ids:
        table = layout.table(column.table)
        is_plain = column.name in visible.shared and column.name not in apart
        if is_plain and table.num_rows <= SHORT and table.width >= LEAST_WIDTH:
            by_width.setdefault(table.width, []).append(column.name)
    width, names = max(by_width.items(), key=lambda item: len(item[1]), default=(0, []))
    return tuple(names) if 2 * width * len(names) >= (learnt or 0) else ()


def places_of(entries: Collection[str], visible: Visible, widths: Mapping[str, int]) -> list[int]:
    """Where these entries stand in the input that all tasks read, one after another."""
    found: list[int] = []
    at = 0
    for entry in visible.shared:
        if entry in entries:
            found.extend(range(at, at + widths[entry]))
        at += widths[entry]
    return found


def number_runs(layout: Layout, *, alone: Collection[str] = ()) -> list[Run]:
    """Numeric features of as many pieces that follow one another."""
    runs: list[Run] = []
    last: Number | None = None
    for number in layout.numbers:
        apart = last is None or number.name in alone or last.name in alone
        if last is None or apart or number.num_pieces != last.num_pieces:
            runs.append((number.name,))
        else:
            runs[-1] = (*runs[-1], number.name)
        last = number
    return runs
