from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plait.data.reading import collect_checked, read, read_many
from plait.data.row_hash import uniform
from plait.errors import DataError

BIG = 2**53 + 1
FRAME = pl.DataFrame({"user": [BIG, 2], "click": [1, 0], "tag": ["a", None]})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def problem(source: object) -> str:
    with pytest.raises(DataError) as caught:
        read(source).collect()  # type: ignore[arg-type]
    return str(caught.value)


def columns(path: Path) -> dict[str, list[object]]:
    return read(path).collect().to_dict(as_series=False)


def test_parquet_file_folder_and_glob_are_read(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    FRAME.write_parquet(tmp_path / "b.parquet")
    (tmp_path / "_SUCCESS.parquet").write_text("not data")
    assert read(tmp_path / "a.parquet").collect().equals(FRAME)
    assert read(str(tmp_path / "a.parquet")).collect().equals(FRAME)
    assert read(tmp_path).collect().equals(pl.concat([FRAME, FRAME]))
    assert read(f"{tmp_path}/[ab].parquet").collect().height == 4


def test_folders_named_by_a_value_become_a_column(tmp_path: Path) -> None:
    for day, rows in (("1", 2), ("2", 1)):
        (tmp_path / f"day={day}").mkdir()
        FRAME.head(rows).write_parquet(tmp_path / f"day={day}" / "x.parquet")
    assert read(tmp_path).collect()["day"].to_list() == [1, 1, 2]


def test_arrow_files_and_streams_are_read(tmp_path: Path) -> None:
    FRAME.write_ipc(tmp_path / "a.arrow")
    FRAME.write_ipc(tmp_path / "b.feather", compression="zstd")
    FRAME.write_ipc_stream(tmp_path / "c.ipc")
    for name in ("a.arrow", "b.feather", "c.ipc"):
        assert read(tmp_path / name).collect().equals(FRAME)
    assert read(f"{tmp_path}/*").collect().height == 6


def test_csv_tsv_and_gz_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "user,x\n1,a\n2,b\n")
    write(tmp_path / "b.tsv", "user\tx\n1\ta\n2\tb\n")
    with gzip.open(tmp_path / "c.csv.gz", "wt") as opened:
        opened.write("user,x\n1,a\n2,b\n")
    with gzip.open(tmp_path / "d.tsv.gz", "wt") as opened:
        opened.write("user\tx\n1\ta\n2\tb\n")
    for name in ("a.csv", "b.tsv", "c.csv.gz", "d.tsv.gz"):
        assert columns(tmp_path / name) == {"user": [1, 2], "x": ["a", "b"]}
    assert read(f"{tmp_path}/*.csv*").collect().height == 4


def test_integers_of_a_csv_keep_their_identity(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"plain,nulls,unsigned,huge,zeros,mixed\n{BIG},{BIG},{2**64 - 1},{10**50},007,{BIG}\n"
        "-1,,1,1,7,0.5\n",
    )
    frame = read(path).collect()
    assert frame.schema == {
        "plain": pl.Int64,
        "nulls": pl.Int64,
        "unsigned": pl.UInt64,
        "huge": pl.String,
        "zeros": pl.String,
        "mixed": pl.String,
    }
    assert frame.row(0) == (BIG, BIG, 2**64 - 1, str(10**50), "007", str(BIG))
    assert frame.row(1) == (-1, None, 1, "1", "7", "0.5")


def test_types_come_from_the_whole_csv_file(tmp_path: Path) -> None:
    body = "1,1,true,2024-01-01\n" * 20_000 + "1.5,x,False,2024-02-29\n"
    frame = read(write(tmp_path / "a.csv", "number,text,flag,day\n" + body)).collect()
    assert frame.schema == {
        "number": pl.Float64,
        "text": pl.String,
        "flag": pl.Boolean,
        "day": pl.Date,
    }
    assert frame.row(-1) == (1.5, "x", False, date(2024, 2, 29))


