from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from plait.architectures import Chain, Derived, Encoded, SharedBottom, Widths
from plait.errors import TaskError, UnknownNameError
from plait.heads import Rows, head_for
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract

LOGITS = st.floats(-100, 100, width=32)


class TestChain(LinkContract):
    def make(self) -> Chain:
        return Chain(parent="click", child="buy")

    def tasks(self) -> Mapping[str, Task]:
        return {"click": Binary("click"), "hours": Regression("hours"), "buy": Binary("buy")}


def _connect(click: Tensor, buy: Tensor, *, stop_gradient: bool = False) -> dict[str, Tensor]:
    chain = Chain(parent="click", child="buy", stop_gradient=stop_gradient)
    return chain.connect({"click": click, "buy": buy})


def test_the_conditional_logit_is_kept_under_its_name() -> None:
    click, buy = torch.randn(4, 1), torch.randn(4, 1)
    outputs = _connect(click, buy)
    assert outputs["click"] is click
    assert outputs["buy_given_click"] is buy
    named = Chain(parent="click", child="buy", conditional="cvr")
    assert named.derived() == (Derived("cvr", task="buy", within="click"),)
    assert set(named.connect({"click": click, "buy": buy})) == {"click", "buy", "cvr"}


@given(a=LOGITS, b=LOGITS)
def test_case_67_the_joint_probability_is_the_product_and_never_above_either(
    a: float, b: float
) -> None:
    click, buy = torch.full((1, 1), a), torch.full((1, 1), b)
    joint = _connect(click, buy)["buy"]
    product = (click.double().sigmoid() * buy.double().sigmoid()).item()
    assert joint.dtype == torch.float32
    assert joint.double().sigmoid().item() == pytest.approx(product, abs=1e-7)
    assert joint.item() <= min(click.item(), buy.item())
    assert joint.sigmoid().item() <= min(click.sigmoid().item(), buy.sigmoid().item())


@given(a=LOGITS, b=LOGITS)
def test_the_log_of_the_joint_probability_keeps_its_relative_precision(a: float, b: float) -> None:
    joint = _connect(torch.full((1, 1), a), torch.full((1, 1), b))["buy"]

    def log_sigmoid(z: float) -> float:
        return -math.log1p(math.exp(-z)) if z > 0 else z - math.log1p(math.exp(z))

    found = log_sigmoid(joint.item())
    assert found == pytest.approx(log_sigmoid(a) + log_sigmoid(b), rel=1e-5, abs=1e-30)


