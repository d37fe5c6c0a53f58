"""The demonstration on a real set, where PLAIT_DATA names its folder."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from plait.cli import app


def test_the_demonstration_runs_on_a_real_set(data_folder: Path, tmp_path: Path) -> None:
    words = ["demo", "--dataset", "ml100k", "--path", str(data_folder), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*words, "--set", "training.epochs=1"], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    assert "100,000 rows of ml100k, 3 tasks (like, love, rating)" in done.output
    assert "terms of the data: " in done.output
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["rows"] == 100_000
    for task in ("like", "love"):
        estimates = found["tasks"][task]["estimates"]
        assert estimates["multi_task"]["low"] > 0.7 > estimates["constant"]["high"]
        assert found["tasks"][task]["gains"]["constant"]["low"] > 0
        assert "single_task" in estimates
    assert not (tmp_path / "log.parquet").exists()  # the set stays where it is
    assert "Report on" in (tmp_path / "report.html").read_text(encoding="utf-8")
