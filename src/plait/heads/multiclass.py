"""Multiclass tasks: one logit a class, cross-entropy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plait.errors import TaskError
from plait.tasks import Multiclass

from .base import Rows, TargetFacts
from .checks import check_labels, check_learnable
from .soft import SoftHead
from .statistics import inner_rate


class MulticlassHead(SoftHead):
    """Read C logits as the probabilities of C classes.

    A label is the position of its value in `Multiclass.classes`, 0 to C - 1. With class weights w
    the loss is w_y times the cross-entropy, which fits q_c proportional to w_c p_c; `predict`
    therefore takes the softmax of z - log w.

    Stability: experimental.

    Raises:
        TaskError: the task does not name its classes.

    Example:
        >>> task = Multiclass("answer", classes=("no", "yes"), class_weights=(1.0, 3.0))
        >>> MulticlassHead(task).predict(torch.zeros(1, 2), Rows())
        tensor([[0.7500, 0.2500]])
    """

    task: Multiclass
    base_rates: Tensor
    class_weights: Tensor

    def __init__(self, task: Multiclass) -> None:
        super().__init__(task)
        if task.classes is None:
            raise TaskError(
                f"Task {task.name!r} (multiclass) does not say its classes yet. Take the task from "
                "the prepared data, where they are read off the training rows, or name them in "
                "`classes`."
            )
        self._num_classes = len(task.classes)
        rates = torch.full((self._num_classes,), 1.0 / self._num_classes)
        self.register_buffer("base_rates", rates)
        weights = task.class_weights or (1.0,) * self._num_classes
        self.register_buffer("class_weights", torch.tensor(weights), persistent=False)

    @property
    def out_features(self) -> int:
        """One logit a class."""
        return self._num_classes

    def check(self, facts: TargetFacts) -> None:
        """Refuse labels that are not positions in `classes`.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        allowed = np.arange(self._num_classes)
        check_labels(
            self.task,
            facts,
            bad=~np.isin(facts.targets, allowed),
            expected=f"a class from 0 to {allowed[-1]}, the positions in {self.task.classes}",
            way_out="Add the value to `classes` and train again, or make the label null there.",
        )

    def fit(self, facts: TargetFacts) -> None:
        """Take the weighted share of each class.

        Raises:
            TaskError: labels outside the kind, none at all, or of one class only.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        classes = facts.targets.astype(np.int64)
        shares = np.bincount(classes, weights=facts.weights, minlength=self._num_classes)
        rates = inner_rate(shares / shares.sum(), facts.targets.size)
        self.base_rates.copy_(torch.from_numpy(rates / rates.sum()))

    def initial_bias(self) -> Tensor:
        """The logits for which `predict` gives the share of each class, `[C]`."""
        return torch.log(self.base_rates) + torch.log(self.class_weights)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Cross-entropy, weighted by class; `[B]`."""
        return functional.cross_entropy(
            parameters,
            target.long(),
            weight=self.class_weights.to(parameters.dtype),
            reduction="none",
        )

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Probability of each class, `[B, C]`."""
        return torch.softmax(parameters - torch.log(self.class_weights), dim=-1)

    @property
    def soft_width(self) -> int:
        """The probability of each class."""
        return self._num_classes

    def soften(self, parameters: Tensor, *, temperature: float | Tensor, bias: Tensor) -> Tensor:
        """Softmax of `(z - log w + b) / T`, `[B, C]`."""
        logits = parameters - torch.log(self.class_weights) + bias
        return torch.softmax(logits / temperature, dim=-1)

    def merged(self, beliefs: Tensor) -> Tensor:
        """The mean distribution, `[B, C]`."""
        return beliefs.mean(dim=0)

    def soft_loss(self, parameters: Tensor, soft: Tensor) -> Tensor:
        """The cross-entropy of each class, weighted by how likely it is; `[B]`."""
        losses = -functional.log_softmax(parameters, dim=-1) * self.class_weights
        return (losses * soft).sum(dim=-1)

    def surprise(self, soft: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the label, `[B]`."""
        chosen = soft.gather(1, target.long()[:, None]).squeeze(1)
        return -torch.log(chosen.clamp_min(torch.finfo(soft.dtype).tiny))
