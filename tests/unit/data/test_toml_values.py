"""Values that TOML can hold come back as they were."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.data.splits import TimeSplit
from plait.data.toml_values import changed_settings, toml_key, toml_path, toml_value
from plait.tasks import Binary

_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.dates(),
)
_KEYS = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(_KEYS, _VALUES)
def test_what_is_written_is_read_back(key: str, value: object) -> None:
    assert tomllib.loads(f"{toml_key(key)} = {toml_value(value)}") == {key: value}


def test_a_tuple_is_a_list_and_a_moment_keeps_its_time() -> None:
    assert toml_value((1, "a")) == '[1, "a"]'
    moment = datetime(2024, 12, 31, 18, 30)
    assert tomllib.loads(f"a = {toml_value(moment)}") == {"a": moment}


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("runs/log.parquet", "log.parquet"),
        ("runs/data/log_*.csv", "data/log_*.csv"),
        ("runs/~/log.parquet", "./~/log.parquet"),
    ],
)
def test_a_path_below_the_folder_is_relative(
    source: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert toml_path(source, Path("runs")) == written
    assert toml_path(tmp_path / source, Path("runs")) == written


def test_a_path_elsewhere_is_written_in_full(tmp_path: Path) -> None:
    assert toml_path(tmp_path / "log.csv", tmp_path / "runs") == f"{tmp_path.as_posix()}/log.csv"


def test_only_what_is_not_the_default_is_written() -> None:
    assert changed_settings(TimeSplit()) == {}
    task = Binary("buy", parents=("click",))
    assert changed_settings(task, without=("name",)) == {"parents": ("click",)}
    assert changed_settings(TimeSplit(test_from=date(2024, 1, 1))) == {
        "test_from": date(2024, 1, 1)
    }
