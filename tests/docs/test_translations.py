"""A translated page is its original in other words: same code, same headings, same pictures.

So a translation is not run by test_snippets: what runs in the original runs in it. Whoever changes
one of the two has to change the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"

BLOCK = re.compile(
    r"^```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^``` *$", re.MULTILINE | re.DOTALL
)
RUN = ("python", "console", "toml")
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)|<img\b[^>]*?\bsrc=\"([^\"]+)\"", re.DOTALL)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Pair(NamedTuple):
    """A page and its translation."""

    original: Path
    translation: Path


def _guide_pages(folder: Path) -> set[str]:
    return {page.name for page in folder.glob("*.md")}


PAIRS = [
    Pair(ROOT / "README.md", ROOT / "README.zh.md"),
    *(Pair(GUIDE / name, GUIDE / "zh" / name) for name in sorted(_guide_pages(GUIDE))),
]
of_every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.original.stem)


def _blocks(text: str) -> list[tuple[str, str]]:
    found = [(match["language"], match["code"]) for match in BLOCK.finditer(text)]
    return [(language, code) for language, code in found if language in RUN]


def _headings(text: str) -> Counter[int]:
    return Counter(len(marks) for marks in HEADING.findall(BLOCK.sub("", text)))


def _images(text: str) -> list[str]:
    targets = ["".join(groups) for groups in IMAGE.findall(BLOCK.sub("", text))]
    return [re.sub(r"_zh$", "", Path(target).stem) for target in targets]


def _texts(pair: Pair) -> tuple[str, str]:
    return pair.original.read_text(encoding="utf-8"), pair.translation.read_text(encoding="utf-8")


def test_every_page_of_the_guide_is_in_both_languages() -> None:
    assert _guide_pages(GUIDE), "there is no guide"
    assert _guide_pages(GUIDE) == _guide_pages(GUIDE / "zh")


@of_every_pair
def test_a_translation_has_the_code_of_its_original(pair: Pair) -> None:
    original, translation = map(_blocks, _texts(pair))
    assert original, "a page without code explains nothing that runs"
    assert translation == original


@of_every_pair
def test_a_translation_has_as_many_headings_of_each_level(pair: Pair) -> None:
    original, translation = map(_headings, _texts(pair))
    assert translation == original


@of_every_pair
def test_a_translation_shows_the_same_pictures(pair: Pair) -> None:
    original, translation = map(_images, _texts(pair))
    assert original, "the page shows no picture"
    assert translation == original


@of_every_pair
def test_a_translation_is_one(pair: Pair) -> None:
    original, translation = (BLOCK.sub("", text) for text in _texts(pair))
    assert 4 * len(CHINESE.findall(translation)) > len(translation) - translation.count(" ")
    assert len(CHINESE.findall(original)) < len(CHINESE.findall(translation))


PAGE = "# A\n\n```python\n# B\nx = 1\n```\n"


@pytest.mark.parametrize(
    ("read", "changed"),
    [
        (_blocks, PAGE.replace("x = 1", "x = 2")),
        (_headings, PAGE + "## C\n"),
        (_images, PAGE + '<img src="c.svg">\n'),
    ],
)
def test_pages_that_differ_are_told_apart(read: Callable[[str], object], changed: str) -> None:
    assert read(changed) != read(PAGE)


def test_a_comment_in_code_is_no_heading() -> None:
    assert _headings(PAGE) == {1: 1}


def test_a_picture_may_have_a_chinese_twin() -> None:
    assert _images("![](../a_zh.svg)") == _images('<img width="9" src="a.svg">') == ["a"]
