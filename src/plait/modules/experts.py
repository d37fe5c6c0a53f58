"""Several networks of one shape side by side: the experts of a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.errors import ArchitectureError

from .affine import affine, affine_each
from .dropout import Dropout
from .mlp import Activation, activation_function, check_widths
from .parts import PartlyLearnt, whole

__all__ = ["ExpertBank"]

Read = Tensor | PartlyLearnt


class ExpertBank(nn.Module):
    """Run E networks of one shape, each with its own weights.

    The weights of a layer are kept as one `[E, out, in]` tensor, and two forms of the forward pass
    read them: a loop of plain matrix products (`run_one_by_one`, faster on a CPU) and one batched
    product a layer (`run_together`, faster on a GPU). They give the same outputs up to rounding,
    and a state saved from one loads into the other, because there is nothing to convert.

    Starts as `MLP` does: Xavier's uniform distribution for each expert, biases zero.

    Stability: stable.

    Example:
        >>> bank = ExpertBank(8, 3, (16, 4))
        >>> [tuple(output.shape) for output in bank(torch.zeros(2, 8))]
        [(2, 4), (2, 4), (2, 4)]

    Args:
        in_features: width of the inputs.
        num_experts: E.
        widths: width of each layer of an expert.
        dropout: share of each layer's outputs that is left out in training.
        activation: the non-linearity.
        normalise: bring each layer's outputs of each row to mean 0 and variance 1 before the
            non-linearity, then by a learnt scale and shift (LayerNorm), so that no expert speaks
            louder than another.

    Raises:
        ArchitectureError: no expert, or a width that is not positive.
        UnknownNameError: no such activation.
    """

    def __init__(
        self,
        in_features: int,
        num_experts: int,
        widths: Sequence[int],
        *,
        dropout: float = 0.0,
        activation: Activation = "relu",
        normalise: bool = False,
    ) -> None:
        super().__init__()
        if num_experts < 1:
            raise ArchitectureError(f"`num_experts` must be at least 1, got {num_experts}.")
        sizes = (in_features, *check_widths(widths))
        self.num_experts = num_experts
        self.out_features = sizes[-1]
        self.activation = activation_function(activation)
        self.weights = nn.ParameterList(torch.empty(num_experts, o, i) for i, o in pairwise(sizes))
        self.biases = nn.ParameterList(torch.zeros(num_experts, o) for o in sizes[1:])
        normed = sizes[1:] if normalise else ()
        self.scales = nn.ParameterList(torch.ones(num_experts, o) for o in normed)
        self.shifts = nn.ParameterList(torch.zeros(num_experts, o) for o in normed)
        self.dropout = Dropout(dropout)
        for weight in self.weights:
            for expert in weight:
                nn.init.xavier_uniform_(expert)

    def forward(self, inputs: Read | Sequence[Read]) -> tuple[Tensor, ...]:
        """Outputs of the experts, E tensors `[B, out_features]`.

        Args:
            inputs: `[B, in_features]` that all experts read, whole or in its two parts, or one such
                input for each expert.
        """
        if isinstance(inputs, (Tensor, PartlyLearnt)):
            own: tuple[Read, ...] = (inputs,) * self.num_experts
        else:
            own = tuple(inputs)  # type: ignore[arg-type]  # a named tuple is taken above
        assert len(own) == self.num_experts, (len(own), self.num_experts)
        read = own[0] if isinstance(own[0], Tensor) else own[0].learnt
        return self.run_one_by_one(own) if read.device.type == "cpu" else self.run_together(own)

    def run_one_by_one(self, inputs: Sequence[Read]) -> tuple[Tensor, ...]:
        """The experts in a loop, each layer a matrix product of its own."""
        hidden = tuple(inputs)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if all(one is hidden[0] for one in hidden):
                products = list(affine_each(hidden[0], weight, bias))
            else:
                layers = zip(hidden, weight.unbind(), bias.unbind(), strict=True)
                products = [affine(h, w, b) for h, w, b in layers]
            if self.scales:
                learnt = zip(
                    self.scales[number].unbind(), self.shifts[number].unbind(), strict=True
                )
                products = [
                    functional.layer_norm(product, scale.shape, scale, shift)
                    for product, (scale, shift) in zip(products, learnt, strict=True)
                ]
            hidden = tuple(map(self._finish, products))
        return tuple(whole(h) for h in hidden)

    def run_together(self, inputs: Sequence[Read]) -> tuple[Tensor, ...]:
        """The experts at once, each layer one batched matrix product."""
        hidden = torch.stack([whole(one) for one in inputs])  # [E, B, D]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            product = torch.baddbmm(bias.unsqueeze(1), hidden, weight.transpose(1, 2))
            if self.scales:
                scale, shift = self.scales[number].unsqueeze(1), self.shifts[number].unsqueeze(1)
                product = functional.layer_norm(product, product.shape[2:]) * scale + shift
            hidden = self._finish(product)
        return hidden.unbind()

    def _finish(self, hidden: Tensor) -> Tensor:
        finished: Tensor = self.dropout(self.activation(hidden))
        return finished
