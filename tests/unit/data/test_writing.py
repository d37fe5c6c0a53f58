"""Writing a prepared store: whole or not at all, in bounded memory."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.unit.data.store_making import Made, make

from plait.data import writing
from plait.data.mapped import RawFile
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, Schema, Sequence
from plait.data.store import Store
from plait.data.writing import StoreWriter
from plait.errors import ArtifactError, DataError

FRAME = pl.DataFrame({"city": ["Bonn", "Rome", "Bonn"], "user": ["a", None, "a"]})
PREPROCESSOR = Preprocessor(Schema((Categorical("city", min_count=1),))).fit(FRAME)


def writer(folder: Path, *, keys: tuple[str, ...] = ()) -> StoreWriter:
    return StoreWriter(folder, layout=PREPROCESSOR.layout, tasks=("click",), keys=keys)


def append(
    to: StoreWriter,
    frame: pl.DataFrame = FRAME,
    *,
    arrays: Mapping[str, NDArray[np.float32]] | None = None,
    keys: Mapping[str, pl.Series] | None = None,
    columns: pl.DataFrame | None = None,
) -> None:
    ones = np.ones((frame.height, 1), np.float32)
    given = {"labels": ones, "weights": ones, "observed": ones, "extras": ones[:, :0]}
    given.update(arrays or {})
    to.append(
        PREPROCESSOR.transform(frame),
        labels=given["labels"],
        observed=given["observed"].astype(np.bool_),
        weights=given["weights"],
        extras=given["extras"],
        keys=keys,
        columns=columns,
    )


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_chunks_make_no_difference(tmp_path: Path) -> None:
    def files(made: Made) -> dict[str, bytes]:
        paths = [path for path in made.store.folder.iterdir() if path.name != "columns.arrow"]
        return {path.name: path.read_bytes() for path in paths}

    assert files(make(tmp_path / "one", 30, chunk_rows=30)) == files(
        make(tmp_path / "two", 30, chunk_rows=4)
    )


def test_nothing_but_the_store_is_left(tmp_path: Path) -> None:
    folder = make(tmp_path / "train", 20).store.folder
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert sorted(path.name for path in folder.iterdir()) == [
        *("columns.arrow", "list-000.arrow", "list-001.arrow", "rows.arrow", "store.json")
    ]


def test_until_it_is_closed_there_is_no_store(tmp_path: Path) -> None:
    open_writer = writer(tmp_path / "s")
    append(open_writer)
    with pytest.raises(ArtifactError, match="there is no store"):
        Store.open(tmp_path / "s")
    assert open_writer.close().num_rows == 3


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    (tmp_path / ".s.partial").mkdir()
    (tmp_path / ".s.partial" / "rows.arrow").write_bytes(b"half")
    second = writer(tmp_path / "s")
    append(second, FRAME.head(1))
    assert second.close().num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_aborted_writer_leaves_nothing(tmp_path: Path) -> None:
    with writer(tmp_path / "s") as aborted:
        append(aborted, columns=FRAME)
    assert list(tmp_path.iterdir()) == []


def test_aborting_after_closing_does_nothing(tmp_path: Path) -> None:
    with writer(tmp_path / "s") as closed:
        append(closed)
        closed.close()
    assert Store.open(tmp_path / "s").num_rows == 3


def test_a_closed_writer_takes_no_more(tmp_path: Path) -> None:
    closed = writer(tmp_path / "s")
    closed.close()
    with pytest.raises(DataError, match=r"The writer of .*s is closed"):
        append(closed)
    with pytest.raises(DataError, match="is closed"):
        closed.close()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty"):
        writer(tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    assert writer(tmp_path / "s").close().num_rows == 0


def test_a_full_disk_while_appending_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_writer = writer(tmp_path / "s")
    monkeypatch.setattr(RawFile, "append", full)
    with pytest.raises(DataError, match=r"could not be written: No space left.*Free some disk"):
        append(open_writer)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_closing_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_writer = writer(tmp_path / "s")
    append(open_writer, columns=FRAME)
    monkeypatch.setattr(writing, "write_file", full)
    with pytest.raises(DataError, match="No space left"):
        open_writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match="could not be written: Permission denied"):
        writer(tmp_path / "s")


@pytest.mark.parametrize("name", ["labels", "observed", "weights", "extras"])
def test_arrays_of_another_shape_are_refused(tmp_path: Path, name: str) -> None:
    with writer(tmp_path / "s") as refusing, pytest.raises(DataError, match=f"`{name}` has the sh"):
        append(refusing, arrays={name: np.ones((3, 2), np.float32)})


def test_raw_columns_of_another_type_are_refused(tmp_path: Path) -> None:
    with writer(tmp_path / "s") as refusing:
        append(refusing, columns=FRAME.select("city"))
        with pytest.raises(DataError, match=r"columns of this chunk are user .*city large_string"):
            append(refusing, columns=FRAME.select("user"))


def test_a_role_without_its_column_is_refused(tmp_path: Path) -> None:
    with (
        writer(tmp_path / "s", keys=("user",)) as refusing,
        pytest.raises(DataError, match=r"`keys` lacks the role 'user'; it has \['item'\]"),
    ):
        append(refusing, keys={"item": FRAME["city"]})


def test_null_roles_have_codes_of_their_own_across_chunks_and_are_counted(tmp_path: Path) -> None:
    keyed = writer(tmp_path / "s", keys=("user",))
    for _ in range(2):
        append(keyed, keys={"user": FRAME["user"]})
    store = keyed.close()
    codes = store.key("user")
    assert codes[0] == codes[2] == codes[3] == codes[5]
    assert len(np.unique(codes)) == 3
    assert store.facts["nulls"] == {"user": 2}


def test_categoricals_are_kept_as_their_texts(tmp_path: Path) -> None:
    kept = writer(tmp_path / "s")
    append(kept, columns=FRAME.select(pl.col("city").cast(pl.Categorical)))
    assert kept.close().frame()["city"].to_list() == ["Bonn", "Rome", "Bonn"]


def test_features_that_are_only_lists_make_a_store(tmp_path: Path) -> None:
    frame = pl.DataFrame({"seen": [[1], [1, 1], []]})
    preprocessor = Preprocessor(Schema((Sequence("seen"),))).fit(frame)
    lists = StoreWriter(tmp_path / "s", layout=preprocessor.layout, tasks=())
    none = np.empty((3, 0), np.float32)
    prepared = preprocessor.transform(frame)
    lists.append(prepared, labels=none, observed=none.astype(np.bool_), weights=none)
    batch = lists.close().batch(slice(1, 3))
    assert batch.ids.shape == (2, 0)
    assert batch.lists["seen"].offsets.tolist() == [0, 2, 2]


_GROWTH = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from plait.data.loading import BatchLoader
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, Schema, Sequence
from plait.data.writing import StoreWriter

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

rows, width = 20_000, 20
generator = np.random.default_rng(0)
columns = {f"c{i}": generator.integers(0, 50, rows) for i in range(width)}
frame = pl.DataFrame(columns).with_columns(seen=pl.concat_list("c0", "c1", "c2"))
schema = Schema((*(Categorical(f"c{i}") for i in range(width)), Sequence("seen")))
preprocessor, ones = Preprocessor(schema), np.ones((rows, 1), np.float32)
preprocessor.partial_fit(frame)
preprocessor.finish()
writer = StoreWriter(sys.argv[1], layout=preprocessor.layout, tasks=("a",))
marks = []
for chunk in range(60):
    prepared = preprocessor.transform(frame)
    writer.append(prepared, labels=ones, observed=ones > 0, weights=ones, columns=frame[["c0"]])
    if chunk == 9:
        marks.append(anonymous())
store = writer.close()
marks.append(anonymous())
for number, batch in enumerate(BatchLoader(store, 1000, shuffle=True, block_rows=500)):
    if number == 100:
        marks.append(anonymous())
marks.append(anonymous())
print(*marks)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_case_1_2_and_3_memory_stays_flat_over_many_chunks_and_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _GROWTH, str(tmp_path / "s")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    early, closed, few_batches, many_batches = map(float, done.stdout.split())
    written = sum(path.stat().st_size for path in (tmp_path / "s").iterdir()) / 2**20
    assert written > 120
    assert closed - early < 40
    assert many_batches - few_batches < 20
