"""From columns of feedback to tasks: thresholds on ratings, spaces, parents, units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from plait.data.expressions import parse
from plait.tasks import Binary, Count, Multiclass, Regression, Task, Value, WatchTime

from .facts import Facts, SampledLog
from .feedback import Outcome, shown_number, written
from .funnel import Funnel
from .guesses import Caution, TaskGuess
from .outcomes import chances_of
from .words import LENGTH, UNITS, has

__all__ = ["propose_tasks"]

_FEWEST_MARKS = 5
_MOST_MARKS_FOR_TOP = 7
_RARE = 0.01
_ZEROS = 0.2
_PREFIX = re.compile(r"^(?:is|label|labels|target|has|did)_+(?=[A-Za-z_])", re.IGNORECASE)


def propose_tasks(
    log: SampledLog, facts: Mapping[str, Facts], outcomes: Sequence[Outcome], funnel: Funnel
) -> tuple[list[TaskGuess], list[Caution]]:
    """The tasks that columns of feedback make, in the order of the log.

    Args:
        log: the log.
        facts: every column.
        outcomes: the columns of feedback.
        funnel: the order among them.
    """
    names = _names(outcomes)
    conditions = {o.facts.name: o.condition for o in outcomes if o.kind == "event"}
    guesses: list[TaskGuess] = []
    cautions: list[Caution] = []
    for outcome in outcomes:
        column = outcome.facts.name
        twin = funnel.twins.get(column)
        if twin is not None:
            told = (
                f"1 on the same {funnel.positives[column]:,} rows as {twin!r}; one task is enough"
            )
            cautions.append(Caution("duplicate", (column, twin), told))
            continue
        placed = _Placed(
            name=names[column],
            outcome=outcome,
            parents=tuple(names[p] for p in funnel.parents[column] if p in names),
            space=conditions.get(_space(outcome, funnel) or ""),
            given=conditions.get(next(iter(funnel.parents[column]), "")),
            funnel=funnel,
        )
        guesses.extend(_tasks_of(placed, log, facts))
    return guesses, cautions


class _Placed:
    """A column of feedback with its place in the funnel."""

    def __init__(
        self,
        *,
        name: str,
        outcome: Outcome,
        parents: tuple[str, ...],
        space: str | None,
        given: str | None,
        funnel: Funnel,
    ) -> None:
        self.name = name
        self.outcome = outcome
        self.parents = parents
        self.space = space
        self.given = given
        self.label = None if outcome.label == name else outcome.label
        self.reason = outcome.reason
        column = outcome.facts.name
        self.positives = funnel.positives[column]
        self.seen = funnel.seen[column]
        self.rows = funnel.rows
        if space is not None:
            self.reason += f"; nothing is there where `{space}` does not hold"
        if parents:
            self.reason += f"; never without {' and '.join(parents)}"


def _space(outcome: Outcome, funnel: Funnel) -> str | None:
    """The event without which a label does not exist; a time spent needs the event it began by."""
    column = outcome.facts.name
    if outcome.kind == "duration" and funnel.parents[column]:
        return funnel.parents[column][0]
    return funnel.spaces.get(column)


def _tasks_of(placed: _Placed, log: SampledLog, facts: Mapping[str, Facts]) -> Iterator[TaskGuess]:
    kind = placed.outcome.kind
    if kind == "event":
        yield _event(placed)
    elif kind == "rating":
        yield from _rating(placed)
    elif kind == "duration":
        yield from _duration(placed, log, facts)
    elif kind == "amount":
        yield _amount(placed)
    elif kind == "count":
        yield _count(placed, log, facts)
    else:
        task = Multiclass(placed.name, label=placed.label, space=placed.space)
        yield TaskGuess(task, placed.reason)


def _event(placed: _Placed) -> TaskGuess:
    rate = placed.positives / max(placed.seen, 1)
    reason = placed.reason
    if rate < _RARE:
        reason += "; rare, so that its figures will have wide intervals"
    if placed.given is not None and placed.space is None:
        reason += f'; predicted on every row, with `space = "{placed.given}"` given its parent'
    task = Binary(
        placed.name,
        label=placed.label,
        space=placed.space,
        observed=placed.outcome.observed,
        parents=placed.parents,
    )
    return TaskGuess(task, reason)


def _rating(placed: _Placed) -> Iterator[TaskGuess]:
    """The rating itself, and whether it was good; on a short scale also whether it was the best."""
    outcome, marks = placed.outcome, _marks(placed.outcome)
    has_scale = len(marks) <= 21
    if len(marks) >= _FEWEST_MARKS:
        task: Task = Regression(
            placed.name, label=placed.label, space=placed.space, observed=outcome.observed
        )
        yield TaskGuess(task, placed.reason)
    if not has_scale:
        return
    best = marks[-1]
    good = next(mark for mark in marks if mark >= 0.8 * best)
    levels = [good] if best > _MOST_MARKS_FOR_TOP or good == best else [good, best]
    above: tuple[str, ...] = placed.parents
    for level in levels:
        shown = shown_number(level)
        name = f"{placed.name}_at_least_{shown.replace('.', '_')}"
        told = (
            "the top mark" if level == best else f"a good mark: four fifths of {shown_number(best)}"
        )
        task = Binary(
            name,
            label=f"{outcome.label} >= {shown}",
            space=placed.space,
            observed=outcome.observed,
            parents=above,
        )
        yield TaskGuess(task, f"{told}; {placed.reason}")
        above = (name,)


def _marks(outcome: Outcome) -> list[float]:
    marks = sorted(float(str(level)) for level in outcome.facts.levels())
    return marks if outcome.observed is None else [mark for mark in marks if mark != -1]


def _duration(placed: _Placed, log: SampledLog, facts: Mapping[str, Facts]) -> Iterator[TaskGuess]:
    """Watch time where the length is known, else its logarithm and whether it was long."""
    length = _length_of(placed.outcome, log, facts)
    if length is not None:
        task: Task = WatchTime(
            placed.name,
            label=placed.label,
            space=placed.space,
            parents=placed.parents,
            duration=length,
        )
        yield TaskGuess(task, f"{placed.reason}; `{length}` is the length of the item")
        return
    task = Regression(
        placed.name,
        label=placed.label,
        space=placed.space,
        parents=placed.parents,
        transform="log1p",
    )
    yield TaskGuess(task, f"{placed.reason}; trained on its logarithm, since it is skewed")
    numbers = placed.outcome.facts.numbers
    spent = numbers[numbers > 0]
    if not len(spent):
        return
    long = _round_number(float(np.quantile(spent, 2 / 3)))
    column, shown = placed.outcome.label, shown_number(long)
    is_masked = placed.outcome.facts.nulls > 0
    label = f"fill_null({column}, 0) >= {shown}" if is_masked else f"{column} >= {shown}"
    told = f"long: a round number near the upper third of {placed.outcome.facts.name}"
    if is_masked:
        told += "; a time that is not there counts as 0"
    parents = placed.parents
    name = f"{placed.name}_at_least_{shown.replace('.', '_')}"
    yield TaskGuess(Binary(name, label=label, parents=parents), told)


def _length_of(outcome: Outcome, log: SampledLog, facts: Mapping[str, Facts]) -> str | None:
    """An expression for the length of what was watched, in the unit of the label."""
    for entry in facts.values():
        if entry.name == outcome.facts.name or not has(entry.words, LENGTH):
            continue
        if not entry.is_number or entry.nulls or (entry.low or 0.0) <= 0 or entry.distinct < 3:
            continue
        factor = _unit(entry) / _unit(outcome.facts)
        watched, length = outcome.facts.numbers, entry.numbers * factor
        fits = (watched <= 20 * length) | np.isnan(watched)
        if fits.mean() >= 0.95 and np.nanmedian(length) <= 1_000 * max(np.nanmax(watched), 1e-9):
            name = written(entry.name)
            if factor == 1:
                return name
            return (
                f"{name} * {shown_number(factor)}"
                if factor > 1
                else f"{name} / {shown_number(1 / factor)}"
            )
    return None


def _unit(entry: Facts) -> float:
    return next((UNITS[word] for word in entry.words if word in UNITS), 1.0)


def _amount(placed: _Placed) -> TaskGuess:
    none = 1 - placed.positives / max(placed.seen, 1)
    name, parents, label, space = placed.name, placed.parents, placed.label, placed.space
    if none >= _ZEROS:
        told = f"{placed.reason}; 0 on {none:.1%} of the rows and skewed above"
        return TaskGuess(Value(name, parents=parents, label=label, space=space), told)
    told = f"{placed.reason}; trained on its logarithm, since it is skewed"
    task = Regression(name, parents=parents, label=label, space=space, transform="log1p")
    return TaskGuess(task, told)


def _count(placed: _Placed, log: SampledLog, facts: Mapping[str, Facts]) -> TaskGuess:
    """Successes among chances where another column holds the chances, else a count."""
    outcome = placed.outcome
    for chances in chances_of(outcome, facts):
        label = parse(outcome.label).to_polars()
        more = (label > pl.col(chances)).sum().alias("more")
        if not log.exact(more)["more"]:
            task: Task = Binary(placed.name, label=placed.label, trials=written(chances))
            return TaskGuess(task, f"{placed.reason}; never more than {chances!r}")
    task = Count(placed.name, label=placed.label, space=placed.space, parents=placed.parents)
    return TaskGuess(task, placed.reason)


def _names(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """A name for the task of each column: the column's, without `is_` and `label_`."""
    names: dict[str, str] = {}
    for outcome in outcomes:
        column = outcome.facts.name
        name = re.sub(r"\W+", "_", _PREFIX.sub("", column), flags=re.ASCII).strip("_") or "task"
        name = f"task_{name}" if name[0].isdigit() else name
        number = 1
        while (name if number == 1 else f"{name}_{number}") in names.values():
            number += 1
        names[column] = name if number == 1 else f"{name}_{number}"
    return names


def _round_number(value: float) -> float:
    """The nearest of 1, 2, 5, 10, 20, … by ratio.

    Example:
        >>> _round_number(11.7), _round_number(170.0), _round_number(0.3)
        (10.0, 200.0, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(value))
    choices = [step * power for step in (1, 2, 5, 10)]
    return float(f"{min(choices, key=lambda choice: abs(math.log(choice / value))):.6g}")
