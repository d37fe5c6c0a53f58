"""The command `plait data`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.data.catalog_making import make_set
from typer.testing import CliRunner, Result

from plait import Experiment
from plait.cli import app
from plait.data import catalog


def _plait(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_it_lists_every_set() -> None:
    done = _plait()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line][:-1] == list(catalog.names())
    assert "99,762  Census 1994/95: income above 50K, and never married" in done.stdout
    listed = json.loads(_plait("--json").stdout)["sets"]
    assert [entry["name"] for entry in listed] == list(catalog.names())


def test_it_tells_about_one_set() -> None:
    done = _plait("anime")
    assert done.exit_code == 0, done.output
    assert "terms: research use" in done.stdout
    assert "files: interactions.parquet, items.parquet" in done.stdout
    assert "task high: binary, score >= 8 where label_rated == 1" in done.stdout
    assert "rows: 520,609" in done.stdout
    assert "note: community_rating and members are statistics" in done.stdout
    assert json.loads(_plait("anime", "--json").stdout)["tasks"] == {
        "rated": "binary",
        "high": "binary",
        "score": "regression",
    }


def test_it_tells_of_a_set_that_comes_in_several_sizes() -> None:
    done = _plait("kuairand")
    assert done.exit_code == 0, done.output
    assert "rows:" not in done.stdout
    assert (
        "task watch_seconds: watch_time, play_time_ms / 1000 where duration_ms > 0" in done.stdout
    )


def test_it_writes_an_experiment_file(tmp_path: Path) -> None:
    make_set("ml100k", tmp_path)
    file = tmp_path / "experiments" / "movies.toml"
    done = _plait("ml100k", "--path", tmp_path, "-o", file)
    assert done.exit_code == 0, done.output
    assert f"Wrote {file}. Terms of the data: research only; may not be passed on." in done.stdout
    tasks = Experiment.read(file).arguments()["tasks"]
    assert tasks == catalog.describe("ml100k").tasks


def test_a_log_that_had_to_be_made_lies_beside_it(tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    file = tmp_path / "shop.toml"
    done = _plait("aliexpress", "--path", tmp_path, "-o", file)
    assert done.exit_code == 0, done.output
    assert f"Wrote {tmp_path / 'aliexpress.parquet'}: the log, made of" in done.stdout
    assert Experiment.read(file).arguments()["log"] == str(tmp_path / "aliexpress.parquet")
    again = _plait("aliexpress", "--path", tmp_path, "-o", file, "--force", "--json")
    assert json.loads(again.stdout)["log"] == str(tmp_path / "aliexpress.parquet")


@pytest.mark.parametrize("kept", ["experiment.toml", "aliexpress.parquet"])
def test_it_overwrites_nothing_unless_forced(kept: str, tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    (tmp_path / kept).write_text("kept")
    done = _plait("aliexpress", "--path", tmp_path, "-o", tmp_path / "experiment.toml")
    assert done.exit_code == 2
    assert f"{tmp_path / kept} exists. Replace it by --force" in done.stderr
    assert (tmp_path / kept).read_text() == "kept"


def test_a_path_without_a_set_is_a_mistake(tmp_path: Path) -> None:
    done = _plait("--path", tmp_path)
    assert done.exit_code == 2
    assert "`--path` says where a set lies; name the set, too." in done.stderr


def test_an_unknown_set_is_a_mistake() -> None:
    done = _plait("hilstrom")
    assert done.exit_code == 2
    assert "Did you mean 'hillstrom'?" in done.stderr
