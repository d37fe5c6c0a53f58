"""A feed log of any length, with the true chance of everything on every row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from plait.data.schema import Categorical, Numeric, Schema, Sequence
from plait.tasks import Binary, Regression, Task, WatchTime

from .behaviour import DRIFTING, Shown, behave
from .histories import Histories
from .outcomes import Outcomes, draw_outcomes
from .policy import Slates, choose, draw_candidates
from .preferences import Floats, Ids, Preferences
from .seeding import check_rows, generator_of
from .settings import FeedSettings
from .truth import chances, click_given_intent

__all__ = ["FEED_SCHEMA", "FEED_TASKS", "FeedWorld", "SimulatedLog", "simulate"]

FEED_SCHEMA = Schema(
    (
        Categorical("user"),
        Categorical("segment"),
        Categorical("item"),
        Categorical("category"),
        Numeric("duration"),
        Categorical("position"),
        Sequence("history", shares="item"),
    ),
    user="user",
    item="item",
    time="time",
    request="request",
    position="position",
)
"""How a simulated log is read."""

FEED_TASKS: tuple[Task, ...] = (
    Binary("click"),
    Binary("like", space="click == 1", parents=("click",)),
    Binary("purchase", space="click == 1", parents=("click",)),
    WatchTime("watch_seconds", duration="duration", space="click == 1"),
    Regression("survey"),
)
"""What a simulated log can teach: everything after the click on clicked rows only."""

BEGIN = datetime(2024, 1, 1)
CHUNK_REQUESTS = 8_192
MILLISECONDS_A_DAY = 86_400_000


@dataclass(frozen=True)
class SimulatedLog:
    """A log, and what is true of it.

    Stability: experimental.

    Attributes:
        frame: the log as a team would have it: one row for each shown item, in the order of time.
        truth: chances, means and what would have happened, row by row as in `frame`.
        requests: the candidates of each request, and the chance of each to stand first: what
            off-policy estimates of another policy need.
    """

    frame: pl.DataFrame
    truth: pl.DataFrame
    requests: pl.DataFrame


def simulate(rows: int, *, seed: int = 0, settings: FeedSettings | None = None) -> SimulatedLog:
    """A feed log with known truth: a new world, and a log of it.

    Stability: experimental.

    Example:
        >>> log = simulate(1_000, seed=1, settings=FeedSettings(users=50, items=40))
        >>> log.frame.height, log.truth.height, log.requests.height
        (1000, 1000, 200)
        >>> bool(((log.frame["purchase"] == 1) & (log.frame["click"] == 0)).any())
        False

    Args:
        rows: shown items.
        seed: of the world and of what happens in it.
        settings: size and dials; None: the defaults.

    Raises:
        ConfigurationError: no row is asked for, or a negative seed is given.
    """
    return FeedWorld(settings, seed=seed).simulate(rows, seed=seed)


class FeedWorld:
    """Users and items that stay the same over several logs.

    Two logs of one world with different seeds are a training log and a fresh one to judge on.

    Stability: experimental.

    Args:
        settings: size and dials; None: the defaults.
        seed: of users and items.
    """

    def __init__(self, settings: FeedSettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or FeedSettings()
        generator = generator_of(seed, 0)
        self.preferences = Preferences(self.settings, generator)
        items, users = self.settings.items, self.settings.users
        self._durations = np.exp(generator.normal(np.log(60), 0.8, items)).round(1).clip(1)
        self._slopes = {task: generator.normal(size=items) for task in DRIFTING}
        visits = generator.permutation((np.arange(users) + 10) ** -0.7)
        self._visits: Floats = np.cumsum(visits) / visits.sum()

    def simulate(self, rows: int, *, seed: int = 0) -> SimulatedLog:
        """One log of this world, in memory.

        Raises:
            ConfigurationError: no row is asked for, or a negative seed is given.
        """
        chunks = list(self.chunks(rows, seed=seed))
        return SimulatedLog(
            frame=pl.concat([chunk.frame for chunk in chunks]),
            truth=pl.concat([chunk.truth for chunk in chunks]),
            requests=pl.concat([chunk.requests for chunk in chunks]),
        )

    def chunks(self, rows: int, *, seed: int = 0) -> Iterator[SimulatedLog]:
        """The same log chunk by chunk, so that memory does not grow with its length.

        Raises:
            ConfigurationError: no row is asked for, or a negative seed is given.
        """
        size = self.settings.slate_size
        requests = -(-check_rows(rows) // size)
        histories = Histories(users=self.settings.users, length=self.settings.history_length)
        for chunk, first in enumerate(range(0, requests, CHUNK_REQUESTS)):
            generator = generator_of(seed, 1, chunk)
            numbers = np.arange(first, min(first + CHUNK_REQUESTS, requests))
            asked = self._ask(numbers, numbers / requests, generator)
            yield self._chunk(asked, min(len(numbers) * size, rows - first * size), histories)

    def _ask(self, numbers: Ids, elapsed: Floats, generator: np.random.Generator) -> _Asked:
        """Who came, and what the policy showed."""
        draws = generator.random(len(numbers))
        users = np.searchsorted(self._visits, draws, side="right").clip(max=len(self._visits) - 1)
        candidates = draw_candidates(
            len(numbers),
            candidates=self.settings.candidates,
            items=self.settings.items,
            generator=generator,
        )
        liking = self.preferences.of_click(users[:, None], candidates)  # [R, C]
        slates = choose(
            self.settings.policy_strength * liking,
            size=self.settings.slate_size,
            generator=generator,
        )
        return _Asked(numbers, elapsed, users, candidates, slates, generator)

    def _chunk(self, asked: _Asked, rows: int, histories: Histories) -> SimulatedLog:
        """What happened on the first rows of what was shown."""
        size = self.settings.slate_size
        places = np.arange(rows) // size
        items = np.take_along_axis(asked.candidates, asked.slates.places, axis=1).ravel()[:rows]
        shown = self._shown(asked, places, items)
        behaviour = behave(shown, self.settings)
        outcomes = draw_outcomes(behaviour, self.settings, asked.generator)
        lists = histories.advance(
            asked.users,
            clicked_requests=places[outcomes.click],
            clicked_items=items[outcomes.click],
        )
        users = asked.users[places]
        context = {
            "request": asked.numbers[places],
            "time": _moments(shown.elapsed * self.settings.days),
            "user": users.astype(np.int32),
            "segment": self.preferences.segments[users].astype(np.int32),
            "item": items.astype(np.int32),
            "category": self.preferences.categories[items].astype(np.int32),
            "duration": shown.durations,
            "position": shown.positions.astype(np.int16),
            "history": lists.gather(places),
            "propensity": asked.slates.propensities.ravel()[:rows],
        }
        labels = _labels(outcomes, shown.elapsed, self.settings)
        return SimulatedLog(
            frame=pl.DataFrame(context | labels),
            truth=pl.DataFrame(
                chances(behaviour, self.settings)
                | {"p_click_given_intent": click_given_intent(behaviour, outcomes.intent)}
                | _happened(outcomes)
            ),
            requests=_requests(asked, self.settings),
        )

    def _shown(self, asked: _Asked, places: Ids, items: Ids) -> Shown:
        elapsed = asked.elapsed[places]
        change = self.settings.drift * (elapsed - 0.5)
        return Shown(
            preferences=self.preferences.of_all(asked.users[places], items),
            drifts={task: change * slopes[items] for task, slopes in self._slopes.items()},
            durations=self._durations[items],
            positions=np.arange(len(items)) % self.settings.slate_size + 1,
            elapsed=elapsed,
        )


class _Asked(NamedTuple):
    """The requests of a chunk. Its generator goes on to draw what users do."""

    numbers: Ids
    elapsed: Floats
    users: Ids
    candidates: Ids
    slates: Slates
    generator: np.random.Generator


def _labels(outcomes: Outcomes, elapsed: Floats, settings: FeedSettings) -> dict[str, pl.Series]:
    """What the log says of what happened. A purchase recorded by mistake has a time, too."""
    binary = {name: getattr(outcomes, name).astype(np.int8) for name in DRIFTING}
    days = np.minimum(elapsed * settings.days + outcomes.delays, settings.days)
    missing = pl.Series(outcomes.survey == 0)
    later = {
        "purchase_time": _or_null(_moments(days), pl.Series(~outcomes.purchase)),
        "watch_seconds": pl.Series(outcomes.watch_seconds),
        "survey": _or_null(pl.Series(outcomes.survey.astype(np.int8)), missing),
    }
    return {name: pl.Series(values) for name, values in binary.items()} | later


def _happened(outcomes: Outcomes) -> dict[str, pl.Series]:
    return {
        "intent": pl.Series(outcomes.intent.astype(np.int8)),
        "clicked": pl.Series(outcomes.clicked),
        "would_like": pl.Series(outcomes.would_like),
        "would_purchase": pl.Series(outcomes.would_purchase),
        "purchase_delay": pl.Series(outcomes.delays),
    }


def _requests(asked: _Asked, settings: FeedSettings) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "request": asked.numbers,
            "time": _moments(asked.elapsed * settings.days),
            "user": asked.users.astype(np.int32),
            "candidates": asked.candidates.astype(np.int32),
            "probabilities": asked.slates.probabilities,
        }
    )


def _moments(days: Floats) -> pl.Series:
    """Days since the log's begin as moments."""
    milliseconds = pl.Series((days * MILLISECONDS_A_DAY).astype(np.int64))
    begin = pl.Series([BEGIN], dtype=pl.Datetime("ms"))
    return begin + milliseconds.cast(pl.Duration("ms"))


def _or_null(values: pl.Series, missing: pl.Series) -> pl.Series:
    return values.zip_with(~missing, pl.Series([None], dtype=values.dtype))
