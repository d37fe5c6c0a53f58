from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from tests.unit.architectures import link_reference as reference
from torch import Tensor, nn

from plait.architectures import AITM, Seen
from plait.errors import TaskError, UnknownNameError
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract

STEPS = ("click", "cart", "buy")


class TestAITM(LinkContract):
    def make(self) -> AITM:
        return AITM(tasks=STEPS)

    def tasks(self) -> Mapping[str, Task]:
        names = ("buy", "click", "cart")
        return {"hours": Regression("hours")} | {name: Binary(name) for name in names}


def _built(*, width: int = 4, alpha: float = 0.6) -> AITM:
    link = AITM(tasks=STEPS, alpha=alpha)
    link.build(width)
    return link.double()


def _weights(linear: nn.Module) -> reference.Linear:
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def _seen(logits: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Seen:
    labels = {name: torch.zeros(len(weight)) for name, weight in weights.items()}
    return Seen(logits, {}, labels, weights)


def test_transfer_is_the_paper_s_equations() -> None:
    link = _built()
    given = {name: torch.randn(6, 4, dtype=torch.float64) for name in STEPS}
    coupled = link.couple(given)
    assert coupled["click"] is given["click"]
    transfers = [_weights(layer) for layer in link.transfers]
    attentions = [[_weights(h) for h in (a.h1, a.h2, a.h3)] for a in link.attentions]
    for row in range(6):
        q = [given[name][row].numpy() for name in STEPS]
        expected = reference.aitm(q, transfers, attentions)
        for name, vector in zip(STEPS, expected, strict=True):
            found = coupled[name][row].detach()
            np.testing.assert_allclose(found, vector, atol=1e-10, rtol=0)


def test_the_calibrator_is_the_paper_s_equation_over_the_rows_that_count() -> None:
    link = _built()
    logits = {name: torch.randn(8, 1, dtype=torch.float64) for name in STEPS}
    weights = {name: torch.ones(8, dtype=torch.float64) for name in STEPS}
    weights["cart"] = torch.tensor([1.0, 2, 0, 1, 1, 0.5, 1, 1], dtype=torch.float64)
    weights["click"][3] = 0.0
    before = {name: torch.tensor(float(n), dtype=torch.float64) for n, name in enumerate(STEPS)}
    losses = link.losses(before, _seen(logits, weights))
    assert losses["click"] is before["click"]
    flat = {name: logit.squeeze(1).tolist() for name, logit in logits.items()}
    counted = [1.0, 2.0, 0.0, 0.0, 1.0, 0.5, 1.0, 1.0]
    cart = 1.0 + 0.6 * reference.calibrator(flat["click"], flat["cart"], counted)
    of_buy = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    buy = 2.0 + 0.6 * reference.calibrator(flat["cart"], flat["buy"], of_buy)
    assert losses["cart"].item() == pytest.approx(cart, abs=1e-10)
    assert losses["buy"].item() == pytest.approx(buy, abs=1e-10)


def test_without_alpha_losses_stay_as_they_are() -> None:
    losses = {"buy": torch.tensor(1.0)}
    assert _built(alpha=0.0).losses(losses, _seen({}, {})) is losses


def test_a_later_step_s_loss_moves_earlier_representations_and_not_the_reverse() -> None:
    link = _built()
    given = {n: torch.randn(6, 4, dtype=torch.float64, requires_grad=True) for n in STEPS}
    link.couple(given)["cart"].sum().backward()
    assert given["click"].grad is not None
    assert given["buy"].grad is None


def test_tasks_that_are_no_funnel_are_refused() -> None:
    with pytest.raises(TaskError, match=r"at least two steps, got \('click',\)"):
        AITM(tasks=["click"])
    with pytest.raises(TaskError, match=r"holds a step twice.*`alpha` must not be negative"):
        AITM(tasks=["click", "click"], alpha=-1)
    tasks: dict[str, Task] = {"click": Binary("click"), "cart": Binary("cart")}
    with pytest.raises(UnknownNameError, match=r"no task 'buy' in AITM"):
        AITM(tasks=STEPS).check(tasks)
    tasks["buy"] = Regression("buy")
    with pytest.raises(TaskError, match=r"'buy' is a regression task; its calibrator compares"):
        AITM(tasks=STEPS).check(tasks)
    tasks["buy"] = Binary("buy", space="click == 1")
    with pytest.raises(TaskError, match=r"'buy' is defined where `click == 1`, 'cart'"):
        AITM(tasks=STEPS).check(tasks)
