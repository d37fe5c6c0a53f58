"""The loop: same bits from one seed, resumed or not; stopping, keeping, and giving up."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tests.unit.makers import (
    BINARY_TASKS,
    SMALL,
    TASKS,
    Data,
    make_data,
    make_log,
    make_model,
    same_bits,
    write_store,
)
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import MMoE, SharedBottom, SingleTask
from plait.balancing import Fixed
from plait.data.batch import Batch
from plait.errors import TrainingError, TrainingInterrupted, UnknownNameError
from plait.models import MultiTaskModel, Precision
from plait.tasks import Binary, Multiclass, Ranking, Task
from plait.training import (
    Callback,
    EvaluationReport,
    Expected,
    History,
    Losses,
    Objective,
    StepReport,
    Supervised,
    Trainer,
    Training,
    predict_store,
)
from plait.training.judging import mix, scores, shares_of_mix

MIXED: tuple[Task, ...] = (*BINARY_TASKS, Ranking("place", label="rank_label"))
SETTINGS = Training(
    epochs=2, batch_size=64, evaluate_steps=3, average=0.9, checkpoint_seconds=0.0, patience=99
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), MIXED)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("every"), TASKS)


def noisy_model(data: Data, table_precision: Precision = "fp32") -> MultiTaskModel:
    """A model with everything random in training that there is."""
    return make_model(
        data, dropout=0.2, id_dropout=0.1, unknown_rate=0.05, table_precision=table_precision
    )


def state_of(model: MultiTaskModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def without_times(history: History) -> list[dict[str, object]]:
    """The evaluations, less what a clock says; nan as text, so that it equals itself."""
    found = []
    for report in history.evaluations:
        fields = {name: value for name, value in vars(report).items() if name != "seconds"}
        found.append({name: str(value) for name, value in fields.items()})
    return found


class At(Callback):
    """Does something at one step."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step = step
        self.action = action

    def on_step(self, report: StepReport) -> None:
        if report.step == self.step:
            self.action()


class Watch(Callback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.steps: list[StepReport] = []
        self.evaluations: list[EvaluationReport] = []
        self.ended: list[History] = []

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        self.started.append((steps_done, total_steps))

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)

    def on_evaluation(self, report: EvaluationReport) -> None:
        self.evaluations.append(report)

    def on_end(self, history: History) -> None:
        self.ended.append(history)


class KillError(Exception):
    """Stands for the end of the process."""


def kill() -> None:
    raise KillError


@pytest.fixture(scope="module")
def never_stopped(data: Data) -> tuple[dict[str, Tensor], list[dict[str, object]]]:
    model = noisy_model(data)
    history = Trainer(model, SETTINGS).fit(data.train, data.valid)
    return state_of(model), without_times(history)


def test_case_119_one_seed_gives_the_same_bits_twice(
    data: Data, never_stopped: tuple[dict[str, Tensor], list[dict[str, object]]]
) -> None:
    torch.manual_seed(12345)  # the state of torch's own generator does not matter
    model = noisy_model(data)
    torch.rand(7)
    history = Trainer(model, SETTINGS).fit(data.train, data.valid)
    assert same_bits(state_of(model), never_stopped[0])
    assert without_times(history) == never_stopped[1]


def test_another_seed_gives_other_weights(
    data: Data, never_stopped: tuple[dict[str, Tensor], list[dict[str, object]]]
) -> None:
    model = noisy_model(data)
    Trainer(model, replace(SETTINGS, seed=1)).fit(data.train, data.valid)
    assert not same_bits(state_of(model), never_stopped[0])


def test_training_leaves_the_callers_generator_alone(data: Data) -> None:
    model = noisy_model(data)
    before = torch.get_rng_state()
    Trainer(model, replace(SETTINGS, max_steps=2)).fit(data.train)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 8])
