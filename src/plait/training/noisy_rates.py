"""How often the labels of a task are wrong, the same for all rows or row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.errors import TaskError

__all__ = ["NoisyRates"]


class NoisyRates(NamedTuple):
    """The rates at which labels are recorded wrongly.

    Attributes:
        missed: chance that a yes is recorded as a no, or a class as another: one number, or one
            for each row of the training store.
        false: chance that a no is recorded as a yes, likewise.
    """

    missed: float | NDArray[np.float32]
    false: float | NDArray[np.float32]

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Both rates `[B]` of these rows of the store."""
        return _of(self.missed, rows), _of(self.false, rows)

    def levelling(
        self, weights: NDArray[np.float64], labels: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights and labels `[n]` whose weighted mean the true rate has, in place of the recorded.

        A recorded label has the mean `false + c p` with `c = 1 - missed - false`, so that the sum
        of `w c (p - (label - false) / c)` is 0 where p is right, also with rates by row.
        """
        missed, false = (
            np.full(len(rows), rate) if isinstance(rate, float) else rate[rows].astype(np.float64)
            for rate in self
        )
        kept = 1.0 - missed - false
        return weights * kept, (labels - false) / kept

    def mean(self) -> NoisyRates:
        """The same rates for all rows: their means."""
        return NoisyRates(float(np.mean(self.missed)), float(np.mean(self.false)))

    def check(self, task: str, *, num_classes: int) -> None:
        """Refuse rates under which a recorded label says nothing of the true one.

        Raises:
            TaskError: saying which rates.
        """
        missed, false = np.asarray(self.missed), np.asarray(self.false)
        wrong = missed + false if num_classes == 2 else missed * num_classes / (num_classes - 1)
        bad = ~((missed >= 0) & (false >= 0) & (wrong < 1))
        if bad.any():
            place = int(np.flatnonzero(np.atleast_1d(bad))[0])
            shown = [
                float(np.broadcast_to(r, bad.shape).reshape(-1)[place]) for r in (missed, false)
            ]
            rows = f" on {int(bad.sum()):,} rows" if bad.ndim else ""
            raise TaskError(
                f"Task {task!r}: labels that are missed at {shown[0]:.3g} and false at "
                f"{shown[1]:.3g}{rows} say nothing of the truth. Both must be at least 0, and "
                "their sum below 1."
            )

    def told(self) -> str:
        """The rates in words; their means where they differ by row."""
        missed, false = float(np.mean(self.missed)), float(np.mean(self.false))
        return f"missed at {missed:.3f} and false at {false:.3f}"


def _of(rate: float | NDArray[np.float32], rows: Tensor) -> Tensor:
    if isinstance(rate, float):
        return torch.full((len(rows),), rate, device=rows.device)
    return torch.from_numpy(rate.take(rows.cpu().numpy())).to(rows.device)
