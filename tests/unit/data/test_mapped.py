"""Arrow files that are written in bounded memory and read without copying."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data.mapped import Ragged, RawFile, map_file, matrix, runs, write_file


def test_what_is_appended_comes_back_as_rows(tmp_path: Path) -> None:
    raw = RawFile(tmp_path / "raw", np.int32)
    raw.append(np.array([[1, 2], [3, 4]], dtype=np.int64))
    raw.append(np.array([[5, 6]]).T.reshape(1, 2))
    write_file(tmp_path / "a.arrow", {"ids": raw.rows(2)})
    raw.delete()
    rows = matrix(map_file(tmp_path / "a.arrow").column("ids"))
    assert rows.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert not rows.flags.owndata
    assert [path.name for path in tmp_path.iterdir()] == ["a.arrow"]


def test_nothing_appended_is_no_rows(tmp_path: Path) -> None:
    raw = RawFile(tmp_path / "raw", np.float32)
    raw.append(np.empty((0, 3)))
    write_file(tmp_path / "a.arrow", {"numbers": raw.rows(3)})
    assert matrix(map_file(tmp_path / "a.arrow").column("numbers")).shape == (0, 3)


def test_a_file_is_one_record_batch(tmp_path: Path) -> None:
    write_file(tmp_path / "a.arrow", {"x": pa.array(range(200_000))})
    with pa.OSFile(str(tmp_path / "a.arrow")) as file:
        assert pa.ipc.open_file(file).num_record_batches == 1


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    picks=st.lists(st.integers(0, 1000), max_size=12),
)
def test_ragged_rows_are_taken_like_slices(lengths: list[int], picks: list[int]) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(offsets[-1], dtype=np.int32)
    weights = values.astype(np.float32) * np.float32(0.5)
    rows = np.array([pick % len(lengths) for pick in picks], dtype=np.int64)
    taken, bounds, shares = Ragged(values, offsets, weights).take(rows)
    expected = [values[offsets[row] : offsets[row + 1]].tolist() for row in rows]
    parts = [taken[a:b].tolist() for a, b in pairwise(bounds)]
    assert parts == expected
    assert shares is not None
    np.testing.assert_array_equal(shares, taken / np.float32(2))


def test_no_runs_are_no_places() -> None:
    places, offsets = runs(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert places.tolist() == []
    assert offsets.tolist() == [0]


def test_a_mapped_array_is_read_without_pandas(tmp_path: Path) -> None:
    """Arrow's own way to numpy imports it where it is installed, a second of every process."""
    write_file(tmp_path / "a.arrow", {"x": pa.FixedSizeListArray.from_arrays(pa.array([1, 2]), 1)})
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from plait.data.mapped import map_file, matrix\n"
        "rows = matrix(map_file(Path(sys.argv[1])).column('x'))\n"
        "print(rows.tolist(), 'pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.arrow")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[[1], [2]] False"
