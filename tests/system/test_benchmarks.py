"""Every benchmark runs in its short form and gives its figures as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.processes import run_script

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*.py") if not path.name.startswith("_"))
PLAIN = (str, int, float, bool, type(None))


def _run(script: Path, *arguments: str, data: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PLAIT_DATA"}
    if data is not None:
        environment["PLAIT_DATA"] = data
    return run_script(script, *arguments, environment=environment)


def _is_flat(fact: object) -> bool:
    if isinstance(fact, list):
        return all(isinstance(value, int | float) for value in fact)
    return isinstance(fact, PLAIN)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_smoke_run_gives_flat_rows_the_machine_and_the_commit(
    script: Path, tmp_path: Path
) -> None:
    data = os.environ.get("PLAIT_DATA") or None
    done = _run(script, "--smoke", "--json", str(tmp_path / "figures.json"), data=data)
    assert done.returncode == 0, done.stderr
    if data is None and "PLAIT_DATA" in done.stderr:
        pytest.skip("PLAIT_DATA is not set: this benchmark needs the folder of data sets")
    assert done.stdout.strip()
    form: dict[str, Any] = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert set(form) == {"rows", "machine", "commit"}
    assert form["machine"]["cores"] >= 1
    assert form["rows"]
    for row in form["rows"]:
        assert all(_is_flat(fact) for fact in row.values())


def test_a_smoke_run_without_data_says_what_it_lacks(tmp_path: Path) -> None:
    script, figures = BENCHMARKS / "funnel.py", tmp_path / "figures.json"
    done = _run(script, "--smoke", "--json", str(figures), data=None)
    assert done.returncode == 0
    assert "PLAIT_DATA" in done.stderr
    form = json.loads(figures.read_text(encoding="utf-8"))
    assert form["rows"] == []
    assert "PLAIT_DATA" in form["skipped"]


def test_a_full_run_without_data_fails() -> None:
    done = _run(BENCHMARKS / "funnel.py", data=None)
    assert done.returncode == 1
    assert "`--data`" in done.stderr
