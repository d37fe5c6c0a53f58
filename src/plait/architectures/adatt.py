"""Every task reads every expert, and keeps a straight road to its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import ExpertBank, PartlyLearnt, SoftmaxGate, logits_of, mix_each, whole

from .base import Architecture, Encoded, Shared, Widths
from .mmoe import expert_names, named_mass

__all__ = ["AdaTT"]

Read = Tensor | PartlyLearnt


class AdaTT(Architecture):
    """Let each task choose among all experts, those of other tasks too, without losing its own.

    Adaptive task-to-task fusion (Li et al., `AdaTT: Adaptive Task-to-Task Fusion Network for
    Multitask Learning in Recommendations <https://arxiv.org/abs/2304.04959>`_, 2023). In each level
    every unit, a task or the shared one, has experts of its own that read what the unit read. What
    unit u hands on is

        f_u = sum_e softmax(W_u x_u)_e E_e  +  sum_{e of u} v_ue E_e,

    the first sum over the experts of *all* units, the second a linear residual over its own. `v`
    starts uniformly within ±1/√m for m experts; a single own expert is added as it is. The authors
    call the residual crucial. In the last level the shared unit has experts but hands nothing on.

    Where `PLE` lets no task's last experts learn from another task, here every expert may serve
    every task. Try it with many tasks. With `shared_experts=0` it is the paper's AdaTT-sp. Our
    gates have no bias, as in `MMoE`.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        num_levels: how many levels.
        task_experts: own experts of each task in each level.
        shared_experts: experts of the shared unit in each level; may be 0.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no level, no own expert, or a width that is not positive.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "there are many tasks, and experts of one may help another"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        num_levels: int = 2,
        task_experts: int = 2,
        shared_experts: int = 1,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        _check_counts(num_levels, task_experts, shared_experts)
        self.num_levels = num_levels
        self.task_experts = task_experts
        self.shared_experts = shared_experts
        self.layers = tuple(layers)
        self.dropout = dropout
        out_features = self.layers[-1] if self.layers else widths.main
        self.levels = nn.ModuleList(
            _Level(out_features if number else widths.main, self, is_last=number == num_levels - 1)
            for number in range(num_levels)
        )
        self._out_features = out_features

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self._out_features

    def share(self, encoded: Encoded) -> Shared:
        """All experts' outputs at the last level, and what each task reads there.

        With one level all tasks read the same, and it is given once.
        """
        read = self._reads(self.parts(encoded.main))[-1]
        by_task = (encoded.main,) if self.num_levels == 1 else tuple(map(whole, read))
        return Shared(self._last.experts(read), by_task[: len(self.tasks)])

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's mixture of all experts, and its residual."""
        read: Sequence[Read] = shared.gate_inputs
        if self.num_levels == 1:
            read = (self.parts(*shared.gate_inputs),) * len(self.tasks)
        return dict(zip(self.tasks, self._last.fused(read, shared.experts), strict=True))

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each gate gives to each expert on these rows, level by level.

        The residual is not in it: an own expert that its gate gives nothing may still be used.
        """
        names = [name for task in self.tasks for name in expert_names(task, self.task_experts)]
        names += expert_names("shared", self.shared_experts)
        masses: dict[str, dict[str, float]] = {}
        reads = self._reads(encoded.main)
        for number, (level, read) in enumerate(zip(self.levels, reads, strict=True), start=1):
            assert isinstance(level, _Level)
            units = (*self.tasks, "shared")
            for unit, gate, inputs in zip(units, level.gates, read, strict=False):
                assert isinstance(gate, SoftmaxGate)
                masses[f"level {number}, {unit}"] = named_mass(gate.mass(whole(inputs)), names)
        return masses

    @property
    def _last(self) -> _Level:
        last = self.levels[-1]
        assert isinstance(last, _Level)
        return last

    def _reads(self, main: Read) -> list[tuple[Read, ...]]:
        """What each unit reads, level by level: the tasks, then the shared unit."""
        units = len(self.tasks) + bool(self.shared_experts)
        reads: list[tuple[Read, ...]] = [(main,) * units]
        for level in self.levels:
            assert isinstance(level, _Level)
            if level is not self._last:
                reads.append(level.fused(reads[-1], level.experts(reads[-1])))
        return reads


class _Level(nn.Module):
    """The experts of every unit, and for each unit that hands something on a gate and a residual.

    Experts and residual of a unit are parameters of their own.
    """

    def __init__(self, in_features: int, adatt: AdaTT, *, is_last: bool) -> None:
        super().__init__()
        self.sizes = [adatt.task_experts] * len(adatt.tasks)
        self.sizes += [adatt.shared_experts] if adatt.shared_experts else []
        self.banks = nn.ModuleList(
            ExpertBank(in_features, size, adatt.layers, dropout=adatt.dropout)
            for size in self.sizes
        )
        fused = self.sizes[: len(adatt.tasks)] if is_last else self.sizes
        self.gates = nn.ModuleList(SoftmaxGate(in_features, sum(self.sizes)) for _ in fused)
        self.residuals = nn.ModuleList(_Residual(size) for size in fused)

    def experts(self, reads: Sequence[Read]) -> tuple[Tensor, ...]:
        """Outputs of all experts, unit by unit, from what each unit reads."""
        outputs = (bank(read) for bank, read in zip(self.banks, reads, strict=True))
        return tuple(output for bank in outputs for output in bank)

    def fused(self, reads: Sequence[Read], experts: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What each unit hands on."""
        handed, at = [], 0
        mixed = mix_each(logits_of(self.gates, reads[: len(self.gates)]), experts)
        for own, residual, size in zip(mixed, self.residuals, self.sizes, strict=False):
            handed.append(own + residual(experts[at : at + size]))
            at += size
        return tuple(handed)


class _Residual(nn.Module):
    """A linear combination of a unit's own experts; a single one is handed through."""

    def __init__(self, count: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(count)
        self.weights = (
            nn.Parameter(torch.empty(count).uniform_(-bound, bound)) if count > 1 else None
        )

    def forward(self, experts: Sequence[Tensor]) -> Tensor:
        """`[B, H]`."""
        if self.weights is None:
            return experts[0]
        stacked = torch.stack(tuple(experts), dim=1)  # [B, m, H]
        return torch.einsum("e,beh->bh", self.weights, stacked)


def _check_counts(num_levels: int, task_experts: int, shared_experts: int) -> None:
    least = {"num_levels": (num_levels, 1), "task_experts": (task_experts, 1)}
    least["shared_experts"] = (shared_experts, 0)
    problems = [
        f"`{name}` must be at least {low}, got {value}"
        for name, (value, low) in least.items()
        if value < low
    ]
    if problems:
        raise ArchitectureError("; ".join(problems) + ".")