def test_numbers_dates_and_missing_fields_of_a_csv(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "f,nan,at,iso,zone,odd day,none\n"
        "1e3,NaN,2024-01-02 03:04:05,2024-01-02T03:04:05.5,2024-01-02T03:04:05Z,2024-01-02,\n"
        '-.5,"2",2024-01-02 03:04:06.25,2024-01-02T03:04:05,2024-01-02T03:04:05+01:00,'
        "2024-13-45,\n"
        "inf,,,,,,\n",
    )
    frame = read(path).collect()
    assert frame["f"].to_list() == [1000.0, -0.5, float("inf")]
    assert frame["nan"].to_list() == [None, 2, None]
    assert frame["at"][1] == datetime(2024, 1, 2, 3, 4, 6, 250_000)
    assert frame["iso"][0] == datetime(2024, 1, 2, 3, 4, 5, 500_000)
    assert frame["zone"][1].utctimetuple().tm_hour == 2
    assert frame["odd day"].dtype == pl.String
    assert frame["none"].to_list() == [None, None, None]


def test_blank_lines_byte_order_marks_and_quoted_newlines_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeffa,b\r\n1,"x,\ny ""z"""\r\n\r\n2,\r\n\r\n')
    assert columns(path) == {"a": [1, 2], "b": ['x,\ny "z"', None]}


def test_a_csv_of_one_column_keeps_its_missing_values(tmp_path: Path) -> None:
    assert columns(write(tmp_path / "a.csv", "a\n1\n\n3\n")) == {"a": [1, None, 3]}


def test_case_30_variable_length_input_arrives_as_a_list_or_as_text(tmp_path: Path) -> None:
    FRAME.with_columns(ids=pl.Series([[1, 2], [3]])).write_parquet(tmp_path / "a.parquet")
    csv = write(tmp_path / "a.csv", "user,ids\n1,1;2\n2,3\n")
    assert read(tmp_path / "a.parquet").collect()["ids"].to_list() == [[1, 2], [3]]
    assert columns(csv)["ids"] == ["1;2", "3"]


def test_data_frames_of_other_libraries_are_read() -> None:
    class Capsule:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return FRAME.to_arrow().__arrow_c_stream__(requested_schema)

    for source in (FRAME, FRAME.lazy(), FRAME.to_arrow(), Capsule()):
        assert read(source).collect().equals(FRAME)
    nullable = pd.DataFrame(
        {"user": pd.array([BIG, None], dtype="Int64"), "x": [0.5, np.nan], "s": ["a", None]}
    )
    frame = read(nullable).collect()
    assert frame.to_dict(as_series=False) == {
        "user": [BIG, None],
        "x": [0.5, None],
        "s": ["a", None],
    }
    assert frame["user"].dtype == pl.Int64


def test_nan_is_read_as_missing(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.0, float("nan"), None], "n": [1, 2, 3]})
    frame.write_parquet(tmp_path / "a.parquet")
    for source in (frame, tmp_path / "a.parquet"):
        assert read(source).collect()["x"].to_list() == [1.0, None, None]


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "train.parquet")
    message = problem(tmp_path / "trian.parquet")
    assert "There is no file" in message
    assert "Did you mean 'train.parquet'?" in message
    assert "its folder does not exist" in problem(tmp_path / "no" / "x.csv")
    assert "No file matches" in problem(f"{tmp_path}/*.csv")


def test_a_folder_without_parquet_says_what_it_holds(tmp_path: Path) -> None:
    assert "it holds nothing" in problem(tmp_path)
    write(tmp_path / "a.csv", "a\n1\n")
    message = problem(tmp_path)
    assert "has no Parquet file; it holds a.csv" in message
    assert f"{tmp_path}/*.csv" in message


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.arrow", "a.csv.gz"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, name: str) -> None:
    assert f"{name} is empty (0 bytes)" in problem(write(tmp_path / name, ""))


