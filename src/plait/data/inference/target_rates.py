"""Columns that hold the mean label of a user, an item or the like, the row's own label in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2

from plait.data.expressions import parse
from plait.data.reading import collect_checked

from .facts import Facts, SampledLog
from .feedback import Outcome
from .guesses import Caution

__all__ = ["find_target_rates"]

_CHANCE = np.log(1e-8)
_CLOSE = 0.5
_EXACT = 0.05
_EXPLAINED = 0.8
_FEWEST_ROWS = 5
_FEWEST_GROUPS = 5
_FEWEST_SMOOTHED = 20
_FEWEST_DEGREES = 3
_FEWEST_POSITIVES = 50
_MOST_KEYS = 8

Floats = NDArray[np.float64]


def find_target_rates(
    log: SampledLog,
    suspects: Sequence[Facts],
    keys: Sequence[Facts],
    outcomes: Sequence[Outcome],
) -> list[Caution]:
    """Columns that agree with the mean label of some group better than chance allows.

    The label's mean over the n rows of a group misses what is behind it by chance: by sigma over
    the root of n. A column that was made before the labels misses that mean by at least as much; so
    do running means of earlier rows. A column that was computed from these very labels misses it by
    next to nothing, also when it was smoothed, scaled or computed without the row itself. We sum
    the squared misses in units of chance over the groups and compare with a chi-square
    distribution. Every row is read.

    Args:
        log: the log.
        suspects: columns that might become features.
        keys: columns whose values may be the groups, the likeliest first.
        outcomes: the columns of feedback.
    """
    numbers = [entry for entry in suspects if entry.is_number and entry.distinct >= _FEWEST_GROUPS]
    labels = [outcome for outcome in outcomes if outcome.kind != "class"]
    found: dict[str, Caution] = {}
    for key in keys[:_MOST_KEYS]:
        left = [entry for entry in numbers if entry.name not in found and entry is not key]
        if left and labels:
            for caution in _rates_by(log, left, key, labels):
                found.setdefault(caution.columns[0], caution)
    return list(found.values())


def _rates_by(
    log: SampledLog, suspects: Sequence[Facts], key: Facts, labels: Sequence[Outcome]
) -> Iterator[Caution]:
    groups = _grouped(log, suspects, key, labels)
    for position, outcome in enumerate(labels):
        rows, total, squares = (
            groups[f"{position}\0{what}"].to_numpy().astype(np.float64)
            for what in ("rows", "sum", "squares")
        )
        big = rows >= _FEWEST_ROWS
        if big.sum() < _FEWEST_GROUPS or (total[big] > 0).sum() < 3:
            continue
        is_event = outcome.kind == "event"
        if is_event and total[big].sum() < _FEWEST_POSITIVES:
            continue
        mean = total[big] / rows[big]
        within = (squares[big] - rows[big] * mean**2).sum() / max((rows[big] - 1).sum(), 1)
        for entry in suspects:
            column = groups[f"{entry.name}\0mean"].fill_null(np.nan).to_numpy()[big]
            known = ~np.isnan(column)
            found = _Groups(column[known], mean[known], rows[big][known], within, is_event)
            misses = found.misses()
            if misses is not None:
                told = (
                    f"it agrees with the mean of {outcome.facts.name!r} by {key.name!r} better "
                    f"than chance allows ({misses:.3f} of the expected misses), so the rows' own "
                    "labels are in it; compute it from strictly earlier rows"
                )
                columns = (entry.name, outcome.facts.name, key.name)
                yield Caution("target_rate", columns, told, {"misses": misses})


def _grouped(
    log: SampledLog, suspects: Sequence[Facts], key: Facts, labels: Sequence[Outcome]
) -> pl.DataFrame:
    measures = [
        pl.col(entry.name).cast(pl.Float64).mean().alias(f"{entry.name}\0mean")
        for entry in suspects
    ]
    for position, outcome in enumerate(labels):
        label = parse(outcome.label).to_polars().cast(pl.Float64)
        value = pl.when(outcome.seen).then(label).otherwise(None)
        measures.append(value.count().alias(f"{position}\0rows"))
        measures.append(value.sum().alias(f"{position}\0sum"))
        measures.append((value * value).sum().alias(f"{position}\0squares"))
    named = pl.col(key.name).alias("\0key")
    every = log.all_rows().filter(pl.col(key.name).is_not_null())
    return collect_checked(every.group_by(named).agg(measures).sort("\0key"), where="the log")


@dataclass(frozen=True, eq=False)
class _Groups:
    """A column and a label by group.

    Attributes:
        column: mean of the column.
        mean: mean label.
        rows: rows with a label.
        within: variance of the label within groups.
        is_event: whether the label is a yes or no.
    """

    column: Floats
    mean: Floats
    rows: Floats
    within: float
    is_event: bool

    def misses(self) -> float | None:
        """Squared misses as a share of what chance makes; None where they are no less than that.

        Means that are smoothed, or counts, are fitted with terms in 1 / n too. These also take up
        much of a running count, so that there the agreement must be nearly exact.
        """
        if len(self.column) < _FEWEST_GROUPS or np.ptp(self.column) == 0 or np.ptp(self.mean) == 0:
            return None
        scaled = (self.column - self.column.mean()) / self.column.std()
        line = [np.ones_like(scaled), scaled]
        share = self._share(line)
        if share is not None and share < _CLOSE:
            return share
        if len(self.column) < _FEWEST_SMOOTHED or np.ptp(self.rows) == 0:
            return None
        share = self._share([*line, 1 / self.rows, scaled / self.rows])
        return share if share is not None and share < _EXACT else None

    def _share(self, terms: Sequence[Floats]) -> float | None:
        design, root = np.stack(terms, axis=1), np.sqrt(self.rows)
        fit, *_ = np.linalg.lstsq(design * root[:, None], self.mean * root, rcond=None)
        fitted = design @ fit
        centre = np.average(self.mean, weights=self.rows)
        left = np.average((self.mean - fitted) ** 2, weights=self.rows)
        every = np.average((self.mean - centre) ** 2, weights=self.rows)
        variance = self._chance(fitted)
        size = len(fitted) - len(terms)
        if left > (1 - _EXPLAINED) * every or not (variance > 0).all() or size < _FEWEST_DEGREES:
            return None
        misses = float(((self.mean - fitted) ** 2 / variance).sum())
        return misses / size if chi2.logcdf(misses, size) < _CHANCE else None

    def _chance(self, fitted: Floats) -> Floats:
        """Variance of the mean label of each group around what is behind it."""
        if not self.is_event:
            return self.within / self.rows
        low = 0.5 / self.rows.sum()
        rate = np.clip(fitted, low, 1 - low)
        return rate * (1 - rate) / self.rows
