"""Search among items: against brute force, and by an index."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from plait.errors import MissingExtraError
from plait.retrieval import ApproximateIndex, ExactIndex
from plait.retrieval.index import overlap

RNG = np.random.default_rng(0)
ITEMS = RNG.normal(size=(300, 8)).astype(np.float32) * RNG.random((300, 1)).astype(np.float32) * 3
USERS = RNG.normal(size=(40, 8)).astype(np.float32)


def test_the_exact_index_gives_the_largest_products_in_order() -> None:
    found = ExactIndex(ITEMS).search(USERS, 5)
    for row, user in enumerate(USERS):
        products = ITEMS @ user
        best = sorted(range(len(ITEMS)), key=lambda item: -products[item])[:5]
        assert found.items[row].tolist() == best
        np.testing.assert_allclose(found.scores[row], products[best], rtol=1e-5)


def test_the_approximate_index_finds_nearly_all_of_them_and_is_the_same_each_time() -> None:
    pytest.importorskip("usearch")
    exact = ExactIndex(ITEMS).search(USERS, 10)
    first, second = (ApproximateIndex(ITEMS).search(USERS, 10) for _ in range(2))
    assert overlap(first.items, exact.items) > 0.95
    assert (first.items == second.items).all()
    assert (np.diff(first.scores, axis=1) <= 0).all()
    same = first.items == exact.items
    np.testing.assert_allclose(first.scores[same], exact.scores[same], rtol=1e-5)


@pytest.mark.parametrize("kind", [ExactIndex, ApproximateIndex])
def test_one_user_no_user_and_more_than_there_is(kind: type[ExactIndex]) -> None:
    if kind is ApproximateIndex:
        pytest.importorskip("usearch")
    index = kind(ITEMS[:4])
    assert sorted(index.search(USERS[:1], 9).items[0].tolist()) == [0, 1, 2, 3]
    assert index.search(USERS[:0], 3).items.shape == (0, 3)


def test_without_the_package_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'plait\[retrieve\]'"):
        ApproximateIndex(ITEMS)


def test_an_overlap_without_anything_is_whole() -> None:
    assert overlap(np.empty((0, 3)), np.empty((0, 3))) == 1.0
