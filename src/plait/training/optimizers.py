"""The optimizer of dense layers: AdamW.

It is no subclass of `torch.optim.Optimizer`, whose first use imports torch's compiler: a second or
more before the first step of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["AdamW", "Group"]


class Group(NamedTuple):
    """Parameters that are stepped alike.

    Attributes:
        parameters: dense ones.
        multiplier: of the learning rate.
        weight_decay: share of a weight that a step of rate 1 takes off.
    """

    parameters: Sequence[Tensor]
    multiplier: float = 1.0
    weight_decay: float = 0.0


class AdamW:
    """Adam with decoupled weight decay, in torch's fused kernel.

    Loshchilov and Hutter, `Decoupled Weight Decay Regularization
    <https://arxiv.org/abs/1711.05101>`_, 2019; the same bits as `torch.optim.AdamW(fused=True)`.

    Args:
        groups: the parameters; one without a gradient is left alone by a step.
        lr: learning rate; may be set anew before each step.
        betas: decays of the means of gradients and of their squares.
        eps: added to the root.
    """

    def __init__(
        self,
        groups: Iterable[Group],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.groups = tuple(groups)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self._state: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters, group by group."""
        return [parameter for group in self.groups for parameter in group.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.groups:
            moved = [parameter for parameter in group.parameters if parameter.grad is not None]
            gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
            if not moved:
                continue
            states = [self._state_of(parameter) for parameter in moved]
            steps, means, squares = (list(one) for one in zip(*states, strict=True))
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                moved,
                gradients,
                means,
                squares,
                [],
                steps,
                lr=self.lr * group.multiplier,
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=group.weight_decay,
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Tensor]:
        """The means, their squares and the counts, by the place of the parameter."""
        found: dict[str, Tensor] = {}
        for place, parameter in enumerate(self.parameters):
            if parameter in self._state:
                found |= {
                    f"{place}.{n}": t for n, t in zip(_ADAM, self._state[parameter], strict=True)
                }
        return found

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""
        self._state = {
            parameter: (
                state[f"{place}.step"].clone(),
                state[f"{place}.exp_avg"].to(parameter, copy=True),
                state[f"{place}.exp_avg_sq"].to(parameter, copy=True),
            )
            for place, parameter in enumerate(self.parameters)
            if f"{place}.step" in state
        }

    def _state_of(self, parameter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if parameter not in self._state:
            count = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self._state[parameter] = (
                count,
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
            )
        return self._state[parameter]


_ADAM = ("step", "exp_avg", "exp_avg_sq")
