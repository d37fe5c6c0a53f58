"""The command `plait data`: which public sets are known, and an experiment file for one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plait.errors import ConfigurationError

from .commands import Debug, Json
from .endings import explained
from .shown import print_json

if TYPE_CHECKING:
    from plait.data.catalog import Entry


def data(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A set; if left out, all are listed.")
    ] = None,
    *,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where its files lie: their folder, or a folder of data sets."
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where the experiment file goes."),
    ] = Path("experiment.toml"),
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the files that are there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List public data sets, tell about one, or write an experiment file for its files."""
    with explained(debug=debug):
        from plait.data import catalog

        if name is None:
            if path is not None:
                raise ConfigurationError("`--path` says where a set lies; name the set, too.")
            _list([catalog.describe(known) for known in catalog.names()], as_json=as_json)
        elif path is None:
            _tell(catalog.describe(name), as_json=as_json)
        else:
            _write(name, path, output, force=force, as_json=as_json)


def _list(entries: list[Entry], *, as_json: bool) -> None:
    if as_json:
        print_json({"sets": [_form(entry) for entry in entries]})
        return
    wide = max(len(entry.name) for entry in entries)
    for entry in entries:
        rows = "" if entry.rows is None else f"{entry.rows:,}"
        typer.echo(f"{entry.name:<{wide}}  {rows:>9}  {entry.title}")
    typer.echo(
        "\nplait data NAME tells more; plait data NAME --path DIR writes an experiment file."
    )


def _tell(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        print_json(_form(entry))
        return
    typer.echo(f"{entry.name}: {entry.title}")
    typer.echo(f"source: {entry.source}")
    typer.echo(f"terms: {entry.terms}")
    typer.echo(f"files: {', '.join(entry.files)}")
    if entry.rows is not None:
        typer.echo(f"rows: {entry.rows:,}")
    typer.echo(f"features: {', '.join(entry.schema.names)}")
    for task in entry.tasks:
        where = "" if task.space is None else f" where {task.space}"
        typer.echo(f"task {task.name}: {task.kind}, {task.label_expression}{where}")
    typer.echo(f"split: {entry.split}")
    for note in entry.notes:
        typer.echo(f"note: {note}")


def _form(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "title": entry.title,
        "source": entry.source,
        "terms": entry.terms,
        "files": entry.files,
        "rows": entry.rows,
        "features": entry.schema.names,
        "tasks": {task.name: task.kind for task in entry.tasks},
        "notes": entry.notes,
    }


def _write(name: str, path: Path, output: Path, *, force: bool, as_json: bool) -> None:
    from plait.data import catalog

    found = catalog.load(name, path)
    log = output.with_name(f"{name}.parquet")
    is_made = not isinstance(found.log, str | Path)
    for file in (output, log) if is_made else (output,):
        if file.exists() and not force:
            raise ConfigurationError(
                f"{file} exists. Replace it by --force, or name another file by --output."
            )
    found = catalog.save_log(found, log)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(catalog.to_toml(found, output.parent), encoding="utf-8")
    if as_json:
        print_json({"file": str(output), "log": str(found.log), "terms": found.terms})
        return
    if is_made:
        typer.echo(f"Wrote {log}: the log, made of the published files.")
    typer.echo(f"Wrote {output}. Terms of the data: {found.terms}.")
    typer.echo(f"Train by: plait train {output}")
