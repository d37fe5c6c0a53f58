"""What a head says of labels that are distributions: soft labels."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from .base import Head

__all__ = ["SoftHead"]


class SoftHead(Head, ABC):
    """A head that can learn from soft labels: what an estimator believes of a row's label.

    Stability: experimental.

    A soft label is `soft_width` numbers a row: the probability of a yes, the probability of each
    class, or mean and variance of a number in the head's own standardised unit.
    """

    @property
    @abstractmethod
    def soft_width(self) -> int:
        """S, how many numbers a soft label has."""

    @abstractmethod
    def soften(self, parameters: Tensor, *, temperature: float | Tensor, bias: Tensor) -> Tensor:
        """The belief of one model `[B, S]`, from its parameters `[B, out]`.

        Args:
            parameters: what the model gives.
            temperature: what they are divided by, `bias` added first.
            bias: `[out]`.
        """

    @abstractmethod
    def merged(self, beliefs: Tensor) -> Tensor:
        """The belief `[B, S]` of several models, from theirs `[M, B, S]`."""

    @abstractmethod
    def soft_loss(self, parameters: Tensor, soft: Tensor) -> Tensor:
        """Expected loss of each row `[B]`, were its label drawn from the belief `[B, S]`."""

    @abstractmethod
    def surprise(self, soft: Tensor, target: Tensor) -> Tensor:
        """How far the belief `[B, S]` is from a label `[B]`: what calibration makes small."""
