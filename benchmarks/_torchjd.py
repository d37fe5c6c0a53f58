"""torchjd's own backward pass as a balancer, to stand beside ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.nn import functional
from torchjd.aggregation import WeightedAggregator
from torchjd.autojac import jac_to_grad, mtl_backward

from plait.balancing import Balancer, Cost, Look, Part, Surface, Weights
from plait.models import MultiTaskModel

__all__ = ["TheirBackward", "dense_lookups"]


class TheirBackward(Balancer):
    """`mtl_backward` and `jac_to_grad`: a gradient a task of every shared parameter.

    torchjd does not go through row-sparse lookups (its Jacobian wants a `view` of them), so these
    must be dense while it runs: see `dense_lookups`. What it leaves in a table's gradient is made
    row-sparse again for our optimizer.

    Args:
        aggregator: theirs.
    """

    surface: Surface | None = "shared"
    cost: Cost = "gradient a task"
    needs_gradients = True

    def __init__(self, aggregator: WeightedAggregator) -> None:
        self.aggregator = aggregator
        self.model: MultiTaskModel | None = None

    def decide(self, look: Look) -> Weights:
        """What torchjd does in `apply`."""
        return dict.fromkeys(look.losses, 1.0)

    def apply(self, part: Part, weights: Weights, look: Look) -> None:
        """The step that torchjd's documentation shows, its features our cut."""
        losses, penalty, cut = part
        assert cut is not None
        assert self.model is not None
        if penalty is not None and penalty.requires_grad:
            penalty.backward(retain_graph=True)
        # Gates read what experts read, so that the graphs of two features overlap.
        mtl_backward(list(losses.values()), features=list(cut.tensors), retain_graph=True)
        parameters = [p for p in self.model.parameters() if getattr(p, "jac", None) is not None]
        jac_to_grad(parameters, self.aggregator)
        for table in self.model.table_parameters():
            if table.grad is not None:
                table.grad = table.grad.to_sparse(1)


@contextmanager
def dense_lookups() -> Iterator[None]:
    """Let lookups of this thread give dense gradients, whatever they ask for."""
    plain, asking = functional.embedding, threading.get_ident()

    def dense(input: Tensor, weight: Tensor, *, sparse: bool = False) -> Tensor:
        return plain(input, weight, sparse=sparse and threading.get_ident() != asking)

    functional.embedding = dense
    try:
        yield
    finally:
        functional.embedding = plain
