"""The states that a run kept besides its result: the best of each task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from plait.data.store import Store
from plait.errors import ArtifactError, UnknownNameError
from plait.models import MultiTaskModel

from .archive import Archive
from .checkpoint import read_checkpoint, save_tensors
from .finishing import finish
from .noisy_rates import NoisyRates


def best_state_of(task: str, folder: Path) -> dict[str, Tensor]:
    """The state in which a task's validation score was best.

    Args:
        task: its name.
        folder: the run's `training` folder.

    Raises:
        ArtifactError: the run kept no states.
        UnknownNameError: the run has no best state of this task.
    """
    archive = _archive(folder)
    if task not in archive.best_of_task:
        raise UnknownNameError(task, what="task", known=archive.best_of_task, where="the archive")
    entry = archive.best_of_task[task]
    finished = archive.finished_path(entry)
    return load_file(finished if finished.exists() else archive.path(entry))


def finish_kept(
    model: MultiTaskModel,
    train: Store,
    valid: Store | None,
    folder: Path,
    *,
    noise: Mapping[str, NoisyRates] | None = None,
) -> None:
    """Do for the best state of each task what is done for the result of a run.

    The states that training kept stay as they are: a run that is resumed begins from them.

    Args:
        model: as the run gives it out: in the state of the best mix, finished.
        train: the training rows.
        valid: the validation rows, where there are any.
        folder: the run's `training` folder.
        noise: as `finish` takes it.
    """
    result = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    archive = _archive(folder)
    kept = {entry.step: entry for entry in archive.best_of_task.values()}
    for step, entry in kept.items():
        if archive.best is not None and step == archive.best.step:
            save_tensors(result, archive.finished_path(entry))  # it is the result itself
            continue
        model.load_state_dict(load_file(archive.path(entry)))
        finish(model, train, valid, noise=noise)
        save_tensors(model.state_dict(), archive.finished_path(entry))
    model.load_state_dict(result)


def _archive(folder: Path) -> Archive:
    found = read_checkpoint(folder / "checkpoint")
    if found is None:
        raise ArtifactError(
            folder,
            found="the run kept no states here",
            way_out="Give the folder of the run itself, not of its artifact",
        )
    archive = Archive(folder / "archive")
    archive.load_json(found[1]["archive"])
    return archive
