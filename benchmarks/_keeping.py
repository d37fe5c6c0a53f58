"""What a benchmark has done so far, kept in its file of figures, so that a next call goes on."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from _report import Row

RUN = "run"
"""What a row says that is no summary of others."""


def kept_runs(path: Path | None) -> list[Row]:
    """The runs that an earlier call left in the file; none where there is no file."""
    if path is None or not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [row for row in rows if row["what"] == RUN]


def keep_runs(rows: Collection[Row], path: Path | None) -> None:
    """Write the runs whole or not at all: a call that is killed here loses none."""
    if path is None:
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"rows": list(rows)}), encoding="utf-8")
    part.replace(path)