def test_a_killed_and_resumed_run_gives_the_bits_of_one_that_never_was(
    data: Data,
    tmp_path: Path,
    never_stopped: tuple[dict[str, Tensor], list[dict[str, object]]],
    step: int,
) -> None:
    first = Trainer(noisy_model(data), SETTINGS, callbacks=[At(step, kill)], folder=tmp_path)
    with pytest.raises(KillError):
        first.fit(data.train, data.valid)
    watch = Watch()
    model = noisy_model(data)
    resumed = Trainer(model, SETTINGS, callbacks=[watch], folder=tmp_path)
    history = resumed.fit(data.train, data.valid)
    assert watch.started == [(step - 1, 8)]
    assert same_bits(state_of(model), never_stopped[0])
    assert without_times(history) == never_stopped[1]


@pytest.mark.parametrize(("rule", "rounding"), [("adagrad", 1e-3), ("adam", 1e-2)])
def test_the_compiled_engine_trains_alike_and_resumes_to_its_own_bits(
    data: Data, tmp_path: Path, rule: Literal["adagrad", "adam"], rounding: float
) -> None:
    in_torch = replace(SETTINGS, table_optimizer=rule, engine="torch")
    compiled = replace(in_torch, engine="compiled")
    found: dict[str, dict[str, Tensor]] = {}
    for settings in (in_torch, compiled):
        model = make_model(data, architecture=MMoE, dropout=0.2)
        Trainer(model, settings).fit(data.train, data.valid)
        found[settings.engine] = state_of(model)
    for name, tensor in found["torch"].items():
        # Rounding grows over a whole training, and how much depends on the processor; step by
        # step the engines are held to 1e-6 in test_rows.py.
        assert_close(found["compiled"][name], tensor, rtol=rounding, atol=rounding)
    model = make_model(data, architecture=MMoE, dropout=0.2)
    with pytest.raises(KillError):
        Trainer(model, compiled, callbacks=[At(3, kill)], folder=tmp_path).fit(
            data.train, data.valid
        )
    model = make_model(data, architecture=MMoE, dropout=0.2)
    Trainer(model, compiled, folder=tmp_path).fit(data.train, data.valid)
    assert same_bits(state_of(model), found["compiled"])


def test_a_run_with_adam_on_tables_in_bfloat16_resumes_to_the_same_bits(
    data: Data, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, table_optimizer="adam")
    whole, first, second = (noisy_model(data, table_precision="bf16") for _ in range(3))
    Trainer(whole, settings).fit(data.train, data.valid)
    with pytest.raises(KillError):
        Trainer(first, settings, callbacks=[At(5, kill)], folder=tmp_path).fit(
            data.train, data.valid
        )
    Trainer(second, settings, folder=tmp_path).fit(data.train, data.valid)
    assert same_bits(state_of(second), state_of(whole))
    start = state_of(noisy_model(data, table_precision="bf16"))
    assert not same_bits(state_of(second), start)


def test_a_run_that_was_killed_while_it_was_judged_goes_on_alike(
    data: Data,
    tmp_path: Path,
    never_stopped: tuple[dict[str, Tensor], list[dict[str, object]]],
) -> None:
    class KilledWhenJudged(Callback):
        def on_evaluation(self, report: EvaluationReport) -> None:
            kill()

    with pytest.raises(KillError):
        Trainer(noisy_model(data), SETTINGS, callbacks=[KilledWhenJudged()], folder=tmp_path).fit(
            data.train, data.valid
        )
    model = noisy_model(data)
    history = Trainer(model, SETTINGS, folder=tmp_path).fit(data.train, data.valid)
    assert same_bits(state_of(model), never_stopped[0])
    assert without_times(history) == never_stopped[1]


def test_a_finished_run_is_opened_again_and_not_trained_further(data: Data, tmp_path: Path) -> None:
    model = noisy_model(data)
    history = Trainer(model, SETTINGS, folder=tmp_path).fit(data.train, data.valid)
    watch, again = Watch(), noisy_model(data)
    reopened = Trainer(again, SETTINGS, callbacks=[watch], folder=tmp_path)
    found = reopened.fit(data.train, data.valid)
    assert watch.steps == []
    assert found.stopped == history.stopped == "all steps were run"
    assert without_times(found) == without_times(history)
    assert same_bits(state_of(again), state_of(model))


