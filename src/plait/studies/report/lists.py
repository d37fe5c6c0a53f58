"""What a product manager asks: do the lists change, what does each objective cost the others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.metrics import Value, ndcg
from plait.studies.opened import OpenedRun
from plait.tasks import Multiclass
from plait.training.judging import judged_mask

__all__ = ["Cost", "Example", "ListStudy", "Order", "orders_of", "study_lists"]

CUTS = (10, 5, 3)
MEAN_RANK = "mean rank of all"
NUM_EXAMPLES = 3
HIDDEN_ITEM = "(a rare item)"


@dataclass(frozen=True)
class Cost:
    """How well a list ordered by one thing serves one task.

    Attributes:
        ordered_by: a task, or the mean rank of all.
        judged_by: the task whose labels count.
        ndcg: at the cut of the study, over rows on which the task's label is known.
        relative: change against the list ordered by the task itself; None where there is none.
    """

    ordered_by: str
    judged_by: str
    ndcg: Value
    relative: float | None


@dataclass(frozen=True)
class Example:
    """The first places of one person's list before and after.

    Attributes:
        who: `user A`; never a raw id.
        before: items ordered by one task alone.
        after: items ordered by the mean rank of all.
        was: the place from 0 that each row of `after` had before.
    """

    who: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    was: tuple[int, ...]


@dataclass(frozen=True)
class ListStudy:
    """The lists of the judged rows under several orders.

    Attributes:
        list_of: `request` or `user`: whose rows make a list.
        cut: places that are looked at.
        num_lists: lists longer than the cut.
        orders: the tasks, then the mean rank of all.
        overlap: share of the first places that two orders have in common, `[orders, orders]`.
        costs: what each order is worth to each task.
        examples: a few lists near the average.
        reason: why there is nothing to study; empty where there is.
    """

    list_of: str = ""
    cut: int = 0
    num_lists: int = 0
    orders: tuple[str, ...] = ()
    overlap: tuple[tuple[float, ...], ...] = ()
    costs: tuple[Cost, ...] = ()
    examples: tuple[Example, ...] = ()
    reason: str = ""


def study_lists(run: OpenedRun, *, least_rows: int, seed: int) -> ListStudy:
    """Compare the lists ranked by each task alone with those ranked by all.

    A list is the rows of one request, or of one user where the schema names no request. Only
    tasks whose prediction is one number can order a list; more of it counts as better.

    Args:
        run: the run.
        least_rows: fewer lists than this are not studied, and items shown on fewer rows than this
            are not named.
        seed: breaks ties between equal predictions.
    """
    role = next((r for r in ("request", "user") if r in run.judged.layout.keys), None)
    if role is None:
        return ListStudy(reason="The schema names neither a request nor a user: there are no lists")
    tasks = [
        name
        for name, task in run.model.tasks.items()
        if task.role == "target" and not isinstance(task, Multiclass)
    ]
    if len(tasks) < 2:
        return ListStudy(reason="Fewer than two target tasks can order a list")
    groups = np.unique(run.judged.key(role), return_inverse=True)[1].astype(np.int64)
    sizes = np.bincount(groups)
    cut = next((c for c in CUTS if (sizes > c).sum() >= max(1, least_rows)), None)
    if cut is None:
        return ListStudy(reason=f"Fewer than {least_rows} lists are longer than {CUTS[-1]} rows")
    found = orders_of(
        {name: run.predictions[name] for name in tasks},
        groups,
        rows=np.flatnonzero(sizes[groups] > cut),
        seed=seed,
    )
    return ListStudy(
        list_of=role,
        cut=cut,
        num_lists=int((sizes > cut).sum()),
        orders=tuple(order.name for order in found),
        overlap=tuple(
            tuple(float(one.overlap(other, cut).mean()) for other in found) for one in found
        ),
        costs=tuple(_costs(run, found, tasks, cut)),
        examples=_examples(run, found[0], found[-1], cut=cut, least_rows=least_rows),
    )


@dataclass(frozen=True, eq=False)
class Order:
    """The place of each row in its list under one order.

    Attributes:
        name: what it is ordered by.
        rows: positions in the store `[n]`.
        groups: the list of each row, from 0 without a gap `[n]`.
        places: from 0, the best `[n]`.
    """

    name: str
    rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    places: NDArray[np.int64]

    @cached_property
    def num_lists(self) -> int:
        """How many lists there are."""
        return int(self.groups.max()) + 1

    def overlap(self, other: Order, cut: int) -> NDArray[np.float64]:
        """Share of the first places in common, by list."""
        both = (self.places < cut) & (other.places < cut)
        return np.bincount(self.groups[both], minlength=self.num_lists) / cut


def orders_of(
    predictions: Mapping[str, NDArray[np.float32]],
    groups: NDArray[np.int64],
    *,
    rows: NDArray[np.int64],
    seed: int,
) -> list[Order]:
    """The order by each prediction, and last the one by the mean of their places.

    Ties are broken by one seeded shuffle that all orders share.

    Args:
        predictions: of every row of the store, by task.
        groups: the list of every row of the store.
        rows: the rows to order; their lists are whole.
        seed: of the shuffle.
    """
    lists = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
    shuffle = np.random.default_rng(seed).permutation(len(rows))
    found = [
        Order(name, rows, lists, _places(values[rows], lists, shuffle))
        for name, values in predictions.items()
    ]
    mean = np.mean([order.places for order in found], axis=0)
    return [*found, Order(MEAN_RANK, rows, lists, _places(-mean, lists, shuffle))]


def _places(
    scores: NDArray[np.floating], lists: NDArray[np.int64], shuffle: NDArray[np.int64]
) -> NDArray[np.int64]:
    order = np.lexsort((shuffle, -scores, lists))
    starts = np.cumsum(np.bincount(lists)) - np.bincount(lists)
    places = np.empty(len(lists), dtype=np.int64)
    places[order] = np.arange(len(lists)) - starts[lists[order]]
    return places


def _costs(run: OpenedRun, orders: Sequence[Order], tasks: Sequence[str], cut: int) -> list[Cost]:
    found = []
    for task in tasks:
        own: dict[str, Value] = {}
        for order in orders:
            known = judged_mask(run.model, run.judged, task)[order.rows]
            labels = run.judged.labels(task)[order.rows]
            own[order.name] = ndcg(-order.places[known], labels[known], order.groups[known], k=cut)
        best = own[task].value
        for name, value in own.items():
            change = value.value / best - 1 if best > 0 and value.is_known else None
            found.append(Cost(name, task, value, change))
    return found


def _examples(
    run: OpenedRun, before: Order, after: Order, *, cut: int, least_rows: int
) -> tuple[Example, ...]:
    column = run.schema.item
    if column is None:
        return ()
    names = _item_names(run, column, least_rows)
    hidden = np.bincount(before.groups[names[before.rows] == HIDDEN_ITEM], minlength=1)
    hidden = np.pad(hidden, (0, before.num_lists - len(hidden)))
    shared = before.overlap(after, cut)
    chosen = np.lexsort((np.abs(shared - shared.mean()), hidden))[:NUM_EXAMPLES]
    return tuple(
        _example(f"user {letter}", before, after, names, inside=inside, cut=cut)
        for letter, number in zip("ABC", chosen, strict=False)
        for inside in [np.flatnonzero(before.groups == number)]
    )


def _example(
    who: str,
    before: Order,
    after: Order,
    names: NDArray[np.object_],
    *,
    inside: NDArray[np.int64],
    cut: int,
) -> Example:
    old, new = (inside[np.argsort(order.places[inside])][:cut] for order in (before, after))
    return Example(
        who,
        before=tuple(str(names[row]) for row in before.rows[old]),
        after=tuple(str(names[row]) for row in after.rows[new]),
        was=tuple(before.places[new].tolist()),
    )


def _item_names(run: OpenedRun, column: str, least_rows: int) -> NDArray[np.object_]:
    """The item of each judged row as text, unless it stands on too few rows of the whole log."""
    values = run.judged.frame([column])[column].cast(pl.String)
    stores = {id(store): store for store in (run.train, run.judged)}.values()
    every = pl.concat([store.frame([column])[column].cast(pl.String) for store in stores])
    counts = every.alias("item").value_counts(name="rows")
    common = counts.filter(pl.col("rows") >= least_rows)["item"].drop_nulls()
    shown = values.set(~values.is_in(common.implode()).fill_null(value=False), HIDDEN_ITEM)
    return shown.to_numpy().astype(object)
