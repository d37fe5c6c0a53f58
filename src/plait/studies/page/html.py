"""The page as one HTML file: style and drawings inside, no script, nothing fetched."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from xml.etree.ElementTree import Element

from .blocks import Block, Card, Cards, Document, Figure, Figures, Notice, Section, Table, Tables
from .nodes import node, serialized

__all__ = ["html_of"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the browser may load for the page: nothing but the style that is in it."""


def html_of(document: Document) -> str:
    """The whole file."""
    style = (files(__package__) / "style.css").read_text(encoding="utf-8")
    head = node(
        "head",
        None,
        node("meta", {"charset": "utf-8"}),
        node("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        node("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        node("title", None, document.title),
        node("style", None, style),
    )
    first, *others = document.sections
    main = node("main", None, _section(first, "h1"), _contents(others))
    main.extend(_section(section, "h2") for section in others)
    made = node("footer", None, f"Made by plait {version('plait')}. This file needs no network.")
    page = node("html", {"lang": "en"}, head, node("body", None, main, made))
    return "<!DOCTYPE html>\n" + serialized(page) + "\n"


def _contents(sections: list[Section]) -> Element:
    links = [
        node("li", None, node("a", {"href": f"#{section.key}"}, section.title))
        for section in sections
    ]
    return node("nav", {"aria-label": "Sections"}, node("ul", None, *links))


def _section(section: Section, heading: str) -> Element:
    made = node(
        "section",
        {"id": section.key, "aria-labelledby": f"{section.key}-title"},
        node(heading, {"id": f"{section.key}-title"}, section.title),
    )
    made.extend(_block(block) for block in section.blocks)
    return made


def _block(block: Block) -> Element:
    if isinstance(block, str):
        return node("p", None, block)
    if isinstance(block, Notice):
        code = node("code", None, block.command)
        command: tuple[Element | str, ...] = (" ", code) if block.command else ()
        return node("p", {"class": "notice", "role": "note"}, block.text, *command)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Tables):
        return node("div", {"class": "tables"}, *map(_table, block.tables))
    if isinstance(block, Figures):
        return node("div", {"class": "figures"}, *map(_figure, block.figures))
    assert isinstance(block, Cards)
    return node("div", {"class": "cards"}, *map(_card, block.cards))


def _card(card: Card) -> Element:
    made = node(
        "article",
        {"class": "card"},
        node("h3", None, card.title),
        node("div", {"class": "number"}, card.number),
        node("div", {"class": "unit"}, card.unit),
    )
    made.extend(node("p", None, sentence) for sentence in card.words)
    if card.figure is not None:
        made.append(_figure(card.figure, is_titled=False))
    return made


def _figure(figure: Figure, *, is_titled: bool = True) -> Element:
    title = [node("h3", None, figure.title)] if is_titled else []
    caption = [node("figcaption", None, figure.caption)] if figure.caption else []
    numbers = node("details", None, node("summary", None, "Numbers"), _table(figure.table))
    return node("figure", None, *title, figure.drawing, *caption, numbers)


def _table(table: Table) -> Element:
    head = node(
        "tr",
        None,
        *(
            node("th", {"scope": "col", **_kind(table, place)}, name)
            for place, name in enumerate(table.columns)
        ),
    )
    body = node("tbody", None, *(_row(table, number) for number in range(len(table.rows))))
    made = node(
        "table", None, node("caption", None, table.caption), node("thead", None, head), body
    )
    region = {"class": "scroll", "role": "region", "tabindex": "0", "aria-label": table.caption}
    return node("div", region, made)


def _row(table: Table, number: int) -> Element:
    name, *cells = table.rows[number]
    row = node("tr", None, node("th", {"scope": "row"}, name))
    for place, cell in enumerate(cells, start=1):
        attributes = _kind(table, place)
        if table.shades:
            share = 0.45 * table.shades[number][place - 1]
            attributes["style"] = f"background: rgba(var(--shade), {share:.3f})"
        row.append(node("td", attributes, cell))
    return row


def _kind(table: Table, place: int) -> dict[str, str]:
    return {"class": "words"} if place in table.texts else {}
