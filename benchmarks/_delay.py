"""Purchases that come days after their click: a stream of days, and ways to learn from it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from _delay_losses import DelayedFeedback, ElapsedTimeSampling, FakeNegativeWeighted
from _report import Row
from numpy.typing import NDArray

from plait import Binary, ColumnSplit, Regression, SharedBottom, SoftLabels, Training
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.simulation import FEED_SCHEMA, FeedSettings, FeedWorld
from plait.data.store import Store
from plait.experiment.running import build
from plait.metrics import auc, paired_difference
from plait.models import MultiTaskModel
from plait.tasks import Task
from plait.training import Expected, Supervised, Trainer, predict_store
from plait.training.setup import expected_shares

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WARM_DAYS, STREAM_DAYS = 7, 14
WAIT, WINDOW, OBSERVE, AGES = 6, 3, 0.5, 100.0
"""Days that `waiting` waits; whose clicks a snapshot holds; after which ES-DFM takes a no; that
stand for long ago."""
HELD_OUT = 0.15
FEED = FeedSettings(
    users=1_000,
    items=300,
    days=WARM_DAYS + STREAM_DAYS,
    click_rate=0.3,
    purchase_rate=0.2,
    delay=2.0,
    drift=1.0,
)
"""Settled before any method was run on it: two days from click to purchase, in the mean."""
ROWS = 120_000
TASKS: dict[str, Task] = {
    "purchase": Binary("purchase"),
    "delay": Regression("delay"),
    "late": Binary("late"),
    "real_no": Binary("real_no"),
}
WARM = Training(epochs=10, batch_size=256, average=0.0)
DAILY = Training(epochs=2, batch_size=256, average=0.0)


@dataclass(frozen=True)
class Clicks:
    """All clicks of a log, twice over: a stream may hold a click as a no, and later as a yes.

    Attributes:
        prepared: their features, and what comes of them in the end as labels.
        at: day and fraction of the click, `[N]`.
        delay: days from click to purchase, `[N]`.
        buys: whether a purchase comes, `[N]`.
        is_first: the first copy, `[N]`.
        is_held_out: validates methods that need it, `[N]`.
    """

    prepared: PreparedLog
    at: Floats
    delay: Floats
    buys: Mask
    is_first: Mask
    is_held_out: Mask

    @property
    def bought_at(self) -> Floats:
        """When the purchase comes; infinite where none does."""
        return np.where(self.buys, self.at + self.delay, np.inf)

    def of_days(self, first: int, last: int) -> Mask:
        """The first copies of the clicks of some days, the last one among them."""
        return self.is_first & (self.at >= first) & (self.at < last + 1)

    def labelled(self, sample: Sample, tasks: Sequence[str], *, rows: Mask | None = None) -> Store:
        """The clicks with the labels of a sample, for these tasks alone."""
        chosen = sample.rows if rows is None else sample.rows & rows
        nothing = np.zeros_like(chosen)
        return self.prepared.train.relabelled(
            observed={name: chosen if name in tasks else nothing for name in TASKS},
            labels={
                "purchase": sample.purchase.astype(np.float32),
                "delay": sample.days.astype(np.float32),
            },
        )


class Sample(NamedTuple):
    """What one day's training reads.

    Attributes:
        rows: of the clicks, `[N]`.
        purchase: the label that is known by then, `[N]`.
        days: since the click, or until the purchase where there is one, `[N]`.
    """

    rows: Mask
    purchase: Mask
    days: Floats


class Recipe(NamedTuple):
    """A way to learn from late purchases.

    Attributes:
        sample: what it reads at the end of a day.
        objective: what it minimises, from the expected shares; None: the log loss.
        soft: soft labels instead, for a day.
        tasks: whose labels it reads.
    """

    sample: Callable[[Clicks, int], Sample]
    objective: Callable[[Mapping[str, Expected]], Supervised] | None = None
    soft: Callable[[int], SoftLabels] | None = None
    tasks: tuple[str, ...] = ("purchase",)


def delays(*, seeds: Sequence[int], smoke: bool = False) -> list[Row]:
    """AUC and PCOC of each day's clicks before they are learnt from, by what they come to."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            clicks = _clicks(seed, ROWS // 20 if smoke else ROWS, Path(scratch))
            recipes = _recipes(_importance(clicks, seed))
            for name in list(recipes)[:3] if smoke else recipes:
                pair = _stream(clicks, recipes[name], seed, days=2 if smoke else STREAM_DAYS)
                found.setdefault(name, []).append(pair)
    return list(_rows(found))