def test_a_table_without_rows_is_an_error(tmp_path: Path) -> None:
    FRAME.clear().write_parquet(tmp_path / "a.parquet")
    FRAME.clear().write_ipc(tmp_path / "a.arrow")
    write(tmp_path / "a.csv", "a,b\n")
    for name in ("a.parquet", "a.arrow"):
        assert "has columns but no rows" in problem(tmp_path / name)
    assert "has a header but no rows" in problem(tmp_path / "a.csv")
    assert "The DataFrame has no rows" in problem(FRAME.clear())


def test_an_unknown_suffix_lists_what_is_supported(tmp_path: Path) -> None:
    message = problem(write(tmp_path / "a.xlsx", "x"))
    assert "suffix '.xlsx', which is not known" in message
    assert ".parquet" in message
    assert ".csv.gz" in message


def test_files_of_different_kinds_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a\n1\n")
    FRAME.write_parquet(tmp_path / "a.parquet")
    assert "different kinds are read together: .csv, .parquet" in problem(f"{tmp_path}/a.*")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.ipc"])
def test_a_truncated_file_is_named_with_its_size(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        FRAME.write_parquet(path)
    elif name == "a.arrow":
        FRAME.write_ipc(path)
    else:
        FRAME.write_ipc_stream(path)
    path.write_bytes(path.read_bytes()[:-20])
    message = problem(path)
    assert f"{name} ({path.stat().st_size} bytes) is truncated or not" in message
    assert "Copy it again" in message


def test_a_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    rows = "".join(f"{n},{n * 7919}\n" for n in range(5000))
    path.write_bytes(gzip.compress(f"a,b\n{rows}".encode())[:-3000])
    assert "truncated or not a gzip file" in problem(path)
    path.write_bytes(b"a,b\n1,2\n")
    assert "truncated or not a gzip file" in problem(path)


def test_damage_in_the_middle_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": np.arange(100_000)}).write_parquet(path)
    damaged = bytearray(path.read_bytes())
    damaged[50:5000] = bytes(4950)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"the log cannot be read: .*write it again"):
        collect_checked(read(path), where="the log")


def test_collect_checked_returns_what_can_be_read() -> None:
    assert collect_checked(FRAME.lazy(), where="the log").equals(FRAME)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a,b\n1,2\n1,2,3\n4,5\n", "line 3: 3 fields where the header has 2 (a, b)"),
        ("a,b\n1,2\n1\n", "line 3: 1 fields where the header has 2"),
        ('a,b\n1,"x\ny"\n1,2,3\n', "line 4: 3 fields"),
        ('a,b\n1,"x\n2,3\n', "quote never closed"),
        ("a,b,a\n1,2,3\n", "several columns named 'a'"),
        ("\na,b\n1,2\n", "starts with a blank line"),
        ("a;b\n1;2\n", "looks separated by ';', not by ','"),
        ('a,b\n1,5" screen\n2,6" screen\n', "its quotes doubled"),
        ('a,b\n1,"x"y\n', "its quotes doubled"),
        ("a,b\r1,2\r", "Lines end with"),
    ],
)
def test_a_broken_csv_names_line_and_reason(tmp_path: Path, body: str, words: str) -> None:
    message = problem(write(tmp_path / "a.csv", body))
    assert "a.csv" in message
    assert words in message


def test_a_column_that_is_empty_at_first_finds_its_type(tmp_path: Path) -> None:
    body = "x,,\n" * 2000 + "x,5,2024-01-01 10:00:00\n"
    frame = read(write(tmp_path / "a.csv", "text,number,time\n" + body)).collect()
    assert frame.row(-1) == ("x", 5, datetime(2024, 1, 1, 10))


@pytest.mark.parametrize("text", ["a,b\n1,é\n", "é,b\n1,2\n"])
def test_text_that_is_not_utf8_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    assert "is not UTF-8 text" in problem(tmp_path / "a.csv")


def test_csv_files_with_other_headers_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,b\n1,2\n")
    write(tmp_path / "b.csv", "a,c\n1,2\n")
    assert "b.csv has other columns than" in problem(f"{tmp_path}/*.csv")


