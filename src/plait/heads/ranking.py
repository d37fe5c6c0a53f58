"""Order within a request: softmax over its rows, or every pair of them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from plait.errors import TaskError
from plait.tasks import Ranking

from .base import Head, Rows, TargetFacts
from .checks import check_labels, check_learnable, check_not_negative


class RankingHead(Head):
    """Read one score; only its order among the rows of a request means anything.

    What the two forms below have in common. Rows whose label was not observed take no part: their
    loss is 0, and they move nobody else's. The prediction is the bare score, not a probability:
    comparable within a request only.

    Stability: experimental.
    """

    task: Ranking

    def __init__(self, task: Ranking) -> None:
        super().__init__(task)

    @property
    def out_features(self) -> int:
        """One score."""
        return 1

    def check(self, facts: TargetFacts) -> None:
        """Refuse labels that are not finite.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        check_labels(self.task, facts)

    def fit(self, facts: TargetFacts) -> None:
        """Check the labels; there is nothing to take from them.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)

    def initial_bias(self) -> Tensor:
        """Zero, `[1]`: a constant changes no order."""
        return torch.zeros(1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Each row's part in the loss of its request; `[B]`.

        Raises:
            TaskError: the rows carry no groups.
        """
        if rows.groups is None:
            raise TaskError(
                f"Task {self.task.name!r} (ranking) compares the rows of one request, and these "
                "rows do not say which request they belong to. Give a column the role 'request' "
                "in the schema, or choose the kind binary."
            )
        score = parameters.squeeze(-1)
        seen = torch.ones_like(target, dtype=torch.bool) if rows.observed is None else rows.observed
        kept = seen.nonzero().squeeze(-1)
        group = torch.unique(rows.groups[kept], return_inverse=True)[1]
        part = self._loss_within(score[kept], target[kept].to(score.dtype), group)
        return torch.zeros_like(score).index_copy(0, kept, part)

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """The score, `[B]`: higher is better within the request."""
        return parameters.squeeze(-1)

    @abstractmethod
    def _loss_within(self, score: Tensor, target: Tensor, group: Tensor) -> Tensor:
        """Loss of each row, where `group` counts requests from 0."""


class ListwiseHead(RankingHead):
    """Order a request by the softmax cross-entropy over its rows.

    ListNet's top-one loss (Cao et al., `Learning to Rank: From Pairwise Approach to Listwise
    Approach <https://doi.org/10.1145/1273496.1273513>`_, 2007) with labels in place of their
    exponentials: row i of a request has the loss -(y_i / sum y) log softmax(s)_i, so that rows add
    up to the cross-entropy of the request. Graded labels share the target by their size. A request
    without a positive label has the loss 0.

    Stability: experimental.

    Example:
        >>> head = ListwiseHead(Ranking("click"))
        >>> rows = Rows(groups=torch.tensor([7, 7]))
        >>> head.loss(torch.zeros(2, 1), torch.tensor([1.0, 0.0]), rows)
        tensor([0.6931, 0.0000])
    """

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels: they have no share in a distribution.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        check_not_negative(self.task, facts)

    def _loss_within(self, score: Tensor, target: Tensor, group: Tensor) -> Tensor:
        per_group = score.new_zeros(score.numel())  # never more requests than rows
        highest = per_group.scatter_reduce(0, group, score.detach(), "amax", include_self=False)
        shifted = score - highest[group]
        log_sum = per_group.index_add(0, group, shifted.exp())[group].log()
        total = per_group.index_add(0, group, target)[group]
        share = target / torch.where(total > 0, total, torch.ones_like(total))
        return share * (log_sum - shifted)


class BPRHead(RankingHead):
    """Order a request by every pair of its rows whose labels differ.

    Bayesian personalised ranking (Rendle et al., `BPR <https://arxiv.org/abs/1205.2618>`_, 2009): a
    pair with y_i > y_j has the loss -log sigmoid(s_i - s_j). Row i, the higher one, gets the mean
    over its pairs; a row that is above no other gets 0. Time and memory grow with the sum
    over requests of their size times their rows above the lowest label.

    Stability: experimental.

    Example:
        >>> head = BPRHead(Ranking("click", form="bpr"))
        >>> rows = Rows(groups=torch.tensor([7, 7]))
        >>> head.loss(torch.zeros(2, 1), torch.tensor([1.0, 0.0]), rows)
        tensor([0.6931, 0.0000])
    """

    def _loss_within(self, score: Tensor, target: Tensor, group: Tensor) -> Tensor:
        lowest = torch.zeros_like(target).scatter_reduce(
            0, group, target, "amin", include_self=False
        )
        higher, lower = _pairs_within(group, of=target > lowest[group])
        unlike = target[higher] > target[lower]
        higher, lower = higher[unlike], lower[unlike]
        losses = functional.softplus(score[lower] - score[higher])
        total = torch.zeros_like(score).index_add(0, higher, losses)
        count = torch.zeros_like(score).index_add(0, higher, torch.ones_like(losses))
        return total / count.clamp(min=1)


def _pairs_within(group: Tensor, *, of: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of every ordered pair of rows of one group that begins with a row of the mask."""
    order = torch.argsort(group, stable=True)
    sizes = torch.bincount(group)
    starts = sizes.cumsum(0) - sizes
    partners = sizes[group[order]] * of[order]  # how many pairs begin with each row, in that order
    first = torch.repeat_interleave(order, partners)
    run_starts = torch.repeat_interleave(partners.cumsum(0) - partners, partners)
    within = torch.arange(first.numel(), device=group.device) - run_starts
    return first, order[starts[group[first]] + within]
