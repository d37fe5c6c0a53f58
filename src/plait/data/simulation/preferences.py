"""Who likes what, by task: the users and items of a simulated feed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .settings import FeedSettings

__all__ = ["LATER_TASKS", "Preferences"]

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

LATER_TASKS = ("like", "purchase", "watch", "survey")
DIMENSIONS = 8


class Preferences:
    """Preferences of mean 0 and variance 1, over users and items, for each task.

    A preference is the product of tastes, the item's appeal and the user's mood. A later task's is
    `r · click + sqrt(1 - r²) · its own`, so `r`, the `relatedness`, is its correlation with the
    click's. Tastes, appeal and mood of one segment (category) have a part in common, whose share
    of the variance is `feature_signal`.
    """

    def __init__(self, settings: FeedSettings, generator: np.random.Generator) -> None:
        segments = generator.integers(settings.segments, size=settings.users)
        categories = generator.integers(settings.categories, size=settings.items)
        self.segments: Ids = segments
        self.categories: Ids = categories
        self._relatedness = settings.relatedness
        share = settings.feature_signal
        self._tastes = {
            task: _Taste(
                _factors(segments, settings.segments, share, generator),
                _factors(categories, settings.categories, share, generator),
            )
            for task in ("click", *LATER_TASKS)
        }

    def of_click(self, users: Ids, items: Ids) -> Floats:
        """The click's preference, for users and items of shapes that broadcast."""
        return self._tastes["click"].of(users, items)

    def of_all(self, users: Ids, items: Ids) -> dict[str, Floats]:
        """The preference of every task, by name."""
        click = self.of_click(users, items)
        own = np.sqrt(1 - self._relatedness**2)
        later = {
            task: self._relatedness * click + own * self._tastes[task].of(users, items)
            for task in LATER_TASKS
        }
        return {"click": click, **later}


@dataclass(frozen=True)
class _Taste:
    """Vectors of users and items; the last column is the mood or the appeal."""

    users: Floats
    items: Floats

    def of(self, users: Ids, items: Ids) -> Floats:
        person, thing = self.users[users], self.items[items]
        match = np.einsum("...d,...d->...", person[..., :-1], thing[..., :-1])
        found: Floats = (match / np.sqrt(DIMENSIONS) + person[..., -1] + thing[..., -1]) / np.sqrt(
            3
        )
        return found


def _factors(groups: Ids, num_groups: int, share: float, generator: np.random.Generator) -> Floats:
    """Standard normal numbers that members of a group have in common to a share of the variance."""
    common = generator.normal(size=(num_groups, DIMENSIONS + 1))
    own = generator.normal(size=(len(groups), DIMENSIONS + 1))
    factors: Floats = np.sqrt(share) * common[groups] + np.sqrt(1 - share) * own
    return factors
