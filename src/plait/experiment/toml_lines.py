"""On which line of a TOML file each key stands, so that an error can name it."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]
"""Keys and positions in lists, from the top of a file down."""

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line of every table, key and list element, counted from 1.

    Args:
        text: a TOML document that `tomllib` reads without complaint.

    Example:
        >>> key_lines("model = { tower = [64] }")
        {('model',): 1, ('model', 'tower'): 1, ('model', 'tower', 0): 1}
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def shown_path(path: KeyPath) -> str:
    """A path as a person would write it.

    Example:
        >>> shown_path(("model", "links", 0, "parent"))
        'model.links[0].parent'
    """
    shown = ""
    for key in path:
        if isinstance(key, int):
            shown += f"[{key}]"
        else:
            shown += ("." if shown else "") + (key if _BARE_KEY.fullmatch(key) else f'"{key}"')
    return shown


class _Scanner:
    """Walks over valid TOML and writes down where the keys stand; it reads no value."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._starts = [match.end() for match in re.finditer("\n", self.text)]
        self._elements: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._next():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        line, is_element = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if is_element else 1
        keys = self._keys()
        self.at += 2 if is_element else 1
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if is_element and position == len(keys) - 1:
                self._elements[path] = self._elements.get(path, -1) + 1
            if path in self._elements:  # an array of tables: its latest element is meant
                path = (*path, self._elements[path])
                self.lines.setdefault(path, line)
        return path

    def _pair(self, path: KeyPath) -> None:
        line = self._line()
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the sign `=`
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._next()
        opening = self.text[self.at]
        if opening == "{":
            for _ in self._between("}"):
                self._pair(path)
        elif opening == "[":
            for position in self._between("]"):
                self.lines[*path, position] = self._line()
                self._value((*path, position))
        elif string := _STRING.match(self.text, self.at):
            self.at = string.end()
        else:
            self.at = self._end_of(_BARE_VALUE)

    def _between(self, closing: str) -> Iterator[int]:
        """Stops at each element up to a closing bracket, and goes past it."""
        self.at += 1
        position = 0
        while self._next() and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
                continue
            yield position
            position += 1
        self.at += 1

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._next()
            quoted = _STRING.match(self.text, self.at)
            end = quoted.end() if quoted else self._end_of(_BARE_KEY)
            word = self.text[self.at : end]
            keys.append(tomllib.loads(f"key = {word}")["key"] if quoted else word)
            self.at = end
            self._next()
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _next(self) -> bool:
        """Go past blanks and comments; whether there is anything after them."""
        self.at = self._end_of(_GAP)
        return self.at < len(self.text)

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        assert found is not None
        return found.end()

    def _line(self) -> int:
        return bisect_right(self._starts, self.at) + 1
