"""The command `plait demo`: from rows to a draft, a model and a report, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plait.errors import ConfigurationError

from .commands import Debug, Json
from .endings import explained
from .files import claim_run
from .shown import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from plait.studies.demo import Demo, DemoOptions


def demo(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path(
        "plait-demo"
    ),
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A public set (`plait data`) instead of made rows."),
    ] = None,
    path: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the files of that set lie.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Rows to make; 200,000 if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Same seed, same numbers.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the run. Repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the demo that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a log, draft, train and compare on it, and write a report: about a minute."""
    with explained(debug=debug):
        from rich.console import Console

        from plait.studies.demo import DemoOptions

        from .comparison import print_demo

        options = DemoOptions(
            rows=rows, seed=seed, dataset=dataset, path=path, settings=tuple(settings or ())
        )
        _claim(out, force=force)
        console = Console(stderr=as_json, highlight=False)
        made = _run(out, options, console)
        if as_json:
            print_json(made.to_json())
        else:
            print_demo(made, console)


def _claim(folder: Path, *, force: bool) -> None:
    """See that a demo may be written to a folder; with `force`, remove the one that is there."""
    from plait.studies.demo import files_in

    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file. Name a folder by --out.")
    there = list(files_in(folder))
    if there and not force:
        raise ConfigurationError(
            f"{folder} holds {', '.join(path.name for path in there)}. Replace them by --force, "
            "or write elsewhere by --out."
        )
    for path in there:
        if path.is_dir():
            claim_run(path, resume=False, force=True)
        else:
            path.unlink()


def _run(out: Path, options: DemoOptions, console: Console) -> Demo:
    from plait.studies.demo import run_demo
    from plait.training.progress import RichProgress

    from .watching import AfterTraining, BeforeTraining, StepLines

    lines = StepLines(console)
    try:
        with RichProgress(console) as progress:
            callbacks = (BeforeTraining(lines), progress, AfterTraining(lines))
            return run_demo(out, options, watcher=lines, callbacks=callbacks)
    finally:
        lines.rest()
