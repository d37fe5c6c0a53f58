"""What can only happen after what: the order of a funnel, and the rows on which a label exists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .facts import SampledLog
from .feedback import Outcome

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
    counts = _Counts(log, outcomes, events)
    above: dict[str, set[str]] = {}
    spaces: dict[str, str] = {}
    twins: dict[str, str] = {}
    for outcome in outcomes:
        name = outcome.facts.name
        others = [event.facts.name for event in events if event is not outcome]
        around = [other for other in others if counts.is_within(name, other)]
        equal = [o for o in around if counts.positives[o] == counts.positives[name]]
        above[name] = set(around)
        if outcome.kind == "event":
            above[name] -= set(equal)
            earlier = [twin for twin in equal if twin in above]
            if earlier:
                twins[name] = earlier[0]
        elif outcome.kind in ("rating", "class"):
            above[name] = set()
        hidden = [other for other in others if counts.is_hidden_without(name, other)]
        if hidden:
            spaces[name] = min(hidden, key=lambda other: (counts.positives[other], other))
    nearest = {name: _nearest(name, above, counts.positives) for name in above}
    return Funnel(counts.positives, counts.seen, nearest, spaces, twins, log.rows)


class _Counts:
    """Rows on which feedback happened and was seen, also without each event."""

    def __init__(
        self, log: SampledLog, outcomes: Sequence[Outcome], events: Sequence[Outcome]
    ) -> None:
        measures = {}
        for outcome in outcomes:
            name = outcome.facts.name
            measures[f"{name}\0positive"] = outcome.positive.sum()
            measures[f"{name}\0seen"] = outcome.seen.sum()
            for event in events:
                without = f"{name}\0without\0{event.facts.name}"
                measures[without] = (outcome.positive & ~event.positive).sum()
                measures[f"{without}\0seen"] = (outcome.seen & ~event.positive).sum()
        found = log.exact(*(measure.alias(name) for name, measure in measures.items()))
        self._counts = {name: int(count or 0) for name, count in found.items()}
        names = [outcome.facts.name for outcome in outcomes]
        self.positives = {name: self._counts[f"{name}\0positive"] for name in names}
        self.seen = {name: self._counts[f"{name}\0seen"] for name in names}
        self._rows = max(log.rows, 1)

    def is_within(self, name: str, event: str) -> bool:
        """Whether one thing never happened without an event, and not by chance."""
        outside = self._counts[f"{name}\0without\0{event}"]
        return outside == 0 and is_no_chance(self.positives[name], self._rate(event))

    def is_hidden_without(self, name: str, event: str) -> bool:
        """Whether a label was never seen without an event, and not by chance."""
        outside = self._counts[f"{name}\0without\0{event}\0seen"]
        return outside == 0 and is_no_chance(self.seen[name], self._rate(event))

    def _rate(self, event: str) -> float:
        return self.positives[event] / self._rows


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
