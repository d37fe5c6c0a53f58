"""One step: rates, clipping, the optimizers and the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import Tensor, nn

from plait.models import module_name
from plait.tasks import Task

from .averaging import WeightAverage
from .engine import row_kernels
from .optimizers import AdamW, Group
from .row_optimizers import LazyAdam, RowwiseAdagrad, merge_gradients
from .settings import Engine, Training


class Steppable(Protocol):
    """A model whose parameters can be stepped: what a `Stepper` reads of it."""

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Tasks by name, some of which may have rates of their own."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters."""

    def table_parameters(self) -> list[nn.Parameter]:
        """Those whose gradients are row-sparse."""


class Stepper:
    """AdamW on the dense layers, and on the tables what the settings say, after the backward pass.

    Args:
        model: whose parameters are stepped.
        settings: rates, decay, clipping, schedule, averaging.
        total_steps: steps that the schedule spans.
        engine: what works on the rows of tables.
        rates: factors of the dense rate by the beginning of a parameter's name. None: 1.
    """

    def __init__(
        self,
        model: Steppable,
        settings: Training,
        *,
        total_steps: int,
        engine: Engine = "torch",
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.settings = settings
        self.total_steps = total_steps
        self.steps = 0
        self._tables = model.table_parameters()
        self._kernels = row_kernels(engine)
        self._dense = AdamW(_dense_groups(model, settings, rates or {}), lr=settings.learning_rate)
        rule = LazyAdam if settings.table_optimizer == "adam" else RowwiseAdagrad
        self._rows = rule(self._tables, lr=settings.rate_of_tables, kernels=self._kernels)
        self._average = (
            WeightAverage(model, decay=settings.average, kernels=self._kernels)
            if settings.average
            else None
        )

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in (*self._dense.parameters, *self._tables):
            parameter.grad = None

    def step(self) -> None:
        """Apply the gradients."""
        dense_factor, table_factor = self._factors()
        self._dense.lr = self.settings.learning_rate * dense_factor
        self._rows.lr = self.settings.rate_of_tables * table_factor
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._dense.parameters, self.settings.clip_norm)
        merge_gradients(self._tables, self._kernels)
        if self._average is not None:
            self._average.before_step()
        self._dense.step()
        self._rows.step()
        if self._average is not None:
            self._average.after_step()
        self.steps += 1

    def averaged(self) -> AbstractContextManager[None]:
        """The averaged weights in the model's place, for as long as the block runs."""
        return nullcontext() if self._average is None else self._average.applied()

    def adopt_average(self) -> None:
        """Leave the averaged weights in the model for good."""
        if self._average is not None:
            self._average.adopt()

    def state_dict(self) -> dict[str, Tensor]:
        """Optimizer states and averages, by name."""
        parts = {"dense": self._dense.state_dict(), "rows": self._rows.state_dict()}
        if self._average is not None:
            parts["ema"] = self._average.state_dict()
        return {f"{part}.{n}": t for part, tensors in parts.items() for n, t in tensors.items()}

    def load_state_dict(self, state: Mapping[str, Tensor], *, steps: int) -> None:
        """Take back what `state_dict` gave, after so many steps."""
        self.steps = steps
        self._dense.load_state_dict(_part(state, "dense"))
        self._rows.load_state_dict(_part(state, "rows"))
        if self._average is not None:
            self._average.load_state_dict(_part(state, "ema"))

    def _factors(self) -> tuple[float, float]:
        settings, step = self.settings, self.steps
        warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
        span = max(1, self.total_steps - settings.warmup_steps)
        progress = min(1.0, max(0, step - settings.warmup_steps) / span)
        if settings.schedule == "cosine":
            decay = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress))
        elif settings.schedule == "linear":
            decay = 1.0 - 0.9 * progress
        else:
            decay = 1.0
        return warm * decay, decay


def _part(state: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _dense_groups(model: Steppable, settings: Training, rates: Mapping[str, float]) -> list[Group]:
    """Dense parameters by rate multiplier and decay; biases and gains are not decayed."""
    tables = {id(parameter) for parameter in model.table_parameters()}
    multipliers = {
        f"{part}.{module_name(name)}": task.learning_rate_multiplier
        for name, task in model.tasks.items()
        for part in ("towers", "heads")
    }
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if id(parameter) in tables or not parameter.requires_grad:
            continue
        multiplier = multipliers.get(".".join(name.split(".")[:2]), 1.0)
        for beginning, factor in rates.items():
            multiplier *= factor if name.startswith(beginning) else 1.0
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((multiplier, decay), []).append(parameter)
    return [Group(members, *kind) for kind, members in groups.items()]
