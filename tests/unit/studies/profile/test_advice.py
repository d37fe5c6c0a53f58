"""The culprit that is named is the largest cost, and each gets the advice that is for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.unit.studies.profile.found import FOUND, STRETCH

from plait.studies.profile import advice as rules
from plait.studies.profile.advice import first_thing
from plait.studies.profile.plan import GROUPS
from plait.studies.profile.profiling import Profile

PREPARATION = FOUND.preparation
assert PREPARATION is not None


def slow(**stages: float) -> Profile:
    """With so many seconds of a stage, and the wall as much longer."""
    seconds: Mapping[str, float] = {**STRETCH.seconds, **stages}
    wall = sum(seconds.values()) + STRETCH.other
    return replace(FOUND, stretch=replace(STRETCH, seconds=seconds, wall=wall))


def prepared(**parts: float) -> Profile:
    """With so many seconds of a part of the preparation."""
    assert PREPARATION is not None
    return replace(FOUND, preparation=replace(PREPARATION, parts={**PREPARATION.parts, **parts}))


def larger(rows_per_second: float) -> Profile:
    """With a second stretch of larger batches at this speed."""
    stretch = replace(STRETCH, batch_size=400, rows=round(rows_per_second * 100), wall=100.0)
    return replace(FOUND, larger=stretch)


CULPRITS = {
    "reading": (prepared(read=900.0), "reading the log", "lay the files on a fast local disk"),
    "preparing": (
        prepared(history=900.0),
        "preparing the log, above all “history of users and items”",
        "name a folder by `--cache`",
    ),
    "batches": (slow(batch=500.0), "waiting for batches", "does not keep up"),
    "tables looked up": (
        slow(lookup=500.0),
        "work on the tables, above all looking vectors up",
        "`embedding_dim`",
    ),
    "tables updated": (
        slow(tables=500.0),
        "work on the tables, above all the optimizer of their rows",
        "`embedding_dim`",
    ),
    "dense": (slow(dense=500.0), "the optimizer, above all the dense layers", "larger batches"),
    "averages": (
        slow(average=500.0),
        "the optimizer, above all the averaged weights",
        "`training.average = 0`",
    ),
    "clipping": (
        slow(step=500.0),
        "the optimizer, above all its rates and clipping",
        "`training.clip_norm`",
    ),
    "predicting": (
        replace(FOUND, judging=replace(FOUND.judging, predict=500.0)),
        "predicting rows to judge",
        "`training.evaluate_steps`",
    ),
    "metrics": (
        replace(FOUND, judging=replace(FOUND.judging, metrics=500.0)),
        "computing metrics, above all auc of click (75\N{NO-BREAK SPACE}% of all metrics)",
        "fewer slices",
    ),
    "finishing": (
        replace(FOUND, judging=replace(FOUND.judging, finish=500.0)),
        "finishing the kept states",
        "for 3 states at most",
    ),
    "other": (
        replace(FOUND, stretch=replace(STRETCH, wall=900.0)),
        "work between the stages",
        "`training.batch_size`",
    ),
    "small batches": (
        larger(10.0),
        "the network itself, for its small batches",
        "`training.batch_size = 400` trained 2.0 times as many rows a second",
    ),
    "wide inputs": (
        replace(FOUND, size=replace(FOUND.size, number_share=0.6)),
        "the network itself, for its wide inputs",
        "the numeric pieces of user.count and age are 34 of 40 inputs and 60\N{NO-BREAK SPACE}% of "
        'all multiply-adds; give numbers fewer pieces (`{ name = "age", num_pieces = 8 }`) or '
        "remember less",
    ),
    "numbers that may be looked up": (
        replace(FOUND, size=replace(FOUND.size, number_share=0.6), may_look_up=True),
        "the network itself, for its wide inputs",
        'look them up instead of multiplying them, with `training.engine = "compiled"`, give',
    ),
    "network": (FOUND, "the network itself", "12\N{NO-BREAK SPACE}% of the machine's limit"),
}


@pytest.mark.parametrize(("found", "culprit", "remedy"), CULPRITS.values(), ids=CULPRITS)
def test_the_culprit_is_named_with_what_helps(
    found: Profile, culprit: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "find_spec", lambda name: object())
    told = first_thing(found)
    assert told.culprit == culprit
    assert told.share == max(found.costs.values()) / found.run_seconds
    assert told.sentence.startswith(culprit[0].upper() + culprit[1:])
    assert remedy in told.sentence
    assert told.sentence.endswith(".")
    assert told.sentence.count(". ") == 0, "one sentence"


def test_the_culprits_are_all_that_a_run_can_cost() -> None:
    named = {culprit.partition(",")[0] for _, culprit, _ in CULPRITS.values()}
    assert named == set(GROUPS.values())


def test_text_is_to_become_parquet() -> None:
    found = prepared(read=900.0)
    assert found.preparation is not None
    text = replace(found, preparation=replace(found.preparation, text_files=True))
    assert "write the log as Parquet" in first_thing(text).sentence
    assert "Parquet" not in first_thing(found).sentence


def test_faster_tables_are_offered_where_they_are_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "find_spec", lambda name: None)
    assert "pip install 'plait[fast]'" in first_thing(slow(lookup=500.0)).sentence


def test_the_compiled_engine_is_offered_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "find_spec", lambda name: None)
    found = replace(FOUND, size=replace(FOUND.size, number_share=0.6), may_look_up=True)
    assert "`training.engine = \"compiled\"` (`pip install 'plait[fast]'`)" in (
        first_thing(found).sentence
    )


@pytest.mark.parametrize("stage", ["batch", "dense", "average"])
def test_larger_batches_are_what_helps_where_they_were_faster(stage: str) -> None:
    found = replace(slow(**{stage: 500.0}), larger=larger(10.0).larger)
    told = first_thing(found)
    assert told.culprit == first_thing(slow(**{stage: 500.0})).culprit
    assert "`training.batch_size = 400` trained 14." in told.sentence


def test_larger_batches_are_offered_only_where_they_pay() -> None:
    assert first_thing(larger(6.0)).culprit == "the network itself"


def test_a_history_of_its_own_is_not_told_to_have_fewer_pieces() -> None:
    size = replace(FOUND.size, number_share=0.6, numbers={"user.count": 26})
    sentence = first_thing(replace(FOUND, size=size)).sentence
    assert "remember less" in sentence
    assert "num_pieces" not in sentence


def test_many_wide_inputs_are_not_all_named() -> None:
    numbers = {f"number {place}": 20 + place for place in range(9)}
    size = replace(FOUND.size, number_share=0.6, numbers=numbers)
    sentence = first_thing(replace(FOUND, size=size, history=())).sentence
    assert "number 8, number 7, number 6, number 5, number 4, number 3 and others" in sentence
    assert 'name = "number 8"' in sentence
