"""What stands between the stages of a model, and what they call their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from plait.architectures import Architecture, Encoded, Shared, Widths
from plait.data.batch import Batch
from plait.heads import Rows
from plait.modules import ListVectors, Pieces, Run, ShortRows

__all__ = [
    "ArchitectureFactory",
    "Fields",
    "Trace",
    "conditional_bias",
    "module_name",
    "rows_of",
]


class Fields(NamedTuple):
    """What `lookup` gives to `encode`.

    An entry is a categorical's vector, a numeric's encoding, the vector of its bin (`age.bin`), a
    vector feature; and of the product of user and item, the vectors (`user.factors`) and each
    task's biases (`user.bias.click`); and where the interaction has a first order, each task's
    numbers (`city.wide.click`); and the vectors of terms (`item.fpmc.past`). Entries of one width
    that follow one another and that all tasks read lie side by side in one *run*.

    Attributes:
        runs: `[B, n * d]` by the names of the n entries of the run.
        lists: the vectors of list features, not yet pooled.
        scenario: int `[B]`, id of the scenario, where the schema has one among its features.
        own: by task, the same entries from the task's own tables, where the architecture needs
            them.
        pieces: the numeric features as they came, where nothing reads their encodings; these are
            then in no run.
        short: the vectors of short tables, each once, where nothing but layers reads them; these
            are then in no run.
    """

    runs: Mapping[Run, Tensor]
    lists: Mapping[str, ListVectors]
    scenario: Tensor | None = None
    own: Mapping[str, Fields] = {}
    pieces: Pieces | None = None
    short: ShortRows | None = None

    @property
    def vectors(self) -> dict[str, Tensor]:
        """Views of the runs: `[B, d_f]` by entry."""
        return {
            name: vector
            for run, side_by_side in self.runs.items()
            for name, vector in zip(run, side_by_side.chunk(len(run), dim=1), strict=True)
        }


class Trace(NamedTuple):
    """The tensors between the stages of one forward pass: where gradients can be cut."""

    fields: Fields
    encoded: Encoded
    shared: Shared
    representations: dict[str, Tensor]


class ArchitectureFactory(Protocol):
    """Anything that builds a sharing structure: a class, or `partial(MMoE, num_experts=8)`."""

    def __call__(self, widths: Widths, tasks: Sequence[str]) -> Architecture:
        """The structure for inputs of these widths."""
        ...


def module_name(task: str) -> str:
    """The name of a task's module: a task may be called `type`, a module of torch may not."""
    return f"of_{task}"


def conditional_bias(joint: Tensor, parent: Tensor) -> Tensor:
    """Logit of P(child | parent) from the logits of the joint event and of the parent."""
    rate = (joint.sigmoid() / parent.sigmoid()).clamp(1e-6, 1 - 1e-6)
    return torch.logit(rate)


def rows_of(batch: Batch, task: str) -> Rows:
    """What the head of a task may read of a batch."""
    prefix = f"{task}."
    extras = {k.removeprefix(prefix): v for k, v in batch.extras.items() if k.startswith(prefix)}
    return Rows(batch.observed.get(task), extras, batch.keys.get("request"))
