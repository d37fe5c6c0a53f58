"""The page as Markdown: the same words and numbers, drawings as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .blocks import Block, Cards, Document, Notice, Section, Table, Tables

__all__ = ["markdown_of"]

_SPECIAL = re.compile(r"([\\`*_\[\]|#~$])")
_LINE_END = re.compile(r"\s*[\r\n]+\s*")


def markdown_of(document: Document) -> str:
    """The whole file."""
    lines = [
        line
        for number, section in enumerate(document.sections)
        for line in _section(section, "#" if number == 0 else "##")
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it stands: no markup, no HTML, no new line.

    Example:
        >>> print(escaped("<b> a|b"))
        &lt;b&gt; a\|b
    """
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", _LINE_END.sub(" ", plain))


def _section(section: Section, heading: str) -> Iterator[str]:
    yield from (f"{heading} {escaped(section.title)}", "")
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield from (escaped(block), "")
    elif isinstance(block, Notice):
        command = f" {_code(block.command)}" if block.command else ""
        yield from (f"> **Note.** {escaped(block.text)}{command}", "")
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Tables):
        for table in block.tables:
            yield from _table(table)
    elif isinstance(block, Cards):
        for card in block.cards:
            yield from (f"### {escaped(card.title)}", "")
            yield from (f"**{escaped(card.number)}** {escaped(card.unit)}", "")
            yield from (escaped(" ".join(card.words)), "")
            if card.figure is not None:
                yield from _table(card.figure.table)
    else:
        for figure in block.figures:
            yield from _table(figure.table)


def _code(command: str) -> str:
    r"""A command as code, between more backticks than it holds in a row.

    Example:
        >>> print(_code("plait report runs/first"))
        `plait report runs/first`
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", command)), default=0))
    room = " " if "`" in command else ""
    return f"{fence}{room}{_LINE_END.sub(' ', command)}{room}{fence}"


def _table(table: Table) -> Iterator[str]:
    yield from (f"**{escaped(table.caption)}**", "")
    yield _row(table.columns)
    rules = ["---" if p == 0 or p in table.texts else "---:" for p in range(len(table.columns))]
    yield _joined(rules)
    yield from map(_row, table.rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return _joined([escaped(cell) for cell in cells])


def _joined(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
