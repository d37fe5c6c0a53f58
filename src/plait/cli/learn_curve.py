"""The command `plait learn-curve`: which way to learn would help with fewer or wrong labels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from plait.errors import ConfigurationError

from .commands import Debug, ExperimentFile, Json, PreparedLogs, Set
from .endings import explained
from .files import default_run
from .shown import print_json

if TYPE_CHECKING:
    from plait.experiment import Experiment
    from plait.studies.learn_curve import CurveSettings, LearnCurve
    from plait.studies.learn_curve.families import Family
    from plait.studies.learn_curve.settings import Part


def learn_curve(
    experiment: ExperimentFile,
    *,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The task whose labels are hidden; all tasks if left out."
        ),
    ] = None,
    shares: Annotated[
        str, typer.Option(metavar="S,S,…", help="Shares of the labels that are left.")
    ] = "0.01,0.05,0.1,0.25,1",
    flips: Annotated[
        str,
        typer.Option(
            metavar="S,S,…", help="Shares of the binary labels left that are turned round."
        ),
    ] = "0,0.2",
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Ways to learn, beside supervised: joint, soft_labels, hybrid, "
            "hybrid_soft_labels.",
        ),
    ] = "joint,soft_labels,hybrid,hybrid_soft_labels",
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Repetitions; with fewer than 3 no verdict.")
    ] = 3,
    on: Annotated[str, typer.Option(metavar="PART", help="Rows that judge: valid or test.")] = (
        "valid"
    ),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the study; what is finished in it is kept. If left out, runs/ and the "
            "name of the file or its folder, with -learn-curve.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Begin anew where the folder holds a study.")
    ] = False,
    settings: Set = None,
    cache: PreparedLogs = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Hide labels of your log, learn in five ways from the rest, and say which would help."""
    folder = _default(experiment) if out is None else out
    go_on = _go_on(
        experiment,
        {
            "--task": task,
            "--shares": shares,
            "--flips": flips,
            "--methods": methods,
            "--seeds": str(seeds),
            "--on": on,
            "--out": str(folder),
            "--cache": None if cache is None else str(cache),
        },
        settings or (),
    )
    with explained(debug=debug, go_on=go_on):
        from plait.experiment import Experiment
        from plait.studies.learn_curve import CurveSettings, forget_learn_curve

        asked = CurveSettings(
            task=task,
            shares=_numbers(shares, "--shares"),
            flips=_numbers(flips, "--flips"),
            families=tuple(cast("Family", name) for name in _words(methods)),  # checked there
            seeds=seeds,
            on=cast("Part", on),  # checked there
        )
        read = Experiment.read(experiment, settings or ())
        if force:
            forget_learn_curve(folder)
        made = _run(read, folder, asked, cache=cache, quiet=quiet)
        if as_json:
            print_json(made.to_json())
            return
        for sentence in made.verdict:
            typer.echo(sentence)
        typer.echo(f"\nThe study lies in {made.folder}; open {made.html}.")


def _run(
    read: Experiment, folder: Path, asked: CurveSettings, *, cache: Path | None, quiet: bool
) -> LearnCurve:
    from rich.console import Console

    from plait.studies.learn_curve import learn_curve as study

    from .watching import StepLines

    if quiet:
        return study(read, folder, settings=asked, cache=cache)
    lines = StepLines(Console(stderr=True, highlight=False))
    try:
        return study(read, folder, settings=asked, cache=cache, watcher=lines)
    finally:
        lines.rest()


def _default(experiment: Path) -> Path:
    """Where a study goes that was given no place.

    Example:
        >>> _default(Path("census/experiment.toml")).as_posix()
        'runs/census-learn-curve'
    """
    run = default_run(experiment)
    return run.with_name(f"{run.name}-learn-curve")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError as error:
        raise ConfigurationError(
            f"`{option}` takes numbers joined by commas, such as 0.1,1; got {text!r}."
        ) from error


def _go_on(experiment: Path, options: dict[str, str | None], settings: Sequence[str]) -> str:
    """The command that takes up a study where it was stopped."""
    words = ["plait", "learn-curve", str(experiment)]
    for name, value in options.items():
        if value is not None:
            words += [name, value]
    for setting in settings:
        words += ["--set", setting]
    return shlex.join(words)
