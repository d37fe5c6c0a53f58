"""The network of `reference` in torch, as what a penalty reads of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from tests.unit.methods.reference import SHAPES, Floats
from torch import Tensor
from torch.nn import functional

from plait.methods import Step


def parameters_of(given: Mapping[str, Floats]) -> dict[str, Tensor]:
    """The shared network's parameters, in double precision."""
    return {name: torch.tensor(given[name], requires_grad=True) for name in SHAPES}


def step_of(given: Mapping[str, Floats], parameters: dict[str, Tensor], *, number: int = 0) -> Step:
    """Every row counts, in every task."""
    inputs, labels, heads = (torch.tensor(given[name]) for name in ("x", "y", "v"))
    tasks = [f"task{place}" for place in range(len(heads))]

    def represent(values: Mapping[str, Tensor]) -> Tensor:
        found = inputs
        for layer in "123":
            found = torch.tanh(functional.linear(found, values[f"w{layer}"], values[f"b{layer}"]))
        return found

    def losses(representation: Tensor) -> dict[str, Tensor]:
        return {
            task: functional.binary_cross_entropy_with_logits(
                representation @ heads[place], labels[:, place]
            )
            for place, task in enumerate(tasks)
        }

    representation = represent(parameters)
    return Step(
        number=number,
        losses=losses(representation),
        representations=dict.fromkeys(tasks, representation),
        width=representation.shape[1],
        rows=dict.fromkeys(tasks, torch.ones(len(inputs), dtype=torch.bool)),
        parameters=parameters,
        again=lambda values: losses(represent(values)),
    )


def flat(found: Mapping[str, Tensor | None]) -> Floats:
    """Tensors as one vector."""
    return np.concatenate(
        [value.detach().numpy().ravel() for value in found.values() if value is not None]
    )


def total_gradient(losses: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> Floats:
    """Gradient of the sum of scalars by the parameters, as one vector."""
    total = torch.stack(list(losses.values())).sum()
    slopes = torch.autograd.grad(total, list(parameters.values()), retain_graph=True)
    return flat(dict(zip(parameters, slopes, strict=True)))
