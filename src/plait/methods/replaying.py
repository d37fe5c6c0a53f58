"""A second pass through the network that draws the same random numbers as the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["Draws", "with_parameters"]


class Draws:
    """Where torch's generators stand, so that what follows can be drawn once more.

    Args:
        device: whose generator counts, beside that of the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._state = self._now()

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw from that place on; afterwards the generators stand where they stood before."""
        after = self._now()
        self._set(self._state)
        try:
            yield
        finally:
            self._set(after)

    def _now(self) -> tuple[Tensor, Tensor | None]:
        on_cuda = self._device.type == "cuda"
        return torch.get_rng_state(), torch.cuda.get_rng_state(self._device) if on_cuda else None

    def _set(self, state: tuple[Tensor, Tensor | None]) -> None:
        torch.set_rng_state(state[0])
        if state[1] is not None:
            torch.cuda.set_rng_state(state[1], self._device)


def with_parameters(
    model: nn.Module,
    parameters: Mapping[str, Tensor],
    run: Callable[[], Mapping[str, Tensor]],
) -> Mapping[str, Tensor]:
    """What `run` gives while some of the model's parameters have other values.

    Buffers that change in a forward pass (running means of a normalisation) are copies for as long:
    the model keeps those of its own pass.

    Args:
        model: whose parameters are replaced.
        parameters: the other values, by name; gradients flow to what they were made from.
        run: calls the model.
    """
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    replaced = {f"model.{name}": tensor for name, tensor in (*buffers.items(), *parameters.items())}
    found: Mapping[str, Tensor] = functional_call(_Running(model, run), replaced, ())
    return found


class _Running(nn.Module):
    """A call as a module, since that is what torch can replace parameters of."""

    def __init__(self, model: nn.Module, run: Callable[[], Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.model = model
        self.run = run

    def forward(self) -> Mapping[str, Tensor]:
        return self.run()
