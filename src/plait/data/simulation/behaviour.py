"""What users do with what they are shown: the true chances, and one draw from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

from .preferences import Floats, Ids
from .settings import FeedSettings

__all__ = ["DRIFTING", "Outcomes", "Shown", "chances", "draw_outcomes"]

Flags = NDArray[np.bool_]

DRIFTING = ("click", "like", "purchase")
SURVEY_STARS = 5
WATCH_CONCENTRATION = 4.0
"""Sum of the two parameters of the watched share's beta distribution."""


@dataclass(frozen=True)
class Shown:
    """The rows of a chunk, as far as behaviour depends on them.

    Attributes:
        preferences: of each task.
        drifts: what drift adds to the logits of click, like and purchase.
        durations: seconds that each item lasts.
        positions: from 1.
        elapsed: share of the log's days that has gone by.
    """

    preferences: dict[str, Floats]
    drifts: dict[str, Floats]
    durations: Floats
    positions: Ids
    elapsed: Floats


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
        watch_seconds: seconds watched; 0 without a click.
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


def chances(shown: Shown, settings: FeedSettings) -> dict[str, Floats]:
    """The truth of every row, as columns.

    A chance is given what the log holds of the row, so it is the mean over the two values of the
    hidden intent. Columns that begin with `logged_` speak of the recorded labels: with noise, and
    with the purchases that the log ends too early for.
    """
    click, like, purchase = (_logits(task, shown, settings) for task in DRIFTING)
    hidden = _Hidden.of(click, purchase, settings)
    examined = _examined(shown, settings)
    p_click, p_like = examined * hidden.attraction, expit(like)
    joint = p_click * hidden.p_purchase_given_click
    watch = shown.durations * _watched_share(shown, settings)
    satisfied, answered = _survey(shown, settings)
    p_liked = p_click * p_like
    truth = {
        "p_examined": examined,
        "p_click": p_click,
        "p_like": p_like,
        "p_purchase": hidden.p_purchase,
        "p_purchase_given_click": hidden.p_purchase_given_click,
        "p_click_and_like": p_liked,
        "p_click_and_purchase": joint,
        "mean_watch_if_clicked": watch,
        "mean_watch": p_click * watch,
        "mean_survey": 1 + (SURVEY_STARS - 1) * satisfied,
        "p_survey_answered": answered,
    }
    noise = settings.label_noise
    known = joint * _recorded_in_time(shown.elapsed, settings)
    logged = {
        "logged_click": noise + (1 - 2 * noise) * p_click,
        "logged_like": _noisy(p_liked, p_click, noise),
        "logged_purchase": _noisy(known, p_click, noise),
        "logged_watch": (1 - noise) * p_click * watch,
        "logged_survey_answered": (1 - noise) * p_click * answered,
    }
    return truth | logged


def draw_outcomes(shown: Shown, settings: FeedSettings, generator: np.random.Generator) -> Outcomes:
    """What the users did, and what the log says of it: drawn from the chances of `chances`."""
    rows = len(shown.positions)
    click, like, purchase = (_logits(task, shown, settings) for task in DRIFTING)
    intent = 2 * generator.integers(2, size=rows) - 1
    wish, buying = settings.hidden_selection, abs(settings.hidden_selection)
    examined = generator.random(rows) < _examined(shown, settings)
    clicked = examined & (generator.random(rows) < expit(click + wish * intent))
    would_like = generator.random(rows) < expit(like)
    would_purchase = generator.random(rows) < expit(purchase + buying * intent)
    delays = settings.delay * generator.exponential(size=rows)
    in_time = delays <= settings.days * (1 - shown.elapsed)

    wrong = generator.random((3, rows)) < settings.label_noise
    recorded = clicked ^ wrong[0]
    opened = clicked & recorded
    return Outcomes(
        intent=intent,
        clicked=clicked,
        would_like=would_like,
        would_purchase=would_purchase,
        delays=delays,
        click=recorded,
        like=recorded & ((clicked & would_like) ^ wrong[1]),
        purchase=recorded & ((clicked & would_purchase & in_time) ^ wrong[2]),
        watch_seconds=_draw_watch(opened, shown, settings, generator),
        survey=_draw_survey(opened, shown, settings, generator),
    )


