"""Elements escape whatever they hold."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from plait.studies.page.nodes import node, serialized


class Read(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(max_examples=50)
@given(st.text(alphabet="<>&\"'=/ script\x00\ud800\x1b\n"))
def test_no_text_or_attribute_becomes_markup(text: str) -> None:
    html = serialized(node("p", {"title": text}, text, node("b", None, text), text))
    read = Read()
    read.feed(html)
    read.close()
    shown = "".join("�" if letter in "\x00\ud800\x1b" else letter for letter in text)
    assert read.tags == [("p", [("title", shown)]), ("b", [])]
    assert read.text == 3 * shown
    html.encode()  # nothing that UTF-8 cannot hold


def test_text_stands_where_it_was_given() -> None:
    made = node("p", None, "a", node("b", None, "b"), "c", "d")
    assert serialized(made) == "<p>a<b>b</b>cd</p>"


def test_numbers_are_written_short() -> None:
    assert serialized(node("rect", {"x": 1.0, "y": 2.345})) == '<rect x="1" y="2.35"></rect>'
