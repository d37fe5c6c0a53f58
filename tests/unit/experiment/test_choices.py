"""Tables follow their constructors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from plait.experiment.choices import Section, table_of
from plait.experiment.docstrings import described, summary
from plait.experiment.sources import located
from plait.experiment.written import written_form


class _Gate:
    """Open or shut.

    Longer.

    Args:
        width: how wide it is,
            in metres.
        generator: where randomness comes from.

    Raises:
        ValueError: never.
    """

    def __init__(self, width: int = 3, *, generator: torch.Generator | None = None) -> None:
        self.width = width


@dataclass(frozen=True)
class _Base:
    """Below.

    Attributes:
        first: of the base.
        both: of the base.
    """

    first: int = 1
    both: int = 2


@dataclass(frozen=True)
class _Child(_Base):
    """Above.

    Attributes:
        both: of the child.
    """


def test_a_parameter_that_no_file_can_hold_has_no_key() -> None:
    table = table_of(_Gate, Section)
    assert list(table.model_fields) == ["width"]
    assert table.model_fields["width"].default == 3
    assert table.model_fields["width"].description == "how wide it is, in metres."
    assert table.__doc__ == "Open or shut."


def test_a_default_that_is_not_written_is_not_passed_on() -> None:
    table = table_of(_Gate, Section)
    assert table.model_validate({}).settings() == {}
    assert table.model_validate({}).values() == {"width": 3}


def test_descriptions_of_the_child_win_over_those_of_its_bases() -> None:
    assert described(_Child) == {"first": "of the base.", "both": "of the child."}
    assert described(_Gate)["generator"] == "where randomness comes from."
    assert summary(_Child) == "Above."


def test_what_has_no_docstring_has_no_description() -> None:
    def bare(*, width: int) -> None: ...

    assert described(bare) == {}
    assert summary(bare) == ""


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, 3, "3"),
        (int, 3, True),
        (float, 3, True),
        (str, "a", 3),
        (str | Path, "a", 3),
        (bool, False, 0),
        (date, date(2024, 5, 1), "2024-05-01"),
        (int | None, None, 1.0),
        (Literal["a", "b"], "b", "c"),
        (Sequence[int], [1, 2], [1.5]),
        (tuple[str, ...] | tuple[int, ...], ["a", "b"], ["a", 1]),
        (tuple[int, str], [1, "a"], [1, 2]),
        (list[int], [], 3),
        (Mapping[str, float], {"a": 1.5}, {"a": "b"}),
        (str | torch.Generator, "a", 3),
    ],
)
def test_types_of_settings_are_strict(annotation: object, good: object, bad: object) -> None:
    checks = TypeAdapter[object](written_form(annotation))
    came = checks.validate_python(good)
    assert came == (tuple(good) if isinstance(good, list) else good)
    with pytest.raises(ValidationError):
        checks.validate_python(bad)


@pytest.mark.parametrize(
    "annotation",
    [
        torch.Generator,
        torch.Generator | None,
        Sequence[torch.Generator],
        Mapping[str, torch.Generator],
        tuple[int, torch.Generator],
        set[int],
    ],
)
def test_some_types_cannot_be_written(annotation: object) -> None:
    assert written_form(annotation) is None


def test_home_folders_and_addresses_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/ada")
    assert located("~/log.csv", folder=Path("here")) == "/ada/log.csv"
    assert located("https://host/log.csv", folder=Path("here")) == "https://host/log.csv"
