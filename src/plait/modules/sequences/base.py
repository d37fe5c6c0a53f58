"""The contract of a sequence encoder: values side by side and a mask in, one vector a row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError

__all__ = ["SequenceEncoder", "at_latest", "check_heads", "from_latest"]


class SequenceEncoder(nn.Module, ABC):
    """Turn a sequence of vectors, the latest last, into one vector a row.

    Stability: experimental.

    What stands behind a row's last value, where another row is longer, must not change anything;
    nor may a row without any value give anything but finite numbers. Every keyword of a constructor
    is kept as an attribute of the same name, so that `plait.settings.settings_of` can write it
    down.

    Args:
        in_features: width d of the vectors.

    Attributes:
        when: when to try it, in a few words.
        reads_target: whether it also reads the vector of the item that is being judged.
        target: name of the feature that holds this item. None: the one of the sequence's table.
        aligned: sequences with one value for each value of this one, such as what the user did
            with each item. Their vectors are added to this one's.
        max_length: values of a row that it reads, the last ones. None: all.
    """

    when: ClassVar[str] = ""
    reads_target: ClassVar[bool] = False
    target: str | None = None
    aligned: Sequence[str] = ()
    max_length: int | None = None

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features

    @property
    def out_features(self) -> int:
        """Width of what comes out."""
        return self.in_features

    @abstractmethod
    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """One vector a row, `[B, out_features]`.

        Args:
            values: `[B, L, d]`.
            mask: bool `[B, L]`, true where there is a value; they stand first.
            target: `[B, d]`, where the encoder reads it.
        """


def from_latest(mask: Tensor) -> Tensor:
    """How many values of the row stand behind this one, `[B, L]`: 0 for the latest.

    Where there is no value it says 0, too.

    Example:
        >>> from_latest(torch.tensor([[True, True, False]]))
        tensor([[1, 0, 0]])
    """
    places = torch.arange(mask.shape[1], device=mask.device)
    return (mask.sum(dim=1, keepdim=True) - 1 - places).clamp(min=0)


def at_latest(states: Tensor, mask: Tensor) -> Tensor:
    """The state at each row's last value, zeros where there is none; `[B, d]` from `[B, L, d]`."""
    is_latest = mask & (from_latest(mask) == 0)
    return torch.where(is_latest.unsqueeze(2), states, 0.0).sum(dim=1)


def check_heads(width: int, heads: int) -> None:
    """See that heads of equal width make up a vector.

    Raises:
        ArchitectureError: they do not.
    """
    if heads < 1 or width % heads:
        raise ArchitectureError(
            f"`heads` must divide the width of the sequence's vectors, got {heads} heads for "
            f"vectors of width {width}. Change `heads`, or the feature's `embedding_dim`."
        )
