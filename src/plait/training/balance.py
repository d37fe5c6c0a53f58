"""What balancing did between two evaluations: means of weights, gradients and conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plait.balancing import Gradients

__all__ = ["BalanceLog", "BalanceReport"]


@dataclass(frozen=True)
class BalanceReport:
    """Means over the steps since the last evaluation.

    Attributes:
        weights: weight in effect, by task.
        norms: length of the gradient at the rule's surface, before weights, by task; empty where
            no gradient was read.
        cosines: cosine of the gradients of two tasks, by the one and the other.
        conflicts: share of steps in which that cosine was below 0.
        groups: mean share of the pairs of tasks that conflict, by layer or stage of the surface.
    """

    weights: Mapping[str, float]
    norms: Mapping[str, float]
    cosines: Mapping[str, Mapping[str, float]]
    conflicts: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return dict(vars(self))


class BalanceLog:
    """Sums of what each step's balancing did, and how often."""

    def __init__(self) -> None:
        self._weights: dict[str, list[float]] = {}
        self._norms: dict[str, list[float]] = {}
        self._cosines: dict[str, dict[str, list[float]]] = {}
        self._conflicts: dict[str, dict[str, list[float]]] = {}
        self._groups: dict[str, list[float]] = {}

    def add(self, weights: Mapping[str, float], gradients: Gradients | None) -> None:
        """One step."""
        for task, weight in weights.items():
            _count(self._weights, task, weight)
        if gradients is None:
            return
        for task, norm in gradients.norms.items():
            _count(self._norms, task, norm)
        for (one, other), cosine in gradients.cosines.items():
            _count(self._cosines.setdefault(one, {}), other, cosine)
            _count(self._conflicts.setdefault(one, {}), other, float(cosine < 0))
        for group, share in gradients.conflicts.items():
            _count(self._groups, group, share)

    def close(self) -> BalanceReport:
        """The means since the last call; the sums begin anew."""
        report = BalanceReport(
            _means(self._weights),
            _means(self._norms),
            {one: _means(sums) for one, sums in self._cosines.items()},
            {one: _means(sums) for one, sums in self._conflicts.items()},
            _means(self._groups),
        )
        self._weights, self._norms, self._cosines, self._conflicts = {}, {}, {}, {}
        self._groups = {}
        return report

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return {
            "weights": self._weights,
            "norms": self._norms,
            "cosines": self._cosines,
            "conflicts": self._conflicts,
            "groups": self._groups,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._weights, self._norms = state["weights"], state["norms"]
        self._cosines, self._conflicts = state["cosines"], state["conflicts"]
        self._groups = state.get("groups", {})  # not in checkpoints of older versions


def _count(sums: dict[str, list[float]], name: str, value: float) -> None:
    total, number = sums.get(name, (0.0, 0))
    sums[name] = [total + value, number + 1]


def _means(sums: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: total / number for name, (total, number) in sums.items()}
