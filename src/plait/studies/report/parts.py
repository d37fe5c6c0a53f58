"""What the rows are: how many, from when, with how many labels, nulls and values never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from plait.data.splits import PARTS
from plait.data.store import Store
from plait.studies.opened import OpenedRun

__all__ = ["PartSummary", "part_summaries"]


@dataclass(frozen=True)
class PartSummary:
    """One part of the rows.

    Attributes:
        part: `train`, `valid` or `test`.
        rows: how many.
        first_time: the earliest time in it, as text; None without a time column.
        last_time: the latest.
        users: different users; None without a user column.
        observed: rows with a label, by task.
        positive: rows whose label is above zero, by task.
        nulls: null rows by feature; features without any are left out.
        unseen: values that have no vector of their own, by feature.
    """

    part: str
    rows: int
    first_time: str | None
    last_time: str | None
    users: int | None
    observed: Mapping[str, int]
    positive: Mapping[str, int]
    nulls: Mapping[str, int]
    unseen: Mapping[str, int]


def part_summaries(run: OpenedRun) -> tuple[PartSummary, ...]:
    """The parts that the run has, training rows first."""
    names = set(run.schema.names)  # a history's features are null where nothing came before
    found = []
    for part in PARTS:
        store: Store | None = getattr(run.prepared, part)
        if store is None:
            continue
        counts = run.prepared.facts["parts"][part]
        first, last = _times(run, store)
        found.append(
            PartSummary(
                part=part,
                rows=counts["rows"],
                first_time=first,
                last_time=last,
                users=_users(run, store),
                observed=counts["observed"],
                positive=counts["positive"],
                nulls={name: n for name, n in counts["nulls"].items() if name in names},
                unseen=counts["unseen"],
            )
        )
    return tuple(found)


def _times(run: OpenedRun, store: Store) -> tuple[str | None, str | None]:
    column = run.schema.time
    if column is None:
        return None, None
    times = store.frame([column])[column]
    if isinstance(times.dtype, pl.Datetime):
        times = times.dt.to_string("%Y-%m-%d %H:%M")
    return str(times.min()), str(times.max())


def _users(run: OpenedRun, store: Store) -> int | None:
    column = run.schema.user
    return None if column is None else store.frame([column])[column].drop_nulls().n_unique()
