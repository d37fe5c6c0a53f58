"""From what is known of the past to columns: names and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .events import Remembered
from .groups import Members
from .settings import History
from .sums import Past, Sums

__all__ = ["Formulas"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Formulas:
    """The columns of a history, computed from a `Past` whichever way that was collected.

    Attributes:
        history: which columns are made.
        remembered: the tasks.
        are_partial: for each task, whether its label is missing on some training rows, so that
            its own count says something that the count of rows does not.
    """

    history: History
    remembered: Remembered
    are_partial: tuple[bool, ...]

    def columns(self, past: Past) -> dict[str, Floats]:
        """Every column by name, `[N]`; nan where it cannot be known."""
        named = {f"history.{name}": column for name, column in self._columns(past)}
        return {name: np.asarray(column, dtype=np.float64) for name, column in named.items()}

    def strength(self, name: str) -> float:
        """How many rows the mean of all rows counts for."""
        return self.history.strength_item if name == "item" else self.history.strength_user

    def _columns(self, past: Past) -> Iterator[tuple[str, Floats]]:
        wanted = self.history.features
        for side in self.history.by:
            if side in past.sums:
                yield from self._own(side, past, past.sums[side])
        if "expected" in wanted and {"user", "item"} <= set(past.sums) & set(self.history.by):
            expected = past.sums["item"].rate(self.strength("item"), past.prior.mean)
            expected = expected + past.sums["user"].shrunk_residual(self.strength("user"))
            for task, column in zip(self.remembered.names, expected.T, strict=True):
                yield f"both.{task}.expected", column
        for name, sums in past.sums.items():
            if name not in ("user", "item", "pair") and "residual" in wanted:
                residual = _mean(sums.shrunk_residual(self.strength(name)), past.members[name])
                for task, column in zip(self.remembered.names, residual.T, strict=True):
                    yield f"{name}.{task}.residual", column

    def _own(self, name: str, past: Past, sums: Sums) -> Iterator[tuple[str, Floats]]:
        wanted, strength = self.history.features, self.strength(name)
        if "count" in wanted:
            yield f"{name}.count", np.log1p(sums.events)
        if "recency" in wanted and past.now is not None:
            yield f"{name}.recency", np.log1p(np.maximum(past.now - sums.last, 0.0))
        blocks: dict[str, Floats] = {}
        if "rate" in wanted and name != "pair":
            blocks["rate"] = sums.rate(strength, past.prior.mean)
        if "residual" in wanted and {"user", "item"} <= set(past.sums):
            blocks["residual"] = sums.shrunk_residual(strength)
        if "spread" in wanted and name != "pair":
            blocks["spread"] = sums.spread(strength, past.prior)
        if "count" in wanted:
            blocks["count"] = np.log1p(sums.mass)
        for place, task in enumerate(self.remembered.names):
            for what, block in blocks.items():
                if self._says_something(what, name, place):
                    yield f"{name}.{task}.{what}", block[:, place]

    def _says_something(self, what: str, name: str, place: int) -> bool:
        if what == "spread":
            return not self.remembered.are_binary[place]
        return what != "count" or (self.are_partial[place] and name != "pair")


def _mean(values: Floats, members: Members) -> Floats:
    """The mean over the groups of each row `[N, T]`; 0 for a row without a group."""
    if members.offsets is None:
        return values
    lengths = np.diff(members.offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    sums = [np.bincount(rows, column, len(lengths)) for column in values.T]
    means = [total / np.maximum(lengths, 1) for total in sums]
    return np.stack(means, axis=1) if means else np.zeros((len(lengths), 0))
