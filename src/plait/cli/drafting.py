"""The command `plait init`: a stranger's file becomes an experiment file to start from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plait.errors import ConfigurationError

from .commands import Debug, Json
from .endings import explained
from .shown import print_json

if TYPE_CHECKING:
    from plait.data.inference import Draft


def init(
    log: Annotated[
        str, typer.Argument(metavar="FILE", help="The log: a file, a folder or a glob.")
    ],
    *,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="NAME=FILE",
            help="A side table of users, items and the like. Repeatable.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="COLUMN",
            help="A column to predict, where its name does not tell. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where the experiment file goes."),
    ] = Path("experiment.toml"),
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the file that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draft an experiment file from a log: features, joins, tasks, split, and what looks odd."""
    with explained(debug=debug):
        sources = _named(tables or ())
        _check(output, force=force)
        from plait.data.inference import draft

        made = draft(log, sources, labels=labels or ())
        _write(made, output)
        if as_json:
            print_json({"file": str(output), **made.to_json()})
        else:
            _print(made, output)


def _check(output: Path, *, force: bool) -> None:
    if output.suffix != ".toml":
        raise ConfigurationError(
            f"`--output {output}` is no experiment file: its name has to end in .toml."
        )
    if output.exists() and not force:
        raise ConfigurationError(
            f"{output} exists. Replace it by --force, or name another file by --output."
        )


def _named(tables: Iterable[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for written in tables:
        name, sign, file = written.partition("=")
        if not (name and sign and file):
            raise ConfigurationError(
                f"`--table {written}` is not NAME=FILE, as in `--table items=items.parquet`."
            )
        if name in named:
            raise ConfigurationError(f"`--table` names {name!r} twice. Give each table its name.")
        named[name] = file
    return named


def _write(made: Draft, output: Path) -> None:
    """Write the file; what `plait train` would refuse never takes its place."""
    from plait.data.files import replacing
    from plait.experiment import Experiment

    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as file:
        file.write(made.to_toml(output.parent).encode())
        file.flush()
        Experiment.read(file.name)


def _print(made: Draft, output: Path) -> None:
    from plait.data.inference import sentences

    used = [guess for guess in made.features if guess.is_used]
    typer.echo(f"{made.rows:,} rows; {len(used)} of {len(made.features)} columns are features.")
    for role in made.roles:
        typer.echo(f"{role.role}: {role.column}")
    for table in made.tables:
        typer.echo(f"table {table.table.name}: {table.reason}")
    for guess in made.tasks:
        told = f"{guess.observed:,} rows"
        if guess.positives is not None and guess.observed:
            told = f"{guess.positives / guess.observed:.2%} of {told}"
        left = "" if guess.is_used else ", left out"
        typer.echo(f"task {guess.task.name}: {guess.task.kind}, {told}{left}")
    typer.echo(f"split: {made.split.reason}")
    for sentence in sentences(made.warnings):
        typer.echo(f"warning: {sentence}", err=True)
    typer.echo(f"\nWrote {output}. Read it, correct it, then: plait train {output}")
