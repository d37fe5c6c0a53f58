"""A penalty that holds a first layer near the place where it was learnt."""

from __future__ import annotations

import torch

from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.training import Losses, Objective

from .objective import shared_parameters

__all__ = ["Anchored"]


class Anchored(Objective):
    """The losses of another objective, and L2-SP: half the squared way from a starting point.

    Li, Grandvalet and Davoine, `Explicit Inductive Bias for Transfer Learning
    <https://arxiv.org/abs/1802.01483>`_, 2018, on the dense parameters of the shared network.

    Args:
        objective: what is minimised beside it.
        model: stands at the starting point.
        strength: μ.
    """

    def __init__(self, objective: Objective, model: MultiTaskModel, *, strength: float) -> None:
        self.objective = objective
        self.rows = objective.rows
        self.companions = objective.companions
        self.strength = strength
        self._start = {n: p.detach().clone() for n, p in shared_parameters(model).items()}

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """The losses, and the way from the start beside their penalty."""
        found = self.objective.losses(model, batch, step)
        now = shared_parameters(model)
        squares = [(now[name] - start).square().sum() for name, start in self._start.items()]
        held = torch.stack(squares).sum() * (0.5 * self.strength)
        return found._replace(penalty=held if found.penalty is None else found.penalty + held)
