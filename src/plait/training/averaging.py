"""Averaged weights: a moving average of every parameter, kept by row for the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from .engine import row_kernels
from .rows import RowKernels


class _Model(Protocol):
    """What is averaged."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters."""


class WeightAverage:
    """Exponential moving average of a model's parameters; evaluated and saved in their place.

    The average after step t is `β a + (1 - β) w` with `β = min(decay, (1 + t) / (10 + t))`. A row
    of a table that no batch touched keeps its weight, so the steps that it missed are caught up in
    closed form when it is next needed: exact, at the cost of the touched rows.

    Args:
        model: whose parameters are averaged; those that need no gradient do not move.
        decay: the largest β.
        kernels: what works on the rows of tables. None: torch.
    """

    def __init__(
        self, model: _Model, *, decay: float = 0.999, kernels: RowKernels | None = None
    ) -> None:
        self.decay = decay
        self._kernels = kernels or row_kernels("torch")
        self.steps = 0
        self._log_decay = torch.zeros(1024, dtype=torch.float64)  # sum of log β up to each step
        self._parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._average = {n: p.detach().clone() for n, p in self._parameters.items()}
        self._last: dict[str, Tensor] = {}

    @torch.no_grad()
    def before_step(self) -> None:
        """Catch up the rows that are about to change; call before the optimizers' step."""
        for name, parameter in self._parameters.items():
            if parameter.grad is not None and parameter.grad.is_sparse:
                self._catch_up(name, parameter, parameter.grad._indices()[0])

    @torch.no_grad()
    def after_step(self) -> None:
        """Take the new weights in; call after the optimizers' step, before gradients are freed."""
        decay = self._advance()
        dense_averages, dense = [], []
        for name, parameter in self._parameters.items():
            if parameter.grad is not None and parameter.grad.is_sparse:
                self._kernels.follow(
                    parameter.detach(),
                    self._average[name],
                    self._last_of(name, parameter),
                    parameter.grad._indices()[0],
                    1 - decay,
                    self.steps,
                )
            elif name not in self._last:
                dense_averages.append(self._average[name])
                dense.append(parameter.detach())
        if dense:
            torch._foreach_lerp_(dense_averages, dense, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages in the model's place for as long as the block runs."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if name in self._last:
                    self._catch_up(name, parameter, None)
                self._swap(name, parameter)
        try:
            yield
        finally:
            for name, parameter in self._parameters.items():
                self._swap(name, parameter)

    @torch.no_grad()
    def adopt(self) -> None:
        """Leave the averages in the model for good."""
        for name, parameter in self._parameters.items():
            if name in self._last:
                self._catch_up(name, parameter, None)
            parameter.copy_(self._average[name])

    def state_dict(self) -> dict[str, Tensor]:
        """Averages, and the step at which each row was last current."""
        state = {f"average.{name}": tensor for name, tensor in self._average.items()}
        state |= {f"last.{name}": tensor for name, tensor in self._last.items()}
        return state | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""
        self.steps = 0
        for _ in range(int(state["steps"])):
            self._advance()
        for name in self._parameters:
            self._average[name].copy_(state[f"average.{name}"])
        prefix = "last."
        self._last = {
            name: state[prefix + name].clone().to(parameter.device)
            for name, parameter in self._parameters.items()
            if prefix + name in state
        }

    def _advance(self) -> float:
        self.steps += 1
        if self.steps == len(self._log_decay):
            self._log_decay = torch.cat([self._log_decay, torch.zeros_like(self._log_decay)])
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self._log_decay[self.steps] = self._log_decay[self.steps - 1] + math.log(decay)
        return decay

    def _last_of(self, name: str, parameter: Tensor) -> Tensor:
        if name not in self._last:
            self._last[name] = parameter.new_zeros(len(parameter), dtype=torch.int32)
        return self._last[name]

    def _catch_up(self, name: str, parameter: Tensor, rows: Tensor | None) -> None:
        last = self._last_of(name, parameter)
        if rows is None:
            rows = torch.nonzero(last < self.steps).flatten()
        passed = self._log_decay[: self.steps + 1]
        self._kernels.catch_up(parameter.detach(), self._average[name], last, rows, passed)

    def _swap(self, name: str, parameter: Tensor) -> None:
        average = self._average[name]
        self._average[name] = parameter.data
        parameter.data = average
