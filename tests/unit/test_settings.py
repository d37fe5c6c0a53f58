"""Parts written down as data and made again from it."""

from __future__ import annotations

import json

import pytest

from plait.architectures import ARCHITECTURES, MMoE, Widths
from plait.balancing import BALANCERS, DWA, Equal, Fixed, Weighted
from plait.errors import UnknownNameError
from plait.settings import arguments, choose, keywords, settings_of
from plait.tasks import Binary


class Part:
    """A part whose settings hold containers."""

    def __init__(self, first: int, *, layers: tuple[object, ...], names: dict[str, float]) -> None:
        self.first = first
        self.layers = layers
        self.names = names


def test_settings_are_the_keywords_and_the_name() -> None:
    part = Part(1, layers=(1, (2, 3)), names={"a": 0.5})
    assert settings_of(part) == {"name": "Part", "layers": [1, [2, 3]], "names": {"a": 0.5}}
    assert list(keywords(Part)) == ["layers", "names"]


def test_arguments_turn_lists_into_tuples_and_drop_the_name() -> None:
    settings = json.loads(json.dumps(settings_of(Part(1, layers=(1, (2, 3)), names={"a": 0.5}))))
    assert arguments(settings) == {"layers": (1, (2, 3)), "names": {"a": 0.5}}


def test_a_part_within_a_part_is_written_in_place() -> None:
    written = settings_of(Weighted(weights={"a": 2.0}, rule=DWA(window=9)))
    assert written["rule"] == {"name": "DWA", "temperature": 2.0, "window": 9}


def test_a_part_is_made_again_from_its_settings() -> None:
    made = MMoE(Widths(main=4), ["a"], num_experts=2, layers=(3,), dropout=0.1)
    settings = json.loads(json.dumps(settings_of(made)))
    kind = choose(ARCHITECTURES, settings, what="architecture")
    again = kind(Widths(main=4), ["a"], **arguments(settings))  # type: ignore[arg-type]
    assert settings_of(again) == settings_of(made)


def test_balancers_are_chosen_by_name() -> None:
    assert choose(BALANCERS, settings_of(Equal()), what="balancer") is Equal
    assert settings_of(Fixed(weights={"a": 1.0})) == {"name": "Fixed", "weights": {"a": 1.0}}


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"There is no balancer 'Equl'\. Did you mean 'Eq"):
        choose(BALANCERS, {"name": "Equl"}, what="balancer")


def test_a_frozen_record_is_a_part_too() -> None:
    assert settings_of(Binary("click", parents=()))["parents"] == []
