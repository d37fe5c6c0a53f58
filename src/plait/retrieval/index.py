"""Search among the vectors of items: exactly, or by an approximate index."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from plait.errors import MissingExtraError

from .exposures import Floats, Integers

__all__ = ["ApproximateIndex", "ExactIndex", "Found", "Index", "overlap"]

CHUNK = 512


class Found(NamedTuple):
    """The best items of each user.

    Attributes:
        items: int64 `[U, n]`, places among the items, the best first; -1 where there are fewer.
        scores: float32 `[U, n]`, products of vectors.
    """

    items: Integers
    scores: Floats


class Index(Protocol):
    """Vectors of items that can be searched."""

    def search(self, users: Floats, n: int) -> Found:
        """The n items of each user whose product with the user's vector is largest."""


class ExactIndex:
    """Compare with every item: no error, and a cost that grows with items and users.

    Args:
        items: float32 `[I, width]`.
    """

    def __init__(self, items: Floats) -> None:
        self._items = items

    def search(self, users: Floats, n: int) -> Found:
        """The n items of each user whose product with the user's vector is largest."""
        n = min(n, len(self._items))
        places, best = [np.empty((0, n), np.int64)], [np.empty((0, n), np.float32)]
        for begin in range(0, len(users), CHUNK):
            scores = users[begin : begin + CHUNK] @ self._items.T
            top = np.argsort(-scores, axis=1, kind="stable")[:, :n]
            places.append(top)
            best.append(np.take_along_axis(scores, top, axis=1))
        return Found(np.concatenate(places), np.concatenate(best))


class ApproximateIndex:
    """Compare with a few hundred items on a graph of neighbours (HNSW), by `usearch`.

    The graph is that of Malkov and Yashunin (`Efficient and Robust Approximate Nearest Neighbor
    Search <https://doi.org/10.1109/TPAMI.2018.2889473>`_, 2020). Neighbours are meant for
    distances, and a product is none; so each item gets one more number that brings all items to one
    length, and each user a zero there: then the largest product is the smallest angle (Bachrach et
    al., `Speeding Up the Xbox Recommender System <https://doi.org/10.1145/2645710.2645741>`_,
    2014). It is built by one thread, so that it is the same each time.

    Args:
        items: float32 `[I, width]`.

    Raises:
        MissingExtraError: `usearch` is not installed.
    """

    def __init__(self, items: Floats) -> None:
        try:
            from usearch.index import Index as Graph
        except ImportError as error:
            raise MissingExtraError(
                "usearch", extra="retrieve", purpose="An approximate index"
            ) from error
        self._items = items
        squares = np.square(items).sum(axis=1)
        lengths = np.sqrt(np.maximum(squares.max(initial=0.0) - squares, 0.0))
        self._graph = Graph(ndim=items.shape[1] + 1, metric="cos", dtype="f32")
        self._graph.add(
            np.arange(len(items)), np.column_stack([items, lengths]).astype(np.float32), threads=1
        )

    def search(self, users: Floats, n: int) -> Found:
        """About the n items of each user whose product with the user's vector is largest."""
        n = min(n, len(self._items))
        if not len(users) or not n:
            return Found(np.empty((len(users), n), np.int64), np.empty((len(users), n), np.float32))
        asked = np.column_stack([users, np.zeros(len(users))]).astype(np.float32)
        self._graph.expansion_search = max(64, 2 * n)
        found = self._graph.search(asked, n, threads=1)
        places = np.asarray(found.keys).reshape(len(users), n).astype(np.int64)
        is_there = np.arange(n) < np.reshape(getattr(found, "counts", n), (-1, 1))
        places = np.where(is_there, places, -1)
        scores = np.einsum("uw,unw->un", users, self._items[np.maximum(places, 0)])
        scores = np.where(is_there, scores, np.float32(-np.inf))
        order = np.argsort(-scores, axis=1, kind="stable")
        return Found(
            np.take_along_axis(places, order, axis=1), np.take_along_axis(scores, order, axis=1)
        )


def overlap(found: Integers, exact: Integers) -> float:
    """Which share of the exact items was found, over all users; 1 where there are none.

    Example:
        >>> overlap(np.array([[3, 1], [0, 2]]), np.array([[1, 3], [0, 4]]))
        0.75
    """
    hits = (exact[:, :, None] == found[:, None, :]).any(axis=2)
    return float(hits.mean()) if hits.size else 1.0
