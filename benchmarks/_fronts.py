"""Toy problems whose Pareto front is known, and how much of it points or a model cover."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait import Categorical, Regression, Schema, SharedBottom, Training
from plait.balancing import MGDA, STCH, Balancer, Cut, Equal, Rays
from plait.data.batch import Batch
from plait.data.log import Log
from plait.data.preparing import prepare
from plait.data.splits import RandomSplit
from plait.experiment.running import build
from plait.models import MultiTaskModel, preferring
from plait.training import Losses, Objective, Trainer

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Losses of a point, and the points that no other one beats.

    Attributes:
        name: of the problem.
        tasks: how many losses.
        losses: `[..., K]` from points `[..., D]`.
        front: many points of the front `[N, D]`.
        starts: where descent begins.
        rate: of descent.
        conditioned: the rule under which one model is to learn the whole front.
    """

    name: str
    tasks: int
    losses: Callable[[Tensor], Tensor]
    front: Points
    starts: tuple[tuple[float, ...], ...]
    rate: float
    conditioned: Callable[[], Balancer]


def quadratics(theta: Tensor) -> Tensor:
    """`½ (θ - a)ᵀ H (θ - a)` twice, with unlike curvatures."""
    minima = torch.tensor([[1.0, 0.0], [-1.0, 0.5]], dtype=theta.dtype)
    slopes = torch.tensor([[1.0, 4.0], [3.0, 1.0]], dtype=theta.dtype)
    found: Tensor = ((theta.unsqueeze(-2) - minima).square() * slopes).sum(-1) / 2
    return found


def vlmop2(theta: Tensor) -> Tensor:
    """Van Veldhuizen and Lamont's second problem, in the plane: a front that is not convex."""
    root = 1 / math.sqrt(2)
    away = [(theta - root).square().sum(-1), (theta + root).square().sum(-1)]
    return 1 - torch.exp(-torch.stack(away, dim=-1))


def corners(theta: Tensor) -> Tensor:
    """Half the squared distances from the three unit vectors: the front is their triangle."""
    return (theta.unsqueeze(-2) - torch.eye(3, dtype=theta.dtype)).square().sum(-1) / 2


def problems() -> tuple[Problem, ...]:
    """Two objectives, two on a front that is not convex, and three."""
    share = np.linspace(0, 1, 2001)[:, None]
    slopes = np.array([[1.0, 4.0], [3.0, 1.0]])
    minima = np.array([[1.0, 0.0], [-1.0, 0.5]])
    mixed = share * slopes[0] + (1 - share) * slopes[1]
    curve = (share * slopes[0] * minima[0] + (1 - share) * slopes[1] * minima[1]) / mixed
    line = (2 * share - 1) / math.sqrt(2) * np.ones(2)
    return (
        Problem("two quadratics", 2, quadratics, curve, ((3.0, 2.0), (-2.0, -3.0)), 0.15, Rays),
        Problem(
            "VLMOP2",
            2,
            vlmop2,
            line,
            ((0.9, 0.1), (-0.2, 0.8)),
            0.2,
            lambda: Rays(rule=STCH(mu=0.05, warmup=1)),
        ),
        Problem(
            "three corners",
            3,
            corners,
            simplex(3, 60),
            ((2.0, -1.0, 0.5), (-1.0, 1.5, 2.0)),
            0.1,
            Rays,
        ),
    )


def simplex(tasks: int, steps: int) -> Points:
    """Every vector of multiples of `1 / steps` that sums to 1."""
    found = [p for p in product(range(steps + 1), repeat=tasks) if sum(p) == steps]
    return np.array(found, dtype=np.float64) / steps


