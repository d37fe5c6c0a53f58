"""What a page is made of, before it is HTML or Markdown: titles, words, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

__all__ = [
    "Block",
    "Card",
    "Cards",
    "Document",
    "Figure",
    "Figures",
    "Notice",
    "Section",
    "Table",
    "Tables",
]


@dataclass(frozen=True)
class Table:
    """Rows of cells under one head.

    Attributes:
        caption: what it shows.
        columns: heads; the first column names its row.
        rows: cells as text.
        texts: places of further columns that hold words and not numbers.
        shades: for each cell beside the first a share from 0 to 1 that tints it; empty: no tint.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: tuple[int, ...] = ()
    shades: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing, with the same in words and in numbers.

    Attributes:
        title: what it shows.
        drawing: an SVG element.
        caption: how to read it.
        table: the numbers.
    """

    title: str
    drawing: Element
    caption: str
    table: Table


@dataclass(frozen=True)
class Figures:
    """Figures side by side."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Tables:
    """Tables side by side, where there is room."""

    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Notice:
    """Something that should not be overlooked.

    Attributes:
        text: what.
        command: what to type; empty where there is nothing to type.
    """

    text: str
    command: str = ""


@dataclass(frozen=True)
class Card:
    """One output on the first screen.

    Attributes:
        title: the output.
        number: its metric, large.
        unit: the metric's name and its interval.
        words: what that means, and against what.
        figure: the interval beside those of the baselines; None where there is nothing to draw.
    """

    title: str
    number: str
    unit: str
    words: tuple[str, ...]
    figure: Figure | None


@dataclass(frozen=True)
class Cards:
    """Cards side by side."""

    cards: tuple[Card, ...]


Block = str | Notice | Table | Tables | Figures | Cards
"""A string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Blocks under one title; `key` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole page: the first section is the first screen."""

    title: str
    sections: tuple[Section, ...]
