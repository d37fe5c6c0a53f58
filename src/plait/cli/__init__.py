"""The command `plait`. It parses, calls and prints; what it calls does the work.

Importing this loads neither torch nor polars, so that `plait --help` answers at once.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from .balancing import balancers
from .catalog import data
from .commands import evaluate, predict, schema, simulate, train
from .demo import demo
from .drafting import init
from .learn_curve import learn_curve
from .models import models
from .retrieval import embed, retrieve, towers
from .studies import doctor, profile, report

__all__ = ["app", "main"]

app = typer.Typer(
    name="plait",
    help="Multi-task learning for recommender systems: one model, many kinds of feedback.",
    epilog="Exit status: 0 fine; 1 training failed; 2 a mistake in the command, a file or a "
    "setting; 130 and 143 stopped by Ctrl-C or SIGTERM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    init,
    train,
    evaluate,
    predict,
    towers,
    retrieve,
    embed,
    report,
    doctor,
    profile,
    learn_curve,
    simulate,
    data,
    models,
    balancers,
    schema,
):
    app.command()(command)


def main() -> None:
    """Run the command with the arguments of the process."""
    app(prog_name="plait")


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"plait {version('plait')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            help="Show the version and exit.",
            is_eager=True,
            callback=lambda asked: _show_version(asked=asked),
        ),
    ] = False,
) -> None:
    pass
