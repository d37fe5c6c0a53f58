"""Which columns the model may read: the last word on each column, with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Several
from dataclasses import replace

import polars as pl

from plait.data.schema import Feature, MultiHot, Sequence

from .facts import Facts
from .guesses import Caution, FeatureGuess
from .kinds import guess_kind
from .words import EVENT_COUNTS, EVENTS, PAST, PROPENSITY, RATING, WEIGHTS, has

__all__ = ["choose_features"]

_FORBIDDING = (
    "equals_label",
    "follows_label",
    "determines_label",
    "target_rate",
    "encodes_time",
    "constant",
    "duplicate",
    "personal",
)
"""The kinds of caution that keep a column out of the model, the weightiest first."""

_FEWEST_SHARED = 10
_SHARED = 0.9

_NOT_FEATURES = {
    "time": "the time of the row; hour or weekday may help, the instant itself does not",
    "request": "the shown list that a row belongs to",
    "position": "only known once the list is made",
}


def choose_features(
    columns: Several[Facts],
    *,
    roles: Mapping[str, str],
    keys: Mapping[str, Facts],
    cautions: Several[Caution],
    apart: Mapping[str, str],
) -> list[FeatureGuess]:
    """How each column is read, or why it is not.

    Args:
        columns: every column that is no feedback.
        roles: the role of each column that has one.
        keys: the join key of each side table.
        cautions: what was found about columns.
        apart: columns that serve something else, and what.
    """
    forbidden: dict[str, Caution] = {}
    for kind in reversed(_FORBIDDING):
        forbidden |= {c.columns[0]: c for c in cautions if c.kind == kind}
    return list(_guesses(columns, roles, keys, forbidden, apart))


def _guesses(
    columns: Several[Facts],
    roles: Mapping[str, str],
    keys: Mapping[str, Facts],
    forbidden: Mapping[str, Caution],
    apart: Mapping[str, str],
) -> Iterator[FeatureGuess]:
    item = next((entry for entry in columns if roles.get(entry.name) == "item"), None)
    for entry in columns:
        name, role = entry.name, roles.get(entry.name)
        why_not = apart.get(name) or _NOT_FEATURES.get(role or "") or _by_name(entry)
        if why_not is not None:
            yield FeatureGuess(name, None, why_not, is_used=False)
            continue
        reading = guess_kind(entry, is_key=role is not None, keys=keys)
        reason = reading.reason if role is None else f"the {role}; {reading.reason}"
        if reading.is_useful and role is None and _sums_up_feedback(entry):
            reason += "; it sums up feedback by its name: see that only earlier rows are in it"
        caution = forbidden.get(name)
        if caution is None:
            feature = _sharing(reading.feature, entry, item)
            if feature is not reading.feature and item is not None:
                reason += f"; values of {item.name!r}, so that they share its vectors"
            yield FeatureGuess(name, feature, reason, is_used=reading.is_useful)
            continue
        feature = reading.feature
        if feature is not None and caution.kind == "follows_label":
            feature = replace(feature, known="after")
        told = f"{caution.kind.replace('_', ' ')}: {caution.reason}"
        yield FeatureGuess(name, feature, told, is_used=False)


def _sharing(feature: Feature | None, entry: Facts, item: Facts | None) -> Feature | None:
    """A list of items reads the item's own vectors."""
    if item is None or not isinstance(feature, Sequence | MultiHot):
        return feature
    values = entry.values
    if feature.delimiter is not None:
        values = values.cast(pl.String).str.split(feature.delimiter)
    elif isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    held = values.explode().drop_nulls().cast(pl.String).unique()
    held = held.filter(held != "")
    known = item.values.drop_nulls().cast(pl.String).unique()
    if held.len() < _FEWEST_SHARED or held.is_in(known.implode()).mean() < _SHARED:  # type: ignore[operator]
        return feature
    return replace(feature, shares=item.name)


def _sums_up_feedback(entry: Facts) -> bool:
    """Whether a number is named like a count of events or a mean of ratings."""
    about_events = has(entry.words, PAST) and has(entry.words, EVENTS | EVENT_COUNTS)
    return entry.is_number and (about_events or has(entry.words, RATING | EVENT_COUNTS))


def _by_name(entry: Facts) -> str | None:
    if not entry.name.strip():
        return "a column without a name, as the index of a data frame has; rename it to read it"
    if has(entry.words, PROPENSITY):
        return "the chance that the old policy showed the item, not what the item is"
    if "weight" in entry.words and has(entry.words, WEIGHTS):
        return "a weight of the row by its name; a task may use it as its `weight`"
    return None
