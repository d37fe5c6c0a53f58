"""One short text that changes when anything that went in changes."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from plait.data.fingerprints import fingerprint

FRAME = pl.DataFrame({"city": ["Bonn", None], "tags": [["a"], []], "age": [1.5, 2.0]})


def of(*sources: Path | pl.DataFrame, **settings: object) -> str:
    return fingerprint(sources=sources, settings=settings)


def test_the_content_of_a_file_counts_and_not_its_name_or_time(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    one.write_bytes(b"1;2")
    two.write_bytes(b"1;2")
    os.utime(two, (0, 0))
    other.write_bytes(b"1;3")
    assert of(one) == of(two)
    assert of(one) != of(other)
    assert of(one, other) != of(other, one)
    assert len(of(one)) == 32


def test_every_value_of_a_frame_counts() -> None:
    assert of(FRAME) == of(FRAME.clone())
    assert of(FRAME) == of(pl.concat([FRAME[:1], FRAME[1:]], rechunk=False))
    changes = [
        FRAME.with_columns(age=pl.Series([1.5, 3.0])),
        FRAME.with_columns(city=pl.Series([None, "Bonn"])),
        FRAME.rename({"city": "town"}),
        FRAME.cast({"age": pl.Float32}),
        FRAME.head(1),
    ]
    assert len({of(frame) for frame in [FRAME, *changes]}) == 6


def test_settings_count_and_their_order_does_not() -> None:
    assert of(a=1, b=2) == of(b=2, a=1)
    assert of(a=1) != of(a=2)


def test_frames_of_many_blocks_are_told_apart_by_their_last_row() -> None:
    frame = pl.DataFrame({"x": range(300_000)})
    assert of(frame) != of(frame.with_columns(x=pl.col("x").replace(299_999, 0)))
