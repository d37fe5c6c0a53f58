"""The contract of a pretext: what a first layer learns from rows, labels left aside."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from plait.data.batch import Batch
from plait.models import MultiTaskModel

__all__ = ["Pretext"]


class Pretext(ABC):
    """What the first layer of a model learns before it sees a label.

    Stability: experimental.
    """

    @abstractmethod
    def decoder(self, model: MultiTaskModel, *, width: int) -> nn.Module:
        """The layers that are only there for the pretext, on a representation of this width."""

    @abstractmethod
    def loss(self, model: MultiTaskModel, decoder: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar; random numbers are drawn from torch's own generator."""
