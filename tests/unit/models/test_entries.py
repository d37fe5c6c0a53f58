"""What enters the network, how wide it is, and who may read it."""

from __future__ import annotations

import pytest
import torch

from plait.data.batch import Column, Layout, Number, Table
from plait.errors import TaskError, UnknownNameError
from plait.models.entries import encode_numbers, entry_features, entry_widths, visible_entries
from plait.tasks import Binary, Task

LAYOUT = Layout(
    tables=(Table("user", 9, 4, is_key=True), Table("age.bin", 8, 3)),
    ids=(Column("user", "user", "user"), Column("age.bin", "age.bin", "age")),
    numbers=(Number("age", 2), Number("price", 0)),
    lists=(Column("history", "user", "history"),),
    vectors={"text": 5},
)


def visible(*tasks: Task) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    found = visible_entries(LAYOUT, {task.name: task for task in tasks})
    return found.shared, found.per_task


def test_entries_know_their_feature_and_width() -> None:
    assert entry_features(LAYOUT) == {
        "user": "user",
        "age.bin": "age",
        "history": "history",
        "age": "age",
        "price": "price",
        "text": "text",
    }
    assert entry_widths(LAYOUT) == {
        "user": 4,
        "age.bin": 3,
        "history": 4,
        "age": 4,
        "price": 2,
        "text": 5,
    }


def test_without_rules_everything_is_shared() -> None:
    shared, per_task = visible(Binary("a"), Binary("b"))
    assert shared == tuple(entry_features(LAYOUT))
    assert per_task == {"a": (), "b": ()}


def test_what_one_task_may_not_read_goes_to_the_towers_of_the_others() -> None:
    shared, per_task = visible(Binary("a", hide=("age",)), Binary("b"))
    assert shared == ("user", "history", "price", "text")
    assert per_task == {"a": (), "b": ("age.bin", "age")}


def test_included_features_are_all_that_a_task_reads() -> None:
    shared, per_task = visible(Binary("a", include=("user", "price")), Binary("b", hide=("user",)))
    assert shared == ("price",)
    assert per_task == {"a": ("user",), "b": ("age.bin", "history", "age", "text")}


def test_an_unknown_feature_is_named_with_its_task() -> None:
    with pytest.raises(UnknownNameError, match=r"no feature 'agee' in task 'a'\. Did you mean 'ag"):
        visible(Binary("a", hide=("agee",)))
    with pytest.raises(UnknownNameError, match="no feature 'agee' in task 'a'"):
        visible(Binary("a", include=("agee",)))


def test_a_task_must_be_left_something_to_read() -> None:
    with pytest.raises(TaskError, match="Task 'a' may read no feature"):
        visible(Binary("a", hide=("user", "age", "history", "price", "text")))
    with pytest.raises(TaskError, match="nothing to share"):
        visible(Binary("a", include=("user",)), Binary("b", include=("price",)))


def test_numbers_are_their_quantile_their_absence_and_the_filled_pieces() -> None:
    numbers = torch.tensor([[0.5, 1.25, 0.0, -1.0, 0.0, 1.0], [0.1, 2.0, 0.0, 0.2, 0.0, 0.0]])
    encoded = encode_numbers(numbers, LAYOUT)
    assert encoded["age",].tolist() == [
        [0.5, 0.0, 1.0, 0.25],
        [pytest.approx(0.1), 0.0, 1.0, 1.0],
    ]
    assert encoded["price",].tolist() == [[-1.0, 1.0], [pytest.approx(0.2), 0.0]]


def test_numbers_of_as_many_pieces_that_follow_one_another_are_one_run() -> None:
    layout = Layout(numbers=(Number("a", 2), Number("b", 2), Number("c", 2), Number("d", 0)))
    numbers = torch.rand(5, 12)
    one = encode_numbers(numbers, layout)
    assert [*one] == [("a", "b", "c"), ("d",)]
    apart = encode_numbers(numbers, layout, alone=("b",))
    assert [*apart] == [("a",), ("b",), ("c",), ("d",)]
    assert torch.equal(one["a", "b", "c"], torch.cat([apart[n,] for n in "abc"], dim=1))


def test_a_layout_without_numbers_encodes_none() -> None:
    assert encode_numbers(torch.zeros(3, 0), Layout()) == {}
