"""The method: teachers, student, the bits of supervised training, resuming, bad settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import BINARY_TASKS, TASKS, Data, make_data, make_log, make_model, same_bits

from plait.errors import (
    ArgumentTypeError,
    ConfigurationError,
    TaskError,
    TrainingInterrupted,
    UnknownNameError,
)
from plait.methods import FiniteDifference, Hybrid, JointFeatures, SoftLabels
from plait.methods.soft_columns import SoftColumns
from plait.methods.soft_course import SoftCourse
from plait.methods.soft_objective import Mode
from plait.tasks import Binary, Count
from plait.training import Callback, History, NoisyRates, StepReport, Trainer, Training

SETTINGS = Training(epochs=2, batch_size=40, average=0.9, seed=3, checkpoint_seconds=1e9)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """`like` misses half of its labels; a fifth of the rows has no label at all."""
    rng = np.random.default_rng(0)
    frame = make_log(240)
    frame = frame.with_columns(kept=rng.random(240) > 0.2, rate=rng.uniform(0.0, 0.3, 240))
    seen = {"observed": "kept"}
    tasks = [Binary("click", **seen), Binary("like", **seen)]
    valid = make_log(120, seed=1).with_columns(kept=True, rate=0.1)
    folder = tmp_path_factory.mktemp("soft")
    return make_data(folder, tasks, frame=frame, valid_frame=valid)


def _bits(
    data: Data,
    method: SoftLabels | None,
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, torch.Tensor]:
    model = make_model(data, dropout=0.2)
    if method is None:
        Trainer(model, SETTINGS).fit(data.train, data.valid)
    else:
        method.fit(
            model,
            data.train,
            data.valid,
            settings=SETTINGS,
            folder=folder,
            callbacks=callbacks,
        )
    return dict(model.state_dict())


class StopAfter(Callback):
    """Interrupts after so many steps of all trainings together."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step(self, report: StepReport) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_with_nothing_to_do_the_bits_are_those_of_supervised_training(tmp_path: Path) -> None:
    whole = make_data(tmp_path, [Binary("click"), Binary("buy")])
    model = make_model(whole, dropout=0.2)
    history = SoftLabels(epsilon=0.0).fit(model, whole.train, whole.valid, settings=SETTINGS)
    assert same_bits(dict(model.state_dict()), _bits(whole, None))
    assert "learnt from the labels alone" in history.notes[0]


def test_epsilon_and_unlabelled_zero_are_supervised_too(data: Data) -> None:
    nothing = SoftLabels(epsilon=0.0, unlabelled=0.0)
    assert same_bits(_bits(data, nothing), _bits(data, None))


@pytest.mark.parametrize(
    "method",
    [
        SoftLabels(members=2),
        SoftLabels(members=2, start=Hybrid(pretext_epochs=1, head_epochs=1)),
        SoftLabels(members=2, rounds=2),
        SoftLabels(estimator="dropout", members=3),
    ],
    ids=["plain", "hybrid", "rounds", "dropout"],
)
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same_bits(
    data: Data, method: SoftLabels, tmp_path: Path
) -> None:
    expected = _bits(data, method)
    for place, steps in enumerate((9, 23)):
        folder = tmp_path / str(place)
        stop = StopAfter(steps)
        with suppress(TrainingInterrupted):
            _bits(data, method, folder=folder, callbacks=[stop])
        assert same_bits(_bits(data, method, folder=folder), expected)


def test_the_folder_holds_teachers_and_soft_labels(data: Data, tmp_path: Path) -> None:
    model = make_model(data)
    method = SoftLabels(members=2, prior={"like": 0.3})
    history = method.fit(model, data.train, data.valid, settings=SETTINGS, folder=tmp_path)
    assert sorted(p.name for p in (tmp_path / "teachers").iterdir()) == ["0", "1"]
    soft = SoftColumns.read(tmp_path / "soft")
    assert soft is not None
    assert soft.columns["like"].shape == (240, 1)
    without = int((~data.train.observed("like")).sum())
    assert (
        f"{without:,} rows without the label of 'like', believed positive at 0.3000"
        in (history.notes[1])
    )


