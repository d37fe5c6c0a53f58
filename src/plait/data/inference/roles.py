"""Which columns say whose row it is, what is shown and when: by name, confirmed by counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from .facts import Facts
from .guesses import RoleGuess
from .words import (
    EVENTS,
    ITEM,
    KEY,
    LENGTH,
    PAST,
    POSITION,
    REQUEST,
    SCENARIO,
    TIME,
    USER,
    WATCHING,
    has,
)

__all__ = ["guess_roles"]

_NEED_KEY = frozenset(
    [
        *("device", "client", "household", "account", "cookie", "person", "ad", "app", "post"),
        *("note", "news", "track", "content", "doc", "game", "place", "poi", "hotel", "offer"),
        *("course", "job", "listing", "restaurant", "creative", "search", "query", "session"),
    ]
)
"""Words that speak of a user, an item or a request only where the name says that it is an id."""

_OTHER_IDS = frozenset(
    {"author", "seller", "shop", "store", "brand", "category", "cate", "city", "music", "channel"}
)
_ABOUT_TIME = frozenset(
    [*TIME, "event", "log", "logged", "server", "local", "unix", "epoch", "index", "exposure"]
)
_OTHER_MOMENTS = frozenset(
    [
        *("birth", "birthday", "dob", "registered", "register", "registration", "joined", "join"),
        *("release", "released", "publish", "published", "upload", "expiry", "updated", "customer"),
    ]
)
_CLEAR_TIMES = frozenset({"timestamp", "ts", "time", "datetime"})
_EPOCHS = tuple((631e6 * unit, 4.2e9 * unit) for unit in (1, 1e3, 1e6, 1e9))
"""1990 to 2100 in seconds, milliseconds, microseconds and nanoseconds."""


def guess_roles(facts: Mapping[str, Facts]) -> list[RoleGuess]:
    """The roles that columns of the log play; at most one column each.

    Args:
        facts: of the log's own columns.
    """
    columns = [entry for entry in facts.values() if entry.table is None]
    found: dict[str, RoleGuess] = {}

    def take(role: str, chosen: tuple[Facts, str] | None) -> None:
        taken = {guess.column for guess in found.values()}
        if chosen is not None and chosen[0].name not in taken:
            found[role] = RoleGuess(role, chosen[0].name, chosen[1])

    take("time", _time(columns))
    take("user", _key(columns, USER, "people"))
    take("item", _key(columns, ITEM, "things") or _other_key(columns, found))
    user = facts[found["user"].column] if "user" in found else None
    take("request", _request(columns, user))
    take("scenario", _scenario(columns))
    take("position", _position(columns))
    return list(found.values())


def _key(
    columns: Iterable[Facts], vocabulary: Sequence[str], what: str
) -> tuple[Facts, str] | None:
    candidates = [
        (place, -entry.distinct, entry.name, entry)
        for entry in columns
        if _is_id(entry) and not has(entry.words, EVENTS | PAST)
        for place in [_place(entry.words, vocabulary)]
        if place is not None and entry.distinct >= 2 and entry.repeats >= 1.05
    ]
    if not candidates:
        return None
    entry = min(candidates)[-1]
    return entry, f"named like an id of {what}; {_counted(entry)}"


def _is_id(facts: Facts) -> bool:
    """Whether the values can be those of an id: whole numbers or texts, one a row."""
    return not facts.is_list and (facts.dtype.is_integer() or facts.is_text)


def _place(words: Sequence[str], vocabulary: Sequence[str]) -> int | None:
    """How far down a vocabulary the word of an id stands; None where the name is of no id."""
    places = [vocabulary.index(word) for word in words if word in vocabulary]
    if not places:
        return None
    is_bare = all(word in vocabulary or word in KEY or word in ("code", "no") for word in words)
    says_id = has(words, KEY)
    needs_id = all(vocabulary[place] in _NEED_KEY for place in places)
    return min(places) if is_bare and (says_id or not needs_id) else None


def _other_key(
    columns: Iterable[Facts], found: Mapping[str, RoleGuess]
) -> tuple[Facts, str] | None:
    """Without a known word for items: the id with most values that is nobody's and no request's."""
    taken = {guess.column for guess in found.values()}
    others = {*USER, *REQUEST, *_OTHER_IDS, *EVENTS}
    candidates = [
        (-entry.distinct, entry.name, entry)
        for entry in columns
        if _is_id(entry)
        and entry.name not in taken
        and len(entry.words) > 1
        and has(entry.words, KEY)
        and not has(entry.words, others)
        and entry.distinct >= 10
        and entry.repeats >= 1.5
    ]
    if not candidates:
        return None
    entry = min(candidates)[-1]
    return entry, f"an id that is not the user's; {_counted(entry)}"


def _time(columns: Iterable[Facts]) -> tuple[Facts, str] | None:
    candidates = [
        (not entry.is_moment, place, entry.name, entry)
        for entry in columns
        for place in [_time_place(entry)]
        if place is not None
    ]
    if not candidates:
        return None
    entry = min(candidates)[-1]
    low, high = entry.values.min(), entry.values.max()
    return entry, f"no row is without it; {entry.distinct:,} instants from {low!s} to {high!s}"


def _time_place(entry: Facts) -> int | None:
    if entry.nulls or entry.distinct < 3 or entry.is_list:
        return None
    if has(entry.words, EVENTS | WATCHING | LENGTH | PAST | _OTHER_MOMENTS):
        return None
    place = min((TIME.index(word) for word in entry.words if word in TIME), default=len(TIME))
    if isinstance(entry.dtype, pl.Date | pl.Datetime):
        return place
    is_named = place < len(TIME) and all(word in _ABOUT_TIME for word in entry.words)
    return place if is_named and entry.is_number and _is_clock(entry) else None


def _is_clock(entry: Facts) -> bool:
    """Whether numbers are instants: an epoch, a date in digits, or steps that only go forward."""
    low, high = entry.low or 0.0, entry.high or 0.0
    is_epoch = any(start <= low and high <= end for start, end in _EPOCHS)
    is_date = low >= 19_900_101 and high <= 21_001_231
    goes_forward = bool((np.diff(entry.numbers) >= 0).all())
    is_clear = bool(set(entry.words) & _CLEAR_TIMES) and entry.distinct > 31
    return is_epoch or is_date or goes_forward or is_clear


def _request(columns: Iterable[Facts], user: Facts | None) -> tuple[Facts, str] | None:
    candidates = [
        (place, entry.name, entry)
        for entry in columns
        if _is_id(entry) and not entry.is_unique and entry.repeats >= 1.2 and entry.distinct >= 5
        for place in [_place(entry.words, REQUEST)]
        if place is not None and (user is None or _has_one(entry, user))
    ]
    if not candidates:
        return None
    entry = min(candidates)[-1]
    return entry, f"named like an id of one shown list; {_counted(entry)}"


def _has_one(inner: Facts, outer: Facts) -> bool:
    """Whether each value of one column goes with one value of another, up to a hundredth."""
    both = pl.DataFrame({"inner": inner.values, "outer": outer.values}).n_unique()
    return both <= 1.01 * max(inner.values.n_unique(), 1)


def _scenario(columns: Iterable[Facts]) -> tuple[Facts, str] | None:
    return _first(
        entry
        for entry in columns
        if has(entry.words, SCENARIO)
        and _is_about(entry.words, SCENARIO)
        and (_is_id(entry) and 2 <= entry.distinct <= 50)
    )


def _position(columns: Iterable[Facts]) -> tuple[Facts, str] | None:
    return _first(
        entry
        for entry in columns
        if has(entry.words, POSITION)
        and _is_about(entry.words, POSITION)
        and entry.dtype.is_integer()
        and entry.distinct >= 2
        and 0 <= (entry.low or 0.0) <= 1
        and (entry.high or 0.0) <= 1_000
    )


def _is_about(words: Sequence[str], vocabulary: Collection[str]) -> bool:
    rest = [word for word in words if word not in vocabulary]
    return all(
        word in ("id", "item", "ad", "index", "list", "in", "display", "name") for word in rest
    )


def _first(found: Iterator[Facts]) -> tuple[Facts, str] | None:
    entry = next(found, None)
    return None if entry is None else (entry, f"by its name; {_counted(entry)}")


def _counted(entry: Facts) -> str:
    return f"{entry.distinct:,} values, {entry.repeats:.3g} rows each"
