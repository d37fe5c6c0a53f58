"""The rows of a demonstration and the experiment file for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from plait.data import catalog
from plait.data.files import replacing
from plait.data.inference import Draft, draft, sentences
from plait.data.reading import read
from plait.data.simulation import simulate

__all__ = ["ReadyLog", "catalogued", "drafted", "simulated"]

MOST_WARNINGS = 3


@dataclass(frozen=True)
class ReadyLog:
    """A log that can be trained on.

    Attributes:
        experiment: its experiment file.
        rows: how many it has.
        told: what a person should know of the file, in one sentence.
        warnings: what looked odd, the first few.
    """

    experiment: Path
    rows: int
    told: str
    warnings: tuple[str, ...] = ()


def simulated(file: Path, *, rows: int, seed: int) -> None:
    """Write a simulated feed log."""
    frame = simulate(rows, seed=seed).frame
    with replacing(file) as part:
        frame.write_parquet(part)


def drafted(log: Path, experiment: Path) -> ReadyLog:
    """Draft the experiment file of a log that nothing is known of but its columns."""
    made = draft(log)
    _write(made.to_toml(experiment.parent), experiment)
    said = sentences(made.warnings)
    warnings = [f"warning: {sentence}" for sentence in said[:MOST_WARNINGS]]
    if len(said) > MOST_WARNINGS:
        warnings.append(f"and {len(said) - MOST_WARNINGS} more at the head of {experiment}")
    return ReadyLog(experiment, made.rows, f"Drafted {experiment}: {_told(made)}", tuple(warnings))


def catalogued(name: str, folder: Path, experiment: Path) -> ReadyLog:
    """Write the experiment file of a public set, as the catalogue knows its columns and tasks."""
    found = catalog.save_log(catalog.load(name, folder), experiment.with_name(f"{name}.parquet"))
    rows = int(read(found.log).select(pl.len()).collect().item())
    _write(catalog.to_toml(found, experiment.parent), experiment)
    tasks = ", ".join(task.name for task in found.tasks)
    told = (
        f"Wrote {experiment}: {rows:,} rows of {name}, {len(found.tasks)} tasks ({tasks}), "
        f"{len(found.schema.names)} features, as the catalogue knows them"
    )
    return ReadyLog(experiment, rows, told, (f"terms of the data: {found.terms}",))


def _write(text: str, experiment: Path) -> None:
    with replacing(experiment) as part:
        part.write(text.encode())


def _told(made: Draft) -> str:
    tasks = [guess.task.name for guess in made.tasks if guess.is_used]
    used = [guess for guess in made.features if guess.is_used]
    return (
        f"{len(tasks)} tasks ({', '.join(tasks)}), {len(used)} of {len(made.features)} columns as "
        f"features; split: {made.split.reason}"
    )
