"""Every pair of parts of different kinds: nothing in one may count on what the other is."""

from __future__ import annotations

import pytest
from tests.grid import (
    COUPLINGS,
    OWNERS,
    STRUCTURES,
    Combination,
    Logs,
    check,
    every,
    page,
    pairwise,
)
from tests.unit.models.test_links import TIED

from plait.architectures import ARCHITECTURES, STEM
from plait.testing.stages import Surface


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    return Logs(tmp_path_factory.mktemp("grid"))


PAIRS = pairwise()


def test_every_pair_of_choices_occurs() -> None:
    assert set(STRUCTURES.values()) == set(ARCHITECTURES)
    assert set(COUPLINGS) == {"none", *TIED}
    every_pair = {pair for one in every() for pair in one.pairs}
    assert {pair for one in PAIRS for pair in one.pairs} == every_pair
    assert len(PAIRS) < 1.2 * len(STRUCTURES) * len(COUPLINGS)


@pytest.mark.parametrize("one", PAIRS, ids=lambda one: one.name)
def test_they_fit(one: Combination, logs: Logs) -> None:
    # A cut takes as long as all else together: two here, and all of them in `make grid`.
    others: list[Surface] = ["fields", "encoded", "representations"]
    check(one, logs, ("shared", others[PAIRS.index(one) % 3]))


def test_every_structure_with_private_parts_is_looked_at() -> None:
    private = {"SingleTask", "CGC", "PLE", "HoME", "STEM", "PPNet", "PEPNet"}
    assert set(OWNERS) == private


def test_a_part_that_moves_another_task_s_is_found(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STEM, "_learns", lambda self, task, place: True)
    with pytest.raises(AssertionError, match=r"architecture\.own\.1\. by click"):
        check(Combination("STEM", "none", "none", "none", 2), logs)


def test_the_page_counts_what_was_done_and_names_what_failed() -> None:
    done = {PAIRS[0].name: "", f"export {PAIRS[0].name}": "click", PAIRS[1].name: ""}
    found = page(done, [one.name for one in every()])
    assert f"**3 of {len(every()):,}**, failed: **1**" in found
    assert f"- `export {PAIRS[0].name}`: click" in found
