from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data.schema import Categorical, Schema
from plait.data.split_facts import split_facts, split_warnings
from plait.data.splits import ColumnSplit, Moment, RandomSplit, Split, TimeSplit, UserSplit
from plait.errors import DataError, SplitError, UnknownNameError
from plait.tasks import Binary, Regression

SCHEMA = Schema((Categorical("user"),), user="user", time="t")


def assign(split: Split, **columns: Sequence[object] | pl.Series) -> list[int]:
    parts = split.assign(pl.DataFrame(columns), SCHEMA)
    assert parts.dtype == np.uint8
    return [int(part) for part in parts]


def problem(split: Split, frame: pl.DataFrame) -> str:
    with pytest.raises((SplitError, UnknownNameError)) as caught:
        split.assign(frame, SCHEMA)
    return str(caught.value)


def test_time_sends_the_last_rows_to_test() -> None:
    times = [7, 1, 2, 3, 4, 5, 6, 8, 9, 10]
    expected = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2]
    assert assign(TimeSplit(), t=times) == expected
    assert assign(TimeSplit("when"), when=times) == expected
    days = [datetime(2024, 1, day) for day in times]
    assert assign(TimeSplit(), t=days) == expected
    assert assign(TimeSplit(), t=[day.date() for day in days]) == expected
    assert assign(TimeSplit(), t=[day / 2 for day in times]) == expected


def test_a_split_without_one_of_the_parts() -> None:
    times = list(range(10))
    assert assign(TimeSplit(valid=0, test=0.3), t=times) == [0] * 7 + [2] * 3
    assert assign(TimeSplit(valid=0.3, test=0), t=times) == [0] * 7 + [1] * 3
    assert assign(TimeSplit(valid=0, test=0), t=times) == [0] * 10


def test_a_heavy_last_instant_leaves_validation_rows() -> None:
    assert assign(TimeSplit(valid=0.1, test=0.2), t=[1, 2, 3, 3, 3]) == [0, 1, 2, 2, 2]


@settings(max_examples=80)
@given(
    st.lists(st.integers(0, 30), min_size=12, max_size=80),
    st.floats(0, 0.4),
    st.floats(0, 0.4),
    st.randoms(use_true_random=False),
)
def test_time_never_tears_an_instant_apart(
    times: list[int], valid: float, test: float, random: np.random.Generator
) -> None:
    split = TimeSplit(valid=valid, test=test)
    try:
        parts = assign(split, t=times)
    except SplitError as error:
        assert "is empty" in str(error)  # noqa: PT017 (either outcome is right)
        assert len(set(times)) < 3 or max(np.bincount(times)) > 0.2 * len(times)
        return
    by_time = sorted(zip(times, parts, strict=True))
    assert [part for _, part in by_time] == sorted(parts)
    assert len({(t, part) for t, part in by_time}) == len(set(times))
    heaviest = int(np.bincount(times).max())
    assert parts.count(2) == pytest.approx(test * len(times), abs=heaviest)
    shuffled = list(range(len(times)))
    random.shuffle(shuffled)
    again = assign(split, t=[times[at] for at in shuffled])
    assert again == [parts[at] for at in shuffled]


@pytest.mark.parametrize(
    ("valid_from", "test_from", "expected"),
    [
        (date(2024, 1, 3), date(2024, 1, 4), [0, 0, 1, 2, 2]),
        (datetime(2024, 1, 2, 12), datetime(2024, 1, 5), [0, 0, 1, 1, 2]),
        (None, date(2024, 1, 4), [0, 0, 0, 2, 2]),
        (date(2024, 1, 2), None, [0, 1, 1, 1, 1]),
    ],
)
def test_borders_may_be_dates(
    valid_from: Moment | None, test_from: Moment | None, expected: list[int]
) -> None:
    split = TimeSplit(valid_from=valid_from, test_from=test_from)
    days = [date(2024, 1, day) for day in range(1, 6)]
    moments = pl.Series(days).cast(pl.Datetime("ns"))
    assert assign(split, t=days) == expected
    assert assign(split, t=moments) == expected
    assert assign(split, t=moments.dt.replace_time_zone("Europe/Oslo")) == expected


def test_borders_may_be_numbers_or_have_a_zone() -> None:
    assert assign(TimeSplit(valid_from=3, test_from=4.5), t=[1, 2, 3, 4, 5]) == [0, 0, 1, 1, 2]
    zoned = pl.Series([datetime(2024, 1, 1, hour) for hour in (1, 2, 3)])
    zoned = zoned.dt.replace_time_zone("Europe/Oslo")
    split = TimeSplit(test_from=datetime(2024, 1, 1, 1, tzinfo=UTC))
    assert assign(split, t=zoned) == [0, 2, 2]


