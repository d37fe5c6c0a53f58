"""What the simulated feed shows: candidates, and a softmax policy whose propensities are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .preferences import Floats, Ids

__all__ = ["Slates", "choose", "draw_candidates"]


class Slates(NamedTuple):
    """What was chosen for each request.

    Attributes:
        places: places among the candidates, first position first; `[R, S]`.
        propensities: chance of each choice, given those above it; `[R, S]`.
        probabilities: chance of each candidate to stand first; `[R, C]`.
    """

    places: Ids
    propensities: Floats
    probabilities: Floats


def draw_candidates(
    requests: int, *, candidates: int, items: int, generator: np.random.Generator
) -> Ids:
    """Different items for each request, one from each of equally long ranges of items; `[R, C]`."""
    edges = np.linspace(0, items, candidates + 1).astype(np.int64)
    found: Ids = generator.integers(edges[:-1], edges[1:], size=(requests, candidates))
    return found


def choose(scores: Floats, *, size: int, generator: np.random.Generator) -> Slates:
    """Slates drawn one position after another by a softmax over the candidates that are left.

    That is the Plackett–Luce distribution; the `size` largest of scores with Gumbel noise have it
    (Yellott, 1977). The chance of a whole slate is the product of its propensities.
    """
    order = np.argsort(-(scores + generator.gumbel(size=scores.shape)), axis=1)  # [R, C]
    ordered = np.take_along_axis(scores, order, axis=1)
    left = np.logaddexp.accumulate(ordered[:, ::-1], axis=1)[
        :, ::-1
    ]  # log-sum from here to the end
    propensities = np.exp(ordered - left)[:, :size]
    return Slates(order[:, :size], propensities, np.exp(scores - left[:, :1]))
