"""The page about drafting shows the file and the words that the command gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plait.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "init.md"


def _blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_page_shows_what_the_command_says_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(_blocks("python")[0], str(PAGE), "exec"), {})
    command, _, shown = _blocks("console")[0].partition("\n")
    done = CliRunner().invoke(app, command.removeprefix("$ plait ").split())
    assert done.exit_code == 0, done.output
    assert done.stdout == shown
    assert (tmp_path / "experiment.toml").read_text(encoding="utf-8") == _blocks("toml")[0]
