"""Made logs with planted leaks, for the tests of the drafter. Nothing in them is easy on it.

Each table has strong honest features (an item's price that drives the label, past rates from
strictly earlier rows, columns that are mostly empty or mostly zero, counts, near copies of each
other), a funnel and a masked rating, and names drawn from several vocabularies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class World:
    """A log that is being made.

    Attributes:
        rng: of everything.
        columns: the columns so far.
        names: what user, item, time, click and buy are called.
        planted: the columns that leak, with what is wrong with them.
    """

    rng: np.random.Generator
    columns: dict[str, pl.Series]
    names: dict[str, str]
    planted: dict[str, str]

    def numbers(self, role: str) -> Floats:
        return self.columns[self.names[role]].cast(pl.Float64).to_numpy()

    def put(self, name: str, values: object, dtype: pl.DataType | None = None) -> None:
        self.columns[name] = pl.Series(name, values, dtype=dtype)

    def frame(self) -> pl.DataFrame:
        order = self.rng.permutation(len(self.columns))
        names = list(self.columns)
        return pl.DataFrame([self.columns[names[at]] for at in order])


VOCABULARIES = (
    {"user": "user_id", "item": "item_id", "time": "timestamp", "click": "click", "buy": "buy"},
    {"user": "uid", "item": "sku", "time": "ts", "click": "is_click", "buy": "purchase"},
    {"user": "customerId", "item": "productId", "time": "event_time", "click": "clicked",
     "buy": "ordered"},
    {"user": "member_id", "item": "video_id", "time": "time", "click": "label_click",
     "buy": "label_conversion"},
)  # fmt: skip


def make_table(seed: int) -> tuple[pl.DataFrame, dict[str, str]]:
    """A log of 3,000 to 12,000 rows, and its planted leaks: column -> kind."""
    world = _honest(seed)
    kinds = list(LEAKS)
    first = kinds[seed % len(kinds)]
    others = world.rng.permutation([kind for kind in kinds if kind != first])
    for kind in [first, *others[: seed % 4]]:
        LEAKS[kind](world)
    return world.frame(), world.planted


def _honest(seed: int) -> World:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(3_000, 12_000))
    users, items = int(rng.integers(80, 600)), int(rng.integers(30, 200))
    names = VOCABULARIES[seed % len(VOCABULARIES)]
    user = rng.integers(users, size=rows)
    item = np.minimum(rng.geometric(3 / items, size=rows), items) - 1
    taste, appeal = rng.normal(size=users), rng.normal(size=items)
    price = np.exp(0.6 * appeal + 0.3 * rng.normal(size=items)) * 20
    context = rng.normal(size=rows)
    logit = -1.2 + taste[user] + 1.2 * appeal[item] + 1.5 * context
    click = rng.random(rows) < 1 / (1 + np.exp(-logit))
    buy = click & (rng.random(rows) < 0.35)
    seconds = 1_700_000_000 + np.sort(rng.integers(10_000_000, size=rows))
    world = World(rng, {}, dict(names), {})
    world.put(names["user"], user + 10_000)
    world.put(names["item"], [f"i{number:05d}" for number in rng.permutation(items)[item]])
    world.put(names["time"], seconds)
    world.put(names["click"], click.astype(np.int8))
    world.put(names["buy"], buy.astype(np.int8))
    rating = np.clip(np.round(3.4 + appeal[item] + rng.normal(size=rows)), 1, 5)
    rated = buy & (rng.random(rows) < 0.7)
    world.put("rating", np.where(rated, rating, np.nan), pl.Float64())
    world.columns["rating"] = world.columns["rating"].fill_nan(None).cast(pl.Int8)
    world.put("price", np.round(price[item], 2))
    world.put("relevance", context + rng.normal(size=rows) * 0.3)
    world.put("quality", np.round(appeal[item] + 0.2 * rng.normal(size=items)[item], 3))
    world.put("past_rate", _earlier_rate(item, click))
    world.put("past_clicks", _earlier_sum(user, click))
    world.put("device", rng.choice(["phone", "tablet", "web"], size=rows, p=[0.7, 0.1, 0.2]))
    world.put("age", rng.integers(16, 80, size=users)[user])
    world.put("category", rng.choice(["a", "b", "c", "d", "e", "f"], size=items)[item])
    world.put("coupon", np.where(rng.random(rows) < 0.03, rng.integers(1, 9, size=rows), 0))
    world.put(
        "query", np.where(rng.random(rows) < 0.2, rng.choice(list("pqrst"), rows), None).tolist()
    )
    world.put("tags", rng.choice(["new|red", "red", "blue|new|sale", "", "sale|red"], size=rows))
    world.put("hour", seconds // 3600 % 24)
    world.put("stock", rng.integers(0, 500, size=rows))
    return world


def _earlier_rate(group: NDArray[np.int64], label: NDArray[np.bool_]) -> Floats:
    """The smoothed rate of the group in strictly earlier rows, as a careful person makes it."""
    order = np.argsort(group, kind="stable")
    starts = np.r_[True, np.diff(group[order]) != 0]
    at = np.arange(len(group)) - np.maximum.accumulate(np.where(starts, np.arange(len(group)), 0))
    sums = np.cumsum(label[order]) - label[order]
    base = np.maximum.accumulate(np.where(starts, sums, 0))
    rate = np.empty(len(group))
    rate[order] = (sums - base + 2) / (at + 8)
    return rate


def _earlier_sum(group: NDArray[np.int64], label: NDArray[np.bool_]) -> NDArray[np.int64]:
    frame = pl.DataFrame({"group": group, "label": label.astype(np.int64)})
    return (
        frame.select(pl.col("label").cum_sum().over("group") - pl.col("label"))
        .to_series()
        .to_numpy()
    )


def _label(world: World) -> tuple[str, Floats]:
    role = str(world.rng.choice(["click", "buy"]))
    return role, world.numbers(role)


def _equal(world: World) -> None:
    """The label in other words."""
    _, label = _label(world)
    words = [("no", "yes"), ("N", "Y"), ("0", "1"), ("skipped", "done")][world.rng.integers(4)]
    world.put("state", [words[int(value)] for value in label])
    world.planted["state"] = "equals_label"


def _almost(world: World) -> None:
    """A score, a band or a code from which the label can be read but for one row in 1,000."""
    _, label = _label(world)
    noisy = np.abs(label - (world.rng.random(len(label)) < 0.001))
    rows, form = len(label), world.rng.integers(3)
    if form == 0:
        values: object = 2.0 * noisy + world.rng.normal(size=rows) * 0.2
    elif form == 1:
        codes = world.rng.choice([3, 5, 8], rows), world.rng.choice([1, 2, 4, 6, 7], rows)
        values = np.where(noisy > 0, *codes)
    else:
        bands = np.where(noisy > 0, 0.5, world.rng.choice([0.1, 0.9], rows))
        values = bands + world.rng.random(rows) * 0.1
    world.put("signal", values)
    world.planted["signal"] = "determines_label"


def _filled_after(world: World) -> None:
    """Empty unless it happened, and sometimes then too."""
    _, label = _label(world)
    rows = len(label)
    filled = (label > 0) & (world.rng.random(rows) < world.rng.uniform(0.3, 0.95))
    method = world.rng.choice(["card", "cash", "voucher"], size=rows)
    world.put("payment_method", np.where(filled, method, None).tolist())
    world.planted["payment_method"] = "follows_label"


def _zero_before(world: World) -> None:
    """Zero unless it happened."""
    _, label = _label(world)
    after = (label > 0) & (world.rng.random(len(label)) < 0.8)
    world.put("basket", np.where(after, np.round(world.rng.exponential(30, len(label)), 2), 0.0))
    world.planted["basket"] = "follows_label"


def _target_rate(world: World) -> None:
    """The mean label by item or user over the whole file: plain, smoothed or without the row."""
    _, label = _label(world)
    key = str(world.rng.choice(["item", "user"]))
    frame = pl.DataFrame({"key": world.columns[world.names[key]], "label": label})
    total, count = pl.col("label").sum().over("key"), pl.len().over("key")
    prior = float(label.mean())
    forms = (
        total / count,
        (total + 5 * prior) / (count + 5),
        (total - pl.col("label") + prior) / count,
    )
    rate = frame.select(forms[world.rng.integers(3)].alias("rate")).to_series()
    world.put("popularity", rate.round(4))
    world.planted["popularity"] = "target_rate"


def _time_id(world: World) -> None:
    """An id that was counted up as rows came."""
    rows = len(world.numbers("time"))
    number = 5_000_000 + np.cumsum(world.rng.integers(1, 20, size=rows))
    as_text = bool(world.rng.integers(2))
    world.put("trace", [f"t{value:012d}" for value in number] if as_text else number)
    world.planted["trace"] = "encodes_time"


LEAKS: dict[str, Callable[[World], None]] = {
    "equal": _equal,
    "almost": _almost,
    "filled after": _filled_after,
    "zero before": _zero_before,
    "target rate": _target_rate,
    "time id": _time_id,
}
"""The six kinds of planted leak."""
