"""An examination as a page: the first three things to try come last, where a terminal ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from plait.studies.page.blocks import Block, Document, Notice, Section, Table
from plait.studies.page.numbers import count, number, percent, signed
from plait.studies.plain import plain

from .advice import Advice, first_things
from .examination import Examination
from .importance import Importance

__all__ = ["examination_document", "examination_json"]

_MOST_FEATURES = 15
_NOTHING_WRONG = 10.0
"""Advice below this urgency is good for any run: no rule found a fault."""


def examination_document(found: Examination) -> Document:
    """What was looked at, section by section."""
    return Document(
        f"plait doctor: {found.run.resolve().name}",
        (
            Section("labels", "Labels", list(_labels(found))),
            Section("features", "Features", list(_features(found))),
            Section("importance", "What each task leans on", list(_importance(found))),
            Section("fit", "Training rows and others", list(_fit(found))),
            Section("tasks", "What each task brings to training", list(_tasks(found))),
            Section("advice", "The first three things to try", list(_advice(found))),
        ),
    )


def examination_json(found: Examination) -> dict[str, Any]:
    """The findings and the advice as plain data; nan as null."""
    form: dict[str, Any] = plain(found)
    form["run"] = str(found.run)
    return {**form, "advice": plain(first_things(found))}


def _labels(found: Examination) -> Iterator[Block]:
    rows = tuple(
        (
            drift.task,
            _arrow(*map(number, drift.means)),
            f"{drift.measure} {number(drift.value)}",
            _arrow(*map(count, drift.n)),
            drift.strength,
        )
        for drift in found.labels
    )
    yield Table(
        f"From the training rows to {found.compared_with}",
        ("task", "mean label", "distance", "labels", "drift"),
        rows,
        texts=(4,),
    )


def _features(found: Examination) -> Iterator[Block]:
    moved = [drift for drift in found.features if drift.strength in ("some", "strong")]
    steady = len(found.features) - len(moved)
    if moved:
        worst = sorted(moved, key=lambda drift: -drift.value)[:_MOST_FEATURES]
        yield Table(
            f"Features that moved from the training rows to {found.compared_with}",
            ("feature", "distance", "by chance", "null", "values", "drift"),
            tuple(
                (
                    drift.feature,
                    f"{drift.measure} {number(drift.value)}",
                    number(drift.chance),
                    _arrow(*map(percent, drift.nulls)),
                    _arrow(*map(count, drift.n)),
                    drift.strength,
                )
                for drift in worst
            ),
            texts=(5,),
        )
    yield f"{steady:,} of {len(found.features):,} features show no drift beyond chance."
    if found.unseen:
        yield Table(
            "Values that training did not know",
            ("feature", "training", found.compared_with, "rows"),
            tuple(
                (entry.feature, percent(entry.train), percent(entry.after), count(entry.n))
                for entry in found.unseen[:_MOST_FEATURES]
            ),
        )


def _importance(found: Examination) -> Iterator[Block]:
    """One row a feature, the most useful first; a column an output."""
    outputs = list(dict.fromkeys(entry.output for entry in found.importances))
    by_place = {(entry.feature, entry.output): entry for entry in found.importances}
    features = list(dict.fromkeys(entry.feature for entry in found.importances))
    if not features:
        yield "No row has a label: nothing can be said."
        return
    ranks = {
        output: {f: place for place, f in enumerate(found.important(output, most=len(features)))}
        for output in outputs
    }
    features.sort(key=lambda f: min(ranks[output].get(f, len(features)) for output in outputs))
    metrics = {entry.output: entry.metric for entry in found.importances}
    yield Table(
        "How much worse the metric gets when a feature is shuffled",
        ("feature", *(f"{output} ({metrics[output]})" for output in outputs)),
        tuple(
            (
                feature,
                *(_loss(by_place[feature, output]) for output in outputs),
            )
            for feature in features[:_MOST_FEATURES]
        ),
    )
    if len(features) > _MOST_FEATURES:
        yield f"{len(features) - _MOST_FEATURES} more features stand in the JSON."


def _loss(entry: Importance) -> str:
    """The loss, where it is clear of the spread of its repeats."""
    if math.isnan(entry.loss):
        return "–"
    if not entry.is_clear:
        return "≈ 0"
    return signed(entry.loss) if abs(entry.loss) >= 0.001 else "< 0.001"


def _fit(found: Examination) -> Iterator[Block]:
    rows = tuple(
        (
            gap.output,
            gap.metric,
            number(gap.train),
            number(gap.held_out),
            "–" if math.isnan(gap.excess) else signed(gap.excess),
            _arrow(*map(count, gap.n)),
        )
        for gap in found.gaps
    )
    yield Table(
        "The model on rows that it was trained on, and on validation rows",
        ("output", "metric", "training", "validation", "worse by", "rows"),
        rows,
        texts=(1,),
    )


def _tasks(found: Examination) -> Iterator[Block]:
    rows = tuple(
        (
            share.task,
            percent(share.loss),
            percent(share.gradient),
            count(share.observed),
            count(share.positives),
        )
        for share in found.shares
    )
    yield Table(
        "Parts of the losses, and of their gradients on the shared network before balancing",
        ("task", "loss", "gradient", "labels", "positives"),
        rows,
    )
    if found.dead_experts:
        yield Notice(f"Experts that no gate uses: {', '.join(found.dead_experts)}.")
    if found.collapsed_gates:
        yield Notice(f"Gates that read one expert only: {', '.join(found.collapsed_gates)}.")


def _advice(found: Examination) -> Iterator[Block]:
    things = first_things(found)
    if things[0].urgency < _NOTHING_WRONG:
        yield "No rule found a fault. What is worth trying with any run:"
    yield from (_sentence(place, advice) for place, advice in enumerate(things, start=1))


def _sentence(place: int, advice: Advice) -> str:
    return f"{place}. {advice.finding} {advice.remedy}"


def _arrow(before: str, after: str) -> str:
    return "–" if before == after == "–" else f"{before} → {after}"
