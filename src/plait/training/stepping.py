"""One step: rates, clipping, the optimizers and the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from plait.models import MultiTaskModel, module_name

from .averaging import WeightAverage
from .checkpoint import load_optimizer, optimizer_tensors
from .optimizers import RowwiseAdagrad, merge_gradients
from .settings import Training


class Stepper:
    """AdamW on the dense layers and row-wise Adagrad on the tables, after the backward pass.

    Args:
        model: whose parameters are stepped.
        settings: rates, decay, clipping, schedule, averaging.
        total_steps: steps that the schedule spans.
    """

    def __init__(self, model: MultiTaskModel, settings: Training, *, total_steps: int) -> None:
        self.settings = settings
        self.total_steps = total_steps
        self.steps = 0
        self._tables = model.table_parameters()
        self._dense_parameters, groups = _dense_groups(model, settings)
        self._dense = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self._rows = (
            RowwiseAdagrad(self._tables, lr=settings.table_learning_rate) if self._tables else None
        )
        self._average = WeightAverage(model, decay=settings.average) if settings.average else None

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        self._dense.zero_grad(set_to_none=True)
        if self._rows is not None:
            self._rows.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Apply the gradients."""
        dense_factor, table_factor = self._factors()
        for group in self._dense.param_groups:
            group["lr"] = self.settings.learning_rate * group["multiplier"] * dense_factor
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._dense_parameters, self.settings.clip_norm)
        merge_gradients(self._tables)
        if self._average is not None:
            self._average.before_step()
        self._dense.step()
        if self._rows is not None:
            for group in self._rows.param_groups:
                group["lr"] = self.settings.table_learning_rate * table_factor
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
        state = optimizer_tensors(self._dense, "dense")
        if self._rows is not None:
            state |= optimizer_tensors(self._rows, "rows")
        if self._average is not None:
            state |= {f"ema.{name}": t for name, t in self._average.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor], *, steps: int) -> None:
        """Take back what `state_dict` gave, after so many steps."""
        self.steps = steps
        load_optimizer(self._dense, state, "dense")
        if self._rows is not None:
            load_optimizer(self._rows, state, "rows")
        if self._average is not None:
            self._average.load_state_dict(
                {k.removeprefix("ema."): t for k, t in state.items() if k.startswith("ema.")}
            )

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


def _dense_groups(
    model: MultiTaskModel, settings: Training
) -> tuple[list[nn.Parameter], list[dict[str, object]]]:
    """Dense parameters by rate multiplier and decay; biases and gains are not decayed."""
    tables = {id(parameter) for parameter in model.table_parameters()}
    multipliers = {
        f"{part}.{module_name(name)}": task.learning_rate_multiplier
        for name, task in model.tasks.items()
        for part in ("towers", "heads")
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    dense: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if id(parameter) in tables:
            continue
        multiplier = multipliers.get(".".join(name.split(".")[:2]), 1.0)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((multiplier, decay), []).append(parameter)
        dense.append(parameter)
    return dense, [
        {"params": members, "multiplier": multiplier, "weight_decay": decay}
        for (multiplier, decay), members in groups.items()
    ]
