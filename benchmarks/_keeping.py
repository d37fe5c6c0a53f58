"""What a benchmark has done so far, kept in its file of figures, so that a next call goes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from _report import Fact, Row

RUN = "run"
"""What a row says that is no summary of others."""


def kept_runs(path: Path | None, asked: Mapping[str, Fact]) -> list[Row]:
    """The runs that an earlier call left in the file; none where there is no file.

    Runs that were made with other settings than asked for are another measurement: the program
    ends here and says so.
    """
    if path is None or not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    runs = [row for row in rows if row["what"] == RUN]
    for name, wanted in asked.items():
        others = {run.get(name) for run in runs} - {wanted}
        if others:
            sys.exit(f"{path} holds runs with {name} {others.pop()}, not {wanted}; name another.")
    return runs


def keep_runs(rows: Collection[Row], path: Path | None) -> None:
    """Write the runs whole or not at all: a call that is killed here loses none."""
    if path is None:
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"rows": list(rows)}), encoding="utf-8")
    part.replace(path)


def within(minutes: float | None) -> Callable[[], bool]:
    """Tells whether another run may begin: so many minutes from now; None: whenever."""
    began = time.monotonic()
    return lambda: minutes is None or time.monotonic() - began < 60 * minutes
