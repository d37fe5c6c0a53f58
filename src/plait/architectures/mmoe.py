"""A mixture of experts with one gate for each task, or with one gate for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.modules import ExpertBank, SoftmaxGate, logits_of, mix, mix_each

from .base import Architecture, Encoded, Shared, Widths

__all__ = ["MMoE", "OMoE"]


class MMoE(Architecture):
    """Let each task weigh a set of common experts by a gate of its own.

    Task k reads `sum_e g_ke(x) E_e(x)` with `g_k = softmax(W_k x)` (Ma et al., `Modeling Task
    Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts
    <https://doi.org/10.1145/3219819.3220007>`_, 2018). The paper takes 8 experts of one narrow
    layer; number, depth and width are options here. With one expert it is `SharedBottom`.

    Gates may come to use one expert only: look at `gate_mass` before adding experts.

    Stability: stable.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        num_experts: how many experts.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no expert, or a width that is not positive.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "first: it is the default"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        num_experts: int = 4,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        self.num_experts = num_experts
        self.layers = tuple(layers)
        self.dropout = dropout
        self.experts = ExpertBank(widths.main, num_experts, self.layers, dropout=dropout)
        self.gates = nn.ModuleList(SoftmaxGate(widths.main, num_experts) for _ in self.tasks)

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self.experts.out_features

    def share(self, encoded: Encoded) -> Shared:
        """The experts' outputs, and what the gates read."""
        return Shared(self.experts(self.parts(encoded.main)), (encoded.main,))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's own mixture of the experts."""
        read = (self.parts(*shared.gate_inputs),) * len(self.tasks)
        mixed = mix_each(logits_of(self.gates, read), shared.experts)
        return dict(zip(self.tasks, mixed, strict=True))

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each task's gate gives to each expert on these rows.

        An expert that no task gives any weight is dead: it costs time and does nothing.
        """
        return {
            task: named_mass(gate.mass(encoded.main), expert_names("expert", self.num_experts))
            for task, gate in zip(self.tasks, self._gates(), strict=True)
        }

    def _gates(self) -> list[SoftmaxGate]:
        return [gate for gate in self.gates if isinstance(gate, SoftmaxGate)]


class OMoE(Architecture):
    """Weigh common experts by one gate that all tasks share.

    The one-gate model that MMoE's paper compares with: as good where tasks are alike, worse the
    less they are. Everything in it is held in common, so tasks differ only in their towers.

    Stability: stable.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        num_experts: how many experts.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no expert, or a width that is not positive.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "you want to know what MMoE's gates are worth"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        num_experts: int = 4,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        self.num_experts = num_experts
        self.layers = tuple(layers)
        self.dropout = dropout
        self.experts = ExpertBank(widths.main, num_experts, self.layers, dropout=dropout)
        self.gate = SoftmaxGate(widths.main, num_experts)

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self.experts.out_features

    def share(self, encoded: Encoded) -> Shared:
        """The one mixture of the experts."""
        read = self.parts(encoded.main)
        return Shared((mix(self.gate.logits(read), self.experts(read)),))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To every task the same."""
        (mixture,) = shared.experts
        return dict.fromkeys(self.tasks, mixture)

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that the gate gives to each expert on these rows."""
        names = expert_names("expert", self.num_experts)
        return {"all tasks": named_mass(self.gate.mass(encoded.main), names)}


def expert_names(prefix: str, count: int) -> list[str]:
    """What the experts of a bank are called in a report: `expert 0`, `expert 1`."""
    return [f"{prefix} {number}" for number in range(count)]


def named_mass(mass: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Mean weights `[E]` under the names of their experts."""
    return dict(zip(names, mass.tolist(), strict=True))
