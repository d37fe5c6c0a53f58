from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from tests.unit.architectures import link_reference as reference
from torch import Tensor

from plait.architectures import NISE, Seen
from plait.errors import TaskError, UnknownNameError
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract

CLICKED = [1.0, 0.0, 1.0, 0.0]
BOUGHT = [1.0, 0.0, 0.0, 0.0]


class TestNISE(LinkContract):
    def make(self) -> NISE:
        return NISE(parent="click", child="buy")

    def tasks(self) -> Mapping[str, Task]:
        buy = Binary("buy", space="click == 1")
        return {"click": Binary("click"), "hours": Regression("hours"), "buy": buy}


def _seen(logit: Tensor) -> Seen:
    labels = {"click": torch.tensor(CLICKED), "buy": torch.tensor(BOUGHT)}
    weights = {"click": torch.tensor([1.0, 2.0, 1.0, 1.0]), "buy": torch.tensor([1.0, 0, 3, 0])}
    parameters = {"click": torch.zeros(4, 1), "buy": logit}
    doubled = [{n: t.double() for n, t in part.items()} for part in (parameters, labels, weights)]
    return Seen(doubled[0], {}, doubled[1], doubled[2])


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 50.0), (0.5, 50.0), (1.0, 0.1)])
def test_the_loss_is_the_paper_s_equation(alpha: float, beta: float) -> None:
    logit = torch.tensor([[0.3], [-2.0], [1.5], [-0.7]], dtype=torch.float64)
    losses = {"click": torch.tensor(0.4, dtype=torch.float64), "buy": torch.tensor(9.0).double()}
    link = NISE(parent="click", child="buy", alpha=alpha, beta=beta)
    found = link.losses(losses, _seen(logit))
    expected = reference.nise(
        o=CLICKED,
        r=BOUGHT,
        convert=logit.squeeze(1).tolist(),
        weights=[1.0, 2.0, 3.0, 1.0],
        click_loss=0.4,
        alpha=alpha,
        beta=beta,
    )
    assert found["buy"].item() == pytest.approx(expected, abs=1e-10)
    assert found["click"] is losses["click"]


def test_the_trap_an_unclicked_row_is_pushed_to_zero_harder_than_a_negative() -> None:
    logit = torch.logit(torch.full((4, 1), 0.005, dtype=torch.float64)).requires_grad_()
    # A loss of the click so small that beta is not reached, and then divided out again.
    losses = {"click": torch.tensor(1.0).double()}
    link = NISE(parent="click", child="buy")
    link.losses(losses, _seen(logit))["buy"].backward()
    assert logit.grad is not None
    p, z = 0.005, torch.logit(torch.tensor(0.005, dtype=torch.float64)).item()
    # Rows 2 and 4 are unclicked, of weights 2 and 1: their gradients are in that ratio, upwards.
    assert (logit.grad[1] / logit.grad[3]).item() == pytest.approx(2.0)
    # Row 1 is a positive, with gradient p - 1; row 4 has -z p (1 - p).
    ratio = (logit.grad[3] / logit.grad[0]).item()
    assert ratio == pytest.approx(-z * p * (1 - p) / (p - 1))
    assert -z * p * (1 - p) == pytest.approx(0.026, abs=5e-4)
    assert -z * p * (1 - p) > 5 * p


def test_the_weight_is_a_number_and_moves_no_click() -> None:
    click = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    logit = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    NISE(parent="click", child="buy").losses({"click": click}, _seen(logit))["buy"].backward()
    assert click.grad is None


def test_without_a_click_loss_nothing_is_changed() -> None:
    losses = {"buy": torch.tensor(1.0)}
    link = NISE(parent="click", child="buy")
    assert link.losses(losses, _seen(torch.zeros(4, 1).double())) is losses


def test_tasks_that_are_no_click_and_conversion_are_refused() -> None:
    link = NISE(parent="click", child="buy")
    tasks: dict[str, Task] = {"click": Binary("click"), "buy": Binary("buy")}
    with pytest.raises(TaskError, match=r"where `every row`; it must be defined where 'click'"):
        link.check(tasks)
    with pytest.raises(UnknownNameError, match=r"no task 'buy' in NISE"):
        link.check({"click": Binary("click")})
    with pytest.raises(TaskError, match="a task cannot follow itself"):
        NISE(parent="click", child="click").check(tasks)
    tasks["buy"] = Regression("buy", space="click == 1")
    with pytest.raises(TaskError, match="'buy' is a regression task; the entropy is that of"):
        link.check(tasks)
    with pytest.raises(TaskError, match=r"`alpha` must be positive, got 0; `beta` must be posit"):
        NISE(parent="click", child="buy", alpha=0, beta=-1)
