"""How many of the items that users took later are among their candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .exposures import Catalogue, Exposures, Floats, Integers, places_of

__all__ = ["Judge", "Recall", "top_items"]

CHUNK = 512
"""Users whose scores for all items are held at once."""


class Recall(NamedTuple):
    """The mean over users of the share of their positives that are among their candidates.

    Attributes:
        value: nan where no user has a positive that could be found.
        users: how many users were judged.
        known: the same mean over users with a training row alone.
        known_users: how many these are.
        popularity: the mean over all, had everybody been given the items with most positives.
        unreachable: positives whose item no training row has, or that the user had before; they do
            not count.
    """

    value: float
    users: int
    known: float
    known_users: int
    popularity: float
    unreachable: int

    def to_json(self) -> dict[str, Any]:
        """As plain data; null where there is no number."""
        form = self._asdict()
        return {n: None if isinstance(v, float) and math.isnan(v) else v for n, v in form.items()}


class Judge:
    """Judges candidates on the rows of one part, against what was known before it.

    A user is asked once, as the first row of the part finds them. Items that they had in the rows
    before are left out of the candidates and of what counts.

    Args:
        train: the training rows.
        part: the rows to judge on.
        catalogue: the items that can be found.
        before: further rows that lie before the part.

    Attributes:
        users: codes of the users that are judged.
        rows: for each, the first row of the part.
    """

    def __init__(
        self,
        train: Exposures,
        part: Exposures,
        catalogue: Catalogue,
        *,
        before: Sequence[Exposures] = (),
    ) -> None:
        liked = part.positives()
        self.users = users = np.unique(liked.user)
        everyone, first = np.unique(part.user, return_index=True)
        shape = (len(users), len(catalogue))
        seen = [_pairs(each, users, catalogue) for each in (train, *before)]
        self._seen = _matrix(np.concatenate(seen), shape)
        wanted = _matrix(_pairs(liked, users, catalogue), shape)
        self._wanted = csr_array(wanted > self._seen)
        pairs = np.unique(np.stack([liked.user, liked.item], axis=1), axis=0)
        self.unreachable = len(pairs) - int(self._wanted.nnz)
        self.rows: Integers = part.rows[first[np.searchsorted(everyone, users)]]
        self._counted = np.diff(self._wanted.indptr) > 0
        self._is_known = np.isin(users, train.user)
        taken = catalogue.places(train.positives().item)
        self._popularity = np.bincount(taken, minlength=len(catalogue)).astype(np.float32)

    def recall(self, users: Floats, items: Floats, k: int) -> Recall:
        """The recall of the k best items by the product of vectors.

        Args:
            users: `[U, width]`, in the order of `rows`.
            items: `[I, width]`, in the order of the catalogue.
            k: how many candidates each user gets.
        """
        found = self._shares(users, items, k)
        same = np.ones((len(self.rows), 1), dtype=np.float32)
        popular = self._shares(same, self._popularity[:, None], k)
        known = found[self._is_known[self._counted]]
        return Recall(
            value=_mean(found),
            users=len(found),
            known=_mean(known),
            known_users=len(known),
            popularity=_mean(popular),
            unreachable=self.unreachable,
        )

    def _shares(self, users: Floats, items: Floats, k: int) -> NDArray[np.float64]:
        """Of each user that counts, the share of what they took that was found."""
        shares = [np.empty(0)]
        for begin in range(0, len(users), CHUNK):
            part = slice(begin, begin + CHUNK)
            top = top_items(users[part] @ items.T, self._seen[part].toarray(), k)
            wanted = self._wanted[part].toarray()
            hits = np.take_along_axis(wanted, np.maximum(top, 0), axis=1) & (top >= 0)
            counted = wanted.any(axis=1)
            shares.append(hits.sum(axis=1)[counted] / wanted.sum(axis=1)[counted])
        return np.concatenate(shares)


def top_items(scores: Floats, left_out: NDArray[np.bool_], k: int) -> Integers:
    """The k best items of each row, the best first; -1 where fewer are left.

    Of equal scores the earlier item is taken, so that nothing depends on chance.

    Example:
        >>> top_items(np.array([[1.0, 3.0, 2.0]]), np.array([[False, True, False]]), 3).tolist()
        [[2, 0, -1]]
    """
    order = np.where(left_out, -np.inf, scores)
    best = np.argsort(-order, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(left_out, best, axis=1), -1, best)


def _pairs(given: Exposures, users: Integers, catalogue: Catalogue) -> Integers:
    """The pairs of user and item `[M, 2]`, as places among both."""
    places = np.stack([places_of(given.user, users), catalogue.places(given.item)], axis=1)
    return places[(places >= 0).all(axis=1)]


def _matrix(pairs: Integers, shape: tuple[int, int]) -> csr_array:
    """True where a pair is."""
    once = np.unique(pairs, axis=0)
    return csr_array((np.ones(len(once), dtype=np.bool_), (once[:, 0], once[:, 1])), shape=shape)


def _mean(shares: NDArray[np.float64]) -> float:
    return float(shares.mean()) if len(shares) else math.nan
