"""What the papers promise, and what every rule owes: fronts, scales, order, absent tasks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import conflicting_triple, cosine, gradients
from tests.unit.balancing.weighing import NAMES, direction, weights
from torch import Tensor
from torch.testing import assert_close

from plait.balancing import (
    IMTLG,
    MGDA,
    PCD,
    AlignedMTL,
    CAGrad,
    Cut,
    DualProj,
    FairGrad,
    GradientBalancer,
    GradNorm,
    MetaBalance,
    PCGrad,
    UPGrad,
)

SYMMETRIC: list[GradientBalancer] = [
    *(MGDA(), PCGrad(), CAGrad(), IMTLG(), FairGrad(), FairGrad(alpha=2.0), AlignedMTL()),
    *(UPGrad(), DualProj(), GradNorm()),
]
EVERY = [*SYMMETRIC, MetaBalance(target="a"), PCD(target="a")]


def named(rule: GradientBalancer) -> str:
    return f"{type(rule).__name__}{getattr(rule, 'alpha', '')}"


def quadratics(theta: Tensor) -> dict[str, Tensor]:
    """`½ (θ - a)ᵀ H (θ - a)` twice; the front is a curve between the two minima."""
    pairs = {
        "a": (torch.tensor([1.0, 0.0]), torch.tensor([1.0, 4.0])),
        "b": (torch.tensor([-1.0, 0.5]), torch.tensor([3.0, 1.0])),
    }
    return {
        name: ((theta - minimum.double()) ** 2 * slopes.double()).sum() / 2
        for name, (minimum, slopes) in pairs.items()
    }


@pytest.mark.parametrize(
    "rule", [MGDA(), UPGrad(), CAGrad(), FairGrad()], ids=lambda rule: type(rule).__name__
)
@pytest.mark.parametrize("start", [(3.0, 2.0), (-2.0, -3.0)])
def test_descent_ends_on_the_front(rule: GradientBalancer, start: tuple[float, float]) -> None:
    rule.surface = "parameters"
    rule.prepare({})
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for _ in range(250):
        theta.grad = None
        rule.backward(quadratics(theta), None, Cut("parameters", (theta,)))
        assert theta.grad is not None
        with torch.no_grad():
            theta -= 0.15 * theta.grad
    losses = quadratics(theta)
    g = np.stack([torch.autograd.grad(loss, theta)[0].numpy() for loss in losses.values()])
    shortest = weights(MGDA(), g) / 2 @ g
    assert np.linalg.norm(shortest) < 1e-4


def triangle(theta: Tensor) -> dict[str, Tensor]:
    """Half the squared distances from three corners; the front is the triangle between them."""
    ends = torch.eye(3, dtype=torch.float64)
    return {name: (theta - end).square().sum() / 2 for name, end in zip("abc", ends, strict=True)}


def vlmop2(theta: Tensor) -> dict[str, Tensor]:
    """Van Veldhuizen and Lamont 1999; the front, `θ = (t, t)` with `|t| <= 1/√2`, bends inwards."""
    away = {
        name: (theta - end).square().sum() for name, end in (("a", 0.5**0.5), ("b", -(0.5**0.5)))
    }
    return {name: 1 - torch.exp(-distance) for name, distance in away.items()}


@pytest.mark.parametrize(
    "rule", [MGDA(), UPGrad(), CAGrad(), FairGrad()], ids=lambda rule: type(rule).__name__
)
@pytest.mark.parametrize("problem", [triangle, vlmop2], ids=lambda problem: problem.__name__)
def test_descent_ends_on_fronts_of_three_losses_and_on_one_that_bends_inwards(
    rule: GradientBalancer, problem: Callable[[Tensor], dict[str, Tensor]]
) -> None:
    rule.surface = "parameters"
    rule.prepare({})
    start = [2.0, -1.0, 0.5] if problem is triangle else [0.9, 0.1]
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for _ in range(150):
        theta.grad = None
        rule.backward(problem(theta), None, Cut("parameters", (theta,)))
        assert theta.grad is not None
        with torch.no_grad():
            theta -= 0.15 * theta.grad
    g = np.stack([torch.autograd.grad(loss, theta)[0].numpy() for loss in problem(theta).values()])
    assert np.linalg.norm(weights(MGDA(), g) / len(g) @ g) < 1e-4
    where = theta.detach().numpy()
    if problem is triangle:
        assert where.min() > -1e-4
        assert where.sum() == pytest.approx(1, abs=1e-3)
    else:
        assert where[0] == pytest.approx(where[1], abs=1e-3)
        assert abs(where[0]) < 0.5**0.5 + 1e-3


@pytest.mark.parametrize("rule", [IMTLG(), FairGrad()], ids=named)
def test_scaling_a_gradient_by_1000_leaves_the_direction(rule: GradientBalancer) -> None:
    g = conflicting_triple()
    scaled = g * np.array([[1.0], [1000.0], [1.0]])
    assert cosine(direction(rule, g), direction(rule, scaled)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "rule",
    [MGDA(), PCGrad(), CAGrad(), UPGrad(), DualProj(), FairGrad(alpha=2.0), AlignedMTL()],
    ids=named,
)
def test_the_other_rules_need_normalised_losses_as_the_docs_say(rule: GradientBalancer) -> None:
    g = conflicting_triple()
    scaled = g * np.array([[1.0], [1000.0], [1.0]])
    assert cosine(direction(rule, g), direction(rule, scaled)) < 0.99


@pytest.mark.parametrize("rule", EVERY, ids=named)
def test_tasks_that_are_one_get_the_plain_sum(rule: GradientBalancer) -> None:
    rule.prepare(dict.fromkeys("abc")) if rule in SYMMETRIC else None  # type: ignore[arg-type]
    g = np.tile([[1.0, -2.0, 0.5]], (3, 1))
    assert cosine(direction(rule, g), g.sum(axis=0)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "rule",
    [PCGrad(), UPGrad(), DualProj(), CAGrad(c=0.0), AlignedMTL()],
    ids=lambda rule: type(rule).__name__,
)
def test_orthogonal_gradients_of_one_length_get_the_plain_sum(rule: GradientBalancer) -> None:
    g = np.eye(3)
    assert cosine(direction(rule, g), g.sum(axis=0)) == pytest.approx(1, abs=1e-9)


def test_orthogonal_gradients_of_any_length_are_summed_by_pcgrad() -> None:
    g = np.diag([1.0, 30.0, 0.2])
    assert direction(PCGrad(), g) == pytest.approx(g.sum(axis=0))


@pytest.mark.parametrize("rule", [r for r in SYMMETRIC if not isinstance(r, GradNorm)], ids=named)
def test_the_order_of_the_tasks_does_not_matter(rule: GradientBalancer) -> None:
    # Where orders are drawn, two tasks leave no choice.
    g = gradients(2, 5, seed=3) if isinstance(rule, PCGrad) else gradients(4, 9, seed=3)
    order = np.arange(len(g))[::-1]
    assert weights(rule, g[order]) == pytest.approx(weights(rule, g)[order], rel=1e-6)


@pytest.mark.parametrize("rule", EVERY, ids=named)
def test_a_task_that_reaches_nothing_leaves_the_others_as_they_are(rule: GradientBalancer) -> None:
    """Its gradient is zero: it has no say, and no part in the direction of the others."""
    g = torch.from_numpy(conflicting_triple()[:2])
    found = []
    for with_idle in (False, True):
        rule.prepare(dict.fromkeys("abz")) if rule in SYMMETRIC else rule.load_state_dict({})  # type: ignore[arg-type]
        point = torch.ones(3, dtype=torch.float64, requires_grad=True)
        losses = {name: (row * point).sum() + 9 for name, row in zip("ab", g, strict=True)}
        if with_idle:
            losses["z"] = 5 + (0 * point).sum()
        told = rule.backward(losses, None, Cut("parameters", (point,)))
        assert told.pop("z", 1.0) == 1.0
        found.append((told, point.grad))
    assert found[0][0] == pytest.approx(found[1][0])
    assert_close(found[0][1], found[1][1])


@pytest.mark.parametrize("rule", EVERY, ids=named)
@pytest.mark.parametrize("kind", ["tiny", "huge", "rank one", "opposed"])
def test_every_family_of_gradients_has_finite_weights(rule: GradientBalancer, kind: str) -> None:
    base = gradients(4, 6, seed=2)
    family = {
        "tiny": 1e-12 * base,
        "huge": 1e12 * base,
        "rank one": np.outer([1.0, 2.0, -0.5, 3.0], base[0]),
        "opposed": np.vstack([base[:2], -base[:2]]),
    }
    rule.load_state_dict({"steps": 0, "weights": {}, "first": {}} if rule in SYMMETRIC else {})
    assert np.isfinite(weights(rule, family[kind])).all()
    assert NAMES[0] == "a"
