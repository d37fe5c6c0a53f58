"""Every key of a TOML file is found on its line."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.experiment.toml_lines import KeyPath, key_lines, shown_path


def test_headers_and_keys_have_their_line() -> None:
    lines = key_lines("\n# a comment = 1\n[data]\nlog = 'a # b'  # [no.header]\n\n[a.b]\nc = 1\n")
    assert lines == {("data",): 3, ("data", "log"): 4, ("a",): 6, ("a", "b"): 6, ("a", "b", "c"): 7}


def test_dotted_and_quoted_keys_are_taken_apart() -> None:
    lines = key_lines('a . "b.c" . \'d\' = 1\n"\\u00e9" = 2')
    assert lines == {("a",): 1, ("a", "b.c"): 1, ("a", "b.c", "d"): 1, ("é",): 2}


def test_inline_tables_and_lists_are_entered() -> None:
    text = 'features = [\n  "a", # first ]\n  { name = "b",\n    dim = [1,\n 2] },\n]\nnext = {}\n'
    lines = key_lines(text)
    assert lines["features", 0] == 2
    assert lines["features", 1] == lines["features", 1, "name"] == 3
    assert lines["features", 1, "dim"] == 4
    assert lines["features", 1, "dim", 1] == 5
    assert lines["next",] == 7


def test_strings_of_several_lines_are_stepped_over() -> None:
    text = 'a = """\n[x]\nb = 1 \\""" """""\nc = \'\'\'\n{ " }\'\'\'\'\n'
    text += 'd = ""\ne = \'\'\nf = "\\""\ng=1'
    assert tomllib.loads(text)["a"].endswith('""')
    assert key_lines(text) == {("a",): 1, ("c",): 4, ("d",): 6, ("e",): 7, ("f",): 8, ("g",): 9}


def test_elements_of_an_array_of_tables_are_counted() -> None:
    lines = key_lines("[[t]]\nx = 1\n[[t]]\nx = 2\n[t.deep]\ny = 3\n[[t.more]]\nz = 1\n")
    assert lines["t",] == lines["t", 0] == 1
    assert lines["t", 1] == 3
    assert lines["t", 0, "x"] == 2
    assert lines["t", 1, "x"] == 4
    assert lines["t", 1, "deep", "y"] == 6
    assert lines["t", 1, "more", 0, "z"] == 8


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\n[b]\r\nc = [\r\n1]\r\n")["b", "c", 0] == 4


def test_bare_values_end_where_they_end() -> None:
    text = "a = 1979-05-27 07:32:00\nb = [1.5, -inf,true]\nc = { d = 2, e = 3 }\nf = 4"
    assert key_lines(text)["b", 2] == 2
    assert key_lines(text)["c", "e"] == 3
    assert key_lines(text)["f",] == 4


@pytest.mark.parametrize(
    ("path", "shown"),
    [(("a", "b"), "a.b"), (("a", 0, "b c"), 'a[0]."b c"'), ((), ""), (("x", 1, 2), "x[1][2]")],
)
def test_a_path_is_shown_as_it_is_written(path: KeyPath, shown: str) -> None:
    assert shown_path(path) == shown


_KEYS = st.text(st.sampled_from("ab.-_ \"'#[]é"), min_size=1, max_size=4)
_VALUES = st.recursive(
    st.integers(0, 9) | st.booleans() | st.text(st.sampled_from("a\n\"'#[]{},=\\"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_the_paths_are_those_that_the_parser_finds(document: dict[str, Any]) -> None:
    text = "\n".join(f"{json.dumps(key)} = {_written(value)}" for key, value in document.items())
    assert tomllib.loads(text) == document
    lines = key_lines(text)
    assert set(lines) == set(_paths(document, ()))
    assert [lines[key,] for key in document] == list(range(1, len(document) + 1))


def _written(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {_written(entry)}" for key, entry in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value)


def _paths(value: object, path: KeyPath) -> list[KeyPath]:
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    if isinstance(value, list):
        pairs = list(enumerate(value))
    return [p for key, entry in pairs for p in [(*path, key), *_paths(entry, (*path, key))]]