def descent(problem: Problem, rule: Balancer, start: Sequence[float], steps: int) -> float:
    """Length of the shortest mixture of gradients where descent ends: 0 on the front."""
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    names = [f"task_{place}" for place in range(problem.tasks)]
    rule.prepare({})
    for _ in range(steps):
        theta.grad = None
        found = dict(zip(names, problem.losses(theta).unbind(-1), strict=True))
        rule.backward(found, None, Cut("parameters", (theta,)))
        assert theta.grad is not None
        with torch.no_grad():
            theta -= problem.rate * theta.grad
    losses = problem.losses(theta).unbind(-1)
    g = torch.stack([torch.autograd.grad(loss, theta, retain_graph=True)[0] for loss in losses])
    weights = MGDA().weigh(g @ g.T, dict.fromkeys(names, 1.0)) / problem.tasks
    return float((weights @ g).norm())


class _Toy(Objective):
    """The losses of a problem at the point that the heads of a model give."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """Of the mean over rows, which are all alike."""
        trace = model.trace(batch)
        parameters = model.decode_observed(trace.representations, batch)
        found = self.problem.losses(_point(parameters, self.problem)).unbind(-1)
        return Losses(dict(zip(model.tasks, found, strict=True)), None, trace)


def coverage(
    problem: Problem, rule: Balancer, folder: Path, *, steps: int, seed: int = 0
) -> tuple[float, float]:
    """Shares of the true hypervolume: of one conditioned model, and of a plain one.

    The whole of plait takes part: a model with gates, its trainer, its optimizers. Only the losses
    are those of the problem.
    """
    frame = pl.DataFrame(
        {"same": ["here"] * 32, **{f"task_{k}": [0.0, 1.0] * 16 for k in range(problem.tasks)}}
    )
    tasks = tuple(Regression(f"task_{k}") for k in range(problem.tasks))
    log = Log((frame,), Schema((Categorical("same"),)), tasks)
    prepared = prepare(log, RandomSplit(valid=0.0, test=0.0), cache=folder)
    settings = Training(
        max_steps=steps, epochs=steps, batch_size=32, learning_rate=1e-2, average=0.98, seed=seed
    )
    found = []
    for preference, balancer in ((True, rule), (False, Equal())):
        model = build(
            prepared,
            seed=seed,
            architecture=partial(SharedBottom, layers=(32, 32), dropout=0.0),
            tower=(16,),
            dropout=0.0,
            factors=0,
            unknown_rate=0.0,
            preference=preference,
        )
        Trainer(model, settings, balancer=balancer, objective=_Toy(problem)).fit(prepared.train)
        batch = prepared.train.batch(slice(0, 1))
        found.append(np.array([*_asked(problem, model, batch)]))
    return _share(problem, found[0]), _share(problem, found[1])


def _asked(problem: Problem, model: MultiTaskModel, batch: Batch) -> Iterator[Points]:
    for ray in simplex(problem.tasks, 50 if problem.tasks == 2 else 20):
        with torch.no_grad(), preferring(ray.tolist()):
            yield problem.losses(_point(model(batch), problem).double()).numpy()


def _point(parameters: Mapping[str, Tensor], problem: Problem) -> Tensor:
    named = [parameters[f"task_{k}"][:, 0].mean() for k in range(problem.tasks)]
    return torch.stack(named)


def _share(problem: Problem, found: Points) -> float:
    true = problem.losses(torch.from_numpy(problem.front)).numpy()
    reference = true.max(axis=0) * 1.02 + 1e-9
    return hypervolume(found, reference) / hypervolume(true, reference)


def hypervolume(points: Points, reference: Points) -> float:
    """Volume between points and a reference that is worse, for two or three objectives."""
    inside = points[(points < reference).all(axis=1)]
    if inside.shape[1] == 2:
        volume, height = 0.0, reference[1]
        for first, second in inside[np.argsort(inside[:, 0], kind="stable")]:
            if second < height:
                volume += (reference[0] - first) * (height - second)
                height = second
        return float(volume)
    ordered = inside[np.argsort(inside[:, -1], kind="stable")]
    levels = np.append(ordered[:, -1], reference[-1])
    return float(
        sum(
            (levels[place + 1] - levels[place])
            * hypervolume(ordered[: place + 1, :-1], reference[:-1])
            for place in range(len(ordered))
            if levels[place + 1] > levels[place]
        )
    )