@pytest.mark.parametrize(
    ("times", "border", "words"),
    [
        ([1, 2], date(2024, 1, 1), "must be a number in the unit of the column"),
        ([date(2024, 1, 1)], 5, "must be a date, got 5"),
        ([datetime(2024, 1, 1)], datetime(2024, 1, 1, tzinfo=UTC), "has no time zone"),
    ],
)
def test_a_border_of_another_kind_is_an_error(
    times: list[object], border: Moment, words: str
) -> None:
    assert words in problem(TimeSplit(test_from=border), pl.DataFrame({"t": times}))


def test_rows_without_a_time_are_counted_in_the_error() -> None:
    message = problem(TimeSplit(), pl.DataFrame({"t": [1, None, 3, None]}))
    assert "no time on 2 of 4 rows" in message
    assert "no time on 1 of 2 rows" in problem(
        TimeSplit(), pl.DataFrame({"t": [1.0, float("nan")]})
    )


def test_a_text_is_no_time() -> None:
    message = problem(TimeSplit(), pl.DataFrame({"t": ["yesterday"]}))
    assert "Column 't' is String; a time is a date" in message


def test_a_part_that_would_be_empty_is_an_error() -> None:
    message = problem(TimeSplit(), pl.DataFrame({"t": [5, 5, 5]}))
    assert "The part 'train' is empty: none of 3 rows" in message
    late = TimeSplit(valid_from=5, test_from=99)
    assert "'test' is empty" in problem(late, pl.DataFrame({"t": [1, 5]}))
    assert "'valid' is empty" in problem(RandomSplit(valid=0.01), pl.DataFrame({"t": [1, 5]}))


@pytest.mark.parametrize(
    ("valid", "test", "words"),
    [
        (-0.1, 0.2, r"`valid` must lie in \[0, 1\), got -0.1"),
        (0.1, 1.0, r"`test` must lie in \[0, 1\), got 1.0"),
        (float("nan"), 0.2, "`valid` must lie"),
        (0.5, 0.5, "leave no training rows"),
    ],
)
def test_fractions_are_checked(valid: float, test: float, words: str) -> None:
    for kind in (TimeSplit, UserSplit, RandomSplit):
        with pytest.raises(SplitError, match=words):
            kind(valid=valid, test=test)


def test_borders_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(SplitError, match="must come before"):
        TimeSplit(valid_from=date(2024, 2, 1), test_from=datetime(2024, 1, 1, 5))
    with pytest.raises(SplitError, match="both be dates, or both numbers"):
        TimeSplit(valid_from=1, test_from=date(2024, 1, 1))


def test_a_split_needs_its_column() -> None:
    bare = Schema((Categorical("user"),))
    for split, role in ((TimeSplit(), "time"), (UserSplit(), "user")):
        with pytest.raises(SplitError, match=f"needs a {role} column"):
            split.columns(bare)
        with pytest.raises(SplitError, match=f"needs a {role} column"):
            split.columns(None)
    message = problem(TimeSplit("tiem"), pl.DataFrame({"time": [1]}))
    assert "no column 'tiem' in the log (for the split). Did you mean 'time'?" in message


def test_splits_name_the_columns_that_they_read() -> None:
    splits = (TimeSplit(), UserSplit(), UserSplit("u"), RandomSplit(), ColumnSplit("fold"))
    assert [split.columns(SCHEMA) for split in splits] == [
        ("t",),
        ("user",),
        ("u",),
        (),
        ("fold",),
    ]


def test_whole_users_share_a_part_whatever_the_order_and_type() -> None:
    users = np.random.default_rng(0).integers(0, 2000, size=20_000)
    parts = UserSplit(seed=5).assign(pl.DataFrame({"user": users}), SCHEMA)
    assert len(set(zip(users.tolist(), parts.tolist(), strict=True))) == len(set(users.tolist()))
    shares = np.bincount([parts[users == user][0] for user in np.unique(users)]) / 2000
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    order = np.random.default_rng(1).permutation(len(users))
    shuffled = pl.LazyFrame({"user": users[order]}).with_columns(pl.col("user").cast(pl.String))
    assert np.array_equal(UserSplit(seed=5).assign(shuffled, SCHEMA), parts[order])
    half = pl.DataFrame({"user": users[:5000]})
    assert np.array_equal(UserSplit(seed=5).assign(half, SCHEMA), parts[:5000])
    other = UserSplit(seed=6).assign(pl.DataFrame({"user": users}), SCHEMA)
    assert not np.array_equal(other, parts)


def test_the_part_of_a_user_is_fixed_for_all_time() -> None:
    users = [str(number) for number in range(12)]
    assert assign(UserSplit(valid=0.3, test=0.3), user=users) == [
        2,
        1,
        0,
        1,
        0,
        0,
        0,
        2,
        1,
        2,
        0,
        2,
    ]


def test_rows_without_a_user_train() -> None:
    users = [None, *range(200), None]
    parts = assign(UserSplit(), user=users)
    assert parts[0] == parts[-1] == 0


