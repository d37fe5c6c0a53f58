"""The first screen: what was trained, how good it is, against what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plait.studies.baselines import BASELINES
from plait.studies.page.blocks import Block, Card, Cards, Figure, Notice, Section, Table
from plait.studies.page.charts import Bar, forest_chart
from plait.studies.page.numbers import count, estimate_text, interval_text, joined, number, signed

from .findings import Findings, command_for
from .judging import Comparison, Judgement
from .wording import PARTS_IN_WORDS, against, meaning, metric_title, thing

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
    blocks += [*_standing(findings), *_sharing(findings)]
    blocks += [*_overview(findings.judgements), _compared(findings)]
    blocks.append(Cards(tuple(_card(judgement) for judgement in findings.judgements)))
    return Section("summary", f"Report on {findings.run}", blocks)


LEARNT = {
    "supervised": "",
    "joint": " by joint feature learning: a penalty holds back gradients on the shared network",
    "soft_labels": " by soft-label learning: teachers labelled the rows whose labels are missing",
    "hybrid": " by hybrid learning: its first layer learnt from all rows before any label was read",
}
"""How a model learnt, by `Method.kind`."""


JUDGED_AT = {"Rays": ", judged at equal shares"}
"""For which preference the figures are, by the rule of one that has a choice."""


def _trained(findings: Findings) -> str:
    names = [judgement.output for judgement in findings.judgements]
    rows = next((part.rows for part in findings.parts if part.part == "train"), 0)
    outputs = "output" if len(names) == 1 else "outputs"
    met = f" on {findings.interaction}" if findings.interaction else ""
    beside = (*findings.scaled_by, *findings.links)
    links = f" with {joined(beside)}" if beside else ""
    return (
        f"One {findings.architecture} network{met}{links} ({findings.num_parameters:,} parameters, "
        f"losses balanced by {findings.balancing}"
        f"{JUDGED_AT.get(findings.balancing.split()[0], '')}) was trained on {rows:,} rows"
        f"{LEARNT[findings.method]}. It has "
        f"{len(names)} {outputs}: {joined(names)}. Training ended because of this: "
        f"{findings.stopped or 'not written down'}."
    )


def _judged(findings: Findings) -> str:
    part = next(part for part in findings.parts if part.part == findings.judged_on)
    when = "" if part.first_time is None else f" from {part.first_time} to {part.last_time}"
    named = PARTS_IN_WORDS[findings.judged_on]
    return (
        f"It is judged on the {part.rows:,} {named} rows{when}. Each number is followed by its "
        "95\N{NO-BREAK SPACE}% interval: the range that other rows of the same kind would give."
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
        words=(meaning(judgement), *against(judgement.comparisons)),
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
        f"Dots: values. Lines: 95\N{NO-BREAK SPACE}% intervals ({judgement.method}).",
        Table(
            named,
            ("model", f"{title} (95 %)", "gain of this model (95 %)", "verdict"),
            tuple(rows),
            texts=(3,),
        ),
    )


def _standing(findings: Findings) -> list[str]:
    """Which outputs beat every baseline that was run, and which do not."""
    compared = {
        judgement.output: [found for found in judgement.comparisons if not found.reason]
        for judgement in findings.judgements
    }
    ahead = [o for o, found in compared.items() if found and _all_better(found)]
    behind = [o for o, found in compared.items() if found and not _all_better(found)]
    told = []
    if ahead:
        told.append(f"Better than every baseline that was run, beyond chance: {joined(ahead)}.")
    if behind:
        told.append(
            f"Not better than at least one baseline, or not beyond chance: {joined(behind)}."
        )
    return [" ".join(told)] if told else []


def _all_better(comparisons: Sequence[Comparison]) -> bool:
    return all(found.verdict == "better" for found in comparisons)


def _sharing(findings: Findings) -> list[str]:
    """Whether training the tasks together helped, where single-task networks were trained."""
    alone = BASELINES["single_task"]
    verdicts = {
        judgement.output: found.verdict
        for judgement in findings.judgements
        for found in judgement.comparisons
        if found.baseline == alone and not found.reason
    }
    if not verdicts:
        return []
    told = [
        f"{words} {joined([name for name, found in verdicts.items() if found == verdict])}"
        for verdict, words in (
            ("better", "helped"),
            ("worse", "hurt"),
            ("not told apart", "made no difference that can be told for"),
        )
        if verdict in verdicts.values()
    ]
    return [f"Training the tasks together {joined(told)}, against the same network alone."]


def _overview(judgements: Sequence[Judgement]) -> list[Block]:
    """Every output and every model in one table, where there is more than one output."""
    made = [c.baseline for j in judgements for c in j.comparisons if not c.reason]
    names = [title for title in reversed(BASELINES.values()) if title in made]
    if len(judgements) < 2 or not names:
        return []
    told = "All outputs and models"
    if any(not judgement.higher_is_better for judgement in judgements):
        told += "; ↓: lower is better"
    if any(_estimate(judgement, name) == "–" for judgement in judgements for name in names):
        told += "; –: not run, or no number"
    rows = tuple(
        (
            judgement.output,
            metric_title(judgement.metric) + ("" if judgement.higher_is_better else " ↓"),
            number(judgement.estimate.value),
            *(_estimate(judgement, name) for name in names),
            count(judgement.n),
            count(judgement.n_positive),
        )
        for judgement in judgements
    )
    heads = ("output", "metric", "this model", *names, "rows", "positive")
    shades = tuple(0.3 if head == "this model" else 0.0 for head in heads[1:])
    return [Table(told, heads, rows, texts=(1,), shades=(shades,) * len(rows))]


def _estimate(judgement: Judgement, baseline: str) -> str:
    """A baseline's metric; a dash where it was not run on this output."""
    found = [c for c in judgement.comparisons if c.baseline == baseline]
    return number(found[0].estimate.value) if found else "–"


def _compared(findings: Findings) -> Block:
    run = [BASELINES[name] for name in findings.options.baselines]
    left = [BASELINES[name] for name in findings.not_run]
    told = f"Compared with: {joined(run)}." if run else "Compared with nothing."
    alone = findings.options.alone
    if alone is not None and "single_task" in findings.options.baselines:
        told += f" Trained alone: {joined(alone)}."
    if not left:
        return told
    told += f" Not run: {joined(left)}."
    if "single_task" in findings.not_run:
        told += " So this report does not say whether training the tasks together helped."
    return Notice(f"{told} To run them:", command_for(findings, findings.not_run))
