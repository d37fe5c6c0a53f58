"""What to try first: rules over the findings, each with its reason."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plait.studies.baselines import BASELINES
from plait.studies.page.numbers import joined, number, percent

from .drift import LabelDrift
from .examination import Examination
from .fit import Gap

__all__ = ["Advice", "all_advice", "first_things"]

TOO_GOOD = 0.99
CHANCE = 0.52
MANY_UNSEEN = 0.2
LARGE_GAP = 0.05
LARGE_EXCESS = 0.1
STARVING = 0.25
"""A task starves whose part of the gradient is less than this times its part of the labels."""
MISCALIBRATED = 0.1


@dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        urgency: from 0 to 100; the most urgent come first.
        finding: what was found, in words.
        remedy: what to try.
    """

    urgency: float
    finding: str
    remedy: str


Rule = Callable[[Examination], Iterator[Advice]]


def first_things(found: Examination, *, most: int = 3) -> tuple[Advice, ...]:
    """The first things to try, the most urgent first; never fewer than three."""
    return all_advice(found)[:most]


def all_advice(found: Examination) -> tuple[Advice, ...]:
    """Everything that the rules have to say, the most urgent first."""
    told = [advice for rule in RULES for advice in rule(found)]
    return tuple(sorted(told, key=lambda advice: -advice.urgency))


def _too_good(found: Examination) -> Iterator[Advice]:
    good = {
        output: values["auc"].value
        for output, values in found.metrics.items()
        if "auc" in values and values["auc"].value >= TOO_GOOD
    }
    if good:
        told = joined([f"{output} (AUC {number(auc)})" for output, auc in good.items()])
        features = dict.fromkeys(f for output in good for f in found.important(output, most=2))
        named = f" Most of it comes from {joined(list(features))}." if features else ""
        yield Advice(
            100,
            f"Too good for people's behaviour: {told}.{named}",
            "Look for a feature that is filled in after the label, or made from it, and leave it "
            'out or mark it `known = "after"`.',
        )


def _broken_steps(found: Examination) -> Iterator[Advice]:
    broken = [f"{task} ({steps:,} steps)" for task, steps in found.skipped.items() if steps]
    if broken:
        yield Advice(
            92,
            f"The loss was not finite, and steps were skipped: {joined(broken)}.",
            "Look at the labels of these tasks for huge or broken values; lower "
            "`training.learning_rate`, or set `training.clip_norm = 1.0`.",
        )


def _few_positives(found: Examination) -> Iterator[Advice]:
    few = {
        share: share.observed if share.positives is None else share.positives
        for share in found.shares
    }
    few = {share: known for share, known in few.items() if known < share.wanted}
    if few:
        told = joined(
            [f"{share.task} ({known:,} of {share.wanted:,} wanted)" for share, known in few.items()]
        )
        least = min(known / share.wanted for share, known in few.items())
        yield Advice(
            88 - 8 * least,
            f"Too few positives (labels) to learn from in the training rows: {told}.",
            'Take a longer log, define the task more widely, or give it `role = "auxiliary"`, so '
            "that stopping does not follow its noise.",
        )


def _label_drift(found: Examination) -> Iterator[Advice]:
    moved = [drift for drift in found.labels if drift.strength in ("some", "strong")]
    if moved:
        told = joined([_label_change(drift) for drift in moved])
        yield Advice(
            82 if any(drift.strength == "strong" for drift in moved) else 64,
            f"Labels changed between the training rows and {found.compared_with}: {told}.",
            "Train on newer rows and split by time; if the definition of a label changed, leave "
            "out the rows before. Probabilities need recalibration on recent rows.",
        )


def _label_change(drift: LabelDrift) -> str:
    before, after = drift.means
    if math.isnan(before):
        return f"{drift.task} (other shares of its classes)"
    return f"{drift.task} (mean {number(before)}, then {number(after)})"


def _still_improving(found: Examination) -> Iterator[Advice]:
    if found.still_improving:
        yield Advice(
            76,
            "The last evaluation was the best one, and the epochs were used up.",
            "Train longer: raise `training.epochs`, and let `training.patience` decide when to "
            "stop.",
        )


def _at_chance(found: Examination) -> Iterator[Advice]:
    poor = [
        f"{output} (AUC {number(values['auc'].value)})"
        for output, values in found.metrics.items()
        if "auc" in values and values["auc"].value <= CHANCE
    ]
    if poor:
        yield Advice(
            74,
            f"Ordered no better than by chance: {joined(poor)}.",
            "See whether the label is right, and add features that say something about it: the "
            "user's history, the item's past rates (name the roles `user` and `item`).",
        )


def _unseen(found: Examination) -> Iterator[Advice]:
    many = [entry for entry in found.unseen if entry.is_key and entry.after >= MANY_UNSEEN]
    if many:
        told = joined([f"{entry.feature} ({percent(entry.after)})" for entry in many])
        yield Advice(
            50 + 40 * max(entry.after for entry in many),
            f"Many rows of {found.compared_with} hold values that training never saw: {told}.",
            "Give the model features that describe users and items beyond their id, raise "
            "`model.id_dropout` (0.3 to 0.5), and retrain more often.",
        )