@given(a=LOGITS, b=LOGITS)
def test_gradients_are_finite_and_those_of_the_product(a: float, b: float) -> None:
    logits = torch.tensor([[a], [b]], dtype=torch.float64, requires_grad=True)
    joint = _connect(logits[:1], logits[1:])["buy"]
    (gradient,) = torch.autograd.grad(functional.logsigmoid(joint).sum(), logits)
    # d log p / da = 1 - sigmoid(a), from log p = log sigmoid(a) + log sigmoid(b).
    assert_close(gradient, torch.sigmoid(-logits.detach()), rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("a", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("b", [-100.0, 0.0, 100.0])
def test_losses_at_extreme_logits_are_finite_for_both_labels(a: float, b: float) -> None:
    logits = torch.tensor([[a], [b]], requires_grad=True)
    joint = _connect(logits[:1], logits[1:])["buy"]
    for label in (0.0, 1.0):
        target = torch.full((1, 1), label)
        loss = functional.binary_cross_entropy_with_logits(joint, target)
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_half_precision_logits_are_multiplied_in_float32() -> None:
    click, buy = torch.tensor([[-4.0]]).bfloat16(), torch.tensor([[-5.0]]).bfloat16()
    joint = _connect(click, buy)["buy"]
    assert joint.dtype == torch.float32
    expected = torch.sigmoid(torch.tensor(-4.0)) * torch.sigmoid(torch.tensor(-5.0))
    assert_close(joint.sigmoid().squeeze(), expected, rtol=1e-6, atol=0)


def test_case_73_the_loss_equals_a_hand_computation_on_four_rows() -> None:
    # Odds of click 1, 3, 1/3, 1 and of buy given click 1, 1/3, 3, 1/9: so P(click) is
    # .5, .75, .25, .5, P(buy | click) is .5, .25, .75, .1, and P(both) .25, .1875, .1875, .05.
    click = torch.log(torch.tensor([[1.0], [3.0], [1 / 3], [1.0]]))
    buy = torch.log(torch.tensor([[1.0], [1 / 3], [3.0], [1 / 9]]))
    clicked, bought = torch.tensor([1.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    outputs = _connect(click, buy)
    click_loss = head_for(Binary("click")).loss(outputs["click"], clicked, Rows()).mean()
    buy_loss = head_for(Binary("buy")).loss(outputs["buy"], bought, Rows()).mean()
    by_hand = [
        -sum(map(math.log, (0.5, 0.75, 0.75, 0.5))) / 4,
        -sum(map(math.log, (0.25, 0.8125, 0.8125, 0.95))) / 4,
    ]
    assert [click_loss.item(), buy_loss.item()] == pytest.approx(by_hand, abs=1e-6)


def test_case_74_outputs_mean_what_their_names_say() -> None:
    torch.manual_seed(1)
    bottom = SharedBottom(Widths(main=5), ["click", "buy"], layers=(4,), dropout=0)
    towers = {task: torch.nn.Linear(4, 1) for task in bottom.tasks}
    vectors = bottom.split(bottom.share(Encoded(torch.randn(64, 5))))
    outputs = Chain(parent="click", child="buy").connect(
        {task: towers[task](vector) for task, vector in vectors.items()}
    )
    predicted = {name: logit.sigmoid() for name, logit in outputs.items()}
    assert list(predicted) == ["click", "buy", "buy_given_click"]
    assert_close(
        predicted["buy"], predicted["click"] * predicted["buy_given_click"], rtol=1e-5, atol=1e-7
    )


def test_case_66_the_childs_loss_moves_the_parents_tower_unless_stopped() -> None:
    def parents_gradient(*, stop_gradient: bool) -> Tensor | None:
        click, buy = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
        rows = torch.randn(4, 3)
        outputs = _connect(click(rows), buy(rows), stop_gradient=stop_gradient)
        outputs["buy"].sum().backward()
        assert buy.weight.grad is not None
        assert buy.weight.grad.abs().sum() > 0
        return click.weight.grad

    moved = parents_gradient(stop_gradient=False)
    assert moved is not None
    assert moved.abs().sum() > 0
    assert parents_gradient(stop_gradient=True) is None


def test_stopping_the_gradient_changes_no_value() -> None:
    click, buy = torch.randn(4, 1), torch.randn(4, 1)
    stopped = _connect(click, buy, stop_gradient=True)
    for name, logit in _connect(click, buy).items():
        assert torch.equal(stopped[name], logit)


def test_links_in_order_make_a_longer_chain() -> None:
    logits = {name: torch.randn(8, 1).double() for name in ("visit", "convert", "purchase")}
    chance = {name: logit.sigmoid() for name, logit in logits.items()}
    outputs = logits
    for link in (
        Chain(parent="visit", child="convert"),
        Chain(parent="convert", child="purchase"),
    ):
        outputs = link.connect(outputs)
    both = chance["visit"] * chance["convert"]
    assert_close(outputs["convert"].sigmoid(), both)
    assert_close(outputs["purchase"].sigmoid(), both * chance["purchase"])
    assert_close(outputs["purchase_given_convert"], logits["purchase"])
    assert (outputs["purchase"] <= outputs["convert"]).all()
    assert (outputs["convert"] <= outputs["visit"]).all()


def _refusal(*tasks: Task, parent: str = "click", child: str = "buy") -> str:
    with pytest.raises(TaskError) as error:
        Chain(parent=parent, child=child).check({task.name: task for task in tasks})
    return str(error.value)


def test_an_unknown_task_is_named_with_the_nearest() -> None:
    tasks = {"click": Binary("click"), "buy": Binary("buy")}
    with pytest.raises(UnknownNameError, match=r"task 'clik' in Chain\. Did you mean 'click'"):
        Chain(parent="clik", child="buy").check(tasks)
    with pytest.raises(UnknownNameError, match=r"task 'by' in Chain\. Did you mean 'buy'"):
        Chain(parent="click", child="by").check(tasks)


def test_only_binary_tasks_are_chained() -> None:
    message = _refusal(Binary("click"), Regression("buy"))
    assert "Chain from 'click' to 'buy': 'buy' is a regression task" in message
    assert "use Binary" in message


def test_every_reason_is_in_one_message() -> None:
    message = _refusal(
        Binary("click", positive_weight=3.0, focal_gamma=2.0), Binary("buy", trials="shown")
    )
    assert "'click' has a `positive_weight`, which shifts its log odds; use `weight`" in message
    assert "'click' has a `focal_gamma`, which bends its log odds" in message
    assert "'buy' counts `trials`; a chain needs one event a row" in message


def test_a_child_defined_on_the_parents_positives_is_told_how_to_be_the_joint_event() -> None:
    message = _refusal(Binary("click"), Binary("buy", label="paid > 0", space="click == 1"))
    assert "'buy' is defined where `click == 1`, 'click' where `every row`" in message
    assert "give its label as `click == 1 and (paid > 0)`, and the parent's `space`" in message


def test_a_task_cannot_follow_itself_or_share_its_name_with_the_conditional() -> None:
    message = _refusal(Binary("click"), Binary("click_given_click"), child="click")
    assert "a task cannot follow itself" in message
    assert "the output 'click_given_click' has the name of a task" in message
    assert "give it another with `conditional`" in message


def test_a_child_need_not_name_its_parent_and_may_share_its_space() -> None:
    tasks = [Binary("click", space="shown == 1"), Binary("buy", space="shown == 1")]
    Chain(parent="click", child="buy").check({task.name: task for task in tasks})
    tasks = [Binary("click"), Binary("buy", parents=("click",))]
    Chain(parent="click", child="buy").check({task.name: task for task in tasks})
