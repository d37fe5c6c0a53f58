"""The best state of each task, given out as finished as the result."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.unit.makers import BINARY_TASKS, make_data, make_model

from plait.models import MultiTaskModel
from plait.training import Trainer, Training, best_state_of, finish, finish_kept, kept


def test_every_kept_state_is_finished_and_the_result_is_finished_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path / "data", BINARY_TASKS)
    folder = tmp_path / "training"
    model = make_model(data)
    settings = Training(epochs=6, batch_size=32, learning_rate=0.05, average=0.0, patience=99)
    trainer = Trainer(model, settings, folder=folder)
    trainer.fit(data.train, data.valid)
    assert trainer.archive.best is not None
    best, champions = trainer.archive.best.step, trainer.archive.best_of_task
    others = {entry.step for entry in champions.values()} - {best}
    assert others  # some task was best at another time, or the test shows nothing

    finish(model, data.train, data.valid)
    finished: list[MultiTaskModel] = []

    def counted(model: MultiTaskModel, *rest: object, **more: object) -> None:
        finished.append(model)
        finish(model, data.train, data.valid)

    monkeypatch.setattr(kept, "finish", counted)
    result = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    finish_kept(model, data.train, data.valid, folder)
    assert len(finished) == len(others)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, result[name])
    for task, entry in champions.items():
        model.load_state_dict(load_file(trainer.archive.path(entry)))
        finish(model, data.train, data.valid)
        found = best_state_of(task, folder)
        for name, tensor in model.state_dict().items():
            assert torch.equal(found[name], tensor), (task, name)
