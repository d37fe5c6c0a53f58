"""What every reading of the network must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from plait.heads import Head, Rows
from plait.settings import arguments, settings_of


class HeadCase(NamedTuple):
    """A head and one batch for it.

    Attributes:
        head: fitted on training labels.
        parameters: `[B, out_features]`.
        target: labels `[B]`.
        rows: what else the head reads.
    """

    head: Head
    parameters: Tensor
    target: Tensor
    rows: Rows


class HeadContract(ABC):
    """Shapes, gradients, precision, state and export of a head.

    Stability: experimental.
    """

    @abstractmethod
    def make(self) -> HeadCase:
        """A fitted head and a batch of some rows, the same ones each time."""

    def test_each_row_has_a_loss_and_a_prediction(self) -> None:
        """Losses are `[B]`, predictions `[B]` or `[B, C]`, all finite."""
        head, parameters, target, rows = self.make()
        assert parameters.shape == (len(target), head.out_features)
        loss, prediction = head.loss(parameters, target, rows), head.predict(parameters, rows)
        assert loss.shape == target.shape
        assert prediction.shape[0] == len(target)
        assert prediction.dim() in (1, 2)
        assert loss.isfinite().all()
        assert prediction.isfinite().all()

    def test_an_untrained_model_predicts_something_finite(self) -> None:
        """The initial bias has one entry a parameter, and a prediction."""
        head, parameters, _, rows = self.make()
        bias = head.initial_bias()
        assert bias.shape == (head.out_features,)
        assert head.predict(bias.expand_as(parameters), rows).isfinite().all()

    def test_gradients_reach_the_parameters(self) -> None:
        """Finite, and not zeros only."""
        head, parameters, target, rows = self.make()
        leaf = parameters.clone().requires_grad_()
        head.loss(leaf, target, rows).sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0

    def test_unobserved_rows_do_no_harm(self) -> None:
        """Where nothing was seen the loss may be anything finite, and so may its gradient."""
        head, parameters, target, rows = self.make()
        leaf = parameters.clone().requires_grad_()
        nothing = torch.zeros_like(target, dtype=torch.bool)
        loss = head.loss(leaf, torch.zeros_like(target), rows._replace(observed=nothing))
        loss.sum().backward()
        assert loss.isfinite().all()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        head, parameters, target, rows = self.make()
        head.double()
        rows = rows._replace(extras={name: extra.double() for name, extra in rows.extras.items()})
        assert head.loss(parameters.double(), target.double(), rows).dtype == torch.float64
        assert head.predict(parameters.double(), rows).dtype == torch.float64

    def test_bfloat16_autocast_is_finite(self) -> None:
        """Parameters in half precision give finite losses and gradients."""
        head, parameters, target, rows = self.make()
        leaf = parameters.bfloat16().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = head.loss(leaf, target, rows)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()

    def test_state_of_a_fitted_head_makes_a_new_one_the_same(self) -> None:
        """A head that was never fitted gives the same bits once it has loaded the state."""
        head, parameters, target, rows = self.make()
        kind = type(head)
        again = kind(head.task, **arguments(settings_of(head)))
        again.load_state_dict(head.state_dict())
        assert torch.equal(
            again.loss(parameters, target, rows), head.loss(parameters, target, rows)
        )
        assert torch.equal(again.predict(parameters, rows), head.predict(parameters, rows))
        assert torch.equal(again.initial_bias(), head.initial_bias())

    def test_repr_names_the_class(self) -> None:
        """A person who prints it sees what it is."""
        head = self.make().head
        assert type(head).__name__ in repr(head)

    def test_predictions_export_with_a_dynamic_batch(self) -> None:
        """`torch.export` takes `predict`, and the program agrees on another batch size."""
        head, parameters, _, rows = self.make()
        extras = dict(rows.extras)
        batch = torch.export.Dim("batch")
        program = torch.export.export(
            _Predict(head),
            (parameters, extras),
            dynamic_shapes={
                "parameters": {0: batch},
                "extras": {name: {0: batch} for name in extras},
            },
        )
        more = torch.cat([parameters, parameters])
        more_extras = {name: torch.cat([extra, extra]) for name, extra in extras.items()}
        exported: Tensor = program.module()(more, more_extras)
        assert_close(exported, head.predict(more, Rows(extras=more_extras)))


class _Predict(nn.Module):
    """`Head.predict` as a forward pass, for export."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, parameters: Tensor, extras: dict[str, Tensor]) -> Tensor:
        return self.head.predict(parameters, Rows(extras=extras))
