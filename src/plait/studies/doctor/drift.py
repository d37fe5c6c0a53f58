"""What changed between the training rows and later ones: labels and features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from plait.data.batch import NULL, PADDING, UNKNOWN, Batch
from plait.data.store import Store
from plait.models import MultiTaskModel
from plait.tasks import Binary, Multiclass
from plait.training.judging import judged_mask

from .sampling import sample_rows

__all__ = ["FeatureDrift", "LabelDrift", "category_shift", "feature_drift", "label_drift"]

MOST_ROWS = 100_000
MOST_VALUES = 50
"""Values of a category that are told apart; the others are one."""
SOME, STRONG = 0.1, 0.25
"""The customary thresholds of the population stability index, taken for KS as well."""
LABEL_CHANGE = 0.2
"""Relative change of a mean label that counts, where it is beyond chance."""

Strength = Literal["none", "some", "strong", "unknown"]


@dataclass(frozen=True)
class FeatureDrift:
    """How differently a feature is distributed.

    Attributes:
        feature: its name.
        measure: `PSI` (population stability index) for categories and lists, `KS` (the largest gap
            of the two distribution functions) for numbers.
        value: of the measure; nan where a side has no values.
        chance: what the numbers of rows alone would give.
        nulls: share of null rows, before and after.
        n: values compared, before and after.
        strength: `some` from 0.1 above chance, `strong` from 0.25.
        is_key: whether it holds users or items, who come and go.
    """

    feature: str
    measure: str
    value: float
    chance: float
    nulls: tuple[float, float]
    n: tuple[int, int]
    strength: Strength
    is_key: bool = False


@dataclass(frozen=True)
class LabelDrift:
    """How differently a label is distributed.

    Attributes:
        task: whose label.
        measure: `TV` (total variation) for yes or no and classes, `KS` for numbers.
        value: of the measure.
        means: mean label (positive rate) before and after; nan for classes.
        n: labels before and after.
        strength: `some` where it is beyond chance and large enough to matter.
    """

    task: str
    measure: str
    value: float
    means: tuple[float, float]
    n: tuple[int, int]
    strength: Strength


def feature_drift(before: Store, after: Store, *, seed: int) -> tuple[FeatureDrift, ...]:
    """Every feature but vectors, in the order of the store's columns."""
    batches = [store.batch(sample_rows(store, MOST_ROWS, seed=seed)) for store in (before, after)]
    layout = before.layout
    found = []
    for place, column in enumerate(layout.ids):
        if column.name == column.feature:
            ids = [batch.ids[:, place].numpy() for batch in batches]
            is_key = layout.table(column.table).is_key
            found.append(_category(column.name, ids[0], ids[1], is_key=is_key))
    for place, number in enumerate(layout.numbers):
        values = [_numbers(batch, place) for batch in batches]
        found.append(_number(number.name, values[0], values[1]))
    for column in layout.lists:
        ids = [batch.lists[column.name].values.numpy() for batch in batches]
        is_key = layout.table(column.table).is_key
        found.append(_category(column.name, ids[0], ids[1], is_key=is_key))
    return tuple(found)


def label_drift(model: MultiTaskModel, before: Store, after: Store) -> tuple[LabelDrift, ...]:
    """Every task's label, on the rows inside its space where it was seen."""
    return tuple(
        _label(model, name, *(_labels(model, store, name) for store in (before, after)))
        for name in model.tasks
    )


def category_shift(before: NDArray[np.int32], after: NDArray[np.int32]) -> tuple[float, float]:
    """PSI of two samples of ids, over the commonest values and the rest; and that of chance.

    Shares are smoothed by half a row, so that a value that vanished is no infinity. The chance
    level is the expectation for two samples of one distribution: (values − 1)(1/n + 1/m).

    Example:
        >>> import numpy as np
        >>> same = np.array([4, 5] * 50, dtype=np.int32)
        >>> category_shift(same, same)
        (0.0, 0.02)
    """
    values, counts = np.unique(before, return_counts=True)
    common = values[np.argsort(-counts, kind="stable")][:MOST_VALUES]
    shares = []
    for ids in (before, after):
        found = np.array([np.count_nonzero(ids == value) for value in common], dtype=np.float64)
        found = np.append(found, len(ids) - found.sum())
        shares.append(found)
    used = (shares[0] + shares[1]) > 0
    first, second = ((s[used] + 0.5) / (s[used] + 0.5).sum() for s in shares)
    shift = float(np.sum((second - first) * np.log(second / first)))
    return shift, (int(used.sum()) - 1) * (1 / len(before) + 1 / len(after))


