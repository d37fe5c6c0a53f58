"""The commands, each a call or two. Heavy imports stand inside them, so that help is quick."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plait.errors import ConfigurationError, DataError

from .arguments import read_preference
from .endings import explained
from .files import check_output, claim_run, default_run
from .shown import print_evaluation, print_json

Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON document on the standard output.")
]
Debug = Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Rows = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Rows as they stand in the log: a file, folder or glob."),
]

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="The experiment file (TOML).")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting for this run, as in `--set training.epochs=3`. Repeatable.",
    ),
]
PreparedLogs = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of prepared logs that runs share."),
]

BestOf = Annotated[
    str | None,
    typer.Option(metavar="TASK", help="Use the state in which this task was best."),
]


class Precision(StrEnum):
    """In which matrices are multiplied."""

    FP32 = "fp32"
    BF16 = "bf16"


Multiplied = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="In which matrices are multiplied; bf16 is fast where a processor has units for it.",
    ),
]


class Engine(StrEnum):
    """What runs the layers."""

    TORCH = "torch"
    COMPILED = "compiled"


RunBy = Annotated[
    Engine,
    typer.Option(
        "--engine", help="What runs the layers; compiled is faster, and needs 'plait[fast]'."
    ),
]
Preference = Annotated[
    str | None,
    typer.Option(
        metavar="TASK=WORTH,...",
        help="What each task is worth, for a model trained with `Rays`: click=0.7,like=0.3.",
    ),
]


def train(
    experiment: ExperimentFile,
    *,
    settings: Set = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of the run; if left out, runs/ and the name of the file or its folder.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on with a run that was stopped.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Remove the run that is in the folder.")
    ] = False,
    init_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Start from the weights of a finished run."),
    ] = None,
    cache: PreparedLogs = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a model as an experiment file says, judge it and save it."""
    folder = default_run(experiment) if out is None else out
    overrides = settings or []
    go_on = resume_command(experiment, overrides, folder, init_from=init_from, cache=cache)
    with explained(debug=debug, go_on=go_on):
        from plait.experiment import Experiment
        from plait.experiment import train as train_run
        from plait.training.progress import RichProgress

        read = Experiment.read(experiment, overrides)
        claim_run(folder, resume=resume, force=force)
        with RichProgress() as progress:
            run = train_run(
                **read.arguments(),
                out=folder,
                cache=cache,
                init_from=init_from,
                resume=resume,
                callbacks=() if quiet else (progress,),
            )
        if as_json:
            document = {
                "run": str(run.folder),
                "judged_on": run.judged_on,
                "metrics": run.evaluation.to_json(),
                "slices": run.evaluation.slices_to_json(),
                "facts": run.facts,
                "stopped": run.history.stopped,
            }
            print_json(document)
            return
        for fact in run.facts:
            typer.echo(fact)
        print_evaluation(run.evaluation)
        typer.echo(f"\nJudged on the {run.judged_on} rows. The run lies in {run.folder}.")


def evaluate(
    run: Run,
    rows: Rows,
    *,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column for grouped metrics; the user if left out."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="COLUMN", help="Judge each value of a column. Repeatable."),
    ] = None,
    preference: Preference = None,
    best_of: BestOf = None,
    precision: Multiplied = Precision.FP32,
    engine: RunBy = Engine.TORCH,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge a trained model on labelled rows."""
    with explained(debug=debug):
        from plait.serving import load

        model = load(run, best_of=best_of, precision=precision.value, engine=engine.value)
        evaluation = model.evaluate(
            rows, group_by=group_by, slices=slices or (), preference=read_preference(preference)
        )
        if as_json:
            document = {
                "run": str(run),
                "rows": rows,
                "metrics": evaluation.to_json(),
                "slices": evaluation.slices_to_json(),
            }
            print_json(document)
        else:
            print_evaluation(evaluation)


def predict(
    run: Run,
    rows: Rows,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where predictions go: .parquet, .csv or .arrow.",
        ),
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Raw column to hand through. Repeatable."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Put before the names of predictions.")
    ] = "",
    preference: Preference = None,
    best_of: BestOf = None,
    precision: Multiplied = Precision.FP32,
    engine: RunBy = Engine.TORCH,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the file that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict every task for rows as they stand in the log; labels are not needed."""
    with explained(debug=debug):
        check_output(output, source=rows, force=force)
        from rich.console import Console

        from plait.serving import load

        from .watching import rows_done

        predictor = load(run, best_of=best_of, precision=precision.value, engine=engine.value)
        with rows_done(Console(stderr=True)) as on_rows:
            written = predictor.predict_file(
                rows,
                output,
                keep=keep or (),
                prefix=prefix,
                preference=read_preference(preference),
                on_rows=on_rows,
            )
        columns = [*(keep or ()), *(f"{prefix}{column}" for column in predictor.columns)]
        if as_json:
            print_json({"file": str(output), "rows": written, "columns": columns})
        else:
            typer.echo(f"Wrote {written:,} rows to {output}: {', '.join(columns)}.")


def simulate(
    *,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Shown items.")] = 200_000,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Where the log goes: .parquet or .arrow."),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the true chances go, row by row."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Same seed, same log.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the files that are there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a feed log whose truth is known: clicks, likes, purchases, watch time, a survey."""
    with explained(debug=debug):
        from plait.data.frame_files import append_frames
        from plait.data.simulation import simulate as make

        files = {"log": out} if truth is None else {"log": out, "truth": truth}
        if out == truth:
            raise ConfigurationError(f"`--out` and `--truth` both name {out}. Name two files.")
        if out.suffix == ".csv":
            raise DataError(f"{out}: CSV cannot hold the lists in history. Write .parquet.")
        for path in files.values():
            check_output(path, force=force)
        made = make(rows, seed=seed)
        frames = {"log": made.frame, "truth": made.truth}
        for name, path in files.items():
            with append_frames(path) as append:
                append(frames[name])
        if as_json:
            written = {name: str(path) for name, path in files.items()}
            print_json({**written, "rows": rows, "columns": made.frame.columns})
            return
        for name, path in files.items():
            typer.echo(f"Wrote {rows:,} rows to {path}: {', '.join(frames[name].columns)}.")


def schema(*, debug: Debug = False) -> None:
    """Print the JSON Schema of experiment files, for editors that check while you type."""
    with explained(debug=debug):
        from plait.experiment.spec import json_schema

        print_json(json_schema())


def resume_command(
    experiment: Path,
    overrides: Sequence[str],
    folder: Path,
    *,
    init_from: Path | None = None,
    cache: Path | None,
    command: str = "train",
) -> str:
    """What goes on with a run that was stopped."""
    words = ["plait", command, str(experiment), "--out", str(folder)]
    for override in overrides:
        words += ["--set", override]
    for option, value in (("--init-from", init_from), ("--cache", cache)):
        if value is not None:
            words += [option, str(value)]
    return shlex.join([*words, "--resume"])
