"""The optimizers: AdamW for dense layers, row-wise Adagrad for the rows of tables.

They are no subclasses of `torch.optim.Optimizer`, whose first use imports torch's compiler: a
second or more before the first step of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .rows import RowKernels, row_kernels

__all__ = ["AdamW", "Group", "RowwiseAdagrad", "merge_gradients"]


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


def merge_gradients(parameters: Iterable[Tensor], kernels: RowKernels | None = None) -> None:
    """Replace every row-sparse gradient by one in which no row stands twice.

    The sum of a row's gradients runs in the order of the batch, so that two runs give the same
    bits. Tables that were asked for the same rows (each task's biases of users and items) are
    merged together: their rows are sorted once.

    Args:
        parameters: the storages of the tables; dense gradients are left as they are.
        kernels: what does the work. None: torch.
    """
    work = kernels or row_kernels("torch")
    for members in _of_the_same_rows(parameters):
        values = [_sparse(member)._values() for member in members]
        widths = [value.shape[1] for value in values]
        found = values[0] if len(values) == 1 else torch.cat(values, dim=1)
        rows, summed = work.merge(_sparse(members[0])._indices()[0], found, len(members[0]))
        for member, own in zip(members, summed.split(widths, dim=1), strict=True):
            member.grad = torch.sparse_coo_tensor(
                rows[None],
                own.contiguous(),
                member.shape,
                is_coalesced=True,
                check_invariants=False,
            )


def _of_the_same_rows(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Parameters with row-sparse gradients, those of the same rows in the same order together."""
    groups: list[list[Tensor]] = []
    for parameter in parameters:
        if parameter.grad is None or not parameter.grad.is_sparse:
            continue
        for group in groups:
            if _is_alike(group[0], parameter):
                group.append(parameter)
                break
        else:
            groups.append([parameter])
    return groups


def _is_alike(first: Tensor, second: Tensor) -> bool:
    one, other = _sparse(first), _sparse(second)
    return (
        len(first) == len(second)
        and one._values().dtype == other._values().dtype
        and torch.equal(one._indices(), other._indices())
    )


def _sparse(parameter: Tensor) -> Tensor:
    gradient = parameter.grad
    assert gradient is not None
    assert gradient.is_sparse
    return gradient


class RowwiseAdagrad:
    """Adagrad with one accumulator a row, on the rows that a batch touched.

    A row's step is the learning rate over the root of the running sum of its mean squared
    gradients: rare rows keep a large step, the state is a thirty-second of Adam's at width 16, and
    untouched rows cost nothing. The rule is that of fbgemm's `EXACT_ROWWISE_ADAGRAD`.

    Gradients must be row-sparse with distinct rows (`merge_gradients`).

    Args:
        parameters: the storages of the tables.
        lr: learning rate; may be set anew before each step.
        eps: added to the root.
        kernels: what does the work. None: torch.

    Raises:
        TypeError: a gradient is dense.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float = 0.01,
        eps: float = 1e-8,
        kernels: RowKernels | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.lr = lr
        self.eps = eps
        self._kernels = kernels or row_kernels("torch")
        self.sums: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows that have gradients."""
        for parameter in self.parameters:
            gradient = parameter.grad
            if gradient is None:
                continue
            if not gradient.is_sparse:
                raise TypeError(
                    "RowwiseAdagrad updates tables by row and needs row-sparse gradients; "
                    f"a dense one of shape {tuple(gradient.shape)} came."
                )
            if parameter not in self.sums:
                half = parameter.dtype == torch.bfloat16
                self.sums[parameter] = parameter.new_zeros(
                    len(parameter), dtype=torch.float32 if half else parameter.dtype
                )
            self._kernels.adagrad(
                parameter.detach(),
                self.sums[parameter],
                gradient._indices()[0],
                gradient._values(),
                self.lr,
                self.eps,
            )

    def state_dict(self) -> dict[str, Tensor]:
        """The running sums, by the place of the table."""
        return {
            f"{place}.sum": self.sums[parameter]
            for place, parameter in enumerate(self.parameters)
            if parameter in self.sums
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""
        self.sums = {
            parameter: state[f"{place}.sum"].to(parameter.device, copy=True)
            for place, parameter in enumerate(self.parameters)
            if f"{place}.sum" in state
        }
