"""Sections on what went in and what happened: rows, curves, gates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from plait.studies.page.blocks import Block, Figure, Figures, Notice, Section, Table
from plait.studies.page.charts import Series, line_chart
from plait.studies.page.numbers import count, joined, number, percent

from .balancing import balancing_blocks
from .findings import Findings
from .parts import PartSummary
from .wording import PARTS_IN_WORDS

__all__ = ["gates_section", "rows_section", "training_section"]

_MOST_FEATURES = 40


def rows_section(findings: Findings) -> Section:
    """What the rows are, and what looked odd in them."""
    parts = findings.parts
    blocks: list[Block] = [_parts_table(parts), _labels_table(parts)]
    for title, counts in (
        ("Null values by feature", [part.nulls for part in parts]),
        ("Values that have no vector of their own, by feature", [part.unseen for part in parts]),
    ):
        names = sorted({name for found in counts for name in found})
        if not names:
            blocks.append(f"{title}: none.")
            continue
        rows = tuple(
            (
                name,
                *(
                    _share(found.get(name, 0), p.rows)
                    for found, p in zip(counts, parts, strict=True)
                ),
            )
            for name in names[:_MOST_FEATURES]
        )
        blocks.append(Table(title, ("feature", *_heads(parts)), rows))
    blocks += [note for note in findings.notes if not _is_description(note, parts)]
    return Section("rows", "The rows", blocks)


def training_section(findings: Findings) -> Section:
    """Losses and scores over training, task by task."""
    reports = findings.evaluations
    if not reports:
        return Section("training", "Training", ["Training was never evaluated."])
    best = [report.step for report in reports if report.is_best]
    kept = best[-1] if best else None
    tasks = list(reports[-1].losses)
    figures: list[Figure] = []
    for task in tasks:
        losses = [(float(r.step), r.losses.get(task, math.nan)) for r in reports]
        figures.append(_curve(f"{task}: training loss", losses, "loss", kept, 1))
        scores = [(float(r.step), r.scores.get(task, math.nan)) for r in reports]
        if any(math.isfinite(score) for _, score in scores):
            figures.append(_curve(f"{task}: validation score", scores, "score", kept, 0))
    told = (
        "The score is the task's primary metric on the validation rows, turned so that higher is "
        "better (for errors: minus half the error over the labels' spread)."
    )
    if kept is not None:
        told += f" The dashed line marks step {kept:,}, whose weights were kept."
    blocks: list[Block] = [told, Figures(tuple(figures))]
    blocks += balancing_blocks(findings.balancing, reports[-1].balance)
    if kept is not None and kept == reports[-1].step and "all steps" in findings.stopped:
        blocks.insert(
            0,
            Notice(
                "The last evaluation was the best: the model was still getting better. Train "
                "longer (`training.epochs`)."
            ),
        )
    return Section("training", "Training", blocks)


def gates_section(findings: Findings) -> Section:
    """What each gate gives to each expert, and a warning for experts that nobody uses."""
    if not findings.gates:
        told = f"{findings.architecture} has no gates over experts."
        return Section("gates", "Gates and experts", [told])
    blocks: list[Block] = []
    if findings.dead_experts:
        blocks.append(
            Notice(
                f"Dead: {joined(findings.dead_experts)}. No gate gives a tenth of an equal share, "
                "so it costs time and does nothing. Use fewer experts."
            )
        )
    if findings.collapsed_gates:
        blocks.append(
            Notice(
                f"One expert only: the gate of {joined(findings.collapsed_gates)} gives nearly all "
                "its weight to one expert, so that nothing is mixed there."
            )
        )
    for level in dict.fromkeys(use.level for use in findings.gates):
        uses = [use for use in findings.gates if use.level == level]
        experts = tuple(dict.fromkeys(expert for use in uses for expert in use.shares))
        shares = [[use.shares.get(expert, math.nan) for expert in experts] for use in uses]
        named = f"Mean share of each expert{f', {level}' if level else ''}"
        blocks.append(
            Table(
                named,
                ("gate", *experts),
                tuple(
                    (use.gate, *(percent(share) for share in row))
                    for use, row in zip(uses, shares, strict=True)
                ),
                shades=tuple(
                    tuple(0.0 if math.isnan(share) else share for share in row) for row in shares
                ),
            )
        )
    named_rows = PARTS_IN_WORDS[findings.judged_on]
    blocks.append(f"Means over {named_rows} rows. A dash: the gate does not read that expert.")
    return Section("gates", "Gates and experts", blocks)


def _heads(parts: Sequence[PartSummary]) -> tuple[str, ...]:
    return tuple(PARTS_IN_WORDS[part.part] for part in parts)


def _parts_table(parts: Sequence[PartSummary]) -> Table:
    lines: list[tuple[str, Callable[[PartSummary], str]]] = [("rows", lambda p: count(p.rows))]
    if parts[0].first_time is not None:
        lines += [("from", lambda p: p.first_time or ""), ("to", lambda p: p.last_time or "")]
    if parts[0].users is not None:
        lines.append(("users", lambda p: count(p.users)))
    rows = tuple((name, *(read(part) for part in parts)) for name, read in lines)
    return Table("The parts of the log", ("", *_heads(parts)), rows)


def _labels_table(parts: Sequence[PartSummary]) -> Table:
    rows = tuple(
        (
            task,
            *(
                f"{part.positive[task]:,} of {part.observed[task]:,}"
                + (
                    f" ({percent(part.positive[task] / part.observed[task])})"
                    if part.observed[task]
                    else ""
                )
                for part in parts
            ),
        )
        for task in parts[0].observed
    )
    return Table("Labels above zero, of the rows that have a label", ("task", *_heads(parts)), rows)


def _share(found: int, rows: int) -> str:
    return "0" if not found else f"{found:,} ({percent(found / max(1, rows))})"


def _is_description(note: str, parts: Sequence[PartSummary]) -> bool:
    """Whether a note only says what the tables above it say."""
    return any(note.startswith(f"{part.part}: {part.rows:,} rows") for part in parts)


def _curve(
    title: str, points: list[tuple[float, float]], axis: str, kept: int | None, colour: int
) -> Figure:
    rows = tuple((f"{step:,.0f}", number(value)) for step, value in points)
    drawing = line_chart(
        [Series(points, colour)],
        title=title,
        axes=("step", axis),
        mark=None if kept is None else float(kept),
    )
    return Figure(title, drawing, "", Table(title, ("step", axis), rows))
