"""The commands `plait towers`, `plait retrieve` and `plait embed`: candidates for users."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .commands import Debug, ExperimentFile, Json, PreparedLogs, Run, Set, resume_command
from .endings import explained
from .files import check_output, claim_run, default_run
from .shown import print_json

if TYPE_CHECKING:
    from plait.retrieval import Epoch, Recall

Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", help="Where rows go: .parquet, .csv or .arrow."),
]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace the file that is there.")]


class Side(StrEnum):
    """Whose vectors are asked for."""

    user = "user"
    item = "item"


def towers(
    experiment: ExperimentFile,
    *,
    settings: Set = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of the run; if left out, runs/, the name of the file or its folder, and "
            "-towers.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on with a run that was stopped.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Remove the run that is in the folder.")
    ] = False,
    cache: PreparedLogs = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train two towers that find candidates: the same file, with a table [retrieval]."""
    plain = default_run(experiment)
    folder = plain.with_name(f"{plain.name}-towers") if out is None else out
    overrides = settings or []
    go_on = resume_command(experiment, overrides, folder, cache=cache, command="towers")
    with explained(debug=debug, go_on=go_on):
        from plait.experiment import Experiment, train_towers

        read = Experiment.read(experiment, overrides)
        claim_run(folder, resume=resume, force=force)
        run = train_towers(
            **read.towers_arguments(),
            out=folder,
            cache=cache,
            resume=resume,
            told=None if quiet else _tell,
        )
        if as_json:
            recalls = {part: found.to_json() for part, found in run.recalls.items()}
            print_json({"run": str(folder), "recall": recalls, "facts": run.facts})
            return
        for fact in run.facts:
            typer.echo(fact)
        for part, found in run.recalls.items():
            typer.echo(_judged(part, found))
        typer.echo(f"The run lies in {folder}.")


def retrieve(
    run: Run,
    users: Annotated[
        str, typer.Argument(metavar="USERS", help="One row for each user: a file, folder or glob.")
    ],
    *,
    output: Output,
    k: Annotated[int, typer.Option("-k", metavar="N", help="Candidates for each user.")] = 100,
    seen: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rows of user and item that nobody is given again."),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The items that may be given; if left out, those of training."
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", metavar="", help="Compare with every item, by no index.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the items that users may be shown, by towers that `plait towers` trained."""
    with explained(debug=debug):
        check_output(output, source=users, force=force)
        from plait.data.frame_files import append_frames
        from plait.retrieval import load

        found = load(run).retrieve(users, k=k, seen=seen, items=items, exact=exact)
        with append_frames(output) as append:
            append(found.frame)
        facts = found.facts
        if as_json:
            print_json({"file": str(output), "rows": found.frame.height, **facts})
            return
        typer.echo(
            f"Wrote {found.frame.height:,} candidates for {facts['users']:,} users to {output}, "
            f"out of {facts['items']:,} items."
        )
        if facts["unknown_users"]:
            typer.echo(
                f"{facts['unknown_users']:,} users are unknown from training; what else is known "
                "of them was read."
            )
        if facts["short_users"]:
            typer.echo(f"{facts['short_users']:,} users got fewer than {k:,}.")
        if facts["index_recall"] is not None:
            typer.echo(f"The index found {facts['index_recall']:.1%} of what an exact search does.")


def embed(
    run: Run,
    rows: Annotated[
        str, typer.Argument(metavar="FILE", help="Rows of users or items: a file, folder or glob.")
    ],
    *,
    side: Annotated[Side, typer.Option(help="Whose vectors.")],
    output: Output,
    force: Force = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the vectors of users or items, row by row, for an index or a model of your own."""
    with explained(debug=debug):
        check_output(output, source=rows, force=force)
        from plait.data.frame_files import append_frames
        from plait.retrieval import load

        frame = load(run).embed(rows, side=side.value)
        with append_frames(output) as append:
            append(frame)
        if as_json:
            print_json({"file": str(output), "rows": frame.height, "columns": frame.columns})
        else:
            typer.echo(f"Wrote {frame.height:,} rows to {output}: {', '.join(frame.columns)}.")


def _tell(epoch: Epoch) -> None:
    typer.echo(
        f"epoch {epoch.number}: loss {epoch.loss:.4f}, recall {epoch.recall:.4f}, "
        f"{epoch.seconds:.0f} s",
        err=True,
    )


def _judged(part: str, found: Recall) -> str:
    return (
        f"{part}: recall {found.value:.4f} over {found.users:,} users ({found.known:.4f} over the "
        f"{found.known_users:,} with a training row); the most liked items for everybody: "
        f"{found.popularity:.4f}."
    )
