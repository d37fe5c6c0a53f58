"""What `--set` understands, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from plait.errors import ConfigurationError
from plait.experiment.overrides import Override


@pytest.mark.parametrize(
    ("written", "path", "value"),
    [
        ("a.b=3", ("a", "b"), 3),
        ("a = 1e-3", ("a",), 1e-3),
        ("a=true", ("a",), True),
        ("a=word", ("a",), "word"),
        ("a=", ("a",), ""),
        ("a='3'", ("a",), "3"),
        ("label=rating >= 4", ("label",), "rating >= 4"),
        ("a=[1, 2]", ("a",), [1, 2]),
        ('a={b="c"}', ("a",), {"b": "c"}),
        ("a=/data/log.parquet", ("a",), "/data/log.parquet"),
        ('links.0."x.y"=1', ("links", 0, "x.y"), 1),
    ],
)
def test_values_are_read_as_toml_and_bare_words_as_text(
    written: str, path: tuple[str | int, ...], value: object
) -> None:
    override = Override.parse(written)
    assert (override.path, override.value) == (path, value)


def test_a_value_lands_in_its_place() -> None:
    document: dict[str, Any] = {"model": {"architecture": "MMoE", "links": [{"name": "Chain"}]}}
    for written in ("model.architecture.num_experts=8", "model.links.0.parent=a", "new.deep.x=1"):
        Override.parse(written).apply(document)
    assert document == {
        "model": {
            "architecture": {"name": "MMoE", "num_experts": 8},
            "links": [{"name": "Chain", "parent": "a"}],
        },
        "new": {"deep": {"x": 1}},
    }


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("epochs", "expected KEY=VALUE, for instance"),
        ("=3", "'' is no key such as `a.b`"),
        ("a b=3", "'a b' is no key such as `a.b`"),
        ("a=[1,", r"--set a: \[1, is no TOML value"),
        ("a={b=}", "put single quotes around the whole setting"),
    ],
)
def test_what_is_no_setting_is_refused(written: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Override.parse(written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("epochs.x=3", "--set epochs.x: nothing can be set below 3; only tables and lists"),
        ("links.2=3", "2 is no place in a list of 1; places are counted from 0"),
        ("links.first.a=3", "'first' is no place in a list of 1"),
    ],
)
def test_what_has_no_place_is_refused(written: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Override.parse(written).apply({"epochs": 3, "links": ["a"]})
