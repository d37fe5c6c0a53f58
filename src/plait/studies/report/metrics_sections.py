"""Sections on how good the model is: every metric, calibration, slices."""

from __future__ import annotations

from collections.abc import Sequence

from plait.studies.page.blocks import Block, Figure, Figures, Section, Table, Tables
from plait.studies.page.charts import calibration_chart
from plait.studies.page.numbers import count, joined, number
from plait.training import SliceResult

from .calibration import CalibrationCurve
from .findings import Findings
from .wording import metric_title

__all__ = ["calibration_section", "metrics_section", "slices_section"]


def metrics_section(findings: Findings) -> Section:
    """A table for each output: values, what they were counted on, and why one is missing."""
    tables: list[Table] = []
    for output, values in findings.metrics.items():
        rows = tuple(
            (
                metric_title(name),
                number(value.value),
                count(value.n),
                count(value.n_positive),
                count(value.n_groups),
                count(value.n_dropped) if value.n_dropped else "",
                value.reason,
            )
            for name, value in values.items()
        )
        heads = ("metric", "value", "rows", "positive", "groups", "left out", "why not")
        tables.append(_without_empty(Table(output, heads, rows, texts=(6,))))
    return Section("metrics", "Every metric", [Tables(tuple(tables))])


def calibration_section(findings: Findings) -> Section:
    """Whether predictions can be taken at their word."""
    drawn = [curve for curve in findings.calibration if curve.bins]
    blocks: list[Block] = [
        "Rows are sorted by their prediction and cut into bins of equal mass. On the dashed line "
        "what was promised is what came; below it the model promises too much. Bars are "
        "95\N{NO-BREAK SPACE}% intervals: where they reach the line, chance can explain the gap."
    ]
    if drawn:
        blocks.append(Figures(tuple(_calibration(curve) for curve in drawn)))
    blocks += [
        f"{curve.output}: no curve, {curve.reason}."
        for curve in findings.calibration
        if curve.reason
    ]
    return Section("calibration", "Calibration", blocks)


def slices_section(findings: Findings) -> Section:
    """The primary metric on parts of the rows."""
    least = findings.options.least_rows
    columns = dict.fromkeys(entry.column for entry in findings.slices)
    blocks: list[Block] = [
        _slice_table([entry for entry in findings.slices if entry.column == column])
        for column in columns
    ]
    if blocks:
        blocks.append(
            "In brackets: rows. A dash: there is no number, mostly because all rows are of one "
            "class."
        )
    if findings.hidden_slices:
        told = [f"{hidden} of {column}" for column, hidden in findings.hidden_slices.items()]
        blocks.append(
            f"Values of fewer than {least} rows for some output, left out: {joined(told)}."
        )
    if findings.person_columns:
        blocks.append(f"Raw ids of persons are never listed: {joined(findings.person_columns)}.")
    if not blocks:
        blocks.append("The run was not sliced. Name columns in `metrics.slices` and train again.")
    return Section("slices", "Slices", blocks)


def _slice_table(entries: Sequence[SliceResult]) -> Table:
    """One row a slice, one column an output; an empty cell: too few rows for that output."""
    found = {(entry.value, entry.task): entry for entry in entries}
    metrics = {entry.task: metric_title(entry.metric) for entry in entries}
    rows = tuple(
        (value, *(_slice_cell(found.get((value, task))) for task in metrics))
        for value in dict.fromkeys(entry.value for entry in entries)
    )
    heads = (f"{task}: {metric} (rows)" for task, metric in metrics.items())
    return Table(f"By {entries[0].column}", ("", *heads), rows)


def _slice_cell(entry: SliceResult | None) -> str:
    if entry is None:
        return ""
    return f"{number(entry.result.value)} ({count(entry.result.n)})"


def _without_empty(table: Table) -> Table:
    """The table without columns that say nothing in any row."""
    kept = [
        place
        for place in range(len(table.columns))
        if place < 2 or any(row[place] for row in table.rows)
    ]
    return Table(
        table.caption,
        tuple(table.columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in table.rows),
        texts=tuple(kept.index(place) for place in table.texts if place in kept),
    )


def _calibration(curve: CalibrationCurve) -> Figure:
    points = [(found.predicted, found.actual, found.error) for found in curve.bins]
    rows = tuple(
        (number(bin_.predicted), f"{number(bin_.actual)} ± {number(bin_.error)}", count(bin_.n))
        for bin_ in curve.bins
    )
    title = f"{curve.output}: predicted and actual"
    table = Table(title, ("mean prediction", "mean label", "rows"), rows)
    return Figure(curve.output, calibration_chart(points, title=title), "", table)
