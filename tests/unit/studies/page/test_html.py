"""The page as HTML: one file, valid, accessible, with nothing fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from plait.studies.page.blocks import (
    Card,
    Cards,
    Document,
    Figure,
    Figures,
    Notice,
    Section,
    Table,
    Tables,
)
from plait.studies.page.charts import calibration_chart
from plait.studies.page.html import html_of

TABLE = Table(
    "A <caption>",
    ("task", "value", "why"),
    (("click", "0.5", "a & b"), ("</td>", "1", "")),
    texts=(2,),
    shades=((0.5, 0.0), (1.0, 0.0)),
)
FIGURE = Figure("Title", calibration_chart([(0.1, 0.2, 0.0)], title="t"), "how to read", TABLE)
DOCUMENT = Document(
    "page",
    (
        Section("first", "One", ["words < more", Cards((Card("a", "1", "auc", ("w",), FIGURE),))]),
        Section("second", "Two", [Notice("look"), TABLE, Tables((TABLE,)), Figures((FIGURE,))]),
    ),
)
VOID = {"meta", "br", "link", "img"}


class Balance(HTMLParser):
    """Sees that every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Balance:
    """The tags of a page; every one of them is closed."""
    parser = Balance()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def test_every_tag_is_closed_and_no_text_is_markup() -> None:
    html = html_of(DOCUMENT)
    parsed(html)
    assert "words &lt; more" in html
    assert "&lt;/td&gt;" in html
    assert "A &lt;caption&gt;" in html


def test_a_page_has_no_script_and_refers_to_nothing_outside() -> None:
    html = html_of(DOCUMENT)
    for tag, attributes in parsed(html).seen:
        assert tag not in {"script", "link", "img", "iframe", "object", "image", "use"}
        assert not (attributes.get("href") or "#").strip("#").count("/")
        assert not {name for name in attributes if name.startswith("on") or name == "src"}
    assert not re.search(r"https?:|url\(|@import", html)
    assert "default-src 'none'" in html


def test_tables_have_heads_scopes_captions_and_can_be_reached_by_the_keyboard() -> None:
    seen = parsed(html_of(DOCUMENT)).seen
    heads = [attributes for tag, attributes in seen if tag == "th"]
    tables = [attributes for tag, attributes in seen if tag == "table"]
    regions = [a for tag, a in seen if a.get("class") == "scroll"]
    assert heads
    assert all(attributes.get("scope") in {"col", "row"} for attributes in heads)
    assert len([tag for tag, _ in seen if tag == "caption"]) == len(tables) == len(regions)
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in regions)


def test_the_page_knows_phones_dark_screens_and_printers() -> None:
    html = html_of(DOCUMENT)
    assert 'name="viewport"' in html
    assert 'lang="en"' in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_titles_go_down_one_step_at_a_time() -> None:
    seen = parsed(html_of(DOCUMENT)).seen
    levels = [int(tag[1]) for tag, _ in seen if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1


def test_links_of_the_page_lead_to_its_sections() -> None:
    seen = parsed(html_of(DOCUMENT)).seen
    targets = {attributes.get("id") for _, attributes in seen}
    links = [attributes["href"] for tag, attributes in seen if tag == "a"]
    assert links == ["#second"]
    assert {str(link).strip("#") for link in links} <= targets
