"""The true chance, or mean, of everything on every row of a simulated feed."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

from .behaviour import Behaviour
from .outcomes import SURVEY_STARS
from .preferences import Floats, Ids
from .settings import FeedSettings

__all__ = ["chances", "click_given_intent"]


def chances(found: Behaviour, settings: FeedSettings) -> dict[str, Floats]:
    """The truth of every row, as columns.

    A chance is given what the log holds of the row, so it is the mean over the two values of the
    hidden intent. A click tells something of the intent; that is why a purchase given a click
    differs from a purchase if everybody clicked. Columns that begin with `logged_` speak of the
    recorded labels: with noise, and with the purchases that the log ends too early for.
    """
    up, down = expit(found.purchase + found.buying), expit(found.purchase - found.buying)
    wishing = log_expit(found.click + found.wish), log_expit(found.click - found.wish)
    intent = expit(wishing[0] - wishing[1])  # the chance that it is +1, given a click
    after_click = intent * up + (1 - intent) * down
    p_click = found.examined * (np.exp(wishing[0]) + np.exp(wishing[1])) / 2
    p_like = expit(found.like)
    truth = {
        "p_examined": found.examined,
        "p_click": p_click,
        "p_like": p_like,
        "p_purchase": (up + down) / 2,
        "p_purchase_given_click": after_click,
        "p_click_and_like": p_click * p_like,
        "p_click_and_purchase": p_click * after_click,
        "mean_watch_if_clicked": found.seconds * found.watched,
        "mean_watch": p_click * found.seconds * found.watched,
        "mean_survey": 1 + (SURVEY_STARS - 1) * found.satisfied,
        "p_survey_answered": found.answered,
    }
    return truth | _logged(truth, found, settings)


def click_given_intent(found: Behaviour, intent: Ids) -> Floats:
    """The chance of a click `[N]`, given what the log holds of the row and its intent, +1 or -1."""
    chance: Floats = found.examined * expit(found.click + found.wish * intent)
    return chance


def _logged(
    truth: dict[str, Floats], found: Behaviour, settings: FeedSettings
) -> dict[str, Floats]:
    p_click, noise = truth["p_click"], settings.label_noise
    known = truth["p_click_and_purchase"] * _in_time(found.days_left, settings.delay)
    return {
        "logged_click": noise + (1 - 2 * noise) * p_click,
        "logged_like": _noisy(truth["p_click_and_like"], p_click, noise),
        "logged_purchase": _noisy(known, p_click, noise),
        "logged_watch": (1 - noise) * truth["mean_watch"],
        "logged_survey_answered": (1 - noise) * p_click * found.answered,
    }


def _noisy(joint: Floats, p_click: Floats, noise: float) -> Floats:
    """The rate of a recorded label that follows a click: both records may be wrong."""
    right = joint * (1 - noise) + (p_click - joint) * noise
    return (1 - noise) * right + noise * noise * (1 - p_click)


def _in_time(days_left: Floats, delay: float) -> Floats:
    """The chance that a purchase comes before the log ends."""
    if delay == 0:
        return np.ones_like(days_left)
    chance: Floats = -np.expm1(-days_left / delay)
    return chance
