"""A second look draws what the first one drew, and leaves no trace."""

from __future__ import annotations

import torch

from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.testing import small_batch, small_model
from plait.training import Losses, Objective
from plait.training.second_look import SecondLook


class _Drawn(Objective):
    """A loss that is nothing but a draw."""

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        assert not torch.is_grad_enabled() or step == 0
        return Losses({"click": torch.rand(()) + step})


def test_the_second_look_draws_what_the_first_drew() -> None:
    model, batch, objective = small_model(), small_batch(), _Drawn()
    look = SecondLook(torch.device("cpu"))
    first = float(objective.losses(model, batch, 0).tasks["click"])
    state = torch.get_rng_state()
    assert look.losses(objective, model, batch, 0) == {"click": first}
    assert torch.equal(torch.get_rng_state(), state)
