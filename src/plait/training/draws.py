"""The same forward pass more than once: with the random numbers of the first time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["SameDraws"]


class SameDraws:
    """Remembers where torch's generators stand, to draw the same numbers once more.

    So dropout leaves out the same numbers in two looks at a batch, and its losses differ by the
    step between them alone.

    Args:
        device: of the batches.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        self._state = torch.get_rng_state()
        self._cuda_states = [torch.cuda.get_rng_state(one) for one in self._cuda]

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw as after the beginning while the block runs; then go on as if it had not."""
        with torch.random.fork_rng(devices=self._cuda):
            torch.set_rng_state(self._state)
            for device, state in zip(self._cuda, self._cuda_states, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield
