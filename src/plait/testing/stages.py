"""The cut-and-rejoin identity of the five stages.

A gradient rule differentiates each task down to a surface between two stages, combines what it
finds, and runs what lies below once. With unit weights that must be the plain gradient, for every
model: otherwise some stage keeps a connection that goes past the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from plait.data.batch import Batch
from plait.models import MultiTaskModel

Surface = Literal["fields", "encoded", "shared", "representations"]
SURFACES: tuple[Surface, ...] = ("fields", "encoded", "shared", "representations")


def plain_gradients(model: MultiTaskModel, batch: Batch) -> dict[str, Tensor]:
    """Gradient of the summed outputs of all tasks, by parameter, in one backward pass."""
    model.zero_grad()
    _total(model(batch)).backward()
    return _gradients(model)


def gradients_cut_at(surface: Surface, model: MultiTaskModel, batch: Batch) -> dict[str, Tensor]:
    """The same, task by task down to a surface, added there, and then below it once."""
    model.zero_grad()
    below = model.trace(batch)
    tensors: list[Tensor] = []
    leaves: list[Tensor] = []

    def cut(tensor: Tensor) -> Tensor:
        if not tensor.requires_grad:
            return tensor
        leaf = tensor.detach().requires_grad_()
        tensors.append(tensor)
        leaves.append(leaf)
        return leaf

    above = _map(getattr(below, surface), cut)
    for stage in _stages_after(surface, model):
        above = stage(above)
    for output in model.decode(above).values():
        output.sum().backward(retain_graph=True)
    reached = [
        (t, leaf.grad) for t, leaf in zip(tensors, leaves, strict=True) if leaf.grad is not None
    ]
    torch.autograd.backward([t for t, _ in reached], [gradient for _, gradient in reached])
    return _gradients(model)


def _stages_after(surface: Surface, model: MultiTaskModel) -> list[Callable[[Any], Any]]:
    stages: list[Callable[[Any], Any]] = [model.encode, model.share, model.split]
    return stages[SURFACES.index(surface) :]


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401
    """The same nested tuples and mappings, with every floating tensor changed."""
    if isinstance(value, Tensor):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _map(entry, change) for key, entry in value.items()}
    if isinstance(value, tuple):
        entries = [_map(entry, change) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else tuple(entries)
    return value


def _total(outputs: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([output.sum() for output in outputs.values()]).sum()


def _gradients(model: MultiTaskModel) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: g.to_dense() if g.is_sparse else g.clone() for name, g in found.items()}
