"""The draft as a whole: its file is read back as it was meant, its errors tell the way out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from plait import ColumnSplit, Experiment, RandomSplit, TimeSplit
from plait.data.inference import Draft, draft
from plait.errors import DataError, UnknownNameError

ROWS = 1_200
RNG = np.random.default_rng(2)
CLICK = (RNG.random(ROWS) < 0.4).astype(int)
BUY = CLICK * (RNG.random(ROWS) < 0.5)
STARS = pl.Series(np.where(BUY > 0, RNG.integers(1, 6, size=ROWS), np.nan)).fill_nan(None)
USER = RNG.integers(50, size=ROWS)


def _log(**more: object) -> pl.DataFrame:
    columns = {"user_id": USER, "x": RNG.normal(size=ROWS), "stars": STARS, "buy": BUY}
    return pl.DataFrame({**columns, "click": CLICK, **more})


def _split(**more: object) -> tuple[object, str]:
    guess = draft(_log(**more)).split
    return guess.split, guess.reason


def _read(made: Draft, folder: Path) -> Experiment:
    path = folder / "experiment.toml"
    path.write_text(made.to_toml(folder), encoding="utf-8")
    return Experiment.read(path)


def test_the_file_says_what_the_draft_guessed(tmp_path: Path) -> None:
    log = _log(**{
        "it's": RNG.choice(["a", "b"], size=ROWS),
        "line\nbreak": RNG.normal(size=ROWS),
        "tags": RNG.choice(["a|b", "b", "c|a"], size=ROWS),
        "gender": RNG.choice(["f", "m"], size=ROWS),
    })  # fmt: skip
    log.write_parquet(tmp_path / "log.parquet")
    made = draft(tmp_path / "log.parquet")
    read = _read(made, tmp_path).arguments()
    assert list(read["tasks"]) == [guess.task for guess in made.tasks]
    features = {guess.feature for guess in made.features if guess.is_used}
    assert set(read["schema"].features) == features
    assert read["schema"].user == "user_id"
    assert read["split"] == made.split.split
    assert 'log = "log.parquet"' in made.to_toml(tmp_path)
    assert 'slices = ["gender"]' in made.to_toml(tmp_path)


def test_every_guess_has_its_reason_as_a_comment(tmp_path: Path) -> None:
    text = draft(_log()).to_toml(tmp_path)
    assert '  "user_id",  # the user; 50 values' in text
    share = f"{BUY.sum()} of 1,200 rows ({BUY.mean():.2%})"
    assert f"never without click; predicted on every row, with `space =\n# \"click == 1\"` given its parent; positive on {share}." in text  # fmt: skip  # noqa: E501
    assert "# The rows came from a data frame: write them to this file before you train." in text


def test_a_task_that_cannot_be_learnt_is_written_as_a_comment(tmp_path: Path) -> None:
    fold = np.arange(ROWS) // (ROWS // 10)
    made = draft(_log(fold=fold, share=((fold == 9) & (CLICK > 0)).astype(int)))
    assert "# [tasks.share]" in made.to_toml(tmp_path)
    assert "share" not in [task.name for task in _read(made, tmp_path).arguments()["tasks"]]


def test_parents_stand_before_their_children() -> None:
    names = [guess.task.name for guess in draft(_log()).tasks]
    assert names.index("click") < names.index("buy") < len(names)
    assert names == ["stars", "stars_at_least_4", "stars_at_least_5", "click", "buy"]


def test_the_draft_is_plain_data_as_json() -> None:
    made = draft(_log(gender=RNG.choice(["f", "m"], size=ROWS)))
    document = json.loads(json.dumps(made.to_json()))
    assert document["rows"] == ROWS
    assert document["slices"] == ["gender"]
    buy = next(task for task in document["tasks"] if task["name"] == "buy")
    assert (buy["positives"], buy["observed_rows"], buy["parents"]) == (BUY.sum(), ROWS, ["click"])


def test_a_large_log_is_sampled_and_labels_are_counted_on_all_rows() -> None:
    log = _log()
    made = draft(log, sample_rows=400)
    assert 300 < made.sampled < 500
    assert made == draft(log, sample_rows=400)
    assert {g.task.name: g.positives for g in made.tasks}["click"] == CLICK.sum()


def test_time_splits_before_folds_and_chance() -> None:
    time = np.arange(ROWS) + 1_700_000_000
    fold = np.arange(ROWS) % 5
    assert _split(ts=time)[0] == TimeSplit()
    split, reason = _split(ts=time, fold=fold)
    assert split == TimeSplit()
    assert "'fold' holds folds" in reason
    assert _split(fold=fold)[0] == ColumnSplit("fold", train=(0, 1, 2), valid=(3,), test=(4,))
    assert _split()[0] == RandomSplit()


def test_named_parts_are_kept() -> None:
    part = RNG.choice(["train", "dev", "test", "none"], size=ROWS)
    time = np.arange(ROWS) + 1_700_000_000
    split, reason = _split(part=part, ts=time)
    assert split == ColumnSplit("part", train=("none", "train"), valid=("dev",), test=("test",))
    assert "'none' is no part's name and trains" in reason


def test_an_instant_that_holds_most_rows_does_not_split() -> None:
    day = np.where(np.arange(ROWS) < 900, 20_240_101, 20_240_101 + np.arange(ROWS) % 20)
    assert _split(date=day)[0] == RandomSplit()


def test_a_log_without_feedback_asks_for_a_label() -> None:
    frame = pl.DataFrame({"user_id": USER, "x": RNG.normal(size=ROWS), "click": [0] * ROWS})
    with pytest.raises(DataError, match=r"One value on every row have click.*--label COLUMN"):
        draft(frame)
    with pytest.raises(DataError, match=r"looks like feedback .*: user_id, x\. Say which it is"):
        draft(frame.drop("click"))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1] * ROWS, r"Int64, 1 values that are not null"),
        ([[1, 2]] * ROWS, r"List\(Int64\)"),
        ([f"t{n % 60}" for n in range(ROWS)], r"String, 60 values.*a text with 2 to 50"),
    ],
)
def test_a_label_that_cannot_be_one_is_refused(values: list[object], what: str) -> None:
    with pytest.raises(DataError, match=rf"'z' is named as a label, but it cannot be one: {what}"):
        draft(_log(z=values), labels=("z",))


def test_a_label_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no column 'clik' in `labels`"):
        draft(_log(), labels=("clik",))


def test_a_log_whose_training_rows_are_all_alike_is_refused() -> None:
    time = np.arange(ROWS) + 1_700_000_000
    frame = pl.DataFrame({"x": RNG.normal(size=ROWS), "ts": time, "click": [0] * 1_199 + [1]})
    with pytest.raises(DataError, match=r"No task can be learnt.*click: each of its \d+ training"):
        draft(frame)