def test_rows_at_random_depend_on_number_and_seed_alone() -> None:
    frame = pl.DataFrame({"x": range(30_000)})
    parts = RandomSplit(seed=1).assign(frame, None)
    assert np.bincount(parts) / 30_000 == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    assert np.array_equal(RandomSplit(seed=1).assign(frame.lazy().head(500), None), parts[:500])
    assert not np.array_equal(RandomSplit(seed=2).assign(frame, None), parts)


def test_a_column_says_the_part() -> None:
    named = ["train", "test", None, "valid", "other"]
    assert assign(ColumnSplit("fold"), fold=named) == [0, 2, 255, 1, 255]
    folds = ColumnSplit("fold", train=(1, 2), valid=(3,), test=())
    assert assign(folds, fold=[1, 2, 3, 4]) == [0, 0, 1, 255]
    days = ColumnSplit("day", train=(date(2024, 1, 1),), valid=(), test=(date(2024, 1, 2),))
    assert assign(days, day=[date(2024, 1, 2), date(2024, 1, 1)]) == [2, 0]
    categories = pl.Series(named, dtype=pl.Categorical)
    assert assign(ColumnSplit("fold"), fold=categories) == [0, 2, 255, 1, 255]


def test_a_column_split_checks_its_values() -> None:
    with pytest.raises(SplitError, match="`train` lists no value"):
        ColumnSplit("fold", train=())
    with pytest.raises(SplitError, match="Listed twice: a"):
        ColumnSplit("fold", train=("a",), valid=("a",))
    message = problem(ColumnSplit("fold"), pl.DataFrame({"fold": [1, 2]}))
    assert "Column 'fold' is Int64, but these values of the split are not: ('train',)" in message
    message = problem(ColumnSplit("fold"), pl.DataFrame({"fold": ["train", "test"]}))
    assert "The part 'valid' is empty" in message


TASKS = (Binary("click"), Binary("buy", min_positives=10), Regression("stars"))


def facts_of_three_tasks() -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"t": rng.permutation(4000), "user": rng.integers(0, 50, 4000)})
    labels = (rng.random((4000, 3)) < [0.5, 0.01, 1.0]).astype(np.float32)
    observed = np.ones((4000, 3), dtype=bool)
    observed[:, 1] = labels[:, 0] > 0  # a purchase is only known after a click
    observed[:, 2] = rng.random(4000) < 0.01  # a survey that few answered
    return frame, TimeSplit().assign(frame, SCHEMA), labels, observed


def test_case_122_a_validation_split_serves_three_tasks_with_masked_labels() -> None:
    frame, parts, labels, observed = facts_of_three_tasks()
    facts = split_facts(parts, TASKS, labels, observed, times=frame["t"], users=frame["user"])
    assert [(part.part, part.rows) for part in facts] == [
        ("train", 2800),
        ("valid", 400),
        ("test", 800),
    ]
    valid = facts[1]
    assert (valid.first_time, valid.last_time) == (2800, 3199)
    assert valid.users == frame.filter(pl.col("t").is_between(2800, 3199))["user"].n_unique()
    inside = parts == 1
    for position, task in enumerate(TASKS):
        known = observed[inside, position]
        assert valid.observed[task.name] == known.sum()
        assert valid.positives[task.name] == labels[inside, position][known].sum()


def test_too_little_is_said_in_words() -> None:
    _, parts, labels, observed = facts_of_three_tasks()
    parts[:7] = 255
    facts = split_facts(parts, TASKS, labels, observed)
    assert facts[0].first_time is None
    assert facts[0].users is None
    words = split_warnings(facts, TASKS)
    found = {part.part: part for part in facts}
    assert f"The valid part has {found['valid'].rows} rows; below 1000" in words[0]
    assert "The test part has" in words[1]
    train, valid = found["train"].observed["stars"], found["valid"].observed["stars"]
    assert (
        f"Task 'stars' has {train} labels in the train part; at least 100 are wanted "
        "(`min_positives` is 100). Take more rows, or make the task auxiliary."
    ) in words
    assert any(f"'stars' has {valid} labels in the valid part; at least 20" in w for w in words)
    assert words[-1] == "7 rows belong to no part of the split and are not used."
    buys = found["valid"].positives["buy"]
    assert any("'buy'" in word and "valid" in word for word in words) == (buys < 2)


def test_enough_needs_no_words() -> None:
    parts = np.repeat(np.array([0, 1, 2], dtype=np.uint8), 1000)
    labels = np.ones((3000, 1), dtype=np.float32)
    facts = split_facts(parts, (Binary("click"),), labels, labels > 0)
    assert split_warnings(facts, (Binary("click"),)) == []


def test_labels_of_another_shape_are_an_error() -> None:
    parts = np.zeros(3, dtype=np.uint8)
    labels = np.ones((3, 2), dtype=np.float32)
    with pytest.raises(DataError, match=r"3 rows and 1 tasks need .* shape \(3, 1\), got \(3, 2\)"):
        split_facts(parts, (Binary("click"),), labels, labels > 0)
