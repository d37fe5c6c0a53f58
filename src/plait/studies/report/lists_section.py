"""The section for the product manager: the lists, and what each objective costs the others."""

from __future__ import annotations

import math

from plait.studies.page.blocks import Block, Section, Table, Tables
from plait.studies.page.numbers import number, percent

from .findings import Findings
from .lists import MEAN_RANK, Cost, Example, ListStudy

__all__ = ["lists_section"]


def lists_section(findings: Findings) -> Section:
    """What changes in the lists, in words first."""
    study = findings.lists
    title = "For the product manager: what changes in the lists"
    if study.reason:
        return Section("lists", title, [f"{study.reason}, so nothing can be said here."])
    blocks: list[Block] = [
        f"The {study.num_lists:,} {study.list_of}s with more than {study.cut} judged rows are "
        f"taken as lists, and each list is put in order by one task alone, or by the mean of its "
        f"places under all of them. The items are those that were shown; an item that the old "
        "system did not show cannot be in a list here.",
        *_cost_sentences(study),
        Tables((_overlap_table(study), _cost_table(study))),
        "A label that was not seen does not count: a task is judged on the rows of the list where "
        "its label is known.",
    ]
    blocks += _example_blocks(study)
    return Section("lists", title, blocks)


def _cost_sentences(study: ListStudy) -> list[str]:
    """For each task, what ranking by another alone costs it at worst, and ranking by all."""
    sentences = []
    for task in (name for name in study.orders if name != MEAN_RANK):
        found = {c.ordered_by: c for c in study.costs if c.judged_by == task}
        others = [
            cost
            for name, cost in found.items()
            if name not in (task, MEAN_RANK) and cost.relative is not None
        ]
        together = found[MEAN_RANK].relative
        if not others or together is None:
            sentences.append(f"{task}: {found[task].ndcg.reason or 'nothing can be compared'}.")
            continue
        worst = min(others, key=lambda cost: cost.relative or 0.0)
        sentences.append(
            f"A list ordered by {worst.ordered_by} alone {_change(worst.relative or 0.0)} on "
            f"{task}; ordered by all, it {_change(together)} (NDCG@{study.cut} against the list "
            f"ordered by {task} alone)."
        )
    return sentences


def _change(relative: float) -> str:
    if abs(relative) < 0.005:
        return "changes nothing"
    return f"{'gains' if relative > 0 else 'loses'} {percent(abs(relative))}"


def _overlap_table(study: ListStudy) -> Table:
    return Table(
        f"Overlap@{study.cut}: share of the first {study.cut} items that two orders have in common",
        ("ordered by", *study.orders),
        tuple(
            (name, *(percent(share) for share in shares))
            for name, shares in zip(study.orders, study.overlap, strict=True)
        ),
        shades=study.overlap,
    )


def _cost_table(study: ListStudy) -> Table:
    tasks = tuple(name for name in study.orders if name != MEAN_RANK)
    found = {(cost.ordered_by, cost.judged_by): cost for cost in study.costs}
    return Table(
        f"What an order is worth to each task (NDCG@{study.cut}; in brackets: against the list "
        "ordered by that task itself)",
        ("ordered by", *(f"on {task}" for task in tasks)),
        tuple(
            (order, *(_cost_cell(found[order, task]) for task in tasks)) for order in study.orders
        ),
    )


def _cost_cell(cost: Cost) -> str:
    if cost.relative is None or math.isnan(cost.ndcg.value):
        return number(cost.ndcg.value)
    if cost.ordered_by == cost.judged_by:
        return f"{number(cost.ndcg.value)} (own)"
    sign = "−" if cost.relative < 0 else "+"
    return f"{number(cost.ndcg.value)} ({sign}{percent(abs(cost.relative))})"


def _example_blocks(study: ListStudy) -> list[Block]:
    if not study.examples:
        return ["The schema names no item, so no list can be shown."]
    told = (
        f"Examples near the average, before (ordered by {study.orders[0]} alone) and after "
        "(ordered by all). Users are called A, B and C; items shown on few rows are not named."
    )
    return [told, Tables(tuple(_example_table(example) for example in study.examples))]


def _example_table(example: Example) -> Table:
    rows = [
        (str(place + 1), old, new, _moved(was - place, is_new=was >= len(example.after)))
        for place, (old, new, was) in enumerate(
            zip(example.before, example.after, example.was, strict=True)
        )
    ]
    return Table(
        f"The list of {example.who}",
        ("place", "before", "after", "moved"),
        tuple(rows),
        texts=(1, 2, 3),
    )


def _moved(places: int, *, is_new: bool) -> str:
    if is_new:
        return "new here"
    if places == 0:
        return "stays"
    return f"{'up' if places > 0 else 'down'} {abs(places)}"