def test_repeated_columns_are_an_error_everywhere(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, twice.schema) as writer,
    ):
        writer.write(twice)
    for name in ("a.parquet", "a.arrow"):
        assert f"{name} has several columns named 'a'" in problem(tmp_path / name)
    assert "repeats a column name" in problem(twice)
    pandas = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert "pandas DataFrame has several columns named 'a'" in problem(pandas)


def test_files_that_disagree_name_column_and_types(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    FRAME.cast({"click": pl.Float64}).write_parquet(tmp_path / "b.parquet")
    message = problem(tmp_path)
    assert "disagree about column 'click': it is Float64 in the one and Int64" in message
    assert "b.parquet" in message
    FRAME.drop("click").write_parquet(tmp_path / "b.parquet")
    assert "it is absent in the one and Int64" in problem(tmp_path)
    FRAME.write_ipc(tmp_path / "a.arrow")
    FRAME.drop("click").write_ipc(tmp_path / "b.arrow")
    assert "it is absent in the one" in problem(f"{tmp_path}/*.arrow")


def test_what_is_not_a_table_is_an_error() -> None:
    for source in ([1, 2], {"a": [1]}, 5, None, pl.Series([1])):
        assert f"{type(source).__name__} is not a table" in problem(source)
    assert "is not a table" in problem(pa.chunked_array([[1, 2]]))


def test_pandas_columns_of_mixed_types_are_an_error() -> None:
    for mixed in ([1, "a"], [2**70, 1]):
        assert "mixes types or holds integers" in problem(
            pd.DataFrame({"a": pd.Series(mixed, dtype=object)})
        )


def test_many_logs_are_read_below_each_other() -> None:
    frame = read_many({"web": FRAME, "app": FRAME.head(1)}).collect()
    assert frame["source"].to_list() == ["web", "web", "app"]
    assert frame.drop("source").equals(pl.concat([FRAME, FRAME.head(1)]))


def test_many_logs_are_mixed_by_a_ratio() -> None:
    web = pl.DataFrame({"row": range(20_000)})
    app = pl.DataFrame({"row": range(5_000)})
    mixed = read_many({"web": web, "app": app}, ratios={"web": 1, "app": 1}, seed=3)
    counts = dict(mixed.collect().group_by("source").len().iter_rows())
    assert counts["app"] == 5_000
    assert counts["web"] == pytest.approx(5_000, abs=300)
    assert mixed.collect().equals(mixed.collect(engine="streaming"))
    again = read_many({"web": web, "app": app}, ratios={"web": 1, "app": 1}, seed=4)
    assert not again.collect().equals(mixed.collect())


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ({"a": 1.0}, r"names \['a'\], the logs are \['a', 'b'\]"),
        ({"a": 1.0, "b": 0.0}, "must be positive"),
        ({"a": 1.0, "b": float("nan")}, "must be positive"),
    ],
)
def test_ratios_that_do_not_fit_are_an_error(ratios: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_many({"a": FRAME, "b": FRAME}, ratios=ratios)


def test_many_logs_need_one_schema_and_a_free_column() -> None:
    with pytest.raises(DataError, match="b and a disagree about column 'click'"):
        read_many({"a": FRAME, "b": FRAME.drop("click")})
    with pytest.raises(DataError, match="column 'tag' already"):
        read_many({"a": FRAME}, source_column="tag")
    with pytest.raises(DataError, match="`sources` is empty"):
        read_many({})


def test_row_hashes_are_uniform_and_differ_by_seed() -> None:
    rows = np.arange(100_000, dtype=np.uint64)
    drawn = uniform(rows, seed=1)
    assert np.histogram(drawn, bins=10, range=(0, 1))[0] == pytest.approx(10_000, rel=0.05)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn, uniform(rows, seed=2))[0, 1]) < 0.02
    assert np.array_equal(uniform(rows[500:510], seed=1), drawn[500:510])
