"""The files of a demonstration, and the commands that go on from them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from plait.studies.baselines import BASELINES

__all__ = [
    "EXPERIMENT",
    "LOG",
    "METRICS",
    "REPORT",
    "RUN",
    "files_in",
    "next_commands",
    "report_command",
    "train_command",
    "way_on",
]

LOG, EXPERIMENT, RUN = "log.parquet", "experiment.toml", "run"
REPORT, METRICS = "report.html", "metrics.json"

_WHAT = {
    REPORT: "the report: open it in a browser",
    METRICS: "the table with its intervals",
    EXPERIMENT: "the experiment file, to read and to change",
    LOG: "the log",
    RUN: "the trained model, and all that training left",
}


def files_in(folder: Path) -> dict[Path, str]:
    """The files of a demonstration that are there and what they are, the most read first."""
    return {folder / name: what for name, what in _WHAT.items() if (folder / name).exists()}


def train_command(folder: Path, overrides: Sequence[str]) -> str:
    """The command that trains as the demonstration does."""
    words = ["plait", "train", str(folder / EXPERIMENT), "--out", str(folder / RUN)]
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def report_command(folder: Path) -> str:
    """The command that compares the run with everything there is."""
    return shlex.join(["plait", "report", str(folder / RUN), "--baselines", ",".join(BASELINES)])


def next_commands(folder: Path) -> dict[str, str]:
    """What to try after a demonstration, and what each command does."""
    run, experiment = str(folder / RUN), str(folder / EXPERIMENT)
    return {
        report_command(folder): "every task alone, and boosted trees",
        shlex.join(["plait", "doctor", run]): "what ails the model",
        shlex.join(["plait", "train", experiment]): "the file as it is written, to the end",
        "plait init YOUR_LOG.parquet": "a draft for a log of yours",
    }


def way_on(folder: Path) -> list[str]:
    """What a demonstration that was stopped has left, and how to go on from there."""
    there = ", ".join(map(str, files_in(folder))) or "nothing"
    run = folder / RUN
    if (run / METRICS).exists():
        on = f"The model is trained; to compare it: {report_command(folder)}"
    elif (run / "training" / "checkpoint").exists():
        on = "To go on, repeat the command of the training above with --resume"
    else:
        on = f"To begin again: {shlex.join(['plait', 'demo', '--out', str(folder), '--force'])}"
    return [f"Stopped. What is there: {there}.", f"{on}."]
