"""What lies above a cut is run once; where that cannot be told, the step is the same."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.unit.makers import TASKS, gradients, make_data, make_model, whole
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import CGC, PLE, STEM, Chain, HoME, MMoE, SharedBottom
from plait.balancing import Cut, FairGrad, Look, Part, Surface
from plait.balancing.above import leaves_above
from plait.models import ArchitectureFactory, cut_at, cuttable
from plait.tasks import Binary
from plait.training import Supervised
from plait.training.setup import expected_shares

STRUCTURES: dict[str, ArchitectureFactory] = {
    kind.__name__: partial(kind, layers=(6, 6)) for kind in (SharedBottom, MMoE, CGC, PLE, HoME)
}
SURFACES: tuple[Surface, ...] = ("shared", "encoded", "tables")


def test_leaves_are_those_between_the_losses_and_the_cut() -> None:
    below, tower, own = (torch.ones(2, requires_grad=True) for _ in range(3))
    middle = 3 * below
    losses = {"a": (tower * middle).sum(), "b": (own + middle).sum(), "c": torch.ones(())}
    found = leaves_above(losses, (middle,))
    assert found is not None
    assert [list(map(id, leaves)) for leaves in found.values()] == [[id(tower)], [id(own)], []]


def test_a_leaf_of_the_cut_itself_is_not_above_it() -> None:
    cut, tower = (torch.ones(2, requires_grad=True) for _ in range(2))
    found = leaves_above({"a": (tower * cut).sum()}, (cut,))
    assert found is not None
    assert list(map(id, found["a"])) == [id(tower)]


def test_a_leaf_on_both_sides_is_told() -> None:
    below = torch.ones(2, requires_grad=True)
    middle = 3 * below
    assert leaves_above({"a": (below * middle).sum()}, (middle,)) is None


def test_a_road_past_the_cut_leaves_the_step_as_it_should_be() -> None:
    """`below` is read again above the cut: what comes by that road is not weighed."""
    below = torch.tensor([1.0, 2.0], requires_grad=True)
    middle = 3 * below
    losses = {"a": middle.sum() + below.sum(), "b": middle.square().sum() / 2}
    weights = FairGrad().backward(losses, None, Cut("shared", (middle,)))
    expected = 3 * (weights["a"] + weights["b"] * middle.detach()) + 1
    assert_close(below.grad, expected)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", STRUCTURES)
def test_on_real_models_nothing_above_is_run_twice(
    tmp_path_factory: pytest.TempPathFactory, name: str, surface: Surface
) -> None:
    """And the gradients are those of the long way, bit for bit but for the order of sums."""
    data = make_data(tmp_path_factory.mktemp("data"), TASKS)
    model = make_model(data, architecture=STRUCTURES[name], factors=3)
    rule = FairGrad(surface=surface)
    found: list[dict[str, Tensor]] = []
    for is_whole in (True, False):
        model.zero_grad()
        torch.manual_seed(0)
        objective = Supervised(expected_shares(model, data.train), key_l2=0.1)
        with cuttable(surface):
            losses = objective.losses(model, whole(data.train), 0)
        cut = cut_at(surface, model, losses.trace)
        assert cut is not None
        if is_whole:
            look = Look()
            look.add(losses.tasks, cut, is_only=True)
            assert look.above is not None
            assert all(look.above.values())
            rule.backward(losses.tasks, losses.penalty, cut)
        else:
            rule.backward_in_parts([partial(Part, losses.tasks, losses.penalty, cut)])
        found.append(gradients(model))
    assert set(found[0]) == set(found[1])
    for parameter, gradient in found[0].items():
        assert_close(gradient, found[1][parameter], rtol=1e-4, atol=1e-6, msg=parameter)


@pytest.mark.parametrize("structure", [STEM, MMoE])
def test_links_share_what_is_above(
    tmp_path_factory: pytest.TempPathFactory, structure: ArchitectureFactory
) -> None:
    tasks = (Binary("click"), Binary("buy", parents=("click",)))
    data = make_data(tmp_path_factory.mktemp("data"), tasks)
    model = make_model(
        data,
        architecture=partial(structure, layers=(6, 6)),
        links=[Chain(parent="click", child="buy")],
    )
    objective = Supervised(expected_shares(model, data.train))
    with cuttable("shared"):
        losses = objective.losses(model, whole(data.train), 0)
    cut = cut_at("shared", model, losses.trace)
    look = Look()
    look.add(losses.tasks, cut, is_only=True)
    assert look.above is not None
