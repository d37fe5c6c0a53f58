"""Histories row by row, as the definitions say; slow, and built of nothing that plait computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

NAN = float("nan")
STRENGTH = {"user": 5.0, "item": 10.0, "pair": 5.0, "user_tags": 5.0}


@dataclass(frozen=True)
class Event:
    """One row: who, what, when, and its labels; None where a label is missing."""

    user: object
    item: object
    time: float = 0.0
    tags: tuple[str, ...] = ()
    labels: dict[str, float | None] = field(default_factory=dict)


Foretold = Callable[[Event, str, str], float]


def mean_label(events: Sequence[Event], task: str) -> float:
    """The mean of the labels that are there; nan without any."""
    labels = [e.labels[task] for e in events if e.labels[task] is not None]
    return sum(labels) / len(labels) if labels else NAN


def smoothed(
    events: Sequence[Event], task: str, *, prior: float, strength: float, times: float
) -> float:
    """(sum + strength × prior) / (count + strength), every label counted so many times."""
    labels = [e.labels[task] for e in events if e.labels[task] is not None]
    return (times * sum(labels) + strength * prior) / (times * len(labels) + strength)


def same(event: Event, name: str, tag: str | None = None) -> Callable[[Event], bool]:
    """Which other events have the same user, item, pair, or user and tag; none where it is null."""

    def is_same(other: Event) -> bool:
        if name in ("user", "pair", "user_tags") and (
            event.user is None or other.user != event.user
        ):
            return False
        if name in ("item", "pair") and (event.item is None or other.item != event.item):
            return False
        return tag is None or tag in other.tags

    return is_same


def of(event: Event, seen: Sequence[Event], name: str, tag: str | None = None) -> list[Event]:
    """The events in `seen` of the same user, item or pair."""
    return [other for other in seen if same(event, name, tag)(other)]


def history(
    event: Event,
    seen: Sequence[Event],
    *,
    tasks: Sequence[str],
    binary: Sequence[str],
    foretold: Foretold,
    times: float = 1.0,
    ordered: bool = False,
) -> dict[str, float]:
    """Every number of one row's history, from the events that it may see.

    Args:
        event: the row.
        seen: the events.
        tasks: names of the tasks.
        binary: those without a spread.
        foretold: what the other side's mean foretold of a seen event's label.
        times: how often each event counts.
        ordered: whether recency counts.
    """
    found: dict[str, float] = {}
    for name in ("user", "item", "pair"):
        own = of(event, seen, name)
        found[f"{name}.count"] = math.log1p(times * len(own))
        if ordered:
            last = max((e.time for e in own), default=NAN)
            found[f"{name}.recency"] = math.log1p(event.time - last)
        for task in tasks:
            found |= _of_task(own, seen, name, task, binary, foretold, times)
    for task in tasks:
        expected = found[f"item.{task}.rate"] + found[f"user.{task}.residual"]
        found[f"both.{task}.expected"] = expected
        shares = [
            _residual(of(event, seen, "user_tags", tag), "user_tags", task, foretold, times)
            for tag in event.tags
        ]
        found[f"user_tags.{task}.residual"] = sum(shares) / len(shares) if shares else 0.0
    return {f"history.{name}": value for name, value in found.items()}


def _of_task(
    own: Sequence[Event],
    seen: Sequence[Event],
    name: str,
    task: str,
    binary: Sequence[str],
    foretold: Foretold,
    times: float,
) -> dict[str, float]:
    found = {f"{name}.{task}.residual": _residual(own, name, task, foretold, times)}
    if name == "pair":
        return found
    strength, prior = STRENGTH[name], mean_label(seen, task)
    labels = [e.labels[task] for e in own if e.labels[task] is not None]
    rate = smoothed(own, task, prior=prior, strength=strength, times=times)
    found[f"{name}.{task}.rate"] = rate
    found[f"{name}.{task}.count"] = math.log1p(times * len(labels))
    if task not in binary:
        squares = [e.labels[task] ** 2 for e in seen if e.labels[task] is not None]
        second = sum(squares) / len(squares) if squares else NAN
        own_second = times * sum(y**2 for y in labels) + strength * second
        variance = own_second / (times * len(labels) + strength) - rate**2
        found[f"{name}.{task}.spread"] = math.sqrt(max(variance, 0.0))
    return found


def _residual(
    own: Sequence[Event], name: str, task: str, foretold: Foretold, times: float
) -> float:
    side = "user" if name == "item" else "item"
    labelled = [e for e in own if e.labels[task] is not None]
    left = [e.labels[task] - foretold(e, side, task) for e in labelled]
    known = [0.0 if math.isnan(value) else value for value in left]
    return times * sum(known) / (times * len(labelled) + STRENGTH[name])


def out_of_fold(
    event: Event,
    seen: Sequence[Event],
    *,
    tasks: Sequence[str],
    binary: Sequence[str],
    times: float,
) -> dict[str, float]:
    """The history of a row that sees these events in no order."""

    def foretold(other: Event, side: str, task: str) -> float:
        prior = mean_label(seen, task)
        alike = of(other, seen, side)
        return smoothed(alike, task, prior=prior, strength=STRENGTH[side], times=times)

    return history(event, seen, tasks=tasks, binary=binary, foretold=foretold, times=times)


def earlier(
    event: Event, everything: Sequence[Event], *, tasks: Sequence[str], binary: Sequence[str]
) -> dict[str, float]:
    """The history of a row that sees strictly earlier events."""

    def before(other: Event) -> list[Event]:
        return [e for e in everything if e.time < other.time]

    def foretold(other: Event, side: str, task: str) -> float:
        seen = before(other)
        prior = mean_label(seen, task)
        return smoothed(
            of(other, seen, side), task, prior=prior, strength=STRENGTH[side], times=1.0
        )

    return history(
        event, before(event), tasks=tasks, binary=binary, foretold=foretold, ordered=True
    )
