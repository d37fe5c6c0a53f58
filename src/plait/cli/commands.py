"""The commands, each a call or two. Heavy imports stand inside them, so that help is quick."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .endings import explained
from .files import check_output, claim_run, write_frame
from .shown import print_evaluation, print_json

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on the standard output.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Rows = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Rows as they stand in the log: a file, folder or glob."),
]


def train(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="The experiment file (TOML).")
    ],
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting for this run, as in `--set training.epochs=3`. Repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Folder of the run.", show_default="runs/EXPERIMENT"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove the run that is in the folder.")
    ] = False,
    init_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Start from the weights of a finished run."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of prepared logs that runs share."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a model as an experiment file says, judge it and save it."""
    folder = Path("runs") / experiment.stem if out is None else out
    overrides = settings or []
    go_on = _resume_command(experiment, overrides, folder, init_from=init_from, cache=cache)
    with explained(debug=debug, go_on=go_on):
        from contextlib import ExitStack

        from plait.experiment import Experiment
        from plait.experiment import train as train_run
        from plait.training.progress import RichProgress

        read = Experiment.read(experiment, overrides)
        claim_run(folder, resume=resume, force=force)
        with ExitStack() as stack:
            run = train_run(
                **read.arguments(),
                out=folder,
                cache=cache,
                init_from=init_from,
                resume=resume,
                callbacks=() if quiet else (stack.enter_context(RichProgress()),),
            )
        if as_json:
            print_json(
                {
                    "run": str(run.folder),
                    "judged_on": run.judged_on,
                    "metrics": run.evaluation.to_json(),
                    "slices": run.evaluation.slices_to_json(),
                    "facts": list(run.facts),
                    "stopped": run.history.stopped,
                }
            )
            return
        for fact in run.facts:
            typer.echo(fact)
        print_evaluation(run.evaluation)
        typer.echo(f"\nMetrics are those of the {run.judged_on} rows. The run lies in {run.folder}.")
