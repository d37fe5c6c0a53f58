"""What the numbers of a demonstration say, in words that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from plait.metrics import Value
from plait.studies.baselines import BASELINES
from plait.studies.page.numbers import joined, number, signed
from plait.studies.report.judging import Comparison, Judgement
from plait.studies.report.wording import metric_title
from plait.tasks import Task

__all__ = ["tasks_alone", "verdict"]

ALONE = BASELINES["single_task"]
FEWEST_ROWS = 20
"""Of each class, for a comparison that can tell anything."""


def tasks_alone(tasks: Sequence[Task], judged: Mapping[str, Value]) -> tuple[str, ...]:
    """The tasks that are trained alone as well: of every yes or no the commonest and the rarest.

    Sharing has most to give where positive labels are few, and most to take where they are many.
    Tasks with too few rows of one class to be judged are passed over. Without a yes or no it is the
    first task.

    Args:
        tasks: all tasks.
        judged: the primary metric of each on the judged rows, with its counts.
    """
    binary = [
        task.name for task in tasks if task.kind == "binary" and _can_be_judged(judged[task.name])
    ]
    if not binary:
        return (tasks[0].name,)
    order = sorted(binary, key=lambda name: -(judged[name].n_positive or 0))
    return tuple(dict.fromkeys([order[0], order[-1]]))


def _can_be_judged(value: Value) -> bool:
    positive = value.n_positive or 0
    return min(positive, value.n - positive) >= FEWEST_ROWS


def verdict(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """Whether sharing helped each task that was trained alone too, and what simple models reach."""
    told = [
        _sharing(judgement, found)
        for judgement in judgements
        for found in judgement.comparisons
        if found.baseline == ALONE
    ]
    return (*told, *_against_simple(judgements))


def _sharing(judgement: Judgement, found: Comparison) -> str:
    if found.reason or math.isnan(found.gain.low):
        why = found.reason or found.gain.reason or "the gain has no interval"
        return f"{judgement.output}: no verdict on sharing: {why}."
    words = {
        "better": "training the tasks together helped",
        "worse": "training the tasks together hurt",
        "not told apart": "no difference between together and alone that can be told from chance",
    }
    gain, title = found.gain, metric_title(judgement.metric)
    return (
        f"{judgement.output}: {words[found.verdict]}. {title} {number(judgement.estimate.value)} "
        f"together, {number(found.estimate.value)} alone: a gain of {signed(gain.value)} (95 % "
        f"interval {signed(gain.low)} to {signed(gain.high)})."
    )


def _against_simple(judgements: Sequence[Judgement]) -> Iterator[str]:
    """One sentence on every output against all simple baselines."""
    kinds: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
    names: dict[str, None] = {}
    for judgement in judgements:
        found = [c for c in judgement.comparisons if c.baseline != ALONE and not c.reason]
        names |= dict.fromkeys(c.baseline for c in found)
        if found:
            kinds[_of_all([c.verdict for c in found])].append(judgement.output)
    if not names:
        return
    words = {
        "better": "better than each of them on",
        "worse": "worse than at least one on",
        "not told apart": "not told apart from at least one on",
    }
    parts = [f"{words[kind]} {joined(found)}" for kind, found in kinds.items() if found]
    simple = joined([f"the {name}" for name in names])
    yield f"Against {simple}: the multi-task model is {'; '.join(parts)}."


def _of_all(verdicts: Sequence[str]) -> str:
    if "worse" in verdicts:
        return "worse"
    return "better" if all(verdict == "better" for verdict in verdicts) else "not told apart"
