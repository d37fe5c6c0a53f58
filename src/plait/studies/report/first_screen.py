"""The first screen: what was trained, how good it is, against what."""

from __future__ import annotations

import math

from plait.studies.baselines import BASELINES

from .blocks import Block, Card, Cards, Figure, Notice, Section, Table
from .charts import Bar, forest_chart
from .findings import Findings, command_for
from .judging import Judgement
from .numbers import count, estimate_text, interval_text, number, signed
from .wording import PARTS_IN_WORDS, against, joined, meaning, metric_title, thing

__all__ = ["first_screen"]


def first_screen(findings: Findings) -> Section:
    """The section that is read even if no other is."""
    blocks: list[Block] = [_trained(findings), _judged(findings)]
    if findings.judged_on == "train":
        blocks.append(
            Notice(
                "There are no rows that training did not see: these numbers are too good. Keep "
                "some for testing (`split`)."
            )
        )
    blocks.append(Cards(tuple(_card(judgement) for judgement in findings.judgements)))
    blocks.append(_compared(findings))
    return Section("summary", f"Report on {findings.run}", blocks)


def _trained(findings: Findings) -> str:
    names = [judgement.output for judgement in findings.judgements]
    rows = next((part.rows for part in findings.parts if part.part == "train"), 0)
    outputs = "output" if len(names) == 1 else "outputs"
    links = f" with {joined(findings.links)}" if findings.links else ""
    return (
        f"One {findings.architecture} network{links} ({findings.num_parameters:,} parameters, "
        f"losses balanced by {findings.balancing}) was trained on {rows:,} rows. It has "
        f"{len(names)} {outputs}: {joined(names)}. Training ended because of this: "
        f"{findings.stopped or 'not written down'}."
    )


def _judged(findings: Findings) -> str:
    part = next(part for part in findings.parts if part.part == findings.judged_on)
    when = "" if part.first_time is None else f" from {part.first_time} to {part.last_time}"
    named = PARTS_IN_WORDS[findings.judged_on]
    return (
        f"It is judged on the {part.rows:,} {named} rows{when}. Each number is followed by its "
        "95 % interval: the range that other rows of the same kind would give."
    )


def _card(judgement: Judgement) -> Card:
    estimate = judgement.estimate
    title = metric_title(judgement.metric)
    if math.isnan(estimate.value):
        return Card(thing(judgement), "–", title, (meaning(judgement),), None)
    counted = f"{count(judgement.n)} rows"
    if judgement.n_positive is not None:
        counted += f", {count(judgement.n_positive)} positive"
    return Card(
        title=thing(judgement),
        number=number(estimate.value),
        unit=f"{title}, {interval_text(estimate)}; {counted}",
        words=(meaning(judgement), *(against(found) for found in judgement.comparisons)),
        figure=_forest(judgement),
    )


def _forest(judgement: Judgement) -> Figure:
    title = metric_title(judgement.metric)
    better = "higher" if judgement.higher_is_better else "lower"
    made = [found for found in judgement.comparisons if not found.reason]
    bars = [Bar("this model", *judgement.estimate[0:1], *judgement.estimate[2:4], is_model=True)]
    bars += [Bar(c.baseline, *c.estimate[0:1], *c.estimate[2:4], is_model=False) for c in made]
    rows = [("this model", estimate_text(judgement.estimate), "", "")]
    rows += [
        (
            c.baseline,
            estimate_text(c.estimate),
            f"{signed(c.gain.value)} ({signed(c.gain.low)} to {signed(c.gain.high)})",
            c.verdict,
        )
        for c in made
    ]
    named = f"{judgement.output}: {title}, this model and baselines"
    return Figure(
        named,
        forest_chart(bars, title=named, axis=f"{title} ({better} is better)"),
        f"Dots: values. Lines: 95 % intervals ({judgement.method}).",
        Table(
            named,
            ("model", f"{title} (95 %)", "gain of this model (95 %)", "verdict"),
            tuple(rows),
            texts=(3,),
        ),
    )


def _compared(findings: Findings) -> Block:
    run = [BASELINES[name] for name in findings.options.baselines]
    left = [BASELINES[name] for name in findings.not_run]
    told = f"Compared with: {joined(run)}." if run else "Compared with nothing."
    if not left:
        return told
    told += f" Not run: {joined(left)}."
    if "single_task" in findings.not_run:
        told += " So this report does not say whether training the tasks together helped."
    return Notice(f"{told} To run them: {command_for(findings, findings.not_run)}")
