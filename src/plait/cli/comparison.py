"""What a demonstration found, on a terminal: a table of tasks and models, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plait.studies.demo import Demo, DemoRow
from plait.studies.page.numbers import number
from plait.studies.report.wording import PARTS_IN_WORDS, metric_title

WIDE = 100
"""From this many letters a line on, the table has all its columns and heads of one line."""

_MODELS = {
    "constant": ("constant", "con-\nstant"),
    "item_mean": ("item mean", "item\nmean"),
    "logistic": ("linear model", "linear\nmodel"),
    "single_task": ("single-task", "single\ntask"),
    "multi_task": ("multi-task", "multi\ntask"),
}
"""Heads of the table: wide, and narrow."""


def print_demo(made: Demo, console: Console) -> None:
    """The table, the verdict, the files and the next commands."""

    def say(text: str = "", style: str = "") -> None:
        console.print(Text(text, style=style))

    say()
    console.print(_table(made, is_wide=console.width >= WIDE))
    say(_legend(made), "dim")
    say()
    for sentence in made.verdict:
        say(sentence)
    say()
    say(f"Files, after {made.seconds:.0f} s:")
    _print_pairs({str(path): what for path, what in made.files.items()}, console)
    say()
    say("Try now:")
    _print_pairs(made.next_commands, console)


def _table(made: Demo, *, is_wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("task", overflow="fold", vertical="bottom")
    table.add_column("metric", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("positive", justify="right", no_wrap=True)
    for wide, narrow in _MODELS.values():
        table.add_column(wide if is_wide else narrow, justify="right", no_wrap=True)
    for row in made.table:
        counts = [row.n, row.n_positive] if is_wide else [row.n]
        table.add_row(
            Text(row.task),
            metric_title(row.metric) + ("" if row.higher_is_better else " ↓"),
            *("" if counted is None else f"{counted:,}" for counted in counts),
            *(_cell(row, model) for model in _MODELS),
        )
    return table


def _cell(row: DemoRow, model: str) -> str:
    estimate = row.estimates.get(model)
    return "–" if estimate is None or math.isnan(estimate.value) else number(estimate.value)


def _legend(made: Demo) -> str:
    told = f"On the {PARTS_IN_WORDS[made.judged_on]} rows."
    if any(not row.higher_is_better for row in made.table):
        told += " ↓: lower is better."
    if any(_cell(row, model) == "–" for row in made.table for model in _MODELS):
        told += " –: not trained, or no number."
    return told


def _print_pairs(pairs: Mapping[str, str], console: Console) -> None:
    """A name and what it is on one line; below each other where the line is too short for that."""
    wide = max(map(len, pairs))
    fits = 4 + wide + max(map(len, pairs.values())) <= console.width
    for name, what in pairs.items():
        if fits:
            console.print(Text(f"  {name:<{wide}}  {what}"), soft_wrap=True)
        else:
            console.print(Text(f"  {what}:\n    {name}"), soft_wrap=True)
