"""What was shown on top was seen more: a term for the place, in training only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.data.schema import Schema
from plait.errors import ArchitectureError, SchemaError, TaskError
from plait.tasks import Binary, Task

from .base import Link
from .checks import check_known

__all__ = ["PositionBias"]


TENTHS = 10
"""The numbers are kept as tenths: a step of the optimizer moves them ten times as far as weights.

Otherwise the item's own vectors, which learn fast, take up what the place explains.
"""


class PositionBias(Link):
    """Keep the place of an item from passing for its quality.

    In the losses, and nowhere else, the logit of each task is `z(x) + b(position)`, with one number
    b for each task and place: the additive position tower of Zhao et al., `Recommending What Video
    to Watch Next <https://doi.org/10.1145/3298689.3346997>`_, 2019, with the place alone as its
    input. Predictions are `z(x)`: nobody knows the place before the list is made. After training
    the mean of a binary task's predictions is brought to that of its labels, so leaving b out does
    not shift it.

    Early stopping judges `z(x) + b(position)`, how well clicks are explained: by `z(x)` alone it
    would keep the state that takes the place for quality. The metrics of the run are those of
    `z(x)`, and may well be *lower* than without this link: the labels that they are judged on
    favour what stood on top.

    The place is the schema's role `position`, whole numbers from 0 or 1. It must not be a feature,
    too: the network would read it there. With a `Chain` put this link before it.

    It can only tell the place from the item where items were shown in several places. If the old
    ranking put the same items on top for ever, nothing can.

    Stability: experimental.

    Example:
        >>> link = PositionBias(tasks=["click"], positions=3)
        >>> _ = torch.nn.init.constant_(link.biases[0], 0.2)
        >>> rows = {"position": torch.tensor([0, 2])}
        >>> link.observe({"click": torch.zeros(2, 1)}, rows)["click"].tolist()
        [[2.0], [2.0]]

    Args:
        tasks: the binary tasks whose labels depend on the place: clicks, impressions seen.
        positions: places from here on, and rows without a place, have one number in common.

    Raises:
        TaskError: no task, or no place.
    """

    ties: ClassVar[str] = "binary tasks; the role `position`, which is no feature"
    when: ClassVar[str] = "items were shown in lists, and what stood on top was clicked more"

    def __init__(self, *, tasks: Sequence[str], positions: int = 100) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.positions = positions
        if not self.tasks:
            raise TaskError("PositionBias: `tasks` is empty. Name the tasks, or leave it out.")
        if positions < 1:
            raise TaskError(f"PositionBias: `positions` must be at least 1, got {positions}.")
        self.biases = nn.ParameterList(torch.zeros(positions + 1) for _ in self.tasks)

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse tasks that have no logit to add to.

        Raises:
            UnknownNameError: a name that no task has.
            TaskError: a task that is not binary.
        """
        check_known(self.tasks, tasks, where="PositionBias")
        for name in self.tasks:
            if not isinstance(tasks[name], Binary):
                raise TaskError(
                    f"PositionBias: {name!r} is a {tasks[name].kind} task; it adds to a logit: "
                    "use Binary."
                )

    def check_schema(self, schema: Schema) -> None:
        """Refuse a schema that names no position, or gives it to the network.

        Raises:
            SchemaError: which of both, and what to do.
        """
        if schema.position is None:
            raise SchemaError(
                "PositionBias reads the place of a row, and the schema names none. Name the column "
                "as the role `position`."
            )
        reading = [f.name for f in schema.features if schema.position in f.columns()]
        if reading:
            raise SchemaError(
                f"PositionBias: the feature {reading[0]!r} reads the position {schema.position!r}, "
                "so the network would know the place. Take it out of the features."
            )

    def observe(
        self, parameters: dict[str, Tensor], keys: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The logits with the numbers of the places.

        Raises:
            ArchitectureError: the rows have no position.
        """
        if "position" not in keys:
            raise ArchitectureError(
                "PositionBias reads the place of a row, and the prepared rows have none. Name the "
                "column as the schema's role `position`."
            )
        place = keys["position"]
        place = torch.where((place >= 0) & (place < self.positions), place, self.positions)
        added = {
            task: parameters[task] + TENTHS * bias[place].unsqueeze(1)
            for task, bias in zip(self.tasks, self.biases, strict=True)
        }
        return {**parameters, **added}

    def learnt(self) -> dict[str, list[float]]:
        """The numbers by task, place after place from 0, the common one last."""
        numbers = ((TENTHS * bias).tolist() for bias in self.biases)
        return dict(zip(self.tasks, numbers, strict=True))

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"tasks={self.tasks!r}, positions={self.positions}"
