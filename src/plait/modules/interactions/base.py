"""The contract of an interaction: one vector a row in, one vector a row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

__all__ = ["Entry", "Interacted", "Interaction"]


class Entry(NamedTuple):
    """One feature as it stands in the input, side by side with the others.

    Attributes:
        name: how it is called: the feature, or `age.bin` for the bins of a numeric one.
        width: how many numbers it takes.
        learnt: whether it comes from a table of vectors, or from a sequence of them; a number or a
            given vector is known.
    """

    name: str
    width: int
    learnt: bool = True


class Interacted(NamedTuple):
    """What an interaction gives.

    Attributes:
        main: `[B, D]`, what the sharing structure reads.
        late: `[B, L]`, what goes past it: each task weighs these L numbers and adds them to the
            parameters of its head. None where the interaction has nothing of the kind.
    """

    main: Tensor
    late: Tensor | None = None


class Interaction(nn.Module, ABC):
    """Make features meet: products and masks that a plain network finds late or never.

    Stability: experimental.

    It reads the features that all tasks may read, side by side, and knows no task. Every keyword of
    a constructor is kept as an attribute of the same name, so that `plait.settings.settings_of` can
    write it down.

    Args:
        entries: the features, in the order in which they stand side by side.

    Attributes:
        when: when to try it, in a few words.
        first_order: whether each task adds one number for each id that a row holds, and a linear
            form of its numbers, to the parameters of its head: the wide part of a model.
        passes_on: whether the sharing structure reads the input as it is.
        in_features: width of the input.
    """

    when: ClassVar[str] = ""
    first_order: ClassVar[bool] = False
    passes_on: ClassVar[bool] = False

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.entries = tuple(entries)
        self.in_features = sum(entry.width for entry in self.entries)

    @property
    @abstractmethod
    def out_features(self) -> int:
        """Width D of what the sharing structure reads."""

    @property
    def late_features(self) -> int:
        """How many numbers go past the sharing structure to every task."""
        return 0

    @abstractmethod
    def forward(self, main: Tensor) -> Interacted:
        """From the features side by side, `[B, in_features]`."""
