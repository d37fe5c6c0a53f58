"""Columns that know what is to be predicted: copies of a label, and what is filled in after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from plait.data.expressions import parse

from .association import held_out, to_codes
from .facts import Facts, SampledLog
from .feedback import Outcome
from .funnel import is_no_chance
from .guesses import Caution

__all__ = ["find_leaks"]

_AUC = 0.995
_TOLD = 0.9
_SAME_ORDER = 0.995
_TIME_ORDER = 0.99
_FEWEST = 20
_FEWEST_IDS = 50
_FEWEST_EQUAL = 5
_MOST_RANKED = 50_000
_OUTSIDE = 0.001
_FEWEST_EXPECTED = 30
_MOST_CLASSES = 10

Truths = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """A yes or no that a column may give away.

    Attributes:
        outcome: whose it is.
        told: in words.
        where: the same as an expression over all rows.
        yes: on the sample.
        seen: where it is known, on the sample.
    """

    outcome: Outcome
    told: str
    where: pl.Expr
    yes: Truths
    seen: Truths


def find_leaks(
    log: SampledLog, suspects: Sequence[Facts], outcomes: Sequence[Outcome], time: Facts | None
) -> list[Caution]:
    """One caution for each column that gives a label away; the plainest reason.

    A column that *equals* a label has one value for each value of it. One that *determines* it has
    an AUC of 0.995, or takes nine tenths of the uncertainty, on rows that its rates were not learnt
    from; or it is in the same order as a number. One that *follows* it is only filled where it
    happened, which is counted on every row. Keys that are in the order of time tell which rows are
    test rows.

    Args:
        log: the log.
        suspects: columns that might become features.
        outcomes: the columns of feedback.
        time: the time column.
    """
    targets = list(_targets(log, outcomes))
    numbers = [outcome for outcome in outcomes if outcome.kind not in ("event", "class")]
    labels = {outcome.facts.name: _label(log, outcome) for outcome in numbers}
    found = []
    for suspect in suspects:
        caution = (
            _equals(suspect, targets)
            or _follows(suspect, targets, log)
            or _determines(suspect, targets)
            or _same_order(suspect, labels)
            or (_encodes_time(suspect, time) if time is not None else None)
        )
        if caution is not None:
            found.append(caution)
    return found


def _targets(log: SampledLog, outcomes: Sequence[Outcome]) -> Iterator[Target]:
    for outcome in outcomes:
        name = outcome.facts.name
        is_seen = _truths(log, outcome.seen)
        if outcome.kind == "event":
            told = f"{name!r} is positive"
            yield Target(outcome, told, outcome.positive, _truths(log, outcome.positive), is_seen)
            continue
        if outcome.kind == "class":
            for level in outcome.facts.levels()[:_MOST_CLASSES]:
                where = (pl.col(name).cast(pl.String) == str(level)).fill_null(value=False)
                yield Target(outcome, f"{name!r} is {level!r}", where, _truths(log, where), is_seen)
            continue
        label = _label(log, outcome)
        cut = 0.0 if (label == 0).any() and outcome.kind != "rating" else float(np.nanmedian(label))
        is_above = parse(outcome.label).to_polars() > cut
        above = is_above.fill_null(value=False) & outcome.seen
        yield Target(outcome, f"{name!r} is above {cut:g}", above, _truths(log, above), is_seen)
        if not is_seen.all():
            every = np.ones(len(is_seen), dtype=np.bool_)
            yield Target(outcome, f"{name!r} is known", outcome.seen, is_seen, every)


def _truths(log: SampledLog, expression: pl.Expr) -> Truths:
    return log.sample.select(expression.alias("it")).to_series().to_numpy()


def _label(log: SampledLog, outcome: Outcome) -> Floats:
    """The label on the sample, nan where it is not known."""
    label = parse(outcome.label).to_polars().cast(pl.Float64)
    chosen = pl.when(outcome.seen).then(label).otherwise(None).alias("it")
    return log.sample.select(chosen).to_series().fill_null(np.nan).to_numpy()


def _equals(suspect: Facts, targets: Sequence[Target]) -> Caution | None:
    if not suspect.is_single or suspect.distinct > 2:
        return None
    codes = suspect.codes
    for target in targets:
        yes, seen = target.yes & target.seen, target.seen
        few = min(int(yes.sum()), int((seen & ~yes).sum()))
        if few < _FEWEST_EQUAL or "is known" in target.told:
            continue
        inside, outside = np.unique(codes[yes]), np.unique(codes[seen & ~yes])
        if len(inside) == 1 and len(outside) == 1 and inside[0] != outside[0]:
            told = f"another writing of it: one value where {target.told}, the other elsewhere"
            return _caution("equals_label", suspect, target, told, {"rows": float(seen.sum())})
    return None


def _follows(suspect: Facts, targets: Sequence[Target], log: SampledLog) -> Caution | None:
    if suspect.name not in log.sample.columns:
        return None
    filled = _truths(log, suspect.filled)
    if not filled.any() or filled.all():
        return None
    for target in sorted(targets, key=lambda target: int(target.yes.sum())):
        if (filled & ~target.yes & target.seen).sum() > _OUTSIDE * filled.sum():
            continue
        measures = (
            (suspect.filled & target.where).sum().alias("inside"),
            (suspect.filled & ~target.where).sum().alias("outside"),
            target.where.sum().alias("yes"),
        )
        counts = {name: int(count or 0) for name, count in log.exact(*measures).items()}
        count, outside = counts["inside"], counts["outside"]
        rate = counts["yes"] / max(log.rows, 1)
        is_exact = outside == 0 and count >= 10 and is_no_chance(count, rate)
        is_nearly = outside <= _OUTSIDE * count and count * (1 - rate) >= _FEWEST_EXPECTED
        if is_exact or is_nearly:
            told = f"filled on {count:,} rows where {target.told}, on {outside:,} others"
            numbers = {"inside": float(count), "outside": float(outside)}
            return _caution("follows_label", suspect, target, told, numbers)
    return None


def _determines(suspect: Facts, targets: Sequence[Target]) -> Caution | None:
    if not suspect.is_single:
        return None
    best: tuple[float, float, Target] | None = None
    for form in to_codes(suspect):
        for target in targets:
            seen = target.seen
            yes = target.yes[seen]
            if min(int(yes.sum()), int((~yes).sum())) < _FEWEST or "is known" in target.told:
                continue
            auc, told = held_out(form[seen], yes)
            if best is None or auc > best[0]:
                best = (auc, told, target)
    if best is None or (best[0] < _AUC and best[1] < _TOLD):
        return None
    auc, told, target = best
    sentence = f"alone it gives AUC {auc:.4f} for whether {target.told}, on rows held out"
    return _caution("determines_label", suspect, target, sentence, {"auc": auc, "told": told})


def _same_order(suspect: Facts, labels: dict[str, Floats]) -> Caution | None:
    if not suspect.is_single or suspect.distinct < 3 or suspect.is_text:
        return None
    codes = suspect.codes
    for name, label in labels.items():
        rows = np.flatnonzero((codes >= 0) & ~np.isnan(label))[:_MOST_RANKED]
        order = _rank_correlation(codes[rows], label[rows])
        if len(rows) >= _FEWEST and abs(order) >= _SAME_ORDER:
            told = f"in the same order as {name!r}: rank correlation {order:.4f}"
            return Caution("determines_label", (suspect.name, name), told, {"correlation": order})
    return None


def _encodes_time(suspect: Facts, time: Facts) -> Caution | None:
    if (
        not suspect.is_single
        or suspect.distinct < 50
        or suspect.is_moment
        or suspect.table is not None
    ):
        return None
    codes = suspect.codes
    rows = np.flatnonzero((codes >= 0) & (time.codes >= 0))[:_MOST_RANKED]
    order = _rank_correlation(codes[rows], time.codes[rows])
    if len(rows) < _FEWEST_IDS or abs(order) < _TIME_ORDER:
        return None
    told = (
        f"it is in the order of {time.name!r} (rank correlation {order:.4f}), so it tells which "
        "rows come last"
    )
    return Caution("encodes_time", (suspect.name, time.name), told, {"correlation": order})


def _rank_correlation(left: NDArray[np.generic], right: NDArray[np.generic]) -> float:
    ranks = rankdata(left), rankdata(right)
    if len(left) < 3 or ranks[0].std() == 0 or ranks[1].std() == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _caution(
    kind: str, suspect: Facts, target: Target, told: str, numbers: dict[str, float]
) -> Caution:
    columns = (suspect.name, target.outcome.facts.name)
    return Caution(kind, columns, told, numbers)  # type: ignore[arg-type]  # one of the kinds
