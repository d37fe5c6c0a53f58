"""Which training rows lose their labels and which labels are turned round: drawn, never chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plait.data.store import Store
from plait.errors import ConfigurationError, TaskError
from plait.models import MultiTaskModel
from plait.tasks import Binary, Task
from plait.training import fit_heads

__all__ = ["check_labels_left", "fewer_labels"]

Rows = NDArray[np.int64]

_WAY_OUT = "Leave this share out (`shares`), or hide the labels of another task (`task`)."

_KEPT, _FLIPPED = 0, 1
"""Streams of one seed: what is kept says nothing of what is turned round."""


def fewer_labels(
    train: Store, tasks: Sequence[Task], *, share: float, flip: float, seed: int
) -> Store:
    """The training rows with a share of the tasks' labels, some of them turned round.

    A row keeps the labels of all these tasks or of none, and a list that is ranked stays whole.
    Draws are nested: what is left at 1 % is left at 5 %, and what is turned round at 10 % is turned
    round at 20 %, so that a curve shows the number of labels and not the luck of each draw. Numbers
    are exact: the nearest whole number, and at least one row (one list).

    Args:
        train: the training rows.
        tasks: whose labels.
        share: of the rows with a label of one of the tasks (of the lists, where one ranks).
        flip: share of the labels left of each binary task that change sides. With trials, successes
            and failures change places.
        seed: of both draws.
    """
    if share == 1 and flip == 0:
        return train
    kept = np.zeros(train.num_rows, dtype=np.bool_)
    kept[_kept(train, tasks, share=share, seed=seed)] = True
    labels: dict[str, NDArray[np.float32]] = {}
    for place, task in enumerate(tasks):
        if isinstance(task, Binary) and flip > 0:
            rows = np.flatnonzero(kept & train.observed(task.name))
            order = np.random.default_rng((seed, _FLIPPED, place)).random(train.num_rows)
            turned = _first(rows, order[rows], count=round(flip * len(rows)))
            labels[task.name] = train.labels(task.name).copy()
            labels[task.name][turned] = 1 - labels[task.name][turned]
    return train.relabelled(observed=dict.fromkeys((t.name for t in tasks), kept), labels=labels)


def check_labels_left(
    left: Store, model: MultiTaskModel, tasks: Sequence[Task], *, share: float, flip: float
) -> None:
    """See that every task can be learnt from what `fewer_labels` has left of it.

    Args:
        left: the training rows with the labels that are left.
        model: whose heads are fitted on them; spare.
        tasks: whose labels were hidden.
        share: what was asked for.
        flip: likewise.

    Raises:
        ConfigurationError: no label, no positive or no negative one is left.
    """
    where = f"With {100 * share:g} % of the labels, {100 * flip:g} % of them turned round"
    for task in tasks:
        seen = left.labels(task.name)[left.observed(task.name)]
        if isinstance(task, Binary) and len(seen):
            _check_sides(seen, task, where)
    try:
        fit_heads(model, left)
    except TaskError as error:
        raise ConfigurationError(f"{where}: {error} {_WAY_OUT}") from error


def _check_sides(seen: NDArray[np.float32], task: Task, where: str) -> None:
    lacking = {"positive": not (seen > 0).any(), "negative": not (seen < 1).any()}
    labels = "1 label" if len(seen) == 1 else f"{len(seen):,} labels"
    for side, is_lacking in lacking.items():
        if is_lacking:
            raise ConfigurationError(
                f"{where}, task {task.name!r} has {labels} in one of the draws and no "
                f"{side} one among them. {_WAY_OUT}"
            )


def _kept(train: Store, tasks: Sequence[Task], *, share: float, seed: int) -> Rows:
    labelled = np.zeros(train.num_rows, dtype=np.bool_)
    for task in tasks:
        labelled |= train.observed(task.name)
    rows = np.flatnonzero(labelled)
    generator = np.random.default_rng((seed, _KEPT))
    if not any(task.kind == "ranking" for task in tasks):
        order = generator.random(train.num_rows)[rows]
        return _first(rows, order, count=max(1, round(share * len(rows))))
    lists, members = np.unique(train.key("request")[rows], return_inverse=True)
    places = np.arange(len(lists))
    count = max(1, round(share * len(lists)))
    chosen = _first(places, generator.random(len(lists)), count=count)
    return rows[np.isin(members, chosen)]


def _first(rows: Rows, order: NDArray[np.float64], *, count: int) -> Rows:
    """So many rows: those that come first in an order."""
    return rows[np.argsort(order, kind="stable")[:count]]
