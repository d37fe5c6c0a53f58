"""How large a model is: its parameters, and the multiply-adds that a row needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from plait.models import MultiTaskModel

__all__ = ["Size", "dense_weights", "size_of"]


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Attributes:
        dense_parameters: those of the network.
        table_parameters: those of the tables.
        table_bytes: memory of the tables, without the state of their optimizer.
        multiply_adds: of the forward pass, a row: the weights of the dense layers, each used once.
        backward: those of the backward pass, to weights and to inputs; numbers and vectors of the
            log need no gradient, so layers that read them are spared that part.
        inputs: width of the shared network's input.
        numbers: how much of it is numeric features' quantiles and pieces, by feature.
        number_share: part of `multiply_adds` that these inputs cause.
    """

    dense_parameters: int
    table_parameters: int
    table_bytes: int
    multiply_adds: int
    backward: int
    inputs: int
    numbers: Mapping[str, int]
    number_share: float

    @property
    def training(self) -> int:
        """Multiply-adds of a training row."""
        return self.multiply_adds + self.backward


def size_of(model: MultiTaskModel) -> Size:
    """Count a model's parameters, and the multiply-adds of its dense layers."""
    tables = model.table_parameters()
    weights = list(dense_weights(model))
    widths = model.entry_widths
    inputs = sum(widths[entry] for entry in model.shared_entries)
    numeric = {number.name for number in model.layout.numbers}
    known = numeric | set(model.layout.vectors or {})
    given = {entry: widths[entry] for entry in model.shared_entries if entry in known}
    numbers = {name: width for name, width in given.items() if name in numeric}
    total = sum(weight.numel() for weight in weights)
    first = sum(weight.numel() for weight in weights if weight.shape[-1] == inputs)
    stored = sum(table.numel() for table in tables)
    return Size(
        dense_parameters=sum(parameter.numel() for parameter in model.parameters()) - stored,
        table_parameters=stored,
        table_bytes=sum(table.numel() * table.element_size() for table in tables),
        multiply_adds=total,
        backward=2 * total - first * sum(given.values()) // inputs,
        inputs=inputs,
        numbers=numbers,
        number_share=first * sum(numbers.values()) / (inputs * total),
    )


_NO_MATRIX = {"bias", "biases", "scales", "shifts", "scenarios", "departures"}


def dense_weights(model: MultiTaskModel) -> Iterator[nn.Parameter]:
    """The matrices that a row is multiplied by: `[out, in]`, or a bank `[E, out, in]` of them.

    A bank of experts keeps its biases as `[E, out]`, and scales and shifts of its norms; by their
    names they are no matrix. Nor are the vectors of scenarios, and what a scenario's weights depart
    from the common ones by.
    """
    tables = {id(table) for table in model.table_parameters()}
    for name, parameter in model.named_parameters():
        is_no_matrix = _NO_MATRIX & {*name.split(".")}
        if parameter.ndim > 1 and not is_no_matrix and id(parameter) not in tables:
            yield parameter
