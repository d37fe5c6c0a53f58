"""What moves users of a simulated feed: from preferences to the parts of every chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from .preferences import Floats, Ids
from .settings import FeedSettings

__all__ = ["DRIFTING", "Behaviour", "Shown", "behave"]

DRIFTING = ("click", "like", "purchase")


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
class Behaviour:
    """What truth and outcomes are both made from, row by row.

    Attributes:
        examined: chance that the place is looked at.
        click: logit of a click there, without the hidden intent.
        like: logit of a like after a click.
        purchase: logit of a purchase after a click, without the hidden intent.
        wish: what an intent of +1 adds to the click's logit, and -1 takes away.
        buying: the same for the purchase.
        seconds: how long each item lasts.
        watched: mean share of it that is watched after a click.
        satisfied: chance of each star after the first.
        answered: chance of an answer to the survey after a click.
        days_left: until the log ends.
    """

    examined: Floats
    click: Floats
    like: Floats
    purchase: Floats
    wish: float
    buying: float
    seconds: Floats
    watched: Floats
    satisfied: Floats
    answered: Floats
    days_left: Floats


def behave(shown: Shown, settings: FeedSettings) -> Behaviour:
    """The parts of every chance.

    Long items are watched to a smaller share, and the satisfied answer the survey more often.
    """
    lean = {task: settings.signal * values for task, values in shown.preferences.items()}
    wanted = lean["click"] + settings.selection * shown.preferences["purchase"]
    length = np.log(shown.durations / 60)
    return Behaviour(
        examined=shown.positions.astype(np.float64) ** -settings.position_bias,
        click=logit(settings.click_rate) + wanted + shown.drifts["click"],
        like=logit(settings.like_rate) + lean["like"] + shown.drifts["like"],
        purchase=logit(settings.purchase_rate) + lean["purchase"] + shown.drifts["purchase"],
        wish=settings.hidden_selection,
        buying=abs(settings.hidden_selection),
        seconds=shown.durations,
        watched=expit(0.5 * lean["watch"] - 0.5 * length),
        satisfied=expit(0.5 + lean["survey"]),
        answered=expit(logit(settings.survey_rate) + 0.5 * lean["survey"]),
        days_left=settings.days * (1 - shown.elapsed),
    )