def _rows(found: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[Row]:
    base = np.array(found["as known"])
    for name, pairs in found.items():
        values = np.array(pairs)
        row: dict[str, str | float | int] = {
            "what": "delay",
            "method": name,
            "AUC": float(values[:, 0].mean()),
            "PCOC": float(values[:, 1].mean()),
            "seeds": len(values),
        }
        if name != "as known":
            gap = paired_difference(values[:, 0], base[:, 0])
            row |= {"gain": gap.value, "low": gap.low, "high": gap.high}
        yield row


def _clicks(seed: int, rows: int, folder: Path) -> Clicks:
    """A log's clicks, with a column of chances to miss a purchase for each day of the stream."""
    log = FeedWorld(FEED, seed=seed).simulate(rows, seed=seed)
    clicked = (log.frame["click"] == 1).to_numpy()
    elapsed = (log.frame["time"] - log.frame["time"].min()).dt.total_microseconds() / 86_400e6
    at = np.tile(elapsed.to_numpy()[clicked], 2)
    delay = np.tile(log.truth["purchase_delay"].to_numpy()[clicked], 2)
    buys = np.tile(log.truth["would_purchase"].to_numpy()[clicked], 2)
    mean = delay[(at < WARM_DAYS) & buys].mean()
    missed = {
        _missed(day): np.exp(-np.maximum(day + 1 - at, 1e-3) / mean)
        for day in range(WARM_DAYS, WARM_DAYS + STREAM_DAYS)
    }
    frame = pl.concat([log.frame.filter(pl.Series(clicked))] * 2).with_columns(
        purchase=pl.Series(buys),
        delay=pl.Series(delay),
        late=pl.Series(buys & (delay > OBSERVE)),
        real_no=pl.Series(~buys),
        part=pl.lit("train"),
        **{name: pl.Series(column) for name, column in missed.items()},
    )
    whole = Log((frame,), FEED_SCHEMA, tuple(TASKS.values()), columns=tuple(missed))
    split = ColumnSplit("part", valid=(), test=())
    return Clicks(
        prepare(whole, split, cache=folder),
        at,
        delay,
        buys,
        is_first=np.arange(len(at)) < len(at) // 2,
        is_held_out=np.random.default_rng(seed).random(len(at)) < HELD_OUT,
    )


def _missed(day: int) -> str:
    return f"missed_{day}"


def _matured(clicks: Clicks) -> Sample:
    """The first days, long after."""
    days = np.where(clicks.buys, clicks.delay, AGES)
    return Sample(clicks.of_days(0, WARM_DAYS - 1), clicks.buys, days)


def _fresh(clicks: Clicks, seed: int) -> MultiTaskModel:
    architecture = partial(SharedBottom, layers=(64, 32), dropout=0.0)
    return build(clicks.prepared, seed=seed, architecture=architecture, factors=0, tower=())


def _importance(clicks: Clicks, seed: int) -> dict[str, NDArray[np.float32]]:
    """ES-DFM's two chances of each click, learnt on the first days: to be late, to be a real no."""
    model, sample = _fresh(clicks, seed), _matured(clicks)
    in_time = clicks.buys & (clicks.delay <= OBSERVE)
    store = clicks.labelled(sample, ("late", "real_no")).relabelled(observed={"real_no": ~in_time})
    Trainer(model, replace(WARM, seed=seed)).fit(store)
    return {name: predict_store(model, store)[name] for name in ("late", "real_no")}


def _stream(clicks: Clicks, recipe: Recipe, seed: int, *, days: int) -> tuple[float, float]:
    """Mean AUC over the days, and PCOC of all their clicks."""
    model = _fresh(clicks, seed)
    warm = recipe if "delay" in recipe.tasks else Recipe(recipe.sample)
    _learn(model, clicks, warm, _matured(clicks), replace(WARM, seed=seed), 0)
    aucs, predicted, bought = [], 0.0, 0
    for day in range(WARM_DAYS, WARM_DAYS + days):
        today = clicks.of_days(day, day)
        told = predict_store(model, clicks.prepared.train)["purchase"][today]
        aucs.append(auc(told, clicks.buys[today]).value)
        predicted, bought = predicted + float(told.sum()), bought + int(clicks.buys[today].sum())
        settings = replace(DAILY, seed=seed * 1_000 + day)
        _learn(model, clicks, recipe, recipe.sample(clicks, day), settings, day)
    return float(np.mean(aucs)), predicted / bought


def _learn(
    model: MultiTaskModel,
    clicks: Clicks,
    recipe: Recipe,
    sample: Sample,
    settings: Training,
    day: int,
) -> None:
    if recipe.soft is not None:
        train = clicks.labelled(sample, recipe.tasks, rows=~clicks.is_held_out)
        valid = clicks.labelled(sample, recipe.tasks, rows=clicks.is_held_out)
        recipe.soft(day).fit(model, train, valid, settings=settings)
        return
    store = clicks.labelled(sample, recipe.tasks)
    made = None
    if recipe.objective is not None:
        made = recipe.objective(expected_shares(model, store))
    Trainer(model, settings, objective=made).fit(store)


def _recipes(importance: Mapping[str, NDArray[np.float32]]) -> dict[str, Recipe]:
    late, real = (torch.from_numpy(importance[name]) for name in ("late", "real_no"))
    return {
        "as known": Recipe(_snapshot),
        "waiting": Recipe(_waited),
        "DFM": Recipe(_snapshot, DelayedFeedback, tasks=("purchase", "delay")),
        "FNW": Recipe(_duplicated, FakeNegativeWeighted),
        "ES-DFM": Recipe(_observed, partial(ElapsedTimeSampling, late=late, real_no=real)),
        "forward": Recipe(
            _snapshot,
            soft=lambda day: SoftLabels(
                mode="forward",
                missed={"purchase": _missed(day)},
                unlabelled=0.0,
                tasks=("purchase",),
            ),
        ),
        "bayes": Recipe(
            _snapshot,
            soft=lambda day: SoftLabels(
                mode="bayes",
                members=2,
                missed={"purchase": _missed(day)},
                unlabelled=0.0,
                tasks=("purchase",),
            ),
        ),
        "what comes in the end": Recipe(_told_by_an_oracle),
    }


def _snapshot(clicks: Clicks, day: int) -> Sample:
    """The clicks of the last days as they stand."""
    bought = clicks.bought_at <= day + 1
    days = np.where(bought, clicks.delay, np.maximum(day + 1 - clicks.at, 0.0))
    return Sample(clicks.of_days(day - WINDOW + 1, day), bought, days)


def _waited(clicks: Clicks, day: int) -> Sample:
    """The clicks of some days that lie `WAIT` days back."""
    sample = _snapshot(clicks, day)
    return sample._replace(rows=clicks.of_days(day - WAIT - WINDOW + 1, day - WAIT))


def _duplicated(clicks: Clicks, day: int) -> Sample:
    """Every click at once as a no, and once more as a yes on the day of its purchase."""
    bought_today = (clicks.bought_at >= day) & (clicks.bought_at < day + 1)
    rows = np.where(
        clicks.is_first, clicks.of_days(day, day), bought_today & (clicks.at >= WARM_DAYS)
    )
    return Sample(rows, ~clicks.is_first, clicks.delay)


def _observed(clicks: Clicks, day: int) -> Sample:
    """Every click after `OBSERVE` days as it stands, and late purchases once more."""
    seen = clicks.at + OBSERVE
    in_time = clicks.bought_at <= seen
    bought_today = (clicks.bought_at >= day) & (clicks.bought_at < day + 1) & ~in_time
    first = clicks.is_first & (seen >= day) & (seen < day + 1)
    rows = np.where(clicks.is_first, first, bought_today & (seen >= WARM_DAYS))
    return Sample(rows, in_time | ~clicks.is_first, clicks.delay)


def _told_by_an_oracle(clicks: Clicks, day: int) -> Sample:
    """The clicks of the last days with what nobody knows yet."""
    return _snapshot(clicks, day)._replace(purchase=clicks.buys)
