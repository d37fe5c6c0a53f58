"""Results for people (tables) and for programs (one JSON document)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from plait.metrics import Value
    from plait.training import Evaluation, SliceResult


NARROW = 60
"""Below this many letters a line, tables leave out positives and groups."""


def print_json(document: Mapping[str, object]) -> None:
    """Write one JSON document on the standard output. What is no number is null."""
    typer.echo(json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False))


def print_evaluation(evaluation: Evaluation) -> None:
    """Write a table for each output: its metrics, and below them its slices."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for task, values in evaluation.tasks.items():
        console.print()
        console.print(Text(task, style="bold"))
        slices = [s for s in evaluation.slices if s.task == task and s.result.n]
        console.print(_table(values, slices, is_narrow=console.width < NARROW))
        for sentence in _unknown(values, slices):
            console.print(Text(f" {sentence}", style="dim"))


def number(value: float) -> str:
    """A metric's value with four or five digits that mean something.

    Example:
        >>> number(0.73125), number(12.34567), number(345678.9), number(0.00012345)
        ('0.7312', '12.346', '345,679', '0.0001234')
    """
    size = abs(value)
    if 1e4 <= size < 1e9:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.5g}"
    return f"{value:.4f}" if size >= 1e-2 or size == 0 else f"{value:.4g}"


def _table(values: Mapping[str, Value], slices: Sequence[SliceResult], *, is_narrow: bool) -> Table:
    from rich import box
    from rich.table import Table

    every = [*values.values(), *(entry.result for entry in slices)]
    counts = {"rows": "n"}
    if not is_narrow:
        counts |= {"positives": "n_positive", "groups": "n_groups"}
    counts = {k: v for k, v in counts.items() if any(getattr(e, v) is not None for e in every)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("metric", overflow="fold", min_width=10)
    for column in ("value", *counts):
        table.add_column(column, justify="right", no_wrap=True)

    def add(name: str, value: Value, *, ends: bool = False) -> None:
        cells = [_count(getattr(value, field)) for field in counts.values()]
        shown = number(value.value) if value.is_known else "–"
        table.add_row(name, shown, *cells, end_section=ends)

    for position, (name, value) in enumerate(values.items(), start=1):
        add(name, value, ends=position == len(values))
    for (column, metric), entries in groupby(
        slices, key=lambda entry: (entry.column, entry.metric)
    ):
        table.add_row(f"{metric} by {column}", style="bold")
        for entry in entries:
            add(f"  {entry.value}", entry.result)
    return table


def _unknown(values: Mapping[str, Value], slices: Sequence[SliceResult]) -> Iterator[str]:
    """Why a number is not there; of a slice without rows, the table says so itself."""
    named = [*values.items()]
    named += [
        (f"{entry.metric} where {entry.column} is {entry.value}", entry.result)
        for entry in slices
        if entry.result.n
    ]
    for name, value in named:
        if not value.is_known:
            yield f"{name} is not computable: {value.reason}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
