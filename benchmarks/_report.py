"""What every benchmark has in common: its arguments, its table, its JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

Fact = str | int | float | bool | None | list[float]
Row = Mapping[str, Fact]


def parser(description: str) -> argparse.ArgumentParser:
    """A command line with the arguments that all benchmarks take."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("PLAIT_DATA"),
        help="folder of data sets (default: the environment's PLAIT_DATA)",
    )
    made.add_argument("--smoke", action="store_true", help="seconds instead of minutes")
    made.add_argument("--json", type=Path, help="file for the figures")
    return made


def data_folder(arguments: argparse.Namespace) -> Path:
    """The folder of data sets; a benchmark that has none ends here and says so.

    A smoke run without data is no failure: its JSON has no rows and the reason.
    """
    if arguments.data is not None:
        return Path(arguments.data)
    reason = "no data: give `--data`, or set PLAIT_DATA to the folder of data sets"
    if not arguments.smoke:
        sys.exit(reason)
    Console(stderr=True).print(f"Skipped, {reason}.")
    _write((), arguments.json, skipped=reason)
    sys.exit(0)


def report(
    rows: Sequence[Row], arguments: argparse.Namespace, *, shown: Sequence[str] | None = None
) -> None:
    """Print the rows as a table, and write them where `--json` says.

    Args:
        rows: the figures.
        arguments: of the command line.
        shown: the columns of the table, for rows of which not all can be read at once. None: all.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if shown is not None:
        columns = [name for name in shown if name in columns]
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_shown(row.get(name)) for name in columns))
    wide = None if sys.stdout.isatty() else 240
    Console(width=wide).print(table)
    _write(rows, arguments.json)


def _shown(fact: Fact) -> str:
    if fact is None:
        return ""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, float):
        return f"{fact:,.0f}" if abs(fact) >= 1000 else f"{fact:.5g}"
    if isinstance(fact, list):
        return " ".join(_shown(value) for value in fact)
    return str(fact)


def _write(rows: Sequence[Row], path: Path | None, **more: str) -> None:
    if path is None:
        return
    form = {"rows": list(rows), "machine": _machine(), "commit": _commit(), **more}
    path.write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, str | int]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "polars", "pyarrow")},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _commit() -> str:
    """The commit of the checkout, marked where files differ from it; empty outside a checkout."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