def _logits(task: str, shown: Shown, settings: FeedSettings) -> Floats:
    base = {
        "click": settings.click_rate,
        "like": settings.like_rate,
        "purchase": settings.purchase_rate,
    }
    found: Floats = logit(base[task]) + settings.signal * shown.preferences[task]
    if task == "click":
        found = found + settings.selection * shown.preferences["purchase"]
    return found + shown.drifts[task]


def _examined(shown: Shown, settings: FeedSettings) -> Floats:
    """The chance that a place is looked at."""
    chance: Floats = shown.positions ** -float(settings.position_bias)
    return chance


class _Hidden(NamedTuple):
    """Chances with the hidden intent averaged out.

    A click tells something of the intent, so a purchase is more likely (or less) after a click
    than it would be if everybody clicked.
    """

    attraction: Floats
    p_purchase: Floats
    p_purchase_given_click: Floats

    @classmethod
    def of(cls, click: Floats, purchase: Floats, settings: FeedSettings) -> _Hidden:
        wish, buying = settings.hidden_selection, abs(settings.hidden_selection)
        up, down = expit(purchase + buying), expit(purchase - buying)
        intent = expit(log_expit(click + wish) - log_expit(click - wish))  # of +1, after a click
        attraction = (expit(click + wish) + expit(click - wish)) / 2
        return cls(attraction, (up + down) / 2, intent * up + (1 - intent) * down)


def _noisy(joint: Floats, p_click: Floats, noise: float) -> Floats:
    """The rate of a recorded label that follows a click: both records may be wrong."""
    right = joint * (1 - noise) + (p_click - joint) * noise
    return (1 - noise) * right + noise * noise * (1 - p_click)


def _recorded_in_time(elapsed: Floats, settings: FeedSettings) -> Floats:
    """The chance that a purchase comes before the log ends."""
    if settings.delay == 0:
        return np.ones_like(elapsed)
    found: Floats = -np.expm1(-settings.days * (1 - elapsed) / settings.delay)
    return found


def _watched_share(shown: Shown, settings: FeedSettings) -> Floats:
    """The mean share of an item that is watched: less of long ones."""
    liking = 0.5 * settings.signal * shown.preferences["watch"]
    share: Floats = expit(liking - 0.5 * np.log(shown.durations / 60))
    return share


def _survey(shown: Shown, settings: FeedSettings) -> tuple[Floats, Floats]:
    """The chance of each further star, and of an answer: the satisfied answer more often."""
    liking = settings.signal * shown.preferences["survey"]
    satisfied: Floats = expit(0.5 + liking)
    answered: Floats = expit(logit(settings.survey_rate) + 0.5 * liking)
    return satisfied, answered


def _draw_watch(
    opened: Flags, shown: Shown, settings: FeedSettings, generator: np.random.Generator
) -> Floats:
    mean = _watched_share(shown, settings)[opened].clip(1e-6, 1 - 1e-6)
    share = generator.beta(WATCH_CONCENTRATION * mean, WATCH_CONCENTRATION * (1 - mean))
    seconds = np.zeros(len(opened))
    seconds[opened] = shown.durations[opened] * share
    return seconds


def _draw_survey(
    opened: Flags, shown: Shown, settings: FeedSettings, generator: np.random.Generator
) -> Ids:
    satisfied, answered = _survey(shown, settings)
    asked = opened & (generator.random(len(opened)) < answered)
    stars = np.zeros(len(opened), np.int64)
    stars[asked] = 1 + generator.binomial(SURVEY_STARS - 1, satisfied[asked])
    return stars