def _gaps(found: Examination) -> Iterator[Advice]:
    wide = {gap: gap.excess / _most_gap(gap) for gap in found.gaps if gap.excess > _most_gap(gap)}
    if wide:
        told = joined(
            [
                f"{gap.output} ({gap.metric} {number(gap.train)}, then {number(gap.held_out)})"
                for gap in wide
            ]
        )
        yield Advice(
            min(80.0, 50 + 10 * max(wide.values())),
            f"Much better on training rows than on others, so rows were learnt by heart: {told}.",
            "Raise `model.dropout` or `training.key_l2`, make layers narrower, or take more rows.",
        )


def _most_gap(gap: Gap) -> float:
    return LARGE_GAP if gap.higher_is_better else LARGE_EXCESS


def _starving(found: Examination) -> Iterator[Advice]:
    """A task with few labels pulls little by right: parts are held against parts of the labels."""
    labels = max(1, sum(share.observed for share in found.shares))
    starving = [s for s in found.shares if s.gradient < STARVING * s.observed / labels]
    if starving:
        told = joined(
            [
                f"{s.task} ({percent(s.gradient)} for {percent(s.observed / labels)} of the labels)"
                for s in starving
            ]
        )
        yield Advice(
            62,
            f"Tasks with hardly a part of the gradient on the shared network: {told}. The others "
            "decide what is learnt.",
            'Balance the losses: `[balancing]` with `name = "BaseRate"`, or `Fixed` with a larger '
            "weight for these tasks.",
        )


def _feature_drift(found: Examination) -> Iterator[Advice]:
    """Users and items come and go: of them only a strong change is told."""
    moved = [
        drift
        for drift in found.features
        if drift.strength == "strong" or (drift.strength == "some" and not drift.is_key)
    ]
    if not moved:
        return
    leaning = {f for output in found.metrics for f in found.important(output, most=3)}
    first = [drift for drift in moved if drift.feature in leaning]
    told = joined(
        [
            f"{drift.feature} ({drift.measure} {number(drift.value)})"
            for drift in [*first, *(drift for drift in moved if drift not in first)][:5]
        ]
    )
    strong = any(drift.strength == "strong" for drift in moved)
    leans = f" Tasks lean on {joined([drift.feature for drift in first])}." if first else ""
    yield Advice(
        (55 if strong else 45) + (18 if first else 0),
        f"Features are distributed otherwise in {found.compared_with}: {told}.{leans}",
        "See whether these columns are still filled in as they were. Where a meaning moved, make "
        "the feature relative (a rank, a ratio), or leave it out.",
    )


def _miscalibrated(found: Examination) -> Iterator[Advice]:
    wrong = [
        f"{output} ({number(values['pcoc'].value)})"
        for output, values in found.metrics.items()
        if "pcoc" in values and abs(values["pcoc"].value - 1) > MISCALIBRATED
    ]
    if wrong:
        yield Advice(
            48,
            f"Predicted over actual total is far from 1: {joined(wrong)}.",
            "Recalibrate on recent rows before predictions are multiplied or compared; the order "
            "within one task is not touched by this.",
        )


def _experts(found: Examination) -> Iterator[Advice]:
    if found.dead_experts:
        yield Advice(
            44,
            f"No gate uses {', '.join(found.dead_experts)}.",
            "Use fewer experts (`num_experts`), which is faster and no worse.",
        )
    if found.collapsed_gates:
        yield Advice(
            36,
            f"The gate of {', '.join(found.collapsed_gates)} reads one expert only.",
            "Compare with `SharedBottom` or with fewer experts: the mixture is not used.",
        )


def _useless_features(found: Examination) -> Iterator[Advice]:
    best: dict[str, float] = {}
    for entry in found.importances:
        gain = entry.loss if entry.is_clear else 0.0
        best[entry.feature] = max(best.get(entry.feature, 0.0), gain)
    useless = [feature for feature, gain in best.items() if gain == 0]
    if useless and len(useless) < len(best):
        shown = ", ".join(useless[:8]) + (", …" if len(useless) > 8 else "")
        yield Advice(
            18,
            f"No task gets clearly worse when {shown} "
            f"{'is' if len(useless) == 1 else 'are'} shuffled.",
            "Train once without them; fewer features drift less and are quicker to serve.",
        )


def _always(found: Examination) -> Iterator[Advice]:
    """What is worth trying with any run, where nothing else was found."""
    command = ["plait", "report", str(found.run), "--baselines", ",".join(BASELINES)]
    yield Advice(
        3,
        "Nothing here says whether training the tasks together helps.",
        f"Compare: `{shlex.join(command)}`.",
    )
    yield Advice(
        2,
        "What users did before is often the best feature.",
        "Name the roles `user`, `item` and `time`, which make a history, and list past items, too: "
        "`[history]` with `sequence_length = 20`.",
    )
    yield Advice(
        1,
        "One recipe does not fit all logs.",
        "Try half and twice `training.learning_rate`, judged on the validation rows.",
    )


RULES: tuple[Rule, ...] = (
    _too_good,
    _broken_steps,
    _few_positives,
    _label_drift,
    _still_improving,
    _at_chance,
    _unseen,
    _gaps,
    _starving,
    _feature_drift,
    _miscalibrated,
    _experts,
    _useless_features,
    _always,
)
"""Every rule, in no order: urgency decides."""
