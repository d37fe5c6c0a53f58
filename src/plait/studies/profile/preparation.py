"""From the files to prepared rows, as a run does it, with the time of each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from plait.data import preparing
from plait.data.log import Log
from plait.data.preparing import PreparedLog
from plait.data.preprocessing import Preprocessor
from plait.data.reading import contents
from plait.data.splits import Split

from .clock import Clock

__all__ = ["PARTS", "Preparation", "prepare_timed"]

PARTS = {
    "compare": "has a file changed? (its hash)",
    "read": "read and join",
    "history": "history of users and items",
    "fit": "fit vocabularies and scales",
    "write": "write the prepared log",
    "other": "split, checks, the rest",
}
"""The parts of preparing a log, in order, each in a few words."""

_OF_PREPARING = {
    "fingerprint": "compare",
    "stage": "read",
    "add_history": "history",
    "write_history": "history",
    "write_part": "write",
}
_OF_LOG = {"rows": "read", "join_notes": "read"}
_OF_PREPROCESSOR = {"partial_fit": "fit", "finish": "fit", "save": "write"}
"""Which function belongs to which part."""

_TEXT = (".csv", ".tsv", ".gz")


@dataclass(frozen=True)
class Preparation:
    """How a log was made ready.

    Attributes:
        parts: seconds by part (`PARTS`).
        rows: rows of the log that are in a part of the split.
        from_cache: the prepared log was there already, and only opened.
        text_files: whether the log, or a part of it, is text (CSV), which is slow to read.
    """

    parts: Mapping[str, float]
    rows: int
    from_cache: bool
    text_files: bool

    @property
    def seconds(self) -> float:
        """Seconds of all of it."""
        return sum(self.parts.values())


def prepare_timed(log: Log, split: Split, *, cache: Path) -> tuple[PreparedLog, Preparation]:
    """Make a log ready, or take it from the cache; how long each part took.

    Raises:
        PlaitError: as `prepare`.
    """
    known = {made.parent.name for made in cache.glob("*/log.json")}
    clock = Clock(torch.device("cpu"))
    with (
        clock.watching(preparing, _OF_PREPARING),
        clock.watching(Log, _OF_LOG),
        clock.watching(Preprocessor, _OF_PREPROCESSOR),
        clock.on("other"),
    ):
        prepared = preparing.prepare(log, split, cache=cache)
    parts = {part: clock.seconds.get(part, 0.0) for part in PARTS}
    stores = (prepared.train, prepared.valid, prepared.test)
    return prepared, Preparation(
        parts=parts,
        rows=sum(store.num_rows for store in stores if store is not None),
        from_cache=prepared.key in known,
        text_files=any(
            isinstance(found, Path) and found.suffix in _TEXT
            for source in log.sources
            for found in contents(source)
        ),
    )