def test_a_prior_moves_the_rows_without_the_label_alone(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[SoftColumns] = []
    student = SoftCourse.student

    def catching(course: SoftCourse, soft: SoftColumns, noise: Mapping[str, NoisyRates]) -> History:
        taught.append(soft)
        return student(course, soft, noise)

    monkeypatch.setattr(SoftCourse, "student", catching)
    method = SoftLabels(members=1, prior={"like": 0.2})
    method.fit(make_model(data), data.train, data.valid, settings=SETTINGS, folder=tmp_path)
    kept = SoftColumns.read(tmp_path / "soft")
    assert kept is not None
    seen = data.train.observed("like")
    rows = torch.arange(data.train.num_rows)
    read = taught[-1].of("like", rows).numpy()
    np.testing.assert_array_equal(read[seen], kept.columns["like"][seen])
    assert read[~seen].mean() == pytest.approx(0.2, abs=1e-5)


def test_forward_with_known_rates_trains_no_teacher(data: Data, tmp_path: Path) -> None:
    model = make_model(data)
    method = SoftLabels(mode="forward", missed={"click": 0.1}, unlabelled=0.0)
    method.fit(model, data.train, data.valid, settings=SETTINGS, folder=tmp_path)
    assert not (tmp_path / "teachers").exists()


def test_stages_are_told(data: Data) -> None:
    told: list[str] = []

    class Listening(Callback):
        def on_stage(self, stage: str) -> None:
            told.append(stage)

    _bits(data, SoftLabels(members=2, start=Hybrid(pretext_epochs=1)), callbacks=[Listening()])
    assert told[0] == "first layer, from all rows"
    assert told.count("heads, on the first layer") == 3
    assert [stage for stage in told if "teacher" in stage] == ["teacher 1 of 2", "teacher 2 of 2"]
    assert "student" in told


def test_a_regularised_start_shapes_teachers_and_student(data: Data) -> None:
    joint = JointFeatures(penalty=FiniteDifference(radius=0.3), min_positives=1)
    assert not same_bits(
        _bits(data, SoftLabels(members=1, start=joint)), _bits(data, SoftLabels(members=1))
    )


def test_every_kind_that_takes_soft_labels_takes_part(tmp_path: Path) -> None:
    data = make_data(tmp_path, TASKS)
    model = make_model(data)
    folder = tmp_path / "run"
    method = SoftLabels(members=2)
    method.fit(model, data.train, data.valid, settings=SETTINGS, folder=folder)
    soft = SoftColumns.read(folder / "soft")
    assert soft is not None
    assert {n: c.shape[1] for n, c in soft.columns.items()} == {
        "click": 1,
        "like": 1,
        "answer": 3,
        "rating": 2,
    }
    np.testing.assert_allclose(soft.columns["answer"].sum(axis=1), 1.0, rtol=1e-5)
    assert (soft.columns["rating"][:, 1] > 0).all()


@pytest.mark.parametrize("mode", ["bayes", "forward"])
def test_rates_may_stand_in_a_column(data: Data, mode: Mode) -> None:
    by_row = SoftLabels(members=1, mode=mode, missed={"click": "rate"})
    assert by_row.columns == ("rate",)
    flat = SoftLabels(members=1, mode=mode, missed={"click": 0.15})
    assert not same_bits(_bits(data, by_row), _bits(data, flat))
    model = make_model(data)
    history = by_row.fit(model, data.train, data.valid, settings=SETTINGS)
    assert history.noise.keys() == {"click"}


def test_a_rate_that_is_missing_is_refused(tmp_path: Path) -> None:
    frame = make_log(240).with_columns(rate=None)
    data = make_data(tmp_path, BINARY_TASKS, frame=frame.cast({"rate": float}))
    with pytest.raises(TaskError, match=r"'rate' holds the chance .* is null on 240 training rows"):
        _bits(data, SoftLabels(members=1, mode="bayes", missed={"click": "rate"}))


def test_only_rows_with_the_label_need_a_rate(tmp_path: Path) -> None:
    """`like` is missing on half the rows; a rate of 1 or none at all there changes nothing."""
    frame = make_log(240).with_columns(rate=pl.lit(0.1) + 0.1 * (pl.col("click") == 1))
    seen = pl.col("like").is_not_null()
    method = SoftLabels(members=1, mode="bayes", missed={"like": "rate"})
    found = [
        _bits(make_data(tmp_path / name, BINARY_TASKS, frame=changed), method)
        for name, changed in (
            ("whole", frame),
            ("null", frame.with_columns(rate=pl.when(seen).then("rate"))),
            ("one", frame.with_columns(rate=pl.when(seen).then("rate").otherwise(1.0))),
        )
    ]
    assert same_bits(found[0], found[1])
    assert same_bits(found[0], found[2])


def test_without_rates_they_are_estimated(data: Data) -> None:
    model = make_model(data)
    method = SoftLabels(tasks=("click",), members=1, mode="bayes")
    longer = replace(SETTINGS, epochs=12, table_learning_rate=0.1)
    history = method.fit(model, data.train, data.valid, settings=longer)
    assert any("labels of 'click' are read as missed at 0." in note for note in history.notes)


BAD: list[tuple[Callable[[], SoftLabels], str]] = [
    (lambda: SoftLabels(mode="hard"), r"`mode` is one of 'bootstrap'.*got 'hard'"),  # type: ignore[arg-type]
    (lambda: SoftLabels(estimator="tree"), "`estimator` is 'ensemble' or 'dropout'"),  # type: ignore[arg-type]
    (lambda: SoftLabels(members=0), r"`members` must lie in \[1, 1000\], got 0"),
    (lambda: SoftLabels(epsilon=1.5), r"`epsilon` must lie in \[0, 1\], got 1.5"),
    (lambda: SoftLabels(unlabelled=-1.0), r"`unlabelled` must lie in \[0, 1e\+06\], got -1.0"),
    (lambda: SoftLabels(prior={"like": 1.0}), r"`prior` of 'like' must lie in \(0, 1\), got 1.0"),
    (lambda: SoftLabels(missed={"like": 0.2}), "read by 'bayes' and 'forward', not by 'bootstrap'"),
    (
        lambda: SoftLabels(mode="bayes", missed={"like": 0.6}, false={"like": 0.4}),
        "`missed` and `false` of 'like' sum to 1: from 1 on a label says nothing",
    ),
    (
        lambda: SoftLabels(mode="bayes", missed={"like": -0.1}),
        r"`missed` of 'like' must lie in \[0, 1\), got -0.1",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_settings_say_what_is_wrong(make: Callable[[], SoftLabels], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_start_is_a_method_that_can_be_one() -> None:
    with pytest.raises(ArgumentTypeError, match="`start` got "):
        SoftLabels(start=SoftLabels())  # type: ignore[arg-type]


def test_tasks_that_cannot_take_part_are_refused(tmp_path: Path, data: Data) -> None:
    model = make_model(make_data(tmp_path, TASKS))
    fit = {"settings": SETTINGS}
    cases: list[tuple[SoftLabels, str]] = [
        (SoftLabels(tasks=("visits",)), "task 'visits' is of the kind 'count', which has no soft"),
        (
            SoftLabels(tasks=("rating",), mode="forward"),
            "task 'rating' is of the kind 'regression'",
        ),
        (SoftLabels(prior={"rating": 0.5}), "`prior` is the mean of a binary label"),
    ]
    for method, message in cases:
        with pytest.raises(ConfigurationError, match=message):
            method.fit(model, data.train, data.valid, **fit)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match=r"no task 'lik' in `prior`\. Did you mean 'like'"):
        SoftLabels(prior={"lik": 0.1}).fit(model, data.train, data.valid, **fit)  # type: ignore[arg-type]
    heavy = make_model(data, tasks=[Binary("click", positive_weight=3.0), Binary("like")])
    with pytest.raises(ConfigurationError, match="`positive_weight` and `focal_gamma` bend"):
        SoftLabels(mode="forward").fit(heavy, data.train, data.valid, **fit)  # type: ignore[arg-type]
    none = make_model(make_data(tmp_path / "count", [Count("visits")]))
    with pytest.raises(ConfigurationError, match="no task takes soft labels"):
        SoftLabels().fit(none, data.train, data.valid, **fit)  # type: ignore[arg-type]


def test_rows_that_are_missing_are_named(data: Data, tmp_path: Path) -> None:
    model = make_model(data)
    with pytest.raises(ConfigurationError, match="no validation rows, which calibrate"):
        SoftLabels().fit(model, data.train, None, settings=SETTINGS)
    frame = make_log(40)
    bare = make_data(tmp_path, [Binary("click"), Binary("like")], frame=frame)
    unseen = (
        replace(bare.tasks[0], observed="click > 5"),
        replace(bare.tasks[1], observed="like > 5"),
    )
    empty = make_data(tmp_path / "none", unseen, frame=frame)
    with pytest.raises(ConfigurationError, match="no training row with a label"):
        SoftLabels().fit(model, empty.train, empty.valid, settings=SETTINGS)
