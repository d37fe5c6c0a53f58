"""What names of columns say: the words in a name, and the vocabulary of logs in general."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["has", "is_whole_number_name", "words_of"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")

USER = (
    *("user", "uid", "userid", "member", "customer", "visitor", "viewer", "reader", "buyer"),
    *("consumer", "account", "person", "device", "cookie", "client", "household"),
)
"""Words for who it is shown to, the surest first."""

ITEM = (
    *("item", "iid", "itemid", "product", "sku", "goods", "article", "video", "movie", "song"),
    *("track", "photo", "news", "post", "note", "book", "game", "app", "ad", "creative", "doc"),
    *("content", "hotel", "place", "poi", "restaurant", "listing", "course", "job", "offer"),
)
"""Words for what is shown, the surest first."""

TIME = ("timestamp", "ts", "time", "datetime", "date", "dt", "when", "day", "at", "created")
"""Words for when it was shown, the surest first."""

REQUEST = ("request", "req", "impression", "search", "query", "slate", "auction", "session")
SCENARIO = ("scenario", "scene", "domain", "tab", "surface", "placement", "site")
POSITION = ("position", "pos", "slot", "rank")
SPLIT = frozenset({"fold", "split", "partition", "subset", "cv"})
KEY = frozenset({"id", "ids", "key", "uid", "uuid", "guid", "iid", "sku"})

EVENTS = frozenset(
    [
        *("click", "clicked", "clk", "tap", "visit", "visited", "open", "opened", "view", "viewed"),
        *("like", "liked", "love", "loved", "fav", "favorite", "favourite", "collect", "save"),
        *("saved", "bookmark", "share", "shared", "forward", "comment", "commented", "follow"),
        *("followed", "subscribe", "subscribed", "cart", "atc", "buy", "bought", "purchase"),
        *("purchased", "order", "ordered", "pay", "paid", "conversion", "converted", "convert"),
        *("conv", "install", "installed", "download", "downloaded", "signup", "register"),
        *("registered", "finish", "finished", "complete", "completed", "play", "played", "watched"),
        *("listened", "read", "rated", "reviewed", "accepted", "accept", "response", "responded"),
        *("enter", "booked", "booking", "churn", "churned", "hate", "dislike", "disliked", "skip"),
        *("skipped", "hide", "report", "reported", "unfollow", "return", "returned", "refund"),
    ]
)
"""Feedback that a row has or has not."""

EVENT_COUNTS = frozenset(
    [
        *("clicks", "likes", "shares", "comments", "orders", "purchases", "conversions", "plays"),
        *("installs", "downloads", "visits", "opens", "replies", "bookings", "follows", "saves"),
    ]
)
CHANCES = frozenset({"impressions", "views", "exposures", "shows", "displays", "trials", "sends"})
LABEL = frozenset({"label", "labels", "target", "outcome", "y", "gt", "groundtruth"})
RATING = frozenset({"rating", "ratings", "stars", "star", "score", "survey", "satisfaction", "nps"})
AMOUNT = frozenset({"spend", "spent", "revenue", "gmv", "sales", "payment", "turnover", "ltv"})
WATCHING = frozenset(
    {"watch", "watched", "dwell", "stay", "play", "played", "listen", "listened", "reading", "view"}
)
UNITS = {
    **dict.fromkeys(("ms", "millis", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
"""Seconds in a unit of time."""

CLOCK = frozenset({"time", "duration", "length", *UNITS})
LENGTH = frozenset({"duration", "length", "runtime"})

PAST = frozenset(
    [
        *("n", "num", "number", "nb", "cnt", "count", "counts", "total", "sum", "avg", "mean"),
        *("average", "median", "max", "last", "past", "hist", "history", "prev", "previous"),
        *("prior", "ever", "days", "weeks", "months", "years", "rate", "ratio", "ctr"),
        *("cvr", "pct", "percent", "prob", "probability", "propensity", "pred", "predicted"),
        *("since", "before", "per", "freq", "frequency", "lifetime", "recent", "recency"),
    ]
)
"""Words that make of an event's name a summary of the past, which is no label."""

LISTS = frozenset(
    {"history", "hist", "seq", "sequence", "past", "recent", "last", "session", "clicked", "viewed"}
)
CODES = frozenset(
    [
        *("id", "ids", "code", "type", "category", "categorical", "cat", "cate", "class", "brand"),
        *("city", "zip", "kind", "group", "segment", "level", "sparse", "hash", "region"),
        *("country", "state", "os", "model", "channel", "tag", "key", "author", "shop", "seller"),
    ]
)
"""Words for whole numbers that name something rather than measure it."""

VECTORS = frozenset({"emb", "embedding", "embeddings", "vector", "vec", "feat"})
WEIGHTS = frozenset({"instance", "sample", "row", "case", "survey", "observation"})
PROPENSITY = frozenset({"propensity", "pscore", "logprob"})


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters.

    Example:
        >>> words_of("userId"), words_of("is_click_7d"), words_of("AcceptedCmp3")
        (('user', 'id'), ('is', 'click', '7', 'd'), ('accepted', 'cmp', '3'))
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def has(words: Collection[str], vocabulary: Collection[str]) -> bool:
    """Whether a name holds a word of a vocabulary."""
    return any(word in vocabulary for word in words)


def is_whole_number_name(words: Collection[str]) -> bool:
    """Whether a name is nothing but digits: the number of a field in an anonymous log."""
    return bool(words) and all(word.isdigit() for word in words)
