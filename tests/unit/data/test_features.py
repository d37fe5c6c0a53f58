"""What each kind of feature takes and refuses."""

from __future__ import annotations

import pytest

from plait.data.schema import (
    Categorical,
    Feature,
    MultiHot,
    Numeric,
    Sequence,
    Vector,
)
from plait.errors import SchemaError


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Numeric(""), "`name` is empty"),
        (lambda: Numeric("x", known="later"), "`known` is 'before' or 'after', got 'later'"),  # type: ignore[arg-type]
        (lambda: Categorical("x", embedding_dim=0), "`embedding_dim` must be positive, got 0"),
        (lambda: Categorical("x", min_count=0), "`min_count` must be at least 1, got 0"),
        (lambda: Categorical("x", hash_buckets=1), "`hash_buckets` must be at least 2, got 1"),
        (lambda: Categorical("x", shares="y", min_count=2), "`shares` takes width, counts and"),
        (lambda: Numeric("x", num_bins=-1), "`num_pieces` and `num_bins` must not be negative"),
        (lambda: Numeric("x", num_pieces=-1), "`num_pieces` and `num_bins` must not be negative"),
        (lambda: Numeric("x", embedding_dim=0), "`embedding_dim` must be positive, got 0"),
        (lambda: Sequence("x", max_length=0), "`max_length` must be at least 1, got 0"),
        (lambda: Sequence("x", delimiter=""), "`delimiter` is empty"),
        (lambda: MultiHot("x", max_length=0), "`max_length` must be at least 1, got 0"),
        (lambda: MultiHot("x", delimiter=""), "`delimiter` is empty"),
        (lambda: Vector("x"), "`size` must say how many numbers a row holds, got 0"),
    ],
)
def test_settings_out_of_range_are_named(make: object, words: str) -> None:
    with pytest.raises(SchemaError, match=r"^Feature '") as caught:
        make()  # type: ignore[operator]
    assert words in str(caught.value)


def test_one_message_lists_every_problem() -> None:
    with pytest.raises(SchemaError) as caught:
        Sequence("x", embedding_dim=0, max_length=0, delimiter="")
    assert str(caught.value).count(";") == 2


def test_features_know_their_columns() -> None:
    feature: Feature = Categorical("user", column="uid")
    assert (feature.source, feature.columns()) == ("uid", ("uid",))
    assert MultiHot("genres", weights="w").columns() == ("genres", "w")
    assert MultiHot("genres").columns() == ("genres",)
