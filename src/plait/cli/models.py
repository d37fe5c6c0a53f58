"""The command `plait models`: what a model can be made of, and the price of each part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plait.errors import ConfigurationError

from .commands import Debug, Json, PreparedLogs, Set
from .endings import explained
from .shown import print_json
from .studies import print_document


def models(
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPERIMENT]",
            help="An experiment file: what each part costs on its features and tasks.",
        ),
    ] = None,
    *,
    settings: Set = None,
    cache: PreparedLogs = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List structures, gates, links, interactions and encoders: paper, needs, when, and cost."""
    with explained(debug=debug):
        from plait.studies.catalogue import catalogue_document, catalogue_json, costs_for

        costs = None
        if experiment is not None:
            from plait.experiment import Experiment

            read = Experiment.read(experiment, settings or ())
            typer.echo("Reading and preparing the log …", err=True)
            costs = costs_for(read, cache=cache)
        elif settings or cache:
            raise ConfigurationError("`--set` and `--cache` go with an experiment file; name it.")
        if as_json:
            print_json(catalogue_json(costs))
        else:
            print_document(catalogue_document(costs))
