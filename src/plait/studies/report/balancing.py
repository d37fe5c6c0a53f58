"""What balancing did: weights in effect, and where gradients were read, whether tasks conflict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plait.studies.page.blocks import Block, Table
from plait.studies.page.numbers import number, percent

__all__ = ["balancing_blocks"]

MOST_GROUPS = 12


def balancing_blocks(rule: str, balance: Mapping[str, Any]) -> list[Block]:
    """Tables of the last stretch of training; nothing where no gradient was read.

    Args:
        rule: its name.
        balance: of the last evaluation.
    """
    norms: Mapping[str, float] = balance.get("norms", {})
    if not norms:
        return []
    weights: Mapping[str, float] = balance["weights"]
    rows = tuple((task, number(weights[task]), number(norm)) for task, norm in norms.items())
    caption = f"Balancing by {rule}, means since the evaluation before the last"
    blocks: list[Block] = [Table(caption, ("task", "weight", "gradient norm"), rows)]
    pairs = tuple(
        (f"{one} and {other}", number(cosine), percent(balance["conflicts"][one][other]))
        for one, cosines in balance["cosines"].items()
        for other, cosine in cosines.items()
    )
    if pairs:
        caption = "Gradients of two tasks: a cosine below 0 is a conflict"
        blocks.append(Table(caption, ("tasks", "mean cosine", "steps in conflict"), pairs))
    groups: Mapping[str, float] = balance.get("groups", {})
    if len(groups) > 1:
        worst = sorted(groups.items(), key=lambda entry: -entry[1])[:MOST_GROUPS]
        caption = "Where gradients conflict: mean share of pairs of tasks, the worst first"
        shown = tuple((group, percent(share)) for group, share in worst)
        blocks.append(Table(caption, ("layer or stage", "pairs in conflict"), shown))
    return blocks
