"""How a mixture of experts uses its experts: the gates' shares, and experts that do nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from plait.architectures.base import Encoded
from plait.data.store import Store
from plait.models import MultiTaskModel

__all__ = ["GateUse", "collapsed_gates", "dead_experts", "gate_use"]

MOST_ROWS = 16_384
ROWS_AT_ONCE = 4096
DEAD = 0.1
"""An expert is dead when no gate gives it more than this part of an equal share."""
COLLAPSED = 0.95
"""A gate has collapsed when one of several experts gets more than this."""


@runtime_checkable
class Gated(Protocol):
    """A sharing structure that can tell what its gates do."""

    def gate_mass(self, encoded: Encoded) -> dict[str, dict[str, float]]:
        """Mean weight that each gate gives to each expert on these rows."""


@dataclass(frozen=True)
class GateUse:
    """What one gate gives to each of its experts.

    Attributes:
        level: the level of experts (`level 1`), empty where there is one.
        gate: whose gate: a task, `shared` or `all tasks`.
        shares: mean weight by expert; together 1.
    """

    level: str
    gate: str
    shares: Mapping[str, float]


def gate_use(model: MultiTaskModel, store: Store) -> tuple[GateUse, ...]:
    """The shares of every gate on rows spread over a store; empty for a network without gates."""
    architecture = model.architecture
    if not isinstance(architecture, Gated) or not store.num_rows:
        return ()
    rows = np.unique(np.linspace(0, store.num_rows - 1, MOST_ROWS).astype(np.int64))
    totals: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            encoded = model.encode(model.lookup(store.batch(part)))
            for gate, shares in architecture.gate_mass(encoded).items():
                into = totals.setdefault(gate, dict.fromkeys(shares, 0.0))
                for expert, share in shares.items():
                    into[expert] += share * len(part) / len(rows)
    return tuple(_use(gate, shares) for gate, shares in totals.items())


def dead_experts(uses: Sequence[GateUse]) -> tuple[str, ...]:
    """The experts that no gate gives a tenth of an equal share.

    Example:
        >>> dead_experts([GateUse("", "click", {"expert 0": 0.99, "expert 1": 0.01})])
        ('expert 1',)
    """
    best: dict[tuple[str, str], float] = {}
    for use in uses:
        for expert, share in use.shares.items():
            relative = share * len(use.shares)
            best[use.level, expert] = max(best.get((use.level, expert), 0.0), relative)
    return tuple(
        f"{level}, {expert}" if level else expert
        for (level, expert), relative in best.items()
        if relative < DEAD
    )


def collapsed_gates(uses: Sequence[GateUse]) -> tuple[str, ...]:
    """The gates that read one of several experts and hardly another."""
    return tuple(
        f"{use.level}, {use.gate}" if use.level else use.gate
        for use in uses
        if len(use.shares) > 1 and max(use.shares.values()) > COLLAPSED
    )


def _use(gate: str, shares: Mapping[str, float]) -> GateUse:
    level, _, name = gate.rpartition(", ")
    return GateUse(level, name, shares)
