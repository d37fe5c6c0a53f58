"""Towers that were stopped and taken up again have the bits of those that never were."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from safetensors.torch import load_file
from tests.unit.makers import same_bits
from tests.unit.retrieval.making import FAST, SMALL, trained

from plait.data.batch import Batch
from plait.data.loading import BatchLoader
from plait.errors import ArtifactError, CheckpointError, ConfigurationError, TrainingInterrupted
from plait.experiment import TowersRun

TRAINING = replace(FAST, epochs=3, average=0.9, patience=9)


class Killed(Exception):  # noqa: N818 (it stands for a signal)
    """What a killed process is to a test."""


class Whole(NamedTuple):
    run: TowersRun
    batches: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    counted = 0

    def count(loader: BatchLoader) -> Iterator[Batch]:
        nonlocal counted
        for batch in plain(loader):
            counted += 1
            yield batch

    plain = BatchLoader.__iter__
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BatchLoader, "__iter__", count)
        run = trained(tmp_path_factory.mktemp("whole") / "run", training=TRAINING)
    return Whole(run, counted)


def weights(folder: Path) -> dict[str, object]:
    (path,) = (folder / "artifact").glob("*.safetensors")
    return dict(load_file(path))


def test_asked_to_stop_after_any_step_it_goes_on_to_the_same_bits(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch, at its end, and in the last one."""
    plain = BatchLoader.__iter__
    per_epoch = whole.batches // 3
    for stop in (1, per_epoch - 1, per_epoch, per_epoch + 1, whole.batches - 1, whole.batches):
        folder, done = tmp_path / str(stop), 0

        def interrupted(loader: BatchLoader, stop: int = stop) -> Iterator[Batch]:
            nonlocal done
            for batch in plain(loader):
                done += 1
                if done == stop:
                    os.kill(os.getpid(), signal.SIGINT)
                yield batch

        with monkeypatch.context() as patched:
            patched.setattr(BatchLoader, "__iter__", interrupted)
            with pytest.raises(TrainingInterrupted) as caught:
                trained(folder, training=TRAINING)
        assert caught.value.folder == str(folder / "training")
        again = trained(folder, training=TRAINING, resume=True)
        assert same_bits(weights(folder), weights(whole.run.folder)), stop
        assert again.recalls == whole.run.recalls
        losses = [epoch.loss for epoch in again.history.epochs]
        assert losses == [epoch.loss for epoch in whole.run.history.epochs]


def test_killed_between_two_epochs_it_goes_on_from_the_first(whole: Whole, tmp_path: Path) -> None:
    def kill(epoch: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        trained(tmp_path / "run", training=TRAINING, told=kill)
    told: list[int] = []
    trained(tmp_path / "run", training=TRAINING, resume=True, told=lambda e: told.append(e.number))
    assert told == [2, 3]
    assert same_bits(weights(tmp_path / "run"), weights(whole.run.folder))


def test_a_run_goes_on_as_what_it_was_and_only_when_asked(whole: Whole, tmp_path: Path) -> None:
    folder = whole.run.folder
    with pytest.raises(ConfigurationError, match="holds a run already"):
        trained(folder, training=TRAINING)
    with pytest.raises(ConfigurationError, match=r"other settings \(retrieval changed\)"):
        trained(folder, training=TRAINING, retrieval=replace(SMALL, width=4), resume=True)
    with pytest.raises(ConfigurationError, match=r"other settings \(training changed\)"):
        trained(folder, training=replace(TRAINING, seed=1), resume=True)


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    trained(tmp_path / "run", training=TRAINING)
    (tmp_path / "run" / "training" / "checkpoint" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        trained(tmp_path / "run", training=TRAINING, resume=True)


def test_a_damaged_description_is_told(tmp_path: Path) -> None:
    trained(tmp_path / "run", training=TRAINING)
    (tmp_path / "run" / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match="Remove the run's folder"):
        trained(tmp_path / "run", training=TRAINING, resume=True)
