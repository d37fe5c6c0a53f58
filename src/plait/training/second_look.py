"""The losses of a batch once more, after the step, with the random numbers of before."""

from __future__ import annotations

import torch

from plait.data.batch import Batch
from plait.models import MultiTaskModel

from .objective import Objective

__all__ = ["SecondLook"]


class SecondLook:
    """Remembers where torch's generators stand before a step, to look again after it.

    So dropout leaves out the same numbers in both looks, and the losses differ by the step alone.
    The generators end where the first look left them.

    Args:
        device: of the batches.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        self._state = torch.get_rng_state()
        self._cuda_states = [torch.cuda.get_rng_state(one) for one in self._cuda]

    def losses(
        self, objective: Objective, model: MultiTaskModel, batch: Batch, step: int
    ) -> dict[str, float]:
        """Each task's loss as the weights are now, without gradients."""
        with torch.no_grad(), torch.random.fork_rng(devices=self._cuda):
            torch.set_rng_state(self._state)
            for device, state in zip(self._cuda, self._cuda_states, strict=True):
                torch.cuda.set_rng_state(state, device)
            found = objective.losses(model, batch, step).tasks
        return {name: float(loss) for name, loss in found.items()}
