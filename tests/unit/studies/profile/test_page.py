"""What a profile shows: tables that add up, sentences, and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.studies.profile.found import FOUND, STRETCH

from plait.studies.page.blocks import Notice, Section, Table
from plait.studies.profile import Profile, first_thing, profile_document, profile_json
from plait.studies.profile.page import _rate, _seconds, _share


def section(found: Profile, key: str) -> Section:
    """The section of this anchor."""
    return next(s for s in profile_document(found, name="a.toml").sections if s.key == key)


def table(found: Profile, key: str) -> dict[str, tuple[str, ...]]:
    """The rows of a section's table by their first cell."""
    block = section(found, key).blocks[0]
    assert isinstance(block, Table)
    return {label: rest for label, *rest in block.rows}


def words(found: Profile, key: str) -> str:
    """The paragraphs of a section."""
    blocks = section(found, key).blocks
    return " ".join(block for block in blocks if isinstance(block, str))


def test_a_step_is_told_in_milliseconds_and_shares() -> None:
    found = table(FOUND, "step")
    assert found["waiting for the next batch"] == ["250.0", "1\N{NO-BREAK SPACE}%"]
    assert found["backward pass"] == ["2,000", "10\N{NO-BREAK SPACE}%"]
    assert found["other"] == ["500.0", "2\N{NO-BREAK SPACE}%"]
    assert found["together"] == ["20,000", "100\N{NO-BREAK SPACE}%"]
    block = section(FOUND, "step").blocks[0]
    assert isinstance(block, Table)
    assert block.caption == "100 rows; means of 4 steps, after 3 to warm up"


def test_preparation_is_told_by_part_or_that_there_was_none() -> None:
    assert table(FOUND, "preparation")["read and join"] == ["2.00", "10\N{NO-BREAK SPACE}%"]
    assert words(replace(FOUND, preparation=None), "preparation").startswith("Not measured")
    assert FOUND.preparation is not None
    kept = replace(FOUND, preparation=replace(FOUND.preparation, from_cache=True))
    assert words(kept, "preparation") == "The prepared log came from the cache: 21 s."


def test_a_run_is_told_with_its_epochs() -> None:
    assert table(FOUND, "run")["together"] == ["456.0", "100\N{NO-BREAK SPACE}%"]
    assert words(FOUND, "run") == (
        "An epoch takes 1.3 min (4 steps), judging 50 validation rows 4 s; the whole run 7.6 min "
        "at most."
    )
    alone = replace(FOUND, plan=replace(FOUND.plan, evaluations=0, epochs=1.0))
    assert "judging" not in words(alone, "run")
    block = section(alone, "run").blocks[0]
    assert isinstance(block, Table)
    assert block.caption == "All of it, if nothing stops it before 1 epoch"


def test_the_machine_is_told_with_its_limit() -> None:
    told = words(FOUND, "limit")
    assert "The limit is 40 training rows a second, and 12\N{NO-BREAK SPACE}% of it" in told
    assert "1,000 multiply-adds forward and 1,900 backward, and 1 thread on the cpu" in told
    assert "at 1.5 GFLOP/s (30 × 20 weights)" in told
    assert "500,000 parameters (1.9 MiB), the network 1,200; its input is 40 wide" in told
    assert "predicting 20, with the engine `torch`." in told
    assert "With batches" not in told
    larger = replace(FOUND, larger=replace(STRETCH, batch_size=4000))
    assert "With batches of 4,000 rows it does 5 rows a second." in words(larger, "limit")


@pytest.mark.parametrize(("load", "is_busy"), [(None, False), (4.0, False), (4.1, True)])
def test_a_busy_machine_is_told(load: float | None, is_busy: bool) -> None:  # noqa: FBT001
    found = replace(FOUND, machine=replace(FOUND.machine, load=load, threads=4))
    notices = [b for b in section(found, "limit").blocks if isinstance(b, Notice)]
    assert bool(notices) == is_busy
    assert "4 threads" in words(found, "limit")


def test_the_advice_comes_last() -> None:
    last = profile_document(FOUND, name="a.toml").sections[-1]
    assert last.blocks == [first_thing(FOUND).sentence]


def test_json_holds_what_was_measured_and_what_follows() -> None:
    form = json.loads(json.dumps(profile_json(FOUND), allow_nan=False))
    assert form["stretch"]["seconds"]["backward"] == 8.0
    assert form["stretch"]["other"] == 2.0
    assert form["stretch"]["limit"]["rows_per_second"] == 40.0
    assert form["stretch"]["limit_share"] == pytest.approx(5 / 40)
    assert form["costs"]["network"] == 165.0
    assert form["run_seconds"] == 456.0
    assert form["advice"]["culprit"] == "the network itself"
    assert form["larger"] is None


def test_seconds_and_rates_have_the_digits_that_mean_something() -> None:
    assert [_seconds(s) for s in (0.0123, 5.56, 12.3, 90, 9000)] == [
        "0.012 s",
        "5.6 s",
        "12 s",
        "1.5 min",
        "2.5 h",
    ]
    assert _rate(45_678.9) == "45,700"
    shown = [_share(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0.25, 0.001, 1e-7, 0)]
    assert shown == ["25 %", "0.1 %", "< 0.1 %", "0 %"]
