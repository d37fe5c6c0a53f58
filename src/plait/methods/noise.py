"""Labels that are wrong at known rates: what they say of the true ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.errors import TaskError

__all__ = ["as_classes", "clean", "confident_rates", "from_classes", "posterior", "transition"]


def transition(missed: Tensor, false: Tensor, *, num_classes: int) -> Tensor:
    """Chance of each recorded label given the true one, `[B, C, C]`.

    With two classes `missed` is the chance that a yes is recorded as a no and `false` that a no is
    recorded as a yes, each `[B]`. With more, `missed` is the chance that a label is replaced by
    another, all others being alike.

    Example:
        >>> transition(torch.tensor([0.2]), torch.tensor([0.1]), num_classes=2)
        tensor([[[0.9000, 0.1000],
                 [0.2000, 0.8000]]])
    """
    if num_classes == 2:
        rows = [torch.stack([1 - false, false], dim=1), torch.stack([missed, 1 - missed], dim=1)]
        return torch.stack(rows, dim=1)
    others = (missed / (num_classes - 1))[:, None, None].expand(-1, num_classes, num_classes)
    own = torch.eye(num_classes, dtype=torch.bool, device=missed.device)
    rates: Tensor = torch.where(own, (1 - missed)[:, None, None], others)
    return rates


def clean(recorded: Tensor, rates: Tensor) -> Tensor:
    """Chances of the true classes `[B, C]`, from those of the recorded ones.

    Solves `recorded = truth · T`, and cuts what falls outside the simplex.

    Args:
        recorded: `[B, C]`.
        rates: T, `[B, C, C]`.
    """
    solved = torch.linalg.solve(rates.transpose(1, 2).double(), recorded.double())
    kept = solved.clamp_min(0.0)
    found: Tensor = (kept / kept.sum(dim=1, keepdim=True)).to(recorded)
    return found


def posterior(truth: Tensor, rates: Tensor, label: Tensor) -> Tensor:
    """Chances of the true classes `[B, C]` once the recorded label is known, by Bayes' rule.

    Args:
        truth: chances before, `[B, C]`.
        rates: T, `[B, C, C]`.
        label: the recorded class, int64 `[B]`.
    """
    said = rates.gather(2, label[:, None, None].expand(-1, rates.shape[1], 1)).squeeze(2)
    joint = truth * said
    total = joint.sum(dim=1, keepdim=True)
    return torch.where(total > 0, joint / total, truth)


def as_classes(soft: Tensor) -> Tensor:
    """Chances of both classes `[B, 2]`, from the probability of a yes `[B, 1]`; else as it is."""
    return torch.cat([1 - soft, soft], dim=1) if soft.shape[1] == 1 else soft


def from_classes(chances: Tensor, *, width: int) -> Tensor:
    """A soft label of this width, from the chances of all classes `[B, C]`."""
    return chances[:, 1:] if width == 1 else chances


def confident_rates(
    labels: NDArray[np.int64], beliefs: NDArray[np.float64], *, task: str
) -> NDArray[np.float64]:
    """The chance of each recorded label given the true one `[C, C]`, from labels that may be wrong.

    Confident learning (Northcutt, Jiang and Chuang, `Confident Learning
    <https://arxiv.org/abs/1911.00068>`_, 2021): a row counts as of class c where its belief in c is
    at least the mean belief in c of the rows that are labelled c; of several such classes the
    likeliest is taken. The counts are brought to the number of rows of each label.

    Args:
        labels: recorded classes `[n]`, of rows that the beliefs were not learnt on.
        beliefs: `[n, C]`.
        task: for the message.

    Raises:
        TaskError: a class is never recorded, or no row counts as of it.
    """
    num_classes = beliefs.shape[1]
    counts = np.zeros((num_classes, num_classes))
    own = [beliefs[labels == c, c] for c in range(num_classes)]
    if any(len(rows) == 0 for rows in own):
        raise TaskError(
            f"Task {task!r}: the noise of its labels cannot be estimated, since the validation "
            "rows lack a class. Give `missed` and `false`, or more validation rows."
        )
    sure = beliefs >= np.array([rows.mean() for rows in own])
    likeliest = np.where(sure, beliefs, -1.0).argmax(axis=1)
    counted = sure.any(axis=1)
    np.add.at(counts, (likeliest[counted], labels[counted]), 1.0)  # [true, recorded]
    recorded = np.bincount(labels, minlength=num_classes)
    counts *= recorded / np.maximum(counts.sum(axis=0), 1e-12)
    if (counts.sum(axis=1) == 0).any():
        raise TaskError(
            f"Task {task!r}: the noise of its labels cannot be estimated, since no validation row "
            "is surely of some class. Give `missed` and `false`."
        )
    rates: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return rates
