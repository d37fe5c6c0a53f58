"""What a part of the rows holds, counted chunk by chunk."""

from __future__ import annotations

import json

import polars as pl

from plait.data.labels import TaskReader
from plait.data.part_counts import PartCounts
from plait.data.prepared import Counts
from plait.tasks import Binary

TASKS = (
    Binary("click"),
    Binary("like"),
    Binary("buy", parents=("click", "like")),
)
FRAME = pl.DataFrame(
    {
        "click": [1, 0, 1, 0, None],
        "like": [1, 0, None, 1, 0],
        "buy": [1, 1, 1, None, 1],
    }
)


def counted(*frames: pl.DataFrame) -> dict[str, object]:
    counts, reader = PartCounts(TASKS), TaskReader(TASKS)
    for frame in frames:
        counts.add(
            reader.read(frame),
            Counts(unseen={"city": 1}, nulls={"age": len(frame)}, cut={"history": 2}),
        )
    found: dict[str, object] = json.loads(json.dumps(counts.to_json()))
    return found


def test_labels_positives_and_violations_are_counted() -> None:
    assert counted(FRAME) == {
        "rows": 5,
        "observed": {"click": 4, "like": 4, "buy": 4},
        "positive": {"click": 2, "like": 2, "buy": 4},
        # Row 1 was bought without a click; on row 4 nobody knows. Rows 1 and 4 have no like.
        "funnel_violations": {"buy without click": 1, "buy without like": 2},
        "unseen": {"city": 1},
        "nulls": {"age": 5},
        "cut": {"history": 2},
    }


def test_chunks_add_up() -> None:
    one, parts = counted(FRAME), counted(FRAME[:2], FRAME[2:])
    assert parts["unseen"] == {"city": 2}
    for key in ("rows", "observed", "positive", "funnel_violations", "nulls"):
        assert parts[key] == one[key]


def test_no_rows_count_nothing() -> None:
    found = PartCounts(TASKS).to_json()
    assert found["rows"] == 0
    assert found["observed"] == {"click": 0, "like": 0, "buy": 0}
    assert found["unseen"] == {}
