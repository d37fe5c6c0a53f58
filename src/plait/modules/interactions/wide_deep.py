"""A linear model of single features beside the deep network."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from .base import Interacted, Interaction

__all__ = ["WideDeep"]


class WideDeep(Interaction):
    """Let every id say one number by itself, beside what the deep network makes of all of them.

    The wide part adds `w · x` to the parameters of a task's head (Cheng et al., `Wide & Deep
    Learning for Recommender Systems <https://doi.org/10.1145/2988450.2988454>`_, 2016): one number
    for each id that the row holds, the mean of them for a list, and a linear form of the numbers.
    Each task has its own. What the deep network reads stays as it is.

    The paper's wide part also reads *crosses* of two columns. Make such a column where the log is
    made, and name it as a categorical feature: then it stands in both parts.

    Stability: experimental.

    Args:
        entries: the features, in order.
    """

    when: ClassVar[str] = "single ids say much, and the network forgets them"
    first_order: ClassVar[bool] = True
    passes_on: ClassVar[bool] = True

    @property
    def out_features(self) -> int:
        """Width of the input: nothing is changed."""
        return self.in_features

    def forward(self, main: Tensor) -> Interacted:
        """The input as it is."""
        return Interacted(main)
