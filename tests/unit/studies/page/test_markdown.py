"""The page as Markdown: the same words, nothing of it read as markup."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from plait.studies.page.blocks import Document, Notice, Section, Table
from plait.studies.page.markdown import escaped, markdown_of


@settings(max_examples=50)
@given(st.text(alphabet="<>|*_`#[]\\\r\n ab"))
def test_a_cell_stays_one_cell(text: str) -> None:
    table = Table("t", ("a", "b"), ((text, text),))
    lines = markdown_of(Document("d", (Section("s", "S", [table]),))).splitlines()
    row = lines[-2] if lines[-1] == "" else lines[-1]
    bare = row.replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == 3
    assert "<" not in row


def test_markup_is_shown_as_it_stands() -> None:
    assert escaped("*a* <b>") == "\\*a\\* &lt;b&gt;"


def test_a_command_is_code() -> None:
    notice = Notice("To run it:", "plait report 'a`b' <x>")
    text = markdown_of(Document("d", (Section("s", "S", [notice]),)))
    assert "> **Note.** To run it: `` plait report 'a`b' <x> ``\n" in text
