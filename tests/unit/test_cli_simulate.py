"""The command `plait simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner, Result

from plait.cli import app
from plait.data.simulation import simulate


def _plait(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, words)])


def test_it_writes_the_log_and_its_truth(tmp_path: Path) -> None:
    log, truth = tmp_path / "made" / "log.parquet", tmp_path / "truth.csv"
    done = _plait("--rows", "500", "--out", log, "--truth", truth, "--seed", "3")
    assert done.exit_code == 0, done.output
    assert f"Wrote 500 rows to {log}: request, time, user" in done.output
    made = simulate(500, seed=3)
    assert_frame_equal(pl.read_parquet(log), made.frame, check_exact=True)
    assert pl.read_csv(truth).columns == made.truth.columns


def test_it_prints_json_where_asked(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    done = _plait("--rows", "50", "--out", log, "--json")
    document = json.loads(done.stdout)
    assert document["log"] == str(log)
    assert document["rows"] == 50
    assert "click" in document["columns"]


def test_it_overwrites_nothing_unless_forced(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_text("kept")
    done = _plait("--rows", "50", "--out", log)
    assert done.exit_code == 2
    assert "exists. Replace it by --force" in done.stderr
    assert log.read_text() == "kept"
    assert _plait("--rows", "50", "--out", log, "--force").exit_code == 0
    assert pl.read_parquet(log).height == 50


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "log.csv"), "CSV cannot hold the lists in history. Write .parquet."),
        (("--out", "log.txt"), "the suffix says how rows are written"),
        (("--out", "a.parquet", "--truth", "a.parquet"), "both name a.parquet. Name two files."),
        (("--out", "a.parquet", "--rows", "0"), "Invalid value for '--rows'"),
        (("--out", "a.parquet", "--seed", "-1"), "Invalid value for '--seed'"),
        ((), "Missing option '--out'"),
    ],
)
def test_a_mistake_is_told(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = _plait(*words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
