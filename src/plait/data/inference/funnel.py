"""What can only happen after what: the order of a funnel, and the rows on which a label exists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from .facts import SampledLog
from .outcomes import Outcome

__all__ = ["Funnel", "find_funnel", "is_no_chance"]

_CHANCE = math.log(1e-6)


@dataclass(frozen=True)
class Funnel:
    """The order among columns of feedback, counted on every row.

    Attributes:
        positives: rows on which it happened, by column.
        seen: rows on which the label is known, by column.
        parents: for each column, the events that it cannot happen without; the nearest ones.
        spaces: for each column, the event without which its label is not known.
        twins: event -> an earlier event that happened on exactly the same rows.
        rows: of the log.
    """

    positives: Mapping[str, int]
    seen: Mapping[str, int]
    parents: Mapping[str, tuple[str, ...]]
    spaces: Mapping[str, str]
    twins: Mapping[str, str]
    rows: int


def find_funnel(log: SampledLog, outcomes: Sequence[Outcome]) -> Funnel:
    """The order among columns of feedback. A child is never 1 where its parent is not.

    Few rows agree by chance: an order is only believed where chance alone would make it less than
    once in a million times.

    Args:
        log: the log.
        outcomes: its columns of feedback.
    """
    events = [outcome for outcome in outcomes if outcome.kind == "event"]
    measures: dict[str, pl.Expr] = {}
    for outcome in outcomes:
        name = outcome.facts.name
        measures[f"{name}\0positive"] = outcome.positive.sum()
        measures[f"{name}\0seen"] = outcome.seen.sum()
        for event in events:
            if event is not outcome:
                other = event.facts.name
                measures[f"{name}\0without\0{other}"] = (outcome.positive & ~event.positive).sum()
                measures[f"{name}\0unseen\0{other}"] = (outcome.seen & ~event.positive).sum()
    found = log.exact(*(measure.alias(name) for name, measure in measures.items()))
    counts = {name: int(count or 0) for name, count in found.items()}
    positives = {o.facts.name: counts[f"{o.facts.name}\0positive"] for o in outcomes}
    seen = {o.facts.name: counts[f"{o.facts.name}\0seen"] for o in outcomes}
    above: dict[str, set[str]] = {}
    spaces: dict[str, str] = {}
    twins: dict[str, str] = {}
    for outcome in outcomes:
        name = outcome.facts.name
        others = [event.facts.name for event in events if event is not outcome]
        above[name] = set()
        for other in others:
            rate = positives[other] / max(log.rows, 1)
            inside = counts[f"{name}\0without\0{other}"] == 0
            if inside and is_no_chance(positives[name], rate) and outcome.kind != "rating":
                if outcome.kind == "event" and positives[name] == positives[other]:
                    if other in above and name not in twins:
                        twins[name] = other
                else:
                    above[name].add(other)
        hidden = [
            other
            for other in others
            if counts[f"{name}\0unseen\0{other}"] == 0
            and seen[name] < log.rows
            and is_no_chance(seen[name], positives[other] / max(log.rows, 1))
        ]
        if hidden:
            spaces[name] = min(hidden, key=lambda other: (positives[other], other))
    nearest = {name: _nearest(name, above, positives) for name in above}
    return Funnel(positives, seen, nearest, spaces, twins, log.rows)


def is_no_chance(inside: int, rate: float) -> bool:
    """Whether so many rows would fall among a share of all by chance less than once in a million.

    Example:
        >>> is_no_chance(30, 0.5), is_no_chance(3, 0.5), is_no_chance(1_000, 0.999)
        (True, False, False)
    """
    return 0 < rate < 1 and inside * math.log(rate) < _CHANCE


def _nearest(
    name: str, above: Mapping[str, set[str]], positives: Mapping[str, int]
) -> tuple[str, ...]:
    """The parents that are not above another parent, the rarest first."""
    far = {higher for parent in above[name] for higher in above.get(parent, set())}
    return tuple(sorted(above[name] - far, key=lambda parent: (positives[parent], parent)))