def test_sigterm_writes_a_checkpoint_from_which_the_run_goes_on(
    data: Data,
    tmp_path: Path,
    never_stopped: tuple[dict[str, Tensor], list[dict[str, object]]],
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    settings = replace(SETTINGS, checkpoint_seconds=1e9)
    ask = At(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingInterrupted, match=r"by signal 15\. A checkpoint lies") as caught:
        Trainer(noisy_model(data), settings, callbacks=[ask], folder=tmp_path).fit(
            data.train, data.valid
        )
    assert caught.value.signal == signal.SIGTERM
    assert caught.value.folder == str(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is handler
    watch, model = Watch(), noisy_model(data)
    Trainer(model, settings, callbacks=[watch], folder=tmp_path).fit(data.train, data.valid)
    assert watch.started == [(3, 8)]
    assert same_bits(state_of(model), never_stopped[0])


def test_an_interrupted_run_without_a_folder_says_that_nothing_was_kept(data: Data) -> None:
    ask = At(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingInterrupted, match=r"signal 2\. Nothing was kept: no folder\."):
        Trainer(noisy_model(data), SETTINGS, callbacks=[ask]).fit(data.train, data.valid)


def test_training_stops_when_the_mix_gets_no_better(data: Data) -> None:
    settings = Training(
        epochs=9, batch_size=64, learning_rate=0.0, table_learning_rate=0.0, patience=2
    )
    history = Trainer(make_model(data), settings).fit(data.train, data.valid)
    assert history.stopped == "no better mix within the patience"
    assert [report.is_best for report in history.evaluations] == [True, False, False]
    assert [report.epoch for report in history.evaluations] == [1, 2, 3]


@pytest.mark.parametrize("kept_in", ["memory", "folder"])
def test_the_best_weights_are_left_in_the_model(data: Data, tmp_path: Path, kept_in: str) -> None:
    settings = Training(epochs=8, batch_size=32, learning_rate=0.1, average=0.0, patience=99)
    model = make_model(data)
    folder = tmp_path if kept_in == "folder" else None
    history = Trainer(model, settings, folder=folder).fit(data.train, data.valid)
    best = max(report.mix for report in history.evaluations)
    assert best > history.evaluations[-1].mix  # it got worse in the end, so something was restored
    found = scores(model, data.valid, predict_store(model, data.valid))
    assert mix(model.tasks, found, shares_of_mix(model, data.valid)) == best
    assert not model.training


def test_averaged_weights_are_judged_and_left_in_the_model(data: Data) -> None:
    settings = replace(SETTINGS, max_steps=3)
    model = make_model(data)
    trainer = Trainer(model, settings)
    history = trainer.fit(data.train, data.valid)
    found = scores(model, data.valid, predict_store(model, data.valid))
    assert found == history.evaluations[-1].scores
    raw = make_model(data)
    Trainer(raw, replace(settings, average=0.0)).fit(data.train)
    assert not same_bits(state_of(raw), state_of(model))


def test_case_47_the_best_checkpoint_of_each_task_is_kept(data: Data, tmp_path: Path) -> None:
    settings = Training(epochs=4, batch_size=32, learning_rate=0.05, average=0.0, patience=99)
    model = make_model(data)
    trainer = Trainer(model, settings, folder=tmp_path)
    history = trainer.fit(data.train, data.valid)
    assert trainer.archive is not None
    for name in model.tasks:
        best = max(report.scores[name] for report in history.evaluations)
        entry = trainer.archive.best_of_task[name]
        assert entry.scores[name] == best
        model.load_state_dict(load_file(trainer.archive.path(entry)))
        assert scores(model, data.valid, predict_store(model, data.valid))[name] == best


def test_case_47_stopping_reads_the_mix_that_was_asked_for(data: Data) -> None:
    settings = replace(SETTINGS, monitor={"click": 3.0, "like": 1.0})
    history = Trainer(make_model(data), settings).fit(data.train, data.valid)
    for report in history.evaluations:
        expected = (3 * report.scores["click"] + report.scores["like"]) / 4
        assert_close(report.mix, expected)


def test_an_auxiliary_task_takes_no_part_in_the_mix(tmp_path: Path) -> None:
    tasks = [BINARY_TASKS[0], replace(BINARY_TASKS[1], role="auxiliary")]
    data = make_data(tmp_path, tasks)
    history = Trainer(make_model(data), SETTINGS).fit(data.train, data.valid)
    assert all(report.mix == report.scores["click"] for report in history.evaluations)


def test_a_monitored_task_must_be_there(data: Data) -> None:
    with pytest.raises(UnknownNameError, match=r"no task 'clik' in `monitor`\. Did you"):
        Trainer(make_model(data), Training(monitor={"clik": 1.0}))


def test_without_validation_rows_every_epoch_is_run(data: Data) -> None:
    model = make_model(data)
    history = Trainer(model, replace(SETTINGS, patience=1)).fit(data.train)
    assert history.stopped == "all steps were run"
    assert history.evaluations[-1].step == 8
    assert all(report.scores == {} and math.isnan(report.mix) for report in history.evaluations)
    assert all(report.losses["click"] > 0 for report in history.evaluations)


def test_case_34_validation_rows_of_one_class_are_never_best_and_training_goes_on(
    tmp_path: Path,
) -> None:
    task = Binary("click")
    data = make_data(tmp_path, [task], valid_frame=make_log(40, seed=1).with_columns(click=1))
    model = make_model(data)
    settings = Training(epochs=4, batch_size=120, patience=1)
    history = Trainer(model, settings, folder=tmp_path / "run").fit(data.train, data.valid)
    assert history.stopped == "all steps were run"
    assert len(history.evaluations) == 4
    assert not any(report.is_best for report in history.evaluations)
    assert all(math.isnan(report.mix) for report in history.evaluations)


def test_case_34_a_task_that_cannot_be_judged_leaves_the_mix(tmp_path: Path) -> None:
    frame = make_log(120, seed=1).with_columns(like=pl.lit(None, dtype=pl.Int64))
    data = make_data(tmp_path, BINARY_TASKS, valid_frame=frame)
    history = Trainer(make_model(data), SETTINGS).fit(data.train, data.valid)
    for report in history.evaluations:
        assert math.isnan(report.scores["like"])
        assert report.mix == report.scores["click"]


class Broken(Objective):
    """The supervised losses, with nan for one task at some steps."""

    def __init__(self, model: MultiTaskModel, is_bad: Callable[[int], bool]) -> None:
        self.inner = Supervised(dict.fromkeys(model.tasks, Expected(1.0)))
        self.is_bad = is_bad

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        found = self.inner.losses(model, batch, step)
        if self.is_bad(step):
            found.tasks["like"] = found.tasks["like"] * math.nan
        return found


def test_case_78_a_loss_that_is_not_finite_is_left_out_of_its_step(data: Data) -> None:
    model, watch = make_model(data), Watch()
    objective = Broken(model, lambda step: step % 2 == 0)
    settings = replace(SETTINGS, epochs=6)
    history = Trainer(model, settings, objective=objective, callbacks=[watch]).fit(data.train)
    assert history.skipped == {"like": 12}
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert math.isnan(watch.steps[0].losses["like"])
    assert set(watch.steps[0].weights) == {"click", "place"}
    assert set(watch.steps[1].weights) == {"click", "like", "place"}
    assert all(math.isfinite(report.losses["like"]) for report in history.evaluations)


def test_case_78_training_ends_after_ten_such_steps_in_a_row_with_the_batch_saved(
    data: Data, tmp_path: Path
) -> None:
    model = make_model(data)
    objective = Broken(model, lambda step: step >= 4)
    settings = replace(SETTINGS, epochs=9)
    trainer = Trainer(model, settings, objective=objective, folder=tmp_path)
    with pytest.raises(TrainingError, match=r"loss of like was not finite in 10 steps in a") as e:
        trainer.fit(data.train)
    assert "Lower the learning rate, set `clip_norm`" in str(e.value)
    assert trainer.stepper.steps == 13
    saved = load_file(tmp_path / "bad-batch.safetensors")
    batch = data.train.batch(saved["rows"].numpy())
    assert torch.equal(saved["ids"], batch.ids)
    assert torch.equal(saved["label.like"], batch.labels["like"])
    assert torch.equal(saved["observed.like"], batch.observed["like"])
    assert torch.equal(saved["weight.place"], batch.weights["place"])


def test_case_78_without_a_folder_the_rows_are_named(data: Data) -> None:
    model = make_model(data)
    trainer = Trainer(model, replace(SETTINGS, epochs=9), objective=Broken(model, lambda _: True))
    with pytest.raises(TrainingError, match=r"Rows of the last batch: \[\d+, \d+, \d+"):
        trainer.fit(data.train)


def test_case_78_random_settings_never_give_nan(every: Data) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        settings = Training(
            max_steps=3,
            batch_size=int(rng.integers(8, 120)),
            learning_rate=float(10 ** rng.uniform(-4, -1)),
            table_learning_rate=float(10 ** rng.uniform(-4, 0)),
            clip_norm=float(rng.uniform(0.1, 5)) if rng.random() < 0.5 else None,
            average=float(rng.choice([0.0, 0.99])),
            key_l2=float(rng.choice([0.0, 1.0])),
            seed=int(rng.integers(100)),
        )
        kind = (SharedBottom, SingleTask, MMoE)[int(rng.integers(3))]
        model = make_model(every, architecture=kind, dropout=0.2, unknown_rate=0.05)
        history = Trainer(model, settings).fit(every.train)
        assert history.skipped == {}, settings
        assert all(parameter.isfinite().all() for parameter in model.parameters()), settings


def test_case_49_weights_one_and_zero_train_as_the_first_task_alone(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS)
    both = make_model(data)
    alone = make_model(data, tasks=data.tasks[:1])
    alone.load_state_dict(both.state_dict(), strict=False)
    fixed = Fixed(weights={"click": 1.0, "like": 0.0})
    Trainer(both, SETTINGS, balancer=fixed).fit(data.train)
    Trainer(alone, SETTINGS).fit(data.train)
    found = state_of(both)
    assert all(torch.equal(found[name], tensor) for name, tensor in state_of(alone).items())


def test_evaluations_come_every_so_many_steps_and_at_the_end(data: Data) -> None:
    watch = Watch()
    history = Trainer(make_model(data), SETTINGS, callbacks=[watch]).fit(data.train, data.valid)
    assert [report.step for report in history.evaluations] == [3, 6, 8]
    assert watch.evaluations == history.evaluations
    assert watch.started == [(0, 8)]
    assert [report.step for report in watch.steps] == list(range(1, 9))
    assert [report.epoch for report in watch.steps] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert {report.total_steps for report in watch.steps} == {8}
    assert watch.ended == [history]
    assert history.rows_per_second > 0
    assert history.to_json()["evaluations"][0]["step"] == 3


def test_training_losses_are_means_since_the_last_evaluation(data: Data) -> None:
    watch = Watch()
    history = Trainer(make_model(data), SETTINGS, callbacks=[watch]).fit(data.train)
    first = np.mean([report.losses["click"] for report in watch.steps[:3]])
    second = np.mean([report.losses["click"] for report in watch.steps[3:6]])
    assert_close(history.evaluations[0].losses["click"], float(first))
    assert_close(history.evaluations[1].losses["click"], float(second))


def test_steps_end_where_they_were_said_to(data: Data) -> None:
    history = Trainer(make_model(data), replace(SETTINGS, max_steps=5)).fit(data.train)
    assert [report.step for report in history.evaluations] == [3, 5]


class Batches(Objective):
    """The supervised losses; keeps the requests of every batch."""

    def __init__(self, model: MultiTaskModel) -> None:
        self.inner = Supervised(dict.fromkeys(model.tasks, Expected(1.0)))
        self.requests: list[set[int]] = []

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        self.requests.append(set(batch.keys["request"].tolist()))
        return self.inner.losses(model, batch, step)


def test_ranking_tasks_get_whole_requests_and_one_evaluation_an_epoch(tmp_path: Path) -> None:
    frame = make_log(240)
    sizes = np.random.default_rng(0).integers(1, 30, 60)
    requests = np.repeat(np.arange(60), sizes)[:240]
    data = make_data(tmp_path, MIXED, frame=frame.with_columns(request_id=pl.Series(requests)))
    model, watch = make_model(data), Watch()
    objective = Batches(model)
    settings = Training(epochs=6, batch_size=40, patience=99)
    history = Trainer(model, settings, objective=objective, callbacks=[watch]).fit(
        data.train, data.valid
    )
    by_epoch: dict[int, list[set[int]]] = {}
    for report, found in zip(watch.steps, objective.requests, strict=True):
        by_epoch.setdefault(report.epoch, []).append(found)
    assert len({len(batches) for batches in by_epoch.values()}) > 1  # epochs of unlike length
    for batches in by_epoch.values():
        assert sum(map(len, batches)) == len(set().union(*batches))  # none in two batches
    last_steps = {report.epoch: report.step for report in watch.steps}
    expected = [last_steps[epoch] for epoch in sorted(last_steps)]
    assert [report.step for report in history.evaluations] == expected


def test_tasks_without_requests_get_batches_of_one_size(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS)
    watch = Watch()
    Trainer(make_model(data), SETTINGS, callbacks=[watch]).fit(data.train)
    assert [report.rows for report in watch.steps] == [64, 64, 64, 48] * 2


def test_training_learns_something(tmp_path: Path) -> None:
    data = make_data(tmp_path, [Binary("click"), Multiclass("city")], rows=600)
    settings = Training(epochs=12, batch_size=50, learning_rate=0.01, average=0.9, patience=99)
    history = Trainer(make_model(data, architecture=SMALL), settings).fit(data.train, data.valid)
    assert history.evaluations[-1].losses["click"] < history.evaluations[0].losses["click"]
    assert max(report.scores["click"] for report in history.evaluations) > 0.6
    assert max(report.scores["city"] for report in history.evaluations) > -0.5  # it reads the city


def test_rows_on_which_no_label_is_seen_change_no_bit(tmp_path: Path) -> None:
    kept = np.random.default_rng(0).random(240) < 0.4
    frame = make_log(240).with_columns(kept=kept)
    tasks = [Binary("click", observed="kept"), Binary("buy", observed="kept")]
    valid = make_log(80, seed=1).with_columns(kept=True)
    data = make_data(tmp_path, tasks, frame=frame, valid_frame=valid)
    alone = write_store(tmp_path / "alone", frame.filter(kept), data.preprocessor, data.tasks)
    found = []
    for store in (data.train, alone):
        model = make_model(data, dropout=0.2)
        history = Trainer(model, SETTINGS).fit(store, data.valid)
        found.append((state_of(model), history.evaluations[-1].step))
    assert found[0][1] == found[1][1]
    assert same_bits(found[0][0], found[1][0])


def test_parts_learn_at_their_own_rates(data: Data) -> None:
    model = make_model(data)
    before = state_of(model)
    still = replace(SETTINGS, weight_decay=0.0, average=0.0)
    Trainer(model, still, rates={"architecture.": 0.0}).fit(data.train)
    changed = {n for n, t in state_of(model).items() if not torch.equal(t, before[n])}
    assert not any(name.startswith("architecture.") for name in changed)
    assert any(name.startswith("towers.") for name in changed)
    assert any(name.startswith("tables.") for name in changed)


def test_what_needs_no_gradient_stays_to_the_bit_averages_included(data: Data) -> None:
    model = make_model(data)
    before = state_of(model)
    for parameter in (*model.architecture.parameters(), *model.tables.parameters()):
        parameter.requires_grad = False
    Trainer(model, SETTINGS).fit(data.train, data.valid)
    changed = {n for n, t in state_of(model).items() if not torch.equal(t, before[n])}
    assert changed
    assert not any(name.startswith(("architecture.", "tables.")) for name in changed)
