"""What users of a simulated feed do, and what the log says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .behaviour import Behaviour
from .preferences import Floats, Ids
from .settings import FeedSettings

__all__ = ["SURVEY_STARS", "Outcomes", "draw_outcomes"]

Flags = NDArray[np.bool_]

SURVEY_STARS = 5
WATCH_CONCENTRATION = 4.0
"""Sum of the two parameters of the watched share's beta distribution."""


@dataclass(frozen=True)
class Outcomes:
    """What happened, what would have happened, and what the log says of it.

    Attributes:
        intent: the hidden intent, +1 or -1.
        clicked: whether there was a click.
        would_like: whether there is a like if there is a click.
        would_purchase: whether there is a purchase, sooner or later, if there is a click.
        delays: days from click to purchase.
        click: the recorded click.
        like: the recorded like.
        purchase: the recorded purchase.
        watch_seconds: seconds watched; 0 without a click, or without a record of it.
        survey: stars from 1 to 5; 0 where none were given.
    """

    intent: Ids
    clicked: Flags
    would_like: Flags
    would_purchase: Flags
    delays: Floats
    click: Flags
    like: Flags
    purchase: Flags
    watch_seconds: Floats
    survey: Ids


def draw_outcomes(
    found: Behaviour, settings: FeedSettings, generator: np.random.Generator
) -> Outcomes:
    """One draw of everything that users do. `truth.chances` are its chances."""
    rows = len(found.click)
    intent = 2 * generator.integers(2, size=rows) - 1
    examined = generator.random(rows) < found.examined
    clicked = examined & (generator.random(rows) < expit(found.click + found.wish * intent))
    would_like = generator.random(rows) < expit(found.like)
    would_purchase = generator.random(rows) < expit(found.purchase + found.buying * intent)
    delays = settings.delay * generator.exponential(size=rows)

    wrong = generator.random((3, rows)) < settings.label_noise
    recorded = clicked ^ wrong[0]
    known = clicked & would_purchase & (delays <= found.days_left)
    opened = clicked & recorded
    return Outcomes(
        intent=intent,
        clicked=clicked,
        would_like=would_like,
        would_purchase=would_purchase,
        delays=delays,
        click=recorded,
        like=recorded & ((clicked & would_like) ^ wrong[1]),
        purchase=recorded & (known ^ wrong[2]),
        watch_seconds=_draw_watch(opened, found, generator),
        survey=_draw_survey(opened, found, generator),
    )


def _draw_watch(opened: Flags, found: Behaviour, generator: np.random.Generator) -> Floats:
    mean = found.watched[opened].clip(1e-6, 1 - 1e-6)  # a beta distribution has no ends
    share = generator.beta(WATCH_CONCENTRATION * mean, WATCH_CONCENTRATION * (1 - mean))
    seconds = np.zeros(len(opened))
    seconds[opened] = found.seconds[opened] * share
    return seconds


def _draw_survey(opened: Flags, found: Behaviour, generator: np.random.Generator) -> Ids:
    asked = opened & (generator.random(len(opened)) < found.answered)
    stars = np.zeros(len(opened), np.int64)
    stars[asked] = 1 + generator.binomial(SURVEY_STARS - 1, found.satisfied[asked])
    return stars
