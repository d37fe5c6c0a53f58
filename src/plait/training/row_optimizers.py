"""The optimizers of tables, which touch only the rows that a batch read.

They are no subclasses of `torch.optim.Optimizer`, for the reason that `optimizers` gives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .engine import row_kernels
from .rows import AdamStep, RowKernels

__all__ = ["LazyAdam", "RowOptimizer", "RowwiseAdagrad", "merge_gradients"]


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


class RowOptimizer(ABC):
    """Steps the rows of tables that have gradients, and leaves all others as they are.

    Gradients must be row-sparse with distinct rows (`merge_gradients`).

    Args:
        parameters: the storages of the tables; one without a gradient is left alone by a step.
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
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._kernels = kernels or row_kernels("torch")

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows that have gradients."""
        for parameter in self.parameters:
            gradient = parameter.grad
            if gradient is None:
                continue
            if not gradient.is_sparse:
                raise TypeError(
                    f"{type(self).__name__} updates tables by row and needs row-sparse gradients; "
                    f"a dense one of shape {tuple(gradient.shape)} came."
                )
            if parameter not in self.state:
                self.state[parameter] = self._new_state(parameter)
            self._move(parameter, gradient._indices()[0], gradient._values())

    def state_dict(self) -> dict[str, Tensor]:
        """What is kept of each table, by its place."""
        return {
            f"{place}.{name}": kept
            for place, parameter in enumerate(self.parameters)
            for name, kept in self.state.get(parameter, {}).items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""
        self.state = {}
        for key, kept in state.items():
            place, name = key.split(".")
            parameter = self.parameters[int(place)]
            device = parameter.device if kept.ndim else kept.device
            self.state.setdefault(parameter, {})[name] = kept.to(device, copy=True)

    @abstractmethod
    def _new_state(self, parameter: Tensor) -> dict[str, Tensor]:
        """What is kept of a table before its first step."""

    @abstractmethod
    def _move(self, parameter: Tensor, rows: Tensor, gradient: Tensor) -> None:
        """Step these rows."""


class RowwiseAdagrad(RowOptimizer):
    """Adagrad with one accumulator a row.

    A row's step is the learning rate over the root of the running sum of its mean squared
    gradients: rare rows keep a large step, the state is a thirty-second of Adam's at width 16, and
    untouched rows cost nothing. The rule is that of fbgemm's `EXACT_ROWWISE_ADAGRAD`.

    Args and errors are those of `RowOptimizer`.
    """

    def _new_state(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"sum": parameter.new_zeros(len(parameter), dtype=_whole(parameter))}

    def _move(self, parameter: Tensor, rows: Tensor, gradient: Tensor) -> None:
        sums = self.state[parameter]["sum"]
        self._kernels.adagrad(parameter.detach(), sums, rows, gradient, self.lr, self.eps)


class LazyAdam(RowOptimizer):
    """Adam on the rows that a batch touched.

    Kingma and Ba, `Adam: A Method for Stochastic Optimization <https://arxiv.org/abs/1412.6980>`_,
    2015. Where every row is touched by every batch it is `torch.optim.Adam`; a row that a batch
    left out keeps its weights and its means, where Adam would move it on by what it remembers. The
    bias of the means is corrected by the steps of the table, not of the row. Its state is two
    numbers a weight, where `RowwiseAdagrad` keeps one a row.

    Args:
        parameters: as in `RowOptimizer`.
        lr: learning rate; may be set anew before each step.
        betas: decays of the means of gradients and of their squares.
        eps: added to the root.
        kernels: what does the work. None: torch.

    Raises:
        TypeError: a gradient is dense.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        kernels: RowKernels | None = None,
    ) -> None:
        super().__init__(parameters, lr=lr, eps=eps, kernels=kernels)
        self.betas = betas

    def _new_state(self, parameter: Tensor) -> dict[str, Tensor]:
        kind = _whole(parameter)
        return {
            "step": torch.zeros((), dtype=torch.float64),
            "mean": torch.zeros_like(parameter, dtype=kind),
            "square": torch.zeros_like(parameter, dtype=kind),
        }

    def _move(self, parameter: Tensor, rows: Tensor, gradient: Tensor) -> None:
        state = self.state[parameter]
        state["step"] += 1
        self._kernels.adam(
            parameter.detach(),
            state["mean"],
            state["square"],
            rows,
            gradient,
            AdamStep(self.lr, self.betas, self.eps, int(state["step"])),
        )


def _whole(parameter: Tensor) -> torch.dtype:
    """The kind of number that a state is kept in."""
    return torch.float32 if parameter.dtype == torch.bfloat16 else parameter.dtype
