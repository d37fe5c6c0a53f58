"""One batch of a step: its losses, as often as they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plait.balancing import Cut, Part

from .draws import SameDraws
from .objective import Losses

__all__ = ["BatchPart"]


class BatchPart:
    """Runs the network on one batch, each time with the random numbers of the first.

    Args:
        run: gives the losses.
        leave_out: gives those that are finite, from all of them and their values; asked once.
        cut: gives the tensors of the rule's surface.
        remember: notes where random numbers stand before the first time. None: there is only one.

    Attributes:
        values: every loss of the first time, by task.
        finite: the tasks whose loss was finite.
    """

    def __init__(
        self,
        run: Callable[[], Losses],
        leave_out: Callable[[dict[str, Tensor], dict[str, float]], dict[str, Tensor]],
        cut: Callable[[Losses], Cut | None],
        remember: Callable[[], SameDraws] | None = None,
    ) -> None:
        self._run, self._leave_out, self._cut, self._remember = run, leave_out, cut, remember
        self._draws: SameDraws | None = None
        self.values: dict[str, float] = {}
        self.finite: tuple[str, ...] | None = None

    def __call__(self) -> Part:
        """The finite losses, with their graph; what else the step needs."""
        if self.finite is None:
            self._draws = self._remember() if self._remember else None
            losses = self._run()
            self.values = {name: float(loss.detach()) for name, loss in losses.tasks.items()}
            kept = self._leave_out(losses.tasks, self.values)
            self.finite = tuple(kept)
        else:
            losses = self._again()
            kept = {name: losses.tasks[name] for name in self.finite}
        if not kept and losses.penalty is None:
            return Part({})
        return Part(kept, losses.penalty, self._cut(losses))

    @torch.no_grad()
    def values_now(self) -> dict[str, float]:
        """Each task's loss as the weights are now."""
        return {name: float(loss) for name, loss in self._again().tasks.items()}

    def _again(self) -> Losses:
        if self._draws is None:
            raise RuntimeError("this batch was to be run once")
        with self._draws.again():
            return self._run()
