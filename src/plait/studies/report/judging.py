"""How good each output is, how sure that is, and against what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plait.metrics import Estimate, primary_metric
from plait.studies.baselines import BASELINES, BaselineName, baseline_predictions
from plait.studies.intervals import Sample
from plait.studies.opened import OpenedRun
from plait.training.judging import JudgedRows, judged_rows

__all__ = ["Comparison", "Judgement", "judge", "judged_of"]


@dataclass(frozen=True)
class Comparison:
    """One output against one baseline on the same rows.

    Attributes:
        baseline: what it is compared with.
        estimate: the baseline's own metric.
        gain: how much better the model is, higher is better, with a paired interval.
        reason: why there is no comparison; empty where there is one.
    """

    baseline: str
    estimate: Estimate
    gain: Estimate
    reason: str = ""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not told apart` where the interval of the gain holds zero."""
        if math.isnan(self.gain.low) or self.gain.low <= 0 <= self.gain.high:
            return "not told apart"
        return "better" if self.gain.low > 0 else "worse"


@dataclass(frozen=True)
class Judgement:
    """How good one output is.

    Attributes:
        output: its name.
        kind: the kind of its task.
        metric: the primary metric of the kind.
        higher_is_better: the direction of the metric.
        estimate: its value and 95 % interval.
        method: how the interval was made.
        n: rows it was judged on; None where they are too few to be shown.
        n_positive: positive rows among them.
        comparisons: against each baseline that was run.
    """

    output: str
    kind: str
    metric: str
    higher_is_better: bool
    estimate: Estimate
    method: str
    n: int | None
    n_positive: int | None
    comparisons: tuple[Comparison, ...] = ()


def judge(
    run: OpenedRun,
    output: str,
    *,
    baselines: Sequence[BaselineName],
    least_rows: int,
    num_resamples: int,
    seed: int,
) -> Judgement:
    """Judge one output with its interval, and compare it with baselines.

    Args:
        run: the run.
        output: a task, or an output that a link added.
        baselines: what to compare with.
        least_rows: numbers from fewer rows are left out.
        num_resamples: of each bootstrap.
        seed: of resamples, draws and trees.
    """
    task = run.task(output)
    metric = primary_metric(task)
    judged, clusters = judged_of(run, output, run.predictions[output])
    count = run.metrics[output][metric.name]
    if count.n < least_rows:
        hidden = Estimate(math.nan, reason=f"fewer than {least_rows} rows: not shown")
        return Judgement(
            output, task.kind, metric.name, metric.higher_is_better, hidden, "", None, None
        )
    own = Sample(task, judged, clusters, seed, num_resamples)
    unit = "rows" if clusters is None else "users"
    return Judgement(
        output=output,
        kind=task.kind,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        estimate=own.interval(),
        method=(
            "DeLong" if own.has_closed_form else f"bootstrap over {unit}, {num_resamples} resamples"
        ),
        n=count.n,
        n_positive=count.n_positive,
        comparisons=tuple(_compare(run, output, own, name) for name in baselines),
    )


def judged_of(
    run: OpenedRun, output: str, predictions: NDArray[np.float32]
) -> tuple[JudgedRows, NDArray[np.generic] | None]:
    """The rows an output is judged on, and the user of each where the schema names one."""
    keys = run.judged.layout.keys
    needs_groups = primary_metric(run.task(output)).needs_groups
    groups = run.judged.key("request") if needs_groups else None
    judged = judged_rows(run.model, run.judged, output, predictions, groups=groups)
    if "user" not in keys:
        return judged, None
    users = judged_rows(run.model, run.judged, output, predictions, groups=run.judged.key("user"))
    return judged, users.groups


def _compare(run: OpenedRun, output: str, own: Sample, name: BaselineName) -> Comparison:
    found = baseline_predictions(run, name, output, seed=own.seed)
    if isinstance(found, str):
        nothing = Estimate(math.nan, reason=found)
        return Comparison(BASELINES[name], nothing, nothing, found)
    other = replace(own, judged=judged_of(run, output, found)[0])
    gain = own.minus(other)
    if not primary_metric(own.task).higher_is_better:
        gain = gain._replace(value=-gain.value, low=-gain.high, high=-gain.low)
    reason = gain.reason if math.isnan(gain.value) else ""
    return Comparison(BASELINES[name], other.interval(), gain, reason)