def _category(
    name: str, before: NDArray[np.int32], after: NDArray[np.int32], *, is_key: bool
) -> FeatureDrift:
    """Users and items that training did not see are counted elsewhere: here they are left out."""
    nulls = (_share(before == NULL), _share(after == NULL))
    reserved = [PADDING, UNKNOWN, NULL] if is_key else [PADDING]
    one, other = (ids[~np.isin(ids, reserved)] for ids in (before, after))
    n = (len(one), len(other))
    if not min(n):
        return FeatureDrift(name, "PSI", math.nan, math.nan, nulls, n, "unknown", is_key)
    shift, chance = category_shift(one, other)
    strength = _strength(shift - chance)
    return FeatureDrift(name, "PSI", shift, chance, nulls, n, strength, is_key)


def _number(name: str, before: NDArray[np.float32], after: NDArray[np.float32]) -> FeatureDrift:
    nulls = (_share(np.isnan(before)), _share(np.isnan(after)))
    one, other = (values[~np.isnan(values)] for values in (before, after))
    n = (len(one), len(other))
    gap, chance = _ks(one, other)
    null_gap = abs(nulls[0] - nulls[1])
    above = gap if math.isnan(gap) or gap > chance else 0.0
    strength = _strength(max(above, null_gap)) if not math.isnan(above) else "unknown"
    return FeatureDrift(name, "KS", gap, chance, nulls, n, strength)


def _ks(one: NDArray[np.floating], other: NDArray[np.floating]) -> tuple[float, float]:
    """The largest gap of the distribution functions, and what chance passes in 1 of 100 times."""
    n, m = len(one), len(other)
    if not n or not m:
        return math.nan, math.nan
    gap = float(stats.ks_2samp(one, other, method="asymp").statistic)
    return gap, 1.63 * math.sqrt((n + m) / (n * m))


def _strength(above: float) -> Strength:
    if math.isnan(above):
        return "unknown"
    if above < SOME:
        return "none"
    return "some" if above < STRONG else "strong"


def _numbers(batch: Batch, place: int) -> NDArray[np.float32]:
    """The normal quantile of a number, which keeps its order; nan where it is missing."""
    quantile, missing = batch.numbers[:, 3 * place].numpy(), batch.numbers[:, 3 * place + 2].numpy()
    return np.where(missing > 0, np.float32(np.nan), quantile)


def _labels(model: MultiTaskModel, store: Store, name: str) -> NDArray[np.float64]:
    return store.labels(name)[judged_mask(model, store, name)].astype(np.float64)


def _label(
    model: MultiTaskModel, name: str, before: NDArray[np.float64], after: NDArray[np.float64]
) -> LabelDrift:
    task = model.tasks[name]
    n = (len(before), len(after))
    nothing = (math.nan, math.nan)
    if not min(n):
        return LabelDrift(name, "TV", math.nan, nothing, n, "unknown")
    means = (float(before.mean()), float(after.mean()))
    if isinstance(task, Multiclass):
        width = len(task.classes or ())
        shares = [
            np.bincount(s.astype(np.int64), minlength=width) / len(s) for s in (before, after)
        ]
        distance = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
        chance = 0.8 * math.sqrt(width) * math.sqrt(1 / n[0] + 1 / n[1])
        strength = _strength(distance if distance > chance else 0.0)
        return LabelDrift(name, "TV", distance, nothing, n, strength)
    error = math.sqrt(before.var() / n[0] + after.var() / n[1])
    change = abs(means[1] - means[0])
    moved = change > 3 * error and change > LABEL_CHANGE * abs(means[0])
    doubled = moved and change > 2.5 * LABEL_CHANGE * abs(means[0])
    strength = "strong" if doubled else "some" if moved else "none"
    if isinstance(task, Binary):
        return LabelDrift(name, "TV", change, means, n, strength)
    return LabelDrift(name, "KS", _ks(before, after)[0], means, n, strength)


def _share(marks: NDArray[np.bool_]) -> float:
    return float(marks.mean()) if len(marks) else 0.0
