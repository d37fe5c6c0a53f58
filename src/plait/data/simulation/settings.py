"""The dials of the simulated feed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from plait.errors import ConfigurationError

__all__ = ["FeedSettings"]


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """How large a simulated feed is, and how far it is from an easy one.

    Stability: experimental.

    Every dial keeps the stated probabilities exact: they are computed with it, not before it.

    Example:
        >>> FeedSettings(label_noise=0.7, candidates=3)
        Traceback (most recent call last):
        plait.errors.ConfigurationError: FeedSettings: `label_noise` must lie in [0, 0.5], got 0.7;
        `candidates` (3) must be at least `slate_size` (5).

    Attributes:
        users: who may come; a few come often, most come rarely.
        items: what may be shown.
        segments: groups of users, logged as `segment`.
        categories: groups of items, logged as `category`.
        days: length of the log. Requests are spread evenly over it.
        slate_size: rows of one request, at positions 1, 2, ...
        candidates: items among which the policy chooses for one request.
        history_length: most clicked items that `history` holds.
        click_rate: chance of a click where all preferences are average and the place is the first.
        like_rate: chance of a like after a click, at average preferences.
        purchase_rate: chance of a purchase after a click, at average preferences.
        survey_rate: chance of an answer after a click, at average preferences.
        signal: standard deviation of the preferences' part of each logit. At 0 nothing can be
            learnt but rates.
        feature_signal: share of the variance between users (items) that segment (category) tells.
            The rest shows in ids and histories only.
        relatedness: correlation of every later task's preferences with those of clicks.
        selection: weight of the *purchase* preference in the click's logit. Clicked rows then buy
            more than others do, and what is logged explains it: ignorable selection.
        hidden_selection: weight of an intent that nothing logs, +1 or -1 by row, in the logits of
            click and purchase. Clicked rows then buy more than other rows that look the same:
            non-ignorable selection. A negative weight makes them buy less.
        position_bias: exponent of the chance that a place is looked at, `position ** -bias`.
        label_noise: chance that a click, a like or a purchase is recorded as its opposite. Without
            a recorded click, no like and no purchase is recorded.
        delay: mean days from click to purchase, exponential. Purchases after the log's end are
            recorded as none.
        drift: standard deviation of the change of an item's logits from the first day to the last.
        policy_strength: weight of the click preference in the policy's softmax. At 0 it shows
            candidates at random.
    """

    users: int = 2_000
    items: int = 1_000
    segments: int = 20
    categories: int = 20
    days: int = 14
    slate_size: int = 5
    candidates: int = 20
    history_length: int = 20
    click_rate: float = 0.2
    like_rate: float = 0.2
    purchase_rate: float = 0.1
    survey_rate: float = 0.05
    signal: float = 1.0
    feature_signal: float = 0.5
    relatedness: float = 0.5
    selection: float = 0.0
    hidden_selection: float = 0.0
    position_bias: float = 0.5
    label_noise: float = 0.0
    delay: float = 0.0
    drift: float = 0.0
    policy_strength: float = 1.0

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("FeedSettings: " + "; ".join(problems) + ".")

    def _problems(self) -> Iterator[str]:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _COUNTS:
                if type(value) is not int or value < _COUNTS[field.name]:
                    least = _COUNTS[field.name]
                    yield f"`{field.name}` must be a whole number from {least}, got {value!r}"
                continue
            low, high = _RANGES.get(field.name, (-math.inf, math.inf))
            if not (low <= value <= high and math.isfinite(value)):
                yield f"`{field.name}` must {_range(low, high)}, got {value}"
            elif field.name.endswith("_rate") and value in (0, 1):
                yield f"`{field.name}` must lie between 0 and 1, got {value}"
        yield from _misfits(self)


def _misfits(settings: FeedSettings) -> Iterator[str]:
    for larger, smaller in (("candidates", "slate_size"), ("items", "candidates")):
        most, least = getattr(settings, larger), getattr(settings, smaller)
        if most < least:
            yield f"`{larger}` ({most}) must be at least `{smaller}` ({least})"


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return "be finite" if math.isinf(low) else f"be finite and at least {low:g}"
    return f"lie in [{low:g}, {high:g}]"


_COUNTS = {
    "users": 1,
    "items": 1,
    "segments": 1,
    "categories": 1,
    "days": 1,
    "slate_size": 1,
    "candidates": 1,
    "history_length": 0,
}
_RANGES = {
    "click_rate": (0, 1),
    "like_rate": (0, 1),
    "purchase_rate": (0, 1),
    "survey_rate": (0, 1),
    "signal": (0, math.inf),
    "feature_signal": (0, 1),
    "relatedness": (-1, 1),
    "position_bias": (0, 10),
    "label_noise": (0, 0.5),
    "delay": (0, math.inf),
    "drift": (0, math.inf),
}
