"""Sections on how good the model is: every metric, calibration, slices."""

from __future__ import annotations

from itertools import groupby

from .blocks import Block, Figure, Figures, Section, Table
from .calibration import CalibrationCurve
from .charts import calibration_chart
from .findings import Findings
from .numbers import count, number
from .wording import metric_title

__all__ = ["calibration_section", "metrics_section", "slices_section"]


def metrics_section(findings: Findings) -> Section:
    """A table for each output: values, what they were counted on, and why one is missing."""
    blocks: list[Block] = []
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
        blocks.append(_without_empty(Table(output, heads, rows, texts=(6,))))
    return Section("metrics", "Every metric", blocks)


def calibration_section(findings: Findings) -> Section:
    """Whether predictions can be taken at their word."""
    drawn = [curve for curve in findings.calibration if curve.bins]
    blocks: list[Block] = [
        "Rows are sorted by their prediction and cut into bins of equal mass. On the dashed line "
        "what was promised is what came; below it the model promises too much."
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
    blocks: list[Block] = []
    for (column, task), entries in groupby(
        sorted(findings.slices, key=lambda entry: (entry.column, entry.task)),
        key=lambda entry: (entry.column, entry.task),
    ):
        listed = list(entries)
        metric = metric_title(listed[0].metric)
        rows = tuple(
            (
                entry.value,
                number(entry.result.value),
                count(entry.result.n),
                count(entry.result.n_positive),
                entry.result.reason,
            )
            for entry in listed
        )
        heads = (column, metric, "rows", "positive", "why not")
        blocks.append(_without_empty(Table(f"{task} by {column}", heads, rows, texts=(4,))))
    for column, hidden in findings.hidden_slices.items():
        values = "value" if hidden == 1 else "values"
        blocks.append(
            f"{column}: {hidden} {values} not shown for some output (fewer than {least} rows, or "
            "the raw id of a person)."
        )
    if not blocks:
        blocks.append("The run was not sliced. Name columns in `metrics.slices` and train again.")
    return Section("slices", "Slices", blocks)


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
    points = [(found.predicted, found.actual) for found in curve.bins]
    rows = tuple(
        (number(found.predicted), number(found.actual), count(found.n)) for found in curve.bins
    )
    title = f"{curve.output}: predicted and actual"
    table = Table(title, ("mean prediction", "mean label", "rows"), rows)
    return Figure(curve.output, calibration_chart(points, title=title), "", table)
