"""The commands that study: `plait report` and `plait doctor` a run, `plait profile` a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plait.errors import ConfigurationError

from .commands import Debug, ExperimentFile, Json, PreparedLogs, Run, Set
from .endings import explained
from .files import write_json
from .shown import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from plait.studies.page.blocks import Document, Table

Cache = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of prepared logs, where the run was trained with it."),
]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="Same seed, same numbers.")]


def report(
    run: Run,
    *,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What to compare with, joined by commas: constant, item_mean, logistic, trees, "
            "single_task. The last three train models.",
        ),
    ] = "constant,item_mean",
    hide_below: Annotated[
        int,
        typer.Option(metavar="K", min=1, help="Hide values that come from fewer rows than this."),
    ] = 20,
    cache: Cache = None,
    seed: Seed = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write RUN/report.html and RUN/report.md: how good the model is, against what, and why."""
    with explained(debug=debug):
        from plait.studies import Options, write_report
        from plait.studies.baselines import check_baselines

        names = [name.strip() for name in baselines.split(",") if name.strip()]
        options = Options(baselines=check_baselines(names), least_rows=hide_below, seed=seed)
        made = write_report(run, options=options, cache=cache)
        if as_json:
            print_json(made.to_json())
        else:
            typer.echo(f"Wrote {made.html} and {made.markdown}.")


def doctor(
    run: Run,
    rows: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="Later rows to compare with; if left out, those the run was judged on.",
        ),
    ] = None,
    *,
    cache: Cache = None,
    seed: Seed = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Look for what ails a model, and say the first three things to try."""
    with explained(debug=debug):
        from plait.studies.doctor import examination_document, examination_json, examine

        found = examine(run, rows, cache=cache, seed=seed)
        if as_json:
            print_json(examination_json(found))
        else:
            print_document(examination_document(found))


def profile(
    experiment: ExperimentFile,
    *,
    settings: Set = None,
    cache: PreparedLogs = None,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="S", help="Seconds of training that are measured; 200 steps are enough."
        ),
    ] = 10.0,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all numbers to this file, too."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the file that is there.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Measure where the time of an experiment goes, and say what to do about it. Makes no run."""
    with explained(debug=debug):
        if json_file is not None:
            _check_json(json_file, force=force)
        from plait.experiment import Experiment
        from plait.studies.profile import profile_document, profile_experiment, profile_json

        read = Experiment.read(experiment, settings or ())
        typer.echo("Reading and preparing the log, then training for a moment …", err=True)
        found = profile_experiment(read, cache=cache, seconds=seconds)
        if json_file is not None:
            write_json(json_file, {"experiment": str(experiment), **profile_json(found)})
        print_document(profile_document(found, name=str(experiment)))


def _check_json(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder. Name a file by --json.")
    if path.exists() and not force:
        raise ConfigurationError(
            f"{path} exists. Replace it by --force, or name another file by --json."
        )


def print_document(document: Document) -> None:
    """Write a page on the standard output."""
    from rich.console import Console
    from rich.text import Text

    from plait.studies.page.blocks import Notice
    from plait.studies.page.blocks import Table as TableBlock

    console = Console(highlight=False)
    for section in document.sections:
        console.print()
        console.print(Text(section.title, style="bold"))
        for block in section.blocks:
            if isinstance(block, TableBlock):
                _print_table(console, block)
            elif isinstance(block, Notice):
                console.print(Text(f"{block.text} {block.command}".rstrip()))
            elif isinstance(block, str):
                console.print(Text(block))


def _print_table(console: Console, block: Table) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(block.columns):
        is_text = place == 0 or place in block.texts
        table.add_column(Text(name), justify="left" if is_text else "right", overflow="fold")
    for row in block.rows:
        table.add_row(*map(Text, row))
    console.print(Text(block.caption, style="dim"))
    console.print(table)
