"""What the gains say, in words that follow from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from plait.studies.page.numbers import joined, percent, signed
from plait.studies.report.wording import metric_title

from .families import FAMILIES, Family
from .gains import Gain
from .settings import FEWEST_SEEDS

__all__ = ["verdict"]


def verdict(gains: Sequence[Gain], *, seeds: int) -> tuple[str, ...]:
    """Which way to learn would help this log, and where; or that none showed a gain.

    A way to learn helps at a share of the labels where the lower end of its paired 95 % interval
    is above 0. Of several the one with the largest mean gain is named.

    Args:
        gains: of the tasks whose labels were hidden.
        seeds: how many repetitions they come from.
    """
    if seeds < FEWEST_SEEDS:
        have = "1 seed" if seeds == 1 else f"{seeds} seeds"
        return (
            f"With {have} nothing can be said: chance alone can make such differences. Go on with "
            f"at least {FEWEST_SEEDS} (--seeds {FEWEST_SEEDS}); what is done is kept.",
        )
    if not gains:
        return ("Nothing was compared: supervised learning is the only way that was tried.",)
    if all(math.isnan(gain.estimate.value) for gain in gains):
        reason = next(gain.estimate.reason for gain in gains)
        return (f"Nothing can be said: {reason.rstrip('.')}.",)
    return (_headline(gains, seeds), *_details(gains))


def _headline(gains: Sequence[Gain], seeds: int) -> str:
    settings = _groups(gains)
    best = [found for group in settings if (found := _best(group)) is not None]
    if not best:
        return (
            "None of the ways to learn showed a gain over supervised learning on this log "
            f"({seeds} seeds)."
        )
    counts = Counter(gain.family for gain in best)
    most = max(counts, key=lambda family: (counts[family], _total(best, family)))
    helped = sum(gain.helps for gain in gains if gain.family == most)
    places = "1 setting" if len(settings) == 1 else f"{len(settings)} settings"
    return (
        f"On this log {FAMILIES[most]} would help most: it showed a gain over supervised learning "
        f"in {helped} of {places}, and was the best in {counts[most]} ({seeds} seeds; a setting is "
        "a task with a share of its labels and of wrong ones)."
    )


def _details(gains: Sequence[Gain]) -> Iterator[str]:
    """A sentence on each task with each share of wrong labels."""
    for task, flip in dict.fromkeys((gain.task, gain.flip) for gain in gains):
        own = [gain for gain in gains if (gain.task, gain.flip) == (task, flip)]
        groups = _groups(own)
        best = [found for group in groups if (found := _best(group)) is not None]
        shares = {gain.share for gain in best}
        rest = [group[0].share for group in groups if group[0].share not in shares]
        told = [_told(gain, [g for g in own if g.share == gain.share]) for gain in best]
        if rest:
            told.append(f"none showed a gain at {_shares(rest)} of the labels")
        turned = f"{percent(flip)} of the labels turned round" if flip else "labels as they are"
        yield f"{task}, {turned}: {'; '.join(told)}." + _losses(own)


def _told(best: Gain, group: Sequence[Gain]) -> str:
    helps = "helps most" if sum(gain.helps for gain in group) > 1 else "helps"
    found = best.estimate
    return (
        f"at {percent(best.share)} of the labels {FAMILIES[best.family]} {helps} "
        f"({metric_title(best.metric)} better by {signed(found.value)}, 95 % interval "
        f"{signed(found.low)} to {signed(found.high)})"
    )


def _losses(gains: Sequence[Gain]) -> str:
    lost: dict[Family, list[float]] = {}
    for gain in gains:
        if gain.hurts:
            lost.setdefault(gain.family, []).append(gain.share)
    if not lost:
        return ""
    told = [f"{FAMILIES[family]} at {_shares(shares)}" for family, shares in lost.items()]
    return f" Worse than supervised: {'; '.join(told)}."


def _groups(gains: Sequence[Gain]) -> list[list[Gain]]:
    """The gains of each task, share and flip."""
    groups: dict[tuple[str, float, float], list[Gain]] = {}
    for gain in gains:
        groups.setdefault((gain.task, gain.flip, gain.share), []).append(gain)
    return list(groups.values())


def _best(group: Sequence[Gain]) -> Gain | None:
    helping = [gain for gain in group if gain.helps]
    return max(helping, key=lambda gain: gain.estimate.value) if helping else None


def _total(best: Sequence[Gain], family: Family) -> float:
    return sum(gain.estimate.value for gain in best if gain.family == family)


def _shares(shares: Sequence[float]) -> str:
    return joined([percent(share) for share in shares])
