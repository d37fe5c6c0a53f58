"""What the README and the docs show is what happens: their code runs, their links lead somewhere.

The blocks of a page run in order, in one empty folder. `python` blocks share a namespace; in a
`console` block, the lines that start with `$ plait` run. A block that cannot run stands below
`<!-- not run: reason -->`.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest
from tests.processes import run_plait

ROOT = Path(__file__).parents[2]
LINKED_PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Translated pages are not run again: test_translations proves that their blocks are the same.
TRANSLATED = {*ROOT.glob("*.zh.md"), *(ROOT / "docs").rglob("*.zh.md")}
TRANSLATED |= {*(ROOT / "docs" / "guide" / "zh").rglob("*.md")}
PAGES = sorted({*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")} - TRANSLATED)

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)``` *$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = re.compile(r"<!--\s*not run:?(?P<reason>(?:(?!-->).)*)-->\s*\Z", re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)|\b(?:src|href|srcset)=\"([^\"]+)\"|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its code, and the place that a failure names."""

    page: Path
    line: int
    language: str
    code: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _blocks_to_run(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        excuse = NOT_RUN.search(text, 0, match.start())
        if excuse is not None:
            assert excuse["reason"].strip(), f"{_name(page)}:{line}: `not run` gives no reason"
            continue
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        blocks.append(Block(page=page, line=line, language=match["language"], code=code))
    return blocks


def _run_python(block: Block, namespace: ModuleType) -> None:
    # The empty lines in front make a traceback name the line of the page.
    code = compile("\n" * block.line + block.code, str(block.page), "exec")
    exec(code, vars(namespace))


def _commands(block: Block) -> list[str]:
    joined = re.sub(r"\\\n\s*(?:> )?", " ", block.code)
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ plait")]


def _run_command(block: Block, command: str, folder: Path) -> None:
    _, *arguments = shlex.split(command, comments=True)
    done = run_plait(*arguments, cwd=folder)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, f"{block.place}: `{command}` gave {done.returncode}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # In sys.modules, since dataclasses and pydantic look their class's module up there.
    namespace = ModuleType("snippets")
    monkeypatch.setitem(sys.modules, namespace.__name__, namespace)
    for block in _blocks_to_run(page):
        if block.language == "python":
            _run_python(block, namespace)
        elif block.language == "console":
            for command in _commands(block):
                _run_command(block, command, tmp_path)


def _local_targets(page: Path) -> list[str]:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    targets = ["".join(groups).partition("#")[0] for groups in LINK.findall(text)]
    return [unquote(target) for target in targets if target and not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", LINKED_PAGES, ids=_name)
def test_the_links_and_images_of_a_page_exist(page: Path) -> None:
    missing = [target for target in _local_targets(page) if not (page.parent / target).exists()]
    assert not missing, f"{_name(page)} points to what is not there: {', '.join(missing)}"
