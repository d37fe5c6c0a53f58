"""Experts in a hierarchy: of all tasks, of tasks of one kind, of one task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules import ExpertBank, PartlyLearnt, SoftmaxGate, mix, whole

from .base import Architecture, Encoded, Shared, Widths
from .mmoe import expert_names, named_mass

__all__ = ["HoME"]

ALL = "all"
"""The name of the one group where none is given."""


class HoME(Architecture):
    """Keep experts alive and honest: tasks of one kind share, no expert shouts, each reads its own.

    Hierarchy of multi-gate experts (Wang et al., `HoME: Hierarchy of Multi-Gate Experts for
    Multi-Task Learning at Kuaishou <https://arxiv.org/abs/2408.05430>`_, 2025). It answers three
    faults of mixtures: experts that die, shared experts that one task takes over, and own experts
    that a sparse task leaves untrained.

    - *Normalised experts*: every layer is `swish(norm(W z + b))`, so that the outputs of experts
      have one scale and a gate can weigh them fairly.
    - *Hierarchy mask*: tasks are in groups, such as clicks and watch time. In the first level a
      group mixes experts of its own and global ones, `z_g`; the global ones are mixed for all,
      `z_0`. In the second, task k of group g mixes global experts, which read `z_0`, experts of the
      group and experts of its own, which both read `z_g`, by a gate on `[z_g, z_0]`. No task reads
      an expert of another group.
    - *Feature gate*: each expert has an input of its own, `z ⊙ 2 sigmoid(A B z)` with a narrow `B`,
      so that experts need not fight over the features.
    - *Self gate*: what a group in the first level, and a task in the second, mixes is added to
      `sum_e s_e E_e` over its own experts alone, with `s = softmax(S z)` of the level's input, or a
      sigmoid where there is one expert. So own experts are trained whatever the mixing gate does.

    What departs from the paper: the norm is over a row (LayerNorm) and not over the batch, because
    a row's prediction would depend on the rows that it is trained with; an expert has one feature
    gate and not a mixture of several; gates are linear without bias, as in `MMoE`.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        groups: the tasks of each group, by the name of the group. None: all tasks are of one kind.
        shared_experts: global experts in each level.
        group_experts: experts of each group in each level.
        task_experts: own experts of each task, in the second level.
        layers: widths of each expert.
        gate_rank: width of the narrow part of a feature gate.
        dropout: in the experts.

    Raises:
        ArchitectureError: a task in no group or in two, no expert, or a width that is not positive.
        UnknownNameError: a group has a task that is not there.
    """

    when: ClassVar[str] = "many tasks of several kinds, and MMoE's or PLE's experts die"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        groups: Mapping[str, Sequence[str]] | None = None,
        shared_experts: int = 1,
        group_experts: int = 1,
        task_experts: int = 1,
        layers: Sequence[int] = (128, 64),
        gate_rank: int = 8,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        self.groups = None if groups is None else {name: tuple(groups[name]) for name in groups}
        self.shared_experts = shared_experts
        self.group_experts = group_experts
        self.task_experts = task_experts
        self.layers = tuple(layers)
        self.gate_rank = gate_rank
        self.dropout = dropout
        _check_counts(self)
        self._groups = {ALL: self.tasks} if self.groups is None else self.groups
        _check_groups(self._groups, self.tasks)
        main, width = widths.main, self.layers[-1] if self.layers else widths.main
        self._out_features = width
        self.first_world = _GatedExperts(main, shared_experts, self)
        self.first_gate = SoftmaxGate(main, shared_experts)
        self.group_units = nn.ModuleList(
            _Unit(main, main, shared_experts, group_experts, self) for _ in self._groups
        )
        self.world = _GatedExperts(width, shared_experts, self)
        self.group_experts_above = nn.ModuleList(
            _GatedExperts(width, group_experts, self) for _ in self._groups
        )
        self.task_units = nn.ModuleList(
            _Unit(width, 2 * width, shared_experts + group_experts, task_experts, self)
            for _ in self.tasks
        )

    @property
    def out_features(self) -> int:
        """Width of an expert's last layer."""
        return self._out_features

    @classmethod
    def settings_for(cls, settings: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
        """The same settings, with the groups of these tasks."""
        if settings.get("groups") is None:
            return dict(settings)
        kept = {
            name: [t for t in named if t in tasks] for name, named in settings["groups"].items()
        }
        return {**settings, "groups": {name: named for name, named in kept.items() if named}}

    def share(self, encoded: Encoded) -> Shared:
        """Outputs of the global and the groups' experts of the second level, and what they read.

        The experts stand in this order: global ones, those of the first group, and so on; what they
        read is `z_0`, and then `z_g` group by group.
        """
        common, of_groups = self._first_level(whole(encoded.main))
        outputs = [self.world(common)]
        banks = zip(self.group_experts_above, of_groups, strict=True)
        outputs += [bank(read) for bank, read in banks]
        return Shared(tuple(e for bank in outputs for e in bank), (common, *of_groups))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's mixture of global experts, those of its group and its own; its self gate."""
        common, *of_groups = map(whole, shared.gate_inputs)
        world = shared.experts[: self.shared_experts]
        found = {}
        for task, unit in zip(self.tasks, self.task_units, strict=True):
            group = self._group_of(task)
            start = self.shared_experts + group * self.group_experts
            of_group = shared.experts[start : start + self.group_experts]
            read = of_groups[group]
            found[task] = unit(read, torch.cat([read, common], dim=1), (*world, *of_group))
        return found

    @torch.no_grad()
    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each mixing gate gives to each expert on these rows, level by level.

        The self gates are not in it: an own expert that its gate gives nothing may still be used.
        """
        world = expert_names("shared", self.shared_experts)
        main = whole(encoded.main)
        common, of_groups = self._first_level(main)
        masses = {"level 1, shared": named_mass(self.first_gate.mass(main), world)}
        own = {name: expert_names(f"group {name}", self.group_experts) for name in self._groups}
        for (name, experts), unit in zip(own.items(), self.group_units, strict=True):
            assert isinstance(unit, _Unit)
            mass = unit.gate.mass(main)
            masses[f"level 1, group {name}"] = named_mass(mass, [*world, *experts])
        for task, unit in zip(self.tasks, self.task_units, strict=True):
            assert isinstance(unit, _Unit)
            group = self._group_of(task)
            names = [*world, *list(own.values())[group], *expert_names(task, self.task_experts)]
            mass = unit.gate.mass(torch.cat([of_groups[group], common], dim=1))
            masses[f"level 2, {task}"] = named_mass(mass, names)
        return masses

    def _first_level(self, main: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """`z_0`, and `z_g` of each group."""
        read = self.parts(main)
        world = self.first_world(main)
        common = mix(self.first_gate.logits(read), world)
        return common, tuple(unit(main, read, world) for unit in self.group_units)

    def _group_of(self, task: str) -> int:
        return next(n for n, tasks in enumerate(self._groups.values()) if task in tasks)


class _GatedExperts(nn.Module):
    """Normalised experts, each with a feature gate before it."""

    def __init__(self, in_features: int, size: int, home: HoME) -> None:
        super().__init__()

        def weights(*shape: int) -> nn.ParameterList:
            return nn.ParameterList(
                nn.init.xavier_uniform_(torch.empty(shape)) for _ in range(size)
            )

        self.narrow = weights(home.gate_rank, in_features)
        self.wide = weights(in_features, home.gate_rank)
        self.experts = ExpertBank(
            in_features, size, home.layers, dropout=home.dropout, activation="silu", normalise=True
        )

    def forward(self, read: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the experts, each `[B, H]`, from what all of them read."""
        pairs = zip(self.narrow, self.wide, strict=True)
        factors = [functional.linear(functional.linear(read, b), a).sigmoid() for b, a in pairs]
        outputs: tuple[Tensor, ...] = self.experts([2 * factor * read for factor in factors])
        return outputs


class _Unit(nn.Module):
    """A group or a task in one level: its own experts, its mixing gate and its self gate."""

    def __init__(
        self, in_features: int, gate_features: int, others: int, size: int, home: HoME
    ) -> None:
        super().__init__()
        self.own = _GatedExperts(in_features, size, home)
        self.gate = SoftmaxGate(gate_features, others + size)
        self.self_gate = SoftmaxGate(in_features, size)

    def forward(
        self, read: Tensor, gate_reads: Tensor | PartlyLearnt, others: Sequence[Tensor]
    ) -> Tensor:
        """What the unit hands on `[B, H]`."""
        own = self.own(read)
        logits = self.self_gate.logits(read)
        alone = logits.sigmoid() * own[0] if len(own) == 1 else mix(logits, own)
        return mix(self.gate.logits(gate_reads), (*others, *own)) + alone


def _check_counts(home: HoME) -> None:
    counts = {
        "shared_experts": home.shared_experts,
        "group_experts": home.group_experts,
        "task_experts": home.task_experts,
        "gate_rank": home.gate_rank,
    }
    low = [
        f"`{name}` must be at least 1, got {count}" for name, count in counts.items() if count < 1
    ]
    if low:
        raise ArchitectureError("; ".join(low) + ".")


def _check_groups(groups: Mapping[str, Sequence[str]], tasks: Sequence[str]) -> None:
    named = [task for group in groups.values() for task in group]
    for task in named:
        if task not in tasks:
            raise UnknownNameError(task, what="task", known=tasks, where="`groups` of HoME")
    wrong = [task for task in tasks if named.count(task) != 1]
    if wrong:
        raise ArchitectureError(
            f"`groups` must hold every task once; {', '.join(wrong)} "
            f"{'stands' if len(wrong) == 1 else 'stand'} in none or in several."
        )
    empty = [name for name, group in groups.items() if not group]
    if empty:
        raise ArchitectureError(f"`groups` has no task in {', '.join(empty)}: leave it out.")
