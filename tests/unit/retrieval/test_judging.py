"""Recall by brute force: what counts, what is left out, and who is judged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.retrieval import Catalogue, Exposures, Judge
from plait.retrieval.judging import top_items


def pairs(rows: list[tuple[int, int, float]], first: int = 0) -> Exposures:
    user, item, weight = (np.array(column) for column in zip(*rows, strict=True))
    places = np.arange(first, first + len(rows))
    return Exposures(places, user, item, weight.astype(np.float32))


def brute_force(
    train: Exposures,
    part: Exposures,
    before: list[Exposures],
    scores: dict[int, dict[int, float]],
    k: int,
) -> dict[int, float]:
    """The recall of each user with a positive that could be found."""
    found = {}
    catalogue = {int(item) for item in train.item}
    for user in {int(u) for u in part.user}:
        had = {
            int(i)
            for each in (train, *before)
            for u, i in zip(each.user, each.item, strict=True)
            if u == user
        }
        wanted = {
            int(i)
            for u, i, w in zip(part.user, part.item, part.weight, strict=True)
            if u == user and w > 0
        }
        wanted = (wanted & catalogue) - had
        best = sorted(catalogue - had, key=lambda item: -scores[user][item])[:k]
        if wanted:
            found[user] = len(wanted & set(best)) / len(wanted)
    return found


def random_pairs(rng: np.random.Generator, rows: int, first: int = 0) -> Exposures:
    users, items = rng.integers(0, 9, rows), rng.integers(100, 115, rows)
    weight = rng.integers(0, 2, rows).astype(np.float32)
    return Exposures(np.arange(first, first + rows), users, items, weight)


@pytest.mark.parametrize("k", [1, 4, 15])
def test_recall_agrees_with_brute_force(k: int) -> None:
    rng = np.random.default_rng(k)
    train, before, part = (random_pairs(rng, rows) for rows in (60, 10, 40))
    train = Exposures(train.rows, train.user + 2, train.item, train.weight)  # users 0, 1 are new
    catalogue = Catalogue.of(train)
    judge = Judge(train, part, catalogue, before=[before])
    users = rng.normal(size=(len(judge.users), 3)).astype(np.float32)
    items = rng.normal(size=(len(catalogue), 3)).astype(np.float32)
    table = users @ items.T
    scores = {
        int(user): dict(zip(catalogue.codes.tolist(), table[row].tolist(), strict=True))
        for row, user in enumerate(judge.users)
    }
    everybody = {
        int(u): scores.get(int(u), dict.fromkeys(catalogue.codes.tolist(), 0.0)) for u in part.user
    }
    expected = brute_force(train, part, [before], everybody, k)
    found = judge.recall(users, items, k)
    assert found.users == len(expected)
    assert found.value == pytest.approx(np.mean(list(expected.values())))
    known = [value for user, value in expected.items() if user in train.user]
    assert found.known_users == len(known)
    assert found.known == pytest.approx(np.mean(known))
    liked = {
        item: int(((train.item == item) & (train.weight > 0)).sum())
        for item in catalogue.codes.tolist()
    }
    popular = brute_force(train, part, [before], dict.fromkeys(everybody, liked), k)
    assert found.popularity == pytest.approx(np.mean(list(popular.values())))


def test_what_can_not_be_found_does_not_count() -> None:
    train = pairs([(1, 10, 1), (1, 11, 0), (2, 12, 1)])
    part = pairs([(1, 10, 1), (1, 99, 1), (1, 12, 1), (3, 99, 1)], first=50)
    judge = Judge(train, part, Catalogue.of(train))
    assert judge.rows.tolist() == [50, 53]
    ones = np.ones((2, 1), np.float32)
    found = judge.recall(ones, np.array([[0.0], [1.0], [2.0]], np.float32), k=1)
    assert found.users == 1  # all that user 3 took is out of reach
    assert found.value == 1.0
    assert found.unreachable == 3  # 10 was had before; 99 is twice not in the catalogue


def test_without_a_positive_there_is_no_number() -> None:
    train = pairs([(1, 10, 1), (1, 11, 1)])
    judge = Judge(train, pairs([(1, 12, 0)]), Catalogue.of(train))
    found = judge.recall(np.empty((0, 2), np.float32), np.ones((2, 2), np.float32), k=1)
    assert math.isnan(found.value)
    assert found.to_json()["value"] is None
    assert found.users == 0


def test_an_item_is_told_by_its_last_row() -> None:
    catalogue = Catalogue.of(pairs([(1, 7, 1), (2, 5, 1), (3, 7, 0)]))
    assert catalogue.codes.tolist() == [5, 7]
    assert catalogue.rows.tolist() == [1, 2]
    assert catalogue.places(np.array([7, 6])).tolist() == [1, -1]


def test_fewer_items_than_asked_for_leave_places_empty() -> None:
    left_out = np.array([[True, True, False]])
    assert top_items(np.array([[3.0, 2.0, 1.0]]), left_out, 2).tolist() == [[2, -1]]
