"""Factorisation machines: every pair of features, weighed by the product of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from .base import Entry, Interacted, Interaction
from .tokens import Tokens

__all__ = ["FM", "DeepFM", "pair_products"]


def pair_products(tokens: Tensor) -> Tensor:
    """Sum of `v_i * v_j` over all pairs of features, `[B, d]` from `[B, F, d]`.

    By `((sum v)² - sum v²) / 2`, so that the cost grows with F and not with its square.

    Example:
        >>> import torch
        >>> pair_products(torch.tensor([[[1.0], [2.0], [3.0]]]))
        tensor([[11.]])
    """
    return 0.5 * (tokens.sum(dim=1).square() - tokens.square().sum(dim=1))


class FM(Interaction):
    """Give the network the products of all pairs of features, and nothing else.

    A factorisation machine says `b + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j` (Rendle,
    `Factorization Machines <https://doi.org/10.1109/ICDM.2010.127>`_, 2010). The sum of the
    products `v_i x_i * v_j x_j`, not yet added up to one number, is what the sharing structure
    reads: so each task weighs its `d` parts. The first order goes past it to each task.

    With `SharedBottom(layers=())` and `tower=()` there is no hidden layer; then weights of one in
    the tower are the paper's model, other ones are a machine with a diagonal for each task. With
    hidden layers it is the neural factorisation machine (He and Chua,
    `arXiv:1708.05027 <https://arxiv.org/abs/1708.05027>`_, 2017).

    Stability: experimental.

    Args:
        entries: the features, in order.
        token_width: width d that features of other widths are brought to.

    Raises:
        ArchitectureError: a width below 1.
    """

    when: ClassVar[str] = "you want a small baseline of the products of pairs"
    first_order: ClassVar[bool] = True

    def __init__(self, entries: Sequence[Entry], *, token_width: int = 16) -> None:
        super().__init__(entries)
        self.token_width = token_width
        self.tokens = Tokens(self.entries, token_width)

    @property
    def out_features(self) -> int:
        """Width of a token."""
        return self.token_width

    def forward(self, main: Tensor) -> Interacted:
        """The products of all pairs, added up."""
        return Interacted(pair_products(self.tokens(main)))


class DeepFM(Interaction):
    """Put a factorisation machine beside the deep network, on the same vectors.

    A task's parameters are what its tower says, plus `sum_i w_i x_i`, plus `sum_{i<j} <v_i, v_j>
    x_i x_j` (Guo et al., `DeepFM: A Factorization-Machine based Neural Network for CTR Prediction
    <https://doi.org/10.24963/ijcai.2017/239>`_, 2017). The products of pairs are shared by all
    tasks; as in the product of user and item each task has weights for their `d` parts, which start
    at one, where they are the paper's sum. What the deep network reads stays as it is.

    Stability: experimental.

    Args:
        entries: the features, in order.
        token_width: width d that features of other widths are brought to.

    Raises:
        ArchitectureError: a width below 1.
    """

    when: ClassVar[str] = "pairs matter: this user and this time of day"
    first_order: ClassVar[bool] = True
    passes_on: ClassVar[bool] = True

    def __init__(self, entries: Sequence[Entry], *, token_width: int = 16) -> None:
        super().__init__(entries)
        self.token_width = token_width
        self.tokens = Tokens(self.entries, token_width)

    @property
    def out_features(self) -> int:
        """Width of the input: the deep network reads it unchanged."""
        return self.in_features

    @property
    def late_features(self) -> int:
        """Width of a token."""
        return self.token_width

    def forward(self, main: Tensor) -> Interacted:
        """The input as it is, and the products of all pairs, added up."""
        return Interacted(main, pair_products(self.tokens(main)))
