"""Experts that all tasks share beside experts of one task alone, in one level or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import ExpertBank, PartlyLearnt, SoftmaxGate, logits_of, mix, whole

from .base import Architecture, Encoded, Shared, Widths
from .mmoe import expert_names, named_mass

__all__ = ["CGC", "PLE"]


class PLE(Architecture):
    """Keep tasks from spoiling each other: own experts for each task, beside shared ones.

    Progressive layered extraction (Tang et al., `Progressive Layered Extraction
    <https://doi.org/10.1145/3383313.3412236>`_, 2020). Task k mixes its own and the shared experts,
    `f_k = sum_e softmax(W_k h_k)_e E_e`. The next level's own experts and gate of task k read
    `f_k`; its shared experts read a mixture, by a gate of their own, of *all* experts of this
    level. The last level has no such gate, so a task's experts of the last level learn from that
    task alone. Try it with more than two loosely related tasks.

    With one level and no own experts it is `MMoE`.

    Stability: stable.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        num_levels: how many levels.
        shared_experts: shared experts in each level.
        task_experts: own experts of each task in each level; may be 0.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no level, no shared expert, or a width that is not positive.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "there are three or more loosely related tasks"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        num_levels: int = 2,
        shared_experts: int = 2,
        task_experts: int = 2,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        _check_counts(num_levels, shared_experts, task_experts)
        self.num_levels = num_levels
        self.shared_experts = shared_experts
        self.task_experts = task_experts
        self.layers = tuple(layers)
        self.dropout = dropout
        out_features = self.layers[-1] if self.layers else widths.main
        self.inner = nn.ModuleList(
            _InnerLevel(out_features if number else widths.main, self)
            for number in range(num_levels - 1)
        )
        self.last = _Level(out_features if self.inner else widths.main, self)

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self.last.shared.out_features

    def share(self, encoded: Encoded) -> Shared:
        """The shared experts' outputs at the last level, and what each task reads there.

        With one level all tasks read the same, and it is given once.
        """
        read = self._reads(self.parts(encoded.main))[-1]
        by_task = tuple(map(whole, read.by_task)) if self.inner else (encoded.main,)
        return Shared(self.last.shared(read.shared), by_task)

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's mixture of its own and the shared experts of the last level."""
        by_task: Sequence[Tensor | PartlyLearnt] = shared.gate_inputs
        if not self.inner:
            by_task = (self.parts(*shared.gate_inputs),) * len(self.tasks)
        own = self.last.own(by_task)
        return dict(zip(self.tasks, self.last.mixed(by_task, own, shared.experts), strict=True))

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each gate gives to each expert on these rows, level by level.

        An expert that no gate gives any weight is dead. A task that gives its own experts no weight
        has learned nothing for itself.
        """
        masses: dict[str, dict[str, float]] = {}
        common = expert_names("shared", self.shared_experts)
        own = {task: expert_names(task, self.task_experts) for task in self.tasks}
        levels = zip((*self.inner, self.last), self._reads(encoded.main), strict=True)
        for number, (level, read) in enumerate(levels, start=1):
            assert isinstance(level, _Level)
            for task, gate, inputs in zip(self.tasks, level.gates, read.by_task, strict=True):
                assert isinstance(gate, SoftmaxGate)
                names = [*own[task], *common]
                masses[f"level {number}, {task}"] = named_mass(gate.mass(whole(inputs)), names)
            if isinstance(level, _InnerLevel):
                names = [*(name for task in self.tasks for name in own[task]), *common]
                mass = level.shared_gate.mass(whole(read.shared))
                masses[f"level {number}, shared"] = named_mass(mass, names)
        return masses

    def _reads(self, main: Tensor | PartlyLearnt) -> list[_Read]:
        """What each level reads."""
        reads = [_Read((main,) * len(self.tasks), main)]
        for level in self.inner:
            reads.append(level(reads[-1]))
        return reads


class CGC(PLE):
    """One level of `PLE`: own experts for each task beside shared ones, and nothing above them.

    Customized gate control, the building block of the same paper. Cheaper than two levels, and no
    task's own experts learn from another task.

    Stability: stable.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        shared_experts: how many shared experts.
        task_experts: own experts of each task; may be 0.
        layers: widths of each expert.
        dropout: in the experts.

    Raises:
        ArchitectureError: no shared expert, or a width that is not positive.
    """

    when: ClassVar[str] = "MMoE helps one task and harms another"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        shared_experts: int = 2,
        task_experts: int = 2,
        layers: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(
            widths,
            tasks,
            num_levels=1,
            shared_experts=shared_experts,
            task_experts=task_experts,
            layers=layers,
            dropout=dropout,
        )


class _Read(NamedTuple):
    """What a level reads: one `[B, D]` for each task, and one for the shared experts."""

    by_task: tuple[Tensor | PartlyLearnt, ...]
    shared: Tensor | PartlyLearnt


class _Level(nn.Module):
    """The experts of one level, and the gates of its tasks.

    Each task's own experts are a bank of their own, so that no parameter belongs to two tasks.
    """

    def __init__(self, in_features: int, ple: PLE) -> None:
        super().__init__()

        def bank(num_experts: int) -> ExpertBank:
            return ExpertBank(in_features, num_experts, ple.layers, dropout=ple.dropout)

        self.shared = bank(ple.shared_experts)
        self.own_experts = nn.ModuleList(
            bank(ple.task_experts) for _ in ple.tasks if ple.task_experts
        )
        self.gates = nn.ModuleList(
            SoftmaxGate(in_features, ple.task_experts + ple.shared_experts) for _ in ple.tasks
        )

    def own(self, reads: Sequence[Tensor | PartlyLearnt]) -> list[tuple[Tensor, ...]]:
        """Outputs of each task's own experts."""
        if not self.own_experts:
            return [()] * len(reads)
        return [tuple(bank(read)) for bank, read in zip(self.own_experts, reads, strict=True)]

    def mixed(
        self,
        reads: Sequence[Tensor | PartlyLearnt],
        own: Sequence[tuple[Tensor, ...]],
        common: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Each task's mixture of its own experts followed by the shared ones."""
        each = zip(logits_of(self.gates, reads), own, strict=True)
        return tuple(mix(logits, (*experts, *common)) for logits, experts in each)


class _InnerLevel(_Level):
    """A level that another one follows: it also mixes what the next shared experts read."""

    def __init__(self, in_features: int, ple: PLE) -> None:
        super().__init__(in_features, ple)
        num_experts = len(ple.tasks) * ple.task_experts + ple.shared_experts
        self.shared_gate = SoftmaxGate(in_features, num_experts)

    def forward(self, read: _Read) -> _Read:
        """What the next level reads."""
        common = tuple(self.shared(read.shared))
        own = self.own(read.by_task)
        by_task = self.mixed(read.by_task, own, common)
        every = (*(output for outputs in own for output in outputs), *common)
        return _Read(by_task, mix(self.shared_gate.logits(read.shared), every))


def _check_counts(num_levels: int, shared_experts: int, task_experts: int) -> None:
    problems = []
    if num_levels < 1:
        problems.append(f"`num_levels` must be at least 1, got {num_levels}")
    if shared_experts < 1:
        problems.append(
            f"`shared_experts` must be at least 1, got {shared_experts}; "
            "for tasks that share nothing take `SingleTask`"
        )
    if task_experts < 0:
        problems.append(f"`task_experts` must not be negative, got {task_experts}")
    if problems:
        raise ArchitectureError("; ".join(problems) + ".")
