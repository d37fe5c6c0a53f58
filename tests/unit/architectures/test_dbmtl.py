from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from tests.unit.architectures import link_reference as reference

from plait.architectures import DBMTL
from plait.errors import TaskError, UnknownNameError
from plait.modules import MLP
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract

# buy is named before cart, which it needs, and click reaches it by two roads.
PARENTS = {"buy": ("cart", "click"), "cart": ("click",), "click": ()}
TASKS = ("click", "cart", "buy", "hours")


class TestDBMTL(LinkContract):
    def make(self) -> DBMTL:
        return DBMTL(parents=PARENTS)

    def tasks(self) -> Mapping[str, Task]:
        return {"hours": Regression("hours")} | {name: Binary(name) for name in TASKS[:3]}


def _built(parents: Mapping[str, tuple[str, ...]] = PARENTS, *, width: int = 4) -> DBMTL:
    link = DBMTL(parents=parents)
    link.build(width)
    for name, parameter in link.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(parameter)
    return link.double()


def _layers(link: DBMTL) -> dict[str, reference.Linear]:
    found = {}
    for task, layer in zip(link.order, link.layers, strict=True):
        assert isinstance(layer, MLP)
        weight, bias = layer.linears[0].parameters()
        found[task] = (weight.detach().numpy(), bias.detach().numpy())
    return found


@pytest.mark.parametrize(
    "parents",
    [
        PARENTS,
        {"buy": ("cart",), "cart": ("click",)},
        {"hours": ("click", "cart", "buy")},
        {"cart": ("click",), "buy": ("click",), "hours": ("cart", "buy")},
    ],
)
def test_any_graph_is_the_paper_s_recursion(parents: Mapping[str, tuple[str, ...]]) -> None:
    link = _built(parents)
    given = {name: torch.randn(5, 4, dtype=torch.float64) for name in TASKS}
    coupled = link.couple(given)
    for row in range(5):
        h = {name: vector[row].numpy() for name, vector in given.items()}
        expected = reference.dbmtl(h, parents, _layers(link))
        for name, vector in expected.items():
            found = coupled[name][row].detach()
            np.testing.assert_allclose(found, vector, atol=1e-10, rtol=0)


def test_tasks_without_parents_are_left_as_they_are() -> None:
    given = {name: torch.randn(5, 4, dtype=torch.float64) for name in TASKS}
    coupled = _built().couple(given)
    assert coupled["click"] is given["click"]
    assert coupled["hours"] is given["hours"]


def test_a_child_s_loss_moves_its_parents_and_not_the_reverse() -> None:
    given = {n: torch.randn(9, 4, dtype=torch.float64, requires_grad=True) for n in TASKS}
    _built().couple(given)["cart"].sum().backward()
    assert given["click"].grad is not None
    assert given["buy"].grad is None
    assert given["hours"].grad is None


def test_a_circle_is_shown() -> None:
    with pytest.raises(TaskError) as caught:
        DBMTL(parents={"buy": ["cart"], "cart": ["click"], "click": ["buy"]})
    circle = str(caught.value).partition("circle: ")[2].partition(". Take")[0].split(" -> ")
    assert circle[0] == circle[-1]
    assert set(circle) == {"click", "cart", "buy"}
    with pytest.raises(TaskError, match=r"in a circle: buy -> buy\. Take one"):
        DBMTL(parents={"buy": ["buy"]})


def test_a_graph_that_says_nothing_is_refused() -> None:
    with pytest.raises(TaskError, match=r"`parents` names no parent\. Leave the link out"):
        DBMTL(parents={"buy": []})
    with pytest.raises(TaskError, match=r"the parents of 'buy' hold one twice: \('click', 'cl"):
        DBMTL(parents={"buy": ["click", "click"]})
    tasks = {"click": Binary("click"), "buy": Binary("buy")}
    with pytest.raises(UnknownNameError, match=r"no task 'clik' in DBMTL\. Did you mean 'click'"):
        DBMTL(parents={"buy": ["clik"]}).check(tasks)
