"""Tables of vectors for each task beside shared ones; experts that learn from their task alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import ExpertBank, SoftmaxGate, mix, whole

from .base import Architecture, Encoded, Need, Shared, Widths
from .mmoe import expert_names, named_mass

__all__ = ["STEM"]


class STEM(Architecture):
    """Give each task vectors of its own for every user, item and feature, beside shared ones.

    Shared and task-specific embeddings (Su et al., `STEM: Unleashing the Power of Embeddings for
    Multi-task Recommendation <https://arxiv.org/abs/2308.13537>`_, 2024). There are K + 1 sets of
    tables. Own experts of task k read x_k, the features with the task's own vectors; shared experts
    read x_s, those with the shared ones. Task k mixes *all* experts, but learns only from its own
    and the shared ones,

        f_k = sum_e softmax(W_k (x_k + x_s))_e E_e,   E_e = sg E_e where e belongs to another task,

    where `sg` stops the gradient: all are read forward, a task's tables and experts learn from that
    task alone. It is meant for tasks that want different things of the same user.

    What departs from the authors' code: gates are linear, as in `MMoE`, and there is one level, as
    in their settings; with several, losses reach the tables of other tasks through the shared
    experts. The vectors alone are a task's own: an interaction or a sequence encoder below is one
    for all K + 1 sets. Memory of the tables is K + 1 times that of other structures, and a
    prediction of one task reads them all.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        shared_experts: how many shared experts.
        task_experts: own experts of each task.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no feature has a table, no expert, or a width that is not positive.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"own"})
    when: ClassVar[str] = "tasks want different things of the same users, and memory is there"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        shared_experts: int = 1,
        task_experts: int = 1,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        counts = {"shared_experts": shared_experts, "task_experts": task_experts}
        low = [f"`{name}` must be at least 1, got {n}" for name, n in counts.items() if n < 1]
        if low:
            raise ArchitectureError("; ".join(low) + ".")
        self.shared_experts = shared_experts
        self.task_experts = task_experts
        self.layers = tuple(layers)
        self.dropout = dropout
        self.shared = ExpertBank(widths.main, shared_experts, self.layers, dropout=dropout)
        self.own = nn.ModuleList(
            ExpertBank(widths.main, task_experts, self.layers, dropout=dropout) for _ in self.tasks
        )
        number = len(self.tasks) * task_experts + shared_experts
        self.gates = nn.ModuleList(SoftmaxGate(widths.main, number) for _ in self.tasks)

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self.shared.out_features

    def share(self, encoded: Encoded) -> Shared:
        """The outputs of all experts, task by task and then the shared ones; what gates read."""
        own = [encoded.own[task] for task in self.tasks]
        outputs = [bank(self.parts(read)) for bank, read in zip(self.own, own, strict=True)]
        outputs.append(self.shared(self.parts(encoded.main)))
        experts = tuple(output for bank in outputs for output in bank)
        return Shared(experts, tuple(read + whole(encoded.main) for read in own))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's mixture of all experts; those of other tasks learn nothing from it."""
        mixtures: dict[str, Tensor] = {}
        reads = zip(self.tasks, self.gates, shared.gate_inputs, strict=True)
        for number, (task, gate, read) in enumerate(reads):
            assert isinstance(gate, SoftmaxGate)
            experts = [
                output if self._learns(number, place) else output.detach()
                for place, output in enumerate(shared.experts)
            ]
            mixtures[task] = mix(gate.logits(self.parts(read)), experts)
        return mixtures

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each task's gate gives to each expert on these rows."""
        names = [name for task in self.tasks for name in expert_names(task, self.task_experts)]
        names += expert_names("shared", self.shared_experts)
        masses = {}
        for task, gate in zip(self.tasks, self.gates, strict=True):
            assert isinstance(gate, SoftmaxGate)
            masses[task] = named_mass(gate.mass(encoded.own[task] + whole(encoded.main)), names)
        return masses

    def _learns(self, task: int, place: int) -> bool:
        """Whether the expert at this place learns from this task."""
        owner = place // self.task_experts
        return owner == task or owner >= len(self.tasks)
